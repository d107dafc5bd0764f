#include "emulator/loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "parquet/format.h"

struct copy_options {
    bool force, merge;
    const char *glob;
};

static bool is_true(const char *value)
{
    return strcasecmp(value, "true") == 0;
}

static bool read_options(const struct stmt *copy, struct copy_options *ret, struct err *err)
{
    *ret = (struct copy_options){.glob = copy->pattern[0] ? copy->pattern : NULL};
    if (strcmp(copy->format, "PARQUET") != 0)
        return err_set(
            err, ERR_INPUT, 0, "FILEFORMAT = %.15s: only PARQUET is done here", copy->format);
    for (size_t i = 0; i < copy->pair_count; i++) {
        const char *key = copy->pairs[i].key, *value = copy->pairs[i].value;

        if (strcmp(key, "copy.force") == 0)
            ret->force = is_true(value);
        else if (strcmp(key, "copy.mergeschema") == 0)
            ret->merge = is_true(value);
        else if (strcmp(key, "format.pathglobfilter") == 0)
            ret->glob = value;
        else if (strncmp(key, "copy.", 5) == 0)
            return err_set(err, ERR_INPUT, 0,
                "[COPY_INTO_NON_BLIND_APPEND_NOT_ALLOWED] unknown COPY_OPTIONS key '%.60s'",
                key + 5);
    }
    return true;
}

static bool is_known_type(const char *cast, unsigned column)
{
    static const char *const sql[COLUMNS] = {
        [COLUMN_TIMESTAMP] = "TIMESTAMP_NTZ",
        [COLUMN_ASSET] = "STRING",
        [COLUMN_DATASTREAM] = "STRING",
        [COLUMN_PAYLOAD] = "DOUBLE",
    };

    return cast[0] == '\0' || strcmp(cast, sql[column]) == 0;
}

/* The rows go over as they are: a select list may say so in many ways, and nothing else. */
static bool check_items(const struct stmt *copy, struct err *err)
{
    bool taken[COLUMNS] = {false};
    bool all = copy->item_count == 0;

    for (size_t i = 0; i < copy->item_count; i++) {
        const struct stmt_item *item = &copy->items[i];
        unsigned column = 0;

        if (strcmp(item->column, "*") == 0) {
            all = true;
            continue;
        }
        while (column < COLUMNS && strcasecmp(item->column, columns_schema[column].name) != 0)
            column++;
        if (column == COLUMNS)
            return err_set(err, ERR_INPUT, 0,
                "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter "
                "with name `%.60s` cannot be resolved.",
                item->column);
        if (!is_known_type(item->cast, column) ||
            (item->alias[0] && strcasecmp(item->alias, columns_schema[column].name) != 0))
            return err_set(err, ERR_INPUT, 0,
                "the emulator keeps the files as they are: it cannot make %.30s of column `%.60s`",
                item->cast[0] ? item->cast : item->alias, item->column);
        taken[column] = true;
    }
    for (unsigned column = 0; column < COLUMNS && !all; column++) {
        if (!taken[column])
            return err_set(err, ERR_INPUT, 0,
                "the emulator keeps the files as they are: it cannot leave out column `%s`",
                columns_schema[column].name);
    }
    return true;
}

struct copying {
    const struct loader_job *job;
    const struct copy_options *options;
    struct loader_result *result;
    struct delta *table;
    struct delta_commit *commit; /* begun with the first new file */
    const char *prefix;
};

static bool copy_one(struct copying *c, const char *relative, struct err *err)
{
    char path[2 * PATH_BYTES_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", c->prefix, relative);
    if (!c->options->force && delta_loaded(c->table, path)) {
        c->result->skipped++;
        return true;
    }
    if (c->job->cancelled && c->job->cancelled(c->job->arg))
        return err_set(err, ERR_INPUT, 0, "Run cancelled.");
    if (!c->commit) {
        c->commit = delta_begin(c->table, err);
        if (!c->commit || (c->options->merge && !delta_merge_columns(c->commit, err)))
            return false;
    }
    if (delta_add(c->commit, c->job->root, path + 1, path, err))
        return true;
    if (err->code == ENOENT) /* ignoreMissingFiles is true for COPY INTO */
        return true;
    return err_wrap(err, "[FAILED_READ_FILE.NO_HINT] Error while reading file dbfs:%.120s", path);
}

static bool copy_all(struct copying *c, const struct loader_found *found, struct err *err)
{
    json_t *parameters;
    bool ok = true;

    for (size_t i = 0; ok && i < found->count; i++)
        ok = copy_one(c, found->files[i].path, err);
    if (!ok || !c->commit || delta_commit_files(c->commit) == 0) {
        delta_abort(c->commit);
        return ok;
    }
    c->result->files = delta_commit_files(c->commit);
    c->result->rows = delta_commit_rows(c->commit);
    c->result->batches = 1;
    parameters = json_pack("{s:s, s:s}", "statsOnLoad", "false", "fileFormat", "PARQUET");
    ok = delta_finish(c->commit, "COPY INTO", parameters, err);
    json_decref(parameters);
    return ok;
}

static bool copy_from(struct copying *c, struct path *source, const char *text, struct err *err)
{
    struct loader_found found = {0};
    struct buf prefix;
    int fd = -1;
    bool ok;

    buf_init(&prefix, PATH_BYTES_MAX);
    ok = loader_path(text, source, err) && loader_open(c->job->store, source, false, &fd, err) &&
         loader_find(fd, c->options->glob, &found, err);
    if (ok && found.partitioned)
        ok = err_set(err, ERR_INPUT, 0,
            "[COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE] directories called key=value become "
            "columns");
    ok = ok && (path_print(&prefix, source) || buf_check(&prefix, "a path", err));
    if (ok) {
        c->prefix = buf_text(&prefix);
        ok = copy_all(c, &found, err);
    }
    loader_found_done(&found);
    buf_done(&prefix);
    file_drop(fd);
    return ok;
}

bool loader_copy(const struct loader_job *job, const struct stmt *copy, struct loader_result *ret,
    struct err *err)
{
    struct copy_options options;
    struct copying c = {.job = job, .options = &options, .result = ret};
    struct path *source;
    bool ok;

    *ret = (struct loader_result){0};
    if (!read_options(copy, &options, err) || !check_items(copy, err))
        return false;
    source = calloc(1, sizeof(*source));
    if (!source)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    c.table = delta_open(job->root, job->table_path, err);
    ok = c.table && copy_from(&c, source, copy->text, err);
    delta_close(c.table);
    free(source);
    return ok;
}
