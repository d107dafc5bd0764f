/* The Jobs API, runs: databricks-api.md 4.5. */
#include <stdio.h>
#include <stdlib.h>

#include "emulator/auth.h"
#include "emulator/jobbook.h"
#include "emulator/runbook.h"
#include "emulator/scim.h"

#define TOKEN_BYTES_MAX 64U
#define PARAMETER_BYTES_MAX 10000U

/* Does the principal reach `need` on the job of a run? Answers when not. Ledger open on runs. */
static bool may_see(struct request *req, const json_t *run, int64_t run_id, enum job_level need)
{
    json_t *jobs = json_object_get(ledger_also(req->emu->ledger, LEDGER_JOBS), "jobs"), *job;
    char key[24];

    if (!run) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "Run %lld does not exist.",
            (long long)run_id);
        return false;
    }
    (void)snprintf(key, sizeof(key), "%lld", (long long)json_member_int(run, "job_id"));
    job = json_object_get(jobs, key);
    if (auth_is_admin(req->emu, req->principal) ||
        (job && jobbook_level(req->emu, job, req->principal) >= need))
        return true;
    reply_error(req, 403, "PERMISSION_DENIED", NULL,
        "User %.100s does not have %s permissions on job %s.", req->principal,
        need >= JOB_RUN ? "Admin or Manage Run or Owner" : "View or Admin or Manage Run or Owner",
        key);
    return false;
}

/* --- run-now --- */

static bool check_parameters(struct request *req, const json_t *body, const json_t **ret)
{
    const json_t *python = json_object_get(body, "python_params");
    const char *token = json_member(body, "idempotency_token");
    json_t *value;
    size_t i, bytes = 2;

    json_array_foreach(python, i, value)
    {
        const char *text = json_string_value(value);

        if (!text) {
            reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "python_params must be texts.");
            return false;
        }
        bytes += strlen(text) + 3;
        for (const char *p = text; *p; p++)
            bytes += (unsigned char)*p >= 0x80 ? PARAMETER_BYTES_MAX : 0;
    }
    if (bytes > PARAMETER_BYTES_MAX) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "python_params must be ASCII and at most 10,000 bytes.");
        return false;
    }
    if (strlen(token) > TOKEN_BYTES_MAX) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "The idempotency token is longer than 64 characters.");
        return false;
    }
    *ret = python ? python : json_object_get(body, "job_parameters");
    return true;
}

void serve_run_now(struct request *req)
{
    json_t *body = talk_body(req), *job;
    struct run_wish wish = {.trigger = "ONE_TIME"};
    struct err err = {0};
    int64_t job_id, run_id = 0;
    bool ok = false;

    if (body && talk_id(req, body, "job_id", &job_id) &&
        check_parameters(req, body, &wish.parameters)) {
        job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), job_id, JOB_RUN);
        ledger_close(req->emu->ledger);
        wish.token = json_member(body, "idempotency_token");
        wish.token = *wish.token ? wish.token : NULL;
        ok = job && runbook_wish(req->emu, job_id, &wish, &run_id, &err);
        if (job && !ok && err.kind == ERR_INPUT)
            reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", err.text);
        else if (job && !ok)
            talk_failed(req, &err);
    }
    if (ok) {
        talk_reply(req, json_pack("{s:I, s:I}", "run_id", (json_int_t)run_id, "number_in_job",
                            (json_int_t)run_id));
        job_changed(req->emu);
    }
    json_decref(body);
}

/* --- showing --- */

/* Both forms of the state: the older one and the newer one. */
static void add_state(json_t *out, const json_t *from)
{
    const char *life = json_member(from, "state"), *result = json_member(from, "result");
    const char *message = json_member(from, "message"), *code = "SUCCESS", *type = "SUCCESS";
    const char *state = strcmp(life, "WAITING_FOR_RETRY") == 0 ? "WAITING" : life;
    json_t *old = json_pack("{s:s, s:s}", "life_cycle_state", life, "state_message", message);
    json_t *new = json_object();
    bool over = runbook_is_over(from);

    if (*result)
        (void)json_object_set_new(old, "result_state", json_string(result));
    (void)json_object_set_new(
        old, "user_cancelled_or_timedout", json_boolean(strcmp(result, "CANCELED") == 0));
    (void)json_object_set_new(new, "state", json_string(over ? "TERMINATED" : state));
    if (strcmp(result, "FAILED") == 0) {
        code = "RUN_EXECUTION_ERROR";
        type = "CLIENT_ERROR";
    } else if (strcmp(result, "CANCELED") == 0) {
        code = "USER_CANCELED";
    } else if (strcmp(life, "SKIPPED") == 0) {
        code = "MAX_CONCURRENT_RUNS_EXCEEDED";
        type = "CLIENT_ERROR";
    }
    if (over)
        (void)json_object_set_new(new, "termination_details",
            json_pack("{s:s, s:s, s:s}", "code", code, "type", type, "message", message));
    (void)json_object_set_new(out, "state", old);
    (void)json_object_set_new(out, "status", new);
}

