#include "simulator/replay.h"

#include "simulator/csv.h"
#include "simulator/time_text.h"

#include <stdlib.h>

struct column {
    struct span name;
    size_t field;
    enum simulator_kind kind;
    char *icd;
};

struct replay {
    struct csv csv;
    struct buf names;
    struct column *inputs, *refused;
    size_t input_count, refused_count;
    size_t timestamp_field, asset_field; /* SIZE_MAX: no such column */
    bool interval_given, ignore_timestamps, now_offset, again;
    int64_t interval_us;
    bool first;        /* no row of this pass was used yet */
    int64_t column_us; /* of the present row, as the file has it */
    int64_t offset_us;
    int64_t row_us;
    int64_t wait_us;
    struct buf problem;
};

static const struct simulator_stream *stream_of(const struct simulator_options *o, struct span name)
{
    for (size_t i = 0; i < o->stream_count; i++)
        if (span_is(name, o->streams[i].name))
            return &o->streams[i];
    return NULL;
}

/* The name is borrowed from the header's copy. */
static bool add_column(
    struct replay *r, const struct simulator_options *o, struct span name, size_t field)
{
    struct column column = {.name = name, .field = field, .kind = SIMULATOR_UNIFORM};
    const struct simulator_stream *stream = o->streams == NULL ? NULL : stream_of(o, name);

    if (o->streams != NULL && stream == NULL) {
        r->refused[r->refused_count++] = column;
        return true;
    }
    if (stream != NULL) {
        column.kind = stream->kind;
        if (stream->icd != NULL && (column.icd = strdup(stream->icd)) == NULL)
            return false;
    }
    r->inputs[r->input_count++] = column;
    return true;
}

static bool read_header(struct replay *r, const struct simulator_options *o, struct err *err)
{
    bool end = false;
    size_t at = 0;

    if (!csv_next(&r->csv, &end, err))
        return false;
    if (end)
        return err_set(err, ERR_INPUT, 0, "csv: the file is empty; a header row is needed");
    r->inputs = calloc(r->csv.field_count, sizeof(*r->inputs));
    r->refused = calloc(r->csv.field_count, sizeof(*r->refused));
    if (r->inputs == NULL || r->refused == NULL ||
        !buf_add(&r->names, r->csv.text.data, r->csv.text.len))
        return err_set(err, ERR_FULL, 0, "no memory for the CSV header");
    for (size_t i = 0; i < r->csv.field_count; i++) {
        struct span name = {r->names.data + at, r->csv.fields[i].len};

        at += name.len;
        if (span_is(name, "timestamp"))
            r->timestamp_field = i;
        else if (span_is(name, "asset_name"))
            r->asset_field = i;
        else if (name.len == 0 || name.len > SIMULATOR_NAME_MAX)
            return err_set(err, ERR_INPUT, 0, "csv: column %zu has no name of 1 to %d bytes", i + 1,
                SIMULATOR_NAME_MAX);
        else if (!add_column(r, o, name, i))
            return err_set(err, ERR_FULL, 0, "no memory for the CSV header");
    }
    if (r->timestamp_field == SIZE_MAX && !r->interval_given)
        return err_set(err, ERR_INPUT, 0,
            "csv must have timestamp column to use publish-interval csv timestamps");
    return true;
}

static bool check_first_row(struct replay *r, struct err *err)
{
    struct span text;
    int64_t us;
    bool end = false;

    if (!csv_next(&r->csv, &end, err))
        return false;
    if (end || r->timestamp_field == SIZE_MAX)
        return true;
    text = csv_field(&r->csv, r->timestamp_field);
    if (!time_text_parse(text, &us))
        return err_set(err, ERR_INPUT, 0, "csv: invalid timestamp in the first row: '%.*s'",
            (int)(text.len < 80 ? text.len : 80), text.data);
    return true;
}

struct replay *replay_open(const struct simulator_options *options, struct err *err)
{
    struct replay *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        err_set(err, ERR_FULL, 0, "no memory");
        return NULL;
    }
    r->interval_given = options->csv_interval_given;
    r->interval_us = options->csv_interval_us;
    r->ignore_timestamps = options->csv_ignore_timestamps;
    r->now_offset = options->csv_now_offset;
    r->again = options->csv_replay;
    r->timestamp_field = r->asset_field = SIZE_MAX;
    buf_init(&r->names, CSV_RECORD_MAX);
    buf_init(&r->problem, 512);
    if (!csv_open(&r->csv, options->csv_path, err) || !read_header(r, options, err) ||
        !check_first_row(r, err)) {
        replay_free(r);
        return NULL;
    }
    replay_restart(r);
    return r;
}

