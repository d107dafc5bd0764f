#include "parquet/chunk.h"

#include "parquet/encode.h"
#include "parquet/statistics.h"
#include "parquet/thrift.h"

#include <assert.h>
#include <stdlib.h>

#define PAGES_MAX (PARQUET_ROWS_MAX / PAGE_ROWS)
#define SCRATCH_BYTES_MAX (2 * (size_t)DICTIONARY_BYTES_MAX) /* compressed may be longer */
#define HEADER_BYTES_MAX 256
#define SAMPLE_PIECES ((size_t)16)

struct page_note {
    uint64_t offset;
    uint32_t bytes; /* header and body */
    uint32_t rows;
    uint64_t text_bytes;
};

/* What is known of the chunk under way. */
struct chunk {
    const struct column_data *d;
    const struct column_schema *schema;
    enum codec_content content;
    int encoding;   /* of pages with values */
    unsigned width; /* of dictionary codes */
    bool has_dictionary;
    uint64_t dictionary_offset;
    uint32_t encoded_pages, plain_pages; /* plain: although `encoding` is another one */
    uint64_t compressed, uncompressed;
    struct range all;
    uint64_t text_bytes;
    size_t pages;
    struct page_note page[PAGES_MAX];
    struct range range[PAGES_MAX];
};

bool chunk_writer_init(
    struct chunk_writer *c, const struct parquet_options *options, struct err *err)
{
    static const int codecs[] = {
        [PARQUET_NONE] = CODEC_NONE, [PARQUET_SNAPPY] = CODEC_SNAPPY, [PARQUET_ZSTD] = CODEC_ZSTD};

    *c = (struct chunk_writer){
        .codec = codecs[options->codec], .delta = options->profile == PARQUET_DELTA};
    buf_init(&c->body, SCRATCH_BYTES_MAX);
    buf_init(&c->packed, SCRATCH_BYTES_MAX);
    buf_init(&c->header, HEADER_BYTES_MAX);
    buf_init(&c->metas, FOOTER_BYTES_MAX);
    buf_init(&c->column_indexes, FOOTER_BYTES_MAX);
    buf_init(&c->offset_indexes, FOOTER_BYTES_MAX);
    c->page_codes = malloc(PAGE_ROWS * sizeof(*c->page_codes));
    c->page_numbers = malloc(PAGE_ROWS * sizeof(*c->page_numbers));
    if (c->page_codes && c->page_numbers)
        return true;
    chunk_writer_done(c);
    return err_set(err, ERR_FULL, 0, "no memory for pages");
}

void chunk_writer_done(struct chunk_writer *c)
{
    codec_done(&c->packer);
    buf_done(&c->body);
    buf_done(&c->packed);
    buf_done(&c->header);
    numbers_done(&c->dictionary);
    free(c->page_codes);
    free(c->page_numbers);
    buf_done(&c->metas);
    buf_done(&c->column_indexes);
    buf_done(&c->offset_indexes);
    c->page_codes = NULL;
    c->page_numbers = NULL;
}

bool chunk_send(struct chunk_writer *c, const void *data, size_t len, struct err *err)
{
    if (len && !c->sink.write(c->sink.context, data, len, err))
        return false;
    c->offset += len;
    return true;
}

/* PageHeader of a data page (is_dictionary false) or a dictionary page. */
static bool put_header(
    struct chunk_writer *c, bool is_dictionary, size_t values, int encoding, struct err *err)
{
    struct thrift_out t;
    uint32_t crc = page_crc(c->packed.data, c->packed.len);
    int32_t signed_crc;

