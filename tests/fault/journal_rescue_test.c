/* A sync that fails: the group goes into a new segment, once (durability.md 8).
 *
 * wrap: fdatasync fsync pwrite64 ftruncate64 write renameat
 */
#include "journal_kit.h"

#include <errno.h>
#include <sys/wait.h>

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

/* How many calls from now on fail; -1: all. */
static struct {
    int fdatasync, fsync, pwrite, ftruncate, write;
    int names; /* of segments: ENOSPC or EDQUOT */
    int code, names_code;
} fail;

static int skip_syncs; /* so many work before one fails */

static bool hit(int *left)
{
    if (*left == 0)
        return false;
    if (*left > 0)
        (*left)--;
    errno = fail.code;
    return true;
}

int __wrap_fdatasync(int fd)
{
    return hit(&fail.fdatasync) ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    if (skip_syncs > 0) {
        skip_syncs--;
        return __real_fsync(fd);
    }
    return hit(&fail.fsync) ? -1 : __real_fsync(fd);
}

/* Half of it gets in. */
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    if (!hit(&fail.pwrite))
        return __real_pwrite64(fd, data, len, at);
    (void)__real_pwrite64(fd, data, len / 16 * 8, at);
    errno = fail.code;
    return -1;
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return hit(&fail.ftruncate) ? -1 : __real_ftruncate64(fd, len);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    return hit(&fail.write) ? -1 : __real_write(fd, data, len);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (strcmp(from, "next.tmp") == 0 && hit(&fail.names)) {
        errno = fail.names_code;
        return -1;
    }
    return __real_renameat(from_dir, from, to_dir, to);
}

static void begin(struct kit *k, int code)
{
    memset(&fail, 0, sizeof(fail));
    skip_syncs = 0;
    kit_new(k);
    kit_start(k);
    fail.code = code;
}

/* After any of these: go on, end, start again, everything is there once. */
static void finish(struct kit *k, uint64_t readings)
{
    memset(&fail, 0, sizeof(fail));
    assert_int_equal(journal_counters(k->j)->received_seq, readings);
    kit_append(k, 7);
    kit_commit(k);
    kit_roll(k);
    kit_append(k, 2);
    kit_stop(k);
    kit_start(k);
    assert_int_equal(k->rec.next_seq, readings + 10);
    assert_int_equal(gaps_count(k->gaps), 0);
    kit_check_durable(k, readings + 9);
    kit_free(k);
}

static void a_failed_sync_is_rescued(void **state)
{
    static const int codes[] = {EIO, ENOSPC, EDQUOT};
    struct kit k;

    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        for (size_t i = 0; i < 3; i++) {
            begin(&k, codes[i]);
            if (durable) { /* else the rescue takes the very name of the old segment */
                kit_append(&k, 10);
                kit_commit(&k);
            }
            kit_append(&k, 20);
            kit_ok(&k, journal_link(k.j, true, 4, 0, k.mono_us, &k.err));
            fail.fdatasync = 1;
            kit_commit(&k);
            assert_int_equal(journal_counters(k.j)->rescues, 1);
            assert_int_equal(journal_counters(k.j)->rescue_why.code, codes[i]);
            assert_int_equal(journal_counters(k.j)->durable_seq, durable ? 30 : 20);
            assert_int_equal(journal_counters(k.j)->segment_first_seq, durable ? 11 : 1);
            finish(&k, durable ? 30 : 20);
        }
    }
}

/* The file has its name only after its sync: so its one group is proved, with nothing behind it. */
static void a_rescued_group_had_been_promised(void **state)
{
    struct kit k;
    struct buf bytes;
    struct kit_frame frames[20];
    struct kit_found found = {.seen = calloc(KIT_SEQ_MAX, 1)};
    static const char name[] = "journal/0000000000000001.seg";

    (void)state;
    assert_non_null(found.seen);
    begin(&k, EIO);
    kit_append(&k, 20);
    fail.fdatasync = 1;
    kit_commit(&k);
    kit_read(&k, name, &bytes);
    for (size_t i = kit_frames(&bytes, frames, 20); i > 0; i--) {
        if (frames[i - 1].frame.type == SEGMENT_ROWS)
            bytes.data[frames[i - 1].offset + 100] ^= 1;
    }
    kit_write(&k, name, bytes.data, bytes.len);
    kit_look_at(k.st.journal, strchr(name, '/') + 1, 0, &found);
    assert_int_equal(found.promised_holes, 1);
    assert_int_equal(found.hole_readings, 20);
    free(found.seen);
    buf_done(&bytes);
    kit_free(&k);
}

