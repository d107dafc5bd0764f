/* stream/bytes.h: the few loops over bytes that must be fast.
 *
 * Shape    bytes_plain_end finds the end of a run of plain bytes of a JSON string. Two bodies, one
 *          result: SSE2, which every x86-64 has, and eight bytes in a word (SWAR) elsewhere.
 *          STREAM_SWAR makes x86 take the second: the tests do.
 * Limits   nothing is read at or behind `end`.
 * Threads  any.
 * Source   RFC 8259, section 7: what must be escaped in a string.
 */
#ifndef STREAM_BYTES_H
#define STREAM_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Eight bytes, the first one lowest, whatever the machine. */
static inline uint64_t bytes_load8(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

/* Ends a run: '"', '\', a control character, a byte that is not ASCII. */
static inline bool bytes_is_special(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 0x20 || u >= 0x80 || u == '"' || u == '\\';
}

/* The first special byte from p on. One must lie before `end`: the lines have their '\n'. */
static inline const char *bytes_plain_end_swar(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    while (end - p >= 8) {
        uint64_t word = bytes_load8(p);
        uint64_t quote = word ^ (ones * '"'), back = word ^ (ones * '\\');
        /* Subtracting borrows upwards only, so the lowest marked byte is always a true one, and
         * only that one is used. */
        uint64_t found = ((word - ones * 0x20) | (quote - ones) | (back - ones) | word) & tops;

        if (found) {
            /* A false mark needs a true one below it; an ASCII byte never has its top bit set
             * without a borrow. */
            return p + __builtin_ctzll(found) / 8;
        }
        p += 8;
    }
    while (!bytes_is_special(*p))
        p++;
    return p;
}

#if defined(__SSE2__)
static inline const char *bytes_plain_end_sse2(const char *p, const char *end)
{
    const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(' ');

    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* The compare is signed: bytes from 0x80 on are negative, so below a blank as well. */
        __m128i found = _mm_or_si128(_mm_cmplt_epi8(x, blank),
            _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, back)));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);

        if (mask)
            return p + __builtin_ctz(mask);
        p += 16;
    }
    return bytes_plain_end_swar(p, end);
}
#endif

#if defined(__SSE2__) && !defined(STREAM_SWAR)
#define bytes_plain_end bytes_plain_end_sse2
#else
#define bytes_plain_end bytes_plain_end_swar
#endif

/* All eight are '0'-'9'. */
static inline bool bytes_are_digits8(uint64_t word)
{
    uint64_t low = word ^ UINT64_C(0x3030303030303030); /* digits become 0-9 */

    return (((low + UINT64_C(0x7676767676767676)) | low) & UINT64_C(0x8080808080808080)) == 0;
}

/* Eight digits, the first one the highest, as a number: pairs, then fours, then all. */
static inline uint32_t bytes_digits8(uint64_t word)
{
    word &= UINT64_C(0x0f0f0f0f0f0f0f0f);
    word = (word * 10 + (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word * 100 + (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(word * 10000 + (word >> 32));
}

#endif