    memcpy(&signed_crc, &crc, sizeof(crc));
    buf_reset(&c->header);
    thrift_begin(&t, &c->header);
    thrift_i32(&t, 1, is_dictionary ? PAGE_DICTIONARY : PAGE_DATA);
    thrift_i32(&t, 2, (int32_t)c->body.len);
    thrift_i32(&t, 3, (int32_t)c->packed.len);
    thrift_i32(&t, 4, signed_crc);
    thrift_struct(&t, is_dictionary ? 7 : 5);
    thrift_i32(&t, 1, (int32_t)values);
    thrift_i32(&t, 2, encoding);
    if (is_dictionary) {
        thrift_bool(&t, 3, false); /* is_sorted: of no use to readers */
    } else {
        thrift_i32(&t, 3, ENCODING_RLE);
        thrift_i32(&t, 4, ENCODING_RLE);
    }
    thrift_end(&t);
    thrift_end(&t);
    return buf_check(&c->header, "page header", err);
}

/* The page in `body`: compressed, headed, sent. */
static bool send_page(struct chunk_writer *c, struct chunk *k, bool is_dictionary, size_t values,
    int encoding, enum codec_content content, struct err *err)
{
    if (!codec_pack(&c->packer, c->codec, content, c->body.data, c->body.len, &c->packed, err) ||
        !put_header(c, is_dictionary, values, encoding, err) ||
        !chunk_send(c, c->header.data, c->header.len, err) ||
        !chunk_send(c, c->packed.data, c->packed.len, err))
        return false;
    k->compressed += c->header.len + c->packed.len;
    k->uncompressed += c->header.len + c->body.len;
    return true;
}

static bool put_names(struct chunk_writer *c, const struct column_data *d, struct err *err)
{
    size_t bytes = 0;
    uint8_t *to;

    for (uint32_t i = 0; i < d->name_count && bytes <= DICTIONARY_BYTES_MAX; i++)
        bytes += 4 + d->names[i].len;
    if (bytes > DICTIONARY_BYTES_MAX)
        return err_set(err, ERR_INPUT, 0, "more than %u bytes of names", DICTIONARY_BYTES_MAX);
    to = (uint8_t *)buf_reserve(&c->body, bytes);
    if (!to)
        return err_set(err, ERR_FULL, 0, "no memory for %zu bytes of names", bytes);
    for (uint32_t i = 0; i < d->name_count; i++) {
        uint32_t len = (uint32_t)d->names[i].len;

        memcpy(to, &len, sizeof(len));
        if (len)
            memcpy(to + 4, d->names[i].data, len);
        to += 4 + len;
    }
    c->body.len = bytes;
    return true;
}

static bool send_dictionary(struct chunk_writer *c, struct chunk *k, struct err *err)
{
    uint32_t count = k->d->names ? k->d->name_count : c->dictionary.count;

    buf_reset(&c->body);
    k->dictionary_offset = c->offset;
    k->width = bit_width(count);
    if (k->d->names) {
        if (!put_names(c, k->d, err))
            return false;
    } else if (!buf_add(&c->body, c->dictionary.values, count * sizeof(uint64_t))) {
        return err_set(err, ERR_FULL, 0, "no memory for a dictionary");
    }
    return send_page(
        c, k, true, count, ENCODING_PLAIN, k->d->names ? CONTENT_NAMES : k->content, err);
}

/* Definition levels: their length, then one run when nothing is NULL, else the hybrid. */
static uint8_t *put_levels(
    struct chunk_writer *c, uint8_t *out, const uint8_t *nulls, size_t n, size_t null_count)
{
    uint8_t *begin = out + 4;
    uint32_t len;

    if (null_count == 0 || null_count == n) {
        out = encode_run(begin, null_count == 0, n, 1);
    } else {
        assert(nulls);
        for (size_t i = 0; i < n; i++)
            c->page_codes[i] = nulls[i] == 0;
        out = encode_hybrid(begin, c->page_codes, n, 1);
    }
    len = (uint32_t)(out - begin);
    memcpy(begin - 4, &len, sizeof(len));
    return out;
}

static size_t count_nulls(const uint8_t *nulls, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; nulls && i < n; i++)
        count += nulls[i] != 0;
    return count;
}

/* The rows that are not NULL, side by side: the columns' own memory when that is all of them. */
static const uint32_t *dense_codes(struct chunk_writer *c, const uint32_t *codes,
    const uint8_t *nulls, size_t n, size_t null_count)
{
    size_t to = 0;

    if (null_count == 0)
        return codes;
    assert(nulls);
    for (size_t i = 0; i < n; i++) {
        if (!nulls[i])
            c->page_codes[to++] = codes[i];
    }
    return c->page_codes;
}

