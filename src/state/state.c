#include "state/state.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/rng.h"
#include "base/str.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define LOCK_TRIES 10
#define ANCESTORS_MAX 64

/* The subdirectories, in the order of their members in struct state. */
static const struct part {
    const char *name;
    size_t member;
} parts[] = {
    {"journal", offsetof(struct state, journal)},
    {"outbox", offsetof(struct state, outbox)},
    {"refused", offsetof(struct state, refused)},
    {"rejected", offsetof(struct state, rejected)},
    {"quarantine", offsetof(struct state, quarantine)},
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

static int *part_fd(struct state *st, const struct part *part)
{
    return (int *)(void *)((char *)st + part->member);
}

static bool begin(struct state *st, const char *dir, struct err *err)
{
    *st = (struct state){.dir = -1, .lock = -1};
    for (size_t i = 0; i < PARTS; i++)
        *part_fd(st, &parts[i]) = -1;
    st->path = strdup(dir);
    if (!st->path)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for the path of the state directory");
    return true;
}

void state_close(struct state *st)
{
    for (size_t i = 0; i < PARTS; i++)
        file_drop(*part_fd(st, &parts[i]));
    file_drop(st->dir);
    file_drop(st->lock); /* last: the next process may start now */
    free(st->path);
    *st = (struct state){.dir = -1, .lock = -1};
    for (size_t i = 0; i < PARTS; i++)
        *part_fd(st, &parts[i]) = -1;
}

/* --- whose directory is it, and where does it lie --- */

/* What others may write we cannot promise anything about. The top directory alone may belong to
 * root and be writable for a group: so a platform hands over a volume it mounted for us. */
static bool check_owner(const struct file_info *info, const char *name, bool top, struct err *err)
{
    bool roots = top && info->uid == 0;
    uint32_t refused = S_IWOTH | (roots ? 0U : S_IWGRP);

    if (!S_ISDIR(info->mode))
        return err_set(err, ERR_DENIED, ENOTDIR, "'%s' is not a directory", name);
    if (info->uid != geteuid() && !roots)
        return err_set(err, ERR_DENIED, 0, "'%s' belongs to user %u, we run as user %u", name,
            (unsigned)info->uid, (unsigned)geteuid());
    if (info->mode & refused)
        return err_set(err, ERR_DENIED, 0, "'%s' can be written by others (mode %04o, want 0700)",
            name, (unsigned)(info->mode & 07777U));
    return true;
}

static bool check_place(struct state *st, bool allow_volatile, struct err *err)
{
    if (!file_space(st->dir, &st->space, err))
        return false;
    if (st->space.lasting)
        return true;
    if (!allow_volatile)
        return err_set(err, ERR_DENIED, 0,
            "'%s' lies on %s, which is not durable (a container volume not mounted? "
            "allow_volatile_state = yes takes it all the same)",
            st->path, st->space.type);
    st->volatile_warning = true;
    return true;
}

/* A new directory is only durable when the directories above it are synced. Those we may not open
 * were not made by us. */
static bool sync_above(const struct state *st, struct err *err)
{
    struct file_info here, above;
    int fd = st->dir, up = -1;
    bool ok = file_sync(st->dir, err) && file_fstat(st->dir, &here, err);

    for (int i = 0; ok && i < ANCESTORS_MAX; i++) {
        struct err ignored;

        if (!file_dir_open(fd, "..", &up, &ignored))
            break;
        if (fd != st->dir)
            file_drop(fd);
        fd = up;
        ok = file_fstat(fd, &above, err);
        if (!ok || above.device != here.device || above.inode == here.inode)
            break;
        ok = file_sync(fd, err);
        here = above;
    }
    if (fd != st->dir)
        file_drop(fd);
    return ok;
}

/* --- the lock --- */

static bool say_busy(struct state *st, int fd, bool *ret_busy, struct err *err)
{
    char text[24] = "";
    size_t n = 0;
    uint64_t pid;
    struct err ignored;

    *ret_busy = true;
    if (file_read_at(fd, 0, text, sizeof(text) - 1, &n, &ignored) &&
        str_u64(span_trim((struct span){text, n}), &pid))
        return err_set(err, ERR_RETRY, 0, "'%s' is in use by another process (%llu)", st->path,
            (unsigned long long)pid);
    return err_set(err, ERR_RETRY, 0, "'%s' is in use by another process", st->path);
}

/* Somebody may have replaced the file between our open and our lock: then we hold the lock of a
 * file nobody sees. */
static bool still_there(const struct state *st, int fd, bool *ret, struct err *err)
{
    struct file_info ours, named;
    bool exists = false;

    if (!file_fstat(fd, &ours, err) || !file_stat(st->dir, "LOCK", &exists, &named, err))
        return false;
    *ret = exists && ((ours.inode == named.inode && ours.device == named.device) ||
                         (S_ISDIR(ours.mode) && !S_ISDIR(named.mode) && !S_ISREG(named.mode)));
    return true;
}

/* A directory of that name can be locked as well as a file, and instead of a socket the state
 * directory; moving it away could not be told from moving the file another process has just locked. */
static bool open_lock(const struct state *st, int *ret_fd, bool *ret_text, struct err *err)
{
    *ret_text = file_open(st->dir, "LOCK", FILE_KEEP, ret_fd, err);
    return *ret_text || (err->code == EISDIR && file_dir_open(st->dir, "LOCK", ret_fd, err)) ||
           (err->code == ENXIO && file_dir_open(st->dir, ".", ret_fd, err));
}

static bool take_lock(struct state *st, bool *ret_busy, struct err *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        bool busy = false, same = false, text_file, ok;
        int fd;

        if (!open_lock(st, &fd, &text_file, err))
            return false;
        ok = file_lock(fd, &busy, err);
        if (ok && busy)
            ok = say_busy(st, fd, ret_busy, err);
        if (ok)
            ok = still_there(st, fd, &same, err);
        if (ok && same) {
            char text[24];
            struct err ignored; /* the number is for people only; a full disk must not stop us */
            int n = snprintf(text, sizeof(text), "%-12ld\n", (long)getpid());

            if (text_file)
                (void)!file_write_at(fd, 0, text, n > 0 ? (size_t)n : 0, &ignored);
            st->lock = fd;
            return true;
        }
        file_drop(fd);
        if (!ok)
            return false;
    }
    return err_set(err, ERR_DENIED, 0, "'%s/LOCK' is replaced again and again", st->path);
}

