/* A gap that could not be written does not count, and the loss must not happen.
 *
 * wrap: pwrite64 fsync ftruncate64
 */
#include "state_kit.h"

#include <errno.h>

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);

static int write_code, sync_code, truncate_code; /* 0: works */

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    if (!write_code)
        return __real_pwrite64(fd, data, len, at);
    (void)!__real_pwrite64(fd, data, len / 2, at);
    errno = write_code;
    return -1;
}

int __wrap_fsync(int fd)
{
    errno = sync_code;
    return sync_code ? -1 : __real_fsync(fd);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    errno = truncate_code;
    return truncate_code ? -1 : __real_ftruncate64(fd, len);
}

static const struct gap first = {.from_seq = 1, .to_seq = 5, .readings = 5, .reason = GAP_TORN};
static const struct gap second = {.from_seq = 7, .to_seq = 7, .readings = 1, .reason = GAP_TORN};

static void check_reopened(struct kit *k, struct gaps *g, uint64_t count)
{
    write_code = sync_code = truncate_code = 0;
    gaps_close(g);
    g = gaps_open(&k->st, &k->limits, &k->err);
    assert_non_null(g);
    assert_int_equal(gaps_count(g), count);
    gaps_close(g);
    state_close(&k->st);
    kit_free(k);
}

static struct gaps *begin(struct kit *k)
{
    struct gaps *g;

    kit_new(k);
    kit_open(k);
    g = gaps_open(&k->st, &k->limits, &k->err);
    assert_non_null(g);
    return g;
}

static void full_is_weather(void **state)
{
    struct kit k;
    struct gaps *g = begin(&k);

    (void)state;
    write_code = ENOSPC;
    kit_fails(&k, gaps_write(g, &first, &k.err), ERR_FULL);
    assert_int_equal(gaps_count(g), 0);
    write_code = 0;
    kit_ok(&k, gaps_write(g, &second, &k.err));
    kit_ok(&k, gaps_write(g, &first, &k.err));
    assert_int_equal(gaps_readings(g), 6);
    check_reopened(&k, g, 2);
}

static void half_a_line_that_stays_is_the_end(void **state)
{
    struct kit k;
    struct gaps *g = begin(&k);

    (void)state;
    write_code = ENOSPC;
    truncate_code = EIO;
    kit_fails(&k, gaps_write(g, &first, &k.err), ERR_FULL);
    write_code = truncate_code = 0;
    kit_fails(&k, gaps_write(g, &second, &k.err), ERR_BROKEN);
    check_reopened(&k, g, 0);
}

/* Never a second sync of the same file: it would say yes. */
static void a_failed_sync_is_the_end(void **state)
{
    struct kit k;
    struct gaps *g = begin(&k);

    (void)state;
    kit_ok(&k, gaps_write(g, &first, &k.err));
    sync_code = EIO;
    kit_fails(&k, gaps_write(g, &second, &k.err), ERR_BROKEN);
    sync_code = 0;
    kit_fails(&k, gaps_write(g, &second, &k.err), ERR_BROKEN);
    assert_int_equal(gaps_count(g), 1);
    kit_ok(&k, gaps_write(g, &first, &k.err)); /* known: nothing to write */
    gaps_close(g);
    state_close(&k.st);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_is_weather),
        cmocka_unit_test(half_a_line_that_stays_is_the_end),
        cmocka_unit_test(a_failed_sync_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
