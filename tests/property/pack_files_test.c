/* Random segments in, files out: every reading once, the last of equal keys wins, and the ranges of the
 * files follow one another without a hole, through any number of restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pack_rig.h"
#include "rounds.h"

struct totals {
    uint64_t files, rows, superseded;
};

/* Packs until nothing is left, or for `most` steps; ships now and then. */
static void pack_all(
    struct pack_rig *p, const struct pack_options *options, uint64_t most, struct totals *totals)
{
    struct err *err = &p->rig.err;
    struct pack *pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, options, err);

    assert_non_null(pack);
    for (uint64_t i = 0; i < most; i++) {
        enum pack_result result;
        struct pack_done done;

        if (!pack_step(pack, true, &result, &done, err))
            fail_msg("%s", err->text);
        if (result == PACK_NOTHING)
            break;
        if (result == PACK_FILE) {
            totals->files++;
            totals->rows += done.rows;
            totals->superseded += done.superseded;
            assert_true(done.entry.name.created_us ==
                        PACK_RIG_CREATED + (int64_t)done.entry.name.first_seq * CLOCK_SECOND_US);
            assert_true(done.oldest_us == done.entry.name.created_us);
        }
        if (rng_below(&p->rng, 3) == 0)
            (void)rig_ship(p);
    }
    assert_int_equal(pack_counters(pack)->gap_readings, 0);
    pack_free(pack);
}

static int by_first_seq(const void *a, const void *b)
{
    const struct volume_file *x = a, *y = b;

    return x->name.first_seq < y->name.first_seq ? -1 : x->name.first_seq > y->name.first_seq;
}

static void check_ranges(struct pack_rig *p)
{
    uint64_t next = 1;

    qsort(p->files, p->file_count, sizeof(*p->files), by_first_seq);
    for (size_t i = 0; i < p->file_count; i++) {
        assert_true(p->files[i].name.first_seq == next);
        next = p->files[i].name.last_seq + 1;
    }
    assert_true(next == p->next_seq);
}

static struct pack_options random_options(struct rng *rng)
{
    struct pack_options o = pack_rig_options();

    o.order = rng_below(rng, 2) ? BATCH_BY_TIME : BATCH_BY_SERIES;
    o.codec = (enum parquet_codec)rng_below(rng, 3);
    o.profile = rng_below(rng, 2) ? PARQUET_DELTA : PARQUET_SAFE;
    o.daily = rng_below(rng, 2);
    o.merge_bytes = UINT64_C(1) << rng_below(rng, 24);
    return o;
}

static void add_segments(struct pack_rig *p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct rig_segment s = {.first_seq = p->next_seq,
            .count = 1 + rng_below(&p->rng, 300),
            .spread = 1 + rng_below(&p->rng, 200),
            .unsealed = rng_below(&p->rng, 5) == 0,
            .group = 1 + (uint32_t)rng_below(&p->rng, 120)};

        rig_add_segment(p, s);
    }
}

static void every_reading_arrives_once(void **unused)
{
    uint64_t seed = rng_any_seed();

    (void)unused;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t turn = 0; turn < rounds(20); turn++) {
        struct totals totals = {0};
        struct pack_rig p;
        struct verdict v;

        pack_rig_init(&p, 20000, seed + turn);
        rig_make_dirs(&p);
        for (uint64_t life = 0; life < 3; life++) {
            struct pack_options options = random_options(&p.rng);
            uint64_t steps = life == 2 ? UINT64_MAX : rng_below(&p.rng, 5);

            add_segments(&p, 1 + rng_below(&p.rng, 10));
            if (life == 2)
                rig_add_active(&p, p.next_seq);
            if (!pack_rig_start(&p))
                fail_msg("%s", p.rig.err.text);
            assert_true(p.recovery.next_seq == p.next_seq);
            pack_all(&p, &options, steps, &totals);
            pack_rig_stop(&p);
        }
        if (!pack_rig_start(&p))
            fail_msg("%s", p.rig.err.text);
        (void)rig_ship(&p);
        v = rig_judge(&p);
        assert_int_equal(v.lost, 0);
        assert_int_equal(v.gaps, 0);
        assert_int_equal(p.twice, 0);
        assert_int_equal(p.altered, 0);
        assert_int_equal(p.overlaps, 0);
        assert_true(p.file_count == totals.files);
        assert_true(v.superseded == totals.superseded);
        assert_true(totals.rows + totals.superseded == p.next_seq - 1);
        check_ranges(&p);
        pack_rig_stop(&p);
        pack_rig_done(&p);
    }
}

/* Row groups: small segments share one, a large one has its own, and none is over the limit. */
static void row_groups_keep_their_limit(void **unused)
{
    static const uint64_t counts[] = {1000, 700000, 500000, 2500, 1100000, 10};
    struct pack_options options = pack_rig_options();
    struct totals totals = {0};
    struct pack_rig p;
    struct verdict v;

    (void)unused;
    pack_rig_init(&p, 2400000, 3);
    rig_make_dirs(&p);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        rig_add_segment(&p, (struct rig_segment){.first_seq = p.next_seq,
                                .count = counts[i],
                                .spread = UINT64_C(1) << 40,
                                .group = 50000});
    rig_add_active(&p, p.next_seq);
    assert_true(pack_rig_start(&p));
    pack_all(&p, &options, UINT64_MAX, &totals);
    (void)rig_ship(&p);
    v = rig_judge(&p);
    assert_int_equal(totals.files, 1);
    assert_true(totals.rows + totals.superseded == p.next_seq - 1);
    assert_int_equal(v.lost + p.twice + p.altered, 0);
    pack_rig_stop(&p);
    pack_rig_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reading_arrives_once),
        cmocka_unit_test(row_groups_keep_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