/* --- the parts --- */

/* Something else lies under the name of a directory: "<name>.<n>" in the top directory from now on. Not a
 * link: that is a person's doing, and what it points to may be the store. */
static bool clear_place(const struct state *st, const char *name, struct err *err)
{
    struct file_info info, other;
    bool exists = false, taken = true;
    char to[64];

    if (!file_stat(st->dir, name, &exists, &info, err))
        return false;
    if (!exists || S_ISDIR(info.mode) || S_ISLNK(info.mode))
        return true;
    for (unsigned n = 0; taken; n++) {
        (void)snprintf(to, sizeof(to), "%s.%u", name, n);
        if (!file_stat(st->dir, to, &taken, &other, err))
            return false;
    }
    return file_rename(st->dir, name, st->dir, to, err) && file_sync(st->dir, err);
}

static bool open_part(struct state *st, const struct part *part, bool make, struct err *err)
{
    struct file_info info, top;
    bool exists = false;

    if (make && !clear_place(st, part->name, err))
        return false;
    if (make && !file_dir_make(st->dir, part->name, false, err))
        return false;
    if (!file_stat(st->dir, part->name, &exists, &info, err))
        return false;
    if (!exists) /* only when not made: looking at what there is */
        return true;
    if (!S_ISDIR(info.mode) && !make)
        return true;         /* looking goes on with the other parts */
    if (!S_ISDIR(info.mode)) /* a link too: what it points to may lie anywhere */
        return err_set(
            err, ERR_DENIED, ENOTDIR, "'%s/%s' is not a directory", st->path, part->name);
    if (make && (!check_owner(&info, part->name, false, err) || !file_fstat(st->dir, &top, err)))
        return false;
    if (make && info.device != top.device)
        return err_set(err, ERR_DENIED, 0, "'%s/%s' lies on another file system than '%s'",
            st->path, part->name, st->path);
    return file_dir_open(st->dir, part->name, part_fd(st, part), err);
}

static bool is_temp(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* What is no file was not left by us: set aside, or it would be in the way. */
static bool delete_temps(const struct state *st, int dir, struct err *err)
{
    struct file_list list;
    bool ok = true;

    if (!file_list(dir, &list, err))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        struct file_info info;
        bool exists = false;

        if (!is_temp(list.names[i]))
            continue;
        ok = file_stat(dir, list.names[i], &exists, &info, err);
        if (ok && exists && S_ISREG(info.mode))
            ok = file_unlink(dir, list.names[i], err);
        else if (ok && exists)
            ok = quarantine_file(st, NULL, dir, list.names[i], LIMITS_OTHER, err);
    }
    file_list_done(&list);
    return ok;
}

/* --- the identity --- */

static void set_text(struct state *st)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(st->instance); i++) {
        st->instance_text[2 * i] = digits[st->instance[i] >> 4];
        st->instance_text[2 * i + 1] = digits[st->instance[i] & 15];
    }
    st->instance_text[32] = '\0';
}

/* "volume-uploader state <format>\n<32 hex digits>\n<crc32c of all before, 8 hex digits>\n" */
static void identity_text(const struct state *st, struct buf *out)
{
    buf_printf(out, "volume-uploader state %d\n%s\n", FORMAT, st->instance_text);
    buf_printf(out, "%08x\n", (unsigned)crc32c(0, out->data, out->len));
}

enum identity { IDENTITY_OK, IDENTITY_NEWER, IDENTITY_DAMAGED };

