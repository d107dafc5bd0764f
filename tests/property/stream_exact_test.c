/* Doubles and timestamps against slow, independent references: strtod in the C locale, and a
 * calendar that counts day by day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"
#include "rounds.h"
#include "stream/number.h"
#include "stream/timestamp.h"

static struct rng rng;

static void check_double(const char *text)
{
    double want = strtod(text, NULL), got = 0;
    struct number n;
    bool inexact, ok;

    if (number_scan(text, text + strlen(text), &n) != text + strlen(text))
        fail_msg("'%s' not taken", text);
    ok = number_value(&n, &got, &inexact);
    if (ok != isfinite(want) || (ok && memcmp(&got, &want, sizeof(got)) != 0))
        fail_msg("%s: %a, not %a", text, got, want);
    if (ok && n.integer) { /* exact is what reads back to the same digits */
        char back[400];

        (void)snprintf(back, sizeof(back), "%.0f", got);
        assert_int_equal(inexact, fabs(got) >= 0x1p53 && strcmp(back, text) != 0);
    }
}

static double random_double(void)
{
    uint64_t bits;
    double value;

    do {
        bits = rng_next(&rng);
        memcpy(&value, &bits, sizeof(value));
    } while (!isfinite(value));
    return value;
}

static void printed_doubles_read_back(void **state)
{
    char text[1200];

    (void)state;
    for (uint64_t i = 0; i < rounds(30000); i++) {
        double value = random_double();

        (void)snprintf(text, sizeof(text), "%.*g", (int)(1 + rng_below(&rng, 20)), value);
        check_double(text);
        (void)snprintf(text, sizeof(text), "%.17g",
            (rng_unit(&rng) - 0.5) * pow(10, (double)rng_below(&rng, 25) - 8));
        check_double(text);
    }
}

/* All lengths of mantissas with all exponents about the short ways' edges. */
static void random_digits_round_once(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(60000); i++) {
        char text[64], *p = text;
        uint64_t digits = 1 + rng_below(&rng, 22), point = rng_below(&rng, digits + 1);

        if (rng_below(&rng, 2))
            *p++ = '-';
        if (point == 0) {
            *p++ = '0';
            *p++ = '.';
        }
        for (uint64_t d = 0; d < digits; d++) {
            bool lead = d == 0 && point > 1;

            if (d && d == point)
                *p++ = '.';
            *p++ = (char)('0' + (lead ? 1 + rng_below(&rng, 9) : rng_below(&rng, 10)));
        }
        if (rng_below(&rng, 2))
            p += snprintf(p, 8, "e%d", (int)rng_below(&rng, 80) - 40);
        *p = '\0';
        check_double(text);
    }
}

/* The numbers exactly between two doubles, and their neighbours by one in the last digit: where
 * rounding twice, or a power of ten that is a little off, shows. */
static void ties_go_to_the_even_one(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(15000); i++) {
        uint64_t mantissa = rng_next(&rng) >> 11 | UINT64_C(1) << 52; /* 53 bits */
        uint64_t middle = mantissa * 2 + 1;                           /* 54: a tie */
        unsigned shift = (unsigned)rng_below(&rng, 10);
        char text[64];

        /* middle * 2^shift, and +-1 */
        for (int off = -1; off <= 1; off++) {
            (void)snprintf(text, sizeof(text), "%" PRIu64, (middle << shift) + (uint64_t)off);
            check_double(text);
            (void)snprintf(text, sizeof(text), "%" PRIu64 ".0", (middle << shift) + (uint64_t)off);
            check_double(text);
        }
        /* middle / 2^k = middle * 5^k / 10^k, while the product fits 64 bits */
        middle >>= rng_below(&rng, 30);
        middle |= 1;
        for (unsigned k = 0; k <= 27 && middle <= UINT64_MAX / 5; k++) {
            for (int off = -1; off <= 1; off++) {
                (void)snprintf(text, sizeof(text), "%" PRIu64 "e-%u", middle + (uint64_t)off, k);
                check_double(text);
            }
            middle *= 5;
        }
    }
}

static void long_tokens_and_subnormals_are_exact(void **state)
{
    char text[1400];

    (void)state;
    for (uint64_t i = 0; i < rounds(1500); i++) {
        uint64_t bits = rng_next(&rng) >> (12 + rng_below(&rng, 40)); /* subnormal */
        double value;
        size_t len;

        memcpy(&value, &bits, sizeof(value));
        (void)snprintf(text, sizeof(text), "%.*f", 1074, value); /* all its digits */
        check_double(text);
        /* Half way to the next one: the digits of both, averaged by appending a 5 to a cut. */
        len = strlen(text);
        text[len - rng_below(&rng, 40)] = '\0';
        check_double(text);
        (void)snprintf(text, sizeof(text), "%.*f", (int)rng_below(&rng, 300), random_double());
        if (strlen(text) < sizeof(text) - 1)
            check_double(text);
    }
}

/* ---- timestamps ---- */

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* `width` digits; snprintf would take longer than what is tested. */
static void put_digits(char *to, int width, int value)
{
    for (; width > 0; value /= 10)
        to[--width] = (char)('0' + value % 10);
}

