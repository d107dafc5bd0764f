#include "emulator/runbook.h"

#include <stdio.h>
#include <stdlib.h>

#define FINISHED_MAX 1000U

static bool in_state(const json_t *run, const char *state)
{
    return strcmp(json_member(run, "state"), state) == 0;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    (void)json_object_set_new(object, key, json_string(value));
}

static void set_int(json_t *object, const char *key, int64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

bool runbook_is_over(const json_t *run)
{
    return in_state(run, "TERMINATED") || in_state(run, "SKIPPED") ||
           in_state(run, "INTERNAL_ERROR");
}

json_t *runbook_find(json_t *book, int64_t run_id)
{
    json_t *run;
    size_t i;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        if (json_member_int(run, "run_id") == run_id)
            return run;
    }
    return NULL;
}

static json_t *job_of(struct emulator *emu, int64_t job_id)
{
    char key[24];

    (void)snprintf(key, sizeof(key), "%lld", (long long)job_id);
    return json_object_get(json_object_get(ledger_also(emu->ledger, LEDGER_JOBS), "jobs"), key);
}

/* Those that take one of max_concurrent_runs. */
static int64_t active_runs(json_t *book, int64_t job_id)
{
    int64_t count = 0;
    json_t *run;
    size_t i;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        count += json_member_int(run, "job_id") == job_id && !runbook_is_over(run) &&
                 !in_state(run, "QUEUED");
    }
    return count;
}

static void end_run(json_t *run, const char *state, const char *result, const char *message)
{
    json_t *attempts = json_object_get(run, "attempts");
    json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);

    set_text(run, "state", state);
    set_text(run, "result", result);
    set_text(run, "message", message);
    set_int(run, "end", ledger_now_ms());
    if (last && !runbook_is_over(last)) {
        set_text(last, "state", state);
        set_text(last, "result", result);
        set_text(last, "message", message);
        set_int(last, "end", ledger_now_ms());
    }
}

void runbook_end_cancelled(json_t *run)
{
    end_run(run, "TERMINATED", "CANCELED", "Run cancelled.");
}

static void prune(json_t *book)
{
    json_t *runs = json_object_get(book, "runs"), *run;
    size_t i, over = 0;

    json_array_foreach(runs, i, run) over += runbook_is_over(run);
    for (i = 0; over > FINISHED_MAX && i < json_array_size(runs);) {
        if (runbook_is_over(json_array_get(runs, i))) {
            (void)json_array_remove(runs, i);
            over--;
        } else {
            i++;
        }
    }
}

/* --- adding --- */

static bool by_token(json_t *book, int64_t job_id, const char *token, int64_t *ret)
{
    json_t *run;
    size_t i;

    if (!token)
        return false;
    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        if (json_member_int(run, "job_id") == job_id &&
            strcmp(json_member(run, "token"), token) == 0) {
            *ret = json_member_int(run, "run_id");
            return true;
        }
    }
    return false;
}

static void place(json_t *book, json_t *run, const json_t *settings)
{
    int64_t most = json_member_int(settings, "max_concurrent_runs");
    bool queue = json_is_true(json_object_get(json_object_get(settings, "queue"), "enabled"));

    if (most > 0 && active_runs(book, json_member_int(run, "job_id")) < most)
        set_text(run, "state", "PENDING");
    else if (most > 0 && queue)
        set_text(run, "state", "QUEUED");
    else
        end_run(run, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED",
            "Skipping this run because the limit of maximum concurrent runs has been reached.");
}

