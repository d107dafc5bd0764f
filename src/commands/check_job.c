/* `check`, the job: what it runs on, whether it is there, current and not paused, how its last run
 * ended, who else loads the same files, and how many files lie in data/. */
#include "commands/check.h"

#include "databricks/files.h"

#include <stdio.h>
#include <stdlib.h>

#define CALL_US (4 * CLOCK_SECOND_US)
#define RUNS_MAX 5

/* databricks-api.md 4.3: without file events the trigger stops at 10,000 files. */
#define FILES_LIMIT 10000
#define FILES_WARN 8000
#define FOLDERS_MAX 4096

/* Auto Loader moves loaded files away from this runtime on (databricks-api.md 7.3). */
#define CLEAN_MAJOR 16
#define CLEAN_MINOR 4

/* --- what it runs on --- */

static void look_warehouse(struct check *c)
{
    struct compute_warehouse w = {0};
    struct err err = {0};
    bool exists = false;

    if (!compute_warehouse_get(c->ws, c->s->job_warehouse_id, &w, &exists, &err))
        check_call_failed(c, "compute", &err, "grant CAN USE on the SQL warehouse");
    else if (!exists)
        check_say(c, CHECK_FAIL, "compute", "correct DATABRICKS_JOB_WAREHOUSE_ID",
            "there is no SQL warehouse %s", c->s->job_warehouse_id);
    else if (!compute_warehouse_usable(&w))
        check_say(c, CHECK_FAIL, "compute", "name another one in DATABRICKS_JOB_WAREHOUSE_ID",
            "SQL warehouse %s is %s", w.name, w.state);
    else if (!compute_warehouse_runs_files(&w))
        check_say(c, CHECK_FAIL, "compute",
            "name a pro or serverless one in DATABRICKS_JOB_WAREHOUSE_ID",
            "SQL warehouse %s is a classic one, which runs no SQL files of jobs", w.name);
    else
        check_say(c, CHECK_OK, "compute", NULL, "SQL warehouse %s is %s%s", w.name, w.state,
            strcmp(w.state, "RUNNING") == 0 ? "" : "; it starts by itself");
}

static void say_cluster(struct check *c, const struct compute_cluster *cluster)
{
    unsigned major = 0, minor = 0;
    bool known = compute_cluster_version(cluster, &major, &minor);

    if (!compute_cluster_has_catalog(cluster))
        check_say(c, CHECK_FAIL, "compute",
            "set its access mode to dedicated (single user) or standard (shared)",
            "cluster %s cannot use Unity Catalog (access mode '%s')", cluster->name,
            cluster->access_mode);
    else if (cluster->single_user[0] && strcmp(cluster->single_user, c->me.user_name) != 0)
        check_say(c, CHECK_WARN, "compute",
            "use a shared cluster, or make it ours: the job runs as who made it",
            "cluster %s is for %s alone", cluster->name, cluster->single_user);
    else if (c->s->job_clean_source && known &&
             (major < CLEAN_MAJOR || (major == CLEAN_MAJOR && minor < CLEAN_MINOR)))
        check_say(c, CHECK_FAIL, "compute",
            "use Databricks Runtime 16.4 or newer, or job_clean_source = no",
            "cluster %s has runtime %u.%u, which cannot move loaded files away", cluster->name,
            major, minor);
    else if (strcmp(cluster->state, "ERROR") == 0 || strcmp(cluster->state, "UNKNOWN") == 0)
        check_say(c, CHECK_FAIL, "compute", "look at the cluster in the workspace",
            "cluster %s is %s: %s", cluster->name, cluster->state, cluster->state_message);
    else
        check_say(c, CHECK_OK, "compute", NULL, "cluster %s is %s%s", cluster->name, cluster->state,
            strcmp(cluster->state, "RUNNING") == 0 ? "" : "; the job starts it");
}

