/* `check`, this machine: the state directory, who uses it, its disk, and what waits in it. Reads
 * only, and takes no lock: a `run` may be at work, and one may start at any moment. */
#include "commands/check.h"

#include "journal/scan.h"
#include "state/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOCKS_MAX ((size_t)1 << 20)
#define FREE_WANTED (UINT64_C(256) << 20) /* what limits_init leaves to others, at most */
#define RATE_AGE_US (60 * CLOCK_SECOND_US)

/* --- who holds the lock --- */

/* "7: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF" */
bool check_lock_holder(
    struct span locks, uint64_t device, uint64_t inode, uint64_t pid_in_file, uint64_t *ret_pid)
{
    while (locks.len) {
        const char *end = memchr(locks.data, '\n', locks.len);
        size_t len = end ? (size_t)(end - locks.data) : locks.len;
        char line[160], kind[16];
        unsigned major, minor;
        unsigned long long at;
        long pid;

        (void)snprintf(line, sizeof(line), "%.*s", (int)(len < 159 ? len : 159), locks.data);
        locks.data += len + (end != NULL);
        locks.len -= len + (end != NULL);
        if (sscanf(line, "%*u: %15s %*15s %*15s %ld %x:%x:%llu", kind, &pid, &major, &minor, &at) !=
                5 ||
            strcmp(kind, "FLOCK") != 0 || at != inode)
            continue;
        if (makedev(major, minor) != device && (pid <= 0 || (uint64_t)pid != pid_in_file))
            continue;
        *ret_pid = pid > 0 ? (uint64_t)pid : 0;
        return true;
    }
    return false;
}

static void read_locks(struct buf *out)
{
    struct err ignored; /* without /proc nobody is found */
    int fd = -1;
    size_t got = 1;

    if (!file_open(FILE_CWD, "/proc/locks", FILE_READ, &fd, &ignored))
        return;
    while (got) {
        char *to = buf_reserve(out, 16384);

        /* A file of /proc says no length: read until nothing comes. */
        if (!to || !file_read_at(fd, out->len, to, 16384, &got, &ignored))
            break;
        out->len += got;
    }
    file_drop(fd);
}

static uint64_t pid_of_file(const struct state *st)
{
    char text[24];
    struct err ignored;
    uint64_t pid = 0;
    size_t got = 0;
    int fd = -1;

    if (!file_open(st->dir, "LOCK", FILE_READ, &fd, &ignored))
        return 0;
    if (file_read_at(fd, 0, text, sizeof(text), &got, &ignored))
        (void)str_u64(span_trim((struct span){text, got}), &pid);
    file_drop(fd);
    return pid;
}

static void look_lock(struct check *c, const struct state *st)
{
    struct file_info info;
    struct err err = {0};
    uint64_t pid = 0;
    bool exists = false;
    struct buf locks;

    if (!file_stat(st->dir, "LOCK", &exists, &info, &err)) {
        check_say(c, CHECK_WARN, "run", NULL, "not known: %s", err.text);
        return;
    }
    buf_init(&locks, LOCKS_MAX);
    read_locks(&locks);
    c->run_lives = exists && check_lock_holder((struct span){locks.data, locks.len}, info.device,
                                 info.inode, pid_of_file(st), &pid);
    buf_done(&locks);
    if (c->run_lives)
        check_say(
            c, CHECK_OK, "run", NULL, "is at work here (process %llu)", (unsigned long long)pid);
    else
        check_say(c, CHECK_OK, "run", NULL, "none is at work here: nobody holds the lock");
}

/* --- whose it is --- */

/* What `run` demands (state/state.c), said before it is started. */
static void look_owner(struct check *c, const struct state *st)
{
    struct file_info info;
    struct err err = {0};
    char remedy[256];
    bool roots;

    if (!file_fstat(st->dir, &info, &err)) {
        check_say(c, CHECK_FAIL, "state directory", NULL, "%s: %s", st->path, err.text);
        return;
    }
    roots = info.uid == 0;
    if (c->run_lives) {
        check_say(
            c, CHECK_OK, "state directory", NULL, "%s on %s, in use", st->path, st->space.type);
    } else if (info.uid != geteuid() && !roots) {
        (void)snprintf(remedy, sizeof(remedy),
            "run as user %u, or give the directory to user %u (chown -R)", (unsigned)info.uid,
            (unsigned)geteuid());
        check_say(c, CHECK_FAIL, "state directory", remedy, "%s belongs to user %u, we are user %u",
            st->path, (unsigned)info.uid, (unsigned)geteuid());
    } else if (info.mode & (S_IWOTH | (roots ? 0U : S_IWGRP))) {
        check_say(c, CHECK_FAIL, "state directory", "chmod 0700 the directory",
            "%s can be written by others (mode %04o)", st->path, (unsigned)(info.mode & 07777U));
    } else if (access(st->path, W_OK | X_OK) != 0) {
        check_say(c, CHECK_FAIL, "state directory", "let this user write there, on a writable disk",
            "%s cannot be written by us", st->path);
    } else {
        check_say(c, CHECK_OK, "state directory", NULL, "%s on %s%s%s", st->path, st->space.type,
            st->instance_known ? ", instance " : ", new",
            st->instance_known ? st->instance_text : "");
    }
}