void replay_free(struct replay *r)
{
    if (r == NULL)
        return;
    csv_close(&r->csv);
    buf_done(&r->names);
    buf_done(&r->problem);
    for (size_t i = 0; i < r->input_count; i++)
        free(r->inputs[i].icd);
    free(r->inputs);
    free(r->refused);
    free(r);
}

size_t replay_input_count(const struct replay *r)
{
    return r->input_count;
}

struct span replay_input_name(const struct replay *r, size_t input)
{
    return r->inputs[input].name;
}

enum simulator_kind replay_input_kind(const struct replay *r, size_t input)
{
    return r->inputs[input].kind;
}

const char *replay_input_icd(const struct replay *r, size_t input)
{
    return r->inputs[input].icd;
}

size_t replay_refused_count(const struct replay *r)
{
    return r->refused_count;
}

struct span replay_refused_name(const struct replay *r, size_t i)
{
    return r->refused[i].name;
}

struct span replay_refused_cell(const struct replay *r, size_t i)
{
    return csv_field(&r->csv, r->refused[i].field);
}

void replay_restart(struct replay *r)
{
    csv_rewind(&r->csv);
    r->first = true;
}

/* Goes over the header when the file was rewound. */
static bool next_record(struct replay *r, bool *ret_end, struct err *err)
{
    *ret_end = false;
    if (r->csv.record == 0 && !csv_next(&r->csv, ret_end, err))
        return false;
    return *ret_end || csv_next(&r->csv, ret_end, err);
}

static bool skipped(struct replay *r, struct span text)
{
    buf_reset(&r->problem);
    buf_printf(&r->problem, "csv: skipping row %llu: invalid timestamp '",
        (unsigned long long)(r->csv.record - 1));
    str_show(&r->problem, text, 80);
    buf_add_text(&r->problem, "'");
    (void)buf_text(&r->problem);
    return false;
}

static bool set_times(struct replay *r, int64_t wall_us)
{
    int64_t before_us = r->column_us;

    r->wait_us = r->first ? 0 : r->interval_us;
    r->row_us = INT64_MIN;
    if (r->timestamp_field == SIZE_MAX)
        return true;
    if (!time_text_parse(csv_field(&r->csv, r->timestamp_field), &r->column_us))
        return skipped(r, csv_field(&r->csv, r->timestamp_field));
    if (r->first)
        r->offset_us = r->now_offset ? wall_us - r->column_us : 0;
    else if (!r->interval_given)
        r->wait_us = r->column_us > before_us ? r->column_us - before_us : 0;
    if (!r->ignore_timestamps)
        r->row_us = r->column_us + r->offset_us;
    return true;
}

enum replay_result replay_next(struct replay *r, int64_t wall_us, struct err *err)
{
    int64_t before_us = r->column_us;
    bool end = false;

    if (!next_record(r, &end, err))
        return REPLAY_FAILED;
    if (end && r->again && !r->first) { /* a file without any usable row is not tried for ever */
        int64_t pause_us = r->interval_us;

        replay_restart(r);
        if (!next_record(r, &end, err))
            return REPLAY_FAILED;
        if (!end && set_times(r, wall_us)) {
            r->wait_us = pause_us;
            r->first = false;
            return REPLAY_ROW;
        }
    }
    if (end)
        return REPLAY_END;
    if (!set_times(r, wall_us)) {
        r->column_us = before_us;
        return REPLAY_SKIPPED;
    }
    r->first = false;
    return REPLAY_ROW;
}

int64_t replay_timestamp_us(const struct replay *r)
{
    return r->row_us;
}

int64_t replay_wait_us(const struct replay *r)
{
    return r->wait_us;
}

bool replay_asset(const struct replay *r, struct span *ret)
{
    if (r->asset_field == SIZE_MAX)
        return false;
    *ret = csv_field(&r->csv, r->asset_field);
    return true;
}

struct span replay_cell(const struct replay *r, size_t input)
{
    return csv_field(&r->csv, r->inputs[input].field);
}

const char *replay_problem(const struct replay *r)
{
    return r->problem.data == NULL ? "" : r->problem.data;
}
