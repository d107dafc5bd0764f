/* wrap: malloc calloc realloc */
#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long fail_at = -1; /* counts down to the allocation that fails */
static bool failed;

static bool fails(void)
{
    if (fail_at < 0 || fail_at-- > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static char home[64];

/* Loads once, with the nth allocation failing. False: it was not reached. Good settings are never
 * taken wrongly: they are there as set, or the load says no. */
static bool once(long nth)
{
    struct err err = {0};
    struct config *c;

    assert_int_equal(clearenv(), 0);
    assert_int_equal(setenv("HOME", home, 1), 0);
    assert_int_equal(setenv("DATABRICKS_UC_VOLUME", "main.kelvin.raw", 1), 0);
    assert_int_equal(setenv("KELVIN_STREAM_PORT", "1234", 1), 0);
    assert_int_equal(setenv("VOLUME_UPLOADER_COMIT_MS", "1", 1), 0);
    failed = false;
    fail_at = nth;
    c = config_new(CONFIG_RUN, &err);
    if (!c) {
        fail_at = -1;
        assert_int_equal(err.kind, ERR_FULL);
        return failed;
    }
    config_set(c, "batch_size", "77");
    if (config_load(c)) {
        const struct settings *s = config_settings(c);

        fail_at = -1;
        assert_string_equal(s->host, "the-host");
        assert_string_equal(s->volume.catalog, "main");
        assert_string_equal(s->volume.name, "raw");
        assert_int_equal(s->stream_port, 1234);
        assert_int_equal(s->batch_size, 77);
        assert_int_equal(s->auth, AUTH_TYPE_PAT);
        assert_non_null(s->token);
    } else {
        fail_at = -1;
        assert_true(failed);
        assert_non_null(config_problem(c, 0));
    }
    config_free(c);
    return failed;
}

static void each_allocation_may_fail(void **state)
{
    long nth = 0;

    (void)state;
    while (once(nth))
        nth++;
    assert_in_range(nth, 20, 100000);
}

static int make_home(void **state)
{
    static const char text[] = "[DEFAULT]\nhost = the-host\ntoken = t\n";
    struct err err;
    bool ok;
    int fd;

    (void)state;
    (void)str_copy(home, sizeof(home), "/tmp/config_memory_XXXXXX");
    if (!mkdtemp(home) || !file_dir_open(FILE_CWD, home, &fd, &err))
        return -1;
    ok = file_write_whole(fd, ".databrickscfg", text, sizeof(text) - 1, &err);
    file_drop(fd);
    return ok ? 0 : -1;
}

static int drop_home(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/.databrickscfg", home);
    return unlink(path) || rmdir(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, make_home, drop_home);
}
