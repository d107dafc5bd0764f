#include "base/backoff.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* xoshiro256** seeded by splitmix64(0), computed apart from our code. */
static void a_seed_gives_the_known_numbers(void **state)
{
    static const uint64_t splitmix_zero[4] = {UINT64_C(0xe220a8397b1dcdaf),
        UINT64_C(0x6e789e6aa1b965f4), UINT64_C(0x06c45d188009454f), UINT64_C(0xf88bb8a8724c81ec)};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 0);
    assert_memory_equal(rng.state, splitmix_zero, sizeof(splitmix_zero));
    rng = (struct rng){{1, 2, 3, 4}};
    assert_int_equal(rng_next(&rng), 11520);
    assert_int_equal(rng_next(&rng), 0);
    assert_int_equal(rng_next(&rng), 1509978240);
    assert_int_equal(rng_next(&rng), UINT64_C(1215971899390074240));
}

static void below_stays_below_and_reaches_all(void **state)
{
    unsigned counts[7] = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 42);
    assert_int_equal(rng_below(&rng, 0), 0);
    assert_int_equal(rng_below(&rng, 1), 0);
    for (int i = 0; i < 70000; i++) {
        uint64_t x = rng_below(&rng, 7);

        assert_true(x < 7);
        counts[x]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_below(&rng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
}

static void unit_is_half_open(void **state)
{
    struct rng rng;
    double sum = 0;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 100000; i++) {
        double x = rng_unit(&rng);

        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(sum > 49500 && sum < 50500);
    rng.state[0] = rng.state[1] = rng.state[2] = rng.state[3] = UINT64_MAX;
    assert_true(rng_unit(&rng) < 1);
}

static void the_kernel_gives_other_bytes_each_time(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0};
    struct err err;

    (void)state;
    assert_true(rng_secure(a, sizeof(a), &err));
    assert_true(rng_secure(b, sizeof(b), &err));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(rng_secure(a, 0, &err));
    assert_true(rng_any_seed() != rng_any_seed());
}

static void waits_double_up_to_the_maximum(void **state)
{
    static const int64_t want_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct backoff b;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        backoff_init(&b, 1000000, 60000000, false, seed);
        for (size_t i = 0; i < sizeof(want_s) / sizeof(*want_s); i++) {
            int64_t us = backoff_next_us(&b);

            assert_true(us >= want_s[i] * 800000 && us <= want_s[i] * 1200000);
        }
        backoff_reset(&b);
        assert_true(backoff_next_us(&b) <= 1200000);
    }
}

static void full_jitter_uses_the_whole_range(void **state)
{
    int64_t least = INT64_MAX, most = 0;
    struct backoff b;

    (void)state;
    backoff_init(&b, 1000000, 4000000, true, 1);
    for (int i = 0; i < 1000; i++) {
        int64_t us = backoff_next_us(&b);

        assert_true(us >= 0 && us <= 4000000);
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    assert_true(least < 100000 && most > 3900000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_known_numbers),
        cmocka_unit_test(below_stays_below_and_reaches_all),
        cmocka_unit_test(unit_is_half_open),
        cmocka_unit_test(the_kernel_gives_other_bytes_each_time),
        cmocka_unit_test(waits_double_up_to_the_maximum),
        cmocka_unit_test(full_jitter_uses_the_whole_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
