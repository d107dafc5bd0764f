/* journal/scan.h: segments read back: the list of them, and the frames of one.
 *
 * Shape    scan_list gives the segments by rising first_seq, each with where it ends;
 *          scan_open/next walk the valid frames of one and name the holes between them.
 * Units    _seq sequence numbers; end_seq is one past the last.
 * Limits   memory: one window of 2 MiB, whatever the segment's size. The work after damage is
 *          bounded too: one pass, and a budget of checksums.
 * Errors   ERR_DENIED: cannot be opened, or of a newer version; ERR_FULL: no memory. Damage is not
 *          an error: it is a hole; so are bytes that the medium does not give.
 * Owner    opaque scan; frames are borrowed until the next call.
 * Threads  any; files are opened for reading only.
 * Source   durability.md 4 (torn tail or corruption, resynchronisation), 7.
 */
#ifndef JOURNAL_SCAN_H
#define JOURNAL_SCAN_H

#include "base/series.h"
#include "journal/segment.h"
#include "state/state.h"

struct segment_info {
    char name[SEGMENT_NAME_SIZE];
    uint64_t first_seq;
    uint64_t end_seq; /* its seal's, or the next segment's first_seq, whichever is lower; 0: not
                         known (the newest one without a seal) */
    uint64_t bytes;
    bool header_ok;
    bool revived; /* by scan_revive: no header, but frames that vouch for each other */
    bool sealed;  /* a valid seal is its last frame */
    bool newest;  /* the active one, when a writer lives */
    struct segment_header header;
};

struct segment_list {
    struct segment_info *items;
    size_t count;
};

/* Reads the header and the last bytes of each. A file that vanished meanwhile is left out. */
NODISCARD bool scan_list(const struct state *st, struct segment_list *ret, struct err *err);
void scan_list_done(struct segment_list *list);

/* A segment whose header is damaged is read as a whole: `revived`, and the header as far as it can be
 * known (first_seq from the name, created_us from a frame; no instance, no salt), or not. */
NODISCARD bool scan_revive(int journal_dir, struct segment_info *info, struct err *err);

enum scan_event {
    SCAN_END,
    SCAN_FRAME, /* ret->frame */
    SCAN_HOLE,  /* ret->hole: bytes that hold no valid frame */
};

struct scan_hole {
    uint64_t offset, bytes;
    uint64_t from_seq, to_seq; /* readings missing, both ends in; from > to: none */
    bool promised;             /* a later commit proves that it had been durable */
};

struct scan_item {
    struct segment_frame frame;
    uint64_t offset;
    struct scan_hole hole;
};

struct scan;

/* `end_seq`: rows at or above it do not count and are not given; rows missing below it are a hole
 * (0: not known). A file without a seal is read twice: the first pass finds what its commits prove,
 * so that a hole's `promised` is known when it is met. */
struct scan *scan_open(int journal_dir, const char *name, uint64_t end_seq, struct err *err);
/* The same of a file of any name, in any directory: frames of a segment that begins with first_seq, to be
 * looked for behind `from` (SEGMENT_HEADER_BYTES: behind its header; else it is taken to have none). */
struct scan *scan_open_piece(int dir, const char *name, uint64_t first_seq, uint64_t end_seq,
    uint64_t from, struct err *err);
/* A hole comes before the frame that ends it. A frame may be of any type; of a rows frame,
 * scan_rows_count says how many rows count. False: ERR_DENIED. */
NODISCARD bool scan_next(
    struct scan *s, enum scan_event *ret_event, struct scan_item *ret, struct err *err);
/* NULL: nothing can be read, all of it is one hole. Of a file whose header is damaged it is what
 * scan_revive says. */
const struct segment_header *scan_header(const struct scan *s);
void scan_close(struct scan *s);

/* A rows frame's columns, copied out (bytes in a frame are not aligned for doubles). `out` has
 * room. */
uint32_t scan_rows_count(const struct segment_frame *f);
void scan_rows_copy(const struct segment_frame *f, uint32_t from, uint32_t count,
    int64_t *timestamp_us, double *value, uint32_t *series);

/* A names frame: one after the other. *at 0 at first, then nobody else's business; false at the end.
 */
bool scan_names_next(const struct segment_frame *f, size_t *at, uint32_t *ret_number,
    struct span *ret_asset, struct span *ret_datastream);

struct scan_gap {
    uint64_t from_seq, to_seq;
    uint32_t reason; /* enum gap_reason */
    bool promised;
};
bool scan_gap_get(const struct segment_frame *f, struct scan_gap *ret);

struct scan_commit {
    uint64_t readings, first_offset, connection, stream_offset;
};
bool scan_commit_get(const struct segment_frame *f, struct scan_commit *ret);

#endif
