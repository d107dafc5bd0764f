/* batch/batch.h: closed segments to the sorted columns of one row group.
 *
 * Shape    batch_add reads segments, batch_finish sorts and drops superseded readings. The columns
 *          are then timestamp_us[], asset[], datastream[] (codes into the dictionaries), payload[],
 *          all of `rows`.
 * Units    microseconds; rows.
 * Limits   BATCH_ROWS_MAX rows; series_max series and names_bytes_max of names over all segments of
 *          a batch. Memory is taken as needed up to the limit, and reused by batch_reset.
 * Errors   ERR_FULL: no memory. ERR_DENIED: a segment cannot be read. Damage inside a segment is
 *          reported through batch_gap, rows without a name too.
 * Owner    opaque; columns are borrowed until batch_reset.
 * Threads  one.
 * Source   durability.md 4, 6 (P1); design.md 6 (order, last one received wins).
 *
 * Order `series`: asset, datastream, time; order `time`: time, asset, datastream; names compare as
 * bytes. Of equal (time, asset, datastream) the one received last is kept. Dictionaries are sorted,
 * so codes compare as names do.
 */
#ifndef BATCH_BATCH_H
#define BATCH_BATCH_H

#include "base/str.h"
#include "journal/scan.h"

#define BATCH_ROWS_MAX 1048576U

enum batch_order { BATCH_BY_SERIES, BATCH_BY_TIME };

struct batch_gap {
    uint64_t from_seq, to_seq;
    uint64_t readings; /* missing in that range; of rows without a name not all of it is */
    uint32_t reason;   /* enum gap_reason */
    bool promised;
    uint64_t offset, bytes; /* where in the segment; bytes 0: not a byte range */
    char segment[SEGMENT_NAME_SIZE];
};

struct batch_columns {
    size_t rows;
    const int64_t *timestamp_us;
    const uint32_t *asset, *datastream; /* codes */
    const double *payload;
    const struct span *assets, *datastreams; /* dictionaries, sorted as bytes */
    uint32_t asset_count, datastream_count;
};

struct batch;

struct batch *batch_new(enum batch_order order, struct err *err);
void batch_free(struct batch *b);
void batch_reset(struct batch *b);

/* Adds rows of a segment from `*at` (a count of readings already taken from it; 0 at first) on.
 * *ret_done: the whole segment is in; else the batch is full: finish it, reset it, go on with the
 * same segment and `*at`. A segment that does not fit whole is only split when the batch was empty,
 * so that small ones share and large ones have their own; *ret_done false with nothing added says:
 * finish this batch first. */
NODISCARD bool batch_add(struct batch *b, const struct state *st,
    const struct segment_info *segment, uint64_t *at, bool *ret_done, struct err *err);

NODISCARD bool batch_finish(struct batch *b, struct batch_columns *ret, struct err *err);

/* Since the last reset. */
uint64_t batch_superseded(const struct batch *b);
size_t batch_gaps(const struct batch *b, const struct batch_gap **ret);

#endif
