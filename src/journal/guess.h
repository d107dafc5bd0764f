/* journal/guess.h: how many readings a segment without a readable header seems to hold.
 *
 * Shape    where no two frames vouch for each other either (headless.h), no reading of such a segment
 *          is ever used. But what looks like a chain of frames tells how many are lost.
 * Limits   one pass over the file, 64 KiB of memory.
 * Errors   ERR_DENIED: cannot be opened; ERR_FULL: no memory. Bytes that the medium does not give end
 *          the look.
 * Threads  any; the file is opened for reading only.
 * Source   durability.md 1 (nothing is lost without being counted), 4.
 */
#ifndef JOURNAL_GUESS_H
#define JOURNAL_GUESS_H

#include "journal/segment.h"

/* One past the highest number seen; first_seq: none. No file holds more than a reading in 20 bytes,
 * so neither does the answer. */
NODISCARD bool guess_end(
    int journal_dir, const char *name, uint64_t first_seq, uint64_t *ret_end_seq, struct err *err);

#endif
