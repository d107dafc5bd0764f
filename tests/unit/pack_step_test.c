/* When pack goes to work, what it takes, and what it does with what cannot be packed.
 *
 * wrap: clock_mono_us */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "pack_rig.h"

/* Time passes when a test says so: on a busy machine a listing may take so long that pack does not repeat it
 * at once. */
static int64_t now_us, look_us; /* look_us: what each look at the clock takes */

int64_t __wrap_clock_mono_us(void);

int64_t __wrap_clock_mono_us(void)
{
    return now_us += look_us;
}

static int begin(void **state)
{
    struct pack_rig *p = calloc(1, sizeof(*p));

    now_us = 1000 * CLOCK_SECOND_US;
    look_us = 0;
    pack_rig_init(p, 5000, 11);
    rig_make_dirs(p);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct pack_rig *p = *state;

    if (p->gaps)
        pack_rig_stop(p);
    pack_rig_done(p);
    free(p);
    return 0;
}

/* Closed segments of 50 readings each, and the active one. */
static struct pack *open_with(struct pack_rig *p, unsigned segments, struct pack_options options)
{
    struct pack *pack;

    for (unsigned i = 0; i < segments; i++)
        rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    if (!pack_rig_start(p))
        fail_msg("%s", p->rig.err.text);
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &options, &p->rig.err);
    assert_non_null(pack);
    return pack;
}

static enum pack_result step(struct pack_rig *p, struct pack *pack, bool all)
{
    enum pack_result result;
    struct pack_done done;

    if (!pack_step(pack, all, &result, &done, &p->rig.err))
        fail_msg("%s", p->rig.err.text);
    return result;
}

static uint64_t waiting(const struct pack *pack)
{
    struct pack_closed closed = pack_waiting(pack);

    assert_true((closed.segments == 0) == (closed.bytes == 0));
    assert_true(closed.end_seq > closed.readings); /* nothing is missing in front */
    return closed.segments;
}

static size_t files(struct pack_rig *p)
{
    size_t count;

    assert_true(outbox_count(&p->rig.box, &count, &p->rig.err));
    return count;
}

static void the_active_segment_is_left_alone(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 0, pack_rig_options());

    assert_int_equal(step(p, pack, true), PACK_NOTHING);
    assert_int_equal(waiting(pack), 0);
    assert_int_equal(files(p), 0);
    /* The house is kept all the same: a spare for intake, a reserve for a full disk. */
    assert_true(rig_length(&p->rig, "journal", "spare.seg") >= 0);
    assert_int_equal(rig_length(&p->rig, "outbox", OUTBOX_RESERVE), 65536 + 65536 / 4);
    pack_free(pack);
}

static void all_that_waits_becomes_one_file(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 5, pack_rig_options());
    enum pack_result result;
    struct pack_done done;
    struct outbox_list list;

    assert_true(pack_step(pack, false, &result, &done, &p->rig.err));
    assert_int_equal(result, PACK_FILE);
    assert_int_equal(done.segments, 5);
    assert_int_equal(done.entry.name.first_seq, 1);
    assert_int_equal(done.entry.name.last_seq, 250);
    assert_int_equal(done.rows + done.superseded, 250);
    assert_true(outbox_scan(&p->rig.box, false, &list, &p->rig.err));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].text, done.entry.text);
    assert_int_equal(list.items[0].bytes, done.entry.bytes);
    outbox_list_done(&list);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    assert_int_equal(waiting(pack), 0);
    assert_int_equal(pack_counters(pack)->files, 1);
    assert_int_equal(pack_counters(pack)->rows + pack_counters(pack)->superseded, 250);
    assert_int_equal(pack_counters(pack)->bytes, done.entry.bytes);
    pack_free(pack);
}

static void the_folder_is_in_the_name(void **state)
{
    struct pack_rig *p = *state;
    struct pack_options options = pack_rig_options();
    enum pack_result result;
    struct pack_done done;
    struct pack *pack;

    options.daily = true;
    pack = open_with(p, 1, options);
    assert_true(pack_step(pack, false, &result, &done, &p->rig.err));
    assert_memory_equal(done.entry.text, "2026-01-31T123457Z-5a5a5a5a5a5a5a5a-", 36);
    pack_free(pack);
}

