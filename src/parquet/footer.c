#include "parquet/footer.h"

#include "parquet/thrift.h"

#include <stdio.h>
#include <stdlib.h>

static const char *encoding_name(int64_t encoding)
{
    switch (encoding) {
    case ENCODING_PLAIN:
        return "PLAIN";
    case ENCODING_RLE:
        return "RLE";
    case ENCODING_DELTA:
        return "DELTA_BINARY_PACKED";
    case ENCODING_DICTIONARY:
        return "RLE_DICTIONARY";
    default:
        return NULL;
    }
}

/* Offsets, sizes and counts are never negative. */
static uint64_t get_size(struct thrift_in *t, struct thrift_field f)
{
    int64_t value = thrift_get_i64(t, f);

    if (value < 0) {
        thrift_fail(t);
        return 0;
    }
    return (uint64_t)value;
}

static void get_encodings(struct thrift_in *t, struct thrift_field f, struct file_chunk *ret)
{
    size_t count = thrift_get_list(t, f, THRIFT_I32);
    size_t at = 0;

    for (size_t i = 0; i < count && !t->failed; i++) {
        int64_t encoding = thrift_get_item_int(t);
        const char *name = encoding_name(encoding);

        if (!name || ret->encodings & 1U << encoding) { /* each once: so the text fits */
            thrift_fail(t);
            return;
        }
        ret->encodings |= 1U << encoding;
        at += (size_t)snprintf(ret->encodings_text + at, sizeof(ret->encodings_text) - at, "%s%s",
            i ? ", " : "", name);
    }
}

static void get_statistics(struct thrift_in *t, struct thrift_field f, struct file_chunk *ret)
{
    thrift_enter(t, f);
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 3:
            ret->nulls = get_size(t, f);
            ret->has_nulls_count = true;
            break;
        case 5:
            ret->max = thrift_get_binary(t, f);
            ret->has_max = true;
            break;
        case 6:
            ret->min = thrift_get_binary(t, f);
            ret->has_min = true;
            break;
        case 9:
            ret->nans = get_size(t, f);
            break;
        default:
            thrift_skip(t, f);
        }
    }
}

static void get_path(struct thrift_in *t, struct thrift_field f, const char *want)
{
    if (thrift_get_list(t, f, THRIFT_BINARY) != 1 || !span_is(thrift_get_item_binary(t), want))
        thrift_fail(t);
}

static void get_meta(struct thrift_in *t, struct thrift_field f, const struct column_schema *s,
    struct file_chunk *ret)
{
    thrift_enter(t, f);
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1:
            if (thrift_get_i32(t, f) != s->type)
                thrift_fail(t);
            break;
        case 2:
            get_encodings(t, f, ret);
            break;
        case 3:
            get_path(t, f, s->name);
            break;
        case 4:
            ret->codec = thrift_get_i32(t, f);
            break;
        case 5:
            ret->values = get_size(t, f);
            break;
        case 6:
            ret->uncompressed = get_size(t, f);
            break;
        case 7:
            ret->compressed = get_size(t, f);
            break;
        case 9:
            ret->data_page = get_size(t, f);
            break;
        case 11:
            ret->dictionary_page = get_size(t, f);
            break;
        case 12:
            get_statistics(t, f, ret);
            break;
        default:
            thrift_skip(t, f);
        }
    }
}

static void get_chunk(struct thrift_in *t, const struct column_schema *s, struct file_chunk *ret)
{
    struct thrift_field f;

    thrift_enter_item(t);
    while (thrift_next(t, &f)) {
        switch (f.id) {
        case 1: /* file_path: the data would be elsewhere */
            thrift_fail(t);
            break;
        case 3:
            get_meta(t, f, s, ret);
            break;
        case 4:
            ret->offset_index = get_size(t, f);
            break;
        case 5:
            ret->offset_index_len = (uint32_t)thrift_get_i32(t, f);
            break;
        case 6:
            ret->column_index = get_size(t, f);
            break;
        case 7:
            ret->column_index_len = (uint32_t)thrift_get_i32(t, f);
            break;
        default:
            thrift_skip(t, f);
        }
    }
}

