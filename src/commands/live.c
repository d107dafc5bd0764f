#include "commands/live.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_US (CLOCK_SECOND_US / 5)
#define SUMMARY_US (60 * CLOCK_SECOND_US)
#define CLEAR_LINE "\r\033[K"

void live_start(struct live *live, struct counters *counters, bool want_line)
{
    *live = (struct live){.counters = counters, .terminal = want_line && isatty(STDERR_FILENO)};
    live->rate_us = clock_mono_us();
    live->next_us = live->terminal ? live->rate_us : live->rate_us + SUMMARY_US;
}

static const char *stream_text(int status)
{
    switch ((enum stream_status)status) {
    case STREAM_WAITING:
        return "no stream, trying again";
    case STREAM_CONNECTING:
        return "connecting";
    case STREAM_CONNECTED:
        return "connected";
    case STREAM_PAUSED:
        return "PAUSED: disk full";
    case STREAM_STOPPED:
        return "stopped";
    }
    return "";
}

static const char *ship_text(int status)
{
    switch ((enum ship_status)status) {
    case SHIP_IDLE:
        return "all delivered";
    case SHIP_SENDING:
        return "sending";
    case SHIP_WAITING:
        return "retrying";
    case SHIP_DENIED:
        return "REFUSED";
    case SHIP_STOPPED:
        return "stopped";
    }
    return "";
}

/* Readings that are not confirmed in the volume yet: in the journal, in the outbox, or in flight.
 */
static uint64_t waiting_readings(struct counters *c)
{
    uint64_t active, closed;

    counters_journal(c, counter_get(&c->received_seq), &active, &closed);
    return active + closed + counter_get(&c->waiting_readings);
}

static void update_rate(struct live *live, int64_t mono_us)
{
    uint64_t readings = counter_get(&live->counters->readings);
    int64_t passed = mono_us - live->rate_us;

    if (passed < CLOCK_SECOND_US)
        return;
    live->readings_per_s = (double)(readings - live->rate_readings) * 1e6 / (double)passed;
    live->rate_readings = readings;
    live->rate_us = mono_us;
}

static void first_error(struct counters *c, struct buf *line)
{
    const struct err *slots[] = {&c->pack_error, &c->ship_error, &c->stream_error};

    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        struct err err;

        counters_get_error(c, slots[i], &err);
        if (err.kind != ERR_NONE) {
            buf_printf(line, " | %s", err.text);
            return;
        }
    }
}

void live_describe(struct live *live, struct buf *line)
{
    struct counters *c = live->counters;
    int64_t age_us = counters_oldest_age_us(c, clock_mono_us(), clock_wall_us());
    char rate[32], waiting[32], files[32], bytes[32], age[32];

    buf_printf(line, "stream %s | %s/s | waiting %s", stream_text(atomic_load(&c->stream)),
        str_count(rate, sizeof(rate), (uint64_t)(live->readings_per_s + 0.5)),
        str_count(waiting, sizeof(waiting), waiting_readings(c)));
    if (waiting_readings(c) && age_us)
        buf_printf(line, " (oldest %s)", str_duration(age, sizeof(age), age_us));
    buf_printf(line, " | %s files, %s delivered, %s",
        str_count(files, sizeof(files), counter_get(&c->delivered_files)),
        str_bytes(bytes, sizeof(bytes), counter_get(&c->delivered_bytes)),
        ship_text(atomic_load(&c->ship)));
    if (counter_get(&c->rejected))
        buf_printf(
            line, " | %s rejected", str_count(rate, sizeof(rate), counter_get(&c->rejected)));
    first_error(c, line);
}

static void show_line(struct live *live)
{
    struct winsize size;
    size_t width =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
    struct buf line;

    buf_init(&line, 1024);
    live_describe(live, &line);
    /* A wrapped line could not be taken back. Cut at a byte; the texts are ASCII but for names. */
    if (line.len >= width)
        line.len = width - 1;
    (void)fprintf(stderr, CLEAR_LINE "%.*s", (int)line.len, line.data);
    (void)fflush(stderr);
    buf_done(&line);
}

static void summary(struct live *live, const char *event)
{
    struct counters *c = live->counters;
    uint64_t readings = counter_get(&c->readings), files = counter_get(&c->delivered_files);
    uint64_t bytes = counter_get(&c->delivered_bytes), rejected = counter_get(&c->rejected);

    LOG_INFO(event, LOG_TEXT("stream", stream_text(atomic_load(&c->stream))),
        LOG_UINT("readings", readings - live->summed_readings),
        LOG_UINT("rejected", rejected - live->summed_rejected),
        LOG_UINT("delivered_files", files - live->summed_files),
        LOG_UINT("delivered_bytes", bytes - live->summed_bytes),
        LOG_UINT("waiting_readings", waiting_readings(c)),
        LOG_TEXT("delivery", ship_text(atomic_load(&c->ship))));
    live->summed_readings = readings;
    live->summed_files = files;
    live->summed_bytes = bytes;
    live->summed_rejected = rejected;
}

void live_show(struct live *live, int64_t mono_us)
{
    update_rate(live, mono_us);
    if (mono_us < live->next_us)
        return;
    if (live->terminal) {
        show_line(live);
        live->next_us = mono_us + LINE_US;
    } else {
        summary(live, "summary");
        live->next_us = mono_us + SUMMARY_US;
    }
}

void live_end(struct live *live, bool say)
{
    if (live->terminal)
        (void)fprintf(stderr, CLEAR_LINE);
    live->summed_readings = live->summed_files = live->summed_bytes = live->summed_rejected = 0;
    if (!say)
        return;
    summary(live, "stopped");
    if (waiting_readings(live->counters))
        LOG_INFO("left_on_disk", LOG_UINT("readings", waiting_readings(live->counters)),
            LOG_TEXT("do", "nothing: the next start delivers them"));
}
