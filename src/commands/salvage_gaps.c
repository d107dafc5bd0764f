/* What is missing, and why: gaps.log, and the numbers between those that were saved. */
#include "commands/salvage_walk.h"

#include <stdlib.h>

static bool add_lost(void *context, const struct gap *gap, struct err *err)
{
    struct salvage *s = context;

    /* A range of which only some readings were lost says of none that it was. */
    return gap->to_seq < gap->from_seq || gap->readings - 1 != gap->to_seq - gap->from_seq ||
           ranges_add(&s->counted_lost, gap->from_seq, gap->to_seq + 1, err);
}

bool salvage_read_gaps(struct salvage *s, struct err *err)
{
    bool whole = true;
    struct err why;

    if (gaps_each(&s->st, &whole, add_lost, s, &why))
        return whole || salvage_note_other(s, "", "gaps.log", "other",
                            "some of its lines cannot be read", true, err);
    return salvage_note_other(s, "", "gaps.log", "unreadable", why.text, true, err);
}

/* What the store stands for, saved or not. */
static bool find_seen(const struct salvage *s, struct seq_ranges *ret, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < s->note_count; i++) {
        const struct salvage_note *n = &s->notes[i];

        ok = !n->counts || ranges_add(ret, n->first_seq, n->last_seq + 1, err);
    }
    for (size_t i = 0; ok && i < s->saved.count; i++)
        ok = ranges_add(ret, s->saved.items[i].first, s->saved.items[i].end, err);
    return ok;
}

/* [*at, end) from *at on, as far as one reason holds. */
static void explain(struct salvage *s, const struct seq_ranges *seen, uint64_t *at, uint64_t end)
{
    bool lost = ranges_touch(&s->counted_lost, *at, *at + 1);
    bool here = ranges_touch(seen, *at, *at + 1);
    struct salvage_gap *gap = &s->gaps[s->gap_count++];
    uint64_t a = *at, b = *at;
    struct seq_range part = {*at, end}, other = {*at, end};

    (void)ranges_next(&s->counted_lost, lost, &a, end, &part);
    (void)ranges_next(seen, here, &b, end, &other);
    gap->first_seq = *at;
    *at = part.end < other.end ? part.end : other.end;
    gap->last_seq = *at - 1;
    (void)str_copy(gap->why, sizeof(gap->why),
        lost   ? "counted as lost in gaps.log"
        : here ? "cannot be read"
               : "not in this store: delivered, or lost with its file");
    s->damaged = s->damaged || (here && !lost);
}

/* Numbers between the first and the last that are in no file of DIR. */
bool salvage_find_gaps(struct salvage *s, struct err *err)
{
    struct seq_ranges seen = {0};
    struct seq_range piece;
    uint64_t at, end;

    if (!find_seen(s, &seen, err)) {
        ranges_done(&seen);
        return false;
    }
    s->gaps = calloc(s->saved.count + seen.count + s->counted_lost.count + 2, 2 * sizeof(*s->gaps));
    at = seen.count ? seen.items[0].first : 0;
    end = seen.count ? seen.items[seen.count - 1].end : 0;
    while (s->gaps && ranges_next(&s->saved, false, &at, end, &piece)) {
        for (uint64_t within = piece.first; within < piece.end;)
            explain(s, &seen, &within, piece.end);
    }
    ranges_done(&seen);
    return s->gaps || salvage_no_memory(err);
}
