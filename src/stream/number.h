/* stream/number.h: a JSON number to the nearest double, exactly.
 *
 * Shape    number_scan reads the token, number_value makes the double of it.
 * Limits   tokens of any length.
 * Errors   NULL: no JSON number; false: beyond the largest double.
 * Owner    a struct number borrows its token.
 * Threads  any.
 * Source   RFC 8259, section 6; durability.md 14; kelvin-stream.md 2.2. The locale is not read.
 */
#ifndef STREAM_NUMBER_H
#define STREAM_NUMBER_H

#include "base/str.h"

struct number {
    struct span text;
    uint64_t mantissa; /* all digits without the point, when digits <= NUMBER_DIGITS_MAX */
    int64_t exponent;  /* value = mantissa * 10^exponent; the written one is cut at +-10^15 */
    size_t digits;     /* significant ones: without the zeros in front */
    bool negative;
    bool integer; /* neither point nor exponent */
};

#define NUMBER_DIGITS_MAX 19 /* so many always fit into 64 bits */

/* Reads the number at p; returns the byte behind it, or NULL. Nothing at or behind `end` is read;
 * a number that touches `end` is whole. */
const char *number_scan(const char *p, const char *end, struct number *ret);

/* *ret_inexact: an integer that lost digits. Underflow gives a subnormal or a zero with its sign.
 */
NODISCARD bool number_value(const struct number *n, double *ret, bool *ret_inexact);

#endif
