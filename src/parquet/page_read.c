#include "parquet/page_read.h"

#include "parquet/decode.h"
#include "parquet/thrift.h"

#include <assert.h>
#include <stdlib.h>

struct page_header {
    int32_t type, uncompressed, compressed, values, encoding;
    uint32_t crc;
    bool has_crc, has_data, has_dictionary;
    bool levels_are_rle;
    size_t len; /* of the header itself */
};

bool page_reader_init(struct page_reader *r, struct err *err)
{
    *r = (struct page_reader){0};
    buf_init(&r->body, DICTIONARY_BYTES_MAX + 1);
    r->codes = malloc(PAGE_ROWS * sizeof(*r->codes));
    r->numbers = malloc(PAGE_ROWS * sizeof(*r->numbers));
    if (r->codes && r->numbers)
        return true;
    page_reader_done(r);
    return err_set(err, ERR_FULL, 0, "no memory for pages");
}

void page_reader_done(struct page_reader *r)
{
    codec_done(&r->codec);
    buf_done(&r->body);
    free(r->codes);
    free(r->numbers);
    free(r->dictionary);
    *r = (struct page_reader){0};
}

void column_values_done(struct column_values *v)
{
    free(v->numbers);
    free(v->codes);
    free(v->nulls);
    free(v->names);
    buf_done(&v->names_bytes);
    *v = (struct column_values){0};
}

static void get_page_kind(struct thrift_in *t, struct thrift_field f, struct page_header *h)
{
    bool is_data = f.id == 5;
    int32_t definition = ENCODING_RLE;
    int32_t repetition = ENCODING_RLE;

    thrift_enter(t, f);
    while (thrift_next(t, &f)) {
        if (f.id == 1)
            h->values = thrift_get_i32(t, f);
        else if (f.id == 2)
            h->encoding = thrift_get_i32(t, f);
        else if (f.id == 3 && is_data)
            definition = thrift_get_i32(t, f);
        else if (f.id == 4 && is_data)
            repetition = thrift_get_i32(t, f);
        else
            thrift_skip(t, f);
    }
    h->has_data |= is_data;
    h->has_dictionary |= !is_data;
    h->levels_are_rle = definition == ENCODING_RLE && repetition == ENCODING_RLE;
}

static bool get_header(const uint8_t *data, size_t len, struct page_header *ret, struct err *err)
{
    struct page_header h = {.type = -1, .uncompressed = -1, .compressed = -1, .values = -1};
    struct thrift_in t;
    struct thrift_field f;

    thrift_read(&t, data, len);
    while (thrift_next(&t, &f)) {
        if (f.id == 1) {
            h.type = thrift_get_i32(&t, f);
        } else if (f.id == 2) {
            h.uncompressed = thrift_get_i32(&t, f);
        } else if (f.id == 3) {
            h.compressed = thrift_get_i32(&t, f);
        } else if (f.id == 4) {
            h.crc = (uint32_t)thrift_get_i32(&t, f);
            h.has_crc = true;
        } else if (f.id == 5 || f.id == 7) {
            get_page_kind(&t, f, &h);
        } else {
            thrift_skip(&t, f);
        }
    }
    h.len = (size_t)(t.at - data);
    if (t.failed || !h.has_crc || h.uncompressed < 0 || h.compressed < 0 || h.values < 0 ||
        h.has_data == h.has_dictionary || h.type != (h.has_data ? PAGE_DATA : PAGE_DICTIONARY) ||
        !h.levels_are_rle)
        return err_set(err, ERR_INPUT, 0, "page header: not as we write it, or damaged");
    if ((size_t)h.compressed > len - h.len)
        return err_set(err, ERR_INPUT, 0, "page is cut");
    *ret = h;
    return true;
}

/* The page at *at: header and checksum good, its body uncompressed in r->body; *at behind it. */
static bool next_page(struct page_reader *r, const struct file_chunk *chunk, const uint8_t *data,
    size_t *at, size_t bytes_max, struct page_header *ret, struct err *err)
{
    const uint8_t *stored;
    char *to;

    if (!get_header(data + *at, (size_t)chunk->compressed - *at, ret, err))
        return false;
    stored = data + *at + ret->len;
    if (page_crc(stored, (size_t)ret->compressed) != ret->crc)
        return err_set(err, ERR_INPUT, 0, "page checksum is wrong: damaged");
    if ((size_t)ret->uncompressed > bytes_max)
        return err_set(err, ERR_INPUT, 0, "page of %d bytes is too long", ret->uncompressed);
    buf_reset(&r->body);
    to = buf_reserve(&r->body, (size_t)ret->uncompressed + 1);
    if (!to)
        return err_set(err, ERR_FULL, 0, "no memory for a page");
    if (!codec_unpack(&r->codec, chunk->codec, stored, (size_t)ret->compressed, to,
            (size_t)ret->uncompressed, err))
        return false;
    r->body.len = (size_t)ret->uncompressed;
    *at += ret->len + (size_t)ret->compressed;
    return true;
}

