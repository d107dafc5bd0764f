/* The intake loop: socket to journal. It never waits for Databricks, and for the disk only by not
 * reading. */
#include "commands/pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "commands/telling.h"
#include "journal/journal.h"
#include "state/rejects.h"
#include "stream/client.h"
#include "stream/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READINGS_AT_ONCE 16384 /* of one append; a receive of 256 KiB holds about 1,000 */
#define DRAIN_US (2 * CLOCK_SECOND_US)
#define RETRY_FULL_US (CLOCK_SECOND_US / 2)

struct intake {
    struct pipeline *p;
    struct framer *framer;
    struct decoder *decoder;
    struct stream_client *client;
    struct journal *journal;
    struct rejects *rejects;
    struct readings readings; /* decoded, not yet appended */
    uint64_t decoded_offset;  /* in the connection's stream, behind the last of them */

    int64_t paused_since_us; /* 0: reading */
    int64_t full_until_us;   /* ERR_FULL from the journal: not before */
    uint64_t traced_seq;
    uint64_t traced_batches;
    int64_t flushed_us;
    int64_t wall_offset_us; /* wall minus monotonic at the last look: a jump is logged */
    struct err last_failure;
    uint64_t failures;
    bool manifest_seen;
    bool gave_up; /* ERR_BROKEN was said: a stop meets it again */
    bool ending;  /* the connection ended, but its last lines are not taken yet (disk full) */
};

/* ---- what is told to others ---- */

static void publish(struct intake *in)
{
    struct counters *c = in->p->counters;
    const struct decoder_counters *d = decoder_counters(in->decoder);
    const struct journal_counters *j = journal_counters(in->journal);
    uint64_t rejected = 0;

    for (size_t i = 0; i < REJECT_REASONS; i++) {
        rejected += d->rejected[i];
        counter_set(&c->rejected_by[i], d->rejected[i]);
    }
    counter_set(&c->lines, d->lines);
    counter_set(&c->readings, d->readings);
    counter_set(&c->ignored, d->ignored);
    counter_set(&c->rejected, rejected);
    counter_set(&c->manifests, d->manifests);
    counter_set(&c->slow_lines, d->slow);
    counter_set(&c->inexact, d->inexact);
    counter_set(&c->cut_times, d->cut_times);
    counter_set(&c->future_times, d->future);
    counter_set(&c->connections, client_connections(in->client));
    counter_set(&c->received_bytes, client_received_bytes(in->client));
    counter_set(&c->received_seq, j->received_seq);
    counter_set(&c->durable_seq, j->durable_seq);
    counter_set(&c->segment_first_seq, j->segment_first_seq);
    if (j->rescues > counter_get(&c->rescues))
        LOG_ERROR("journal_rescued", LOG_TEXT("why", j->rescue_why.text),
            LOG_TEXT("do", "nothing durable is lost; check the disk: a sync or a write failed"));
    counter_set(&c->commits, j->commits);
    counter_set(&c->rolls, j->rolls);
    counter_set(&c->rescues, j->rescues);
    counter_set(&c->journal_bytes, j->written_bytes);
    counter_set(&c->sync_us_max, (uint64_t)j->sync_us_max);
    counter_set(&c->sync_us_total, (uint64_t)j->sync_us_total);
    counter_set(&c->active_since_us, (uint64_t)j->first_reading_us);
    counter_set(&c->beat_us[LOOP_INTAKE], (uint64_t)clock_mono_us());
}

static void trace(struct intake *in)
{
    const struct journal_counters *j = journal_counters(in->journal);
    uint64_t record[2] = {j->durable_seq, j->durable_stream_offset};

    if (in->p->trace_fd < 0 || j->durable_seq == in->traced_seq)
        return;
    in->traced_seq = j->durable_seq;
    if (write(in->p->trace_fd, record, sizeof(record)) != (ssize_t)sizeof(record))
        in->p->trace_fd = -1; /* the reader is gone: a test's business, not ours */
}

static void set_stream(struct intake *in, enum stream_status status)
{
    atomic_store(&in->p->counters->stream, (int)status);
}

