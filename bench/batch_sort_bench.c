/* Reading a segment and sorting it, both orders: rows a second by processor time.
 *
 *   batch_sort_bench [ROWS [RUNS]]
 *
 * in time: as a healthy stream arrives; late: 2 % up to 5 minutes late, 1 % twice; shuffled: any
 * order. The segment lies in a directory of its own below /tmp (TMPDIR is not asked). */
#include "base/clock.h"
#include "batch/batch.h"
#include "sensor_data.h"

#include <sys/resource.h>
#include <unistd.h>

#define FRAME_ROWS 20000U

static void put_frame(
    struct buf *out, enum segment_frame_type type, uint64_t seq, uint64_t salt, size_t payload_len)
{
    segment_frame_put((uint8_t *)out->data + out->len, type, seq, 0, (uint32_t)payload_len, salt);
    out->len += segment_frame_size(payload_len);
}

static void put16(uint8_t **to, size_t value)
{
    *(*to)++ = (uint8_t)value;
    *(*to)++ = (uint8_t)(value >> 8);
}

static void put_name(uint8_t **to, struct span name)
{
    put16(to, name.len);
    memcpy(*to, name.data, name.len);
    *to += name.len;
}

/* All series, by number: asset * SENSOR_DATASTREAMS + datastream. */
static void put_names(struct buf *out, const struct sensor_data *d, uint64_t salt)
{
    uint8_t *begin = (uint8_t *)out->data + out->len + SEGMENT_FRAME_BYTES;
    uint8_t *to = begin;

    put16(&to, 0); /* first number, u32 */
    put16(&to, 0);
    put16(&to, SENSOR_SERIES);
    put16(&to, 0);
    for (uint32_t s = 0; s < SENSOR_SERIES; s++) {
        put_name(&to, d->assets[s / SENSOR_DATASTREAMS]);
        put_name(&to, d->datastreams[s % SENSOR_DATASTREAMS]);
    }
    put_frame(out, SEGMENT_NAMES, 1, salt, (size_t)(to - begin));
}

