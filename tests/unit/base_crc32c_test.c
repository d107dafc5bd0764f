#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

/* RFC 3720 B.4 (its bytes are the checksum in little-endian order) and the usual check value. */
static void known_values(void **state)
{
    unsigned char zeros[32] = {0}, ones[32], up[32], down[32];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    for (unsigned i = 0; i < 32; i++) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, down, 32), 0x113fdb5c);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void both_ways_agree_at_every_length_and_place(void **state)
{
    static unsigned char bytes[70000];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)rng_next(&rng);
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len < 600; len++)
            assert_int_equal(crc32c(0, bytes + at, len), crc32c_portable(0, bytes + at, len));
    for (int i = 0; i < 200; i++) {
        size_t at = rng_below(&rng, 16), len = rng_below(&rng, sizeof(bytes) - 16);

        assert_int_equal(crc32c(0, bytes + at, len), crc32c_portable(0, bytes + at, len));
    }
}

static void pieces_make_the_whole(void **state)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog, again and again";
    size_t len = sizeof(text) - 1;
    uint32_t whole = crc32c(0, text, len);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, len - cut), whole);
        assert_int_equal(crc32c_portable(crc32c(0, text, cut), text + cut, len - cut), whole);
    }
}

static void every_flipped_bit_is_seen(void **state)
{
    unsigned char bytes[64];
    uint32_t want;

    (void)state;
    memset(bytes, 0x5a, sizeof(bytes));
    want = crc32c(0, bytes, sizeof(bytes));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1U << bit % 8);
        assert_int_not_equal(crc32c(0, bytes, sizeof(bytes)), want);
        bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(both_ways_agree_at_every_length_and_place),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(every_flipped_bit_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
