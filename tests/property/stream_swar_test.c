/* The scanner as it is built where there is no SSE2: compiled once more into this test, so that the
 * decoder is linked with it in place of the room's own. The same text, the same log. */
#define STREAM_SWAR
#include "stream/scanner.c" /* NOLINT: on purpose */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "rounds.h"
#include "stream_feed.h"

/* The plain definition. */
static const char *plain_end(const char *p)
{
    while (!bytes_is_special(*p))
        p++;
    return p;
}

static char likely_byte(struct rng *rng)
{
    static const char edges[] = "\"\\\x1f\x20\x21\x23\x5b\x5d\x7f\x80\x81\xa0\xdc\xa2\xff\t\n\r";

    return rng_below(rng, 3) ? (char)(0x23 + rng_below(rng, 57))
                             : edges[rng_below(rng, sizeof(edges))];
}

static void both_bodies_find_the_first_special_byte(void **state)
{
    uint64_t seed = rng_any_seed();
    char text[80];
    struct rng rng;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    for (uint64_t round = 0; round < rounds(100000); round++) {
        size_t len = 1 + rng_below(&rng, sizeof(text) - 1);
        const char *want;

        for (size_t i = 0; i + 1 < len; i++)
            text[i] = likely_byte(&rng);
        text[len - 1] = '\n';
        want = plain_end(text);
        assert_ptr_equal(bytes_plain_end_swar(text, text + len), want);
        if (len >= 16)
            assert_int_equal(bytes_plain16_swar(text), want - text >= 16);
#if defined(__SSE2__)
        assert_ptr_equal(bytes_plain_end_sse2(text, text + len), want);
        if (len >= 16)
            assert_int_equal(bytes_plain16_sse2(text), want - text >= 16);
#endif
    }
}

/* Every pair of bytes, at each place of a word: a borrow of the one must not mark the other. */
static void no_byte_disturbs_its_neighbour(void **state)
{
    char text[17];

    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        for (size_t at = 0; at < 7; at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)(pair >> 8);
            text[at + 1] = (char)pair;
            text[16] = '\n';
            if (bytes_plain_end_swar(text, text + 17) != plain_end(text))
                fail_msg("%04x at %zu", pair, at);
        }
    }
}

static void digits_are_told_from_all_other_bytes(void **state)
{
    char text[8];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 8; at++) {
            memcpy(text, "90817263", 8);
            text[at] = (char)byte;
            assert_int_equal(bytes_are_digits8(bytes_load8(text)), byte >= '0' && byte <= '9');
        }
    }
    assert_int_equal(bytes_digits8(bytes_load8("90817263")), 90817263);
}

/* By the scanner of this file, before a page that must not be read, against jansson. */
static void the_decoder_says_the_same_with_it(void **state)
{
    static const char good[] =
        "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:p\xc3\xbcmp/"
        "b\",\"id\":"
        "\"0f9d2c1e-7c3b-4b1e-9a51-3f0d8c6b2a47\","
        "\"timestamp\":\"2025-01-31T12:34:56.789012Z\",\"payload\":42.171234567890123}\n";
    const size_t len = sizeof(good) - 1, page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t seed = rng_any_seed();
    struct rng rng;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    for (uint64_t round = 0; round < rounds(5000); round++) {
        char *line = memory + page - len;
        struct feed f[2];

        memcpy(line, good, len);
        if (round) /* the first round is the good line itself */
            line[rng_below(&rng, len - 1)] = likely_byte(&rng);
        for (int slow = 0; slow < 2; slow++) {
            feed_open(&f[slow], 4096);
            decoder_slow_only(f[slow].decoder, slow);
            feed_lines(&f[slow], (struct span){line, len});
        }
        if (round == 0)
            assert_int_equal(decoder_counters(f[0].decoder)->slow, 0);
        if (!feed_same(&f[0], &f[1]))
            fail_msg("%.*s\n%s\n%s", (int)len, line, buf_text(&f[0].log), buf_text(&f[1].log));
        feed_close(&f[0]);
        feed_close(&f[1]);
    }
    assert_int_equal(munmap(memory, 2 * page), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_bodies_find_the_first_special_byte),
        cmocka_unit_test(no_byte_disturbs_its_neighbour),
        cmocka_unit_test(digits_are_told_from_all_other_bytes),
        cmocka_unit_test(the_decoder_says_the_same_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
