/* Thrift compact, byte for byte (specs/parquet.md 1.2), and back. */
#include "parquet/thrift.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void same(struct buf *b, const void *want, size_t len)
{
    assert_int_equal(b->len, len);
    assert_memory_equal(b->data, want, len);
    buf_reset(b);
}

#define SAME(b, ...)                                                                               \
    do {                                                                                           \
        const uint8_t want_[] = {__VA_ARGS__};                                                     \
        same(b, want_, sizeof(want_));                                                             \
    } while (0)

static void values_are_byte_exact(void **state)
{
    static const struct {
        int64_t value;
        uint8_t want[10];
        size_t len;
    } rows[] = {{0, {0x00}, 1}, {-1, {0x01}, 1}, {1, {0x02}, 1}, {-64, {0x7f}, 1},
        {64, {0x80, 0x01}, 2},
        {INT64_MAX, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10},
        {INT64_MIN, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10}};
    struct thrift_out t;
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct thrift_in in;

        thrift_begin(&t, &b);
        thrift_item_int(&t, rows[i].value);
        thrift_read(&in, b.data, b.len);
        assert_int_equal(thrift_get_item_int(&in), rows[i].value);
        assert_false(in.failed);
        same(&b, rows[i].want, rows[i].len);
    }
    buf_done(&b);
}

static void fields_take_the_short_form_when_they_can(void **state)
{
    struct thrift_out t;
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    thrift_begin(&t, &b);
    thrift_i32(&t, 1, 5);
    thrift_i32(&t, 20, 7); /* 19 further: long form */
    SAME(&b, 0x15, 0x0a, 0x05, 0x28, 0x0e);
    thrift_begin(&t, &b);
    thrift_bool(&t, 1, false);
    thrift_bool(&t, 2, true);
    thrift_end(&t);
    SAME(&b, 0x12, 0x11, 0x00);
    thrift_begin(&t, &b);
    thrift_struct(&t, 8); /* TIMESTAMP(false, MICROS) */
    thrift_bool(&t, 1, false);
    thrift_struct(&t, 2);
    thrift_struct(&t, 2);
    thrift_end(&t);
    thrift_end(&t);
    thrift_end(&t);
    thrift_end(&t);
    SAME(&b, 0x8c, 0x12, 0x1c, 0x2c, 0x00, 0x00, 0x00, 0x00);
    thrift_begin(&t, &b);
    thrift_list(&t, 4, THRIFT_STRUCT, 0);
    thrift_list(&t, 5, THRIFT_TRUE, 2);
    thrift_item_bool(&t, true);
    thrift_item_bool(&t, false);
    thrift_list(&t, 6, THRIFT_I32, 15);
    SAME(&b, 0x49, 0x0c, 0x19, 0x21, 0x01, 0x02, 0x19, 0xf5, 0x0f);
    thrift_begin(&t, &b);
    thrift_binary(&t, 6, span_of("pump"));
    SAME(&b, 0x68, 0x04, 'p', 'u', 'm', 'p');
    buf_done(&b);
}

/* Every kind of value is skipped to its end, and the field behind it is found. */
static void unknown_fields_are_skipped(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[16];
        size_t len;
    } rows[] = {
        {"bool", {0x11}, 1},
        {"i8", {0x13, 0xff}, 2},
        {"i64", {0x16, 0x80, 0x01}, 3},
        {"double", {0x17, 1, 2, 3, 4, 5, 6, 7, 8}, 9},
        {"binary", {0x18, 0x02, 'a', 'b'}, 4},
        {"list of structs", {0x19, 0x2c, 0x15, 0x02, 0x00, 0x00}, 6},
        {"list of lists of bool", {0x19, 0x29, 0x21, 1, 2, 0x11, 1}, 7},
        {"set", {0x1a, 0x15, 0x02}, 3},
        {"map", {0x1b, 0x02, 0x58, 0x02, 0x01, 'x', 0x04, 0x00}, 8},
        {"empty map", {0x1b, 0x00}, 2},
        {"struct", {0x1c, 0x05, 0x28, 0x0e, 0x1c, 0x00, 0x00}, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[20];
        struct thrift_in t;
        struct thrift_field f;

        memcpy(bytes, rows[i].bytes, rows[i].len);
        memcpy(bytes + rows[i].len, (const uint8_t[]){0x15, 0x0a, 0x00}, 3);
        for (size_t len = 0; len <= rows[i].len + 3; len++) {
            bool whole = len == rows[i].len + 3;
            bool ok;

            thrift_read(&t, bytes, len);
            ok = thrift_next(&t, &f);
            if (ok)
                thrift_skip(&t, f);
            ok = ok && thrift_next(&t, &f) && f.id == 2 && thrift_get_i32(&t, f) == 5 &&
                 !thrift_next(&t, &f) && !t.failed && t.at == t.end;
            if (ok != whole)
                fail_msg("%s, %zu bytes", rows[i].name, len);
        }
    }
}

static void hostile_bytes_end_in_failure(void **state)
{
    uint8_t deep[200];
    const uint8_t long_varint[] = {
        0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    const uint8_t huge_list[] = {0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x00};
    const uint8_t huge_text[] = {0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct thrift_in t;
    struct thrift_field f;

    (void)state;
    memset(deep, 0x1c, sizeof(deep)); /* structs without end */
    thrift_read(&t, deep, sizeof(deep));
    assert_true(thrift_next(&t, &f));
    thrift_skip(&t, f);
    assert_true(t.failed);
    thrift_read(&t, deep, sizeof(deep));
    while (thrift_next(&t, &f))
        thrift_enter(&t, f);
    assert_true(t.failed);
    thrift_read(&t, long_varint, sizeof(long_varint));
    assert_true(thrift_next(&t, &f));
    assert_int_equal(thrift_get_i64(&t, f), 0);
    assert_true(t.failed);
    thrift_read(&t, huge_list, sizeof(huge_list));
    assert_true(thrift_next(&t, &f));
    assert_int_equal(thrift_get_list(&t, f, THRIFT_STRUCT), 0);
    assert_true(t.failed);
    thrift_read(&t, huge_text, sizeof(huge_text));
    assert_true(thrift_next(&t, &f));
    assert_int_equal(thrift_get_binary(&t, f).len, 0);
    assert_true(t.failed);
    thrift_read(&t, (const uint8_t[]){0x16, 0x80, 0x80, 0x80, 0x80, 0x20}, 6); /* 2^32 */
    assert_true(thrift_next(&t, &f));
    (void)thrift_get_i32(&t, f);
    assert_true(t.failed);
    thrift_read(&t, (const uint8_t[]){0x15, 0x02}, 2); /* another type than asked for */
    assert_true(thrift_next(&t, &f));
    (void)thrift_get_binary(&t, f);
    assert_true(t.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_byte_exact),
        cmocka_unit_test(fields_take_the_short_form_when_they_can),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(hostile_bytes_end_in_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
