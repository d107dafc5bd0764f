/* journal/recover.h: the journal after any end: unsealed segments are rewritten, the next number is
 * found.
 *
 * Shape    journal_recover is called once, after state_open and before journal_open.
 * Limits   the newest segment is read, and older ones without a seal; sealed ones are not.
 * Errors   ERR_DENIED: not ours (mixed directories, newer version); ERR_BROKEN: the disk does not
 *          do what it says. No room for a rewrite is no error: the segment is kept as it is. What
 *          cannot be read at all is set aside, with a gap.
 * Threads  one.
 * Source   durability.md 7, steps 4, 6, 7. May be cut off and repeated at any instruction.
 */
#ifndef JOURNAL_RECOVER_H
#define JOURNAL_RECOVER_H

#include "journal/scan.h"
#include "state/gaps.h"

struct journal_recovery {
    uint64_t next_seq;  /* 1 + the highest number seen in a frame; first_seq of any header at least;
                           1: new */
    uint64_t segments;  /* closed ones with readings, now */
    uint64_t rewritten; /* unsealed ones that were copied and sealed */
    uint64_t kept_unsealed;       /* no room for the copy */
    uint64_t set_aside;           /* odd or unreadable files moved to quarantine/ */
    uint64_t torn_bytes;          /* cut from tails: nothing promised */
    uint64_t gaps, promised_gaps; /* written to gaps.log by this call */
    uint8_t instance[16];
    bool instance_found; /* in a segment header */
};

/* `skip`: may be NULL; true for a range that an outbox file spans (it will be deleted, not
 * rewritten). */
NODISCARD bool journal_recover(const struct state *st, struct limits *limits, struct gaps *gaps,
    bool (*skip)(void *context, uint64_t first_seq, uint64_t end_seq), void *context,
    struct journal_recovery *ret, struct err *err);

#endif
