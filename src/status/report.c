#include "status/report.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <math.h>

/* Whole milliseconds are enough for people. */
static double seconds(int64_t us)
{
    int64_t ms = us / 1000;

    return (double)ms / 1000.0;
}

static void key_seconds(struct json_out *j, const char *key, int64_t us)
{
    json_key_double(j, key, seconds(us));
}

/* Three digits: a rate that flickers in its tenth digit is only longer. */
static double rounded(double value)
{
    double scale = value >= 100 ? 1 : value >= 1 ? 10 : 1000;

    return floor(value * scale + 0.5) / scale;
}

static void json_stream(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "stream");
    json_out_object(j);
    json_key_text(j, "state", picture_stream_name(p->stream));
    json_key_text(j, "peer", p->peer[0] ? p->peer : r->places->stream);
    json_key_double(j, "readings_per_s", rounded(p->readings_per_s));
    json_key_double(j, "bytes_per_s", rounded(p->received_bytes_per_s));
    json_key_double(j, "rejected_per_s", rounded(p->rejected_per_s));
    json_key_uint(j, "lines", p->lines);
    json_key_uint(j, "readings", p->readings);
    json_key_uint(j, "ignored", p->ignored);
    json_key_uint(j, "rejected", p->rejected);
    json_key_uint(j, "bytes", p->received_bytes);
    json_key_uint(j, "connections", p->connections);
    key_seconds(j, "paused_s", (int64_t)p->paused_us);
    key_seconds(j, "silent_s", p->silent_us);
    json_out_object_end(j);
}

static void json_journal(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "journal");
    json_out_object(j);
    json_key_uint(j, "readings", p->active + p->closed);
    json_key_uint(j, "segments", p->closed_segments + 1);
    json_key_uint(j, "received_seq", p->received_seq);
    json_key_uint(j, "durable_seq", p->durable_seq);
    json_key_uint(j, "commits", p->commits);
    key_seconds(j, "sync_s", p->commits ? (int64_t)(p->sync_us / p->commits) : 0);
    key_seconds(j, "sync_max_s", (int64_t)p->sync_max_us);
    json_key_uint(j, "batch_size", p->batch_size);
    key_seconds(j, "upload_interval_s", (int64_t)p->upload_interval_us);
    json_out_object_end(j);
}

static void json_outbox(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "outbox");
    json_out_object(j);
    json_key_uint(j, "files", p->outbox_files);
    json_key_uint(j, "bytes", p->outbox_bytes);
    json_key_uint(j, "readings", p->outbox);
    json_key_uint(j, "refused_files", p->refused_files);
    json_key_uint(j, "refused_readings", p->refused);
    json_key_uint(j, "packed_rows", p->packed_rows);
    json_key_uint(j, "packed_bytes", p->packed_bytes);
    json_out_object_end(j);
}

static void json_volume(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "volume");
    json_out_object(j);
    json_key_text(j, "state", picture_ship_name(p->ship));
    json_key_text(j, "name", r->places->volume);
    json_key_text(j, "host", r->places->host);
    json_key_uint(j, "files", p->delivered_files);
    json_key_uint(j, "bytes", p->delivered_bytes);
    json_key_uint(j, "readings", p->delivered);
    json_key_double(j, "readings_per_s", rounded(p->delivered_per_s));
    json_key_double(j, "bytes_per_s", rounded(p->delivered_bytes_per_s));
    json_key_uint(j, "attempts", p->attempts);
    json_key_uint(j, "retries", p->retries);
    json_key_uint(j, "in_flight", p->in_flight);
    key_seconds(j, "upload_s", p->upload_count ? (int64_t)(p->upload_us / p->upload_count) : 0);
    key_seconds(j, "lag_s", p->lag_us);
    key_seconds(j, "retry_in_s", p->retry_in_us);
    json_key(j, "last_s");
    if (p->delivered_at_wall_us)
        json_double(j, seconds(p->wall_us - p->delivered_at_wall_us));
    else
        json_out_null(j);
    json_out_object_end(j);
}

static void json_table(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "table");
    json_out_object(j);
    json_key_text(j, "job", picture_job_name(p->job));
    json_key_text(j, "name", r->places->table);
    json_key_int(j, "job_id", p->job_id);
    json_key_text(j, "text", p->job_text);
    json_out_object_end(j);
}

