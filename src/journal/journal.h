/* journal/journal.h: the active segment: append, group commit, roll, rescue.
 *
 * Shape    readings go in with the numbers of journal_series(); the group is written at once and
 *          synced at the latest commit_us after its first frame.
 * Units    _us microseconds, _bytes bytes, _seq sequence numbers of readings. mono_us is the
 *          caller's monotonic clock and never goes back.
 * Limits   those of struct journal_options; a segment's file is preallocated.
 * Errors   ERR_FULL: nothing of this call was taken (disk full, no spare, no room for a name): stop
 *          reading, try again later with the same readings. ERR_BROKEN: a sync failed and the rescue failed too: stop
 *          intake for good; every later call says the same.
 * Owner    opaque; owns the active file; the state is borrowed, its instance must be known.
 * Threads  one (intake); journal_make_spare may be called by another.
 * Source   durability.md 4, 5, 8; docs/formats/journal.md.
 *
 * The caller's turn:
 *     room = journal_room(j);            0: journal_roll(j, ...) first, the table is empty then
 *     decode at most `room` readings     SERIES_FULL: append what there is, then journal_roll
 *     journal_append(j, ...)
 *     journal_tick(j, dry, ...)          with every turn, and when journal_next_us has come
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include "base/reading.h"
#include "base/series.h"
#include "journal/segment.h"
#include "state/limits.h"

struct journal_options {
    int64_t commit_us;      /* 50 ms */
    uint64_t commit_bytes;  /* 4 MiB */
    uint64_t segment_bytes; /* 32 MiB */
    uint32_t series_max;    /* 100,000 */
    size_t names_bytes_max; /* 8 MiB */
    uint64_t batch_size;    /* readings; for this reason at most one roll a second */
    int64_t interval_us;    /* age of the first reading */
};

struct journal_counters {
    uint64_t received_seq;                              /* the last number handed to write */
    uint64_t durable_seq;                               /* the last number synced */
    uint64_t segment_first_seq;                         /* of the active segment */
    uint64_t durable_connection, durable_stream_offset; /* as of the last sync */
    uint64_t commits, rolls;
    uint64_t rescues;  /* a sync or a write failed, nothing was lost: an error for the log */
    uint64_t unsealed; /* segments closed without their seal: nothing lost either */
    uint64_t written_bytes;
    int64_t sync_us_total, sync_us_max;
    int64_t first_reading_us; /* monotonic time of the active segment's first reading; 0: empty */
    struct err rescue_why;    /* of the last rescue */
};

struct journal;

/* Makes the active segment `first_seq` (an empty one of that name is replaced) and a spare. */
struct journal *journal_open(const struct state *st, struct limits *limits,
    const struct journal_options *options, uint64_t first_seq, struct err *err);

/* Commits what is pending; leaves the segment as it is (a roll before makes it closed). */
void journal_close(struct journal *j);

/* The active segment's table: the decoder adds to it. After a roll it is empty. */
struct series_table *journal_series(struct journal *j);

/* batch_size and interval_us may change at any time (runtime manifest). */
void journal_set_batch(struct journal *j, uint64_t batch_size, int64_t interval_us);

/* Names not yet written, then the rows, in one write(2); the readings are numbered in their order.
 * Takes at most journal_room() readings: they carry numbers of this segment's table, so a roll in
 * between is the caller's work. The connection and the offset in its stream behind these readings go
 * into the next commit. */
NODISCARD bool journal_append(struct journal *j, const struct readings *r, int64_t received_wall_us,
    int64_t mono_us, uint64_t connection, uint64_t stream_offset, struct err *err);

/* How many readings the active segment still takes: by bytes, names not yet written included, and by
 * batch_size. 0: roll. Never 0 while the segment is empty. */
size_t journal_room(const struct journal *j);

/* Stopping on a full disk: journal_room no longer asks for a roll because of batch_size, and counts the
 * space kept behind segment_bytes. What one receive of 256 KiB brought fits in, whatever the disk. */
void journal_last_call(struct journal *j);

/* A link frame: connected or not, for the record. */
NODISCARD bool journal_link(struct journal *j, bool connected, uint64_t connection, int64_t wall_us,
    int64_t mono_us, struct err *err);

/* Syncs and rolls what is due. `dry`: the socket has nothing more (durability.md 5, step 3). */
NODISCARD bool journal_tick(struct journal *j, bool dry, int64_t mono_us, struct err *err);

/* When journal_tick has work again; INT64_MAX: not until something is appended. */
int64_t journal_next_us(const struct journal *j);

NODISCARD bool journal_commit(struct journal *j, int64_t mono_us, struct err *err);

/* Closes the active segment and begins the next, with an empty table. An empty segment is never
 * rolled: true, nothing done. */
NODISCARD bool journal_roll(struct journal *j, int64_t mono_us, struct err *err);

const struct journal_counters *journal_counters(const struct journal *j);

/* Makes and preallocates spare.seg when it is missing; a no-op else. Called by the pack thread, so
 * that a roll need not wait for it; journal_roll makes its own when it is not there. */
NODISCARD bool journal_make_spare(
    const struct state *st, struct limits *limits, uint64_t segment_bytes, struct err *err);

#endif
