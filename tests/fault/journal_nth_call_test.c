/* Every disk call and every allocation of a run fails once, and from then on for ever, with each
 * error it may have; writes come short, calls are interrupted. Whatever was reported durable is
 * found by the next start, nothing twice.
 *
 * A failed sync also loses what it was meant to save, as Linux does (durability.md 8).
 *
 * wrap: write pwrite64 pread64 fdatasync fsync renameat unlinkat ftruncate64 fallocate64
 * wrap: openat64 close malloc calloc realloc
 */
#include "journal_kit.h"

#include <errno.h>
#include <limits.h>

enum call {
    CALL_WRITE = 1,
    CALL_READ,
    CALL_SYNC,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_TRUNCATE,
    CALL_ALLOCATE,
    CALL_OPEN,
    CALL_CLOSE,
    CALL_MEMORY,
};

/* The fault: call number `at` of those counted; short: half a write gets in, and it says so. */
static struct {
    bool armed, for_ever, is_short;
    int code;
    unsigned at, count, hits;
} fault;

/* What was written and not synced, to be lost by a failed sync. */
#define DIRTY_MAX 4096
static struct {
    int fd;
    off_t at;
    size_t len;
} dirty[DIRTY_MAX];
static size_t dirty_count;

/* EINTR for ever is no fault but a broken machine; it, ENOSPC and ENOMEM belong to some calls. */
static bool fits(enum call call)
{
    switch (fault.code) {
    case EINTR:
        return call == CALL_WRITE || call == CALL_READ || call == CALL_SYNC || call == CALL_OPEN ||
               call == CALL_TRUNCATE || call == CALL_ALLOCATE || call == CALL_CLOSE;
    case ENOSPC:
        return call == CALL_WRITE || call == CALL_SYNC || call == CALL_OPEN ||
               call == CALL_ALLOCATE || call == CALL_RENAME || call == CALL_CLOSE;
    case ENOMEM:
        return call == CALL_MEMORY;
    default:
        return call != CALL_MEMORY;
    }
}