/* PLAIN strings: length and bytes, in turn. The bytes are kept, the spans point into them. */
static bool take_names(
    struct page_reader *r, uint32_t count, struct column_values *ret, struct err *err)
{
    struct buf bytes = ret->names_bytes; /* swapped: the page's bytes stay, without a copy */
    size_t at = 0;

    if (count > r->body.len / 4)
        return err_set(err, ERR_INPUT, 0, "dictionary of %u names is cut", count);
    free(ret->names);
    ret->names = malloc((count ? count : 1) * sizeof(*ret->names));
    if (!ret->names)
        return err_set(err, ERR_FULL, 0, "no memory for %u names", count);
    ret->names_bytes = r->body;
    r->body = bytes;
    r->body.max = DICTIONARY_BYTES_MAX + 1;
    for (uint32_t i = 0; i < count; i++) {
        const char *from = ret->names_bytes.data + at;
        size_t left = ret->names_bytes.len - at;
        uint32_t len;

        if (left < sizeof(len))
            return err_set(err, ERR_INPUT, 0, "dictionary of %u names is cut", count);
        memcpy(&len, from, sizeof(len));
        if (len > left - sizeof(len) || !str_utf8_valid(from + sizeof(len), len))
            return err_set(err, ERR_INPUT, 0, "name %u of a dictionary is no text", i);
        ret->names[i] = (struct span){from + sizeof(len), len};
        at += sizeof(len) + len;
    }
    ret->name_count = count;
    return at == ret->names_bytes.len ||
           err_set(err, ERR_INPUT, 0, "dictionary has bytes left over");
}

static bool take_dictionary(struct page_reader *r, unsigned column, const struct page_header *h,
    struct column_values *ret, struct err *err)
{
    uint32_t count = (uint32_t)h->values;

    if (!h->has_dictionary || h->encoding != ENCODING_PLAIN || count == 0)
        return err_set(err, ERR_INPUT, 0, "dictionary page is not as we write it");
    if (columns_schema[column].type == TYPE_BYTE_ARRAY)
        return take_names(r, count, ret, err);
    if (count > NUMBERS_MAX || r->body.len != count * sizeof(*r->dictionary))
        return err_set(
            err, ERR_INPUT, 0, "dictionary of %u values in %zu bytes", count, r->body.len);
    free(r->dictionary);
    r->dictionary = malloc(r->body.len);
    if (!r->dictionary)
        return err_set(err, ERR_FULL, 0, "no memory for a dictionary");
    memcpy(r->dictionary, r->body.data, r->body.len);
    r->dictionary_count = count;
    return true;
}

/* Definition levels to nulls[n]; *ret_at: behind them. */
static bool take_levels(struct page_reader *r, size_t n, uint8_t *nulls, size_t *ret_null_count,
    size_t *ret_at, struct err *err)
{
    size_t null_count = 0;
    uint32_t len;

    if (r->body.len < sizeof(len))
        return err_set(err, ERR_INPUT, 0, "page without levels");
    memcpy(&len, r->body.data, sizeof(len));
    if (len > r->body.len - sizeof(len) ||
        !decode_hybrid((const uint8_t *)r->body.data + sizeof(len), len, 1, 2, r->codes, n))
        return err_set(err, ERR_INPUT, 0, "levels of a page are wrong");
    for (size_t i = 0; i < n; i++) {
        nulls[i] = r->codes[i] == 0;
        null_count += nulls[i];
    }
    *ret_null_count = null_count;
    *ret_at = sizeof(len) + len;
    return true;
}

/* `count` values (none of them NULL) to r->codes (names) or r->numbers. */
static bool take_values(struct page_reader *r, bool is_names, uint32_t names, int encoding,
    size_t at, size_t count, struct err *err)
{
    const uint8_t *in = (const uint8_t *)r->body.data + at;
    size_t len = r->body.len - at;
    uint32_t limit = is_names ? names : r->dictionary_count;
    bool ok = false;

    if (encoding == ENCODING_PLAIN) {
        ok = len == count * sizeof(*r->numbers) && (count == 0 || !is_names);
        if (ok && count)
            memcpy(r->numbers, in, len);
    } else if (encoding == ENCODING_DELTA && !is_names) {
        int64_t *out = (int64_t *)r->numbers;

        ok = decode_delta(in, len, out, count);
    } else if (encoding == ENCODING_DICTIONARY) {
        ok = len > 0 && decode_hybrid(in + 1, len - 1, in[0], limit, r->codes, count);
        for (size_t i = 0; ok && !is_names && i < count; i++)
            r->numbers[i] = r->dictionary[r->codes[i]];
    }
    return ok || err_set(err, ERR_INPUT, 0, "values of a page are wrong");
}