bool runbook_wish(struct emulator *emu, int64_t job_id, const struct run_wish *wish,
    int64_t *ret_run, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *job = job_of(emu, job_id), *run;
    json_t *runs = ledger_array(book, "runs"), *settings = json_object_get(job, "settings");
    bool ok = true;

    if (by_token(book, job_id, wish->token, ret_run)) {
        ledger_close(emu->ledger);
        return true;
    }
    *ret_run = ledger_id();
    run =
        job ? json_pack("{s:I, s:I, s:s, s:s, s:s, s:I, s:s, s:i, s:[]}", "run_id",
                  (json_int_t)*ret_run, "job_id", (json_int_t)job_id, "name",
                  json_member(settings, "name"), "principal", json_member(job, "run_as_user_name"),
                  "trigger", wish->trigger, "created", (json_int_t)ledger_now_ms(), "creator",
                  json_member(job, "creator_user_name"), "task", 0, "attempts")
            : NULL;
    if (!job) {
        ok = err_set(err, ERR_INPUT, 0, "Job %lld does not exist.", (long long)job_id);
    } else {
        if (wish->token)
            set_text(run, "token", wish->token);
        if (wish->parameters)
            (void)json_object_set_new(run, "parameters", json_deep_copy(wish->parameters));
        place(book, run, settings);
        (void)json_array_append_new(runs, run);
        prune(book);
        ok = ledger_save(emu->ledger, LEDGER_RUNS, err);
    }
    ledger_close(emu->ledger);
    return ok;
}

bool runbook_add(
    struct emulator *emu, int64_t job_id, const char *trigger, int64_t *ret_run, struct err *err)
{
    return runbook_wish(emu, job_id, &(struct run_wish){.trigger = trigger}, ret_run, err);
}

/* --- taking --- */

static bool is_due(json_t *book, json_t *run, const json_t *job)
{
    int64_t most = json_member_int(json_object_get(job, "settings"), "max_concurrent_runs");

    if (in_state(run, "QUEUED"))
        return !job || active_runs(book, json_member_int(run, "job_id")) < most;
    return in_state(run, "PENDING") ||
           (in_state(run, "WAITING_FOR_RETRY") && json_member_int(run, "due") <= ledger_now_ms());
}

/* A new attempt of the run's present task. */
static void begin(json_t *run, const json_t *task)
{
    json_t *attempts = json_object_get(run, "attempts"), *old;
    const char *key = json_member(task, "task_key");
    int64_t now = ledger_now_ms();
    json_int_t number = 0;
    size_t i;

    json_array_foreach(attempts, i, old) number += strcmp(json_member(old, "task_key"), key) == 0;
    (void)json_array_append_new(attempts,
        json_pack("{s:I, s:s, s:I, s:s, s:I}", "run_id", (json_int_t)ledger_id(), "task_key", key,
            "attempt", number, "state", "RUNNING", "start", (json_int_t)now));
    set_text(run, "state", "RUNNING");
    if (!json_member_int(run, "start"))
        set_int(run, "start", now);
}

static void fill_work(struct run_work *ret, const json_t *run, const json_t *job)
{
    json_t *attempts = json_object_get(run, "attempts");
    const json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);

    *ret = (struct run_work){
        .job_id = json_member_int(run, "job_id"),
        .run_id = json_member_int(run, "run_id"),
        .task_run_id = json_member_int(last, "run_id"),
        .attempt = (int)json_member_int(last, "attempt"),
        .job = json_deep_copy(json_object_get(job, "settings")),
        .parameters = json_deep_copy(json_object_get(run, "parameters")),
    };
    ret->task =
        json_array_get(json_object_get(ret->job, "tasks"), (size_t)json_member_int(run, "task"));
    (void)str_copy(ret->principal, sizeof(ret->principal), json_member(run, "principal"));
}

/* False: it cannot be begun, and is over. */
static bool try_begin(json_t *run, const json_t *job)
{
    const json_t *tasks = json_object_get(json_object_get(job, "settings"), "tasks");
    const json_t *task = json_array_get(tasks, (size_t)json_member_int(run, "task"));

    if (!job || json_is_true(json_object_get(run, "cancel")))
        end_run(run, "TERMINATED", "CANCELED", job ? "Run cancelled." : "The job was deleted.");
    else if (!task)
        end_run(run, "INTERNAL_ERROR", "FAILED", "The job has no such task any more.");
    else
        begin(run, task);
    return in_state(run, "RUNNING");
}

bool runbook_take(struct emulator *emu, struct run_work *ret, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *run, *job;
    bool changed = false, taken = false;
    size_t i;

    err_clear(err);
    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        job = job_of(emu, json_member_int(run, "job_id"));
        if (runbook_is_over(run) || in_state(run, "RUNNING") || !is_due(book, run, job))
            continue;
        changed = true;
        taken = try_begin(run, job);
        if (taken) {
            fill_work(ret, run, job);
            break;
        }
    }
    if (changed && !ledger_save(emu->ledger, LEDGER_RUNS, err) && taken) {
        run_work_done(ret);
        taken = false;
    }
    ledger_close(emu->ledger);
    return taken;
}