static void a_failed_write_is_rescued(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, EIO);
    kit_append(&k, 10);
    kit_commit(&k);
    kit_append(&k, 5);
    fail.pwrite = 1;
    kit_append(&k, 20); /* of the readings */
    assert_int_equal(journal_counters(k.j)->rescues, 1);
    assert_int_equal(journal_counters(k.j)->durable_seq, 35);
    kit_append(&k, 3);
    fail.pwrite = 1;
    kit_commit(&k); /* of the commit frame */
    assert_int_equal(journal_counters(k.j)->rescues, 2);
    finish(&k, 38);
}

/* The rescue cannot help either: never again, and what was durable is still there. */
static void a_failed_rescue_is_the_end(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, EIO);
    kit_append(&k, 10);
    kit_commit(&k);
    kit_append(&k, 20);
    fail.fdatasync = fail.fsync = -1;
    assert_false(journal_commit(k.j, k.mono_us, &k.err));
    assert_int_equal(k.err.kind, ERR_BROKEN);
    assert_int_equal(journal_counters(k.j)->durable_seq, 10);
    memset(&fail, 0, sizeof(fail));
    assert_false(kit_try_append(&k, 1));
    assert_int_equal(k.err.kind, ERR_BROKEN);
    assert_false(journal_tick(k.j, true, k.mono_us, &k.err));
    assert_false(journal_roll(k.j, k.mono_us, &k.err));
    assert_false(journal_link(k.j, true, 1, 0, k.mono_us, &k.err));
    assert_int_equal(journal_next_us(k.j), INT64_MAX);
    kit_stop(&k);
    kit_start(&k);
    kit_check_durable(&k, 10);
    kit_free(&k);
}

/* A full disk takes nothing back and nothing away: the same readings later. */
static void full_takes_nothing(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, ENOSPC);
    kit_append(&k, 10);
    fail.pwrite = 1;
    assert_false(kit_try_append(&k, 20));
    assert_int_equal(k.err.kind, ERR_FULL);
    assert_int_equal(journal_counters(k.j)->received_seq, 10);
    assert_int_equal(limits_check(&k.limits, clock_mono_us()), LIMITS_REACHED);
    kit_append(&k, 4); /* fewer: what was left of the first try must not be found behind them */
    fail.pwrite = 1;
    assert_false(journal_commit(k.j, k.mono_us, &k.err));
    assert_int_equal(k.err.kind, ERR_FULL);
    assert_int_equal(journal_counters(k.j)->durable_seq, 0);
    kit_commit(&k);
    assert_int_equal(journal_counters(k.j)->durable_seq, 14);
    assert_int_equal(journal_counters(k.j)->rescues, 0);
    finish(&k, 14);
}

static void what_cannot_be_cut_off_is_given_up(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, ENOSPC);
    kit_append(&k, 10);
    fail.pwrite = 1;
    fail.ftruncate = 1;
    assert_false(kit_try_append(&k, 20));
    assert_int_equal(k.err.kind, ERR_FULL);
    assert_int_equal(journal_counters(k.j)->received_seq, 10);
    assert_int_equal(journal_counters(k.j)->durable_seq, 10);
    assert_int_equal(journal_counters(k.j)->rescues, 1);
    kit_append(&k, 4);
    finish(&k, 14);
}

/* A tick that met a full disk waits before it tries again. */
static void a_full_disk_is_not_tried_in_a_circle(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, ENOSPC);
    kit_append(&k, 10);
    k.mono_us += 60000;
    fail.pwrite = -1;
    assert_false(journal_tick(k.j, false, k.mono_us, &k.err));
    assert_int_equal(k.err.kind, ERR_FULL);
    assert_int_equal(journal_next_us(k.j), k.mono_us + CLOCK_SECOND_US);
    kit_ok(&k, journal_tick(k.j, false, k.mono_us + 1, &k.err));
    assert_int_equal(journal_counters(k.j)->durable_seq, 0);
    fail.pwrite = 0;
    k.mono_us += CLOCK_SECOND_US;
    kit_ok(&k, journal_tick(k.j, false, k.mono_us, &k.err));
    assert_int_equal(journal_counters(k.j)->durable_seq, 10);
    finish(&k, 10);
}

