/* parquet/numbers.h: the dictionary of a column of 64-bit numbers, if there is one worth writing.
 *
 * Shape    values[0..count) by first appearance, codes[i] for every row; keys are compared as bits,
 * so -0.0 and 0.0 differ and NaNs keep their payload.
 * Limits   NUMBERS_MAX values; PARQUET_ROWS_MAX rows.
 * Errors   ERR_FULL: no memory.
 * Owner    caller-owned struct, reused; numbers_done takes a struct of zeros.
 * Threads  one at a time.
 * Source   specs/parquet.md 2.3, 2.8.
 */
#ifndef PARQUET_NUMBERS_H
#define PARQUET_NUMBERS_H

#include "parquet/format.h"

struct numbers {
    uint64_t *values;
    uint32_t count;
    uint32_t *codes; /* of NULL rows: 0 */
    size_t rows_size;
    uint32_t *slots; /* hash: code + 1; 0 is free */
    unsigned slot_bits;
};

/* *ret_pays: false when PLAIN is the better choice; then the rest is not valid. */
NODISCARD bool numbers_build(struct numbers *d, const uint64_t *values, const uint8_t *nulls,
    size_t rows, bool *ret_pays, struct err *err);
void numbers_done(struct numbers *d);

#endif
