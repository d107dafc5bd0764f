#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

/* Equal on both sides is the point. NOLINTNEXTLINE(misc-redundant-expression) */
_Static_assert(FILE_CWD == AT_FDCWD, "FILE_CWD is AT_FDCWD");

#define FILE_NAMES_MAX 4000000U
#define AGAIN_MAX 100U /* a millisecond each */

bool file_dir_open(int at, const char *path, int *ret_fd, struct err *err)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, ERR_DENIED, "open directory '%s'", path);
    *ret_fd = fd;
    return true;
}

static bool make_one(int at, const char *path, struct err *err)
{
    if (mkdirat(at, path, 0700) < 0 && errno != EEXIST)
        return err_sys(err, ERR_DENIED, "make directory '%s'", path);
    return true;
}

bool file_dir_make(int at, const char *path, bool parents, struct err *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(part))
        return err_set(err, ERR_DENIED, ENAMETOOLONG, "directory path of %zu bytes", len);
    for (size_t i = 1; parents && i < len; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (!make_one(at, part, err))
            return false;
    }
    return make_one(at, path, err);
}

static void fill_info(const struct stat *st, struct file_info *ret)
{
    *ret = (struct file_info){
        .bytes = (uint64_t)st->st_size,
        .allocated = (uint64_t)st->st_blocks * 512,
        .inode = st->st_ino,
        .device = st->st_dev,
        .modified_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
        .mode = st->st_mode,
        .uid = st->st_uid,
    };
}

bool file_stat(
    int dirfd, const char *name, bool *ret_exists, struct file_info *ret, struct err *err)
{
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return err_sys(err, ERR_DENIED, "stat '%s'", name);
        *ret_exists = false;
        return true;
    }
    fill_info(&st, ret);
    *ret_exists = true;
    return true;
}

bool file_fstat(int fd, struct file_info *ret, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_DENIED, "fstat");
    fill_info(&st, ret);
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* First all names into one block, then the pointers: two allocations that grow, freed in one place.
 */
static bool collect(DIR *dir, struct buf *block, size_t *ret_count, struct err *err)
{
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return errno == 0 || err_sys(err, ERR_DENIED, "read directory");
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (*ret_count >= FILE_NAMES_MAX)
            return err_set(err, ERR_FULL, 0, "more than %u names in a directory", FILE_NAMES_MAX);
        if (!buf_add(block, entry->d_name, strlen(entry->d_name) + 1))
            return buf_check(block, "list of names", err);
        (*ret_count)++;
    }
}

bool file_list(int dirfd, struct file_list *ret, struct err *err)
{
    struct buf block;
    char **names = NULL;
    size_t count = 0, at = 0;
    bool ok = false;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    buf_init(&block, (size_t)FILE_NAMES_MAX * 64);
    if (!dir) {
        err_sys(err, ERR_DENIED, "read directory");
        if (fd >= 0)
            (void)close(fd);
        goto out;
    }
    if (!collect(dir, &block, &count, err))
        goto out;
    names = calloc(count + 1, sizeof(*names));
    if (!names || !buf_reserve(&block, 1)) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for %zu names", count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = block.data + at;
        at += strlen(names[i]) + 1;
    }
    qsort(names, count, sizeof(*names), by_bytes);
    *ret = (struct file_list){.names = names, .count = count, .block = block.data};
    ok = true;
out:
    if (dir)
        (void)closedir(dir);
    if (!ok) {
        free(names);
        buf_done(&block);
    }
    return ok;
}

void file_list_done(struct file_list *list)
{
    free(list->names);
    free(list->block);
    *list = (struct file_list){0};
}

bool file_open(int dirfd, const char *name, enum file_mode mode, int *ret_fd, struct err *err)
{
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK; /* a FIFO must not hold us up */
    int fd;

    switch (mode) {
    case FILE_READ:
        flags |= O_RDONLY;
        break;
    case FILE_UPDATE:
        flags |= O_RDWR;
        break;
    case FILE_CREATE:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
    case FILE_CREATE_NEW:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    case FILE_KEEP:
        flags |= O_RDWR | O_CREAT;
        break;
    case FILE_APPEND:
        flags |= O_RDWR | O_CREAT | O_APPEND;
        break;
    }
    do
        fd = openat(dirfd, name, flags, 0600);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return err_sys(
            err, errno == EROFS || errno == EIO ? ERR_BROKEN : ERR_DENIED, "open '%s'", name);
    *ret_fd = fd;
    return true;
}

