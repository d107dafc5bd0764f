#include "base/series.h"

#include "base/rng.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* entries[number] names a series; slots is an open-addressed hash of number + 1, at most half full,
 * with the upper hash bits beside it so that most misses never touch the names. */
struct entry {
    uint32_t names_at; /* asset bytes, then datastream bytes */
    uint16_t asset_len;
    uint16_t datastream_len;
    uint64_t hash;
};

struct slot {
    uint32_t number_plus_1; /* 0: free */
    uint32_t tag;           /* upper half of the hash */
};

struct series_table {
    uint32_t count, entries_size, series_max;
    uint32_t slot_mask;
    struct entry *entries;
    struct slot *slots;
    struct buf names;
    uint64_t seed;
};

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 wide = (uint128)a * b;

    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

static uint64_t load(const char *p, size_t len)
{
    uint64_t x = 0;

    memcpy(&x, p, len);
    return x;
}

static uint64_t hash_bytes(uint64_t h, struct span s)
{
    const char *p = s.data;
    size_t len = s.len;

    for (; len >= 16; p += 16, len -= 16)
        h = mix(load(p, 8) ^ 0x9e3779b97f4a7c15U ^ h, load(p + 8, 8) ^ 0xbf58476d1ce4e5b9U);
    if (len >= 8) /* overlapping loads: every byte is seen, none by a loop */
        h = mix(load(p, 8) ^ 0x94d049bb133111ebU ^ h, load(p + len - 8, 8) ^ 0xd6e8feb86659fd93U);
    else if (len >= 4)
        h = mix(load(p, 4) ^ 0x94d049bb133111ebU ^ h, load(p + len - 4, 4) ^ 0xd6e8feb86659fd93U);
    else if (len)
        h = mix((uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
                    (unsigned char)p[len - 1],
            h ^ 0xd6e8feb86659fd93U);
    return mix(h ^ s.len, 0xa0761d6478bd642fU);
}

struct series_table *series_new(uint32_t series_max, size_t names_bytes_max, struct err *err)
{
    struct series_table *t = calloc(1, sizeof(*t));

    if (t) {
        t->series_max = series_max;
        t->slot_mask = 1023;
        t->slots = calloc((size_t)t->slot_mask + 1, sizeof(*t->slots));
        buf_init(&t->names, names_bytes_max);
        t->seed = rng_any_seed(); /* names chosen to collide must not slow the intake down */
    }
    if (!t || !t->slots) {
        series_free(t);
        err_set(err, ERR_FULL, ENOMEM, "no memory for the series table");
        return NULL;
    }
    return t;
}

void series_free(struct series_table *t)
{
    if (!t)
        return;
    free(t->entries);
    free(t->slots);
    buf_done(&t->names);
    free(t);
}

static bool entry_is(
    const struct series_table *t, const struct entry *e, struct span asset, struct span datastream)
{
    const char *names = t->names.data + e->names_at;

    return e->asset_len == asset.len && e->datastream_len == datastream.len &&
           (asset.len == 0 || memcmp(names, asset.data, asset.len) == 0) &&
           (datastream.len == 0 || memcmp(names + asset.len, datastream.data, datastream.len) == 0);
}

static void put_slot(struct slot *slots, uint32_t mask, uint64_t hash, uint32_t number)
{
    uint32_t i = (uint32_t)hash & mask;

    while (slots[i].number_plus_1)
        i = (i + 1) & mask;
    slots[i] = (struct slot){number + 1, (uint32_t)(hash >> 32)};
}

static bool grow_slots(struct series_table *t)
{
    uint32_t mask = t->slot_mask * 2 + 1;
    struct slot *slots = calloc((size_t)mask + 1, sizeof(*slots));

    if (!slots)
        return false;
    for (uint32_t i = 0; i < t->count; i++)
        put_slot(slots, mask, t->entries[i].hash, i);
    free(t->slots);
    t->slots = slots;
    t->slot_mask = mask;
    return true;
}

static bool grow_entries(struct series_table *t)
{
    uint32_t size = t->entries_size ? t->entries_size * 2 : 256;
    struct entry *entries = realloc(t->entries, size * sizeof(*entries));

    if (!entries)
        return false;
    t->entries = entries;
    t->entries_size = size;
    return true;
}

static enum series_result add(struct series_table *t, struct span asset, struct span datastream,
    uint64_t hash, uint32_t *ret_number)
{
    size_t at = t->names.len;
    char *to;

    if (t->count >= t->series_max || at + asset.len + datastream.len > t->names.max)
        return SERIES_FULL;
    if (t->count == t->entries_size && !grow_entries(t))
        return SERIES_FULL;
    if (t->count >= t->slot_mask / 2 && !grow_slots(t))
        return SERIES_FULL;
    to = buf_reserve(&t->names, asset.len + datastream.len);
    if (!to) {
        t->names.failed = false; /* the room may be there after the next clear */
        return SERIES_FULL;
    }
    if (asset.len)
        memcpy(to, asset.data, asset.len);
    if (datastream.len)
        memcpy(to + asset.len, datastream.data, datastream.len);
    t->names.len += asset.len + datastream.len;
    t->entries[t->count] =
        (struct entry){(uint32_t)at, (uint16_t)asset.len, (uint16_t)datastream.len, hash};
    put_slot(t->slots, t->slot_mask, hash, t->count);
    *ret_number = t->count++;
    return SERIES_OK;
}

enum series_result series_number(
    struct series_table *t, struct span asset, struct span datastream, uint32_t *ret_number)
{
    uint64_t hash = hash_bytes(hash_bytes(t->seed, asset), datastream);
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t i = (uint32_t)hash & t->slot_mask;

    assert(asset.len <= UINT16_MAX && datastream.len <= UINT16_MAX);
    while (t->slots[i].number_plus_1) {
        uint32_t number = t->slots[i].number_plus_1 - 1;

        if (t->slots[i].tag == tag && entry_is(t, &t->entries[number], asset, datastream)) {
            *ret_number = number;
            return SERIES_OK;
        }
        i = (i + 1) & t->slot_mask;
    }
    return add(t, asset, datastream, hash, ret_number);
}

uint32_t series_count(const struct series_table *t)
{
    return t->count;
}

size_t series_names_bytes(const struct series_table *t)
{
    return t->names.len;
}

void series_names(const struct series_table *t, uint32_t number, struct span *ret_asset,
    struct span *ret_datastream)
{
    const struct entry *e = &t->entries[number];

    assert(number < t->count);
    *ret_asset = (struct span){t->names.data + e->names_at, e->asset_len};
    *ret_datastream = (struct span){t->names.data + e->names_at + e->asset_len, e->datastream_len};
}

void series_clear(struct series_table *t)
{
    series_shrink(t, 0);
}

void series_shrink(struct series_table *t, uint32_t count)
{
    if (count >= t->count)
        return;
    t->names.len = t->entries[count].names_at;
    t->count = count;
    /* Rare (a roll, a lost group), so building the slots anew is cheap enough. */
    memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof(*t->slots));
    for (uint32_t i = 0; i < count; i++)
        put_slot(t->slots, t->slot_mask, t->entries[i].hash, i);
}
