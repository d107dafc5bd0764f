/* wrap: write pwrite64 pread64 fsync fdatasync renameat */
#include "base/file.h"

/* With 64-bit offsets the C library calls them pwrite64 and pread64. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What the next calls do: one entry a call; behind the last, `then`. */
enum deed { REAL = 0, SHORT, INTERRUPTED, AGAIN, NO_SPACE, BROKEN, NOTHING };

static enum deed script[16];
static size_t script_at, script_len;
static enum deed then;

static void play(const enum deed *deeds, size_t count)
{
    memcpy(script, deeds, count * sizeof(*deeds));
    script_at = 0;
    script_len = count;
}
#define PLAY(...)                                                                                  \
    play((const enum deed[]){__VA_ARGS__},                                                         \
        sizeof((const enum deed[]){__VA_ARGS__}) / sizeof(enum deed))

static enum deed next_deed(void)
{
    return script_at < script_len ? script[script_at++] : then;
}

/* -1 with errno set, or the length to pass on. */
static ssize_t length_of(size_t len)
{
    switch (next_deed()) {
    case REAL:
        return (ssize_t)len;
    case SHORT:
        return len > 1 ? (ssize_t)(len / 2) : (ssize_t)len;
    case NOTHING:
        return 0;
    case INTERRUPTED:
        errno = EINTR;
        return -1;
    case AGAIN:
        errno = EAGAIN;
        return -1;
    case NO_SPACE:
        errno = ENOSPC;
        return -1;
    case BROKEN:
        errno = EIO;
        return -1;
    }
    return -1;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

static int directory = -1; /* the calls are only played on files of the test */

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    ssize_t n = fd <= STDERR_FILENO ? (ssize_t)len : length_of(len);

    return n > 0 ? __real_write(fd, data, (size_t)n) : n;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = length_of(len);

    return n > 0 ? __real_pwrite64(fd, data, (size_t)n, at) : n;
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    ssize_t n = length_of(len);

    return n > 0 ? __real_pread64(fd, data, (size_t)n, at) : n;
}

