#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) < 0)
        return 0; /* cannot happen: the ids are constants the kernel knows */
    return (int64_t)now.tv_sec * CLOCK_SECOND_US + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_thread_cpu_us(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Both directions count in years that begin in March, so that the leap day is the last of a year.
 */
int64_t clock_days(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

void clock_date(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

int clock_month_days(int year, int month)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

void clock_split(int64_t wall_us, struct clock_parts *ret)
{
    int64_t days, rest;

    if (wall_us < CLOCK_FIRST_US)
        wall_us = CLOCK_FIRST_US;
    if (wall_us > CLOCK_LAST_US)
        wall_us = CLOCK_LAST_US;
    days = wall_us / CLOCK_DAY_US;
    rest = wall_us % CLOCK_DAY_US;
    if (rest < 0) {
        rest += CLOCK_DAY_US;
        days--;
    }
    clock_date(days, &ret->year, &ret->month, &ret->day);
    ret->microsecond = (int)(rest % CLOCK_SECOND_US);
    rest /= CLOCK_SECOND_US;
    ret->second = (int)(rest % 60);
    ret->minute = (int)(rest / 60 % 60);
    ret->hour = (int)(rest / 3600);
}

const char *clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_us)
{
    struct clock_parts t;

    clock_split(wall_us, &t);
    (void)snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
        (unsigned)t.year % 10000, (unsigned)t.month % 100, (unsigned)t.day % 100,
        (unsigned)t.hour % 100, (unsigned)t.minute % 100, (unsigned)t.second % 100,
        (unsigned)t.microsecond % 1000000);
    return out;
}
