/* The two places of these rooms where threads meet: the spare, and gaps.log. */
#include "journal_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROLLS 300

struct other {
    struct kit *k;
    atomic_bool stop;
    struct err err;
    unsigned failures;
    uint64_t first_gap;
};

static void *make_spares(void *context)
{
    struct other *o = context;

    while (!atomic_load(&o->stop)) {
        if (!journal_make_spare(&o->k->st, &o->k->limits, o->k->options.segment_bytes, &o->err))
            o->failures++;
        (void)limits_check(&o->k->limits, clock_mono_us());
    }
    return NULL;
}

/* No roll ever loses its file to the maker of spares. */
static void spares_are_made_while_segments_roll(void **state)
{
    struct kit k;
    struct other o = {.k = &k};
    struct limits again;
    pthread_t thread;
    struct err err;

    (void)state;
    kit_new(&k);
    k.options.segment_bytes = 65536;
    kit_start(&k);
    assert_int_equal(pthread_create(&thread, NULL, make_spares, &o), 0);
    for (int i = 0; i < ROLLS; i++) {
        kit_append(&k, 20);
        kit_roll(&k);
    }
    atomic_store(&o.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (o.failures)
        fail_msg("%s", o.err.text);
    kit_ok(&k, limits_init(&again, &k.st, 1, 1, &err));
    assert_int_equal(k.limits.used[LIMITS_JOURNAL], again.used[LIMITS_JOURNAL]);
    assert_int_equal(journal_counters(k.j)->unsealed, 0);
    kit_check_durable(&k, ROLLS * 20);
    kit_stop(&k);
    kit_start(&k);
    assert_int_equal(k.rec.next_seq, ROLLS * 20 + 1);
    assert_int_equal(k.rec.set_aside, 0);
    kit_free(&k);
}

static void *write_gaps(void *context)
{
    struct other *o = context;

    for (uint64_t i = 0; i < 200; i++) {
        struct gap gap = {.from_seq = o->first_gap + 10 * i,
            .to_seq = o->first_gap + 10 * i,
            .readings = 1,
            .reason = GAP_TORN};

        if (!gaps_write(o->k->gaps, &gap, &o->err))
            o->failures++;
        (void)gaps_readings(o->k->gaps);
    }
    return NULL;
}

static void two_threads_write_gaps(void **state)
{
    struct kit k;
    struct other a = {.k = &k, .first_gap = 1}, b = {.k = &k, .first_gap = 5};
    pthread_t thread;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    assert_int_equal(pthread_create(&thread, NULL, write_gaps, &a), 0);
    (void)write_gaps(&b);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(a.failures + b.failures, 0);
    assert_int_equal(gaps_readings(k.gaps), 400);
    kit_stop(&k);
    kit_start(&k);
    assert_int_equal(gaps_count(k.gaps), 400);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spares_are_made_while_segments_roll),
        cmocka_unit_test(two_threads_write_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
