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

/* A mark, the top bit, in the lowest special byte of a word at least; above it marks may be false,
 * for a subtraction borrows upwards. So no mark is sure, and so is the lowest one. */
static inline uint64_t bytes_special_marks(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ (ones * '"'), back = word ^ (ones * '\\');

    return ((word - ones * 0x20) | (quote - ones) | (back - ones) | word) & ones << 7;
}

/* The first special byte from p on. One must lie before `end`: the lines have their '\n'. */
static inline const char *bytes_plain_end_swar(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t marks = bytes_special_marks(bytes_load8(p));

        if (marks)
            return p + __builtin_ctzll(marks) / 8;
    }
    while (!bytes_is_special(*p))
        p++;
    return p;
}

/* None of the 16 bytes at p is special. */
static inline bool bytes_plain16_swar(const char *p)
{
    return (bytes_special_marks(bytes_load8(p)) | bytes_special_marks(bytes_load8(p + 8))) == 0;
}

#if defined(__SSE2__)
/* A bit for each special one of the 16 bytes at p. */
static inline unsigned bytes_special_bits(const char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* The compare is signed: bytes from 0x80 on are negative, so below a blank as well. */
    __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(' '));
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i back = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, back)));
}

static inline const char *bytes_plain_end_sse2(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        unsigned bits = bytes_special_bits(p);

        if (bits)
            return p + __builtin_ctz(bits);
    }
    return bytes_plain_end_swar(p, end);
}

static inline bool bytes_plain16_sse2(const char *p)
{
    return bytes_special_bits(p) == 0;
}
#endif

#if defined(__SSE2__) && !defined(STREAM_SWAR)
#define bytes_plain_end bytes_plain_end_sse2
#define bytes_plain16 bytes_plain16_sse2
#else
#define bytes_plain_end bytes_plain_end_swar
#define bytes_plain16 bytes_plain16_swar
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