/* ---- lines to readings to the journal ---- */

static void reject(struct intake *in, const char *reason, struct span line, uint64_t bytes)
{
    struct err ignored; /* samples are for people: the counter is what counts */

    (void)rejects_add(in->rejects, reason, line, bytes, client_peer(in->client), clock_wall_us(),
        clock_mono_us(), &ignored);
    board_sample_add(
        &in->p->counters->board, reason, line, bytes, clock_wall_us(), clock_mono_us());
}

static void apply_manifest(struct intake *in, const struct manifest *m)
{
    const struct settings *s = in->p->settings;
    struct config_manifest values = {
        .has_upload_interval = m->has_upload_interval,
        .has_batch_size = m->has_batch_size,
        .bad_upload_interval = m->bad_upload_interval,
        .bad_batch_size = m->bad_batch_size,
        .upload_interval_s = m->upload_interval_s,
        .batch_size = m->batch_size,
    };
    struct config_manifest_result result;
    bool first = !in->manifest_seen;

    client_saw_manifest(in->client);
    in->manifest_seen = true;
    if (!m->usable) {
        LOG_WARN("manifest_unusable", LOG_TEXT("do", "the last configuration stays in force"));
        return;
    }
    config_apply_manifest(in->p->config, &values, &result);
    for (unsigned i = 0; i < result.warnings; i++)
        LOG_WARN("manifest_value", LOG_TEXT("warning", result.warning[i]));
    journal_set_batch(in->journal, s->batch_size, s->upload_interval_us);
    telling_settings(in->p);
    if (result.changed || first)
        LOG_INFO("manifest", LOG_UINT("batch_size", s->batch_size),
            LOG_INT("upload_interval_ms", s->upload_interval_us / 1000));
}

/* Appends what is decoded. True: nothing is left in in->readings. */
static bool append(struct intake *in, struct err *err)
{
    if (in->readings.count == 0)
        return true;
    if (!journal_append(in->journal, &in->readings, clock_wall_us(), clock_mono_us(),
            client_connections(in->client), in->decoded_offset, err))
        return false;
    in->readings.count = 0;
    return true;
}

/* `used` bytes of the framer's lines were decoded, but not yet taken. What lies behind them was received,
 * and is not in the journal: a commit must not speak for it. */
static void note_offset(struct intake *in, size_t used)
{
    uint64_t received = client_stream_offset(in->client);
    uint64_t left = framer_lines(in->framer).len + framer_rest(in->framer).len - used;

    in->decoded_offset = received > left ? received - left : 0;
}

/* The room shrinks with the names that what is decoded brought along: it must stay above the count. */
static bool make_room(struct intake *in, struct err *err)
{
    size_t room = journal_room(in->journal);

    if (room <= in->readings.count) {
        if (!append(in, err))
            return false;
        room = journal_room(in->journal);
    }
    if (room == 0) {
        if (!journal_roll(in->journal, clock_mono_us(), err))
            return false;
        pipeline_wake(in->p->wake_pack);
        room = journal_room(in->journal);
    }
    in->readings.cap = room < READINGS_AT_ONCE ? room : READINGS_AT_ONCE;
    return true;
}

/* What to do where the decoder stopped. */
static bool handle_stop(
    struct intake *in, enum decode_stop stop, const struct decode_event *event, struct err *err)
{
    switch (stop) {
    case DECODE_END:
    case DECODE_READINGS_FULL:
        return append(in, err);
    case DECODE_SERIES_FULL:
        if (!append(in, err) || !journal_roll(in->journal, clock_mono_us(), err))
            return false;
        pipeline_wake(in->p->wake_pack);
        return true;
    case DECODE_MANIFEST:
        apply_manifest(in, &event->manifest);
        return true;
    case DECODE_REJECTED:
        reject(in, reject_reason_name(event->reason), event->line, event->line.len);
        return true;
    }
    return true;
}

static void take_too_long(struct intake *in)
{
    struct span sample;
    uint64_t bytes;

    while (framer_too_long(in->framer, &sample, &bytes)) {
        decoder_count_too_long(in->decoder);
        reject(in, reject_reason_name(REJECT_TOO_LONG), sample, bytes);
    }
}

