#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void set_keeps_kind_code_and_text(void **state)
{
    struct err err;

    (void)state;
    assert_false(err_set(&err, ERR_DENIED, 403, "no access to '%s'", "main.x"));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(err.code, 403);
    assert_string_equal(err.text, "no access to 'main.x'");
    err_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.text, "");
}

static void text_stays_one_line(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, ERR_INPUT, 0, "a\nb\rc\x1b[31md\x7f");
    assert_string_equal(err.text, "a?b?c?[31md?");
}

static void long_text_is_cut_between_characters(void **state)
{
    struct err err;
    char text[600];

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 3 < sizeof(text) - 1; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        text[sizeof(text) - 1] = '\0';
        err_set(&err, ERR_INPUT, 0, "%s", text);
        assert_true(strlen(err.text) >= sizeof(err.text) - 4);
        assert_true(strlen(err.text) < sizeof(err.text));
        assert_true(str_utf8_valid(err.text, strlen(err.text)));
    }
}

static void sys_knows_a_full_disk(void **state)
{
    static const struct {
        int code;
        enum err_kind want;
    } rows[] = {{ENOSPC, ERR_FULL}, {EDQUOT, ERR_FULL}, {EFBIG, ERR_FULL}, {ENOMEM, ERR_FULL},
        {EIO, ERR_BROKEN}, {EACCES, ERR_BROKEN}};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        errno = rows[i].code;
        assert_false(err_sys(&err, ERR_BROKEN, "write %d", 7));
        assert_int_equal(err.kind, rows[i].want);
        assert_int_equal(err.code, rows[i].code);
        assert_memory_equal(err.text, "write 7: ", 9);
        assert_true(strlen(err.text) > 12);
    }
}

static void wrap_adds_in_front_and_keeps_the_rest(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, ERR_RETRY, 503, "busy");
    assert_false(err_wrap(&err, "upload '%s'", "f"));
    assert_string_equal(err.text, "upload 'f': busy");
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, 503);
    /* Its own text as an argument. */
    err_set(&err, ERR_INPUT, 1, "<%s>", err.text);
    assert_string_equal(err.text, "<upload 'f': busy>");
}

static void every_kind_has_a_name(void **state)
{
    static const char *const want[] = {"none", "retry", "input", "denied", "full", "broken"};

    (void)state;
    for (int kind = ERR_NONE; kind <= ERR_BROKEN; kind++)
        assert_string_equal(err_kind_name((enum err_kind)kind), want[kind]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_keeps_kind_code_and_text),
        cmocka_unit_test(text_stays_one_line),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(sys_knows_a_full_disk),
        cmocka_unit_test(wrap_adds_in_front_and_keeps_the_rest),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
