/* Every disk call of a load fails once: whatever it was, nothing is lost or doubled by the runs after it.
 *
 * wrap: write fsync fdatasync linkat renameat mkdirat unlinkat */
#include "../delta_kit.h"

#include <errno.h>

#include "emulator/loader.h"

static long calls, fail_at; /* 0: none fails */

static bool fails(void)
{
    return ++calls == fail_at;
}

#define REAL(name) __real_##name
#define WRAP(type, name, params, args)                                                             \
    type REAL(name) params;                                                                        \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        if (fails()) {                                                                             \
            errno = EIO;                                                                           \
            return -1;                                                                             \
        }                                                                                          \
        return REAL(name) args;                                                                    \
    }

WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
WRAP(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(int, mkdirat, (int a, const char *b, mode_t c), (a, b, c))
WRAP(int, unlinkat, (int a, const char *b, int c), (a, b, c))

static char source[] = KIT_DATA "/";

static bool load(struct loader_job *job, bool copy, struct err *err)
{
    struct loader_stream stream = {
        .source = KIT_DATA, .checkpoint = "/Volumes/main/raw/land/checkpoints", .batch_files = 1};
    struct stmt statement = {.kind = STMT_COPY_INTO, .text = source, .format = "PARQUET"};
    struct loader_result result;

    return copy ? loader_copy(job, &statement, &result, err)
                : loader_auto(job, &stream, &result, err);
}

/* False: no call was left to fail. */
static bool one_failure(long nth, bool copy)
{
    struct err err = {0};
    struct loader_job job;
    struct store *store;
    struct kit kit;
    bool failed;

    fail_at = 0;
    kit_start(&kit);
    kit_table(&kit);
    kit_write_rows(&kit, KIT_DATA "/a.parquet", 10, 0);
    kit_write_rows(&kit, KIT_DATA "/b.parquet", 7, 0);
    store = store_open(kit.root, false, &err);
    assert_non_null(store);
    job = (struct loader_job){
        .store = store, .root = kit.dirfd, .table_path = KIT_TABLE, .time_scale = 1};
    calls = 0;
    fail_at = nth;
    (void)load(&job, copy, &err); /* true when the call did not matter: a file to be cleaned */
    failed = calls >= nth;
    fail_at = 0;
    if (kit_rows(&kit) > 17)
        fail_msg("call %ld: %llu rows", nth, (unsigned long long)kit_rows(&kit));
    kit_write_rows(&kit, KIT_DATA "/c.parquet", 5, 0);
    for (int i = 0; i < 2; i++) {
        if (!load(&job, copy, &err))
            fail_msg("call %ld: %s", nth, err.text);
    }
    if (kit_rows(&kit) != 22)
        fail_msg("call %ld: %llu rows in the end", nth, (unsigned long long)kit_rows(&kit));
    store_close(store);
    kit_end(&kit);
    return failed;
}

static void walk(bool copy, long least)
{
    long nth = 1;

    while (one_failure(nth, copy))
        nth++;
    assert_true(nth > least); /* it did fail, many times */
}

static void auto_loader_recovers_from_every_failure(void **state)
{
    (void)state;
    walk(false, 40);
}

static void copy_into_recovers_from_every_failure(void **state)
{
    (void)state;
    walk(true, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_loader_recovers_from_every_failure),
        cmocka_unit_test(copy_into_recovers_from_every_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
