#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void durations(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t unit_us, want;
    } rows[] = {
        {"60", true, 1000000, 60000000},
        {"60", true, 1000, 60000},
        {"60s", true, 1000, 60000000},
        {"60 s", true, 1000, 60000000},
        {" 5m ", true, 1, 300000000},
        {"1d", true, 1, INT64_C(86400000000)},
        {"50ms", true, 1000000, 50000},
        {"1.5h", true, 1, INT64_C(5400000000)},
        {"0.25s", true, 1, 250000},
        {"7us", true, 1, 7},
        {"2min", true, 1, 120000000},
        {"2 SEC", true, 1, 2000000},
        {"0", true, 1000, 0},
        {"", false, 1, 0},
        {"s", false, 1, 0},
        {"-1", false, 1, 0},
        {"1x", false, 1, 0},
        {"1 s s", false, 1, 0},
        {"1.", false, 1, 0},
        {".5s", false, 1, 0},
        {"1e3", false, 1, 0},
        {"1,5s", false, 1, 0},
        {"0.0000001s", false, 1, 0},
        {"106751992d", false, 1, 0},
        {"106751991d", true, 1, INT64_C(106751991) * 86400000000},
        {"99999999999999999999", false, 1, 0},
        {"0x10", false, 1, 0},
        {"nan", false, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t us = -7;

        if (config_duration(span_of(rows[i].text), rows[i].unit_us, &us) != rows[i].ok)
            fail_msg("'%s'", rows[i].text);
        assert_int_equal(us, rows[i].ok ? rows[i].want : -7);
    }
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } rows[] = {
        {"0", true, 0},
        {"1048576", true, 1048576},
        {"32MiB", true, 33554432},
        {"256 MiB", true, 268435456},
        {"256 mib", true, 268435456},
        {"4k", true, 4096},
        {"1M", true, 1048576},
        {"1MB", true, 1000000},
        {"1.5 GiB", true, 1610612736},
        {"10 B", true, 10},
        {"2T", true, UINT64_C(2) << 40},
        {"1 kB", true, 1000},
        {"0.5KiB", true, 512},
        {"", false, 0},
        {"MiB", false, 0},
        {"-1", false, 0},
        {"1 Mi", false, 0},
        {"1 bit", false, 0},
        {"8388608 TiB", false, 0},
        {"8388607 TiB", true, UINT64_C(8388607) << 40},
        {"18446744073709551615", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t bytes = 7;

        if (config_size(span_of(rows[i].text), &bytes) != rows[i].ok)
            fail_msg("'%s'", rows[i].text);
        assert_int_equal(bytes, rows[i].ok ? rows[i].want : 7);
    }
}

static void catalog_names(void **state)
{
    static const struct {
        const char *text;
        const char *part; /* NULL: fine; else what is wrong */
        const char *want[3];
    } rows[] = {
        {"main.kelvin.raw", NULL, {"main", "kelvin", "raw"}},
        {"`my-cat`.`s`.`v`", NULL, {"my-cat", "s", "v"}},
        {"`a``b`.s.v", NULL, {"a`b", "s", "v"}},
        {"my-cat.s_1.\xc3\xa9", NULL, {"my-cat", "s_1", "\xc3\xa9"}},
        {"main.kelvin", "three parts", {NULL}},
        {"main", "three parts", {NULL}},
        {"a.b.c.d", "three parts", {NULL}},
        {"", "empty", {NULL}},
        {"..", "empty", {NULL}},
        {"a..c", "empty", {NULL}},
        {"a.b.", "empty", {NULL}},
        {"``.b.c", "empty", {NULL}},
        {"a b.c.d", "blank", {NULL}},
        {"a/b.c.d", "slash", {NULL}},
        {"/Volumes/a/b/c", "slash", {NULL}},
        {"`a.b`.c.d", "dot", {NULL}},
        {"`a.c.d", "dot", {NULL}},
        {"a.b.`c", "not closed", {NULL}},
        {"a.b.`c`x", "three parts", {NULL}},
        {"a`.b.c", "back-tick", {NULL}},
        {"a\n.b.c", "control", {NULL}},
        {"\xff.b.c", "UTF-8", {NULL}},
    };
    char parts[3][256];
    char longest[300];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *wrong = NULL;
        bool ok = config_catalog_name(span_of(rows[i].text), parts, &wrong);

        if (ok != !rows[i].part || (wrong && !strstr(wrong, rows[i].part)))
            fail_msg("'%s': %s", rows[i].text, wrong ? wrong : "taken");
        for (int n = 0; ok && n < 3; n++)
            assert_string_equal(parts[n], rows[i].want[n]);
    }
    for (size_t len = 254; len < 258; len++) {
        const char *wrong = NULL;

        memset(longest, 'x', len);
        memcpy(longest + len, ".b.c", 5);
        assert_int_equal(config_catalog_name(span_of(longest), parts, &wrong), len <= 255);
    }
}

/* The table is data, and data can be wrong. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];
        struct buf text;

        assert_non_null(row->key);
        assert_non_null(row->text);
        assert_non_null(row->env[0]);
        assert_true(row->commands != 0);
        assert_true(row->type != SETTING_SECRET || !row->flag);
        assert_true(row->text[0] >= 'a' && row->text[0] <= 'z');
        assert_int_not_equal(row->text[strlen(row->text) - 1], '.');
        if (row->flag && row->type != SETTING_CHOICE && row->type != SETTING_SWITCH)
            assert_non_null(row->argument);
        if (row->type == SETTING_CHOICE)
            assert_int_equal(row->field_bytes, sizeof(unsigned)); /* an enum */
        if (i && row->group != setting_table[i - 1].group)
            assert_true(row->group > setting_table[i - 1].group);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(row->key, setting_table[k].key);
            assert_true(!row->flag || !setting_table[k].flag ||
                        strcmp(row->flag, setting_table[k].flag) != 0);
            for (int a = 0; a < SETTING_ENVS && row->env[a]; a++)
                for (int b = 0; b < SETTING_ENVS && setting_table[k].env[b]; b++)
                    assert_string_not_equal(row->env[a], setting_table[k].env[b]);
        }
        buf_init(&text, 1000);
        value_default(row, &text);
        assert_true(text.len > 0);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(catalog_names),
        cmocka_unit_test(the_table_is_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
