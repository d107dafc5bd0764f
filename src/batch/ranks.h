/* batch/ranks.h: the series that have rows, sorted by asset and datastream, and the dictionaries.
 *
 * Shape    rank r is series number[r]; its codes asset[r], datastream[r] point into the sorted
 * dictionaries. Names without a row are in no dictionary.
 * Limits   those of the series table.
 * Errors   ERR_FULL: no memory.
 * Owner    caller-owned struct, reused; ranks_done takes a struct of zeros. Names are borrowed from
 * the series table.
 * Threads  one at a time.
 */
#ifndef BATCH_RANKS_H
#define BATCH_RANKS_H

#include "base/series.h"

struct ranks {
    uint32_t count;
    uint32_t *number;
    uint32_t *asset, *datastream;
    struct span *assets, *datastreams;
    uint32_t asset_count, datastream_count;
    uint32_t size; /* room of all of them */
};

/* `rows`: of every series of the table. */
NODISCARD bool ranks_make(
    struct ranks *r, const struct series_table *series, const uint32_t *rows, struct err *err);
void ranks_done(struct ranks *r);

#endif
