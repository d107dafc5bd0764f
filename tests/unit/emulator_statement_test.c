/* The SQL Statement Execution API: databricks-api.md 6.4. */
#include "emulator_api.h"

#define S "/api/2.0/sql/statements"
#define TABLE                                                                                      \
    "CREATE TABLE IF NOT EXISTS main.raw.events (timestamp TIMESTAMP_NTZ, asset STRING, "          \
    "datastream STRING, payload DOUBLE) USING DELTA"

static int setup(void **state)
{
    *state = fixture_start(with_worker);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

static json_t *sql_more(
    const struct fixture *f, const char *bearer, const char *sql, const char *more)
{
    json_t *body = json_pack("{s:s, s:s}", "warehouse_id", "8ec9edc1db0c40df", "statement", sql);
    char *text = json_dumps(body, 0);
    char full[4096];
    json_t *answer;

    (void)snprintf(full, sizeof(full), "%.*s%s}", (int)strlen(text) - 1, text, more);
    answer = call_as(f, bearer, "POST", S, full, 200);
    free(text);
    json_decref(body);
    return answer;
}

static const char *state_of(const json_t *answer)
{
    return json_member(json_object_get(answer, "status"), "state");
}

/* Must succeed; the rows. */
static json_t *sql_ok(const struct fixture *f, const char *bearer, const char *sql)
{
    json_t *answer = sql_more(f, bearer, sql, ""), *rows;

    if (strcmp(state_of(answer), "SUCCEEDED") != 0)
        fail_msg("%s: %s", sql,
            json_member(json_object_get(json_object_get(answer, "status"), "error"), "message"));
    rows = json_incref(json_object_get(json_object_get(answer, "result"), "data_array"));
    json_decref(answer);
    return rows;
}

static void sql_do(const struct fixture *f, const char *sql)
{
    json_decref(sql_ok(f, BEARER, sql));
}

/* Must end FAILED with HTTP 200, with this in the message and that state. */
static void sql_fails(const struct fixture *f, const char *bearer, const char *sql,
    const char *part, const char *sql_state)
{
    json_t *answer = sql_more(f, bearer, sql, ""), *status = json_object_get(answer, "status");
    const char *message = json_member(json_object_get(status, "error"), "message");

    assert_string_equal(json_member(status, "state"), "FAILED");
    if (!strstr(message, part))
        fail_msg("%s: '%s' is not in: %s", sql, part, message);
    assert_string_equal(json_member(status, "sql_state"), sql_state);
    json_decref(answer);
}

static void a_table_is_made_described_counted_and_dropped(void **state)
{
    struct fixture *f = *state;
    json_t *rows, *a, *column;

    sql_do(f, TABLE);
    sql_do(f, TABLE);
    sql_fails(f, BEARER, "CREATE TABLE main.raw.events (x INT)", "[TABLE_OR_VIEW_ALREADY_EXISTS]",
        "42P07");
    a = call(f, "GET", "/api/2.1/unity-catalog/tables/main.raw.events", NULL, 200);
    assert_string_equal(json_member(a, "data_source_format"), "DELTA");
    assert_int_equal(json_array_size(json_object_get(a, "columns")), 4);
    column = json_array_get(json_object_get(a, "columns"), 0);
    assert_string_equal(json_member(column, "name"), "timestamp");
    assert_string_equal(json_member(column, "type_name"), "TIMESTAMP_NTZ");
    assert_string_equal(json_member(column, "type_text"), "timestamp_ntz");
    json_decref(a);
    rows = sql_ok(f, BEARER, "DESCRIBE TABLE main.raw.events");
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(json_string_value(json_array_get(json_array_get(rows, 3), 1)), "double");
    json_decref(rows);
    rows = sql_ok(f, BEARER, "SELECT count(*) FROM main.raw.events");
    assert_string_equal(json_string_value(json_array_get(json_array_get(rows, 0), 0)), "0");
    json_decref(rows);
    assert_null(sql_ok(f, BEARER, "SELECT * FROM main.raw.events LIMIT 5"));
    sql_do(f, "ALTER TABLE main.raw.events SET TBLPROPERTIES ('a' = 'b')");
    a = call(f, "GET", "/api/2.1/unity-catalog/tables/main.raw.events/exists", NULL, 200);
    assert_true(json_is_true(json_object_get(a, "table_exists")));
    json_decref(a);
    restart(f, with_worker);
    sql_do(f, "DROP TABLE main.raw.events");
    sql_do(f, "DROP TABLE IF EXISTS main.raw.events");
    a = call(f, "GET", "/api/2.1/unity-catalog/tables/main.raw.events/exists", NULL, 200);
    assert_true(json_is_false(json_object_get(a, "table_exists")));
    json_decref(a);
    expect_error(f, "GET", "/api/2.1/unity-catalog/tables/main.raw.events", NULL, 404,
        "TABLE_DOES_NOT_EXIST", "does not exist");
    sql_fails(
        f, BEARER, "SELECT count(*) FROM main.raw.events", "[TABLE_OR_VIEW_NOT_FOUND]", "42P01");
}

static void short_names_take_catalog_and_schema(void **state)
{
    struct fixture *f = *state;
    json_t *a = sql_more(
        f, BEARER, "CREATE TABLE `we``ird` (x INT)", ",\"catalog\":\"main\",\"schema\":\"raw\"");

    assert_string_equal(state_of(a), "SUCCEEDED");
    json_decref(a);
    do_call(f, "GET", "/api/2.1/unity-catalog/tables/main.raw.we%60ird", NULL, 200);
    sql_do(f, "CREATE SCHEMA IF NOT EXISTS main.second");
    sql_do(f, "CREATE SCHEMA IF NOT EXISTS main.second");
    sql_do(f, "CREATE VOLUME main.second.v COMMENT 'hello'");
    a = call(f, "GET", "/api/2.1/unity-catalog/volumes/main.second.v", NULL, 200);
    assert_string_equal(json_member(a, "comment"), "hello");
    json_decref(a);
    sql_fails(f, BEARER, "CREATE TABLE main.third.t (x INT)", "[SCHEMA_NOT_FOUND]", "42704");
    sql_fails(
        f, BEARER, "CREATE TABLE nocat.third.t (x INT)", "[NO_SUCH_CATALOG_EXCEPTION]", "42704");
}

static void failures_come_with_http_200(void **state)
{
    struct fixture *f = *state;

    sql_fails(
        f, BEARER, "CREATE TABL x", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'TABL'", "42601");
    sql_fails(f, BEARER, "SELECT 1; SELECT 1", "at or near 'SELECT'", "42601");
    expect_error(f, "POST", S, "{\"statement\":\"SELECT 1\",\"warehouse_id\":\"no\"}", 400,
        "INVALID_PARAMETER_VALUE", "not a valid endpoint id");
    expect_error(f, "POST", S, "{\"warehouse_id\":\"8ec9edc1db0c40df\"}", 400,
        "INVALID_PARAMETER_VALUE", "statement");
    expect_error(f, "POST", S,
        "{\"statement\":\"SELECT 1\",\"warehouse_id\":\"8ec9edc1db0c40df\","
        "\"wait_timeout\":\"3s\"}",
        400, "INVALID_PARAMETER_VALUE", "wait_timeout");
}

static void grants_work_in_sql_and_bind(void **state)
{
    struct fixture *f = *state;
    json_t *rows;

    sql_do(f, TABLE);
    sql_fails(f, WORKER_BEARER, "SELECT count(*) FROM main.raw.events",
        "User does not have USE CATALOG on Catalog 'main'.", "42501");
    sql_do(f, "GRANT USE CATALOG ON CATALOG main TO `" WORKER "`");
    sql_do(f, "GRANT USE SCHEMA ON SCHEMA main.raw TO `" WORKER "`");
    sql_fails(f, WORKER_BEARER, "SELECT count(*) FROM main.raw.events",
        "User does not have SELECT on Table 'main.raw.events'.", "42501");
    sql_do(f, "GRANT SELECT, MODIFY ON TABLE main.raw.events TO `" WORKER "`");
    json_decref(sql_ok(f, WORKER_BEARER, "SELECT count(*) FROM main.raw.events"));
    sql_fails(f, WORKER_BEARER,
        "COPY INTO main.raw.events FROM '/Volumes/main/raw/land/data/' FILEFORMAT = PARQUET",
        "User does not have READ VOLUME on Volume 'main.raw.land'.", "42501");
    sql_fails(f, WORKER_BEARER, "GRANT SELECT ON TABLE main.raw.events TO `" WORKER "`",
        "MANAGE on Table", "42501");
    rows = sql_ok(f, WORKER_BEARER, "SHOW GRANTS `" WORKER "` ON TABLE main.raw.events");
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(
        json_string_value(json_array_get(json_array_get(rows, 3), 1)), "USE CATALOG");
    json_decref(rows);
    sql_do(f, "REVOKE SELECT ON TABLE main.raw.events FROM `" WORKER "`");
    sql_fails(f, WORKER_BEARER, "SELECT count(*) FROM main.raw.events", "SELECT on Table", "42501");
    sql_fails(f, BEARER, "GRANT SELECT ON TABLE main.raw.events TO `nobody`",
        "Could not find principal with name nobody", "42704");
    sql_fails(f, BEARER, "GRANT WRITE VOLUME ON TABLE main.raw.events TO `" WORKER "`",
        "not applicable", "22023");
}

static void copy_into_of_nothing_loads_nothing(void **state)
{
    struct fixture *f = *state;
    json_t *rows;

    sql_do(f, TABLE);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES VOLUME "/data", BEARER, NULL), 204);
    rows = sql_ok(f, BEARER,
        "COPY INTO main.raw.events FROM (SELECT CAST(timestamp AS TIMESTAMP_NTZ) AS timestamp, "
        "asset, datastream, payload FROM '/Volumes/main/raw/land/data/') FILEFORMAT = PARQUET");
    assert_string_equal(json_string_value(json_array_get(json_array_get(rows, 0), 0)), "0");
    json_decref(rows);
    sql_fails(f, BEARER, "COPY INTO main.raw.events FROM '/tmp/x' FILEFORMAT = PARQUET",
        "not a path in a volume", "42K03");
}

