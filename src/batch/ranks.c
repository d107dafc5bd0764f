#include "batch/ranks.h"

#include <stdlib.h>

void ranks_done(struct ranks *r)
{
    free(r->number);
    free(r->asset);
    free(r->datastream);
    free(r->assets);
    free(r->datastreams);
    *r = (struct ranks){0};
}

static bool reserve(struct ranks *r, uint32_t count, struct err *err)
{
    if (count <= r->size)
        return true;
    ranks_done(r);
    r->number = malloc(count * sizeof(*r->number));
    r->asset = malloc(count * sizeof(*r->asset));
    r->datastream = malloc(count * sizeof(*r->datastream));
    r->assets = malloc(count * sizeof(*r->assets));
    r->datastreams = malloc(count * sizeof(*r->datastreams));
    if (!r->number || !r->asset || !r->datastream || !r->assets || !r->datastreams) {
        ranks_done(r);
        return err_set(err, ERR_FULL, 0, "no memory for %u series", count);
    }
    r->size = count;
    return true;
}

struct name {
    struct span text;
    uint32_t id;
};

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;

    return span_compare(x->text, y->text);
}

/* place_of[id]: where the text went. */
static void sort_names(
    struct name *names, uint32_t *place_of, uint32_t count, struct span *ret_sorted)
{
    qsort(names, count, sizeof(*names), compare_names);
    for (uint32_t i = 0; i < count; i++) {
        ret_sorted[i] = names[i].text;
        place_of[names[i].id] = i;
    }
}

/* The different texts of one side (asset or datastream): codes per rank, dictionary sorted. */
static bool make_dictionary(const struct series_table *series, const uint32_t *numbers,
    uint32_t count, bool is_asset, uint32_t *ret_codes, struct span *ret_sorted,
    uint32_t *ret_count, struct err *err)
{
    struct series_table *texts = NULL;
    struct name *names = malloc(count * sizeof(*names));
    uint32_t *place_of = malloc(count * sizeof(*place_of));
    uint32_t different = 0;
    bool ok = false;

    texts = series_new(count, series_names_bytes(series) + 1, err); /* 0 is no limit to ask for */
    if (!texts)
        goto out;
    if (!names || !place_of) {
        (void)err_set(err, ERR_FULL, 0, "no memory for %u names", count);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct span asset, datastream, text;
        uint32_t id;

        series_names(series, numbers[i], &asset, &datastream);
        text = is_asset ? asset : datastream;
        if (series_number(texts, text, (struct span){"", 0}, &id) != SERIES_OK) {
            (void)err_set(err, ERR_FULL, 0, "no memory for %u names", count);
            goto out;
        }
        if (id == different)
            names[different++] = (struct name){text, id};
        ret_codes[i] = id;
    }
    sort_names(names, place_of, different, ret_sorted);
    for (uint32_t i = 0; i < count; i++)
        ret_codes[i] = place_of[ret_codes[i]];
    *ret_count = different;
    ok = true;
out:
    series_free(texts);
    free(names);
    free(place_of);
    return ok;
}

struct key {
    uint64_t names; /* codes of asset and datastream: they compare as the names do */
    uint32_t number;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;

    return x->names < y->names ? -1 : x->names > y->names;
}

static bool sort_series(struct ranks *r, struct err *err)
{
    struct key *keys = malloc(r->count * sizeof(*keys));

    if (!keys)
        return err_set(err, ERR_FULL, 0, "no memory for %u series", r->count);
    for (uint32_t i = 0; i < r->count; i++)
        keys[i] = (struct key){(uint64_t)r->asset[i] << 32 | r->datastream[i], r->number[i]};
    qsort(keys, r->count, sizeof(*keys), compare_keys);
    for (uint32_t i = 0; i < r->count; i++) {
        r->number[i] = keys[i].number;
        r->asset[i] = (uint32_t)(keys[i].names >> 32);
        r->datastream[i] = (uint32_t)keys[i].names;
    }
    free(keys);
    return true;
}

bool ranks_make(
    struct ranks *r, const struct series_table *series, const uint32_t *rows, struct err *err)
{
    uint32_t all = series_count(series);

    if (!reserve(r, all, err))
        return false;
    r->count = 0;
    r->asset_count = 0;
    r->datastream_count = 0;
    for (uint32_t i = 0; i < all; i++) {
        if (rows[i])
            r->number[r->count++] = i;
    }
    if (r->count == 0)
        return true;
    return make_dictionary(
               series, r->number, r->count, true, r->asset, r->assets, &r->asset_count, err) &&
           make_dictionary(series, r->number, r->count, false, r->datastream, r->datastreams,
               &r->datastream_count, err) &&
           sort_series(r, err);
}
