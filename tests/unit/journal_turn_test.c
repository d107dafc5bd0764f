/* journal.c, roll.c: what the intake thread sees: room, times, counters, the spare. */
#include "journal_kit.h"

#define MS INT64_C(1000)

static void tick(struct kit *k, bool dry, int64_t us)
{
    k->mono_us += us;
    kit_ok(k, journal_tick(k->j, dry, k->mono_us, &k->err));
}

static uint64_t durable(const struct kit *k)
{
    return journal_counters(k->j)->durable_seq;
}

static void a_group_is_synced_in_time(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    assert_int_equal(journal_next_us(k.j), INT64_MAX);
    kit_append(&k, 10);
    assert_int_equal(journal_next_us(k.j), k.mono_us + 50 * MS);
    tick(&k, false, 49 * MS);
    assert_int_equal(durable(&k), 0);
    kit_append(&k, 10); /* the first frame counts */
    tick(&k, false, 1 * MS);
    assert_int_equal(durable(&k), 20);
    assert_int_equal(journal_counters(k.j)->durable_stream_offset, 21);
    assert_int_equal(journal_counters(k.j)->durable_connection, 3);
    assert_int_equal(journal_counters(k.j)->commits, 1);
    tick(&k, false, 100 * MS); /* nothing to do */
    assert_int_equal(journal_counters(k.j)->commits, 1);
    kit_free(&k);
}

static void a_large_group_is_synced_at_once(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    k.options.commit_bytes = 2000;
    kit_start(&k);
    kit_append(&k, 50);
    tick(&k, false, 0);
    assert_int_equal(durable(&k), 0);
    kit_append(&k, 50);
    assert_true(journal_next_us(k.j) <= k.mono_us);
    tick(&k, false, 0);
    assert_int_equal(durable(&k), 100);
    kit_append(&k, 200); /* nobody ticks: the next append does it */
    kit_append(&k, 1);
    assert_int_equal(durable(&k), 300);
    kit_free(&k);
}

/* A dry socket is synced after 5 ms, but never sooner than commit_us after the last sync. */
static void a_dry_socket_is_synced_soon(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    kit_append(&k, 1);
    tick(&k, true, 1 * MS);
    assert_int_equal(durable(&k), 0);
    assert_int_equal(journal_next_us(k.j), k.mono_us + 5 * MS);
    tick(&k, true, 5 * MS);
    assert_int_equal(durable(&k), 1);
    kit_append(&k, 1);
    tick(&k, true, 10 * MS);
    assert_int_equal(durable(&k), 1);
    assert_int_equal(journal_next_us(k.j), k.mono_us + 40 * MS);
    tick(&k, true, 40 * MS);
    assert_int_equal(durable(&k), 2);
    kit_append(&k, 1);
    tick(&k, true, 46 * MS);
    tick(&k, false, 0); /* not dry any more */
    kit_append(&k, 1);
    tick(&k, true, 3 * MS);
    assert_int_equal(durable(&k), 2);
    kit_free(&k);
}

static void a_segment_is_rolled_by_age_and_count(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    k.options.batch_size = 100;
    k.options.interval_us = 2 * CLOCK_SECOND_US;
    kit_start(&k);
    assert_int_equal(journal_room(k.j), 100);
    kit_append(&k, 60);
    assert_int_equal(journal_room(k.j), 40);
    kit_append(&k, 40);
    assert_int_equal(journal_room(k.j), 0);
    tick(&k, false, 0);
    assert_int_equal(journal_counters(k.j)->rolls, 1);
    assert_int_equal(series_count(journal_series(k.j)), 0);
    kit_append(&k, 100);
    assert_true(journal_room(k.j) > 1000); /* a second has not passed: it may grow */
    tick(&k, false, 999 * MS);
    assert_int_equal(journal_counters(k.j)->rolls, 1);
    assert_int_equal(journal_next_us(k.j), k.mono_us + 1 * MS);
    tick(&k, false, 1 * MS);
    assert_int_equal(journal_counters(k.j)->rolls, 2);
    kit_append(&k, 1);
    tick(&k, false, 1999 * MS);
    assert_int_equal(journal_counters(k.j)->rolls, 2);
    assert_int_equal(journal_next_us(k.j), k.mono_us + 1 * MS);
    tick(&k, false, 1 * MS);
    assert_int_equal(journal_counters(k.j)->rolls, 3);
    tick(&k, false, 100 * CLOCK_SECOND_US); /* an empty segment never */
    kit_roll(&k);
    assert_int_equal(journal_counters(k.j)->rolls, 3);
    journal_set_batch(k.j, 5, INT64_MAX);
    assert_int_equal(journal_room(k.j), 5);
    kit_append(&k, 2);
    assert_true(journal_next_us(k.j) < INT64_MAX);
    kit_commit(&k);
    assert_int_equal(journal_next_us(k.j), INT64_MAX);
    kit_check_durable(&k, 203);
    kit_free(&k);
}

