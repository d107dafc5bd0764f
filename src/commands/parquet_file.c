#include "commands/parquet_file.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <stdio.h>

static bool read_file(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct parquet_file *file = context;
    size_t got = 0;

    if (!file_read_at(file->fd, offset, out, len, &got, err))
        return false;
    if (got != len)
        return err_set(
            err, ERR_INPUT, 0, "the file ends at byte %llu", (unsigned long long)offset + got);
    return true;
}

bool parquet_file_open(struct parquet_file *file, int dirfd, const char *name, struct err *err)
{
    struct parquet_source source = {.read = read_file, .context = file};
    struct file_info info;

    *file = (struct parquet_file){.fd = -1};
    if (!file_open(dirfd, name, FILE_READ, &file->fd, err) || !file_fstat(file->fd, &info, err))
        goto fail;
    source.bytes = file->bytes = info.bytes;
    file->reader = parquet_open(source, err);
    if (file->reader)
        return true;
    err_wrap(err, "%s", name);
fail:
    file_drop(file->fd);
    file->fd = -1;
    return false;
}

void parquet_file_close(struct parquet_file *file)
{
    parquet_close(file->reader);
    file->reader = NULL;
    file_drop(file->fd);
    file->fd = -1;
}

static void show_row(const struct parquet_columns *c, size_t i)
{
    char time[CLOCK_TEXT_SIZE], number[JSON_DOUBLE_SIZE];
    struct buf asset, datastream;

    buf_init(&asset, 8192);
    buf_init(&datastream, 8192);
    if (!c->asset_null || !c->asset_null[i])
        str_show(&asset, c->assets[c->asset[i]], 60);
    if (!c->datastream_null || !c->datastream_null[i])
        str_show(&datastream, c->datastreams[c->datastream[i]], 60);
    if (c->payload_null && c->payload_null[i])
        (void)str_copy(number, sizeof(number), "null");
    else
        (void)json_double_text(number, c->payload[i]);
    if (c->timestamp_null && c->timestamp_null[i])
        (void)str_copy(time, sizeof(time), "null");
    else
        (void)clock_text(time, c->timestamp_us[i]);
    printf("  %-27s  %-16s  %-24s  %16s\n", time, buf_text(&asset), buf_text(&datastream), number);
    buf_done(&asset);
    buf_done(&datastream);
}

static bool show_groups(struct parquet_file *file, uint64_t first, uint64_t count, struct err *err)
{
    struct parquet_info info;
    uint64_t at = 0;

    parquet_info(file->reader, &info);
    printf("  %-27s  %-16s  %-24s  %16s\n", "timestamp", "asset", "datastream", "payload");
    for (uint32_t group = 0; group < info.groups && count; group++) {
        uint64_t rows = parquet_group_rows(file->reader, group);
        struct parquet_columns columns;

        if (first >= at + rows) {
            at += rows;
            continue;
        }
        if (!parquet_read_group(file->reader, group, &columns, err))
            return false;
        for (uint64_t i = first > at ? first - at : 0; i < rows && count; i++, count--)
            show_row(&columns, (size_t)i);
        at += rows;
    }
    return true;
}

bool parquet_file_show_rows(
    const char *directory, const char *name, uint64_t first, uint64_t count, struct err *err)
{
    struct parquet_file file;
    bool ok = false;
    int dirfd = -1;

    if (!file_dir_open(FILE_CWD, directory, &dirfd, err))
        return false;
    if (parquet_file_open(&file, dirfd, name, err)) {
        ok = show_groups(&file, first, count, err);
        parquet_file_close(&file);
    }
    file_drop(dirfd);
    return ok;
}
