#include "crash/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk *disk;
const struct disk *disk_former;
bool disk_preallocates = true;
void (*disk_before)(const char *call, const char *name);

static const char *const fate_names[DISK_FATES] = {"nothing", "all", "only data", "only names",
    "unlinks undone", "renames undone", "creations undone", "all but the last name", "zeros",
    "old bytes", "torn sector", "first sector missing"};

const char *disk_fate_name(unsigned fate)
{
    return fate < DISK_FATES ? fate_names[fate] : "random";
}

uint64_t disk_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b + UINT64_C(0x632be59bd9b4e019);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void *grown(void *old, size_t count, size_t *size, size_t item)
{
    void *more = old;

    if (count == *size) {
        *size = *size ? *size * 2 : 16;
        more = realloc(old, *size * item);
        if (!more)
            abort();
    }
    return more;
}

/* --- contents: shared until written --- */

static struct content *content_new(size_t cap)
{
    struct content *c = malloc(sizeof(*c));

    if (!c)
        abort();
    *c = (struct content){.refs = 1, .cap = cap, .data = calloc(1, cap ? cap : 1)};
    if (!c->data)
        abort();
    return c;
}

static void content_drop(struct content *c)
{
    if (c && --c->refs == 0) {
        free(c->data);
        free(c);
    }
}

static struct content *content_share(struct content *c)
{
    c->refs++;
    return c;
}

/* One of its own, with room; the bytes behind its length are zeros. */
static struct content *content_own(struct content *c, size_t need)
{
    size_t cap = need > c->cap ? need + need / 2 : c->cap;
    struct content *mine;

    if (c->refs == 1 && need <= c->cap)
        return c;
    mine = content_new(cap);
    memcpy(mine->data, c->data, c->len);
    mine->len = c->len;
    content_drop(c);
    return mine;
}

void disk_write(struct node *n, uint64_t at, const void *data, size_t len)
{
    n->now = content_own(n->now, (size_t)at + len);
    memcpy(n->now->data + at, data, len);
    if (at + len > n->now->len)
        n->now->len = (size_t)at + len;
}

void disk_resize(struct node *n, uint64_t len)
{
    n->now = content_own(n->now, (size_t)len);
    if (len < n->now->len)
        memset(n->now->data + len, 0, n->now->len - (size_t)len);
    n->now->len = (size_t)len;
}

void disk_sync_file(struct node *n)
{
    content_drop(n->durable);
    n->durable = content_share(n->now);
}

/* --- names --- */

static size_t place_of(const struct names *names, const char *name)
{
    size_t i = 0;

    while (i < names->count && strcmp(names->items[i].name, name) != 0)
        i++;
    return i;
}

uint32_t disk_find(const struct names *names, const char *name)
{
    size_t i = place_of(names, name);

    return i < names->count ? names->items[i].node : DISK_NONE;
}

static void names_set(struct names *names, const char *name, uint32_t node)
{
    size_t i = place_of(names, name);

    if (i == names->count) {
        names->items = grown(names->items, names->count, &names->size, sizeof(*names->items));
        if (strlen(name) >= DISK_NAME)
            abort();
        (void)snprintf(names->items[i].name, DISK_NAME, "%s", name);
        names->count++;
    }
    names->items[i].node = node;
}

static void names_remove(struct names *names, const char *name, uint32_t node)
{
    size_t i = place_of(names, name);

    if (i < names->count && names->items[i].node == node)
        names->items[i] = names->items[--names->count];
}

static void names_copy(struct names *to, const struct names *from)
{
    *to = (struct names){.count = from->count, .size = from->count};
    if (from->count == 0)
        return;
    to->items = malloc(from->count * sizeof(*to->items));
    if (!to->items)
        abort();
    memcpy(to->items, from->items, from->count * sizeof(*to->items));
}

