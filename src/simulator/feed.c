#include "simulator/feed.h"

#include "base/json_out.h"
#include "simulator/bad.h"
#include "simulator/replay.h"
#include "simulator/time_text.h"
#include "simulator/value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CLOCK_READ_EVERY 16 /* messages; a clock read costs as much as half a message */
#define CELL_MAX 65536
#define LINE_END_MAX 2
#define PAYLOAD_MAX 64 /* of a made value */

static const char *const stream_names[] = {
    "casing_pressure", "tubing_pressure", "gas_flow_rate", "water_flow_rate", "speed"};
static const enum simulator_kind realistic_kinds[] = {SIMULATOR_WALK, SIMULATOR_WALK,
    SIMULATOR_SINE, SIMULATOR_STEP, SIMULATOR_SETPOINT, SIMULATOR_TOTAL};
#define STREAM_NAMES (sizeof(stream_names) / sizeof(stream_names[0]))
#define REALISTIC_KINDS (sizeof(realistic_kinds) / sizeof(realistic_kinds[0]))

/* One message before it is a line. */
struct sample {
    int64_t us;
    uint32_t series;
    enum simulator_kind kind;
    struct value value;
    struct span text; /* a string cell of a CSV row; data NULL: made from the value */
};

struct held {
    int64_t us;
    uint32_t series;
    struct value value;
};

enum clock_mode { CLOCK_FIXED, CLOCK_NOW, CLOCK_DUE };

struct feed {
    /* series */
    struct buf names; /* of assets and streams, one behind the other */
    struct span *assets;
    size_t asset_count;
    enum simulator_kind *kinds; /* by stream */
    size_t stream_count;
    struct line_form *forms; /* by series: asset * stream_count + stream */
    struct value_state *states;
    uint32_t series_count;
    struct line_form bad_form; /* of the first asset, always a number */
    struct manifest manifest;
    size_t line_max; /* with a made value */
    size_t bad_max;
    char line_end[LINE_END_MAX];
    size_t line_end_len;
    struct value_maker maker;
    struct rng ids, odd;
    struct stamp stamp, late_stamp;

    /* clock */
    enum clock_mode clock;
    int64_t start_us, step_us; /* fixed */
    int64_t pace_us;           /* due */
    double pace_each_us;
    uint64_t pace_made;
    int64_t now_us; /* now */
    unsigned now_uses;
    int64_t floor_us; /* a round's timestamps are above all of the rounds before */
    int64_t last_us;

    /* position */
    uint32_t next;        /* series */
    uint32_t next_stream; /* = next % stream_count, without dividing */
    uint64_t made, count;

    /* oddities */
    bool odd_any;
    double late_share, repeat_share, bad_share, other_share;
    int64_t late_us;
    uint64_t too_long_bytes;
    enum simulator_bad bads[SIMULATOR_BADS];
    size_t bad_kinds;
    uint64_t bad_turn, other_turn;
    bool bad_due;
    struct held *held; /* a ring, oldest first: all are late by the same time */
    size_t held_first, held_count;

    /* CSV */
    struct replay *replay;
    bool resume, row_open, csv_over;
    size_t row_asset, row_asset_end, row_input;
    simulator_say *say;
    void *say_context;
    struct buf text;
};

static void say(struct feed *f, const char *line)
{
    if (f->say != NULL)
        f->say(f->say_context, line);
}

/* ---- making one ---- */

static bool name_ok(struct span name, bool slash_ok)
{
    return name.len >= 1 && name.len <= SIMULATOR_NAME_MAX && str_utf8_valid(name.data, name.len) &&
           (slash_ok || memchr(name.data, '/', name.len) == NULL);
}

static bool add_assets(struct feed *f, const struct simulator_options *o, struct err *err)
{
    f->assets = calloc(o->asset_count, sizeof(*f->assets));
    if (f->assets == NULL)
        return err_set(err, ERR_FULL, 0, "no memory for assets");
    /* Lengths first: the buffer moves while it grows. */
    for (size_t i = 0; i < o->asset_count; i++) {
        size_t start = f->names.len;

        if (o->asset_names != NULL)
            buf_add_text(&f->names, o->asset_names[i]);
        else
            buf_printf(&f->names, "%s%zu", o->asset_prefix, i + 1);
        f->assets[i].len = f->names.len - start;
    }
    if (!buf_check(&f->names, "asset names", err))
        return false;
    f->asset_count = o->asset_count;
    for (size_t i = 0, at = 0; i < f->asset_count; i++) {
        f->assets[i].data = f->names.data + at;
        at += f->assets[i].len;
        if (!name_ok(f->assets[i], false))
            return err_set(err, ERR_INPUT, 0,
                "asset %zu: a name has 1 to %d bytes of UTF-8 and no slash", i + 1,
                SIMULATOR_NAME_MAX);
    }
    return manifest_init(&f->manifest, f->assets, f->asset_count, err);
}

