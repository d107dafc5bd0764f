/* base/ranges.c against a set kept as bits. */
#include "base/ranges.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 200U

static void check(const struct seq_ranges *set, const bool in[MOST])
{
    uint64_t total = 0;

    for (size_t i = 0; i < set->count; i++) {
        assert_true(set->items[i].first < set->items[i].end);
        assert_true(i == 0 || set->items[i - 1].end < set->items[i].first);
    }
    for (uint64_t a = 0; a < MOST; a++) {
        total += in[a];
        for (uint64_t b = a; b < MOST && b < a + 20; b++) {
            bool all = b > a, any = false;
            uint64_t at = a;
            struct seq_range piece;

            for (uint64_t i = a; i < b; i++) {
                all = all && in[i];
                any = any || in[i];
            }
            assert_int_equal(ranges_hold(set, a, b), all);
            assert_int_equal(ranges_touch(set, a, b), any);
            while (ranges_next(set, false, &at, b, &piece)) {
                assert_true(piece.first < piece.end && piece.end <= b && at == piece.end);
                for (uint64_t i = piece.first; i < piece.end; i++)
                    assert_false(in[i]);
                assert_true(piece.end == b || in[piece.end]);
            }
            assert_true(b <= a || at == b);
        }
    }
    assert_int_equal(ranges_total(set), total);
}

static void it_is_a_set(void **state)
{
    struct rng rng;
    struct err err;

    (void)state;
    rng_seed(&rng, 7);
    for (int run = 0; run < 60; run++) {
        struct seq_ranges set = {0};
        bool in[MOST] = {false};

        for (int i = 0; i < 15; i++) {
            uint64_t first = rng_below(&rng, MOST), end = first + rng_below(&rng, 25);

            end = end < MOST ? end : MOST;
            assert_true(ranges_add(&set, first, end, &err));
            for (uint64_t n = first; n < end; n++)
                in[n] = true;
            check(&set, in);
        }
        ranges_done(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_a_set)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
