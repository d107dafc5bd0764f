/* The parser of statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emulator/stmt.h"

static void good(const char *sql, struct stmt *ret)
{
    struct err err = {0};

    if (!stmt_parse(span_of(sql), ret, &err))
        fail_msg("%s: %s", sql, err.text);
}

static void create_table_has_its_columns(void **state)
{
    struct stmt s;

    (void)state;
    good(
        "create Table IF not EXISTS Main.`Raw Data`.`we``ird` (timestamp TIMESTAMP_NTZ, `as set` "
        "string NOT NULL COMMENT 'it\\'s', p decimal(18, 2), v VARCHAR(5)) USING DELTA\n"
        "COMMENT \"x\" TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported', a.b = 1); -- end",
        &s);
    assert_int_equal(s.kind, STMT_CREATE_TABLE);
    assert_true(s.if_not_exists);
    assert_string_equal(s.name.part[0], "main");
    assert_string_equal(s.name.part[1], "raw data");
    assert_string_equal(s.name.part[2], "we`ird");
    assert_int_equal(s.column_count, 4);
    assert_string_equal(s.columns[0].type, "TIMESTAMP_NTZ");
    assert_string_equal(s.columns[1].name, "as set");
    assert_true(s.columns[1].not_null);
    assert_string_equal(s.columns[1].comment, "it's");
    assert_string_equal(s.columns[2].type, "DECIMAL(18,2)");
    assert_string_equal(s.columns[3].type, "VARCHAR(5)");
    assert_string_equal(s.text, "x");
    assert_int_equal(s.pair_count, 2);
    assert_string_equal(s.pairs[0].key, "delta.feature.timestampNtz");
    assert_string_equal(s.pairs[1].key, "a.b");
    assert_string_equal(s.pairs[1].value, "1");
    stmt_done(&s);
}

static void grants_name_privileges_as_rest_does(void **state)
{
    struct stmt s;

    (void)state;
    good("GRANT READ VOLUME, write volume ON VOLUME main.raw.land TO `1-2 `` 3`", &s);
    assert_int_equal(s.kind, STMT_GRANT);
    assert_int_equal(s.privilege_count, 2);
    assert_string_equal(s.privileges[0], "READ_VOLUME");
    assert_string_equal(s.privileges[1], "WRITE_VOLUME");
    assert_string_equal(s.securable, "volume");
    assert_string_equal(s.principal, "1-2 ` 3");
    stmt_done(&s);
    good("REVOKE ALL PRIVILEGES ON a.b.c FROM x", &s);
    assert_int_equal(s.kind, STMT_REVOKE);
    assert_string_equal(s.privileges[0], "ALL_PRIVILEGES");
    assert_string_equal(s.securable, "table");
    stmt_done(&s);
    good("SHOW GRANTS `a@b` ON SCHEMA main.raw", &s);
    assert_string_equal(s.principal, "a@b");
    assert_string_equal(s.securable, "schema");
    stmt_done(&s);
    good("SHOW GRANTS ON CATALOG main", &s);
    assert_string_equal(s.principal, "");
    stmt_done(&s);
}

static void copy_into_has_its_items_and_options(void **state)
{
    struct stmt s;

    (void)state;
    good(
        "COPY INTO `main`.raw.t FROM (SELECT CAST(timestamp AS TIMESTAMP_NTZ) AS timestamp, asset, "
        "payload::DOUBLE p, _metadata.file_path f FROM '/Volumes/main/raw/a\\'b/data/')\n"
        "/* a /* nested */ comment */ FILEFORMAT = parquet PATTERN = '*.parquet' "
        "FORMAT_OPTIONS ('mergeSchema' = 'true') COPY_OPTIONS ('force' = 'false')",
        &s);
    assert_int_equal(s.kind, STMT_COPY_INTO);
    assert_string_equal(s.text, "/Volumes/main/raw/a'b/data/");
    assert_string_equal(s.format, "PARQUET");
    assert_string_equal(s.pattern, "*.parquet");
    assert_int_equal(s.item_count, 4);
    assert_string_equal(s.items[0].cast, "TIMESTAMP_NTZ");
    assert_string_equal(s.items[0].alias, "timestamp");
    assert_string_equal(s.items[2].cast, "DOUBLE");
    assert_string_equal(s.items[2].alias, "p");
    assert_string_equal(s.items[3].column, "_metadata.file_path");
    assert_string_equal(s.pairs[0].key, "format.mergeschema");
    assert_string_equal(s.pairs[1].key, "copy.force");
    stmt_done(&s);
    good("COPY INTO t FROM '/Volumes/a/b/c/' FILEFORMAT=PARQUET", &s);
    assert_int_equal(s.item_count, 0);
    stmt_done(&s);
}

