/* gaps.c: every loss once, across restarts and half lines. */
#include "state_kit.h"

static const struct gap damaged = {
    .from_seq = 10,
    .to_seq = 19,
    .readings = 10,
    .reason = GAP_DAMAGED,
    .promised = true,
    .bytes = 400,
    .where = "0000000000000001.seg",
};

static struct gaps *open_gaps(struct kit *k)
{
    struct gaps *g = gaps_open(&k->st, &k->limits, &k->err);

    if (!g)
        fail_msg("%s", k->err.text);
    return g;
}

static void check(const struct gaps *g, uint64_t count, uint64_t readings, uint64_t promised)
{
    assert_int_equal(gaps_count(g), count);
    assert_int_equal(gaps_readings(g), readings);
    assert_int_equal(gaps_promised_readings(g), promised);
}

static void sums_survive_a_restart(void **state)
{
    struct gap dropped = {.from_seq = 100,
        .to_seq = 199,
        .readings = 90,
        .reason = GAP_DROPPED,
        .first_us = 1769862896000000,
        .last_us = 1769862897000000,
        .where = "a,\"b\"\n\xff"};
    struct kit k;
    struct gaps *g;
    struct buf text;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    g = open_gaps(&k);
    check(g, 0, 0, 0);
    kit_ok(&k, gaps_write(g, &damaged, &k.err));
    kit_ok(&k, gaps_write(g, &dropped, &k.err));
    check(g, 2, 100, 10);
    gaps_close(g);
    kit_read(&k, "gaps.log", &text);
    assert_non_null(strstr(buf_text(&text), "\"from_seq\":10,\"to_seq\":19,\"readings\":10,"
                                            "\"promised\":true,\"reason\":\"damaged\","
                                            "\"first\":null,\"last\":null,\"bytes\":400,"
                                            "\"where\":\"0000000000000001.seg\"}\n"));
    assert_non_null(strstr(buf_text(&text), "\"first\":\"2026-01-31T12:34:56.000000Z\""));
    buf_done(&text);
    g = open_gaps(&k);
    check(g, 2, 100, 10);
    gaps_close(g);
    state_close(&k.st);
    kit_free(&k);
}

static void a_reading_is_lost_once(void **state)
{
    struct gap g2 = damaged, hole = damaged;
    struct kit k;
    struct gaps *g;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    g = open_gaps(&k);
    kit_ok(&k, gaps_write(g, &damaged, &k.err));
    for (int i = 0; i < 2; i++) {
        kit_ok(&k, gaps_write(g, &damaged, &k.err));
        g2.reason = GAP_MISSING;
        kit_ok(&k, gaps_write(g, &g2, &k.err)); /* the same readings, another reason */
        g2.from_seq = 12;
        kit_ok(&k, gaps_write(g, &g2, &k.err)); /* some of them */
        check(g, 1, 10, 10);
        gaps_close(g);
        g = open_gaps(&k);
    }
    g2.from_seq = 15;
    g2.to_seq = 20;
    g2.readings = 1;
    kit_ok(&k, gaps_write(g, &g2, &k.err)); /* one more */
    check(g, 2, 11, 11);
    hole.from_seq = 15; /* damage that cost nothing */
    hole.to_seq = 14;
    hole.readings = 0;
    kit_ok(&k, gaps_write(g, &hole, &k.err));
    kit_ok(&k, gaps_write(g, &hole, &k.err));
    check(g, 3, 11, 11);
    gaps_close(g);
    state_close(&k.st);
    kit_free(&k);
}

/* A crash in the middle of a line, at every byte: the lines before stand, and the next one does. */
static void half_a_line_is_no_line(void **state)
{
    struct gap other = {.from_seq = 50, .to_seq = 50, .readings = 1, .reason = GAP_TORN};
    struct kit k;
    struct gaps *g;
    struct buf text;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    g = open_gaps(&k);
    kit_ok(&k, gaps_write(g, &damaged, &k.err));
    gaps_close(g);
    kit_read(&k, "gaps.log", &text);
    for (size_t cut = 0; cut <= text.len; cut++) {
        bool whole = cut >= text.len - 1; /* all but its line end */

        kit_write(&k, "gaps.log", text.data, cut);
        g = open_gaps(&k);
        check(g, whole, whole ? 10 : 0, whole ? 10 : 0);
        kit_ok(&k, gaps_write(g, &other, &k.err));
        gaps_close(g);
        g = open_gaps(&k);
        check(g, 1 + whole, whole ? 11 : 1, whole ? 10 : 0);
        gaps_close(g);
    }
    buf_done(&text);
    state_close(&k.st);
    kit_free(&k);
}

static void odd_bytes_are_left_alone(void **state)
{
    struct kit k;
    struct gaps *g;
    char *odd = calloc(1, 200000);

    (void)state;
    assert_non_null(odd);
    memset(odd + 70000, 'x', 70000);
    odd[199999] = '\n';
    kit_new(&k);
    kit_open(&k);
    kit_write(&k, "gaps.log", odd, 200000);
    g = open_gaps(&k);
    check(g, 0, 0, 0);
    kit_ok(&k, gaps_write(g, &damaged, &k.err));
    gaps_close(g);
    g = open_gaps(&k);
    check(g, 1, 10, 10);
    gaps_close(g);
    free(odd);
    state_close(&k.st);
    kit_free(&k);
}

/* More lines than a window of the reader, more than the first size of the list. */
static void many_gaps(void **state)
{
    struct kit k;
    struct gaps *g;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    g = open_gaps(&k);
    for (uint64_t i = 1; i <= 1500; i++) {
        struct gap gap = {.from_seq = i * 3, .to_seq = i * 3, .readings = 1, .reason = GAP_TORN};

        kit_ok(&k, gaps_write(g, &gap, &k.err));
    }
    gaps_close(g);
    g = open_gaps(&k);
    check(g, 1500, 1500, 0);
    gaps_close(g);
    state_close(&k.st);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_survive_a_restart),
        cmocka_unit_test(a_reading_is_lost_once),
        cmocka_unit_test(half_a_line_is_no_line),
        cmocka_unit_test(odd_bytes_are_left_alone),
        cmocka_unit_test(many_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