static void a_failed_seal_loses_nothing(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, EIO);
    kit_append(&k, 10);
    kit_commit(&k);
    fail.ftruncate = 1;
    kit_roll(&k);
    assert_int_equal(journal_counters(k.j)->unsealed, 1);
    assert_int_equal(journal_counters(k.j)->segment_first_seq, 11);
    finish(&k, 10);
}

/* Recovery without room for its copy keeps the original, and is done by the next start. */
static void no_room_for_a_copy_is_no_error(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, ENOSPC);
    kit_append(&k, 10);
    kit_commit(&k);
    kit_append(&k, 5);
    kit_stop(&k);
    fail.write = -1;
    kit_start(&k);
    assert_int_equal(k.rec.kept_unsealed, 1);
    assert_int_equal(k.rec.rewritten, 0);
    assert_int_equal(k.rec.segments, 1);
    assert_int_equal(k.rec.next_seq, 16);
    kit_check_durable(&k, 15);
    kit_append(&k, 5); /* the journal goes on behind it */
    kit_commit(&k);
    kit_stop(&k);
    fail.write = 0;
    kit_start(&k);
    assert_int_equal(k.rec.rewritten, 2);
    assert_int_equal(gaps_count(k.gaps), 0);
    kit_check_durable(&k, 20);
    kit_free(&k);
}

/* The copy must be really on the disk: a sync that fails ends the start, and costs nothing. */
static void a_copy_that_cannot_be_synced_is_not_used(void **state)
{
    struct kit k;

    (void)state;
    for (int at = 0; at < 4; at++) { /* which of the syncs of a recovery */
        bool ok;

        begin(&k, EIO);
        kit_append(&k, 10);
        kit_stop(&k);
        skip_syncs = at;
        fail.fsync = 1;
        ok = kit_try_recover(&k);
        assert_int_equal(ok, fail.fsync == 1); /* 1: it had fewer syncs */
        if (!ok)
            assert_int_equal(k.err.kind, ERR_BROKEN);
        kit_stop(&k);
        memset(&fail, 0, sizeof(fail));
        kit_start(&k);
        kit_check_durable(&k, 10);
        kit_free(&k);
    }
}

/* --- a directory without room for one more name: the segment that should have it is kept --- */

static void no_name(const struct kit *k, bool ok)
{
    assert_false(ok);
    assert_int_equal(k->err.kind, ERR_FULL);
    assert_int_equal(k->err.code, fail.names_code);
    assert_true(journal_counters(k->j)->received_seq >= journal_counters(k->j)->durable_seq);
}

static bool there(const struct kit *k, const char *name)
{
    struct file_info info;
    struct err err;
    bool exists;

    assert_true(file_stat(k->st.journal, name, &exists, &info, &err));
    return exists;
}

static void a_roll_waits_for_its_name(void **state)
{
    static const int codes[] = {ENOSPC, EDQUOT, ENOSPC};
    static const int tries[] = {1, 1, 4};
    struct kit k;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint64_t used, sealed;

        begin(&k, 0);
        kit_append(&k, 10);
        fail.names_code = codes[i];
        fail.names = tries[i];
        no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
        assert_int_equal(limits_check(&k.limits, clock_mono_us()), LIMITS_REACHED);
        assert_int_equal(journal_counters(k.j)->durable_seq, 10);
        used = limits_used(&k.limits);
        sealed = journal_counters(k.j)->written_bytes;
        assert_int_equal(journal_room(k.j), 0); /* nothing goes in, and the table is left alone */
        no_name(&k, kit_try_append(&k, 5));
        no_name(&k, journal_link(k.j, true, 4, 0, k.mono_us, &k.err));
        assert_int_equal(series_count(journal_series(k.j)), 15);
        kit_commit(&k); /* all is durable already */
        for (int n = 1; n < tries[i]; n++) {
            k.mono_us = journal_next_us(k.j);
            no_name(&k, journal_tick(k.j, true, k.mono_us, &k.err));
            assert_int_equal(journal_next_us(k.j), k.mono_us + CLOCK_SECOND_US);
        }
        k.mono_us = journal_next_us(k.j);
        kit_ok(&k, journal_tick(k.j, true, k.mono_us, &k.err));
        assert_int_equal(journal_counters(k.j)->rolls, 1);
        assert_int_equal(journal_counters(k.j)->unsealed, 0);
        assert_int_equal(journal_counters(k.j)->written_bytes, sealed); /* no second seal */
        assert_int_equal(journal_counters(k.j)->segment_first_seq, 11);
        assert_int_equal(limits_used(&k.limits), used);
        assert_false(there(&k, "next.tmp"));
        assert_true(journal_room(k.j) > 0);
        assert_int_equal(series_count(journal_series(k.j)), 0);
        finish(&k, 10);
    }
}

