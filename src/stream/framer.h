/* stream/framer.h: bytes from the socket to whole lines, in bounded memory.
 *
 * Shape    a receive buffer; framer_space says where to receive into, framer_lines gives the whole
 *          lines (each with its '\n') that are there, framer_take consumes them.
 * Units    bytes; a line's length does not count its '\n'.
 * Limits   a line of at most line_max bytes (KELVIN_STREAM_LIMIT). A longer one is discarded up to
 *          its newline in constant memory, counted once, its first 4 KiB kept as a sample.
 * Errors   none after framer_new.
 * Owner    opaque; spans are borrowed until the next framer_space.
 * Threads  one at a time.
 * Source   kelvin-stream.md 1.1, 1.2, 8 (29, 30, 35); durability.md 14 (BOM at the very start
 *          skipped).
 */
#ifndef STREAM_FRAMER_H
#define STREAM_FRAMER_H

#include "base/str.h"

#define FRAMER_RECEIVE_BYTES (256 * 1024) /* one recv */
#define FRAMER_SAMPLE_BYTES 4096

struct framer;

/* line_max: 4 bytes to 1 GiB. Memory: line_max + FRAMER_RECEIVE_BYTES of address space; resident
 * only what long lines touched.
 */
struct framer *framer_new(size_t line_max, struct err *err);
void framer_free(struct framer *f);

/* A new connection: forgets a half line (returns its length, 0: none) and expects a BOM again.
 * Whole lines not yet taken stay. A too long line cut off by the end of its connection counts as
 * ended: framer_too_long tells of it, framer_rest does not. */
size_t framer_restart(struct framer *f);

/* Room for at least one receive; then say how much came. */
char *framer_space(struct framer *f, size_t *ret_len);
void framer_added(struct framer *f, size_t len);

/* All whole lines, back to back; len 0: none. */
struct span framer_lines(const struct framer *f);
void framer_take(struct framer *f, size_t used);

/* At the end of a connection: the piece without a newline (len 0: none). */
struct span framer_rest(const struct framer *f);

/* A too long line ended since the last call: true once per line, with its first bytes (borrowed
 * until the next framer_added or framer_restart) and its whole length. Ask until it says false
 * after each framer_added; what is not fetched waits in bounded memory, at last without sample and
 * length.
 */
bool framer_too_long(struct framer *f, struct span *ret_sample, uint64_t *ret_len);

#endif