static const uint64_t *dense_numbers(struct chunk_writer *c, const uint64_t *numbers,
    const uint8_t *nulls, size_t n, size_t null_count)
{
    size_t to = 0;

    if (null_count == 0)
        return numbers;
    assert(nulls);
    for (size_t i = 0; i < n; i++) {
        if (!nulls[i])
            c->page_numbers[to++] = numbers[i];
    }
    return c->page_numbers;
}

static bool names_range(const struct column_data *d, const uint32_t *codes, size_t n,
    struct range *ret, struct err *err)
{
    uint32_t highest = 0;

    for (size_t i = 0; i < n; i++)
        highest = codes[i] > highest ? codes[i] : highest;
    if (n && highest >= d->name_count)
        return err_set(err, ERR_BROKEN, 0, "code %u of %u names", highest, d->name_count);
    *ret = statistics_codes(codes, n, d->rank);
    return true;
}

static uint64_t text_bytes(const struct span *names, const uint32_t *codes, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += names[codes[i]].len;
    return bytes;
}

/* The values of a page behind its levels; n of them, none of them NULL. */
static uint8_t *put_values(struct chunk *k, uint8_t *out, const uint32_t *codes,
    const uint64_t *numbers, size_t n, int encoding)
{
    if (encoding == ENCODING_DICTIONARY) {
        *out++ = (uint8_t)k->width;
        return encode_hybrid(out, codes, n, k->width);
    }
    if (encoding == ENCODING_DELTA)
        return encode_delta(out, (const int64_t *)numbers, n);
    if (n)
        memcpy(out, numbers, n * sizeof(*numbers));
    return out + n * sizeof(*numbers);
}

/* Rows [from, from + n) as a data page. */
static bool send_rows(
    struct chunk_writer *c, struct chunk *k, size_t from, size_t n, struct err *err)
{
    const struct column_data *d = k->d;
    const uint8_t *nulls = d->nulls ? d->nulls + from : NULL;
    size_t null_count = count_nulls(nulls, n);
    size_t count = n - null_count;
    int encoding = count ? k->encoding : ENCODING_PLAIN; /* no value: no byte */
    struct page_note *note = &k->page[k->pages];
    struct range *range = &k->range[k->pages];
    const uint32_t *codes = d->names ? d->codes : c->dictionary.codes;
    const uint64_t *numbers = d->numbers;
    uint8_t *out;

    *note = (struct page_note){.offset = c->offset, .rows = (uint32_t)n};
    buf_reset(&c->body);
    out = (uint8_t *)buf_reserve(
        &c->body, encode_hybrid_max(n, 1) + encode_delta_max(n) + encode_hybrid_max(n, 32));
    if (!out)
        return err_set(err, ERR_FULL, 0, "no memory for a page");
    out = put_levels(c, out, nulls, n, null_count); /* uses the scratch of codes: before them */
    if (d->names) {
        codes = dense_codes(c, codes + from, nulls, n, null_count);
        if (!names_range(d, codes, count, range, err))
            return false;
        note->text_bytes = text_bytes(d->names, codes, count);
    } else {
        numbers = dense_numbers(c, numbers + from, nulls, n, null_count);
        *range = d->column == COLUMN_PAYLOAD ? statistics_f64((const double *)numbers, count)
                                             : statistics_i64((const int64_t *)numbers, count);
        if (encoding == ENCODING_DICTIONARY)
            codes = dense_codes(c, codes + from, nulls, n, null_count);
    }
    range->nulls = (uint32_t)null_count;
    out = put_values(k, out, codes, numbers, count, encoding);
    c->body.len = (size_t)(out - (uint8_t *)c->body.data);
    if (!send_page(c, k, false, n, encoding, k->content, err))
        return false;
    note->bytes = (uint32_t)(c->offset - note->offset);
    *(encoding == k->encoding ? &k->encoded_pages : &k->plain_pages) += 1;
    statistics_merge(&k->all, range);
    k->text_bytes += note->text_bytes;
    k->pages++;
    return true;
}

