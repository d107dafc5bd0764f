/* Which jobs there are, and what each of them is to us. */
#include "ingestion/ingestion.h"

#include <stdio.h>

#define JOBS_MAX 10000 /* as many as a workspace holds */
#define SAME_NAME_MAX 1000

static bool is_ours(const struct plan *plan, const struct job *job)
{
    return strcmp(job_tag(job, "managed_by"), INGESTION_MANAGER) == 0 &&
           strcmp(job->name, plan->job_name) == 0;
}

/* --- our job --- */

/* Paths are told with and without /Workspace. */
static const char *bare_path(const char *path)
{
    return strncmp(path, "/Workspace/", 11) == 0 ? path + 10 : path;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *trigger_differs(const struct plan *plan, const struct job *job)
{
    if (plan->options.trigger == INGESTION_PERIODIC)
        return job->start == JOBS_START_PERIODIC ? NULL : "how it is started";
    if (job->start != JOBS_START_FILE_ARRIVAL)
        return "how it is started";
    return strcmp(job->trigger_url, plan->trigger_folder) == 0 ? NULL : "the folder it watches";
}

static const char *task_differs(const struct plan *plan, const struct job *job)
{
    const struct ingestion_options *o = &plan->options;
    const struct jobs_task *task = job->tasks;
    bool sql = o->loader == INGESTION_COPY_INTO;

    if (!job->has_tasks)
        return NULL; /* not told: the hash has to do */
    if (job->task_count != 1 || task->kind != (sql ? JOBS_TASK_SQL_FILE : JOBS_TASK_PYTHON_FILE))
        return "its tasks";
    if (strcmp(bare_path(task->path), bare_path(plan->code_path)) != 0)
        return "the file it runs";
    if (sql ? strcmp(task->warehouse_id, or_empty(o->warehouse_id)) != 0
            : strcmp(task->cluster_id, or_empty(o->cluster_id)) != 0)
        return "where it runs";
    return NULL;
}

/* A person who edits a job leaves its tags as they were, so the hash alone does not tell. */
static void judge_one(const struct plan *plan, const struct job *job, struct job_look *ret)
{
    uint64_t version = 0;
    const char *differs = NULL;

    ret->paused = job->paused;
    (void)str_u64(span_of(job_tag(job, "version")), &version);
    if (version > INGESTION_VERSION) {
        ret->standing = JOB_NEWER;
        return;
    }
    if (version < INGESTION_VERSION)
        differs = "made by an older program";
    else if (strcmp(job_tag(job, "hash"), plan->hash) != 0)
        differs = "made with other settings";
    else if (job->max_concurrent_runs > 1)
        differs = "several runs at a time";
    else
        differs = trigger_differs(plan, job);
    if (!differs)
        differs = task_differs(plan, job);
    ret->standing = differs ? JOB_DIFFERENT : JOB_CURRENT;
    (void)str_copy(ret->differs, sizeof(ret->differs), differs ? differs : "");
}

/* Of ours, the one with the lowest id: every uploader that looks agrees on it. */
static const struct job *lowest_of_ours(const struct plan *plan, const struct jobs_list *list)
{
    const struct job *lowest = NULL;

    for (size_t i = 0; i < list->count; i++)
        if (is_ours(plan, &list->items[i]) && (!lowest || list->items[i].id < lowest->id))
            lowest = &list->items[i];
    return lowest;
}

void job_judge(const struct plan *plan, const struct jobs_list *list, const struct job *job,
    struct job_look *ret)
{
    const size_t extra_max = sizeof(ret->extra) / sizeof(*ret->extra);
    const struct job *ours = lowest_of_ours(plan, list);

    *ret = (struct job_look){.standing = JOB_MISSING};
    for (size_t i = 0; i < list->count; i++) {
        if (!is_ours(plan, &list->items[i]))
            ret->foreign_count += strcmp(list->items[i].name, plan->job_name) == 0;
        else if (&list->items[i] != ours && ret->extra_count < extra_max)
            ret->extra[ret->extra_count++] = list->items[i].id;
    }
    if (ours) {
        ret->id = ours->id;
        judge_one(plan, job ? job : ours, ret);
    } else if (ret->foreign_count) {
        ret->standing = JOB_FOREIGN;
    }
    if (ret->extra_count && ret->standing != JOB_NEWER)
        ret->standing = JOB_DUPLICATES;
}

bool job_look_at(
    struct workspace *ws, const struct plan *plan, struct job_look *ret, struct err *err)
{
    const struct job *ours;
    struct jobs_list list;
    struct job job = {0};
    bool exists = true, ok;

    *ret = (struct job_look){.standing = JOB_MISSING};
    if (!jobs_list_get(ws, plan->job_name, false, SAME_NAME_MAX, &list, err))
        return false;
    ours = lowest_of_ours(plan, &list);
    ok = !ours || jobs_get(ws, ours->id, &job, &exists, err);
    if (ok && !exists) /* gone between the two calls, or not there yet: look again later */
        ok =
            err_set(err, ERR_RETRY, 0, "job %lld was listed and is not there", (long long)ours->id);
    if (ok) {
        job_judge(plan, &list, ours ? &job : NULL, ret);
        ret->job = job;
    } else {
        job_done(&job);
    }
    jobs_list_done(&list);
    return ok;
}

void job_look_done(struct job_look *look)
{
    job_done(&look->job);
}

/* --- jobs of others on our folder --- */

static const char *const original_names[] = {"Kelvin - Auto Loader", "Kelvin - COPY INTO"};

static bool is_original(const struct job *job)
{
    for (size_t i = 0; i < sizeof(original_names) / sizeof(*original_names); i++)
        if (strcmp(job->name, original_names[i]) == 0)
            return true;
    return false;
}

/* `url` is `folder`, which ends with a slash, or lies below it. */
static bool is_below(const char *url, const char *folder)
{
    size_t len = strlen(folder);

    if (strncmp(url, folder, len) == 0)
        return true;
    return strlen(url) == len - 1 && strncmp(url, folder, len - 1) == 0;
}

/* The volume's root with its slash: "/Volumes/c/s/v/". */
static bool in_our_volume(const struct plan *plan, const char *url)
{
    size_t len = strlen(plan->trigger_folder) - strlen("data/");

    return strncmp(url, plan->trigger_folder, len - 1) == 0 &&
           (url[len - 1] == '/' || url[len - 1] == '\0');
}

static bool judge_rival(const struct plan *plan, const struct job *job, enum rival_kind *ret)
{
    bool ours = strcmp(job_tag(job, "managed_by"), INGESTION_MANAGER) == 0;

    if (plan->job_name && strcmp(job->name, plan->job_name) == 0)
        return false; /* job_judge's matter */
    if (is_original(job)) {
        /* It may be of another volume altogether; one without a folder could be of any. */
        *ret = RIVAL_ORIGINAL;
        return job->start != JOBS_START_FILE_ARRIVAL || in_our_volume(plan, job->trigger_url);
    }
    if (ours) {
        *ret = RIVAL_TABLE;
        return (plan->volume_tag && strcmp(job_tag(job, "volume"), plan->volume_tag) == 0) ||
               is_below(job->trigger_url, plan->trigger_folder);
    }
    *ret = RIVAL_FOLDER;
    return job->start == JOBS_START_FILE_ARRIVAL &&
           is_below(job->trigger_url, plan->trigger_folder);
}

void rivals_judge(const struct plan *plan, const struct jobs_list *list, struct rivals *ret)
{
    *ret = (struct rivals){.partial = list->more};
    for (size_t i = 0; i < list->count; i++) {
        const struct job *job = &list->items[i];
        struct rival *rival;
        enum rival_kind kind;

        if (!judge_rival(plan, job, &kind))
            continue;
        ret->active += !job->paused;
        if (ret->count == RIVALS_MAX) {
            ret->partial = true;
            continue;
        }
        rival = &ret->items[ret->count++];
        *rival = (struct rival){.kind = kind, .id = job->id, .paused = job->paused};
        (void)str_copy(rival->name, sizeof(rival->name), job->name);
        (void)str_copy(rival->creator, sizeof(rival->creator), job->creator);
    }
}

bool rivals_find(struct workspace *ws, const struct plan *plan, struct rivals *ret, struct err *err)
{
    struct jobs_list list;

    *ret = (struct rivals){0};
    if (!jobs_list_get(ws, NULL, false, JOBS_MAX, &list, err))
        return false;
    rivals_judge(plan, &list, ret);
    jobs_list_done(&list);
    return true;
}

bool rival_explain(const struct plan *plan, const struct rival *rival, struct buf *out)
{
    buf_printf(out, "job %lld '", (long long)rival->id);
    str_show(out, span_of(rival->name), 100);
    buf_add_byte(out, '\'');
    if (rival->creator[0]) {
        buf_add_text(out, " of ");
        str_show(out, span_of(rival->creator), 60);
    }
    if (rival->paused)
        return buf_printf(out, " is paused and not in the way");
    switch (rival->kind) {
    case RIVAL_ORIGINAL:
        return buf_printf(out,
            " is the original app's and would load %s a second time: pause or delete it, or let "
            "`setup --replace-original` pause it",
            plan->trigger_folder);
    case RIVAL_TABLE:
        return buf_printf(out,
            " loads the same folder into another table: one volume feeds one table, so give this "
            "table a volume of its own, or delete that job");
    case RIVAL_FOLDER:
        break;
    }
    return buf_printf(out, " is started by files in %s too: pause it, or use another volume",
        plan->trigger_folder);
}