/* A nearly full Btrfs answers EAGAIN for a plain file, where no other does (seen with Linux 6.18, T8); nothing
 * was written. That passes, or somebody makes room: as ENOSPC it is waited for. */
static bool may_go_on(unsigned *tries)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    if (errno == EINTR)
        return true;
    if (errno != EAGAIN || (*tries)++ == AGAIN_MAX)
        return false;
    (void)nanosleep(&pause, NULL);
    return true;
}

static enum err_kind write_failed(void)
{
    return errno == EAGAIN ? ERR_FULL : ERR_BROKEN;
}

bool file_write(int fd, const void *data, size_t len, size_t *ret_written, struct err *err)
{
    const char *p = data;
    size_t done = 0;
    unsigned tries = 0;
    bool ok = true;

    while (ok && done < len) {
        ssize_t n = write(fd, p + done, len - done);

        if (n == 0)
            errno = EIO; /* no progress and no reason: do not turn for ever */
        if (n > 0)
            done += (size_t)n;
        else if (!may_go_on(&tries))
            ok = err_sys(err, write_failed(), "write %zu bytes", len - done);
    }
    if (ret_written)
        *ret_written = done;
    return ok;
}

bool file_write_at(int fd, uint64_t offset, const void *data, size_t len, struct err *err)
{
    const char *p = data;
    size_t done = 0;
    unsigned tries = 0;

    while (done < len) {
        ssize_t n = pwrite(fd, p + done, len - done, (off_t)(offset + done));

        if (n == 0)
            errno = EIO;
        if (n < 0 && may_go_on(&tries))
            continue;
        if (n <= 0)
            return err_sys(err, write_failed(), "write %zu bytes at %llu", len - done,
                (unsigned long long)offset + done);
        done += (size_t)n;
    }
    return true;
}

bool file_read_at(int fd, uint64_t offset, void *out, size_t len, size_t *ret_read, struct err *err)
{
    char *p = out;
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, p + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_DENIED, "read %zu bytes at %llu", len - done,
                (unsigned long long)offset + done);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_read = done;
    return true;
}

bool file_read_whole(int dirfd, const char *name, struct buf *out, struct err *err)
{
    struct file_info info;
    bool ok = false;
    char *to;
    int fd;

    if (!file_open(dirfd, name, FILE_READ, &fd, err))
        return false;
    buf_reset(out);
    if (!file_fstat(fd, &info, err))
        goto out;
    if (info.bytes > out->max) {
        err_set(err, ERR_INPUT, 0, "'%s' has %llu bytes, more than %zu", name,
            (unsigned long long)info.bytes, out->max);
        goto out;
    }
    to = buf_reserve(out, (size_t)info.bytes);
    if (!to) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for '%s'", name);
        goto out;
    }
    ok = file_read_at(fd, 0, to, (size_t)info.bytes, &out->len, err);
out:
    (void)close(fd);
    return ok;
}

bool file_write_whole(int dirfd, const char *name, const void *data, size_t len, struct err *err)
{
    char temp[NAME_MAX + 1];
    bool ok = false;
    int n = snprintf(temp, sizeof(temp), "%s.tmp", name);
    int fd = -1;

    if (n < 0 || (size_t)n >= sizeof(temp))
        return err_set(err, ERR_INPUT, 0, "name too long: '%s'", name);
    if (!file_open(dirfd, temp, FILE_CREATE, &fd, err))
        return false;
    if (!file_write(fd, data, len, NULL, err))
        goto out;
    /* A failed fsync may have dropped the pages, so trying it again proves nothing. */
    if (!file_sync(fd, err) || !file_rename(dirfd, temp, dirfd, name, err) ||
        !file_sync(dirfd, err)) {
        err_wrap(err, "commit '%s'", name);
        goto out;
    }
    ok = true;
out:
    (void)close(fd); /* synced above, or being thrown away */
    if (!ok)
        (void)unlinkat(dirfd, temp, 0);
    return ok;
}

bool file_sync_data(int fd, struct err *err)
{
    int n;

    do
        n = fdatasync(fd);
    while (n < 0 && errno == EINTR);
    return n == 0 || err_sys(err, ERR_BROKEN, "fdatasync");
}