/* Four files wait for the server: the rest of the journal gathers. */
static void a_backlog_gathers_until_it_is_worth_a_file(void **state)
{
    struct pack_rig *p = *state;
    struct pack_options options = pack_rig_options();
    struct pack *pack;

    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 50});
    options.merge_bytes =
        3 * (uint64_t)rig_length(&p->rig, "journal", "0000000000000001.seg"); /* all are alike */
    pack = open_with(p, 0, options);
    assert_int_equal(step(p, pack, false), PACK_FILE);
    for (unsigned i = 1; i < 4; i++) {
        rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
        rig_add_active(p, p->next_seq);
        assert_int_equal(step(p, pack, false), PACK_FILE);
    }
    assert_int_equal(files(p), 4);
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    assert_int_equal(waiting(pack), 1);
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_FILE);
    assert_int_equal(waiting(pack), 0);
    assert_int_equal(files(p), 5);

    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    (void)rig_ship(p); /* a delivery makes room for the next */
    assert_int_equal(step(p, pack, false), PACK_FILE);
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 5});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, true), PACK_FILE); /* stopping: do not wait */
    pack_free(pack);
}

/* A listing is not repeated before fifty times as long have gone. */
static void a_slow_listing_is_not_repeated_at_once(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 0, pack_rig_options());

    look_us = 3000;
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    look_us = 0;
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    assert_int_equal(waiting(pack), 0);
    now_us += 49 * 3000 - 1;
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    now_us += 2 * 3000;
    assert_int_equal(step(p, pack, false), PACK_FILE);
    pack_free(pack);
}

/* Four bad files in the outbox must not keep back what comes after them. */
static void files_that_wait_by_themselves_hold_up_nobody(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 0, pack_rig_options());

    for (unsigned i = 0; i < 4; i++) {
        rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
        rig_add_active(p, p->next_seq);
        assert_int_equal(step(p, pack, false), PACK_FILE);
    }
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    pack_set_held(pack, 4);
    assert_int_equal(step(p, pack, false), PACK_FILE);
    pack_set_held(pack, 1); /* four wait for the server again */
    rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    pack_set_held(pack, 9); /* told before some of them were delivered */
    assert_int_equal(step(p, pack, false), PACK_FILE);
    pack_free(pack);
}

static void merging_ends_at_merge_bytes(void **state)
{
    struct pack_rig *p = *state;
    struct pack_options options = pack_rig_options();
    enum pack_result result;
    struct pack_done done;
    struct pack *pack;
    uint64_t last = 0;
    unsigned count = 0;

    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 50});
    options.merge_bytes = 3 * (uint64_t)rig_length(&p->rig, "journal", "0000000000000001.seg") + 9;
    pack = open_with(p, 8, options);
    while (pack_step(pack, true, &result, &done, &p->rig.err) && result == PACK_FILE) {
        assert_int_equal(done.entry.name.first_seq, last + 1);
        assert_int_equal(done.segments, 3);
        last = done.entry.name.last_seq;
        count += done.segments;
    }
    assert_int_equal(result, PACK_NOTHING);
    assert_int_equal(last, 450);
    assert_int_equal(count, 9);
    pack_free(pack);
}

/* --- limits --- */

static void near_a_limit_one_at_a_time(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 4, pack_rig_options());
    enum pack_result result;
    struct pack_done done;

    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits) + 1500;
    assert_int_equal(limits_check(&p->rig.limits, clock_mono_us()), LIMITS_HIGH);
    assert_true(pack_step(pack, false, &result, &done, &p->rig.err));
    assert_int_equal(result, PACK_FILE);
    assert_int_equal(done.segments, 1);
    pack_free(pack);
}

