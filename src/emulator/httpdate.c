#include "emulator/httpdate.h"

#include <stdio.h>

#include "base/clock.h"

static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *httpdate_text(char out[HTTPDATE_SIZE], int64_t seconds)
{
    static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    struct clock_parts at;
    int64_t day;

    clock_split(seconds * CLOCK_SECOND_US, &at);
    day = clock_days(at.year, at.month, at.day); /* 1970-01-01 was a Thursday */
    (void)snprintf(out, HTTPDATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT",
        days[(day % 7 + 7) % 7], at.day, months[at.month - 1], at.year % 10000, at.hour, at.minute,
        at.second);
    return out;
}

static bool number(struct span text, size_t at, size_t digits, int max, int *ret)
{
    uint64_t value;

    if (!str_u64((struct span){text.data + at, digits}, &value) || value > (uint64_t)max)
        return false;
    *ret = (int)value;
    return true;
}

/*  0         1         2
 *  01234567890123456789012345678
 *  Sun, 06 Nov 1994 08:49:37 GMT */
bool httpdate_parse(struct span text, int64_t *ret)
{
    int year, month = 0, day, hour, minute, second;

    if (text.len != 29 || memcmp(text.data + 3, ", ", 2) != 0 ||
        memcmp(text.data + 25, " GMT", 4) != 0 || text.data[7] != ' ' || text.data[11] != ' ' ||
        text.data[16] != ' ' || text.data[19] != ':' || text.data[22] != ':')
        return false;
    while (month < 12 && memcmp(text.data + 8, months[month], 3) != 0)
        month++;
    if (month == 12 || !number(text, 5, 2, 31, &day) || !number(text, 12, 4, 9999, &year) ||
        !number(text, 17, 2, 23, &hour) || !number(text, 20, 2, 59, &minute) ||
        !number(text, 23, 2, 60, &second))
        return false;
    if (year < 1 || day < 1 || day > clock_month_days(year, month + 1))
        return false;
    *ret = clock_days(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}