/* PLAIN bytes of a bound. */
static struct span bound_bytes(const struct chunk *k, int64_t key, bool is_max,
    char space[STATISTIC_BYTES_MAX], bool *ret_exact)
{
    double value;

    *ret_exact = true;
    if (k->d->names) {
        struct span text = k->d->names[k->d->by_rank ? k->d->by_rank[key] : (uint32_t)key];

        return is_max ? statistics_max_text(text, space, ret_exact)
                      : statistics_min_text(text, ret_exact);
    }
    if (k->d->column == COLUMN_PAYLOAD) {
        value = statistics_double(key);
        memcpy(space, &value, sizeof(value));
    } else {
        memcpy(space, &key, sizeof(key));
    }
    return (struct span){space, sizeof(key)};
}

static void put_statistics(const struct chunk *k, struct thrift_out *t)
{
    char space[STATISTIC_BYTES_MAX];
    bool max_exact, min_exact;

    thrift_struct(t, 12);
    thrift_i64(t, 3, k->all.nulls);
    if (k->all.values && !k->all.nans) {
        thrift_binary(t, 5, bound_bytes(k, k->all.max, true, space, &max_exact));
        thrift_binary(t, 6, bound_bytes(k, k->all.min, false, space, &min_exact));
        thrift_bool(t, 7, max_exact);
        thrift_bool(t, 8, min_exact);
    }
    if (k->d->column == COLUMN_PAYLOAD)
        thrift_i64(t, 9, k->all.nans);
    thrift_end(t);
}

static void put_page_encoding(struct thrift_out *t, int32_t type, int32_t encoding, uint32_t pages)
{
    thrift_item_struct(t);
    thrift_i32(t, 1, type);
    thrift_i32(t, 2, encoding);
    thrift_i32(t, 3, (int32_t)pages);
    thrift_end(t);
}

/* parquet-java uses a dictionary for filtering only when this says that no page fell back. */
static void put_encoding_stats(const struct chunk *k, struct thrift_out *t)
{
    thrift_list(t, 13, THRIFT_STRUCT,
        (size_t)k->has_dictionary + (k->encoded_pages > 0) + (k->plain_pages > 0));
    if (k->has_dictionary)
        put_page_encoding(t, PAGE_DICTIONARY, ENCODING_PLAIN, 1);
    if (k->encoded_pages)
        put_page_encoding(t, PAGE_DATA, k->encoding, k->encoded_pages);
    if (k->plain_pages)
        put_page_encoding(t, PAGE_DATA, ENCODING_PLAIN, k->plain_pages);
}

static void put_encodings(const struct chunk *k, struct thrift_out *t)
{
    bool plain = k->has_dictionary || k->plain_pages || k->encoding == ENCODING_PLAIN;
    bool other = k->encoding != ENCODING_PLAIN;

    thrift_list(t, 2, THRIFT_I32, 1 + (size_t)plain + (size_t)other);
    thrift_item_int(t, ENCODING_RLE);
    if (plain)
        thrift_item_int(t, ENCODING_PLAIN);
    if (other)
        thrift_item_int(t, k->encoding);
}

static void put_meta(struct chunk_writer *c, const struct chunk *k)
{
    struct thrift_out t;

    thrift_begin(&t, &c->metas);
    thrift_i32(&t, 1, k->schema->type);
    put_encodings(k, &t);
    thrift_list(&t, 3, THRIFT_BINARY, 1);
    thrift_item_binary(&t, span_of(k->schema->name));
    thrift_i32(&t, 4, c->codec);
    thrift_i64(&t, 5, (int64_t)k->d->rows);
    thrift_i64(&t, 6, (int64_t)k->uncompressed);
    thrift_i64(&t, 7, (int64_t)k->compressed);
    thrift_i64(&t, 9, (int64_t)k->page[0].offset);
    if (k->has_dictionary)
        thrift_i64(&t, 11, (int64_t)k->dictionary_offset);
    put_statistics(k, &t);
    put_encoding_stats(k, &t);
    if (k->schema->type == TYPE_BYTE_ARRAY) {
        thrift_struct(&t, 16);
        thrift_i64(&t, 1, (int64_t)k->text_bytes);
        thrift_end(&t);
    }
    thrift_end(&t);
}

