#include "emulator/jobbook.h"

#include <stdio.h>

#include "emulator/auth.h"

enum job_level jobbook_level_of(const char *word)
{
    static const struct {
        const char *word;
        enum job_level level;
    } levels[] = {
        {"CAN_VIEW", JOB_VIEW},
        {"CAN_MANAGE_RUN", JOB_RUN},
        {"CAN_MANAGE", JOB_MANAGE},
        {"IS_OWNER", JOB_OWNER},
    };

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(word, levels[i].word) == 0)
            return levels[i].level;
    }
    return JOB_NONE;
}

enum job_level jobbook_level(const struct emulator *emu, const json_t *job, const char *principal)
{
    enum job_level best = auth_is_admin(emu, principal) ? JOB_OWNER : JOB_NONE;
    json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(job, "acl"), i, entry)
    {
        enum job_level level = jobbook_level_of(json_member(entry, "level"));
        const char *who = json_member(entry, "principal");
        bool everybody =
            strcmp(json_member(entry, "key"), "group_name") == 0 && strcmp(who, "users") == 0;

        if ((everybody || strcmp(who, principal) == 0) && level > best)
            best = level;
    }
    return best;
}

json_t *jobbook_find(struct request *req, json_t *book, int64_t job_id, enum job_level need)
{
    char key[24];
    json_t *job;

    (void)snprintf(key, sizeof(key), "%lld", (long long)job_id);
    job = json_object_get(ledger_object(book, "jobs"), key);
    if (job && jobbook_level(req->emu, job, req->principal) >= need)
        return job;
    /* Permission is looked at before existence: who may not see all cannot tell the two apart. */
    if (!job && auth_is_admin(req->emu, req->principal))
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "Job %s does not exist.", key);
    else
        reply_error(req, 403, "PERMISSION_DENIED", NULL,
            "User %.100s does not have %s permissions on job %s.", req->principal,
            need <= JOB_VIEW  ? "View or Admin or Manage Run or Owner"
            : need == JOB_RUN ? "Admin or Manage Run or Owner"
                              : "Admin or Owner",
            key);
    return NULL;
}

json_t *jobbook_copy(struct emulator *emu)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_JOBS);
    json_t *list = json_array(), *job;
    const char *key;

    json_object_foreach(json_object_get(book, "jobs"), key, job)(void)
        json_array_append_new(list, json_deep_copy(job));
    ledger_close(emu->ledger);
    return list;
}

bool jobbook_remember(struct emulator *emu, int64_t job_id, json_t *memory, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_JOBS), *job;
    char key[24];
    bool ok = true;

    (void)snprintf(key, sizeof(key), "%lld", (long long)job_id);
    job = json_object_get(json_object_get(book, "jobs"), key);
    if (job) {
        (void)json_object_set(job, "runner", memory);
        ok = ledger_save(emu->ledger, LEDGER_JOBS, err);
    }
    ledger_close(emu->ledger);
    json_decref(memory);
    return ok;
}

void job_changed(struct emulator *emu)
{
    runner_wake(emu->runner);
}

/* --- what the service adds on read: databricks-api.md 4.4 --- */

static void add_missing(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key))
        json_decref(value);
    else
        (void)json_object_set_new(object, key, value);
}

void job_defaults(json_t *settings)
{
    json_t *task, *trigger = json_object_get(settings, "trigger");
    size_t i;

    add_missing(settings, "email_notifications", json_object());
    add_missing(settings, "webhook_notifications", json_object());
    add_missing(settings, "timeout_seconds", json_integer(0));
    add_missing(settings, "max_concurrent_runs", json_integer(1));
    add_missing(settings, "name", json_string("Untitled"));
    (void)json_object_set_new(settings, "format", json_string("MULTI_TASK"));
    if (trigger)
        add_missing(trigger, "pause_status", json_string("UNPAUSED"));
    json_array_foreach(json_object_get(settings, "tasks"), i, task)
    {
        add_missing(task, "run_if", json_string("ALL_SUCCESS"));
        add_missing(task, "timeout_seconds", json_integer(0));
        add_missing(task, "email_notifications", json_object());
    }
}