static void at_a_limit_the_reserve_is_used(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 3, pack_rig_options());
    enum pack_result result;
    struct pack_done done;

    assert_true(outbox_make_reserve(&p->rig.box, 65536, &p->rig.err));
    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    assert_true(pack_step(pack, false, &result, &done, &p->rig.err));
    assert_int_equal(result, PACK_FILE);
    assert_int_equal(done.segments, 1);
    assert_false(outbox_has_reserve(&p->rig.box));
    assert_int_equal(rig_length(&p->rig, "outbox", done.entry.text), (long long)done.entry.bytes);

    /* Full again, nothing set aside any more, a file waits: wait for its delivery. */
    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    assert_false(pack_step(pack, true, &result, &done, &p->rig.err));
    assert_int_equal(p->rig.err.kind, ERR_FULL);
    assert_int_equal(waiting(pack), 2);
    /* With nothing to deliver nobody would make room: try without. */
    (void)rig_ship(p);
    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    assert_int_equal(step(p, pack, false), PACK_FILE);
    pack_free(pack);
}

static void the_oldest_is_dropped_down_to_80_percent(void **state)
{
    struct pack_rig *p = *state;
    struct pack_options options = pack_rig_options();
    uint64_t used, dropped;
    struct verdict v;
    struct pack *pack;

    options.drop_oldest = true;
    options.segment_bytes = 1000;
    pack = open_with(p, 20, options);
    /* The house-keeping of the first step shall not be what reaches the limit. */
    assert_true(outbox_make_reserve(&p->rig.box, 1250, &p->rig.err));
    assert_true(
        journal_make_spare(&p->rig.state, &p->rig.limits, options.segment_bytes, &p->rig.err));
    used = limits_used(&p->rig.limits);
    p->rig.limits.state_bytes_max = used;
    while (limits_used(&p->rig.limits) >= used / 5 * 4)
        assert_int_equal(step(p, pack, false), PACK_CLEANED);
    dropped = pack_counters(pack)->dropped_readings;
    assert_true(pack_counters(pack)->dropped_segments >= 2);
    assert_int_equal(dropped, 50 * pack_counters(pack)->dropped_segments);
    assert_int_equal(gaps_readings(p->gaps), dropped);
    assert_int_equal(step(p, pack, true), PACK_FILE); /* enough: the rest is packed */
    assert_int_equal(pack_counters(pack)->dropped_readings, dropped);
    while (step(p, pack, true) != PACK_NOTHING)
        continue;
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice, 0);
    assert_int_equal(v.gaps, dropped);
    assert_true(p->files[0].name.first_seq == dropped + 1);
    pack_free(pack);
}

static void files_are_dropped_before_segments(void **state)
{
    struct pack_rig *p = *state;
    struct pack_options options = pack_rig_options();
    enum pack_result result;
    struct pack_done done;
    struct pack *pack;

    options.drop_oldest = true;
    pack = open_with(p, 3, options);
    rig_write(&p->rig, "outbox",
        "20260131T123456Z-5a5a5a5a5a5a5a5a-000000000900-000000000901-00000000.parquet", "x", 1);
    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    assert_false(pack_step(pack, true, &result, &done, &p->rig.err)); /* ship's turn */
    assert_int_equal(p->rig.err.kind, ERR_FULL);
    assert_int_equal(pack_counters(pack)->dropped_segments, 0);
    assert_int_equal(gaps_count(p->gaps), 0);
    pack_free(pack);
}

/* --- damage --- */

static void change(const struct pack_rig *p, uint64_t first_seq, long at, int count)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/journal/%016" PRIx64 ".seg", p->rig.path, first_seq);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(fputc(0xee, f), 0xee);
    assert_int_equal(fclose(f), 0);
}

static void damage_is_counted_kept_and_passed(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack;
    struct verdict v;

    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 60, .group = 20});
    change(p, 1, 600, 1); /* in the first group's rows */
    pack = open_with(p, 1, pack_rig_options());
    assert_int_equal(step(p, pack, false), PACK_FILE);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice + p->altered, 0);
    assert_int_equal(v.gaps, 20);
    assert_int_equal(pack_counters(pack)->gap_readings, 20);
    assert_int_equal(gaps_promised_readings(p->gaps), 20);
    assert_int_equal(rig_count(&p->rig, "quarantine"), 1);
    assert_int_equal(p->files[0].name.first_seq, 1); /* the range is that of the segments */
    assert_int_equal(p->files[0].name.last_seq, 110);
    pack_free(pack);
}

