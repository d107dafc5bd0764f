/* base/file.h: every disk call of the program; no other file opens, writes, syncs, renames or
 * unlinks.
 *
 * Shape    descriptors and names relative to an open directory. The rules of durability.md are kept
 *          by the callers; these functions keep the small print: short writes, EINTR, O_CLOEXEC,
 *          O_NOFOLLOW, mode 0600 / 0700.
 * Units    bytes.
 * Limits   names of at most 255 bytes; file_list takes at most 4,000,000 names.
 * Errors   ERR_FULL: no space, quota or size limit. ERR_BROKEN: a sync, a rename or a close failed;
 *          what the disk holds is unknown and the call must not be repeated. ERR_DENIED: the rest.
 * Owner    the caller owns every descriptor; file_drop takes -1.
 * Threads  any; nothing is shared.
 * Source   open(2), fsync(2), rename(2), fallocate(2), posix_fadvise(2), flock(2), statfs(2);
 *          durability.md 2, 5, 8. A second implementation for crash states in memory is meant to be
 *          linked in place of file.c: keep this list short.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

#include <stdint.h>

enum file_mode {
    FILE_READ,       /* existing, read only */
    FILE_UPDATE,     /* existing, read and write */
    FILE_CREATE,     /* created, or emptied when it exists; read and write */
    FILE_CREATE_NEW, /* created; an existing one is an error */
    FILE_KEEP,       /* created when missing, never emptied; read and write */
    FILE_APPEND,     /* as FILE_KEEP, every write goes to the end */
};

struct file_info {
    uint64_t bytes;     /* length */
    uint64_t allocated; /* what it takes on disk */
    uint64_t inode;
    uint64_t device;
    int64_t modified_us;
    uint32_t mode; /* st_mode */
    uint32_t uid;
};

struct file_space {
    uint64_t total_bytes;
    uint64_t free_bytes; /* for an ordinary user */
    const char *type;    /* "ext4", "overlay", ...: for people */
    bool lasting;        /* false: may lose data (tmpfs, overlay, NFS, CIFS, 9p, FUSE, ramfs) */
};

struct file_list {
    char **names; /* sorted as bytes; without "." and ".." */
    size_t count;
    char *block; /* the storage of all of it */
};

/* Opens a directory; `path` relative to `at`, or AT_FDCWD's meaning with at = FILE_CWD. */
#define FILE_CWD (-100)
NODISCARD bool file_dir_open(int at, const char *path, int *ret_fd, struct err *err);

/* Makes it with mode 0700 unless it is there; parents too when `parents`. The caller syncs. */
NODISCARD bool file_dir_make(int at, const char *path, bool parents, struct err *err);

/* `exists` false and true returned: no such file. Symbolic links are not followed. */
NODISCARD bool file_stat(
    int dirfd, const char *name, bool *ret_exists, struct file_info *ret, struct err *err);
NODISCARD bool file_fstat(int fd, struct file_info *ret, struct err *err);

NODISCARD bool file_list(int dirfd, struct file_list *ret, struct err *err);
void file_list_done(struct file_list *list);

NODISCARD bool file_open(
    int dirfd, const char *name, enum file_mode mode, int *ret_fd, struct err *err);

/* Writes all of it at the descriptor's position. *ret_written (may be NULL) says how far it came,
 * also after an error. EAGAIN is tried for 100 ms, then it is ERR_FULL. */
NODISCARD bool file_write(
    int fd, const void *data, size_t len, size_t *ret_written, struct err *err);
NODISCARD bool file_write_at(
    int fd, uint64_t offset, const void *data, size_t len, struct err *err);

/* Reads up to len bytes, fewer only at the end of the file. */
NODISCARD bool file_read_at(
    int fd, uint64_t offset, void *out, size_t len, size_t *ret_read, struct err *err);

/* The whole file, at most out->max bytes (longer: ERR_INPUT). */
NODISCARD bool file_read_whole(int dirfd, const char *name, struct buf *out, struct err *err);

/* Content first, name last: a reader of `dirfd` sees the whole file or none. On ERR_BROKEN the name
 * may or may not be there; start-up recovery decides. Uses "<name>.tmp". */
NODISCARD bool file_write_whole(
    int dirfd, const char *name, const void *data, size_t len, struct err *err);

/* Never call one of these again on a descriptor where it failed. */
NODISCARD bool file_sync_data(int fd, struct err *err); /* fdatasync */
NODISCARD bool file_sync(int fd, struct err *err);      /* fsync; also for directories */

NODISCARD bool file_rename(
    int from_dir, const char *from, int to_dir, const char *to, struct err *err);

/* A second name for the same bytes, on the same file system (else ERR_DENIED with EXDEV). *ret_taken
 * true (and true returned): `to` is there already and stays as it is. */
NODISCARD bool file_link(
    int from_dir, const char *from, int to_dir, const char *to, bool *ret_taken, struct err *err);

/* A file that is not there any more is fine. */
NODISCARD bool file_unlink(int dirfd, const char *name, struct err *err);

/* Removes an empty directory. *ret_empty false (and true returned): something is in it and it stays.
 * One that is not there any more is fine. */
NODISCARD bool file_dir_remove(int dirfd, const char *name, bool *ret_empty, struct err *err);

NODISCARD bool file_truncate(int fd, uint64_t len, struct err *err);

/* Takes space for [0, len). keep_size: the length stays. True also where the file system cannot
 * (EOPNOTSUPP). */
NODISCARD bool file_allocate(int fd, uint64_t len, bool keep_size, struct err *err);

/* Asks the kernel to forget the clean pages of a file, so that the next read comes from the disk.
 */
void file_drop_cache(int fd);

/* Exclusive flock without waiting; *ret_busy: somebody else has it (and true is returned). */
NODISCARD bool file_lock(int fd, bool *ret_busy, struct err *err);

NODISCARD bool file_space(int fd, struct file_space *ret, struct err *err);

/* close(2) whose result matters / does not matter. */
NODISCARD bool file_close(int fd, const char *name, struct err *err);
void file_drop(int fd);

#endif
