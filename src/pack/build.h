/* pack/build.h: segments to a finished, checked and synced pack.tmp (steps P1 and P2).
 *
 * Shape    build_run makes one file of consecutive segments; the caller gives it its name.
 * Units    bytes; rows; readings.
 * Limits   memory of one row group and a buffer of 256 KiB, whatever the number of segments.
 * Errors   ERR_FULL: memory, gaps.log or (build_disk_full) the disk; ERR_BROKEN: writing, syncing
 * or checking the file failed; ERR_DENIED: a segment cannot be opened now. After any of them
 *          pack.tmp is gone.
 * Owner    opaque; state, limits, gaps and the options are borrowed.
 * Threads  one (pack).
 * Source   durability.md 4, 6 (P1, P2), 8.
 */
#ifndef PACK_BUILD_H
#define PACK_BUILD_H

#include "pack/pack.h"

enum build_end {
    BUILD_FILE,      /* pack.tmp is complete; the descriptor holds its lock */
    BUILD_EMPTY,     /* no row in any of the segments; no file */
    BUILD_UNREADABLE /* `stopped_at` cannot be read (I/O error, no header); no file */
};

struct build_result {
    int fd;
    uint64_t bytes;
    uint32_t crc;
    uint64_t rows, superseded;
    size_t stopped_at; /* BUILD_UNREADABLE: index of the segment */
};

/* EIO and its relatives, or no header: what is in that file stays unreadable. Anything else (no
 * descriptor left, no permission, a newer format) is for a person or for later, and must not cost a
 * segment. */
bool pack_is_unreadable(const struct err *err);

struct build;

struct build *build_new(const struct state *st, struct limits *limits, struct gaps *gaps,
    const struct pack_options *options, struct err *err);
void build_free(struct build *b);

NODISCARD bool build_run(struct build *b, struct outbox *box, const struct segment_info *segments,
    size_t count, bool from_reserve, enum build_end *ret_end, struct build_result *ret,
    struct err *err);

/* The last run failed because the disk has no room: the reserve may help. */
bool build_disk_full(const struct build *b);

/* Readings of gaps written by build_run so far. */
uint64_t build_gap_readings(const struct build *b);

/* Gives memory back until the next run. */
void build_rest(struct build *b);

#endif
