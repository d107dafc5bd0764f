/* when_full = drop_oldest, killed on entering each of its disk calls in turn: after the next start no reading counts
 * as dropped that arrives, and none is missing that does not count.
 * wrap: pwrite64 fsync unlinkat fallocate64 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "pack_rig.h"

#define SEGMENTS 12U
#define KILLED 77

static int left = -1; /* calls until the end; below 0: for ever */

static void call(void)
{
    if (left >= 0 && left-- == 0)
        _exit(KILLED);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __real_fallocate64(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t len);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    call();
    return __real_pwrite64(fd, data, len, at);
}

int __wrap_fsync(int fd)
{
    call();
    return __real_fsync(fd);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
    call();
    return __real_unlinkat(dir, name, flags);
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t len)
{
    call();
    return __real_fallocate64(fd, mode, at, len);
}

static struct pack_options options(bool drop)
{
    struct pack_options o = pack_rig_options();

    o.drop_oldest = drop;
    o.segment_bytes = 1000;
    return o;
}

/* In a child: drops until a call ends it, or down to 80 %. */
static void drop_some(struct pack_rig *p, int calls)
{
    struct pack_options o = options(true);
    enum pack_result result = PACK_CLEANED;
    struct pack_done done;
    struct pack *pack;

    if (!pack_rig_start(p))
        _exit(1);
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &o, &p->rig.err);
    if (!pack || !outbox_make_reserve(&p->rig.box, 1250, &p->rig.err) ||
        !journal_make_spare(&p->rig.state, &p->rig.limits, o.segment_bytes, &p->rig.err))
        _exit(1);
    p->rig.limits.state_bytes_max = limits_used(&p->rig.limits);
    left = calls;
    while (result == PACK_CLEANED) {
        if (!pack_step(pack, false, &result, &done, &p->rig.err))
            _exit(1);
    }
    _exit(0);
}

static void judge(struct pack_rig *p, int calls)
{
    struct pack_options o = options(false);
    enum pack_result result = PACK_FILE;
    struct pack_done done;
    struct verdict v;
    struct pack *pack;

    if (!pack_rig_start(p))
        fail_msg("after %d calls: %s", calls, p->rig.err.text);
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &o, &p->rig.err);
    assert_non_null(pack);
    while (result != PACK_NOTHING) {
        if (!pack_step(pack, true, &result, &done, &p->rig.err))
            fail_msg("after %d calls: %s", calls, p->rig.err.text);
    }
    (void)rig_ship(p);
    v = rig_judge(p);
    if (v.lost || v.both || p->twice || p->altered)
        fail_msg("killed after %d calls: lost %llu, both %llu, twice %llu", calls,
            (unsigned long long)v.lost, (unsigned long long)v.both, (unsigned long long)p->twice);
    assert_int_equal(v.gaps % 50, 0);
    pack_free(pack);
    pack_rig_stop(p);
}

static void each_call_of_a_drop_may_be_the_last(void **state)
{
    int killed = 1, calls = 0;

    (void)state;
    for (; killed; calls++) {
        struct pack_rig p;
        int status;
        pid_t child;

        pack_rig_init(&p, 5000, 3);
        rig_make_dirs(&p);
        for (unsigned i = 0; i < SEGMENTS; i++)
            rig_add_segment(&p, (struct rig_segment){.first_seq = p.next_seq, .count = 50});
        rig_add_active(&p, p.next_seq);
        (void)fflush(NULL);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            drop_some(&p, calls);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED);
        killed = WEXITSTATUS(status) == KILLED;
        judge(&p, calls);
        pack_rig_done(&p);
    }
    printf("%d calls\n", calls);
    assert_true(calls > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_of_a_drop_may_be_the_last)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
