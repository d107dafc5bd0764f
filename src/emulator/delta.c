#include "emulator/delta_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMIT_BYTES_MAX (64U << 20)
#define VERSIONS_MAX 1000000

/* --- types and the schema --- */

static const struct {
    const char *sql, *delta;
} types[] = {
    {"TIMESTAMP_NTZ", "timestamp_ntz"},
    {"TIMESTAMP", "timestamp"},
    {"STRING", "string"},
    {"DOUBLE", "double"},
    {"FLOAT", "float"},
    {"REAL", "float"},
    {"BIGINT", "long"},
    {"LONG", "long"},
    {"INT", "integer"},
    {"INTEGER", "integer"},
    {"SMALLINT", "short"},
    {"SHORT", "short"},
    {"TINYINT", "byte"},
    {"BYTE", "byte"},
    {"BOOLEAN", "boolean"},
    {"BINARY", "binary"},
    {"DATE", "date"},
    {"DECIMAL", "decimal(10,0)"},
};

bool delta_type(const char *sql, char *out, size_t size)
{
    unsigned precision, scale;
    int end = 0;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].sql, sql) == 0)
            return str_copy(out, size, types[i].delta);
    }
    if (sscanf(sql, "DECIMAL(%2u,%2u)%n", &precision, &scale, &end) != 2 || sql[end] != '\0' ||
        precision < 1 || precision > 38 || scale > precision)
        return false;
    return snprintf(out, size, "decimal(%u,%u)", precision, scale) < (int)size;
}

bool delta_schema_print(const struct delta_column *columns, size_t column_count, struct buf *out)
{
    struct json_out json;

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "type", "struct");
    json_key(&json, "fields");
    json_out_array(&json);
    for (size_t i = 0; i < column_count; i++) {
        json_out_object(&json);
        json_key_text(&json, "name", columns[i].name);
        json_key_text(&json, "type", columns[i].type);
        json_key_bool(&json, "nullable", !columns[i].not_null);
        json_key(&json, "metadata");
        json_out_object(&json);
        if (columns[i].comment[0])
            json_key_text(&json, "comment", columns[i].comment);
        json_out_object_end(&json);
        json_out_object_end(&json);
    }
    json_out_array_end(&json);
    json_out_object_end(&json);
    return !out->failed;
}

static bool take_column(struct delta_column *to, const json_t *field)
{
    const json_t *metadata = json_object_get(field, "metadata");

    *to = (struct delta_column){.not_null = json_is_false(json_object_get(field, "nullable"))};
    (void)str_copy(to->comment, sizeof(to->comment), json_member(metadata, "comment"));
    /* A nested type is an object: it has no text, and we make no files that fit it. */
    return str_copy(to->name, sizeof(to->name), json_member(field, "name")) && to->name[0] &&
           str_copy(to->type, sizeof(to->type), json_member(field, "type"));
}

bool delta_schema_parse(struct delta *table, struct err *err)
{
    json_t *schema = json_loads(json_member(table->metadata, "schemaString"), 0, NULL);
    const json_t *fields = json_object_get(schema, "fields"), *field;
    bool ok = json_is_array(fields) && json_array_size(fields) <= DELTA_COLUMNS_MAX;
    size_t i;

    table->column_count = 0;
    if (ok) {
        json_array_foreach(fields, i, field)
        {
            ok = ok && take_column(&table->columns[i], field);
            table->column_count = i + 1;
        }
    }
    json_decref(schema);
    return ok || err_set(err, ERR_INPUT, 0, "the schema of the Delta table is not understood");
}

/* --- the log --- */

const char *delta_commit_name(char out[DELTA_NAME_SIZE], int64_t version)
{
    (void)snprintf(out, DELTA_NAME_SIZE, "%020lld.json", (long long)version);
    return out;
}

/* Features a reader must know; those of writers are delta_begin's question. */
static bool readable(const json_t *protocol, struct err *err)
{
    const json_t *features = json_object_get(protocol, "readerFeatures"), *feature;
    int64_t reader = json_member_int(protocol, "minReaderVersion");
    size_t i;

    if (reader != 1 && reader != 3)
        return err_set(err, ERR_INPUT, 0, "Delta reader version %lld is not supported here",
            (long long)reader);
    json_array_foreach(features, i, feature)
    {
        const char *name = json_string_value(feature);

        if (!name || strcmp(name, "timestampNtz") != 0)
            return err_set(
                err, ERR_INPUT, 0, "Delta feature '%.60s' is not supported here", name ? name : "");
    }
    return true;
}

static bool take_add(struct delta *table, json_t *add)
{
    const char *raw = json_member(add, "path");
    const char *source = json_member(json_object_get(add, "tags"), DELTA_SOURCE_TAG);

    if (raw[0] == '\0')
        return false;
    if (source[0] && json_object_set_new(table->loaded, source, json_true()) < 0)
        return false;
    return json_object_set(table->files, raw, add) == 0;
}

static bool take_action(struct delta *table, json_t *line, struct err *err)
{
    json_t *value;
    bool ok = true;

    if ((value = json_object_get(line, "protocol")) != NULL) {
        json_decref(table->protocol);
        table->protocol = json_incref(value);
        return readable(value, err);
    }
    if ((value = json_object_get(line, "metaData")) != NULL) {
        json_decref(table->metadata);
        table->metadata = json_incref(value);
        return delta_schema_parse(table, err);
    }
    if ((value = json_object_get(line, "add")) != NULL)
        ok = take_add(table, value);
    else if ((value = json_object_get(line, "remove")) != NULL)
        (void)json_object_del(table->files, json_member(value, "path"));
    else if ((value = json_object_get(line, "txn")) != NULL)
        ok = json_object_set(
                 table->txns, json_member(value, "appId"), json_object_get(value, "version")) == 0;
    return ok || err_set(err, ERR_INPUT, 0, "an action of the Delta log is not understood");
}

