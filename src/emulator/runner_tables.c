#include "emulator/runner_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "parquet/format.h"
#include "parquet/reader.h"

bool runner_table_path(
    const struct stmt_name *table, char out[RUNNER_TABLE_PATH_MAX], struct err *err)
{
    if (table->count != 3)
        return err_set(err, ERR_INPUT, 0, "a table's name has three parts here");
    for (size_t i = 0; i < 3; i++) {
        const char *part = table->part[i];

        if (part[0] == '\0' || strchr(part, '/') || strcmp(part, ".") == 0 ||
            strcmp(part, "..") == 0)
            return err_set(err, ERR_INPUT, 0, "'%.100s' is not a valid name", part);
    }
    (void)snprintf(out, RUNNER_TABLE_PATH_MAX, "tables/%s/%s/%s", table->part[0], table->part[1],
        table->part[2]);
    return true;
}

struct loader_job runner_loader_job(const struct runner *runner, const char *table_path)
{
    return (struct loader_job){.store = runner->emu->store,
        .root = runner->root,
        .table_path = table_path,
        .time_scale = runner->options.time_scale};
}

/* The lock and the path; every function below begins with it. */
static struct runner *lock_tables(struct emulator *emu, const struct stmt_name *table,
    char path[RUNNER_TABLE_PATH_MAX], struct err *err)
{
    if (!emu->runner) {
        err_set(err, ERR_DENIED, 0, "the emulator keeps no tables");
        return NULL;
    }
    if (!runner_table_path(table, path, err))
        return NULL;
    (void)pthread_mutex_lock(&emu->runner->tables);
    return emu->runner;
}

static bool unlock(struct runner *runner, bool ok)
{
    (void)pthread_mutex_unlock(&runner->tables);
    return ok;
}

bool runner_table_create(struct emulator *emu, const struct stmt_name *table,
    const struct stmt_column *columns, size_t column_count, struct err *err)
{
    struct delta_column *own = calloc(column_count + 1, sizeof(*own));
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner;
    bool ok = own != NULL;

    if (!own)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a table");
    for (size_t i = 0; ok && i < column_count; i++) {
        (void)str_copy(own[i].name, sizeof(own[i].name), columns[i].name);
        (void)str_copy(own[i].comment, sizeof(own[i].comment), columns[i].comment);
        own[i].not_null = columns[i].not_null;
        ok = delta_type(columns[i].type, own[i].type, sizeof(own[i].type)) ||
             err_set(err, ERR_INPUT, 0, "[UNSUPPORTED_DATATYPE] Unsupported data type \"%.60s\".",
                 columns[i].type);
    }
    runner = ok ? lock_tables(emu, table, path, err) : NULL;
    ok = runner && unlock(runner, delta_create(runner->root, path, own, column_count, err));
    free(own);
    return ok;
}

/* Removes the files below `name`, and it; directories of our own making, two deep at most. */
static bool remove_flat(int at, const char *name, struct err *err)
{
    struct file_list list = {0};
    bool ok, empty = false;
    int fd = -1;

    ok = file_dir_open(at, name, &fd, err) && file_list(fd, &list, err);
    for (size_t i = 0; ok && i < list.count; i++) {
        if (strcmp(list.names[i], "_delta_log") != 0)
            ok = file_unlink(fd, list.names[i], err);
    }
    file_list_done(&list);
    file_drop(fd);
    return ok && file_dir_remove(at, name, &empty, err) &&
           (empty || err_set(err, ERR_DENIED, 0, "'%.100s' holds more than a table", name));
}

bool runner_table_drop(struct emulator *emu, const struct stmt_name *table, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX], log[RUNNER_TABLE_PATH_MAX + 16];
    struct runner *runner = lock_tables(emu, table, path, err);
    struct file_info info;
    bool exists = false;

    if (!runner)
        return false;
    (void)snprintf(log, sizeof(log), "%s/_delta_log", path);
    if (!file_stat(runner->root, log, &exists, &info, err))
        return unlock(runner, false);
    /* The log first: what a crash leaves is no table. */
    return unlock(runner, (!exists || remove_flat(runner->root, log, err)) &&
                              (!exists || remove_flat(runner->root, path, err)));
}

