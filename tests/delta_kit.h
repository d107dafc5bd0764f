/* tests/delta_kit.h: landed Parquet files and a place for tables. */
#ifndef TESTS_DELTA_KIT_H
#define TESTS_DELTA_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulator/delta.h"
#include "parquet/reader.h"
#include "temp_dir.h"

#define KIT_BELOW "Volumes/main/raw/land/data" /* the root */
#define KIT_DATA "/" KIT_BELOW
#define KIT_TABLE "tables/main/raw/events"

struct kit {
    char root[128];
    int dirfd; /* of root */
};

static inline void kit_start(struct kit *kit)
{
    struct err err = {0};

    temp_dir(kit->root, sizeof(kit->root), "delta-test");
    assert_true(file_dir_open(FILE_CWD, kit->root, &kit->dirfd, &err));
    assert_true(file_dir_make(kit->dirfd, KIT_BELOW, true, &err));
}

static inline int kit_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void kit_end(struct kit *kit)
{
    file_drop(kit->dirfd);
    (void)nftw(kit->root, kit_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline bool kit_sink(void *context, const void *data, size_t len, struct err *err)
{
    return file_write(*(int *)context, data, len, NULL, err);
}

/* A file as the uploader writes it, with as many rows as `c` has. */
static inline void kit_write(const struct kit *kit, const char *path,
    const struct parquet_columns *c, enum parquet_codec codec)
{
    struct parquet_options options = {.codec = codec, .created_by = "test"};
    struct parquet_sink sink = {.write = kit_sink};
    struct parquet_writer *writer;
    struct err err = {0};
    int fd = -1;

    if (!file_open(kit->dirfd, path + (*path == '/'), FILE_CREATE, &fd, &err))
        fail_msg("%s", err.text);
    sink.context = &fd;
    writer = parquet_writer_new(&options, sink, &err);
    assert_non_null(writer);
    assert_true(parquet_write_group(writer, c, &err));
    assert_true(parquet_finish(writer, &err));
    parquet_writer_free(writer);
    file_drop(fd);
}

/* `rows` rows of one series, a millisecond and a half apart. */
static inline void kit_write_rows(
    const struct kit *kit, const char *path, size_t rows, int64_t start_us)
{
    static const struct span assets[] = {{"pump-1", 6}}, streams[] = {{"speed", 5}};
    int64_t *times = calloc(rows, sizeof(*times));
    uint32_t *zeros = calloc(rows, sizeof(*zeros));
    double *values = calloc(rows, sizeof(*values));
    struct parquet_columns c = {.rows = rows,
        .timestamp_us = times,
        .asset = zeros,
        .datastream = zeros,
        .payload = values,
        .assets = assets,
        .datastreams = streams,
        .asset_count = 1,
        .datastream_count = 1};

    assert_true(times && zeros && values);
    for (size_t i = 0; i < rows; i++) {
        times[i] = start_us + (int64_t)i * 1500;
        values[i] = (double)i / 8;
    }
    kit_write(kit, path, &c, PARQUET_ZSTD);
    free(times);
    free(zeros);
    free(values);
}

static inline void kit_table(const struct kit *kit)
{
    static const struct delta_column columns[] = {
        {.name = "timestamp", .type = "timestamp_ntz"},
        {.name = "asset", .type = "string"},
        {.name = "datastream", .type = "string"},
        {.name = "payload", .type = "double"},
    };
    struct err err = {0};

    if (!delta_create(kit->dirfd, KIT_TABLE, columns, 4, &err))
        fail_msg("%s", err.text);
}

static inline uint64_t kit_rows(const struct kit *kit)
{
    struct err err = {0};
    struct delta *table = delta_open(kit->dirfd, KIT_TABLE, &err);
    uint64_t rows;

    if (!table)
        fail_msg("%s", err.text);
    rows = delta_rows(table);
    delta_close(table);
    return rows;
}

static inline int64_t kit_version(const struct kit *kit)
{
    struct err err = {0};
    struct delta *table = delta_open(kit->dirfd, KIT_TABLE, &err);
    int64_t version;

    if (!table)
        fail_msg("%s", err.text);
    version = delta_version(table);
    delta_close(table);
    return version;
}

/* The action `name` of a version's log, the nth of them; the caller's. NULL: there is none. */
static inline json_t *kit_action(
    const struct kit *kit, int64_t version, const char *name, size_t nth)
{
    char path[128];
    struct err err = {0};
    json_t *found = NULL;
    struct buf text;

    (void)snprintf(path, sizeof(path), KIT_TABLE "/_delta_log/%020lld.json", (long long)version);
    buf_init(&text, 1 << 20);
    if (!file_read_whole(kit->dirfd, path, &text, &err))
        fail_msg("%s", err.text);
    for (char *line = text.data; line && line < text.data + text.len && !found;) {
        char *end = memchr(line, '\n', text.len - (size_t)(line - text.data));
        json_t *action;

        assert_non_null(end); /* every line ends */
        action = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(action) && json_object_size(action) == 1);
        if (json_object_get(action, name) && nth-- == 0)
            found = json_incref(json_object_get(action, name));
        json_decref(action);
        line = end + 1;
    }
    buf_done(&text);
    return found;
}

#endif