/* The seal had failed as well: it is not tried again, and counted once. */
static void an_unsealed_one_waits_too(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, EIO);
    kit_append(&k, 10);
    kit_commit(&k);
    fail.ftruncate = 1;
    fail.names_code = ENOSPC;
    fail.names = 2;
    no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
    no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
    kit_roll(&k);
    assert_int_equal(journal_counters(k.j)->unsealed, 1);
    finish(&k, 10);
}

/* What the call brought is taken when the rescue waits, and not durable before it has its name. */
static void a_rescue_waits_for_its_name(void **state)
{
    struct kit k;

    (void)state;
    for (int durable = 0; durable < 2; durable++) {
        for (int by_append = 0; by_append < 2; by_append++) {
            uint64_t base = durable ? 10 : 0;

            begin(&k, by_append ? EIO : ENOSPC);
            if (durable) { /* else the rescue takes the very name of the old segment */
                kit_append(&k, 10);
                kit_commit(&k);
            }
            fail.names_code = ENOSPC;
            fail.names = 4 - by_append;
            if (by_append) {
                fail.pwrite = 1;
                kit_append(&k, 20);
            } else {
                kit_append(&k, 20);
                fail.fdatasync = 1;
                no_name(&k, journal_commit(k.j, k.mono_us, &k.err));
            }
            assert_int_equal(journal_counters(k.j)->received_seq, base + 20);
            assert_int_equal(journal_counters(k.j)->durable_seq, base);
            no_name(&k, kit_try_append(&k, 5));
            assert_int_equal(journal_counters(k.j)->received_seq, base + 20);
            no_name(&k, journal_tick(k.j, true, journal_next_us(k.j), &k.err));
            assert_int_equal(journal_counters(k.j)->rescues, 0);
            if (!by_append)
                no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
            assert_int_equal(fail.names, 0);
            kit_append(&k, 5);
            assert_int_equal(journal_counters(k.j)->rescues, 1);
            assert_int_equal(journal_counters(k.j)->rescue_why.code, by_append ? EIO : ENOSPC);
            assert_int_equal(journal_counters(k.j)->durable_seq, base + 20);
            assert_int_equal(journal_counters(k.j)->segment_first_seq, base + 1);
            assert_false(there(&k, "next.tmp"));
            finish(&k, base + 25);
        }
    }
}

/* Of the readings that could not be cut off. */
static void a_segment_given_up_waits_too(void **state)
{
    struct kit k;

    (void)state;
    begin(&k, ENOSPC);
    kit_append(&k, 10);
    fail.pwrite = fail.ftruncate = 1;
    fail.names_code = ENOSPC;
    fail.names = 2;
    no_name(&k, kit_try_append(&k, 20));
    no_name(&k, kit_try_append(&k, 20));
    assert_int_equal(journal_counters(k.j)->received_seq, 10);
    kit_append(&k, 20);
    assert_int_equal(journal_counters(k.j)->durable_seq, 10);
    assert_int_equal(journal_counters(k.j)->rescues, 1);
    finish(&k, 30);
}

/* The rename worked, its sync did not: that is no weather. Nor is a rename that fails otherwise. */
static void only_a_full_disk_is_waited_out(void **state)
{
    struct kit k;

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool rescue = i & 1;

        begin(&k, ENOSPC);
        kit_append(&k, 10);
        kit_commit(&k);
        kit_append(&k, 5);
        if (rescue)
            fail.fdatasync = 1;
        else
            kit_commit(&k);
        fail.names_code = ENOSPC;
        fail.names = 1;
        no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
        if (i < 2) {
            fail.fsync = 1;
        } else {
            fail.names_code = EIO;
            fail.names = 1;
        }
        assert_false(journal_roll(k.j, k.mono_us, &k.err));
        assert_int_equal(k.err.kind, ERR_BROKEN);
        assert_false(journal_roll(k.j, k.mono_us, &k.err));
        assert_int_equal(k.err.kind, ERR_BROKEN);
        kit_stop(&k);
        kit_start(&k);
        kit_check_durable(&k, 10);
        kit_free(&k);
    }
}