static bool replay_one(struct delta *table, const char *name, struct err *err)
{
    struct buf text;
    bool ok;

    buf_init(&text, COMMIT_BYTES_MAX);
    ok = file_read_whole(table->logfd, name, &text, err);
    for (size_t at = 0; ok && at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.data) - at : text.len - at;
        json_t *line = len ? json_loadb(text.data + at, len, 0, NULL) : NULL;

        if (len)
            ok = json_is_object(line) ? take_action(table, line, err)
                                      : err_set(err, ERR_INPUT, 0, "a line is not JSON");
        json_decref(line);
        at += len + 1;
    }
    buf_done(&text);
    return ok || err_wrap(err, "%s", name);
}

static bool replay(struct delta *table, struct err *err)
{
    char name[DELTA_NAME_SIZE];
    struct file_info info;
    bool exists = true;

    for (int64_t version = 0; version < VERSIONS_MAX; version++) {
        (void)delta_commit_name(name, version);
        if (!file_stat(table->logfd, name, &exists, &info, err))
            return false;
        if (!exists)
            break;
        if (!replay_one(table, name, err))
            return false;
        table->version = version;
    }
    if (!table->protocol || !table->metadata)
        return err_set(err, ERR_INPUT, ENOENT, "the Delta log does not begin with version 0");
    return true;
}

static bool index_files(struct delta *table, struct err *err)
{
    size_t count = json_object_size(table->files), at = 0;
    const char *path;
    json_t *add;

    table->paths = calloc(count + 1, sizeof(*table->paths));
    if (!table->paths)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu files", count);
    json_object_foreach(table->files, path, add)
    {
        table->paths[at++] = path;
    }
    return true;
}

static bool open_directories(int at, const char *path, struct delta *table, struct err *err)
{
    struct err why = {0};

    if (!file_dir_open(at, path, &table->dirfd, &why) ||
        !file_dir_open(table->dirfd, DELTA_LOG, &table->logfd, &why)) {
        *err = why;
        if (why.code == ENOENT || why.code == ENOTDIR)
            err_set(err, ERR_INPUT, ENOENT, "no Delta table at '%.150s'", path);
        return false;
    }
    return true;
}

struct delta *delta_open(int at, const char *path, struct err *err)
{
    struct delta *table = calloc(1, sizeof(*table));

    if (!table) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for a Delta table");
        return NULL;
    }
    table->dirfd = table->logfd = -1;
    table->version = -1;
    table->files = json_object();
    table->loaded = json_object();
    table->txns = json_object();
    if (!table->files || !table->loaded || !table->txns)
        err_set(err, ERR_FULL, ENOMEM, "no memory for a Delta table");
    else if (open_directories(at, path, table, err) && replay(table, err) &&
             index_files(table, err))
        return table;
    delta_close(table);
    return NULL;
}

void delta_close(struct delta *table)
{
    if (!table)
        return;
    file_drop(table->logfd);
    file_drop(table->dirfd);
    json_decref(table->protocol);
    json_decref(table->metadata);
    json_decref(table->files);
    json_decref(table->loaded);
    json_decref(table->txns);
    free(table->paths);
    free(table);
}

/* --- what it shows --- */

int64_t delta_version(const struct delta *table)
{
    return table->version;
}

size_t delta_column_count(const struct delta *table)
{
    return table->column_count;
}

const struct delta_column *delta_column(const struct delta *table, size_t i)
{
    return &table->columns[i];
}

bool delta_feature(const struct delta *table, const char *name)
{
    const json_t *features = json_object_get(table->protocol, "writerFeatures"), *feature;
    size_t i;

    json_array_foreach(features, i, feature)
    {
        const char *text = json_string_value(feature);

        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

size_t delta_file_count(const struct delta *table)
{
    return json_object_size(table->files);
}

static uint64_t rows_of(const json_t *add)
{
    json_t *stats = json_loads(json_member(add, "stats"), 0, NULL);
    uint64_t rows = (uint64_t)json_member_int(stats, "numRecords");

    json_decref(stats);
    return rows;
}

void delta_file(const struct delta *table, size_t i, struct delta_file *ret)
{
    const json_t *add = json_object_get(table->files, table->paths[i]);
    const char *source = json_member(json_object_get(add, "tags"), DELTA_SOURCE_TAG);

    /* Our own names need no decoding; a stranger's with '%' is not found on disk, which is said. */
    *ret = (struct delta_file){.path = table->paths[i],
        .source = source[0] ? source : NULL,
        .bytes = (uint64_t)json_member_int(add, "size"),
        .rows = rows_of(add)};
}

uint64_t delta_rows(const struct delta *table)
{
    uint64_t rows = 0;
    const char *path;
    json_t *add;

    json_object_foreach(table->files, path, add)
    {
        rows += rows_of(add);
    }
    return rows;
}

int delta_directory(const struct delta *table)
{
    return table->dirfd;
}

bool delta_loaded(const struct delta *table, const char *source)
{
    return json_object_get(table->loaded, source) != NULL;
}

int64_t delta_txn(const struct delta *table, const char *application)
{
    const json_t *version = json_object_get(table->txns, application);

    return json_is_integer(version) ? (int64_t)json_integer_value(version) : -1;
}
