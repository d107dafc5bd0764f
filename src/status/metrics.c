#include "status/metrics.h"

#include "base/json_out.h"

#include <stddef.h>
#include <string.h>

#define PREFIX "volume_uploader_"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum metric_kind {
    KIND_COUNT,   /* uint64_t at `offset` */
    KIND_US,      /* uint64_t or int64_t microseconds, shown as seconds */
    KIND_WALL,    /* int64_t wall microseconds as Unix seconds; 0: left out */
    KIND_FULL_IN, /* KIND_US, PICTURE_NEVER: +Inf */
    KIND_REASONS,
    KIND_CLASSES,
    KIND_PLACES,
    KIND_STREAM,
    KIND_SHIP,
    KIND_JOB,
    KIND_LOOPS,
    KIND_UPLOADS,
    KIND_BUILD,
};

struct metric {
    const char *name; /* without PREFIX */
    enum metric_type type;
    enum metric_kind kind;
    size_t offset;
    const char *labels; /* for the docs; NULL: none */
    const char *text;   /* one sentence */
};

#define AT(field) offsetof(struct picture, field)

static const struct metric table[] = {
    {"build_info", METRIC_GAUGE, KIND_BUILD, 0, "version, instance",
        "Always 1; the version of the program and the identity of its state directory."},
    {"start_time_seconds", METRIC_GAUGE, KIND_WALL, AT(start_wall_us), NULL,
        "When this process began, in Unix time."},

    {"received_bytes_total", METRIC_COUNTER, KIND_COUNT, AT(received_bytes), NULL,
        "Bytes read from the Kelvin stream."},
    {"connections_total", METRIC_COUNTER, KIND_COUNT, AT(connections), NULL,
        "Connections made to the Kelvin stream."},
    {"stream_state", METRIC_GAUGE, KIND_STREAM, 0, "state",
        "1 for the state the stream is in: waiting, connecting, connected, paused, stopped."},
    {"lines_total", METRIC_COUNTER, KIND_COUNT, AT(lines), NULL,
        "Lines received: readings, ignored and rejected ones together."},
    {"readings_total", METRIC_COUNTER, KIND_COUNT, AT(readings), NULL, "Lines that were readings."},
    {"ignored_lines_total", METRIC_COUNTER, KIND_COUNT, AT(ignored), NULL,
        "Lines that are no readings and none are wanted: manifests, empty lines, other messages."},
    {"rejected_lines_total", METRIC_COUNTER, KIND_REASONS, 0, "reason",
        "Lines that should have been readings and are not; samples are in rejected/."},
    {"manifests_total", METRIC_COUNTER, KIND_COUNT, AT(manifests), NULL,
        "Runtime manifests received."},
    {"slow_lines_total", METRIC_COUNTER, KIND_COUNT, AT(slow_lines), NULL,
        "Lines in an unusual form, decoded the slow way."},
    {"inexact_readings_total", METRIC_COUNTER, KIND_COUNT, AT(inexact), NULL,
        "Readings whose integer is beyond 2^53 and lost digits as a double."},
    {"cut_timestamps_total", METRIC_COUNTER, KIND_COUNT, AT(cut_times), NULL,
        "Readings whose timestamp had digits behind the microsecond."},
    {"future_timestamps_total", METRIC_COUNTER, KIND_COUNT, AT(future_times), NULL,
        "Readings more than a day ahead of the clock; they are accepted."},
    {"paused_seconds_total", METRIC_COUNTER, KIND_US, AT(paused_us), NULL,
        "Time the stream was not read because the state directory was full."},
    {"upload_interval_seconds", METRIC_GAUGE, KIND_US, AT(upload_interval_us), NULL,
        "The setting upload_interval in force."},
    {"batch_size_readings", METRIC_GAUGE, KIND_COUNT, AT(batch_size), NULL,
        "The setting batch_size in force."},

    {"received_sequence", METRIC_GAUGE, KIND_COUNT, AT(received_seq), NULL,
        "Number of the last reading handed to the journal."},
    {"durable_sequence", METRIC_GAUGE, KIND_COUNT, AT(durable_seq), NULL,
        "Number of the last reading that is synced to disk."},
    {"delivered_sequence", METRIC_GAUGE, KIND_COUNT, AT(delivered_seq), NULL,
        "Every reading up to this number is out of the outbox."},
    {"journal_written_bytes_total", METRIC_COUNTER, KIND_COUNT, AT(journal_written_bytes), NULL,
        "Bytes written to the journal."},
    {"journal_commits_total", METRIC_COUNTER, KIND_COUNT, AT(commits), NULL,
        "Commit groups synced to disk."},
    {"journal_segments_total", METRIC_COUNTER, KIND_COUNT, AT(rolls), NULL,
        "Segments of the journal that were closed."},
    {"journal_rescues_total", METRIC_COUNTER, KIND_COUNT, AT(rescues), NULL,
        "Failed writes or syncs whose readings were saved in a new segment: check the disk."},
    {"journal_sync_seconds_total", METRIC_COUNTER, KIND_US, AT(sync_us), NULL,
        "Time spent in syncs; divided by commits: what one costs."},
    {"journal_sync_max_seconds", METRIC_GAUGE, KIND_US, AT(sync_max_us), NULL,
        "The longest sync of this run."},

    {"packed_files_total", METRIC_COUNTER, KIND_COUNT, AT(packed_files), NULL,
        "Parquet files made."},
    {"packed_rows_total", METRIC_COUNTER, KIND_COUNT, AT(packed_rows), NULL,
        "Rows in these files."},
    {"packed_bytes_total", METRIC_COUNTER, KIND_COUNT, AT(packed_bytes), NULL,
        "Bytes of these files."},
    {"pack_busy_seconds_total", METRIC_COUNTER, KIND_US, AT(pack_busy_us), NULL,
        "Time spent making them."},

    {"carried_readings", METRIC_GAUGE, KIND_COUNT, AT(carried), NULL,
        "Readings that were waiting on disk when this process began."},
    {"delivered_readings_total", METRIC_COUNTER, KIND_COUNT, AT(delivered), NULL,
        "Readings confirmed in the volume."},
    {"superseded_readings_total", METRIC_COUNTER, KIND_COUNT, AT(superseded), NULL,
        "Readings replaced by a later one of the same timestamp, asset and datastream."},
    {"gap_readings_total", METRIC_COUNTER, KIND_COUNT, AT(gaps), NULL,
        "Readings lost in this run, each range written to gaps.log: damage or drop_oldest."},
    {"waiting_readings", METRIC_GAUGE, KIND_PLACES, 0, "place",
        "Readings on this disk that are not confirmed in the volume: in the active segment, in "
        "closed segments, in the outbox, in refused/."},
    {"oldest_waiting_seconds", METRIC_GAUGE, KIND_US, AT(oldest_age_us), NULL,
        "Age of the oldest waiting reading; refused/ does not count."},

    {"upload_state", METRIC_GAUGE, KIND_SHIP, 0, "state",
        "1 for the state delivery is in: idle, sending, waiting, denied, stopped."},
    {"outbox_files", METRIC_GAUGE, KIND_COUNT, AT(outbox_files), NULL,
        "Finished files that wait in the outbox."},
    {"outbox_bytes", METRIC_GAUGE, KIND_COUNT, AT(outbox_bytes), NULL, "Their bytes."},
    {"refused_files", METRIC_GAUGE, KIND_COUNT, AT(refused_files), NULL,
        "Files in refused/: a person must look at them."},
    {"delivered_files_total", METRIC_COUNTER, KIND_COUNT, AT(delivered_files), NULL,
        "Files confirmed in the volume."},
    {"delivered_bytes_total", METRIC_COUNTER, KIND_COUNT, AT(delivered_bytes), NULL,
        "Bytes of these files."},
    {"sent_bytes_total", METRIC_COUNTER, KIND_COUNT, AT(sent_bytes), NULL,
        "Bytes of files sent, failed attempts included."},
    {"upload_attempts_total", METRIC_COUNTER, KIND_COUNT, AT(attempts), NULL,
        "Attempts to upload a file."},
    {"upload_retries_total", METRIC_COUNTER, KIND_CLASSES, 0, "class",
        "Attempts beyond the first (again), answers that a person must act on (denied), files that "
        "were there already (conflict), files overwritten because their length was wrong "
        "(repaired)."},
    {"upload_requests", METRIC_GAUGE, KIND_COUNT, AT(in_flight), NULL, "Uploads in flight."},
    {"upload_duration_seconds", METRIC_HISTOGRAM, KIND_UPLOADS, 0, "le",
        "From the first byte of a successful try to the confirmation."},
    {"delivery_lag_seconds", METRIC_GAUGE, KIND_US, AT(lag_us), NULL,
        "Of the last file: from its first reading to the confirmation."},
    {"last_delivery_time_seconds", METRIC_GAUGE, KIND_WALL, AT(delivered_at_wall_us), NULL,
        "When the last file was confirmed, in Unix time; missing before the first one."},

    {"state_bytes", METRIC_GAUGE, KIND_COUNT, AT(state_bytes), NULL,
        "Bytes in the state directory."},
    {"state_limit_bytes", METRIC_GAUGE, KIND_COUNT, AT(state_bytes_max), NULL,
        "The most it may hold (state_bytes_max)."},
    {"state_left_bytes", METRIC_GAUGE, KIND_COUNT, AT(left_bytes), NULL,
        "What may still be written, by that limit and by the free space."},
    {"disk_free_bytes", METRIC_GAUGE, KIND_COUNT, AT(free_bytes), NULL,
        "Free space of its file system."},
    {"time_until_full_seconds", METRIC_GAUGE, KIND_FULL_IN, AT(full_in_us), NULL,
        "Until nothing may be written any more, at the rate of the last two minutes; +Inf while "
        "the state directory does not grow."},

    {"loop_age_seconds", METRIC_GAUGE, KIND_LOOPS, 0, "loop",
        "Since the last turn of intake, pack and ship; some seconds are usual, minutes are not."},
    {"job_state", METRIC_GAUGE, KIND_JOB, 0, "state",
        "1 for the state of the Databricks job: off, asking, good, paused, blocked, failing."},
};

