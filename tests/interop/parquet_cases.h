/* tests/interop/parquet_cases.h: the files of specs/parquet.md 8.2, as columns made from a seed.
 *
 * Shape    parquet_cases[] names them; case_fill makes row group `group` of one. Used by the
 * property test (our reader) and by parquet_matrix (other readers).
 * Owner    struct case_data owns its memory; case_done takes a struct of zeros.
 */
#ifndef TESTS_INTEROP_PARQUET_CASES_H
#define TESTS_INTEROP_PARQUET_CASES_H

#include "base/rng.h"
#include "parquet/writer.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum case_times {
    TIMES_TICKS,    /* 1 s */
    TIMES_JITTER,   /* 1 s and some ms */
    TIMES_SHARED,   /* few distinct */
    TIMES_EQUAL,    /* all the same */
    TIMES_FALLING,  /* before 1970 */
    TIMES_EDGES,    /* years 0001 and 9999, -1, 0 */
    TIMES_WRAPPING, /* deltas beyond 64 bits */
};

enum case_numbers {
    NUMBERS_WALK,      /* two decimals */
    NUMBERS_RANDOM,    /* any bits, no NaN */
    NUMBERS_FEW,       /* a set-point */
    NUMBERS_ZEROS,     /* 0.0 and -0.0 */
    NUMBERS_EDGES,     /* infinities, subnormal, largest */
    NUMBERS_NAN,       /* all NaN, several payloads */
    NUMBERS_SOME_NAN,  /* some NaN */
    NUMBERS_NAN_PAGE2, /* NaN only behind row 65,536 */
};

enum case_nulls {
    NULLS_NONE,
    NULLS_ALL,
    NULLS_ALTERNATE,
    NULLS_FIRST,
    NULLS_LAST,
    NULLS_RUNS, /* of 7, 8, 9 */
    NULLS_PAGE, /* page 2 is all NULL */
    NULLS_MOST, /* 90 % */
};

enum case_names {
    NAMES_PLAIN,   /* "asset-17" */
    NAMES_LENGTHS, /* 0, 1, 63, 64, 65, 300 bytes */
    NAMES_UTF8,    /* characters of 1 to 4 bytes around the cut of statistics */
    NAMES_HIGHEST, /* characters that cannot be raised */
    NAMES_LONG,    /* a dictionary above 1 MiB */
};

struct parquet_case {
    const char *name;
    size_t rows; /* of each row group */
    unsigned groups;
    enum case_times times;
    enum case_numbers numbers;
    enum case_nulls nulls;
    unsigned null_columns; /* bits 1 << column */
    enum case_names names;
    uint32_t assets, datastreams;
    bool unsorted_names;
};

#define ALL_COLUMNS 15U

