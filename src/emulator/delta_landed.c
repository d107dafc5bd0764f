#include "emulator/delta_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "emulator/delta_stats.h"
#include "emulator/ledger.h"
#include "parquet/format.h"

struct landed {
    int fd;
    struct file_info info;
    struct parquet_reader *reader;
};

static bool read_landed(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct landed *landed = context;
    size_t got = 0;

    if (!file_read_at(landed->fd, offset, out, len, &got, err))
        return false;
    return got == len || err_set(err, ERR_INPUT, 0, "the file ends too early");
}

const char *delta_file_type(unsigned column)
{
    static const char *const types[] = {
        [COLUMN_TIMESTAMP] = "timestamp_ntz",
        [COLUMN_ASSET] = "string",
        [COLUMN_DATASTREAM] = "string",
        [COLUMN_PAYLOAD] = "double",
    };

    return types[column];
}

static const struct delta_column *find_column(
    const struct delta_commit *commit, const char *name, bool *ret_exact)
{
    for (size_t i = 0; i < commit->column_count; i++) {
        if (strcasecmp(commit->columns[i].name, name) == 0) {
            *ret_exact = strcmp(commit->columns[i].name, name) == 0;
            return &commit->columns[i];
        }
    }
    return NULL;
}

static bool check_column(const struct delta_commit *commit, const char *type,
    const struct parquet_column_info *info, struct err *err)
{
    bool exact = false;
    const struct delta_column *column = find_column(commit, info->name, &exact);

    if (!column)
        return err_set(err, ERR_INPUT, 0,
            "[DELTA_METADATA_MISMATCH] A schema mismatch detected when writing to the Delta "
            "table: it has no column '%s'",
            info->name);
    if (strcmp(column->type, type) != 0)
        return err_set(err, ERR_INPUT, 0,
            "[DELTA_FAILED_TO_MERGE_FIELDS] Failed to merge fields '%s' and '%.60s': the file has "
            "%s, the table %.40s",
            info->name, column->name, type, column->type);
    if (!exact)
        return err_set(err, ERR_INPUT, 0,
            "column '%s' is spelled '%.60s' in the table: the emulator keeps the files as they "
            "are and cannot rename it",
            info->name, column->name);
    if (column->not_null && info->nulls)
        return err_set(err, ERR_INPUT, 0,
            "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: %.60s",
            column->name);
    return true;
}

/* A column that the files lack is NULL in their rows. */
static bool check_missing(const struct delta_commit *commit, struct landed *landed, struct err *err)
{
    struct parquet_column_info info;

    for (size_t i = 0; i < commit->column_count; i++) {
        bool there = false;

        for (unsigned c = 0; c < COLUMNS && !there; c++) {
            parquet_column_info(landed->reader, 0, c, &info);
            there = strcasecmp(info.name, commit->columns[i].name) == 0;
        }
        if (!there && commit->columns[i].not_null)
            return err_set(err, ERR_INPUT, 0,
                "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: "
                "%.60s",
                commit->columns[i].name);
    }
    return true;
}

/* Every page is read, so that a damaged file fails the run as it would in the cloud. */
static bool check_landed(const struct delta_commit *commit, struct landed *landed, struct err *err)
{
    struct parquet_info info;

    parquet_info(landed->reader, &info);
    for (uint32_t group = 0; group < info.groups; group++) {
        struct parquet_columns columns;

        for (unsigned c = 0; c < COLUMNS; c++) {
            struct parquet_column_info column;

            parquet_column_info(landed->reader, group, c, &column);
            if (!check_column(commit, delta_file_type(c), &column, err))
                return false;
        }
        if (!parquet_read_group(landed->reader, group, &columns, err))
            return false;
    }
    return info.groups == 0 || check_missing(commit, landed, err);
}

static const char *codec_of(struct landed *landed)
{
    struct parquet_column_info column;
    struct parquet_info info;

    parquet_info(landed->reader, &info);
    if (info.groups == 0)
        return "";
    parquet_column_info(landed->reader, 0, 0, &column);
    if (strcmp(column.codec, "ZSTD") == 0)
        return ".zstd";
    return strcmp(column.codec, "SNAPPY") == 0 ? ".snappy" : "";
}

