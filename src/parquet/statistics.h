/* parquet/statistics.h: smallest and largest value of a page or chunk, and how they are written.
 *
 * Shape    a range is two keys whose order as int64_t is the column's order: timestamps as they
 * are, doubles by statistics_key, strings by the rank of their code. So one comparison serves all.
 * Limits   strings are cut to STATISTIC_BYTES_MAX at a character.
 * Errors   none.
 * Threads  any; no state.
 * Source   specs/parquet.md 4.1 to 4.3.
 *
 * Any NaN: no minimum and maximum, because engines that put NaN above every number would skip it.
 * A zero as minimum is written -0.0, as maximum +0.0.
 */
#ifndef PARQUET_STATISTICS_H
#define PARQUET_STATISTICS_H

#include "parquet/format.h"

struct range {
    uint32_t values; /* that count: not NULL, not NaN */
    uint32_t nulls, nans;
    int64_t min, max; /* keys; only when values > 0 */
};

/* The n values of a page, NULLs left out. */
struct range statistics_i64(const int64_t *values, size_t n);
struct range statistics_f64(const double *values, size_t n);
/* `rank` may be NULL: a code is its rank. */
struct range statistics_codes(const uint32_t *codes, size_t n, const uint32_t *rank);

/* `into` takes in what `page` saw. */
void statistics_merge(struct range *into, const struct range *page);

/* ORDER_ASCENDING and so on, over the pages with values. */
int32_t statistics_order(const struct range *pages, size_t count);

int64_t statistics_key(double value);
double statistics_double(int64_t key);

/* The text to write for a string bound: all of it when it is short; else its longest
 * whole-character prefix (minimum), or that with the last character raised (maximum), in `space`.
 * *ret_exact: false when cut. A maximum that cannot be raised is given whole. */
struct span statistics_min_text(struct span value, bool *ret_exact);
struct span statistics_max_text(
    struct span value, char space[STATISTIC_BYTES_MAX], bool *ret_exact);

#endif
