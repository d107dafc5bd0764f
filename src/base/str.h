/* base/str.h: borrowed bytes with their length, and the few things done to text.
 *
 * Shape    struct span {data, len}: any bytes, no terminator, never owned.
 * Limits   as each function says.
 * Errors   the parsers return false and leave the output untouched.
 * Owner    a span borrows; it is valid as long as what it was taken from.
 * Threads  any.
 * Source   UTF-8: RFC 3629.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *data;
    size_t len;
};

static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline bool span_is(struct span a, const char *text)
{
    size_t len = strlen(text);

    return a.len == len && (len == 0 || memcmp(a.data, text, len) == 0);
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_starts(struct span a, const char *text)
{
    size_t len = strlen(text);

    return a.len >= len && memcmp(a.data, text, len) == 0;
}

/* Bytes in unsigned order, a prefix before what it begins: <0, 0, >0. */
int span_compare(struct span a, struct span b);

/* Without the blanks, tabs and line ends around it. */
struct span span_trim(struct span a);

/* Whole text, decimal digits only (str_i64: one '-' in front allowed), no overflow. */
bool str_u64(struct span text, uint64_t *ret);
bool str_i64(struct span text, int64_t *ret);

/* Exactly `digits` (up to 16) lower- or upper-case hexadecimal digits. */
bool str_hex_u64(struct span text, size_t digits, uint64_t *ret);

/* Valid by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is valid. */
bool str_utf8_valid(const char *data, size_t len);

/* For people: bytes that are not printable (control characters, broken UTF-8) become \xHH. At most
 * `max` bytes of the source are shown, then "...". */
bool str_show(struct buf *out, struct span text, size_t max);

/* "12.3 MiB", "842 B" into `out` (at least 24 bytes); "1,234,567" likewise; "3 h 12 min", "45 s".
 */
const char *str_bytes(char *out, size_t size, uint64_t bytes);
const char *str_count(char *out, size_t size, uint64_t count);
const char *str_duration(char *out, size_t size, int64_t us);

/* Replaces strcpy: cuts what does not fit, always ends with NUL. True: it fitted. `out` and `text`
 * must not overlap. */
bool str_copy(char *out, size_t size, const char *text);

#endif