/* Closed, or killed, while a name is waited for: all that was durable is there once. */
static void an_end_while_it_waits(void **state)
{
    struct kit k;

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool rescue = i & 1, killed = i & 2;
        pid_t child = 0;
        int status = 0;

        begin(&k, EIO);
        kit_stop(&k);
        fflush(NULL);
        if (killed)
            child = fork();
        assert_true(child >= 0);
        if (!child) {
            kit_start(&k);
            kit_append(&k, 10);
            kit_commit(&k);
            kit_append(&k, 5);
            if (rescue)
                fail.fdatasync = 1;
            fail.names_code = ENOSPC;
            fail.names = -1;
            if (journal_roll(k.j, k.mono_us, &k.err) || k.err.kind != ERR_FULL)
                fail_msg("no wait: %s", k.err.text);
            if (!there(&k, "next.tmp"))
                fail_msg("nothing to wait for");
            if (killed)
                _exit(0);
        } else {
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(status, 0);
        }
        kit_stop(&k);
        memset(&fail, 0, sizeof(fail));
        kit_start(&k);
        assert_false(there(&k, "next.tmp"));
        assert_int_equal(k.rec.next_seq, 16); /* the unsynced five too: they were written */
        assert_int_equal(gaps_count(k.gaps), 0);
        kit_check_durable(&k, 15);
        kit_append(&k, 3);
        kit_roll(&k);
        kit_check_durable(&k, 18);
        kit_free(&k);
    }
}

/* A stop gives the space of the next segment for its name, and still has somewhere to put what it has. */
static void a_stop_makes_room_for_the_name(void **state)
{
    struct kit k;
    uint64_t used, bytes;

    (void)state;
    begin(&k, 0);
    bytes = journal_file_bytes(k.options.segment_bytes);
    kit_append(&k, 10);
    fail.names_code = ENOSPC;
    fail.names = 1;
    no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
    used = limits_used(&k.limits);
    journal_last_call(k.j);
    fail.names = 2; /* room is made, and somebody else takes it */
    no_name(&k, journal_roll(k.j, k.mono_us, &k.err));
    assert_int_equal(fail.names, 0);
    assert_int_equal(limits_used(&k.limits), used - bytes + SEGMENT_HEADER_BYTES);
    fail.names = 1;
    kit_roll(&k);
    assert_true(journal_room(k.j) > 0);
    assert_int_equal(limits_used(&k.limits), used - bytes + SEGMENT_HEADER_BYTES);
    kit_append(&k, 5);
    finish(&k, 15);
}

/* The very first segment: no journal then, and nothing is left in the way of the next try. */
static void a_start_without_room_for_a_name(void **state)
{
    struct kit k;
    uint64_t used;

    (void)state;
    begin(&k, 0);
    kit_append(&k, 10);
    kit_stop(&k);
    kit_ok(&k, kit_try_recover(&k));
    used = limits_used(&k.limits);
    fail.names_code = ENOSPC;
    for (fail.names = 3; fail.names > 0;) {
        k.j = journal_open(&k.st, &k.limits, &k.options, k.rec.next_seq, &k.err);
        assert_null(k.j);
        assert_int_equal(k.err.kind, ERR_FULL);
        assert_false(there(&k, "next.tmp"));
        assert_true(limits_used(&k.limits) <= used);
    }
    k.j = journal_open(&k.st, &k.limits, &k.options, k.rec.next_seq, &k.err);
    assert_non_null(k.j);
    kit_append(&k, 5);
    kit_commit(&k);
    kit_check_durable(&k, 15);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_sync_is_rescued),
        cmocka_unit_test(a_rescued_group_had_been_promised),
        cmocka_unit_test(a_failed_write_is_rescued),
        cmocka_unit_test(a_failed_rescue_is_the_end),
        cmocka_unit_test(full_takes_nothing),
        cmocka_unit_test(what_cannot_be_cut_off_is_given_up),
        cmocka_unit_test(a_full_disk_is_not_tried_in_a_circle),
        cmocka_unit_test(a_failed_seal_loses_nothing),
        cmocka_unit_test(no_room_for_a_copy_is_no_error),
        cmocka_unit_test(a_copy_that_cannot_be_synced_is_not_used),
        cmocka_unit_test(a_roll_waits_for_its_name),
        cmocka_unit_test(an_unsealed_one_waits_too),
        cmocka_unit_test(a_rescue_waits_for_its_name),
        cmocka_unit_test(a_segment_given_up_waits_too),
        cmocka_unit_test(only_a_full_disk_is_waited_out),
        cmocka_unit_test(an_end_while_it_waits),
        cmocka_unit_test(a_stop_makes_room_for_the_name),
        cmocka_unit_test(a_start_without_room_for_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
