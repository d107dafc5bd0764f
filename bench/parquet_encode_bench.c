/* Encoding sorted rows to a Parquet file in memory: rows a second and bytes a row, by processor time.
 *
 *   parquet_encode_bench [ROWS [RUNS [plant|busy [DUMP]]]]
 *
 * DUMP: writes the rows by series to DUMP.series and by time to DUMP.time, for parquet_compare.py:
 * u64 rows, i64 times, f64 values, u32 assets, u32 datastreams, then the names, a line each. */
#include "base/clock.h"
#include "parquet/reader.h"
#include "sensor_data.h"

static bool collect(void *context, const void *data, size_t len, struct err *err)
{
    return buf_add(context, data, len) || err_set(err, ERR_FULL, 0, "no memory");
}

static bool read_buf(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct buf *file = context;

    (void)err;
    memcpy(out, file->data + offset, len);
    return true;
}

static void print_columns(struct buf *file)
{
    struct err err = {0};
    struct parquet_reader *r = parquet_open(
        (struct parquet_source){.read = read_buf, .context = file, .bytes = file->len}, &err);

    if (!r)
        return;
    for (uint32_t i = 0; i < 4; i++) {
        struct parquet_column_info c;

        parquet_column_info(r, 0, i, &c);
        printf("    %-10s %.3f B/row  %s\n", c.name, (double)c.compressed_bytes / (double)c.values,
            c.encodings);
    }
    parquet_close(r);
}

static bool run(const struct sensor_data *d, const char *order, enum parquet_profile profile,
    enum parquet_codec codec, unsigned runs)
{
    static const char *const profiles[] = {"safe", "delta"};
    static const char *const codecs[] = {"none", "snappy", "zstd"};
    const struct parquet_options options = {.codec = codec,
        .profile = profile,
        .sorting = order[0] == 's' ? PARQUET_SORTED_SERIES : PARQUET_SORTED_TIME};
    const struct parquet_columns columns = {.rows = d->rows,
        .timestamp_us = d->time,
        .asset = d->asset,
        .datastream = d->datastream,
        .payload = d->value,
        .assets = d->assets,
        .datastreams = d->datastreams,
        .asset_count = SENSOR_ASSETS,
        .datastream_count = SENSOR_DATASTREAMS};
    struct err err = {0};
    struct buf file;
    struct parquet_sink sink = {collect, &file};
    struct parquet_writer *w = parquet_writer_new(&options, sink, &err);
    int64_t best = INT64_MAX;
    char name[64];
    bool ok = w != NULL;

    buf_init(&file, 256U << 20);
    for (unsigned i = 0; ok && i < runs; i++) {
        int64_t start = clock_thread_cpu_us();

        buf_reset(&file);
        parquet_writer_reset(w, sink);
        ok = parquet_write_group(w, &columns, &err) && parquet_finish(w, &err);
        start = clock_thread_cpu_us() - start;
        best = start < best ? start : best;
    }
    if (ok) {
        (void)snprintf(
            name, sizeof(name), "encode_%s_%s_%s", order, profiles[profile], codecs[codec]);
        printf("%-26s %zu  %.1f ns/op  %.0f MB/s  %.2f M rows/s  %.3f B/row\n", name, d->rows,
            (double)best * 1000 / (double)d->rows, (double)d->rows * 24 / (double)best,
            (double)d->rows / (double)best, (double)file.len / (double)d->rows);
        if (codec == PARQUET_ZSTD)
            print_columns(&file);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    parquet_writer_free(w);
    buf_done(&file);
    return ok;
}

static bool dump(const struct sensor_data *d, const char *base, const char *order)
{
    uint64_t rows = d->rows;
    char path[512];
    FILE *out;
    bool ok;

    (void)snprintf(path, sizeof(path), "%s.%s", base, order);
    out = fopen(path, "wb");
    if (!out)
        return false;
    ok = fwrite(&rows, sizeof(rows), 1, out) == 1 &&
         fwrite(d->time, sizeof(*d->time), d->rows, out) == d->rows &&
         fwrite(d->value, sizeof(*d->value), d->rows, out) == d->rows &&
         fwrite(d->asset, sizeof(*d->asset), d->rows, out) == d->rows &&
         fwrite(d->datastream, sizeof(*d->datastream), d->rows, out) == d->rows;
    for (unsigned i = 0; ok && i < SENSOR_ASSETS + SENSOR_DATASTREAMS; i++)
        ok = fprintf(out, "%s\n", d->names[i]) > 0;
    return fclose(out) == 0 && ok;
}

int main(int argc, char **argv)
{
    size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    unsigned runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    bool busy = argc > 3 && strcmp(argv[3], "busy") == 0;
    struct sensor_data d;
    bool ok;

    if (rows == 0 || rows > PARQUET_ROWS_MAX || !sensor_init(&d, rows, busy)) {
        fprintf(stderr, "1 to %u rows\n", PARQUET_ROWS_MAX);
        return 1;
    }
    ok = argc <= 4 || dump(&d, argv[4], "series");
    for (int p = PARQUET_SAFE; ok && p <= PARQUET_DELTA; p++) {
        for (int c = PARQUET_NONE; ok && c <= PARQUET_ZSTD; c++)
            ok = run(&d, "series", (enum parquet_profile)p, (enum parquet_codec)c, runs);
    }
    ok = ok && sensor_by_time(&d) && (argc <= 4 || dump(&d, argv[4], "time"));
    for (int p = PARQUET_SAFE; ok && p <= PARQUET_DELTA; p++)
        ok = run(&d, "time", (enum parquet_profile)p, PARQUET_ZSTD, runs);
    sensor_done(&d);
    return ok ? 0 : 1;
}
