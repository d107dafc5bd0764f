/* Packing and recovery with each disk call failing in turn, once and for ever, and with the process or
 * the machine stopping there; afterwards the program starts again, as often as it takes, and every
 * reading must be in the volume exactly once (or superseded, or counted as a gap).
 *
 * wrap: openat64 write pwrite64 pread64 fsync fdatasync renameat unlinkat ftruncate64 fallocate64 close */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crash_rig.h"
#include "pack_rig.h"

int rig_quiet_now(void)
{
    return rig_quiet;
}

static struct pack_rig *shipping; /* for crash.before: ship looks at every moment */

static void ship_now(void)
{
    if (shipping && !rig_quiet) /* ship is not at work already */
        (void)rig_ship(shipping);
}

static int first_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    __real_close(fd);
    return fd;
}

/* Intake rolls, its last sync still running: the new name is there, and not durable. `back`: after a
 * rescue it begins below the end of the last segment, with a copy of that one's tail. */
static bool roll(struct pack_rig *p, uint64_t back)
{
    uint64_t first_seq = p->recovery.next_seq - back;
    int journal = p->rig.state.journal;
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, first_seq);
    rig_add_segment(
        p, (struct rig_segment){
               .first_seq = first_seq, .count = back, .unsealed = true, .name = "active.tmp"});
    return file_rename(journal, "active.tmp", journal, name, &p->rig.err);
}

static void (*meanwhile)(struct pack_rig *p); /* what happens to the disk when the start is over */

/* One life of the program: until nothing is left to pack, or something stops it. */
static bool live(struct pack_rig *p, const struct pack_options *options, int64_t back)
{
    enum pack_result result = PACK_NOTHING;
    struct pack_done done;
    struct pack *pack;
    unsigned errors = 0;
    bool ok = pack_rig_start(p);

    if (!ok)
        return false;
    if (back >= 0)
        (void)!roll(p, (uint64_t)back);
    if (meanwhile)
        meanwhile(p);
    if (options->drop_oldest)
        p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, options, &p->rig.err);
    shipping = p;
    for (int i = 0; pack && i < 100; i++) {
        ok = pack_step(pack, true, &result, &done, &p->rig.err);
        if (ok && result == PACK_NOTHING)
            break;
        if (!ok && (p->rig.err.kind == ERR_BROKEN || ++errors > 3))
            break;
        if (i % 2 && !crash.dead)
            (void)rig_ship(p);
    }
    ok = ok && pack;
    if (ok && !crash.dead)
        (void)rig_ship(p);
    shipping = NULL;
    pack_free(pack);
    if (!crash.dead) /* pack has given up, ship goes on for a while */
        (void)rig_ship(p);
    pack_rig_stop(p);
    return ok;
}

struct scene {
    const char *name;
    void (*make)(struct pack_rig *p);
    uint64_t merge_bytes;
    int64_t back;  /* intake rolls, so many readings back; -1: it does not */
    uint64_t gaps; /* readings that are lost, and told, whenever it stops */
    bool drop;     /* the journal is at its limit, and the oldest goes */
    void (*meanwhile)(struct pack_rig *p);
    bool stops; /* only that: when a read fails, less can be known than it wants */
};

/* Three closed segments, one of them never sealed (its run was rescued), and the active one. */
static void make_plain(struct pack_rig *p)
{
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40});
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 30, .unsealed = true});
    rig_add_segment(p, (struct rig_segment){.first_seq = 71, .count = 50});
    rig_add_active(p, 121);
}

/* The last run ended badly: the newest segment has readings and no seal. */
static void make_unsealed(struct pack_rig *p)
{
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40});
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 30, .unsealed = true});
}

/* Damage: a changed byte in the middle of a sealed segment. */
static void make_damaged(struct pack_rig *p)
{
    char path[512];
    FILE *f;

    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40, .group = 10});
    (void)snprintf(path, sizeof(path), "%s/journal/%016x.seg", p->rig.path, 1);
    f = fopen(path, "r+b");
    if (!f || fseek(f, 700, SEEK_SET) != 0 || fputc(0xee, f) == EOF || fclose(f) != 0)
        abort();
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 30});
    rig_add_active(p, 71);
}

