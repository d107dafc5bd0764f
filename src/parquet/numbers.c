#include "parquet/numbers.h"

#include "parquet/encode.h"

#include <stdlib.h>

#define SLOT_BITS_MAX 19
#define SLOTS_MAX (1U << SLOT_BITS_MAX)
#define TRIAL_ROWS 65536U /* more than half of them distinct: no use to go on */

_Static_assert(SLOTS_MAX >= 2 * NUMBERS_MAX, "the hash must not fill up");

/* At most half full, and no larger than that asks for: the hash is cleared for each column. */
static unsigned slot_bits(size_t rows)
{
    unsigned bits = 3;

    while (bits < SLOT_BITS_MAX && (size_t)1 << bits < 2 * rows)
        bits++;
    return bits;
}

static bool reserve(struct numbers *d, size_t rows, struct err *err)
{
    if (!d->values)
        d->values = malloc(NUMBERS_MAX * sizeof(*d->values));
    if (!d->slots)
        d->slots = malloc(SLOTS_MAX * sizeof(*d->slots));
    if (rows > d->rows_size) {
        free(d->codes);
        d->codes = malloc(rows * sizeof(*d->codes));
        d->rows_size = d->codes ? rows : 0;
    }
    if (!d->values || !d->slots || !d->codes)
        return err_set(err, ERR_FULL, 0, "no memory for a dictionary");
    return true;
}

/* The code of `value`, a new one when needed; NUMBERS_MAX: no room for it. */
static uint32_t code_of(struct numbers *d, uint64_t value)
{
    uint64_t hash = (value ^ value >> 32) * 0x9e3779b97f4a7c15U;
    uint32_t at = (uint32_t)(hash >> (64 - d->slot_bits));

    for (; d->slots[at]; at = (at + 1) & ((1U << d->slot_bits) - 1)) {
        uint32_t code = d->slots[at] - 1;

        if (d->values[code] == value)
            return code;
    }
    if (d->count == NUMBERS_MAX)
        return NUMBERS_MAX;
    d->values[d->count] = value;
    d->slots[at] = ++d->count;
    return d->count - 1;
}

/* 8 * distinct + n * width / 8 < 0.6 * 8 * n */
static bool pays(uint64_t distinct, uint64_t n)
{
    return 8 * distinct + n * bit_width((uint32_t)distinct) / 8 < n * 24 / 5;
}

bool numbers_build(struct numbers *d, const uint64_t *values, const uint8_t *nulls, size_t rows,
    bool *ret_pays, struct err *err)
{
    uint64_t last = 0;
    uint32_t code = NUMBERS_MAX; /* of `last`; none yet */
    size_t seen = 0;

    if (!reserve(d, rows, err))
        return false;
    d->slot_bits = slot_bits(rows);
    memset(d->slots, 0, ((size_t)1 << d->slot_bits) * sizeof(*d->slots));
    d->count = 0;
    *ret_pays = false;
    for (size_t i = 0; i < rows; i++) {
        if (nulls && nulls[i]) {
            d->codes[i] = 0;
            continue;
        }
        if (code == NUMBERS_MAX || values[i] != last) {
            last = values[i];
            code = code_of(d, last);
            if (code == NUMBERS_MAX)
                return true;
        }
        d->codes[i] = code;
        if (++seen == TRIAL_ROWS && d->count > TRIAL_ROWS / 2)
            return true;
    }
    *ret_pays = pays(d->count, seen);
    return true;
}

void numbers_done(struct numbers *d)
{
    free(d->values);
    free(d->codes);
    free(d->slots);
    *d = (struct numbers){0};
}