static void poll(const struct fixture *f, const char *id, const char *want)
{
    char target[128];
    json_t *a;

    (void)snprintf(target, sizeof(target), S "/%s", id);
    a = call(f, "GET", target, NULL, 200);
    assert_string_equal(state_of(a), want);
    json_decref(a);
}

static void slow_statements_are_polled_or_cancelled(void **state)
{
    struct fixture *f = *state;
    char target[128], id[64];
    json_t *a = sql_more(f, BEARER, "SELECT 1", ",\"wait_timeout\":\"0s\"");

    assert_string_equal(state_of(a), "PENDING");
    (void)str_copy(id, sizeof(id), json_member(a, "statement_id"));
    poll(f, id, "SUCCEEDED");
    json_decref(a);
    (void)snprintf(target, sizeof(target), S "/%s/result/chunks/0", id);
    a = call(f, "GET", target, NULL, 200);
    assert_int_equal(json_member_int(a, "row_count"), 1);
    json_decref(a);
    (void)snprintf(target, sizeof(target), S "/%s", id);
    json_decref(call_as(f, WORKER_BEARER, "GET", target, NULL, 404));

    assert_int_equal(ask_status(f, "POST", "/emulator/faults", "",
                         "POST */sql/statements slow=600s count=1\n"
                         "POST */sql/statements fail message=\"[X] y SQLSTATE: 12345\" count=1"),
        200);
    a = sql_more(f, BEARER, "SELECT 1", ",\"wait_timeout\":\"0s\"");
    (void)str_copy(id, sizeof(id), json_member(a, "statement_id"));
    json_decref(a);
    poll(f, id, "RUNNING");
    (void)snprintf(target, sizeof(target), S "/%s/cancel", id);
    do_call(f, "POST", target, "", 200);
    poll(f, id, "CANCELED");
    sql_fails(f, BEARER, "SELECT 1", "[X] y", "12345");
    do_call(f, "GET", S "/none", NULL, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_table_is_made_described_counted_and_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(short_names_take_catalog_and_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_come_with_http_200, setup, teardown),
        cmocka_unit_test_setup_teardown(grants_work_in_sql_and_bind, setup, teardown),
        cmocka_unit_test_setup_teardown(copy_into_of_nothing_loads_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_statements_are_polled_or_cancelled, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
