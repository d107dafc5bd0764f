/* Encodings byte for byte (specs/parquet.md 2.2 and 2.4), and back. */
#include "base/rng.h"
#include "parquet/decode.h"
#include "parquet/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 1100
#define T INT64_C(1704067200000000)

/* "80 01 | 04" to bytes; blanks and bars are for people. */
static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t n = 0;

    for (; *hex; hex++) {
        char two[3] = {hex[0], hex[1], 0};

        if (*hex == ' ' || *hex == '|')
            continue;
        out[n++] = (uint8_t)strtoul(two, NULL, 16);
        hex++;
    }
    return n;
}

static void same_bytes(
    const char *name, const uint8_t *got, size_t got_len, const char *hex, size_t index)
{
    uint8_t want[512];
    size_t len = from_hex(want, hex);

    if (len != got_len || memcmp(got, want, len) != 0)
        fail_msg("%s, row %zu: other bytes than %s", name, index, hex);
}

static void widths_hold_every_code(void **state)
{
    static const struct {
        uint32_t count;
        unsigned want;
    } rows[] = {{0, 1}, {1, 1}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {256, 8}, {257, 9}, {65536, 16},
        {65537, 17}, {1U << 31, 31}, {UINT32_MAX, 32}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(bit_width(rows[i].count), rows[i].want);
}

static void hybrid_is_byte_exact(void **state)
{
    static const struct {
        unsigned width;
        size_t n;
        uint32_t values[32];
        const char *want;
    } rows[] = {
        {3, 8, {0, 1, 2, 3, 4, 5, 6, 7}, "03 88 c6 fa"},
        {1, 10, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "14 01"},
        {1, 3, {1, 0, 1}, "03 05"},
        {3, 29,
            {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 1, 2, 3, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5},
            "12 00 | 03 d1 10 0d | 18 05"},
        {1, 0, {0}, ""},
        {9, 8, {300, 300, 300, 300, 300, 300, 300, 300}, "10 2c 01"},
        {16, 1, {0xabcd}, "03 cd ab 00 00 00 00 00 00 00 00 00 00 00 00 00 00"},
        {32, 1, {0xdeadbeef},
            "03 ef be ad de 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
            "00 00 00 00"},
        /* a run of 9 that begins inside a group: 5 of it fill the group, 4 are too few for a run */
        {1, 12, {0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "05 fa 0f"},
    };
    uint8_t out[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *end = encode_hybrid(out, rows[i].values, rows[i].n, rows[i].width);

        assert_true((size_t)(end - out) + 16 <= encode_hybrid_max(rows[i].n, rows[i].width));
        same_bytes("hybrid", out, (size_t)(end - out), rows[i].want, i);
    }
    same_bytes("run", out, (size_t)(encode_run(out, 1, 20000, 1) - out), "c0 b8 02 01", 0);
}

static void delta_is_byte_exact(void **state)
{
    static const struct {
        size_t n;
        int64_t values[8];
        const char *want;
    } rows[] = {
        {5, {1, 2, 3, 4, 5}, "80 01 04 05 02 | 02 00 00 00 00"},
        {8, {7, 5, 3, 1, 2, 3, 4, 5}, "80 01 04 08 0e | 03 02 00 00 00 | c0 3f 00 00 00 00 00 00"},
        {4, {5, 5, 6, 6}, "80 01 04 04 0a | 00 01 00 00 00 | 02 00 00 00"},
        {4, {T, T + 1000000, T + 2000000, T + 3000007},
            "80 01 04 04 80 80 89 82 e2 f5 86 06 | 80 89 7a 03 00 00 00 |"
            "c0 01 00 00 00 00 00 00 00 00 00 00"},
        {1, {T}, "80 01 04 01 80 80 89 82 e2 f5 86 06"},
        {0, {0}, "80 01 04 00 00"},
    };
    int64_t glitch[34];
    uint8_t out[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *end = encode_delta(out, rows[i].values, rows[i].n);

        same_bytes("delta", out, (size_t)(end - out), rows[i].want, i);
    }
    for (int64_t i = 0; i < 34; i++)
        glitch[i] = T + i * 1000000 + (i == 5 ? 7 : 0);
    same_bytes("glitch", out, (size_t)(encode_delta(out, glitch, 34) - out),
        "80 01 04 22 80 80 89 82 e2 f5 86 06 | f2 88 7a 04 03 00 00 |"
        "77 77 0e 77 77 77 77 77 77 77 77 77 77 77 77 77 | 07 00 00 00 00 00 00 00 00 00 00 00",
        0);
}

/* Every width and many lengths; the bytes stand alone on the heap, so that a read too far is seen. */
static void what_is_encoded_is_decoded(void **state)
{
    uint32_t values[ROWS_MAX], got[ROWS_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 11);
    for (unsigned width = 1; width <= 32; width++) {
        for (unsigned round = 0; round < 40; round++) {
            size_t n = (size_t)rng_below(&rng, ROWS_MAX);
            uint8_t *out = malloc(encode_hybrid_max(n, width));
            uint8_t *exact;
            size_t len;

            assert_non_null(out);
            for (size_t i = 0; i < n; i++) {
                values[i] = (uint32_t)(rng_next(&rng) >> (64 - width));
                if (i && rng_below(&rng, 100) < round * 2 + 15)
                    values[i] = values[i - 1];
            }
            len = (size_t)(encode_hybrid(out, values, n, width) - out);
            exact = malloc(len + 1);
            assert_non_null(exact);
            memcpy(exact + 1, out, len);
            assert_true(decode_hybrid(exact + 1, len, width, UINT64_C(1) << width, got, n));
            assert_memory_equal(values, got, n * sizeof(*values));
            for (size_t cut = 0; cut < len; cut += 1 + len / 8) /* cut, it is refused */
                assert_false(decode_hybrid(exact + 1, cut, width, UINT64_C(1) << width, got, n));
            free(exact);
            free(out);
        }
    }
}

static void codes_without_a_name_are_refused(void **state)
{
    const uint8_t run[] = {20, 5}, packed[] = {3, 5};
    uint32_t got[10];

    (void)state;
    assert_true(decode_hybrid(run, 2, 3, 6, got, 10));
    assert_false(decode_hybrid(run, 2, 3, 5, got, 10));
    assert_true(decode_hybrid(packed, 2, 1, 2, got, 3));
    assert_false(decode_hybrid(packed, 2, 1, 1, got, 3));
    assert_false(decode_hybrid(run, 2, 3, 6, got, 9)); /* a run too long */
    assert_false(decode_hybrid(packed, 2, 1, 2, got, 9));
    assert_false(decode_hybrid(run, 2, 33, 6, got, 10));
}

static void deltas_of_any_size_come_back(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 31, 32, 33, 34, 128, 129, 130, 257, 1000};
    int64_t values[ROWS_MAX], got[ROWS_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 12);
    for (unsigned bits = 0; bits <= 64; bits++) {
        for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
            size_t n = lengths[l];
            uint8_t *out = malloc(encode_delta_max(n));
            size_t len;

            assert_non_null(out);
            for (size_t i = 0; i < n; i++)
                values[i] = bits ? (int64_t)(rng_next(&rng) >> (64 - bits)) : 42;
            len = (size_t)(encode_delta(out, values, n) - out);
            assert_true(len + 16 <= encode_delta_max(n));
            assert_true(decode_delta(out, len, got, n));
            assert_memory_equal(values, got, n * sizeof(*values));
            for (size_t cut = 0; cut < len; cut += 1 + len / 8)
                assert_false(decode_delta(out, cut, got, n));
            assert_false(decode_delta(out, len, got, n + 1));
            free(out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_hold_every_code),
        cmocka_unit_test(hybrid_is_byte_exact),
        cmocka_unit_test(delta_is_byte_exact),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(codes_without_a_name_are_refused),
        cmocka_unit_test(deltas_of_any_size_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