struct stream_plan {
    char name[SIMULATOR_NAME_MAX + 1];
    enum simulator_kind kind;
    const char *icd;
};

static bool plan_stream(const struct feed *f, const struct simulator_options *o, size_t i,
    struct stream_plan *ret, struct err *err)
{
    struct span name;

    *ret = (struct stream_plan){.kind = o->kind};
    if (f->replay != NULL) {
        name = replay_input_name(f->replay, i);
        memcpy(ret->name, name.data, name.len); /* at most SIMULATOR_NAME_MAX: replay.c */
        ret->kind = replay_input_kind(f->replay, i);
        ret->icd = replay_input_icd(f->replay, i);
    } else if (o->streams != NULL) {
        if (!str_copy(ret->name, sizeof(ret->name), o->streams[i].name))
            return err_set(
                err, ERR_INPUT, 0, "stream name longer than %d bytes", SIMULATOR_NAME_MAX);
        ret->kind = o->streams[i].kind;
        ret->icd = o->streams[i].icd;
    } else {
        if (o->realistic)
            ret->kind = realistic_kinds[i % REALISTIC_KINDS];
        if (i < STREAM_NAMES)
            (void)str_copy(ret->name, sizeof(ret->name), stream_names[i]);
        else
            (void)snprintf(ret->name, sizeof(ret->name), "signal_%03zu", i + 1);
    }
    if (!name_ok(span_of(ret->name), true))
        return err_set(
            err, ERR_INPUT, 0, "a stream name has 1 to %d bytes of UTF-8", SIMULATOR_NAME_MAX);
    return true;
}

static bool type_of(const struct stream_plan *plan, char *out, size_t size, struct err *err)
{
    const char *icd = plan->icd == NULL ? "sample-object" : plan->icd;
    int n;

    if (plan->kind != SIMULATOR_OBJECT)
        return str_copy(out, size,
            plan->kind == SIMULATOR_BOOLEAN  ? "data;pt=boolean"
            : plan->kind == SIMULATOR_STRING ? "data;pt=string"
                                             : "data;pt=number");
    for (const char *c = icd; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL)
            return err_set(err, ERR_INPUT, 0, "an object type has letters, digits, '-', '_', '.'");
    n = snprintf(out, size, "data;icd=%s", icd);
    if (n < 0 || (size_t)n >= size)
        return err_set(err, ERR_INPUT, 0, "object type too long");
    return true;
}

/* The stream's line forms for all assets. */
static bool add_stream(struct feed *f, const struct simulator_options *o, size_t i, struct err *err)
{
    struct stream_plan plan;
    char type[128];
    struct span source = span_of(o->source == NULL ? "" : o->source);

    if (!plan_stream(f, o, i, &plan, err) || !type_of(&plan, type, sizeof(type), err))
        return false;
    f->kinds[i] = plan.kind;
    for (size_t a = 0; a < f->asset_count; a++) {
        struct line_form *form = &f->forms[a * f->stream_count + i];

        if (!line_form_init(
                form, type, f->assets[a], span_of(plan.name), source, o->trace_ids, err))
            return false;
        if (form->len + PAYLOAD_MAX + LINE_END_MAX > f->line_max)
            f->line_max = form->len + PAYLOAD_MAX + LINE_END_MAX;
    }
    return true;
}

