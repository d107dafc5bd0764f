/* simulator/time_text.h: the timestamps of a CSV file.
 *
 * Shape    a decimal number: Unix seconds; else YYYY-MM-DD, then optionally T or a blank and
 *          HH:MM[:SS[.fraction]], then optionally Z or +HH:MM, +HHMM, +HH; no zone: UTC.
 * Units    microseconds since 1970-01-01 UTC; more digits are cut off.
 * Limits   the years 0001-9999.
 * Errors   false: not a time.
 * Threads  any.
 * Source   kelvin-stream.md 6.3, ISO 8601.
 */
#ifndef SIMULATOR_TIME_TEXT_H
#define SIMULATOR_TIME_TEXT_H

#include "base/str.h"

bool time_text_parse(struct span text, int64_t *ret_us);

/* A finite decimal number: sign, digits, point, exponent; blanks around it are fine. */
bool time_text_number(struct span text, double *ret);

#endif
