#include "emulator/delta_inside.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "emulator/ledger.h"

/* --- a version of the log --- */

/* First whole and synced under a name nobody reads, then linked: link(2) never replaces, so of two
 * writers one gets the version. */
bool delta_publish(int logfd, int64_t version, const struct buf *text, struct err *err)
{
    char name[DELTA_NAME_SIZE], temp[64], uuid[LEDGER_UUID_SIZE];
    bool taken = false, ok = false;
    struct err ignored = {0};
    int fd = -1;

    (void)delta_commit_name(name, version);
    (void)snprintf(temp, sizeof(temp), DELTA_TEMP "%s", ledger_uuid(uuid));
    if (!file_open(logfd, temp, FILE_CREATE_NEW, &fd, err))
        return false;
    if (!file_write(fd, text->data, text->len, NULL, err) || !file_sync(fd, err) ||
        !file_link(logfd, temp, logfd, name, &taken, err))
        goto out;
    if (taken) {
        err_set(err, ERR_RETRY, EEXIST,
            "[DELTA_CONCURRENT_WRITE] version %lld of the table was written by somebody else",
            (long long)version);
        goto out;
    }
    ok = file_sync(logfd, err);
out:
    file_drop(fd);
    if (!file_unlink(logfd, temp, &ignored))
        err_clear(&ignored); /* delta_begin tries again */
    return ok;
}

void delta_info_start(struct json_out *json, struct buf *line, const char *operation)
{
    json_init(json, line);
    json_out_object(json);
    json_key(json, "commitInfo");
    json_out_object(json);
    json_key_int(json, "timestamp", ledger_now_ms());
    json_key_text(json, "operation", operation);
}

void delta_info_end(struct json_out *json, struct buf *line)
{
    char uuid[LEDGER_UUID_SIZE];

    json_key_text(json, "engineInfo", "volume-uploader emulator");
    json_key_text(json, "txnId", ledger_uuid(uuid));
    json_out_object_end(json);
    json_out_object_end(json);
    (void)buf_add_byte(line, '\n');
}

static void print_protocol(struct buf *line, bool timestamp_ntz, bool invariants)
{
    static const char legacy[] = "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n";
    struct json_out json;

    if (!timestamp_ntz) {
        (void)buf_add_text(line, legacy); /* writer version 2 has NOT NULL */
        return;
    }
    json_init(&json, line);
    json_out_object(&json);
    json_key(&json, "protocol");
    json_out_object(&json);
    json_key_int(&json, "minReaderVersion", 3);
    json_key_int(&json, "minWriterVersion", 7);
    json_key(&json, "readerFeatures");
    json_out_array(&json);
    json_text(&json, "timestampNtz");
    json_out_array_end(&json);
    json_key(&json, "writerFeatures");
    json_out_array(&json);
    json_text(&json, "timestampNtz");
    if (invariants)
        json_text(&json, "invariants");
    json_out_array_end(&json);
    json_out_object_end(&json);
    json_out_object_end(&json);
    (void)buf_add_byte(line, '\n');
}

static void print_metadata(struct buf *line, const struct delta_column *columns, size_t count)
{
    struct json_out json;
    struct buf schema;
    char uuid[LEDGER_UUID_SIZE];

    buf_init(&schema, DELTA_COMMIT_BYTES_MAX);
    if (!delta_schema_print(columns, count, &schema))
        line->failed = true;
    json_init(&json, line);
    json_out_object(&json);
    json_key(&json, "metaData");
    json_out_object(&json);
    json_key_text(&json, "id", ledger_uuid(uuid));
    json_key(&json, "format");
    json_out_object(&json);
    json_key_text(&json, "provider", "parquet");
    json_key(&json, "options");
    json_out_object(&json);
    json_out_object_end(&json);
    json_out_object_end(&json);
    json_key_text(&json, "schemaString", buf_text(&schema));
    json_key(&json, "partitionColumns");
    json_out_array(&json);
    json_out_array_end(&json);
    json_key(&json, "configuration");
    json_out_object(&json);
    json_out_object_end(&json);
    json_key_int(&json, "createdTime", ledger_now_ms());
    json_out_object_end(&json);
    json_out_object_end(&json);
    (void)buf_add_byte(line, '\n');
    buf_done(&schema);
}

static bool has_type(const struct delta_column *columns, size_t count, const char *type)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(columns[i].type, type) == 0)
            return true;
    }
    return false;
}

static bool has_not_null(const struct delta_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (columns[i].not_null)
            return true;
    }
    return false;
}

/* Names that differ in case only are the same name to Spark. */
static bool check_columns(const struct delta_column *columns, size_t count, struct err *err)
{
    if (count > DELTA_COLUMNS_MAX)
        return err_set(
            err, ERR_INPUT, 0, "a table of %zu columns: at most %u", count, DELTA_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (columns[i].name[0] == '\0' || strpbrk(columns[i].name, " ,;{}()\n\t="))
            return err_set(err, ERR_INPUT, 0,
                "[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES] Found invalid character(s) among ' "
                ",;{}()\\n\\t=' in the column name '%.60s'",
                columns[i].name);
        for (size_t j = 0; j < i; j++) {
            if (strcasecmp(columns[i].name, columns[j].name) == 0)
                return err_set(err, ERR_INPUT, 0,
                    "[COLUMN_ALREADY_EXISTS] The column `%.60s` already exists.", columns[i].name);
        }
    }
    return true;
}

bool delta_create(int at, const char *path, const struct delta_column *columns, size_t column_count,
    struct err *err)
{
    struct json_out json;
    struct buf text;
    int dirfd = -1, logfd = -1;
    bool ok = false;

    if (!check_columns(columns, column_count, err))
        return false;
    buf_init(&text, DELTA_COMMIT_BYTES_MAX);
    delta_info_start(&json, &text, "CREATE TABLE");
    json_key_bool(&json, "isBlindAppend", true);
    delta_info_end(&json, &text);
    print_protocol(&text, has_type(columns, column_count, "timestamp_ntz"),
        has_not_null(columns, column_count));
    print_metadata(&text, columns, column_count);
    if (!buf_check(&text, "a new Delta table", err) || !file_dir_make(at, path, true, err) ||
        !file_dir_open(at, path, &dirfd, err) || !file_dir_make(dirfd, DELTA_LOG, false, err) ||
        !file_dir_open(dirfd, DELTA_LOG, &logfd, err) || !file_sync(dirfd, err))
        goto out;
    ok = delta_publish(logfd, 0, &text, err);
    if (!ok && err->kind == ERR_RETRY)
        err_set(err, ERR_INPUT, EEXIST, "[DELTA_TABLE_ALREADY_EXISTS] there is a table at '%.150s'",
            path);
out:
    file_drop(logfd);
    file_drop(dirfd);
    buf_done(&text);
    return ok;
}
