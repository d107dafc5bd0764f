#include "simulator/time_text.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

bool time_text_number(struct span text, double *ret)
{
    char copy[400];
    char *end = NULL;
    double value;

    text = span_trim(text);
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\0' || strchr("0123456789+-.eE", text.data[i]) == NULL)
            return false; /* strtod takes nan, inf and 0x10 too */
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    value = strtod(copy, &end);
    if (*end != '\0' || !isfinite(value))
        return false;
    *ret = value;
    return true;
}

/* Exactly n digits. */
static bool take(struct span *s, size_t n, int *ret)
{
    uint64_t value;

    if (s->len < n || !str_u64((struct span){s->data, n}, &value))
        return false;
    *ret = (int)value;
    s->data += n;
    s->len -= n;
    return true;
}

static bool skip(struct span *s, char c)
{
    if (s->len == 0 || *s->data != c)
        return false;
    s->data++;
    s->len--;
    return true;
}

static bool take_date(struct span *s, int64_t *ret_us)
{
    int year, month, day;

    if (!take(s, 4, &year) || !skip(s, '-') || !take(s, 2, &month) || !skip(s, '-') ||
        !take(s, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > clock_month_days(year, month))
        return false;
    *ret_us = clock_days(year, month, day) * CLOCK_DAY_US;
    return true;
}

static bool take_clock(struct span *s, int64_t *ret_us)
{
    int hour, minute, second = 0, digit;
    int64_t unit = CLOCK_SECOND_US / 10;
    int64_t us = 0;

    if (!take(s, 2, &hour) || !skip(s, ':') || !take(s, 2, &minute))
        return false;
    if (skip(s, ':')) {
        if (!take(s, 2, &second))
            return false;
        if (skip(s, '.') || skip(s, ',')) {
            if (!take(s, 1, &digit))
                return false;
            do {
                us += digit * unit;
                unit /= 10;
            } while (take(s, 1, &digit));
        }
    }
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_us += ((int64_t)hour * 3600 + minute * 60 + second) * CLOCK_SECOND_US + us;
    return true;
}

static bool take_zone(struct span *s, int64_t *ret_us)
{
    int hour, minute = 0;
    bool west = s->len > 0 && *s->data == '-';

    if (s->len == 0 || skip(s, 'Z') || skip(s, 'z'))
        return true;
    if ((!skip(s, '+') && !skip(s, '-')) || !take(s, 2, &hour))
        return false;
    (void)skip(s, ':');
    if (s->len > 0 && !take(s, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *ret_us += (west ? 1 : -1) * ((int64_t)hour * 3600 + minute * 60) * CLOCK_SECOND_US;
    return true;
}

bool time_text_parse(struct span text, int64_t *ret_us)
{
    double seconds;
    int64_t us = 0;

    text = span_trim(text);
    if (time_text_number(text, &seconds)) {
        if (fabs(seconds) > 3e11)
            return false;
        us = llround(seconds * 1e6);
    } else {
        if (!take_date(&text, &us))
            return false;
        if ((skip(&text, 'T') || skip(&text, 't') || skip(&text, ' ')) && !take_clock(&text, &us))
            return false;
        if (!take_zone(&text, &us) || text.len > 0)
            return false;
    }
    if (us < CLOCK_FIRST_US || us > CLOCK_LAST_US)
        return false;
    *ret_us = us;
    return true;
}
