#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void adds_in_order(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    assert_true(buf_add(&buf, "ab", 2));
    assert_true(buf_add_text(&buf, "cd"));
    assert_true(buf_add_byte(&buf, 'e'));
    assert_true(buf_printf(&buf, "-%d-%s", 7, "x"));
    assert_true(buf_add(&buf, NULL, 0));
    assert_int_equal(buf.len, 9);
    assert_string_equal(buf_text(&buf), "abcde-7-x");
    assert_int_equal(buf.len, 9); /* the NUL does not count */
    buf_drop_front(&buf, 5);
    assert_string_equal(buf_text(&buf), "-7-x");
    buf_drop_front(&buf, 99);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);
    buf_done(&buf); /* twice is fine */
}

static void never_grows_beyond_its_limit(void **state)
{
    static const size_t limits[] = {0, 1, 255, 256, 257, 1000, 4097};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        struct buf buf;
        size_t n = 0;

        buf_init(&buf, limits[i]);
        while (n < limits[i] + 10 && buf_add_byte(&buf, 'x'))
            n++;
        assert_int_equal(n, limits[i]);
        assert_int_equal(buf.len, limits[i]);
        assert_true(buf.size <= limits[i]);
        assert_true(buf.failed);
        buf_done(&buf);
    }
}

static void failure_is_sticky_and_keeps_what_was_there(void **state)
{
    struct err err = {0};
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_true(buf_add_text(&buf, "12345678"));
    assert_false(buf_add_byte(&buf, '9'));
    assert_false(buf_add(&buf, NULL, 0));
    assert_false(buf_printf(&buf, "%s", ""));
    assert_null(buf_reserve(&buf, 0));
    assert_string_equal(buf_text(&buf), "");
    assert_memory_equal(buf.data, "12345678", 8);
    assert_false(buf_check(&buf, "the name", &err));
    assert_int_equal(err.kind, ERR_FULL);
    assert_non_null(strstr(err.text, "the name"));
    buf_reset(&buf);
    assert_true(buf_check(&buf, "the name", &err));
    assert_true(buf_add_text(&buf, "ok"));
    assert_string_equal(buf_text(&buf), "ok");
    buf_done(&buf);
}

static void huge_requests_do_not_wrap_around(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX);
    assert_true(buf_add_text(&buf, "abc"));
    assert_null(buf_reserve(&buf, SIZE_MAX - 1));
    assert_true(buf.failed);
    buf_done(&buf);
}

static void reserve_gives_room_to_write(void **state)
{
    struct buf buf;
    char *to;

    (void)state;
    buf_init(&buf, 1 << 20);
    for (size_t n = 1; n < 100000; n *= 3) {
        to = buf_reserve(&buf, n);
        assert_non_null(to);
        memset(to, 'y', n);
        buf.len += n;
    }
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.data[i], 'y');
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_in_order),
        cmocka_unit_test(never_grows_beyond_its_limit),
        cmocka_unit_test(failure_is_sticky_and_keeps_what_was_there),
        cmocka_unit_test(huge_requests_do_not_wrap_around),
        cmocka_unit_test(reserve_gives_room_to_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
