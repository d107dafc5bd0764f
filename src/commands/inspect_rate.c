/* How fast readings came of late, and how long the rest of the disk takes them. Nobody writes a rate down:
 * but a segment, and the file made of it, says when it was begun and with which number. */
#include "commands/inspect_state.h"

#include "base/clock.h"
#include "state/limits.h"

#include <stdlib.h>

#define OF_LATE_US (600 * CLOCK_SECOND_US)
#define READING_BYTES 20.0 /* in the journal; what nothing better is known about */

struct point {
    int64_t wall_us;
    uint64_t seq;
};

static void add(struct point *points, size_t *count, int64_t wall_us, uint64_t seq)
{
    struct point *last = *count ? &points[*count - 1] : NULL;

    /* A clock that went back, or a number that did (a file of another instance), says nothing. */
    if (last && (wall_us < last->wall_us || seq < last->seq))
        *count = 0;
    points[(*count)++] = (struct point){wall_us, seq};
}

static size_t collect(const struct look *l, struct point *points)
{
    size_t count = 0;

    for (size_t i = 0; i < l->outbox.count; i++) {
        const struct file_name *name = &l->outbox.items[i].name;

        if (memcmp(name->instance, l->st.instance_text, sizeof(name->instance) - 1) == 0)
            add(points, &count, name->created_us, name->first_seq);
    }
    for (size_t i = 0; i < l->segments.count; i++) {
        const struct segment_info *s = &l->segments.items[i];

        if (s->header_ok)
            add(points, &count, s->header.created_us, s->first_seq);
        if (l->views[i].last_us)
            add(points, &count, l->views[i].last_us, l->views[i].end_seq);
    }
    return count;
}

/* What a reading takes on the disk in the long run: as it waits now. */
static double reading_bytes(const struct look *l)
{
    if (l->outbox_readings)
        return (double)l->outbox_bytes / (double)l->outbox_readings;
    return READING_BYTES;
}

static void find_rate(struct look *l, const struct point *points, size_t count)
{
    const struct point *last, *from;
    size_t i = count;

    if (count < 2)
        return;
    last = &points[count - 1];
    from = last;
    while (i-- > 0 && (last->wall_us - points[i].wall_us <= OF_LATE_US || from == last ||
                          from->wall_us == last->wall_us))
        from = &points[i];
    if (from->wall_us == last->wall_us || from->seq == last->seq)
        return;
    l->rate_until_us = last->wall_us;
    l->rate = (double)(last->seq - from->seq) * 1e6 / (double)(last->wall_us - from->wall_us);
}

bool look_rate(struct look *l, struct err *err)
{
    struct point *points = calloc(l->outbox.count + 2 * l->segments.count + 1, sizeof(*points));
    struct limits limits;
    double lasts_us;

    if (!points)
        return err_set(err, ERR_FULL, 0, "no memory for %zu times", l->segments.count);
    find_rate(l, points, collect(l, points));
    free(points);
    if (!limits_init(&limits, &l->st, l->in->state_bytes_max, l->in->free_bytes_min, err))
        return false;
    l->used_bytes = limits_used(&limits);
    l->left_bytes = limits_left(&limits, clock_mono_us());
    l->limit_bytes = limits.state_bytes_max;
    l->rate_bytes = l->rate * reading_bytes(l);
    l->lasts_us = -1;
    if (l->rate_bytes > 0) {
        lasts_us = (double)l->left_bytes / l->rate_bytes * 1e6;
        l->lasts_us = lasts_us < 9e18 ? (int64_t)lasts_us : INT64_MAX;
    }
    return true;
}
