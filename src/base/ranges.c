#include "base/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ranges_done(struct seq_ranges *set)
{
    free(set->items);
    *set = (struct seq_ranges){0};
}

/* The first range that ends at or behind `at`. */
static size_t find(const struct seq_ranges *set, uint64_t at)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (set->items[middle].end < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ranges_add(struct seq_ranges *set, uint64_t first, uint64_t end, struct err *err)
{
    size_t from = find(set, first), to = from;

    if (first >= end)
        return true;
    for (; to < set->count && set->items[to].first <= end; to++) {
        first = set->items[to].first < first ? set->items[to].first : first;
        end = set->items[to].end > end ? set->items[to].end : end;
    }
    if (from == to && set->count == set->size) {
        size_t size = set->size ? set->size * 2 : 16;
        struct seq_range *more = realloc(set->items, size * sizeof(*more));

        if (!more)
            return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu ranges", size);
        set->items = more;
        set->size = size;
    }
    if (to != from + 1 && set->count > to)
        memmove(set->items + from + 1, set->items + to, (set->count - to) * sizeof(*set->items));
    set->count = set->count + 1 - (to - from);
    set->items[from] = (struct seq_range){first, end};
    return true;
}

bool ranges_hold(const struct seq_ranges *set, uint64_t first, uint64_t end)
{
    struct seq_range piece;

    return first < end && !ranges_next(set, false, &first, end, &piece);
}

bool ranges_touch(const struct seq_ranges *set, uint64_t first, uint64_t end)
{
    struct seq_range piece;

    return ranges_next(set, true, &first, end, &piece);
}

bool ranges_next(
    const struct seq_ranges *set, bool in, uint64_t *at, uint64_t end, struct seq_range *ret)
{
    size_t i = find(set, *at);

    if (i < set->count && set->items[i].end == *at)
        i++; /* it ends where we begin */
    while (*at < end) {
        bool inside = i < set->count && set->items[i].first <= *at;
        uint64_t stop = i == set->count ? end : inside ? set->items[i].end : set->items[i].first;
        struct seq_range piece = {*at, stop < end ? stop : end};

        *at = piece.end;
        i += inside;
        if (inside == in) {
            *ret = piece;
            return true;
        }
    }
    return false;
}

uint64_t ranges_total(const struct seq_ranges *set)
{
    uint64_t total = 0;

    for (size_t i = 0; i < set->count; i++)
        total += set->items[i].end - set->items[i].first;
    return total;
}
