#include "stream/timestamp.h"

#include "base/clock.h"
#include "stream/bytes.h"

static bool is_digit(char c)
{
    return (unsigned)(unsigned char)c - '0' <= 9;
}

static bool in_range(int64_t us)
{
    return us >= CLOCK_FIRST_US && us <= CLOCK_LAST_US;
}

/* ---- Unix time ---- */

/* A decimal number 0.d1d2d3... * 10^point with d1 not zero, walked digit by digit. */
struct decimal {
    const char *p, *end;
    int64_t point;
};

/* The next digit; zeros without end behind the last one. */
static unsigned next_digit(struct decimal *d)
{
    if (d->p < d->end && *d->p == '.')
        d->p++;
    return d->p < d->end ? (unsigned)(*d->p++ - '0') : 0;
}

static bool rest_is_zero(struct decimal d)
{
    while (d.p < d.end) {
        if (next_digit(&d))
            return false;
    }
    return true;
}

/* The digits in front of the point after shifting it by `shift` places; no more than 19. */
static uint64_t whole_part(struct decimal *d, int64_t shift)
{
    uint64_t value = 0;

    for (int64_t i = 0; i < d->point + shift; i++)
        value = value * 10 + next_digit(d);
    return value;
}

/* `digits`: digits with at most one point among them, no exponent, no sign. Worked in decimal: a
 * double could not hold microseconds of today with their fraction. */
static bool unix_time(
    struct span digits, int64_t exponent, bool negative, int64_t *ret_us, bool *ret_cut)
{
    struct decimal d = {digits.data, digits.data + digits.len, 0};
    const char *point = memchr(digits.data, '.', digits.len);
    struct decimal probe;
    uint64_t us;
    bool ms, up;

    d.point = (point ? point : d.end) - d.p + exponent;
    while (d.p < d.end && (*d.p == '0' || *d.p == '.')) {
        if (*d.p++ == '0')
            d.point--;
    }
    if (d.p == d.end) {
        *ret_us = 0;
        *ret_cut = false;
        return true;
    }
    if (d.point > 15) /* 10^15 ms: the year 33658 */
        return false;
    /* Above 2*10^10 means milliseconds; exactly so much is the last second. */
    ms = d.point > 11;
    if (d.point == 11) {
        probe = d;
        us = whole_part(&probe, 0);
        ms = us > UINT64_C(20000000000) || (us == UINT64_C(20000000000) && !rest_is_zero(probe));
    }
    if (d.point + (ms ? 3 : 6) < 0) { /* below 0.1 us */
        us = 0;
        up = false;
        *ret_cut = true;
    } else {
        us = whole_part(&d, ms ? 3 : 6);
        *ret_cut = !rest_is_zero(d);
        up = next_digit(&d) >= 5;
    }
    us += up;
    *ret_us = negative ? -(int64_t)us : (int64_t)us;
    return in_range(*ret_us);
}

bool timestamp_number(const struct number *n, int64_t *ret_us, bool *ret_cut)
{
    struct span digits = {n->text.data + n->negative, n->text.len - n->negative};
    int64_t fraction = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] == '.')
            fraction = 1; /* from here on every digit counts */
        else if (!is_digit(digits.data[i]))
            digits.len = i; /* 'e' */
        else if (fraction)
            fraction++;
    }
    /* number.exponent has the written exponent and the fraction's length in one. */
    return unix_time(
        digits, n->exponent + (fraction ? fraction - 1 : 0), n->negative, ret_us, ret_cut);
}

/* "1738326896", "-12.5": digits with at most one point, a digit on both sides of it. */
static bool is_unix_text(struct span text)
{
    size_t points = 0, i = text.len && text.data[0] == '-';
    size_t first = i;

    for (; i < text.len; i++) {
        bool inner = i > first && i + 1 < text.len;

        if (text.data[i] == '.' && inner)
            points++;
        else if (!is_digit(text.data[i]))
            return false;
    }
    return i > first && points <= 1;
}

/* ---- RFC 3339 and relatives ---- */

/* A fixed count of digits at the front. */
static bool take_int(struct span *text, size_t digits, int *ret)
{
    int value = 0;

    if (text->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(text->data[i]))
            return false;
        value = value * 10 + (text->data[i] - '0');
    }
    text->data += digits;
    text->len -= digits;
    *ret = value;
    return true;
}

static bool take_byte(struct span *text, const char *any_of)
{
    if (text->len == 0 || text->data[0] == '\0' || !strchr(any_of, text->data[0]))
        return false;
    text->data++;
    text->len--;
    return true;
}

