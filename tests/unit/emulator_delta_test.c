/* Delta tables: what the log says, what a commit promises, what does not fit. */
#include "../delta_kit.h"

#include <errno.h>

static int start(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    kit_start(kit);
    *state = kit;
    return 0;
}

static int end(void **state)
{
    kit_end(*state);
    free(*state);
    return 0;
}

static void add_files(const struct kit *kit, const char *const *names, size_t count)
{
    struct err err = {0};
    struct delta *table = delta_open(kit->dirfd, KIT_TABLE, &err);
    struct delta_commit *commit = table ? delta_begin(table, &err) : NULL;

    if (!commit)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        char path[256];

        (void)snprintf(path, sizeof(path), KIT_DATA "/%s", names[i]);
        if (!delta_add(commit, kit->dirfd, path + 1, path, &err))
            fail_msg("%s", err.text);
    }
    if (!delta_finish(commit, "WRITE", NULL, &err))
        fail_msg("%s", err.text);
    delta_close(table);
}

static json_t *stats_of(const json_t *add)
{
    json_t *stats = json_loads(json_member(add, "stats"), JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(stats);
    return stats;
}

static bool lists(const json_t *protocol, const char *key, const char *feature)
{
    const json_t *names = json_object_get(protocol, key), *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (strcmp(json_string_value(name), feature) == 0)
            return true;
    }
    return false;
}

