/* tests/crash_rig.h: disk calls that fail at the nth time, and a process or a machine that stops there.
 *
 * For fault tests that link with
 *   --wrap of openat64 write pwrite64 pread64 fsync fdatasync renameat unlinkat ftruncate64 fallocate64 close
 * A stop makes every later call fail, so nothing more reaches the disk. A power cut also takes back
 * what was not synced: names go back to what they were at the last sync of their directory, and files
 * whose data was not synced lose half of it. (durability.md 2: that is allowed; so is less.)
 */
#ifndef TESTS_CRASH_RIG_H
#define TESTS_CRASH_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum fault_mode { FAULT_NONE, FAULT_ONCE, FAULT_EVER, FAULT_STOP };

#define CRASH_OPS 4096
#define CRASH_PATH 320

struct crash_op {
    char path[CRASH_PATH];  /* the name as it is now (rename) or was (unlink) */
    char from[CRASH_PATH];  /* rename: the name before; "": unlink */
    char saved[CRASH_PATH]; /* a second link to the file that was at `path`; "": there was none */
};

static struct {
    enum fault_mode mode;
    int error;     /* the errno of what fails */
    long at, seen; /* the call that fails, the calls so far */
    bool fired, dead;
    void (*before)(void); /* called before each call that changes names or syncs */
    bool inside;          /* ... and not from within itself */
    char root[CRASH_PATH], undo[CRASH_PATH];
    struct crash_op ops[CRASH_OPS];
    size_t op_count;
    unsigned saved_count;
    ino_t dirty[CRASH_OPS];
    size_t dirty_count;
} crash;

extern int rig_quiet_now(void);

int __real_openat64(int dirfd, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __real_ftruncate64(int fd, off_t len);
int __real_fallocate64(int fd, int mode, off_t at, off_t len);
int __real_close(int fd);

int __wrap_openat64(int dirfd, const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __wrap_ftruncate64(int fd, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t len);
int __wrap_close(int fd);

static bool crash_hit(void)
{
    if (rig_quiet_now() || crash.mode == FAULT_NONE)
        return false;
    crash.seen++;
    if (crash.seen == crash.at) {
        crash.fired = true;
        crash.dead = crash.mode == FAULT_STOP;
    }
    if (crash.dead || crash.seen == crash.at ||
        (crash.mode == FAULT_EVER && crash.seen > crash.at)) {
        errno = crash.error;
        return true;
    }
    return false;
}

static void crash_before(void)
{
    if (!crash.before || crash.inside || crash.dead)
        return;
    crash.inside = true;
    crash.before();
    crash.inside = false;
}

static void crash_path(char out[CRASH_PATH], int dirfd, const char *name)
{
    char link[64], dir[CRASH_PATH / 2];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
    n = readlink(link, dir, sizeof(dir) - 1);
    if (n < 0)
        abort();
    dir[n] = '\0';
    (void)snprintf(out, CRASH_PATH, "%s%s%s", dir, name[0] ? "/" : "", name);
}

static struct crash_op *crash_save(const char *path)
{
    struct crash_op *op = &crash.ops[crash.op_count];

    if (crash.op_count == CRASH_OPS)
        abort();
    *op = (struct crash_op){0};
    (void)snprintf(op->path, sizeof(op->path), "%s", path);
    (void)snprintf(op->saved, sizeof(op->saved), "%.300s/%u", crash.undo, crash.saved_count++);
    if (link(path, op->saved) != 0)
        op->saved[0] = '\0';
    return op;
}

/* The directory was synced: what happened to its names stays. */
static void crash_keep(int fd)
{
    char dir[CRASH_PATH];
    size_t len, kept = 0;

    crash_path(dir, fd, "");
    len = strlen(dir);
    for (size_t i = 0; i < crash.op_count; i++) {
        const char *path = crash.ops[i].path;

        if (strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/')) {
            if (crash.ops[i].saved[0])
                (void)unlink(crash.ops[i].saved);
            continue;
        }
        crash.ops[kept++] = crash.ops[i];
    }
    crash.op_count = kept;
}

static void crash_mark(int fd, bool dirty)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        abort();
    for (size_t i = 0; i < crash.dirty_count; i++) {
        if (crash.dirty[i] == st.st_ino)
            crash.dirty[i--] = crash.dirty[--crash.dirty_count];
    }
    if (dirty && crash.dirty_count < CRASH_OPS)
        crash.dirty[crash.dirty_count++] = st.st_ino;
    if (!dirty && S_ISDIR(st.st_mode))
        crash_keep(fd);
}

static int crash_halve(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)ftw;
    for (size_t i = 0; flag == FTW_F && i < crash.dirty_count; i++) {
        if (crash.dirty[i] == st->st_ino && truncate(path, st->st_size / 2) != 0)
            abort();
    }
    return 0;
}

