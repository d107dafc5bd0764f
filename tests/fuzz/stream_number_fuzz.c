/* Numbers and times against slow ways to the same result: doubles against strtod and their own digits,
 * times against a walk over the years. Each line is a number, or the text of a timestamp. */
#include "base/clock.h"
#include "stream/number.h"
#include "stream/timestamp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* JSON's own rule, read letter by letter: how much of the text is a number; 0: it does not begin as
 * one. */
static size_t json_number(const char *s)
{
    size_t i = s[0] == '-', digits = strspn(s + i, "0123456789");

    if (digits == 0 || (s[i] == '0' && digits > 1))
        return 0;
    i += digits;
    if (s[i] == '.') {
        digits = strspn(s + i + 1, "0123456789");
        if (digits == 0)
            return 0;
        i += 1 + digits;
    }
    if (s[i] == 'e' || s[i] == 'E') {
        size_t sign = s[i + 1] == '+' || s[i + 1] == '-';

        digits = strspn(s + i + 1 + sign, "0123456789");
        if (digits == 0)
            return 0;
        i += 1 + sign + digits;
    }
    return i;
}

static void try_number(const char *text, size_t len)
{
    struct number n;
    const char *end = number_scan(text, text + len, &n);
    size_t want = json_number(text);
    char *copy;
    double got, slow;
    bool inexact;

    must(end ? (size_t)(end - text) == want : want == 0);
    if (!end)
        return;
    copy = strndup(text, want);
    must(copy != NULL);
    slow = strtod(copy, NULL);
    must(number_value(&n, &got, &inexact) == (bool)isfinite(slow));
    if (isfinite(slow))
        must(memcmp(&got, &slow, sizeof(got)) == 0);
    free(copy);
}

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01, counted year by year and month by month. */
static int64_t days_of(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = day - 1;

    for (int m = 1; m < month; m++)
        days += lengths[m - 1] + (m == 2 && leap(year));
    for (int y = 1970; y < year; y++)
        days += 365 + leap(y);
    for (int y = year; y < 1970; y++)
        days -= 365 + leap(y);
    return days;
}

/* The plain form YYYY-MM-DDTHH:MM:SS[.f]Z, by sscanf: true when the text is just that and a time. */
static bool plain_time(const char *text, int64_t *ret_us)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    int year, month, day, hour, minute, second;
    int64_t us = 0, unit = 100000;

    /* Letter by letter first: sscanf takes signs and blanks for digits. */
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) !=
            6 ||
        year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] ||
        (month == 2 && day == 29 && !leap(year)) || hour > 23 || minute > 59 || second > 59)
        return false;
    text += 19;
    if (*text == '.') {
        size_t digits = strspn(text + 1, "0123456789");

        if (digits == 0 || digits > 9)
            return false;
        for (size_t i = 1; i <= digits; i++, unit /= 10)
            us += (text[i] - '0') * unit;
        text += 1 + digits;
    }
    if (strcmp(text, "Z") != 0)
        return false;
    *ret_us = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 * CLOCK_SECOND_US +
              second * CLOCK_SECOND_US + us;
    return true;
}

static void try_time(const char *text, size_t len, struct timestamp_cache *cache)
{
    struct timestamp_cache fresh = {.day_us = 0};
    int64_t cached_us = 0, us = 0, want_us;
    bool cut, cached_cut;
    bool ok = timestamp_text(&fresh, (struct span){text, len}, &us, &cut);

    must(timestamp_text(cache, (struct span){text, len}, &cached_us, &cached_cut) == ok);
    must(!ok || (us == cached_us && cut == cached_cut));
    if (strlen(text) == len && plain_time(text, &want_us))
        must(ok && us == want_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct timestamp_cache cache = {.day_us = 0};

    while (size) {
        const uint8_t *newline = memchr(data, '\n', size);
        size_t len = newline ? (size_t)(newline - data) : size;
        char *text = malloc(len + 1); /* exact: a byte read too far is seen */

        must(text != NULL);
        memcpy(text, data, len);
        text[len] = '\0';
        if (len < 2000)
            try_number(text, len);
        try_time(text, len, &cache);
        free(text);
        data += newline ? len + 1 : len;
        size -= newline ? len + 1 : len;
    }
    return 0;
}
