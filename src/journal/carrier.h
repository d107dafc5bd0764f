/* journal/carrier.h: an empty segment that only says which number comes next.
 *
 * Shape    a header under the name of first_seq; journal_open puts the active segment in its place.
 *          Wanted where what used to say so is about to leave: a segment or a file that is set aside.
 * Errors   as file_write_whole; ERR_FULL: no room for its 64 bytes.
 * Threads  one; before journal_open.
 * Source   durability.md 7: no number is given twice, wherever a start is cut off.
 */
#ifndef JOURNAL_CARRIER_H
#define JOURNAL_CARRIER_H

#include "state/limits.h"

/* True: durable. There must be no segment that begins at or behind next_seq. */
NODISCARD bool carrier_write(
    const struct state *st, struct limits *limits, uint64_t next_seq, struct err *err);

#endif
