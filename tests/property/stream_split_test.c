/* However the bytes arrive, the same comes out: cut at every byte, in receives of any size, by
 * either way, with the input right before a page that must not be read. */
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

/* Every kind of line; the piece behind the last newline too. */
static const char text[] =
    "\xef\xbb\xbf{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"batch_size\":5}}}"
    "\n"
    "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:p\xc3\xbcmp-\xf0\x9f\x98\x80/x\",\"id\":"
    "\"0f9d2c1e-7c3b-4b1e-9a51-3f0d8c6b2a47\",\"timestamp\":\"2025-01-31T12:34:56.789012Z\","
    "\"payload\":42.17}\n"
    "\n"
    "not json\n"
    "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/b\",\"payload\":NaN}\n"
    "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a\\/"
    "b\",\"timestamp\":1,\"payload\":-0.0}\r\n"
    "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/b\n"
    "{\"type\":\"data\",\"resource\":\"krn:ad:a/2\",\"payload\":12345678.901234567}\n"
    "{\"type\":\"data\",\"resource\":\"krn:ad:a/"
    "3\",\"timestamp\":\"2025-01-31\",\"payload\":true}\n"
    "{\"type\":\"data\",\"resource\":\"krn:ad:a/4\",\"id\":\"\xff\",\"payload\":1}\n"
    "a line that is longer than the limit of this test, which is four hundred bytes "
    "...............\n"
    "{\"type\":\"data\",\"resource\":\"krn:ad:a/5\",\"payload\":1}";

#define TEXT_BYTES (sizeof(text) - 1)
#define LIMIT 220 /* the longest good line is shorter, the long line is made longer below */

static struct span whole_text(struct buf *storage)
{
    const char *dots = memmem(text, TEXT_BYTES, "......", 6);
    size_t front = (size_t)(dots - text);

    buf_init(storage, 1 << 16);
    (void)buf_add(storage, text, front);
    for (int i = 0; i < 300; i++)
        (void)buf_add_byte(storage, '.');
    (void)buf_add(storage, dots, TEXT_BYTES - front);
    return (struct span){storage->data, storage->len};
}

static void run(struct feed *f, struct span in, size_t first, size_t piece, bool slow)
{
    feed_open(f, LIMIT);
    decoder_slow_only(f->decoder, slow);
    feed_bytes(f, (struct span){in.data, first}, piece);
    feed_bytes(f, (struct span){in.data + first, in.len - first}, piece);
    feed_end(f);
}

static void check_same(struct feed *f, struct feed *want, size_t first, size_t piece)
{
    if (!feed_same(f, want))
        fail_msg("cut at %zu, pieces of %zu:\n%s\nwant\n%s", first, piece, buf_text(&f->log),
            buf_text(&want->log));
    feed_close(f);
}

static void cuts_change_nothing(void **state)
{
    struct feed want, f;
    struct buf storage;
    struct span in = whole_text(&storage);

    (void)state;
    /* One byte at a time is the reference: nothing is ever seen before its turn. */
    run(&want, in, 0, 1, true);
    assert_int_equal(decoder_counters(want.decoder)->readings, 5);
    assert_int_equal(decoder_counters(want.decoder)->rejected[REJECT_TOO_LONG], 1);
    assert_int_equal(feed_rejected(&want), 5);
    for (int slow = 0; slow < 2; slow++) {
        for (size_t piece = 1; piece <= 300; piece++) {
            run(&f, in, 0, piece, slow);
            /* A long line in the middle of a receive is told before the lines around it. */
            assert_int_equal(feed_rejected(&f), 5);
            assert_int_equal(decoder_counters(f.decoder)->readings, 5);
            feed_close(&f);
        }
    }
    feed_close(&want);
    buf_done(&storage);
}

