#include "parquet/statistics.h"

#include <math.h>

/* The sign bit of IEEE numbers is not a two's complement: turn the negative ones around. */
int64_t statistics_key(double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

double statistics_double(int64_t key)
{
    double value;

    key ^= (int64_t)((uint64_t)(key >> 63) >> 1);
    memcpy(&value, &key, sizeof(value));
    return value;
}

struct range statistics_i64(const int64_t *values, size_t n)
{
    struct range r = {.values = (uint32_t)n, .min = INT64_MAX, .max = INT64_MIN};

    for (size_t i = 0; i < n; i++) {
        r.min = values[i] < r.min ? values[i] : r.min;
        r.max = values[i] > r.max ? values[i] : r.max;
    }
    return r;
}

struct range statistics_f64(const double *values, size_t n)
{
    double min = HUGE_VAL;
    double max = -HUGE_VAL;
    uint32_t nans = 0;

    /* A NaN fails every comparison and so leaves both alone. */
    for (size_t i = 0; i < n; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
        nans += values[i] != values[i];
    }
    if (min == 0)
        min = -0.0;
    if (max == 0)
        max = 0.0;
    return (struct range){.values = (uint32_t)n - nans,
        .nans = nans,
        .min = statistics_key(min),
        .max = statistics_key(max)};
}

struct range statistics_codes(const uint32_t *codes, size_t n, const uint32_t *rank)
{
    uint32_t min = UINT32_MAX;
    uint32_t max = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t r = rank ? rank[codes[i]] : codes[i];

        min = r < min ? r : min;
        max = r > max ? r : max;
    }
    return (struct range){.values = (uint32_t)n, .min = min, .max = max};
}

void statistics_merge(struct range *into, const struct range *page)
{
    if (page->values) {
        into->min = into->values && into->min < page->min ? into->min : page->min;
        into->max = into->values && into->max > page->max ? into->max : page->max;
    }
    into->values += page->values;
    into->nulls += page->nulls;
    into->nans += page->nans;
}

int32_t statistics_order(const struct range *pages, size_t count)
{
    const struct range *last = NULL;
    bool rises = true;
    bool falls = true;

    for (size_t i = 0; i < count; i++) {
        if (!pages[i].values)
            continue;
        if (last && (pages[i].min < last->min || pages[i].max < last->max))
            rises = false;
        if (last && (pages[i].min > last->min || pages[i].max > last->max))
            falls = false;
        last = &pages[i];
    }
    if (rises)
        return ORDER_ASCENDING;
    return falls ? ORDER_DESCENDING : ORDER_UNORDERED;
}

static bool continues(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

/* Bytes of the longest prefix of whole characters within the limit. */
static size_t cut(struct span value)
{
    size_t len = STATISTIC_BYTES_MAX;

    while (len > 0 && continues(value.data[len]))
        len--;
    return len;
}

struct span statistics_min_text(struct span value, bool *ret_exact)
{
    *ret_exact = value.len <= STATISTIC_BYTES_MAX;
    return *ret_exact ? value : (struct span){value.data, cut(value)};
}

static uint32_t decode_char(const char *at, size_t len)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (uint8_t)at[0] & masks[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((uint8_t)at[i] & 0x3f);
    return c;
}

static void encode_char(char *at, size_t len, uint32_t c)
{
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        at[i] = (char)(0x80 | (c & 0x3f));
    at[0] = (char)(marks[len] | c);
}

/* The next code point of the same length in bytes; surrogates are none. */
static bool raise_char(char *at, size_t len)
{
    static const uint32_t highest[] = {0, 0x7f, 0x7ff, 0xffff, 0x10ffff};
    uint32_t c;

    if (len > 4)
        return false;
    c = decode_char(at, len);
    if (c >= highest[len])
        return false;
    c++;
    if (c >= 0xd800 && c <= 0xdfff)
        c = 0xe000;
    encode_char(at, len, c);
    return true;
}

struct span statistics_max_text(struct span value, char space[STATISTIC_BYTES_MAX], bool *ret_exact)
{
    size_t len;

    *ret_exact = true;
    if (value.len <= STATISTIC_BYTES_MAX)
        return value;
    len = cut(value);
    memcpy(space, value.data, len);
    while (len > 0) {
        size_t start = len - 1;

        while (start > 0 && continues(space[start]))
            start--;
        if (raise_char(space + start, len - start)) {
            *ret_exact = false;
            return (struct span){space, len};
        }
        len = start;
    }
    return value;
}
