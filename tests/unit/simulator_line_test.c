/* The bytes of a line: numbers that read back, timestamps, ids, the whole form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "simulator/json_check.h"
#include "simulator/line.h"
#include "simulator/value.h"

static void cents_are_written_as_python_writes_them(void **state)
{
    static const struct {
        int64_t cents;
        const char *want;
    } rows[] = {{0, "0.0"}, {1, "0.01"}, {10, "0.1"}, {99, "0.99"}, {100, "1.0"}, {6308, "63.08"},
        {6310, "63.1"}, {6300, "63.0"}, {10000, "100.0"}, {-1, "-0.01"}, {-6310, "-63.1"},
        {123456789, "1234567.89"}, {99999999999999, "999999999999.99"},
        {-100000000000000, "-1000000000000.0"}};
    char out[LINE_NUMBER_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        out[line_cents(out, rows[i].cents)] = '\0';
        assert_string_equal(out, rows[i].want);
    }
}

static void every_two_decimal_value_is_its_shortest_text(void **state)
{
    char out[LINE_NUMBER_MAX + 1], want[JSON_DOUBLE_SIZE];

    (void)state;
    for (int64_t cents = -20000; cents <= 20000; cents++) {
        if (cents == 0)
            continue;
        out[line_cents(out, cents)] = '\0';
        want[json_double_text(want, (double)cents / 100)] = '\0';
        assert_string_equal(out, want);
    }
}

static void a_real_is_the_shortest_text_that_reads_back(void **state)
{
    static const double edges[] = {0, 0.5, 1, 1.5, 2, 9.999999999999998, 10, 100.1,
        1023.9999999999999, 1024, 1e300, -3.25, 0.1, 1.0000000000000002, 511.99999999999994};
    char out[LINE_NUMBER_MAX + 1], want[JSON_DOUBLE_SIZE];
    struct rng rng;

    (void)state;
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        out[line_real(out, edges[i])] = '\0';
        assert_true(strtod(out, NULL) == edges[i]);
    }
    rng_seed(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        double v = rng_unit(&rng) * (i % 2 == 0 ? 100 : 1030);
        size_t len = line_real(out, v);
        size_t want_len = json_double_text(want, v);

        out[len] = '\0';
        want[want_len] = '\0';
        assert_true(strtod(out, NULL) == v);
        assert_int_equal(len, want_len); /* the digits may differ, both reading back */
        assert_non_null(strchr(out, '.'));
    }
}

static void stamps_count_up_as_the_clock_writes_them(void **state)
{
    static const int64_t starts[] = {
        0, 1769862896789012, -1, -62135596800000000, 951782399999998, 253402300799999990};
    struct stamp stamp;
    char want[CLOCK_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        stamp_init(&stamp);
        for (int64_t us = starts[i]; us < starts[i] + 9; us++) {
            stamp_set(&stamp, us);
            assert_string_equal(stamp.text, clock_text(want, us));
        }
        stamp_set(&stamp, 1234567); /* back, far away */
        assert_string_equal(stamp.text, clock_text(want, 1234567));
    }
}

static void all_microseconds_digits_are_right(void **state)
{
    struct stamp stamp;
    char want[CLOCK_TEXT_SIZE];

    (void)state;
    stamp_init(&stamp);
    for (int64_t us = 5 * CLOCK_SECOND_US; us < 6 * CLOCK_SECOND_US; us += 101) {
        stamp_set(&stamp, us);
        assert_string_equal(stamp.text, clock_text(want, us));
    }
}

static void ids_are_uuid_v4_and_differ(void **state)
{
    char id[LINE_UUID_LEN], last[LINE_UUID_LEN] = {0};
    bool seen[16] = {false}, variant[256] = {false};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 1000; i++) {
        line_uuid(id, &rng);
        for (int at = 0; at < LINE_UUID_LEN; at++) {
            if (at == 8 || at == 13 || at == 18 || at == 23) {
                assert_int_equal(id[at], '-');
                continue;
            }
            assert_non_null(strchr("0123456789abcdef", id[at]));
            seen[id[at] <= '9' ? id[at] - '0' : id[at] - 'a' + 10] = true;
        }
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        variant[(unsigned char)id[19]] = true;
        assert_memory_not_equal(id, last, sizeof(id));
        memcpy(last, id, sizeof(id));
    }
    for (int i = 0; i < 16; i++)
        assert_true(seen[i]);
    assert_true(variant['8'] && variant['9'] && variant['a'] && variant['b']);
}