/* Decodes and appends all whole lines. False with ERR_FULL: the rest stays in the framer, what is
 * decoded stays in in->readings; the next call goes on from there. */
static bool take_lines(struct intake *in, struct err *err)
{
    struct span lines = framer_lines(in->framer);
    int64_t wall_us = clock_wall_us();

    take_too_long(in);
    if (!append(in, err))
        return false;
    while (lines.len) {
        struct decode_event event;
        enum decode_stop stop;
        size_t used = 0;

        if (!make_room(in, err))
            return false;
        stop = decoder_run(
            in->decoder, lines, wall_us, journal_series(in->journal), &in->readings, &used, &event);
        note_offset(in, used);
        lines.data += used;
        lines.len -= used;
        /* The event's line is borrowed from the framer: deal with it before taking. */
        if (!handle_stop(in, stop, &event, err)) {
            framer_take(in->framer, used);
            return false;
        }
        framer_take(in->framer, used);
        lines = framer_lines(in->framer);
    }
    return append(in, err);
}

/* The piece without a newline when a connection ends (vector 35). It is forgotten as soon as it was
 * decoded: after ERR_FULL this is called again, and must not take it twice. */
static bool take_rest(struct intake *in, struct err *err)
{
    struct span rest = framer_rest(in->framer);

    for (int tries = 0; rest.len && tries < 3; tries++) {
        struct decode_event event;
        enum decode_stop stop;

        if (!make_room(in, err))
            return false;
        stop = decoder_run_rest(
            in->decoder, rest, clock_wall_us(), journal_series(in->journal), &in->readings, &event);
        if (stop != DECODE_SERIES_FULL && stop != DECODE_READINGS_FULL) {
            in->decoded_offset = client_stream_offset(in->client);
            (void)framer_restart(in->framer); /* the bytes stay for the event's line */
            rest.len = 0;
        }
        if (!handle_stop(in, stop, &event, err))
            return false;
    }
    return append(in, err);
}

/* The journal cannot be trusted any more. What is still tried at the stop says so too: once is enough. */
static void give_up(struct intake *in, const struct err *err)
{
    if (in->gave_up)
        return;
    in->gave_up = true;
    counters_set_error(in->p->counters, &in->p->counters->stream_error, err);
    pipeline_break(in->p, "intake", err);
}

/* ---- the connection ---- */

/* A change of reason is logged at once, the same reason again only counted. */
static void connection_failed(struct intake *in)
{
    const struct err *why = client_error(in->client);
    bool same = strcmp(why->text, in->last_failure.text) == 0;

    in->failures = same ? in->failures + 1 : 1;
    in->last_failure = *why;
    counters_set_error(in->p->counters, &in->p->counters->stream_error, why);
    if (!same)
        LOG_WARN("stream_unreachable", LOG_TEXT("peer", client_peer(in->client)),
            LOG_TEXT("error", why->text), LOG_INT("retry_ms", client_retry_us(in->client) / 1000),
            LOG_TEXT(
                "do", "check KELVIN_STREAM_IP and KELVIN_STREAM_PORT; the program keeps trying"));
}

static void connected(struct intake *in)
{
    struct counters *c = in->p->counters;
    struct err err;

    (void)pthread_mutex_lock(&c->lock);
    (void)str_copy(c->peer, sizeof(c->peer), client_peer(in->client));
    (void)pthread_mutex_unlock(&c->lock);
    counters_set_error(c, &c->stream_error, NULL);
    LOG_INFO("stream_connected", LOG_TEXT("peer", client_peer(in->client)),
        LOG_UINT("failed_tries", in->failures));
    in->failures = 0;
    err_clear(&in->last_failure);
    /* Only for the record: a link frame that does not fit is no reason to stop. */
    if (!journal_link(in->journal, true, client_connections(in->client), clock_wall_us(),
            clock_mono_us(), &err) &&
        err.kind == ERR_BROKEN)
        give_up(in, &err);
}

