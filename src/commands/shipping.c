/* The ship loop: the outbox to the workspace. */
#include "commands/pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "commands/jobkeeping.h"
#include "commands/telling.h"
#include "commands/workspace.h"
#include "uploader/uploader.h"

#define LOOK_US CLOCK_SECOND_US
#define SECRET_LOOK_US (2 * CLOCK_SECOND_US) /* how often, while we are refused */

static void publish(struct pipeline *p, struct uploader *u)
{
    const struct uploader_counters *n = uploader_counters(u);
    struct counters *c = p->counters;
    enum ship_status status = SHIP_IDLE;

    counter_set(&c->delivered_files, n->delivered_files);
    counter_set(&c->delivered_bytes, n->delivered_bytes);
    counter_set(&c->delivered_readings, n->delivered_readings);
    counter_set(&c->delivered_seq, n->delivered_seq);
    counter_set(&c->attempts, n->attempts);
    counter_set(&c->retries, n->retries);
    counter_set(&c->denied, n->denied);
    counter_set(&c->conflicts, n->conflicts);
    counter_set(&c->in_flight, n->in_flight);
    counter_set(&c->repaired, n->repaired);
    counter_set(&c->refused_files, n->refused_files);
    counter_set(&c->dropped_readings, n->dropped_readings);
    counter_set(&c->sent_bytes, n->sent_bytes);
    counter_set(&c->waiting_files, n->waiting_files);
    atomic_store(&p->held_files, n->held_files);
    counter_set(&c->waiting_bytes, n->waiting_bytes);
    counter_set(&c->waiting_readings, n->waiting_readings);
    counter_set(&c->gap_readings, gaps_readings(p->gaps));
    atomic_store(&c->oldest_wall_us, n->oldest_created_us);
    counter_set(&c->retry_at_us, (uint64_t)(clock_mono_us() + uploader_retry_us(u)));
    counter_set(&c->beat_us[LOOP_SHIP], (uint64_t)clock_mono_us());
    telling_refused(p, clock_mono_us());
    switch (uploader_state(u)) {
    case UPLOADER_IDLE:
        break;
    case UPLOADER_SENDING:
        status = SHIP_SENDING;
        break;
    case UPLOADER_WAITING:
        status = SHIP_WAITING;
        break;
    case UPLOADER_DENIED:
        status = SHIP_DENIED;
        break;
    }
    atomic_store(&c->ship, (int)status);
}

/* The live line counts files; a line for each would push it away. */
static void tell_delivered(struct pipeline *p, const struct uploader_event *e)
{
    LOG_AT(p->live_line ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "delivered",
        LOG_TEXT("file", e->entry.text), LOG_UINT("bytes", e->entry.bytes),
        LOG_UINT("readings", e->entry.name.last_seq - e->entry.name.first_seq + 1),
        LOG_INT("took_ms", e->took_us / 1000), LOG_UINT("attempts", e->attempts),
        LOG_TEXT("how", e->repaired    ? "repaired"
                        : e->was_there ? "was there already"
                                       : "sent"));
}

/* For the line that says it is over: the tries between are counted, not logged. */
struct illness {
    struct err err; /* what the last ILL said */
    int64_t since_us;
    uint64_t attempts; /* at the first one */
};

static void tell_ill(const struct uploader_event *e, uint64_t attempts, struct illness *ill)
{
    LOG_WARN("delivery_waits", LOG_TEXT("class", err_kind_name(e->err.kind)),
        LOG_TEXT("error", e->err.text));
    if (ill->err.kind == ERR_NONE) {
        ill->since_us = clock_mono_us();
        ill->attempts = attempts;
    }
    ill->err = e->err;
}

static void tell_well(uint64_t attempts, struct illness *ill)
{
    LOG_INFO("delivery_works", LOG_TEXT("was", ill->err.text),
        LOG_INT("after_ms", (clock_mono_us() - ill->since_us) / 1000),
        LOG_UINT("tries", attempts - ill->attempts));
    err_clear(&ill->err);
}

static void tell(
    struct pipeline *p, const struct uploader_event *e, uint64_t attempts, struct illness *ill)
{
    switch (e->kind) {
    case UPLOADER_DELIVERED:
        tell_delivered(p, e);
        pipeline_wake(p->wake_pack); /* there is room again */
        break;
    case UPLOADER_REFUSED:
        LOG_ERROR("refused", LOG_TEXT("file", e->entry.text), LOG_TEXT("error", e->err.text),
            LOG_TEXT(
                "do", "the file waits in refused/; mend the cause and move it back to outbox/"));
        break;
    case UPLOADER_DROPPED:
        LOG_ERROR("dropped", LOG_TEXT("file", e->entry.text),
            LOG_UINT("readings", e->entry.name.last_seq - e->entry.name.first_seq + 1),
            LOG_TEXT("reason", "when_full=drop_oldest"));
        break;
    case UPLOADER_DAMAGED:
        LOG_ERROR("damaged", LOG_TEXT("file", e->entry.text), LOG_TEXT("error", e->err.text),
            LOG_TEXT("do", "the file is in quarantine/ and counted in gaps.log; check the disk"));
        break;
    case UPLOADER_ILL:
        tell_ill(e, attempts, ill);
        break;
    case UPLOADER_WELL:
        tell_well(attempts, ill);
        break;
    case UPLOADER_ALARM:
        LOG_ERROR(
            "delivery_alarm", LOG_TEXT("file", e->entry.text), LOG_TEXT("error", e->err.text));
        break;
    }
}

