#include "emulator/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TEMP_DIR ".emulator"

struct store {
    pthread_mutex_t lock;
    int root_fd, temp_fd, lock_fd;
    bool create_volumes;
    atomic_ullong next_temp;
};

/* What a crash left behind. */
static bool clean_temp(int dirfd, struct err *err)
{
    struct file_list list;
    bool ok = true;

    if (!file_list(dirfd, &list, err))
        return false;
    for (size_t i = 0; i < list.count && ok; i++) {
        if (strncmp(list.names[i], "upload-", 7) == 0)
            ok = file_unlink(dirfd, list.names[i], err);
    }
    file_list_done(&list);
    return ok;
}

static bool open_all(struct store *store, const char *root, struct err *err)
{
    bool busy = false;

    if (!file_dir_make(FILE_CWD, root, true, err) ||
        !file_dir_open(FILE_CWD, root, &store->root_fd, err) ||
        !file_dir_make(store->root_fd, "Volumes", false, err) ||
        !file_dir_make(store->root_fd, TEMP_DIR, false, err) ||
        !file_dir_open(store->root_fd, TEMP_DIR, &store->temp_fd, err) ||
        !file_open(store->temp_fd, "LOCK", FILE_KEEP, &store->lock_fd, err) ||
        !file_lock(store->lock_fd, &busy, err))
        return false;
    if (busy)
        return err_set(err, ERR_DENIED, 0, "another emulator uses '%.150s'", root);
    return clean_temp(store->temp_fd, err);
}

struct store *store_open(const char *root, bool create_volumes, struct err *err)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the emulator's store");
        return NULL;
    }
    (void)pthread_mutex_init(&store->lock, NULL);
    store->root_fd = store->temp_fd = store->lock_fd = -1;
    store->create_volumes = create_volumes;
    if (!open_all(store, root, err)) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    file_drop(store->lock_fd);
    file_drop(store->temp_fd);
    file_drop(store->root_fd);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

/* --- walking --- */

enum make { MAKE_NOTHING, MAKE_INSIDE, MAKE_VOLUME };

/* From the directory *fd down to `name`; *fd is replaced. */
static enum store_answer step(int *fd, const char *name, bool make, struct err *err)
{
    struct file_info info;
    bool exists = false;
    int next = -1;

    if (!file_stat(*fd, name, &exists, &info, err))
        return STORE_FAILED;
    if (!exists && !make)
        return STORE_MISSING;
    if (exists && !S_ISDIR(info.mode))
        return STORE_NOT_DIRECTORY;
    if (!exists && !file_dir_make(*fd, name, false, err))
        return STORE_FAILED;
    if (!file_dir_open(*fd, name, &next, err))
        return err->code == ENOENT ? STORE_MISSING : STORE_FAILED;
    file_drop(*fd);
    *fd = next;
    return STORE_OK;
}

/* Opens the directory of the first `depth` parts. */
static enum store_answer walk(struct store *store, const struct path *path, size_t depth,
    enum make make, int *ret_fd, struct err *err)
{
    enum store_answer answer = STORE_OK;
    int fd = -1;

    if (!file_dir_open(store->root_fd, ".", &fd, err))
        return STORE_FAILED;
    for (size_t i = 0; i < depth && answer == STORE_OK; i++) {
        bool inside = i >= PATH_VOLUME_PARTS;

        answer =
            step(&fd, path->part[i], make == MAKE_VOLUME || (make == MAKE_INSIDE && inside), err);
        if (!inside && (answer == STORE_MISSING || answer == STORE_NOT_DIRECTORY))
            answer = STORE_NO_VOLUME;
    }
    if (answer != STORE_OK) {
        file_drop(fd);
        return answer;
    }
    *ret_fd = fd;
    return STORE_OK;
}

static enum make make_for_write(const struct store *store)
{
    return store->create_volumes ? MAKE_VOLUME : MAKE_INSIDE;
}

/* The directory that holds the last part, and that part. */
static enum store_answer walk_parent(struct store *store, const struct path *path, enum make make,
    int *ret_fd, const char **ret_name, struct err *err)
{
    if (path->count <= PATH_VOLUME_PARTS)
        return STORE_IS_VOLUME;
    *ret_name = path->part[path->count - 1];
    return walk(store, path, path->count - 1, make, ret_fd, err);
}

/* --- volumes --- */

