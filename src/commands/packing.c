/* The pack loop: closed segments to finished files. */
#include "commands/pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "commands/telling.h"
#include "status/trouble.h"

#include <string.h>

#define LOOK_US CLOCK_SECOND_US /* a lost wake-up costs this much */

static void publish(struct pipeline *p, struct pack *pack)
{
    const struct pack_counters *n = pack_counters(pack);
    struct counters *c = p->counters;
    struct pack_closed closed = pack_waiting(pack);

    if (closed.segments == 0)
        counter_set(&c->closed_since_us, 0);
    else if (counter_get(&c->closed_since_us) == 0)
        counter_set(&c->closed_since_us, (uint64_t)clock_mono_us());
    counter_set(&c->beat_us[LOOP_PACK], (uint64_t)clock_mono_us());
    counter_set(&c->closed_segments, closed.segments);
    counter_set(&c->closed_bytes, closed.bytes);
    counter_set(&c->closed_readings, closed.readings);
    counter_set(&c->closed_end_seq, closed.end_seq);
    counter_set(&c->packed_files, n->files);
    counter_set(&c->packed_rows, n->rows);
    counter_set(&c->packed_bytes, n->bytes);
    counter_set(&c->superseded, n->superseded);
    counter_set(&c->pack_busy_us, (uint64_t)n->busy_us);
    counter_set(&c->gap_readings, gaps_readings(p->gaps));
}

static void tell_file(struct pipeline *p, const struct pack_done *done)
{
    telling_packed(p, done);
    LOG_DEBUG("packed", LOG_TEXT("file", done->entry.text), LOG_UINT("rows", done->rows),
        LOG_UINT("bytes", done->entry.bytes), LOG_UINT("segments", done->segments),
        LOG_UINT("superseded", done->superseded));
    pipeline_wake(p->wake_ship);
}

/* Well to ill and back is logged once; the same reason again is not. */
static void tell_state(struct pipeline *p, struct err *last, const struct err *now)
{
    if (now && strcmp(last->text, now->text) != 0)
        LOG_WARN(
            "pack_waits", LOG_TEXT("error", now->text), LOG_TEXT("do", trouble_pack_waits(now)));
    if (!now && last->kind != ERR_NONE)
        LOG_INFO("pack_goes_on", LOG_TEXT("was", last->text));
    counters_set_error(p->counters, &p->counters->pack_error, now);
    if (now)
        *last = *now;
    else
        err_clear(last);
}

/* The first try at a file failed and the second one is made at once: nobody waits for anything, but a disk
 * that cannot sync will not get better. */
static void tell_repeats(const struct pack *pack, uint64_t *told)
{
    const struct pack_counters *n = pack_counters(pack);

    if (n->repeats > *told)
        LOG_WARN("packed_again", LOG_TEXT("why", n->repeat_why.text),
            LOG_TEXT("do",
                "nothing is lost: the segments go into a new file; check the disk: a write "
                "or a sync failed"));
    *told = n->repeats;
}

static bool too_late(struct pipeline *p)
{
    int64_t deadline = atomic_load(&p->stop_deadline_us);

    return deadline && clock_mono_us() >= deadline;
}

/* While nothing gets through one file probes, and a day of outage should not begin with as many small files
 * as are sent at a time. */
static unsigned parallel(const struct pipeline *p)
{
    return atomic_load(&p->ship_ill) ? 1 : p->settings->upload_parallel;
}

static void work(struct pipeline *p, struct pack *pack)
{
    struct err last, err;
    uint64_t repeats = 0;

    err_clear(&last);
    for (;;) {
        /* Read before the step: what intake closed before it ended is then seen by the step. */
        bool all = atomic_load(&p->intake_ended);
        enum pack_result result;
        struct pack_done done;
        bool ok;

        if (all && too_late(p))
            return; /* what is closed stays in the journal */
        pack_set_held(pack, atomic_load(&p->held_files));
        pack_set_parallel(pack, parallel(p));
        ok = pack_step(pack, all, &result, &done, &err);
        tell_repeats(pack, &repeats);
        if (ok) {
            tell_state(p, &last, NULL);
            publish(p, pack);
            if (result == PACK_FILE)
                tell_file(p, &done);
            if (result != PACK_NOTHING)
                continue;
            if (all)
                return;
            (void)pipeline_woken(p->wake_pack, LOOK_US);
        } else if (err.kind == ERR_BROKEN) {
            counters_set_error(p->counters, &p->counters->pack_error, &err);
            pipeline_break(p, "pack", &err);
            return;
        } else {
            /* Without a code it was the limits that said so: as their own witness they would stay
             * full for ever, whoever makes room. */
            if (err.kind == ERR_FULL && err.code)
                limits_said_full(p->limits);
            tell_state(p, &last, &err);
            publish(p, pack);
            if (all && atomic_load(&p->ship_ended))
                return; /* nobody will make room any more */
            (void)pipeline_woken(p->wake_pack, LOOK_US);
        }
    }
}

void *pack_loop(void *pipeline)
{
    struct pipeline *p = pipeline;
    const struct settings *s = p->settings;
    struct pack_options options = {
        .order = s->row_order == ROW_ORDER_TIME ? BATCH_BY_TIME : BATCH_BY_SERIES,
        .codec = s->compression == COMPRESSION_ZSTD     ? PARQUET_ZSTD
                 : s->compression == COMPRESSION_SNAPPY ? PARQUET_SNAPPY
                                                        : PARQUET_NONE,
        .profile = s->parquet_profile == PROFILE_DELTA ? PARQUET_DELTA : PARQUET_SAFE,
        .daily = s->file_layout == FILE_LAYOUT_DAILY,
        .merge_bytes = s->merge_bytes,
        .segment_bytes = s->segment_bytes,
        .upload_parallel = s->upload_parallel,
        .drop_oldest = s->when_full == WHEN_FULL_DROP_OLDEST,
    };
    struct err err;
    struct pack *pack = pack_new(p->state, p->limits, p->gaps, &options, &err);

    (void)pthread_setname_np(pthread_self(), "pack");
    if (pack)
        work(p, pack);
    else
        pipeline_break(p, "pack", &err);
    pack_free(pack);
    counter_set(&p->counters->beat_us[LOOP_PACK], 0);
    atomic_store(&p->pack_ended, true);
    pipeline_wake(p->wake_ship);
    return NULL;
}
