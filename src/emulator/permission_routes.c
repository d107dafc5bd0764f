/* Permissions of jobs: databricks-api.md 4.6. */
#include <stdio.h>

#include "emulator/jobbook.h"

static const char *const keys[] = {"user_name", "group_name", "service_principal_name"};

static bool named_job(struct request *req, int64_t *ret)
{
    char text[32];

    if (!talk_part(req, req->rest, text, sizeof(text), NULL))
        return false;
    if (str_i64(span_of(text), ret))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "'%s' is not the id of a job.", text);
    return false;
}

static json_t *shown(const json_t *job)
{
    json_t *list = json_array(), *entry;
    char object[40];
    size_t i;

    (void)snprintf(object, sizeof(object), "/jobs/%lld", (long long)json_member_int(job, "job_id"));
    json_array_foreach(json_object_get(job, "acl"), i, entry)(void) json_array_append_new(
        list, json_pack("{s:s, s:[{s:s, s:b}]}", json_member(entry, "key"),
                  json_member(entry, "principal"), "all_permissions", "permission_level",
                  json_member(entry, "level"), "inherited", 0));
    /* Whoever administers the workspace. */
    (void)json_array_append_new(list,
        json_pack("{s:s, s:[{s:s, s:b, s:[s]}]}", "group_name", "admins", "all_permissions",
            "permission_level", "CAN_MANAGE", "inherited", 1, "inherited_from_object", "/jobs/"));
    return json_pack(
        "{s:s, s:s, s:o}", "object_id", object, "object_type", "job", "access_control_list", list);
}

void serve_job_permissions_get(struct request *req)
{
    json_t *job, *answer = NULL;
    int64_t id;

    if (!named_job(req, &id))
        return;
    job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_VIEW);
    if (job)
        answer = shown(job);
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
}

/* Whom an entry names; false: answered. */
static bool read_entry(
    struct request *req, const json_t *entry, const char **ret_key, const char **ret_who)
{
    *ret_who = "";
    for (size_t k = 0; k < 3 && !**ret_who; k++) {
        *ret_key = keys[k];
        *ret_who = json_member(entry, keys[k]);
    }
    if (**ret_who && jobbook_level_of(json_member(entry, "permission_level")) != JOB_NONE)
        return true;
    reply_error(
        req, 400, "INVALID_PARAMETER_VALUE", NULL, "An entry of access_control_list is not valid.");
    return false;
}

/* One entry a principal: the new level replaces the old one. */
static bool put_entries(struct request *req, json_t *acl, const json_t *given)
{
    json_t *entry, *old;
    size_t i, j;

    json_array_foreach(given, i, entry)
    {
        const char *key = "", *who = "";

        if (!read_entry(req, entry, &key, &who))
            return false;
        json_array_foreach(acl, j, old)
        {
            if (strcmp(json_member(old, "principal"), who) == 0) {
                (void)json_array_remove(acl, j);
                break;
            }
        }
        (void)json_array_append_new(acl, json_pack("{s:s, s:s, s:s}", "principal", who, "key", key,
                                             "level", json_member(entry, "permission_level")));
    }
    return true;
}

static size_t owners(const json_t *acl)
{
    json_t *entry;
    size_t i, n = 0;

    json_array_foreach(acl, i, entry) n += strcmp(json_member(entry, "level"), "IS_OWNER") == 0;
    return n;
}

/* PATCH adds, PUT replaces. */
void serve_job_permissions_set(struct request *req)
{
    bool replace = strcmp(req->method, "PUT") == 0;
    json_t *body = talk_body(req), *job, *acl = NULL, *answer = NULL;
    struct err err = {0};
    int64_t id;

    if (body && named_job(req, &id)) {
        job = jobbook_find(req, ledger_open(req->emu->ledger, LEDGER_JOBS), id, JOB_MANAGE);
        if (job)
            acl = replace ? json_array() : json_deep_copy(json_object_get(job, "acl"));
        if (acl && put_entries(req, acl, json_object_get(body, "access_control_list"))) {
            if (owners(acl) != 1) {
                reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
                    "The job must have exactly one owner.");
            } else {
                (void)json_object_set(job, "acl", acl);
                if (ledger_save(req->emu->ledger, LEDGER_JOBS, &err))
                    answer = shown(job);
                else
                    talk_failed(req, &err);
            }
        }
        ledger_close(req->emu->ledger);
    }
    if (answer)
        talk_reply(req, answer);
    json_decref(acl);
    json_decref(body);
}
