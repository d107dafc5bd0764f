/* Numbers, timestamps and names at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "stream/krn.h"
#include "stream/number.h"
#include "stream/timestamp.h"

static const struct {
    const char *text;
    int64_t us;
    bool ok, cut;
} times[] = {
    {"2025-01-31T12:34:56.789012Z", 1738326896789012, true, false},
    {"2025-01-31T12:34:56Z", 1738326896000000, true, false},
    {"2025-01-31T12:34:56.7Z", 1738326896700000, true, false},
    {"2025-01-31T12:34:56.1234567Z", 1738326896123456, true, true},
    {"2025-01-31T12:34:56.1234560Z", 1738326896123456, true, false},
    {"2025-01-31T12:34:56.99999999999999999999999Z", 1738326896999999, true, true},
    {"2025-01-31T12:34:56+02:00", 1738319696000000, true, false},
    {"2025-01-31T12:34:56-0530", 1738346696000000, true, false},
    {"2025-01-31T12:34:56.789012+00:00", 1738326896789012, true, false},
    {"2025-01-31t12:34:56.789012z", 1738326896789012, true, false},
    {"2025-01-31 12:34:56", 1738326896000000, true, false},
    {"2025-01-31_12:34:56.5", 1738326896500000, true, false},
    {"2025-01-31", 1738281600000000, true, false},
    {"1969-12-31T23:59:59.999999Z", -1, true, false},
    {"1970-01-01T00:00:00.000000Z", 0, true, false},
    {"2024-02-29", 1709164800000000, true, false},
    {"2000-02-29T00:00:00Z", 951782400000000, true, false},
    {"2025-02-29", 0, false, false},
    {"1900-02-29", 0, false, false},
    {"2025-00-10", 0, false, false},
    {"2025-13-10", 0, false, false},
    {"2025-04-31", 0, false, false},
    {"2025-04-00", 0, false, false},
    {"2025-01-31T24:00:00.000000Z", 0, false, false},
    {"2025-01-31T23:60:00.000000Z", 0, false, false},
    {"2025-01-31T23:59:60Z", 1738368000000000, true, false},
    {"2025-01-31T23:59:60.500000Z", 1738368000500000, true, false},
    {"2025-01-31T23:59:61.000000Z", 0, false, false},
    {"0001-01-01", CLOCK_FIRST_US, true, false},
    {"0001-01-01T00:00:00.000000Z", CLOCK_FIRST_US, true, false},
    {"0001-01-01T00:00:00+00:01", 0, false, false},
    {"0000-12-31T23:59:00-00:01", CLOCK_FIRST_US, true, false},
    {"0000-12-31T23:59:59.999999Z", 0, false, false},
    {"9999-12-31T23:59:59.999999Z", CLOCK_LAST_US, true, false},
    {"9999-12-31T23:59:60.000000Z", 0, false, false},
    {"9999-12-31T23:59:59-00:01", 0, false, false},
    {"10000-01-01", 0, false, false},
    {"2025-01-31T12:34:56+24:00", 0, false, false},
    {"2025-01-31T12:34:56+00:60", 0, false, false},
    {"2025-01-31T12:34:56+2", 0, false, false},
    {"2025-01-31T12:34:56Z ", 0, false, false},
    {"2025-01-31T12:34:56.Z", 0, false, false},
    {"2025-01-31T12:34:56.789012Zx", 0, false, false},
    {"2025-01-31T12:34:56.78901:Z", 0, false, false},
    {"2025-01-31T12:34:5:.789012Z", 0, false, false},
    {"2025-01-31T12:34", 0, false, false},
    {"2025-01-31T", 0, false, false},
    {"2025-01-31Z", 0, false, false},
    {"2025/01/31", 0, false, false},
    {"20250131T123456Z", 0, false, false},
    {"yesterday", 0, false, false},
    {"", 0, false, false},
    {"now", 0, false, false},
    {"-", 0, false, false},
    {".5", 0, false, false},
    {"5.", 0, false, false},
    {"1.2.3", 0, false, false},
    {"+5", 0, false, false},
    {"0", 0, true, false},
    {"-0", 0, true, false},
    {"1738326896", 1738326896000000, true, false},
    {"1738326896.5", 1738326896500000, true, false},
    {"1738326896789", 1738326896789000, true, false},
    {"1738326896789.012", 1738326896789012, true, false},
    {"0001738326896", 1738326896000000, true, false},
    {"-1.5", -1500000, true, false},
    {"20000000000", 20000000000000000, true, false},
    {"20000000000.000001", 20000000000000, true, true},
    {"20000000001", 20000000001000, true, false},
    {"-20000000001", -20000000001000, true, false},
    {"19999999999.999999", 19999999999999999, true, false},
    {"0.0000005", 1, true, true},
    {"0.00000049999", 0, true, true},
    {"-0.0000015", -2, true, true},
    {"1.9999999", 2000000, true, true},
    {"253402300799999", 253402300799999000, true, false},
    {"253402300799999.9994", CLOCK_LAST_US, true, true},
    {"253402300799999.9996", 0, false, true},
    {"253402300800000", 0, false, false},
    {"-62135596800000", CLOCK_FIRST_US, true, false},
    {"-62135596800000.001", 0, false, false},
    {"99999999999999999999999999999999", 0, false, false},
};

static void check_time(const char *text, size_t row, bool warm)
{
    struct timestamp_cache cache = {0};
    bool ok, cut = false;
    int64_t us = 0;

    if (warm) /* the date is in the cache: the fast way, where the form allows it */
        (void)!timestamp_text(&cache, span_of(text), &us, &cut);
    ok = timestamp_text(&cache, span_of(text), &us, &cut);
    if (ok != times[row].ok || (ok && (us != times[row].us || cut != times[row].cut)))
        fail_msg("%s: %d %" PRId64 " %d", text, ok, us, cut);
}

