#include "parquet/reader.h"

#include "parquet/page_read.h"
#include "parquet/thrift.h"

#include <stdlib.h>

#define TAIL_BYTES 8 /* length of the footer, magic */

struct parquet_reader {
    struct parquet_source source;
    struct footer footer;
    struct buf footer_bytes; /* the footer's spans point into it */
    struct buf bytes;        /* of a chunk or an index */
    struct page_reader pages;
    struct column_values columns[COLUMNS];
};

static bool fetch(
    struct parquet_reader *r, struct buf *to, uint64_t offset, size_t len, struct err *err)
{
    char *at;

    buf_reset(to);
    at = buf_reserve(to, len + 1);
    if (!at)
        return err_set(err, ERR_FULL, 0, "no memory for %zu bytes", len);
    if (len && !r->source.read(r->source.context, offset, at, len, err))
        return false;
    to->len = len;
    return true;
}

static bool read_footer(struct parquet_reader *r, struct err *err)
{
    char head[4];
    uint8_t tail[TAIL_BYTES];
    uint64_t bytes = r->source.bytes;
    uint32_t len;
    uint64_t at;

    if (bytes < sizeof(head) + TAIL_BYTES)
        return err_set(
            err, ERR_INPUT, 0, "%llu bytes: too short for Parquet", (unsigned long long)bytes);
    if (!r->source.read(r->source.context, 0, head, sizeof(head), err) ||
        !r->source.read(r->source.context, bytes - TAIL_BYTES, tail, TAIL_BYTES, err))
        return false;
    if (memcmp(head, "PAR1", 4) != 0 || memcmp(tail + 4, "PAR1", 4) != 0)
        return err_set(err, ERR_INPUT, 0, "not a Parquet file, or cut");
    memcpy(&len, tail, sizeof(len));
    if (len > FOOTER_BYTES_MAX || len > bytes - sizeof(head) - TAIL_BYTES)
        return err_set(err, ERR_INPUT, 0, "footer of %u bytes does not fit", len);
    at = bytes - TAIL_BYTES - len;
    return fetch(r, &r->footer_bytes, at, len, err) &&
           footer_parse(&r->footer, r->footer_bytes.data, len, at, err);
}

struct parquet_reader *parquet_open(struct parquet_source source, struct err *err)
{
    struct parquet_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        (void)err_set(err, ERR_FULL, 0, "no memory for a Parquet reader");
        return NULL;
    }
    r->source = source;
    buf_init(&r->footer_bytes, FOOTER_BYTES_MAX + 1);
    buf_init(&r->bytes, 2 * (size_t)DICTIONARY_BYTES_MAX);
    for (unsigned i = 0; i < COLUMNS; i++)
        buf_init(&r->columns[i].names_bytes, DICTIONARY_BYTES_MAX + 1);
    if (!read_footer(r, err)) {
        parquet_close(r);
        return NULL;
    }
    return r;
}

void parquet_close(struct parquet_reader *r)
{
    if (!r)
        return;
    footer_done(&r->footer);
    buf_done(&r->footer_bytes);
    buf_done(&r->bytes);
    page_reader_done(&r->pages);
    for (unsigned i = 0; i < COLUMNS; i++)
        column_values_done(&r->columns[i]);
    free(r);
}

void parquet_info(const struct parquet_reader *r, struct parquet_info *ret)
{
    *ret = (struct parquet_info){.rows = r->footer.rows,
        .groups = r->footer.group_count,
        .bytes = r->source.bytes,
        .footer_bytes = r->footer_bytes.len,
        .created_by = r->footer.created_by};
}

uint64_t parquet_group_rows(const struct parquet_reader *r, uint32_t group)
{
    return r->footer.groups[group].rows;
}

static const char *codec_name(int32_t codec)
{
    if (codec == CODEC_ZSTD)
        return "ZSTD";
    return codec == CODEC_SNAPPY ? "SNAPPY" : "UNCOMPRESSED";
}

void parquet_column_info(const struct parquet_reader *r, uint32_t group, uint32_t column,
    struct parquet_column_info *ret)
{
    const struct file_group *g = &r->footer.groups[group];
    const struct file_chunk *c = &g->chunks[column];
    const struct column_schema *s = &columns_schema[column];

    *ret = (struct parquet_column_info){.name = s->name,
        .physical = s->physical,
        .logical = s->logical,
        .codec = codec_name(c->codec),
        .values = c->values,
        .nulls = c->nulls,
        .compressed_bytes = c->compressed,
        .uncompressed_bytes = c->uncompressed,
        .has_min_max = c->has_min && c->has_max,
        .min = c->min,
        .max = c->max,
        .has_offset_index = c->offset_index != 0,
        .has_column_index = c->column_index != 0,
        .pages = (uint32_t)((g->rows + PAGE_ROWS - 1) / PAGE_ROWS)};
    memcpy(ret->encodings, c->encodings_text, sizeof(ret->encodings));
}