static void a_segment_ends_at_its_size(void **state)
{
    struct kit k;
    struct segment_list list;

    (void)state;
    kit_new(&k);
    k.options.segment_bytes = 65536;
    kit_start(&k);
    for (int i = 0; i < 20000; i += 500) {
        if (journal_room(k.j) < 500)
            kit_roll(&k);
        kit_append(&k, 500);
    }
    kit_roll(&k);
    kit_ok(&k, scan_list(&k.st, &list, &k.err));
    assert_in_range(list.count, 7, 9);
    for (size_t i = 0; i + 1 < list.count; i++) {
        assert_true(list.items[i].sealed);
        assert_true(list.items[i].bytes <= 65536);
        assert_int_equal(list.items[i].end_seq, list.items[i + 1].first_seq);
    }
    scan_list_done(&list);
    kit_check_durable(&k, 20000);
    kit_free(&k);
}

/* Small segments and long names: an empty one always takes something, or the turn would stand. */
static void an_empty_segment_always_has_room(void **state)
{
    struct kit k;
    uint32_t number;
    char name[1024];

    (void)state;
    kit_new(&k);
    k.options.segment_bytes = 4096;
    kit_start(&k);
    memset(name, 'n', sizeof(name));
    for (int i = 0; i < 30; i++) {
        name[0] = (char)('a' + i);
        assert_int_equal(series_number(journal_series(k.j), (struct span){name, sizeof(name)},
                             (struct span){name, sizeof(name)}, &number),
            SERIES_OK);
    }
    assert_true(journal_room(k.j) > 0);
    kit_append(&k, 10);
    assert_int_equal(journal_room(k.j), 0);
    kit_roll(&k);
    assert_true(journal_room(k.j) > 0);
    kit_check_durable(&k, 0);
    kit_free(&k);
}

static void sizes_are_counted(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    for (int i = 0; i < 5; i++) {
        struct limits again;

        kit_append(&k, 1000);
        kit_roll(&k);
        if (i % 2)
            kit_ok(&k, journal_make_spare(&k.st, &k.limits, k.options.segment_bytes, &k.err));
        kit_ok(&k, limits_init(&again, &k.st, 1, 1, &k.err));
        assert_int_equal(k.limits.used[LIMITS_JOURNAL], again.used[LIMITS_JOURNAL]);
    }
    kit_append(&k, 10);
    kit_stop(&k);
    for (int i = 0; i < 2; i++) { /* the rewrite, and replacing an empty segment */
        struct limits again;

        kit_start(&k);
        kit_ok(&k, limits_init(&again, &k.st, 1, 1, &k.err));
        assert_int_equal(k.limits.used[LIMITS_JOURNAL], again.used[LIMITS_JOURNAL]);
        kit_stop(&k);
    }
    kit_free(&k);
}

static void the_spare_is_made_once(void **state)
{
    struct kit k;
    struct file_info first, second;
    bool exists;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    kit_ok(&k, file_stat(k.st.journal, "spare.seg", &exists, &first, &k.err));
    assert_true(exists);
    assert_true(first.bytes >= k.options.segment_bytes);
    kit_ok(&k, journal_make_spare(&k.st, &k.limits, k.options.segment_bytes, &k.err));
    kit_ok(&k, file_stat(k.st.journal, "spare.seg", &exists, &second, &k.err));
    assert_int_equal(first.inode, second.inode);
    kit_append(&k, 1);
    kit_roll(&k); /* takes it */
    kit_ok(&k, file_stat(k.st.journal, "spare.seg", &exists, &second, &k.err));
    assert_false(exists);
    kit_ok(&k, file_stat(k.st.journal, k.j->name, &exists, &second, &k.err));
    assert_int_equal(first.inode, second.inode);
    limits_said_full(&k.limits);
    assert_false(journal_make_spare(&k.st, &k.limits, k.options.segment_bytes, &k.err));
    assert_int_equal(k.err.kind, ERR_FULL);
    kit_append(&k, 1);
    kit_roll(&k); /* makes its own */
    kit_check_durable(&k, 2);
    kit_free(&k);
}

/* A segment with readings is never written over, whatever number the caller came up with. */
static void readings_in_the_way_are_an_error(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    kit_append(&k, 10);
    kit_stop(&k);
    kit_ok(&k, kit_try_recover(&k));
    assert_null(journal_open(&k.st, &k.limits, &k.options, 1, &k.err));
    assert_int_equal(k.err.kind, ERR_BROKEN);
    kit_check_durable(&k, 10);
    kit_free(&k);
}

static void offsets_without_readings_count_too(void **state)
{
    struct kit k;
    struct readings none = {0};

    (void)state;
    kit_new(&k);
    kit_start(&k);
    kit_append(&k, 1);
    kit_ok(&k, journal_append(k.j, &none, 0, k.mono_us, 9, 12345, &k.err));
    kit_commit(&k);
    assert_int_equal(journal_counters(k.j)->durable_stream_offset, 12345);
    assert_int_equal(journal_counters(k.j)->durable_connection, 9);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_synced_in_time),
        cmocka_unit_test(a_large_group_is_synced_at_once),
        cmocka_unit_test(a_dry_socket_is_synced_soon),
        cmocka_unit_test(a_segment_is_rolled_by_age_and_count),
        cmocka_unit_test(a_segment_ends_at_its_size),
        cmocka_unit_test(an_empty_segment_always_has_room),
        cmocka_unit_test(sizes_are_counted),
        cmocka_unit_test(the_spare_is_made_once),
        cmocka_unit_test(readings_in_the_way_are_an_error),
        cmocka_unit_test(offsets_without_readings_count_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
