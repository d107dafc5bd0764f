#include "emulator/loader.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILES_MAX 1000000U
#define DEPTH_MAX 64U

bool loader_hidden(const char *name)
{
    size_t len = strlen(name);
    static const char copying[] = "._COPYING_";
    bool hidden = (name[0] == '_' && !strchr(name, '=')) || name[0] == '.';

    if (strncmp(name, "_metadata", 9) == 0 || strncmp(name, "_common_metadata", 16) == 0)
        hidden = false;
    return hidden ||
           (len >= sizeof(copying) - 1 && strcmp(name + len - (sizeof(copying) - 1), copying) == 0);
}

static bool keep(
    struct loader_found *found, const char *path, const struct file_info *info, struct err *err)
{
    struct loader_file *file;

    if (found->count == FILES_MAX)
        return err_set(err, ERR_FULL, 0, "more than %u files in a directory", FILES_MAX);
    if (found->count == found->size) {
        size_t size = found->size ? found->size * 2 : 64;
        struct loader_file *grown = realloc(found->files, size * sizeof(*grown));

        if (!grown)
            return err_set(err, ERR_FULL, ENOMEM, "no memory for a list of files");
        found->files = grown;
        found->size = size;
    }
    file = &found->files[found->count];
    file->path = strdup(path);
    if (!file->path)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a list of files");
    file->bytes = info->bytes;
    file->modified_us = info->modified_us;
    found->count++;
    return true;
}

/* Directories still to be read, one behind the other, each with its NUL and its depth in front. */
static bool push(struct buf *todo, const char *path, unsigned depth, struct err *err)
{
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_INPUT, 0, "directories nested deeper than %u", DEPTH_MAX);
    if (!buf_add_byte(todo, (uint8_t)depth) || !buf_add(todo, path, strlen(path) + 1))
        return buf_check(todo, "a list of directories", err);
    return true;
}

struct walk {
    struct loader_found *found;
    struct buf *todo;
    const char *glob;
    unsigned depth;
    bool hidden; /* below a hidden directory: counted, not seen */
};

static bool take_entry(struct walk *walk, const char *name, const char *path,
    const struct file_info *info, struct err *err)
{
    bool hidden = walk->hidden || loader_hidden(name);

    if (S_ISDIR(info->mode)) {
        if (!hidden && strchr(name, '='))
            walk->found->partitioned = true;
        return push(walk->todo, path, walk->depth + 1, err);
    }
    if (!S_ISREG(info->mode))
        return true;
    walk->found->all++;
    if (hidden || (walk->glob && fnmatch(walk->glob, name, 0) != 0))
        return true;
    return keep(walk->found, path, info, err);
}

static bool path_hidden(const char *path)
{
    char part[256];

    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");

        if (len && len < sizeof(part)) {
            memcpy(part, at, len);
            part[len] = '\0';
            if (loader_hidden(part))
                return true;
        }
        at += len + (at[len] == '/');
    }
    return false;
}

static bool read_one(struct walk *walk, int dirfd, const char *path, struct err *err)
{
    struct file_list list = {0};
    struct err why = {0};
    bool ok;
    int fd = -1;

    if (!file_dir_open(dirfd, *path ? path : ".", &fd, &why)) {
        *err = why;
        return why.code == ENOENT && *path; /* moved away meanwhile */
    }
    walk->hidden = path_hidden(path);
    ok = file_list(fd, &list, err);
    for (size_t i = 0; ok && i < list.count; i++) {
        char full[PATH_BYTES_MAX];
        struct file_info info;
        bool exists = false;

        if (snprintf(full, sizeof(full), "%s%s%s", path, *path ? "/" : "", list.names[i]) >=
            (int)sizeof(full))
            ok = err_set(err, ERR_INPUT, 0, "a path longer than %u bytes", PATH_BYTES_MAX);
        else
            ok = file_stat(fd, list.names[i], &exists, &info, err) &&
                 (!exists || take_entry(walk, list.names[i], full, &info, err));
    }
    file_list_done(&list);
    file_drop(fd);
    return ok;
}

static int by_path(const void *a, const void *b)
{
    const struct loader_file *one = a, *two = b;

    return strcmp(one->path, two->path);
}

bool loader_find(int dirfd, const char *glob, struct loader_found *ret, struct err *err)
{
    struct loader_found found = {0};
    struct walk walk = {.found = &found, .glob = glob};
    struct buf todo;
    bool ok;

    buf_init(&todo, 64U << 20);
    walk.todo = &todo;
    ok = push(&todo, "", 0, err);
    for (size_t at = 0; ok && at < todo.len;) {
        char path[PATH_BYTES_MAX];
        size_t len = strlen(todo.data + at + 1);

        walk.depth = (unsigned char)todo.data[at];
        memcpy(path, todo.data + at + 1, len + 1); /* reading it makes `todo` grow */
        at += len + 2;
        ok = read_one(&walk, dirfd, path, err);
    }
    buf_done(&todo);
    if (!ok) {
        loader_found_done(&found);
        return false;
    }
    if (found.count)
        qsort(found.files, found.count, sizeof(*found.files), by_path);
    *ret = found;
    return true;
}

void loader_found_done(struct loader_found *found)
{
    for (size_t i = 0; i < found->count; i++)
        free(found->files[i].path);
    free(found->files);
    *found = (struct loader_found){0};
}

bool loader_path(const char *text, struct path *ret, struct err *err)
{
    static const char scheme[] = "dbfs:";
    const char *why = "";
    struct buf raw;
    bool ok;

    if (strncmp(text, scheme, strlen(scheme)) == 0)
        text += strlen(scheme);
    buf_init(&raw, (size_t)3 * PATH_BYTES_MAX);
    for (const char *p = text; *p; p++)
        (void)(*p == '%' ? buf_add_text(&raw, "%25") : buf_add_byte(&raw, (uint8_t)*p));
    ok = !raw.failed &&
         path_decode_volume((struct span){raw.data ? raw.data : "", raw.len}, ret, &why);
    buf_done(&raw);
    return ok || err_set(err, ERR_INPUT, 0, "[INVALID_PATH] '%.120s' is not a path of a volume: %s",
                     text, why);
}

bool loader_open(
    struct store *store, const struct path *path, bool make, int *ret_fd, struct err *err)
{
    enum store_answer answer = make ? store_make_dir(store, path, err) : STORE_OK;
    struct buf shown;

    if (answer == STORE_OK)
        answer = store_dir(store, path, ret_fd, err);
    if (answer == STORE_OK)
        return true;
    if (answer == STORE_FAILED)
        return false;
    buf_init(&shown, 2 * (size_t)PATH_BYTES_MAX);
    (void)path_print(&shown, path);
    err_set(err, ERR_INPUT, ENOENT, "[PATH_NOT_FOUND] Path does not exist: dbfs:%.150s",
        buf_text(&shown));
    buf_done(&shown);
    return false;
}