static void crash_forget(void)
{
    for (size_t i = 0; i < crash.op_count; i++) {
        if (crash.ops[i].saved[0])
            (void)unlink(crash.ops[i].saved);
    }
    crash.op_count = 0;
    crash.dirty_count = 0;
}

/* Power cut: what was not synced is taken back, the last first. */
static inline void crash_take_back(void)
{
    (void)nftw(crash.root, crash_halve, 16, FTW_PHYS);
    for (size_t i = crash.op_count; i > 0; i--) {
        struct crash_op *op = &crash.ops[i - 1];

        if (op->from[0])
            (void)rename(op->path, op->from);
        if (op->saved[0])
            (void)rename(op->saved, op->path);
        op->saved[0] = '\0';
    }
    crash_forget();
}

/* A process that ends closes what it has open, and so lets go of its locks. */
static inline void crash_close_all(int from)
{
    for (int fd = from; fd < from + 256; fd++)
        (void)__real_close(fd);
}

static inline void crash_begin(const char *root)
{
    memset(&crash, 0, sizeof(crash));
    (void)snprintf(crash.root, sizeof(crash.root), "%s", root);
    (void)snprintf(crash.undo, sizeof(crash.undo), "%.300s.undo", root);
    if (mkdir(crash.undo, 0700) != 0)
        abort();
}

static inline void crash_end(void)
{
    crash_forget();
    (void)rmdir(crash.undo);
}

static inline void crash_arm(enum fault_mode mode, long at, int error)
{
    crash.mode = mode;
    crash.at = at;
    crash.error = error;
    crash.seen = 0;
    crash.fired = crash.dead = false;
}

int __wrap_openat64(int dirfd, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return crash_hit() ? -1 : __real_openat64(dirfd, path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (crash_hit())
        return -1;
    crash_mark(fd, true);
    return __real_write(fd, data, len);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    if (crash_hit())
        return -1;
    crash_mark(fd, true);
    return __real_pwrite64(fd, data, len, at);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    return crash_hit() ? -1 : __real_pread64(fd, data, len, at);
}

/* What a failed sync of a new file means: its pages are dropped, and the next sync says success. */
static void crash_lose(int fd)
{
    char path[CRASH_PATH];
    int error = errno;
    struct stat st;

    crash_path(path, fd, "");
    if (strstr(path, "/outbox/") && fstat(fd, &st) == 0 &&
        __real_ftruncate64(fd, st.st_size / 2) != 0)
        abort();
    errno = error;
}

int __wrap_fsync(int fd)
{
    crash_before();
    if (crash_hit()) {
        crash_lose(fd);
        return -1;
    }
    crash_mark(fd, false); /* not really: what counts here is the order */
    return 0;
}

int __wrap_fdatasync(int fd)
{
    crash_before();
    if (crash_hit())
        return -1;
    crash_mark(fd, false);
    return 0;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    char before[CRASH_PATH], path[CRASH_PATH];
    struct crash_op *op;
    int n;

    crash_before();
    if (crash_hit())
        return -1;
    crash_path(before, from_dir, from);
    crash_path(path, to_dir, to);
    op = crash_save(path);
    memcpy(op->from, before, sizeof(op->from));
    n = __real_renameat(from_dir, from, to_dir, to);
    if (n == 0)
        crash.op_count++;
    else if (op->saved[0])
        (void)unlink(op->saved);
    crash_before();
    return n;
}

int __wrap_unlinkat(int dirfd, const char *name, int flags)
{
    char path[CRASH_PATH];
    struct crash_op *op;
    int n;

    crash_before();
    if (crash_hit())
        return -1;
    crash_path(path, dirfd, name);
    op = crash_save(path);
    n = __real_unlinkat(dirfd, name, flags);
    if (n == 0)
        crash.op_count++;
    else if (op->saved[0])
        (void)unlink(op->saved);
    crash_before();
    return n;
}

int __wrap_ftruncate64(int fd, off_t len)
{
    if (crash_hit())
        return -1;
    return __real_ftruncate64(fd, len);
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t len)
{
    if (crash_hit())
        return -1;
    return __real_fallocate64(fd, mode, at, len);
}

int __wrap_close(int fd)
{
    if (crash_hit() && !crash.dead) {
        (void)__real_close(fd);
        errno = crash.error;
        return -1;
    }
    return __real_close(fd);
}

#endif
