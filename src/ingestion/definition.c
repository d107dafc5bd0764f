#include "ingestion/definition.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "ingestion/quote.h"

#include <stdio.h>

#define RETRIES 3
#define RETRY_AFTER_MS 60000
#define MIN_BETWEEN_S 60 /* the least the service takes */

bool definition_interval(struct buf *out, int64_t us)
{
    static const struct {
        const char *name;
        int64_t s;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    int64_t s = us / CLOCK_SECOND_US, n;
    size_t i = 0;

    while (i < 3 && s % units[i].s != 0)
        i++;
    n = s / units[i].s;
    return buf_printf(out, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
}

/* The text as a value; the buffer is empty again. A text that is not whole spoils the output. */
static void add_buf(struct json_out *json, struct buf *text)
{
    json_span(json, (struct span){text->data, text->len});
    if (text->failed)
        json->buf->failed = true;
    buf_reset(text);
}

static void add_tags(struct json_out *json, const struct plan *plan, const char *hash)
{
    char version[16];

    (void)snprintf(version, sizeof(version), "%d", INGESTION_VERSION);
    json_key(json, "tags");
    json_out_object(json);
    json_key_text(json, "managed_by", INGESTION_MANAGER);
    json_key_text(json, "table", plan->table_tag);
    json_key_text(json, "volume", plan->volume_tag);
    json_key_text(json, "version", version);
    json_key_text(json, "hash", hash);
    json_out_object_end(json);
}

/* No wait_after_last_change_seconds: under a steady stream it would put the run off for ever. */
static void add_trigger(struct json_out *json, const struct plan *plan, bool paused)
{
    json_key(json, "trigger");
    json_out_object(json);
    json_key_text(json, "pause_status", paused ? "PAUSED" : "UNPAUSED");
    if (plan->options.trigger == INGESTION_PERIODIC) {
        json_key(json, "periodic");
        json_out_object(json);
        json_key_int(json, "interval", 1);
        json_key_text(json, "unit", "HOURS");
    } else {
        json_key(json, "file_arrival");
        json_out_object(json);
        json_key_text(json, "url", plan->trigger_folder);
        json_key_int(json, "min_time_between_triggers_seconds", MIN_BETWEEN_S);
    }
    json_out_object_end(json);
    json_out_object_end(json);
}

static void add_parameters(struct json_out *json, const struct plan *plan)
{
    struct buf text;

    buf_init(&text, 4096);
    json_key(json, "parameters");
    json_out_array(json);
    json_text(json, "--source");
    json_text(json, plan->trigger_folder);
    json_text(json, "--table");
    quote_plain_path(&text, plan->options.table);
    add_buf(json, &text);
    json_text(json, "--checkpoint");
    buf_printf(&text, "%s/", plan->checkpoint_path);
    add_buf(json, &text);
    if (plan->options.clean_source) {
        json_text(json, "--archive");
        buf_printf(&text, "%s/", plan->archive_path);
        add_buf(json, &text);
        json_text(json, "--archive-after");
        definition_interval(&text, plan->options.archive_after_us);
        add_buf(json, &text);
    }
    json_out_array_end(json);
    buf_done(&text);
}

static void add_python_task(struct json_out *json, const struct plan *plan)
{
    if (plan->options.cluster_id)
        json_key_text(json, "existing_cluster_id", plan->options.cluster_id);
    else
        json_key_text(json, "environment_key", "default");
    json_key(json, "spark_python_task");
    json_out_object(json);
    json_key_text(json, "python_file", plan->code_path);
    json_key_text(json, "source", "WORKSPACE");
    add_parameters(json, plan);
    json_out_object_end(json);
}

static void add_sql_task(struct json_out *json, const struct plan *plan)
{
    json_key(json, "sql_task");
    json_out_object(json);
    json_key_text(json, "warehouse_id", plan->options.warehouse_id);
    json_key(json, "file");
    json_out_object(json);
    json_key_text(json, "path", plan->code_path);
    json_key_text(json, "source", "WORKSPACE");
    json_out_object_end(json);
    json_out_object_end(json);
}

static void add_environments(struct json_out *json)
{
    json_key(json, "environments");
    json_out_array(json);
    json_out_object(json);
    json_key_text(json, "environment_key", "default");
    json_key(json, "spec");
    json_out_object(json);
    json_key_text(json, "environment_version", "4");
    json_key(json, "dependencies");
    json_out_array(json);
    json_out_array_end(json);
    json_out_object_end(json);
    json_out_object_end(json);
    json_out_array_end(json);
}

static void add_description(struct json_out *json, const struct plan *plan)
{
    struct buf text;

    buf_init(&text, 8192);
    buf_printf(&text, "%s of %s into ",
        plan->options.loader == INGESTION_COPY_INTO ? "COPY INTO" : "Auto Loader",
        plan->trigger_folder);
    quote_plain_path(&text, plan->options.table);
    buf_printf(&text, ". Made and kept current by %s: changes by hand are undone, a pause stays.",
        INGESTION_MANAGER);
    json_key(json, "description");
    add_buf(json, &text);
    buf_done(&text);
}

bool definition_add(struct buf *out, const struct plan *plan, const char *hash, bool paused)
{
    bool sql = plan->options.loader == INGESTION_COPY_INTO;
    struct json_out json;

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "name", plan->job_name);
    add_description(&json, plan);
    add_tags(&json, plan, hash);
    json_key_int(&json, "max_concurrent_runs", 1);
    json_key(&json, "queue");
    json_out_object(&json);
    json_key_bool(&json, "enabled", true);
    json_out_object_end(&json);
    json_key_int(&json, "timeout_seconds", 0);
    add_trigger(&json, plan, paused);
    json_key(&json, "tasks");
    json_out_array(&json);
    json_out_object(&json);
    json_key_text(&json, "task_key", sql ? "copy_into" : "auto_loader");
    json_key_int(&json, "max_retries", RETRIES);
    json_key_int(&json, "min_retry_interval_millis", RETRY_AFTER_MS);
    if (sql)
        add_sql_task(&json, plan);
    else
        add_python_task(&json, plan);
    json_out_object_end(&json);
    json_out_array_end(&json);
    if (!sql && !plan->options.cluster_id)
        add_environments(&json);
    json_out_object_end(&json);
    return !out->failed;
}
