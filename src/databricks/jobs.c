#include "databricks/jobs.h"

#include "base/json_out.h"
#include "databricks/jobs_read.h"
#include "databricks/redact.h"
#include "databricks/rest.h"
#include "databricks/url.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define JOBS "/api/2.2/jobs/"
#define GRANT_VIEW "grant CAN VIEW on the job"
#define GRANT_MANAGE "grant CAN MANAGE on the job"
#define SETTINGS_MAX ((size_t)2 << 20)
#define OUTPUT_MAX ((size_t)8 << 20)
#define PAGE 100
#define RUNS_PAGE 24

/* --- list --- */

void jobs_list_done(struct jobs_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        job_done(&list->items[i]);
    free(list->items);
    *list = (struct jobs_list){NULL, 0, false};
}

static bool add_jobs(const json_t *root, const char *name, size_t max, struct jobs_list *list)
{
    const json_t *items = json_object_get(root, "jobs");

    for (size_t i = 0; i < json_array_size(items); i++) {
        struct job job, *grown;

        if (!jobs_read_job(json_array_get(items, i), &job))
            return false;
        /* The service ignores case; a job of another writing is another job. */
        if (job.id == 0 || (name && strcmp(job.name, name) != 0)) {
            job_done(&job);
            continue;
        }
        if (list->count == max) {
            list->more = true;
            job_done(&job);
            return true;
        }
        grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
        if (!grown) {
            job_done(&job);
            return false;
        }
        list->items = grown;
        list->items[list->count++] = job;
    }
    return true;
}

bool jobs_list_get(struct workspace *ws, const char *name, bool tasks, size_t max,
    struct jobs_list *ret, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = JOBS "list",
        .words = {"list the jobs", "this principal may not use jobs here", NULL, NULL}};
    struct buf query;
    bool ok = true, more = true;
    size_t base;

    *ret = (struct jobs_list){NULL, 0, false};
    buf_init(&query, 64 << 10);
    (void)buf_printf(&query, "limit=%d%s", PAGE, tasks ? "&expand_tasks=true" : "");
    if (name) {
        (void)buf_add_text(&query, "&name=");
        (void)url_add_value(&query, span_of(name));
    }
    base = query.len;
    for (int page = 0; ok && more && !ret->more; page++) {
        json_t *root = NULL;

        if (page == REST_PAGES_MAX) {
            ok = err_set(err, ERR_RETRY, 0, "%s: the list does not end", r.words.what);
            break;
        }
        r.query = buf_text(&query);
        ok = buf_check(&query, r.words.what, err) && rest_call(ws, &r, &root, NULL, err);
        more = ok && rest_next_page(&query, base, root);
        if (ok && !add_jobs(root, name, max, ret))
            ok = rest_no_memory(r.words.what, err);
        json_decref(root);
    }
    buf_done(&query);
    if (!ok)
        jobs_list_done(ret);
    return ok;
}

/* --- one job --- */

/* The JSON of a job; *ret_root NULL when there is none. databricks-api.md 3.2: 400 with "Job 7
 * does not exist" is a 404. */
static bool fetch(struct workspace *ws, int64_t id, bool trigger_state, json_t **ret_root,
    bool *ret_exists, struct err *err)
{
    char query[96];
    struct call_request r = {.method = HTTP_GET,
        .prefix = JOBS "get",
        .query = query,
        .words = {"look at the job", GRANT_VIEW, NULL, "does not exist"}};

    (void)snprintf(query, sizeof(query), "job_id=%" PRId64 "%s", id,
        trigger_state ? "&include_trigger_state=true" : "");
    return rest_find(ws, &r, ret_root, ret_exists, err);
}

bool jobs_get(struct workspace *ws, int64_t id, struct job *ret, bool *ret_exists, struct err *err)
{
    json_t *root = NULL;
    bool ok = fetch(ws, id, true, &root, ret_exists, err);

    *ret = (struct job){.using_file_events = -1};
    if (ok && *ret_exists && !jobs_read_job(root, ret))
        ok = rest_no_memory("look at the job", err);
    json_decref(root);
    return ok;
}

static bool post(struct workspace *ws, const char *prefix, const struct error_words *words,
    struct buf *body, json_t **ret_root, struct api_error *ret_api, struct err *err)
{
    struct call_request r = {
        .method = HTTP_POST, .prefix = prefix, .body = {body->data, body->len}, .words = *words};

    return buf_check(body, words->what, err) && rest_call(ws, &r, ret_root, ret_api, err);
}

