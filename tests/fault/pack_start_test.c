/* A start after a kill: nothing is relied on, and nothing deleted, that only memory holds.
 * wrap: fsync unlinkat */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "pack/pack.h"

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);

static char calls[16384];

static void note(const char *what, const char *name)
{
    size_t at = strlen(calls);

    (void)snprintf(calls + at, sizeof(calls) - at, "%s %s\n", what, name);
}

int __wrap_fsync(int fd)
{
    char link[64], path[512];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    note("sync", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    return __real_fsync(fd);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
    note("delete", name);
    return __real_unlinkat(fd, name, flags);
}

/* Where a call stands; a missing one fails. */
static const char *at(const char *call)
{
    const char *found = strstr(calls, call);

    if (!found)
        fail_msg("no '%s' in\n%s", call, calls);
    return found;
}

static void start(const char *dir)
{
    struct pack_recovery recovery;
    struct limits limits;
    struct state state;
    struct gaps *gaps;
    struct err err;
    bool busy;

    assert_true(state_open(&state, dir, true, &busy, &err));
    assert_true(limits_init(&limits, &state, UINT64_C(1) << 40, 1, &err));
    calls[0] = '\0';
    gaps = gaps_open(&state, &limits, &err);
    assert_non_null(gaps);
    assert_true(pack_recover(&state, &limits, gaps, &recovery, &err));
    gaps_close(gaps);
    state_close(&state);
}

static void what_is_relied_on_is_synced_first(void **state)
{
    static const char *const first[] = {"sync gaps.log\n", "sync refused\n", "sync quarantine\n"};
    char dir[] = "pack-start-test.XXXXXX", name[64], command[128];

    (void)state;
    assert_non_null(mkdtemp(dir));
    start(dir);
    start(dir); /* the second one finds everything there */
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        assert_true(at(first[i]) < at("sync outbox\n"));
        assert_true(at(first[i]) < at("sync journal\n"));
    }
    (void)snprintf(name, sizeof(name), "sync %s\n", dir); /* the name of gaps.log */
    assert_true(at(name) < at("sync outbox\n"));
    if (strstr(calls, "delete "))
        assert_true(at("sync outbox\n") < at("delete "));
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_relied_on_is_synced_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