static bool write_segment(int dir, const struct sensor_data *d, struct segment_info *ret)
{
    struct segment_header h = {.version = 1, .first_seq = 1, .salt = 42};
    struct readings r;
    struct err err = {0};
    struct buf out;
    bool ok;

    buf_init(&out, 64U << 20);
    if (!buf_reserve(&out, d->rows * 20 + (1U << 20)) || !readings_init(&r, FRAME_ROWS, &err))
        return false;
    segment_header_put((uint8_t *)out.data, &h);
    out.len = SEGMENT_HEADER_BYTES;
    put_names(&out, d, h.salt);
    for (size_t at = 0; at < d->rows; at += r.count) {
        for (r.count = 0; r.count < FRAME_ROWS && at + r.count < d->rows; r.count++) {
            size_t i = at + r.count;

            r.timestamp_us[r.count] = d->time[i];
            r.value[r.count] = d->value[i];
            r.series[r.count] = d->asset[i] * SENSOR_DATASTREAMS + d->datastream[i];
        }
        segment_rows_put(
            (uint8_t *)out.data + out.len + SEGMENT_FRAME_BYTES, &r, 0, (uint32_t)r.count);
        put_frame(&out, SEGMENT_ROWS, 1 + at, h.salt, SEGMENT_ROWS_BYTES(r.count));
    }
    *ret = (struct segment_info){.first_seq = 1, .end_seq = 1 + d->rows, .bytes = out.len};
    segment_name(ret->name, 1);
    ok = file_write_whole(dir, ret->name, out.data, out.len, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    readings_done(&r);
    buf_done(&out);
    return ok;
}

static void swap_rows(struct sensor_data *d, size_t a, size_t b)
{
    int64_t time = d->time[a];
    double value = d->value[a];
    uint32_t asset = d->asset[a];
    uint32_t datastream = d->datastream[a];

    d->time[a] = d->time[b];
    d->value[a] = d->value[b];
    d->asset[a] = d->asset[b];
    d->datastream[a] = d->datastream[b];
    d->time[b] = time;
    d->value[b] = value;
    d->asset[b] = asset;
    d->datastream[b] = datastream;
}

static void disturb(struct sensor_data *d, bool shuffle)
{
    struct rng rng;

    rng_seed(&rng, 3);
    for (size_t i = d->rows; i > 1; i--) {
        if (shuffle) {
            swap_rows(d, i - 1, rng_below(&rng, i));
        } else if (rng_below(&rng, 100) < 2) {
            d->time[i - 1] -= (int64_t)rng_below(&rng, 300) * 1000000;
        } else if (rng_below(&rng, 100) < 1) {
            d->time[i - 1] = d->time[i - 2];
            d->asset[i - 1] = d->asset[i - 2];
            d->datastream[i - 1] = d->datastream[i - 2];
        }
    }
}

static bool run(const struct state *st, const struct segment_info *info, const char *what,
    enum batch_order order, unsigned runs)
{
    struct err err = {0};
    struct batch *b = batch_new(order, &err);
    struct batch_columns columns = {0};
    int64_t read_us = INT64_MAX;
    int64_t sort_us = INT64_MAX;
    uint64_t superseded = 0;
    bool ok = b != NULL;
    char name[64];

    for (unsigned i = 0; ok && i < runs; i++) {
        uint64_t at = 0;
        bool done = false;
        int64_t start = clock_thread_cpu_us();
        int64_t middle, end;

        batch_reset(b);
        ok = batch_add(b, st, info, &at, &done, &err) && done;
        middle = clock_thread_cpu_us();
        ok = ok && batch_finish(b, &columns, &err);
        end = clock_thread_cpu_us();
        read_us = middle - start < read_us ? middle - start : read_us;
        sort_us = end - middle < sort_us ? end - middle : sort_us;
        superseded = batch_superseded(b);
    }
    if (ok) {
        double rows = (double)(info->end_seq - 1);

        (void)snprintf(
            name, sizeof(name), "sort_%s_%s", order == BATCH_BY_TIME ? "time" : "series", what);
        printf("%-24s %.0f  %.1f ns/op  %.0f MB/s  %.1f M rows/s  read %.1f ns  superseded %llu\n",
            name, rows, (double)sort_us * 1000 / rows, rows * 20 / (double)sort_us,
            rows / (double)sort_us, (double)read_us * 1000 / rows, (unsigned long long)superseded);
    } else {
        fprintf(stderr, "%s\n", err.text);
    }
    batch_free(b);
    return ok;
}

static bool run_all(struct state *st, struct sensor_data *d, unsigned runs)
{
    static const char *const names[] = {"in_time", "late", "shuffled"};
    struct segment_info info;

    for (unsigned i = 0; i < 3; i++) {
        if (i > 0)
            disturb(d, i == 2);
        if (!write_segment(st->journal, d, &info) ||
            !run(st, &info, names[i], BATCH_BY_SERIES, runs) ||
            !run(st, &info, names[i], BATCH_BY_TIME, runs))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    unsigned runs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    char dir[] = "/tmp/batch_sort_XXXXXX";
    struct state st = {0};
    struct sensor_data d;
    struct err err = {0};
    struct segment_info info = {0};
    struct rusage usage;
    bool ok;

    if (rows == 0 || rows > BATCH_ROWS_MAX || !mkdtemp(dir) ||
        !file_dir_open(FILE_CWD, dir, &st.journal, &err)) {
        fprintf(stderr, "1 to %u rows; %s\n", BATCH_ROWS_MAX, err.text);
        return 1;
    }
    ok = sensor_init(&d, rows, false) && sensor_by_time(&d) && run_all(&st, &d, runs);
    sensor_done(&d);
    segment_name(info.name, 1);
    ok = file_unlink(st.journal, info.name, &err) && ok;
    file_drop(st.journal);
    (void)rmdir(dir);
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("# peak with the rows of the benchmark itself: %ld MiB\n", usage.ru_maxrss / 1024);
    return ok ? 0 : 1;
}
