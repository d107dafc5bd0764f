/* Brings the job and its code into being and keeps them as wanted.
 *
 *   look ---> newer, somebody else's: leave it, say so
 *     |-----> missing: others on the folder? no: data/, code, create, look again
 *     |-----> different: code, reset (a pause stays)
 *     |-----> current: code
 *     `-----> several of ours: all but the lowest id are deleted, then as above
 *
 * The code goes first: a run between the two finds new code under the old definition, which takes
 * the same parameters; the other way round a new definition would find no code. */
#include "ingestion/ingestion.h"

#include "databricks/files.h"
#include "databricks/workspace_files.h"

#include <inttypes.h>
#include <stdio.h>

struct ensure {
    struct workspace *ws;
    const struct plan *plan;
    struct ensured *ret;
    struct buf text; /* of ret: what was done */
};

static void say(struct ensure *e, enum ensure_result result, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Several things may be done in one go: the texts add up, the strongest result stays. */
static void say(struct ensure *e, enum ensure_result result, const char *fmt, ...)
{
    va_list args;

    if (e->text.len)
        buf_add_text(&e->text, "; ");
    va_start(args, fmt);
    buf_vprintf(&e->text, fmt, args);
    va_end(args);
    if (result == ENSURE_BLOCKED || e->ret->result == ENSURE_OK)
        e->ret->result = result;
}

static bool keep_code(struct ensure *e, bool *ret_newer, struct err *err)
{
    const struct plan *plan = e->plan;
    enum code_standing standing = CODE_MISSING;

    *ret_newer = false;
    if (!code_look_at(e->ws, plan, &standing, err))
        return false;
    if (standing == CODE_CURRENT)
        return true;
    if (standing == CODE_NEWER) {
        *ret_newer = true;
        say(e, ENSURE_NEWER, "the code %s is of a newer program and left as it is",
            plan->code_path);
        return true;
    }
    if (!workspace_files_make_directory(e->ws, plan->options.folder, err) ||
        !workspace_files_import(e->ws, plan->code_path, span_of(plan->code), err))
        return err_wrap(err, "put the job's code to %s", plan->code_path);
    say(e, ENSURE_UPDATED, "%s the code %s", standing == CODE_MISSING ? "wrote" : "replaced",
        plan->code_path);
    return true;
}

static bool delete_duplicates(struct ensure *e, const struct job_look *look, struct err *err)
{
    for (size_t i = 0; i < look->extra_count; i++) {
        if (!jobs_delete(e->ws, look->extra[i], err))
            return err_wrap(err, "delete the duplicate job %" PRId64 " (%" PRId64 " stays)",
                look->extra[i], look->id);
        say(e, ENSURE_UPDATED, "deleted the duplicate job %" PRId64, look->extra[i]);
    }
    return true;
}

/* Somebody may have created at the same moment: the lowest id of ours stays, and whoever sees the
 * others deletes them. A list may be a moment late; then the next look does it. */
static bool after_create(struct ensure *e, int64_t created, struct err *err)
{
    struct job_look look;
    struct jobs_list list;
    bool ok;

    if (!jobs_list_get(e->ws, e->plan->job_name, false, 100, &list, err))
        return err_wrap(err, "job %" PRId64 " was created; look for others", created);
    job_judge(e->plan, &list, NULL, &look);
    jobs_list_done(&list);
    if (look.id)
        e->ret->job_id = look.id;
    ok = delete_duplicates(e, &look, err);
    job_look_done(&look);
    return ok;
}

static bool blocked_by_rivals(struct ensure *e, bool *ret_blocked, struct err *err)
{
    struct rivals rivals;

    *ret_blocked = false;
    if (!rivals_find(e->ws, e->plan, &rivals, err))
        return false;
    if (!rivals.active)
        return true;
    *ret_blocked = true;
    for (size_t i = 0; i < rivals.count; i++) {
        struct buf text;

        if (rivals.items[i].paused)
            continue;
        buf_init(&text, 1024);
        rival_explain(e->plan, &rivals.items[i], &text);
        say(e, ENSURE_BLOCKED, "%s", buf_text(&text));
        buf_done(&text);
    }
    return true;
}

static bool create(struct ensure *e, struct err *err)
{
    bool blocked, newer;
    int64_t id = 0;

    if (!blocked_by_rivals(e, &blocked, err))
        return false;
    if (blocked)
        return true;
    /* A trigger on a folder that is not there is refused. */
    if (!files_make_directory(e->ws, e->plan->data_path, err))
        return err_wrap(err, "make %s", e->plan->data_path);
    if (!keep_code(e, &newer, err))
        return false;
    if (newer)
        return true; /* its program is about to make the job, or has lost it: its matter */
    if (!jobs_create(e->ws, span_of(e->plan->job), &id, err))
        return err_wrap(err, "create the job '%s'", e->plan->job_name);
    e->ret->job_id = id;
    e->ret->result = ENSURE_OK; /* created counts for more than its code */
    say(e, ENSURE_CREATED, "created job %" PRId64 " '%s'", id, e->plan->job_name);
    return after_create(e, id, err);
}

static bool keep(struct ensure *e, const struct job_look *look, struct err *err)
{
    const char *settings = look->paused ? e->plan->job_paused : e->plan->job;
    bool newer;

    if (!keep_code(e, &newer, err))
        return false;
    if (newer || !look->differs[0])
        return true;
    if (!jobs_reset(e->ws, look->id, span_of(settings), err))
        return err_wrap(err, "update job %" PRId64, look->id);
    say(e, ENSURE_UPDATED, "updated job %" PRId64 " (%s)", look->id, look->differs);
    return true;
}

static bool act(struct ensure *e, const struct job_look *look, struct err *err)
{
    e->ret->job_id = look->id;
    e->ret->paused = look->paused;
    switch (look->standing) {
    case JOB_MISSING:
        return create(e, err);
    case JOB_NEWER:
        say(e, ENSURE_NEWER, "job %" PRId64 " was made by a newer program and is left as it is",
            look->id);
        return true;
    case JOB_FOREIGN:
        say(e, ENSURE_BLOCKED,
            "there is a job '%s' that is not ours (it lacks the tag managed_by=%s): rename or "
            "delete it",
            e->plan->job_name, INGESTION_MANAGER);
        return true;
    case JOB_DUPLICATES:
        return delete_duplicates(e, look, err) && keep(e, look, err);
    case JOB_CURRENT:
    case JOB_DIFFERENT:
        break;
    }
    return keep(e, look, err);
}

bool ensure_job(struct workspace *ws, const struct plan *plan, struct ensured *ret, struct err *err)
{
    struct ensure e = {.ws = ws, .plan = plan, .ret = ret};
    struct job_look look = {0};
    bool ok;

    *ret = (struct ensured){.result = ENSURE_OK};
    buf_init(&e.text, 8192);
    ok = job_look_at(ws, plan, &look, err);
    if (!ok)
        err_wrap(err, "look for the job '%s'", plan->job_name);
    ok = ok && act(&e, &look, err);
    if (ok && e.text.len == 0)
        say(&e, ENSURE_OK, "job %" PRId64 " '%s' is as wanted", ret->job_id, plan->job_name);
    if (ok && ret->paused)
        say(&e, ret->result, "it is paused, and stays so");
    (void)str_copy(ret->text, sizeof(ret->text), buf_text(&e.text));
    job_look_done(&look);
    buf_done(&e.text);
    return ok;
}
