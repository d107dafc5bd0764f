/* emulator/base64.h: standard base64 (RFC 4648 4) with padding.
 *
 * Limits   those of the buffer.
 * Errors   false: not base64, or the buffer is full.
 * Threads  any.
 */
#ifndef EMULATOR_BASE64_H
#define EMULATOR_BASE64_H

#include "base/str.h"

/* Padding may be missing at the end; blanks and line ends are skipped. */
bool base64_read(struct span text, struct buf *out);
bool base64_write(struct span data, struct buf *out);

#endif
