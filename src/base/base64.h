/* base/base64.h: standard base64 (RFC 4648 4), and reading its form for addresses (RFC 4648 5).
 *
 * Limits   those of the buffer.
 * Errors   false: not base64, or the buffer is full (`out->failed` tells which); what was written
 *          before stays behind `out`.
 * Threads  any.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/str.h"

/* Behind `out`, with padding. None of its letters needs an escape in JSON. */
bool base64_write(struct span data, struct buf *out);

/* Line ends are passed over; padding may be missing, but not half of it. */
bool base64_read(struct span text, struct buf *out);

/* '-' and '_' for '+' and '/', no padding, no line ends: the parts of a JWT. */
bool base64_read_url(struct span text, struct buf *out);

#endif