static bool take_date(struct span *text, int64_t *ret_us)
{
    int year, month, day;

    if (!take_int(text, 4, &year) || !take_byte(text, "-") || !take_int(text, 2, &month) ||
        !take_byte(text, "-") || !take_int(text, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > clock_month_days(year, month))
        return false;
    /* The year 0000 may still be 0001 in UTC; the end result is checked. */
    *ret_us = clock_days(year, month, day) * CLOCK_DAY_US;
    return true;
}

static bool take_fraction(struct span *text, int64_t *ret_us, bool *ret_cut)
{
    int64_t us = 0, weight = CLOCK_SECOND_US / 10;
    size_t i = 0;

    *ret_cut = false;
    for (; i < text->len && is_digit(text->data[i]); i++) {
        us += weight * (text->data[i] - '0');
        *ret_cut |= weight == 0 && text->data[i] != '0';
        weight /= 10;
    }
    text->data += i;
    text->len -= i;
    *ret_us = us;
    return i > 0;
}

static bool take_time(struct span *text, int64_t *ret_us, bool *ret_cut)
{
    int64_t fraction_us = 0;
    int hour, minute, second;

    *ret_cut = false;
    if (!take_int(text, 2, &hour) || !take_byte(text, ":") || !take_int(text, 2, &minute) ||
        !take_byte(text, ":") || !take_int(text, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second, counted on */
        return false;
    if (take_byte(text, ".") && !take_fraction(text, &fraction_us, ret_cut))
        return false;
    *ret_us = (hour * 3600 + minute * 60 + second) * CLOCK_SECOND_US + fraction_us;
    return true;
}

/* What remains must be a zone, or nothing. */
static bool take_zone(struct span text, int64_t *ret_us)
{
    int hour, minute;
    bool minus = text.len && text.data[0] == '-';

    *ret_us = 0;
    if (text.len == 0)
        return true;
    if (take_byte(&text, "Zz"))
        return text.len == 0;
    if (!take_byte(&text, "+-") || !take_int(&text, 2, &hour))
        return false;
    (void)take_byte(&text, ":"); /* both +02:00 and +0200 */
    if (!take_int(&text, 2, &minute) || text.len || hour > 23 || minute > 59)
        return false;
    *ret_us = (hour * 60 + minute) * 60 * CLOCK_SECOND_US;
    if (minus)
        *ret_us = -*ret_us;
    return true;
}

static bool any_text(struct span text, int64_t *ret_us, bool *ret_cut)
{
    int64_t day_us, time_us = 0, zone_us = 0;
    bool cut = false;

    if (!take_date(&text, &day_us))
        return false;
    if (text.len && (!take_byte(&text, "Tt _") || !take_time(&text, &time_us, &cut) ||
                        !take_zone(text, &zone_us)))
        return false;
    *ret_us = day_us + time_us - zone_us;
    *ret_cut = cut;
    return in_range(*ret_us);
}

/* "HH:MM:SS" and ".ffffffZ" as words: the template's digits are zeros, so XOR with it leaves 0-9
 * in a digit's place and 0 in a sign's. Adding 0x76 and 0x7f carries all else into the top bits. */
#define TIME_FORM UINT64_C(0x30303a30303a3030)
#define TIME_ADD UINT64_C(0x76767f76767f7676)
#define FRACTION_FORM UINT64_C(0x5a3030303030302e)
#define FRACTION_ADD UINT64_C(0x7f7676767676767f)

static bool has_form(uint64_t left, uint64_t add)
{
    return (((left + add) | left) & UINT64_C(0x8080808080808080)) == 0;
}

/* The 27 characters the platform writes, on the date of the last message. */
static bool usual_text(const struct timestamp_cache *cache, const char *p, int64_t *ret_us)
{
    uint64_t time = bytes_load8(p + 11) ^ TIME_FORM;
    uint64_t fraction = bytes_load8(p + 19) ^ FRACTION_FORM;
    unsigned hour, minute, second, us;

    /* The '-' keeps a text with NULs away from a cache that is still all zeros. */
    if (memcmp(p, cache->date, sizeof(cache->date)) != 0 || p[4] != '-' || p[10] != 'T' ||
        !has_form(time, TIME_ADD) || !has_form(fraction, FRACTION_ADD))
        return false;
    time = time * 10 + (time >> 8); /* byte 0: hours, 3: minutes, 6: seconds */
    fraction = fraction * 10 + (fraction >> 8);
    hour = time & 0xff;
    minute = time >> 24 & 0xff;
    second = time >> 48 & 0xff;
    us = (unsigned)(fraction >> 8 & 0xff) * 10000 + (unsigned)(fraction >> 24 & 0xff) * 100 +
         (unsigned)(fraction >> 40 & 0xff);
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_us = cache->day_us + (int64_t)(hour * 3600 + minute * 60 + second) * CLOCK_SECOND_US + us;
    return true;
}

bool timestamp_text(struct timestamp_cache *cache, struct span text, int64_t *ret_us, bool *ret_cut)
{
    struct span date = text;
    int64_t day_us;

    if (text.len == 27 && usual_text(cache, text.data, ret_us)) {
        *ret_cut = false;
        return true;
    }
    if (is_unix_text(text)) {
        bool minus = text.data[0] == '-';

        return unix_time(
            (struct span){text.data + minus, text.len - minus}, 0, minus, ret_us, ret_cut);
    }
    /* Only dates whose whole day is in range: the fast way does not look again. */
    if (take_date(&date, &day_us) && in_range(day_us)) {
        memcpy(cache->date, text.data, sizeof(cache->date));
        cache->day_us = day_us;
    }
    return any_text(text, ret_us, ret_cut);
}
