/* A bit turned at every byte of a journal is found, and said to be what it is: a torn tail, damage
 * that nobody was promised, or damage of promised readings. All other frames are still read. */
#include "journal_kit.h"

#define SEGMENT "0000000000000001.seg"
#define NAME "journal/" SEGMENT
#define FRAMES 100

struct expected {
    bool harmless; /* padding */
    bool promised;
    bool names;
    uint64_t from_seq, to_seq;
    size_t offset;
};

/* Three groups that were committed, then perhaps rows that were not. */
static void make(struct kit *k, bool tail, struct buf *ret)
{
    kit_new(k);
    kit_start(k);
    for (size_t i = 1; i <= 3; i++) {
        kit_append(k, 3);
        kit_append(k, 2);
        kit_commit(k);
    }
    if (tail)
        kit_append(k, 3);
    kit_read(k, NAME, ret);
    ret->len = (size_t)k->j->end;
    kit_stop(k);
}

/* The frames before this one had been promised, when frame `damaged` says nothing any more: those up
 * to the last commit when anything comes behind it, else those before its group. */
static size_t promised_before(const struct kit_frame *frames, size_t count, size_t damaged)
{
    size_t commit = 0, group = 0, end = damaged == count - 1 ? count - 1 : count;

    for (size_t i = 0; i < count; i++) {
        if (i != damaged && frames[i].frame.type == SEGMENT_COMMIT)
            commit = i;
    }
    for (size_t i = 0; i < commit; i++) {
        if (frames[i].frame.type == SEGMENT_COMMIT)
            group = i + 1;
    }
    return commit + 1 < end ? commit + 1 : group;
}

static struct expected expect(const struct kit_frame *frames, size_t count, size_t at, bool closed)
{
    size_t i = 0;
    const struct segment_frame *f;
    struct expected e;

    while (i + 1 < count && frames[i + 1].offset <= at)
        i++;
    f = &frames[i].frame;
    e.offset = frames[i].offset;
    e.harmless = at >= e.offset + SEGMENT_FRAME_BYTES + f->payload_len;
    e.names = f->type == SEGMENT_NAMES;
    e.from_seq = f->seq;
    e.to_seq = f->seq + f->rows - 1;
    e.promised = i < promised_before(frames, count, i) || (closed && f->rows);
    return e;
}

static void check_scan(
    const struct kit *k, const struct expected *e, uint64_t end_seq, uint64_t highest, bool last)
{
    struct err err;
    struct scan *scan = scan_open(k->st.journal, SEGMENT, end_seq, &err);
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    uint64_t readings = 0, missing = e->harmless ? 0 : e->to_seq + 1 - e->from_seq;
    unsigned holes = 0;

    assert_non_null(scan);
    while (event != SCAN_END) {
        assert_true(scan_next(scan, &event, &item, &err));
        if (event == SCAN_FRAME)
            readings += item.frame.rows;
        if (event != SCAN_HOLE)
            continue;
        holes++;
        assert_false(e->harmless);
        assert_int_equal(item.hole.offset, e->offset);
        assert_int_equal(item.hole.promised, e->promised);
        assert_int_equal(item.hole.from_seq, e->from_seq);
        /* What comes after the last frame is only known when the segment is closed. */
        assert_int_equal(item.hole.to_seq, last && !end_seq ? e->from_seq - 1 : e->to_seq);
    }
    assert_int_equal(holes, !e->harmless);
    assert_int_equal(readings, highest - missing);
    scan_close(scan);
}

/* And recovery counts the same, once. */
static void check_recovery(struct kit *k, const struct expected *e, uint64_t highest, bool last)
{
    uint64_t missing = e->harmless ? 0 : e->to_seq + 1 - e->from_seq;
    uint64_t counted = last ? 0 : missing;

    for (int i = 0; i < 2; i++) {
        struct kit_found found;

        kit_ok(k, kit_try_recover(k));
        if (i == 0)
            assert_int_equal(k->rec.gaps, !e->harmless && (e->promised || counted) ? 1 : 0);
        else
            assert_int_equal(k->rec.gaps, 0);
        assert_int_equal(gaps_readings(k->gaps), counted);
        assert_int_equal(gaps_promised_readings(k->gaps), e->promised ? counted : 0);
        assert_int_equal(k->rec.next_seq, highest + 1 - (last ? missing : 0));
        kit_find(k, &found);
        assert_int_equal(found.readings, highest - missing);
        assert_int_equal(found.gap_readings, counted);
        assert_int_equal(found.holes, 0);
        free(found.seen);
        kit_stop(k);
    }
}

