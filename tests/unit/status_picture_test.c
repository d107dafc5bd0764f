/* The two sums, ages and rates; the books of rows that files do not hold; troubles in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/clock.h"
#include "status/trouble.h"

static struct counters *make(void **state)
{
    return *state;
}

static int setup(void **state)
{
    struct counters *c = malloc(sizeof(*c));

    if (!c)
        return -1;
    counters_init(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static struct board_file file_of(uint64_t first, uint64_t last, uint64_t rows)
{
    struct board_file file = {.first_seq = first, .last_seq = last, .rows = rows, .bytes = 10};

    (void)str_copy(file.name, sizeof(file.name), "a.parquet");
    return file;
}

static void assert_sum(struct counters *c)
{
    struct picture p;

    picture_take(&p, c);
    assert_int_equal(p.carried + p.readings, p.delivered + p.waiting + p.superseded + p.gaps);
    assert_int_equal(p.lines, p.readings + p.rejected + p.ignored);
}

/* What the loops publish at each stage of 100 readings, 10 of them superseded, 5 lost in packing. */
static void sums_hold_at_every_stage(void **state)
{
    struct counters *c = make(state);
    struct board_file one = file_of(1, 60, 50), two = file_of(61, 100, 35);
    struct picture p;

    counter_set(&c->lines, 107);
    counter_set(&c->readings, 100);
    counter_set(&c->ignored, 4);
    counter_set(&c->rejected, 3);
    counter_set(&c->received_seq, 100);
    counter_set(&c->segment_first_seq, 1);
    counter_set(&c->gaps_before, 7); /* of earlier runs */
    counter_set(&c->gap_readings, 7);
    assert_sum(c); /* all in the active segment */
    counter_set(&c->closed_end_seq, 1);
    counter_set(&c->segment_first_seq, 101);
    assert_sum(c); /* closed, and pack is busy with the file before */
    counter_set(&c->closed_readings, 100);
    counter_set(&c->closed_end_seq, 101);
    assert_sum(c);
    counter_set(&c->closed_readings, 40);
    counter_set(&c->superseded, 10);
    counter_set(&c->waiting_readings, 60);
    board_packed(&c->board, &one);
    assert_sum(c);
    counter_set(&c->closed_readings, 0);
    counter_set(&c->gap_readings, 12);
    counter_set(&c->waiting_readings, 100);
    board_packed(&c->board, &two);
    assert_sum(c);
    picture_take(&p, c);
    assert_int_equal(p.outbox, 85);
    assert_int_equal(p.gaps, 5);
    counter_set(&c->waiting_readings, 40);
    counter_set(&c->delivered_readings, 60);
    board_moved(&c->board, &one, BOARD_DELIVERED);
    assert_sum(c);
    picture_take(&p, c);
    assert_int_equal(p.delivered, 50);
    counter_set(&c->waiting_readings, 0); /* set aside: it waits for a person */
    counter_set(&c->refused_waiting_readings, 40);
    board_moved(&c->board, &two, BOARD_REFUSED);
    assert_sum(c);
    picture_take(&p, c);
    assert_int_equal(p.refused, 35);
    assert_int_equal(p.waiting, 35);
}

/* A file is on its way: pack has said that it left, ship not yet that it came. */
static void *ship_says_it(void *arg)
{
    struct counters *c = arg;
    const struct timespec pause = {.tv_nsec = 1000000};

    (void)nanosleep(&pause, NULL);
    counter_set(&c->waiting_readings, 60);
    return NULL;
}

static void a_file_on_its_way_is_waited_for(void **state)
{
    struct counters *c = make(state);
    struct picture p;
    pthread_t ship;
    int64_t began;

    counter_set(&c->lines, 60);
    counter_set(&c->readings, 60);
    counter_set(&c->received_seq, 60);
    counter_set(&c->segment_first_seq, 61);
    began = clock_mono_us();
    assert_false(picture_take_settled(&p, c)); /* not for ever */
    assert_true(clock_mono_us() - began >= PICTURE_SETTLE_US);
    assert_int_equal(pthread_create(&ship, NULL, ship_says_it, c), 0);
    for (int i = 0; i < 1000 && !picture_take_settled(&p, c); i++)
        continue; /* on a machine that is busy the other thread may come late */
    assert_int_equal(p.waiting, 60);
    assert_true(picture_take_settled(&p, c));
    assert_int_equal(pthread_join(ship, NULL), 0);
}

