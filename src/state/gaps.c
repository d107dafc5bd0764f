#include "state/gaps.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME "gaps.log"
#define AHEAD_BYTES (64U * 1024U)
#define LINE_MAX_BYTES 4096U
#define WINDOW_BYTES (64U * 1024U)
#define KNOWN_MAX 65536U
#define WHERE_SIZE 256U

struct known {
    uint64_t from_seq, to_seq;
    enum gap_reason reason;
};

struct dropped {
    uint64_t from_seq, to_seq, bytes;
    char where[WHERE_SIZE];
    char first[CLOCK_TEXT_SIZE]; /* "": none */
};

struct gaps {
    const struct state *state;
    struct limits *limits;
    int fd;
    atomic_flag busy;
    bool broken;         /* a sync failed: nothing may be said about this file any more */
    bool half_line;      /* the file does not end with a line end */
    uint64_t bytes;      /* length of the file */
    uint64_t taken;      /* how far space is taken ahead */
    struct known *known; /* the last KNOWN_MAX ones, a ring once that many */
    uint32_t known_count, known_size, known_next;
    struct dropped dropped[GAPS_DROPPED_MAX]; /* a ring */
    uint32_t dropped_next;
    atomic_uint_least64_t readings, promised_readings, count;
};

const char *gap_reason_name(enum gap_reason reason)
{
    switch (reason) {
    case GAP_TORN:
        return "torn";
    case GAP_DAMAGED:
        return "damaged";
    case GAP_MISSING:
        return "missing";
    case GAP_NO_NAMES:
        return "no_names";
    case GAP_DROPPED:
        return "dropped";
    }
    return "unknown";
}

/* Two threads write a gap at the same time about never, and a sync is slow: so waiting is a short
 * sleep, and no thread library is needed here. */
static void lock(struct gaps *g)
{
    const struct timespec pause = {.tv_nsec = 200000};

    while (atomic_flag_test_and_set_explicit(&g->busy, memory_order_acquire))
        (void)nanosleep(&pause, NULL);
}

static void unlock(struct gaps *g)
{
    atomic_flag_clear_explicit(&g->busy, memory_order_release);
}

/* --- what is known --- */

static bool remember(struct gaps *g, const struct gap *gap)
{
    if (g->known_count == g->known_size && g->known_size < KNOWN_MAX) {
        uint32_t size = g->known_size ? g->known_size * 2 : 64;
        struct known *more = realloc(g->known, size * sizeof(*more));

        if (!more)
            return false;
        g->known = more;
        g->known_size = size;
    }
    g->known[g->known_next] = (struct known){gap->from_seq, gap->to_seq, gap->reason};
    g->known_next = (g->known_next + 1) % KNOWN_MAX;
    if (g->known_count < g->known_size)
        g->known_count++;
    return true;
}

/* A reading is lost once: a range that lies in one already written says nothing new, whatever the
 * reason this time. Damage that cost no reading is known by its place. */
static bool is_known(const struct gaps *g, const struct gap *gap)
{
    bool empty = gap->from_seq > gap->to_seq;

    for (uint32_t i = 0; i < g->known_count; i++) {
        const struct known *k = &g->known[i];

        if (empty ? k->from_seq == gap->from_seq && k->to_seq == gap->to_seq &&
                        k->reason == gap->reason
                  : k->from_seq <= gap->from_seq && gap->to_seq <= k->to_seq)
            return true;
    }
    return false;
}

static void count_in(struct gaps *g, const struct gap *gap)
{
    atomic_fetch_add_explicit(&g->readings, gap->readings, memory_order_relaxed);
    if (gap->promised)
        atomic_fetch_add_explicit(&g->promised_readings, gap->readings, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->count, 1, memory_order_relaxed);
}

/* --- lines --- */

static void add_line(struct buf *out, const struct gap *gap)
{
    char at[CLOCK_TEXT_SIZE], first[CLOCK_TEXT_SIZE], last[CLOCK_TEXT_SIZE];
    bool timed = gap->first_us != 0 || gap->last_us != 0;
    struct json_out json;

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "at", clock_text(at, clock_wall_us()));
    json_key_uint(&json, "from_seq", gap->from_seq);
    json_key_uint(&json, "to_seq", gap->to_seq);
    json_key_uint(&json, "readings", gap->readings);
    json_key_bool(&json, "promised", gap->promised);
    json_key_text(&json, "reason", gap_reason_name(gap->reason));
    json_key_text(&json, "first", timed ? clock_text(first, gap->first_us) : NULL);
    json_key_text(&json, "last", timed ? clock_text(last, gap->last_us) : NULL);
    json_key_uint(&json, "bytes", gap->bytes);
    json_key_text(&json, "where", gap->where);
    json_out_object_end(&json);
    buf_add_byte(out, '\n');
}

