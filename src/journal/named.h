/* journal/named.h: which series of a segment have a name, by what its frames say. Not for other rooms.
 *
 * Limits   series below 2^22: no writer of ours makes so many; those above count as named.
 * Errors   ERR_FULL: no memory.
 * Owner    starts as {0}; named_done gives it back.
 * Threads  one at a time.
 * Source   durability.md 4: names stand before the first row that uses them, but may be torn off.
 */
#ifndef JOURNAL_NAMED_H
#define JOURNAL_NAMED_H

#include "journal/segment.h"

struct named {
    uint8_t *items;
    uint32_t size;
};

/* Of a SEGMENT_NAMES frame. */
NODISCARD bool named_note(struct named *named, const struct segment_frame *f, struct err *err);
/* Of a SEGMENT_ROWS frame; row < f->rows. */
bool named_row(const struct named *named, const struct segment_frame *f, uint32_t row);
void named_done(struct named *named);

#endif
