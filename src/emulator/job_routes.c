/* The Jobs API, definitions: databricks-api.md 4.1 to 4.4. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/auth.h"
#include "emulator/jobbook.h"

static const char *acl_key(const struct emulator *emu, const char *principal)
{
    return auth_is_service(emu, principal) ? "service_principal_name" : "user_name";
}

static const char *run_as_of(const json_t *settings)
{
    const json_t *run_as = json_object_get(settings, "run_as");
    const char *service = json_member(run_as, "service_principal_name");

    return *service ? service : json_member(run_as, "user_name");
}

/* The access_control_list of a create: beside the owner. */
static bool add_acl(struct request *req, json_t *acl, const json_t *given)
{
    static const char *const keys[] = {"user_name", "group_name", "service_principal_name"};
    json_t *entry;
    size_t i;

    json_array_foreach(given, i, entry)
    {
        const char *level = json_member(entry, "permission_level"), *who = "", *key = keys[0];

        for (size_t k = 0; k < 3 && !*who; k++) {
            key = keys[k];
            who = json_member(entry, key);
        }
        if (!*who || jobbook_level_of(level) == JOB_NONE) {
            reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
                "An entry of access_control_list is not valid.");
            return false;
        }
        (void)json_array_append_new(
            acl, json_pack("{s:s, s:s, s:s}", "principal", who, "key", key, "level", level));
    }
    return true;
}

static json_t *new_job(struct request *req, json_t *settings)
{
    const char *run_as = run_as_of(settings);
    json_t *acl = json_array();

    (void)json_array_append_new(
        acl, json_pack("{s:s, s:s, s:s}", "principal", req->principal, "key",
                 acl_key(req->emu, req->principal), "level", "IS_OWNER"));
    if (!add_acl(req, acl, json_object_get(settings, "access_control_list"))) {
        json_decref(acl);
        return NULL;
    }
    run_as = *run_as ? run_as : req->principal;
    return json_pack("{s:I, s:s, s:s, s:I, s:o, s:o}", "job_id", (json_int_t)ledger_id(),
        "creator_user_name", req->principal, "run_as_user_name", run_as, "created_time",
        (json_int_t)ledger_now_ms(), "acl", acl, "settings", json_deep_copy(settings));
}

/* Takes `job` over. */
static bool add_job(struct request *req, json_t *job, struct err *err)
{
    json_t *jobs, *settings = json_object_get(job, "settings");
    char key[24];
    bool ok;

    (void)json_object_del(settings, "access_control_list");
    job_defaults(settings);
    (void)snprintf(key, sizeof(key), "%lld", (long long)json_member_int(job, "job_id"));
    jobs = ledger_object(ledger_open(req->emu->ledger, LEDGER_JOBS), "jobs");
    if (json_object_size(jobs) >= JOBBOOK_MAX) {
        json_decref(job);
        ok = err_set(err, ERR_INPUT, 0, "The quota for the number of jobs has been reached.");
    } else {
        ok = json_object_set_new(jobs, key, job) == 0 &&
             ledger_save(req->emu->ledger, LEDGER_JOBS, err);
    }
    ledger_close(req->emu->ledger);
    return ok;
}

void serve_job_create(struct request *req)
{
    json_t *settings = talk_body(req), *job = NULL;
    struct err err = {0};
    int64_t id = 0;
    bool ok = settings && job_check(req, settings);

    for (int i = 0; ok && i < (req->fault && req->fault->duplicate ? 2 : 1); i++) {
        job = new_job(req, settings);
        id = json_member_int(job, "job_id");
        ok = job && add_job(req, job, &err);
    }
    if (ok) {
        talk_reply(req, json_pack("{s:I}", "job_id", (json_int_t)id));
        job_changed(req->emu);
    } else if (err.kind == ERR_INPUT) {
        reply_error(req, 400, "QUOTA_EXCEEDED", NULL, "%s", err.text);
    } else if (err.kind != ERR_NONE) {
        talk_failed(req, &err);
    }
    json_decref(settings);
}

/* --- reading --- */

static json_t *shown(const json_t *job, bool tasks)
{
    json_t *copy = json_deep_copy(job), *settings = json_object_get(copy, "settings");

    (void)json_object_del(copy, "acl");
    (void)json_object_del(copy, "runner");
    (void)json_object_del(settings, "run_as"); /* read back as run_as_user_name */
    if (!tasks) {
        (void)json_object_del(settings, "tasks");
        (void)json_object_del(settings, "environments");
        (void)json_object_del(settings, "job_clusters");
    }
    return copy;
}