/* gaps.log counts the whole range of a dropped file; what had been superseded in it is not lost. */
static void dropped_file_is_counted_once(void **state)
{
    struct counters *c = make(state);
    struct board_file one = file_of(1, 60, 50);
    struct picture p;

    counter_set(&c->lines, 60);
    counter_set(&c->readings, 60);
    counter_set(&c->received_seq, 60);
    counter_set(&c->segment_first_seq, 61);
    counter_set(&c->superseded, 10);
    counter_set(&c->gap_readings, 60);
    board_packed(&c->board, &one);
    board_moved(&c->board, &one, BOARD_DROPPED);
    assert_sum(c);
    picture_take(&p, c);
    assert_int_equal(p.gaps, 50);
}

/* Ship takes a file as soon as it has its name; pack writes it into the books a moment later. */
static void the_order_of_pack_and_ship_does_not_matter(void **state)
{
    static const enum board_file_state ends[] = {
        BOARD_DELIVERED, BOARD_DROPPED, BOARD_DAMAGED, BOARD_REFUSED};
    struct counters *c = make(state);
    struct board_file files[BOARD_FILES];
    struct board_absent absent;

    for (uint64_t i = 0; i < 4; i++) {
        struct board_file file = file_of(100 * i + 1, 100 * i + 60, 50), seen = file;

        seen.rows = 0;
        board_moved(&c->board, &seen, ends[i]);
        board_packed(&c->board, &file);
    }
    absent = board_get_absent(&c->board);
    assert_int_equal(absent.waiting, 10); /* what was refused still waits */
    assert_int_equal(absent.delivered, 10);
    assert_int_equal(absent.lost, 20);
    assert_int_equal(board_get_files(&c->board, files), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(files[i].state, ends[3 - i]);
        assert_int_equal(files[i].rows, 50);
    }
}

static void carried_readings_are_part_of_the_sum(void **state)
{
    struct counters *c = make(state);
    struct board_file old = file_of(1, 30, 0);

    counter_set(&c->carried_readings, 30);
    counter_set(&c->received_seq, 30);
    counter_set(&c->segment_first_seq, 31);
    counter_set(&c->waiting_readings, 30);
    assert_sum(c);
    counter_set(&c->waiting_readings, 0);
    counter_set(&c->delivered_readings, 30);
    board_moved(&c->board, &old, BOARD_DELIVERED);
    assert_sum(c);
}

static void books_stay_exact_when_they_are_full(void **state)
{
    struct counters *c = make(state);
    struct board_absent absent;

    for (uint64_t i = 0; i < 2 * BOARD_ABSENT; i++) {
        struct board_file file = file_of(10 * i + 1, 10 * i + 10, 7);

        board_packed(&c->board, &file);
    }
    absent = board_get_absent(&c->board);
    assert_int_equal(absent.waiting, 3 * 2 * BOARD_ABSENT);
    for (uint64_t i = 2 * BOARD_ABSENT; i > 0; i--) {
        struct board_file file = file_of(10 * i - 9, 10 * i, 7);

        board_moved(&c->board, &file, i % 2 ? BOARD_DELIVERED : BOARD_DAMAGED);
    }
    absent = board_get_absent(&c->board);
    assert_int_equal(absent.waiting, 0);
    assert_int_equal(absent.delivered + absent.lost, 3 * 2 * BOARD_ABSENT);
}

static void newest_file_comes_first(void **state)
{
    struct counters *c = make(state);
    struct board_file files[BOARD_FILES];

    for (uint64_t i = 1; i <= BOARD_FILES + 5; i++) {
        struct board_file file = file_of(i, i, 1);

        board_packed(&c->board, &file);
    }
    assert_int_equal(board_get_files(&c->board, files), BOARD_FILES);
    assert_int_equal(files[0].first_seq, BOARD_FILES + 5);
    assert_int_equal(files[BOARD_FILES - 1].first_seq, 6);
    assert_int_equal(files[3].state, BOARD_READY);
}