static bool add_streams(struct feed *f, const struct simulator_options *o, struct err *err)
{
    size_t count = f->replay != NULL ? replay_input_count(f->replay) : o->stream_count;
    size_t series = f->asset_count * count;

    if (series > SIMULATOR_SERIES_MAX)
        return err_set(err, ERR_INPUT, 0, "%zu series; at most %d", series, SIMULATOR_SERIES_MAX);
    f->kinds = calloc(count + 1, sizeof(*f->kinds));
    f->forms = calloc(series + 1, sizeof(*f->forms));
    f->states = calloc(series + 1, sizeof(*f->states));
    if (f->kinds == NULL || f->forms == NULL || f->states == NULL)
        return err_set(err, ERR_FULL, 0, "no memory for %zu series", series);
    f->stream_count = count;
    f->series_count = (uint32_t)series;
    for (size_t i = 0; i < count; i++)
        if (!add_stream(f, o, i, err))
            return false;
    return line_form_init(&f->bad_form, "data;pt=number", f->assets[0], span_of("speed"),
        span_of(o->source == NULL ? "" : o->source), o->trace_ids, err);
}

static bool set_oddities(struct feed *f, const struct simulator_options *o, struct err *err)
{
    f->late_share = o->late_share;
    f->late_us = o->late_us;
    f->repeat_share = o->repeat_share;
    f->bad_share = o->bad_share;
    f->other_share = o->other_share;
    f->too_long_bytes = o->too_long_bytes;
    f->odd_any = f->late_share > 0 || f->repeat_share > 0 || f->bad_share > 0 || f->other_share > 0;
    for (unsigned kind = 0; kind < SIMULATOR_BADS; kind++)
        if ((o->bad_mask & UINT32_C(1) << kind) != 0)
            f->bads[f->bad_kinds++] = (enum simulator_bad)kind;
    if (f->bad_share > 0 && f->bad_kinds == 0)
        return err_set(err, ERR_INPUT, 0, "bad lines are asked for, but none of their kinds");
    if (f->bad_share > 0)
        f->bad_max = bad_line_max(o->bad_mask, o->too_long_bytes) + LINE_END_MAX;
    if (f->late_share > 0) {
        f->held = malloc(SIMULATOR_HELD_MAX * sizeof(*f->held));
        if (f->held == NULL)
            return err_set(err, ERR_FULL, 0, "no memory for late readings");
    }
    return true;
}

static void set_clock(struct feed *f, const struct simulator_options *o)
{
    f->clock = o->fixed_clock ? CLOCK_FIXED : CLOCK_NOW;
    f->start_us = o->start_us;
    f->step_us = o->step_us;
    f->floor_us = INT64_MIN;
    f->last_us = o->start_us;
    stamp_init(&f->stamp);
    stamp_init(&f->late_stamp);
}

struct feed *feed_new(const struct simulator_options *o, struct err *err)
{
    struct feed *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        err_set(err, ERR_FULL, 0, "no memory");
        return NULL;
    }
    buf_init(&f->names, (size_t)64 << 20);
    buf_init(&f->text, (size_t)8 * CELL_MAX);
    f->say = o->say;
    f->say_context = o->say_context;
    f->count = o->count;
    f->resume = o->csv_resume;
    f->line_end_len = o->crlf ? 2 : 1;
    memcpy(f->line_end, o->crlf ? "\r\n" : "\n\0", 2);
    rng_seed(&f->ids, o->seed ^ UINT64_C(0x6964));
    rng_seed(&f->odd, o->seed ^ UINT64_C(0x6f6464));
    set_clock(f, o);
    if (o->csv_path != NULL && (f->replay = replay_open(o, err)) == NULL)
        goto fail;
    if (!value_maker_init(&f->maker, o->minimum, o->maximum, o->full_precision, o->seed, err) ||
        !add_assets(f, o, err) || !add_streams(f, o, err) || !set_oddities(f, o, err))
        goto fail;
    return f;
fail:
    feed_free(f);
    return NULL;
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; f->forms != NULL && i < f->series_count; i++)
        line_form_done(&f->forms[i]);
    line_form_done(&f->bad_form);
    manifest_done(&f->manifest);
    replay_free(f->replay);
    buf_done(&f->names);
    buf_done(&f->text);
    free(f->assets);
    free(f->kinds);
    free(f->forms);
    free(f->states);
    free(f->held);
    free(f);
}

const struct manifest *feed_manifest(const struct feed *f)
{
    return &f->manifest;
}

/* Two lines with the longest cell a row may have, or a bad line. */
size_t feed_room(const struct feed *f)
{
    size_t room = 2 * f->line_max + OTHER_LINE_MAX;

    if (f->replay != NULL)
        room += (size_t)12 * CELL_MAX;
    return room > f->bad_max ? room : f->bad_max;
}

uint32_t feed_series(const struct feed *f)
{
    return f->series_count;
}