#define TABLE_COUNT (sizeof(table) / sizeof(*table))

static const char *type_name(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "";
}

/* --- values --- */

static uint64_t number_at(const struct picture *p, size_t offset)
{
    uint64_t number;

    memcpy(&number, (const char *)p + offset, sizeof(number));
    return number;
}

/* All digits of a microsecond count: a counter must not stand still for want of digits. */
static void add_seconds(struct buf *out, uint64_t us)
{
    buf_printf(
        out, "%llu.%06llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

/* Label values: backslash, quote and line end are escaped, and nothing else. */
static void add_label_value(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_add_text(out, "\\n");
        else if (*text == '\\' || *text == '"')
            buf_printf(out, "\\%c", *text);
        else
            buf_add_byte(out, (uint8_t)*text);
    }
}

static void add_labelled(
    struct buf *out, const struct metric *m, const char *label, const char *value, uint64_t number)
{
    buf_printf(out, PREFIX "%s{%s=\"", m->name, label);
    add_label_value(out, value);
    buf_printf(out, "\"} %llu\n", (unsigned long long)number);
}

static void add_uploads(struct buf *out, const struct metric *m, const struct picture *p)
{
    uint64_t sum = 0, count = p->upload_count;

    for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
        char le[JSON_DOUBLE_SIZE];

        sum += p->upload_bucket[i];
        (void)json_double_text(le, (double)counters_bucket_us[i] / 1e6);
        buf_printf(out, PREFIX "%s_bucket{le=\"%s\"} %llu\n", m->name, le, (unsigned long long)sum);
    }
    if (count < sum) /* read while a delivery was being counted */
        count = sum;
    buf_printf(out, PREFIX "%s_bucket{le=\"+Inf\"} %llu\n", m->name, (unsigned long long)count);
    buf_printf(out, PREFIX "%s_sum ", m->name);
    add_seconds(out, p->upload_us);
    buf_printf(out, "\n" PREFIX "%s_count %llu\n", m->name, (unsigned long long)count);
}

