/* Checksums that are right over content that is not: no damage makes that, another program or a mistake of ours does.
 * Each such frame, header and name is turned away, and its neighbour on the good side of the line is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/segment.h"

#include <string.h>

#define SALT UINT64_C(0x1122334455667788)

static uint8_t frame[256];

static uint8_t *payload(void)
{
    memset(frame, 0, sizeof(frame));
    return frame + SEGMENT_FRAME_BYTES;
}

static enum segment_parse parse(enum segment_frame_type type, uint64_t seq, uint32_t len)
{
    enum segment_parse what;
    struct segment_frame f;
    uint32_t seed;

    segment_frame_put(frame, type, seq, 1, len, SALT);
    what = segment_frame_parse(frame, sizeof(frame), SALT, &f);
    /* Without the salt the content alone decides, and in the same way. */
    assert_true(segment_frame_seed(frame, sizeof(frame), &seed, &f) == (what == SEGMENT_FRAME_OK));
    if (what == SEGMENT_FRAME_OK) {
        assert_int_equal(seed, segment_seed(SALT));
        assert_int_equal(f.seq, seq);
    }
    return what;
}

static enum segment_parse rows(uint32_t zero, uint64_t seq)
{
    uint8_t *p = payload();

    put_u32(p, 2);
    put_u32(p + 4, zero);
    return parse(SEGMENT_ROWS, seq, SEGMENT_ROWS_BYTES(2));
}

static void rows_have_numbers_that_exist(void **state)
{
    (void)state;
    assert_int_equal(rows(0, 1), SEGMENT_FRAME_OK);
    assert_int_equal(rows(1, 1), SEGMENT_FRAME_BAD);
    assert_int_equal(rows(0, UINT64_MAX - 3), SEGMENT_FRAME_OK);
    assert_int_equal(rows(0, UINT64_MAX - 2), SEGMENT_FRAME_BAD);
    assert_int_equal(rows(0, 0), SEGMENT_FRAME_BAD);
}

/* One name of "ab", "c": 8 + 2 + 2 + 2 + 1 bytes. */
static enum segment_parse names(
    uint32_t first, uint32_t count, unsigned len_of_second, uint32_t len)
{
    uint8_t *p = payload();

    put_u32(p, first);
    put_u32(p + 4, count);
    put_u16(p + 8, 2);
    memcpy(p + 10, "ab", 2);
    put_u16(p + 12, (uint16_t)len_of_second);
    p[14] = 'c';
    return parse(SEGMENT_NAMES, 1, len);
}

static void names_fill_their_frame(void **state)
{
    (void)state;
    assert_int_equal(names(0, 1, 1, 15), SEGMENT_FRAME_OK);
    assert_int_equal(names(UINT32_MAX - 1, 1, 1, 15), SEGMENT_FRAME_OK);
    assert_int_equal(names(UINT32_MAX, 1, 1, 15), SEGMENT_FRAME_BAD);
    assert_int_equal(names(0, 0, 1, 15), SEGMENT_FRAME_BAD);
    assert_int_equal(names(0, 2, 1, 15), SEGMENT_FRAME_BAD); /* more than fit */
    assert_int_equal(names(0, 1, 2, 15), SEGMENT_FRAME_BAD);
    assert_int_equal(names(0, 1, 1, 16), SEGMENT_FRAME_BAD);
    assert_int_equal(names(0, 1, 1, 13), SEGMENT_FRAME_BAD); /* half a length */
}

static enum segment_parse seal(uint64_t readings, uint64_t first, uint64_t last)
{
    segment_seal_put(
        payload(), &(struct segment_seal){
                       .readings = readings, .first_seq = first, .last_seq = last, .bytes = 128});
    return parse(SEGMENT_SEAL, 1, SEGMENT_SEAL_BYTES);
}

static void seals_count_what_can_be(void **state)
{
    (void)state;
    assert_int_equal(seal(0, 5, 4), SEGMENT_FRAME_OK); /* empty */
    assert_int_equal(seal(0, 5, 3), SEGMENT_FRAME_BAD);
    assert_int_equal(seal(3, 5, 7), SEGMENT_FRAME_OK);
    assert_int_equal(seal(4, 5, 7), SEGMENT_FRAME_BAD);
    assert_int_equal(seal(1, 0, 7), SEGMENT_FRAME_BAD);
    assert_int_equal(seal(1, 5, UINT64_MAX - 1), SEGMENT_FRAME_OK);
    assert_int_equal(seal(1, 5, UINT64_MAX), SEGMENT_FRAME_BAD);
}

static void a_seal_is_not_taken_from_another_frame(void **state)
{
    uint8_t bytes[SEGMENT_SEAL_BYTES] = {0};
    struct segment_frame f = {
        .type = SEGMENT_SEAL, .payload = bytes, .payload_len = SEGMENT_SEAL_BYTES};
    struct segment_seal ret;

    (void)state;
    assert_true(segment_seal_get(&f, &ret));
    f.payload_len = SEGMENT_SEAL_BYTES - 8;
    assert_false(segment_seal_get(&f, &ret));
    f.payload_len = SEGMENT_SEAL_BYTES;
    f.type = SEGMENT_COMMIT; /* as long as a seal */
    assert_false(segment_seal_get(&f, &ret));
}