static enum identity identity_parse(struct span text, uint8_t ret[16])
{
    static const char head[] = "volume-uploader state ";
    const char *end = text.len ? memchr(text.data, '\n', text.len) : NULL;
    uint64_t format, high, low, crc;
    struct span number;
    size_t first;

    if (!end || !span_starts(text, head))
        return IDENTITY_DAMAGED;
    first = (size_t)(end - text.data) + 1;
    number = (struct span){text.data + sizeof(head) - 1, first - sizeof(head)};
    if (!str_u64(number, &format) || format == 0)
        return IDENTITY_DAMAGED;
    if (format > FORMAT)
        return IDENTITY_NEWER;
    if (text.len != first + 33 + 9 || text.data[first + 32] != '\n' ||
        text.data[first + 41] != '\n' ||
        !str_hex_u64((struct span){text.data + first, 16}, 16, &high) ||
        !str_hex_u64((struct span){text.data + first + 16, 16}, 16, &low) ||
        !str_hex_u64((struct span){text.data + first + 33, 8}, 8, &crc) ||
        crc != crc32c(0, text.data, first + 33))
        return IDENTITY_DAMAGED;
    for (int i = 0; i < 8; i++) {
        ret[i] = (uint8_t)(high >> (56 - 8 * i));
        ret[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return IDENTITY_OK;
}

/* A damaged file counts as missing: the id is also in every segment. It is set aside, not lost. */
static bool read_identity(struct state *st, bool may_change, struct err *err)
{
    struct file_info info;
    enum identity what = IDENTITY_DAMAGED;
    bool exists = false, ok = true;
    struct buf text;

    buf_init(&text, 4096);
    if (!file_stat(st->dir, "IDENTITY", &exists, &info, err))
        return false;
    if (!exists)
        return true;
    if (S_ISREG(info.mode) && info.bytes <= text.max) {
        ok = file_read_whole(st->dir, "IDENTITY", &text, err);
        if (ok)
            what = identity_parse((struct span){text.data, text.len}, st->instance);
        ok = ok || err->code == EIO; /* the medium has lost it: damaged like any other */
    }
    if (ok && what == IDENTITY_NEWER)
        ok = err_set(
            err, ERR_DENIED, 0, "'%s' was written by a newer version of this program", st->path);
    else if (ok && what == IDENTITY_DAMAGED && may_change)
        ok = quarantine_file(st, NULL, st->dir, "IDENTITY", LIMITS_OTHER, err);
    if (ok && what == IDENTITY_OK) {
        st->instance_known = true;
        set_text(st);
    }
    buf_done(&text);
    return ok;
}

bool state_set_instance(struct state *st, const uint8_t *found, struct err *err)
{
    struct buf text;
    bool ok;

    if (st->instance_known) {
        if (found && memcmp(found, st->instance, sizeof(st->instance)) != 0)
            return err_set(err, ERR_DENIED, 0,
                "'%s' holds files of another instance than its own (%s): two directories mixed",
                st->path, st->instance_text);
        return true;
    }
    if (found)
        memcpy(st->instance, found, sizeof(st->instance));
    else if (!rng_secure(st->instance, sizeof(st->instance), err))
        return false;
    set_text(st);
    buf_init(&text, 4096);
    identity_text(st, &text);
    ok = buf_check(&text, "IDENTITY", err) &&
         file_write_whole(st->dir, "IDENTITY", text.data, text.len, err);
    buf_done(&text);
    st->instance_known = ok;
    return ok;
}

/* --- opening --- */

bool state_open(
    struct state *st, const char *dir, bool allow_volatile, bool *ret_busy, struct err *err)
{
    struct file_info info;
    bool ok = begin(st, dir, err);

    *ret_busy = false;
    ok = ok && file_dir_make(FILE_CWD, dir, true, err) &&
         file_dir_open(FILE_CWD, dir, &st->dir, err) && file_fstat(st->dir, &info, err) &&
         check_owner(&info, dir, true, err) && check_place(st, allow_volatile, err) &&
         take_lock(st, ret_busy, err);
    /* Only now may anything be read, made or deleted. */
    for (size_t i = 0; ok && i < PARTS; i++)
        ok = open_part(st, &parts[i], true, err);
    for (size_t i = 0; ok && i < PARTS; i++)
        ok = delete_temps(st, *part_fd(st, &parts[i]), err);
    ok = ok && delete_temps(st, st->dir, err) && read_identity(st, true, err);
    if (ok && !st->instance_known)
        ok = sync_above(st, err); /* new, as far as we know */
    if (!ok)
        state_close(st);
    return ok;
}

bool state_open_readonly(struct state *st, const char *dir, struct err *err)
{
    bool ok = begin(st, dir, err);

    ok = ok && file_dir_open(FILE_CWD, dir, &st->dir, err) && file_space(st->dir, &st->space, err);
    for (size_t i = 0; ok && i < PARTS; i++)
        ok = open_part(st, &parts[i], false, err);
    ok = ok && read_identity(st, false, err);
    if (!ok)
        state_close(st);
    return ok;
}