static json_t *shown_attempt(const json_t *attempt)
{
    json_t *out = json_pack("{s:I, s:s, s:I, s:I, s:I}", "run_id",
        (json_int_t)json_member_int(attempt, "run_id"), "task_key",
        json_member(attempt, "task_key"), "attempt_number",
        (json_int_t)json_member_int(attempt, "attempt"), "start_time",
        (json_int_t)json_member_int(attempt, "start"), "end_time",
        (json_int_t)json_member_int(attempt, "end"));

    add_state(out, attempt);
    return out;
}

static json_t *shown_run(struct request *req, const json_t *run, bool tasks)
{
    json_int_t id = (json_int_t)json_member_int(run, "run_id"), last = id;
    json_t *attempts = json_object_get(run, "attempts"), *list, *attempt, *out;
    char url[256];
    struct buf base;
    size_t i;

    buf_init(&base, 512);
    request_base(req, &base);
    (void)snprintf(url, sizeof(url), "%.120s/?o=%s#job/%lld/run/%lld", buf_text(&base),
        SCIM_WORKSPACE_ID, (long long)json_member_int(run, "job_id"), (long long)id);
    buf_done(&base);
    out = json_pack("{s:I, s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "job_id",
        (json_int_t)json_member_int(run, "job_id"), "run_id", id, "number_in_job", id,
        "original_attempt_run_id", last, "run_name", json_member(run, "name"), "run_type",
        "JOB_RUN", "format", "MULTI_TASK", "creator_user_name", json_member(run, "creator"),
        "trigger", json_member(run, "trigger"), "run_page_url", url, "start_time",
        (json_int_t)(json_member_int(run, "start") ? json_member_int(run, "start")
                                                   : json_member_int(run, "created")),
        "end_time", (json_int_t)json_member_int(run, "end"));
    add_state(out, run);
    if (!tasks)
        return out;
    list = json_array();
    json_array_foreach(attempts, i, attempt)(void)
        json_array_append_new(list, shown_attempt(attempt));
    (void)json_object_set_new(out, "tasks", list);
    return out;
}

static bool run_id_query(struct request *req, int64_t *ret)
{
    char text[32];

    if (!talk_query(req, "run_id", text, sizeof(text), NULL))
        return false;
    if (str_i64(span_of(text), ret))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "run_id must be an integer.");
    return false;
}

void serve_run_get(struct request *req)
{
    json_t *run, *answer = NULL;
    int64_t id;

    if (!run_id_query(req, &id))
        return;
    run = runbook_find(ledger_open(req->emu->ledger, LEDGER_RUNS), id);
    if (may_see(req, run, id, JOB_VIEW))
        answer = shown_run(req, run, true);
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
}

/* --- list --- */

struct filter {
    int64_t job_id, from, to, limit;
    bool one_job, active, completed, tasks;
    size_t offset;
};

static bool read_filter(struct request *req, struct filter *f)
{
    char job[32];

    *f = (struct filter){0};
    if (!talk_query(req, "job_id", job, sizeof(job), &f->one_job) ||
        !talk_query_int(req, "start_time_from", 0, &f->from) ||
        !talk_query_int(req, "start_time_to", INT64_MAX, &f->to) ||
        !talk_query_int(req, "limit", 20, &f->limit) ||
        !request_query_bool(req, "active_only", false, &f->active) ||
        !request_query_bool(req, "completed_only", false, &f->completed) ||
        !request_query_bool(req, "expand_tasks", false, &f->tasks) || !talk_page(req, &f->offset))
        return false;
    if (f->limit == 0)
        f->limit = 24;
    if (f->limit < 1 || f->limit > 24 || (f->active && f->completed) ||
        (f->one_job && !str_i64(span_of(job), &f->job_id))) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "limit must be below 25, job_id an integer, and only one of active_only and "
            "completed_only may be set.");
        return false;
    }
    return true;
}

static int64_t order_of(const json_t *run)
{
    int64_t end = json_member_int(run, "end"), start = json_member_int(run, "start");

    return end ? end : start ? start : json_member_int(run, "created");
}