/* Walks the calendar, one day after the other, from 0001-01-01 to 9999-12-31. */
static void every_day_of_the_calendar_is_read(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = -719162; /* 0001-01-01 */
    char text[] = "0001-01-01T00:00:00.000000Z";
    struct timestamp_cache cache = {0};

    (void)state;
    for (int year = 1; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int days = lengths[month - 1] + (month == 2 && leap(year));

            for (int d = 1; d <= days + 1; d++) {
                int seconds = (int)rng_below(&rng, 86400), fraction = (int)rng_below(&rng, 1000000);
                int64_t us;
                bool cut, ok;

                put_digits(text, 4, year);
                put_digits(text + 5, 2, month);
                put_digits(text + 8, 2, d);
                put_digits(text + 11, 2, seconds / 3600);
                put_digits(text + 14, 2, seconds / 60 % 60);
                put_digits(text + 17, 2, seconds % 60);
                put_digits(text + 20, 6, fraction);
                ok = timestamp_text(&cache, span_of(text), &us, &cut);
                if (ok != (d <= days) || (ok && us != (day * 86400 + seconds) * 1000000 + fraction))
                    fail_msg("%s: %d %" PRId64, text, ok, us);
                day += d <= days;
            }
        }
    }
    assert_int_equal(day, 2932897); /* 10000-01-01 */
}

/* The same instant in other zones, forms and as Unix time. */
static void other_forms_are_the_same_instant(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(30000); i++) {
        int64_t want = CLOCK_FIRST_US + CLOCK_DAY_US +
                       (int64_t)rng_below(&rng,
                           (uint64_t)(CLOCK_LAST_US - CLOCK_FIRST_US) - 2 * (uint64_t)CLOCK_DAY_US);
        int zone = (int)rng_below(&rng, 2 * 1439 + 1) - 1439, size = zone < 0 ? -zone : zone;
        struct timestamp_cache cache = {0};
        char local[CLOCK_TEXT_SIZE], text[64];
        int64_t us, s;
        bool cut;

        (void)clock_text(local, want + zone * 60 * CLOCK_SECOND_US);
        (void)snprintf(text, sizeof(text), "%.10s%c%.15s%03u%c%02d%s%02d", local,
            "Tt _"[rng_below(&rng, 4)], local + 11, (unsigned)rng_below(&rng, 1000),
            zone < 0 ? '-' : '+', size / 60, rng_below(&rng, 2) ? ":" : "", size % 60);
        if (!timestamp_text(&cache, span_of(text), &us, &cut) || us != want)
            fail_msg("%s: %" PRId64 ", not %" PRId64, text, us, want);

        (void)snprintf(text, sizeof(text), "%s%" PRId64 ".%06" PRId64, want < 0 ? "-" : "",
            (want < 0 ? -want : want) / 1000000, (want < 0 ? -want : want) % 1000000);
        s = (want < 0 ? -want : want) / 1000000;
        if (s >= 20000000000) /* would be read as milliseconds: write these */
            (void)snprintf(text, sizeof(text), "%s%" PRId64 ".%03" PRId64, want < 0 ? "-" : "",
                (want < 0 ? -want : want) / 1000, (want < 0 ? -want : want) % 1000);
        if (!timestamp_text(&cache, span_of(text), &us, &cut) || us != want || cut)
            fail_msg("%s: %" PRId64 ", not %" PRId64, text, us, want);
    }
}

/* Nearest: long double holds 64 bits, enough for times of today with three more digits. */
static void unix_time_is_rounded_to_the_nearest(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < rounds(20000); i++) {
        uint64_t s = rng_below(&rng, 4000000000U), ns = rng_below(&rng, 1000000000);
        uint64_t want = s * 1000000 + (ns + 500) / 1000;
        struct number n;
        char text[64];
        int64_t us;
        bool cut;

        if (i % 10 == 0)
            ns = ns / 1000 * 1000 + 500; /* a tie: away from zero */
        want = s * 1000000 + (ns + 500) / 1000;
        (void)snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64, i % 2 ? "-" : "", s, ns);
        assert_non_null(number_scan(text, text + strlen(text), &n));
        assert_true(timestamp_number(&n, &us, &cut));
        if (us != (i % 2 ? -(int64_t)want : (int64_t)want) || cut != (ns % 1000 != 0))
            fail_msg("%s: %" PRId64, text, us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_doubles_read_back),
        cmocka_unit_test(random_digits_round_once),
        cmocka_unit_test(ties_go_to_the_even_one),
        cmocka_unit_test(long_tokens_and_subnormals_are_exact),
        cmocka_unit_test(every_day_of_the_calendar_is_read),
        cmocka_unit_test(other_forms_are_the_same_instant),
        cmocka_unit_test(unix_time_is_rounded_to_the_nearest),
    };
    uint64_t seed = rng_any_seed();

    printf("seed %" PRIu64 "\n", seed);
    rng_seed(&rng, seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