/* Ids are cut out: they are random. */
static void line_text(char *out, const struct line_form *form, int64_t us, const char *payload)
{
    struct stamp stamp;
    struct rng rng;
    char *end;

    rng_seed(&rng, 1);
    stamp_init(&stamp);
    stamp_set(&stamp, us);
    end = line_begin(out, form, &stamp, &rng);
    memset(out + form->id_at, 'I', LINE_UUID_LEN);
    if (form->trace_at != 0)
        memset(out + form->trace_at, 'T', 12);
    memcpy(end, payload, strlen(payload) + 1);
}

static void a_line_has_the_form_of_the_sdk(void **state)
{
    char out[LINE_FORM_MAX + 64];
    struct line_form form;
    struct err err = {0};

    (void)state;
    assert_true(line_form_init(&form, "data;pt=number", span_of("test-asset-1"),
        span_of("casing_pressure"), span_of(""), false, &err));
    line_text(out, &form, 1738326896789012, "42.17}");
    assert_string_equal(out,
        "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:test-asset-1/casing_pressure\","
        "\"id\":\"IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII\","
        "\"timestamp\":\"2025-01-31T12:34:56.789012Z\",\"payload\":42.17}");
    line_form_done(&form);
    assert_true(line_form_init(&form, "data;pt=number", span_of("l\xc3\xa4uft \"1\""),
        span_of("a/b\\c"), span_of("krn:wl:node-1/opc-bridge"), true, &err));
    line_text(out, &form, 0, "1.0}");
    assert_string_equal(out,
        "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:l\xc3\xa4uft \\\"1\\\"/a/b\\\\c\","
        "\"id\":\"IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII\",\"trace_id\":\"sim-TTTTTTTTTTTT\","
        "\"source\":\"krn:wl:node-1/opc-bridge\","
        "\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"payload\":1.0}");
    assert_true(json_check(span_of(out), NULL));
    line_form_done(&form);
}

static void values_stay_in_their_range(void **state)
{
    struct value_maker maker;
    struct err err = {0};

    (void)state;
    for (unsigned kind = 0; kind < SIMULATOR_KINDS; kind++)
        for (int full = 0; full < 2; full++) {
            struct value_state signal = {0};
            double least = 1e9, most = -1e9;

            assert_true(value_maker_init(&maker, -5, 20, full != 0, 4, &err));
            for (int i = 0; i < 20000; i++) {
                struct value v = value_next(&maker, &signal, (enum simulator_kind)kind);
                double real = v.is_real ? v.real : (double)v.cents / 100;

                if (real < least)
                    least = real;
                if (real > most)
                    most = real;
            }
            assert_true(least >= -5 && most <= 20);
            assert_true(most > least); /* none stands still */
        }
    assert_false(value_maker_init(&maker, 2, 1, false, 1, &err));
    assert_false(value_maker_init(&maker, 0, 1e13, false, 1, &err));
    assert_false(value_maker_init(&maker, (double)NAN, 1, false, 1, &err));
}

static void the_counter_goes_round_as_the_original_does(void **state)
{
    static const double want[] = {1, 2, 3, 1, 2, 3, 1};
    struct value_state one = {0}, two = {0};
    struct value_maker maker;
    struct err err = {0};

    (void)state;
    assert_true(value_maker_init(&maker, 1, 3, false, 1, &err));
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        struct value v = value_next(&maker, i % 2 == 0 ? &one : &two, SIMULATOR_COUNTER);

        assert_true((double)v.cents / 100 == want[i]);
    }
}

static void a_range_without_width_gives_its_one_value(void **state)
{
    struct value_state signal = {0};
    struct value_maker maker;
    struct err err = {0};

    (void)state;
    assert_true(value_maker_init(&maker, 7.25, 7.25, false, 1, &err));
    assert_int_equal(value_next(&maker, &signal, SIMULATOR_UNIFORM).cents, 725);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cents_are_written_as_python_writes_them),
        cmocka_unit_test(every_two_decimal_value_is_its_shortest_text),
        cmocka_unit_test(a_real_is_the_shortest_text_that_reads_back),
        cmocka_unit_test(stamps_count_up_as_the_clock_writes_them),
        cmocka_unit_test(all_microseconds_digits_are_right),
        cmocka_unit_test(ids_are_uuid_v4_and_differ),
        cmocka_unit_test(a_line_has_the_form_of_the_sdk),
        cmocka_unit_test(values_stay_in_their_range),
        cmocka_unit_test(the_counter_goes_round_as_the_original_does),
        cmocka_unit_test(a_range_without_width_gives_its_one_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