static void closed(struct intake *in)
{
    const struct err *why = client_error(in->client);
    struct err err;

    counters_set_error(in->p->counters, &in->p->counters->stream_error, why);
    LOG_WARN(
        "stream_closed", LOG_TEXT("peer", client_peer(in->client)), LOG_TEXT("reason", why->text));
    if (!journal_link(in->journal, false, client_connections(in->client), clock_wall_us(),
            clock_mono_us(), &err) &&
        err.kind == ERR_BROKEN)
        give_up(in, &err);
}

/* ---- full: not reading is the answer, and it is counted ---- */

static void pause_reading(struct intake *in, int64_t mono_us, const char *why)
{
    if (in->paused_since_us)
        return;
    in->paused_since_us = mono_us;
    counter_set(&in->p->counters->paused_since_us, (uint64_t)mono_us);
    LOG_WARN("intake_paused", LOG_TEXT("reason", why),
        LOG_UINT("state_bytes", limits_used(in->p->limits)),
        LOG_TEXT("do", "nothing durable is lost; reading goes on when deliveries have made room"));
}

static void resume_reading(struct intake *in, int64_t mono_us)
{
    if (!in->paused_since_us)
        return;
    counter_set(&in->p->counters->paused_since_us, 0);
    counter_add(&in->p->counters->paused_us, (uint64_t)(mono_us - in->paused_since_us));
    LOG_INFO("intake_resumed", LOG_INT("paused_ms", (mono_us - in->paused_since_us) / 1000));
    in->paused_since_us = 0;
}

static bool may_read(struct intake *in, int64_t mono_us)
{
    enum limits_level level = limits_check(in->p->limits, mono_us);
    /* Packing may take it below the limit before ship saw it there; nobody drops anything then, so
     * waiting for 80 % would be for ever. */
    bool drops = in->p->settings->when_full == WHEN_FULL_DROP_OLDEST;

    if (mono_us < in->full_until_us)
        return false;
    if (level == LIMITS_REACHED)
        pause_reading(in, mono_us, "the state directory is full");
    else if (level == LIMITS_FINE || drops || !in->paused_since_us)
        resume_reading(in, mono_us);
    return in->paused_since_us == 0;
}

/* ERR_FULL: wait a little. Anything else: give up. False: stop for good. */
static bool survive(struct intake *in, const struct err *err)
{
    int64_t now = clock_mono_us();

    if (err->kind == ERR_FULL) {
        limits_said_full(in->p->limits);
        pause_reading(in, now, err->text);
        in->full_until_us = now + RETRY_FULL_US;
        return true;
    }
    give_up(in, err);
    return false;
}

/* ---- the loop ---- */

static void watch_clock(struct intake *in, int64_t mono_us)
{
    int64_t wall_us = clock_wall_us(), jump = wall_us - mono_us - in->wall_offset_us;

    if (in->wall_offset_us && llabs(jump) > 10 * CLOCK_SECOND_US) {
        char before[CLOCK_TEXT_SIZE], after[CLOCK_TEXT_SIZE];

        LOG_WARN("clock_jumped", LOG_TEXT("from", clock_text(before, wall_us - jump)),
            LOG_TEXT("to", clock_text(after, wall_us)));
    }
    in->wall_offset_us = wall_us - mono_us;
}

static int64_t next_wait_us(struct intake *in, int64_t mono_us)
{
    int64_t wait = journal_next_us(in->journal) - mono_us;

    if (in->readings.count || (in->full_until_us > mono_us && wait > in->full_until_us - mono_us))
        wait = in->full_until_us - mono_us;
    if (wait > CLOCK_SECOND_US)
        wait = CLOCK_SECOND_US;
    return wait > 0 ? wait : 0;
}

static void each_second(struct intake *in, int64_t mono_us)
{
    struct err ignored;

    if (mono_us - in->flushed_us < CLOCK_SECOND_US)
        return;
    in->flushed_us = mono_us;
    (void)rejects_flush(in->rejects, &ignored);
    watch_clock(in, mono_us);
}

/* A connection ended: its last lines are taken before the client may go on (a new connection
 * empties the framer). */
