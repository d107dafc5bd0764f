/* pack/pack.h: closed segments to one finished file in the outbox.
 *
 * Shape    pack_recover once at the start; then pack_step as often as it has something to do.
 * Units    _seq sequence numbers; _bytes bytes.
 * Limits   memory of one row group, whatever waits; merge_bytes of segments a file.
 * Errors   ERR_FULL: no room and no reserve: wait for a delivery. ERR_BROKEN: stop. A segment that
 *          cannot be packed (I/O error) is set aside with a gap, never in the way of the next.
 * Owner    opaque; state, limits and gaps are borrowed.
 * Threads  one (pack); pack_recover before any other thread.
 * Source   durability.md 6, 7 (steps 3, 5, 7), 9.
 */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include "batch/batch.h"
#include "journal/recover.h"
#include "outbox/outbox.h"
#include "parquet/writer.h"
#include "state/gaps.h"

struct pack_options {
    enum batch_order order;
    enum parquet_codec codec;
    enum parquet_profile profile;
    bool daily;
    uint64_t merge_bytes;   /* 256 MiB */
    uint64_t segment_bytes; /* for spare and reserve */
    unsigned upload_parallel;
    bool drop_oldest; /* when_full */
};

struct pack_recovery {
    struct journal_recovery journal;
    uint64_t next_seq;          /* for journal_open */
    uint64_t files;             /* waiting in the outbox */
    uint64_t segments_finished; /* P4 made up for */
    uint64_t quarantined;       /* outbox files whose content was wrong */
    uint64_t drops_finished;    /* counted as dropped, and still there: deleted now */
};

/* Steps 3 to 7 of durability.md 7. May be cut off and repeated. */
NODISCARD bool pack_recover(struct state *st, struct limits *limits, struct gaps *gaps,
    struct pack_recovery *ret, struct err *err);

struct pack_counters {
    uint64_t files, rows, superseded, bytes;
    uint64_t empty; /* segments without a reading: deleted */
    uint64_t gap_readings;
    int64_t busy_us; /* spent packing */
    uint64_t dropped_segments, dropped_readings;
    uint64_t repeats; /* files made anew because a write or a sync failed: a line for the log */
    struct err repeat_why; /* of the last of them */
};

enum pack_result { PACK_NOTHING, PACK_FILE, PACK_CLEANED }; /* CLEANED: an empty segment went */

struct pack_done { /* the file of PACK_FILE */
    struct outbox_entry entry;
    uint64_t rows, superseded;
    unsigned segments;
    int64_t oldest_us; /* first created_us */
};

struct pack;

struct pack *pack_new(const struct state *st, struct limits *limits, struct gaps *gaps,
    const struct pack_options *options, struct err *err);
void pack_free(struct pack *p);

/* Files in the outbox from which on pack waits for merge_bytes to gather: as many as are sent at a time, one
 * while none gets through (one file probes then, and the others would only be small). */
void pack_set_parallel(struct pack *p, unsigned upload_parallel);

/* One file at most. `all`: pack whatever is closed, do not wait for a backlog to gather (stopping).
 * Also makes the spare segment and the reserve when they are missing. */
NODISCARD bool pack_step(
    struct pack *p, bool all, enum pack_result *ret, struct pack_done *ret_done, struct err *err);

/* So many files of the outbox wait for something that holds up no other file: pack goes to work as if
 * they were not there, or a few bad files would keep back all that comes after them. */
void pack_set_held(struct pack *p, uint64_t files);

/* Closed segments that wait, as of the last step. */
struct pack_closed {
    uint64_t segments, bytes, readings;
    uint64_t end_seq; /* where the next one begins; 0: not known yet */
};
struct pack_closed pack_waiting(const struct pack *p);

const struct pack_counters *pack_counters(const struct pack *p);

#endif