bool runner_table_count(
    struct emulator *emu, const struct stmt_name *table, uint64_t *ret, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner = lock_tables(emu, table, path, err);
    struct delta *delta = runner ? delta_open(runner->root, path, err) : NULL;

    if (delta)
        *ret = delta_rows(delta);
    if (runner)
        (void)unlock(runner, true);
    delta_close(delta);
    return delta != NULL;
}

bool runner_table_properties(struct emulator *emu, const struct stmt_name *table,
    const struct stmt_pair *pairs, size_t count, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner = lock_tables(emu, table, path, err);
    struct delta *delta = runner ? delta_open(runner->root, path, err) : NULL;
    struct delta_commit *commit = delta ? delta_begin(delta, err) : NULL;
    json_t *parameters = json_object();
    bool ok = commit != NULL;

    for (size_t i = 0; ok && i < count; i++) {
        ok = delta_set_property(commit, pairs[i].key, pairs[i].value, err);
        (void)json_object_set_new(parameters, pairs[i].key, json_string(pairs[i].value));
    }
    if (ok)
        ok = delta_finish(commit, "SET TBLPROPERTIES", parameters, err);
    else
        delta_abort(commit);
    json_decref(parameters);
    delta_close(delta);
    if (runner)
        (void)unlock(runner, true);
    return ok;
}

bool runner_copy_into(
    struct emulator *emu, const struct stmt *copy, struct runner_copied *ret, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner = lock_tables(emu, &copy->name, path, err);
    struct loader_result result;
    struct loader_job job;
    bool ok;

    if (!runner)
        return false;
    job = runner_loader_job(runner, path);
    ok = unlock(runner, loader_copy(&job, copy, &result, err));
    if (ok)
        *ret = (struct runner_copied){.affected_rows = result.rows, .inserted_rows = result.rows};
    return ok;
}

/* --- for people and programs beside the workspace --- */

/* "a.b.c", as the catalog spells it: no dots inside of names. */
static bool split_name(const char *text, struct stmt_name *ret, struct err *err)
{
    *ret = (struct stmt_name){0};
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ".");

        if (ret->count == 3 || len >= STMT_NAME_MAX)
            return err_set(
                err, ERR_INPUT, 0, "'%.150s' is not a table: catalog.schema.table", text);
        memcpy(ret->part[ret->count], at, len);
        ret->part[ret->count++][len] = '\0';
        at += len;
        if (*at == '\0')
            return true;
    }
}

bool emulator_table(struct emulator *emu, const char *table, char *directory, size_t size,
    struct buf *names, uint64_t *ret_rows, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner;
    struct stmt_name name;
    struct delta *delta;
    bool ok;

    if (!split_name(table, &name, err))
        return false;
    runner = lock_tables(emu, &name, path, err);
    delta = runner ? delta_open(runner->root, path, err) : NULL;
    if (runner)
        (void)unlock(runner, true);
    ok = delta && ((size_t)snprintf(directory, size, "%s/%s", emu->root, path) < size ||
                      err_set(err, ERR_INPUT, 0, "the table's path is too long"));
    for (size_t i = 0; ok && i < delta_file_count(delta); i++) {
        struct delta_file file;

        delta_file(delta, i, &file);
        ok = buf_add(names, file.path, strlen(file.path) + 1) ||
             buf_check(names, "the names of a table's files", err);
    }
    if (ok && ret_rows)
        *ret_rows = delta_rows(delta);
    delta_close(delta);
    return ok;
}

/* --- rows, for SELECT ... LIMIT --- */

struct table_file {
    int fd;
    struct parquet_reader *reader;
};

