#include "emulator/delta_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "emulator/ledger.h"
#include "parquet/format.h"

/* What a crash left behind. */
static bool clean_log(int logfd, struct err *err)
{
    struct file_list list;
    bool ok = true;

    if (!file_list(logfd, &list, err))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        if (strncmp(list.names[i], DELTA_TEMP, strlen(DELTA_TEMP)) == 0)
            ok = file_unlink(logfd, list.names[i], err);
    }
    file_list_done(&list);
    return ok;
}

static bool writable(const struct delta *table, struct err *err)
{
    const json_t *features = json_object_get(table->protocol, "writerFeatures"), *feature;
    int64_t writer = json_member_int(table->protocol, "minWriterVersion");
    size_t i;

    if (writer != 2 && writer != 7)
        return err_set(err, ERR_INPUT, 0, "Delta writer version %lld is not supported here",
            (long long)writer);
    json_array_foreach(features, i, feature)
    {
        const char *name = json_string_value(feature);

        if (!name || (strcmp(name, "timestampNtz") != 0 && strcmp(name, "appendOnly") != 0 &&
                         strcmp(name, "invariants") != 0))
            return err_set(
                err, ERR_INPUT, 0, "Delta feature '%.60s' is not supported here", name ? name : "");
    }
    return true;
}

struct delta_commit *delta_begin(struct delta *table, struct err *err)
{
    struct delta_commit *commit;

    if (!writable(table, err) || !clean_log(table->logfd, err))
        return NULL;
    commit = calloc(1, sizeof(*commit));
    if (commit)
        commit->columns = calloc(DELTA_COLUMNS_MAX, sizeof(*commit->columns));
    if (!commit || !commit->columns) {
        free(commit);
        err_set(err, ERR_FULL, ENOMEM, "no memory for a commit");
        return NULL;
    }
    commit->table = table;
    commit->column_count = table->column_count;
    memcpy(commit->columns, table->columns, table->column_count * sizeof(*commit->columns));
    buf_init(&commit->actions, DELTA_COMMIT_BYTES_MAX);
    buf_init(&commit->made, DELTA_COMMIT_BYTES_MAX);
    return commit;
}

/* Data files that no version names. After a crash they stay: readers do not see them. */
static void remove_made(struct delta_commit *commit)
{
    struct err ignored = {0};

    for (size_t at = 0; at < commit->made.len; at += strlen(commit->made.data + at) + 1) {
        if (!file_unlink(commit->table->dirfd, commit->made.data + at, &ignored))
            err_clear(&ignored);
    }
}

static void free_commit(struct delta_commit *commit)
{
    buf_done(&commit->actions);
    buf_done(&commit->made);
    json_decref(commit->protocol);
    json_decref(commit->metadata);
    free(commit->columns);
    free(commit);
}

void delta_abort(struct delta_commit *commit)
{
    if (!commit)
        return;
    remove_made(commit);
    free_commit(commit);
}

uint64_t delta_commit_rows(const struct delta_commit *commit)
{
    return commit->rows;
}

size_t delta_commit_files(const struct delta_commit *commit)
{
    return commit->files;
}

void delta_set_txn(struct delta_commit *commit, const char *application, int64_t version)
{
    struct json_out json;

    json_init(&json, &commit->actions);
    json_out_object(&json);
    json_key(&json, "txn");
    json_out_object(&json);
    json_key_text(&json, "appId", application);
    json_key_int(&json, "version", version);
    json_key_int(&json, "lastUpdated", ledger_now_ms());
    json_out_object_end(&json);
    json_out_object_end(&json);
    (void)buf_add_byte(&commit->actions, '\n');
}

/* --- the table's own description --- */

static bool change(json_t **own, const json_t *of, struct err *err)
{
    if (!*own)
        *own = json_deep_copy(of);
    return *own || err_set(err, ERR_FULL, ENOMEM, "no memory for a commit");
}

static bool add_feature(json_t *protocol, const char *list, const char *name)
{
    json_t *features = json_object_get(protocol, list), *feature;
    size_t i;

    if (!features) {
        features = json_array();
        if (json_object_set_new(protocol, list, features) < 0)
            return false;
    }
    json_array_foreach(features, i, feature)
    {
        const char *text = json_string_value(feature);

        if (text && strcmp(text, name) == 0)
            return true;
    }
    return json_array_append_new(features, json_string(name)) == 0;
}

/* Versions 3 and 7 list the features; what version 2 of writers implied has to be listed then. */
static bool enable(struct delta_commit *commit, const char *name, struct err *err)
{
    bool ok = change(&commit->protocol, commit->table->protocol, err);
    bool was_old = ok && json_member_int(commit->protocol, "minWriterVersion") < 7;

    if (!ok)
        return false;
    ok = json_object_set_new(commit->protocol, "minReaderVersion", json_integer(3)) == 0 &&
         json_object_set_new(commit->protocol, "minWriterVersion", json_integer(7)) == 0 &&
         (!was_old || (add_feature(commit->protocol, "writerFeatures", "appendOnly") &&
                          add_feature(commit->protocol, "writerFeatures", "invariants"))) &&
         add_feature(commit->protocol, "readerFeatures", name) &&
         add_feature(commit->protocol, "writerFeatures", name);
    return ok || err_set(err, ERR_FULL, ENOMEM, "no memory for a commit");
}

bool delta_set_property(
    struct delta_commit *commit, const char *key, const char *value, struct err *err)
{
    static const char feature[] = "delta.feature.";
    json_t *configuration;