static const struct parquet_case parquet_cases[] = {
    {"rows-1", 1, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 1, 1, false},
    {"rows-7", 7, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 2, 1, false},
    {"rows-8", 8, 1, TIMES_JITTER, NUMBERS_RANDOM, NULLS_NONE, 0, NAMES_PLAIN, 2, 2, false},
    {"rows-9", 9, 1, TIMES_JITTER, NUMBERS_FEW, NULLS_NONE, 0, NAMES_PLAIN, 3, 2, true},
    {"rows-32", 32, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 3, 3, false},
    {"rows-33", 33, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_ALTERNATE, 8, NAMES_PLAIN, 3, 3, false},
    {"rows-128", 128, 1, TIMES_JITTER, NUMBERS_FEW, NULLS_NONE, 0, NAMES_PLAIN, 4, 3, false},
    {"rows-129", 129, 1, TIMES_JITTER, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 4, 4, false},
    {"rows-130", 130, 1, TIMES_JITTER, NUMBERS_WALK, NULLS_RUNS, 15, NAMES_PLAIN, 4, 4, false},
    {"rows-65535", 65535, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 40, 5, false},
    {"rows-65536", 65536, 1, TIMES_JITTER, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 40, 5, false},
    {"rows-65537", 65537, 1, TIMES_SHARED, NUMBERS_FEW, NULLS_NONE, 0, NAMES_PLAIN, 40, 5, false},
    {"groups-2", 66000, 2, TIMES_JITTER, NUMBERS_WALK, NULLS_MOST, 8, NAMES_PLAIN, 9, 9, false},
    {"groups-20", 5, 20, TIMES_TICKS, NUMBERS_WALK, NULLS_FIRST, 8, NAMES_PLAIN, 2, 2, true},
    {"null-all", 300, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_ALL, ALL_COLUMNS, NAMES_PLAIN, 2, 2,
        false},
    {"null-all-2-pages", 70000, 1, TIMES_JITTER, NUMBERS_FEW, NULLS_ALL, ALL_COLUMNS, NAMES_PLAIN,
        2, 2, false},
    {"null-alternate", 1000, 1, TIMES_SHARED, NUMBERS_FEW, NULLS_ALTERNATE, ALL_COLUMNS,
        NAMES_PLAIN, 5, 5, false},
    {"null-first", 1000, 1, TIMES_JITTER, NUMBERS_WALK, NULLS_FIRST, ALL_COLUMNS, NAMES_PLAIN, 5, 5,
        false},
    {"null-last", 1000, 1, TIMES_JITTER, NUMBERS_RANDOM, NULLS_LAST, ALL_COLUMNS, NAMES_PLAIN, 5, 5,
        false},
    {"null-runs", 5000, 1, TIMES_JITTER, NUMBERS_FEW, NULLS_RUNS, ALL_COLUMNS, NAMES_PLAIN, 5, 5,
        true},
    {"null-page", 200000, 1, TIMES_JITTER, NUMBERS_WALK, NULLS_PAGE, ALL_COLUMNS, NAMES_PLAIN, 7, 7,
        false},
    {"null-page-dictionary", 200000, 1, TIMES_SHARED, NUMBERS_FEW, NULLS_PAGE, ALL_COLUMNS,
        NAMES_PLAIN, 7, 7, true},
    {"null-most", 70000, 1, TIMES_JITTER, NUMBERS_RANDOM, NULLS_MOST, ALL_COLUMNS, NAMES_PLAIN, 300,
        7, false},
    {"names-lengths", 500, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_LENGTHS, 6, 5, false},
    {"names-utf8", 500, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_UTF8, 40, 17, true},
    {"names-highest", 500, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_HIGHEST, 12, 5, true},
    {"names-256", 3000, 1, TIMES_TICKS, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 256, 257, false},
    {"names-65536", 70000, 1, TIMES_TICKS, NUMBERS_FEW, NULLS_NONE, 0, NAMES_PLAIN, 65536, 65537,
        false},
    {"names-long", 33000, 1, TIMES_TICKS, NUMBERS_FEW, NULLS_NONE, 0, NAMES_LONG, 5000, 2, false},
    {"double-random", 40000, 1, TIMES_JITTER, NUMBERS_RANDOM, NULLS_NONE, 0, NAMES_PLAIN, 9, 9,
        false},
    {"double-zeros", 100, 1, TIMES_TICKS, NUMBERS_ZEROS, NULLS_NONE, 0, NAMES_PLAIN, 2, 2, false},
    {"double-edges", 100, 1, TIMES_TICKS, NUMBERS_EDGES, NULLS_NONE, 0, NAMES_PLAIN, 2, 2, false},
    {"double-nan", 100, 1, TIMES_TICKS, NUMBERS_NAN, NULLS_NONE, 0, NAMES_PLAIN, 2, 2, false},
    {"double-some-nan", 5000, 1, TIMES_TICKS, NUMBERS_SOME_NAN, NULLS_MOST, 8, NAMES_PLAIN, 2, 2,
        false},
    {"double-nan-page-2", 70000, 1, TIMES_JITTER, NUMBERS_NAN_PAGE2, NULLS_NONE, 0, NAMES_PLAIN, 2,
        2, false},
    {"time-equal", 4000, 1, TIMES_EQUAL, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 4, 4, false},
    {"time-falling", 40000, 1, TIMES_FALLING, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 4, 4,
        false},
    {"time-edges", 1000, 1, TIMES_EDGES, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 4, 4, false},
    {"time-wrapping", 1000, 1, TIMES_WRAPPING, NUMBERS_WALK, NULLS_NONE, 0, NAMES_PLAIN, 4, 4,
        false},
};

#define PARQUET_CASES (sizeof(parquet_cases) / sizeof(parquet_cases[0]))

