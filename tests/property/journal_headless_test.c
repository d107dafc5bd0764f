/* A segment whose header is gone: what its frames prove for each other, and what they do not. */
#include "journal_kit.h"

#include "base/crc32c.h"
#include "base/rng.h"
#include "journal/headless.h"
#include "rounds.h"

#define SEGMENT "0000000000000001.seg"
#define NAME "journal/" SEGMENT
#define FRAMES 100

static uint64_t seed_of_run(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261126;

    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Six groups of rows; the bytes, and where the frames are. */
static size_t make(struct kit *k, struct buf *ret, struct kit_frame *frames)
{
    kit_new(k);
    kit_start(k);
    for (size_t i = 1; i <= 6; i++) {
        kit_append(k, i);
        kit_commit(k);
    }
    kit_read(k, NAME, ret);
    ret->len = (size_t)k->j->end;
    kit_stop(k);
    return kit_frames(ret, frames, FRAMES);
}

static void a_checksum_can_be_taken_back(void **state)
{
    struct rng rng;
    uint8_t data[300];

    (void)state;
    rng_seed(&rng, seed_of_run());
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (size_t len = 0; len <= sizeof(data); len++) {
        uint32_t before = (uint32_t)rng_next(&rng);

        assert_int_equal(crc32c_before(crc32c(before, data, len), data, len), before);
    }
}

static void look(struct kit *k, uint64_t end_seq, struct kit_found *ret)
{
    *ret = (struct kit_found){.seen = calloc(KIT_SEQ_MAX, 1)};
    assert_non_null(ret->seen);
    kit_look_at(k->st.journal, SEGMENT, end_seq, ret);
    free(ret->seen);
}

/* The header and any one byte more: the frame that byte is in is lost, the others are read. */
static void other_damage_costs_its_own_frame_only(void **state)
{
    struct kit k;
    struct buf whole;
    struct kit_frame frames[FRAMES];
    size_t count = make(&k, &whole, frames);

    (void)state;
    kit_names_may_miss = true;
    memset(whole.data, 0, SEGMENT_HEADER_BYTES);
    for (size_t at = SEGMENT_HEADER_BYTES; at < whole.len; at++) {
        struct kit_found found;
        char keep = whole.data[at];
        size_t i = 0;
        bool padding;

        while (i + 1 < count && frames[i + 1].offset <= at)
            i++;
        padding = at >= frames[i].offset + SEGMENT_FRAME_BYTES + frames[i].frame.payload_len;
        whole.data[at] = (char)(whole.data[at] ^ 0x41);
        kit_write(&k, NAME, whole.data, whole.len);
        assert_true(state_open_readonly(&k.st, k.dir, &k.err));
        look(&k, 22, &found);
        assert_int_equal(found.readings, 21 - (padding ? 0 : frames[i].frame.rows));
        assert_int_equal(found.hole_readings, padding ? 0 : frames[i].frame.rows);
        kit_stop(&k);
        whole.data[at] = keep;
    }
    kit_names_may_miss = false;
    buf_done(&whole);
    kit_free(&k);
}

/* Cut at every byte: two whole frames prove each other, one alone does not, unless the header's salt is
 * what it says. */
static void two_frames_prove_each_other(void **state)
{
    struct kit k;
    struct buf whole;
    struct kit_frame frames[FRAMES];
    size_t count = make(&k, &whole, frames);

    (void)state;
    for (int salt = 0; salt < 2; salt++) {
        char zeros[SEGMENT_HEADER_BYTES] = {0};

        if (salt) {
            whole.data[0] = 'x';
        } else {
            memcpy(zeros, whole.data, sizeof(zeros));
            memset(whole.data, 0, SEGMENT_HEADER_BYTES);
        }
        for (size_t len = SEGMENT_HEADER_BYTES; len <= whole.len; len++) {
            uint64_t readings = 0;
            size_t there = 0;
            struct kit_found found;

            while (there < count && frames[there].offset + frames[there].frame.total_len <= len)
                readings += frames[there++].frame.rows;
            if (there + (size_t)salt < 2)
                readings = 0;
            kit_write(&k, NAME, whole.data, len);
            assert_true(state_open_readonly(&k.st, k.dir, &k.err));
            kit_names_may_miss = true;
            look(&k, 0, &found);
            kit_names_may_miss = false;
            assert_int_equal(found.readings, readings);
            kit_stop(&k);
        }
        if (!salt)
            memcpy(whole.data, zeros, sizeof(zeros));
    }
    buf_done(&whole);
    kit_free(&k);
}

/* Values that look like frames, hundreds of them with one seed: the frame around them is larger. */
static void frames_inside_of_values_do_not_win(void **state)
{
    struct buf bytes;
    size_t inner = segment_frame_size(SEGMENT_LINK_BYTES), count = 400;
    size_t payload = SEGMENT_ROWS_BYTES(20 * (count * inner / 160 + 1));
    uint8_t *frame = calloc(1, segment_frame_size(payload)), link[256] = {0};
    struct headless found;
    struct kit k;
    int fd;

    (void)state;
    assert_non_null(frame);
    kit_new(&k);
    kit_start(&k);
    kit_stop(&k);
    segment_link_put(link + SEGMENT_FRAME_BYTES, true, 7);
    frame[SEGMENT_FRAME_BYTES] = (uint8_t)((payload - 8) / 20);
    frame[SEGMENT_FRAME_BYTES + 1] = (uint8_t)((payload - 8) / 20 >> 8);
    for (size_t i = 0; i < count; i++) {
        segment_frame_put(link, SEGMENT_LINK, 5 + i, 1, SEGMENT_LINK_BYTES, 4711);
        memcpy(frame + SEGMENT_FRAME_BYTES + 8 + i * inner, link, inner);
    }
    buf_init(&bytes, 1 << 24);
    for (size_t i = 0; i < SEGMENT_HEADER_BYTES; i++)
        buf_add_byte(&bytes, 0);
    for (uint64_t i = 0; i < 2; i++) {
        segment_frame_put(frame, SEGMENT_ROWS, 1 + i * 1000, 2, (uint32_t)payload, 99);
        buf_add(&bytes, (char *)frame, segment_frame_size(payload));
    }
    kit_write(&k, NAME, bytes.data, bytes.len);
    assert_true(state_open_readonly(&k.st, k.dir, &k.err));
    assert_true(file_open(k.st.journal, SEGMENT, FILE_READ, &fd, &k.err));
    assert_true(headless_find(fd, SEGMENT_HEADER_BYTES, bytes.len, 1, &found, &k.err));
    assert_int_equal(found.frames, 2);
    assert_int_equal(found.seed, segment_seed(99));
    assert_int_equal(found.received_us, 2);
    file_drop(fd);
    kit_stop(&k);
    free(frame);
    buf_done(&bytes);
    kit_free(&k);
}

/* Garbage of any kind is read to its end, and says nothing. */
static void garbage_says_nothing(void **state)
{
    static const uint8_t magic[4] = {0xf6, 0x56, 0x55, 0x46};
    struct rng rng;
    struct kit k;
    uint8_t *data = malloc(1 << 20);

    (void)state;
    assert_non_null(data);
    rng_seed(&rng, seed_of_run());
    kit_new(&k);
    kit_start(&k);
    kit_stop(&k);
    for (uint64_t i = 0; i < rounds(40); i++) {
        size_t len = (size_t)rng_below(&rng, 1 << 20);
        struct headless found;
        int fd;

        for (size_t at = 0; at < len; at++)
            data[at] = i % 4 ? (uint8_t)rng_next(&rng) : 0;
        for (int n = 0; n < 200 && len > 64; n++) {
            uint8_t *to = data + rng_below(&rng, (len - 40) / 8) * 8;

            memcpy(to, magic, 4);
            memset(to + 4, 0, 28);
            to[4] = (uint8_t)(24 + 8 * rng_below(&rng, 2));
            to[8] = 1;
            to[24] = (uint8_t)rng_below(&rng, 8);
            to[28] = (uint8_t)rng_next(&rng);
            to[29] = (uint8_t)rng_next(&rng);
            to[30] = (uint8_t)n;
        }
        kit_write(&k, NAME, data, len);
        assert_true(state_open_readonly(&k.st, k.dir, &k.err));
        assert_true(file_open(k.st.journal, SEGMENT, FILE_READ, &fd, &k.err));
        assert_true(headless_find(fd, SEGMENT_HEADER_BYTES, len, 1, &found, &k.err));
        assert_int_equal(found.frames, 0);
        file_drop(fd);
        kit_stop(&k);
    }
    free(data);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checksum_can_be_taken_back),
        cmocka_unit_test(other_damage_costs_its_own_frame_only),
        cmocka_unit_test(two_frames_prove_each_other),
        cmocka_unit_test(frames_inside_of_values_do_not_win),
        cmocka_unit_test(garbage_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
