/* The pack loop on a disk that fails: what it says, and that it goes on.
 *
 * wrap: fsync openat64 log_event */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "base/log.h"
#include "commands/pipeline.h"
#include "pack_rig.h"

static atomic_int bad_syncs, bad_lists; /* of pack.tmp; of a directory: so many fail */

static struct {
    pthread_mutex_t lock;
    unsigned again, waits, goes_on, broken;
    char why[400], what_to_do[400]; /* of the last again, the last wait */
} said = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool hit(atomic_int *left)
{
    if (atomic_load(left) == 0)
        return false;
    atomic_fetch_sub(left, 1);
    errno = EIO;
    return true;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat64(int dir, const char *name, int flags, ...);
void __real_log_event(enum log_level level, const char *event, const struct log_field *fields);
void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields);

int __wrap_fsync(int fd)
{
    char link[64], path[300] = "";

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    (void)!readlink(link, path, sizeof(path) - 1);
    return strstr(path, OUTBOX_TEMP) && hit(&bad_syncs) ? -1 : __real_fsync(fd);
}

int __wrap_openat64(int dir, const char *name, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & O_CREAT)
        mode = va_arg(args, mode_t);
    va_end(args);
    return strcmp(name, ".") == 0 && hit(&bad_lists) ? -1 : __real_openat64(dir, name, flags, mode);
}

static const char *field(const struct log_field *fields, const char *key)
{
    for (; fields->kind != LOG_END; fields++) {
        if (strcmp(fields->key, key) == 0)
            return fields->text;
    }
    return "";
}

void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    (void)pthread_mutex_lock(&said.lock);
    if (strcmp(event, "packed_again") == 0) {
        assert_int_equal(level, LOG_LEVEL_WARN);
        said.again++;
        (void)snprintf(said.why, sizeof(said.why), "%s", field(fields, "why"));
        assert_true(strlen(field(fields, "do")) > 0);
    } else if (strcmp(event, "pack_waits") == 0) {
        said.waits++;
        (void)snprintf(said.what_to_do, sizeof(said.what_to_do), "%s", field(fields, "do"));
    }
    said.goes_on += strcmp(event, "pack_goes_on") == 0;
    said.broken += strcmp(event, "broken") == 0;
    (void)pthread_mutex_unlock(&said.lock);
    __real_log_event(level, event, fields);
}

static struct run {
    struct pack_rig p;
    struct settings settings;
    struct counters counters;
    struct pipeline pipeline;
} r;

/* Intake has ended, so the loop ends when all that is closed is packed. */
static void begin(unsigned segments)
{
    memset(&r, 0, sizeof(r));
    said.again = said.waits = said.goes_on = said.broken = 0;
    pack_rig_init(&r.p, 1000, 3);
    rig_make_dirs(&r.p);
    for (unsigned i = 0; i < segments; i++)
        rig_add_segment(&r.p, (struct rig_segment){.first_seq = r.p.next_seq, .count = 50});
    rig_add_active(&r.p, r.p.next_seq);
    if (!pack_rig_start(&r.p))
        fail_msg("%s", r.p.rig.err.text);
    r.settings =
        (struct settings){.merge_bytes = 1 << 20, .segment_bytes = 65536, .upload_parallel = 4};
    assert_true(pipeline_init(&r.pipeline, &r.p.rig.err));
    counters_init(&r.counters);
    r.pipeline.settings = &r.settings;
    r.pipeline.state = &r.p.rig.state;
    r.pipeline.limits = &r.p.rig.limits;
    r.pipeline.gaps = r.p.gaps;
    r.pipeline.counters = &r.counters;
    atomic_store(&r.pipeline.intake_ended, true);
}

static void end(void)
{
    pipeline_done(&r.pipeline);
    if (r.p.gaps)
        pack_rig_stop(&r.p);
    pack_rig_done(&r.p);
}

static void a_file_made_anew_is_told_once(void **state)
{
    (void)state;
    begin(3);
    atomic_store(&bad_syncs, 1);
    (void)pack_loop(&r.pipeline);
    assert_int_equal(atomic_load(&bad_syncs), 0);
    assert_int_equal(said.again, 1);
    assert_non_null(strstr(said.why, "Input/output error"));
    assert_int_equal(said.waits + said.broken, 0);
    assert_int_equal(counter_get(&r.counters.packed_files), 1);
    assert_false(atomic_load(&r.pipeline.broken));
    end();
}

static void a_second_failure_is_the_end(void **state)
{
    (void)state;
    begin(3);
    atomic_store(&bad_syncs, 2);
    (void)pack_loop(&r.pipeline);
    assert_int_equal(said.again, 1);
    assert_int_equal(said.broken, 1);
    assert_true(atomic_load(&r.pipeline.broken));
    end();
}

static void a_disk_that_does_not_read_is_not_called_full(void **state)
{
    (void)state;
    begin(2);
    atomic_store(&bad_lists, 1);
    (void)pack_loop(&r.pipeline);
    assert_int_equal(atomic_load(&bad_lists), 0);
    assert_int_equal(said.waits, 1);
    assert_int_equal(said.goes_on, 1);
    assert_non_null(strstr(said.what_to_do, "Check the disk"));
    assert_null(strstr(said.what_to_do, "space"));
    assert_int_equal(counter_get(&r.counters.packed_files), 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_made_anew_is_told_once),
        cmocka_unit_test(a_second_failure_is_the_end),
        cmocka_unit_test(a_disk_that_does_not_read_is_not_called_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