uint32_t disk_add_node(struct disk *d, bool dir, uint32_t parent)
{
    struct node *n;

    d->nodes = grown(d->nodes, d->count, &d->size, sizeof(*d->nodes));
    n = &d->nodes[d->count];
    *n = (struct node){.dir = dir, .parent = parent};
    if (!dir) {
        n->now = content_new(0);
        n->durable = content_share(n->now);
    }
    return (uint32_t)d->count++;
}

void disk_change(struct disk *d, uint32_t node, uint32_t from_dir, const char *from,
    uint32_t to_dir, const char *to)
{
    struct change *c;

    d->changes = grown(d->changes, d->change_count, &d->change_size, sizeof(*d->changes));
    c = &d->changes[d->change_count++];
    *c = (struct change){.node = node, .from_dir = from_dir, .to_dir = to_dir};
    if (from_dir != DISK_NONE) {
        (void)snprintf(c->from, DISK_NAME, "%s", from);
        names_remove(&d->nodes[from_dir].names, from, node);
    }
    if (to_dir != DISK_NONE) {
        (void)snprintf(c->to, DISK_NAME, "%s", to);
        names_set(&d->nodes[to_dir].names, to, node);
    }
}

static bool touches(const struct change *c, uint32_t dir)
{
    return c->from_dir == dir || c->to_dir == dir;
}

/* A later change of the same file is synced: so is this one. */
static bool is_needed(const struct disk *d, size_t i, uint32_t dir)
{
    for (size_t k = i; k < d->change_count; k++) {
        if (d->changes[k].node == d->changes[i].node && touches(&d->changes[k], dir))
            return true;
    }
    return false;
}

/* Between two directories, when only the one it went to is synced, the old name may stay. */
void disk_sync_names(struct disk *d, uint32_t dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->change_count; i++) {
        struct change *c = &d->changes[i];
        bool half = c->to_dir == dir && c->from_dir != DISK_NONE && c->from_dir != dir;
        bool later = !touches(c, dir);

        if (!is_needed(d, i, dir)) {
            d->changes[kept++] = *c;
            continue;
        }
        if (c->to_dir != DISK_NONE)
            names_set(&d->nodes[c->to_dir].old_names, c->to, c->node);
        if (c->from_dir != DISK_NONE && (later || !half))
            names_remove(&d->nodes[c->from_dir].old_names, c->from, c->node);
        if (half) {
            c->to_dir = DISK_NONE;
            d->changes[kept++] = *c;
        }
    }
    d->change_count = kept;
}

/* --- the power cut --- */

struct cut {
    const struct disk *d;
    unsigned fate;
    uint64_t seed, hash;
    struct names *names; /* of each node, as they are afterwards */
};

/* A coin for thing number i: heads with a probability that the whole outcome shares. */
static bool coin(const struct cut *cut, uint64_t kind, uint64_t i)
{
    static const unsigned chances[4] = {128, 20, 236, 64};

    return (disk_mix(disk_mix(cut->seed, kind), i) & 255) < chances[disk_mix(cut->seed, 99) & 3];
}

static bool name_survives(const struct cut *cut, size_t i)
{
    const struct change *c = &cut->d->changes[i];

    switch (cut->fate) {
    case DISK_NOTHING:
    case DISK_ONLY_DATA:
        return false;
    case DISK_NO_UNLINK:
        return c->to_dir != DISK_NONE;
    case DISK_NO_RENAME:
        return c->to_dir == DISK_NONE || c->from_dir == DISK_NONE;
    case DISK_NO_CREATE:
        return c->from_dir != DISK_NONE;
    case DISK_FIRST_NAMES:
        return i + 1 < cut->d->change_count;
    default:
        return cut->fate < DISK_FATES || coin(cut, 1, i);
    }
}

/* The changes of one file come one after the other. */
static bool is_cut_off(const struct cut *cut, const bool *survives, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (cut->d->changes[k].node == cut->d->changes[i].node && !survives[k])
            return true;
    }
    return false;
}

static bool between_two(const struct change *c)
{
    return c->from_dir != DISK_NONE && c->to_dir != DISK_NONE && c->from_dir != c->to_dir;
}

