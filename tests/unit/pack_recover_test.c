/* The start: files against segments, holes, numbers, identities. Each state of the disk is made by hand,
 * recovered twice (the second time nothing may happen), packed, shipped and judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pack_rig.h"

#define OURS "5a5a5a5a5a5a5a5a"

static int begin(void **state)
{
    struct pack_rig *p = calloc(1, sizeof(*p));

    pack_rig_init(p, 5000, 5);
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

static void start(struct pack_rig *p)
{
    if (!pack_rig_start(p))
        fail_msg("%s", p->rig.err.text);
}

static void segment(struct pack_rig *p, uint64_t first_seq, uint64_t count)
{
    rig_add_segment(p, (struct rig_segment){.first_seq = first_seq, .count = count});
}

static void delete (const struct pack_rig *p, const char *part, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s/%s", p->rig.path, part, name);
    assert_int_equal(remove(path), 0);
}

static void delete_segment(const struct pack_rig *p, uint64_t first_seq)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, first_seq);
    delete (p, "journal", name);
}

static bool has_segment(const struct pack_rig *p, uint64_t first_seq)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, first_seq);
    return rig_length(&p->rig, "journal", name) >= 0;
}

static void pack_all(struct pack_rig *p)
{
    struct pack_options options = pack_rig_options();
    enum pack_result result;
    struct pack_done done;
    struct pack *pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &options, &p->rig.err);

    assert_non_null(pack);
    do {
        if (!pack_step(pack, true, &result, &done, &p->rig.err))
            fail_msg("%s", p->rig.err.text);
    } while (result != PACK_NOTHING);
    pack_free(pack);
}

/* A finished file of [first_seq, first_seq + count) in the outbox, its segments gone; the next number
 * is that of the active segment, which is gone too. The text of its name. */
static void file_of(
    struct pack_rig *p, uint64_t first_seq, uint64_t count, char ret[OUTBOX_NAME_SIZE])
{
    struct outbox_list list;

    segment(p, first_seq, count);
    rig_add_active(p, first_seq + count);
    start(p);
    pack_all(p);
    assert_true(outbox_scan(&p->rig.box, false, &list, &p->rig.err));
    assert_true(list.count > 0);
    memcpy(ret, list.items[list.count - 1].text, OUTBOX_NAME_SIZE);
    outbox_list_done(&list);
    pack_rig_stop(p);
    delete_segment(p, first_seq + count);
}

/* Started twice more; the counters of the first of them are in p->recovery. Then the end of it all. */
static void judge(struct pack_rig *p, uint64_t gaps)
{
    struct pack_recovery first;
    uint64_t count;
    struct verdict v;

    start(p);
    first = p->recovery;
    count = gaps_count(p->gaps);
    pack_rig_stop(p);
    start(p);
    assert_true(p->recovery.next_seq == first.next_seq);
    assert_true(p->recovery.files == first.files);
    assert_int_equal(p->recovery.segments_finished, 0);
    assert_int_equal(p->recovery.quarantined, 0);
    assert_int_equal(gaps_count(p->gaps), count);
    pack_rig_stop(p);
    rig_add_active(p, first.next_seq); /* as journal_open does */
    start(p);
    pack_all(p);
    (void)rig_ship(p);
    pack_rig_stop(p);
    p->recovery = first;
    v = rig_judge(p);
    assert_int_equal(v.lost, 0);
    assert_int_equal(v.both, 0);
    assert_int_equal(v.gaps, gaps);
    assert_int_equal(p->twice + p->altered + p->overlaps, 0);
    assert_true(first.next_seq >= p->next_seq);
}

static void an_empty_directory_is_a_new_one(void **state)
{
    struct pack_rig *p = *state;
    char id[33];

    start(p);
    assert_int_equal(p->recovery.next_seq, 1);
    assert_true(p->rig.state.instance_known);
    memcpy(id, p->rig.state.instance_text, sizeof(id));
    pack_rig_stop(p);
    start(p); /* as long as no number was given, that costs nothing */
    assert_string_not_equal(p->rig.state.instance_text, id);
    assert_int_equal(p->recovery.next_seq, 1);
}