bool jobs_create(struct workspace *ws, struct span settings, int64_t *ret_id, struct err *err)
{
    struct call_request r = {.method = HTTP_POST,
        .prefix = JOBS "create",
        .body = settings,
        .words = {"create the job", "this principal may not create jobs, or not use its compute",
            "something the job names is not there", NULL}};
    json_t *root = NULL;
    bool ok = rest_call(ws, &r, &root, NULL, err);

    if (ok) {
        int64_t id = rest_int(root, "job_id", 0);

        ok = id != 0 || err_set(err, ERR_RETRY, 0, "%s: the answer has no job_id", r.words.what);
        if (ok)
            *ret_id = id;
    }
    json_decref(root);
    return ok;
}

/* {"job_id":N,"new_settings":...}: the settings are JSON already. */
static bool change(struct workspace *ws, const char *prefix, const char *what, int64_t id,
    struct span settings, struct err *err)
{
    struct error_words words = {what, GRANT_MANAGE, "the job is gone", NULL};
    struct buf body;
    bool ok;

    buf_init(&body, SETTINGS_MAX);
    (void)buf_printf(&body, "{\"job_id\":%" PRId64 ",\"new_settings\":", id);
    (void)buf_add(&body, settings.data, settings.len);
    (void)buf_add_text(&body, "}");
    ok = post(ws, prefix, &words, &body, NULL, NULL, err);
    buf_done(&body);
    return ok;
}

bool jobs_reset(struct workspace *ws, int64_t id, struct span settings, struct err *err)
{
    return change(ws, JOBS "reset", "change the job", id, settings, err);
}

bool jobs_update(struct workspace *ws, int64_t id, struct span settings, struct err *err)
{
    return change(ws, JOBS "update", "change the job", id, settings, err);
}

/* What starts a job, with another pause_status: an update replaces each of them whole. */
static json_t *paused_parts(const json_t *settings, bool paused)
{
    static const char *const keys[] = {"trigger", "schedule", "continuous"};
    json_t *parts = json_object();

    for (size_t i = 0; parts && i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *copy;

        if (!json_is_object(json_object_get(settings, keys[i])))
            continue;
        copy = json_deep_copy(json_object_get(settings, keys[i]));
        if (json_object_set_new(copy, "pause_status", json_string(paused ? "PAUSED" : "UNPAUSED")) <
                0 ||
            json_object_set(parts, keys[i], copy) < 0) {
            json_decref(parts);
            parts = NULL;
        }
        json_decref(copy);
    }
    return parts;
}

bool jobs_pause(struct workspace *ws, int64_t id, bool paused, struct err *err)
{
    json_t *root = NULL, *parts = NULL;
    char *text = NULL;
    bool exists = false, ok = fetch(ws, id, false, &root, &exists, err);

    if (ok && !exists)
        ok = err_set(err, ERR_DENIED, 404, "pause the job: it does not exist");
    if (ok) {
        parts = paused_parts(json_object_get(root, "settings"), paused);
        text = parts && json_object_size(parts) ? json_dumps(parts, JSON_COMPACT) : NULL;
        if (!parts || (json_object_size(parts) && !text))
            ok = rest_no_memory("pause the job", err);
    }
    if (ok && text)
        ok = change(ws, JOBS "update", paused ? "pause the job" : "start the job's trigger", id,
            span_of(text), err);
    free(text);
    json_decref(parts);
    json_decref(root);
    return ok;
}

bool jobs_delete(struct workspace *ws, int64_t id, struct err *err)
{
    static const struct error_words words = {
        "delete the job", GRANT_MANAGE, NULL, "does not exist"};
    struct api_error api = {.class = CLASS_NONE};
    struct buf body;
    bool ok;

    buf_init(&body, 256);
    (void)buf_printf(&body, "{\"job_id\":%" PRId64 "}", id);
    ok = post(ws, JOBS "delete", &words, &body, NULL, &api, err) || api.class == CLASS_MISSING ||
         (api.status == 400 && api.names_item);
    buf_done(&body);
    return ok;
}

/* --- runs --- */

bool jobs_run_now(
    struct workspace *ws, int64_t id, const char *token, int64_t *ret_run_id, struct err *err)
{
    static const struct error_words words = {
        "run the job", "grant CAN MANAGE RUN on the job", "the job is gone", NULL};
    struct json_out json;
    json_t *root = NULL;
    struct buf body;
    bool ok;

