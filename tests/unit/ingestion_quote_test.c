/* Names and texts of others, made safe; and names that are refused. */
#include "base/clock.h"
#include "ingestion/code.h"
#include "ingestion/definition.h"
#include "ingestion/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf out;

static int begin(void **state)
{
    (void)state;
    buf_init(&out, 1 << 16);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

struct row {
    const char *in, *want;
};

static void check_rows(bool (*function)(struct buf *, const char *), const struct row *rows)
{
    for (; rows->in; rows++) {
        buf_reset(&out);
        assert_true(function(&out, rows->in));
        assert_string_equal(buf_text(&out), rows->want);
    }
}

static void names_in_sql(void **state)
{
    static const struct row rows[] = {{"plain", "`plain`"}, {"a`b", "`a``b`"}, {"``", "``````"},
        {"it's \"x\"", "`it's \"x\"`"}, {"Röh", "`Röh`"}, {"a\\b", "`a\\b`"}, {NULL, NULL}};

    (void)state;
    check_rows(quote_sql_name, rows);
}

static void texts_in_sql(void **state)
{
    static const struct row rows[] = {{"/Volumes/a/b", "'/Volumes/a/b'"}, {"it's", "'it\\'s'"},
        {"a\\b", "'a\\\\b'"}, {"\\'", "'\\\\\\''"}, {"", "''"}, {NULL, NULL}};

    (void)state;
    check_rows(quote_sql_text, rows);
}

static void tags_every_cloud_takes(void **state)
{
    static const struct row rows[] = {{"main.raw.events", "main.raw.events"},
        {"a-b_c.9", "a-b_c.9"}, {"_a", "h-09534707b5e0a7dd"}, {"a b", "h-e63f991904833892"},
        {"", "h-cbf29ce484222325"}, {NULL, NULL}};
    char text[65];

    (void)state;
    check_rows(quote_tag, rows);
    memset(text, 'x', 64);
    text[64] = '\0';
    buf_reset(&out);
    quote_tag(&out, text);
    assert_int_equal(out.len, 18);
    text[63] = '\0';
    buf_reset(&out);
    quote_tag(&out, text);
    assert_string_equal(buf_text(&out), text);
}

static void file_names_never_meet(void **state)
{
    static const char *const names[] = {"main.raw.events", "main.raw.event's", "main.raw.event`s",
        ".a.b", "_a.b", "main.raw.évents"};
    char seen[6][160];

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        buf_reset(&out);
        assert_true(quote_file_name(&out, names[i]));
        assert_null(strpbrk(buf_text(&out), "'`/\\ \"%"));
        assert_true(out.data[0] != '.');
        (void)str_copy(seen[i], sizeof(seen[i]), buf_text(&out));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
    }
    assert_string_equal(seen[0], "main.raw.events");
}

static void long_file_names_are_cut_and_differ(void **state)
{
    char a[512], b[512], first[160];

    (void)state;
    memset(a, 'x', sizeof(a) - 1);
    a[sizeof(a) - 1] = '\0';
    memcpy(b, a, sizeof(a));
    b[sizeof(b) - 2] = 'y';
    quote_file_name(&out, a);
    assert_int_equal(out.len, 109);
    (void)str_copy(first, sizeof(first), buf_text(&out));
    buf_reset(&out);
    quote_file_name(&out, b);
    assert_string_not_equal(first, buf_text(&out));
}

static void a_table_for_spark(void **state)
{
    static const struct {
        struct catalog_path path;
        const char *want;
    } rows[] = {
        {{"main", "raw", "events"}, "main.raw.events"},
        {{"main", "raw-2", "1"}, "main.`raw-2`.`1`"},
        {{"ma`in", "Röh", "x_1"}, "`ma``in`.`Röh`.x_1"},
        {{"main", NULL, NULL}, "main"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        buf_reset(&out);
        assert_true(quote_plain_path(&out, rows[i].path));
        assert_string_equal(buf_text(&out), rows[i].want);
    }
}

/* The published values of FNV-1a. */
static void hashes(void **state)
{
    (void)state;
    assert_true(quote_hash(QUOTE_HASH, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(quote_hash(QUOTE_HASH, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(quote_hash(QUOTE_HASH, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(quote_hash(quote_hash(QUOTE_HASH, "foo", 3), "bar", 3) ==
                quote_hash(QUOTE_HASH, "foobar", 6));
}

static void intervals(void **state)
{
    static const struct {
        int64_t s;
        const char *want;
    } rows[] = {{60, "1 minute"}, {90, "90 seconds"}, {3600, "1 hour"}, {5400, "90 minutes"},
        {86400, "1 day"}, {172800, "2 days"}, {90000, "25 hours"}, {1, "1 second"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        buf_reset(&out);
        definition_interval(&out, rows[i].s * CLOCK_SECOND_US);
        assert_string_equal(buf_text(&out), rows[i].want);
    }
}

static void versions_of_code(void **state)
{
    static const struct {
        const char *code;
        uint64_t want;
    } rows[] = {{"", 0}, {"print()", 0}, {"# x\n# definition version 12, hash 0\n", 12},
        {"-- definition version 3", 3}, {"# definition version \n", 0},
        {"# definition version 99999999999999999999999\n", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_true(code_version(span_of(rows[i].code)) == rows[i].want);
    code_head(&out, "#", "0123");
    assert_true(code_version((struct span){out.data, out.len}) == (uint64_t)INGESTION_VERSION);
}

static void names_that_cannot_be_used_are_refused(void **state)
{
    static const struct {
        struct catalog_path volume, table;
        const char *folder, *say;
    } rows[] = {
        {{"a", "b", "c d"}, {"a", "b", "t"}, "/Workspace/x", "name of the volume"},
        {{"a", "b", "c"}, {"a", "b", ""}, "/Workspace/x", "name of the table"},
        {{"a", "b", "c"}, {"a", NULL, "t"}, "/Workspace/x", "a part is empty"},
        {{"a", "b.c", "c"}, {"a", "b", "t"}, "/Workspace/x", "a dot"},
        {{"a", "b", "c"}, {"a", "b", "t\x7f"}, "/Workspace/x", "control"},
        {{"a", "b", "c"}, {"a", "b", "t\xff"}, "/Workspace/x", "UTF-8"},
        {{"a", "b*", "c"}, {"a", "b", "t"}, "/Workspace/x", "use another volume"},
        {{"a", "b", "c[1]"}, {"a", "b", "t"}, "/Workspace/x", "use another volume"},
        {{"a", "b", "c"}, {"a", "b", "t{{x}}"}, "/Workspace/x", "use another table"},
        {{"a", "b", "c"}, {"a", "b", "t"}, "/Shared/x", "folder of the code"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ingestion_options options = {.volume = rows[i].volume,
            .table = rows[i].table,
            .loader = INGESTION_AUTO_LOADER,
            .folder = rows[i].folder};
        struct err err = {0};

        assert_null(plan_new(&options, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].say))
            fail_msg("row %zu: %s", i, err.text);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(names_in_sql),
        TEST(texts_in_sql),
        TEST(tags_every_cloud_takes),
        TEST(file_names_never_meet),
        TEST(long_file_names_are_cut_and_differ),
        TEST(a_table_for_spark),
        TEST(hashes),
        TEST(intervals),
        TEST(versions_of_code),
        TEST(names_that_cannot_be_used_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
