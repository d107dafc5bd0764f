#include "base/clock.h"
#include "status/picture.h"

#define SHORT_S 5U
#define SLOPE_POINTS 12U /* two minutes */

static struct history_second second_of(const struct picture *p)
{
    return (struct history_second){.mono_us = p->mono_us,
        .readings = p->readings,
        .delivered = p->delivered,
        .rejected = p->rejected,
        .received_bytes = p->received_bytes,
        .delivered_bytes = p->delivered_bytes};
}

/* A second; never 0. */
static double rate(uint64_t now, uint64_t before, int64_t passed_us)
{
    return now > before && passed_us > 0 ? (double)(now - before) * 1e6 / (double)passed_us : 0;
}

void history_init(struct history *h, const struct picture *first)
{
    *h = (struct history){.step = second_of(first), .reading_mono_us = first->mono_us};
}

void history_add(struct history *h, const struct picture *p)
{
    struct history_second now = second_of(p);
    int64_t passed = now.mono_us - h->step.mono_us;

    if (h->seconds_added) {
        uint64_t last = h->seconds[(h->seconds_added - 1) % HISTORY_SECONDS].readings;

        if (now.readings != last)
            h->reading_mono_us = now.mono_us;
    }
    h->seconds[h->seconds_added++ % HISTORY_SECONDS] = now;
    /* A tenth of a second early counts: ticks are not exact, and a step of 11 s every time is ugly. */
    if (passed < HISTORY_STEP_US - CLOCK_SECOND_US / 10)
        return;
    h->points[h->points_added++ % HISTORY_POINTS] = (struct history_point){.wall_us = p->wall_us,
        .readings_per_s = rate(now.readings, h->step.readings, passed),
        .delivered_per_s = rate(now.delivered, h->step.delivered, passed),
        .rejected_per_s = rate(now.rejected, h->step.rejected, passed),
        .waiting = p->waiting,
        .state_bytes = p->state_bytes};
    h->step = now;
}

size_t history_count(const struct history *h)
{
    return h->points_added < HISTORY_POINTS ? (size_t)h->points_added : HISTORY_POINTS;
}

const struct history_point *history_get(const struct history *h, size_t i)
{
    return &h->points[(h->points_added - history_count(h) + i) % HISTORY_POINTS];
}

/* The sample of about `seconds` ago; the oldest there is when there is none so old. */
static const struct history_second *ago(const struct history *h, unsigned seconds)
{
    uint64_t kept = h->seconds_added < HISTORY_SECONDS ? h->seconds_added : HISTORY_SECONDS;
    uint64_t back = kept < seconds ? kept : seconds;

    return &h->seconds[(h->seconds_added - back) % HISTORY_SECONDS];
}

/* Segments are preallocated and files come and go: the bytes move in steps. Two minutes of points
 * tell growth from steps; fewer than half a minute of them tell nothing. */
static int64_t full_in(const struct history *h, const struct picture *p)
{
    size_t count = history_count(h), n = count < SLOPE_POINTS ? count : SLOPE_POINTS;
    const struct history_point *from, *to;
    double grown, per_us;

    if (p->left_bytes == 0 && p->state_bytes_max)
        return 0;
    if (n < 4)
        return PICTURE_NEVER;
    from = history_get(h, count - n);
    to = history_get(h, count - 1);
    if (to->state_bytes <= from->state_bytes || to->wall_us <= from->wall_us)
        return PICTURE_NEVER;
    grown = (double)(to->state_bytes - from->state_bytes);
    per_us = grown / (double)(to->wall_us - from->wall_us);
    if ((double)p->left_bytes / per_us > 1e15) /* 30 years */
        return PICTURE_NEVER;
    return (int64_t)((double)p->left_bytes / per_us);
}

void history_rates(const struct history *h, struct picture *p)
{
    const struct history_second *near, *far;

    p->silent_us = p->mono_us - h->reading_mono_us;
    p->full_in_us = full_in(h, p);
    if (!h->seconds_added)
        return;
    near = ago(h, SHORT_S);
    far = ago(h, HISTORY_SECONDS);
    p->readings_per_s = rate(p->readings, near->readings, p->mono_us - near->mono_us);
    p->received_bytes_per_s =
        rate(p->received_bytes, near->received_bytes, p->mono_us - near->mono_us);
    p->delivered_per_s = rate(p->delivered, far->delivered, p->mono_us - far->mono_us);
    p->delivered_bytes_per_s =
        rate(p->delivered_bytes, far->delivered_bytes, p->mono_us - far->mono_us);
    p->rejected_per_s = rate(p->rejected, far->rejected, p->mono_us - far->mono_us);
}