static enum segment_parse gap(uint64_t from, uint64_t to, uint32_t promised)
{
    uint8_t *p = payload();

    segment_gap_put(p, from, to, 1, false);
    put_u32(p + 20, promised);
    return parse(SEGMENT_GAP, 1, SEGMENT_GAP_BYTES);
}

static void gaps_have_a_beginning_and_an_end(void **state)
{
    (void)state;
    assert_int_equal(gap(3, 3, 1), SEGMENT_FRAME_OK);
    assert_int_equal(gap(3, 3, 2), SEGMENT_FRAME_BAD);
    assert_int_equal(gap(0, 3, 1), SEGMENT_FRAME_BAD);
    assert_int_equal(gap(4, 3, 1), SEGMENT_FRAME_BAD);
    assert_int_equal(gap(3, UINT64_MAX - 1, 0), SEGMENT_FRAME_OK);
    assert_int_equal(gap(3, UINT64_MAX, 0), SEGMENT_FRAME_BAD);
}

static void a_link_is_up_or_down(void **state)
{
    uint8_t *p = payload();

    (void)state;
    segment_link_put(p, true, 7);
    assert_int_equal(parse(SEGMENT_LINK, 1, SEGMENT_LINK_BYTES), SEGMENT_FRAME_OK);
    put_u32(p, 2);
    assert_int_equal(parse(SEGMENT_LINK, 1, SEGMENT_LINK_BYTES), SEGMENT_FRAME_BAD);
}

static void what_ends_early_is_told_from_what_is_no_frame(void **state)
{
    struct segment_frame f;

    (void)state;
    assert_int_equal(rows(0, 1), SEGMENT_FRAME_OK);
    for (size_t len = 0; len < segment_frame_size(SEGMENT_ROWS_BYTES(2)); len++)
        assert_int_equal(segment_frame_parse(frame, len, SALT, &f),
            len < 4 ? SEGMENT_FRAME_NONE : SEGMENT_FRAME_CUT);
    assert_int_equal(segment_frame_parse(frame, sizeof(frame), SALT + 1, &f), SEGMENT_FRAME_BAD);
}

static enum err_kind header(size_t at, uint16_t value)
{
    struct segment_header h = {.version = 1, .first_seq = 9, .salt = SALT}, ret;
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct err err = {.kind = ERR_NONE};

    segment_header_put(bytes, &h);
    if (at == 32)
        put_u64(bytes + at, value);
    else if (at)
        put_u16(bytes + at, value);
    put_u32(bytes + 60, crc32c(0, bytes, 60));
    if (!segment_header_get(bytes, &ret, &err))
        return err.kind;
    assert_int_equal(ret.salt, SALT);
    return ERR_NONE;
}

static void headers_of_others_are_told_from_nonsense(void **state)
{
    (void)state;
    assert_int_equal(header(0, 0), ERR_NONE);
    assert_int_equal(header(8, 2), ERR_DENIED);  /* a later version */
    assert_int_equal(header(12, 1), ERR_DENIED); /* a flag of a later version */
    assert_int_equal(header(8, 0), ERR_INPUT);
    assert_int_equal(header(10, SEGMENT_HEADER_BYTES + 8), ERR_INPUT);
    assert_int_equal(header(32, 0), ERR_INPUT); /* no reading has number 0 */
}

static void a_name_has_one_spelling(void **state)
{
    uint64_t seq = 0;

    (void)state;
    assert_true(segment_name_parse("00000000000000ab.seg", &seq));
    assert_int_equal(seq, 0xab);
    assert_false(segment_name_parse("00000000000000AB.seg", &seq));
    assert_false(segment_name_parse("00000000000000ab.sec", &seq));
    assert_false(segment_name_parse("00000000000000ag.seg", &seq));
    assert_false(segment_name_parse("0000000000000000.seg", &seq));
    assert_true(segment_name_parse("3fffffffffffffff.seg", &seq));
    assert_false(segment_name_parse("4000000000000000.seg", &seq));
    assert_false(segment_name_parse("ffffffffffffffff.seg", &seq));
    assert_false(segment_name_parse("0000000000000ab.seg", &seq));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_numbers_that_exist),
        cmocka_unit_test(names_fill_their_frame),
        cmocka_unit_test(seals_count_what_can_be),
        cmocka_unit_test(a_seal_is_not_taken_from_another_frame),
        cmocka_unit_test(gaps_have_a_beginning_and_an_end),
        cmocka_unit_test(a_link_is_up_or_down),
        cmocka_unit_test(what_ends_early_is_told_from_what_is_no_frame),
        cmocka_unit_test(headers_of_others_are_told_from_nonsense),
        cmocka_unit_test(a_name_has_one_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
