#include "parquet/decode.h"

#include <string.h>

#define BLOCK 128
#define MINIBLOCKS 4
#define MINIBLOCK 32

struct cursor {
    const uint8_t *at, *end;
};

static bool get_varint(struct cursor *c, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (c->at == c->end)
            return false;
        byte = *c->at++;
        if (shift == 63 && byte > 1)
            return false;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_run(struct cursor *c, unsigned width, uint64_t limit, uint64_t count, uint32_t *out)
{
    size_t bytes = (width + 7) / 8;
    uint32_t value = 0;

    if ((size_t)(c->end - c->at) < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)c->at[i] << 8 * i;
    c->at += bytes;
    if (value >= limit)
        return false;
    for (uint64_t i = 0; i < count; i++)
        out[i] = value;
    return true;
}

/* Groups of 8 values; what is beyond n is padding. */
static bool get_literals(
    struct cursor *c, unsigned width, uint64_t limit, uint64_t groups, uint32_t *out, size_t n)
{
    uint64_t mask = ((uint64_t)1 << width) - 1;
    uint64_t bits = 0;
    unsigned count = 0;
    uint32_t highest = 0;
    const uint8_t *at = c->at;

    if (width && groups > (size_t)(c->end - c->at) / width)
        return false;
    c->at += groups * width;
    for (size_t i = 0; i < n; i++) {
        uint32_t value;

        for (; count < width; count += 8)
            bits |= (uint64_t)*at++ << count; /* at most 31 + 8 bits */
        value = (uint32_t)(bits & mask);
        bits >>= width;
        count -= width;
        highest = value > highest ? value : highest;
        out[i] = value;
    }
    return n == 0 || highest < limit;
}

bool decode_hybrid(
    const uint8_t *in, size_t len, unsigned width, uint64_t limit, uint32_t *out, size_t n)
{
    struct cursor c = {in, in + len};
    size_t done = 0;

    if (width > 32)
        return false;
    while (done < n) {
        uint64_t head;

        if (!get_varint(&c, &head) || head >> 1 == 0)
            return false;
        if (head & 1) {
            uint64_t groups = head >> 1;
            size_t take = n - done;

            if (groups > (take + 7) / 8)
                return false;
            take = groups * 8 < take ? (size_t)groups * 8 : take;
            if (!get_literals(&c, width, limit, groups, out + done, take))
                return false;
            done += take;
        } else {
            if (head >> 1 > n - done || !get_run(&c, width, limit, head >> 1, out + done))
                return false;
            done += (size_t)(head >> 1);
        }
    }
    return c.at == c.end;
}

static uint64_t unzigzag(uint64_t u)
{
    return u >> 1 ^ (~(u & 1) + 1);
}

/* Value i of `width` bits of a miniblock of 4 * width bytes. */
static uint64_t unpack(const uint8_t *body, unsigned width, unsigned i)
{
    size_t bit = (size_t)i * width;
    uint64_t value = 0;

    for (unsigned got = 0; got < width;) {
        unsigned shift = bit & 7;

        value |= (uint64_t)(body[bit >> 3] >> shift) << got;
        got += 8 - shift;
        bit += 8 - shift;
    }
    return width < 64 ? value & (((uint64_t)1 << width) - 1) : value;
}

static bool get_block(struct cursor *c, uint64_t *value, int64_t *out, size_t n)
{
    const uint8_t *widths;
    uint64_t min;

    if (!get_varint(c, &min) || c->end - c->at < MINIBLOCKS)
        return false;
    min = unzigzag(min);
    widths = c->at;
    c->at += MINIBLOCKS;
    for (size_t m = 0; m < MINIBLOCKS; m++) {
        size_t from = m * MINIBLOCK;
        const uint8_t *body = c->at;

        if (from >= n ? widths[m] != 0 : widths[m] > 64)
            return false;
        if ((size_t)(c->end - c->at) < (size_t)widths[m] * 4)
            return false;
        c->at += (size_t)widths[m] * 4;
        for (size_t i = from; i < n && i < from + MINIBLOCK; i++) {
            *value += min + unpack(body, widths[m], (unsigned)(i - from));
            out[i] = (int64_t)*value;
        }
    }
    return true;
}

bool decode_delta(const uint8_t *in, size_t len, int64_t *out, size_t n)
{
    struct cursor c = {in, in + len};
    uint64_t block, miniblocks, count, value;

    if (!get_varint(&c, &block) || !get_varint(&c, &miniblocks) || !get_varint(&c, &count) ||
        !get_varint(&c, &value))
        return false;
    if (block != BLOCK || miniblocks != MINIBLOCKS || count != n)
        return false;
    value = unzigzag(value);
    if (n > 0)
        out[0] = (int64_t)value;
    for (size_t at = 1; at < n; at += BLOCK) {
        if (!get_block(&c, &value, out + at, n - at < BLOCK ? n - at : BLOCK))
            return false;
    }
    return c.at == c.end;
}