/* Without the long line, whose place among its neighbours is not promised, the logs are equal. */
static void a_cut_at_every_byte_gives_the_same_log(void **state)
{
    const char *start = memmem(text, TEXT_BYTES, "a line that", 11);
    const char *newline = memchr(start, '\n', 200);
    struct feed want, f;
    struct buf storage;
    struct span in;

    (void)state;
    buf_init(&storage, 1 << 16);
    (void)buf_add(&storage, text, (size_t)(start - text));
    (void)buf_add(&storage, newline + 1, TEXT_BYTES - (size_t)(newline + 1 - text));
    in = (struct span){storage.data, storage.len};
    run(&want, in, 0, 1, true);
    for (int slow = 0; slow < 2; slow++) {
        for (size_t first = 0; first <= in.len; first++) {
            run(&f, in, first, 1 << 16, slow);
            check_same(&f, &want, first, 1 << 16);
        }
        for (size_t piece = 1; piece < 100; piece++) {
            run(&f, in, 0, piece, slow);
            check_same(&f, &want, 0, piece);
        }
    }
    feed_close(&want);
    buf_done(&storage);
}

/* The lines end where the readable memory ends: one byte too far is a crash. */
static void nothing_behind_the_input_is_read(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct decode_event event;

    (void)state;
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    for (size_t len = 0; len <= TEXT_BYTES; len++) {
        char *at = memory + page - len;
        struct feed f;

        memcpy(at, text, len);
        for (int slow = 0; slow < 2; slow++) {
            feed_open(&f, 4096);
            decoder_slow_only(f.decoder, slow);
            feed_lines(&f, (struct span){at, len}); /* the piece behind the newline stays */
            (void)decoder_run_rest(
                f.decoder, (struct span){at, len}, FEED_ARRIVAL_US, f.series, &f.readings, &event);
            feed_close(&f);
        }
        if (len) { /* and as a line of its own, however broken */
            at[len - 1] = '\n';
            feed_open(&f, 4096);
            feed_lines(&f, (struct span){at, len});
            feed_close(&f);
        }
    }
    assert_int_equal(munmap(memory, 2 * page), 0);
}

/* A good message with some bytes changed: both ways say the same, and the neighbours stay. */
static void changed_bytes_are_judged_alike_by_both_ways(void **state)
{
    static const char good[] = "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/"
                               "b\",\"id\":\"0f9d2c1e-7c3b-4b1e-9a51-3f0d8c6b2a47\",\"timestamp\":"
                               "\"2025-01-31T12:34:56.789012Z\",\"payload\":42.17}\n";
    static const char likely[] = "\"\\{}[]:,0123456789.-+eE tfnu/;=\t\r\xc3\xa9\xff";
    const size_t len = sizeof(good) - 1;
    uint64_t seed = rng_any_seed();
    struct rng rng;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    for (uint64_t round = 0; round < rounds(10000); round++) {
        struct feed f[2];
        char line[3 * sizeof(good)];
        uint64_t changes = 1 + rng_below(&rng, 4);

        for (int i = 0; i < 3; i++)
            memcpy(line + (size_t)i * len, good, len);
        while (changes--) {
            char byte = rng_below(&rng, 8) ? likely[rng_below(&rng, sizeof(likely) - 1)]
                                           : (char)rng_below(&rng, 256);

            line[len + rng_below(&rng, len - 1)] = byte == '\n' ? ' ' : byte;
        }
        for (int slow = 0; slow < 2; slow++) {
            feed_open(&f[slow], 4096);
            decoder_slow_only(f[slow].decoder, slow);
            feed_lines(&f[slow], (struct span){line, 3 * len});
            assert_int_equal(decoder_counters(f[slow].decoder)->lines, 3);
            assert_true(decoder_counters(f[slow].decoder)->readings >= 2);
        }
        if (!feed_same(&f[0], &f[1]))
            fail_msg(
                "%.*s\n%s\n%s", (int)len, line + len, buf_text(&f[0].log), buf_text(&f[1].log));
        feed_close(&f[0]);
        feed_close(&f[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_change_nothing),
        cmocka_unit_test(a_cut_at_every_byte_gives_the_same_log),
        cmocka_unit_test(nothing_behind_the_input_is_read),
        cmocka_unit_test(changed_bytes_are_judged_alike_by_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
