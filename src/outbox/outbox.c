#include "outbox/outbox.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/str.h"
#include "state/quarantine.h"

#include <stdlib.h>
#include <string.h>

#define RESERVE_TEMP OUTBOX_RESERVE ".tmp"
#define VERIFY_STEP (256U * 1024)

void outbox_init(struct outbox *box, const struct state *state, struct limits *limits)
{
    *box = (struct outbox){.state = state, .limits = limits};
}

/* --- what is there --- */

static bool is_temp(const char *name)
{
    size_t len = strlen(name);

    return len >= 4 && strcmp(name + len - 4, ".tmp") == 0;
}

static bool is_ours(const struct outbox *box, const struct file_name *name)
{
    return memcmp(name->instance, box->state->instance_text, sizeof(name->instance) - 1) == 0;
}

static int by_seq(const void *a, const void *b)
{
    const struct outbox_entry *x = a, *y = b;

    if (x->name.first_seq != y->name.first_seq)
        return x->name.first_seq < y->name.first_seq ? -1 : 1;
    if (x->name.last_seq != y->name.last_seq)
        return x->name.last_seq < y->name.last_seq ? -1 : 1;
    return strcmp(x->text, y->text);
}

static bool add_strange(struct outbox_list *list, const char *name, struct err *err)
{
    list->strange[list->strange_count] = strdup(name);
    if (!list->strange[list->strange_count])
        return err_set(err, ERR_FULL, 0, "no memory for the name '%s'", name);
    list->strange_count++;
    return true;
}

static bool is_file(const struct file_info *info)
{
    return (info->mode & 0170000U) == 0100000U; /* S_IFMT, S_IFREG */
}

static bool add_name(int dirfd, const char *text, struct outbox_list *list, struct err *err)
{
    struct outbox_entry *entry = &list->items[list->count];
    struct file_info info;
    bool exists;

    if (is_temp(text))
        return true;
    if (strcmp(text, OUTBOX_RESERVE) == 0)
        return file_stat(dirfd, text, &exists, &info, err) &&
               (!exists || is_file(&info) || add_strange(list, text, err));
    if (!file_name_parse(text, &entry->name))
        return add_strange(list, text, err);
    if (!file_stat(dirfd, text, &exists, &info, err))
        return false;
    if (!exists) /* delivered while we were looking */
        return true;
    if (!is_file(&info)) /* a directory or link of that name */
        return add_strange(list, text, err);
    entry->bytes = info.bytes;
    (void)str_copy(entry->text, sizeof(entry->text), text);
    list->count++;
    return true;
}

/* Locked: pack has given it its name and is still deleting the segments. */
static bool is_held(const struct outbox *box, const char *text, bool *ret_held, struct err *err)
{
    struct file_info info;
    bool exists, ok;
    int fd;

    if (!file_stat(box->state->outbox, text, &exists, &info, err))
        return false;
    *ret_held = !exists; /* gone is as good as not to be shown */
    if (!exists)
        return true;
    if (!file_open(box->state->outbox, text, FILE_READ, &fd, err))
        return false;
    ok = file_lock(fd, ret_held, err);
    file_drop(fd);
    return ok;
}

/* Pack works strictly oldest first, so only the highest of our own files can be held. Tools that
 * only read (no LOCK held) see it, and never take a lock that ship would stumble over. */
static bool leave_held_out(const struct outbox *box, struct outbox_list *list, struct err *err)
{
    for (size_t i = box->state->lock < 0 ? 0 : list->count; i > 0; i--) {
        bool held;

        if (!is_ours(box, &list->items[i - 1].name))
            continue;
        if (!is_held(box, list->items[i - 1].text, &held, err))
            return false;
        if (held) {
            memmove(&list->items[i - 1], &list->items[i], (list->count - i) * sizeof(*list->items));
            list->count--;
        }
        break;
    }
    return true;
}

