/* crash_states: the power fails before every call of a standard run, and in every way the model allows;
 * the real recovery runs; the oracle asks where every reading is. Recovery is cut off in turn, two
 * levels deep. See docs/durability-report.md.
 *
 *   crash_states [--seed S] [STATES]           runs passes S, S+1, ... until so many states are judged
 *   crash_states --point S[:CALL/FATE[,CALL/FATE[,CALL/FATE]]] that point alone, with its calls
 *
 * One thread. The loops take turns: whichever works, the others may come in before any of its calls, as
 * their threads could. A life is what happens between a start and a power cut; the deepest one goes on
 * until all is delivered.
 *
 *   life 0   0----1----2----X                  X: before call 17 the power fails, fate 3
 *   life 1                  0----1----X        recovery on what is left, cut off before call 12
 *   life 2                            0----1---- verdict
 *
 * After a verdict the outer life goes on as if nothing had been: disk, volume and readings are put back.
 *
 * wrap: clock_wall_us clock_mono_us rng_any_seed rng_secure */
#include "crash/disk.h"
#include "crash/oracle.h"

#include "base/clock.h"
#include "base/rng.h"
#include "journal/journal.h"
#include "pack/pack.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 3U /* power cuts in a row: of the run, of its recovery, of that one's */
#define RANDOM_FATES 6U
#define READINGS 64U
#define SEEN_MAX 64U

enum loop { INTAKE, PACK, SHIP, LOOPS };

struct point {
    uint32_t call, fate;
};

struct life {
    uint64_t seed, calls;
    unsigned depth;
    struct rng rng;     /* what the plan does */
    struct rng entropy; /* what the program gets as random numbers */
    int64_t mono_us, wall_us;

    struct state st;
    struct limits limits;
    struct gaps *gaps;
    struct outbox box; /* of ship */
    struct journal *journal;
    struct pack *pack;
    struct readings readings;
    bool up, busy[LOOPS], failed;
    uint32_t first_reading; /* that is not durable yet */
};

static struct life *life;

static struct {
    uint64_t pass, states, by_depth[DEPTH_MAX + 1], calls, same;
    struct point path[DEPTH_MAX + 1];
    unsigned depth; /* of the path */
    bool only;      /* --point */
    struct point wanted[DEPTH_MAX];
    unsigned wanted_depth;
    uint64_t files;
    uint64_t waits; /* rolls that had no room for a name */
} run;

/* The variant of a pass. */
static struct {
    uint64_t segment_bytes;
    enum batch_order order;
    bool daily;
    unsigned turns;
} kind;

static const char *program;

static void show_point(void)
{
    printf("\n  after %" PRIu64 " states, in life %u before call %" PRIu64 "\n", run.states,
        life ? life->depth : 0, life ? life->calls : 0);
    for (unsigned i = 0; i < run.depth; i++)
        printf("  life %u: power cut before call %u, fate %u (%s)\n", i, run.path[i].call,
            run.path[i].fate, disk_fate_name(run.path[i].fate));
    printf("  again: %s --point %" PRIu64, program, run.pass); /* no cut at all: the pass */
    for (unsigned i = 0; i < run.depth; i++)
        printf("%s%u/%u", i ? "," : ":", run.path[i].call, run.path[i].fate);
    printf("\n");
}

noreturn void oracle_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("\nFAIL ");
    (void)vprintf(format, args);
    va_end(args);
    show_point();
    exit(1);
}

/* An assert or a wild pointer has its point too. One that never ends: the caller's time box, SIGTERM. */
static void caught(int number)
{
    printf("\nFAIL signal %d", number);
    show_point();
    (void)fflush(stdout);
    _exit(1);
}

/* --- the clocks and random numbers of a life --- */

int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_mono_us(void);
uint64_t __wrap_rng_any_seed(void);
bool __wrap_rng_secure(void *out, size_t len, struct err *err);