static void cut_names(struct cut *cut)
{
    const struct disk *d = cut->d;
    bool *survives = calloc(d->change_count + 1, sizeof(*survives));

    if (!survives)
        abort();
    for (size_t i = 0; i < d->count; i++)
        names_copy(&cut->names[i], &d->nodes[i].old_names);
    for (size_t i = 0; i < d->change_count; i++) {
        const struct change *c = &d->changes[i];
        bool both = between_two(c) && cut->fate >= DISK_FATES && coin(cut, 2, i);

        survives[i] = name_survives(cut, i) && !is_cut_off(cut, survives, i);
        cut->hash = disk_mix(cut->hash, survives[i] ? 1U + both : 0U);
        if (survives[i] && c->to_dir != DISK_NONE)
            names_set(&cut->names[c->to_dir], c->to, c->node);
        if (survives[i] && c->from_dir != DISK_NONE && !both)
            names_remove(&cut->names[c->from_dir], c->from, c->node);
    }
    free(survives);
}

static void sector_of(uint8_t out[DISK_SECTOR], const struct content *c, size_t at)
{
    size_t have = at < c->len ? c->len - at : 0;

    if (have > DISK_SECTOR)
        have = DISK_SECTOR;
    memcpy(out, c->data + (have ? at : 0), have);
    memset(out + have, 0, DISK_SECTOR - have);
}

/* What some other file once had there, of this disk or of the life it had before. The whole of a file's
 * new sectors has it from one other file: blocks are given away in runs. */
static void old_bytes(const struct cut *cut, uint32_t node, uint8_t out[DISK_SECTOR], size_t at)
{
    uint64_t dice = disk_mix(cut->seed, node);
    const struct disk *d = disk_former && dice % 4 ? disk_former : cut->d;
    size_t start = (size_t)(dice >> 2) % d->count;

    for (size_t k = 0; k < d->count; k++) {
        const struct node *n = &d->nodes[(start + k) % d->count];

        if (!n->dir && n != &cut->d->nodes[node] && n->durable->len > at) {
            sector_of(out, n->durable, at);
            return;
        }
    }
}

enum sector_fate { SECTOR_OLD, SECTOR_NEW, SECTOR_TORN };

static enum sector_fate sector_fate(
    const struct cut *cut, uint32_t node, size_t i, bool first, bool last)
{
    switch (cut->fate) {
    case DISK_NOTHING:
    case DISK_ONLY_NAMES:
    case DISK_ZEROS:
    case DISK_OLD_BYTES:
        return SECTOR_OLD;
    case DISK_TORN:
        return last ? SECTOR_TORN : SECTOR_NEW;
    case DISK_HOLED:
        return first ? SECTOR_OLD : SECTOR_NEW;
    default:
        break;
    }
    if (cut->fate < DISK_FATES || coin(cut, 1000 + node, i))
        return SECTOR_NEW;
    return coin(cut, 2000 + node, i) ? SECTOR_OLD : SECTOR_TORN;
}

static size_t length_after(const struct cut *cut, uint32_t node, const struct node *n)
{
    size_t now = n->now->len, old = n->durable->len;

    switch (cut->fate) {
    case DISK_NOTHING:
    case DISK_ONLY_NAMES:
        return old;
    default:
        break;
    }
    if (cut->fate < DISK_FATES)
        return now;
    switch (disk_mix(cut->seed, 3000 + node) & 3) {
    case 0:
        return old;
    case 1: /* grown, or cut, as far as some sector */
        if (now > old)
            return old + (size_t)(disk_mix(cut->seed, node) % (now - old + 1)) / 8 * 8;
        return now;
    default:
        return now;
    }
}

static bool has_old_bytes(const struct cut *cut)
{
    return cut->fate == DISK_OLD_BYTES ||
           (cut->fate >= DISK_FATES && (disk_mix(cut->seed, 77) & 3) == 0);
}

static struct content *cut_file(struct cut *cut, uint32_t node)
{
    const struct node *n = &cut->d->nodes[node];
    size_t len = length_after(cut, node, n), first = SIZE_MAX, last = 0, i = 0;
    struct content *c;