    if (strncasecmp(key, feature, strlen(feature)) == 0) {
        const char *name = key + strlen(feature);

        /* Keys of statements come in lower case. */
        if (strcasecmp(name, "timestampNtz") != 0)
            return err_set(err, ERR_INPUT, 0,
                "[DELTA_UNSUPPORTED_FEATURES_IN_CONFIG] '%.60s' is not supported here", name);
        if (strcasecmp(value, "supported") != 0 && strcasecmp(value, "enabled") != 0)
            return err_set(err, ERR_INPUT, 0, "'%.60s' must be 'supported'", key);
        return enable(commit, "timestampNtz", err);
    }
    if (!change(&commit->metadata, commit->table->metadata, err))
        return false;
    configuration = json_object_get(commit->metadata, "configuration");
    if (!configuration || json_object_set_new(configuration, key, json_string(value)) < 0)
        return err_set(err, ERR_INPUT, 0, "the property '%.60s' cannot be set", key);
    return true;
}

/* A table without columns takes all it needs from its first files; an older one is asked for the
 * feature by hand, as ALTER TABLE does (databricks-api.md 7.5). */
static bool need_feature(struct delta_commit *commit, struct err *err)
{
    if (delta_feature(commit->table, "timestampNtz"))
        return true;
    if (commit->table->column_count == 0)
        return enable(commit, "timestampNtz", err);
    return err_set(err, ERR_INPUT, 0,
        "[DELTA_FEATURES_REQUIRE_MANUAL_ENABLEMENT] Your table schema requires manually enablement "
        "of the following table feature(s): timestampNtz");
}

static bool has_column(const struct delta_commit *commit, const char *name)
{
    for (size_t i = 0; i < commit->column_count; i++) {
        if (strcasecmp(commit->columns[i].name, name) == 0)
            return true;
    }
    return false;
}

bool delta_merge_columns(struct delta_commit *commit, struct err *err)
{
    size_t before = commit->column_count;
    struct buf schema;
    bool ok;

    for (unsigned i = 0; i < COLUMNS; i++) {
        struct delta_column *column = &commit->columns[commit->column_count];

        if (has_column(commit, columns_schema[i].name))
            continue;
        if (commit->column_count == DELTA_COLUMNS_MAX)
            return err_set(err, ERR_FULL, 0, "the table has too many columns");
        if (i == COLUMN_TIMESTAMP && !need_feature(commit, err))
            return false;
        *column = (struct delta_column){0};
        (void)str_copy(column->name, sizeof(column->name), columns_schema[i].name);
        (void)str_copy(column->type, sizeof(column->type), delta_file_type(i));
        commit->column_count++;
    }
    if (commit->column_count == before)
        return true;
    if (!change(&commit->metadata, commit->table->metadata, err))
        return false;
    buf_init(&schema, DELTA_COMMIT_BYTES_MAX);
    ok = delta_schema_print(commit->columns, commit->column_count, &schema) &&
         json_object_set_new(commit->metadata, "schemaString", json_string(buf_text(&schema))) == 0;
    buf_done(&schema);
    return ok || err_set(err, ERR_FULL, ENOMEM, "no memory for a schema");
}

/* --- the end --- */

static void print_number(struct json_out *json, const char *key, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    json_key_text(json, key, text);
}

static void print_info(
    struct delta_commit *commit, const char *operation, const json_t *parameters, struct buf *text)
{
    struct json_out json;
    const char *key;
    json_t *value;

    delta_info_start(&json, text, operation);
    json_key(&json, "operationParameters");
    json_out_object(&json);
    /* jansson's loop takes no constant object, and does not change it. */
    json_object_foreach((json_t *)(uintptr_t)parameters, key, value)
    {
        json_key_text(&json, key, json_string_value(value));
    }
    json_out_object_end(&json);
    json_key_int(&json, "readVersion", commit->table->version);
    json_key_text(&json, "isolationLevel", "WriteSerializable");
    json_key_bool(&json, "isBlindAppend", !commit->metadata && !commit->protocol);
    json_key(&json, "operationMetrics");
    json_out_object(&json);
    print_number(&json, "numFiles", commit->files);
    print_number(&json, "numOutputRows", commit->rows);
    print_number(&json, "numOutputBytes", commit->bytes);
    json_out_object_end(&json);
    delta_info_end(&json, text);
}

static void print_action(struct buf *text, const char *name, json_t *value)
{
    json_t *line = value ? json_pack("{s:O}", name, value) : NULL;
    char *bytes = line ? json_dumps(line, JSON_COMPACT) : NULL;

    if (value && !bytes)
        text->failed = true;
    if (bytes) {
        (void)buf_add_text(text, bytes);
        (void)buf_add_byte(text, '\n');
    }
    free(bytes);
    json_decref(line);
}

bool delta_finish(
    struct delta_commit *commit, const char *operation, const json_t *parameters, struct err *err)
{
    struct buf text;
    bool ok;

    buf_init(&text, DELTA_COMMIT_BYTES_MAX);
    print_info(commit, operation, parameters, &text);
    print_action(&text, "protocol", commit->protocol);
    print_action(&text, "metaData", commit->metadata);
    (void)buf_add(&text, commit->actions.data ? commit->actions.data : "", commit->actions.len);
    /* The names of the data files first: a commit never points at nothing. */
    ok = buf_check(&commit->actions, "the actions of a commit", err) &&
         buf_check(&text, "a commit", err) && file_sync(commit->table->dirfd, err) &&
         delta_publish(commit->table->logfd, commit->table->version + 1, &text, err);
    buf_done(&text);
    /* ERR_BROKEN: the version may be there, and then its files are needed. */
    if (!ok && err->kind != ERR_BROKEN)
        remove_made(commit);
    free_commit(commit);
    return ok;
}
