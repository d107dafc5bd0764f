/* recover.c, scan.c: what a start makes of what it finds. */
#include "journal_kit.h"

/* Three sealed segments of 10 readings, and an empty one. */
static void make(struct kit *k)
{
    kit_new(k);
    kit_start(k);
    for (int i = 0; i < 3; i++) {
        kit_append(k, 10);
        kit_roll(k);
    }
    kit_stop(k);
}

static void delete (const struct kit *k, const char *name)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", k->dir, name);
    assert_int_equal(unlink(path), 0);
}

static bool exists(const struct kit *k, const char *name)
{
    char path[300];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", k->dir, name);
    return lstat(path, &st) == 0;
}

static void the_number_goes_on(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    assert_int_equal(k.rec.next_seq, 1);
    kit_stop(&k);
    kit_start(&k); /* the empty segment is replaced under its own name */
    assert_int_equal(k.rec.next_seq, 1);
    assert_int_equal(k.rec.segments, 0);
    kit_append(&k, 10);
    kit_roll(&k);
    kit_stop(&k);
    delete (&k, "journal/0000000000000001.seg"); /* packed and gone */
    kit_start(&k);
    assert_int_equal(k.rec.next_seq, 11);
    assert_int_equal(gaps_count(k.gaps), 0);
    assert_true(k.rec.instance_found);
    kit_free(&k);
}

static void a_hole_between_segments_is_counted(void **state)
{
    struct kit k;

    (void)state;
    make(&k);
    delete (&k, "journal/000000000000000b.seg");
    for (int i = 0; i < 2; i++) {
        kit_start(&k);
        assert_int_equal(k.rec.promised_gaps, i ? 0 : 1);
        assert_int_equal(gaps_promised_readings(k.gaps), 10);
        assert_int_equal(k.rec.segments, 2);
        kit_stop(&k);
    }
    kit_free(&k);
}

static bool spans_20(void *context, uint64_t first_seq, uint64_t end_seq)
{
    (*(int *)context)++;
    return first_seq >= 1 && end_seq <= 21;
}

static bool recover_with_skip(struct kit *k, int *calls)
{
    bool busy;

    return state_open(&k->st, k->dir, true, &busy, &k->err) &&
           limits_init(&k->limits, &k->st, UINT64_C(1) << 40, 1, &k->err) &&
           (k->gaps = gaps_open(&k->st, &k->limits, &k->err)) &&
           journal_recover(&k->st, &k->limits, k->gaps, spans_20, calls, &k->rec, &k->err);
}

static void what_the_outbox_spans_is_no_hole(void **state)
{
    struct kit k;
    int calls = 0;
    struct buf bytes;

    (void)state;
    make(&k);
    delete (&k, "journal/000000000000000b.seg");
    kit_read(&k, "journal/0000000000000001.seg", &bytes);
    kit_write(&k, "journal/0000000000000001.seg", bytes.data, bytes.len - 64); /* no seal */
    kit_ok(&k, recover_with_skip(&k, &calls));
    assert_true(calls > 0);
    assert_int_equal(k.rec.gaps, 0);
    assert_int_equal(k.rec.rewritten, 0); /* it will be deleted */
    buf_done(&bytes);
    kit_free(&k);
}

static void odd_files_are_set_aside(void **state)
{
    struct kit k;
    char path[300];

    (void)state;
    make(&k);
    kit_write(&k, "journal/notes.txt", "x", 1);
    kit_write(&k, "journal/odd", "x", 1);
    kit_write(&k, "journal/000000000000000G.seg", "x", 1);
    kit_write(&k, "journal/0000000000000000.seg", "x", 1);
    kit_write(&k, "journal/.hidden", "x", 1);
    (void)snprintf(path, sizeof(path), "%s/journal/00000000000000ff.seg", k.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    kit_start(&k);
    assert_int_equal(k.rec.set_aside, 5);
    assert_int_equal(k.rec.next_seq, 31);
    assert_true(exists(&k, "quarantine/notes.txt.0"));
    assert_true(exists(&k, "quarantine/odd.0"));
    assert_true(exists(&k, "quarantine/000000000000000G.seg.0"));
    assert_true(exists(&k, "quarantine/00000000000000ff.seg.0"));
    assert_true(exists(&k, "journal/.hidden"));
    kit_check_durable(&k, 30);
    kit_free(&k);
}

static void a_segment_without_header_is_set_aside_with_its_range(void **state)
{
    struct kit k;

    (void)state;
    make(&k);
    kit_write(&k, "journal/000000000000000b.seg", "x", 1);
    for (int i = 0; i < 2; i++) {
        kit_start(&k);
        assert_int_equal(k.rec.set_aside, i ? 0 : 1);
        assert_int_equal(gaps_promised_readings(k.gaps), 10); /* not once more as a hole */
        assert_int_equal(gaps_count(k.gaps), 1);
        kit_stop(&k);
    }
    kit_free(&k);
}

/* Not even when nothing but the name of the newest one is left. */
static void numbers_are_never_used_twice(void **state)
{
    struct kit k;

    (void)state;
    make(&k);
    delete (&k, "journal/0000000000000001.seg");
    delete (&k, "journal/000000000000000b.seg");
    delete (&k, "journal/0000000000000015.seg");
    kit_write(&k, "journal/000000000000001f.seg", "x", 1);
    kit_start(&k);
    assert_int_equal(k.rec.set_aside, 1);
    assert_int_equal(k.rec.next_seq, 31);
    kit_free(&k);
}

static void put_header(struct kit *k, const char *name, const struct segment_header *h)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];

    segment_header_put(bytes, h);
    kit_write(k, name, bytes, sizeof(bytes));
}