static void look_cluster(struct check *c)
{
    struct compute_cluster cluster = {0};
    struct err err = {0};
    bool exists = false;

    if (!compute_cluster_get(c->ws, c->s->job_cluster_id, &cluster, &exists, &err))
        check_call_failed(c, "compute", &err, "grant CAN RESTART on the cluster");
    else if (!exists)
        check_say(c, CHECK_FAIL, "compute", "correct DATABRICKS_JOB_CLUSTER_ID",
            "there is no cluster %s", c->s->job_cluster_id);
    else
        say_cluster(c, &cluster);
}

static void look_compute(struct check *c)
{
    if (c->s->job_loader == JOB_LOADER_AUTO_LOADER && !c->s->job_cluster_id)
        check_say(c, CHECK_OK, "compute", NULL, "serverless");
    else if (!check_call_begin(c, "compute", CALL_US))
        return;
    else if (c->s->job_loader == JOB_LOADER_COPY_INTO)
        look_warehouse(c);
    else
        look_cluster(c);
}

/* --- the job itself --- */

static void say_job(struct check *c, const struct job_look *look)
{
    static const char itself[] = "`volume-uploader setup` does it now, `run` by itself";
    const char *name = c->plan->job_name;
    long long id = (long long)look->id;

    switch (look->standing) {
    case JOB_CURRENT:
        if (look->paused)
            check_say(c, CHECK_FAIL, "job", "switch it on again in the workspace (Resume)",
                "%s (%lld) is paused: no rows reach the table", name, id);
        else
            check_say(c, CHECK_OK, "job", NULL, "%s (%lld) is current%s", name, id,
                look->job.using_file_events == 1 ? ", with file events" : "");
        break;
    case JOB_MISSING:
        check_say(c, CHECK_WARN, "job", itself, "%s does not exist yet", name);
        break;
    case JOB_DIFFERENT:
        check_say(c, CHECK_WARN, "job", itself, "%s (%lld) has another definition: %s%s", name, id,
            look->differs, look->paused ? "; it is paused" : "");
        break;
    case JOB_NEWER:
        check_say(c, CHECK_WARN, "job", "update this program",
            "%s (%lld) was made by a newer version and is left alone", name, id);
        break;
    case JOB_DUPLICATES:
        check_say(c, CHECK_WARN, "job", itself, "%s exists %zu times; %lld stays", name,
            look->extra_count + 1, id);
        break;
    case JOB_FOREIGN:
        check_say(c, CHECK_FAIL, "job", "rename or delete that job, then run `setup`",
            "a job %s exists that is not ours", name);
        break;
    }
}

static void look_code(struct check *c)
{
    static const char itself[] = "`volume-uploader setup` writes it now, `run` by itself";
    enum code_standing standing = CODE_MISSING;
    struct err err = {0};

    if (!check_call_begin(c, "code", CALL_US))
        return;
    if (!code_look_at(c->ws, c->plan, &standing, &err)) {
        check_call_failed(c, "code", &err, "let us read the folder of the job's code");
        return;
    }
    switch (standing) {
    case CODE_CURRENT:
        check_say(c, CHECK_OK, "code", NULL, "%s is current", c->plan->code_path);
        break;
    case CODE_MISSING:
        check_say(c, CHECK_WARN, "code", itself, "%s does not exist yet", c->plan->code_path);
        break;
    case CODE_DIFFERENT:
        check_say(c, CHECK_WARN, "code", itself, "%s is another text", c->plan->code_path);
        break;
    case CODE_NEWER:
        check_say(c, CHECK_WARN, "code", "update this program",
            "%s was written by a newer version and is left alone", c->plan->code_path);
        break;
    }
}

/* --- its last run --- */

static void say_failed_run(struct check *c, const struct jobs_run *run, const char *ago)
{
    struct err ignored;
    char remedy[256];
    struct buf why;

    buf_init(&why, 4096);
    if (!run->task_id || !check_call_begin(c, "last run", CALL_US) ||
        !jobs_run_output(c->ws, run->task_id, &why, &ignored) || why.len == 0)
        buf_add_text(&why, run->message);
    (void)snprintf(remedy, sizeof(remedy), "see the run in the workspace%s%.200s",
        run->page_url[0] ? ": " : "", run->page_url);
    check_say(c, CHECK_FAIL, "last run", remedy, "failed %s ago (%s): %s", ago, run->state_text,
        buf_text(&why));
    buf_done(&why);
}

