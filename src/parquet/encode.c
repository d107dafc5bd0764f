#include "parquet/encode.h"

#include <string.h>

#define GROUP 8 /* values that are packed together: width bytes */
#define BLOCK 128
#define MINIBLOCK 32
#define SLACK 16 /* packing stores whole words */

unsigned bit_width(uint32_t count)
{
    return count <= 2 ? 1 : 32 - (unsigned)__builtin_clz(count - 1);
}

uint8_t *put_varint64(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static void put64(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, 8);
}

/* Four values side by side, 4 * width <= 64. */
static uint64_t four(const uint32_t *v, unsigned width)
{
    return v[0] | (uint64_t)v[1] << width | (uint64_t)v[2] << 2 * width |
           (uint64_t)v[3] << 3 * width;
}

/* width bytes of a group, LSB first; stores up to SLACK bytes. width <= 16 */
static uint8_t *pack_narrow(uint8_t *out, const uint32_t *v, size_t groups, unsigned width)
{
    unsigned half = 4 * width;

    for (; groups > 0; groups--, v += GROUP, out += width) {
        uint64_t low = four(v, width);
        uint64_t high = four(v + 4, width);

        put64(out, half < 64 ? low | high << half : low);
        put64(out + 8, half < 64 ? high >> (64 - half) : high);
    }
    return out;
}

static uint8_t *pack_wide(uint8_t *out, const uint32_t *v, size_t groups, unsigned width)
{
    for (; groups > 0; groups--, v += GROUP) {
        uint64_t bits = 0;
        unsigned count = 0;

        for (unsigned i = 0; i < GROUP; i++) {
            bits |= (uint64_t)v[i] << count; /* count < 8 before a value */
            for (count += width; count >= 8; count -= 8, bits >>= 8)
                *out++ = (uint8_t)bits;
        }
    }
    return out;
}

static uint8_t *pack(uint8_t *out, const uint32_t *v, size_t groups, unsigned width)
{
    return width <= 16 ? pack_narrow(out, v, groups, width) : pack_wide(out, v, groups, width);
}

uint8_t *encode_run(uint8_t *out, uint32_t value, size_t n, unsigned width)
{
    out = put_varint64(out, (uint64_t)n << 1);
    for (unsigned bits = 0; bits < width; bits += 8)
        *out++ = (uint8_t)(value >> bits);
    return out;
}

static uint8_t *put_literals(uint8_t *out, const uint32_t *v, size_t n, unsigned width)
{
    size_t whole = n / GROUP;

    if (n == 0)
        return out;
    out = put_varint64(out, (uint64_t)((n + GROUP - 1) / GROUP) << 1 | 1);
    out = pack(out, v, whole, width);
    if (n % GROUP) {
        uint32_t last[GROUP] = {0};

        memcpy(last, v + whole * GROUP, n % GROUP * sizeof(*v));
        out = pack(out, last, 1, width);
    }
    return out;
}

/* Equal values from `at` on. */
static size_t run_length(const uint32_t *v, size_t at, size_t n)
{
    size_t end = at + 1;

    while (end < n && v[end] == v[at])
        end++;
    return end - at;
}

static int group_is_equal(const uint32_t *v)
{
    uint32_t differ = 0;

    if (v[0] != v[1])
        return 0;
    for (unsigned i = 2; i < GROUP; i++)
        differ |= v[i] ^ v[0];
    return differ == 0;
}

/* The worst mix is a run and a group of literals by turns: 2 heads for 16 values. */
size_t encode_hybrid_max(size_t n, unsigned width)
{
    size_t groups = (n + GROUP - 1) / GROUP;

    return groups * width + (groups + 1) * 10 + SLACK;
}

uint8_t *encode_hybrid(uint8_t *out, const uint32_t *values, size_t n, unsigned width)
{
    size_t literals = 0; /* where the open ones begin */
    size_t at = 0;

    while (at + GROUP <= n) {
        size_t run;

        if (!group_is_equal(values + at)) {
            at += GROUP;
            continue;
        }
        run = run_length(values, at, n);
        out = put_literals(out, values + literals, at - literals, width);
        out = encode_run(out, values[at], run, width);
        at += run;
        literals = at;
    }
    return put_literals(out, values + literals, n - literals, width);
}

static uint64_t zigzag(uint64_t n)
{
    return n << 1 ^ (~(n >> 63) + 1);
}

/* 32 values of `width` bits are 4 * width bytes; stores up to 8 more. */
static uint8_t *pack_miniblock(uint8_t *out, const uint64_t *v, unsigned width)
{
    uint8_t *end = out + (size_t)width * 4;
    uint64_t bits = 0;
    unsigned count = 0;

    if (width == 0)
        return end;
    for (unsigned i = 0; i < MINIBLOCK; i++) {
        bits |= v[i] << count; /* count <= 63 */
        if (count + width >= 64) {
            put64(out, bits);
            out += 8;
            bits = count ? v[i] >> (64 - count) : 0;
            count += width - 64;
        } else {
            count += width;
        }
    }
    if (count)
        put64(out, bits);
    return end;
}

/* zigzag min_delta, four widths, bodies; deltas wrap around. */
static uint8_t *put_block(uint8_t *out, const int64_t *values, size_t n)
{
    uint64_t delta[BLOCK];
    int64_t min = INT64_MAX;
    uint8_t *widths;

    for (size_t i = 0; i < n; i++) {
        int64_t d;

        delta[i] = (uint64_t)values[i + 1] - (uint64_t)values[i];
        d = (int64_t)delta[i];
        min = d < min ? d : min;
    }
    for (size_t i = 0; i < n; i++)
        delta[i] -= (uint64_t)min;
    memset(delta + n, 0, (BLOCK - n) * sizeof(*delta));
    out = put_varint64(out, zigzag((uint64_t)min));
    widths = out;
    out += BLOCK / MINIBLOCK;
    for (unsigned m = 0; m < BLOCK / MINIBLOCK; m++) {
        const uint64_t *mini = delta + (size_t)m * MINIBLOCK;
        uint64_t all = 0;

        for (unsigned i = 0; i < MINIBLOCK; i++)
            all |= mini[i];
        widths[m] = all ? (uint8_t)(64 - __builtin_clzll(all)) : 0;
        out = pack_miniblock(out, mini, widths[m]);
    }
    return out;
}

size_t encode_delta_max(size_t n)
{
    size_t blocks = n / BLOCK + 1;

    return 32 + blocks * (10 + BLOCK / MINIBLOCK + BLOCK * sizeof(int64_t)) + SLACK;
}

uint8_t *encode_delta(uint8_t *out, const int64_t *values, size_t n)
{
    out = put_varint64(out, BLOCK);
    out = put_varint64(out, BLOCK / MINIBLOCK);
    out = put_varint64(out, n);
    out = put_varint64(out, n ? zigzag((uint64_t)values[0]) : 0);
    for (size_t at = 0; at + 1 < n; at += BLOCK)
        out = put_block(out, values + at, n - at - 1 < BLOCK ? n - at - 1 : BLOCK);
    return out;
}
