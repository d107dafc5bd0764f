#include "stream/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/bytes.h"

/* Rounding once, to 53 bits, is what makes the short ways below exact. */
_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be computed as doubles");

/* Far beyond the longest line, so that zeros can make up for it: 0.000...1e4000000. */
#define WRITTEN_EXPONENT_MAX INT64_C(1000000000000000)

__extension__ typedef unsigned __int128 u128;

static inline bool is_digit(char c)
{
    return (unsigned)(unsigned char)c - '0' <= 9;
}

/* Adds the digits at p to *mantissa (modulo 2^64: the caller counts them). */
static inline const char *take_digits(const char *p, const char *end, uint64_t *mantissa)
{
    uint64_t sum = *mantissa;

    while (end - p >= 8 && bytes_are_digits8(bytes_load8(p))) {
        sum = sum * 100000000 + bytes_digits8(bytes_load8(p));
        p += 8;
    }
    while (p < end && is_digit(*p))
        sum = sum * 10 + (uint64_t)(*p++ - '0');
    *mantissa = sum;
    return p;
}

/* The part behind 'e'. NULL: no digit. */
static const char *take_exponent(const char *p, const char *end, int64_t *ret)
{
    int64_t value = 0;
    bool minus = false;

    if (p < end && (*p == '-' || *p == '+'))
        minus = *p++ == '-';
    if (p == end || !is_digit(*p))
        return NULL;
    for (; p < end && is_digit(*p); p++) {
        if (value < WRITTEN_EXPONENT_MAX)
            value = value * 10 + (*p - '0');
    }
    if (value > WRITTEN_EXPONENT_MAX)
        value = WRITTEN_EXPONENT_MAX;
    *ret = minus ? -value : value;
    return p;
}

/* Zeros in front of the first other digit do not count: 0.0012 has two digits. */
static size_t leading_zeros(const char *p, const char *end)
{
    size_t zeros = 0;

    for (; p < end && (*p == '0' || *p == '.'); p++)
        zeros += *p == '0';
    return zeros;
}

const char *number_scan(const char *p, const char *end, struct number *ret)
{
    const char *first, *text = p;
    uint64_t mantissa = 0;
    int64_t written = 0;
    size_t digits, fraction = 0;
    bool integer = true;

    if (p < end && *p == '-')
        p++;
    first = p;
    if (p == end || !is_digit(*p))
        return NULL;
    if (*p == '0')
        p++; /* a zero stands alone */
    else
        p = take_digits(p, end, &mantissa);
    if (p < end && is_digit(*p))
        return NULL;
    digits = (size_t)(p - first);
    if (p < end && *p == '.') {
        const char *point = p++;

        p = take_digits(p, end, &mantissa);
        fraction = (size_t)(p - point) - 1;
        if (fraction == 0)
            return NULL;
        integer = false;
    }
    digits += fraction;
    if (digits > NUMBER_DIGITS_MAX)
        digits -= leading_zeros(first, p);
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = take_exponent(p + 1, end, &written);
        if (!p)
            return NULL;
        integer = false;
    }
    *ret = (struct number){
        .text = {text, (size_t)(p - text)},
        .mantissa = mantissa,
        .exponent = written - (int64_t)fraction,
        .digits = digits,
        .negative = *text == '-',
        .integer = integer,
    };
    return p;
}