uint64_t feed_made(const struct feed *f)
{
    return f->made;
}

bool feed_at_end(const struct feed *f)
{
    bool over = f->replay != NULL ? f->csv_over && !f->row_open : false;

    return (over || (f->count > 0 && f->made >= f->count)) && f->held_count == 0 && !f->bad_due;
}

/* ---- time ---- */

void feed_set_pace(struct feed *f, int64_t wall_us, double rate)
{
    if (f->clock == CLOCK_FIXED)
        return;
    f->clock = CLOCK_DUE;
    f->pace_us = wall_us;
    f->pace_each_us = 1e6 / rate;
    f->pace_made = f->made;
}

static int64_t present_us(struct feed *f)
{
    if (f->clock == CLOCK_DUE)
        return f->pace_us + (int64_t)((double)(f->made - f->pace_made) * f->pace_each_us);
    if (f->now_uses == 0)
        f->now_us = clock_wall_us();
    f->now_uses = (f->now_uses + 1) % CLOCK_READ_EVERY;
    return f->now_us;
}

/* The timestamp of the next made message. */
static int64_t next_us(struct feed *f)
{
    int64_t us;

    if (f->clock == CLOCK_FIXED) {
        us = f->last_us;
        if (f->next == 0 && f->made > 0)
            us = us > CLOCK_LAST_US - f->step_us ? CLOCK_LAST_US : us + f->step_us;
    } else {
        if (f->next == 0 && f->made > 0)
            f->floor_us = f->last_us + 1;
        us = present_us(f);
        if (us < f->floor_us)
            us = f->floor_us;
        if (us < f->last_us)
            us = f->last_us;
    }
    f->last_us = us;
    return us;
}

/* ---- samples ---- */

static struct sample made_sample(struct feed *f)
{
    struct sample s = {.us = next_us(f), .series = f->next, .kind = f->kinds[f->next_stream]};

    s.value = value_next(&f->maker, &f->states[s.series], s.kind);
    f->next++;
    if (++f->next_stream == f->stream_count) {
        f->next_stream = 0;
        if (f->next == f->series_count)
            f->next = 0;
    }
    return s;
}

/* False: the cell is empty or is refused. */
static bool cell_sample(
    struct feed *f, struct span cell, uint32_t series, size_t input, struct sample *ret)
{
    double number = 0;
    bool ok = true;

    *ret = (struct sample){.series = series, .kind = f->kinds[input]};
    if (cell.len == 0)
        return false;
    if (ret->kind == SIMULATOR_BOOLEAN) {
        bool yes = span_is(cell, "1") || (cell.len == 4 && strncasecmp(cell.data, "true", 4) == 0);

        ret->value.cents = yes ? 100 : 0;
    } else if (ret->kind == SIMULATOR_STRING) {
        ok = cell.len <= CELL_MAX;
        ret->text = cell;
    } else {
        ok = time_text_number(cell, &number);
        ret->value = (struct value){.is_real = true, .real = number};
    }
    if (!ok) {
        size_t asset = series / f->stream_count;
        struct span name = replay_input_name(f->replay, input);

        buf_reset(&f->text);
        buf_printf(
            &f->text, "error publishing value: invalid value for resource. resource=krn:ad:");
        str_show(&f->text, f->assets[asset], SIMULATOR_NAME_MAX);
        buf_add_text(&f->text, "/");
        str_show(&f->text, name, SIMULATOR_NAME_MAX);
        buf_add_text(&f->text, " value=");
        str_show(&f->text, cell, 80);
        say(f, buf_text(&f->text));
        return false;
    }
    ret->us = replay_timestamp_us(f->replay);
    if (ret->us == INT64_MIN)
        ret->us = clock_wall_us();
    return true;
}

/* The next cell of the row that gives a message; false at the end of the row. */
static bool row_sample(struct feed *f, struct sample *ret)
{
    while (f->row_open) {
        size_t input = f->row_input;
        size_t series = f->row_asset * f->stream_count + input;

        if (f->row_asset >= f->row_asset_end) {
            f->row_open = false;
            return false;
        }
        if (++f->row_input >= f->stream_count) {
            f->row_input = 0;
            f->row_asset++;
        }
        if (input < f->stream_count &&
            cell_sample(f, replay_cell(f->replay, input), (uint32_t)series, input, ret))
            return true;
    }
    return false;
}

