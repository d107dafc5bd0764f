/* A journal cut at every byte keeps exactly the whole frames before the cut, and no others. */
#include "journal_kit.h"

#define NAME "journal/0000000000000001.seg"

/* A frame is whole when its bytes are there; zeros behind the cut may happen to be its last ones. */
static uint64_t readings_in(const struct buf *whole, const struct kit_frame *frames, size_t count,
    const char *bytes, size_t len)
{
    uint64_t readings = 0;

    for (size_t i = 0; i < count; i++) {
        size_t end = frames[i].offset + frames[i].frame.total_len;

        if (end <= len && memcmp(bytes, whole->data, end) == 0)
            readings += frames[i].frame.rows;
    }
    return readings;
}

static void make(struct kit *k, struct buf *ret)
{
    kit_new(k);
    kit_start(k);
    for (size_t i = 1; i <= 6; i++) {
        kit_append(k, i);
        kit_append(k, 2);
        if (i % 2 == 0)
            kit_commit(k);
    }
    kit_append(k, 3);
    kit_read(k, NAME, ret);
    ret->len = (size_t)k->j->end;
    kit_stop(k);
}

static void clear(const struct kit *k)
{
    char path[300];

    kit_empty(k->dir, "journal");
    kit_empty(k->dir, "quarantine");
    (void)snprintf(path, sizeof(path), "%s/gaps.log", k->dir);
    assert_int_equal(unlink(path), 0);
}

static void check(struct kit *k, uint64_t readings, bool header)
{
    struct kit_found found;

    kit_ok(k, kit_try_recover(k));
    assert_int_equal(k->rec.next_seq, readings + 1);
    assert_int_equal(k->rec.promised_gaps, header ? 0 : k->rec.set_aside);
    kit_find(k, &found);
    assert_int_equal(found.readings, readings);
    assert_int_equal(found.twice, 0);
    assert_int_equal(found.hole_readings, 0);
    assert_int_equal(found.highest, readings);
    assert_int_equal(gaps_readings(k->gaps), 0);
    free(found.seen);
    kit_stop(k);
}

/* Cut, with or without the zeros that preallocation leaves behind the cut; recovered twice. */
static void try_cut(struct kit *k, const struct buf *whole, const struct kit_frame *frames,
    size_t count, size_t cut, size_t zeros)
{
    char *bytes = calloc(1, cut + zeros + 1);
    struct buf first, second;
    uint64_t readings;

    assert_non_null(bytes);
    memcpy(bytes, whole->data, cut);
    clear(k);
    kit_write(k, NAME, bytes, cut + zeros);
    readings = readings_in(whole, frames, count, bytes, cut + zeros);
    free(bytes);
    check(k, readings, cut >= SEGMENT_HEADER_BYTES);
    if (cut < SEGMENT_HEADER_BYTES) {
        check(k, readings, true);
        return;
    }
    kit_read(k, NAME, &first);
    check(k, readings, true);
    kit_read(k, NAME, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    buf_done(&first);
    buf_done(&second);
}

static void a_cut_keeps_whole_frames(void **state)
{
    struct kit k;
    struct buf whole;
    struct kit_frame frames[100];
    size_t count;

    (void)state;
    make(&k, &whole);
    count = kit_frames(&whole, frames, 100);
    assert_int_equal(readings_in(&whole, frames, count, whole.data, whole.len), 36);
    for (size_t cut = 0; cut <= whole.len; cut++)
        try_cut(&k, &whole, frames, count, cut, cut % 2 ? 0 : 8 * (cut % 7));
    buf_done(&whole);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_cut_keeps_whole_frames)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