static void one_sample_a_second_and_reason(void **state)
{
    struct counters *c = make(state);
    struct board_sample samples[BOARD_SAMPLES];
    char long_line[1000];

    memset(long_line, 1, sizeof(long_line)); /* each is shown as four bytes */
    board_sample_add(&c->board, "cut", span_of("one\ttab"), 7, 1, 1);
    board_sample_add(&c->board, "cut", span_of("two"), 3, 1, 900000);
    board_sample_add(
        &c->board, "not_json", (struct span){long_line, sizeof(long_line)}, 9999, 1, 1);
    assert_int_equal(board_get_samples(&c->board, samples), 2);
    assert_string_equal(samples[0].line, "one\\x09tab");
    assert_true(strlen(samples[1].line) < sizeof(samples[1].line));
    assert_string_equal(samples[1].line + strlen(samples[1].line) - 3, "...");
    board_sample_add(&c->board, "cut", span_of("three"), 5, 1, 1000001);
    assert_int_equal(board_get_samples(&c->board, samples), 2);
    assert_string_equal(samples[0].line, "three");
}

static void oldest_is_the_oldest_of_all_places(void **state)
{
    struct counters *c = make(state);
    struct picture p;
    int64_t mono = clock_mono_us(), wall = clock_wall_us();

    picture_take(&p, c);
    assert_int_equal(p.oldest_age_us, 0);
    counter_set(&c->active_since_us, (uint64_t)(mono - 2000000));
    picture_take(&p, c);
    assert_in_range(p.oldest_age_us, 2000000, 2900000);
    counter_set(&c->closed_since_us, (uint64_t)(mono - 3000000));
    picture_take(&p, c);
    assert_in_range(p.oldest_age_us, 3000000, 3900000);
    atomic_store(&c->oldest_wall_us, wall - 4000000);
    picture_take(&p, c);
    assert_in_range(p.oldest_age_us, 4000000, 4900000);
    atomic_store(&c->oldest_wall_us, wall + 4000000); /* the wall clock was set back */
    picture_take(&p, c);
    assert_in_range(p.oldest_age_us, 3000000, 3900000);
}

static void uploads_fall_into_their_buckets(void **state)
{
    struct counters *c = make(state);

    counters_add_upload(c, 50000, 0, 1);
    counters_add_upload(c, 50001, 0, 1);
    counters_add_upload(c, INT64_C(999000000), 0, 1);
    counters_add_upload(c, -1, 5, 1); /* clocks */
    assert_int_equal(counter_get(&c->upload_bucket[0]), 2);
    assert_int_equal(counter_get(&c->upload_bucket[1]), 1);
    assert_int_equal(counter_get(&c->upload_count), 4);
    assert_int_equal(counter_get(&c->lag_us), 0);
}

/* --- history --- */

static void feed(
    struct history *h, struct picture *p, unsigned seconds, uint64_t per_s, uint64_t bytes_per_s)
{
    for (unsigned i = 0; i < seconds; i++) {
        p->mono_us += CLOCK_SECOND_US;
        p->wall_us += CLOCK_SECOND_US;
        p->readings += per_s;
        p->state_bytes += bytes_per_s;
        p->left_bytes -= bytes_per_s;
        history_add(h, p);
    }
    history_rates(h, p);
}