static const struct scene scenes[] = {
    {"one file a segment", make_plain, 1, -1, 0, false, NULL, false},
    {"one file for all", make_plain, UINT64_C(1) << 28, -1, 0, false, NULL, false},
    {"unsealed", make_unsealed, 1, -1, 0, false, NULL, false},
    {"unsealed, rolled", make_unsealed, 1, 0, 0, false, NULL, false},
    {"unsealed, rescued", make_unsealed, 1, 10, 0, false, NULL, false},
    {"damaged", make_damaged, UINT64_C(1) << 28, -1, 10, false, NULL, false},
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

/* --- states with more to do at a start, or in a step, than a crash alone leaves --- */

static void remove_segment(const struct pack_rig *p, uint64_t first_seq)
{
    char path[512], name[SEGMENT_NAME_SIZE];

    segment_name(name, first_seq);
    (void)snprintf(path, sizeof(path), "%s/journal/%s", p->rig.path, name);
    assert_int_equal(remove(path), 0);
}

/* So many bytes of a file become 0xee. */
static void spoil(const struct pack_rig *p, const char *part, const char *name, long at, int count)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", p->rig.path, part, name);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(fputc(0xee, f), 0xee);
    assert_int_equal(fclose(f), 0);
}

/* The readings 1 to `last` are in a file of the outbox, and in no segment. */
static void make_file(struct pack_rig *p, uint64_t last, bool wrong)
{
    struct pack_options options = pack_rig_options();
    enum pack_result result;
    struct pack_done done;
    struct pack *pack;

    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = last});
    rig_add_active(p, last + 1);
    if (!pack_rig_start(p))
        fail_msg("%s", p->rig.err.text);
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &options, &p->rig.err);
    assert_non_null(pack);
    assert_true(pack_step(pack, true, &result, &done, &p->rig.err));
    assert_int_equal(result, PACK_FILE);
    pack_free(pack);
    pack_rig_stop(p);
    remove_segment(p, last + 1);
    if (wrong)
        spoil(p, "outbox", done.entry.text, 100, 1);
}

/* Half of what a wrong file held is in a segment still. */
static void make_wrong_file(struct pack_rig *p)
{
    make_file(p, 90, true);
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 50});
    rig_add_active(p, 91);
}

/* A wrong file alone says how far the numbers got: the segment that is there does not. */
static void make_wrong_file_behind_all(struct pack_rig *p)
{
    make_file(p, 90, true);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40});
}

static void make_wrong_file_behind_unsealed(struct pack_rig *p)
{
    make_file(p, 90, true);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40, .unsealed = true});
}

static void make_partly_in_file(struct pack_rig *p)
{
    make_file(p, 60, false);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 90});
    rig_add_active(p, 91);
}

static void make_newest_in_file(struct pack_rig *p)
{
    make_file(p, 60, false);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 90, .unsealed = true});
}

static void make_holes(struct pack_rig *p)
{
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 21, .count = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 10});
    rig_add_active(p, 51);
    rig_write(&p->rig, "outbox", "notes.txt", "x", 1);
    rig_write(&p->rig, "journal", "notes.txt", "x", 1);
}

/* One lost its header, and one all there was. */
static void make_headless(struct pack_rig *p)
{
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40, .group = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 51, .count = 10});
    rig_add_active(p, 61);
    spoil(p, "journal", "0000000000000001.seg", 0, SEGMENT_HEADER_BYTES);
    spoil(p, "journal", "0000000000000029.seg", 0, 900);
}

/* The same, but after the start, which deals with it otherwise. */
static void make_small(struct pack_rig *p)
{
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 40, .group = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 41, .count = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 51, .count = 10});
    rig_add_active(p, 61);
}

static void lose_headers(struct pack_rig *p)
{
    spoil(p, "journal", "0000000000000001.seg", 0, SEGMENT_HEADER_BYTES);
    spoil(p, "journal", "0000000000000029.seg", 0, 900);
}

/* The newest one holds frames of which none vouches for another: only how many readings they seem to hold
 * can be said. */
