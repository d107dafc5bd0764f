/* Segments that lost their header, byte by byte: which frames vouch for each other, and what a segment seems to have
 * held when none do. */
#include "journal_kit.h"

#include "journal/bytes.h"
#include "journal/guess.h"
#include "journal/headless.h"

#define NAME "0000000000000005.seg"
#define FIRST 5U

static struct kit kit;
static struct buf file; /* 64 bytes of no header, and frames */

static int begin(void **state)
{
    (void)state;
    kit_new(&kit);
    kit_start(&kit);
    buf_init(&file, 1 << 22);
    buf_add(&file, (const char[SEGMENT_HEADER_BYTES]){0}, SEGMENT_HEADER_BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&file);
    kit_free(&kit);
    return 0;
}

static uint8_t *frame(enum segment_frame_type type, uint64_t seq, uint32_t len, uint64_t salt)
{
    size_t size = segment_frame_size(len), at = file.len;
    char *to = buf_reserve(&file, size);

    assert_non_null(to);
    memset(to, 0, size);
    if (type == SEGMENT_ROWS)
        put_u32((uint8_t *)to + SEGMENT_FRAME_BYTES, (len - 8) / 20);
    segment_frame_put((uint8_t *)to, type, seq, (int64_t)seq * 1000, len, salt);
    file.len += size;
    return (uint8_t *)file.data + at;
}

/* --- how much was there? --- */

static uint64_t guessed(void)
{
    uint64_t end_seq = 0;

    kit_write(&kit, "journal/" NAME, file.data, file.len);
    kit_ok(&kit, guess_end(kit.st.journal, NAME, FIRST, &end_seq, &kit.err));
    return end_seq;
}

static void what_looks_like_rows_is_counted(void **state)
{
    (void)state;
    assert_int_equal(guessed(), FIRST);
    (void)frame(SEGMENT_LINK, FIRST, SEGMENT_LINK_BYTES, 1);
    assert_int_equal(guessed(), FIRST);
    (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(10), 1);
    assert_int_equal(guessed(), FIRST + 10);
    frame(SEGMENT_ROWS, FIRST + 10, SEGMENT_ROWS_BYTES(10), 1)[100] ^= 1; /* no checksum is asked */
    assert_int_equal(guessed(), FIRST + 20);
}

/* Bytes 4.. of a frame's head become what no frame of ours has: it does not count, those around it do. */
static void what_cannot_be_is_passed_over(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
    } wrong[] = {{0, 0x46554656}, {4, SEGMENT_PAYLOAD_MAX + 1}, {4, 20},
        {4, SEGMENT_ROWS_BYTES(10) + 4}, {4, SEGMENT_ROWS_BYTES(9)}, {8, 0}, {8, FIRST + 9},
        {8, 100000}, {24, 0}, {24, SEGMENT_LINK + 1}, {32, 0}, {32, 9}};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t *p;

        file.len = SEGMENT_HEADER_BYTES;
        (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(10), 1);
        p = frame(SEGMENT_ROWS, FIRST + 10, SEGMENT_ROWS_BYTES(10), 1);
        put_u32(p + wrong[i].at, wrong[i].value);
        if (guessed() != FIRST + 10)
            fail_msg("case %zu counts", i);
        (void)frame(SEGMENT_ROWS, FIRST + 20, SEGMENT_ROWS_BYTES(10), 1);
        if (guessed() != FIRST + 30)
            fail_msg("case %zu hides what is behind it", i);
    }
}

/* More than the file has bytes for: a number that high would never be used again for nothing. */
static void no_more_than_the_file_has_room_for(void **state)
{
    uint64_t most;

    (void)state;
    (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(10), 1);
    most = (file.len + segment_frame_size(SEGMENT_ROWS_BYTES(10))) / 20;
    (void)frame(SEGMENT_ROWS, FIRST + most - 9, SEGMENT_ROWS_BYTES(10), 1);
    assert_int_equal(guessed(), FIRST + 10);
    put_u64((uint8_t *)file.data + file.len - segment_frame_size(SEGMENT_ROWS_BYTES(10)) + 8,
        FIRST + most - 10);
    assert_int_equal(guessed(), FIRST + most);
}

static void a_file_that_is_gone_is_an_error(void **state)
{
    uint64_t end_seq = 0;

    (void)state;
    assert_false(guess_end(kit.st.journal, NAME, FIRST, &end_seq, &kit.err));
    assert_int_equal(end_seq, 0);
}

/* --- which frames vouch for each other? --- */

static struct headless found(void)
{
    struct headless ret;
    int fd;

    kit_write(&kit, "journal/" NAME, file.data, file.len);
    kit_ok(&kit, file_open(kit.st.journal, NAME, FILE_READ, &fd, &kit.err));
    kit_ok(&kit, headless_find(fd, SEGMENT_HEADER_BYTES, file.len, FIRST, &ret, &kit.err));
    file_drop(fd);
    return ret;
}

static void one_frame_alone_proves_nothing(void **state)
{
    (void)state;
    (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(3), 77);
    assert_int_equal(found().frames, 0);
    (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(3), 77); /* nor the same bytes once more */
    assert_int_equal(found().frames, 0);
    (void)frame(SEGMENT_ROWS, FIRST - 1, SEGMENT_ROWS_BYTES(3), 77); /* nor one of older numbers */
    assert_int_equal(found().frames, 0);
    (void)frame(SEGMENT_ROWS, FIRST + 3, SEGMENT_ROWS_BYTES(3), 77);
    assert_int_equal(found().frames, 2);
    assert_int_equal(found().seed, segment_seed(77));
    assert_int_equal(found().received_us, FIRST * 1000);
}

/* Its salt can still be read: then one frame is enough. */
static void a_salt_that_is_left_vouches(void **state)
{
    (void)state;
    put_u64((uint8_t *)file.data + 48, 77);
    (void)frame(SEGMENT_ROWS, FIRST, SEGMENT_ROWS_BYTES(3), 78);
    assert_int_equal(found().frames, 0);
    (void)frame(SEGMENT_ROWS, FIRST + 3, SEGMENT_ROWS_BYTES(3), 77);
    assert_int_equal(found().frames, 1);
    assert_int_equal(found().seed, segment_seed(77));
}

/* Stale frames of a hundred others in between: the one with the most bytes is not pushed out. */
static void strangers_do_not_hide_it(void **state)
{
    (void)state;
    put_u64((uint8_t *)file.data + 48, 76); /* a wrong salt where the header was */
    for (uint64_t i = 0; i < 100; i++) {
        (void)frame(SEGMENT_LINK, FIRST + i, SEGMENT_LINK_BYTES, 1000 + i);
        if (i % 25 == 0)
            (void)frame(SEGMENT_ROWS, FIRST + i, SEGMENT_ROWS_BYTES(20), 77);
    }
    assert_int_equal(found().frames, 4);
    assert_int_equal(found().seed, segment_seed(77));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_looks_like_rows_is_counted),
        TEST(what_cannot_be_is_passed_over),
        TEST(no_more_than_the_file_has_room_for),
        TEST(a_file_that_is_gone_is_an_error),
        TEST(one_frame_alone_proves_nothing),
        TEST(a_salt_that_is_left_vouches),
        TEST(strangers_do_not_hide_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
