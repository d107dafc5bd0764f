#include "base/str.h"

#include <stdio.h>

int span_compare(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;

    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span a)
{
    while (a.len && is_blank(a.data[0])) {
        a.data++;
        a.len--;
    }
    while (a.len && is_blank(a.data[a.len - 1]))
        a.len--;
    return a;
}

bool str_u64(struct span text, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool str_i64(struct span text, int64_t *ret)
{
    bool minus = text.len && text.data[0] == '-';
    uint64_t value;

    if (minus) {
        text.data++;
        text.len--;
    }
    if (!str_u64(text, &value) || value > (uint64_t)INT64_MAX + minus)
        return false;
    *ret = (int64_t)(minus ? 0 - value : value);
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool str_hex_u64(struct span text, size_t digits, uint64_t *ret)
{
    uint64_t value = 0;

    if (text.len != digits || digits == 0 || digits > 16)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(text.data[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *ret = value;
    return true;
}

/* The length of the character at p (1-4), 0 when it is not valid UTF-8. */
static size_t utf8_len(const unsigned char *p, size_t len)
{
    size_t need;
    unsigned low = 0x80, high = 0xbf; /* allowed range of the second byte */

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len < need)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

bool str_utf8_valid(const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t i = 0;

    while (i < len) {
        uint64_t eight;
        size_t n;

        if (len - i >= 8) {
            memcpy(&eight, p + i, 8);
            if (!(eight & 0x8080808080808080U)) {
                i += 8;
                continue;
            }
        }
        n = utf8_len(p + i, len - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

bool str_show(struct buf *out, struct span text, size_t max)
{
    const unsigned char *p = (const unsigned char *)text.data;
    size_t i = 0;

    while (i < text.len && i < max) {
        size_t n = utf8_len(p + i, text.len - i);
        bool control = p[i] < 0x20 || p[i] == 0x7f || (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0);

        if (n == 0 || control) {
            if (!buf_printf(out, "\\x%02x", p[i]))
                return false;
            i++;
        } else {
            if (!buf_add(out, p + i, n))
                return false;
            i += n;
        }
    }
    return i >= text.len || buf_add_text(out, "...");
}

const char *str_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, size, unit && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

const char *str_count(char *out, size_t size, uint64_t count)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    size_t to = 0;

    for (int i = 0; i < n && to + 1 < size; i++) {
        if (i && (n - i) % 3 == 0 && to + 2 < size)
            out[to++] = ',';
        out[to++] = digits[i];
    }
    if (size)
        out[to] = '\0';
    return out;
}

const char *str_duration(char *out, size_t size, int64_t us)
{
    long long s = us < 0 ? 0 : us / 1000000;

    if (s < 10)
        (void)snprintf(out, size, "%.1f s", us < 0 ? 0.0 : (double)us / 1e6);
    else if (s < 120)
        (void)snprintf(out, size, "%lld s", s);
    else if (s < 2 * 3600)
        (void)snprintf(out, size, "%lld min", s / 60);
    else if (s < 48 * 3600)
        (void)snprintf(out, size, "%lld h %lld min", s / 3600, s / 60 % 60);
    else
        (void)snprintf(out, size, "%lld d %lld h", s / 86400, s / 3600 % 24);
    return out;
}

bool str_copy(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    bool fits = len < size;

    if (size == 0)
        return false;
    if (!fits)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
    return fits;
}
