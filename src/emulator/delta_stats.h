/* emulator/delta_stats.h: what a Parquet file says about its values, as Delta wants it.
 *
 * Shape    {"numRecords":9,"minValues":{..},"maxValues":{..},"nullCount":{..}}, from the footer.
 * Units    timestamps in milliseconds, the smallest rounded down, the largest up: a bound stays a
 *          bound for readers that add a millisecond and for those that do not.
 * Errors   sticky in `out`.
 * Threads  any.
 * Source   delta-io/delta PROTOCOL.md, Per-file Statistics; specs/parquet.md 4.
 *
 * A column with a NaN has no bounds in the footer, and so none here. Bounds JSON cannot hold
 * (infinities, years outside 1 to 9999) are left out.
 */
#ifndef EMULATOR_DELTA_STATS_H
#define EMULATOR_DELTA_STATS_H

#include "parquet/reader.h"

void delta_stats_print(const struct parquet_reader *file, struct buf *out);

#endif