static void a_new_table_has_protocol_and_schema(void **state)
{
    const struct kit *kit = *state;
    json_t *protocol, *metadata, *schema, *info, *field;
    struct err err = {0};

    kit_table(kit);
    protocol = kit_action(kit, 0, "protocol", 0);
    assert_int_equal(json_member_int(protocol, "minReaderVersion"), 3);
    assert_int_equal(json_member_int(protocol, "minWriterVersion"), 7);
    assert_true(lists(protocol, "readerFeatures", "timestampNtz"));
    assert_true(lists(protocol, "writerFeatures", "timestampNtz"));
    metadata = kit_action(kit, 0, "metaData", 0);
    assert_int_equal(strlen(json_member(metadata, "id")), 36);
    assert_true(json_member_int(metadata, "createdTime") > INT64_C(1600000000000));
    assert_string_equal(json_member(json_object_get(metadata, "format"), "provider"), "parquet");
    schema = json_loads(json_member(metadata, "schemaString"), 0, NULL);
    assert_string_equal(json_member(schema, "type"), "struct");
    assert_int_equal(json_array_size(json_object_get(schema, "fields")), 4);
    field = json_array_get(json_object_get(schema, "fields"), 0);
    assert_string_equal(json_member(field, "name"), "timestamp");
    assert_string_equal(json_member(field, "type"), "timestamp_ntz");
    assert_true(json_is_true(json_object_get(field, "nullable")));
    info = kit_action(kit, 0, "commitInfo", 0);
    assert_string_equal(json_member(info, "operation"), "CREATE TABLE");
    json_decref(protocol);
    json_decref(metadata);
    json_decref(schema);
    json_decref(info);
    assert_int_equal(kit_version(kit), 0);
    assert_int_equal(kit_rows(kit), 0);

    /* It is there: nobody gets a second one. */
    assert_false(delta_create(kit->dirfd, KIT_TABLE, NULL, 0, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(err.code, EEXIST);
}

static void a_table_without_local_times_is_an_old_one(void **state)
{
    static const struct delta_column columns[] = {
        {.name = "id", .type = "long", .not_null = true, .comment = "it's \"it\""}};
    const struct kit *kit = *state;
    struct err err = {0};
    struct delta *table;
    json_t *protocol;

    assert_true(delta_create(kit->dirfd, KIT_TABLE, columns, 1, &err));
    protocol = kit_action(kit, 0, "protocol", 0);
    assert_int_equal(json_member_int(protocol, "minReaderVersion"), 1);
    assert_int_equal(json_member_int(protocol, "minWriterVersion"), 2);
    assert_null(json_object_get(protocol, "readerFeatures"));
    json_decref(protocol);
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_non_null(table);
    assert_int_equal(delta_column_count(table), 1);
    assert_true(delta_column(table, 0)->not_null);
    assert_string_equal(delta_column(table, 0)->comment, "it's \"it\"");
    delta_close(table);
}

static void types_are_those_of_delta(void **state)
{
    static const struct {
        const char *sql, *want;
    } rows[] = {{"TIMESTAMP_NTZ", "timestamp_ntz"}, {"BIGINT", "long"}, {"INT", "integer"},
        {"DECIMAL(18,2)", "decimal(18,2)"}, {"DECIMAL(38,38)", "decimal(38,38)"},
        {"DECIMAL(39,2)", NULL}, {"DECIMAL(5,6)", NULL}, {"DECIMAL(5,2) ", NULL}, {"VARIANT", NULL},
        {"", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64] = "";

        assert_int_equal(delta_type(rows[i].sql, out, sizeof(out)), rows[i].want != NULL);
        if (rows[i].want)
            assert_string_equal(out, rows[i].want);
    }
}

static void names_of_columns_are_checked(void **state)
{
    static const struct delta_column blank[] = {{.name = "a b", .type = "string"}};
    static const struct delta_column twice[] = {
        {.name = "a", .type = "string"}, {.name = "A", .type = "string"}};
    const struct kit *kit = *state;
    struct err err = {0};

    assert_false(delta_create(kit->dirfd, KIT_TABLE, blank, 1, &err));
    assert_non_null(strstr(err.text, "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"));
    assert_false(delta_create(kit->dirfd, KIT_TABLE, twice, 2, &err));
    assert_non_null(strstr(err.text, "COLUMN_ALREADY_EXISTS"));
    assert_null(delta_open(kit->dirfd, KIT_TABLE, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_commit_adds_its_files_with_statistics(void **state)
{
    static const char *const names[] = {"a.parquet", "b.parquet"};
    const struct kit *kit = *state;
    json_t *add, *stats, *low, *high;
    struct file_info info;
    struct err err = {0};
    bool exists = false;
    char path[256];

    kit_table(kit);
    kit_write_rows(kit, KIT_DATA "/a.parquet", 100, INT64_C(1768995296789012));
    kit_write_rows(kit, KIT_DATA "/b.parquet", 7, -1);
    add_files(kit, names, 2);
    assert_int_equal(kit_version(kit), 1);
    assert_int_equal(kit_rows(kit), 107);

    add = kit_action(kit, 1, "add", 0);
    assert_true(json_is_true(json_object_get(add, "dataChange")));
    assert_int_equal(json_object_size(json_object_get(add, "partitionValues")), 0);
    assert_string_equal(json_member(json_object_get(add, "tags"), "source"), KIT_DATA "/a.parquet");
    (void)snprintf(path, sizeof(path), KIT_TABLE "/%s", json_member(add, "path"));
    assert_true(file_stat(kit->dirfd, path, &exists, &info, &err) && exists);
    assert_int_equal(json_member_int(add, "size"), info.bytes);
    stats = stats_of(add);
    low = json_object_get(stats, "minValues");
    high = json_object_get(stats, "maxValues");
    assert_int_equal(json_member_int(stats, "numRecords"), 100);
    /* Down, and up: 1768995296.789012 s and 99 times 1.5 ms later. */
    assert_string_equal(json_member(low, "timestamp"), "2026-01-21T11:34:56.789");
    assert_string_equal(json_member(high, "timestamp"), "2026-01-21T11:34:56.938");
    assert_string_equal(json_member(low, "asset"), "pump-1");
    assert_string_equal(json_member(high, "datastream"), "speed");
    assert_true(json_real_value(json_object_get(high, "payload")) == 99.0 / 8);
    assert_int_equal(json_member_int(json_object_get(stats, "nullCount"), "payload"), 0);
    json_decref(stats);
    json_decref(add);

    /* Before 1970 down is still down. */
    add = kit_action(kit, 1, "add", 1);
    stats = stats_of(add);
    assert_string_equal(
        json_member(json_object_get(stats, "minValues"), "timestamp"), "1969-12-31T23:59:59.999");
    assert_string_equal(
        json_member(json_object_get(stats, "maxValues"), "timestamp"), "1970-01-01T00:00:00.009");
    json_decref(stats);
    json_decref(add);
}

struct odd_row {
    int64_t time;
    double value;
    bool null;
};

static json_t *stats_of_rows(const struct kit *kit, const struct odd_row *rows, size_t count)
{
    static const char *const names[] = {"odd.parquet"};
    static const struct span assets[] = {{"\xc3\xa4", 2}}, streams[] = {{"\"x\\", 3}};
    int64_t times[8];
    double values[8];
    uint32_t zeros[8] = {0};
    uint8_t nulls[8];
    struct parquet_columns c = {.rows = count,
        .timestamp_us = times,
        .asset = zeros,
        .datastream = zeros,
        .payload = values,
        .payload_null = nulls,
        .assets = assets,
        .datastreams = streams,
        .asset_count = 1,
        .datastream_count = 1};
    json_t *add, *stats;

    for (size_t i = 0; i < count; i++) {
        times[i] = rows[i].time;
        values[i] = rows[i].value;
        nulls[i] = rows[i].null;
    }
    kit_table(kit);
    kit_write(kit, KIT_DATA "/odd.parquet", &c, PARQUET_NONE);
    add_files(kit, names, 1);
    add = kit_action(kit, 1, "add", 0);
    stats = stats_of(add);
    json_decref(add);
    return stats;
}

static void a_nan_leaves_no_bounds(void **state)
{
    const struct odd_row rows[] = {{1, (double)NAN, false}, {2, 1, false}};
    json_t *stats = stats_of_rows(*state, rows, 2);

    assert_null(json_object_get(json_object_get(stats, "minValues"), "payload"));
    assert_null(json_object_get(json_object_get(stats, "maxValues"), "payload"));
    assert_int_equal(json_member_int(json_object_get(stats, "nullCount"), "payload"), 0);
    assert_string_equal(json_member(json_object_get(stats, "minValues"), "asset"), "\xc3\xa4");
    assert_string_equal(json_member(json_object_get(stats, "maxValues"), "datastream"), "\"x\\");
    json_decref(stats);
}

static void infinities_leave_no_bounds(void **state)
{
    const struct odd_row rows[] = {{1, -(double)INFINITY, false}, {2, 1, false}};
    json_t *stats = stats_of_rows(*state, rows, 2);

    assert_null(json_object_get(json_object_get(stats, "minValues"), "payload"));
    assert_null(json_object_get(json_object_get(stats, "maxValues"), "payload"));
    json_decref(stats);
}

static void nulls_are_counted_and_zero_keeps_its_sign(void **state)
{
    const struct odd_row rows[] = {{1, 0, true}, {2, 0, false}, {3, 0, true}};
    json_t *stats = stats_of_rows(*state, rows, 3);
    double low = json_real_value(json_object_get(json_object_get(stats, "minValues"), "payload"));

    assert_int_equal(json_member_int(json_object_get(stats, "nullCount"), "payload"), 2);
    assert_true(low == 0 && signbit(low)); /* -0.0 is below +0.0 for who compares bits */
    json_decref(stats);
}

static void years_that_have_no_text_leave_no_bounds(void **state)
{
    const struct odd_row rows[] = {{INT64_C(-63000000000000000), 1, false}, {2, 1, false}};
    json_t *stats = stats_of_rows(*state, rows, 2);

    assert_null(json_object_get(json_object_get(stats, "minValues"), "timestamp"));
    assert_null(json_object_get(json_object_get(stats, "maxValues"), "timestamp"));
    assert_true(json_is_real(json_object_get(json_object_get(stats, "minValues"), "payload")));
    json_decref(stats);
}

/* --- promises --- */

static size_t data_files(const struct kit *kit)
{
    struct file_list list = {0};
    struct err err = {0};
    size_t count;
    int fd = -1;

    assert_true(file_dir_open(kit->dirfd, KIT_TABLE, &fd, &err));
    assert_true(file_list(fd, &list, &err));
    count = list.count - 1; /* _delta_log */
    file_list_done(&list);
    file_drop(fd);
    return count;
}

static void nothing_is_there_before_the_commit(void **state)
{
    const struct kit *kit = *state;
    struct err err = {0};
    struct delta_commit *commit;
    struct delta *table;

    kit_table(kit);
    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    commit = delta_begin(table, &err);
    assert_true(delta_add(commit, kit->dirfd, KIT_BELOW "/a.parquet", "a", &err));
    assert_int_equal(delta_commit_rows(commit), 10);
    assert_int_equal(kit_rows(kit), 0);
    delta_abort(commit);
    delta_close(table);
    assert_int_equal(kit_rows(kit), 0);
    assert_int_equal(data_files(kit), 0);
}

static void of_two_commits_one_wins(void **state)
{
    const struct kit *kit = *state;
    struct delta *one, *two;
    struct delta_commit *first, *second;
    struct err err = {0};

    kit_table(kit);
    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    one = delta_open(kit->dirfd, KIT_TABLE, &err);
    two = delta_open(kit->dirfd, KIT_TABLE, &err);
    first = delta_begin(one, &err);
    second = delta_begin(two, &err);
    assert_true(delta_add(first, kit->dirfd, KIT_BELOW "/a.parquet", "a", &err));
    assert_true(delta_add(second, kit->dirfd, KIT_BELOW "/a.parquet", "a", &err));
    assert_true(delta_finish(second, "WRITE", NULL, &err));
    assert_false(delta_finish(first, "WRITE", NULL, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    delta_close(one);
    delta_close(two);
    assert_int_equal(kit_rows(kit), 10);
    assert_int_equal(data_files(kit), 1);
}

static void what_was_loaded_is_known_even_when_it_is_removed(void **state)
{
    static const char *const names[] = {"a.parquet"};
    static const char log[] = KIT_TABLE "/_delta_log";
    const struct kit *kit = *state;
    struct err err = {0};
    struct delta *table;
    char line[512];
    json_t *add;
    int fd = -1;

    kit_table(kit);
    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    add_files(kit, names, 1);
    add = kit_action(kit, 1, "add", 0);
    /* As another engine would rewrite the table. */
    (void)snprintf(line, sizeof(line),
        "{\"remove\":{\"path\":\"%s\",\"dataChange\":true}}\n{\"txn\":{\"appId\":\"x\",\"version\":"
        "41}}\n",
        json_member(add, "path"));
    json_decref(add);
    assert_true(file_dir_open(kit->dirfd, log, &fd, &err));
    assert_true(file_write_whole(fd, "00000000000000000002.json", line, strlen(line), &err));
    file_drop(fd);
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_non_null(table);
    assert_int_equal(delta_version(table), 2);
    assert_int_equal(delta_file_count(table), 0);
    assert_true(delta_loaded(table, KIT_DATA "/a.parquet"));
    assert_false(delta_loaded(table, KIT_DATA "/b.parquet"));
    assert_int_equal(delta_txn(table, "x"), 41);
    assert_int_equal(delta_txn(table, "y"), -1);
    delta_close(table);
}

/* A landed file that is moved away or written anew stays in the table. */
static void the_table_keeps_its_rows(void **state)
{
    static const char *const names[] = {"a.parquet"};
    const struct kit *kit = *state;
    struct err err = {0};
    struct file_info info;
    bool exists = false;
    char path[256];
    json_t *add;

    kit_table(kit);
    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    add_files(kit, names, 1);
    assert_true(file_unlink(kit->dirfd, KIT_BELOW "/a.parquet", &err));
    add = kit_action(kit, 1, "add", 0);
    (void)snprintf(path, sizeof(path), KIT_TABLE "/%s", json_member(add, "path"));
    assert_true(file_stat(kit->dirfd, path, &exists, &info, &err) && exists);
    assert_int_equal(json_member_int(add, "size"), info.bytes);
    json_decref(add);
}

static void the_rest_of_a_crash_is_cleaned(void **state)
{
    const struct kit *kit = *state;
    struct file_info info;
    struct err err = {0};
    bool exists = true;
    struct delta *table;
    int fd = -1;

    kit_table(kit);
    assert_true(file_dir_open(kit->dirfd, KIT_TABLE "/_delta_log", &fd, &err));
    assert_true(file_write_whole(fd, ".commit-half", "{\"add\":", 7, &err));
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_non_null(table);
    delta_abort(delta_begin(table, &err));
    delta_close(table);
    assert_true(file_stat(fd, ".commit-half", &exists, &info, &err));
    assert_false(exists);
    file_drop(fd);
}

/* --- what does not fit --- */

static void refuse(const struct kit *kit, const char *name, const char *why)
{
    struct err err = {0};
    struct delta *table = delta_open(kit->dirfd, KIT_TABLE, &err);
    struct delta_commit *commit = delta_begin(table, &err);

    assert_non_null(commit);
    assert_false(delta_add(commit, kit->dirfd, name + 1, name, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
    delta_abort(commit);
    delta_close(table);
    assert_int_equal(data_files(kit), 0);
}

static void a_damaged_file_is_refused(void **state)
{
    static const char junk[] = "PAR1 is how it begins, and that is all PAR1";
    const struct kit *kit = *state;
    struct err err = {0};
    struct buf bytes;
    int fd = -1;

    kit_table(kit);
    assert_true(file_dir_open(kit->dirfd, KIT_BELOW, &fd, &err));
    assert_true(file_write_whole(fd, "junk.parquet", junk, sizeof(junk) - 1, &err));
    refuse(kit, KIT_DATA "/junk.parquet", "");
    assert_true(file_write_whole(fd, "empty.parquet", "", 0, &err));
    refuse(kit, KIT_DATA "/empty.parquet", "too short");
    /* The footer is whole and a page is not. */
    kit_write_rows(kit, KIT_DATA "/bit.parquet", 1000, 0);
    buf_init(&bytes, 1 << 20);
    assert_true(file_read_whole(fd, "bit.parquet", &bytes, &err));
    bytes.data[100] = (char)(bytes.data[100] ^ 1);
    assert_true(file_write_whole(fd, "bit.parquet", bytes.data, bytes.len, &err));
    refuse(kit, KIT_DATA "/bit.parquet", "");
    buf_done(&bytes);
    file_drop(fd);
}

static void columns_that_differ_are_refused(void **state)
{
    static const struct {
        struct delta_column columns[5];
        size_t count;
        const char *why;
    } rows[] = {
        {{{.name = "asset", .type = "string"}}, 1, "no column 'timestamp'"},
        {{{.name = "timestamp", .type = "timestamp"}}, 1, "Failed to merge fields"},
        {{{.name = "Timestamp", .type = "timestamp_ntz"}}, 1, "spelled 'Timestamp'"},
        {{{.name = "timestamp", .type = "timestamp_ntz"}, {.name = "asset", .type = "string"},
             {.name = "datastream", .type = "string"}, {.name = "payload", .type = "double"},
             {.name = "plant", .type = "string", .not_null = true}},
            5, "NOT NULL constraint violated for column: plant"},
    };
    const struct kit *kit = *state;
    struct err err = {0};
    char path[64];

    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct delta_commit *commit;
        struct delta *table;

        (void)snprintf(path, sizeof(path), "tables/main/raw/t%zu", i);
        assert_true(delta_create(kit->dirfd, path, rows[i].columns, rows[i].count, &err));
        table = delta_open(kit->dirfd, path, &err);
        assert_non_null(table);
        commit = delta_begin(table, &err);
        assert_false(delta_add(commit, kit->dirfd, KIT_BELOW "/a.parquet", "a", &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].why))
            fail_msg("'%s' does not say '%s'", err.text, rows[i].why);
        delta_abort(commit);
        delta_close(table);
    }
}

static void features_we_lack_are_refused(void **state)
{
    static const char line[] =
        "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":"
        "[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n";
    const struct kit *kit = *state;
    struct err err = {0};
    int fd = -1;

    kit_table(kit);
    assert_true(file_dir_open(kit->dirfd, KIT_TABLE "/_delta_log", &fd, &err));
    assert_true(file_write_whole(fd, "00000000000000000001.json", line, strlen(line), &err));
    file_drop(fd);
    assert_null(delta_open(kit->dirfd, KIT_TABLE, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.text, "deletionVectors"));
}

/* --- properties and columns that come later --- */

static void a_table_without_columns_takes_those_of_its_files(void **state)
{
    const struct kit *kit = *state;
    struct err err = {0};
    struct delta_commit *commit;
    struct delta *table;

    kit_write_rows(kit, KIT_DATA "/a.parquet", 10, 0);
    assert_true(delta_create(kit->dirfd, KIT_TABLE, NULL, 0, &err));
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_false(delta_feature(table, "timestampNtz"));
    commit = delta_begin(table, &err);
    assert_true(delta_merge_columns(commit, &err));
    assert_true(delta_add(commit, kit->dirfd, KIT_BELOW "/a.parquet", "a", &err));
    assert_true(delta_finish(commit, "COPY INTO", NULL, &err));
    delta_close(table);
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_int_equal(delta_column_count(table), 4);
    assert_string_equal(delta_column(table, 0)->type, "timestamp_ntz");
    assert_true(delta_feature(table, "timestampNtz"));
    assert_int_equal(delta_rows(table), 10);
    delta_close(table);
}

static void an_older_table_is_asked_for_the_feature(void **state)
{
    static const struct delta_column columns[] = {{.name = "asset", .type = "string"}};
    const struct kit *kit = *state;
    struct delta_commit *commit;
    struct delta *table;
    struct err err = {0};
    json_t *metadata;

    assert_true(delta_create(kit->dirfd, KIT_TABLE, columns, 1, &err));
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    commit = delta_begin(table, &err);
    assert_false(delta_merge_columns(commit, &err));
    assert_non_null(strstr(err.text, "DELTA_FEATURES_REQUIRE_MANUAL_ENABLEMENT"));
    delta_abort(commit);

    commit = delta_begin(table, &err);
    assert_true(delta_set_property(commit, "delta.feature.timestampntz", "supported", &err));
    assert_true(delta_set_property(commit, "owner", "it's me", &err));
    assert_false(delta_set_property(commit, "delta.feature.rowTracking", "supported", &err));
    assert_true(delta_finish(commit, "SET TBLPROPERTIES", NULL, &err));
    delta_close(table);
    metadata = kit_action(kit, 1, "metaData", 0);
    assert_string_equal(
        json_member(json_object_get(metadata, "configuration"), "owner"), "it's me");
    json_decref(metadata);

    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    commit = delta_begin(table, &err);
    assert_true(delta_merge_columns(commit, &err));
    assert_true(delta_finish(commit, "COPY INTO", NULL, &err));
    delta_close(table);
    table = delta_open(kit->dirfd, KIT_TABLE, &err);
    assert_int_equal(delta_column_count(table), 4);
    delta_close(table);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_table_has_protocol_and_schema),
        TEST(a_table_without_local_times_is_an_old_one),
        TEST(types_are_those_of_delta),
        TEST(names_of_columns_are_checked),
        TEST(a_commit_adds_its_files_with_statistics),
        TEST(a_nan_leaves_no_bounds),
        TEST(infinities_leave_no_bounds),
        TEST(nulls_are_counted_and_zero_keeps_its_sign),
        TEST(years_that_have_no_text_leave_no_bounds),
        TEST(nothing_is_there_before_the_commit),
        TEST(of_two_commits_one_wins),
        TEST(what_was_loaded_is_known_even_when_it_is_removed),
        TEST(the_table_keeps_its_rows),
        TEST(the_rest_of_a_crash_is_cleaned),
        TEST(a_damaged_file_is_refused),
        TEST(columns_that_differ_are_refused),
        TEST(features_we_lack_are_refused),
        TEST(a_table_without_columns_takes_those_of_its_files),
        TEST(an_older_table_is_asked_for_the_feature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
