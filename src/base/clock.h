/* base/clock.h: the three clocks, and UTC as text.
 *
 * Shape    int64_t microseconds everywhere; wall: since 1970-01-01 UTC, mono and boot: since some
 *          start.
 * Units    _us microseconds.
 * Limits   text for the years 0001 to 9999.
 * Errors   none.
 * Threads  any. TZ is not read.
 * Source   clock_gettime(2); days-from-civil arithmetic on the proleptic Gregorian calendar.
 *
 * Wall time is information only: nothing is ordered, named uniquely, selected or deleted by it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND_US INT64_C(1000000)
#define CLOCK_DAY_US (INT64_C(86400) * CLOCK_SECOND_US)
#define CLOCK_FIRST_US INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define CLOCK_LAST_US INT64_C(253402300799999999)  /* 9999-12-31T23:59:59.999999Z */

int64_t clock_wall_us(void);
int64_t clock_mono_us(void); /* intervals, ages, time-outs */
int64_t clock_boot_us(void); /* counts suspended time: the life of a token */

/* Processor time of the calling thread / the whole process. */
int64_t clock_thread_cpu_us(void);
int64_t clock_process_cpu_us(void);

/* Days since 1970-01-01 of a Gregorian date; month 1-12, day 1-31, not checked. */
int64_t clock_days(int year, int month, int day);
void clock_date(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int clock_month_days(int year, int month);

struct clock_parts {
    int year, month, day, hour, minute, second, microsecond;
};
/* Clamps to the years 0001-9999. */
void clock_split(int64_t wall_us, struct clock_parts *ret);

/* 2026-01-31T12:34:56.789012Z: 27 characters and the NUL. Returns out. */
#define CLOCK_TEXT_SIZE 28
const char *clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_us);

#endif