/* Every page listed with its offset, size and first row, as it was met. */
static bool check_offset_index(const void *data, size_t len, const struct column_values *v)
{
    struct thrift_in t;
    struct thrift_field f;
    bool found = false;

    thrift_read(&t, data, len);
    while (thrift_next(&t, &f)) {
        if (f.id != 1) {
            thrift_skip(&t, f);
            continue;
        }
        if (found || thrift_get_list(&t, f, THRIFT_STRUCT) != v->page_count)
            return false;
        found = true;
        for (size_t i = 0; i < v->page_count && !t.failed; i++) {
            int64_t at[4] = {0};

            thrift_enter_item(&t);
            while (thrift_next(&t, &f)) {
                if (f.id < 1 || f.id > 3)
                    thrift_fail(&t);
                else
                    at[f.id] = thrift_get_i64(&t, f);
            }
            if ((uint64_t)at[1] != v->pages[i].offset || at[2] != v->pages[i].bytes ||
                at[3] != (int64_t)(i * PAGE_ROWS))
                return false;
        }
    }
    return found && !t.failed && t.at == t.end;
}

/* Lists of one entry a page; the counts of NULLs as they were met. */
static bool check_column_index(const void *data, size_t len, const struct column_values *v)
{
    static const enum thrift_type elements[] = {[1] = THRIFT_TRUE,
        [2] = THRIFT_BINARY,
        [3] = THRIFT_BINARY,
        [5] = THRIFT_I64,
        [8] = THRIFT_I64};
    struct thrift_in t;
    struct thrift_field f;
    unsigned seen = 0;

    thrift_read(&t, data, len);
    while (thrift_next(&t, &f)) {
        if (f.id < 1 || f.id > 8 || f.id == 4 || f.id == 6 || f.id == 7) {
            thrift_skip(&t, f);
            continue;
        }
        if (thrift_get_list(&t, f, elements[f.id]) != v->page_count)
            return false;
        seen |= 1U << f.id;
        for (size_t i = 0; i < v->page_count && !t.failed; i++) {
            if (f.id == 1)
                (void)thrift_get_item_bool(&t);
            else if (f.id < 4)
                (void)thrift_get_item_binary(&t);
            else if (thrift_get_item_int(&t) != v->pages[i].nulls && f.id == 5)
                return false;
        }
    }
    return (seen & 0x2eU) == 0x2eU && !t.failed && t.at == t.end;
}

static bool check_indexes(struct parquet_reader *r, const struct file_chunk *c,
    const struct column_values *v, struct err *err)
{
    if (c->offset_index) {
        if (!fetch(r, &r->bytes, c->offset_index, c->offset_index_len, err))
            return false;
        if (!check_offset_index(r->bytes.data, r->bytes.len, v))
            return err_set(err, ERR_INPUT, 0, "offset index and pages do not agree");
    }
    if (c->column_index) {
        if (!fetch(r, &r->bytes, c->column_index, c->column_index_len, err))
            return false;
        if (!check_column_index(r->bytes.data, r->bytes.len, v))
            return err_set(err, ERR_INPUT, 0, "column index and pages do not agree");
    }
    return true;
}

static bool read_column(struct parquet_reader *r, uint32_t group, unsigned column, struct err *err)
{
    const struct file_group *g = &r->footer.groups[group];
    const struct file_chunk *c = &g->chunks[column];
    struct column_values *v = &r->columns[column];

    if (!r->pages.codes && !page_reader_init(&r->pages, err))
        return false;
    if (c->compressed > r->bytes.max - 1)
        return err_set(
            err, ERR_INPUT, 0, "%llu bytes are too many", (unsigned long long)c->compressed);
    return fetch(r, &r->bytes, file_chunk_start(c), (size_t)c->compressed, err) &&
           page_read_chunk(&r->pages, column, c, r->bytes.data, (size_t)g->rows, v, err) &&
           check_indexes(r, c, v, err);
}

static const uint8_t *nulls_of(const struct column_values *v)
{
    return v->null_count ? v->nulls : NULL;
}

bool parquet_read_group(
    struct parquet_reader *r, uint32_t group, struct parquet_columns *ret, struct err *err)
{
    const struct column_values *v = r->columns;

    if (group >= r->footer.group_count)
        return err_set(err, ERR_INPUT, 0, "no row group %u", group);
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (!read_column(r, group, i, err))
            return err_wrap(err, "row group %u, column %s", group, columns_schema[i].name);
    }
    *ret = (struct parquet_columns){.rows = (size_t)r->footer.groups[group].rows,
        .timestamp_us = v[COLUMN_TIMESTAMP].numbers,
        .asset = v[COLUMN_ASSET].codes,
        .datastream = v[COLUMN_DATASTREAM].codes,
        .payload = v[COLUMN_PAYLOAD].numbers,
        .timestamp_null = nulls_of(&v[COLUMN_TIMESTAMP]),
        .asset_null = nulls_of(&v[COLUMN_ASSET]),
        .datastream_null = nulls_of(&v[COLUMN_DATASTREAM]),
        .payload_null = nulls_of(&v[COLUMN_PAYLOAD]),
        .assets = v[COLUMN_ASSET].names,
        .datastreams = v[COLUMN_DATASTREAM].names,
        .asset_count = v[COLUMN_ASSET].name_count,
        .datastream_count = v[COLUMN_DATASTREAM].name_count};
    return true;
}
