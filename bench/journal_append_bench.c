/* How fast readings get into the journal and back: appends of 1,000 readings, a sync every 50 ms,
 * rolls at 32 MiB; then every sealed segment scanned once.
 *
 * journal_append_bench [directory [readings]]: measure on the disk that counts, not in memory.
 */
#include "base/clock.h"
#include "journal/journal.h"
#include "journal/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PER_APPEND 1000U
#define SERIES 500U

static int die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    return 1;
}

static void report(const char *name, uint64_t readings, int64_t us, int64_t cpu_us)
{
    double n = (double)readings;

    printf("%-16s %10.0f %8.2f ns/op %8.1f MB/s   %.2f M readings/s, %.1f M per CPU-second\n", name,
        n, (double)us * 1e3 / n, n * 20 / (double)us, n / (double)us, n / (double)cpu_us);
}

static bool fill(struct journal *j, struct readings *r, uint64_t total, struct err *err)
{
    for (uint64_t done = 0; done < total;) {
        if (journal_room(j) < PER_APPEND && !journal_roll(j, clock_mono_us(), err))
            return false;
        for (uint32_t i = 0; series_count(journal_series(j)) < SERIES; i++) {
            char name[32];
            uint32_t number;
            int n = snprintf(name, sizeof(name), "asset-%u", i);

            if (series_number(journal_series(j), (struct span){name, (size_t)n}, span_of("value"),
                    &number) != SERIES_OK)
                return err_set(err, ERR_FULL, 0, "series");
        }
        for (size_t i = 0; i < PER_APPEND; i++)
            r->timestamp_us[i] = (int64_t)(done + i);
        if (!journal_append(j, r, 1700000000000000, clock_mono_us(), 1, done * 250, err) ||
            !journal_tick(j, false, clock_mono_us(), err))
            return false;
        done += PER_APPEND;
    }
    return journal_roll(j, clock_mono_us(), err);
}

static bool read_back(const struct state *st, uint64_t *ret_readings, struct err *err)
{
    struct segment_list list;
    bool ok = scan_list(st, &list, err);

    *ret_readings = 0;
    for (size_t i = 0; ok && i < list.count; i++) {
        struct scan *scan = scan_open(st->journal, list.items[i].name, list.items[i].end_seq, err);
        enum scan_event event = SCAN_FRAME;
        struct scan_item item;

        ok = scan != NULL;
        while (ok && event != SCAN_END) {
            ok = scan_next(scan, &event, &item, err);
            if (ok && event == SCAN_FRAME)
                *ret_readings += scan_rows_count(&item.frame);
        }
        scan_close(scan);
    }
    if (ok)
        scan_list_done(&list);
    return ok;
}

int main(int argc, char **argv)
{
    const struct journal_options options = {
        .commit_us = 50000,
        .commit_bytes = 4 << 20,
        .segment_bytes = 32 << 20,
        .series_max = 100000,
        .names_bytes_max = 8 << 20,
        .batch_size = 1 << 20,
        .interval_us = 60 * CLOCK_SECOND_US,
    };
    char made[] = "/tmp/journal-bench-XXXXXX", command[512];
    const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
    uint64_t total = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000, got;
    int64_t us, cpu_us;
    struct readings r;
    struct state st;
    struct limits limits;
    struct journal *j;
    struct err err;
    bool busy;

    if (!dir || !state_open(&st, dir, true, &busy, &err) ||
        !limits_init(&limits, &st, 0, 0, &err) || !state_set_instance(&st, NULL, &err) ||
        !readings_init(&r, PER_APPEND, &err) ||
        !(j = journal_open(&st, &limits, &options, 1, &err)))
        return die("open", &err);
    r.count = PER_APPEND;
    for (uint32_t i = 0; i < PER_APPEND; i++) {
        r.value[i] = (double)i / 8;
        r.series[i] = i % SERIES;
    }
    us = clock_mono_us();
    cpu_us = clock_thread_cpu_us();
    if (!fill(j, &r, total, &err))
        return die("append", &err);
    report("journal_append", total, clock_mono_us() - us, clock_thread_cpu_us() - cpu_us);
    printf("%-16s %llu commits, %llu rolls, sync %.1f ms longest, %.1f ms mean, on %s\n", "",
        (unsigned long long)journal_counters(j)->commits,
        (unsigned long long)journal_counters(j)->rolls,
        (double)journal_counters(j)->sync_us_max / 1e3,
        (double)journal_counters(j)->sync_us_total / 1e3 / (double)journal_counters(j)->commits,
        st.space.type);
    us = clock_mono_us();
    cpu_us = clock_thread_cpu_us();
    if (!read_back(&st, &got, &err))
        return die("scan", &err);
    report("journal_scan", got, clock_mono_us() - us, clock_thread_cpu_us() - cpu_us);
    journal_close(j);
    state_close(&st);
    readings_done(&r);
    if (argc < 2) {
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        return system(command) != 0 || got != total;
    }
    return got != total;
}
