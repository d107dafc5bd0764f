#include "stream/decoder.h"

#include "base/clock.h"
#include "stream/jsonline.h"
#include "stream/manifest.h"
#include "stream/scanner.h"

#include <errno.h>
#include <stdlib.h>

#define REST_KEPT_BYTES (256 * 1024)

struct decoder {
    struct decoder_counters counters;
    struct timestamp_cache cache;
    struct message
        message; /* the line at hand; here because a release zeroes what is on the stack */
    struct jsonline json;
    char *rest; /* decoder_run_rest: the piece with a '\n' behind it */
    bool slow_only;
};

/* What one line came to. */
struct taken {
    enum verdict verdict;
    struct judgement judgement;
    struct span line;
    bool slow;
};

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[REJECT_REASONS] = {
        [REJECT_NOT_JSON] = "not_json",
        [REJECT_NOT_MESSAGE] = "not_message",
        [REJECT_TOO_DEEP] = "too_deep",
        [REJECT_TOO_COMPLEX] = "too_complex",
        [REJECT_TOO_LONG] = "too_long",
        [REJECT_CUT] = "cut",
        [REJECT_BAD_RESOURCE] = "bad_resource",
        [REJECT_BAD_TIMESTAMP] = "bad_timestamp",
        [REJECT_NO_PAYLOAD] = "no_payload",
        [REJECT_NOT_NUMERIC] = "not_numeric",
        [REJECT_BAD_TYPE] = "bad_type",
        [REJECT_OUT_OF_RANGE] = "out_of_range",
        [REJECT_NAME_TOO_LONG] = "name_too_long",
    };

    return reason < REJECT_REASONS ? names[reason] : "unknown";
}

struct decoder *decoder_new(struct err *err)
{
    struct decoder *d = calloc(1, sizeof(*d));

    if (!d)
        err_set(err, ERR_FULL, ENOMEM, "no memory for the decoder");
    return d;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    jsonline_done(&d->json);
    free(d->rest);
    free(d);
}

static bool is_blank_line(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    }
    return true;
}

/* Any line; its '\n' lies behind it. The tree in d->json stays until it is cleared. */
static void take_slowly(struct decoder *d, struct span line, int64_t arrival_us, struct taken *t)
{
    enum jsonline_result result;
    struct message *m = &d->message;

    if (is_blank_line(line)) {
        t->verdict = VERDICT_IGNORED;
        return;
    }
    t->slow = true;
    result = jsonline_parse(&d->json, line);
    if (result != JSONLINE_OK) {
        t->verdict = VERDICT_REJECTED;
        t->judgement.reason = result == JSONLINE_TOO_DEEP      ? REJECT_TOO_DEEP
                              : result == JSONLINE_TOO_COMPLEX ? REJECT_TOO_COMPLEX
                                                               : REJECT_NOT_JSON;
        return;
    }
    /* What is no object has no members, hence no type. */
    m->type = jsonline_value(&d->json, d->json.root, "type");
    m->resource = jsonline_value(&d->json, d->json.root, "resource");
    m->timestamp = jsonline_value(&d->json, d->json.root, "timestamp");
    m->payload = jsonline_value(&d->json, d->json.root, "payload");
    t->verdict = message_judge(m, &d->cache, arrival_us, &t->judgement);
}

/* One line at p; end[-1] is a '\n'. Returns the byte behind the line. */
static const char *take_line(
    struct decoder *d, const char *p, const char *end, int64_t arrival_us, struct taken *t)
{
    struct message *m = &d->message;
    const char *next;

    t->slow = false;
    /* Whether a long line is too complex, only the slow way knows. */
    if (!d->slow_only && scanner_line(p, end, m, &next) &&
        (size_t)(next - p) <= JSONLINE_MODEST_BYTES) {
        t->verdict = message_judge(m, &d->cache, arrival_us, &t->judgement);
        if (t->verdict != VERDICT_MANIFEST) { /* its settings need the tree */
            t->line = (struct span){p, (size_t)(next - 1 - p)};
            return next;
        }
    }
    next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
    t->line = (struct span){p, (size_t)(next - 1 - p)};
    take_slowly(d, t->line, arrival_us, t);
    return next;
}

/* False: no room for another series, and nothing happened. */
static bool store(struct decoder *d, const struct judgement *j, int64_t arrival_us,
    struct series_table *series, struct readings *out)
{
    uint32_t number;