/* `key` and then what follows up to the next ',' : the form add_line writes, nothing else. */
static bool take(struct span *line, const char *key, struct span *ret)
{
    const char *end;

    if (!span_starts(*line, key))
        return false;
    line->data += strlen(key);
    line->len -= strlen(key);
    end = line->len ? memchr(line->data, ',', line->len) : NULL;
    if (!end)
        return false;
    *ret = (struct span){line->data, (size_t)(end - line->data)};
    line->len -= ret->len + 1;
    line->data = end + 1;
    return true;
}

/* "bytes":400,"where":"..."} as the end of a line. */
static void parse_rest(struct span line, struct gap *ret, struct dropped *rest)
{
    char *where = rest->where;
    struct span first, last, bytes;

    *rest = (struct dropped){0};
    ret->where = where;
    if (!take(&line, "\"first\":", &first) || !take(&line, "\"last\":", &last) ||
        !take(&line, "\"bytes\":", &bytes) || !str_u64(bytes, &ret->bytes) ||
        !span_starts(line, "\"where\":\"") || line.len < 11 || line.len - 11 >= WHERE_SIZE ||
        memchr(line.data, '\\', line.len) || line.data[line.len - 2] != '"')
        return;
    memcpy(where, line.data + 9, line.len - 11);
    if (first.len == CLOCK_TEXT_SIZE - 1 + 2) /* in quotes; else null */
        memcpy(rest->first, first.data + 1, CLOCK_TEXT_SIZE - 1);
}

static bool line_parse(struct span line, struct gap *ret, struct dropped *rest)
{
    struct span at, from, to, readings, promised, reason;
    struct gap gap = {0};

    if (!take(&line, "{\"at\":", &at) || !take(&line, "\"from_seq\":", &from) ||
        !take(&line, "\"to_seq\":", &to) || !take(&line, "\"readings\":", &readings) ||
        !take(&line, "\"promised\":", &promised) || !take(&line, "\"reason\":", &reason) ||
        line.len == 0 || line.data[line.len - 1] != '}' || !str_u64(from, &gap.from_seq) ||
        !str_u64(to, &gap.to_seq) || !str_u64(readings, &gap.readings) || reason.len < 2)
        return false;
    gap.promised = span_is(promised, "true");
    reason = (struct span){reason.data + 1, reason.len - 2};
    for (enum gap_reason r = GAP_TORN; r <= GAP_DROPPED; r++) {
        if (span_is(reason, gap_reason_name(r)))
            gap.reason = r;
    }
    parse_rest(line, &gap, rest);
    *ret = gap;
    return gap.reason != 0;
}

static void note_dropped(struct gaps *g, const struct gap *gap, const struct dropped *rest)
{
    struct dropped *d = &g->dropped[g->dropped_next % GAPS_DROPPED_MAX];

    if (gap->reason != GAP_DROPPED || !rest->where[0])
        return;
    *d = *rest;
    d->from_seq = gap->from_seq;
    d->to_seq = gap->to_seq;
    d->bytes = gap->bytes;
    g->dropped_next++;
}

bool gaps_was_dropped(const struct gaps *g, const struct gap *gap)
{
    char first[CLOCK_TEXT_SIZE] = "";

    if (gap->first_us != 0 || gap->last_us != 0)
        (void)clock_text(first, gap->first_us);
    for (uint32_t i = 0; i < GAPS_DROPPED_MAX; i++) {
        const struct dropped *d = &g->dropped[i];

        if (d->where[0] && strcmp(d->where, gap->where) == 0 && d->from_seq == gap->from_seq &&
            d->to_seq == gap->to_seq && d->bytes == gap->bytes && strcmp(d->first, first) == 0)
            return true;
    }
    return false;
}

/* A line that cannot be understood (cut by a crash: its loss did not happen, or is written again) is
 * left alone. */