bool outbox_scan(const struct outbox *box, bool refused, struct outbox_list *ret, struct err *err)
{
    int dirfd = refused ? box->state->refused : box->state->outbox;
    struct outbox_list list = {0};
    struct file_list names;
    bool ok = false;

    if (!file_list(dirfd, &names, err))
        return false;
    list.items = calloc(names.count + 1, sizeof(*list.items));
    list.strange = calloc(names.count + 1, sizeof(*list.strange));
    if (!list.items || !list.strange) {
        err_set(err, ERR_FULL, 0, "no memory for %zu files", names.count);
        goto out;
    }
    for (size_t i = 0; i < names.count; i++) {
        if (!add_name(dirfd, names.names[i], &list, err))
            goto out;
    }
    qsort(list.items, list.count, sizeof(*list.items), by_seq);
    if (!refused && !leave_held_out(box, &list, err))
        goto out;
    *ret = list;
    ok = true;
out:
    file_list_done(&names);
    if (!ok)
        outbox_list_done(&list);
    return ok;
}

void outbox_list_done(struct outbox_list *list)
{
    for (size_t i = 0; i < list->strange_count; i++)
        free(list->strange[i]);
    free(list->strange);
    free(list->items);
    *list = (struct outbox_list){0};
}

bool outbox_count(const struct outbox *box, size_t *ret, struct err *err)
{
    struct file_list names;
    struct file_name name;
    size_t count = 0;

    if (!file_list(box->state->outbox, &names, err))
        return false;
    for (size_t i = 0; i < names.count; i++)
        count += file_name_parse(names.names[i], &name);
    file_list_done(&names);
    *ret = count;
    return true;
}

/* --- the reserve --- */

/* 0: there is none. */
static bool reserve_bytes(const struct outbox *box, uint64_t *ret, struct err *err)
{
    struct file_info info;
    bool exists;

    if (!file_stat(box->state->outbox, OUTBOX_RESERVE, &exists, &info, err))
        return false;
    *ret = exists ? info.bytes : 0;
    return true;
}

bool outbox_has_reserve(const struct outbox *box)
{
    uint64_t bytes;
    struct err err;

    return reserve_bytes(box, &bytes, &err) && bytes > 0;
}

/* Not synced: after a power cut it may be short or gone, and is then made again. */
static bool make_reserve(struct outbox *box, uint64_t bytes, uint64_t old, struct err *err)
{
    int fd;
    bool ok;

    if (!file_open(box->state->outbox, RESERVE_TEMP, FILE_CREATE, &fd, err))
        return false;
    /* The second call is for file systems that cannot set space aside: the reserve is empty there,
     * but it is not made again and again. */
    ok = file_allocate(fd, bytes, false, err) && file_truncate(fd, bytes, err);
    file_drop(fd);
    ok = ok &&
         file_rename(box->state->outbox, RESERVE_TEMP, box->state->outbox, OUTBOX_RESERVE, err);
    if (!ok) {
        struct err ignored; /* else it is deleted at the next start */

        (void)!file_unlink(box->state->outbox, RESERVE_TEMP, &ignored);
        return false;
    }
    limits_sub(box->limits, LIMITS_OUTBOX, old);
    limits_add(box->limits, LIMITS_OUTBOX, bytes);
    return true;
}

bool outbox_make_reserve(struct outbox *box, uint64_t bytes, struct err *err)
{
    uint64_t old;

    if (!reserve_bytes(box, &old, err))
        return false;
    if (old >= bytes)
        return true;
    if (limits_left(box->limits, clock_mono_us()) < bytes - old)
        return err_set(
            err, ERR_FULL, 0, "no room for the reserve of %llu bytes", (unsigned long long)bytes);
    return make_reserve(box, bytes, old, err);
}

bool outbox_drop_reserve(struct outbox *box, struct err *err)
{
    uint64_t old;

    if (!reserve_bytes(box, &old, err) || !file_unlink(box->state->outbox, OUTBOX_RESERVE, err))
        return false;
    limits_sub(box->limits, LIMITS_OUTBOX, old);
    return true;
}

/* --- pack --- */

