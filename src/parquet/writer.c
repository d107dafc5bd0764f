#include "parquet/chunk.h"
#include "parquet/thrift.h"

#include <stdlib.h>

#ifndef BUILD
#define BUILD "0"
#endif

static const char magic[4] = {'P', 'A', 'R', '1'};

struct group_note {
    uint64_t rows;
    enum parquet_sorting sorting; /* what is true of it */
    struct chunk_note chunks[COLUMNS];
};

struct parquet_writer {
    struct chunk_writer chunks;
    enum parquet_sorting sorting;
    char *created_by;
    struct group_note *groups;
    size_t group_count, groups_size;
    uint64_t rows;
    bool failed, finished;
    struct err first; /* what failed */
};

struct parquet_writer *parquet_writer_new(
    const struct parquet_options *options, struct parquet_sink sink, struct err *err)
{
    struct parquet_writer *w = calloc(1, sizeof(*w));
    const char *name = options->created_by;

    /* Readers take it apart as "<name> version <version> (build <build>)". */
    if (!name)
        name = "volume-uploader version " VERSION " (build " BUILD ")";
    if (!w || !(w->created_by = strdup(name))) {
        free(w);
        (void)err_set(err, ERR_FULL, 0, "no memory for a Parquet writer");
        return NULL;
    }
    w->sorting = options->sorting;
    if (!chunk_writer_init(&w->chunks, options, err)) {
        free(w->created_by);
        free(w);
        return NULL;
    }
    w->chunks.sink = sink;
    return w;
}

void parquet_writer_free(struct parquet_writer *w)
{
    if (!w)
        return;
    chunk_writer_done(&w->chunks);
    free(w->groups);
    free(w->created_by);
    free(w);
}

void parquet_writer_reset(struct parquet_writer *w, struct parquet_sink sink)
{
    w->chunks.sink = sink;
    w->chunks.offset = 0;
    buf_reset(&w->chunks.metas);
    buf_reset(&w->chunks.column_indexes);
    buf_reset(&w->chunks.offset_indexes);
    w->group_count = 0;
    w->rows = 0;
    w->failed = false;
    w->finished = false;
    err_clear(&w->first);
}

uint64_t parquet_bytes(const struct parquet_writer *w)
{
    return w->chunks.offset;
}

uint64_t parquet_rows(const struct parquet_writer *w)
{
    return w->rows;
}

static bool fail(struct parquet_writer *w, struct err *err)
{
    if (!w->failed)
        w->first = *err;
    w->failed = true;
    *err = w->first;
    return false;
}

/* The order of codes as names, for a dictionary that is not sorted itself. */
struct ranks {
    uint32_t *rank, *by_rank; /* NULL: sorted */
};

struct ranked_name {
    struct span name;
    uint32_t code;
};

static int compare_names(const void *a, const void *b)
{
    const struct ranked_name *x = a;
    const struct ranked_name *y = b;
    int order = span_compare(x->name, y->name);

    if (order)
        return order;
    return x->code < y->code ? -1 : x->code > y->code;
}

static void ranks_done(struct ranks *r)
{
    free(r->rank);
    free(r->by_rank);
    *r = (struct ranks){0};
}

static bool ranks_init(struct ranks *r, const struct span *names, uint32_t count, struct err *err)
{
    struct ranked_name *sorted;
    bool is_sorted = true;

    *r = (struct ranks){0};
    for (uint32_t i = 1; i < count && is_sorted; i++)
        is_sorted = span_compare(names[i - 1], names[i]) <= 0;
    if (is_sorted)
        return true;
    sorted = malloc(count * sizeof(*sorted));
    r->rank = malloc(count * sizeof(*r->rank));
    r->by_rank = malloc(count * sizeof(*r->by_rank));
    if (!sorted || !r->rank || !r->by_rank) {
        free(sorted);
        ranks_done(r);
        return err_set(err, ERR_FULL, 0, "no memory for %u names", count);
    }
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = (struct ranked_name){names[i], i};
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (uint32_t i = 0; i < count; i++) {
        r->by_rank[i] = sorted[i].code;
        r->rank[sorted[i].code] = i;
    }
    free(sorted);
    return true;
}

/* -1, 0, 1 of row i against the row before. */
static int step(uint64_t before, uint64_t now)
{
    return now > before ? 1 : now < before ? -1 : 0;
}

static bool row_is_in_order(const struct parquet_columns *c, size_t i, bool by_time)
{
    int asset = step(c->asset[i - 1], c->asset[i]);
    int datastream = step(c->datastream[i - 1], c->datastream[i]);
    int name = asset ? asset : datastream;
    int64_t before = c->timestamp_us[i - 1];
    int64_t now = c->timestamp_us[i];

    if (by_time)
        return now != before ? now > before : name >= 0;
    return name ? name > 0 : now >= before;
}