static void look_place(struct check *c, const struct file_space *space, const char *path)
{
    if (space->lasting)
        return;
    if (c->s->allow_volatile_state)
        check_say(c, CHECK_WARN, "state directory", "use a directory on a local disk",
            "%s lies on %s, which may lose data; allow_volatile_state takes it all the same", path,
            space->type);
    else
        check_say(c, CHECK_FAIL, "state directory",
            "mount a volume there, or name a directory on a local disk with --state-dir "
            "(VOLUME_UPLOADER_STATE_DIR)",
            "%s lies on %s, which is not durable", path, space->type);
}

/* --- how much, and for how long --- */

struct backlog {
    size_t files, segments;
    uint64_t bytes, readings;
    int64_t oldest_wall_us; /* 0: nothing waits */
};

static void older(struct backlog *b, int64_t created_us)
{
    if (created_us > 0 && (!b->oldest_wall_us || created_us < b->oldest_wall_us))
        b->oldest_wall_us = created_us;
}

/* Closed segments and finished files. The newest segment takes its whole length beforehand and says
 * nothing about a rate. */
static bool read_backlog(const struct state *st, struct backlog *b, struct err *err)
{
    struct segment_list segments = {0};
    struct outbox_list files = {0};
    struct outbox box;
    bool ok = true;

    outbox_init(&box, st, NULL);
    ok = st->journal < 0 || scan_list(st, &segments, err);
    ok = ok && (st->outbox < 0 || outbox_scan(&box, false, &files, err));
    for (size_t i = 0; ok && i < segments.count; i++) {
        const struct segment_info *info = &segments.items[i];

        if (info->newest || !info->header_ok)
            continue;
        b->segments++;
        b->bytes += info->bytes;
        b->readings += info->end_seq > info->first_seq ? info->end_seq - info->first_seq : 0;
        older(b, info->header.created_us);
    }
    for (size_t i = 0; ok && i < files.count; i++) {
        b->files++;
        b->bytes += files.items[i].bytes;
        b->readings += files.items[i].name.last_seq - files.items[i].name.first_seq + 1;
        older(b, files.items[i].name.created_us);
    }
    scan_list_done(&segments);
    outbox_list_done(&files);
    return ok;
}

void check_room_text(
    struct buf *out, uint64_t left_bytes, uint64_t backlog_bytes, int64_t backlog_age_us)
{
    char left[32], rate[32], time[32];
    double us_per_byte;

    buf_printf(out, "%s left for the state", str_bytes(left, sizeof(left), left_bytes));
    if (backlog_age_us < RATE_AGE_US || backlog_bytes == 0 || left_bytes == 0)
        return;
    us_per_byte = (double)backlog_age_us / (double)backlog_bytes;
    /* Beyond ten years no number is worth its name. */
    if ((double)left_bytes * us_per_byte > 3650.0 * (double)CLOCK_DAY_US) {
        buf_add_text(out, ", for years at the rate of the backlog");
        return;
    }
    buf_printf(out, ", for about %s at the rate of the backlog (%s/min)",
        str_duration(time, sizeof(time), (int64_t)((double)left_bytes * us_per_byte)),
        str_bytes(rate, sizeof(rate), (uint64_t)((double)RATE_AGE_US / us_per_byte)));
}

static void look_disk(struct check *c, const struct state *st, const struct backlog *b)
{
    static const char *const remedies[] = {NULL,
        "make room, or raise state_bytes_max; the rest takes what is received until it is full",
        "make room on the disk, or raise state_bytes_max (lower free_bytes_min); `run` goes on by "
        "itself"};
    static const enum check_status statuses[] = {CHECK_OK, CHECK_WARN, CHECK_FAIL};
    int64_t age_us = b->oldest_wall_us ? clock_wall_us() - b->oldest_wall_us : 0;
    enum limits_level level;
    struct limits limits;
    struct err err = {0};
    char used[32], most[32];
    struct buf text;

    if (!limits_init(&limits, st, c->s->state_bytes_max, c->s->free_bytes_min, &err)) {
        check_say(c, CHECK_FAIL, "disk", NULL, "%s", err.text);
        return;
    }
    level = limits_check(&limits, clock_mono_us());
    buf_init(&text, 1024);
    if (level == LIMITS_REACHED)
        buf_add_text(&text, c->s->when_full == WHEN_FULL_WAIT
                                ? "full, nothing is received any more: "
                                : "full, the oldest readings are dropped: ");
    check_room_text(&text, limits_left(&limits, clock_mono_us()), b->bytes, age_us);
    check_say(c, statuses[level], "disk", remedies[level], "%s; %s of %s in use", buf_text(&text),
        str_bytes(used, sizeof(used), limits_used(&limits)),
        str_bytes(most, sizeof(most), limits.state_bytes_max));
    buf_done(&text);
}