static bool finish_connection(struct intake *in, struct err *err)
{
    in->ending = true;
    if (!take_lines(in, err) || !take_rest(in, err))
        return false;
    in->ending = false;
    closed(in);
    return true;
}

/* What the journal had no room for carries numbers of the open segment's series: that segment must
 * not roll before it is in. It goes first, also while nothing is read. False: stop for good. */
static bool append_waiting(struct intake *in)
{
    struct err err;

    if (in->readings.count == 0 || clock_mono_us() < in->full_until_us || append(in, &err))
        return true;
    return survive(in, &err) &&
           (journal_commit(in->journal, clock_mono_us(), &err) || survive(in, &err));
}

static bool tick(struct intake *in)
{
    struct err err;

    if (in->readings.count)
        return true;
    return journal_tick(in->journal, client_dry(in->client), clock_mono_us(), &err) ||
           survive(in, &err);
}

/* One event of the connection. False: stop for good. */
static bool turn(struct intake *in, bool reading, int64_t wait_us)
{
    enum client_event event = CLIENT_NOTHING;
    struct err err;
    bool ok = true;

    if (!append_waiting(in))
        return false;
    if (in->readings.count) { /* no room yet: nothing more is taken */
        (void)pipeline_woken(in->p->wake_intake, wait_us);
        return true;
    }
    if (!in->ending)
        event = client_step(in->client, wait_us, reading, in->p->wake_intake);
    else if (reading)
        ok = finish_connection(in, &err);
    else
        (void)pipeline_woken(in->p->wake_intake, wait_us);
    switch (event) {
    case CLIENT_NOTHING:
        if (reading && !in->ending && framer_lines(in->framer).len + in->readings.count)
            ok = take_lines(in, &err);
        break;
    case CLIENT_CONNECTED:
        connected(in);
        break;
    case CLIENT_DATA:
        ok = take_lines(in, &err);
        break;
    case CLIENT_CLOSED:
        ok = finish_connection(in, &err);
        break;
    case CLIENT_FAILED:
        connection_failed(in);
        break;
    }
    return (ok || survive(in, &err)) && tick(in);
}

static void show_state(struct intake *in, bool reading)
{
    enum client_state state = client_state(in->client);

    set_stream(in, !reading                  ? STREAM_PAUSED
                   : state == CLIENT_OPEN    ? STREAM_CONNECTED
                   : state == CLIENT_WAITING ? STREAM_WAITING
                                             : STREAM_CONNECTING);
}

static void receive(struct intake *in)
{
    uint64_t rolls = 0;

    while (!atomic_load(&in->p->stopping)) {
        int64_t now = clock_mono_us();
        bool reading = may_read(in, now);

        atomic_store(&in->p->intake_turn_us, now);
        if (!turn(in, reading, next_wait_us(in, now)))
            return;
        (void)pipeline_woken(in->p->wake_intake, 0);
        if (journal_counters(in->journal)->rolls != rolls) {
            rolls = journal_counters(in->journal)->rolls;
            pipeline_wake(in->p->wake_pack);
        }
        each_second(in, now);
        show_state(in, reading);
        publish(in);
        trace(in);
    }
}

static void tell_incomplete(struct intake *in, const struct err *err)
{
    struct span lines = framer_lines(in->framer);
    uint64_t lost = in->readings.count;
    const char *at = lines.data, *end = lines.data + lines.len;
    struct err commit;

    if (!journal_commit(in->journal, clock_mono_us(), &commit) && commit.kind != ERR_FULL)
        (void)survive(in, &commit);
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        lost++;
    }
    if (lost)
        LOG_ERROR("stop_lost", LOG_UINT("lines", lost), LOG_TEXT("error", err->text),
            LOG_TEXT("do", "these had been received, and the disk had no room for them"));
    LOG_WARN("stop_incomplete", LOG_TEXT("error", err->text),
        LOG_TEXT("do", "the open segment is packed at the next start"));
}

/* Everything that was received, whatever the limits say. */
static bool take_all(struct intake *in, struct err *err)
{
    return append(in, err) && take_lines(in, err) && (!in->ending || take_rest(in, err));
}

