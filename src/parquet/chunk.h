/* parquet/chunk.h: one column of a row group: dictionary page, data pages, and what is said of
 * them.
 *
 * Shape    chunk_write sends the pages to the sink and appends, to the file's notes, the bytes of
 * ColumnMetaData, ColumnIndex and OffsetIndex; only where the indexes will stand is still open.
 * Units    bytes, rows; offsets from the first byte of the file.
 * Limits   1 to PARQUET_ROWS_MAX rows; DICTIONARY_BYTES_MAX of names.
 * Errors   ERR_FULL: no memory; ERR_INPUT: too many bytes of names; ERR_BROKEN: a code without a
 * name; the sink's.
 * Owner    caller-owned structs; chunk_writer_done takes a struct of zeros.
 * Threads  one at a time.
 * Source   specs/parquet.md 1.4 to 1.8, 2.8, 3, 4.3.
 */
#ifndef PARQUET_CHUNK_H
#define PARQUET_CHUNK_H

#include "parquet/codec.h"
#include "parquet/numbers.h"

struct column_data {
    unsigned column; /* COLUMN_TIMESTAMP ... */
    size_t rows;
    const uint8_t *nulls; /* NULL: none */
    const void *numbers;  /* int64_t or double of every row */
    const uint32_t *codes;
    const struct span *names;
    uint32_t name_count;
    const uint32_t *rank, *by_rank; /* of codes; NULL: the names are sorted */
};

struct chunk_note {
    size_t meta_at, meta_len; /* in the notes */
    size_t column_index_len;  /* 0: none */
    size_t offset_index_len;
    uint64_t first_page; /* offset */
    uint64_t compressed, uncompressed;
};

struct chunk_writer {
    struct parquet_sink sink;
    uint64_t offset; /* bytes written to the sink */
    int codec;
    bool delta; /* profile */
    struct codec packer;
    struct buf body, packed, header;
    struct numbers dictionary;
    uint32_t *page_codes; /* PAGE_ROWS each; NULLs left out */
    uint64_t *page_numbers;
    struct buf metas, column_indexes, offset_indexes; /* the notes */
};

NODISCARD bool chunk_writer_init(
    struct chunk_writer *c, const struct parquet_options *options, struct err *err);
void chunk_writer_done(struct chunk_writer *c);

NODISCARD bool chunk_send(struct chunk_writer *c, const void *data, size_t len, struct err *err);

NODISCARD bool chunk_write(
    struct chunk_writer *c, const struct column_data *d, struct chunk_note *ret, struct err *err);

#endif
