/* parquet/decode.h: encode.h the other way, for bytes of unknown origin.
 *
 * Shape    each reads exactly n values from all of `in`; left-over bytes are an error.
 * Limits   widths of 0 to 32 bits.
 * Errors   false: the bytes are not n values (cut, too many, a value at or above `limit`).
 * Threads  any; no state.
 * Source   specs/parquet.md 2.2, 2.4; Encodings.md.
 */
#ifndef PARQUET_DECODE_H
#define PARQUET_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every value must be below `limit`. */
bool decode_hybrid(
    const uint8_t *in, size_t len, unsigned width, uint64_t limit, uint32_t *out, size_t n);

/* Blocks of 128 in 4 miniblocks only, as we write them. */
bool decode_delta(const uint8_t *in, size_t len, int64_t *out, size_t n);

#endif