static void add_classes(struct buf *out, const struct metric *m, const struct picture *p)
{
    add_labelled(out, m, "class", "again", p->retries);
    add_labelled(out, m, "class", "denied", p->denied);
    add_labelled(out, m, "class", "conflict", p->conflicts);
    add_labelled(out, m, "class", "repaired", p->repaired);
}

static void add_places(struct buf *out, const struct metric *m, const struct picture *p)
{
    add_labelled(out, m, "place", "active", p->active);
    add_labelled(out, m, "place", "closed", p->closed);
    add_labelled(out, m, "place", "outbox", p->outbox);
    add_labelled(out, m, "place", "refused", p->refused);
}

static void add_states(struct buf *out, const struct metric *m, const struct picture *p)
{
    for (int i = STREAM_WAITING; m->kind == KIND_STREAM && i <= STREAM_STOPPED; i++)
        add_labelled(
            out, m, "state", picture_stream_name((enum stream_status)i), i == (int)p->stream);
    for (int i = SHIP_IDLE; m->kind == KIND_SHIP && i <= SHIP_STOPPED; i++)
        add_labelled(out, m, "state", picture_ship_name((enum ship_status)i), i == (int)p->ship);
    for (int i = JOB_STATUS_OFF; m->kind == KIND_JOB && i <= JOB_STATUS_FAILING; i++)
        add_labelled(out, m, "state", picture_job_name((enum job_status)i), i == (int)p->job);
}

