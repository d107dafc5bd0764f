/* Steps of the set-up beyond the catalog: directories, jobs of others, our code and our job. */
#include "ingestion/setup_work.h"

#include "databricks/files.h"

static void one_directory(struct setup_work *w, const char *path, bool *ret_there)
{
    bool exists = false;
    struct err err;

    setup_begin(w, "directory", path);
    if (!w->volume_there) {
        setup_end(w, SETUP_SKIPPED, "there is no volume yet");
        return;
    }
    if (!w->volume_planned && !files_directory_exists(w->ws, path, &exists, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    *ret_there = true;
    if (exists) {
        setup_end(w, SETUP_OK, "%s", "");
    } else if (w->o->dry_run) {
        setup_call(w, "PUT /api/2.0/fs/directories%s", path);
        setup_end(w, SETUP_WOULD_CREATE, "%s", "");
    } else if (files_make_directory(w->ws, path, &err)) {
        setup_end(w, SETUP_CREATED, "%s", "");
    } else {
        *ret_there = false;
        setup_end(w, SETUP_FAILED, "%s", err.text);
    }
}

void setup_directories(struct setup_work *w)
{
    bool ignored = false;

    one_directory(w, w->plan->data_path, &w->data_there);
    one_directory(w, w->plan->checkpoint_path, &ignored);
    if (w->plan->options.clean_source)
        one_directory(w, w->plan->archive_path, &ignored);
}

/* --- jobs of others --- */

static void explain_all(
    const struct plan *plan, const struct rivals *rivals, bool paused, struct buf *out)
{
    for (size_t i = 0; i < rivals->count; i++) {
        if (rivals->items[i].paused && !paused)
            continue;
        if (out->len)
            buf_add_text(out, "; ");
        rival_explain(plan, &rivals->items[i], out);
    }
}

static bool pause_original(
    struct setup_work *w, struct rivals *rivals, size_t *ret, struct err *err)
{
    *ret = 0;
    for (size_t i = 0; i < rivals->count; i++) {
        struct rival *rival = &rivals->items[i];

        if (rival->kind != RIVAL_ORIGINAL || rival->paused)
            continue;
        setup_call(
            w, "POST /api/2.2/jobs/update: pause job %lld '%s'", (long long)rival->id, rival->name);
        if (!w->o->dry_run && !jobs_pause(w->ws, rival->id, true, err))
            return err_wrap(err, "pause job %lld", (long long)rival->id);
        rival->paused = true;
        rivals->active--;
        ++*ret;
    }
    return true;
}

/* True: nobody else loads our folder. */
static bool other_jobs(struct setup_work *w)
{
    struct rivals rivals;
    size_t paused = 0;
    struct buf text;
    struct err err;

    setup_begin(w, "other jobs", w->plan->trigger_folder);
    if (!rivals_find(w->ws, w->plan, &rivals, &err) ||
        (w->o->replace_original && !pause_original(w, &rivals, &paused, &err))) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return false;
    }
    buf_init(&text, 8192);
    explain_all(w->plan, &rivals, rivals.active == 0, &text);
    if (rivals.partial)
        buf_printf(&text, "%sthere are more jobs than were looked at", text.len ? "; " : "");
    if (rivals.active)
        setup_end(w, SETUP_FAILED, "%s", buf_text(&text));
    else if (paused && w->o->dry_run)
        setup_end(w, SETUP_WOULD_UPDATE, "the original app's job would be paused");
    else if (paused)
        setup_end(w, SETUP_UPDATED, "paused the original app's job; %s", buf_text(&text));
    else
        setup_end(w, SETUP_OK, "%s", buf_text(&text));
    buf_done(&text);
    return rivals.active == 0;
}

/* --- ours --- */

static const char not_ours[] = "a job of this name is there and not ours: rename or delete it";

static void code_dry(struct setup_work *w)
{
    enum code_standing standing = CODE_MISSING;
    struct err err;

    setup_begin(w, "code", w->plan->code_path);
    if (!code_look_at(w->ws, w->plan, &standing, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    setup_call(w, "POST /api/2.0/workspace/mkdirs %s", w->plan->options.folder);
    setup_call(w, "POST /api/2.0/workspace/import %s", w->plan->code_path);
    switch (standing) {
    case CODE_CURRENT:
        setup_end(w, SETUP_OK, "%s", "");
        break;
    case CODE_MISSING:
        setup_end(w, SETUP_WOULD_CREATE, "%s", "");
        break;
    case CODE_DIFFERENT:
        setup_end(w, SETUP_WOULD_UPDATE, "it differs");
        break;
    case CODE_NEWER:
        setup_end(w, SETUP_OK, "of a newer program; left as it is");
        break;
    }
}

static void job_dry(struct setup_work *w)
{
    struct job_look look;
    struct err err;

    code_dry(w);
    setup_begin(w, "job", w->plan->job_name);
    if (!job_look_at(w->ws, w->plan, &look, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    switch (look.standing) {
    case JOB_CURRENT:
        setup_end(w, SETUP_OK, "%s", look.paused ? "it is paused, and stays so" : "");
        break;
    case JOB_MISSING:
        setup_call(w, "POST /api/2.2/jobs/create %s", w->plan->job);
        setup_end(w, SETUP_WOULD_CREATE, "%s", "");
        break;
    case JOB_DIFFERENT:
        setup_call(w, "POST /api/2.2/jobs/reset of job %lld to %s", (long long)look.id,
            look.paused ? w->plan->job_paused : w->plan->job);
        setup_end(w, SETUP_WOULD_UPDATE, "%s", look.differs);
        break;
    case JOB_DUPLICATES:
        for (size_t i = 0; i < look.extra_count; i++)
            setup_call(w, "POST /api/2.2/jobs/delete {\"job_id\":%lld}", (long long)look.extra[i]);
        setup_end(w, SETUP_WOULD_UPDATE, "several of ours; %lld stays", (long long)look.id);
        break;
    case JOB_NEWER:
        setup_end(w, SETUP_OK, "made by a newer program; left as it is");
        break;
    case JOB_FOREIGN:
        setup_end(w, SETUP_FAILED, "%s", not_ours);
        break;
    }
    job_look_done(&look);
}

static void our_job(struct setup_work *w)
{
    static const enum setup_result results[] = {[ENSURE_OK] = SETUP_OK,
        [ENSURE_CREATED] = SETUP_CREATED,
        [ENSURE_UPDATED] = SETUP_UPDATED,
        [ENSURE_NEWER] = SETUP_OK,
        [ENSURE_BLOCKED] = SETUP_FAILED};
    struct ensured ensured;
    struct err err;

    setup_begin(w, "job", w->plan->job_name);
    if (!ensure_job(w->ws, w->plan, &ensured, &err))
        setup_end(w, SETUP_FAILED, "%s", err.text);
    else
        setup_end(w, results[ensured.result], "%s", ensured.text);
}

/* An e-mail address or an application id: one that signs in by itself. Else it is a group. */
static bool names_one(const char *principal)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;

    if (strchr(principal, '@'))
        return true;
    while (principal[i] && form[i] && (principal[i] == '-') == (form[i] == '-'))
        i++;
    return !principal[i] && !form[i];
}

/* A job belongs to who creates it, runs with that one's rights, and others do not even see it: of
 * one that we make here the uploader would make a second, on the same files. Only when somebody said
 * so: a DATABRICKS_CLIENT_ID beside a token is no sign that `run` signs in with it. */
static bool is_for_another(const struct setup_work *w)
{
    return w->o->principal && strcmp(w->o->principal, w->me) != 0 && names_one(w->o->principal);
}

static void leave_job(struct setup_work *w)
{
    struct job_look look;
    const char *creator;
    struct err err;

    setup_begin(w, "job", w->plan->job_name);
    if (!job_look_at(w->ws, w->plan, &look, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    creator = look.job.creator && *look.job.creator ? look.job.creator : w->principal;
    if (look.standing == JOB_FOREIGN)
        setup_end(w, SETUP_FAILED, "%s", not_ours);
    else if (!look.id)
        setup_end(
            w, SETUP_OK, "left to %s, to whom it then belongs: its `run` makes it", w->principal);
    else if (strcmp(creator, w->principal) == 0)
        setup_end(w, SETUP_OK, "job %lld of %s, whose `run` keeps it", (long long)look.id, creator);
    else
        setup_end(w, SETUP_FAILED,
            "job %lld was made by %s; %s may not see it, and its `run` would make a second one: "
            "delete that job",
            (long long)look.id, creator, w->principal);
    job_look_done(&look);
}

static void skip_job(struct setup_work *w, const char *why)
{
    setup_begin(w, "job", w->plan->job_name);
    setup_end(w, SETUP_SKIPPED, "%s", why);
}

void setup_jobs(struct setup_work *w)
{
    bool alone;

    if (w->plan->options.loader == INGESTION_NONE) {
        setup_begin(w, "job", "none");
        setup_end(w, SETUP_OK,
            "no job is set; files wait in the volume. DATABRICKS_JOB_CLUSTER_ID, "
            "DATABRICKS_JOB_WAREHOUSE_ID or DATABRICKS_JOB_SERVERLESS makes one");
        return;
    }
    alone = other_jobs(w);
    if (!w->data_there)
        skip_job(w, "there is no directory for it to watch yet");
    else if (!alone)
        skip_job(w, "another job loads the same folder");
    else if (w->table_wrong)
        skip_job(w, "the table does not take its rows");
    else if (is_for_another(w))
        leave_job(w);
    else if (w->o->dry_run)
        job_dry(w);
    else
        our_job(w);
}
