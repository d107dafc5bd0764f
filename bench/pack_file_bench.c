/* 1 M readings of 500 series, from closed segments to a finished, synced file: reading, checking,
 * sorting, encoding, checksum, sync, and the deletion of the segments. Lines:
 *
 *   pack_file/<case>  rows  ns/row  M rows per CPU second  M rows by the clock  bytes/row  peak RSS MiB
 *
 * Medians of the runs. `one`: one segment; `60`: 60 segments merged; `time`: in time order; `small`: a
 * segment of 1,000 readings, as a quiet plant with a short upload_interval makes.
 * Usage: pack_file_bench [directory [runs]]; the directory must be on the disk to be measured. */
#include "base/clock.h"
#include "base/rng.h"
#include "journal/segment.h"
#include "pack/pack.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ROWS 1000000U
#define SERIES 500U
#define FRAME_ROWS 5000U
#define RUNS_MAX 101
#define START_US INT64_C(1769862896000000)

struct bench {
    struct state state;
    struct limits limits;
    struct gaps *gaps;
    struct rng rng;
    double walk[SERIES];
    uint64_t next_seq;
    struct err err;
};

static void check(bool ok, const struct bench *b)
{
    if (ok)
        return;
    fprintf(stderr, "%s\n", b->err.text);
    exit(1);
}

static void put_frame(struct bench *b, int fd, enum segment_frame_type type, uint64_t seq,
    uint8_t *frame, size_t len, uint64_t salt)
{
    segment_frame_put(frame, type, seq, START_US, (uint32_t)len, salt);
    check(file_write(fd, frame, segment_frame_size(len), NULL, &b->err), b);
}

static uint8_t *new_frame(size_t len)
{
    uint8_t *frame = calloc(1, segment_frame_size(len));

    if (!frame)
        exit(1);
    return frame;
}

static void put_names(struct bench *b, int fd, uint64_t salt)
{
    uint8_t *frame = new_frame(SERIES * 64U);
    uint8_t *payload = frame + SEGMENT_FRAME_BYTES;
    size_t at = 8;

    payload[4] = SERIES & 0xff;
    payload[5] = SERIES >> 8;
    for (unsigned i = 0; i < SERIES; i++) {
        for (unsigned part = 0; part < 2; part++) {
            char text[32];
            int n = part == 0 ? snprintf(text, sizeof(text), "esp-pump-%03u", i / 10)
                              : snprintf(text, sizeof(text), "sensor-%u-value", i % 10);

            payload[at] = (uint8_t)n;
            memcpy(payload + at + 2, text, (size_t)n);
            at += 2 + (size_t)n;
        }
    }
    put_frame(b, fd, SEGMENT_NAMES, b->next_seq, frame, at, salt);
    free(frame);
}

/* All series in turn, one reading of each a second, some milliseconds apart, values with two decimals
 * that wander: what a plant sends. */
static void put_rows(struct bench *b, int fd, uint32_t count, uint64_t salt)
{
    uint8_t *frame = new_frame(SEGMENT_ROWS_BYTES((size_t)count));
    struct readings r;

    check(readings_init(&r, count, &b->err), b);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t n = b->next_seq + i;
        uint32_t series = (uint32_t)(n % SERIES);

        b->walk[series] += (double)rng_below(&b->rng, 11) - 5;
        r.timestamp_us[i] = START_US + (int64_t)(n / SERIES) * CLOCK_SECOND_US +
                            (int64_t)rng_below(&b->rng, 1000) * 1000;
        r.series[i] = series;
        r.value[i] = b->walk[series] / 100;
    }
    r.count = count;
    segment_rows_put(frame + SEGMENT_FRAME_BYTES, &r, 0, count);
    put_frame(b, fd, SEGMENT_ROWS, b->next_seq, frame, SEGMENT_ROWS_BYTES((size_t)count), salt);
    b->next_seq += count;
    readings_done(&r);
    free(frame);
}

static void put_seal(struct bench *b, int fd, uint64_t first_seq, uint64_t salt)
{
    uint8_t *frame = new_frame(SEGMENT_SEAL_BYTES);
    struct file_info info;

    check(file_fstat(fd, &info, &b->err), b);
    segment_seal_put(frame + SEGMENT_FRAME_BYTES,
        &(struct segment_seal){b->next_seq - first_seq, first_seq, b->next_seq - 1,
            info.bytes + segment_frame_size(SEGMENT_SEAL_BYTES)});
    put_frame(b, fd, SEGMENT_SEAL, b->next_seq, frame, SEGMENT_SEAL_BYTES, salt);
    free(frame);
}