/* Else names would come that the volume has already, with other readings. */
static void a_lost_journal_makes_it_another_one(void **state)
{
    struct pack_rig *p = *state;
    char id[33], path[512];

    segment(p, 1, 20);
    rig_add_active(p, 21);
    start(p);
    memcpy(id, p->rig.state.instance_text, sizeof(id));
    pack_rig_stop(p);
    for (uint64_t seq = 1; seq <= 21; seq += 20) {
        (void)snprintf(path, sizeof(path), "%s/journal/%016" PRIx64 ".seg", p->rig.path, seq);
        assert_int_equal(remove(path), 0);
    }
    start(p);
    assert_int_equal(p->recovery.next_seq, 1);
    assert_string_not_equal(p->rig.state.instance_text, id);
    pack_rig_stop(p);
}

static void a_lost_identity_comes_from_the_segments(void **state)
{
    struct pack_rig *p = *state;

    segment(p, 1, 20);
    start(p);
    assert_memory_equal(p->rig.state.instance_text, OURS, 16);
    assert_int_equal(p->recovery.next_seq, 21);
    pack_rig_stop(p);
    judge(p, 0);
}

static void mixed_directories_are_refused(void **state)
{
    struct pack_rig *p = *state;

    rig_add_active(p, 1);
    start(p);
    pack_rig_stop(p);
    delete_segment(p, 1);
    delete (p, ".", "IDENTITY");
    start(p); /* a new id */
    pack_rig_stop(p);
    rig_add_active(p, 1);
    assert_false(pack_rig_start(p));
    assert_int_equal(p->rig.err.kind, ERR_DENIED);
}

static void strange_files_are_set_aside(void **state)
{
    struct pack_rig *p = *state;

    rig_add_active(p, 1);
    rig_write(&p->rig, "outbox", "notes.txt", "x", 1);
    rig_write(&p->rig, "outbox", "odd", "x", 1);
    rig_write(&p->rig, "outbox", "odd.parquet", "x", 1);
    rig_write(&p->rig, "outbox", OUTBOX_TEMP, "x", 1);
    start(p);
    assert_int_equal(rig_count(&p->rig, "outbox"), 0);
    assert_int_equal(rig_count(&p->rig, "quarantine"), 3);
    assert_int_equal(p->recovery.quarantined, 0);
    assert_int_equal(gaps_count(p->gaps), 0);
}

/* A crash between P3 and P4: both are there. */
static void deleting_segments_is_finished(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    segment(p, 1, 40); /* back, in two pieces */
    segment(p, 41, 50);
    segment(p, 91, 10);
    rig_add_active(p, 101);
    start(p);
    assert_int_equal(p->recovery.segments_finished, 2);
    assert_int_equal(p->recovery.files, 1);
    assert_false(has_segment(p, 1) || has_segment(p, 41));
    assert_true(has_segment(p, 91) && has_segment(p, 101));
    pack_rig_stop(p);
    judge(p, 0);
}

/* Only some of the deletions reached the disk. */
static void any_of_the_segments_may_be_back(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    segment(p, 31, 30); /* 1-30 and 61-90 are gone */
    segment(p, 91, 10);
    rig_add_active(p, 101);
    start(p);
    assert_int_equal(p->recovery.segments_finished, 1);
    assert_int_equal(gaps_count(p->gaps), 0);
    pack_rig_stop(p);
    judge(p, 0);
}

static void spoil(const struct pack_rig *p, const char *file)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/outbox/%s", p->rig.path, file);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fputc('!', f), '!');
    assert_int_equal(fclose(f), 0);
}

static void a_wrong_file_is_packed_again(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    spoil(p, file);
    segment(p, 1, 40);
    segment(p, 41, 50);
    rig_add_active(p, 91);
    start(p);
    assert_int_equal(p->recovery.quarantined, 1);
    assert_int_equal(p->recovery.segments_finished, 0);
    assert_int_equal(p->recovery.files, 0);
    assert_int_equal(rig_count(&p->rig, "quarantine"), 1);
    pack_rig_stop(p);
    judge(p, 0);
    assert_int_equal(p->file_count, 1);
}