struct case_data {
    struct parquet_columns columns; /* points into what follows */
    int64_t *times;
    double *numbers;
    uint32_t *codes[2];
    uint8_t *nulls[4];
    struct span *names[2];
    struct buf text;
};

static inline int64_t case_time(enum case_times kind, size_t i, struct rng *rng)
{
    static const int64_t edges[] = {
        INT64_C(-62135596800000000), INT64_C(253402300799999999), -1, 0, 1};
    int64_t start = INT64_C(1704067200000000);

    switch (kind) {
    case TIMES_TICKS:
        return start + (int64_t)i * 1000000;
    case TIMES_JITTER:
        return start + (int64_t)i * 1000000 + (int64_t)rng_below(rng, 40) * 1000;
    case TIMES_SHARED:
        return start + (int64_t)rng_below(rng, 50) * 1000000;
    case TIMES_EQUAL:
        return start;
    case TIMES_FALLING:
        return -(int64_t)i * 1000003;
    case TIMES_EDGES:
        return edges[rng_below(rng, 5)];
    case TIMES_WRAPPING:
        return i & 1 ? INT64_MAX - (int64_t)(i % 3) : INT64_MIN + (int64_t)(i % 5);
    }
    return 0;
}

static inline double case_nan(struct rng *rng)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000) | rng_below(rng, 4) | rng_below(rng, 2) << 63;
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline double case_number(enum case_numbers kind, size_t i, double *walk, struct rng *rng)
{
    static const double edges[] = {
        (double)INFINITY, -(double)INFINITY, 4.9e-324, -4.9e-324, DBL_MAX, -DBL_MAX, DBL_MIN, 1.5};
    uint64_t bits;
    double value;

    switch (kind) {
    case NUMBERS_WALK:
        *walk += ((double)rng_below(rng, 21) - 10) / 100;
        return round(*walk * 100) / 100;
    case NUMBERS_RANDOM:
        do {
            bits = rng_next(rng);
            memcpy(&value, &bits, sizeof(value));
        } while (isnan(value));
        return value;
    case NUMBERS_FEW:
        return (double)rng_below(rng, 5) * 12.5;
    case NUMBERS_ZEROS:
        return rng_below(rng, 2) ? 0.0 : -0.0;
    case NUMBERS_EDGES:
        return edges[rng_below(rng, 8)];
    case NUMBERS_NAN:
        return case_nan(rng);
    case NUMBERS_SOME_NAN:
        return rng_below(rng, 10) ? (double)i : case_nan(rng);
    case NUMBERS_NAN_PAGE2:
        return i > 65536 && i < 66000 ? case_nan(rng) : (double)i * 0.1;
    }
    return 0;
}

static inline bool case_null(enum case_nulls kind, size_t i, size_t rows, struct rng *rng)
{
    switch (kind) {
    case NULLS_NONE:
        return false;
    case NULLS_ALL:
        return true;
    case NULLS_ALTERNATE:
        return i & 1;
    case NULLS_FIRST:
        return i == 0;
    case NULLS_LAST:
        return i + 1 == rows;
    case NULLS_RUNS: /* 7 NULL, 7 not, 8, 8, 9, 9 */
        i %= 48;
        return i < 7 || (i >= 14 && i < 22) || (i >= 30 && i < 39);
    case NULLS_PAGE:
        return i >= 65536 && i < 131072;
    case NULLS_MOST:
        return rng_below(rng, 10) != 0;
    }
    return false;
}

/* Name number i, sorted by i as bytes where that is easily had. */
static inline void case_name(struct buf *out, enum case_names kind, uint32_t i)
{
    static const size_t lengths[] = {0, 1, 63, 64, 65, 300};
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "\x7f", "\xdf\xbf", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    size_t len;

    switch (kind) {
    case NAMES_PLAIN:
        buf_printf(out, "asset-%06u", i);
        break;
    case NAMES_LENGTHS:
        for (len = lengths[i % 6]; len > 0; len--)
            buf_add_byte(out, 'x');
        break;
    case NAMES_UTF8: /* the cut at 64 bytes falls on every place of a character */
        for (len = 56 + i % 9; len > 0; len--)
            buf_add_byte(out, 'm');
        for (len = 0; len < 5; len++)
            buf_add_text(out, characters[(i + len) % 4]);
        buf_printf(out, "%u", i);
        break;
    case NAMES_HIGHEST:
        for (len = i < 4 ? 30 : 0; len > 0; len--)
            buf_add_byte(out, 'z');
        for (len = 0; len < 70; len++)
            buf_add_text(out, characters[4 + i % 4]);
        buf_printf(out, "%u", i);
        break;
    case NAMES_LONG:
        buf_printf(out, "%06u", i);
        for (len = 0; len < 300; len++)
            buf_add_byte(out, (uint8_t)('a' + (i * 7 + len) % 26));
        break;
    }
}