static void rates_and_time_until_full(void **state)
{
    static struct history h;
    struct picture p = {
        .mono_us = 5, .wall_us = 7, .left_bytes = 1000000, .state_bytes_max = 2000000};

    (void)state;
    history_init(&h, &p);
    history_rates(&h, &p);
    assert_int_equal(p.full_in_us, PICTURE_NEVER);
    assert_true(p.readings_per_s == 0);
    feed(&h, &p, 30, 100, 0);
    assert_true(p.readings_per_s > 99.9 && p.readings_per_s < 126);
    assert_int_equal(history_count(&h), 3);
    assert_true(history_get(&h, 0)->readings_per_s > 99.9);
    assert_int_equal(p.full_in_us, PICTURE_NEVER);
    feed(&h, &p, 180, 0, 1000);
    assert_true(p.readings_per_s == 0);
    assert_int_equal(p.silent_us, 180 * CLOCK_SECOND_US);
    assert_in_range(p.full_in_us, 819 * CLOCK_SECOND_US, 821 * CLOCK_SECOND_US);
    p.left_bytes = 0;
    history_rates(&h, &p);
    assert_int_equal(p.full_in_us, 0);
}

static void history_keeps_the_last_hour(void **state)
{
    static struct history h;
    struct picture p = {.mono_us = 5, .wall_us = 7};

    (void)state;
    history_init(&h, &p);
    feed(&h, &p, 4000, 10, 0);
    assert_int_equal(history_count(&h), HISTORY_POINTS);
    assert_int_equal(history_get(&h, HISTORY_POINTS - 1)->wall_us, p.wall_us);
    assert_int_equal(
        p.wall_us - history_get(&h, 0)->wall_us, (HISTORY_POINTS - 1) * HISTORY_STEP_US);
}

/* --- words --- */

