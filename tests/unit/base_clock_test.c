#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_day_of_ten_thousand_years_there_and_back(void **state)
{
    int64_t days = clock_days(1, 1, 1);

    (void)state;
    assert_int_equal(clock_days(1970, 1, 1), 0);
    assert_int_equal(days * CLOCK_DAY_US, CLOCK_FIRST_US);
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= clock_month_days(year, month); day++, days++) {
                int y, m, d;

                clock_date(days, &y, &m, &d);
                if (clock_days(year, month, day) != days || y != year || m != month || d != day)
                    fail_msg("%d-%d-%d", year, month, day);
            }
    assert_int_equal(days * CLOCK_DAY_US - 1, CLOCK_LAST_US);
}

static void text_of_known_moments(void **state)
{
    static const struct {
        int64_t us;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(1769862896789012), "2026-01-31T12:34:56.789012Z"},
        {CLOCK_FIRST_US, "0001-01-01T00:00:00.000000Z"},
        {CLOCK_LAST_US, "9999-12-31T23:59:59.999999Z"},
        {INT64_MIN, "0001-01-01T00:00:00.000000Z"}, /* clamped */
        {INT64_MAX, "9999-12-31T23:59:59.999999Z"},
    };
    char text[CLOCK_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(clock_text(text, rows[i].us), rows[i].want);
}

static void leap_years_follow_gregory(void **state)
{
    (void)state;
    assert_int_equal(clock_month_days(2024, 2), 29);
    assert_int_equal(clock_month_days(2023, 2), 28);
    assert_int_equal(clock_month_days(1900, 2), 28);
    assert_int_equal(clock_month_days(2000, 2), 29);
    assert_int_equal(clock_month_days(2026, 12), 31);
}

static void clocks_run_forward(void **state)
{
    int64_t mono = clock_mono_us(), boot = clock_boot_us(), cpu = clock_thread_cpu_us();
    int64_t process = clock_process_cpu_us();

    (void)state;
    assert_true(clock_wall_us() > INT64_C(1600000000000000));
    while (clock_mono_us() - mono < 20000)
        ; /* busy on purpose: the processor's clocks must move */
    assert_true(clock_boot_us() - boot >= 19000);
    assert_true(clock_thread_cpu_us() > cpu);
    assert_true(clock_process_cpu_us() > process);
}

static void the_time_zone_is_not_read(void **state)
{
    char text[CLOCK_TEXT_SIZE];

    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    assert_string_equal(clock_text(text, 0), "1970-01-01T00:00:00.000000Z");
    assert_int_equal(unsetenv("TZ"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_ten_thousand_years_there_and_back),
        cmocka_unit_test(text_of_known_moments),
        cmocka_unit_test(leap_years_follow_gregory),
        cmocka_unit_test(clocks_run_forward),
        cmocka_unit_test(the_time_zone_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