static inline bool case_fill_names(
    struct case_data *d, const struct parquet_case *c, unsigned which, uint32_t count)
{
    size_t *ends = malloc(count * sizeof(*ends));
    size_t from = d->text.len;

    d->names[which] = malloc(count * sizeof(*d->names[which]));
    if (!ends || !d->names[which]) {
        free(ends);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        case_name(&d->text, c->names, c->unsorted_names ? count - 1 - i : i);
        ends[i] = d->text.len;
    }
    for (uint32_t i = 0; i < count; i++) {
        /* offsets for now: the text may still move */
        d->names[which][i] = (struct span){NULL, ends[i] - (i ? ends[i - 1] : from)};
    }
    free(ends);
    return !d->text.failed;
}

static inline bool case_allocate(struct case_data *d, size_t rows)
{
    bool ok = true;

    d->times = malloc(rows * sizeof(*d->times));
    d->numbers = malloc(rows * sizeof(*d->numbers));
    for (unsigned i = 0; i < 2; i++)
        ok = (d->codes[i] = malloc(rows * sizeof(**d->codes))) && ok;
    for (unsigned i = 0; i < 4; i++)
        ok = (d->nulls[i] = malloc(rows)) && ok;
    return ok && d->times && d->numbers;
}

static inline void case_done(struct case_data *d)
{
    free(d->times);
    free(d->numbers);
    for (unsigned i = 0; i < 2; i++) {
        free(d->codes[i]);
        free(d->names[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        free(d->nulls[i]);
    buf_done(&d->text);
    *d = (struct case_data){0};
}

/* False: no memory. */
static inline bool case_fill(struct case_data *d, const struct parquet_case *c, unsigned group)
{
    struct rng rng;
    double walk = 20;
    const char *text;

    *d = (struct case_data){0};
    buf_init(&d->text, 64U << 20);
    rng_seed(&rng, group * 1000003U + c->rows);
    if (!case_allocate(d, c->rows) || !case_fill_names(d, c, 0, c->assets) ||
        !case_fill_names(d, c, 1, c->datastreams))
        return false;
    text = d->text.data;
    for (unsigned w = 0; w < 2; w++) {
        for (uint32_t i = 0; i < (w ? c->datastreams : c->assets); i++) {
            d->names[w][i].data = text;
            text += d->names[w][i].len;
        }
    }
    for (size_t i = 0; i < c->rows; i++) {
        d->times[i] = case_time(c->times, i, &rng);
        d->numbers[i] = case_number(c->numbers, i, &walk, &rng);
        d->codes[0][i] = (uint32_t)(i * c->assets / c->rows); /* blocks, all of them used if any */
        d->codes[1][i] = (uint32_t)rng_below(&rng, c->datastreams);
        for (unsigned k = 0; k < 4; k++)
            d->nulls[k][i] = c->null_columns & 1U << k && case_null(c->nulls, i, c->rows, &rng);
    }
    d->columns = (struct parquet_columns){.rows = c->rows,
        .timestamp_us = d->times,
        .asset = d->codes[0],
        .datastream = d->codes[1],
        .payload = d->numbers,
        .timestamp_null = c->null_columns & 1 ? d->nulls[0] : NULL,
        .asset_null = c->null_columns & 2 ? d->nulls[1] : NULL,
        .datastream_null = c->null_columns & 4 ? d->nulls[2] : NULL,
        .payload_null = c->null_columns & 8 ? d->nulls[3] : NULL,
        .assets = d->names[0],
        .datastreams = d->names[1],
        .asset_count = c->assets,
        .datastream_count = c->datastreams};
    return true;
}

#endif
