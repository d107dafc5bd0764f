/* journal/inside.h: the active segment, as the files of this room share it. Not for other rooms.
 *
 * Shape    group holds, byte for byte, what was written since the last commit: the copy that the
 *          rescue of durability.md 8 needs.
 *
 *          file:   [header][durable groups ...][group, written, not synced][zeros, preallocated]
 *                  0                           ^group_at                   ^end          ^taken
 * Owner    struct journal owns fd, series and group.
 * Threads  one (intake).
 * Source   durability.md 4, 5, 8.
 */
#ifndef JOURNAL_INSIDE_H
#define JOURNAL_INSIDE_H

#include "journal/journal.h"

/* Preallocated behind segment_bytes: what one receive of the stream (256 KiB) can make, for a stop on
 * a full disk (a quarter for the tiny segments of tests); then the last commit and the seal. */
#define JOURNAL_STOP_BYTES (UINT64_C(256) * 1024)
#define JOURNAL_SEAL_BYTES UINT64_C(4096)

static inline uint64_t journal_stop_bytes(uint64_t segment_bytes)
{
    return segment_bytes / 4 < JOURNAL_STOP_BYTES ? segment_bytes / 4 : JOURNAL_STOP_BYTES;
}

static inline uint64_t journal_file_bytes(uint64_t segment_bytes)
{
    return segment_bytes + journal_stop_bytes(segment_bytes) + JOURNAL_SEAL_BYTES;
}

/* A file that is about to become a segment. */
struct next_segment {
    int fd;
    uint64_t salt;
    uint64_t bytes; /* its length, as limits count it */
    char name[SEGMENT_NAME_SIZE];
};

struct journal {
    const struct state *state;
    struct limits *limits;
    struct journal_options options;

    int fd; /* of the active segment */
    char name[SEGMENT_NAME_SIZE];
    uint64_t salt;
    uint64_t end;      /* the last good end: where the next write goes */
    uint64_t taken;    /* the file's length, as limits count it */
    uint64_t readings; /* in this segment */

    struct series_table *series;
    uint32_t names_written; /* series whose names are in this segment */
    size_t names_bytes_written;

    struct buf group;
    uint64_t group_at;
    int64_t group_since_us; /* monotonic: its first frame */
    uint64_t connection, stream_offset;
    bool last_call;
    bool uncut; /* half a frame lies behind the end, and could not be cut off */

    int64_t now_us; /* the latest time anybody told us */
    int64_t dry_since_us;
    bool dry;
    int64_t last_sync_us, last_roll_us; /* monotonic */
    int64_t retry_us;                   /* ERR_FULL: not before */

    struct buf names; /* room to encode names in a rescue, taken when there is memory */
    struct journal_counters counters;

    /* The next segment is whole and synced, and the full disk had no room for its name. The old one takes
     * nothing more (fd is -1), so nothing is written until it has it. */
    enum { NOT_UNNAMED, UNNAMED_ROLL, UNNAMED_RESCUE } unnamed;
    struct next_segment next;
    uint64_t next_end;   /* of a rescue: behind the group */
    struct err next_why; /* of a roll: why it waits; of a rescue: what it was for */

    bool broken; /* ERR_BROKEN was said: nothing more is written */
    struct err why;
};

/* --- journal.c --- */

bool journal_broken(struct journal *j, struct err *err);
void journal_reset_segment(struct journal *j, const struct next_segment *next, uint64_t first_seq);

/* --- frames.c: into the buffer --- */

uint8_t *journal_add_frame(struct buf *out, size_t payload_len); /* the payload; NULL: no memory */
void journal_put_frame(struct buf *out, enum segment_frame_type type, uint64_t seq, int64_t wall_us,
    uint32_t payload_len, uint64_t salt);
/* As many of the series from `first` up to `end` as a frame takes; the number behind the last one,
 * 0: no memory. */
uint32_t journal_add_names(struct buf *out, const struct series_table *series, uint32_t first,
    uint32_t end, uint64_t seq, int64_t wall_us, uint64_t salt);
bool journal_add_rows(struct buf *out, const struct readings *r, size_t from, uint32_t count,
    uint64_t seq, int64_t wall_us, uint64_t salt);
bool journal_add_commit(
    struct buf *out, const struct segment_commit *c, uint64_t seq, int64_t wall_us, uint64_t salt);

/* --- commit.c --- */

/* Writes group[from..) at the end. ERR_FULL: group is cut to `from`, and so is the file; the caller
 * takes its numbers back and then calls journal_give_up_uncut. Any other failure ends in the rescue: true
 * also when that one waits for its name (`unnamed`, `err` says why). */
NODISCARD bool journal_put_out(struct journal *j, size_t from, struct err *err);

/* After ERR_FULL, always false: when the file could not be cut back the segment is given up, and the
 * group goes into a new one. ERR_FULL stays, or becomes ERR_BROKEN. */
NODISCARD bool journal_give_up_uncut(struct journal *j, struct err *err);

/* --- roll.c --- */

/* A file with a header, not synced, not named: made from the spare, or new. */
NODISCARD bool journal_next_prepare(
    const struct journal *j, uint64_t first_seq, struct next_segment *ret, struct err *err);
/* Gives it its name, durably; it must be synced. ERR_FULL: it has none, and keeps what it has;
 * ERR_BROKEN: it may have it or not. */
NODISCARD bool journal_next_name(
    const struct journal *j, const struct next_segment *next, struct err *err);
void journal_next_drop(const struct journal *j, struct next_segment *next);

#endif