static void json_disk(struct json_out *j, const struct report *r)
{
    const struct picture *p = r->picture;

    json_key(j, "disk");
    json_out_object(j);
    json_key_text(j, "state_dir", r->places->state_dir);
    json_key_uint(j, "used_bytes", p->state_bytes);
    json_key_uint(j, "limit_bytes", p->state_bytes_max);
    json_key_uint(j, "left_bytes", p->left_bytes);
    json_key_uint(j, "free_bytes", p->free_bytes);
    json_key(j, "full_in_s");
    if (p->full_in_us == PICTURE_NEVER)
        json_out_null(j);
    else
        json_int(j, p->full_in_us / CLOCK_SECOND_US);
    json_out_object_end(j);
}

static void json_sums(struct json_out *j, const struct picture *p)
{
    json_key(j, "sums");
    json_out_object(j);
    json_key_uint(j, "carried", p->carried);
    json_key_uint(j, "readings", p->readings);
    json_key_uint(j, "delivered", p->delivered);
    json_key_uint(j, "waiting", p->waiting);
    json_key_uint(j, "superseded", p->superseded);
    json_key_uint(j, "gaps", p->gaps);
    key_seconds(j, "oldest_s", p->oldest_age_us);
    json_out_object_end(j);
}

static void json_troubles(struct json_out *j, const struct troubles *t)
{
    json_key(j, "troubles");
    json_out_array(j);
    for (size_t i = 0; i < t->count; i++) {
        json_out_object(j);
        json_key_text(j, "level", trouble_level_name(t->items[i].level));
        json_key_text(j, "id", t->items[i].id);
        json_key_text(j, "what", t->items[i].what);
        json_key_text(j, "do", t->items[i].what_to_do);
        json_out_object_end(j);
    }
    json_out_array_end(j);
}

/* Rejects by reason, those that happened; with the last line of each. */
static void json_rejects(struct json_out *j, const struct report *r)
{
    struct board_sample samples[BOARD_SAMPLES];
    size_t count = board_get_samples(r->board, samples);

    json_key(j, "rejects");
    json_out_array(j);
    for (unsigned i = 0; i < r->reasons && i < COUNTERS_REASONS_MAX; i++) {
        const char *name = r->reason_name(i);

        if (!r->picture->rejected_by[i])
            continue;
        json_out_object(j);
        json_key_text(j, "reason", name);
        json_key_uint(j, "lines", r->picture->rejected_by[i]);
        for (size_t k = 0; k < count; k++) {
            if (strcmp(samples[k].reason, name) != 0)
                continue;
            json_key_text(j, "sample", samples[k].line);
            json_key_uint(j, "sample_bytes", samples[k].line_bytes);
            key_seconds(j, "age_s", r->picture->wall_us - samples[k].wall_us);
        }
        json_out_object_end(j);
    }
    json_out_array_end(j);
}

static void json_files(struct json_out *j, const struct report *r)
{
    struct board_file files[BOARD_FILES];
    size_t count = board_get_files(r->board, files);

    json_key(j, "files");
    json_out_array(j);
    for (size_t i = 0; i < count; i++) {
        const struct board_file *f = &files[i];

        json_out_object(j);
        json_key_text(j, "name", f->name);
        json_key_text(j, "state", board_file_state_name(f->state));
        json_key(j, "rows");
        if (f->rows)
            json_uint(j, f->rows);
        else
            json_out_null(j);
        json_key_uint(j, "bytes", f->bytes);
        key_seconds(j, "age_s", r->picture->wall_us - f->created_wall_us);
        key_seconds(j, "took_s", f->took_us);
        json_key_uint(j, "attempts", f->attempts);
        json_out_object_end(j);
    }
    json_out_array_end(j);
}