static bool hit(enum call call)
{
    if (!fault.armed || (fault.is_short ? call != CALL_WRITE : !fits(call)))
        return false;
    fault.count++;
    if (fault.for_ever ? fault.count < fault.at : fault.count != fault.at)
        return false;
    fault.hits++;
    errno = fault.code;
    return true;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
int __real_fallocate64(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t len);
int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static void note_dirty(int fd, off_t at, size_t len)
{
    if (!fault.armed || dirty_count == DIRTY_MAX)
        return;
    dirty[dirty_count].fd = fd;
    dirty[dirty_count].at = at;
    dirty[dirty_count++].len = len;
}

static void forget_dirty(int fd, bool lose)
{
    static const char zeros[65536];
    size_t kept = 0;

    for (size_t i = 0; i < dirty_count; i++) {
        if (dirty[i].fd != fd) {
            dirty[kept++] = dirty[i];
            continue;
        }
        if (lose && dirty[i].len <= sizeof(zeros))
            (void)!__real_pwrite64(fd, zeros, dirty[i].len, dirty[i].at);
    }
    dirty_count = kept;
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (hit(CALL_WRITE)) {
        if (fault.is_short && len > 1)
            return __real_write(fd, data, len / 2);
        if (!fault.is_short)
            return -1;
    }
    note_dirty(fd, at, len);
    return __real_write(fd, data, len);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    if (hit(CALL_WRITE)) {
        if (fault.is_short && len > 1)
            return __real_pwrite64(fd, data, len / 2, at);
        if (!fault.is_short) { /* some of it may be there all the same */
            if (fault.code != EINTR)
                (void)!__real_pwrite64(fd, data, len / 16 * 8, at);
            errno = fault.code;
            return -1;
        }
    }
    note_dirty(fd, at, len);
    return __real_pwrite64(fd, data, len, at);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    return hit(CALL_READ) ? -1 : __real_pread64(fd, data, len, at);
}

static int sync_call(int fd, int (*real)(int))
{
    if (!hit(CALL_SYNC)) {
        forget_dirty(fd, false);
        return real(fd);
    }
    if (fault.code != EINTR)
        forget_dirty(fd, true);
    errno = fault.code;
    return -1;
}

int __wrap_fdatasync(int fd)
{
    return sync_call(fd, __real_fdatasync);
}

int __wrap_fsync(int fd)
{
    return sync_call(fd, __real_fsync);
}

int __wrap_renameat(int from, const char *a, int to, const char *b)
{
    return hit(CALL_RENAME) ? -1 : __real_renameat(from, a, to, b);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    return hit(CALL_UNLINK) ? -1 : __real_unlinkat(dir, name, flags);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return hit(CALL_TRUNCATE) ? -1 : __real_ftruncate64(fd, len);
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t len)
{
    return hit(CALL_ALLOCATE) ? -1 : __real_fallocate64(fd, mode, at, len);
}

int __wrap_openat64(int dir, const char *name, int flags, ...)
{
    return hit(CALL_OPEN) ? -1 : __real_openat64(dir, name, flags, 0600);
}

/* It is closed in any case. */
int __wrap_close(int fd)
{
    int n;

    forget_dirty(fd, false);
    n = __real_close(fd);
    return hit(CALL_CLOSE) ? -1 : n;
}

void *__wrap_malloc(size_t size)
{
    return hit(CALL_MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return hit(CALL_MEMORY) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return hit(CALL_MEMORY) ? NULL : __real_realloc(old, size);
}

/* --- the run --- */

/* After ERR_FULL the same again, once: the weather may be better. */
static bool again(struct kit *k, bool done)
{
    return done || k->err.kind == ERR_FULL;
}

static bool feed(struct kit *k, size_t count)
{
    struct err err;

    if (!kit_try_append(k, count)) {
        if (k->err.kind != ERR_FULL)
            return false;
        (void)!kit_try_append(k, count);
    }
    k->mono_us += 60000;
    if (!journal_tick(k->j, false, k->mono_us, &err) && err.kind == ERR_BROKEN)
        return false;
    return true;
}

/* Two lives: the first leaves an unsealed segment. Returns what had been promised at the end. */
static uint64_t run(struct kit *k, uint64_t *promised)
{
    for (int life = 0; life < 2; life++) {
        bool ok = kit_try_start(k);

        for (size_t i = 1; ok && i <= 4; i++) {
            ok = feed(k, 5 * i);
            *promised = journal_counters(k->j)->durable_seq;
            if (ok && i == 2)
                ok = again(k, journal_roll(k->j, k->mono_us, &k->err));
            if (ok && i == 3)
                ok = again(k, journal_make_spare(&k->st, &k->limits, 1 << 20, &k->err));
            if (ok && i == 3)
                ok = again(k, journal_link(k->j, true, 1, 0, k->mono_us, &k->err));
            *promised = journal_counters(k->j)->durable_seq;
        }
        if (k->j) { /* it dies: the group in memory is forgotten */
            buf_reset(&k->j->group);
            *promised = journal_counters(k->j)->durable_seq;
        }
        kit_stop(k);
    }
    return *promised;
}

static void next_start_finds_all(struct kit *k, uint64_t promised)
{
    uint64_t before;

    kit_ok(k, kit_try_recover(k));
    before = k->rec.next_seq;
    assert_true(before > promised);
    kit_check_durable(k, promised);
    assert_int_equal(gaps_promised_readings(k->gaps), 0);
    kit_stop(k);
    kit_start(k);
    assert_int_equal(k->rec.next_seq, before);
    kit_append(k, 5);
    kit_commit(k);
    kit_check_durable(k, promised);
    kit_stop(k);
}

static bool trying; /* a point */

/* FAULT=code:for_ever:is_short:call is that point alone, as a failure prints it. True: this is not one of its kind. */
static bool is_elsewhere(int code, bool for_ever, bool is_short, unsigned *ret_at)
{
    const char *wanted = getenv("FAULT");
    int want_code, want_ever, want_short;

    *ret_at = 0;
    if (!wanted)
        return false;
    assert_int_equal(sscanf(wanted, "%d:%d:%d:%u", &want_code, &want_ever, &want_short, ret_at), 4);
    return want_code != code || want_ever != for_ever || want_short != is_short;
}

static unsigned fail_at_every_call(int code, bool for_ever, bool is_short)
{
    unsigned n = 0, hits, only;

    if (is_elsewhere(code, for_ever, is_short, &only))
        return UINT_MAX;
    n = only ? only - 1 : 0;
    do {
        struct kit k;
        uint64_t promised = 0;

        trying = true;
        kit_new(&k);
        k.options.segment_bytes = 1 << 16;
        memset(&fault, 0, sizeof(fault));
        dirty_count = 0;
        fault.code = code;
        fault.for_ever = for_ever;
        fault.is_short = is_short;
        fault.at = ++n;
        fault.armed = true;
        (void)run(&k, &promised);
        fault.armed = false;
        hits = fault.hits;
        if (hits == 0)
            assert_int_equal(promised, 100);
        next_start_finds_all(&k, promised);
        kit_free(&k);
        trying = false;
    } while (hits > 0 && !only);
    if (only)
        return UINT_MAX;
    print_message("error %d%s%s: %u calls\n", code, for_ever ? " for ever" : "",
        is_short ? " short" : "", n - 1);
    return n - 1;
}

static int tell_the_point(void **state)
{
    (void)state;
    if (trying)
        print_error("again: FAULT=%d:%d:%d:%u tests/journal_nth_call_test\n", fault.code,
            fault.for_ever, fault.is_short, fault.at);
    trying = false;
    fault.armed = false;
    return 0;
}

static void any_call_may_fail_once(void **state)
{
    (void)state;
    assert_true(fail_at_every_call(EIO, false, false) > 100);
    assert_true(fail_at_every_call(ENOSPC, false, false) > 50);
    assert_true(fail_at_every_call(EINTR, false, false) > 50);
    assert_true(fail_at_every_call(ENOMEM, false, false) > 20);
    assert_true(fail_at_every_call(0, false, true) > 20);
}

static void any_call_may_fail_for_ever(void **state)
{
    (void)state;
    assert_true(fail_at_every_call(EIO, true, false) > 100);
    assert_true(fail_at_every_call(ENOSPC, true, false) > 50);
    assert_true(fail_at_every_call(ENOMEM, true, false) > 20);
    assert_true(fail_at_every_call(EROFS, true, false) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(any_call_may_fail_once, tell_the_point),
        cmocka_unit_test_teardown(any_call_may_fail_for_ever, tell_the_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