/* Half of its segments are gone already: that half is a loss, and is told. */
static void what_a_wrong_file_alone_held_is_counted(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    spoil(p, file);
    segment(p, 41, 50);
    rig_add_active(p, 91);
    start(p);
    assert_int_equal(p->recovery.quarantined, 1);
    assert_int_equal(gaps_readings(p->gaps), 40);
    assert_int_equal(p->recovery.journal.promised_gaps, 1);
    pack_rig_stop(p);
    judge(p, 40);
}

/* The newest segment was lost with the power as well: what it would have carried is told, and not used again. */
static void what_a_wrong_file_held_behind_all_segments_is_counted(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    spoil(p, file);
    segment(p, 1, 40);
    start(p);
    assert_int_equal(p->recovery.quarantined, 1);
    assert_int_equal(gaps_readings(p->gaps), 50);
    assert_int_equal(p->recovery.journal.promised_gaps, 1);
    assert_int_equal(p->recovery.next_seq, 91);
    assert_true(has_segment(p, 1)); /* packed again */
}

/* Where the newest segment ends is not known before it is rewritten; each is counted from there on. */
static void several_wrong_files_behind_all_segments_are_counted(void **state)
{
    static const char second[] =
        "20260131T123456Z-" OURS "-000000000061-000000000090-00000000.parquet";
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 60, file);
    spoil(p, file);
    rig_write(&p->rig, "outbox", second, "x", 1);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40, .unsealed = true});
    start(p);
    assert_int_equal(p->recovery.quarantined, 2);
    assert_int_equal(gaps_readings(p->gaps), 50);
    assert_int_equal(p->recovery.journal.promised_gaps, 2);
    assert_int_equal(p->recovery.next_seq, 91);
    assert_true(has_segment(p, 1));
    assert_true(has_segment(p, 91)); /* it says so from now on */
}

/* Ship checks it before the first try; the start does not read the whole backlog. */
static void a_file_without_segments_is_not_read(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    spoil(p, file);
    rig_add_active(p, 91);
    start(p);
    assert_int_equal(p->recovery.quarantined, 0);
    assert_int_equal(p->recovery.files, 1);
}

/* Days without a way out: each of the files counts when holes are looked for. */
static void any_number_of_files_may_wait(void **state)
{
    struct pack_rig *p = *state;

    for (unsigned i = 0; i < 150; i++) {
        char name[OUTBOX_NAME_SIZE];

        (void)snprintf(name, sizeof(name), "20260131T123456Z-" OURS "-%012u-%012u-00000000.parquet",
            11 + 10 * i, 20 + 10 * i);
        rig_write(&p->rig, "outbox", name, "x", 1);
    }
    segment(p, 1, 10);
    segment(p, 1521, 10); /* ten after the last file */
    rig_add_active(p, 1531);
    start(p);
    assert_int_equal(p->recovery.files, 150);
    assert_int_equal(gaps_readings(p->gaps), 10);
    assert_int_equal(p->recovery.next_seq, 1531);
    assert_true(has_segment(p, 1) && has_segment(p, 1521));
}

static void a_hole_between_segments_is_counted(void **state)
{
    struct pack_rig *p = *state;

    segment(p, 1, 20);
    segment(p, 21, 30);
    segment(p, 51, 10);
    rig_add_active(p, 61);
    delete_segment(p, 21);
    start(p);
    assert_int_equal(gaps_readings(p->gaps), 30);
    assert_int_equal(gaps_promised_readings(p->gaps), 30);
    assert_int_equal(p->recovery.journal.gaps, 1);
    pack_rig_stop(p);
    judge(p, 30);
}

static void only_the_part_of_a_hole_no_file_holds_is_counted(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    rig_readings(p, 1, 120, 50);
    file_of(p, 41, 20, file);
    segment(p, 1, 20);
    segment(p, 81, 20); /* 21-40 and 61-80 are nowhere */
    rig_add_active(p, 101);
    p->next_seq = 101;
    start(p);
    assert_int_equal(gaps_readings(p->gaps), 40);
    assert_int_equal(gaps_count(p->gaps), 2);
}