static void say_run(struct check *c, const struct jobs_run *run)
{
    char ago[32];
    int64_t since = clock_wall_us() - (run->end_us ? run->end_us : run->start_us);

    (void)str_duration(ago, sizeof(ago), since > 0 ? since : 0);
    switch (run->state) {
    case JOBS_RUN_WAITING:
    case JOBS_RUN_RUNNING:
        check_say(c, CHECK_OK, "last run", NULL, "under way for %s (%s)", ago, run->state_text);
        break;
    case JOBS_RUN_SUCCEEDED:
        check_say(c, CHECK_OK, "last run", NULL, "succeeded %s ago", ago);
        break;
    case JOBS_RUN_FAILED:
        say_failed_run(c, run, ago);
        break;
    case JOBS_RUN_CANCELED:
    case JOBS_RUN_SKIPPED:
        check_say(c, CHECK_WARN, "last run", "see the job's runs in the workspace",
            "did not happen %s ago (%s)%s%s", ago, run->state_text, run->message[0] ? ": " : "",
            run->message);
        break;
    }
}

static void look_runs(struct check *c, int64_t job_id)
{
    struct jobs_runs runs = {0};
    struct err err = {0};
    size_t i = 0;

    if (!check_call_begin(c, "last run", CALL_US))
        return;
    if (!jobs_runs_list(c->ws, job_id, JOBS_RUNS_ALL, RUNS_MAX, &runs, &err)) {
        check_call_failed(c, "last run", &err, "grant CAN VIEW on the job");
        return;
    }
    /* One that runs now says less than the one that ended before it. */
    while (i < runs.count && !jobs_run_ended(&runs.items[i]))
        i++;
    if (runs.count)
        say_run(c, &runs.items[i < runs.count ? i : 0]);
    else
        check_say(c, CHECK_OK, "last run", NULL, "none yet");
    jobs_runs_done(&runs);
}

/* --- others on the same files --- */

static void look_rivals(struct check *c)
{
    struct rivals rivals = {0};
    struct err err = {0};

    if (!check_call_begin(c, "other jobs", CALL_US))
        return;
    if (!rivals_find(c->ws, c->plan, &rivals, &err)) {
        /* A workspace may hold 10,000 jobs, which are told by the hundred. */
        if (workspace_stopped(c->ws))
            check_say(c, CHECK_WARN, "other jobs",
                "`volume-uploader setup --dry-run` takes the time to look at all of them",
                "the jobs of the workspace could not be gone through within %lld ms",
                (long long)((clock_mono_us() - c->step_us) / 1000));
        else
            check_call_failed(c, "other jobs", &err, NULL);
        return;
    }
    for (size_t i = 0; i < rivals.count; i++) {
        struct buf text;

        buf_init(&text, 4096);
        (void)rival_explain(c->plan, &rivals.items[i], &text);
        check_say(c, rivals.items[i].paused ? CHECK_OK : CHECK_FAIL, "other jobs", NULL, "%s",
            buf_text(&text));
        buf_done(&text);
    }
    if (rivals.count == 0)
        check_say(c, CHECK_OK, "other jobs", NULL, "none loads our files%s",
            rivals.partial ? ", as far as we looked" : "");
}

/* --- files in data/ --- */

struct files_look {
    uint64_t files;
    char **folders;
    size_t folder_count;
};

static bool count_entry(void *arg, const struct files_entry *entry)
{
    struct files_look *l = arg;

    if (!entry->directory)
        l->files++;
    else if (l->folder_count < FOLDERS_MAX && (l->folders[l->folder_count] = strdup(entry->name)))
        l->folder_count++;
    return l->files < FILES_LIMIT;
}

/* data/ and the folders in it (one a day with file_layout = daily): the trigger counts them all.
 * *ret_all false: there was no time for the rest. */