static void times_are_read_in_all_their_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        check_time(times[i].text, i, false);
        check_time(times[i].text, i, true);
    }
}

static void unix_numbers_are_read_to_the_microsecond(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
        bool ok;
    } rows[] = {
        {"1738326896.5", 1738326896500000, true},
        {"1738326896.789012", 1738326896789012, true}, /* a double would say ...789011955 */
        {"1.738326896789012e9", 1738326896789012, true},
        {"1738326896789012e-3", 1738326896789012, true},
        {"17383268967890125e-7", 1738326896789013, true},
        {"1738326896789", 1738326896789000, true},
        {"-1", -1000000, true},
        {"-0.0", 0, true},
        {"0e999999999999999999", 0, true},
        {"1e-999999999999999999", 0, true},
        {"2e10", 20000000000000000, true},
        {"2.0000000000000000000001e10", 20000000000000, true},
        {"0.00005e5", 5000000, true},
        {"1e400", 0, false},
        {"1e15", 0, false},
        {"-1e14", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct number n;
        int64_t us = 0;
        bool cut, ok;

        assert_non_null(number_scan(rows[i].text, rows[i].text + strlen(rows[i].text), &n));
        ok = timestamp_number(&n, &us, &cut);
        if (ok != rows[i].ok || (ok && us != rows[i].us))
            fail_msg("%s: %d %" PRId64, rows[i].text, ok, us);
    }
}

/* Ten NULs in place of a date must not match a cache that has seen none. */
static void an_empty_cache_matches_no_date(void **state)
{
    static const char text[] = "\0\0\0\0\0\0\0\0\0\0T12:34:56.789012Z";
    struct timestamp_cache cache = {0};
    int64_t us;
    bool cut;

    (void)state;
    assert_false(timestamp_text(&cache, (struct span){text, 27}, &us, &cut));
}

static void numbers_are_read_as_json_says(void **state)
{
    static const struct {
        const char *text;
        size_t used; /* 0: none */
        double value;
        bool inexact;
    } rows[] = {
        {"0", 1, 0, false}, {"-0", 2, -0.0, false}, {"42.17", 5, 42.17, false},
        {"1e5", 3, 1e5, false}, {"1E+5,", 4, 1e5, false}, {"1.25e-2}", 7, 0.0125, false},
        {"12345678", 8, 12345678, false}, {"123456789.123456789", 19, 123456789.123456789, false},
        {"9007199254740993", 16, 9007199254740992, true},
        {"9007199254740993.0", 18, 9007199254740992, false},
        {"9007199254740993.0000000000000000000001", 39, 9007199254740994, false},
        {"18446744073709551615", 20, 0x1p64, true}, {"18446744073709551616", 20, 0x1p64, false},
        {"0.1000000000000000055511151231257827021181583404541015625", 57, 0.1, false},
        {"1e22", 4, 1e22, false}, {"1e23", 4, 1e23, false}, {"8.41e21", 7, 8.41e21, false},
        {"5e-324", 6, 5e-324, false}, {"2.4703282292062327e-324", 23, 0, false},
        {"2.4703282292062328e-324", 23, 5e-324, false},
        {"1.7976931348623157e308", 22, 1.7976931348623157e308, false}, {"", 0, 0, false},
        {"-", 0, 0, false}, {"+1", 0, 0, false}, {".5", 0, 0, false}, {"5.", 0, 0, false},
        {"5.e1", 0, 0, false}, {"00", 0, 0, false}, {"-01", 0, 0, false}, {"1e", 0, 0, false},
        {"1e+", 0, 0, false}, {"NaN", 0, 0, false},
        {"1x", 1, 1, false}, /* what follows is the caller's to judge */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = rows[i].text, *end;
        struct number n;
        double value;
        bool inexact;

        end = number_scan(text, text + strlen(text), &n);
        if ((end ? (size_t)(end - text) : 0) != rows[i].used)
            fail_msg("'%s' ends elsewhere", text);
        if (!end)
            continue;
        assert_true(number_value(&n, &value, &inexact));
        if (memcmp(&value, &rows[i].value, sizeof(value)) != 0 || inexact != rows[i].inexact)
            fail_msg("%s: %a %d", text, value, inexact);
    }
}

