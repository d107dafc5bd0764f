/* base/file.h over the disk in memory: linked in place of base/file.c, so that the rooms under test are
 * the real ones. What a call does to the disk is in disk.c; what it says is what file.c would say.
 *
 * before() may let other loops work, or a whole other disk be recovered: look again behind it. */
#include "base/file.h"

#include "crash/disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_FD 1000 /* never one of the process */

static void before(const char *call, const char *name)
{
    if (disk_before)
        disk_before(call, name);
}

static struct handle *handle_of(int fd)
{
    assert(fd >= FIRST_FD && fd < FIRST_FD + DISK_HANDLES);
    assert(disk->handles[fd - FIRST_FD].open);
    return &disk->handles[fd - FIRST_FD];
}

static struct node *node_of(int fd)
{
    return &disk->nodes[handle_of(fd)->node];
}

static uint32_t dir_of(int dirfd)
{
    uint32_t node = dirfd == FILE_CWD ? DISK_ROOT : handle_of(dirfd)->node;

    assert(disk->nodes[node].dir);
    return node;
}

static bool say(struct err *err, enum err_kind kind, int code, const char *what, const char *name)
{
    errno = code;
    return err_sys(err, kind, "%s '%s'", what, name);
}

static int open_handle(uint32_t node, bool writable, bool append)
{
    for (int i = 0; i < DISK_HANDLES; i++) {
        if (!disk->handles[i].open) {
            disk->handles[i] =
                (struct handle){.open = true, .writable = writable, .append = append, .node = node};
            return FIRST_FD + i;
        }
    }
    abort();
}

/* --- directories --- */

bool file_dir_open(int at, const char *path, int *ret_fd, struct err *err)
{
    uint32_t dir = dir_of(at), node;

    node = strcmp(path, "..") == 0 ? disk->nodes[dir].parent
                                   : disk_find(&disk->nodes[dir].names, path);
    if (node == DISK_NONE)
        return say(err, ERR_DENIED, ENOENT, "open directory", path);
    if (!disk->nodes[node].dir)
        return say(err, ERR_DENIED, ENOTDIR, "open directory", path);
    *ret_fd = open_handle(node, false, false);
    return true;
}

bool file_dir_make(int at, const char *path, bool parents, struct err *err)
{
    uint32_t dir = dir_of(at);

    (void)parents; /* the tests make no path of several */
    (void)err;
    if (disk_find(&disk->nodes[dir].names, path) == DISK_NONE) {
        before("mkdir", path);
        disk_change(disk, disk_add_node(disk, true, dir), DISK_NONE, NULL, dir, path);
    }
    return true;
}

bool file_dir_remove(int dirfd, const char *name, bool *ret_empty, struct err *err)
{
    uint32_t dir = dir_of(dirfd), node = disk_find(&disk->nodes[dir].names, name);

    (void)err;
    *ret_empty = true;
    if (node == DISK_NONE)
        return true;
    *ret_empty = disk->nodes[node].names.count == 0;
    if (*ret_empty) {
        before("rmdir", name);
        disk_change(disk, node, dir, name, DISK_NONE, NULL);
    }
    return true;
}

static void fill_info(uint32_t number, struct file_info *ret)
{
    const struct node *n = &disk->nodes[number];

    *ret = (struct file_info){.bytes = n->dir ? 4096 : n->now->len,
        .inode = number + 1,
        .device = 1,
        .mode = n->dir ? S_IFDIR | 0700U : S_IFREG | 0600U,
        .uid = (uint32_t)geteuid()};
    ret->allocated = ret->bytes;
}

bool file_stat(
    int dirfd, const char *name, bool *ret_exists, struct file_info *ret, struct err *err)
{
    uint32_t node = disk_find(&disk->nodes[dir_of(dirfd)].names, name);

    (void)err;
    *ret_exists = node != DISK_NONE;
    if (*ret_exists)
        fill_info(node, ret);
    return true;
}