/* No two frames vouch for each other any more, whatever the salt was: every checksum is off, each by
 * something else. */
static void spoil_checksums(struct buf *bytes)
{
    char off = 0;

    for (size_t at = SEGMENT_HEADER_BYTES; at + SEGMENT_FRAME_BYTES <= bytes->len; at += 8) {
        if (memcmp(bytes->data + at, "\xf6\x56\x55\x46", 4) == 0)
            bytes->data[at + 28] = (char)(bytes->data[at + 28] ^ ++off);
    }
    assert_true(off > 5);
}

/* The newest one, whose end nobody else knows: what it seems to hold is counted, and its numbers are
 * not used again. */
static void what_a_damaged_newest_segment_held_is_counted(void **state)
{
    static const size_t damage[] = {0, 40, 63, 64}; /* the last: the first frame as well */
    struct buf bytes;
    struct kit k;

    (void)state;
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        kit_new(&k);
        kit_start(&k);
        kit_append(&k, 10);
        kit_roll(&k);
        for (int group = 0; group < 5; group++) {
            kit_append(&k, 7);
            kit_commit(&k);
        }
        kit_stop(&k);
        kit_read(&k, "journal/000000000000000b.seg", &bytes);
        spoil_checksums(&bytes);
        bytes.data[3] ^= 1;
        bytes.data[damage[i]] ^= 0x10;
        kit_write(&k, "journal/000000000000000b.seg", bytes.data, bytes.len);
        for (int start = 0; start < 2; start++) {
            kit_start(&k);
            assert_int_equal(k.rec.set_aside, start ? 0 : 1);
            assert_int_equal(k.rec.next_seq, 46);
            assert_int_equal(gaps_promised_readings(k.gaps), 35);
            assert_int_equal(gaps_count(k.gaps), 1);
            kit_stop(&k);
        }
        buf_done(&bytes);
        kit_free(&k);
    }
}

static void mixed_directories_are_refused(void **state)
{
    struct segment_header h = {.version = 1, .instance = {1, 2, 3}, .first_seq = 255, .salt = 1};
    struct kit k;

    (void)state;
    make(&k);
    put_header(&k, "journal/00000000000000ff.seg", &h);
    assert_false(kit_try_recover(&k));
    assert_int_equal(k.err.kind, ERR_DENIED);
    kit_stop(&k);
    delete (&k, "IDENTITY"); /* two among the segments alone */
    assert_false(kit_try_recover(&k));
    assert_int_equal(k.err.kind, ERR_DENIED);
    kit_stop(&k);
    delete (&k, "journal/00000000000000ff.seg");
    kit_start(&k);
    kit_free(&k);
}

static void a_newer_version_is_refused(void **state)
{
    struct segment_header h = {.version = 2, .first_seq = 255, .salt = 1};
    struct kit k;

    (void)state;
    make(&k);
    put_header(&k, "journal/00000000000000ff.seg", &h);
    assert_false(kit_try_recover(&k));
    assert_int_equal(k.err.kind, ERR_DENIED);
    assert_non_null(strstr(k.err.text, "newer"));
    kit_free(&k);
}