/* sorting_columns is a promise to readers: it is checked, not believed. */
static bool is_in_order(const struct parquet_columns *c, bool by_time)
{
    if (c->timestamp_null || c->asset_null || c->datastream_null)
        return false;
    for (size_t i = 1; i < c->rows; i++) {
        if (!row_is_in_order(c, i, by_time))
            return false;
    }
    return true;
}

static struct group_note *add_group(struct parquet_writer *w, struct err *err)
{
    if (w->group_count == w->groups_size) {
        size_t size = w->groups_size ? w->groups_size * 2 : 8;
        struct group_note *more = NULL;

        if (size <= PARQUET_GROUPS_MAX)
            more = realloc(w->groups, size * sizeof(*more));
        if (!more) {
            (void)err_set(err, ERR_FULL, 0, "no memory for %zu row groups", size);
            return NULL;
        }
        w->groups = more;
        w->groups_size = size;
    }
    return &w->groups[w->group_count];
}

static bool write_chunks(struct parquet_writer *w, const struct parquet_columns *c,
    const struct ranks *assets, const struct ranks *datastreams, struct group_note *note,
    struct err *err)
{
    const struct column_data data[COLUMNS] = {
        {.column = COLUMN_TIMESTAMP, .nulls = c->timestamp_null, .numbers = c->timestamp_us},
        {.column = COLUMN_ASSET,
            .nulls = c->asset_null,
            .codes = c->asset,
            .names = c->assets,
            .name_count = c->asset_count,
            .rank = assets->rank,
            .by_rank = assets->by_rank},
        {.column = COLUMN_DATASTREAM,
            .nulls = c->datastream_null,
            .codes = c->datastream,
            .names = c->datastreams,
            .name_count = c->datastream_count,
            .rank = datastreams->rank,
            .by_rank = datastreams->by_rank},
        {.column = COLUMN_PAYLOAD, .nulls = c->payload_null, .numbers = c->payload},
    };

    for (unsigned i = 0; i < COLUMNS; i++) {
        struct column_data d = data[i];

        d.rows = c->rows;
        if (!chunk_write(&w->chunks, &d, &note->chunks[i], err))
            return err_wrap(err, "column %s", columns_schema[i].name);
    }
    return true;
}

static bool write_group(struct parquet_writer *w, const struct parquet_columns *c, struct err *err)
{
    struct group_note *note = add_group(w, err);
    struct ranks assets = {0};
    struct ranks datastreams = {0};
    bool ok = false;

    if (!note)
        return false;
    *note = (struct group_note){.rows = c->rows, .sorting = w->sorting};
    if (!ranks_init(&assets, c->assets, c->asset_count, err) ||
        !ranks_init(&datastreams, c->datastreams, c->datastream_count, err))
        goto out;
    if (w->sorting != PARQUET_UNSORTED &&
        (assets.rank || datastreams.rank || !is_in_order(c, w->sorting == PARQUET_SORTED_TIME)))
        note->sorting = PARQUET_UNSORTED;
    if (w->chunks.offset == 0 && !chunk_send(&w->chunks, magic, sizeof(magic), err))
        goto out;
    if (!write_chunks(w, c, &assets, &datastreams, note, err))
        goto out;
    w->group_count++;
    w->rows += c->rows;
    ok = true;
out:
    ranks_done(&assets);
    ranks_done(&datastreams);
    return ok;
}

bool parquet_write_group(
    struct parquet_writer *w, const struct parquet_columns *columns, struct err *err)
{
    if (w->failed)
        return fail(w, err);
    if (columns->rows == 0)
        return true; /* a row group of no rows breaks readers */
    if (w->finished || columns->rows > PARQUET_ROWS_MAX) {
        (void)err_set(err, ERR_BROKEN, 0, "%zu rows for %s", columns->rows,
            w->finished ? "a finished file" : "one row group");
        return fail(w, err);
    }
    return write_group(w, columns, err) || fail(w, err);
}

static void put_schema(struct thrift_out *t)
{
    thrift_list(t, 2, THRIFT_STRUCT, 1 + COLUMNS);
    thrift_item_struct(t);
    thrift_binary(t, 4, span_of("schema"));
    thrift_i32(t, 5, COLUMNS);
    thrift_end(t);
    for (unsigned i = 0; i < COLUMNS; i++) {
        const struct column_schema *s = &columns_schema[i];

        thrift_item_struct(t);
        thrift_i32(t, 1, s->type);
        thrift_i32(t, 3, REPETITION_OPTIONAL);
        thrift_binary(t, 4, span_of(s->name));
        if (s->converted != CONVERTED_NONE)
            thrift_i32(t, 6, s->converted);
        if (s->logical_len)
            thrift_raw_struct(t, 10, s->logical_bytes, s->logical_len);
        thrift_end(t);
    }
}

/* Where the next chunk's indexes stand. */
struct index_at {
    uint64_t column, offset;
};

