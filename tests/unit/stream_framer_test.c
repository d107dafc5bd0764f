/* The framer: its limits, its buffer's edges, and what it says of lines it does not keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/rng.h"
#include "stream/framer.h"

static struct framer *open_framer(size_t line_max)
{
    struct framer *f;
    struct err err;

    f = framer_new(line_max, &err);
    assert_non_null(f);
    return f;
}

/* As much as there is room for; returns how much that was. */
static size_t receive(struct framer *f, struct span in)
{
    size_t room;
    char *to = framer_space(f, &room);

    if (room > in.len)
        room = in.len;
    memcpy(to, in.data, room);
    framer_added(f, room);
    return room;
}

static void limits_that_make_no_sense_are_refused(void **state)
{
    static const size_t limits[] = {0, 3, ((size_t)1 << 30) + 1, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct err err;

        err_clear(&err);
        assert_null(framer_new(limits[i], &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    framer_free(NULL);
}

/* Full receives, and a caller who takes a part of the lines only: all bytes come out, in order. */
static void a_long_stream_comes_out_as_it_went_in(void **state)
{
    uint64_t seed = rng_any_seed();
    struct framer *f = open_framer(4096);
    struct buf in, out;
    struct rng rng;

    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    buf_init(&in, 8 << 20);
    buf_init(&out, 8 << 20);
    while (in.len < 6 << 20) {
        for (uint64_t n = rng_below(&rng, 3000); n; n--)
            (void)buf_add_byte(&in, (uint8_t)('a' + n % 26));
        (void)buf_add_byte(&in, '\n');
    }
    for (size_t at = 0; at < in.len || framer_lines(f).len;) {
        struct span lines;
        size_t part;

        at += receive(f, (struct span){in.data + at, in.len - at});
        lines = framer_lines(f);
        part = rng_below(&rng, 2) ? lines.len : rng_below(&rng, lines.len + 1);
        (void)buf_add(&out, lines.data, part);
        framer_take(f, part);
    }
    assert_int_equal(out.len, in.len);
    assert_memory_equal(out.data, in.data, in.len);
    buf_done(&in);
    buf_done(&out);
    framer_free(f);
}

/* A line of the limit needs the whole buffer, and there is room for a receive behind it still. */
static void a_long_half_line_leaves_room_to_receive(void **state)
{
    const size_t max = 1 << 20;
    struct framer *f = open_framer(max);
    struct buf text;
    size_t room;

    (void)state;
    buf_init(&text, 4 << 20);
    for (size_t i = 0; i < max; i++)
        (void)buf_add_byte(&text, 'x');
    assert_int_equal(receive(f, span_of("short\n")), 6);
    for (size_t at = 0; at < max;)
        at += receive(f, (struct span){text.data + at, max - at});
    (void)framer_space(f, &room);
    assert_true(room > 0);
    framer_take(f, 6);
    (void)framer_space(f, &room);
    assert_int_equal(room, FRAMER_RECEIVE_BYTES);
    assert_int_equal(receive(f, span_of("\n")), 1);
    assert_int_equal(framer_lines(f).len, max + 1);
    buf_done(&text);
    framer_free(f);
}

static void every_too_long_line_is_told_once(void **state)
{
    struct framer *f = open_framer(4);
    struct span sample;
    struct buf text;
    uint64_t len;
    int told = 0;

    (void)state;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 30000; i++)
        (void)buf_add_text(&text, "12345\n1234\n");
    for (size_t at = 0; at < text.len;) {
        at += receive(f, (struct span){text.data + at, text.len - at});
        while (framer_too_long(f, &sample, &len)) {
            assert_true(span_is(sample, "12345"));
            assert_int_equal(len, 5);
            told++;
        }
        assert_int_equal(framer_lines(f).len % 5, 0);
        framer_take(f, framer_lines(f).len);
    }
    assert_int_equal(told, 30000);
    buf_done(&text);
    framer_free(f);
}

/* Constant memory: what does not fit is told without sample, but told. */
static void too_long_lines_nobody_asks_for_stay_counted(void **state)
{
    struct framer *f = open_framer(4);
    struct span sample;
    uint64_t len;
    int told = 0;
    char line[8192];

    (void)state;
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 3000; i++)
        assert_int_equal(receive(f, (struct span){line, sizeof(line)}), sizeof(line));
    while (framer_too_long(f, &sample, &len)) {
        assert_true(len == sizeof(line) - 1 || len == 0);
        told++;
    }
    assert_int_equal(told, 3000);
    framer_free(f);
}

static void the_sample_holds_the_first_bytes_however_they_came(void **state)
{
    struct framer *f = open_framer(100);
    struct span sample;
    uint64_t len;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char piece[16];

        (void)snprintf(piece, sizeof(piece), "%07d.", i);
        assert_int_equal(receive(f, span_of(piece)), 8);
        assert_false(framer_too_long(f, &sample, &len));
    }
    assert_int_equal(framer_rest(f).len, 0);
    assert_int_equal(receive(f, span_of("\nnext\n")), 6);
    assert_true(framer_too_long(f, &sample, &len));
    assert_int_equal(len, 8000);
    assert_int_equal(sample.len, FRAMER_SAMPLE_BYTES);
    assert_memory_equal(sample.data, "0000000.0000001.0000002.", 24);
    assert_memory_equal(sample.data + sample.len - 8, "0000511.", 8);
    assert_true(span_is(framer_lines(f), "next\n"));
    framer_free(f);
}

static void a_new_connection_forgets_the_half_line_only(void **state)
{
    struct framer *f = open_framer(100);
    struct span sample;
    uint64_t len;

    (void)state;
    assert_int_equal(receive(f, span_of("whole\nhalf")), 10);
    assert_true(span_is(framer_rest(f), "half"));
    assert_int_equal(framer_restart(f), 4);
    assert_int_equal(framer_restart(f), 0);
    /* A BOM again, in pieces, behind lines nobody took yet. */
    assert_int_equal(receive(f, span_of("\xef")), 1);
    assert_int_equal(receive(f, span_of("\xbb")), 1);
    assert_int_equal(receive(f, span_of("\xbfnew\n\xef\xbb\xbfsecond\n")), 15);
    assert_true(span_is(framer_lines(f), "whole\nnew\n\xef\xbb\xbfsecond\n"));
    framer_take(f, framer_lines(f).len);
    /* A too long line without its end is told by the restart. */
    for (int i = 0; i < 20; i++)
        assert_int_equal(receive(f, span_of("0123456789")), 10);
    assert_int_equal(framer_restart(f), 0);
    assert_true(framer_too_long(f, &sample, &len));
    assert_int_equal(len, 200);
    assert_int_equal(receive(f, span_of("fresh\n")), 6);
    assert_true(span_is(framer_lines(f), "fresh\n"));
    framer_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_that_make_no_sense_are_refused),
        cmocka_unit_test(a_long_stream_comes_out_as_it_went_in),
        cmocka_unit_test(a_long_half_line_leaves_room_to_receive),
        cmocka_unit_test(every_too_long_line_is_told_once),
        cmocka_unit_test(too_long_lines_nobody_asks_for_stay_counted),
        cmocka_unit_test(the_sample_holds_the_first_bytes_however_they_came),
        cmocka_unit_test(a_new_connection_forgets_the_half_line_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
