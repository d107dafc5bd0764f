#include "config/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void values_are_read_as_the_other_tools_do(void **state)
{
    static const struct {
        const char *line, *want;
    } rows[] = {
        {"token = abc", "abc"},
        {"token=abc", "abc"},
        {"token: abc", "abc"},
        {"   token = abc  ",
            "abc"}, /* an indented line is a line, not the rest of the one before */
        {"token = \"abc\"", "abc"},
        {"token = 'abc'", "abc"},
        {"token = \" abc \"", " abc "},
        {"token = \"abc\" # note", "abc"},
        {"token = abc # note", "abc"},
        {"token = abc ; note", "abc"},
        {"token = abc#def", "abc#def"},
        {"token = abc;def", "abc;def"},
        {"token = \"abc # def\"", "abc # def"},
        {"token = a=b:c", "a=b:c"},
        {"token = abc\r", "abc"},
        {"token =", NULL},
        {"token = \"\"", NULL},
        {"other = abc", NULL},
        {"# token = abc", NULL},
        {"; token = abc", NULL},
        {"token = one\ntoken = two", "two"},
        {"[other]\ntoken = abc", NULL},
        {"[other]\ntoken = abc\n[prod]\ntoken = def", "def"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct profile profile = {0};
        struct err err = {0};
        char text[400];
        const char *got;

        (void)snprintf(text, sizeof(text), "[prod]\nhost = h\n%s\n", rows[i].line);
        if (!profile_parse(span_of(text), "prod", &profile, &err))
            fail_msg("%s: %s", rows[i].line, err.text);
        got = profile_get(&profile, "token");
        if (!rows[i].want)
            assert_null(got);
        else if (!got || strcmp(got, rows[i].want) != 0)
            fail_msg("'%s' gave '%s'", rows[i].line, got ? got : "nothing");
        assert_string_equal(profile_get(&profile, "host"), "h");
        profile_done(&profile);
    }
}

static void a_broken_line_refuses_the_file_without_showing_it(void **state)
{
    static const struct {
        const char *line, *part;
    } rows[] = {
        {"token = \"s3cr3t", "line 3 has a quote"},
        {"token = \"s3cr3t ; x\"", "line 3 has a quote"}, /* cut at the ; by the library */
        {"token = 's3cr3t' x", "line 3 has a quote"},
        {"token s3cr3t", "line 3 has no ="},
        {"[s3cr3t", "line 3 begins a section without"},
        {"[s3cr3t_____________________________________________]", "line 3 has a section name"},
        {"s3cr3t____________________________________________=1", "line 3 has a key"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct profile profile = {0};
        struct err err = {0};
        char text[400];

        (void)snprintf(text, sizeof(text), "[prod]\nhost = h\n%s\n", rows[i].line);
        if (profile_parse(span_of(text), "prod", &profile, &err))
            fail_msg("%s was taken", rows[i].line);
        if (!strstr(err.text, rows[i].part) || strstr(err.text, "s3cr3t"))
            fail_msg("%s: %s", rows[i].line, err.text);
        assert_int_equal(profile.count, 0);
    }
}

static void a_line_is_whole_or_refused(void **state)
{
    (void)state;
    for (size_t len = 150; len < 260; len++) {
        struct profile profile = {0};
        struct err err = {0};
        char value[300], text[400];

        memset(value, 'x', len);
        value[len] = '\0';
        (void)snprintf(text, sizeof(text), "[prod]\ntoken=%s\n", value);
        if (len + strlen("token=") <= 198) {
            assert_true(profile_parse(span_of(text), "prod", &profile, &err));
            assert_string_equal(profile_get(&profile, "token"), value);
            profile_done(&profile);
        } else {
            assert_false(profile_parse(span_of(text), "prod", &profile, &err));
            assert_non_null(strstr(err.text, "line 2 is longer than 198 bytes"));
        }
        /* A comment may be as long as it likes. */
        (void)snprintf(text, sizeof(text), "# %s\n[prod]\ntoken=x\n", value);
        assert_true(profile_parse(span_of(text), "prod", &profile, &err));
        profile_done(&profile);
    }
}

static void the_right_section_is_taken(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool ok;
        const char *name, *host;
    } rows[] = {
        {"[DEFAULT]\nhost=d\n[prod]\nhost=p\n", NULL, true, "DEFAULT", "d"},
        {"[DEFAULT]\nhost=d\n[prod]\nhost=p\n", "prod", true, "prod", "p"},
        {"[__settings__]\ndefault_profile=prod\n[DEFAULT]\nhost=d\n[prod]\nhost=p\n", NULL, true,
            "prod", "p"},
        {"[__settings__]\ndefault_profile = \"prod\"\n[prod]\nhost=p\n", NULL, true, "prod", "p"},
        {"[__settings__]\ndefault_profile=prod\n[DEFAULT]\nhost=d\n", NULL, false, "", NULL},
        {"[__settings__]\ndefault_profile=prod\n[DEFAULT]\nhost=d\n", "DEFAULT", true, "DEFAULT",
            "d"},
        {"[prod]\nhost=p\n", NULL, true, "", NULL}, /* no DEFAULT: fine, nothing is taken */
        {"[prod]\nhost=p\n", "test", false, "", NULL},
        {"[DEFAULT]\nhost=d\n[prod]\ntoken=t\n", "prod", true, "prod", NULL}, /* no inheritance */
        {"[prod]\n", "prod", true, "", NULL},                                 /* there, but empty */
        {"[prod]\nhost=p\n", "PROD", false, "", NULL},
        {"[__settings__]\nhost=x\n", "__settings__", false, "", NULL},
        {"\xEF\xBB\xBF[DEFAULT]\r\nhost=d\r\n", NULL, true, "DEFAULT", "d"},
        {"", NULL, true, "", NULL}, {"", "prod", false, "", NULL},
        {"host=x\n", NULL, true, "", NULL}, /* before any section */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct profile profile = {0};
        struct err err = {0};
        const char *host;

        if (profile_parse(span_of(rows[i].text), rows[i].wanted, &profile, &err) != rows[i].ok)
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(profile.name, rows[i].name);
        host = profile_get(&profile, "host");
        if (rows[i].host)
            assert_string_equal(host, rows[i].host);
        else
            assert_null(host);
        profile_done(&profile);
    }
}

static void keys_have_a_limit(void **state)
{
    struct profile profile = {0};
    struct err err = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 10000);
    buf_add_text(&text, "[prod]\n");
    for (int i = 0; i < PROFILE_KEYS_MAX; i++)
        buf_printf(&text, "key%d = %d\n", i, i);
    assert_true(profile_parse((struct span){text.data, text.len}, "prod", &profile, &err));
    assert_int_equal(profile.count, PROFILE_KEYS_MAX);
    profile_done(&profile);
    buf_add_text(&text, "more = 1\n");
    assert_false(profile_parse((struct span){text.data, text.len}, "prod", &profile, &err));
    assert_non_null(strstr(err.text, "too many"));
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_as_the_other_tools_do),
        cmocka_unit_test(a_broken_line_refuses_the_file_without_showing_it),
        cmocka_unit_test(a_line_is_whole_or_refused),
        cmocka_unit_test(the_right_section_is_taken),
        cmocka_unit_test(keys_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
