#include "status/counters.h"

#include "base/clock.h"

#include <string.h>

/* Files are some kilobytes to 256 MiB: from a fast line to a modem behind a satellite. */
const int64_t counters_bucket_us[COUNTERS_BUCKETS] = {50000, 100000, 250000, 500000, 1000000,
    2500000, 5000000, 10000000, 30000000, 60000000, 300000000};

void counters_init(struct counters *c)
{
    memset(c, 0, sizeof(*c));
    c->start_wall_us = clock_wall_us();
    c->start_mono_us = clock_mono_us();
    board_init(&c->board);
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail for a plain mutex on Linux */
}

void counters_set_error(struct counters *c, struct err *slot, const struct err *err)
{
    (void)pthread_mutex_lock(&c->lock);
    if (err)
        *slot = *err;
    else
        err_clear(slot);
    (void)pthread_mutex_unlock(&c->lock);
}

void counters_get_error(struct counters *c, const struct err *slot, struct err *ret)
{
    (void)pthread_mutex_lock(&c->lock);
    *ret = *slot;
    (void)pthread_mutex_unlock(&c->lock);
}

void counters_set_job(struct counters *c, enum job_status status, int64_t job_id, const char *text)
{
    (void)pthread_mutex_lock(&c->lock);
    (void)str_copy(c->job_text, sizeof(c->job_text), text ? text : "");
    (void)pthread_mutex_unlock(&c->lock);
    atomic_store(&c->job_id, job_id);
    atomic_store(&c->job, (int)status);
}

void counters_add_upload(
    struct counters *c, int64_t took_us, int64_t created_wall_us, int64_t wall_us)
{
    size_t i = 0;

    if (took_us < 0)
        took_us = 0;
    while (i < COUNTERS_BUCKETS && took_us > counters_bucket_us[i])
        i++;
    if (i < COUNTERS_BUCKETS)
        counter_add(&c->upload_bucket[i], 1);
    counter_add(&c->upload_us, (uint64_t)took_us);
    counter_add(&c->upload_count, 1);
    /* Names say whole seconds, and the wall clock may have been set back in between. */
    counter_set(&c->lag_us, wall_us > created_wall_us ? (uint64_t)(wall_us - created_wall_us) : 0);
    counter_set(&c->delivered_at_wall_us, (uint64_t)wall_us);
}

void counters_journal(
    struct counters *c, uint64_t received_seq, uint64_t *ret_active, uint64_t *ret_closed)
{
    uint64_t seen = counter_get(&c->closed_end_seq), first = counter_get(&c->segment_first_seq);

    first = first > seen ? first : seen;
    *ret_active = received_seq + 1 > first ? received_seq + 1 - first : 0;
    *ret_closed = counter_get(&c->closed_readings) + (seen ? first - seen : 0);
}

int64_t counters_oldest_age_us(struct counters *c, int64_t mono_us, int64_t wall_us)
{
    const int64_t since_us[] = {
        (int64_t)counter_get(&c->active_since_us), (int64_t)counter_get(&c->closed_since_us)};
    int64_t oldest_wall_us = atomic_load(&c->oldest_wall_us), age_us = 0;

    for (size_t i = 0; i < sizeof(since_us) / sizeof(since_us[0]); i++) {
        if (since_us[i] && mono_us - since_us[i] > age_us)
            age_us = mono_us - since_us[i];
    }
    if (oldest_wall_us && wall_us - oldest_wall_us > age_us)
        age_us = wall_us - oldest_wall_us;
    return age_us;
}