/* Names of the last group: rows that have lost theirs are torn with them, and nobody was promised them. */
static void check_torn_names(struct kit *k, uint64_t highest)
{
    uint64_t lost = 0;

    for (int i = 0; i < 2; i++) {
        struct kit_found found;

        kit_ok(k, kit_try_recover(k));
        lost = gaps_readings(k->gaps);
        assert_in_range(lost, 1, 5);
        assert_int_equal(gaps_promised_readings(k->gaps), 0);
        assert_int_equal(k->rec.gaps != 0, i == 0);
        assert_int_equal(k->rec.next_seq, highest + 1);
        kit_find(k, &found);
        assert_int_equal(found.readings, highest - lost);
        assert_int_equal(found.gap_readings, lost);
        free(found.seen);
        kit_stop(k);
    }
}

static void flip_every_byte(bool tail)
{
    struct kit k;
    struct buf whole;
    struct kit_frame frames[FRAMES];
    size_t count;
    uint64_t highest = tail ? 18 : 15;

    make(&k, tail, &whole);
    count = kit_frames(&whole, frames, FRAMES);
    for (size_t at = SEGMENT_HEADER_BYTES; at < whole.len; at++) {
        struct expected e = expect(frames, count, at, false);
        struct expected closed = expect(frames, count, at, true);
        bool last = e.offset == frames[count - 1].offset && !e.harmless;
        char path[300], keep = whole.data[at];

        whole.data[at] = (char)(whole.data[at] ^ (at % 3 ? 1 << at % 8 : 0xff));
        kit_empty(k.dir, "journal");
        kit_empty(k.dir, "quarantine");
        (void)snprintf(path, sizeof(path), "%s/gaps.log", k.dir);
        assert_int_equal(unlink(path), 0);
        kit_write(&k, NAME, whole.data, whole.len);
        assert_true(state_open_readonly(&k.st, k.dir, &k.err));
        check_scan(&k, &e, 0, highest, last);
        check_scan(&k, &closed, highest + 1, highest, last);
        kit_stop(&k);
        if (e.names && !e.promised && !e.harmless)
            check_torn_names(&k, highest);
        else
            check_recovery(&k, &e, highest, last);
        whole.data[at] = keep;
    }
    buf_done(&whole);
    kit_free(&k);
}

static void every_flip_is_found(void **state)
{
    (void)state;
    kit_names_may_miss = true;
    flip_every_byte(true);
    flip_every_byte(false);
    kit_names_may_miss = false;
}

/* The frames vouch for each other: no reading is lost with a header. */
static void a_damaged_header_costs_nothing(void **state)
{
    struct kit k;
    struct buf whole;

    (void)state;
    make(&k, true, &whole);
    for (size_t at = 0; at <= SEGMENT_HEADER_BYTES; at++) {
        char path[300], keep[SEGMENT_HEADER_BYTES];
        struct stat st;

        memcpy(keep, whole.data, sizeof(keep));
        if (at < SEGMENT_HEADER_BYTES)
            whole.data[at] = (char)(whole.data[at] ^ 1 << at % 8);
        else
            memset(whole.data, 0, SEGMENT_HEADER_BYTES);
        kit_empty(k.dir, "journal");
        kit_empty(k.dir, "quarantine");
        kit_write(&k, NAME, whole.data, whole.len);
        kit_ok(&k, kit_try_recover(&k));
        assert_int_equal(k.rec.rewritten, 1);
        assert_int_equal(k.rec.set_aside, 0);
        assert_int_equal(k.rec.next_seq, 19);
        assert_int_equal(gaps_readings(k.gaps), 0);
        assert_int_equal(gaps_count(k.gaps), 1);
        kit_check_durable(&k, 18);
        (void)snprintf(path, sizeof(path), "%s/quarantine/%s@0.0", k.dir, SEGMENT);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, SEGMENT_HEADER_BYTES);
        kit_stop(&k);
        memcpy(whole.data, keep, sizeof(keep));
    }
    buf_done(&whole);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_is_found),
        cmocka_unit_test(a_damaged_header_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