static void add_plain(struct buf *out, const struct metric *m, uint64_t number)
{
    if (m->kind == KIND_WALL && number == 0)
        return;
    buf_printf(out, PREFIX "%s ", m->name);
    if (m->kind == KIND_FULL_IN && number == (uint64_t)PICTURE_NEVER)
        buf_add_text(out, "+Inf");
    else if (m->kind == KIND_COUNT)
        buf_printf(out, "%llu", (unsigned long long)number);
    else
        add_seconds(out, number);
    buf_add_byte(out, '\n');
}

static void add_metric(struct buf *out, const struct metric *m, const struct picture *p,
    const struct metrics_names *names)
{
    switch (m->kind) {
    case KIND_COUNT:
    case KIND_US:
    case KIND_WALL:
    case KIND_FULL_IN:
        add_plain(out, m, number_at(p, m->offset));
        break;
    case KIND_REASONS:
        for (unsigned i = 0; i < names->reasons && i < COUNTERS_REASONS_MAX; i++)
            add_labelled(out, m, "reason", names->reason_name(i), p->rejected_by[i]);
        break;
    case KIND_CLASSES:
        add_classes(out, m, p);
        break;
    case KIND_PLACES:
        add_places(out, m, p);
        break;
    case KIND_STREAM:
    case KIND_SHIP:
    case KIND_JOB:
        add_states(out, m, p);
        break;
    case KIND_LOOPS:
        for (int i = 0; i < LOOPS; i++) {
            buf_printf(
                out, PREFIX "%s{loop=\"%s\"} ", m->name, picture_loop_name((enum loop_number)i));
            add_seconds(out, (uint64_t)p->beat_age_us[i]);
            buf_add_byte(out, '\n');
        }
        break;
    case KIND_UPLOADS:
        add_uploads(out, m, p);
        break;
    case KIND_BUILD:
        buf_printf(out, PREFIX "%s{version=\"" VERSION "\",instance=\"", m->name);
        add_label_value(out, names->instance ? names->instance : "");
        buf_add_text(out, "\"} 1\n");
        break;
    }
}

void metrics_print(const struct picture *p, const struct metrics_names *names, struct buf *out)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", table[i].name,
            table[i].text, table[i].name, type_name(table[i].type));
        add_metric(out, &table[i], p, names);
    }
}

/* --- docs/metrics.md --- */

void metrics_print_markdown(struct buf *out)
{
    buf_add_text(out,
        "# Metrics\n\n"
        "<!-- Generated: volume-uploader help --metrics-md > docs/metrics.md -->\n\n"
        "`GET /metrics` on the address of the setting `status_listen` answers in the Prometheus\n"
        "text format. Numbers count from the start of the process. Two sums hold exactly whenever\n"
        "no data moves; while a file goes from one place to the next, up to 20 ms are waited for "
        "it:\n\n"
        "    lines_total                       = readings_total + rejected_lines_total + "
        "ignored_lines_total\n"
        "    carried_readings + readings_total = delivered_readings_total + waiting_readings\n"
        "                                        + superseded_readings_total + gap_readings_total\n"
        "\n"
        "Alert rules and a Grafana dashboard are in `deploy/monitoring/`.\n\n"
        "| name, with `" PREFIX "` in front | type | labels | meaning |\n"
        "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < TABLE_COUNT; i++)
        buf_printf(out, "| `%s` | %s | %s | %s |\n", table[i].name, type_name(table[i].type),
            table[i].labels ? table[i].labels : "", table[i].text);
}