static bool take_line(struct gaps *g, struct span line, struct err *err)
{
    struct dropped rest;
    struct gap gap;

    if (!line_parse(line, &gap, &rest))
        return true;
    count_in(g, &gap);
    note_dropped(g, &gap, &rest);
    return remember(g, &gap) || err_set(err, ERR_FULL, ENOMEM, "no memory for the list of gaps");
}

/* Whole lines of the window. */
static bool take_lines(struct gaps *g, struct buf *window, struct err *err)
{
    size_t at = 0;

    for (;;) {
        const char *start = window->data + at;
        const char *end = at < window->len ? memchr(start, '\n', window->len - at) : NULL;

        if (!end)
            break;
        if (!take_line(g, (struct span){start, (size_t)(end - start)}, err))
            return false;
        at = (size_t)(end - window->data) + 1;
    }
    buf_drop_front(window, at);
    if (window->len > LINE_MAX_BYTES)
        buf_drop_front(window, window->len); /* no line of ours is as long */
    return true;
}

/* A page that cannot be read costs its lines only. */
static bool read_page(int fd, uint64_t at, char *page, size_t *ret_len, bool *ret_whole)
{
    struct err err;

    if (file_read_at(fd, at, page, 4096, ret_len, &err))
        return *ret_len > 0;
    memset(page, '\n', 4096);
    *ret_len = 4096;
    *ret_whole = false;
    return true;
}

/* A window, page by page where the medium is bad. */
static bool read_window(
    int fd, uint64_t at, uint64_t size, char *to, size_t *ret_len, struct err *err)
{
    bool whole;

    if (file_read_at(fd, at, to, WINDOW_BYTES, ret_len, err))
        return true;
    if (err->code != EIO)
        return false;
    *ret_len = 0;
    for (size_t n = 0; *ret_len < WINDOW_BYTES && at + *ret_len < size; *ret_len += n) {
        if (!read_page(fd, at + *ret_len, to + *ret_len, &n, &whole))
            break;
    }
    if (*ret_len > size - at)
        *ret_len = (size_t)(size - at);
    return true;
}

static bool read_all(struct gaps *g, struct err *err)
{
    struct file_info info;
    struct buf window;
    bool ok = file_fstat(g->fd, &info, err);
    char last = '\n';

    buf_init(&window, WINDOW_BYTES + LINE_MAX_BYTES);
    for (uint64_t at = 0; ok;) {
        char *to = buf_reserve(&window, WINDOW_BYTES);
        size_t n = 0;

        if (!to) {
            ok = err_set(err, ERR_FULL, ENOMEM, "no memory to read " NAME);
            break;
        }
        ok = read_window(g->fd, at, info.bytes, to, &n, err);
        if (!ok || n == 0)
            break;
        last = to[n - 1];
        window.len += n;
        at += n;
        g->bytes = at;
        ok = take_lines(g, &window, err);
    }
    g->half_line = last != '\n';
    if (ok && g->half_line) /* perhaps only its end is missing: the next line gives it one */
        ok = take_line(g, (struct span){window.data, window.len}, err);
    buf_done(&window);
    return ok;
}

/* --- open, write --- */

/* A full disk is when a line is needed: so its space is taken before. */
static void take_ahead(struct gaps *g)
{
    struct err ignored; /* no room now; the next line tries again */

    if (g->bytes + AHEAD_BYTES / 2 <= g->taken)
        return;
    if (file_allocate(g->fd, g->bytes + AHEAD_BYTES, true, &ignored))
        g->taken = g->bytes + AHEAD_BYTES;
}

/* A directory, a FIFO or a link of that name: never written over. */
static bool set_odd_aside(const struct state *st, struct limits *limits, struct err *err)
{
    struct file_info info;
    bool exists = false;

    if (!file_stat(st->dir, NAME, &exists, &info, err))
        return false;
    return !exists || (info.mode & 0170000U) == 0100000U || /* S_IFMT, S_IFREG */
           quarantine_file(st, limits, st->dir, NAME, LIMITS_OTHER, err);
}

struct gaps *gaps_open(const struct state *st, struct limits *limits, struct err *err)
{
    struct gaps *g = calloc(1, sizeof(*g));
    bool ok;

    if (!g) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the list of gaps");
        return NULL;
    }
    g->state = st;
    g->limits = limits;
    g->fd = -1;
    atomic_flag_clear(&g->busy);
    /* A line that a killed process left in memory must not count as written: what is read here is not
     * written again, and its loss may happen next. */
    ok = set_odd_aside(st, limits, err) && file_open(st->dir, NAME, FILE_KEEP, &g->fd, err) &&
         file_sync(g->fd, err) && file_sync(st->dir, err);
    if (ok)
        file_drop_cache(g->fd); /* a sync that failed before may say yes now */
    if (!ok || !read_all(g, err)) {
        gaps_close(g);
        return NULL;
    }
    take_ahead(g);
    return g;
}