/* The dense values to their rows; NULL rows hold zero. */
static void spread(
    struct page_reader *r, bool is_names, size_t row, size_t n, struct column_values *ret)
{
    const uint8_t *nulls = ret->nulls + row;
    size_t from = 0;

    assert(is_names ? ret->codes != NULL : ret->numbers != NULL); /* reserve's work */
    if (is_names) {
        for (size_t i = 0; i < n; i++)
            ret->codes[row + i] = nulls[i] ? 0 : r->codes[from++];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t value = nulls[i] ? 0 : r->numbers[from++];

        memcpy((uint64_t *)ret->numbers + row + i, &value, sizeof(value));
    }
}

static bool take_page(struct page_reader *r, unsigned column, const struct file_chunk *chunk,
    const struct page_header *h, size_t row, size_t n, struct column_values *ret, struct err *err)
{
    bool is_names = columns_schema[column].type == TYPE_BYTE_ARRAY;
    size_t null_count = 0;
    size_t at = 0;

    if (!h->has_data || (size_t)h->values != n || h->encoding < 0 || h->encoding > 31 ||
        !(chunk->encodings & 1U << h->encoding))
        return err_set(err, ERR_INPUT, 0, "page of %d values, expected %zu", h->values, n);
    if (!take_levels(r, n, ret->nulls + row, &null_count, &at, err) ||
        !take_values(r, is_names, ret->name_count, h->encoding, at, n - null_count, err))
        return false;
    spread(r, is_names, row, n, ret);
    ret->null_count += null_count;
    ret->pages[ret->page_count].nulls = (uint32_t)null_count;
    return true;
}

static bool reserve(struct column_values *v, bool is_names, size_t rows, struct err *err)
{
    if (rows <= v->rows_size)
        return true;
    free(v->numbers);
    free(v->codes);
    free(v->nulls);
    v->numbers = is_names ? NULL : malloc(rows * sizeof(uint64_t));
    v->codes = is_names ? malloc(rows * sizeof(*v->codes)) : NULL;
    v->nulls = malloc(rows);
    v->rows_size = rows;
    if (v->nulls && (is_names ? v->codes != NULL : v->numbers != NULL))
        return true;
    v->rows_size = 0;
    return err_set(err, ERR_FULL, 0, "no memory for %zu rows", rows);
}

bool page_read_chunk(struct page_reader *r, unsigned column, const struct file_chunk *chunk,
    const void *data, size_t rows, struct column_values *ret, struct err *err)
{
    uint64_t start = file_chunk_start(chunk);
    struct page_header h;
    size_t at = 0;
    uint64_t uncompressed = 0;

    if (!reserve(ret, columns_schema[column].type == TYPE_BYTE_ARRAY, rows, err))
        return false;
    ret->null_count = 0;
    ret->page_count = 0;
    ret->name_count = 0;
    r->dictionary_count = 0;
    if (chunk->dictionary_page) {
        if (!next_page(r, chunk, data, &at, DICTIONARY_BYTES_MAX, &h, err) ||
            !take_dictionary(r, column, &h, ret, err))
            return err_wrap(err, "dictionary");
        uncompressed += h.len + (uint64_t)h.uncompressed;
    }
    if (start + at != chunk->data_page)
        return err_set(err, ERR_INPUT, 0, "first data page is not where the footer says");
    for (size_t row = 0; row < rows; row += PAGE_ROWS) {
        size_t n = rows - row < PAGE_ROWS ? rows - row : PAGE_ROWS;
        size_t from = at;

        if (!next_page(r, chunk, data, &at, PAGE_BYTES_MAX, &h, err) ||
            !take_page(r, column, chunk, &h, row, n, ret, err))
            return err_wrap(err, "row %zu", row);
        ret->pages[ret->page_count].offset = start + from;
        ret->pages[ret->page_count].bytes = (uint32_t)(at - from);
        ret->page_count++;
        uncompressed += h.len + (uint64_t)h.uncompressed;
    }
    if (at != chunk->compressed || uncompressed != chunk->uncompressed ||
        ret->null_count != chunk->nulls)
        return err_set(err, ERR_INPUT, 0, "pages and footer do not agree");
    return true;
}