static void put_chunk(struct parquet_writer *w, struct thrift_out *t, const struct chunk_note *note,
    struct index_at *at)
{
    thrift_item_struct(t);
    thrift_i64(t, 2, 0); /* file_offset: deprecated, must be there */
    thrift_raw_struct(t, 3, w->chunks.metas.data + note->meta_at, note->meta_len);
    thrift_i64(t, 4, (int64_t)at->offset);
    thrift_i32(t, 5, (int32_t)note->offset_index_len);
    at->offset += note->offset_index_len;
    if (note->column_index_len) {
        thrift_i64(t, 6, (int64_t)at->column);
        thrift_i32(t, 7, (int32_t)note->column_index_len);
        at->column += note->column_index_len;
    }
    thrift_end(t);
}

static void put_sorting(struct thrift_out *t, enum parquet_sorting sorting)
{
    static const int orders[][3] = {
        [PARQUET_SORTED_SERIES] = {COLUMN_ASSET, COLUMN_DATASTREAM, COLUMN_TIMESTAMP},
        [PARQUET_SORTED_TIME] = {COLUMN_TIMESTAMP, COLUMN_ASSET, COLUMN_DATASTREAM}};

    if (sorting == PARQUET_UNSORTED)
        return;
    thrift_list(t, 4, THRIFT_STRUCT, 3);
    for (size_t i = 0; i < 3; i++) {
        thrift_item_struct(t);
        thrift_i32(t, 1, orders[sorting][i]);
        thrift_bool(t, 2, false); /* descending */
        thrift_bool(t, 3, false); /* nulls first */
        thrift_end(t);
    }
}

static void put_group(
    struct parquet_writer *w, struct thrift_out *t, size_t group, struct index_at *at)
{
    const struct group_note *note = &w->groups[group];
    uint64_t uncompressed = 0;
    uint64_t compressed = 0;

    thrift_item_struct(t);
    thrift_list(t, 1, THRIFT_STRUCT, COLUMNS);
    for (unsigned i = 0; i < COLUMNS; i++) {
        put_chunk(w, t, &note->chunks[i], at);
        uncompressed += note->chunks[i].uncompressed;
        compressed += note->chunks[i].compressed;
    }
    thrift_i64(t, 2, (int64_t)uncompressed);
    thrift_i64(t, 3, (int64_t)note->rows);
    put_sorting(t, note->sorting);
    thrift_i64(t, 5, (int64_t)note->chunks[0].first_page);
    thrift_i64(t, 6, (int64_t)compressed);
    if (group <= INT16_MAX)
        thrift_i16(t, 7, (int16_t)group);
    thrift_end(t);
}

static bool send_footer(struct parquet_writer *w, struct index_at at, struct err *err)
{
    struct buf footer;
    struct thrift_out t;
    uint32_t len;
    bool ok;

    buf_init(&footer, FOOTER_BYTES_MAX);
    thrift_begin(&t, &footer);
    thrift_i32(&t, 1, 1);
    put_schema(&t);
    thrift_i64(&t, 3, (int64_t)w->rows);
    thrift_list(&t, 4, THRIFT_STRUCT, w->group_count);
    for (size_t i = 0; i < w->group_count; i++)
        put_group(w, &t, i, &at);
    thrift_binary(&t, 6, span_of(w->created_by));
    thrift_list(&t, 7, THRIFT_STRUCT, COLUMNS);
    for (unsigned i = 0; i < COLUMNS; i++) {
        thrift_item_struct(&t);
        thrift_struct(&t, 1); /* TYPE_ORDER */
        thrift_end(&t);
        thrift_end(&t);
    }
    thrift_end(&t);
    len = (uint32_t)footer.len;
    buf_add(&footer, &len, sizeof(len));
    buf_add(&footer, magic, sizeof(magic));
    ok = buf_check(&footer, "footer", err) && chunk_send(&w->chunks, footer.data, footer.len, err);
    buf_done(&footer);
    return ok;
}

static bool finish(struct parquet_writer *w, struct err *err)
{
    struct chunk_writer *c = &w->chunks;
    struct index_at at;

    if (c->offset == 0 && !chunk_send(c, magic, sizeof(magic), err))
        return false;
    at = (struct index_at){.column = c->offset, .offset = c->offset + c->column_indexes.len};
    return chunk_send(c, c->column_indexes.data, c->column_indexes.len, err) &&
           chunk_send(c, c->offset_indexes.data, c->offset_indexes.len, err) &&
           send_footer(w, at, err);
}

bool parquet_finish(struct parquet_writer *w, struct err *err)
{
    if (w->failed)
        return fail(w, err);
    if (w->finished) {
        (void)err_set(err, ERR_BROKEN, 0, "finished twice");
        return fail(w, err);
    }
    if (!finish(w, err))
        return fail(w, err);
    w->finished = true;
    return true;
}