void gaps_close(struct gaps *g)
{
    if (!g)
        return;
    file_drop(g->fd);
    free(g->known);
    free(g);
}

static bool append(struct gaps *g, struct buf *line, struct err *err)
{
    /* At the end as we know it: the rest of a line that did not go in whole is written over. */
    if (!file_write_at(g->fd, g->bytes, line->data, line->len, err)) {
        struct err ignored;

        if (!file_truncate(g->fd, g->bytes, &ignored))
            g->broken = true; /* half a line is there, and cannot be taken back */
        g->taken = 0;
        return err_wrap(err, "write " NAME);
    }
    if (!file_sync(g->fd, err)) {
        g->broken = true;
        return err_wrap(err, NAME);
    }
    g->bytes += line->len;
    g->half_line = false;
    limits_add(g->limits, LIMITS_OTHER, line->len);
    take_ahead(g);
    return true;
}

bool gaps_write(struct gaps *g, const struct gap *gap, struct err *err)
{
    struct buf line;
    bool ok = true;

    buf_init(&line, LINE_MAX_BYTES);
    lock(g);
    if (is_known(g, gap))
        goto out;
    if (g->broken) {
        ok = err_set(err, ERR_BROKEN, 0, NAME " failed before");
        goto out;
    }
    if (g->half_line)
        buf_add_byte(&line, '\n');
    add_line(&line, gap);
    ok = buf_check(&line, "a line of " NAME, err) && append(g, &line, err);
    if (ok) {
        count_in(g, gap);
        (void)remember(g, gap); /* without memory it might be written twice after a crash */
    }
out:
    unlock(g);
    buf_done(&line);
    return ok;
}

uint64_t gaps_readings(const struct gaps *g)
{
    return atomic_load_explicit(&g->readings, memory_order_relaxed);
}

uint64_t gaps_promised_readings(const struct gaps *g)
{
    return atomic_load_explicit(&g->promised_readings, memory_order_relaxed);
}

uint64_t gaps_count(const struct gaps *g)
{
    return atomic_load_explicit(&g->count, memory_order_relaxed);
}

/* --- for tools that only read --- */

static bool each_line(struct buf *window, bool *ret_whole,
    bool (*each)(void *context, const struct gap *gap, struct err *err), void *context,
    struct err *err)
{
    const char *end;

    while (window->len && (end = memchr(window->data, '\n', window->len))) {
        struct span line = {window->data, (size_t)(end - window->data)};
        struct dropped rest;
        struct gap gap;

        if (line_parse(line, &gap, &rest)) {
            if (!each(context, &gap, err))
                return false;
        } else if (line.len) {
            *ret_whole = false;
        }
        buf_drop_front(window, line.len + 1);
    }
    return true;
}

bool gaps_each(const struct state *st, bool *ret_whole,
    bool (*each)(void *context, const struct gap *gap, struct err *err), void *context,
    struct err *err)
{
    struct file_info info;
    struct buf window;
    char page[4096];
    bool exists = false, ok = true;
    uint64_t at = 0;
    size_t n;
    int fd;

    *ret_whole = true;
    if (!file_stat(st->dir, NAME, &exists, &info, err))
        return false;
    *ret_whole = !exists || (info.mode & 0170000U) == 0100000U;
    if (!exists || !*ret_whole)
        return true;
    if (!file_open(st->dir, NAME, FILE_READ, &fd, err))
        return false;
    buf_init(&window, LINE_MAX_BYTES + sizeof(page) + 1);
    while (ok && at < info.bytes && read_page(fd, at, page, &n, ret_whole)) {
        at += n;
        if (!buf_add(&window, page, n)) { /* no line of ours is as long */
            *ret_whole = false;
            buf_reset(&window);
        }
        ok = each_line(&window, ret_whole, each, context, err);
    }
    if (ok && window.len) { /* perhaps only its end is missing */
        (void)buf_add_byte(&window, '\n');
        ok = each_line(&window, ret_whole, each, context, err);
    }
    file_drop(fd);
    buf_done(&window);
    return ok;
}
