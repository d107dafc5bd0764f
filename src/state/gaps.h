/* state/gaps.h: gaps.log, one line per counted loss, synced before the loss happens.
 *
 * Shape    JSON lines: {"at":..,"from_seq":..,"to_seq":..,"readings":..,"promised":..,"reason":..,
 *          "first":..,"last":..,"bytes":..,"where":..} (docs/formats/journal.md).
 * Units    sequence numbers; both ends belong to the gap. from_seq = to_seq + 1: damage that cost
 *          no reading.
 * Limits   kept preallocated 64 KiB ahead, so that a full disk can still take a line; the last
 *          65,536 gaps are remembered.
 * Errors   ERR_FULL, ERR_BROKEN: then the loss must not happen. After a failed sync every later
 *          write is ERR_BROKEN.
 * Owner    opaque; one per process; state and limits are borrowed.
 * Threads  any (a lock inside: pack and ship both write); gaps_open and gaps_close: one.
 * Source   durability.md 3, 7, 9.
 */
#ifndef STATE_GAPS_H
#define STATE_GAPS_H

#include "state/limits.h"

enum gap_reason {
    GAP_TORN = 1, /* blocks of an unsynced group: never promised */
    GAP_DAMAGED,  /* a checksum was wrong */
    GAP_MISSING,  /* a hole between segments */
    GAP_NO_NAMES, /* rows whose series name was lost */
    GAP_DROPPED,  /* when_full = drop_oldest */
};
const char *gap_reason_name(enum gap_reason reason);

struct gap {
    uint64_t from_seq, to_seq;
    uint64_t readings; /* counted as lost; 0 when none of the range was a reading of ours */
    enum gap_reason reason;
    bool promised;
    int64_t first_us, last_us; /* time range of what is dropped; 0, 0: unknown */
    uint64_t bytes;
    const char *where; /* file name; borrowed */
};

struct gaps;

/* Reads what is there (to carry the sums across restarts and to know gaps already written). */
struct gaps *gaps_open(const struct state *st, struct limits *limits, struct err *err);
void gaps_close(struct gaps *g);

/* Appended and synced. A reading is lost once: a range that lies within one already written, whatever
 * the reason, is a no-op that returns true, so recovery may be repeated. */
NODISCARD bool gaps_write(struct gaps *g, const struct gap *gap, struct err *err);

/* For tools that only read: every line of the file that can be read; `where` is borrowed for the call, "" when
 * it is not plain text. *ret_whole false: a part of the file cannot be read, or is no line of ours. */
NODISCARD bool gaps_each(const struct state *st, bool *ret_whole,
    bool (*each)(void *context, const struct gap *gap, struct err *err), void *context,
    struct err *err);

/* One of the last GAPS_DROPPED_MAX lines says that this very thing was dropped: place, range, length and time
 * all agree. The line comes before the deletion, so after a crash it may still be there: then the deletion
 * is made up for, or the sums would count its readings twice. */
#define GAPS_DROPPED_MAX 16U
bool gaps_was_dropped(const struct gaps *g, const struct gap *gap);

/* Sums over the whole file. */
uint64_t gaps_readings(const struct gaps *g);          /* lost readings */
uint64_t gaps_promised_readings(const struct gaps *g); /* of them: had been promised */
uint64_t gaps_count(const struct gaps *g);

#endif