    if (n->now == n->durable)
        return content_share(n->now);
    c = content_new((len + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR);
    for (size_t at = 0; at < len; at += DISK_SECTOR, i++) {
        uint8_t now[DISK_SECTOR], old[DISK_SECTOR];

        sector_of(now, n->now, at);
        sector_of(old, n->durable, at);
        if (memcmp(now, old, DISK_SECTOR) == 0)
            continue;
        first = first == SIZE_MAX ? i : first;
        last = i;
    }
    i = 0;
    for (size_t at = 0; at < len; at += DISK_SECTOR, i++) {
        uint8_t now[DISK_SECTOR], *to = c->data + at;
        size_t tear = disk_mix(cut->seed, 4000 + i) % DISK_SECTOR;

        sector_of(now, n->now, at);
        sector_of(to, n->durable, at);
        if (at >= n->durable->len && has_old_bytes(cut))
            old_bytes(cut, node, to, at);
        switch (sector_fate(cut, node, i, i == first, i == last)) {
        case SECTOR_OLD:
            break;
        case SECTOR_NEW:
            memcpy(to, now, DISK_SECTOR);
            break;
        case SECTOR_TORN:
            memcpy(to, now, tear);
            break;
        }
    }
    c->len = len;
    memset(c->data + len, 0, c->cap - len);
    cut->hash = disk_mix(cut->hash, disk_mix(node, len));
    for (size_t at = 0; at + 8 <= c->cap; at += 8) {
        uint64_t word;

        memcpy(&word, c->data + at, 8);
        cut->hash = (cut->hash ^ word) * UINT64_C(0x100000001b3);
        cut->hash ^= cut->hash >> 29;
    }
    return c;
}

/* The tree below `from`, as far as names reach it. */
static void copy_tree(struct cut *cut, struct disk *to, uint32_t from, uint32_t into, uint32_t *map)
{
    map[from] = into;
    for (size_t i = 0; i < cut->names[from].count; i++) {
        const struct entry *e = &cut->names[from].items[i];
        const struct node *n = &cut->d->nodes[e->node];
        uint32_t node = map[e->node];

        if (node == DISK_NONE) {
            node = disk_add_node(to, n->dir, into);
            map[e->node] = node;
            if (n->dir) {
                copy_tree(cut, to, e->node, node, map);
            } else {
                content_drop(to->nodes[node].now);
                content_drop(to->nodes[node].durable);
                to->nodes[node].now = cut_file(cut, e->node);
                to->nodes[node].durable = content_share(to->nodes[node].now);
            }
        }
        names_set(&to->nodes[into].names, e->name, node);
        names_set(&to->nodes[into].old_names, e->name, node);
    }
}

struct disk *disk_crash(const struct disk *d, unsigned fate, uint64_t seed, uint64_t *ret_hash)
{
    struct cut cut = {.d = d, .fate = fate, .seed = seed};
    struct disk *to = disk_new();
    uint32_t *map = malloc(d->count * sizeof(*map));

    cut.names = calloc(d->count, sizeof(*cut.names));
    if (!cut.names || !map)
        abort();
    for (size_t i = 0; i < d->count; i++)
        map[i] = DISK_NONE;
    cut_names(&cut);
    copy_tree(&cut, to, DISK_ROOT, DISK_ROOT, map);
    for (size_t i = 0; i < d->count; i++)
        free(cut.names[i].items);
    free(cut.names);
    free(map);
    *ret_hash = cut.hash;
    return to;
}

struct disk *disk_new(void)
{
    struct disk *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    (void)disk_add_node(d, true, DISK_ROOT);
    return d;
}

void disk_free(struct disk *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++) {
        content_drop(d->nodes[i].now);
        content_drop(d->nodes[i].durable);
        free(d->nodes[i].names.items);
        free(d->nodes[i].old_names.items);
    }
    free(d->nodes);
    free(d->changes);
    free(d);
}