static void the_rest_is_known_too(void **state)
{
    static const struct {
        const char *sql;
        enum stmt_kind kind;
    } rows[] = {
        {"CREATE CATALOG IF NOT EXISTS c", STMT_CREATE_CATALOG},
        {"CREATE SCHEMA main.raw COMMENT 'x'", STMT_CREATE_SCHEMA},
        {"CREATE DATABASE raw", STMT_CREATE_SCHEMA},
        {"CREATE VOLUME IF NOT EXISTS a.b.c COMMENT 'x'", STMT_CREATE_VOLUME},
        {"CREATE EXTERNAL VOLUME a.b.c LOCATION 's3://x'", STMT_CREATE_VOLUME},
        {"CREATE TABLE a.b.c", STMT_CREATE_TABLE},
        {"DROP TABLE IF EXISTS a.b.c", STMT_DROP_TABLE},
        {"DESCRIBE TABLE EXTENDED a.b.c", STMT_DESCRIBE_TABLE},
        {"desc a.b.c", STMT_DESCRIBE_TABLE},
        {"DESCRIBE VOLUME a.b.c", STMT_DESCRIBE_VOLUME},
        {"SELECT count(*) FROM a.b.c", STMT_SELECT_COUNT},
        {"SELECT COUNT(1) AS n FROM a.b.c", STMT_SELECT_COUNT},
        {"SELECT * FROM a.b.c LIMIT 5", STMT_SELECT_ROWS},
        {"SELECT 1", STMT_SELECT_ONE},
        {"ALTER TABLE a.b.c SET TBLPROPERTIES ('x' = 'y')", STMT_SET_PROPERTIES},
        {"SET TIME ZONE 'UTC'", STMT_SET},
        {"SET spark.sql.session.timeZone = UTC;", STMT_SET},
        {"-- first\n/* second */ SELECT 1 ;", STMT_SELECT_ONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stmt s;

        good(rows[i].sql, &s);
        if (s.kind != rows[i].kind)
            fail_msg("%s", rows[i].sql);
        stmt_done(&s);
    }
}

static void errors_are_worded_as_the_service_does(void **state)
{
    static const struct {
        const char *sql, *part;
    } rows[] = {
        {"SELEC 1", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601 (line "
                    "1, pos 0)"},
        {"CREATE TABLE", "Syntax error at or near end of input. SQLSTATE: 42601 (line 1, pos 12)"},
        {"SELECT 1\n; SELECT 2", "at or near 'SELECT'. SQLSTATE: 42601 (line 2, pos 2)"},
        {"CREATE TABLE a.b.c.d (x INT)", "at or near '.'"},
        {"CREATE TABLE t (x FOO)", "[UNSUPPORTED_DATATYPE] Unsupported data type \"FOO\""},
        {"CREATE TABLE t (x INT, X INT)", "[COLUMN_ALREADY_EXISTS]"},
        {"CREATE TABLE my-cat.b.c (x INT)", "must be back quoted as: `my-cat`"},
        {"CREATE TABLE t (x VARCHAR)", "[PARSE_SYNTAX_ERROR]"},
        {"CREATE TABLE t (x INT", "end of input"},
        {"CREATE TABLE t USING csv", "'csv'"},
        {"CREATE TABLE `` (x INT)", "[INVALID_IDENTIFIER]"},
        {"CREATE TABLE `x (x INT)", "end of input"},
        {"CREATE SCHEMA s COMMENT 'x", "end of input"},
        {"CREATE SCHEMA s COMMENT 'it''s'", "at or near 's'"},
        {"GRANT ON TABLE t TO x", "at or near 'ON'"},
        {"GRANT SELECT ON TABLE t TO 'x'", "at or near 'x'"},
        {"COPY INTO t FROM x FILEFORMAT = PARQUET", "at or near 'x'"},
        {"COPY INTO t FROM '/x' FILEFORMAT PARQUET", "at or near 'PARQUET'"},
        {"SELECT a FROM t", "at or near 'a'"},
        {"SELECT * FROM t LIMIT x", "at or near 'x'"},
        {"SELECT 1 /* x", "[UNCLOSED_BRACKETED_COMMENT]"},
        {"", "end of input"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};
        struct stmt s;

        assert_false(stmt_parse(span_of(rows[i].sql), &s, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].part))
            fail_msg("%s: '%s' is not in: %s", rows[i].sql, rows[i].part, err.text);
    }
}

static void a_script_is_cut_at_its_semicolons(void **state)
{
    static const char *const want[] = {
        "SET TIME ZONE 'a;b'", "SELECT `;` -- ;\n", "COPY /* ; */ INTO \"\\\";\"", "x"};
    struct span script = span_of("-- head; not one\n;; SET TIME ZONE 'a;b' ; SELECT `;` -- ;\n;"
                                 "COPY /* ; */ INTO \"\\\";\";\n x \n");
    struct span one;
    size_t n = 0;

    (void)state;
    while (stmt_next(&script, &one)) {
        assert_true(n < 4);
        if (!span_equal(one, span_trim(span_of(want[n]))))
            fail_msg("%zu: %.*s", n, (int)one.len, one.data);
        n++;
    }
    assert_int_equal(n, 4);
}

static void names_are_quoted_and_completed(void **state)
{
    struct stmt_name name = {.count = 1, .part = {"t"}};
    char full[3 * STMT_NAME_MAX];
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    stmt_quote(&out, "a`b");
    assert_string_equal(buf_text(&out), "`a``b`");
    buf_done(&out);
    assert_true(stmt_full_name(&name, "main", "raw", full));
    assert_string_equal(full, "main.raw.t");
    name = (struct stmt_name){.count = 3, .part = {"a", "b", "c"}};
    assert_true(stmt_full_name(&name, "main", "raw", full));
    assert_string_equal(full, "a.b.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_table_has_its_columns),
        cmocka_unit_test(grants_name_privileges_as_rest_does),
        cmocka_unit_test(copy_into_has_its_items_and_options),
        cmocka_unit_test(the_rest_is_known_too),
        cmocka_unit_test(errors_are_worded_as_the_service_does),
        cmocka_unit_test(a_script_is_cut_at_its_semicolons),
        cmocka_unit_test(names_are_quoted_and_completed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