/* The tail of a segment that was given up, frame by frame and in the middle of one. */
static void a_segment_ends_where_the_next_begins(void **state)
{
    struct kit k;
    struct buf bytes;
    struct kit_frame frames[20];
    struct segment_header h;

    (void)state;
    for (uint64_t first = 2; first <= 11; first++) {
        struct kit_found found;
        char name[64];

        kit_new(&k);
        kit_start(&k);
        kit_append(&k, 6);
        kit_commit(&k);
        kit_append(&k, 4);
        kit_read(&k, "journal/0000000000000001.seg", &bytes);
        kit_stop(&k);
        kit_write(&k, "journal/0000000000000001.seg", bytes.data, bytes.len);
        assert_int_equal(kit_frames(&bytes, frames, 20), 5); /* names rows commit names rows */
        kit_ok(&k, segment_header_get((const uint8_t *)bytes.data, &h, &k.err));
        h.first_seq = first;
        (void)snprintf(name, sizeof(name), "journal/%016llx.seg", (unsigned long long)first);
        put_header(&k, name, &h);
        for (int i = 0; i < 2; i++) { /* as it was found, and rewritten */
            kit_ok(&k, kit_try_recover(&k));
            kit_find(&k, &found);
            assert_int_equal(found.readings, first - 1);
            assert_int_equal(found.highest, first - 1);
            assert_int_equal(found.hole_readings, 0);
            assert_int_equal(k.rec.next_seq, first);
            assert_int_equal(k.rec.rewritten, !i);
            assert_int_equal(gaps_count(k.gaps), 0);
            free(found.seen);
            kit_stop(&k);
        }
        buf_done(&bytes);
        kit_free(&k);
    }
}

/* Missing at the end of a closed segment: its successor proves that it had been promised. */
static void a_closed_segment_that_is_short_lost_promised_readings(void **state)
{
    struct kit k;
    struct buf bytes;
    struct kit_frame frames[20];

    (void)state;
    make(&k);
    kit_read(&k, "journal/000000000000000b.seg", &bytes);
    assert_int_equal(kit_frames(&bytes, frames, 20), 4); /* names rows commit seal */
    kit_write(&k, "journal/000000000000000b.seg", bytes.data, frames[1].offset);
    kit_start(&k);
    assert_int_equal(k.rec.promised_gaps, 1);
    assert_int_equal(gaps_promised_readings(k.gaps), 10);
    assert_int_equal(k.rec.rewritten, 1);
    buf_done(&bytes);
    kit_free(&k);
}

/* An empty segment with a link frame is empty; the number stays. */
static void links_do_not_make_a_segment(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    kit_ok(&k, journal_link(k.j, true, 1, 0, k.mono_us, &k.err));
    kit_stop(&k);
    kit_start(&k);
    assert_int_equal(k.rec.next_seq, 1);
    assert_int_equal(k.rec.segments, 0);
    assert_int_equal(k.rec.rewritten, 0);
    kit_free(&k);
}

static void damage_in_a_sealed_segment_is_found_when_read(void **state)
{
    struct kit k;
    struct buf bytes;
    struct kit_found found;

    (void)state;
    make(&k);
    kit_read(&k, "journal/000000000000000b.seg", &bytes);
    bytes.data[bytes.len / 2] ^= 1;
    kit_write(&k, "journal/000000000000000b.seg", bytes.data, bytes.len);
    kit_start(&k);
    assert_int_equal(k.rec.gaps, 0); /* a start does not read sealed segments */
    kit_find(&k, &found);
    assert_int_equal(found.promised_holes, 1);
    assert_int_equal(found.hole_readings, 10);
    assert_int_equal(found.readings, 20);
    free(found.seen);
    buf_done(&bytes);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_goes_on),
        cmocka_unit_test(a_hole_between_segments_is_counted),
        cmocka_unit_test(what_the_outbox_spans_is_no_hole),
        cmocka_unit_test(odd_files_are_set_aside),
        cmocka_unit_test(a_segment_without_header_is_set_aside_with_its_range),
        cmocka_unit_test(numbers_are_never_used_twice),
        cmocka_unit_test(what_a_damaged_newest_segment_held_is_counted),
        cmocka_unit_test(mixed_directories_are_refused),
        cmocka_unit_test(a_newer_version_is_refused),
        cmocka_unit_test(a_segment_ends_where_the_next_begins),
        cmocka_unit_test(a_closed_segment_that_is_short_lost_promised_readings),
        cmocka_unit_test(links_do_not_make_a_segment),
        cmocka_unit_test(damage_in_a_sealed_segment_is_found_when_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