static int by_end(const void *a, const void *b)
{
    int64_t x = order_of(*(json_t *const *)a), y = order_of(*(json_t *const *)b);

    return x < y ? 1 : x > y ? -1 : 0;
}

static bool fits(struct request *req, const json_t *run, const struct filter *f)
{
    json_t *jobs = json_object_get(ledger_also(req->emu->ledger, LEDGER_JOBS), "jobs"), *job;
    int64_t start = json_member_int(run, "created");
    char key[24];

    (void)snprintf(key, sizeof(key), "%lld", (long long)json_member_int(run, "job_id"));
    job = json_object_get(jobs, key);
    return (!f->one_job || json_member_int(run, "job_id") == f->job_id) &&
           (!f->active || !runbook_is_over(run)) && (!f->completed || runbook_is_over(run)) &&
           start >= f->from && start <= f->to &&
           (auth_is_admin(req->emu, req->principal) ||
               (job && jobbook_level(req->emu, job, req->principal) >= JOB_VIEW));
}

void serve_run_list(struct request *req)
{
    json_t *book, *runs, *run, *answer, *page, **list;
    struct filter f;
    size_t i, count = 0;

    if (!read_filter(req, &f) || talk_empty_page(req, "runs"))
        return;
    book = ledger_open(req->emu->ledger, LEDGER_RUNS);
    runs = json_object_get(book, "runs");
    list = calloc(json_array_size(runs) + 1, sizeof(*list));
    answer = list ? json_object() : NULL;
    page = json_array();
    json_array_foreach(runs, i, run)
    {
        if (list && fits(req, run, &f))
            list[count++] = run;
    }
    if (count)
        qsort(list, count, sizeof(list[0]), by_end);
    for (i = f.offset; i < count && json_array_size(page) < (size_t)f.limit; i++)
        (void)json_array_append_new(page, shown_run(req, list[i], f.tasks));
    if (json_array_size(page))
        (void)json_object_set(answer, "runs", page);
    (void)json_object_set_new(answer, "has_more", json_boolean(i < count));
    if (i < count)
        talk_page_token(answer, i);
    ledger_close(req->emu->ledger);
    json_decref(page);
    free(list);
    talk_reply(req, answer);
}

/* --- output, cancel --- */

/* The attempt with that id, and its run. */
static json_t *find_attempt(json_t *book, int64_t id, json_t **ret_run)
{
    json_t *run, *attempt;
    size_t i, j;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        json_array_foreach(json_object_get(run, "attempts"), j, attempt)
        {
            if (json_member_int(attempt, "run_id") == id) {
                *ret_run = run;
                return attempt;
            }
        }
    }
    return NULL;
}

void serve_run_output(struct request *req)
{
    json_t *book, *run = NULL, *attempt, *answer = NULL;
    int64_t id;

    if (!run_id_query(req, &id))
        return;
    book = ledger_open(req->emu->ledger, LEDGER_RUNS);
    attempt = find_attempt(book, id, &run);
    if (!attempt && runbook_find(book, id)) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Retrieving the output of runs with multiple tasks is not supported. Please retrieve "
            "the output of each individual task run instead.");
    } else if (may_see(req, run, id, JOB_VIEW)) {
        answer = json_pack("{s:o}", "metadata", shown_run(req, run, false));
        if (*json_member(attempt, "error"))
            (void)json_object_set_new(answer, "error", json_string(json_member(attempt, "error")));
        if (*json_member(attempt, "trace"))
            (void)json_object_set_new(
                answer, "error_trace", json_string(json_member(attempt, "trace")));
        if (*json_member(attempt, "logs"))
            (void)json_object_set_new(answer, "logs", json_string(json_member(attempt, "logs")));
    }
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
}

void serve_run_cancel(struct request *req)
{
    json_t *body = talk_body(req), *run;
    struct err err = {0};
    int64_t id;
    bool may = false, ok = true;

    if (body && talk_id(req, body, "run_id", &id)) {
        run = runbook_find(ledger_open(req->emu->ledger, LEDGER_RUNS), id);
        may = may_see(req, run, id, JOB_RUN);
        if (may && !runbook_is_over(run)) {
            (void)json_object_set_new(run, "cancel", json_true());
            if (strcmp(json_member(run, "state"), "RUNNING") != 0)
                runbook_end_cancelled(run);
            ok = ledger_save(req->emu->ledger, LEDGER_RUNS, &err);
        }
        ledger_close(req->emu->ledger);
    }
    if (may && ok) {
        talk_reply(req, json_object());
        job_changed(req->emu);
    } else if (may) {
        talk_failed(req, &err);
    }
    json_decref(body);
}