/* Numbers are never used again: not even when only a name remembers them. */
static void the_next_number_is_above_every_name(void **state)
{
    struct pack_rig *p = *state;

    segment(p, 1, 10);
    rig_write(&p->rig, "outbox",
        "20260131T123456Z-" OURS "-000000000900-000000000950-00000000.parquet", "x", 1);
    start(p);
    assert_int_equal(p->recovery.next_seq, 951);
    pack_rig_stop(p);
    rig_write(&p->rig, "refused",
        "20260131T123456Z-" OURS "-000000000951-000000000999-00000000.parquet", "x", 1);
    start(p);
    assert_int_equal(p->recovery.next_seq, 1000);
}

/* A file copied in from elsewhere is sent, and says nothing about our numbers. */
static void files_of_others_do_not_count(void **state)
{
    struct pack_rig *p = *state;

    segment(p, 1, 10);
    segment(p, 21, 10);
    rig_add_active(p, 31);
    rig_write(&p->rig, "outbox",
        "20260131T123456Z-00000000000000aa-000000000001-000000009999-00000000.parquet", "x", 1);
    start(p);
    assert_int_equal(p->recovery.next_seq, 31);
    assert_int_equal(p->recovery.files, 1);
    assert_int_equal(p->recovery.segments_finished, 0);
    assert_int_equal(gaps_readings(p->gaps), 10);
    assert_true(has_segment(p, 1) && has_segment(p, 21));
}

/* The successor's name was lost with the power: the newest segment is in a file. It may go, but not
 * before a newer one exists that carries the number. */
static void the_newest_segment_in_a_file_goes_last(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    segment(p, 1, 90);
    start(p);
    assert_int_equal(p->recovery.segments_finished, 1);
    assert_int_equal(p->recovery.next_seq, 91);
    assert_false(has_segment(p, 1));
    assert_true(has_segment(p, 91)); /* empty, and of our instance */
    pack_rig_stop(p);
    judge(p, 0);
}

static void so_does_an_unsealed_one(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 90, file);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 90, .unsealed = true});
    start(p);
    assert_int_equal(p->recovery.segments_finished, 1);
    assert_int_equal(p->recovery.journal.rewritten, 0);
    assert_true(has_segment(p, 91));
    pack_rig_stop(p);
    judge(p, 0);
}

/* The tail of a segment behind the file that was made of it: never sent twice, kept for people. */
static void a_segment_partly_in_a_file_is_set_aside(void **state)
{
    struct pack_rig *p = *state;
    char file[OUTBOX_NAME_SIZE];

    file_of(p, 1, 60, file);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 90, .unsealed = true});
    start(p);
    assert_int_equal(p->recovery.next_seq, 91);
    assert_false(has_segment(p, 1));
    assert_true(has_segment(p, 91));
    assert_int_equal(gaps_readings(p->gaps), 30);
    assert_int_equal(rig_count(&p->rig, "quarantine"), 1);
    pack_rig_stop(p);
    judge(p, 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* --- drop_oldest, cut off between the line and the deletion --- */

static void write_dropped(struct pack_rig *p, const char *where, uint64_t first, uint64_t last,
    uint64_t bytes, int64_t first_us)
{
    const struct gap gap = {.from_seq = first,
        .to_seq = last,
        .readings = last - first + 1,
        .reason = GAP_DROPPED,
        .promised = true,
        .first_us = first_us,
        .last_us = first_us,
        .bytes = bytes,
        .where = where};
    struct err err;

    assert_true(gaps_write(p->gaps, &gap, &err));
}

static int64_t created(uint64_t first_seq)
{
    return PACK_RIG_CREATED + (int64_t)first_seq * CLOCK_SECOND_US;
}

static void a_segment_that_was_being_dropped_is_dropped(void **state)
{
    struct pack_rig *p = *state;
    char name[SEGMENT_NAME_SIZE];
    struct verdict v;

    segment(p, 1, 50);
    segment(p, 51, 50);
    rig_add_active(p, 101);
    start(p);
    segment_name(name, 1);
    write_dropped(p, name, 1, 50, (uint64_t)rig_length(&p->rig, "journal", name), created(1));
    pack_rig_stop(p);
    for (int i = 0; i < 2; i++) {
        start(p);
        assert_int_equal(p->recovery.drops_finished, i == 0);
        assert_int_equal(rig_length(&p->rig, "journal", name), -1);
        assert_int_equal(gaps_count(p->gaps), 1);
        pack_rig_stop(p);
    }
    start(p);
    pack_all(p);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice, 0);
    assert_int_equal(v.gaps, 50);
}