static void a_segment_without_a_reading_left_makes_no_file(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack;

    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 30, .group = 30});
    change(p, 1, 600, 1);
    pack = open_with(p, 0, pack_rig_options());
    assert_int_equal(step(p, pack, false), PACK_CLEANED);
    assert_int_equal(step(p, pack, false), PACK_NOTHING);
    assert_int_equal(files(p), 0);
    assert_int_equal(gaps_readings(p->gaps), 30);
    assert_int_equal(pack_counters(pack)->empty, 1);
    assert_int_equal(pack_counters(pack)->files, 0);
    pack_free(pack);
}

static void a_segment_without_a_header_is_packed_all_the_same(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 3, pack_rig_options());
    struct verdict v;

    change(p, 51, 0, 8); /* after recovery, while running */
    assert_int_equal(step(p, pack, true), PACK_FILE);
    assert_int_equal(step(p, pack, true), PACK_FILE);
    assert_int_equal(step(p, pack, true), PACK_NOTHING);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice + p->altered, 0);
    assert_int_equal(v.gaps, 0);
    assert_int_equal(gaps_count(p->gaps), 1); /* the damage is said, although it cost nothing */
    pack_free(pack);
}

static void a_segment_without_any_frame_is_set_aside_whole(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack = open_with(p, 3, pack_rig_options());
    static const char rubbish[5000];
    struct verdict v;

    rig_write(&p->rig, "journal", "0000000000000033.seg", rubbish, sizeof(rubbish));
    assert_int_equal(step(p, pack, true), PACK_FILE);
    assert_int_equal(step(p, pack, true), PACK_CLEANED);
    assert_int_equal(step(p, pack, true), PACK_FILE);
    assert_int_equal(step(p, pack, true), PACK_NOTHING);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice, 0);
    assert_int_equal(v.gaps, 50);
    assert_int_equal(pack_counters(pack)->gap_readings, 50);
    assert_int_equal(rig_count(&p->rig, "quarantine"), 1);
    assert_int_equal(rig_length(&p->rig, "quarantine", "0000000000000033.seg.0"), 5000);
    pack_free(pack);
}

/* A limit of memory and time, not of the number of segments. */
static void many_small_segments_make_few_files(void **state)
{
    struct pack_rig *p = *state;
    struct pack *pack;
    struct verdict v;

    for (unsigned i = 0; i < 800; i++)
        rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 3});
    pack = open_with(p, 0, pack_rig_options());
    assert_int_equal(step(p, pack, false), PACK_FILE);
    assert_int_equal(step(p, pack, true), PACK_NOTHING);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + p->twice + p->altered, 0);
    assert_int_equal(p->file_count, 1);
    pack_free(pack);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_active_segment_is_left_alone),
        TEST(all_that_waits_becomes_one_file),
        TEST(the_folder_is_in_the_name),
        TEST(a_backlog_gathers_until_it_is_worth_a_file),
        TEST(a_slow_listing_is_not_repeated_at_once),
        TEST(files_that_wait_by_themselves_hold_up_nobody),
        TEST(merging_ends_at_merge_bytes),
        TEST(near_a_limit_one_at_a_time),
        TEST(at_a_limit_the_reserve_is_used),
        TEST(the_oldest_is_dropped_down_to_80_percent),
        TEST(files_are_dropped_before_segments),
        TEST(damage_is_counted_kept_and_passed),
        TEST(a_segment_without_a_reading_left_makes_no_file),
        TEST(a_segment_without_a_header_is_packed_all_the_same),
        TEST(a_segment_without_any_frame_is_set_aside_whole),
        TEST(many_small_segments_make_few_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