void report_status_json(const struct report *r, struct buf *out)
{
    const struct picture *p = r->picture;
    char now[CLOCK_TEXT_SIZE];
    struct json_out j;
    struct buf headline;

    buf_init(&headline, 1024);
    trouble_headline(p, r->troubles, &headline);
    json_init(&j, out);
    json_out_object(&j);
    json_key_text(&j, "version", VERSION);
    json_key_text(&j, "instance", r->places->instance);
    json_key_text(&j, "now", clock_text(now, p->wall_us));
    key_seconds(&j, "uptime_s", p->uptime_us);
    json_key_text(
        &j, "level", r->troubles->count ? trouble_level_name(r->troubles->items[0].level) : "good");
    json_key_text(&j, "headline", buf_text(&headline));
    json_troubles(&j, r->troubles);
    json_stream(&j, r);
    json_journal(&j, r);
    json_outbox(&j, r);
    json_volume(&j, r);
    json_table(&j, r);
    json_disk(&j, r);
    json_sums(&j, p);
    json_rejects(&j, r);
    json_files(&j, r);
    json_out_object_end(&j);
    buf_add_byte(out, '\n');
    buf_done(&headline);
}

void report_history_json(const struct history *h, struct buf *out)
{
    static const char *const names[] = {
        "readings_per_s", "delivered_per_s", "rejected_per_s", "waiting", "state_bytes"};
    size_t count = history_count(h);
    struct json_out j;

    json_init(&j, out);
    json_out_object(&j);
    json_key_int(&j, "step_s", HISTORY_STEP_US / CLOCK_SECOND_US);
    json_key_uint(&j, "points_max", HISTORY_POINTS);
    json_key_int(&j, "end_ms", count ? history_get(h, count - 1)->wall_us / 1000 : 0);
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        json_key(&j, names[n]);
        json_out_array(&j);
        for (size_t i = 0; i < count; i++) {
            const struct history_point *point = history_get(h, i);
            const double values[] = {point->readings_per_s, point->delivered_per_s,
                point->rejected_per_s, (double)point->waiting, (double)point->state_bytes};

            json_uint(&j, (uint64_t)(values[n] + 0.5));
        }
        json_out_array_end(&j);
    }
    json_out_object_end(&j);
    buf_add_byte(out, '\n');
}

void report_settings_json(struct board *board, struct buf *out)
{
    struct board_setting settings[BOARD_SETTINGS];
    size_t count = board_get_settings(board, settings);
    struct json_out j;

    json_init(&j, out);
    json_out_array(&j);
    for (size_t i = 0; i < count; i++) {
        json_out_object(&j);
        json_key_text(&j, "name", settings[i].key);
        json_key_text(&j, "value", settings[i].value);
        json_key_text(&j, "source", settings[i].source);
        json_out_object_end(&j);
    }
    json_out_array_end(&j);
    buf_add_byte(out, '\n');
}

bool report_ready_json(const struct report *r, struct buf *out)
{
    const struct picture *p = r->picture;
    const char *why[TROUBLES_MAX];
    size_t count = 0;
    bool ready = trouble_ready(p, why, &count);
    struct json_out j;

    json_init(&j, out);
    json_out_object(&j);
    json_key_bool(&j, "ready", ready);
    json_key_bool(&j, "connected", p->stream == STREAM_CONNECTED);
    json_key_bool(&j, "delivering", p->ship == SHIP_IDLE || p->ship == SHIP_SENDING);
    json_key(&j, "why_not");
    json_out_array(&j);
    for (size_t i = 0; i < count; i++) {
        json_out_object(&j);
        json_key_text(&j, "id", why[i]);
        for (size_t k = 0; k < r->troubles->count; k++) {
            if (strcmp(r->troubles->items[k].id, why[i]) != 0)
                continue;
            json_key_text(&j, "what", r->troubles->items[k].what);
            json_key_text(&j, "do", r->troubles->items[k].what_to_do);
        }
        json_out_object_end(&j);
    }
    json_out_array_end(&j);
    json_key_uint(&j, "waiting_readings", p->waiting);
    key_seconds(&j, "oldest_waiting_s", p->oldest_age_us);
    json_out_object_end(&j);
    buf_add_byte(out, '\n');
    return ready;
}

/* --- plain lines --- */

static void text_line(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s\t", key);
    if (value)
        str_show(out, span_of(value), 2048);
    buf_add_byte(out, '\n');
}

static void text_count(struct buf *out, const char *key, uint64_t value)
{
    buf_printf(out, "%s\t%llu\n", key, (unsigned long long)value);
}

