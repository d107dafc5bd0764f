#include "outbox/name.h"

#include "base/clock.h"
#include "base/str.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX ".parquet"
#define SUFFIX_LEN (sizeof(SUFFIX) - 1)
#define CRC_LEN 8U
#define INSTANCE_LEN 16U
#define SEQ_DIGITS_MIN 12U
#define SEQ_DIGITS_MAX 19U /* of INT64_MAX */
#define TIME_LEN 16U       /* 20260131T123456Z */
#define TIME_DAILY_LEN 18U /* 2026-01-31T123456Z */

void file_name_format(const struct file_name *name, char out[OUTBOX_NAME_SIZE])
{
    const char *dash = name->daily ? "-" : "";
    struct clock_parts t;
    int n;

    clock_split(name->created_us, &t);
    n = snprintf(out, OUTBOX_NAME_SIZE,
        "%04u%s%02u%s%02uT%02u%02u%02uZ-%.16s-%012" PRIu64 "-%012" PRIu64 "-%08" PRIx32 SUFFIX,
        (unsigned)t.year % 10000, dash, (unsigned)t.month % 100, dash, (unsigned)t.day % 100,
        (unsigned)t.hour % 100, (unsigned)t.minute % 100, (unsigned)t.second % 100, name->instance,
        name->first_seq, name->last_seq, name->crc);
    assert(n > 0 && n < OUTBOX_NAME_SIZE);
}

/* Takes the part behind the last '-' off the end of `rest`. */
static bool take_part(struct span *rest, struct span *ret)
{
    for (size_t i = rest->len; i > 0; i--) {
        if (rest->data[i - 1] != '-')
            continue;
        *ret = (struct span){rest->data + i, rest->len - i};
        rest->len = i - 1;
        return true;
    }
    return false;
}

static bool parse_seq(struct span text, uint64_t *ret)
{
    /* 0 is no sequence number; one past the last must still be a number, with room to spare. */
    return text.len >= SEQ_DIGITS_MIN && text.len <= SEQ_DIGITS_MAX && str_u64(text, ret) &&
           *ret > 0 && *ret < INT64_MAX;
}

static bool parse_digits(const char *text, size_t len, int max, int *ret)
{
    uint64_t value;

    if (!str_u64((struct span){text, len}, &value) || value > (uint64_t)max)
        return false;
    *ret = (int)value;
    return true;
}

static bool parse_time(struct span text, struct file_name *ret)
{
    size_t gap = text.len == TIME_DAILY_LEN; /* one '-' before the month, one before the day */
    const char *p = text.data;
    struct clock_parts t;

    if (text.len != TIME_LEN && text.len != TIME_DAILY_LEN)
        return false;
    if (!parse_digits(p, 4, 9999, &t.year) || !parse_digits(p + 4 + gap, 2, 12, &t.month) ||
        !parse_digits(p + 6 + 2 * gap, 2, 31, &t.day) ||
        !parse_digits(p + 9 + 2 * gap, 2, 23, &t.hour) ||
        !parse_digits(p + 11 + 2 * gap, 2, 59, &t.minute) ||
        !parse_digits(p + 13 + 2 * gap, 2, 59, &t.second))
        return false;
    if (t.year < 1 || t.month < 1 || t.day < 1 || t.day > clock_month_days(t.year, t.month))
        return false;
    ret->daily = gap == 1;
    ret->created_us = (clock_days(t.year, t.month, t.day) * 86400 + t.hour * INT64_C(3600) +
                          t.minute * INT64_C(60) + t.second) *
                      CLOCK_SECOND_US;
    return true;
}

bool file_name_parse(const char *text, struct file_name *ret)
{
    struct file_name name = {0};
    struct span rest = {text, strnlen(text, OUTBOX_NAME_SIZE)};
    struct span instance, part;
    char again[OUTBOX_NAME_SIZE];
    uint64_t value;

    if (rest.len <= SUFFIX_LEN || rest.len >= OUTBOX_NAME_SIZE ||
        memcmp(rest.data + rest.len - SUFFIX_LEN, SUFFIX, SUFFIX_LEN) != 0)
        return false;
    rest.len -= SUFFIX_LEN;
    if (!take_part(&rest, &part) || !str_hex_u64(part, CRC_LEN, &value))
        return false;
    name.crc = (uint32_t)value;
    if (!take_part(&rest, &part) || !parse_seq(part, &name.last_seq))
        return false;
    if (!take_part(&rest, &part) || !parse_seq(part, &name.first_seq) ||
        name.first_seq > name.last_seq)
        return false;
    if (!take_part(&rest, &instance) || !str_hex_u64(instance, INSTANCE_LEN, &value))
        return false;
    memcpy(name.instance, instance.data, INSTANCE_LEN);
    if (!parse_time(rest, &name))
        return false;
    /* Byte for byte what we write: no capital digits, no needless zeros, no odd separators. */
    file_name_format(&name, again);
    for (const char *p = name.instance; *p; p++) {
        if (*p >= 'A' && *p <= 'F')
            return false;
    }
    if (strcmp(again, text) != 0)
        return false;
    *ret = name;
    return true;
}

void file_name_folder(const struct file_name *name, char out[16])
{
    struct clock_parts t;
    int n;

    out[0] = '\0';
    if (!name->daily)
        return;
    clock_split(name->created_us, &t);
    n = snprintf(out, 16, "%04u-%02u-%02u/", (unsigned)t.year % 10000, (unsigned)t.month % 100,
        (unsigned)t.day % 100);
    assert(n == 11);
}