/* Unity Catalog's rules for names: databricks-api.md 2.9. */
static bool name_is_valid(struct span name)
{
    if (name.len == 0 || name.len > 255)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c <= ' ' || c == 0x7f || c == '.' || c == '/' || c == '%')
            return false;
    }
    return true;
}

/* "a.b.c" to the path /Volumes/a/b/c; `parts` names are needed. */
static bool parse_dotted(const char *name, size_t parts, struct path *ret, struct err *err)
{
    char raw[PATH_BYTES_MAX / 4] = "/Volumes/";
    size_t used = strlen(raw), found = 0;
    const char *why;

    for (const char *p = name;; p++) {
        size_t len = strcspn(p, ".");

        if (used + len + 3 >= sizeof(raw))
            return err_set(err, ERR_INPUT, 0, "volume name too long");
        if (!name_is_valid((struct span){p, len}))
            break;
        memcpy(raw + used, p, len);
        used += len;
        found++;
        p += len;
        if (*p == '\0')
            break;
        raw[used++] = '/';
    }
    /* A volume's third name that is not there is decoded as "-", and never walked to. */
    if (found == parts && parts == 2) {
        memcpy(raw + used, "/-", 2);
        used += 2;
    }
    return (found == parts && path_decode_volume((struct span){raw, used}, ret, &why)) ||
           err_set(err, ERR_INPUT, 0, "'%.150s' is not a %s", name,
               parts == 3 ? "volume: catalog.schema.volume is needed"
                          : "schema: catalog.schema is needed");
}

static bool add_dotted(struct store *store, const char *name, size_t parts, struct err *err)
{
    struct path path;
    int fd = -1;

    err_clear(err);
    if (!parse_dotted(name, parts, &path, err))
        return false;
    if (walk(store, &path, parts + 1, MAKE_VOLUME, &fd, err) != STORE_OK)
        return err->kind != ERR_NONE
                   ? err_wrap(err, "volume %.100s", name)
                   : err_set(err, ERR_DENIED, 0, "a file is in the way of volume %.100s", name);
    file_drop(fd);
    return true;
}

bool store_add_volume(struct store *store, const char *name, struct err *err)
{
    return add_dotted(store, name, 3, err);
}

bool store_add_schema(struct store *store, const char *name, struct err *err)
{
    return add_dotted(store, name, 2, err);
}

bool store_remove_volume(struct store *store, const struct path *path, struct err *err)
{
    bool empty = true, ok = false;
    int fd = -1;

    (void)pthread_mutex_lock(&store->lock);
    if (walk(store, path, PATH_VOLUME_PARTS - 1, MAKE_NOTHING, &fd, err) == STORE_OK)
        ok = file_dir_remove(fd, path->part[PATH_VOLUME_PARTS - 1], &empty, err);
    file_drop(fd);
    (void)pthread_mutex_unlock(&store->lock);
    return ok && (empty || err_set(err, ERR_INPUT, 400, "The volume is not empty."));
}

enum store_answer store_volume(
    struct store *store, const struct path *path, bool write, struct err *err)
{
    enum store_answer answer;
    int fd = -1;

    for (size_t i = 1; i < PATH_VOLUME_PARTS; i++) {
        if (!name_is_valid(span_of(path->part[i])))
            return STORE_NO_VOLUME;
    }
    if (write && store->create_volumes)
        return STORE_OK;
    answer = walk(store, path, PATH_VOLUME_PARTS, MAKE_NOTHING, &fd, err);
    if (answer == STORE_OK)
        file_drop(fd);
    return answer;
}

/* --- files --- */

bool store_temp(struct store *store, char *name, size_t size, int *ret_fd, struct err *err)
{
    unsigned long long n = atomic_fetch_add(&store->next_temp, 1);

    (void)snprintf(name, size, "upload-%llu", n);
    return file_open(store->temp_fd, name, FILE_CREATE_NEW, ret_fd, err);
}

void store_discard(struct store *store, const char *name)
{
    struct err err = {0};

    /* Nothing reads this directory, and the next start cleans it. */
    if (!file_unlink(store->temp_fd, name, &err))
        err_clear(&err);
}

static enum store_answer publish_locked(
    struct store *store, const struct path *path, const char *temp, bool overwrite, struct err *err)
{
    const char *name = NULL;
    struct file_info info;
    bool exists = false;
    int fd = -1;
    enum store_answer answer = walk_parent(store, path, make_for_write(store), &fd, &name, err);

