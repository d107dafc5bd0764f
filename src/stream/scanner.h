/* stream/scanner.h: the fast way: a line of the form the platform writes, in one pass.
 *
 * Shape    one object of known and unknown keys in any order, blanks allowed, with plain strings
 *          (nothing escaped), numbers, true, false and null as values. Each byte is checked: what
 *          is taken is valid JSON and valid UTF-8. Anything else is handed over, never judged here.
 * Limits   the line's own '\n' ends every loop: no byte behind it is used, though up to 48 are
 *          looked at together when they lie before `end`.
 * Owner    *ret borrows from the line.
 * Threads  any.
 * Source   RFC 8259; kelvin-stream.md 2.1, 2.2.
 */
#ifndef STREAM_SCANNER_H
#define STREAM_SCANNER_H

#include "stream/message.h"

/* The line at p; end[-1] must be a '\n' (this line's or a later one's). True: *ret_next is behind
 * the line. False: not of this form; nothing is known about the line, *ret is half filled. */
NODISCARD bool scanner_line(
    const char *p, const char *end, struct message *ret, const char **ret_next);

#endif