/* ---- lines ---- */

static void end_line(const struct feed *f, struct out *out, char *at, enum out_kind kind)
{
    at[0] = f->line_end[0];
    at[1] =
        f->line_end[1]; /* a byte too much with \n alone; there is room, and it is not counted */
    out_add(out, at + f->line_end_len, kind);
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);

    memcpy(at, text, len);
    return at + len;
}

static char *put_payload(struct feed *f, char *at, const struct sample *s)
{
    switch (s->kind) {
    case SIMULATOR_BOOLEAN:
        return put_text(at, s->value.cents != 0 ? "true" : "false");
    case SIMULATOR_STRING:
        if (s->text.data != NULL) {
            buf_reset(&f->text);
            json_quote(&f->text, s->text);
            memcpy(at, f->text.data, f->text.len);
            return at + f->text.len;
        }
        at = put_text(at, "\"str_");
        at += value_text(at, &s->value);
        return put_text(at, "\"");
    case SIMULATOR_OBJECT:
        at = put_text(at, "{\"key\":");
        at += value_text(at, &s->value);
        return put_text(at, "}");
    case SIMULATOR_UNIFORM:
    case SIMULATOR_COUNTER:
    case SIMULATOR_WALK:
    case SIMULATOR_STEP:
    case SIMULATOR_SETPOINT:
    case SIMULATOR_SINE:
    case SIMULATOR_TOTAL:
    case SIMULATOR_KINDS:
        break;
    }
    return at + value_text(at, &s->value);
}

static void put_sample(struct feed *f, struct out *out, struct stamp *stamp, const struct sample *s,
    enum out_kind kind)
{
    char *at;

    if (stamp->us != s->us || stamp->second_us == INT64_MIN)
        stamp_set(stamp, s->us);
    at = line_begin(out_end(out), &f->forms[s->series], stamp, &f->ids);
    at = put_payload(f, at, s);
    *at++ = '}';
    if (s->kind == SIMULATOR_STRING || s->kind == SIMULATOR_OBJECT)
        kind = OUT_TEXT;
    end_line(f, out, at, kind);
}

static void put_bad(struct feed *f, struct out *out)
{
    enum simulator_bad kind = f->bads[f->bad_turn % f->bad_kinds];
    uint64_t turn = f->bad_turn++ / f->bad_kinds;
    char *at = out_end(out);

    if (f->stamp.second_us == INT64_MIN)
        stamp_set(&f->stamp, f->last_us);
    at += bad_line(at, kind, turn, f->too_long_bytes, &f->bad_form, &f->stamp, &f->odd);
    end_line(f, out, at, OUT_BAD);
    f->bad_due = false;
}

static void put_other(struct feed *f, struct out *out)
{
    char *at = out_end(out);

    at += other_line(at, f->other_turn++, &f->stamp, &f->odd);
    end_line(f, out, at, OUT_OTHER);
}

static void put_held(struct feed *f, struct out *out)
{
    const struct held *h = &f->held[f->held_first];
    struct sample s = {.us = h->us,
        .series = h->series,
        .kind = f->kinds[h->series % f->stream_count],
        .value = h->value};

    put_sample(f, out, &f->late_stamp, &s, OUT_LATE);
    f->held_first = (f->held_first + 1) % SIMULATOR_HELD_MAX;
    f->held_count--;
}

/* ---- oddities ---- */

static bool chance(struct feed *f, double share)
{
    return share > 0 && rng_unit(&f->odd) < share;
}

static bool held_is_due(const struct feed *f)
{
    return f->held_count > 0 && f->last_us - f->held[f->held_first].us >= f->late_us;
}

static void put_oddly(struct feed *f, struct out *out, struct sample *s)
{
    if (chance(f, f->late_share) && f->held_count < SIMULATOR_HELD_MAX && s->text.data == NULL) {
        size_t last = (f->held_first + f->held_count++) % SIMULATOR_HELD_MAX;

        f->held[last] = (struct held){s->us, s->series, s->value};
    } else {
        put_sample(f, out, &f->stamp, s, OUT_READING);
        if (chance(f, f->repeat_share) && s->text.data == NULL &&
            (f->count == 0 || f->made < f->count)) {
            f->made++;
            s->value = value_other(s->value, s->kind);
            put_sample(f, out, &f->stamp, s, OUT_REPEAT);
        }
    }
    if (chance(f, f->other_share))
        put_other(f, out);
    f->bad_due = chance(f, f->bad_share);
}

