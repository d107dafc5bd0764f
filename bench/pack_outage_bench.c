/* pack_outage_bench [DIRECTORY [SEGMENTS READINGS]]: a day without the volume, time-compressed.
 *
 * 1,440 segments of 60,000 readings each (1,000 readings/s, upload_interval of 60 s, 86.4 M readings) are
 * written by the journal room while the pack room works as in `run`: a step after each roll, a volume that
 * takes nothing. Then the volume is back: files are deleted as ship does, pack goes on, until nothing waits.
 * Every file is decoded at its delivery: rows, superseded readings and range must agree. It is an error
 * when a name changes, or when the day arrives in more than ten files. DIRECTORY is best in memory: the
 * syncs of a day are not what is measured. */
#include "base/clock.h"
#include "journal/journal.h"
#include "pack/pack.h"
#include "parquet/reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 1000U /* a second */
#define SERIES 500U
#define FILES_MAX 10U
#define PARALLEL 4U

static struct state st;
static struct limits limits;
static struct gaps *gaps;
static struct outbox box;
static struct pack *pack;
static struct journal *journal;
static struct err err;
static uint64_t files, rows, superseded, readings_named, largest_merge;
static char seen[64][OUTBOX_NAME_SIZE]; /* names, in the order they came */

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, err.text);
    exit(1);
}

static void check(bool ok, const char *what)
{
    if (!ok)
        die(what);
}

static double peak_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *in = fopen("/proc/self/status", "r");

    while (in && fgets(line, sizeof(line), in))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (in)
        (void)fclose(in);
    return kib / 1024;
}

static void append_second(uint64_t second)
{
    static struct readings r;

    if (!r.cap)
        check(readings_init(&r, ROWS, &err), "memory");
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t series = i % SERIES;
        char asset[24], stream[24];

        (void)snprintf(asset, sizeof(asset), "asset-%02u", series / 25);
        (void)snprintf(stream, sizeof(stream), "stream-%02u", series % 25);
        if (series_number(journal_series(journal), span_of(asset), span_of(stream), &r.series[i]) !=
            SERIES_OK)
            die("series");
        r.timestamp_us[i] = INT64_C(1769862896000000) + (int64_t)second * 1000000 + i * 1000;
        r.value[i] = round(1000 * sin((double)(second + series) / 300)) / 100;
    }
    r.count = ROWS;
    check(journal_append(
              journal, &r, r.timestamp_us[0], (int64_t)second * 1000000 + 1, 1, second + 1, &err),
        "append");
}

/* Nothing that has a name is renamed or merged: what was there is there, and at most one is new. */
static void look_at_names(void)
{
    struct outbox_list list;

    check(outbox_scan(&box, false, &list, &err), "scan");
    for (size_t i = 0; i < list.count; i++) {
        if (i < files && strcmp(seen[i], list.items[i].text) != 0)
            die("a name has changed");
        if (i >= files && files < 64)
            (void)str_copy(seen[files++], OUTBOX_NAME_SIZE, list.items[i].text);
    }
    outbox_list_done(&list);
}

static void pack_what_is_due(bool all)
{
    enum pack_result result = PACK_FILE;
    struct pack_done done;

    while (result != PACK_NOTHING) {
        check(pack_step(pack, all, &result, &done, &err), "pack");
        if (result != PACK_FILE)
            continue;
        rows += done.rows;
        superseded += done.superseded;
        readings_named += done.entry.name.last_seq - done.entry.name.first_seq + 1;
        if (done.segments > largest_merge)
            largest_merge = done.segments;
    }
}

struct delivered {
    uint64_t files, bytes;
};

/* Ship, in short. */
static bool deliver_oldest(struct delivered *d)
{
    struct outbox_list list;
    bool any, ok = true;

    check(outbox_scan(&box, false, &list, &err), "scan");
    any = list.count > 0;
    if (any) {
        check(outbox_verify(&box, &list.items[0], &ok, &err) && ok, "content");
        check(outbox_done(&box, &list.items[0], &err), "deliver");
        d->files++;
        d->bytes += list.items[0].bytes;
    }
    outbox_list_done(&list);
    return any;
}

