#include "status/picture.h"

#include "base/clock.h"

#include <time.h>

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

const char *picture_stream_name(enum stream_status status)
{
    switch (status) {
    case STREAM_WAITING:
        return "waiting";
    case STREAM_CONNECTING:
        return "connecting";
    case STREAM_CONNECTED:
        return "connected";
    case STREAM_PAUSED:
        return "paused";
    case STREAM_STOPPED:
        return "stopped";
    }
    return "";
}

const char *picture_ship_name(enum ship_status status)
{
    switch (status) {
    case SHIP_IDLE:
        return "idle";
    case SHIP_SENDING:
        return "sending";
    case SHIP_WAITING:
        return "waiting";
    case SHIP_DENIED:
        return "denied";
    case SHIP_STOPPED:
        return "stopped";
    }
    return "";
}

const char *picture_job_name(enum job_status status)
{
    switch (status) {
    case JOB_STATUS_OFF:
        return "off";
    case JOB_STATUS_ASKING:
        return "asking";
    case JOB_STATUS_GOOD:
        return "good";
    case JOB_STATUS_PAUSED:
        return "paused";
    case JOB_STATUS_BLOCKED:
        return "blocked";
    case JOB_STATUS_FAILING:
        return "failing";
    }
    return "";
}

const char *picture_loop_name(enum loop_number loop)
{
    switch (loop) {
    case LOOP_INTAKE:
        return "intake";
    case LOOP_PACK:
        return "pack";
    case LOOP_SHIP:
        return "ship";
    case LOOPS:
        break;
    }
    return "";
}

static void take_intake(struct picture *p, struct counters *c)
{
    uint64_t paused_since = counter_get(&c->paused_since_us);

    p->lines = counter_get(&c->lines);
    p->readings = counter_get(&c->readings);
    p->ignored = counter_get(&c->ignored);
    p->rejected = counter_get(&c->rejected);
    for (size_t i = 0; i < COUNTERS_REASONS_MAX; i++)
        p->rejected_by[i] = counter_get(&c->rejected_by[i]);
    p->manifests = counter_get(&c->manifests);
    p->connections = counter_get(&c->connections);
    p->received_bytes = counter_get(&c->received_bytes);
    p->slow_lines = counter_get(&c->slow_lines);
    p->inexact = counter_get(&c->inexact);
    p->cut_times = counter_get(&c->cut_times);
    p->future_times = counter_get(&c->future_times);
    p->received_seq = counter_get(&c->received_seq);
    p->durable_seq = counter_get(&c->durable_seq);
    p->commits = counter_get(&c->commits);
    p->rolls = counter_get(&c->rolls);
    p->rescues = counter_get(&c->rescues);
    p->journal_written_bytes = counter_get(&c->journal_bytes);
    p->sync_max_us = counter_get(&c->sync_us_max);
    p->sync_us = counter_get(&c->sync_us_total);
    p->paused_us = counter_get(&c->paused_us);
    if (paused_since)
        p->paused_us += less((uint64_t)p->mono_us, paused_since);
    p->batch_size = counter_get(&c->batch_size);
    p->upload_interval_us = counter_get(&c->upload_interval_us);
    p->stream = (enum stream_status)atomic_load(&c->stream);
}

static void take_delivery(struct picture *p, struct counters *c)
{
    uint64_t retry_at = counter_get(&c->retry_at_us);

    p->packed_files = counter_get(&c->packed_files);
    p->packed_rows = counter_get(&c->packed_rows);
    p->packed_bytes = counter_get(&c->packed_bytes);
    p->pack_busy_us = counter_get(&c->pack_busy_us);
    p->delivered_files = counter_get(&c->delivered_files);
    p->delivered_bytes = counter_get(&c->delivered_bytes);
    p->delivered_seq = counter_get(&c->delivered_seq);
    p->sent_bytes = counter_get(&c->sent_bytes);
    p->attempts = counter_get(&c->attempts);
    p->retries = counter_get(&c->retries);
    p->denied = counter_get(&c->denied);
    p->conflicts = counter_get(&c->conflicts);
    p->repaired = counter_get(&c->repaired);
    p->in_flight = counter_get(&c->in_flight);
    for (size_t i = 0; i < COUNTERS_BUCKETS; i++)
        p->upload_bucket[i] = counter_get(&c->upload_bucket[i]);
    p->upload_count = counter_get(&c->upload_count);
    p->upload_us = counter_get(&c->upload_us);
    p->ship = (enum ship_status)atomic_load(&c->ship);
    p->retry_in_us = (int64_t)less(retry_at, (uint64_t)p->mono_us);
    p->lag_us = (int64_t)counter_get(&c->lag_us);
    p->delivered_at_wall_us = (int64_t)counter_get(&c->delivered_at_wall_us);
}