bool file_sync(int fd, struct err *err)
{
    int n;

    do
        n = fsync(fd);
    while (n < 0 && errno == EINTR);
    return n == 0 || err_sys(err, ERR_BROKEN, "fsync");
}

bool file_rename(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
    if (renameat(from_dir, from, to_dir, to) < 0)
        return err_sys(err, ERR_BROKEN, "rename '%s' to '%s'", from, to);
    return true;
}

bool file_link(
    int from_dir, const char *from, int to_dir, const char *to, bool *ret_taken, struct err *err)
{
    bool taken = false;

    if (linkat(from_dir, from, to_dir, to, 0) < 0) {
        if (errno != EEXIST)
            return err_sys(err, ERR_DENIED, "link '%s' to '%s'", from, to);
        taken = true;
    }
    *ret_taken = taken;
    return true;
}

bool file_unlink(int dirfd, const char *name, struct err *err)
{
    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return err_sys(err, ERR_BROKEN, "delete '%s'", name);
    return true;
}

bool file_dir_remove(int dirfd, const char *name, bool *ret_empty, struct err *err)
{
    bool empty = true;

    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        if (errno != ENOTEMPTY && errno != EEXIST)
            return err_sys(err, ERR_BROKEN, "remove directory '%s'", name);
        empty = false;
    }
    *ret_empty = empty;
    return true;
}

bool file_truncate(int fd, uint64_t len, struct err *err)
{
    int n;

    do
        n = ftruncate(fd, (off_t)len);
    while (n < 0 && errno == EINTR);
    return n == 0 ||
           err_sys(err, ERR_BROKEN, "set the length to %llu bytes", (unsigned long long)len);
}

bool file_allocate(int fd, uint64_t len, bool keep_size, struct err *err)
{
    int n;

    do
        n = fallocate(fd, keep_size ? FALLOC_FL_KEEP_SIZE : 0, 0, (off_t)len);
    while (n < 0 && errno == EINTR);
    if (n == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return true;
    return err_sys(err, ERR_BROKEN, "reserve %llu bytes", (unsigned long long)len);
}

void file_drop_cache(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

bool file_lock(int fd, bool *ret_busy, struct err *err)
{
    int n;

    do
        n = flock(fd, LOCK_EX | LOCK_NB);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EWOULDBLOCK)
        return err_sys(err, ERR_DENIED, "lock");
    *ret_busy = n < 0;
    return true;
}

/* Magic numbers: statfs(2) and linux/magic.h. */
static const struct {
    unsigned long magic;
    const char *name;
    bool lasting;
} types[] = {
    {0xef53, "ext4", true},
    {0x58465342, "xfs", true},
    {0x9123683e, "btrfs", true},
    {0xf2f52010, "f2fs", true},
    {0x2fc12fc1, "zfs", true},
    {0x52654973, "reiserfs", true},
    {0x4d44, "vfat", true},
    {0xca451a4e, "bcachefs", true},
    {0x24051905, "ubifs", true},
    {0x01021994, "tmpfs", false},
    {0x858458f6, "ramfs", false},
    {0x794c7630, "overlay", false},
    {0x6969, "nfs", false},
    {0xff534d42, "cifs", false},
    {0xfe534d42, "smb2", false},
    {0x517b, "smb", false},
    {0x01021997, "9p", false},
    {0x65735546, "fuse", false},
};

bool file_space(int fd, struct file_space *ret, struct err *err)
{
    struct statfs fs;
    int n;

    do
        n = fstatfs(fd, &fs);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_sys(err, ERR_DENIED, "statfs");
    *ret = (struct file_space){
        .total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_frsize,
        .free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_frsize,
        .type = "unknown",
        .lasting = true,
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].magic == ((unsigned long)fs.f_type & 0xffffffffUL)) {
            ret->type = types[i].name;
            ret->lasting = types[i].lasting;
        }
    }
    return true;
}

bool file_close(int fd, const char *name, struct err *err)
{
    /* EINTR: Linux has closed the descriptor all the same. */
    if (close(fd) < 0 && errno != EINTR)
        return err_sys(err, ERR_BROKEN, "close '%s'", name);
    return true;
}

void file_drop(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