int64_t __wrap_clock_wall_us(void)
{
    return life->wall_us + life->mono_us;
}

int64_t __wrap_clock_mono_us(void)
{
    return life->mono_us += 10;
}

uint64_t __wrap_rng_any_seed(void)
{
    return rng_next(&life->entropy);
}

bool __wrap_rng_secure(void *out, size_t len, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)out)[i] = (uint8_t)rng_next(&life->entropy);
    return true;
}

/* --- the three loops, a turn each --- */

static void must(bool ok, const struct err *err, const char *what)
{
    if (!ok)
        oracle_fail("%s: %s", what, err->text);
}

static void note_durable(void)
{
    life->first_reading =
        oracle_durable(life->first_reading, journal_counters(life->journal)->durable_seq);
}

/* False: no room for the name of the next segment. */
static bool roll(void)
{
    struct err err;
    bool ok = journal_roll(life->journal, life->mono_us, &err);

    if (!ok && err.kind != ERR_FULL)
        must(false, &err, "roll");
    run.waits += !ok;
    return ok;
}

static void append(uint32_t count)
{
    const struct journal_counters *c = journal_counters(life->journal);
    struct err err;

    if (journal_room(life->journal) < count) {
        if (!roll())
            return;
        note_durable();
    }
    oracle_make(&life->readings, count, journal_series(life->journal), c->received_seq + 1);
    must(journal_append(life->journal, &life->readings, clock_wall_us(), life->mono_us, 1, 0, &err),
        &err, "append");
    note_durable();
}

static void intake_turn(void)
{
    struct err err;

    life->busy[INTAKE] = true;
    if (rng_below(&life->rng, 8) == 0)
        disk->no_names = 1 + (int)rng_below(&life->rng, 3);
    switch (rng_below(&life->rng, 8)) {
    case 0:
        (void)roll();
        break;
    case 1:
    case 2:
        must(journal_commit(life->journal, life->mono_us, &err), &err, "commit");
        break;
    case 3:
        if (!journal_link(life->journal, true, 2, clock_wall_us(), life->mono_us, &err) &&
            err.kind != ERR_FULL)
            must(false, &err, "link");
        break;
    case 4:
        append(READINGS - (uint32_t)rng_below(&life->rng, 20));
        break;
    default:
        append(1 + (uint32_t)rng_below(&life->rng, 20));
        break;
    }
    note_durable();
    life->busy[INTAKE] = false;
}

static bool pack_turn(bool all)
{
    enum pack_result result = PACK_NOTHING;
    struct pack_done done;
    struct err err;

    life->busy[PACK] = true;
    if (rng_below(&life->rng, 8) == 0)
        limits_said_full(&life->limits); /* the reserve has its turn */
    if (!pack_step(life->pack, all, &result, &done, &err) && err.kind != ERR_FULL)
        must(false, &err, "pack");
    life->mono_us += 1200 * 1000;
    life->busy[PACK] = false;
    return result != PACK_NOTHING;
}

/* As uploader/ does: checked before the first try, sent, confirmed, deleted. */
static void send_one(const struct outbox_entry *entry)
{
    struct buf data;
    struct err err;
    bool good = false;
    int fd;

    must(outbox_verify(&life->box, entry, &good, &err), &err, "verify");
    if (!good)
        oracle_fail("damaged: '%s' is not what its name says", entry->text);
    must(outbox_open(&life->box, entry, &fd, &err), &err, "open");
    buf_init(&data, 1U << 24);
    must(buf_reserve(&data, (size_t)entry->bytes) &&
             file_read_at(fd, 0, data.data, (size_t)entry->bytes, &data.len, &err),
        &err, "read");
    file_drop(fd);
    oracle_put(entry, data.data, data.len);
    buf_done(&data);
    must(outbox_done(&life->box, entry, &err), &err, "done");
    run.files++;
}