/* Room for what one step can add, the bad line apart. */
static bool step_room(const struct feed *f, struct out *out)
{
    size_t bytes = f->line_max;

    if (f->odd_any)
        bytes = 2 * f->line_max + OTHER_LINE_MAX + LINE_END_MAX;
    if (f->replay != NULL)
        bytes += (size_t)12 * CELL_MAX;
    return out_has_room(out, bytes);
}

/* True: a line was due that is no step. *ret_full: it does not fit now. */
static bool extra_line(struct feed *f, struct out *out, bool ended, bool *ret_full)
{
    if (f->bad_due) {
        if (!out_has_room(out, f->bad_max))
            *ret_full = true;
        else
            put_bad(f, out);
        return true;
    }
    if (held_is_due(f) || (ended && f->held_count > 0)) {
        put_held(f, out);
        return true;
    }
    return false;
}

uint64_t feed_fill(struct feed *f, struct out *out, uint64_t steps)
{
    uint64_t done = 0;
    bool full = false;
    struct sample s;

    f->now_uses = 0;
    while (!full && step_room(f, out)) {
        bool ended = (f->count > 0 && f->made >= f->count) || f->csv_over;

        if (f->odd_any && extra_line(f, out, ended, &full))
            continue;
        if (done >= steps || ended)
            break;
        if (f->replay == NULL)
            s = made_sample(f);
        else if (!row_sample(f, &s))
            break;
        f->last_us = s.us;
        f->made++;
        done++;
        if (f->odd_any)
            put_oddly(f, out, &s);
        else
            put_sample(f, out, &f->stamp, &s, OUT_READING);
    }
    return done;
}

/* ---- CSV rows ---- */

bool feed_is_csv(const struct feed *f)
{
    return f->replay != NULL;
}

bool feed_row_open(const struct feed *f)
{
    return f->row_open;
}

void feed_restart(struct feed *f)
{
    if (f->replay == NULL || f->resume)
        return;
    replay_restart(f->replay);
    f->row_open = f->csv_over = false;
}

static void say_refused(struct feed *f, struct span asset)
{
    for (size_t i = 0; i < replay_refused_count(f->replay); i++) {
        if (replay_refused_cell(f->replay, i).len == 0)
            continue;
        buf_reset(&f->text);
        buf_add_text(&f->text, "error publishing: invalid resource to app. resource=krn:ad:");
        str_show(&f->text, asset, SIMULATOR_NAME_MAX);
        buf_add_text(&f->text, "/");
        str_show(&f->text, replay_refused_name(f->replay, i), SIMULATOR_NAME_MAX);
        say(f, buf_text(&f->text));
    }
}

/* Which assets the row is for. */
static void open_row(struct feed *f)
{
    struct span asset;

    f->row_open = true;
    f->row_input = 0;
    f->row_asset = 0;
    f->row_asset_end = f->asset_count;
    if (!replay_asset(f->replay, &asset)) {
        for (size_t i = 0; i < f->asset_count; i++)
            say_refused(f, f->assets[i]);
        return;
    }
    while (f->row_asset < f->asset_count && !span_equal(f->assets[f->row_asset], asset))
        f->row_asset++;
    if (f->row_asset < f->asset_count) {
        f->row_asset_end = f->row_asset + 1;
        say_refused(f, asset);
        return;
    }
    f->row_open = false;
    buf_reset(&f->text);
    buf_add_text(&f->text, "error publishing: asset not allowed to app. asset=");
    str_show(&f->text, asset, SIMULATOR_NAME_MAX);
    say(f, buf_text(&f->text));
}

bool feed_row_next(struct feed *f, int64_t *ret_wait_us)
{
    struct err err = {0};

    while (!f->csv_over) {
        switch (replay_next(f->replay, clock_wall_us(), &err)) {
        case REPLAY_ROW:
            *ret_wait_us = replay_wait_us(f->replay);
            open_row(f);
            return true;
        case REPLAY_SKIPPED:
            say(f, replay_problem(f->replay));
            break;
        case REPLAY_END:
            f->csv_over = true;
            say(f, "CSV ingestion is complete");
            break;
        case REPLAY_FAILED:
            f->csv_over = true;
            say(f, err.text);
            break;
        }
    }
    return false;
}
