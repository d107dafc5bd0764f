#include "databricks/retry_after.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>

static bool month_of(const char *name, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++) {
        if (memcmp(names + 3 * (size_t)i, name, 3) == 0) {
            *ret = i + 1;
            return true;
        }
    }
    return false;
}

/* RFC 9110: a two-digit year more than 50 years ahead is the last one in the past. */
static int century(int year, int64_t wall_us)
{
    struct clock_parts now;

    clock_split(wall_us, &now);
    year += now.year / 100 * 100;
    return year > now.year + 50 ? year - 100 : year;
}

bool http_date_parse(struct span value, int64_t wall_us, int64_t *ret_us)
{
    char text[64], month[4] = "", rest[8] = "";
    int year = 0, number = 0, day = 0, hour = 0, minute = 0, second = 0;

    value = span_trim(value);
    if (value.len == 0 || value.len >= sizeof(text) || memchr(value.data, '\0', value.len))
        return false;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %7s", &day, month, &year, &hour,
            &minute, &second, rest) == 7 &&
        strcmp(rest, "GMT") == 0) {
        ;
    } else if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %7s", &day, month, &year,
                   &hour, &minute, &second, rest) == 7 &&
               strcmp(rest, "GMT") == 0) {
        year = century(year, wall_us);
    } else if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%7s", month, &day, &hour,
                   &minute, &second, &year, rest) != 6) {
        return false;
    }
    if (strlen(month) != 3 || !month_of(month, &number) || year < 1 || day < 1 ||
        day > clock_month_days(year, number) || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return false;
    *ret_us = (clock_days(year, number, day) * 86400 + hour * 3600 + minute * 60 + second) *
              CLOCK_SECOND_US;
    return true;
}

static int64_t within(int64_t us)
{
    if (us < 0)
        return 0;
    return us < RETRY_AFTER_MAX_US ? us : RETRY_AFTER_MAX_US;
}

static bool all_digits(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (!isdigit((unsigned char)value.data[i]))
            return false;
    }
    return value.len > 0;
}

bool retry_after_parse(struct span value, struct span date, int64_t wall_us, int64_t *ret_us)
{
    int64_t until, from = wall_us;
    uint64_t seconds;

    value = span_trim(value);
    if (all_digits(value)) { /* more digits than fit are a long time as well */
        bool fits = str_u64(value, &seconds) && seconds < 3600;

        *ret_us = fits ? (int64_t)seconds * CLOCK_SECOND_US : RETRY_AFTER_MAX_US;
        return true;
    }
    if (!http_date_parse(value, wall_us, &until))
        return false;
    (void)http_date_parse(date, wall_us, &from);
    *ret_us = within(until - from);
    return true;
}

bool retry_info_parse(struct span value, int64_t *ret_us)
{
    struct span whole;
    int64_t fraction = 0, unit = CLOCK_SECOND_US / 10;
    uint64_t seconds;

    value = span_trim(value);
    if (value.len < 2 || value.data[value.len - 1] != 's')
        return false;
    value.len--;
    whole = value;
    for (whole.len = 0; whole.len < value.len && value.data[whole.len] != '.'; whole.len++)
        ;
    if (!str_u64(whole, &seconds))
        return false;
    for (size_t i = whole.len + 1; i < value.len; i++, unit /= 10) {
        if (!isdigit((unsigned char)value.data[i]))
            return false;
        fraction += (value.data[i] - '0') * unit;
    }
    *ret_us = seconds < 3600 ? (int64_t)seconds * CLOCK_SECOND_US + fraction : RETRY_AFTER_MAX_US;
    return true;
}
