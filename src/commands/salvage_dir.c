/* The directory that takes what is saved: new or empty, and nowhere in the store. */
#include "commands/salvage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ANCESTORS_MAX 256
#define WORK ".work"

const char *const salvage_folders[SALVAGE_FOLDERS] = {
    "outbox", "journal", "quarantine", "doubtful"};

/* By device and inode, upwards from the directory: whatever links and mounts led to it. */
static bool lies_in_store(const struct salvage *s, int dir, bool *ret, struct err *err)
{
    struct file_info store, here, above;
    int fd = dir;
    bool ok = file_fstat(s->st.dir, &store, err) && file_fstat(dir, &here, err);

    *ret = false;
    for (int i = 0; ok && i < ANCESTORS_MAX; i++) {
        int up;

        if (here.inode == store.inode && here.device == store.device) {
            *ret = true;
            break;
        }
        ok = file_dir_open(fd, "..", &up, err) && file_fstat(up, &above, err);
        if (!ok)
            break;
        if (fd != dir)
            file_drop(fd);
        fd = up;
        if (above.inode == here.inode && above.device == here.device)
            break; /* the root */
        here = above;
    }
    if (fd != dir)
        file_drop(fd);
    return ok;
}

static bool refuse_store(const struct salvage *s, int dir, const char *path, struct err *err)
{
    bool inside;

    if (!lies_in_store(s, dir, &inside, err))
        return false;
    return !inside || err_set(err, ERR_DENIED, 0,
                          "'%s' lies in the state directory: nothing is written there", path);
}

/* "a/b/c///" to "a/b" and "c". */
static bool split(const char *path, char above[PATH_MAX], const char **ret_name, struct err *err)
{
    char *slash;

    if (!str_copy(above, PATH_MAX, path))
        return err_set(err, ERR_DENIED, ENAMETOOLONG, "'%.60s...'", path);
    while ((slash = strrchr(above, '/')) && slash != above && slash[1] == '\0')
        *slash = '\0';
    slash = strrchr(above, '/');
    *ret_name = slash ? path + (slash - above) + 1 : path;
    if (!slash)
        (void)str_copy(above, PATH_MAX, ".");
    else if (slash == above)
        slash[1] = '\0';
    else
        *slash = '\0';
    return true;
}

/* Made only below a directory that was looked at first. */
static bool make(const struct salvage *s, const char *path, struct err *err)
{
    char above[PATH_MAX];
    struct file_info info;
    const char *name = NULL;
    bool exists = false, ok;
    int fd;

    if (!split(path, above, &name, err) || !file_dir_open(FILE_CWD, above, &fd, err))
        return false;
    ok = refuse_store(s, fd, path, err) && file_stat(fd, name, &exists, &info, err);
    if (ok && exists && !S_ISDIR(info.mode))
        ok = err_set(
            err, ERR_DENIED, ENOTDIR, "'%s' is no directory (links are not followed)", path);
    ok = ok && (exists || (file_dir_make(fd, name, false, err) && file_sync(fd, err)));
    file_drop(fd);
    return ok;
}

static bool check_empty(int dir, const char *path, struct err *err)
{
    struct file_list list;
    size_t count;

    if (!file_list(dir, &list, err))
        return false;
    count = list.count;
    file_list_done(&list);
    return count == 0 || err_set(err, ERR_DENIED, ENOTEMPTY,
                             "'%s' is not empty: a new directory is wanted", path);
}

static bool make_work(struct salvage *s, struct err *err)
{
    struct state *w = &s->work;

    return file_dir_make(s->dir, WORK, false, err) && file_dir_open(s->dir, WORK, &w->dir, err) &&
           file_dir_make(w->dir, "journal", false, err) &&
           file_dir_open(w->dir, "journal", &w->journal, err) &&
           file_dir_make(w->dir, "outbox", false, err) &&
           file_dir_open(w->dir, "outbox", &w->outbox, err) &&
           file_dir_make(w->dir, "quarantine", false, err) &&
           file_dir_open(w->dir, "quarantine", &w->quarantine, err);
}

bool salvage_dir_open(struct salvage *s, const char *path, struct err *err)
{
    int dir = -1;

    if (!make(s, path, err) || !file_dir_open(FILE_CWD, path, &dir, err))
        return false;
    if (!refuse_store(s, dir, path, err) || !check_empty(dir, path, err)) {
        file_drop(dir);
        return false;
    }
    s->dir = dir; /* only now is it ours, to be tidied up at the end */
    for (int i = 0; i < SALVAGE_FOLDERS; i++) {
        if (!file_dir_make(s->dir, salvage_folders[i], false, err) ||
            !file_dir_open(s->dir, salvage_folders[i], &s->folder[i], err))
            return false;
    }
    return make_work(s, err) && file_sync(s->dir, err);
}

static void empty(int dir)
{
    struct file_list list;
    struct err ignored; /* what stays is in the way of nobody */

    if (dir < 0 || !file_list(dir, &list, &ignored))
        return;
    for (size_t i = 0; i < list.count; i++)
        (void)!file_unlink(dir, list.names[i], &ignored);
    file_list_done(&list);
}

void salvage_dir_close(struct salvage *s)
{
    static const char *const parts[] = {"journal", "outbox", "quarantine"};
    int fds[] = {s->work.journal, s->work.outbox, s->work.quarantine};
    struct err ignored;
    bool was_empty;

    for (size_t i = 0; i < 3; i++) {
        empty(fds[i]);
        file_drop(fds[i]);
        if (s->work.dir >= 0)
            (void)!file_dir_remove(s->work.dir, parts[i], &was_empty, &ignored);
    }
    empty(s->work.dir); /* its gaps.log */
    file_drop(s->work.dir);
    for (int i = 0; i < SALVAGE_FOLDERS; i++) {
        file_drop(s->folder[i]);
        if (s->dir >= 0) /* a folder with nothing in it says nothing */
            (void)!file_dir_remove(s->dir, salvage_folders[i], &was_empty, &ignored);
    }
    if (s->dir >= 0)
        (void)!file_dir_remove(s->dir, WORK, &was_empty, &ignored);
    file_drop(s->dir);
}