/* All exact as doubles. */
static const double ten_to[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define TEN_MAX 22

/* All below 2^63: 5^27 is the last. */
#define F5 UINT64_C(5)
#define F5_4 (F5 * F5 * F5 * F5)
#define F5_8 (F5_4 * F5_4)
#define F5_16 (F5_8 * F5_8)
#define F5_24 (F5_16 * F5_8)
#define FOUR(x) (x), (x)*F5, (x)*F5 *F5, (x)*F5 *F5 *F5
static const uint64_t five_to[] = {FOUR(UINT64_C(1)), FOUR(F5_4), FOUR(F5_8), FOUR(F5_8 *F5_4),
    FOUR(F5_16), FOUR(F5_16 *F5_4), FOUR(F5_24)};
#define FIVE_MAX 27

/* 2^n as a double; n stays within the normal numbers. */
static double two_to(int n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* w * 10^q for w > 0 and |q| <= 27, rounded once. 10^q is 5^q * 2^q, and the powers of two only
 * move the point. So:
 *
 *     q >= 0   w * 5^q has at most 127 bits: exact in 128
 *     q <  0   w * 2^s / 5^-q, where s makes the quotient at least 62 bits long
 *
 * Of both the top 62 to 64 bits are kept, and any bit lost below is or'ed into the lowest one. The
 * conversion to double then rounds to 53 bits, half to even, and sees every tie as it is: at least
 * nine bits are dropped, the lowest of which says "there was more". The result lies between 1e-27
 * and 2e46: neither overflow nor subnormals. */
static double scale_by_ten(uint64_t w, int q)
{
    int shift = __builtin_clzll(w);

    if (q >= 0) {
        u128 product = (u128)w * five_to[q];
        uint64_t high = (uint64_t)(product >> 64), top;
        int drop;

        if (high == 0)
            return (double)(uint64_t)product * two_to(q);
        drop = 64 - __builtin_clzll(high);
        top = (uint64_t)(product >> drop);
        top |= (product & (((u128)1 << drop) - 1)) != 0;
        return (double)top * two_to(drop + q);
    }
    /* Both with their top bit set: the quotient has 62 to 64 bits, whatever w and q are. */
    uint64_t divisor = five_to[-q];
    int up = __builtin_clzll(divisor);
    u128 dividend = (u128)(w << shift) << 63;
    uint64_t quotient, rest;

    divisor <<= up;
    quotient = (uint64_t)(dividend / divisor);
    rest = (uint64_t)dividend - quotient * divisor;
    quotient |= rest != 0;
    return (double)quotient * two_to(up - shift + q - 63);
}

/* Long tokens and far exponents: the digits as an integer with an exponent, for strtod. Without a
 * point there is no locale to care for. A double is decided by its first 768 digits and whether
 * anything but zeros follows. */
static double by_strtod(const struct number *n)
{
    char copy[800];
    const char *p = n->text.data, *end = p + n->text.len;
    size_t len = 0;
    int64_t exponent = n->exponent;
    bool more = false;

    for (p += n->negative; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.' || (len == 0 && *p == '0'))
            continue;
        if (len < 770) {
            copy[len++] = *p;
        } else {
            more |= *p != '0';
            exponent++;
        }
    }
    if (len == 0)
        return 0;
    if (more) {
        copy[len++] = '1';
        exponent--;
    }
    (void)snprintf(copy + len, sizeof(copy) - len, "e%lld", (long long)exponent);
    return strtod(copy, NULL);
}

/* An integer token and its double are the same number. */
static bool same_integer(const struct number *n, double value)
{
    char text[320]; /* the largest double has 309 digits */
    int len;

    if (value < 0x1p53)
        return true;
    len = snprintf(text, sizeof(text), "%.0f", value);
    return span_equal((struct span){n->text.data + n->negative, n->text.len - n->negative},
        (struct span){text, (size_t)len});
}

bool number_value(const struct number *n, double *ret, bool *ret_inexact)
{
    bool fits = n->digits <= NUMBER_DIGITS_MAX;
    double value;

    if (fits && n->mantissa == 0) {
        value = 0;
    } else if (fits && n->mantissa <= UINT64_C(1) << 53 && n->exponent <= 0 &&
               n->exponent >= -TEN_MAX) {
        /* Both exact, so the one division rounds once. */
        value = (double)n->mantissa / ten_to[-n->exponent];
    } else if (fits && n->exponent >= -FIVE_MAX && n->exponent <= FIVE_MAX) {
        value = scale_by_ten(n->mantissa, (int)n->exponent);
    } else {
        value = by_strtod(n);
        if (isinf(value))
            return false;
    }
    *ret = n->negative ? -value : value;
    *ret_inexact = n->integer && !same_integer(n, value);
    return true;
}
