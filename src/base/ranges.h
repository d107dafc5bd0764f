/* base/ranges.h: sets of numbers, kept as ranges.
 *
 * Shape    items are sorted, disjoint and never touch: [first, end), end not in it.
 * Errors   ERR_FULL: no memory; the set is as before.
 * Owner    caller-owned; {0} is the empty set; ranges_done releases.
 * Threads  one.
 */
#ifndef BASE_RANGES_H
#define BASE_RANGES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct seq_range { /* [first, end) */
    uint64_t first, end;
};

struct seq_ranges {
    struct seq_range *items;
    size_t count, size;
};

void ranges_done(struct seq_ranges *set);

/* Nothing is added when first >= end. Cheap at the upper end. */
NODISCARD bool ranges_add(struct seq_ranges *set, uint64_t first, uint64_t end, struct err *err);

/* All of [first, end), or any of it. */
bool ranges_hold(const struct seq_ranges *set, uint64_t first, uint64_t end);
bool ranges_touch(const struct seq_ranges *set, uint64_t first, uint64_t end);

/* The first piece of [*at, end) that is in the set (in: true) or not in it; *at moves behind it. */
bool ranges_next(
    const struct seq_ranges *set, bool in, uint64_t *at, uint64_t end, struct seq_range *ret);

uint64_t ranges_total(const struct seq_ranges *set);

#endif