/* The loops count numbers of ranges; what is absent from the files is taken off here. */
static void take_places(struct picture *p, struct counters *c)
{
    struct board_absent absent = board_get_absent(&c->board);
    uint64_t files;

    p->carried = counter_get(&c->carried_readings);
    p->superseded = counter_get(&c->superseded);
    p->gaps_before = counter_get(&c->gaps_before);
    p->gaps = less(less(counter_get(&c->gap_readings), p->gaps_before), absent.lost);
    p->delivered = less(counter_get(&c->delivered_readings), absent.delivered);
    counters_journal(c, p->received_seq, &p->active, &p->closed);
    p->closed_segments = counter_get(&c->closed_segments);
    p->closed_bytes = counter_get(&c->closed_bytes);
    p->refused = counter_get(&c->refused_waiting_readings);
    p->refused_files = counter_get(&c->refused_waiting_files);
    p->outbox_files = counter_get(&c->waiting_files);
    p->outbox_bytes = counter_get(&c->waiting_bytes);
    files = less(counter_get(&c->waiting_readings) + p->refused, absent.waiting);
    if (p->refused > files)
        p->refused = files;
    p->outbox = files - p->refused;
    p->waiting = p->active + p->closed + p->outbox + p->refused;
}

void picture_take(struct picture *p, struct counters *c)
{
    *p = (struct picture){.wall_us = clock_wall_us(),
        .mono_us = clock_mono_us(),
        .start_wall_us = c->start_wall_us,
        .full_in_us = PICTURE_NEVER};
    p->uptime_us = p->mono_us - c->start_mono_us;
    take_intake(p, c);
    take_delivery(p, c);
    take_places(p, c);
    p->oldest_age_us = counters_oldest_age_us(c, p->mono_us, p->wall_us);
    p->state_bytes = counter_get(&c->state_bytes);
    p->state_bytes_max = counter_get(&c->state_bytes_max);
    p->free_bytes = counter_get(&c->free_bytes);
    p->free_bytes_min = counter_get(&c->free_bytes_min);
    p->left_bytes = counter_get(&c->left_bytes);
    for (size_t i = 0; i < LOOPS; i++) {
        uint64_t beat = counter_get(&c->beat_us[i]);

        p->beat_age_us[i] = beat ? (int64_t)less((uint64_t)p->mono_us, beat) : 0;
    }
    p->stopping = atomic_load(&c->stopping) != 0;
    p->broken = atomic_load(&c->broken) != 0;
    p->job = (enum job_status)atomic_load(&c->job);
    p->job_id = atomic_load(&c->job_id);
    (void)pthread_mutex_lock(&c->lock);
    p->stream_error = c->stream_error;
    p->pack_error = c->pack_error;
    p->ship_error = c->ship_error;
    (void)str_copy(p->peer, sizeof(p->peer), c->peer);
    (void)str_copy(p->job_text, sizeof(p->job_text), c->job_text);
    (void)pthread_mutex_unlock(&c->lock);
}

static bool adds_up(const struct picture *p)
{
    return p->lines == p->readings + p->rejected + p->ignored &&
           p->carried + p->readings == p->delivered + p->waiting + p->superseded + p->gaps;
}

bool picture_take_settled(struct picture *p, struct counters *c)
{
    const struct timespec pause = {.tv_nsec = PICTURE_SETTLE_US * 1000 / 5};
    int looks = 0;

    for (picture_take(p, c); !adds_up(p) && looks < 5; looks++) {
        (void)nanosleep(&pause, NULL);
        picture_take(p, c);
    }
    return adds_up(p);
}

enum loop_number picture_stuck(const struct picture *p)
{
    unsigned i = 0;

    while (i < LOOPS && p->beat_age_us[i] < PICTURE_BEAT_US)
        i++;
    return (enum loop_number)i;
}
