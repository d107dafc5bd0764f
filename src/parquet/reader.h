/* parquet/reader.h: reads the files parquet/writer.h makes: footer, values, checks.
 *
 * Shape    parquet_open reads the footer through a source; parquet_read_group gives the columns of
 *          a row group.
 * Limits   footer of 64 MiB; our schema and encodings only (PLAIN, RLE_DICTIONARY,
 *          DELTA_BINARY_PACKED; none, snappy, zstd; V1 pages). Hostile files must not harm: every
 *          length is checked.
 * Errors   ERR_INPUT: not Parquet, damaged (page CRC), or not ours, with the place; ERR_DENIED: the
 *          source failed.
 * Owner    opaque; columns are borrowed until the next read or close.
 * Threads  one at a time.
 * Source   specs/parquet.md.
 */
#ifndef PARQUET_READER_H
#define PARQUET_READER_H

#include "parquet/writer.h"

struct parquet_source {
    /* Reads exactly len bytes at offset. */
    bool (*read)(void *context, uint64_t offset, void *out, size_t len, struct err *err);
    void *context;
    uint64_t bytes;
};

struct parquet_column_info {
    const char *name;
    const char *physical; /* "INT64", ... */
    const char *logical;  /* "TIMESTAMP(MICROS, local)", "STRING", "" */
    const char *codec;    /* "ZSTD", ... */
    char encodings[64];   /* "RLE, PLAIN, RLE_DICTIONARY" */
    uint64_t values, nulls;
    uint64_t compressed_bytes, uncompressed_bytes;
    bool has_min_max;
    struct span min, max; /* PLAIN bytes */
    bool has_offset_index, has_column_index;
    uint32_t pages;
};

struct parquet_info {
    uint64_t rows;
    uint32_t groups;
    uint64_t bytes, footer_bytes;
    const char *created_by;
};

struct parquet_reader;

struct parquet_reader *parquet_open(struct parquet_source source, struct err *err);
void parquet_close(struct parquet_reader *r);

void parquet_info(const struct parquet_reader *r, struct parquet_info *ret);
uint64_t parquet_group_rows(const struct parquet_reader *r, uint32_t group);
void parquet_column_info(const struct parquet_reader *r, uint32_t group, uint32_t column,
    struct parquet_column_info *ret);

/* All four columns of a row group, every page's CRC checked. `ret` as the writer takes it, nulls
 * included. */
NODISCARD bool parquet_read_group(
    struct parquet_reader *r, uint32_t group, struct parquet_columns *ret, struct err *err);

#endif