static void a_file_that_was_being_dropped_is_dropped(void **state)
{
    struct pack_rig *p = *state;
    struct outbox_list list;
    struct verdict v;

    segment(p, 1, 50);
    rig_add_active(p, 51);
    start(p);
    pack_all(p);
    assert_true(outbox_scan(&p->rig.box, false, &list, &p->rig.err));
    assert_int_equal(list.count, 1);
    write_dropped(p, list.items[0].text, 1, 50, list.items[0].bytes, 0);
    outbox_list_done(&list);
    pack_rig_stop(p);
    start(p);
    assert_int_equal(p->recovery.drops_finished, 1);
    assert_int_equal(p->recovery.files, 0);
    assert_int_equal(p->recovery.next_seq, 51);
    pack_all(p);
    (void)rig_ship(p);
    v = rig_judge(p);
    assert_int_equal(v.lost + v.both + p->twice, 0);
    assert_int_equal(v.gaps, 50);
    assert_int_equal(p->file_count, 0);
}

/* Numbers begin anew with a new IDENTITY; a line of a former life must not cost a reading of this one. */
static void a_line_of_something_else_drops_nothing(void **state)
{
    struct pack_rig *p = *state;
    char name[SEGMENT_NAME_SIZE];
    uint64_t bytes;

    segment(p, 1, 50);
    rig_add_active(p, 51);
    start(p);
    segment_name(name, 1);
    bytes = (uint64_t)rig_length(&p->rig, "journal", name);
    write_dropped(p, name, 1, 49, bytes, created(1));
    write_dropped(p, name, 2, 50, bytes, created(1));
    write_dropped(p, "0000000000000002.seg", 1, 50, bytes, created(1));
    pack_rig_stop(p);
    delete (p, ".", "gaps.log");
    start(p);
    write_dropped(p, name, 1, 50, bytes + 1, created(1));
    pack_rig_stop(p);
    delete (p, ".", "gaps.log");
    start(p);
    write_dropped(p, name, 1, 50, bytes, created(1) + 1);
    pack_rig_stop(p);
    start(p);
    assert_int_equal(p->recovery.drops_finished, 0);
    assert_int_equal(rig_length(&p->rig, "journal", name), (long long)bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_segment_that_was_being_dropped_is_dropped),
        TEST(a_file_that_was_being_dropped_is_dropped),
        TEST(a_line_of_something_else_drops_nothing),
        TEST(an_empty_directory_is_a_new_one),
        TEST(a_lost_journal_makes_it_another_one),
        TEST(a_lost_identity_comes_from_the_segments),
        TEST(mixed_directories_are_refused),
        TEST(strange_files_are_set_aside),
        TEST(deleting_segments_is_finished),
        TEST(any_of_the_segments_may_be_back),
        TEST(a_wrong_file_is_packed_again),
        TEST(what_a_wrong_file_alone_held_is_counted),
        TEST(what_a_wrong_file_held_behind_all_segments_is_counted),
        TEST(several_wrong_files_behind_all_segments_are_counted),
        TEST(a_file_without_segments_is_not_read),
        TEST(any_number_of_files_may_wait),
        TEST(a_hole_between_segments_is_counted),
        TEST(only_the_part_of_a_hole_no_file_holds_is_counted),
        TEST(the_next_number_is_above_every_name),
        TEST(files_of_others_do_not_count),
        TEST(the_newest_segment_in_a_file_goes_last),
        TEST(so_does_an_unsealed_one),
        TEST(a_segment_partly_in_a_file_is_set_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
