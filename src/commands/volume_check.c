#include "commands/volume_check.h"

#include "base/series.h"
#include "commands/parquet_file.h"

#include <stdio.h>
#include <stdlib.h>

struct check {
    const struct volume_expected *expected;
    struct volume_found *found;
    struct series_table *series;
    uint8_t *seen; /* a bit a reading */
};

static void count_row(struct check *c, uint32_t series, int64_t timestamp_us)
{
    const struct volume_expected *e = c->expected;
    int64_t since = timestamp_us - e->start_us;
    uint64_t n, bit;

    c->found->rows++;
    if (series >= e->series || since < 0 || since % e->step_us ||
        (uint64_t)(since / e->step_us) >= e->readings_per_series) {
        c->found->strange++;
        return;
    }
    n = (uint64_t)(since / e->step_us);
    bit = (uint64_t)series * e->readings_per_series + n;
    if (c->seen[bit / 8] & 1U << bit % 8)
        c->found->twice++;
    else
        c->found->lost--; /* it began with all of them */
    c->seen[bit / 8] = (uint8_t)(c->seen[bit / 8] | 1U << bit % 8);
}

static bool count_group(struct check *c, const struct parquet_columns *columns, struct err *err)
{
    for (size_t i = 0; i < columns->rows; i++) {
        uint32_t number = UINT32_MAX;

        if (series_number(c->series, columns->assets[columns->asset[i]],
                columns->datastreams[columns->datastream[i]], &number) != SERIES_OK)
            return err_set(err, ERR_INPUT, 0, "more series in the files than were sent");
        count_row(c, number, columns->timestamp_us[i]);
    }
    return true;
}

static bool count_file(struct check *c, int dirfd, const char *name, struct err *err)
{
    struct parquet_file file;
    struct parquet_info info;
    bool ok = true;

    if (!parquet_file_open(&file, dirfd, name, err))
        return false;
    parquet_info(file.reader, &info);
    for (uint32_t group = 0; ok && group < info.groups; group++) {
        struct parquet_columns columns;

        ok = parquet_read_group(file.reader, group, &columns, err) && count_group(c, &columns, err);
    }
    parquet_file_close(&file);
    c->found->files++;
    return ok || err_wrap(err, "%s", name);
}

static bool count_all(
    struct check *c, const char *directory, const struct buf *names, struct err *err)
{
    struct volume_found *found = c->found;
    struct file_list list = {0};
    bool ok;
    int dirfd = -1;

    ok = file_dir_open(FILE_CWD, directory, &dirfd, err) && (names || file_list(dirfd, &list, err));
    for (size_t i = 0; ok && i < list.count; i++) {
        if (i == 0)
            (void)snprintf(found->first_file, sizeof(found->first_file), "%s", list.names[i]);
        ok = count_file(c, dirfd, list.names[i], err);
    }
    for (size_t at = 0; ok && names && at < names->len; at += strlen(names->data + at) + 1)
        ok = count_file(c, dirfd, names->data + at, err);
    file_list_done(&list);
    file_drop(dirfd);
    return ok;
}

bool volume_check(const char *directory, const struct buf *names,
    const struct volume_expected *expected, struct volume_found *ret, struct err *err)
{
    uint64_t all = expected->series * expected->readings_per_series;
    struct check check = {.expected = expected, .found = ret};
    bool ok = false;

    *ret = (struct volume_found){.lost = all};
    check.seen = calloc(all / 8 + 1, 1);
    check.series = series_new(expected->series * 2 + 16, 8 << 20, err);
    if (!check.seen || !check.series)
        err_set(err, ERR_FULL, 0, "no memory to count %llu readings", (unsigned long long)all);
    else
        ok = count_all(&check, directory, names, err);
    series_free(check.series);
    free(check.seen);
    return ok;
}