/* Another file system: no second name there, so the bytes go over. */
static bool copy_landed(const struct landed *landed, int dirfd, const char *name, struct err *err)
{
    static const size_t piece = 1U << 20;
    char *bytes = malloc(piece);
    uint64_t at = 0;
    bool ok = false;
    int fd = -1;

    if (!bytes)
        return err_set(err, ERR_FULL, ENOMEM, "no memory to copy a file");
    if (!file_open(dirfd, name, FILE_CREATE_NEW, &fd, err))
        goto out;
    while (at < landed->info.bytes) {
        size_t got = 0;

        if (!file_read_at(landed->fd, at, bytes, piece, &got, err) ||
            !file_write(fd, bytes, got, NULL, err))
            goto out;
        if (got == 0) {
            err_set(err, ERR_INPUT, 0, "the file ends too early");
            goto out;
        }
        at += got;
    }
    ok = file_sync(fd, err);
out:
    file_drop(fd);
    free(bytes);
    return ok;
}

static bool link_landed(const struct landed *landed, int from, const char *name, int to,
    const char *path, struct err *err)
{
    struct file_info info;
    bool taken = false, exists = false;

    if (!file_link(from, name, to, path, &taken, err))
        return (err->code == EXDEV || err->code == EPERM || err->code == EMLINK) &&
               copy_landed(landed, to, path, err);
    /* The name may have been given to another file since it was read. */
    if (!file_stat(to, path, &exists, &info, err))
        return false;
    if (taken || !exists || info.inode != landed->info.inode)
        return err_set(err, ERR_RETRY, 0, "the file was replaced while it was read");
    return file_sync(landed->fd, err);
}

static void print_add(
    struct delta_commit *commit, const struct landed *landed, const char *path, const char *source)
{
    struct json_out json;
    struct buf stats;

    buf_init(&stats, 1U << 20);
    delta_stats_print(landed->reader, &stats);
    if (stats.failed)
        commit->actions.failed = true;
    json_init(&json, &commit->actions);
    json_out_object(&json);
    json_key(&json, "add");
    json_out_object(&json);
    json_key_text(&json, "path", path);
    json_key(&json, "partitionValues");
    json_out_object(&json);
    json_out_object_end(&json);
    json_key_uint(&json, "size", landed->info.bytes);
    json_key_int(&json, "modificationTime", landed->info.modified_us / 1000);
    json_key_bool(&json, "dataChange", true);
    json_key_text(&json, "stats", buf_text(&stats));
    json_key(&json, "tags");
    json_out_object(&json);
    json_key_text(&json, DELTA_SOURCE_TAG, source);
    json_out_object_end(&json);
    json_out_object_end(&json);
    json_out_object_end(&json);
    (void)buf_add_byte(&commit->actions, '\n');
    buf_done(&stats);
}

static bool add_landed(struct delta_commit *commit, struct landed *landed, int dirfd,
    const char *name, const char *source, struct err *err)
{
    struct parquet_source bytes = {.read = read_landed, .context = landed};
    char path[96], uuid[LEDGER_UUID_SIZE];
    struct parquet_info info;

    if (!file_open(dirfd, name, FILE_READ, &landed->fd, err) ||
        !file_fstat(landed->fd, &landed->info, err))
        return false;
    bytes.bytes = landed->info.bytes;
    landed->reader = parquet_open(bytes, err);
    if (!landed->reader || !check_landed(commit, landed, err))
        return false;
    (void)snprintf(path, sizeof(path), "part-%05zu-%s-c000%s.parquet", commit->files,
        ledger_uuid(uuid), codec_of(landed));
    if (!buf_add(&commit->made, path, strlen(path) + 1))
        return buf_check(&commit->made, "the names of a commit", err);
    if (!link_landed(landed, dirfd, name, commit->table->dirfd, path, err))
        return false;
    parquet_info(landed->reader, &info);
    print_add(commit, landed, path, source);
    commit->files++;
    commit->rows += info.rows;
    commit->bytes += landed->info.bytes;
    return buf_check(&commit->actions, "the actions of a commit", err);
}

bool delta_add(
    struct delta_commit *commit, int dirfd, const char *name, const char *source, struct err *err)
{
    struct landed landed = {.fd = -1};
    bool ok = add_landed(commit, &landed, dirfd, name, source, err);

    parquet_close(landed.reader);
    file_drop(landed.fd);
    return ok;
}
