/* journal/salvage.h: what can still be read of a segment, or of a piece of one, and a clean copy of it.
 *
 * Shape    salvage_look reads a file once and says which readings are there; salvage_copy writes those
 *          of a range as a sealed segment of its own, for the pack room.
 * Units    _seq sequence numbers of readings.
 * Limits   memory: a window, 1 MiB, and one bit of knowledge a series; holes up to SALVAGE_HOLES_MAX.
 * Errors   damage is none: it is in the findings, bytes that the medium does not give too. ERR_DENIED:
 *          it cannot be opened, or is of a newer version; ERR_FULL, ERR_BROKEN: the copy.
 * Owner    the caller closes the findings with salvage_look_done.
 * Threads  any; the source is only read, without a lock: a writer may be at work in it.
 * Source   durability.md 4; docs/formats/journal.md.
 */
#ifndef JOURNAL_SALVAGE_H
#define JOURNAL_SALVAGE_H

#include "base/ranges.h"
#include "journal/scan.h"

#define SALVAGE_HOLES_MAX 1000U

struct salvage_source {
    int dir;
    const char *name;
    uint64_t first_seq; /* 0: what its header says */
    uint64_t end_seq;   /* 0: not known */
    uint64_t at;        /* SEGMENT_HEADER_BYTES; 0: a piece of a segment, without a header */
};

struct salvage_look {
    bool readable;  /* false: no header, and no frames that vouch for each other */
    bool header_ok; /* false and readable: without its header */
    struct segment_header header;
    uint64_t first_seq,
        end_seq; /* end: of the range it stands for; one past the last reading at least */
    uint64_t bytes;
    struct seq_ranges readings; /* valid ones with a name */
    uint64_t nameless;          /* valid ones whose name is lost */
    uint64_t missing;           /* readings in holes, promised or not */
    uint64_t promised;          /* of them, promised */
    struct scan_hole *holes;
    size_t hole_count;
    uint64_t holes_left_out; /* beyond the maximum */
};

/* *ret_is_segment false (and true returned): without first_seq, and no header says one. */
NODISCARD bool salvage_look(const struct salvage_source *source, bool *ret_is_segment,
    struct salvage_look *ret, struct err *err);
void salvage_look_done(struct salvage_look *look);

/* <first_seq of the range>.seg in `to_dir`: the header, the names, the readings of [range.first,
 * range.end) that are valid and have a name, a seal. Not synced: it is material, not a store. The source
 * may have changed since it was looked at: *ret_copied says which readings it has. */
NODISCARD bool salvage_copy(const struct salvage_source *source, struct seq_range range,
    const struct segment_header *header, int to_dir, struct segment_info *ret,
    struct seq_ranges *ret_copied, struct err *err);

#endif