static void look_backlog(struct check *c, const struct backlog *b)
{
    char readings[32], bytes[32], age[32];

    if (b->files + b->segments == 0) {
        check_say(c, CHECK_OK, "backlog", NULL, "nothing waits");
        return;
    }
    check_say(c, CHECK_OK, "backlog", NULL,
        "%s readings wait in %zu segments and %zu files (%s), the oldest since %s",
        str_count(readings, sizeof(readings), b->readings), b->segments, b->files,
        str_bytes(bytes, sizeof(bytes), b->bytes),
        str_duration(age, sizeof(age), clock_wall_us() - b->oldest_wall_us));
}

/* Files that somebody has to look at. */
static void look_set_aside(struct check *c, const struct state *st)
{
    struct outbox_list refused = {0};
    struct file_list quarantine = {0};
    struct outbox box;
    struct err err = {0};

    outbox_init(&box, st, NULL);
    if (st->refused >= 0 && outbox_scan(&box, true, &refused, &err) && refused.count)
        check_say(c, CHECK_WARN, "refused files",
            "see `volume-uploader inspect`; mend the cause and move them back to outbox/",
            "%zu files were refused by the workspace and wait in refused/", refused.count);
    if (st->quarantine >= 0 && file_list(st->quarantine, &quarantine, &err) && quarantine.count)
        check_say(c, CHECK_WARN, "damage",
            "see `volume-uploader inspect` and gaps.log; check the disk",
            "%zu damaged pieces lie in quarantine/", quarantine.count);
    outbox_list_done(&refused);
    file_list_done(&quarantine);
}

static void look_inside(struct check *c, const struct state *st)
{
    struct backlog backlog = {0};
    struct err err = {0};

    look_lock(c, st);
    look_owner(c, st);
    look_place(c, &st->space, st->path);
    if (!read_backlog(st, &backlog, &err)) {
        check_say(c, CHECK_FAIL, "backlog", "see `volume-uploader inspect`", "%s", err.text);
        return;
    }
    look_disk(c, st, &backlog);
    look_backlog(c, &backlog);
    look_set_aside(c, st);
}

/* --- a directory that is not there yet --- */

/* The nearest directory above it that is there. */
static bool find_above(const char *path, char out[PATH_MAX])
{
    if (!str_copy(out, PATH_MAX, path))
        return false;
    while (access(out, F_OK) != 0) {
        char *slash = strrchr(out, '/');

        if (!slash)
            return str_copy(out, PATH_MAX, ".");
        if (slash == out)
            return str_copy(out, PATH_MAX, "/");
        *slash = '\0';
    }
    return true;
}

static void look_above(struct check *c)
{
    const char *path = c->s->state_dir;
    char above[PATH_MAX], free_text[32];
    struct file_space space;
    struct err err = {0};
    int fd = -1;
    bool full;

    if (!find_above(path, above) || !file_dir_open(FILE_CWD, above, &fd, &err) ||
        !file_space(fd, &space, &err)) {
        check_say(c, CHECK_FAIL, "state directory",
            "name another directory with --state-dir (VOLUME_UPLOADER_STATE_DIR)", "%s: %s", path,
            err.text);
    } else if (access(above, W_OK | X_OK) != 0) {
        check_say(c, CHECK_FAIL, "state directory",
            "make it and give it to this user, or name another one with --state-dir",
            "%s is not there, and we may not make it in %s", path, above);
    } else {
        check_say(
            c, CHECK_OK, "state directory", NULL, "%s is not there yet; `run` makes it", path);
        look_place(c, &space, above);
        full = space.free_bytes <= FREE_WANTED;
        check_say(c, full ? CHECK_FAIL : CHECK_OK, "disk",
            full ? "name a directory on a disk with room" : NULL, "%s free on %s",
            str_bytes(free_text, sizeof(free_text), space.free_bytes), space.type);
    }
    file_drop(fd);
}

void check_local(struct check *c)
{
    struct err err = {0};
    struct state st;

    if (access(c->s->state_dir, F_OK) != 0 && errno == ENOENT) {
        look_above(c);
    } else if (!state_open_readonly(&st, c->s->state_dir, &err)) {
        check_say(c, CHECK_FAIL, "state directory",
            "run `check` as the user of `run`, or name a directory of ours with --state-dir", "%s",
            err.text);
        check_say(c, CHECK_SKIP, "disk", NULL, "the state directory cannot be read");
    } else {
        look_inside(c, &st);
        state_close(&st);
    }
}