    if (strlen(token) > JOBS_RUN_TOKEN_MAX)
        return err_set(err, ERR_INPUT, 0, "%s: the idempotency token is too long", words.what);
    buf_init(&body, 1024);
    json_init(&json, &body);
    json_out_object(&json);
    json_key_int(&json, "job_id", id);
    json_key_text(&json, "idempotency_token", token);
    json_key(&json, "queue");
    json_out_object(&json);
    json_key_bool(&json, "enabled", true);
    json_out_object_end(&json);
    json_out_object_end(&json);
    ok = post(ws, JOBS "run-now", &words, &body, &root, NULL, err);
    if (ok) {
        int64_t run = rest_int(root, "run_id", 0);

        ok = run != 0 || err_set(err, ERR_RETRY, 0, "%s: the answer has no run_id", words.what);
        if (ok)
            *ret_run_id = run;
    }
    json_decref(root);
    buf_done(&body);
    return ok;
}

bool jobs_run_get(
    struct workspace *ws, int64_t run_id, struct jobs_run *ret, bool *ret_exists, struct err *err)
{
    char query[64];
    struct call_request r = {.method = HTTP_GET,
        .prefix = JOBS "runs/get",
        .query = query,
        .words = {"look at the run", GRANT_VIEW, NULL, "exist"}}; /* "does not", "doesn't" */
    json_t *root = NULL;
    bool ok;

    *ret = (struct jobs_run){.id = 0};
    (void)snprintf(query, sizeof(query), "run_id=%" PRId64, run_id);
    ok = rest_find(ws, &r, &root, ret_exists, err);
    if (ok && *ret_exists && !jobs_read_run(root, ret))
        ok = rest_no_memory(r.words.what, err);
    json_decref(root);
    return ok;
}

void jobs_runs_done(struct jobs_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        jobs_run_done(&runs->items[i]);
    free(runs->items);
    *runs = (struct jobs_runs){NULL, 0};
}

static bool add_runs(const json_t *root, size_t max, struct jobs_runs *list)
{
    const json_t *items = json_object_get(root, "runs");
    size_t more = json_array_size(items);
    struct jobs_run *grown;

    if (more > max - list->count)
        more = max - list->count;
    if (more == 0)
        return true;
    grown = realloc(list->items, (list->count + more) * sizeof(*grown));
    if (!grown)
        return false;
    list->items = grown;
    for (size_t i = 0; i < more; i++) {
        if (!jobs_read_run(json_array_get(items, i), &list->items[list->count]))
            return false;
        list->count++;
    }
    return true;
}

bool jobs_runs_list(struct workspace *ws, int64_t job_id, enum jobs_runs_which which, size_t max,
    struct jobs_runs *ret, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = JOBS "runs/list",
        .words = {"list the runs", GRANT_VIEW, "the job is gone", NULL}};
    struct buf query;
    bool ok = true, more = true;
    size_t base;

    *ret = (struct jobs_runs){NULL, 0};
    buf_init(&query, 16384);
    (void)buf_printf(&query, "job_id=%" PRId64 "&limit=%zu%s", job_id,
        max && max < RUNS_PAGE ? max : RUNS_PAGE,
        which == JOBS_RUNS_ACTIVE      ? "&active_only=true"
        : which == JOBS_RUNS_COMPLETED ? "&completed_only=true"
                                       : "");
    base = query.len;
    for (int page = 0; ok && more && ret->count < max; page++) {
        json_t *root = NULL;

        if (page == REST_PAGES_MAX) {
            ok = err_set(err, ERR_RETRY, 0, "%s: the list does not end", r.words.what);
            break;
        }
        r.query = buf_text(&query);
        ok = buf_check(&query, r.words.what, err) && rest_call(ws, &r, &root, NULL, err);
        more = ok && rest_next_page(&query, base, root);
        if (ok && !add_runs(root, max, ret))
            ok = rest_no_memory(r.words.what, err);
        json_decref(root);
    }
    buf_done(&query);
    if (!ok)
        jobs_runs_done(ret);
    return ok;
}

bool jobs_run_output(struct workspace *ws, int64_t task_id, struct buf *out, struct err *err)
{
    char query[64];
    struct call_request r = {.method = HTTP_GET,
        .prefix = JOBS "runs/get-output",
        .query = query,
        .answer_max = OUTPUT_MAX,
        .words = {"read the run's output", GRANT_VIEW, "the run is gone", NULL}};
    json_t *root = NULL;
    const char *said;
    bool ok;

    (void)snprintf(query, sizeof(query), "run_id=%" PRId64, task_id);
    ok = rest_call(ws, &r, &root, NULL, err);
    said = json_string_value(json_object_get(root, "error"));
    if (ok && said && !redact_add(out, span_of(said), out->max - out->len))
        ok = buf_check(out, r.words.what, err);
    json_decref(root);
    return ok;
}