/* Stopping: done when nothing waits; a ship that is backing off ends at once; the deadline ends
 * everything. */
static bool may_end(struct pipeline *p, struct uploader *u)
{
    int64_t deadline = atomic_load(&p->stop_deadline_us);
    enum uploader_state state = uploader_state(u);

    if (!atomic_load(&p->stopping))
        return false;
    if (deadline && clock_mono_us() >= deadline)
        return true;
    /* A file that waits only for its turn is not backing off. */
    if (state == UPLOADER_DENIED || (state == UPLOADER_WAITING && uploader_retry_us(u) > 0))
        return atomic_load(&p->intake_ended);
    return atomic_load(&p->pack_ended) && uploader_idle(u);
}

static int64_t wait_us(struct pipeline *p)
{
    int64_t deadline = atomic_load(&p->stop_deadline_us), wait = LOOK_US;

    if (deadline && deadline - clock_mono_us() < wait)
        wait = deadline - clock_mono_us();
    return wait > 0 ? wait : 0;
}

/* The secret in its file or profile may be another one now. `asked` by SIGHUP; else we look because
 * Databricks refuses us, again and again, and say only what is news. Only this loop touches secrets
 * once the loops run. */
static void renew_secret(struct pipeline *p, struct workspace *ws, struct uploader *u, bool asked)
{
    const struct secret *fresh;
    struct secret *secret = NULL;
    bool changed = false;
    struct err err;

    if (!config_reload_secrets(p->config, &changed, &err)) {
        LOG_AT(asked ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "reload_failed",
            LOG_TEXT("error", err.text), LOG_TEXT("do", "the old secret stays in use"));
        return;
    }
    if (asked || changed)
        LOG_INFO("reloaded", LOG_TEXT("secret", changed ? "changed" : "the same"));
    fresh = config_sign_in_secret(p->settings);
    if (!changed || !fresh)
        return;
    secret = secret_copy(fresh, &err);
    if (secret) {
        jobkeeping_renew(p->jobs, secret_copy(secret, &err));
        workspace_renew(ws, secret); /* takes it */
        uploader_try_now(u);
    } else {
        LOG_WARN("reload_failed", LOG_TEXT("error", err.text));
    }
}

/* SIGHUP: somebody has changed something. Whatever it was, it is tried now, and with an access token
 * that was asked for after it. */
static void take_hangup(struct pipeline *p, struct uploader *u, struct workspace *ws)
{
    renew_secret(p, ws, u, true);
    workspace_renew(ws, NULL);
    jobkeeping_renew(p->jobs, NULL);
    uploader_try_now(u);
}

static void work(struct pipeline *p, struct uploader *u, struct workspace *ws)
{
    int64_t secret_us = 0;
    bool look = true;
    struct uploader_event event;
    struct illness ill = {.err = {.kind = ERR_NONE}};
    struct err err;

    for (;;) {
        if (!uploader_step(u, look, wait_us(p), p->wake_ship, &err)) {
            counters_set_error(p->counters, &p->counters->ship_error, &err);
            pipeline_break(p, "ship", &err);
            return;
        }
        look = pipeline_woken(p->wake_ship, 0);
        if (atomic_exchange(&p->reload_secrets, false))
            take_hangup(p, u, ws);
        if (uploader_state(u) == UPLOADER_DENIED && clock_mono_us() >= secret_us) {
            renew_secret(p, ws, u, false);
            secret_us = clock_mono_us() + SECRET_LOOK_US;
        }
        while (uploader_event(u, &event)) {
            telling_shipped(p, &event);
            tell(p, &event, uploader_counters(u)->attempts, &ill);
        }
        counters_set_error(p->counters, &p->counters->ship_error,
            uploader_error(u)->kind == ERR_NONE ? NULL : uploader_error(u));
        atomic_store(&p->ship_ill, uploader_ill(u));
        publish(p, u);
        if (!look && may_end(p, u))
            return;
    }
}

void *ship_loop(void *pipeline)
{
    struct pipeline *p = pipeline;
    struct outbox box;
    struct workspace *ws;
    struct uploader *u = NULL;
    struct buf folder;
    struct err err;
    struct uploader_options options = {
        .parallel = p->settings->upload_parallel,
        .refuse_after_us = 3600 * CLOCK_SECOND_US,
        .drop_oldest = p->settings->when_full == WHEN_FULL_DROP_OLDEST,
    };

    (void)pthread_setname_np(pthread_self(), "ship");
    buf_init(&folder, 1024);
    outbox_init(&box, p->state, p->limits);
    volume_folder(p->settings, &folder);
    options.folder = buf_text(&folder);
    ws = workspace_for(p->settings, &err);
    if (ws)
        u = uploader_new(&box, ws, p->gaps, &options, &err);
    if (u)
        work(p, u, ws);
    else
        pipeline_break(p, "ship", &err);
    if (u)
        uploader_cut(u);
    uploader_free(u);
    workspace_free(ws);
    buf_done(&folder);
    atomic_store(&p->counters->ship, (int)SHIP_STOPPED);
    counter_set(&p->counters->beat_us[LOOP_SHIP], 0);
    atomic_store(&p->ship_ended, true);
    pipeline_wake(p->wake_pack);
    return NULL;
}