static bool ship_turn(void)
{
    struct outbox_list list;
    struct err err;
    size_t count;

    life->busy[SHIP] = true;
    must(outbox_scan(&life->box, false, &list, &err), &err, "scan the outbox");
    count = list.count;
    for (size_t i = 0; i < list.count; i++)
        send_one(&list.items[i]);
    outbox_list_done(&list);
    life->busy[SHIP] = false;
    return count > 0;
}

/* --- a life --- */

static void recover(void)
{
    struct pack_recovery found;
    bool busy = false;
    struct err err;

    must(state_open(&life->st, "state", false, &busy, &err), &err, "open the state");
    must(limits_init(&life->limits, &life->st, UINT64_C(1) << 30, 1, &err), &err, "limits");
    life->gaps = gaps_open(&life->st, &life->limits, &err);
    must(life->gaps != NULL, &err, "gaps");
    must(pack_recover(&life->st, &life->limits, life->gaps, &found, &err), &err, "recover");
    if (found.quarantined || found.journal.set_aside || found.journal.promised_gaps ||
        found.journal.kept_unsealed)
        oracle_fail("recovery found damage: %" PRIu64 " files, %" PRIu64 " segments, %" PRIu64
                    " promised gaps",
            found.quarantined, found.journal.set_aside, found.journal.promised_gaps);
    outbox_init(&life->box, &life->st, &life->limits);
    life->journal = journal_open(&life->st, &life->limits,
        &(struct journal_options){.commit_us = 50000,
            .commit_bytes = 4096,
            .segment_bytes = kind.segment_bytes,
            .series_max = 64,
            .names_bytes_max = 4096,
            .batch_size = 100000,
            .interval_us = INT64_C(3600) * CLOCK_SECOND_US},
        found.next_seq, &err);
    must(life->journal != NULL, &err, "open the journal");
    life->pack = pack_new(&life->st, &life->limits, life->gaps,
        &(struct pack_options){.order = kind.order,
            .codec = PARQUET_NONE,
            .profile = PARQUET_SAFE,
            .daily = kind.daily,
            .merge_bytes = UINT64_C(1) << 20,
            .segment_bytes = kind.segment_bytes,
            .upload_parallel = 2},
        &err);
    must(life->pack != NULL, &err, "pack");
    must(readings_init(&life->readings, READINGS, &err), &err, "readings");
    life->up = true;
}

static void one_turn(void)
{
    switch (rng_below(&life->rng, 6)) {
    case 0:
        (void)pack_turn(rng_below(&life->rng, 2) == 0);
        break;
    case 1:
        (void)ship_turn();
        break;
    default:
        intake_turn();
        break;
    }
}

/* A stop: everything is closed, packed, sent. */
static void drain(void)
{
    struct err err;

    life->busy[INTAKE] = true; /* it has ended */
    disk->no_names = 0;
    must(journal_roll(life->journal, life->mono_us, &err), &err, "roll");
    note_durable();
    for (int i = 0, idle = 0; idle < 3; i++) {
        bool some = pack_turn(true);

        some = ship_turn() || some;
        idle = some ? 0 : idle + 1;
        if (i > 500)
            oracle_fail("no end: pack or ship always find something to do");
    }
}

static void check_nothing_left(void)
{
    struct file_list list;
    struct err err;
    int dirs[] = {life->st.outbox, life->st.journal, life->st.quarantine, life->st.refused};
    size_t allowed[] = {1, 2, 0, 0}; /* the reserve; the active segment and the spare */

    for (size_t i = 0; i < 4; i++) {
        must(file_list(dirs[i], &list, &err), &err, "list");
        if (list.count > allowed[i])
            oracle_fail("'%s' is left behind", list.names[0]);
        file_list_done(&list);
    }
}

static void end_life(void)
{
    pack_free(life->pack);
    journal_close(life->journal);
    gaps_close(life->gaps);
    state_close(&life->st);
    readings_done(&life->readings);
}