static void get_group(struct thrift_in *t, struct file_group *ret)
{
    struct thrift_field f;

    thrift_enter_item(t);
    while (thrift_next(t, &f)) {
        if (f.id == 1) {
            if (thrift_get_list(t, f, THRIFT_STRUCT) != COLUMNS)
                thrift_fail(t);
            for (unsigned i = 0; i < COLUMNS && !t->failed; i++)
                get_chunk(t, &columns_schema[i], &ret->chunks[i]);
        } else if (f.id == 3) {
            ret->rows = get_size(t, f);
        } else {
            thrift_skip(t, f);
        }
    }
}

/* logicalType as bytes: ours is one of very few forms, so it is compared and not taken apart. */
static void get_logical(struct thrift_in *t, struct thrift_field f, const struct column_schema *s)
{
    const uint8_t *begin = t->at;

    if (f.type != THRIFT_STRUCT)
        thrift_fail(t);
    else
        thrift_skip(t, f);
    if ((size_t)(t->at - begin) != s->logical_len ||
        memcmp(begin, s->logical_bytes, s->logical_len) != 0)
        thrift_fail(t);
}

static void get_leaf(struct thrift_in *t, const struct column_schema *s)
{
    struct thrift_field f;
    unsigned seen = 0;

    thrift_enter_item(t);
    while (thrift_next(t, &f)) {
        bool good = true;

        if (f.id == 1)
            good = thrift_get_i32(t, f) == s->type;
        else if (f.id == 3)
            good = thrift_get_i32(t, f) == REPETITION_OPTIONAL;
        else if (f.id == 4)
            good = span_is(thrift_get_binary(t, f), s->name);
        else if (f.id == 10)
            get_logical(t, f, s);
        else
            thrift_skip(t, f);
        seen |= f.id > 0 && f.id < 16 ? 1U << f.id : 0;
        if (!good)
            thrift_fail(t);
    }
    if (!(seen & 1U << 1) || !(seen & 1U << 3) || !(seen & 1U << 4) ||
        (s->logical_len && !(seen & 1U << 10)))
        thrift_fail(t);
}

static void get_schema(struct thrift_in *t, struct thrift_field f)
{
    int32_t children = 0;

    if (thrift_get_list(t, f, THRIFT_STRUCT) != 1 + COLUMNS) {
        thrift_fail(t);
        return;
    }
    thrift_enter_item(t);
    while (thrift_next(t, &f)) {
        if (f.id == 5)
            children = thrift_get_i32(t, f);
        else
            thrift_skip(t, f);
    }
    if (children != COLUMNS)
        thrift_fail(t);
    for (unsigned i = 0; i < COLUMNS && !t->failed; i++)
        get_leaf(t, &columns_schema[i]);
}

static bool get_groups(
    struct footer *out, struct thrift_in *t, struct thrift_field f, struct err *err)
{
    size_t count = thrift_get_list(t, f, THRIFT_STRUCT);

    if (out->groups || count > PARQUET_GROUPS_MAX) {
        thrift_fail(t);
        return true; /* the caller sees it */
    }
    if (count == 0)
        return true;
    out->groups = calloc(count, sizeof(*out->groups));
    if (!out->groups)
        return err_set(err, ERR_FULL, 0, "no memory for %zu row groups", count);
    for (size_t i = 0; i < count && !t->failed; i++)
        get_group(t, &out->groups[i]);
    out->group_count = (uint32_t)count;
    return true;
}

static bool get_created_by(
    struct footer *out, struct thrift_in *t, struct thrift_field f, struct err *err)
{
    struct span text = thrift_get_binary(t, f);

    free(out->created_by);
    out->created_by = strndup(text.data, text.len);
    return out->created_by || err_set(err, ERR_FULL, 0, "no memory");
}

