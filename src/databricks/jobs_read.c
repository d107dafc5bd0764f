#include "databricks/jobs_read.h"

#include "databricks/redact.h"
#include "databricks/rest.h"

#include <jansson.h>
#include <stdlib.h>

#define MESSAGE_MAX 2000

static void task_done(struct jobs_task *task)
{
    for (size_t i = 0; i < task->parameter_count; i++)
        free(task->parameters[i]);
    free(task->parameters);
    free(task->key);
    free(task->path);
    free(task->cluster_id);
    free(task->warehouse_id);
    free(task->environment_key);
}

void job_done(struct job *job)
{
    for (size_t i = 0; i < job->tag_count; i++) {
        free(job->tags[i].key);
        free(job->tags[i].value);
    }
    for (size_t i = 0; i < job->task_count; i++)
        task_done(&job->tasks[i]);
    free(job->tags);
    free(job->tasks);
    free(job->name);
    free(job->description);
    free(job->creator);
    free(job->run_as);
    free(job->trigger_url);
    *job = (struct job){.using_file_events = -1};
}

const char *job_tag(const struct job *job, const char *key)
{
    for (size_t i = 0; i < job->tag_count; i++)
        if (strcmp(job->tags[i].key, key) == 0)
            return job->tags[i].value;
    return "";
}

static bool read_tags(const json_t *tags, struct job *ret)
{
    json_t *object = (json_t *)(uintptr_t)tags; /* its iterators want a pointer that is not const */
    size_t count = json_object_size(tags);

    ret->tags = count ? calloc(count, sizeof(*ret->tags)) : NULL;
    if (count && !ret->tags)
        return false;
    for (void *at = count ? json_object_iter(object) : NULL; at;
         at = json_object_iter_next(object, at)) {
        struct jobs_tag *tag = &ret->tags[ret->tag_count++];
        const char *value = json_string_value(json_object_iter_value(at));

        tag->key = strdup(json_object_iter_key(at));
        tag->value = strdup(value ? value : "");
        if (!tag->key || !tag->value)
            return false;
    }
    return true;
}

static bool is_paused(const json_t *part)
{
    const char *text = json_string_value(json_object_get(part, "pause_status"));

    return text && strcmp(text, "PAUSED") == 0;
}

static bool read_start(const json_t *settings, const json_t *root, struct job *ret)
{
    const json_t *trigger = json_object_get(settings, "trigger");
    const json_t *schedule = json_object_get(settings, "schedule");
    const json_t *continuous = json_object_get(settings, "continuous");
    const json_t *arrival = json_object_get(trigger, "file_arrival");
    const json_t *state = json_object_get(json_object_get(root, "trigger_state"), "file_arrival");
    const json_t *events = json_object_get(state, "using_file_events");
    const json_t *part = json_is_object(trigger)      ? trigger
                         : json_is_object(schedule)   ? schedule
                         : json_is_object(continuous) ? continuous
                                                      : NULL;

    ret->start = json_is_object(arrival)                                  ? JOBS_START_FILE_ARRIVAL
                 : json_is_object(json_object_get(trigger, "periodic"))   ? JOBS_START_PERIODIC
                 : json_is_object(trigger)                                ? JOBS_START_OTHER
                 : json_is_object(schedule)                               ? JOBS_START_SCHEDULE
                 : json_is_object(continuous)                             ? JOBS_START_CONTINUOUS
                 : json_array_size(json_object_get(settings, "triggers")) ? JOBS_START_OTHER
                                                                          : JOBS_START_NONE;
    ret->paused = is_paused(part);
    if (json_is_boolean(events))
        ret->using_file_events = json_is_true(events);
    return rest_keep(&ret->trigger_url, arrival, "url");
}

static bool read_parameters(const json_t *items, struct jobs_task *ret)
{
    size_t count = json_array_size(items);

    ret->parameters = count ? calloc(count, sizeof(*ret->parameters)) : NULL;
    if (count && !ret->parameters)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(items, i));

        ret->parameters[i] = strdup(text ? text : "");
        ret->parameter_count = i + 1;
        if (!ret->parameters[i])
            return false;
    }
    return true;
}

static bool read_task(const json_t *item, struct jobs_task *ret)
{
    const json_t *python = json_object_get(item, "spark_python_task");
    const json_t *sql = json_object_get(item, "sql_task");
    const json_t *file = json_object_get(sql, "file");
    const json_t *notebook = json_object_get(item, "notebook_task");
    const json_t *source = item;
    const char *path = "";

    ret->kind = JOBS_TASK_OTHER;
    if (json_is_object(python)) {
        ret->kind = JOBS_TASK_PYTHON_FILE;
        source = python;
        path = "python_file";
    } else if (json_is_object(file)) {
        ret->kind = JOBS_TASK_SQL_FILE;
        source = file;
        path = "path";
    } else if (json_is_object(notebook)) {
        ret->kind = JOBS_TASK_NOTEBOOK;
        source = notebook;
        path = "notebook_path";
    }
    return rest_keep(&ret->key, item, "task_key") && rest_keep(&ret->path, source, path) &&
           rest_keep(&ret->cluster_id, item, "existing_cluster_id") &&
           rest_keep(&ret->warehouse_id, sql, "warehouse_id") &&
           rest_keep(&ret->environment_key, item, "environment_key") &&
           read_parameters(json_object_get(python, "parameters"), ret);
}

static bool read_tasks(const json_t *items, struct job *ret)
{
    size_t count = json_array_size(items);

    ret->has_tasks = json_is_array(items);
    ret->tasks = count ? calloc(count, sizeof(*ret->tasks)) : NULL;
    if (count && !ret->tasks)
        return false;
    for (size_t i = 0; i < count; i++) {
        ret->task_count = i + 1;
        if (!read_task(json_array_get(items, i), &ret->tasks[i]))
            return false;
    }
    return true;
}