static void numbers_beyond_the_largest_are_refused(void **state)
{
    static const char *const rows[] = {"1e309", "-1e309", "1.7976931348623159e308", "1e999999999",
        "1e9223372036854775808", "123456789012345678901234567890e300"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct number n;
        double value;
        bool inexact;

        assert_non_null(number_scan(rows[i], rows[i] + strlen(rows[i]), &n));
        assert_false(number_value(&n, &value, &inexact));
    }
}

/* Zeros can make up for any exponent, in a line of the greatest length. */
static void exponents_as_long_as_the_line_are_exact(void **state)
{
    const size_t zeros = 2000000;
    char *text = malloc(zeros + 32);
    struct number n;
    bool inexact;
    double value;
    int tail;

    (void)state;
    assert_non_null(text);
    memcpy(text, "0.", 2);
    memset(text + 2, '0', zeros);
    tail = snprintf(text + 2 + zeros, 30, "125e%zu", zeros);
    assert_non_null(number_scan(text, text + 2 + zeros + (size_t)tail, &n));
    assert_true(number_value(&n, &value, &inexact));
    assert_true(value == 0.125);
    text[0] = '1';
    memset(text + 1, '0', zeros);
    tail = snprintf(text + 1 + zeros, 30, ".5e-%zu", zeros);
    assert_non_null(number_scan(text, text + 1 + zeros + (size_t)tail, &n));
    assert_true(number_value(&n, &value, &inexact));
    assert_true(value == 1);
    free(text);
}

/* A tie, and a single digit far behind that breaks it. */
static void a_digit_behind_all_others_still_counts(void **state)
{
    char text[1200];

    (void)state;
    for (size_t zeros = 1; zeros < 1100; zeros += 7) {
        for (int last = 0; last < 2; last++) {
            struct number n;
            bool inexact;
            double value;

            memcpy(text, "9007199254740993.", 17);
            memset(text + 17, '0', zeros);
            text[17 + zeros] = (char)('0' + last);
            assert_non_null(number_scan(text, text + 18 + zeros, &n));
            assert_true(number_value(&n, &value, &inexact));
            assert_true(value == (last ? 9007199254740994.0 : 9007199254740992.0));
        }
    }
}

static void names_are_split_at_the_first_signs(void **state)
{
    static const struct {
        const char *text;
        enum krn_kind kind;
        const char *asset, *datastream;
    } rows[] = {
        {"krn:ad:a/b", KRN_DATA, "a", "b"},
        {"krn:ad:a:1/b/c:d", KRN_DATA, "a:1", "b/c:d"},
        {"krn:ad:/", KRN_DATA, "", ""},
        {"krn:ad:", KRN_BAD, "", ""},
        {"krn:ad", KRN_BAD, "", ""},
        {"krn:a", KRN_BAD, "", ""},
        {"krn:", KRN_BAD, "", ""},
        {"", KRN_BAD, "", ""},
        {"KRN:ad:a/b", KRN_BAD, "", ""},
        {"krn::", KRN_OTHER, "", ""},
        {"krn:AD:a/b", KRN_OTHER, "", ""},
        {"krn:adx:a/b", KRN_OTHER, "", ""},
        {"krn:asset:x", KRN_OTHER, "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span asset = {"", 0}, datastream = {"", 0};

        assert_int_equal(krn_split(span_of(rows[i].text), &asset, &datastream), rows[i].kind);
        assert_true(span_is(asset, rows[i].asset));
        assert_true(span_is(datastream, rows[i].datastream));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_all_their_forms),
        cmocka_unit_test(unix_numbers_are_read_to_the_microsecond),
        cmocka_unit_test(an_empty_cache_matches_no_date),
        cmocka_unit_test(numbers_are_read_as_json_says),
        cmocka_unit_test(numbers_beyond_the_largest_are_refused),
        cmocka_unit_test(exponents_as_long_as_the_line_are_exact),
        cmocka_unit_test(a_digit_behind_all_others_still_counts),
        cmocka_unit_test(names_are_split_at_the_first_signs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