static bool read_table_file(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct table_file *file = context;
    size_t got = 0;

    if (!file_read_at(file->fd, offset, out, len, &got, err))
        return false;
    return got == len || err_set(err, ERR_INPUT, 0, "the file ends too early");
}

static json_t *time_value(int64_t us)
{
    char text[CLOCK_TEXT_SIZE];

    /* 2026-01-31T12:34:56.789012Z, without its zone. */
    (void)clock_text(text, us);
    text[strlen(text) - 1] = '\0';
    return json_string(text);
}

static json_t *double_value(double value)
{
    char text[JSON_DOUBLE_SIZE] = "NaN";

    if (value - value == 0) /* finite */
        text[json_double_text(text, value)] = '\0';
    else if (value > 0 || value < 0)
        (void)str_copy(text, sizeof(text), value > 0 ? "Infinity" : "-Infinity");
    return json_string(text);
}

static json_t *cell(const struct parquet_columns *c, unsigned column, size_t row)
{
    const uint8_t *nulls[COLUMNS] = {
        c->timestamp_null, c->asset_null, c->datastream_null, c->payload_null};
    struct span text;

    if (nulls[column] && nulls[column][row])
        return json_pack("n");
    if (column == COLUMN_TIMESTAMP)
        return time_value(c->timestamp_us[row]);
    if (column == COLUMN_PAYLOAD)
        return double_value(c->payload[row]);
    text = column == COLUMN_ASSET ? c->assets[c->asset[row]] : c->datastreams[c->datastream[row]];
    return json_stringn(text.data, text.len);
}

/* In the order of the table's columns; one the files lack is NULL. */
static json_t *row_of(const struct delta *table, const struct parquet_columns *c, size_t row)
{
    json_t *values = json_array();

    for (size_t i = 0; i < delta_column_count(table); i++) {
        unsigned column = 0;

        while (column < COLUMNS &&
               strcmp(delta_column(table, i)->name, columns_schema[column].name) != 0)
            column++;
        (void)json_array_append_new(
            values, column < COLUMNS ? cell(c, column, row) : json_pack("n"));
    }
    return values;
}

static bool rows_of_file(
    const struct delta *table, const char *path, uint64_t limit, json_t *rows, struct err *err)
{
    struct table_file file = {.fd = -1};
    struct parquet_source source = {.read = read_table_file, .context = &file};
    struct parquet_columns columns;
    struct file_info info;
    struct parquet_info about = {0};
    bool ok = file_open(delta_directory(table), path, FILE_READ, &file.fd, err) &&
              file_fstat(file.fd, &info, err);

    if (ok) {
        source.bytes = info.bytes;
        file.reader = parquet_open(source, err);
        ok = file.reader != NULL;
    }
    if (ok)
        parquet_info(file.reader, &about);
    for (uint32_t group = 0; ok && group < about.groups && json_array_size(rows) < limit; group++) {
        ok = parquet_read_group(file.reader, group, &columns, err);
        for (size_t i = 0; ok && i < columns.rows && json_array_size(rows) < limit; i++)
            ok = json_array_append_new(rows, row_of(table, &columns, i)) == 0 ||
                 err_set(err, ERR_FULL, ENOMEM, "no memory for rows");
    }
    parquet_close(file.reader);
    file_drop(file.fd);
    return ok;
}

bool runner_table_rows(struct emulator *emu, const struct stmt_name *table, uint64_t limit,
    json_t **ret, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct runner *runner = lock_tables(emu, table, path, err);
    struct delta *delta = runner ? delta_open(runner->root, path, err) : NULL;
    json_t *rows = json_array();
    bool ok = delta != NULL;

    for (size_t i = 0; ok && i < delta_file_count(delta) && json_array_size(rows) < limit; i++) {
        struct delta_file file;

        delta_file(delta, i, &file);
        ok = rows_of_file(delta, file.path, limit, rows, err);
    }
    if (runner)
        (void)unlock(runner, true);
    delta_close(delta);
    if (ok)
        *ret = rows;
    else
        json_decref(rows);
    return ok;
}