bool jobs_read_job(const json_t *root, struct job *ret)
{
    const json_t *settings = json_object_get(root, "settings");
    bool ok;

    *ret = (struct job){.id = rest_int(root, "job_id", 0),
        .created_us = rest_time_us(root, "created_time"),
        .max_concurrent_runs = rest_int(settings, "max_concurrent_runs", 1),
        .using_file_events = -1};
    ok = rest_keep(&ret->name, settings, "name") &&
         rest_keep(&ret->description, settings, "description") &&
         rest_keep(&ret->creator, root, "creator_user_name") &&
         rest_keep(&ret->run_as, root, "run_as_user_name") && read_start(settings, root, ret) &&
         read_tags(json_object_get(settings, "tags"), ret) &&
         read_tasks(json_object_get(settings, "tasks"), ret);
    if (!ok)
        job_done(ret);
    return ok;
}

/* --- runs --- */

void jobs_run_done(struct jobs_run *run)
{
    free(run->state_text);
    free(run->message);
    free(run->page_url);
    free(run->trigger);
    *run = (struct jobs_run){.id = 0};
}

bool jobs_run_ended(const struct jobs_run *run)
{
    return run->state != JOBS_RUN_WAITING && run->state != JOBS_RUN_RUNNING;
}

static const char *text_or_empty(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* How it ended, in the older form's words or the newer one's code. */
static enum jobs_run_state result_state(const char *result, const char *code, const char *type)
{
    const char *word = *result ? result : *code ? code : type;

    if (strcmp(word, "SUCCESS") == 0 || strcmp(word, "SUCCESS_WITH_FAILURES") == 0)
        return JOBS_RUN_SUCCEEDED;
    if (strncmp(word, "CANCEL", 6) == 0 || strcmp(word, "USER_CANCELED") == 0 ||
        strcmp(word, "UPSTREAM_CANCELED") == 0)
        return JOBS_RUN_CANCELED;
    if (strcmp(word, "SKIPPED") == 0 || strcmp(word, "DISABLED") == 0 ||
        strcmp(word, "EXCLUDED") == 0 || strcmp(word, "MAXIMUM_CONCURRENT_RUNS_REACHED") == 0 ||
        strcmp(word, "MAX_CONCURRENT_RUNS_EXCEEDED") == 0)
        return JOBS_RUN_SKIPPED;
    return JOBS_RUN_FAILED;
}

/* Both forms may be there, or one of them (databricks-api.md 4.5). */
static enum jobs_run_state run_state(const json_t *root)
{
    const json_t *old = json_object_get(root, "state"), *new = json_object_get(root, "status");
    const json_t *end = json_object_get(new, "termination_details");
    const char *life = text_or_empty(old, "life_cycle_state");
    const char *word = *life ? life : text_or_empty(new, "state");

    if (strcmp(word, "RUNNING") == 0 || strcmp(word, "TERMINATING") == 0)
        return JOBS_RUN_RUNNING;
    if (strcmp(word, "SKIPPED") == 0)
        return JOBS_RUN_SKIPPED;
    if (strcmp(word, "INTERNAL_ERROR") == 0)
        return JOBS_RUN_FAILED;
    if (strcmp(word, "TERMINATED") == 0)
        return result_state(text_or_empty(old, "result_state"), text_or_empty(end, "code"),
            text_or_empty(end, "type"));
    return JOBS_RUN_WAITING;
}

static bool keep_shown(char **ret, const char *text, size_t max)
{
    struct buf shown;

    buf_init(&shown, 4 * max + 16);
    (void)redact_add(&shown, span_of(text), max);
    *ret = strdup(buf_text(&shown));
    buf_done(&shown);
    return *ret != NULL;
}

static bool keep_state_text(const json_t *root, char **ret)
{
    const json_t *old = json_object_get(root, "state"), *new = json_object_get(root, "status");
    const json_t *end = json_object_get(new, "termination_details");
    const char *life = text_or_empty(old, "life_cycle_state");
    const char *result = text_or_empty(old, "result_state");
    struct buf text;
    bool ok;

    life = *life ? life : text_or_empty(new, "state");
    result = *result ? result : text_or_empty(end, "code");
    buf_init(&text, 4096);
    (void)buf_printf(&text, "%s%s%s", life, *life && *result ? " " : "", result);
    ok = keep_shown(ret, buf_text(&text), 200);
    buf_done(&text);
    return ok;
}

bool jobs_read_run(const json_t *root, struct jobs_run *ret)
{
    const json_t *end = json_object_get(json_object_get(root, "status"), "termination_details");
    const json_t *first = json_array_get(json_object_get(root, "tasks"), 0);
    const char *message = text_or_empty(json_object_get(root, "state"), "state_message");

    *ret = (struct jobs_run){.id = rest_int(root, "run_id", 0),
        .job_id = rest_int(root, "job_id", 0),
        .task_id = rest_int(first, "run_id", 0),
        .start_us = rest_time_us(root, "start_time"),
        .end_us = rest_time_us(root, "end_time"),
        .state = run_state(root)};
    if (!*message)
        message = text_or_empty(end, "message");
    if (keep_state_text(root, &ret->state_text) &&
        keep_shown(&ret->message, message, MESSAGE_MAX) &&
        rest_keep(&ret->page_url, root, "run_page_url") &&
        rest_keep(&ret->trigger, root, "trigger"))
        return true;
    jobs_run_done(ret);
    return false;
}