    if (answer != STORE_OK)
        return answer;
    if (!file_stat(fd, name, &exists, &info, err))
        answer = STORE_FAILED;
    else if (exists && (!overwrite || !S_ISREG(info.mode)))
        answer = STORE_EXISTS;
    else if (!file_rename(store->temp_fd, temp, fd, name, err))
        answer = STORE_FAILED;
    file_drop(fd);
    return answer;
}

enum store_answer store_publish(
    struct store *store, const struct path *path, const char *name, bool overwrite, struct err *err)
{
    enum store_answer answer;

    (void)pthread_mutex_lock(&store->lock);
    answer = publish_locked(store, path, name, overwrite, err);
    (void)pthread_mutex_unlock(&store->lock);
    if (answer != STORE_OK)
        store_discard(store, name);
    return answer;
}

enum store_answer store_read(struct store *store, const struct path *path, int *ret_fd,
    struct file_info *ret, struct err *err)
{
    const char *name = NULL;
    bool exists = false;
    int dir = -1, fd = -1;
    enum store_answer answer = walk_parent(store, path, MAKE_NOTHING, &dir, &name, err);

    if (answer == STORE_IS_VOLUME || answer == STORE_NOT_DIRECTORY)
        return STORE_MISSING;
    if (answer != STORE_OK)
        return answer;
    /* Looked at first: opening a pipe would wait for its writer. */
    if (!file_stat(dir, name, &exists, ret, err))
        answer = STORE_FAILED;
    else if (!exists || !S_ISREG(ret->mode))
        answer = STORE_MISSING;
    else if (!file_open(dir, name, FILE_READ, &fd, err))
        answer = err->code == ENOENT ? STORE_MISSING : STORE_FAILED;
    else if (!file_fstat(fd, ret, err))
        answer = STORE_FAILED;
    file_drop(dir);
    if (answer == STORE_OK)
        *ret_fd = fd;
    else
        file_drop(fd);
    return answer;
}

enum store_answer store_remove(struct store *store, const struct path *path, struct err *err)
{
    const char *name = NULL;
    struct file_info info;
    bool exists = false;
    int fd = -1;
    enum store_answer answer;

    (void)pthread_mutex_lock(&store->lock);
    answer = walk_parent(store, path, MAKE_NOTHING, &fd, &name, err);
    if (answer == STORE_IS_VOLUME || answer == STORE_NOT_DIRECTORY)
        answer = STORE_MISSING;
    if (answer == STORE_OK) {
        if (!file_stat(fd, name, &exists, &info, err))
            answer = STORE_FAILED;
        else if (!exists || S_ISDIR(info.mode))
            answer = STORE_MISSING;
        else if (!file_unlink(fd, name, err))
            answer = STORE_FAILED;
        file_drop(fd);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return answer;
}

/* --- directories --- */

enum store_answer store_make_dir(struct store *store, const struct path *path, struct err *err)
{
    enum store_answer answer;
    int fd = -1;

    (void)pthread_mutex_lock(&store->lock);
    answer = walk(store, path, path->count, make_for_write(store), &fd, err);
    (void)pthread_mutex_unlock(&store->lock);
    if (answer == STORE_OK)
        file_drop(fd);
    return answer == STORE_NOT_DIRECTORY ? STORE_EXISTS : answer;
}

enum store_answer store_remove_dir(struct store *store, const struct path *path, struct err *err)
{
    const char *name = NULL;
    struct file_info info;
    bool exists = false, empty = true;
    int fd = -1;
    enum store_answer answer;

    (void)pthread_mutex_lock(&store->lock);
    answer = walk_parent(store, path, MAKE_NOTHING, &fd, &name, err);
    if (answer == STORE_NOT_DIRECTORY)
        answer = STORE_MISSING;
    if (answer == STORE_OK) {
        if (!file_stat(fd, name, &exists, &info, err))
            answer = STORE_FAILED;
        else if (!exists || !S_ISDIR(info.mode))
            answer = STORE_MISSING;
        else if (!file_dir_remove(fd, name, &empty, err))
            answer = STORE_FAILED;
        else if (!empty)
            answer = STORE_NOT_EMPTY;
        file_drop(fd);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return answer;
}

enum store_answer store_dir(
    struct store *store, const struct path *path, int *ret_fd, struct err *err)
{
    enum store_answer answer = walk(store, path, path->count, MAKE_NOTHING, ret_fd, err);

    return answer == STORE_NOT_DIRECTORY ? STORE_MISSING : answer;
}