/* Stopping: read what has arrived, 2 s at most; then commit and roll, so that nothing waits in an
 * open segment. */
static void drain(struct intake *in)
{
    int64_t end = clock_mono_us() + DRAIN_US;
    struct err err;
    bool ok;

    client_stop_connecting(in->client);
    while (clock_mono_us() < end && (in->ending || client_state(in->client) == CLIENT_OPEN) &&
           may_read(in, clock_mono_us())) {
        if (!turn(in, true, 20000))
            return;
        if (!in->ending && in->readings.count == 0 && client_dry(in->client) &&
            framer_lines(in->framer).len == 0)
            break;
    }
    ok = take_all(in, &err);
    if (!ok && err.kind == ERR_FULL) { /* no room for another segment: space was kept in this one */
        journal_last_call(in->journal);
        ok = take_all(in, &err);
    }
    if (ok) { /* a too long line that never ended is handed over, to be counted */
        (void)framer_restart(in->framer);
        take_too_long(in);
    }
    if (ok && journal_commit(in->journal, clock_mono_us(), &err) &&
        journal_roll(in->journal, clock_mono_us(), &err))
        return;
    if (err.kind == ERR_FULL)
        tell_incomplete(in, &err);
    else
        (void)survive(in, &err);
}

/* A full disk at the start is waited out like any other: deliveries make room. False with ERR_FULL:
 * the stop came first. */
static bool open_journal(struct intake *in, const struct journal_options *options, struct err *err)
{
    struct pipeline *p = in->p;

    for (;;) {
        int64_t now = clock_mono_us();

        in->journal = journal_open(p->state, p->limits, options, p->first_seq, err);
        if (in->journal || err->kind != ERR_FULL || atomic_load(&p->stopping))
            return in->journal != NULL;
        limits_said_full(p->limits);
        pause_reading(in, now, err->text);
        set_stream(in, STREAM_PAUSED);
        atomic_store(&p->intake_turn_us, now);
        counter_set(&p->counters->beat_us[LOOP_INTAKE], (uint64_t)now);
        (void)pipeline_woken(p->wake_intake, RETRY_FULL_US);
    }
}

static bool open_all(struct intake *in, struct err *err)
{
    const struct settings *s = in->p->settings;
    struct journal_options options = {
        .commit_us = s->commit_us,
        .commit_bytes = s->commit_bytes,
        .segment_bytes = s->segment_bytes,
        .series_max = s->series_max,
        .names_bytes_max = 8 << 20,
        .batch_size = s->batch_size,
        .interval_us = s->upload_interval_us,
    };

    in->framer = framer_new((size_t)s->stream_limit_bytes, err);
    in->decoder = in->framer ? decoder_new(err) : NULL;
    in->client = in->decoder ? client_new(s->stream_host, s->stream_port, in->framer, err) : NULL;
    in->rejects = in->client ? rejects_open(in->p->state, in->p->limits, err) : NULL;
    return in->rejects && readings_init(&in->readings, READINGS_AT_ONCE, err) &&
           open_journal(in, &options, err);
}

static void close_all(struct intake *in)
{
    if (in->journal) {
        publish(in);
        journal_close(in->journal);
    }
    rejects_close(in->rejects);
    client_free(in->client);
    decoder_free(in->decoder);
    framer_free(in->framer);
    in->readings.cap = READINGS_AT_ONCE;
    readings_done(&in->readings);
}

void *intake_loop(void *pipeline)
{
    struct pipeline *p = pipeline;
    struct intake in = {.p = p};
    struct err err;

    (void)pthread_setname_np(pthread_self(), "intake");
    if (open_all(&in, &err)) {
        receive(&in);
        drain(&in);
        trace(&in);
    } else if (err.kind != ERR_FULL || !atomic_load(&p->stopping)) {
        pipeline_break(p, "intake", &err);
    }
    close_all(&in);
    set_stream(&in, STREAM_STOPPED);
    counter_set(&p->counters->beat_us[LOOP_INTAKE], 0);
    atomic_store(&p->intake_ended, true);
    pipeline_wake(p->wake_pack);
    return NULL;
}
