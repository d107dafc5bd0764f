#include "batch/order.h"

#include <string.h>

#define DIGIT_BITS 11U
#define DIGITS (1U << DIGIT_BITS)
#define PASSES_MAX 6U /* 6 * 11 >= 64 */

struct order_look order_look(const int64_t *t, size_t n)
{
    struct order_look look = {0};
    unsigned equal = 0;

    for (size_t i = 1; i < n; i++) {
        look.breaks += t[i] < t[i - 1];
        equal |= t[i] == t[i - 1];
    }
    look.equal = equal != 0;
    return look;
}

bool order_is_short(size_t n, uint32_t breaks)
{
    return breaks < 8 || n < 512;
}

/* The end of the rising run that begins at `at`. */
static size_t run_end(const int64_t *t, size_t at, size_t n)
{
    size_t end = at + 1;

    while (end < n && t[end] >= t[end - 1])
        end++;
    return end;
}

struct rows {
    int64_t *t;
    double *v;
};

/* [a, b) and [b, end) of `from` into `to`; of equal times the left one first. */
static void merge(struct rows from, struct rows to, size_t a, size_t b, size_t end)
{
    size_t left = a;
    size_t right = b;

    for (size_t i = a; i < end; i++) {
        size_t take;

        if (right == end || (left < b && from.t[left] <= from.t[right]))
            take = left++;
        else
            take = right++;
        to.t[i] = from.t[take];
        to.v[i] = from.v[take];
    }
}

/* Merges runs two by two, from one memory to the other, until one is left. */
void order_pairs(int64_t *t, double *v, size_t n, int64_t *scratch_t, double *scratch_v)
{
    struct rows from = {t, v};
    struct rows to = {scratch_t, scratch_v};
    size_t runs;

    do {
        struct rows swap = from;

        runs = 0;
        for (size_t at = 0; at < n; runs++) {
            size_t middle = run_end(from.t, at, n);
            size_t end = middle < n ? run_end(from.t, middle, n) : n;

            merge(from, to, at, middle, end);
            at = end;
        }
        from = to;
        to = swap;
    } while (runs > 1);
    if (from.t != t && n) {
        memcpy(t, from.t, n * sizeof(*t));
        memcpy(v, from.v, n * sizeof(*v));
    }
}

struct radix {
    uint64_t lowest;
    unsigned passes;
    uint32_t count[PASSES_MAX][DIGITS];
};

static unsigned digit(const struct radix *r, int64_t t, unsigned pass)
{
    return (unsigned)(((uint64_t)t - r->lowest) >> (pass * DIGIT_BITS)) & (DIGITS - 1);
}

/* All digits are counted in one reading; counts become places. */
static void count_digits(struct radix *r, const int64_t *t, size_t n)
{
    int64_t min = t[0];
    int64_t max = t[0];
    uint64_t range;

    for (size_t i = 1; i < n; i++) {
        min = t[i] < min ? t[i] : min;
        max = t[i] > max ? t[i] : max;
    }
    r->lowest = (uint64_t)min;
    range = (uint64_t)max - (uint64_t)min;
    for (r->passes = 0; range; range >>= DIGIT_BITS)
        memset(r->count[r->passes++], 0, sizeof(r->count[0]));
    for (size_t i = 0; i < n; i++) {
        for (unsigned p = 0; p < r->passes; p++)
            r->count[p][digit(r, t[i], p)]++;
    }
    for (unsigned p = 0; p < r->passes; p++) {
        uint32_t place = 0;

        for (unsigned d = 0; d < DIGITS; d++) {
            uint32_t count = r->count[p][d];

            r->count[p][d] = place;
            place += count;
        }
    }
}

unsigned order_index(int64_t *t[2], uint32_t *index[2], size_t n)
{
    struct radix r;
    unsigned at = 0;

    for (size_t i = 0; i < n; i++)
        index[0][i] = (uint32_t)i;
    if (n == 0)
        return 0;
    count_digits(&r, t[0], n);
    for (unsigned p = 0; p < r.passes; p++, at ^= 1) {
        const int64_t *from = t[at];
        const uint32_t *from_index = index[at];
        int64_t *to = t[at ^ 1];
        uint32_t *to_index = index[at ^ 1];

        for (size_t i = 0; i < n; i++) {
            uint32_t place = r.count[p][digit(&r, from[i], p)]++;

            to[place] = from[i];
            to_index[place] = from_index[i];
        }
    }
    return at;
}