static void open_all(const char *directory)
{
    const struct journal_options options = {.commit_us = 50000,
        .commit_bytes = 4 << 20,
        .segment_bytes = 32 << 20,
        .series_max = 100000,
        .names_bytes_max = 8 << 20,
        .batch_size = 1000000,
        .interval_us = INT64_C(3600000000)};
    const struct pack_options pack_options = {.order = BATCH_BY_SERIES,
        .codec = PARQUET_ZSTD,
        .merge_bytes = UINT64_C(256) << 20,
        .segment_bytes = 32 << 20,
        .upload_parallel = PARALLEL};
    struct pack_recovery recovery;
    bool busy;

    check(state_open(&st, directory, true, &busy, &err), "state");
    check(limits_init(&limits, &st, UINT64_C(1) << 40, 1, &err), "limits");
    gaps = gaps_open(&st, &limits, &err);
    check(gaps && pack_recover(&st, &limits, gaps, &recovery, &err), "recovery");
    journal = journal_open(&st, &limits, &options, recovery.next_seq, &err);
    pack = pack_new(&st, &limits, gaps, &pack_options, &err);
    check(journal && pack, "open");
    outbox_init(&box, &st, &limits);
}

static void remove_files(int dir)
{
    struct file_list list;
    bool ok = file_list(dir, &list, &err);

    for (size_t i = 0; ok && i < list.count; i++)
        (void)!file_unlink(dir, list.names[i], &err);
    if (ok)
        file_list_done(&list);
}

static void clean_up(const char *directory)
{
    static const char *const parts[] = {"journal", "outbox", "refused", "rejected", "quarantine"};
    const int fds[] = {st.journal, st.outbox, st.refused, st.rejected, st.quarantine};
    bool empty;

    for (size_t i = 0; i < 5; i++) {
        remove_files(fds[i]);
        (void)!file_dir_remove(st.dir, parts[i], &empty, &err);
    }
    remove_files(st.dir);
    state_close(&st);
    (void)!file_dir_remove(FILE_CWD, directory, &empty, &err);
}

/* Pack beside intake, in one thread: as in `run`, it sees every roll. */
static void the_day(uint64_t segments, uint64_t seconds)
{
    for (uint64_t s = 0; s < segments; s++) {
        for (uint64_t i = 0; i < seconds; i++)
            append_second(s * seconds + i);
        check(journal_roll(journal, clock_mono_us(), &err), "roll");
        pack_set_parallel(pack, files ? 1 : PARALLEL); /* the first file was tried in vain */
        pack_what_is_due(false);
        look_at_names();
    }
}

int main(int argc, char **argv)
{
    uint64_t segments = argc > 2 ? strtoull(argv[2], NULL, 10) : 1440;
    uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) / ROWS : 60;
    char directory[256];
    struct delivered delivered = {0};
    int64_t start_us;
    double running;

    (void)snprintf(
        directory, sizeof(directory), "%s/outage-XXXXXX", argc > 1 ? argv[1] : "/dev/shm");
    if (!mkdtemp(directory))
        return 1;
    open_all(directory);
    start_us = clock_mono_us();
    the_day(segments, seconds);
    running = peak_mib();
    printf("outage  %llu readings in %llu segments, %.1f s; %llu files wait, %.0f MiB of segments; "
           "peak %.1f MiB\n",
        (unsigned long long)(segments * seconds * ROWS), (unsigned long long)segments,
        (double)(clock_mono_us() - start_us) / 1e6, (unsigned long long)files,
        (double)atomic_load(&limits.used[LIMITS_JOURNAL]) / 1048576, running);
    start_us = clock_mono_us();
    pack_set_parallel(pack, PARALLEL);
    while (deliver_oldest(&delivered))
        pack_what_is_due(false);
    printf("drain   %llu files, %.1f MiB, up to %llu segments in one; %.1f s; peak %.1f MiB\n",
        (unsigned long long)delivered.files, (double)delivered.bytes / 1048576,
        (unsigned long long)largest_merge, (double)(clock_mono_us() - start_us) / 1e6, peak_mib());
    journal_close(journal);
    pack_free(pack);
    if (readings_named != segments * seconds * ROWS || rows + superseded != readings_named ||
        gaps_count(gaps)) {
        fprintf(stderr, "%llu of %llu readings, %llu rows\n", (unsigned long long)readings_named,
            (unsigned long long)(segments * seconds * ROWS), (unsigned long long)rows);
        return 1;
    }
    gaps_close(gaps);
    clean_up(directory);
    if (delivered.files > FILES_MAX)
        fprintf(stderr, "more than %u files\n", FILES_MAX);
    return delivered.files > FILES_MAX;
}