static void live(unsigned turns)
{
    recover();
    for (unsigned i = 0; i < turns; i++)
        one_turn();
    life->busy[INTAKE] = true;
    append(3); /* a fresh one must arrive too */
    life->busy[INTAKE] = false;
    drain();
    oracle_verdict(&life->st);
    check_nothing_left();
    life->up = false;
    end_life();
}

static void begin_life(struct life *l, unsigned depth, uint64_t seed)
{
    static const int64_t jumps[] = {0, 0, 3600, -3600, 315360000, -315360000};

    *l = (struct life){.depth = depth, .seed = seed};
    rng_seed(&l->rng, seed);
    rng_seed(&l->entropy, disk_mix(seed, 5));
    l->mono_us = CLOCK_SECOND_US;
    l->wall_us = (INT64_C(1769862896) + jumps[rng_below(&l->rng, 6)]) * CLOCK_SECOND_US;
    l->first_reading = oracle_mark().readings;
}

/* --- where the power fails --- */

static bool is_seen(uint64_t *seen, size_t *count, uint64_t hash)
{
    for (size_t i = 0; i < *count; i++) {
        if (seen[i] == hash)
            return true;
    }
    if (*count < SEEN_MAX)
        seen[(*count)++] = hash;
    return false;
}

static void die_and_live_on(struct disk *after, unsigned fate)
{
    struct disk *outer_disk = disk;
    struct life *outer = life, inner;
    struct oracle_mark mark = oracle_mark();
    uint64_t seed = disk_mix(outer->seed, disk_mix(outer->calls, fate));

    begin_life(&inner, outer->depth + 1, seed);
    disk = after;
    life = &inner;
    live(inner.depth == 1 ? (unsigned)(seed % 3) : 0);
    run.states++;
    run.by_depth[inner.depth]++;
    disk_free(disk);
    disk = outer_disk;
    life = outer;
    oracle_forget(mark);
}

/* The wishes of --point, or all fates there are; deeper down a sample of calls and fates. */
static bool is_wanted(unsigned fate)
{
    uint64_t dice = disk_mix(disk_mix(life->seed, life->calls), fate);

    if (run.only)
        return life->depth < run.wanted_depth && run.wanted[life->depth].call == life->calls &&
               run.wanted[life->depth].fate == fate;
    switch (life->depth) {
    case 0:
        return true;
    case 1:
        return dice % 700 == 0;
    default:
        return dice % 900 == 0;
    }
}

static void fail_here(void)
{
    uint64_t seen[SEEN_MAX], hash;
    size_t count = 0;

    for (unsigned fate = 0; fate < DISK_FATES + RANDOM_FATES; fate++) {
        struct disk *after;

        if (!is_wanted(fate))
            continue;
        after = disk_crash(disk, fate, disk_mix(disk_mix(life->seed, life->calls), fate), &hash);
        if (is_seen(seen, &count, hash)) {
            run.same++;
            disk_free(after);
            continue;
        }
        run.path[life->depth] = (struct point){(uint32_t)life->calls, fate};
        run.depth = life->depth + 1;
        if (run.only)
            printf("life %u: power cut before call %" PRIu64 ", fate %u (%s)\n", life->depth,
                life->calls, fate, disk_fate_name(fate));
        die_and_live_on(after, fate);
        run.depth = life->depth;
    }
}

/* Another loop comes in between, as its thread could. */
static void let_others_work(void)
{
    uint64_t dice = disk_mix(disk_mix(life->seed, 7), life->calls);
    enum loop loop = (enum loop)(dice >> 20) % LOOPS;

    if (!life->up || dice % 10 != 0 || life->busy[loop])
        return;
    if (loop == INTAKE)
        intake_turn();
    else if (loop == PACK)
        (void)pack_turn(false);
    else
        (void)ship_turn();
}