static void make_segment(struct bench *b, uint32_t rows)
{
    uint8_t header[SEGMENT_HEADER_BYTES];
    struct segment_header h = {
        .version = 1, .first_seq = b->next_seq, .created_us = START_US, .salt = rng_next(&b->rng)};
    char name[SEGMENT_NAME_SIZE];
    int fd;

    memcpy(h.instance, b->state.instance, sizeof(h.instance));
    segment_header_put(header, &h);
    segment_name(name, h.first_seq);
    check(file_open(b->state.journal, name, FILE_CREATE, &fd, &b->err), b);
    check(file_write(fd, header, sizeof(header), NULL, &b->err), b);
    if (rows > 0)
        put_names(b, fd, h.salt);
    for (uint32_t left = rows; left > 0;) {
        uint32_t count = left < FRAME_ROWS ? left : FRAME_ROWS;

        put_rows(b, fd, count, h.salt);
        left -= count;
    }
    if (rows > 0)
        put_seal(b, fd, h.first_seq, h.salt);
    check(file_sync(fd, &b->err), b);
    file_drop(fd);
}

struct run {
    double cpu_us, wall_us, bytes;
};

static void empty_outbox(struct bench *b, struct outbox *box)
{
    struct outbox_list list;

    check(outbox_scan(box, false, &list, &b->err), b);
    for (size_t i = 0; i < list.count; i++)
        check(outbox_done(box, &list.items[i], &b->err), b);
    outbox_list_done(&list);
}

static struct run one_run(struct bench *b, struct pack *pack, unsigned segments, uint32_t rows)
{
    struct outbox box;
    struct pack_done done;
    enum pack_result result;
    struct run run;

    outbox_init(&box, &b->state, &b->limits);
    for (unsigned i = 0; i < segments; i++)
        make_segment(b, rows / segments + (i < rows % segments));
    make_segment(b, 0);
    run.cpu_us = (double)clock_thread_cpu_us();
    run.wall_us = (double)clock_mono_us();
    check(pack_step(pack, true, &result, &done, &b->err), b);
    run.cpu_us = (double)clock_thread_cpu_us() - run.cpu_us;
    run.wall_us = (double)clock_mono_us() - run.wall_us;
    if (result != PACK_FILE || done.rows + done.superseded != rows || done.segments != segments)
        exit(1);
    run.bytes = (double)done.entry.bytes;
    empty_outbox(b, &box);
    return run;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return values[count / 2];
}

static void one_case(struct bench *b, const char *name, unsigned segments, uint32_t rows,
    enum batch_order order, int runs)
{
    struct pack_options options = {.order = order,
        .codec = PARQUET_ZSTD,
        .profile = PARQUET_SAFE,
        .merge_bytes = UINT64_C(256) << 20,
        .segment_bytes = UINT64_C(32) << 20,
        .upload_parallel = 4};
    struct pack *pack = pack_new(&b->state, &b->limits, b->gaps, &options, &b->err);
    double cpu[RUNS_MAX], wall[RUNS_MAX], bytes = 0;
    struct rusage usage;
    struct run run;

    check(pack != NULL, b);
    run =
        one_run(b, pack, segments, rows); /* warm: reserve and spare are made, memory is touched */
    for (int i = 0; i < runs; i++) {
        run = one_run(b, pack, segments, rows);
        cpu[i] = run.cpu_us;
        wall[i] = run.wall_us;
        bytes = run.bytes;
    }
    pack_free(pack);
    (void)getrusage(RUSAGE_SELF, &usage);
    printf(
        "pack_file/%-5s %u  %.1f ns/row  %.2f M rows/CPU-s  %.2f M rows/s  %.2f B/row  %.1f MiB\n",
        name, rows, median(cpu, runs) * 1000 / rows, rows / median(cpu, runs),
        rows / median(wall, runs), bytes / rows, (double)usage.ru_maxrss / 1024);
}

static int delete_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    char path[4096];
    int runs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 9;
    struct pack_recovery recovery;
    struct bench b = {0};
    bool busy;

    if (runs < 1 || runs > RUNS_MAX)
        return 2;
    (void)snprintf(path, sizeof(path), "%s/pack-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(path))
        return 1;
    check(state_open(&b.state, path, true, &busy, &b.err), &b);
    check(limits_init(&b.limits, &b.state, UINT64_C(1) << 40, 1, &b.err), &b);
    b.gaps = gaps_open(&b.state, &b.limits, &b.err);
    check(b.gaps != NULL, &b);
    check(pack_recover(&b.state, &b.limits, b.gaps, &recovery, &b.err), &b);
    rng_seed(&b.rng, 1);
    b.next_seq = recovery.next_seq;
    one_case(&b, "small", 1, 1000, BATCH_BY_SERIES, runs);
    one_case(&b, "one", 1, ROWS, BATCH_BY_SERIES, runs);
    one_case(&b, "60", 60, ROWS, BATCH_BY_SERIES, runs);
    one_case(&b, "time", 1, ROWS, BATCH_BY_TIME, runs);
    gaps_close(b.gaps);
    state_close(&b.state);
    return nftw(path, delete_one, 16, FTW_DEPTH | FTW_PHYS) != 0;
}