static bool count_files(struct check *c, struct files_look *l, bool *ret_all, struct err *err)
{
    bool exists = false;
    struct buf path;
    bool ok = files_list(c->ws, c->plan->data_path, UINT64_MAX, count_entry, l, &exists, err);
    size_t folders = l->folder_count;

    *ret_all = ok;
    buf_init(&path, 4096);
    for (size_t i = 0; ok && i < folders && l->files < FILES_LIMIT; i++) {
        buf_reset(&path);
        buf_printf(&path, "%s/%s", c->plan->data_path, l->folders[i]);
        if (files_list(c->ws, buf_text(&path), UINT64_MAX, count_entry, l, &exists, err))
            continue;
        *ret_all = false;
        /* Some of it counted is better than nothing said. */
        ok = workspace_stopped(c->ws);
        break;
    }
    buf_done(&path);
    return ok || (workspace_stopped(c->ws) && l->files > 0);
}

static void say_files(
    struct check *c, const struct job_look *look, const struct files_look *l, bool all)
{
    bool limited = c->s->job_loader != JOB_LOADER_NONE &&
                   c->s->job_trigger == JOB_TRIGGER_FILE_ARRIVAL &&
                   look->job.using_file_events != 1;
    const char *least = !all || l->files >= FILES_LIMIT ? "at least " : "";
    char files[32];

    (void)str_count(files, sizeof(files), l->files);
    if (!limited || l->files < FILES_WARN)
        check_say(c, CHECK_OK, "files in data/", NULL, "%s%s%s", least, files,
            limited ? " of the 10,000 at which the job's trigger stops" : "");
    else
        check_say(c, l->files < FILES_LIMIT ? CHECK_WARN : CHECK_FAIL, "files in data/",
            c->s->job_loader == JOB_LOADER_AUTO_LOADER
                ? "set job_clean_source = yes (runtime 16.4 or newer), or job_trigger = periodic, "
                  "or switch on file events for the external location"
                : "set job_trigger = periodic, or switch on file events for the external location",
            "%s%s; at 10,000 the job's trigger stops starting it", least, files);
}

static void look_files(struct check *c, const struct job_look *look)
{
    struct files_look l = {.folders = calloc(FOLDERS_MAX, sizeof(*l.folders))};
    struct err err = {0};
    bool all = true;

    if (!c->volume_there)
        check_say(c, CHECK_SKIP, "files in data/", NULL, "there is no volume");
    if (!c->volume_there || !l.folders || !check_call_begin(c, "files in data/", CALL_US)) {
        free(l.folders);
        return;
    }
    if (count_files(c, &l, &all, &err))
        say_files(c, look, &l, all);
    else
        check_call_failed(c, "files in data/", &err, "grant READ VOLUME on the volume");
    for (size_t i = 0; i < l.folder_count; i++)
        free(l.folders[i]);
    free(l.folders);
}

/* --- all of it --- */

static void look_job(struct check *c, struct job_look *look)
{
    struct err err = {0};

    look_compute(c);
    if (!check_call_begin(c, "job", CALL_US))
        return;
    if (!job_look_at(c->ws, c->plan, look, &err)) {
        check_call_failed(c, "job", &err, "let us see the workspace's jobs");
        return;
    }
    say_job(c, look);
    look_code(c);
    if (look->id)
        look_runs(c, look->id);
}

void check_job(struct check *c)
{
    struct job_look look = {.job = {.using_file_events = -1}};

    if (c->s->job_loader == JOB_LOADER_NONE) {
        check_say(c, CHECK_SKIP, "compute", NULL, "no job is wanted");
        check_say(c, CHECK_SKIP, "job", NULL,
            "none is wanted: neither DATABRICKS_JOB_CLUSTER_ID, DATABRICKS_JOB_WAREHOUSE_ID nor "
            "DATABRICKS_JOB_SERVERLESS is set");
    } else {
        look_job(c, &look);
        look_rivals(c); /* without a job of ours, who loads the files is not our business */
    }
    look_files(c, &look);
    job_look_done(&look);
}
