#include "state/limits.h"

#include "base/clock.h"

#include <string.h>
#include <sys/stat.h>

#define FREE_MIN_DEFAULT (UINT64_C(256) << 20)
/* How often the file system must look well before a call that said ERR_FULL is forgotten, when
 * nothing was deleted meanwhile: a quota does not show in statfs(2). */
#define FULL_ASKS 10U

/* Regular files of a directory; one that goes away meanwhile does not count. */
static bool sum_directory(int dir, uint64_t *ret_bytes, struct err *err)
{
    struct file_list list;
    bool ok = true;

    if (dir < 0)
        return true;
    if (!file_list(dir, &list, err))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        struct file_info info;
        bool exists = false;

        ok = file_stat(dir, list.names[i], &exists, &info, err);
        if (ok && exists && S_ISREG(info.mode))
            *ret_bytes += info.bytes;
    }
    file_list_done(&list);
    return ok;
}

static bool count_all(struct limits *l, struct err *err)
{
    const struct state *st = l->state;
    uint64_t journal = 0, outbox = 0, refused = 0, other = 0;

    if (!sum_directory(st->journal, &journal, err) || !sum_directory(st->outbox, &outbox, err) ||
        !sum_directory(st->refused, &refused, err) || !sum_directory(st->rejected, &other, err) ||
        !sum_directory(st->quarantine, &other, err) || !sum_directory(st->dir, &other, err))
        return false;
    atomic_init(&l->used[LIMITS_JOURNAL], journal);
    atomic_init(&l->used[LIMITS_OUTBOX], outbox);
    atomic_init(&l->used[LIMITS_REFUSED], refused);
    atomic_init(&l->used[LIMITS_OTHER], other);
    return true;
}

bool limits_init(struct limits *l, const struct state *st, uint64_t state_bytes_max,
    uint64_t free_bytes_min, struct err *err)
{
    struct file_space space;

    memset(l, 0, sizeof(*l));
    l->state = st;
    if (!count_all(l, err) || !file_space(st->dir, &space, err))
        return false;
    atomic_init(&l->free_bytes, space.free_bytes);
    atomic_init(&l->asked_used, limits_used(l));
    atomic_init(&l->asked_us, clock_mono_us());
    l->state_bytes_max = state_bytes_max;
    l->free_bytes_min = free_bytes_min;
    if (!state_bytes_max) /* what is there counts as free, or a restart in an outage lowered it */
        l->state_bytes_max = (limits_used(l) + space.free_bytes) / 5 * 4;
    if (!free_bytes_min)
        l->free_bytes_min =
            FREE_MIN_DEFAULT < space.total_bytes / 20 ? FREE_MIN_DEFAULT : space.total_bytes / 20;
    return true;
}

void limits_add(struct limits *l, enum limits_part part, uint64_t bytes)
{
    if (l)
        atomic_fetch_add_explicit(&l->used[part], bytes, memory_order_relaxed);
}

void limits_sub(struct limits *l, enum limits_part part, uint64_t bytes)
{
    uint_least64_t now, next;

    if (!l || !bytes)
        return;
    now = atomic_load_explicit(&l->used[part], memory_order_relaxed);
    do
        next = now > bytes ? now - bytes : 0;
    while (!atomic_compare_exchange_weak_explicit(
        &l->used[part], &now, next, memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&l->full_asks, 0, memory_order_relaxed);
}

void limits_said_full(struct limits *l)
{
    if (!l)
        return;
    atomic_store_explicit(&l->full_asks, FULL_ASKS, memory_order_relaxed);
    atomic_store_explicit(&l->no_space, true, memory_order_relaxed);
}

uint64_t limits_used(const struct limits *l)
{
    uint64_t sum = 0;

    for (int i = 0; i < LIMITS_PARTS; i++)
        sum += atomic_load_explicit(&l->used[i], memory_order_relaxed);
    return sum;
}

/* What the directory may hold: its own limit, or what it had when the disk was last asked and could
 * still take then. What we took since is not free any more: a fast stream fills a small disk within
 * the second between two answers. */
static uint64_t capacity(const struct limits *l)
{
    uint64_t free = atomic_load_explicit(&l->free_bytes, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&l->asked_used, memory_order_relaxed);
    uint64_t by_disk = used + (free > l->free_bytes_min ? free - l->free_bytes_min : 0);

    return by_disk < l->state_bytes_max ? by_disk : l->state_bytes_max;
}

static enum limits_level level_of(const struct limits *l)
{
    uint64_t used = limits_used(l), most = capacity(l);

    if (used >= most)
        return LIMITS_REACHED;
    return used >= most / 5 * 4 ? LIMITS_HIGH : LIMITS_FINE;
}

/* One thread a second asks; the others go on with the last answer. */
static void ask(struct limits *l, int64_t mono_us)
{
    int_least64_t asked = atomic_load_explicit(&l->asked_us, memory_order_relaxed);
    struct file_space space;
    struct err ignored; /* the last answer stays */
    uint64_t used;
    unsigned left;

    if (mono_us - asked < CLOCK_SECOND_US ||
        !atomic_compare_exchange_strong_explicit(
            &l->asked_us, &asked, mono_us, memory_order_relaxed, memory_order_relaxed))
        return;
    used = limits_used(l); /* first: what is written meanwhile counts twice, not never */
    if (!file_space(l->state->dir, &space, &ignored))
        return;
    atomic_store_explicit(&l->asked_used, used, memory_order_relaxed);
    atomic_store_explicit(&l->free_bytes, space.free_bytes, memory_order_relaxed);
    if (!atomic_load_explicit(&l->no_space, memory_order_relaxed) || level_of(l) == LIMITS_REACHED)
        return;
    left = atomic_load_explicit(&l->full_asks, memory_order_relaxed);
    if (left == 0)
        atomic_store_explicit(&l->no_space, false, memory_order_relaxed);
    else
        atomic_store_explicit(&l->full_asks, left - 1, memory_order_relaxed);
}

uint64_t limits_left(struct limits *l, int64_t mono_us)
{
    uint64_t used, most;

    ask(l, mono_us);
    if (atomic_load_explicit(&l->no_space, memory_order_relaxed))
        return 0;
    used = limits_used(l);
    most = capacity(l);
    return most > used ? most - used : 0;
}

enum limits_level limits_check(struct limits *l, int64_t mono_us)
{
    ask(l, mono_us);
    if (atomic_load_explicit(&l->no_space, memory_order_relaxed))
        return LIMITS_REACHED;
    return level_of(l);
}