    if (series_number(series, j->asset, j->datastream, &number) != SERIES_OK)
        return false;
    out->timestamp_us[out->count] = j->timestamp_us;
    out->value[out->count] = j->value;
    out->series[out->count] = number;
    out->count++;
    d->counters.readings++;
    d->counters.inexact += j->inexact;
    d->counters.cut_times += j->cut_time;
    d->counters.future += j->timestamp_us > arrival_us + CLOCK_DAY_US;
    return true;
}

/* Counts the line and says whether the caller has something to do: DECODE_END means no. Counting
 * comes after the last thing that can turn the line away. */
static enum decode_stop settle(struct decoder *d, const struct taken *t, int64_t arrival_us,
    struct series_table *series, struct readings *out, struct decode_event *event)
{
    enum decode_stop stop = DECODE_END;

    switch (t->verdict) {
    case VERDICT_READING:
        if (!store(d, &t->judgement, arrival_us, series, out))
            return DECODE_SERIES_FULL;
        break;
    case VERDICT_IGNORED:
        d->counters.ignored++;
        break;
    case VERDICT_MANIFEST:
        d->counters.ignored++;
        d->counters.manifests++;
        event->manifest = manifest_read(&d->json);
        stop = DECODE_MANIFEST;
        break;
    case VERDICT_REJECTED:
        d->counters.rejected[t->judgement.reason]++;
        event->reason = t->judgement.reason;
        event->line = t->line;
        stop = DECODE_REJECTED;
        break;
    }
    d->counters.lines++;
    d->counters.slow += t->slow;
    return stop;
}

enum decode_stop decoder_run(struct decoder *d, struct span in, int64_t arrival_us,
    struct series_table *series, struct readings *out, size_t *ret_used, struct decode_event *event)
{
    const char *last = in.len ? memrchr(in.data, '\n', in.len) : NULL;
    const char *p = in.data, *end = last ? last + 1 : in.data;
    enum decode_stop stop = DECODE_END;
    struct taken t;

    while (stop == DECODE_END && p < end) {
        const char *next;

        if (out->count == out->cap) {
            stop = DECODE_READINGS_FULL;
            break;
        }
        next = take_line(d, p, end, arrival_us, &t);
        stop = settle(d, &t, arrival_us, series, out, event);
        if (t.slow)
            jsonline_clear(&d->json);
        if (stop != DECODE_SERIES_FULL)
            p = next;
    }
    *ret_used = (size_t)(p - in.data);
    return stop;
}

/* NULL: no memory. */
static const char *copy_rest(struct decoder *d, struct span rest)
{
    free(d->rest);
    d->rest = malloc(rest.len + 1);
    if (!d->rest)
        return NULL;
    memcpy(d->rest, rest.data, rest.len);
    d->rest[rest.len] = '\n';
    return d->rest;
}

enum decode_stop decoder_run_rest(struct decoder *d, struct span rest, int64_t arrival_us,
    struct series_table *series, struct readings *out, struct decode_event *event)
{
    enum decode_stop stop;
    struct taken t = {.verdict = VERDICT_REJECTED, .judgement.reason = REJECT_CUT};
    const char *p;

    if (rest.len == 0)
        return DECODE_END;
    if (out->count == out->cap)
        return DECODE_READINGS_FULL;
    p = copy_rest(d, rest);
    if (p)
        (void)take_line(d, p, p + rest.len + 1, arrival_us, &t);
    if (t.verdict == VERDICT_REJECTED &&
        (t.judgement.reason == REJECT_NOT_JSON || t.judgement.reason == REJECT_TOO_DEEP ||
            t.judgement.reason == REJECT_TOO_COMPLEX))
        t.judgement.reason = REJECT_CUT; /* it did not parse, and never had the chance to */
    t.line = rest;
    stop = settle(d, &t, arrival_us, series, out, event);
    if (t.slow)
        jsonline_clear(&d->json);
    if (rest.len > REST_KEPT_BYTES) {
        free(d->rest);
        d->rest = NULL;
    }
    return stop;
}

void decoder_count_too_long(struct decoder *d)
{
    d->counters.lines++;
    d->counters.rejected[REJECT_TOO_LONG]++;
}

const struct decoder_counters *decoder_counters(const struct decoder *d)
{
    return &d->counters;
}

void decoder_slow_only(struct decoder *d, bool on)
{
    d->slow_only = on;
}
