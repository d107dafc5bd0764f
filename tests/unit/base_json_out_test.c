#include "base/json_out.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

static void commas_and_nesting(void **state)
{
    struct json_out json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    json_init(&json, &buf);
    json_out_object(&json);
    json_key_text(&json, "a", "x");
    json_key_text(&json, "none", NULL);
    json_key(&json, "list");
    json_out_array(&json);
    json_int(&json, -1);
    json_uint(&json, UINT64_MAX);
    json_bool(&json, true);
    json_out_object(&json);
    json_out_object_end(&json);
    json_out_array(&json);
    json_out_array_end(&json);
    json_out_null(&json);
    json_out_array_end(&json);
    json_key_double(&json, "d", 0.1);
    json_key_bool(&json, "no", false);
    json_key_int(&json, "i", INT64_MIN);
    json_key_uint(&json, "u", 7);
    json_out_object_end(&json);
    assert_string_equal(buf_text(&buf),
        "{\"a\":\"x\",\"none\":null,\"list\":[-1,18446744073709551615,true,{},[],null],"
        "\"d\":0.1,\"no\":false,\"i\":-9223372036854775808,\"u\":7}");
    buf_done(&buf);
}

static void lines_are_indented(void **state)
{
    struct json_out json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    json_init(&json, &buf);
    json.lines = true;
    json_out_object(&json);
    json_key_int(&json, "a", 1);
    json_key(&json, "b");
    json_out_array(&json);
    json_int(&json, 2);
    json_out_array_end(&json);
    json_out_object_end(&json);
    assert_string_equal(buf_text(&buf), "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}");
    buf_done(&buf);
}

static void text_is_escaped_and_stays_utf8(void **state)
{
    static const struct {
        struct span text;
        const char *want;
    } rows[] = {{{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""}, {{"\b\t\n\f\r", 5}, "\"\\b\\t\\n\\f\\r\""},
        {{"\0\x01\x0b\x1f\x7f", 5}, "\"\\u0000\\u0001\\u000b\\u001f\x7f\""},
        {{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {{"a\xff\xc3", 3}, "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xc3(x", 3}, "\"\xef\xbf\xbd(x\""}, {{"", 0}, "\"\""}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf buf;

        buf_init(&buf, 1000);
        json_quote(&buf, rows[i].text);
        assert_string_equal(buf_text(&buf), rows[i].want);
        buf_done(&buf);
    }
}

static void any_bytes_give_valid_text(void **state)
{
    struct rng rng;
    struct buf buf;

    (void)state;
    rng_seed(&rng, 5);
    buf_init(&buf, 10000);
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        size_t len = rng_below(&rng, sizeof(bytes) + 1);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)rng_next(&rng);
        buf_reset(&buf);
        json_quote(&buf, (struct span){bytes, len});
        assert_true(str_utf8_valid(buf.data, buf.len));
        for (size_t i = 1; i + 1 < buf.len; i++) {
            assert_true((unsigned char)buf.data[i] >= 0x20);
            if (buf.data[i] == '\\')
                i++;
            else
                assert_true(buf.data[i] != '"');
        }
    }
    buf_done(&buf);
}

static void doubles_read_back_the_same(void **state)
{
    static const struct {
        double value;
        const char *want;
    } rows[] = {{0.0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {12.5, "12.5"}, {0.1, "0.1"},
        {1e300, "1e+300"}, {100000, "100000.0"}};
    char text[JSON_DOUBLE_SIZE];
    struct rng rng;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(json_double_text(text, rows[i].value), strlen(rows[i].want));
        assert_string_equal(text, rows[i].want);
    }
    rng_seed(&rng, 9);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = rng_next(&rng);
        double value, again;

        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        assert_true(json_double_text(text, value) < sizeof(text));
        again = strtod(text, NULL);
        assert_memory_equal(&again, &value, sizeof(value));
    }
}

static void what_is_no_number_becomes_null(void **state)
{
    struct json_out json;
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    json_init(&json, &buf);
    json_out_array(&json);
    json_double(&json, (double)NAN);
    json_double(&json, (double)INFINITY);
    json_double(&json, -(double)INFINITY);
    json_out_array_end(&json);
    assert_string_equal(buf_text(&buf), "[null,null,null]");
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_and_nesting),
        cmocka_unit_test(lines_are_indented),
        cmocka_unit_test(text_is_escaped_and_stays_utf8),
        cmocka_unit_test(any_bytes_give_valid_text),
        cmocka_unit_test(doubles_read_back_the_same),
        cmocka_unit_test(what_is_no_number_becomes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