static void make_shreds(struct pack_rig *p)
{
    uint8_t bytes[8192];
    char path[512];
    size_t size;
    FILE *f;

    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 10});
    rig_add_segment(p, (struct rig_segment){.first_seq = 11, .count = 40, .unsealed = true});
    spoil(p, "journal", "000000000000000b.seg", 0, SEGMENT_HEADER_BYTES);
    (void)snprintf(path, sizeof(path), "%s/journal/%016x.seg", p->rig.path, 11);
    f = fopen(path, "r+b");
    assert_non_null(f);
    size = fread(bytes, 1, sizeof(bytes), f);
    assert_in_range(size, SEGMENT_HEADER_BYTES + SEGMENT_FRAME_BYTES, sizeof(bytes) - 1);
    for (size_t at = SEGMENT_HEADER_BYTES; at + SEGMENT_FRAME_BYTES <= size;) {
        uint32_t len, checksum = (uint32_t)(at * UINT32_C(2654435761));

        memcpy(&len, bytes + at + 4, sizeof(len));
        memcpy(bytes + at + 28, &checksum, sizeof(checksum));
        at += segment_frame_size(len);
    }
    rewind(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static const struct scene hard_scenes[] = {
    {"wrong file", make_wrong_file, 1, -1, 40, false, NULL, false},
    {"wrong file behind all", make_wrong_file_behind_all, 1, -1, 50, false, NULL, false},
    {"wrong file behind unsealed", make_wrong_file_behind_unsealed, 1, -1, 50, false, NULL, false},
    {"partly in a file", make_partly_in_file, 1, -1, 30, false, NULL, false},
    {"newest partly in a file", make_newest_in_file, 1, -1, 30, false, NULL, false},
    {"holes and strangers", make_holes, 1, -1, 20, false, NULL, false},
    {"without headers", make_headless, 1, -1, 10, false, NULL, false},
    {"shreds", make_shreds, 1, -1, 40, false, NULL, true},
    {"headers lost later", make_small, 1, -1, 10, false, lose_headers, false},
    {"at the limit", make_plain, 1, -1, 0, true, NULL, false},
};
#define HARD_SCENES (sizeof(hard_scenes) / sizeof(hard_scenes[0]))

/* After the trouble: a start without any, twice (the second closes what the first made newest). */
/* `gaps`: no more may be lost than that; NULL: any that is told. */
static void settle(
    struct pack_rig *p, const struct pack_options *options, const char *where, const uint64_t *gaps)
{
    struct verdict v;

    crash_arm(FAULT_NONE, 0, 0);
    crash.before = NULL;
    if (!live(p, options, -1))
        fail_msg("%s: does not start again: %s", where, p->rig.err.text);
    if (p->recovery.next_seq < p->next_seq)
        fail_msg("%s: number %" PRIu64 " again", where, p->recovery.next_seq);
    rig_add_active(p, p->recovery.next_seq);
    if (!live(p, options, -1))
        fail_msg("%s: does not start a second time: %s", where, p->rig.err.text);
    v = rig_judge(p);
    if (v.lost || v.both || p->twice || p->altered || p->overlaps)
        fail_msg("%s: lost %" PRIu64 ", twice %" PRIu64 ", altered %" PRIu64 ", overlaps %" PRIu64
                 ", arrived and counted as lost %" PRIu64,
            where, v.lost, p->twice, p->altered, p->overlaps, v.both);
    if (gaps && v.gaps != *gaps)
        fail_msg("%s: %" PRIu64 " readings told as lost", where, v.gaps);
    if (rig_count(&p->rig, "outbox") > 1) /* the reserve */
        fail_msg("%s: files left in the outbox", where);
}

struct trouble {
    enum fault_mode mode;
    int error;
    bool power, ship;
    bool kill_first; /* the first stop is no power cut: what is not synced is still in memory */
    long second;     /* the next start stops at this call too; 0: it does not */
};

/* False: the run ended before call `at`. */
static bool try_at(const struct scene *scene, const struct trouble *t, long at)
{
    struct pack_options options = pack_rig_options();
    struct pack_rig p;
    char where[200];
    int base = first_fd();
    bool fired;

    (void)snprintf(where, sizeof(where),
        "%s, mode %d, errno %d, power %d, ship %d, call %ld, then %ld", scene->name, t->mode,
        t->error, t->power, t->ship, at, t->second);
    options.merge_bytes = scene->merge_bytes;
    options.drop_oldest = scene->drop;
    pack_rig_init(&p, 1000, 7);
    crash_begin(p.rig.path);
    scene->make(&p);
    crash_forget(); /* all of it is on the disk */
    crash.before = t->ship ? ship_now : NULL;
    crash_arm(t->mode, at, t->error);
    meanwhile = scene->meanwhile;
    (void)live(&p, &options, scene->back);
    meanwhile = NULL;
    fired = crash.fired;
    crash_close_all(base);
    if (t->power && !t->kill_first)
        crash_take_back();
    if (fired && t->second) {
        crash_arm(t->mode, t->second, t->error);
        (void)live(&p, &options, scene->back < 0 ? -1 : 0);
        fired = crash.fired;
        crash_close_all(base);
        if (t->power)
            crash_take_back();
    }
    options.drop_oldest = false;
    settle(&p, &options, where, t->mode == FAULT_STOP ? &scene->gaps : NULL);
    crash_end();
    pack_rig_done(&p);
    return fired;
}

static void try_all(const struct scene *scene, const struct trouble *t, long step)
{
    long at = 1;

    while (try_at(scene, t, at))
        at += step;
    assert_true(at > 20); /* else nothing has been tried */
}

static void each_call_fails_once(void **unused)
{
    static const int errors[] = {EIO, ENOSPC};

    (void)unused;
    for (size_t s = 0; s < SCENES; s++) {
        for (size_t e = 0; e < 2; e++)
            try_all(&scenes[s], &(struct trouble){.mode = FAULT_ONCE, .error = errors[e]}, 1);
    }
}

static void each_call_fails_from_then_on(void **unused)
{
    static const int errors[] = {EIO, ENOSPC};

    (void)unused;
    for (size_t s = 0; s < SCENES; s++) {
        for (size_t e = 0; e < 2; e++)
            try_all(&scenes[s], &(struct trouble){.mode = FAULT_EVER, .error = errors[e]}, 1);
    }
}

static void each_call_of_a_hard_state_fails(void **unused)
{
    static const int errors[] = {EIO, ENOSPC};

    (void)unused;
    for (size_t s = 0; s < HARD_SCENES; s++) {
        for (size_t e = 0; e < 2 && !hard_scenes[s].stops; e++) {
            try_all(&hard_scenes[s], &(struct trouble){.mode = FAULT_ONCE, .error = errors[e]}, 1);
            try_all(&hard_scenes[s], &(struct trouble){.mode = FAULT_EVER, .error = errors[e]}, 1);
        }
        /* How much is dropped, and whether headers are lost, depends on when it stops. */
        if (hard_scenes[s].drop || hard_scenes[s].meanwhile)
            continue;
        try_all(&hard_scenes[s], &(struct trouble){.mode = FAULT_STOP, .error = EIO}, 1);
        try_all(
            &hard_scenes[s], &(struct trouble){.mode = FAULT_STOP, .error = EIO, .power = true}, 1);
    }
}

static void the_process_stops_at_each_call(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < SCENES; s++) {
        try_all(&scenes[s], &(struct trouble){.mode = FAULT_STOP, .error = EIO}, 1);
        try_all(&scenes[s], &(struct trouble){.mode = FAULT_STOP, .error = EIO, .ship = true}, 1);
    }
}

static void the_power_fails_at_each_call(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < SCENES; s++) {
        struct trouble t = {.mode = FAULT_STOP, .error = EIO, .power = true};

        try_all(&scenes[s], &t, 1);
        t.ship = true; /* and whatever could be seen meanwhile had been sent and deleted */
        try_all(&scenes[s], &t, 1);
    }
}

/* The recovery after a stop is stopped in turn. */
static void recovery_is_stopped_at_each_call(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < SCENES; s++) {
        for (int how = 0; how < 3; how++) {
            for (long second = 1; second < 120; second += 7) {
                struct trouble t = {.mode = FAULT_STOP,
                    .error = EIO,
                    .power = how > 0,
                    .kill_first = how > 1,
                    .ship = true,
                    .second = second};

                for (long at = 1 + second % 13; try_at(&scenes[s], &t, at); at += 13)
                    continue;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_once),
        cmocka_unit_test(each_call_fails_from_then_on),
        cmocka_unit_test(each_call_of_a_hard_state_fails),
        cmocka_unit_test(the_process_stops_at_each_call),
        cmocka_unit_test(the_power_fails_at_each_call),
        cmocka_unit_test(recovery_is_stopped_at_each_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
