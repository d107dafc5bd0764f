/* Minimum and maximum: order, NaN, zeros, cut strings (specs/parquet.md 4.1 to 4.3). */
#include "parquet/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void keys_are_in_the_order_of_numbers(void **state)
{
    static const double rising[] = {
        -HUGE_VAL, -1e300, -1, -5e-324, -0.0, 0.0, 5e-324, 1, 1e300, HUGE_VAL};
    const size_t n = sizeof(rising) / sizeof(rising[0]);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        double back = statistics_double(statistics_key(rising[i]));

        assert_memory_equal(&back, &rising[i], sizeof(back));
        assert_true(i == 0 || statistics_key(rising[i - 1]) < statistics_key(rising[i]));
    }
}

static void nan_is_counted_and_left_out(void **state)
{
    const double values[] = {(double)NAN, 3, -2, (double)NAN};
    struct range r = statistics_f64(values, 4);

    (void)state;
    assert_int_equal(r.values, 2);
    assert_int_equal(r.nans, 2);
    assert_true(statistics_double(r.min) == -2 && statistics_double(r.max) == 3);
    r = statistics_f64(values, 1);
    assert_int_equal(r.values, 0);
    r = statistics_f64(values, 0);
    assert_int_equal(r.values, 0);
}

static void zeros_are_written_with_the_wider_sign(void **state)
{
    const double plus[] = {0.0, 0.0}, minus[] = {-0.0, -0.0};

    (void)state;
    assert_true(signbit(statistics_double(statistics_f64(plus, 2).min)));
    assert_false(signbit(statistics_double(statistics_f64(plus, 2).max)));
    assert_true(signbit(statistics_double(statistics_f64(minus, 2).min)));
    assert_false(signbit(statistics_double(statistics_f64(minus, 2).max)));
}

static void codes_are_compared_by_rank(void **state)
{
    const uint32_t codes[] = {0, 2, 0}, rank[] = {1, 2, 0};
    struct range r = statistics_codes(codes, 3, rank);

    (void)state;
    assert_int_equal(r.min, 0);
    assert_int_equal(r.max, 1);
    r = statistics_codes(codes, 3, NULL);
    assert_int_equal(r.min, 0);
    assert_int_equal(r.max, 2);
}

static void ranges_merge(void **state)
{
    struct range all = {0};
    const struct range empty = {.nulls = 3}, a = {.values = 2, .min = 5, .max = 9, .nulls = 1},
                       b = {.values = 1, .min = -4, .max = -4, .nans = 2};

    (void)state;
    statistics_merge(&all, &empty);
    statistics_merge(&all, &a);
    statistics_merge(&all, &b);
    assert_int_equal(all.values, 3);
    assert_int_equal(all.nulls, 4);
    assert_int_equal(all.nans, 2);
    assert_int_equal(all.min, -4);
    assert_int_equal(all.max, 9);
}

static void boundary_order_skips_empty_pages(void **state)
{
    const struct range rises[] = {
        {.values = 1, .min = 1, .max = 3}, {.nulls = 4}, {.values = 1, .min = 1, .max = 4}};
    const struct range falls[] = {
        {.values = 1, .min = 2, .max = 3}, {.nulls = 4}, {.values = 1, .min = 1, .max = 3}};
    const struct range mixed[] = {
        {.values = 1, .min = 2, .max = 3}, {.nulls = 4}, {.values = 1, .min = 1, .max = 4}};

    (void)state;
    assert_int_equal(statistics_order(rises, 3), ORDER_ASCENDING);
    assert_int_equal(statistics_order(falls, 3), ORDER_DESCENDING);
    assert_int_equal(statistics_order(mixed, 3), ORDER_UNORDERED);
    assert_int_equal(statistics_order(rises, 1), ORDER_ASCENDING);
    assert_int_equal(statistics_order(rises + 1, 1), ORDER_ASCENDING);
}

#define M60 "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"

static void strings_are_cut_at_a_character(void **state)
{
    static const struct {
        const char *value, *min, *max; /* NULL: the value itself, exact */
    } rows[] = {
        {"", NULL, NULL},
        {M60 "1234", NULL, NULL},
        {M60 "12345", M60 "1234", M60 "1235"},
        {M60 "123\xc3\xa4", M60 "123", M60 "124"}, /* 64 is inside a character */
        {M60 "12\xc3\xa4x", M60 "12\xc3\xa4", M60 "12\xc3\xa5"},
        {M60 "12\xc3\xbfx", M60 "12\xc3\xbf", M60 "12\xc4\x80"},
        {M60 "12\xdf\xbfx", M60 "12\xdf\xbf", M60 "13"}, /* U+07FF: the next is longer */
        {M60 "1\xed\x9f\xbfx", M60 "1\xed\x9f\xbf", M60 "1\xee\x80\x80"}, /* over the surrogates */
        {M60 "\xf4\x8f\xbf\xbfx", M60 "\xf4\x8f\xbf\xbf",
            "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmn"},
        {M60 "123\x7fx", M60 "123\x7f", M60 "124"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span value = span_of(rows[i].value);
        char space[STATISTIC_BYTES_MAX];
        bool min_exact, max_exact;
        struct span min = statistics_min_text(value, &min_exact);
        struct span max = statistics_max_text(value, space, &max_exact);

        assert_int_equal(min_exact, rows[i].min == NULL);
        assert_int_equal(max_exact, rows[i].max == NULL);
        if (!span_is(min, rows[i].min ? rows[i].min : rows[i].value) ||
            !span_is(max, rows[i].max ? rows[i].max : rows[i].value))
            fail_msg("row %zu: %.*s, %.*s", i, (int)min.len, min.data, (int)max.len, max.data);
        assert_true(span_compare(min, value) <= 0 && span_compare(value, max) <= 0);
    }
}

/* Nothing can be raised: the whole value stands, and is exact. */
static void a_maximum_that_cannot_be_raised_is_whole(void **state)
{
    char text[80], space[STATISTIC_BYTES_MAX];
    struct span max;
    bool exact;

    (void)state;
    memset(text, 0x7f, sizeof(text));
    max = statistics_max_text((struct span){text, sizeof(text)}, space, &exact);
    assert_true(exact);
    assert_int_equal(max.len, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_in_the_order_of_numbers),
        cmocka_unit_test(nan_is_counted_and_left_out),
        cmocka_unit_test(zeros_are_written_with_the_wider_sign),
        cmocka_unit_test(codes_are_compared_by_rank),
        cmocka_unit_test(ranges_merge),
        cmocka_unit_test(boundary_order_skips_empty_pages),
        cmocka_unit_test(strings_are_cut_at_a_character),
        cmocka_unit_test(a_maximum_that_cannot_be_raised_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