static void troubles_and_readiness(void **state)
{
    static const struct {
        enum stream_status stream;
        enum ship_status ship;
        bool stopping, broken, ready;
        const char *first; /* id of the first trouble; NULL: none */
    } rows[] = {
        {STREAM_CONNECTED, SHIP_IDLE, false, false, true, NULL},
        {STREAM_CONNECTED, SHIP_SENDING, false, false, true, NULL},
        {STREAM_CONNECTED, SHIP_WAITING, false, false, false, "delivery_waits"},
        {STREAM_CONNECTED, SHIP_DENIED, false, false, false, "delivery_denied"},
        {STREAM_PAUSED, SHIP_WAITING, false, false, false, "paused_full"},
        {STREAM_WAITING, SHIP_IDLE, false, false, false, "stream_not_connected"},
        {STREAM_STOPPED, SHIP_STOPPED, true, false, false, "stopping"},
        {STREAM_CONNECTED, SHIP_IDLE, false, true, false, "broken"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct picture p = {.stream = rows[i].stream,
            .ship = rows[i].ship,
            .stopping = rows[i].stopping,
            .broken = rows[i].broken,
            .full_in_us = PICTURE_NEVER};
        const char *why[TROUBLES_MAX];
        struct troubles t;
        struct buf line;
        size_t count = 99;

        trouble_find(&p, &t);
        if (rows[i].first) {
            assert_true(t.count > 0);
            assert_string_equal(t.items[0].id, rows[i].first);
            assert_true(t.items[0].what[0] && t.items[0].what_to_do[0]);
        } else {
            assert_int_equal(t.count, 0);
        }
        assert_int_equal(trouble_ready(&p, why, &count), rows[i].ready);
        assert_int_equal(count == 0, rows[i].ready);
        buf_init(&line, 1024);
        trouble_headline(&p, &t, &line);
        assert_false(line.failed);
        assert_int_equal(strncmp(buf_text(&line), "All is well", 11) == 0, rows[i].ready);
        buf_done(&line);
    }
}

/* Of the same level, what keeps readings from arriving or leaving comes before single bad lines. */
static void the_way_comes_before_bad_lines(void **state)
{
    struct picture p = {.stream = STREAM_CONNECTED,
        .ship = SHIP_WAITING,
        .readings_per_s = 1000,
        .rejected_per_s = 100,
        .full_in_us = 60000000};
    struct troubles t;

    (void)state;
    trouble_find(&p, &t);
    assert_int_equal(t.count, 3);
    assert_string_equal(t.items[0].id, "delivery_waits");
    assert_string_equal(t.items[1].id, "full_soon");
    assert_string_equal(t.items[2].id, "rejecting");
}

static void one_is_not_many(void **state)
{
    struct picture p = {.stream = STREAM_CONNECTED,
        .refused_files = 1,
        .gaps = 1,
        .rescues = 1,
        .full_in_us = PICTURE_NEVER};
    struct troubles t;

    (void)state;
    trouble_find(&p, &t);
    assert_int_equal(t.count, 3);
    assert_string_equal(t.items[0].what, "1 reading was lost since this process began.");
    assert_string_equal(
        t.items[1].what, "Databricks refused 1 file three times over; it is set aside.");
    assert_string_equal(
        t.items[2].what, "A write or a sync of the journal failed (1 in this run).");
}

static void everything_wrong_at_once_fits(void **state)
{
    struct picture p = {.stream = STREAM_WAITING,
        .ship = SHIP_DENIED,
        .job = JOB_STATUS_BLOCKED,
        .broken = true,
        .rejected_per_s = 3,
        .refused_files = 2,
        .gaps = 9,
        .rescues = 1,
        .full_in_us = 60000000};
    struct troubles t;

    (void)state;
    p.beat_age_us[LOOP_SHIP] = PICTURE_BEAT_US;
    memset(p.job_text, 'x', sizeof(p.job_text) - 1);
    memset(p.ship_error.text, 'y', sizeof(p.ship_error.text) - 1);
    p.pack_error.kind = ERR_FULL;
    trouble_find(&p, &t);
    assert_int_equal(t.count, 11);
    assert_int_equal(t.items[0].level, TROUBLE_BAD);
    assert_int_equal(picture_stuck(&p), LOOP_SHIP);
    for (size_t i = 1; i < t.count; i++)
        assert_true(t.items[i].level <= t.items[i - 1].level);
}

static void what_to_do_fits_why_packing_waits(void **state)
{
    static const struct {
        struct err why;
        const char *word;
    } cases[] = {
        {{.kind = ERR_FULL}, "Free space"}, /* a limit of our own */
        {{.kind = ERR_FULL, .code = ENOSPC}, "Free space"},
        {{.kind = ERR_FULL, .code = EDQUOT}, "Free space"},
        {{.kind = ERR_FULL, .code = ENOMEM}, "memory"},
        {{.kind = ERR_RETRY, .code = EIO}, "Check the disk"},
        {{.kind = ERR_DENIED, .code = EIO}, "Check the disk"},
        {{.kind = ERR_DENIED, .code = EUCLEAN}, "Check the disk"},
        {{.kind = ERR_DENIED, .code = EMFILE}, "limit"},
        {{.kind = ERR_DENIED, .code = EACCES}, "Mend what the error names"},
        {{.kind = ERR_DENIED}, "Mend what the error names"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct picture p = {.pack_error = cases[i].why};
        struct troubles t;

        trouble_find(&p, &t);
        for (size_t k = 0; k < t.count; k++) {
            if (strcmp(t.items[k].id, "pack_waits") == 0) {
                assert_non_null(strstr(t.items[k].what_to_do, cases[i].word));
                break;
            }
            assert_true(k + 1 < t.count);
        }
        assert_true(t.count > 0);
        if (!strstr(cases[i].word, "space"))
            assert_null(strstr(trouble_pack_waits(&cases[i].why), "space"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_hold_at_every_stage, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_on_its_way_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(dropped_file_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_order_of_pack_and_ship_does_not_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(carried_readings_are_part_of_the_sum, setup, teardown),
        cmocka_unit_test_setup_teardown(books_stay_exact_when_they_are_full, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_file_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(one_sample_a_second_and_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(oldest_is_the_oldest_of_all_places, setup, teardown),
        cmocka_unit_test_setup_teardown(uploads_fall_into_their_buckets, setup, teardown),
        cmocka_unit_test(rates_and_time_until_full),
        cmocka_unit_test(history_keeps_the_last_hour),
        cmocka_unit_test(troubles_and_readiness),
        cmocka_unit_test(the_way_comes_before_bad_lines),
        cmocka_unit_test(one_is_not_many),
        cmocka_unit_test(everything_wrong_at_once_fits),
        cmocka_unit_test(what_to_do_fits_why_packing_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