static void text_places(struct buf *out, const struct report *r)
{
    const struct picture *p = r->picture;

    text_line(out, "version", VERSION);
    text_line(out, "peer", p->peer[0] ? p->peer : r->places->stream);
    text_line(out, "state_dir", r->places->state_dir);
    text_line(out, "volume", r->places->volume);
    text_line(out, "table", r->places->table);
    text_line(out, "host", r->places->host);
    text_line(out, "stream", picture_stream_name(p->stream));
    text_line(out, "upload", picture_ship_name(p->ship));
    text_line(out, "job", picture_job_name(p->job));
}

static void text_numbers(struct buf *out, const struct picture *p)
{
    text_count(out, "uptime_us", (uint64_t)p->uptime_us);
    buf_printf(out, "readings_per_s\t%.1f\n", p->readings_per_s);
    buf_printf(out, "received_bytes_per_s\t%.1f\n", p->received_bytes_per_s);
    buf_printf(out, "delivered_per_s\t%.1f\n", p->delivered_per_s);
    text_count(out, "lines", p->lines);
    text_count(out, "readings", p->readings);
    text_count(out, "ignored", p->ignored);
    text_count(out, "rejected", p->rejected);
    text_count(out, "durable_seq", p->durable_seq);
    text_count(out, "journal_readings", p->active + p->closed);
    text_count(out, "journal_segments", p->closed_segments + 1);
    text_count(out, "outbox_files", p->outbox_files);
    text_count(out, "outbox_bytes", p->outbox_bytes);
    text_count(out, "outbox_readings", p->outbox);
    text_count(out, "refused_files", p->refused_files);
    text_count(out, "delivered_files", p->delivered_files);
    text_count(out, "delivered_bytes", p->delivered_bytes);
    text_count(out, "carried", p->carried);
    text_count(out, "delivered", p->delivered);
    text_count(out, "waiting", p->waiting);
    text_count(out, "superseded", p->superseded);
    text_count(out, "gaps", p->gaps);
    text_count(out, "oldest_us", (uint64_t)p->oldest_age_us);
    text_count(out, "lag_us", (uint64_t)p->lag_us);
    text_count(out, "upload_us", p->upload_count ? p->upload_us / p->upload_count : 0);
    text_count(out, "retries", p->retries);
    text_count(out, "state_bytes", p->state_bytes);
    text_count(out, "state_bytes_max", p->state_bytes_max);
    text_count(out, "left_bytes", p->left_bytes);
    if (p->full_in_us != PICTURE_NEVER)
        text_count(out, "full_in_us", (uint64_t)p->full_in_us);
}

static void text_lists(struct buf *out, const struct report *r)
{
    struct board_file files[BOARD_FILES];
    size_t count = board_get_files(r->board, files);

    for (size_t i = 0; i < r->troubles->count; i++) {
        const struct trouble *t = &r->troubles->items[i];

        buf_printf(out, "trouble\t%s\t", trouble_level_name(t->level));
        str_show(out, span_of(t->what), sizeof(t->what));
        buf_add_byte(out, '\t');
        str_show(out, span_of(t->what_to_do), sizeof(t->what_to_do));
        buf_add_byte(out, '\n');
    }
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "file\t%s\t%llu\t%llu\t%lld\t%s\n", files[i].name,
            (unsigned long long)files[i].rows, (unsigned long long)files[i].bytes,
            (long long)(r->picture->wall_us - files[i].created_wall_us),
            board_file_state_name(files[i].state));
    for (unsigned i = 0; i < r->reasons && i < COUNTERS_REASONS_MAX; i++)
        if (r->picture->rejected_by[i])
            buf_printf(out, "reject\t%s\t%llu\n", r->reason_name(i),
                (unsigned long long)r->picture->rejected_by[i]);
}

void report_status_text(const struct report *r, struct buf *out)
{
    struct buf headline;

    buf_init(&headline, 1024);
    trouble_headline(r->picture, r->troubles, &headline);
    text_line(out, "headline", buf_text(&headline));
    text_line(out, "level",
        r->troubles->count ? trouble_level_name(r->troubles->items[0].level) : "good");
    text_places(out, r);
    text_numbers(out, r->picture);
    text_lists(out, r);
    buf_done(&headline);
}
