/* parquet/encode.h: values to bytes: the RLE / bit-packed hybrid and DELTA_BINARY_PACKED.
 *
 * Shape    each writes to `out`, which has room for the _max of the same count, and returns the
 *          end.
 * Limits   widths of 1 to 32 bits; 0 to PAGE_ROWS values make sense.
 * Errors   none.
 * Threads  any; no state.
 * Source   specs/parquet.md 2.2, 2.4; Encodings.md.
 */
#ifndef PARQUET_ENCODE_H
#define PARQUET_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* Bits to write every number below `count`; 1 for none or one. */
unsigned bit_width(uint32_t count);

uint8_t *put_varint64(uint8_t *out, uint64_t value);

/* Runs of 8 and more equal values (from a multiple of 8 of the open literals on) as RLE, the rest
 * bit-packed. The last group is padded with zeros. */
size_t encode_hybrid_max(size_t n, unsigned width);
uint8_t *encode_hybrid(uint8_t *out, const uint32_t *values, size_t n, unsigned width);

/* One RLE run: all the same. */
uint8_t *encode_run(uint8_t *out, uint32_t value, size_t n, unsigned width);

/* Blocks of 128 in 4 miniblocks. */
size_t encode_delta_max(size_t n);
uint8_t *encode_delta(uint8_t *out, const int64_t *values, size_t n);

#endif