static void put_bounds(const struct chunk *k, struct thrift_out *t, int16_t id, bool is_max)
{
    char space[STATISTIC_BYTES_MAX];
    bool exact;

    thrift_list(t, id, THRIFT_BINARY, k->pages);
    for (size_t i = 0; i < k->pages; i++) {
        const struct range *r = &k->range[i];

        thrift_item_binary(t, r->values
                                  ? bound_bytes(k, is_max ? r->max : r->min, is_max, space, &exact)
                                  : (struct span){"", 0});
    }
}

static void put_column_index(struct chunk_writer *c, const struct chunk *k)
{
    struct thrift_out t;

    thrift_begin(&t, &c->column_indexes);
    thrift_list(&t, 1, THRIFT_TRUE, k->pages);
    for (size_t i = 0; i < k->pages; i++)
        thrift_item_bool(&t, k->range[i].values == 0);
    put_bounds(k, &t, 2, false);
    put_bounds(k, &t, 3, true);
    thrift_i32(&t, 4, statistics_order(k->range, k->pages));
    thrift_list(&t, 5, THRIFT_I64, k->pages);
    for (size_t i = 0; i < k->pages; i++)
        thrift_item_int(&t, k->range[i].nulls);
    if (k->d->column == COLUMN_PAYLOAD) {
        thrift_list(&t, 8, THRIFT_I64, k->pages);
        for (size_t i = 0; i < k->pages; i++)
            thrift_item_int(&t, k->range[i].nans);
    }
    thrift_end(&t);
}

static void put_offset_index(struct chunk_writer *c, const struct chunk *k)
{
    struct thrift_out t;
    int64_t row = 0;

    thrift_begin(&t, &c->offset_indexes);
    thrift_list(&t, 1, THRIFT_STRUCT, k->pages);
    for (size_t i = 0; i < k->pages; row += k->page[i].rows, i++) {
        thrift_item_struct(&t);
        thrift_i64(&t, 1, (int64_t)k->page[i].offset);
        thrift_i32(&t, 2, (int32_t)k->page[i].bytes);
        thrift_i64(&t, 3, row);
        thrift_end(&t);
    }
    if (k->schema->type == TYPE_BYTE_ARRAY) {
        thrift_list(&t, 2, THRIFT_I64, k->pages);
        for (size_t i = 0; i < k->pages; i++)
            thrift_item_int(&t, (int64_t)k->page[i].text_bytes);
    }
    thrift_end(&t);
}

/* Bytes that `len` bytes take when packed. */
static bool packed_bytes(struct chunk_writer *c, enum codec_content content, const void *data,
    size_t len, size_t *ret, struct err *err)
{
    if (!codec_pack(&c->packer, c->codec, content, data, len, &c->packed, err))
        return false;
    *ret = c->packed.len;
    return true;
}

/* Pieces of a column from all over it, side by side: a sample in which every series of a sorted
 * group has its chance. Returns how many rows there are. */
static size_t take_sample(void *to, const void *from, size_t size, size_t rows)
{
    const char *in = from;
    char *out = to;
    size_t piece = rows <= PAGE_ROWS ? rows : PAGE_ROWS / SAMPLE_PIECES;
    size_t pieces = rows <= PAGE_ROWS ? 1 : SAMPLE_PIECES;

    for (size_t i = 0; i < pieces; i++)
        memcpy(
            out + i * piece * size, in + (rows - piece) * i / SAMPLE_PIECES * size, piece * size);
    return pieces * piece;
}

/* A dictionary that is small as it stands may still lose once both are packed: rising timestamps
 * do, and walks of a series. So a sample is tried both ways. NULL rows count as values here: it is
 * only an estimate. */
