#include "state/quarantine.h"

#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define TRIES 10000
#define NUMBER_LEN 5 /* of ".9999" */
#define KEPT_MAX (1024U * 1024U)

/* "<stem>.<n>", of a stem that is too long its beginning. */
static void numbered(char out[NAME_MAX + 1], const char *stem, unsigned n)
{
    (void)snprintf(out, NAME_MAX + 1, "%.*s.%u", NAME_MAX - NUMBER_LEN, stem, n);
}

bool quarantine_file(const struct state *st, struct limits *limits, int dirfd, const char *name,
    enum limits_part part, struct err *err)
{
    struct file_info info, other;
    char to[NAME_MAX + 1];
    bool exists = true;

    if (!file_stat(dirfd, name, &exists, &info, err))
        return false;
    if (!exists)
        return true;
    for (unsigned n = 0; exists; n++) {
        if (n >= TRIES)
            return err_set(err, ERR_FULL, 0, "quarantine/ holds '%s' %u times", name, n);
        numbered(to, name, n);
        if (!file_stat(st->quarantine, to, &exists, &other, err))
            return false;
    }
    if (!file_rename(dirfd, name, st->quarantine, to, err) || !file_sync(st->quarantine, err) ||
        !file_sync(dirfd, err))
        return err_wrap(err, "set '%s' aside", name);
    limits_sub(limits, part, info.bytes);
    limits_add(limits, LIMITS_OTHER, info.bytes);
    return true;
}

/* The very same bytes were set aside before: a recovery that is repeated must not pile them up. */
static bool same_content(const struct state *st, const char *name, const void *data, size_t len,
    bool *ret, struct err *err)
{
    char piece[4096];
    bool ok = true, same = true;
    int fd;

    if (!file_open(st->quarantine, name, FILE_READ, &fd, err))
        return false;
    for (size_t at = 0; ok && same && at < len;) {
        size_t want = len - at < sizeof(piece) ? len - at : sizeof(piece), n = 0;

        ok = file_read_at(fd, at, piece, want, &n, err);
        same = n == want && memcmp(piece, (const char *)data + at, n) == 0;
        at += want;
    }
    file_drop(fd);
    *ret = same;
    return ok;
}

bool quarantine_bytes(const struct state *st, struct limits *limits, const char *name,
    uint64_t offset, const void *data, size_t len, struct err *err)
{
    char stem[NAME_MAX + 1], to[NAME_MAX + 1];
    size_t keep = len < KEPT_MAX ? len : KEPT_MAX;
    int n = snprintf(stem, sizeof(stem), "%s@%llu", name, (unsigned long long)offset);

    if (n < 0 || n > NAME_MAX)
        return err_set(err, ERR_DENIED, 0, "no name in quarantine/ for '%s'", name);
    for (unsigned i = 0; i < TRIES; i++) {
        struct file_info info;
        bool exists = false, same = false;

        numbered(to, stem, i);
        if (!file_stat(st->quarantine, to, &exists, &info, err))
            return false;
        if (exists && info.bytes == keep && !same_content(st, to, data, keep, &same, err))
            return false;
        if (same)
            return true;
        if (exists)
            continue;
        if (limits && limits_left(limits, clock_mono_us()) < keep)
            return err_set(
                err, ERR_FULL, 0, "no room to keep %zu damaged bytes of '%s'", keep, name);
        if (!file_write_whole(st->quarantine, to, data, keep, err))
            return err_wrap(err, "keep damaged bytes of '%s'", name);
        limits_add(limits, LIMITS_OTHER, keep);
        return true;
    }
    return err_set(err, ERR_FULL, 0, "quarantine/ holds '%s' %u times", stem, TRIES);
}
