/* parquet/writer.h: columns to a Parquet file of the one schema we write.
 *
 * Shape    timestamp TIMESTAMP(micros, no zone), asset STRING, datastream STRING, payload DOUBLE,
 *          all OPTIONAL. Row groups go to a sink as their pages are made; the footer at the end.
 *          Same input, same options, same build: same bytes.
 * Units    microseconds; bytes.
 * Limits   PARQUET_ROWS_MAX rows a row group; pages of 65,536 rows. Memory: a page and the
 *          dictionaries, not the file.
 * Errors   ERR_FULL: no memory, or the sink said so; whatever the sink says. Sticky: after a failure
 *          every call fails with the first error.
 * Owner    opaque; borrows the columns for the call and the sink for its life.
 * Threads  one.
 * Source   specs/parquet.md, whole; docs/formats/parquet.md.
 */
#ifndef PARQUET_WRITER_H
#define PARQUET_WRITER_H

#include "base/str.h"

#define PARQUET_ROWS_MAX 1048576U

enum parquet_codec { PARQUET_NONE, PARQUET_SNAPPY, PARQUET_ZSTD };
enum parquet_profile { PARQUET_SAFE, PARQUET_DELTA };
enum parquet_sorting {
    PARQUET_UNSORTED,
    PARQUET_SORTED_SERIES,
    PARQUET_SORTED_TIME
}; /* sorting_columns */

struct parquet_options {
    enum parquet_codec codec;
    enum parquet_profile profile;
    enum parquet_sorting sorting;
    const char *created_by; /* NULL: "volume-uploader version <v> (build <b>)" */
};

struct parquet_columns {
    size_t rows;
    const int64_t *timestamp_us;
    const uint32_t *asset, *datastream; /* codes into the dictionaries */
    const double *payload;
    const uint8_t *timestamp_null, *asset_null, *datastream_null,
        *payload_null;                       /* one byte a row, 1: NULL; NULL: none */
    const struct span *assets, *datastreams; /* valid UTF-8 */
    uint32_t asset_count, datastream_count;
};

struct parquet_sink {
    bool (*write)(void *context, const void *data, size_t len, struct err *err);
    void *context;
};

struct parquet_writer;

struct parquet_writer *parquet_writer_new(
    const struct parquet_options *options, struct parquet_sink sink, struct err *err);

/* Zero rows: nothing is written. */
NODISCARD bool parquet_write_group(
    struct parquet_writer *w, const struct parquet_columns *columns, struct err *err);

/* Page index and footer. The file is whole after it. */
NODISCARD bool parquet_finish(struct parquet_writer *w, struct err *err);

uint64_t parquet_bytes(const struct parquet_writer *w); /* written so far */
uint64_t parquet_rows(const struct parquet_writer *w);

/* For the next file: keeps compressors and buffers. */
void parquet_writer_reset(struct parquet_writer *w, struct parquet_sink sink);
void parquet_writer_free(struct parquet_writer *w);

#endif