int __wrap_fsync(int fd)
{
    return length_of(1) < 0 ? -1 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    return length_of(1) < 0 ? -1 : __real_fdatasync(fd);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return length_of(1) < 0 ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

static char path[64];

static int make_directory(void **state)
{
    struct err err;

    (void)state;
    memcpy(path, "/tmp/base_file_XXXXXX", 22);
    return mkdtemp(path) && file_dir_open(FILE_CWD, path, &directory, &err) ? 0 : -1;
}

static int drop_directory(void **state)
{
    struct file_list list;
    struct err err;

    (void)state;
    script_len = 0;
    if (!file_list(directory, &list, &err))
        return -1;
    for (size_t i = 0; i < list.count; i++)
        if (!file_unlink(directory, list.names[i], &err))
            return -1;
    file_list_done(&list);
    file_drop(directory);
    return rmdir(path);
}

static void expect_content(const char *name, const char *want)
{
    struct err err = {0};
    struct buf text;

    script_len = 0;
    buf_init(&text, 100000);
    assert_true(file_read_whole(directory, name, &text, &err));
    assert_string_equal(buf_text(&text), want);
    buf_done(&text);
}

static void short_and_interrupted_writes_go_on(void **state)
{
    struct err err = {0};
    size_t written = 0;
    int fd;

    (void)state;
    assert_true(file_open(directory, "a", FILE_CREATE, &fd, &err));
    PLAY(SHORT, INTERRUPTED, SHORT, INTERRUPTED, INTERRUPTED, SHORT);
    assert_true(file_write(fd, "hello, world", 12, &written, &err));
    assert_int_equal(written, 12);
    expect_content("a", "hello, world");
    PLAY(INTERRUPTED, SHORT, SHORT, INTERRUPTED);
    assert_true(file_write_at(fd, 7, "WORLD", 5, &err));
    expect_content("a", "hello, WORLD");
    assert_true(file_close(fd, "a", &err));
}

/* Btrfs, nearly full: it passes, or it is as if there were no room. */
static void a_write_is_tried_again_and_then_waits(void **state)
{
    struct err err = {0};
    size_t written = 0;
    int fd;

    (void)state;
    assert_true(file_open(directory, "again", FILE_CREATE, &fd, &err));
    PLAY(AGAIN, SHORT, AGAIN, AGAIN);
    assert_true(file_write(fd, "hello, world", 12, &written, &err));
    PLAY(SHORT, AGAIN, AGAIN);
    assert_true(file_write_at(fd, 7, "WORLD", 5, &err));
    expect_content("again", "hello, WORLD");
    then = AGAIN;
    PLAY(SHORT);
    assert_false(file_write(fd, "12345678", 8, &written, &err));
    assert_int_equal(written, 4);
    assert_int_equal(err.kind, ERR_FULL);
    err.kind = ERR_NONE;
    assert_false(file_write_at(fd, 0, "12345678", 8, &err));
    assert_int_equal(err.kind, ERR_FULL);
    assert_int_equal(err.code, EAGAIN);
    then = REAL;
    file_drop(fd);
}

static void a_failed_write_says_how_far_it_came(void **state)
{
    static const struct {
        enum deed deed;
        enum err_kind want;
    } rows[] = {{NO_SPACE, ERR_FULL}, {BROKEN, ERR_BROKEN}, {NOTHING, ERR_BROKEN}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct err err = {0};
        size_t written = 99;
        int fd;

        assert_true(file_open(directory, "b", FILE_CREATE, &fd, &err));
        PLAY(SHORT, rows[i].deed);
        assert_false(file_write(fd, "12345678", 8, &written, &err));
        assert_int_equal(written, 4);
        assert_int_equal(err.kind, rows[i].want);
        PLAY(SHORT, rows[i].deed);
        assert_false(file_write_at(fd, 0, "12345678", 8, &err));
        assert_int_equal(err.kind, rows[i].want);
        script_len = 0;
        file_drop(fd);
    }
}

static void reads_go_on_until_the_end(void **state)
{
    struct err err = {0};
    char out[32];
    size_t n = 0;
    int fd;

    (void)state;
    assert_true(file_write_whole(directory, "c", "0123456789", 10, &err));
    assert_true(file_open(directory, "c", FILE_READ, &fd, &err));
    PLAY(SHORT, INTERRUPTED, SHORT, SHORT);
    assert_true(file_read_at(fd, 2, out, sizeof(out), &n, &err));
    assert_int_equal(n, 8);
    assert_memory_equal(out, "23456789", 8);
    PLAY(BROKEN);
    n = 99;
    assert_false(file_read_at(fd, 0, out, sizeof(out), &n, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(n, 99);
    script_len = 0;
    file_drop(fd);
}

static void an_interrupted_sync_is_not_a_failed_one(void **state)
{
    struct err err = {0};
    int fd;

    (void)state;
    assert_true(file_open(directory, "d", FILE_CREATE, &fd, &err));
    PLAY(INTERRUPTED, INTERRUPTED);
    assert_true(file_sync(fd, &err));
    assert_int_equal(script_at, 2);
    PLAY(INTERRUPTED);
    assert_true(file_sync_data(fd, &err));
    PLAY(BROKEN, REAL);
    assert_false(file_sync(fd, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
    assert_int_equal(script_at, 1); /* never tried again */
    PLAY(BROKEN, REAL);
    assert_false(file_sync_data(fd, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
    assert_int_equal(script_at, 1);
    PLAY(NO_SPACE);
    assert_false(file_sync(fd, &err));
    assert_int_equal(err.kind, ERR_FULL);
    script_len = 0;
    file_drop(fd);
}

/* write, fsync, renameat, fsync of the directory: whichever fails, the old content or the whole new
 * one is there, and nothing else. */
static void a_whole_file_or_the_old_one(void **state)
{
    (void)state;
    for (size_t step = 0; step < 5; step++) {
        struct err err = {0};
        struct file_list list;
        bool ok;

        script_len = 0;
        assert_true(file_write_whole(directory, "e", "old", 3, &err));
        memset(script, 0, sizeof(script));
        script[step] = BROKEN;
        script_at = 0;
        script_len = step + 1;
        ok = file_write_whole(directory, "e", "new", 3, &err);
        assert_int_equal(ok, step == 4);
        if (!ok)
            assert_int_equal(err.kind, ERR_BROKEN);
        expect_content("e", step < 3 ? "old" : "new");
        assert_true(file_list(directory, &list, &err));
        for (size_t i = 0; i < list.count; i++)
            assert_null(strstr(list.names[i], ".tmp"));
        file_list_done(&list);
    }
}

static void the_modes_do_what_they_say(void **state)
{
    struct err err = {0};
    struct file_info info;
    bool exists = true;
    int fd;

    (void)state;
    script_len = 0;
    assert_false(file_open(directory, "none", FILE_READ, &fd, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(err.code, ENOENT);
    assert_true(file_stat(directory, "none", &exists, &info, &err));
    assert_false(exists);
    assert_true(file_open(directory, "f", FILE_CREATE_NEW, &fd, &err));
    assert_true(file_write(fd, "abc", 3, NULL, &err));
    assert_true(file_close(fd, "f", &err));
    assert_false(file_open(directory, "f", FILE_CREATE_NEW, &fd, &err));
    assert_int_equal(err.code, EEXIST);
    assert_true(file_open(directory, "f", FILE_APPEND, &fd, &err));
    assert_true(file_write(fd, "def", 3, NULL, &err));
    assert_true(file_fstat(fd, &info, &err));
    assert_int_equal(info.bytes, 6);
    assert_int_equal(info.mode & 0777, 0600);
    assert_true(file_close(fd, "f", &err));
    assert_true(file_open(directory, "f", FILE_KEEP, &fd, &err));
    assert_true(file_truncate(fd, 4, &err));
    assert_true(file_close(fd, "f", &err));
    expect_content("f", "abcd");
    assert_int_equal(symlinkat("f", directory, "link"), 0);
    assert_false(file_open(directory, "link", FILE_READ, &fd, &err)); /* links are not followed */
    assert_true(file_unlink(directory, "link", &err));
    assert_true(file_unlink(directory, "link", &err)); /* gone is fine */
}

static void a_file_longer_than_the_limit_is_refused(void **state)
{
    struct err err = {0};
    struct buf text;

    (void)state;
    script_len = 0;
    assert_true(file_write_whole(directory, "g", "123456789", 9, &err));
    buf_init(&text, 8);
    assert_false(file_read_whole(directory, "g", &text, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    buf_done(&text);
    buf_init(&text, 9);
    assert_true(file_read_whole(directory, "g", &text, &err));
    assert_int_equal(text.len, 9);
    buf_done(&text);
}

static void lists_are_sorted_and_locks_exclude(void **state)
{
    struct err err = {0};
    struct file_list list;
    struct file_space space;
    bool busy = true;
    int a, b;

    (void)state;
    script_len = 0;
    assert_true(file_dir_make(directory, "x/y/z", true, &err));
    assert_true(file_dir_make(directory, "x/y/z", true, &err));
    assert_true(file_dir_open(directory, "x/y", &a, &err));
    assert_true(file_write_whole(a, "b", "", 0, &err));
    assert_true(file_write_whole(a, "a", "", 0, &err));
    assert_true(file_list(a, &list, &err));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.names[0], "a");
    assert_string_equal(list.names[1], "b");
    assert_string_equal(list.names[2], "z");
    file_list_done(&list);
    assert_true(file_unlink(a, "a", &err));
    assert_true(file_unlink(a, "b", &err));
    file_drop(a);
    assert_int_equal(unlinkat(directory, "x/y/z", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(directory, "x/y", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(directory, "x", AT_REMOVEDIR), 0);
    assert_true(file_open(directory, "lock", FILE_KEEP, &a, &err));
    assert_true(file_open(directory, "lock", FILE_KEEP, &b, &err));
    assert_true(file_lock(a, &busy, &err));
    assert_false(busy);
    assert_true(file_lock(b, &busy, &err));
    assert_true(busy);
    file_drop(a);
    assert_true(file_lock(b, &busy, &err));
    assert_false(busy);
    assert_true(file_allocate(b, 65536, true, &err));
    assert_true(file_space(b, &space, &err));
    assert_true(space.total_bytes >= space.free_bytes && space.type);
    file_drop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_interrupted_writes_go_on),
        cmocka_unit_test(a_write_is_tried_again_and_then_waits),
        cmocka_unit_test(a_failed_write_says_how_far_it_came),
        cmocka_unit_test(reads_go_on_until_the_end),
        cmocka_unit_test(an_interrupted_sync_is_not_a_failed_one),
        cmocka_unit_test(a_whole_file_or_the_old_one),
        cmocka_unit_test(the_modes_do_what_they_say),
        cmocka_unit_test(a_file_longer_than_the_limit_is_refused),
        cmocka_unit_test(lists_are_sorted_and_locks_exclude),
    };

    return cmocka_run_group_tests(tests, make_directory, drop_directory);
}