void run_work_done(struct run_work *work)
{
    json_decref(work->job);
    json_decref(work->parameters);
    *work = (struct run_work){0};
}

int64_t runbook_next_us(struct emulator *emu)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *run;
    int64_t best = -1;
    size_t i;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        int64_t left = (json_member_int(run, "due") - ledger_now_ms()) * 1000;

        if (!in_state(run, "WAITING_FOR_RETRY"))
            continue;
        left = left > 0 ? left : 0;
        best = best < 0 || left < best ? left : best;
    }
    ledger_close(emu->ledger);
    return best;
}

bool runbook_cancelled(struct emulator *emu, int64_t run_id)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *run = runbook_find(book, run_id);
    bool gone = !run || json_is_true(json_object_get(run, "cancel")) ||
                !job_of(emu, json_member_int(run, "job_id"));

    ledger_close(emu->ledger);
    return gone;
}

/* --- ending --- */

static void end_attempt(json_t *last, const char *error, const char *trace, const char *logs)
{
    set_text(last, "state", "TERMINATED");
    set_text(last, "result", error ? "FAILED" : "SUCCESS");
    set_text(last, "message", error ? error : "");
    set_int(last, "end", ledger_now_ms());
    if (error)
        set_text(last, "error", error);
    if (trace)
        set_text(last, "trace", trace);
    if (logs)
        set_text(last, "logs", logs);
}

/* max_retries of the task: 0 never, -1 always. */
static bool may_retry(struct emulator *emu, json_t *run, const json_t *task, int64_t attempt)
{
    int64_t most = json_member_int(task, "max_retries");
    int64_t wait = json_member_int(task, "min_retry_interval_millis");

    if (most >= 0 && attempt >= most)
        return false;
    set_text(run, "state", "WAITING_FOR_RETRY");
    set_int(run, "due", ledger_now_ms() + wait / (emu->jobs.time_scale ? emu->jobs.time_scale : 1));
    return true;
}

static void decide(struct emulator *emu, json_t *run, const json_t *last, const char *error)
{
    json_t *job = job_of(emu, json_member_int(run, "job_id"));
    const json_t *tasks = json_object_get(json_object_get(job, "settings"), "tasks");
    int64_t at = json_member_int(run, "task");

    if (!job || json_is_true(json_object_get(run, "cancel"))) {
        end_run(run, "TERMINATED", "CANCELED", "Run cancelled.");
    } else if (error) {
        if (!may_retry(
                emu, run, json_array_get(tasks, (size_t)at), json_member_int(last, "attempt")))
            end_run(run, "TERMINATED", "FAILED", error);
    } else if ((size_t)at + 1 < json_array_size(tasks)) {
        set_int(run, "task", at + 1);
        set_text(run, "state", "PENDING");
    } else {
        end_run(run, "TERMINATED", "SUCCESS", "");
    }
}

bool runbook_finish(struct emulator *emu, int64_t run_id, const char *error, const char *trace,
    const char *logs, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *run = runbook_find(book, run_id);
    json_t *attempts = json_object_get(run, "attempts");
    json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);
    bool ok = true;

    if (run && last && in_state(run, "RUNNING")) {
        end_attempt(last, error, trace, logs);
        decide(emu, run, last, error);
        prune(book);
        ok = ledger_save(emu->ledger, LEDGER_RUNS, err);
    }
    ledger_close(emu->ledger);
    return ok;
}

bool runbook_recover(struct emulator *emu, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_RUNS), *run;
    bool changed = false, ok = true;
    size_t i;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        json_t *attempts = json_object_get(run, "attempts");

        if (!in_state(run, "RUNNING"))
            continue;
        /* The attempt left no trace but its record: it is made again under its number. */
        (void)json_array_remove(attempts, json_array_size(attempts) - 1);
        set_text(run, "state", "PENDING");
        changed = true;
    }
    if (changed)
        ok = ledger_save(emu->ledger, LEDGER_RUNS, err);
    ledger_close(emu->ledger);
    return ok;
}
