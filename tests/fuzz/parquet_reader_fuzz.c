/* Any bytes as a Parquet file; and, since page checksums would stop nearly all of them, as the body
 * of a page whose checksum is right. Input that begins with "PAR1" is a file; else its first byte
 * says column, encoding and how many rows. */
#include "parquet/page_read.h"
#include "parquet/reader.h"
#include "parquet/thrift.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *data;
    size_t size;
};

static bool read_bytes(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct bytes *b = context;

    if (offset > b->size || len > b->size - offset)
        abort(); /* the reader must have checked */
    memcpy(out, b->data + offset, len);
    (void)err;
    return true;
}

static void as_file(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct err err = {0};
    struct parquet_reader *r = parquet_open(
        (struct parquet_source){.read = read_bytes, .context = &bytes, .bytes = size}, &err);
    struct parquet_info info;

    if (!r)
        return;
    parquet_info(r, &info);
    for (uint32_t g = 0; g < info.groups && g < 16; g++) {
        struct parquet_column_info column;
        struct parquet_columns columns;
        uint64_t sum = 0;

        for (uint32_t c = 0; c < 4; c++) {
            parquet_column_info(r, g, c, &column);
            sum += column.values + (column.has_min_max ? column.min.len + column.max.len : 0);
        }
        if (!parquet_read_group(r, g, &columns, &err))
            break;
        for (size_t i = 0; i < columns.rows; i++) {
            if (!columns.asset_null || !columns.asset_null[i])
                sum += columns.assets[columns.asset[i]].len;
            if (!columns.datastream_null || !columns.datastream_null[i])
                sum += columns.datastreams[columns.datastream[i]].len;
        }
        if (sum == UINT64_MAX)
            abort(); /* keeps the sums */
    }
    parquet_close(r);
}

static void put_page(struct buf *out, bool is_dictionary, int encoding, size_t values,
    const uint8_t *body, size_t len)
{
    struct thrift_out t;
    uint32_t crc = page_crc(body, len);

    thrift_begin(&t, out);
    thrift_i32(&t, 1, is_dictionary ? PAGE_DICTIONARY : PAGE_DATA);
    thrift_i32(&t, 2, (int32_t)len);
    thrift_i32(&t, 3, (int32_t)len);
    thrift_i32(&t, 4, (int32_t)crc);
    thrift_struct(&t, is_dictionary ? 7 : 5);
    thrift_i32(&t, 1, (int32_t)values);
    thrift_i32(&t, 2, encoding);
    if (!is_dictionary) {
        thrift_i32(&t, 3, ENCODING_RLE);
        thrift_i32(&t, 4, ENCODING_RLE);
    }
    thrift_end(&t);
    thrift_end(&t);
    buf_add(out, body, len);
}

static void as_pages(const uint8_t *data, size_t size)
{
    static const int encodings[] = {ENCODING_PLAIN, ENCODING_DELTA, ENCODING_DICTIONARY};
    unsigned column = data[0] & 3;
    int encoding = encodings[(data[0] >> 2) % 3];
    bool has_dictionary = encoding == ENCODING_DICTIONARY;
    size_t rows = 1 + data[1];
    size_t dictionary = has_dictionary ? (size_t)data[2] % (size - 2) : 0;
    struct file_chunk chunk = {.codec = CODEC_NONE, .values = rows, .encodings = 0x1ff};
    struct column_values values = {0};
    struct page_reader r;
    struct err err = {0};
    struct buf file;

    buf_init(&file, 1U << 20);
    buf_init(&values.names_bytes, DICTIONARY_BYTES_MAX + 1);
    buf_add(&file, "PAR1", 4);
    data += 3;
    size -= 3;
    dictionary = dictionary > size ? size : dictionary;
    if (has_dictionary) {
        size_t count = dictionary / (columns_schema[column].type == TYPE_BYTE_ARRAY ? 5 : 8);

        chunk.dictionary_page = 4;
        put_page(&file, true, ENCODING_PLAIN, count, data, dictionary);
    }
    chunk.data_page = file.len;
    put_page(&file, false, encoding, rows, data + dictionary, size - dictionary);
    chunk.compressed = file.len - 4;
    chunk.uncompressed = file.len - 4;
    if (!file.failed && page_reader_init(&r, &err)) {
        (void)!page_read_chunk(&r, column, &chunk, file.data + 4, rows, &values, &err);
        page_reader_done(&r);
    }
    column_values_done(&values);
    buf_done(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && memcmp(data, "PAR1", 4) == 0)
        as_file(data, size);
    else if (size >= 4)
        as_pages(data, size);
    return 0;
}