bool outbox_begin(struct outbox *box, bool from_reserve, int *ret_fd, struct err *err)
{
    int dirfd = box->state->outbox;
    uint64_t reserved = 0;
    bool busy;
    int fd;

    if (from_reserve) {
        if (!reserve_bytes(box, &reserved, err))
            return false;
        if (reserved == 0)
            return err_set(err, ERR_FULL, 0, "the disk is full and there is no reserve");
        if (!file_rename(dirfd, OUTBOX_RESERVE, dirfd, OUTBOX_TEMP, err))
            return false;
    }
    box->reserved_bytes = reserved;
    if (!file_open(dirfd, OUTBOX_TEMP, from_reserve ? FILE_UPDATE : FILE_CREATE, &fd, err))
        return false;
    if (!file_lock(fd, &busy, err) ||
        (busy && !err_set(err, ERR_RETRY, 0, "'%s' is locked", OUTBOX_TEMP))) {
        file_drop(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool outbox_abort(struct outbox *box, struct err *err)
{
    if (!file_unlink(box->state->outbox, OUTBOX_TEMP, err))
        return false;
    limits_sub(box->limits, LIMITS_OUTBOX, box->reserved_bytes);
    box->reserved_bytes = 0;
    return true;
}

bool outbox_put(struct outbox *box, const struct file_name *name, uint64_t bytes, struct err *err)
{
    int dirfd = box->state->outbox;
    char text[OUTBOX_NAME_SIZE];

    file_name_format(name, text);
    if (!file_rename(dirfd, OUTBOX_TEMP, dirfd, text, err))
        return false;
    limits_add(box->limits, LIMITS_OUTBOX, bytes);
    limits_sub(box->limits, LIMITS_OUTBOX, box->reserved_bytes);
    box->reserved_bytes = 0;
    if (!file_sync(dirfd, err)) {
        err->kind = ERR_BROKEN; /* whatever the reason: the name may be there or not */
        return err_wrap(err, "commit '%s'", text);
    }
    return true;
}

/* --- ship --- */

bool outbox_open(
    const struct outbox *box, const struct outbox_entry *entry, int *ret_fd, struct err *err)
{
    struct file_info info;
    int fd;

    if (!file_open(box->state->outbox, entry->text, FILE_READ, &fd, err))
        return false;
    if (!file_fstat(fd, &info, err)) {
        file_drop(fd);
        return false;
    }
    if (info.bytes != entry->bytes) {
        file_drop(fd);
        return err_set(err, ERR_INPUT, 0, "'%s' has %llu bytes, not %llu", entry->text,
            (unsigned long long)info.bytes, (unsigned long long)entry->bytes);
    }
    *ret_fd = fd;
    return true;
}

static bool checksum(int fd, uint64_t bytes, uint32_t *ret, struct err *err)
{
    char *piece = malloc(VERIFY_STEP);
    uint32_t crc = 0;
    uint64_t at = 0;
    size_t n = 1;
    bool ok = true;

    if (!piece)
        return err_set(err, ERR_FULL, 0, "no memory to read a file");
    while (ok && at < bytes && n > 0) {
        ok = file_read_at(fd, at, piece, VERIFY_STEP, &n, err);
        if (ok) {
            crc = crc32c(crc, piece, n);
            at += n;
        }
    }
    free(piece);
    *ret = crc;
    return ok;
}

bool outbox_verify(
    const struct outbox *box, const struct outbox_entry *entry, bool *ret_ok, struct err *err)
{
    struct file_info info;
    uint32_t crc = 0;
    bool ok;
    int fd;

    if (!file_open(box->state->outbox, entry->text, FILE_READ, &fd, err))
        return false;
    ok = file_fstat(fd, &info, err) && checksum(fd, info.bytes, &crc, err);
    file_drop(fd);
    if (!ok)
        return err_wrap(err, "check '%s'", entry->text);
    *ret_ok = info.bytes == entry->bytes && crc == entry->name.crc;
    return true;
}

bool outbox_done(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    if (!file_unlink(box->state->outbox, entry->text, err))
        return false;
    limits_sub(box->limits, LIMITS_OUTBOX, entry->bytes);
    if (!file_sync(box->state->outbox, err)) {
        err->kind = ERR_BROKEN;
        return err_wrap(err, "delete '%s'", entry->text);
    }
    return true;
}

bool outbox_refuse(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    const struct state *st = box->state;

    if (!file_rename(st->outbox, entry->text, st->refused, entry->text, err))
        return false;
    limits_sub(box->limits, LIMITS_OUTBOX, entry->bytes);
    limits_add(box->limits, LIMITS_REFUSED, entry->bytes);
    /* Where it went to before where it came from: never in neither. */
    if (!file_sync(st->refused, err) || !file_sync(st->outbox, err)) {
        err->kind = ERR_BROKEN;
        return err_wrap(err, "set '%s' aside", entry->text);
    }
    return true;
}

bool outbox_quarantine(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    return quarantine_file(
        box->state, box->limits, box->state->outbox, entry->text, LIMITS_OUTBOX, err);
}