static bool query_id(struct request *req, const char *key, int64_t *ret)
{
    char text[32];

    if (!talk_query(req, key, text, sizeof(text), NULL))
        return false;
    if (str_i64(span_of(text), ret))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s must be an integer.", key);
    return false;
}

void serve_job_get(struct request *req)
{
    json_t *job, *answer = NULL, *state;
    int64_t id;
    bool trigger;

    if (!query_id(req, "job_id", &id) ||
        !request_query_bool(req, "include_trigger_state", false, &trigger))
        return;
    job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_VIEW);
    if (job) {
        answer = shown(job, true);
        state = json_object_get(json_object_get(job, "runner"), "trigger_state");
        if (trigger && json_object_get(json_object_get(job, "settings"), "trigger")) {
            if (state)
                (void)json_object_set_new(answer, "trigger_state", json_deep_copy(state));
            else
                (void)json_object_set_new(answer, "trigger_state",
                    json_pack("{s:{s:b}}", "file_arrival", "using_file_events", 0));
        }
    }
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
}

/* Newest first, as the service lists. */
static int by_time(const void *a, const void *b)
{
    json_t *const *left = a, *const *right = b;
    int64_t x = json_member_int(*left, "created_time"), y = json_member_int(*right, "created_time");

    if (x != y)
        return x < y ? 1 : -1;
    x = json_member_int(*left, "job_id");
    y = json_member_int(*right, "job_id");
    return x < y ? 1 : x > y ? -1 : 0;
}

struct listing {
    char name[4097];
    bool named, tasks;
    size_t offset, limit;
};

/* The jobs this principal may see, whose name fits, as references in the open book. */
static size_t select_jobs(
    struct request *req, json_t *jobs, const struct listing *want, json_t **list)
{
    json_t *job;
    const char *key;
    size_t count = 0;

    json_object_foreach(jobs, key, job)
    {
        const char *name = json_member(json_object_get(job, "settings"), "name");

        if ((!want->named || strcasecmp(name, want->name) == 0) &&
            jobbook_level(req->emu, job, req->principal) >= JOB_VIEW)
            list[count++] = job;
    }
    if (count)
        qsort(list, count, sizeof(list[0]), by_time);
    return count;
}

static json_t *list_page(struct request *req, const struct listing *want)
{
    json_t *jobs = ledger_object(ledger_open(req->emu->ledger, LEDGER_JOBS), "jobs");
    json_t **list = calloc(json_object_size(jobs) + 1, sizeof(*list));
    json_t *answer = list ? json_object() : NULL, *page = json_array();
    size_t count = list ? select_jobs(req, jobs, want, list) : 0, i = want->offset;

    for (; i < count && json_array_size(page) < want->limit; i++)
        (void)json_array_append_new(page, shown(list[i], want->tasks));
    /* Absent means empty. */
    if (json_array_size(page))
        (void)json_object_set(answer, "jobs", page);
    (void)json_object_set_new(answer, "has_more", json_boolean(i < count));
    if (i < count)
        talk_page_token(answer, i);
    ledger_close(req->emu->ledger);
    json_decref(page);
    free(list);
    return answer;
}

void serve_job_list(struct request *req)
{
    struct listing want;
    int64_t limit;

    if (!talk_query(req, "name", want.name, sizeof(want.name), &want.named) ||
        !talk_query_int(req, "limit", 20, &limit) || !talk_page(req, &want.offset) ||
        !request_query_bool(req, "expand_tasks", false, &want.tasks))
        return;
    if (limit < 1 || limit > 100) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Invalid value for limit: it must be between 1 and 100.");
        return;
    }
    want.limit = (size_t)limit;
    want.named = want.named && want.name[0];
    if (!talk_empty_page(req, "jobs"))
        talk_reply(req, list_page(req, &want));
}

/* --- changing --- */

/* `settings` replace those of the job; run_as only when said. Ledger open. */
static void put_settings(json_t *job, json_t *settings)
{
    const char *run_as = run_as_of(settings);

    if (*run_as)
        (void)json_object_set_new(job, "run_as_user_name", json_string(run_as));
    (void)json_object_del(settings, "access_control_list");
    job_defaults(settings);
    (void)json_object_set(job, "settings", settings);
}