static bool get_file(struct footer *out, struct thrift_in *t, struct err *err)
{
    struct thrift_field f;
    unsigned seen = 0;
    bool ok = true;

    while (ok && thrift_next(t, &f)) {
        if (f.id == 2)
            get_schema(t, f);
        else if (f.id == 3)
            out->rows = get_size(t, f);
        else if (f.id == 4)
            ok = get_groups(out, t, f, err);
        else if (f.id == 6)
            ok = get_created_by(out, t, f, err);
        else
            thrift_skip(t, f);
        seen |= f.id > 0 && f.id < 16 ? 1U << f.id : 0;
    }
    if (!ok)
        return false;
    /* 7: column_orders; without it minima and maxima mean nothing */
    if (t->failed || t->at != t->end || (seen & 0xdcU) != 0xdcU)
        return err_set(err, ERR_INPUT, 0, "footer: not as we write it, or damaged");
    return true;
}

static bool index_is_within(uint64_t at, uint32_t len, uint64_t data_end, uint64_t file_end)
{
    if (at == 0)
        return len == 0;
    return at >= data_end && at <= file_end && len <= file_end - at;
}

/* Chunks follow each other without holes; *at is where the next one must begin. */
static bool check_chunk(
    const struct file_chunk *c, uint64_t rows, uint64_t *at, uint64_t file_end, struct err *err)
{
    uint64_t start = file_chunk_start(c);

    if (c->codec != CODEC_NONE && c->codec != CODEC_SNAPPY && c->codec != CODEC_ZSTD)
        return err_set(err, ERR_INPUT, 0, "codec %d is not ours", c->codec);
    if (c->values != rows || !c->has_nulls_count || c->nulls > rows)
        return err_set(err, ERR_INPUT, 0, "%llu values, %llu of them null, in %llu rows",
            (unsigned long long)c->values, (unsigned long long)c->nulls, (unsigned long long)rows);
    if (start != *at || c->compressed > file_end - start || c->data_page < start ||
        c->data_page - start >= c->compressed)
        return err_set(err, ERR_INPUT, 0, "pages at %llu, expected at %llu",
            (unsigned long long)start, (unsigned long long)*at);
    *at = start + c->compressed;
    return true;
}

static bool check_groups(const struct footer *f, uint64_t file_end, struct err *err)
{
    uint64_t at = 4; /* behind the magic */
    uint64_t rows = 0;

    for (uint32_t i = 0; i < f->group_count; i++) {
        const struct file_group *g = &f->groups[i];

        if (g->rows == 0 || g->rows > PARQUET_ROWS_MAX)
            return err_set(
                err, ERR_INPUT, 0, "row group %u of %llu rows", i, (unsigned long long)g->rows);
        rows += g->rows;
        for (unsigned k = 0; k < COLUMNS; k++) {
            if (!check_chunk(&g->chunks[k], g->rows, &at, file_end, err))
                return err_wrap(err, "row group %u, column %s", i, columns_schema[k].name);
        }
    }
    for (uint32_t i = 0; i < f->group_count * COLUMNS; i++) {
        const struct file_chunk *c = &f->groups[i / COLUMNS].chunks[i % COLUMNS];

        if (!index_is_within(c->offset_index, c->offset_index_len, at, file_end) ||
            !index_is_within(c->column_index, c->column_index_len, at, file_end))
            return err_set(
                err, ERR_INPUT, 0, "row group %u: page index outside its place", i / COLUMNS);
    }
    return rows == f->rows || err_set(err, ERR_INPUT, 0, "rows do not add up");
}

bool footer_parse(
    struct footer *f, const void *data, size_t len, uint64_t file_end, struct err *err)
{
    struct thrift_in t;

    *f = (struct footer){0};
    thrift_read(&t, data, len);
    if (get_file(f, &t, err) && check_groups(f, file_end, err))
        return true;
    footer_done(f);
    return false;
}

void footer_done(struct footer *f)
{
    free(f->groups);
    free(f->created_by);
    *f = (struct footer){0};
}
