/* emulator/httpdate.h: "Sun, 06 Nov 1994 08:49:37 GMT" and back.
 *
 * Units    whole seconds since 1970-01-01 UTC.
 * Errors   false: not such a date; the two obsolete forms are not read.
 * Threads  any; the locale and TZ play no part.
 * Source   RFC 7231 7.1.1.1 (IMF-fixdate).
 */
#ifndef EMULATOR_HTTPDATE_H
#define EMULATOR_HTTPDATE_H

#include "base/str.h"

#define HTTPDATE_SIZE 32

const char *httpdate_text(char out[HTTPDATE_SIZE], int64_t seconds);
bool httpdate_parse(struct span text, int64_t *ret);

#endif