/* Answers; `ok` is what the change came to. */
static void finish_change(struct request *req, bool ok, bool found)
{
    struct err err = {0};

    if (ok && found)
        ok = ledger_save(req->emu->ledger, LEDGER_JOBS, &err);
    ledger_close(req->emu->ledger);
    if (!found)
        return;
    if (ok) {
        talk_reply(req, json_object());
        job_changed(req->emu);
    } else {
        talk_failed(req, &err);
    }
}

void serve_job_reset(struct request *req)
{
    json_t *body = talk_body(req), *settings = json_object_get(body, "new_settings"), *job;
    int64_t id;

    if (body && talk_id(req, body, "job_id", &id) && job_check(req, settings)) {
        job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_MANAGE);
        if (job)
            put_settings(job, settings);
        finish_change(req, true, job != NULL);
    }
    json_decref(body);
}

/* tasks, job_clusters and environments merge by their key; all else is replaced whole. */
static void merge_keyed(json_t *to, const json_t *from, const char *name)
{
    json_t *entry, *old;
    size_t i, j;

    json_array_foreach(from, i, entry)
    {
        bool found = false;

        json_array_foreach(to, j, old)
        {
            found = strcmp(json_member(old, name), json_member(entry, name)) == 0;
            if (found) {
                (void)json_array_set(to, j, entry);
                break;
            }
        }
        if (!found)
            (void)json_array_append(to, entry);
    }
}

static const char *key_of(const char *field)
{
    return strcmp(field, "tasks") == 0          ? "task_key"
           : strcmp(field, "job_clusters") == 0 ? "job_cluster_key"
           : strcmp(field, "environments") == 0 ? "environment_key"
                                                : NULL;
}

static void remove_field(json_t *settings, const char *field)
{
    const char *slash = strchr(field, '/'), *name;
    char array[64];
    json_t *list, *entry;
    size_t i;

    if (!slash) {
        (void)json_object_del(settings, field);
        return;
    }
    (void)snprintf(array, sizeof(array), "%.*s", (int)(slash - field), field);
    list = json_object_get(settings, array);
    name = key_of(array);
    if (!name)
        return;
    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_member(entry, name), slash + 1) == 0) {
            (void)json_array_remove(list, i);
            return;
        }
    }
}

static json_t *updated(const json_t *old, const json_t *body)
{
    json_t *settings = json_deep_copy(old), *value;
    const char *field;
    size_t i;

    json_object_foreach(json_object_get(body, "new_settings"), field, value)
    {
        json_t *there = json_object_get(settings, field);

        if (key_of(field) && json_is_array(there))
            merge_keyed(there, value, key_of(field));
        else
            (void)json_object_set(settings, field, value);
    }
    json_array_foreach(json_object_get(body, "fields_to_remove"), i, value)
    {
        if (json_is_string(value))
            remove_field(settings, json_string_value(value));
    }
    return settings;
}

/* The check asks the catalog, which has the same lock: so the merged settings are checked outside
 * of it, and the job is looked for again. */
void serve_job_update(struct request *req)
{
    json_t *body = talk_body(req), *job = NULL, *settings = NULL;
    int64_t id;

    if (body && talk_id(req, body, "job_id", &id)) {
        job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_MANAGE);
        if (job)
            settings = updated(json_object_get(job, "settings"), body);
        ledger_close(req->emu->ledger);
    }
    if (settings && job_check(req, settings)) {
        job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_MANAGE);
        if (job)
            put_settings(job, settings);
        finish_change(req, true, job != NULL);
    }
    json_decref(settings);
    json_decref(body);
}

void serve_job_delete(struct request *req)
{
    json_t *body = talk_body(req), *book, *job;
    char key[24];
    int64_t id;

    if (body && talk_id(req, body, "job_id", &id)) {
        book = ledger_open(req->emu->ledger, LEDGER_JOBS);
        job = jobbook_find(req, book, id, JOB_MANAGE);
        (void)snprintf(key, sizeof(key), "%lld", (long long)id);
        if (job)
            (void)json_object_del(json_object_get(book, "jobs"), key);
        finish_change(req, true, job != NULL);
    }
    json_decref(body);
}