static bool dictionary_is_smaller(
    struct chunk_writer *c, const struct chunk *k, bool *ret, struct err *err)
{
    const struct numbers *dict = &c->dictionary;
    size_t rows = k->d->rows;
    size_t n = take_sample(c->page_codes, dict->codes, sizeof(*dict->codes), rows);
    unsigned width = bit_width(dict->count);
    size_t plain, codes, values, entries;
    uint8_t *out;

    buf_reset(&c->body);
    out = (uint8_t *)buf_reserve(&c->body, encode_hybrid_max(n, width));
    if (!out)
        return err_set(err, ERR_FULL, 0, "no memory for a page");
    c->body.len = (size_t)(encode_hybrid(out, c->page_codes, n, width) - out);
    if (!packed_bytes(c, CONTENT_CODES, c->body.data, c->body.len, &codes, err))
        return false;
    (void)take_sample(c->page_numbers, k->d->numbers, sizeof(*c->page_numbers), rows);
    if (!packed_bytes(c, k->content, c->page_numbers, n * sizeof(*c->page_numbers), &plain, err))
        return false;
    entries = take_sample(c->page_numbers, dict->values, sizeof(*c->page_numbers), dict->count);
    if (!packed_bytes(
            c, k->content, c->page_numbers, entries * sizeof(*c->page_numbers), &values, err))
        return false;
    *ret = (double)codes * (double)rows / (double)n +
               (double)values * (double)dict->count / (double)entries <
           (double)plain * (double)rows / (double)n;
    return true;
}

/* How the values of this chunk are written (specs/parquet.md 2.8). */
static bool choose(struct chunk_writer *c, struct chunk *k, struct err *err)
{
    const struct column_data *d = k->d;
    bool pays = false;

    k->content = d->column == COLUMN_PAYLOAD ? CONTENT_DOUBLES : CONTENT_TIMESTAMPS;
    k->encoding = ENCODING_PLAIN;
    if (count_nulls(d->nulls, d->rows) == d->rows)
        return true;
    if (d->names) {
        pays = true;
    } else if (d->column == COLUMN_TIMESTAMP && c->delta) {
        k->encoding = ENCODING_DELTA;
    } else if (!numbers_build(&c->dictionary, d->numbers, d->nulls, d->rows, &pays, err) ||
               (pays && !dictionary_is_smaller(c, k, &pays, err))) {
        return false;
    }
    if (!pays)
        return true;
    k->encoding = ENCODING_DICTIONARY;
    k->has_dictionary = true;
    if (!send_dictionary(c, k, err))
        return false;
    k->content = CONTENT_CODES;
    return true;
}

bool chunk_write(
    struct chunk_writer *c, const struct column_data *d, struct chunk_note *ret, struct err *err)
{
    struct chunk k = {.d = d, .schema = &columns_schema[d->column]};
    uint64_t first_page = c->offset;
    size_t meta_at = c->metas.len;
    size_t column_at = c->column_indexes.len;
    size_t offset_at = c->offset_indexes.len;

    if (!choose(c, &k, err))
        return false;
    for (size_t from = 0; from < d->rows; from += PAGE_ROWS) {
        size_t n = d->rows - from < PAGE_ROWS ? d->rows - from : PAGE_ROWS;

        if (!send_rows(c, &k, from, n, err))
            return false;
    }
    put_meta(c, &k);
    if (!k.all.nans) /* the lists have no "unknown" for a page with NaN */
        put_column_index(c, &k);
    put_offset_index(c, &k);
    if (!buf_check(&c->metas, "metadata", err) || !buf_check(&c->column_indexes, "index", err) ||
        !buf_check(&c->offset_indexes, "index", err))
        return false;
    *ret = (struct chunk_note){.meta_at = meta_at,
        .meta_len = c->metas.len - meta_at,
        .column_index_len = c->column_indexes.len - column_at,
        .offset_index_len = c->offset_indexes.len - offset_at,
        .first_page = first_page,
        .compressed = k.compressed,
        .uncompressed = k.uncompressed};
    return true;
}