bool file_fstat(int fd, struct file_info *ret, struct err *err)
{
    (void)err;
    fill_info(handle_of(fd)->node, ret);
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool file_list(int dirfd, struct file_list *ret, struct err *err)
{
    const struct names *names = &disk->nodes[dir_of(dirfd)].names;
    char **pointers = calloc(names->count + 1, sizeof(*pointers));
    char *block = malloc(names->count * DISK_NAME + 1);

    (void)err;
    if (!pointers || !block)
        abort();
    for (size_t i = 0; i < names->count; i++) {
        pointers[i] = block + i * DISK_NAME;
        memcpy(pointers[i], names->items[i].name, DISK_NAME);
    }
    qsort(pointers, names->count, sizeof(*pointers), by_bytes);
    *ret = (struct file_list){.names = pointers, .count = names->count, .block = block};
    return true;
}

void file_list_done(struct file_list *list)
{
    free(list->names);
    free(list->block);
    *list = (struct file_list){0};
}

/* --- files --- */

bool file_open(int dirfd, const char *name, enum file_mode mode, int *ret_fd, struct err *err)
{
    uint32_t dir = dir_of(dirfd), node = disk_find(&disk->nodes[dir].names, name);
    bool makes = mode != FILE_READ && mode != FILE_UPDATE;

    if (node != DISK_NONE && mode == FILE_CREATE_NEW)
        return say(err, ERR_DENIED, EEXIST, "open", name);
    if (node == DISK_NONE && !makes)
        return say(err, ERR_DENIED, ENOENT, "open", name);
    if (node == DISK_NONE) {
        before("create", name);
        node = disk_find(&disk->nodes[dir].names, name);
        if (node != DISK_NONE && mode == FILE_CREATE_NEW)
            return say(err, ERR_DENIED, EEXIST, "open", name);
    }
    if (node == DISK_NONE) {
        node = disk_add_node(disk, false, dir);
        disk_change(disk, node, DISK_NONE, NULL, dir, name);
    } else if (mode == FILE_CREATE && disk->nodes[node].now->len > 0) {
        before("empty", name);
        disk_resize(&disk->nodes[node], 0);
    }
    *ret_fd = open_handle(node, mode != FILE_READ, mode == FILE_APPEND);
    return true;
}

bool file_write_at(int fd, uint64_t offset, const void *data, size_t len, struct err *err)
{
    (void)err;
    assert(handle_of(fd)->writable);
    if (len > 0) {
        before("pwrite", "");
        disk_write(node_of(fd), offset, data, len);
    }
    return true;
}

bool file_write(int fd, const void *data, size_t len, size_t *ret_written, struct err *err)
{
    struct handle *h = handle_of(fd);

    if (h->append)
        h->at = disk->nodes[h->node].now->len;
    if (!file_write_at(fd, h->at, data, len, err))
        return false;
    h->at += len;
    if (ret_written)
        *ret_written = len;
    return true;
}

bool file_read_at(int fd, uint64_t offset, void *out, size_t len, size_t *ret_read, struct err *err)
{
    const struct content *c = node_of(fd)->now;
    size_t left = offset < c->len ? c->len - (size_t)offset : 0;

    (void)err;
    if (len > left)
        len = left;
    if (len > 0)
        memcpy(out, c->data + offset, len);
    *ret_read = len;
    return true;
}

bool file_read_whole(int dirfd, const char *name, struct buf *out, struct err *err)
{
    int fd;
    bool ok;
    size_t len;

    if (!file_open(dirfd, name, FILE_READ, &fd, err))
        return false;
    buf_reset(out);
    len = node_of(fd)->now->len;
    ok = (len <= out->max && buf_reserve(out, len)) ||
         err_set(err, ERR_INPUT, 0, "'%s' has %zu bytes", name, len);
    ok = ok && file_read_at(fd, 0, out->data, len, &out->len, err);
    file_drop(fd);
    return ok;
}

/* As file.c has it: every one of its calls is a point where the power may fail. */
bool file_write_whole(int dirfd, const char *name, const void *data, size_t len, struct err *err)
{
    char temp[DISK_NAME];
    bool ok;
    int fd;

    (void)snprintf(temp, sizeof(temp), "%s.tmp", name);
    if (!file_open(dirfd, temp, FILE_CREATE, &fd, err))
        return false;
    ok = file_write(fd, data, len, NULL, err) && file_sync(fd, err) &&
         file_rename(dirfd, temp, dirfd, name, err) && file_sync(dirfd, err);
    file_drop(fd);
    return ok;
}

bool file_sync(int fd, struct err *err)
{
    (void)err;
    before("fsync", disk->nodes[handle_of(fd)->node].dir ? "directory" : "file");
    if (node_of(fd)->dir)
        disk_sync_names(disk, handle_of(fd)->node);
    else
        disk_sync_file(node_of(fd));
    return true;
}

bool file_sync_data(int fd, struct err *err)
{
    (void)err;
    before("fdatasync", "");
    disk_sync_file(node_of(fd));
    return true;
}

/* --- names --- */

bool file_rename(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
    uint32_t dir = dir_of(from_dir), node;

    before("rename", to);
    if (disk->no_names > 0 && strcmp(from, "next.tmp") == 0) {
        disk->no_names--;
        return say(err, ERR_FULL, ENOSPC, "rename", from);
    }
    node = disk_find(&disk->nodes[dir].names, from);
    if (node == DISK_NONE)
        return say(err, ERR_BROKEN, ENOENT, "rename", from);
    disk_change(disk, node, dir, from, dir_of(to_dir), to);
    return true;
}

bool file_link(
    int from_dir, const char *from, int to_dir, const char *to, bool *ret_taken, struct err *err)
{
    uint32_t node;

    before("link", to);
    node = disk_find(&disk->nodes[dir_of(from_dir)].names, from);
    if (node == DISK_NONE)
        return say(err, ERR_DENIED, ENOENT, "link", from);
    *ret_taken = disk_find(&disk->nodes[dir_of(to_dir)].names, to) != DISK_NONE;
    if (!*ret_taken)
        disk_change(disk, node, DISK_NONE, NULL, dir_of(to_dir), to);
    return true;
}

bool file_unlink(int dirfd, const char *name, struct err *err)
{
    uint32_t dir = dir_of(dirfd), node;

    (void)err;
    if (disk_find(&disk->nodes[dir].names, name) == DISK_NONE)
        return true;
    before("unlink", name);
    node = disk_find(&disk->nodes[dir].names, name);
    if (node != DISK_NONE)
        disk_change(disk, node, dir, name, DISK_NONE, NULL);
    return true;
}

/* --- lengths, space, locks --- */

bool file_truncate(int fd, uint64_t len, struct err *err)
{
    (void)err;
    if (node_of(fd)->now->len != len) {
        before("ftruncate", "");
        disk_resize(node_of(fd), len);
    }
    return true;
}

bool file_allocate(int fd, uint64_t len, bool keep_size, struct err *err)
{
    (void)err;
    if (disk_preallocates && !keep_size && node_of(fd)->now->len < len) {
        before("fallocate", "");
        disk_resize(node_of(fd), len);
    }
    return true;
}

void file_drop_cache(int fd)
{
    (void)handle_of(fd);
}

bool file_lock(int fd, bool *ret_busy, struct err *err)
{
    struct handle *h = handle_of(fd);

    (void)err;
    *ret_busy = false;
    for (int i = 0; i < DISK_HANDLES; i++) {
        const struct handle *other = &disk->handles[i];

        if (other != h && other->open && other->locked && other->node == h->node)
            *ret_busy = true;
    }
    h->locked = h->locked || !*ret_busy;
    return true;
}

bool file_space(int fd, struct file_space *ret, struct err *err)
{
    (void)fd;
    (void)err;
    *ret = (struct file_space){.total_bytes = UINT64_C(1) << 40,
        .free_bytes = UINT64_C(1) << 40,
        .type = "memory",
        .lasting = true};
    return true;
}

bool file_close(int fd, const char *name, struct err *err)
{
    (void)name;
    (void)err;
    file_drop(fd);
    return true;
}

void file_drop(int fd)
{
    if (fd >= 0)
        *handle_of(fd) = (struct handle){0};
}
