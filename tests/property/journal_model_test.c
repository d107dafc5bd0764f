/* Random appends, commits, rolls, closes and power cuts against a model that knows two numbers: what
 * was received and what was durable. */
#include "journal_kit.h"

#include "base/rng.h"
#include "rounds.h"

#define SEEDS 30
#define STEPS 150

struct model {
    uint64_t durable; /* the highest number ever promised */
    uint64_t lives, cuts;
    uint8_t lost[KIT_SEQ_MAX]; /* numbers of readings that were never promised, and are gone */
};

/* What a power cut leaves of bytes that were not synced: each 512-byte sector new or still zero. */
static void tear(struct kit *k, struct rng *rng, uint64_t from, uint64_t end)
{
    static const char zeros[512];
    char path[300];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/journal/%s", k->dir, k->j->name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (uint64_t at = from; at < end;) {
        uint64_t next = (at / 512 + 1) * 512;
        size_t len = (size_t)((next < end ? next : end) - at);

        if (rng_below(rng, 3) == 0)
            assert_int_equal(pwrite(fd, zeros, len, (off_t)at), (ssize_t)len);
        at += len;
    }
    (void)close(fd);
}

/* The process dies: nothing more is written, the group in memory is forgotten. */
static void die(struct kit *k, struct rng *rng, bool power)
{
    if (power)
        tear(k, rng, k->j->group_at, k->j->end);
    buf_reset(&k->j->group);
    kit_stop(k);
}

static void check(struct kit *k, struct model *m)
{
    struct kit_found found;
    uint64_t missing = 0;

    kit_find(k, &found);
    assert_int_equal(found.twice, 0);
    for (uint64_t seq = 1; seq < k->rec.next_seq; seq++) {
        if (!found.seen[seq] && seq > m->durable)
            m->lost[seq] = 1;
        assert_int_equal(found.seen[seq], !m->lost[seq]);
        missing += !found.seen[seq];
    }
    /* Every hole is arithmetic: a gap frame names it, and gaps.log has it once. */
    assert_int_equal(found.gap_readings, missing);
    assert_int_equal(gaps_readings(k->gaps), missing);
    assert_int_equal(gaps_promised_readings(k->gaps), 0);
    assert_int_equal(found.promised_holes, 0);
    assert_true(k->rec.next_seq > m->durable);
    free(found.seen);
}

static void restart(struct kit *k, struct model *m, struct rng *rng)
{
    /* Recovery alone, once or twice, and only then the journal. */
    for (uint64_t n = rng_below(rng, 3); n > 0; n--) {
        kit_ok(k, kit_try_recover(k));
        check(k, m);
        kit_stop(k);
    }
    kit_start(k);
    check(k, m);
    m->durable = journal_counters(k->j)->durable_seq; /* recovery made what it found durable */
    m->lives++;
}

static void step(struct kit *k, struct model *m, struct rng *rng)
{
    uint64_t what = rng_below(rng, 100);
    size_t room = journal_room(k->j);

    k->mono_us += (int64_t)rng_below(rng, 30000);
    if (what < 60) {
        size_t count = rng_below(rng, rng_below(rng, 20) ? 20 : 3000);

        if (room == 0)
            kit_roll(k);
        else
            kit_append(k, count < room ? count : room);
    } else if (what < 80) {
        kit_ok(k, journal_tick(k->j, what % 2, k->mono_us, &k->err));
    } else if (what < 85) {
        kit_commit(k);
        assert_int_equal(journal_counters(k->j)->durable_seq, journal_counters(k->j)->received_seq);
    } else if (what < 90) {
        kit_roll(k);
    } else if (what < 92) {
        kit_ok(k, journal_make_spare(&k->st, &k->limits, k->options.segment_bytes, &k->err));
    } else if (what < 94) {
        kit_ok(k, journal_link(k->j, what % 2, 7, 0, k->mono_us, &k->err));
    }
    m->durable = journal_counters(k->j)->durable_seq;
    if (what < 94)
        return;
    if (what < 96) {
        m->durable = journal_counters(k->j)->received_seq; /* a close commits */
        kit_stop(k);
    } else {
        m->cuts++;
        die(k, rng, what < 99);
    }
    restart(k, m, rng);
}

static void promised_readings_are_found(void **state)
{
    uint64_t lives = 0, cuts = 0;

    (void)state;
    kit_names_may_miss = true; /* a cut may tear the names and keep the rows */
    for (uint64_t seed = 1; seed <= rounds(SEEDS); seed++) {
        struct kit k;
        static struct model m;
        struct rng rng;

        memset(&m, 0, sizeof(m));
        rng_seed(&rng, seed);
        print_message("seed %u\n", (unsigned)seed);
        kit_new(&k);
        k.options.segment_bytes = UINT64_C(4096) << rng_below(&rng, 6);
        k.options.batch_size = 1 + rng_below(&rng, 5000);
        k.options.commit_bytes = UINT64_C(512) << rng_below(&rng, 8);
        kit_start(&k);
        for (int i = 0; i < STEPS; i++)
            step(&k, &m, &rng);
        lives += m.lives;
        cuts += m.cuts;
        assert_int_equal(k.limits.no_space, 0);
        kit_free(&k);
    }
    assert_true(lives > rounds(SEEDS) && cuts > rounds(SEEDS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promised_readings_are_found)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