static void before_call(const char *call, const char *name)
{
    if (life->journal) /* whatever the program calls durable by now has to be */
        note_durable();
    let_others_work();
    life->calls++;
    run.calls += life->depth == 0;
    if (run.only)
        printf("  %*slife %u call %3" PRIu64 ": %s %s\n", (int)life->depth * 2, "", life->depth,
            life->calls, call, name);
    if (life->depth < DEPTH_MAX)
        fail_here();
}

/* --- passes --- */

/* A run that nothing happens to at the deepest level; the disk as it leaves it. */
static struct disk *whole_life(uint64_t seed, unsigned depth)
{
    struct life first;
    struct disk *left;

    disk = disk_new();
    begin_life(&first, depth, seed);
    life = &first;
    live(kind.turns);
    left = disk;
    disk = NULL;
    life = NULL;
    oracle_forget((struct oracle_mark){0});
    return left;
}

static void one_pass(uint64_t seed)
{
    struct disk *former;
    struct rng rng;

    rng_seed(&rng, seed);
    kind.segment_bytes = 2048U << rng_below(&rng, 3);
    kind.order = rng_below(&rng, 2) ? BATCH_BY_TIME : BATCH_BY_SERIES;
    kind.daily = rng_below(&rng, 4) == 0;
    kind.turns = 20 + (unsigned)rng_below(&rng, 30);
    disk_preallocates = rng_below(&rng, 4) != 0;
    run.pass = seed;
    former = whole_life(disk_mix(seed, 11), DEPTH_MAX);
    disk_former = former;
    disk_free(whole_life(seed, 0));
    disk_former = NULL;
    disk_free(former);
}

static bool parse_point(const char *text, uint64_t *ret_seed)
{
    int used = 0;

    if (sscanf(text, "%" SCNu64 "%n", ret_seed, &used) != 1)
        return false;
    run.only = true;
    for (text += used; *text && run.wanted_depth < DEPTH_MAX; text += used) {
        struct point *p = &run.wanted[run.wanted_depth++];

        if (sscanf(text, "%*[:,]%" SCNu32 "/%" SCNu32 "%n", &p->call, &p->fate, &used) != 2)
            return false;
    }
    return *text == '\0';
}

int main(int argc, char **argv)
{
    static const int ends[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGTERM};
    uint64_t seed = 1, wanted = 20000, last = 0;
    time_t start = time(NULL);

    (void)mallopt(
        M_MMAP_THRESHOLD, 32 << 20); /* windows and buffers are taken anew in every life */
    (void)mallopt(M_TRIM_THRESHOLD, 512 << 20);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--point") == 0 && i + 1 < argc) {
            if (!parse_point(argv[++i], &seed)) {
                (void)fprintf(stderr, "crash_states: not a point: %s\n", argv[i]);
                return 2;
            }
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else {
            wanted = strtoull(argv[i], NULL, 10);
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    program = argv[0];
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        (void)signal(ends[i], caught);
    disk_before = before_call;
    for (uint64_t pass = seed; pass == seed || (!run.only && run.states < wanted); pass++) {
        one_pass(pass);
        if (run.states / 100000 != last) {
            last = run.states / 100000;
            printf("%" PRIu64 " states, pass %" PRIu64 ", %lld s\n", run.states, pass,
                (long long)(time(NULL) - start));
        }
    }
    printf("%" PRIu64 " crash states from seed %" PRIu64 ": before %" PRIu64
           " calls of the run %" PRIu64 ", of recovery %" PRIu64 ", of its recovery %" PRIu64
           "; %" PRIu64 " more were equal to one of these; %" PRIu64 " files sent; %" PRIu64
           " rolls without room for a name; %lld s; lost 0, "
           "twice 0, ghost 0, altered 0, overlapping names 0\n",
        run.states, seed, run.calls, run.by_depth[1], run.by_depth[2], run.by_depth[3], run.same,
        run.files, run.waits, (long long)(time(NULL) - start));
    return 0;
}
