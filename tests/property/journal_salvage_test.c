/* Any damage to a segment: what salvage_look and salvage_copy find is what a model says is still valid, to the
 * reading. The model knows where the frames were and which bytes were changed; it does not read the file. */
#include "journal_kit.h"

#include "base/rng.h"
#include "journal/salvage.h"
#include "rounds.h"

#define SEGMENT "0000000000000001.seg"
#define NAME "journal/" SEGMENT
#define FRAMES 200
#define READINGS 78
#define TRIALS 3000

static struct kit kit;
static struct buf whole;
static struct kit_frame frames[FRAMES];
static size_t frame_count;
static char copies[160];

static uint64_t seed_of_run(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 4711;

    printf("SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static int make(void **state)
{
    (void)state;
    kit_new(&kit);
    kit_start(&kit);
    for (size_t i = 1; i <= 12; i++) {
        kit_append(&kit, i);
        if (i % 2 == 0)
            kit_commit(&kit);
    }
    kit_read(&kit, NAME, &whole);
    whole.len = (size_t)kit.j->end;
    kit_stop(&kit);
    frame_count = kit_frames(&whole, frames, FRAMES);
    (void)snprintf(copies, sizeof(copies), "%s/copies", kit.dir);
    assert_int_equal(mkdir(copies, 0700), 0);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    buf_done(&whole);
    kit_free(&kit);
    return 0;
}

/* --- the model --- */

static bool same(const char *now, size_t len, size_t from, size_t to)
{
    return to <= len && memcmp(now + from, whole.data + from, to - from) == 0;
}

static bool is_intact(const char *now, size_t len, const struct kit_frame *f)
{
    /* The padding means nothing, but the file must be long enough for it. */
    return f->offset + f->frame.total_len <= len &&
           same(now, len, f->offset, f->offset + SEGMENT_FRAME_BYTES + f->frame.payload_len);
}

/* Which readings are valid and have a name, by number. */
static void model(const char *now, size_t len, bool valid[READINGS + 1])
{
    bool named[64] = {false};
    size_t intact = 0, need = 0;

    memset(valid, 0, READINGS + 1);
    for (size_t i = 0; i < frame_count; i++)
        intact += is_intact(now, len, &frames[i]);
    if (len < SEGMENT_HEADER_BYTES || !same(now, len, 0, SEGMENT_HEADER_BYTES))
        need = len >= 56 && same(now, len, 48, 56) ? 1 : 2; /* the salt, or another frame */
    if (intact < need)
        return;
    for (size_t i = 0; i < frame_count; i++) {
        const struct segment_frame *f = &frames[i].frame;
        struct span asset, datastream;
        uint32_t number;
        size_t at = 0;

        if (!is_intact(now, len, &frames[i]))
            continue;
        while (scan_names_next(f, &at, &number, &asset, &datastream)) {
            assert_true(number < 64);
            named[number] = true;
        }
        for (uint32_t r = 0; r < f->rows; r++) {
            int64_t time;
            double value;
            uint32_t series;

            scan_rows_copy(f, r, 1, &time, &value, &series);
            valid[f->seq + r] = named[series];
        }
    }
}

/* --- damage --- */

static size_t damage(struct rng *rng, char *now)
{
    size_t len = whole.len;

    memcpy(now, whole.data, len);
    if (rng_below(rng, 3) == 0) /* the header, wholly or a bit of it */
        memset(now, 0, rng_below(rng, 2) ? SEGMENT_HEADER_BYTES : 1);
    if (rng_below(rng, 4) == 0)
        len = (size_t)rng_below(rng, len + 1);
    for (uint64_t n = rng_below(rng, 4); n > 0 && len > 0; n--) {
        size_t at = (size_t)rng_below(rng, len), most = len - at;

        switch (rng_below(rng, 3)) {
        case 0:
            now[at] = (char)(now[at] ^ 1 << rng_below(rng, 8));
            break;
        case 1:
            memset(now + at, 0, (size_t)rng_below(rng, (most < 512 ? most : 512) + 1));
            break;
        default:
            for (size_t i = 0; i < (most < 512 ? most : 512); i++)
                now[at + i] = (char)rng_next(rng);
        }
    }
    return len;
}

static void check_look(const struct salvage_source *source, const bool valid[READINGS + 1])
{
    struct salvage_look look;
    bool is_segment;

    kit_ok(&kit, salvage_look(source, &is_segment, &look, &kit.err));
    assert_true(is_segment);
    for (uint64_t seq = 1; seq <= READINGS; seq++) {
        if (ranges_hold(&look.readings, seq, seq + 1) != valid[seq])
            fail_msg("reading %llu: %s", (unsigned long long)seq,
                valid[seq] ? "is valid and was not found" : "was found, and is not valid");
    }
    assert_true(look.readings.count == 0 ||
                look.readings.items[look.readings.count - 1].end <= READINGS + 1);
    salvage_look_done(&look);
}

static void check_copy(
    const struct salvage_source *source, struct seq_range range, const bool valid[READINGS + 1])
{
    const struct segment_header header = {.instance = {7}, .created_us = 99};
    struct seq_ranges copied = {0};
    struct segment_info info;
    struct kit_found found = {.seen = calloc(KIT_SEQ_MAX, 1)};
    int to;

    assert_non_null(found.seen);
    kit_ok(&kit, file_dir_open(FILE_CWD, copies, &to, &kit.err));
    kit_ok(&kit, salvage_copy(source, range, &header, to, &info, &copied, &kit.err));
    assert_int_equal(info.end_seq, range.end);
    kit_look_at(to, info.name, range.end, &found);
    for (uint64_t seq = 1; seq <= READINGS; seq++) {
        bool want = valid[seq] && seq >= range.first && seq < range.end;

        assert_int_equal(found.seen[seq], want);
        assert_int_equal(ranges_hold(&copied, seq, seq + 1), want);
    }
    kit_ok(&kit, file_unlink(to, info.name, &kit.err));
    file_drop(to);
    ranges_done(&copied);
    free(found.seen);
}

static void all_that_is_valid_is_found_and_nothing_else(void **state)
{
    char *now = malloc(whole.len);
    struct rng rng;

    (void)state;
    assert_non_null(now);
    rng_seed(&rng, seed_of_run());
    assert_true(state_open_readonly(&kit.st, kit.dir, &kit.err));
    for (uint64_t i = 0; i < rounds(TRIALS); i++) {
        struct salvage_source source = {
            kit.st.journal, SEGMENT, 1, READINGS + 1, SEGMENT_HEADER_BYTES};
        bool valid[READINGS + 1];
        struct seq_range range = {.first = 1 + rng_below(&rng, READINGS)};
        size_t len = damage(&rng, now);

        range.end = range.first + 1 + rng_below(&rng, READINGS + 1 - range.first);
        kit_write(&kit, NAME, now, len);
        model(now, len, valid);
        check_look(&source, valid);
        check_copy(&source, range, valid);
    }
    state_close(&kit.st);
    free(now);
}

/* A piece of a segment, as quarantine/ keeps it: no header, and it begins anywhere at a multiple of eight. */
static void a_piece_is_read_by_its_frames(void **state)
{
    (void)state;
    assert_true(state_open_readonly(&kit.st, kit.dir, &kit.err));
    for (size_t from = SEGMENT_HEADER_BYTES; from < whole.len; from += 8) {
        struct salvage_source source = {kit.st.journal, SEGMENT, 1, 0, 0};
        struct salvage_look look;
        uint64_t rows = 0;
        size_t intact = 0;
        bool is_segment;

        kit_write(&kit, NAME, whole.data + from, whole.len - from);
        for (size_t i = 0; i < frame_count; i++) {
            if (frames[i].offset >= from) {
                rows += frames[i].frame.rows;
                intact++;
            }
        }
        kit_ok(&kit, salvage_look(&source, &is_segment, &look, &kit.err));
        assert_int_equal(look.readable, intact > 1);
        assert_int_equal(ranges_total(&look.readings) + look.nameless, intact > 1 ? rows : 0);
        salvage_look_done(&look);
    }
    state_close(&kit.st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_is_valid_is_found_and_nothing_else, make, drop),
        cmocka_unit_test_setup_teardown(a_piece_is_read_by_its_frames, make, drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
