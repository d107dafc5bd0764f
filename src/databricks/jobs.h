/* databricks/jobs.h: jobs and their runs (Jobs API 2.2).
 *
 * Shape    one function a call; each waits for its answer. What is read goes into open structs of
 *          the caller: texts are never NULL ("" when the answer has none), lists may be empty,
 *          unknown fields are ignored. What is written travels as JSON text.
 * Units    _us microseconds since the epoch, 0: not said. Ids are int64 and pass 2^53.
 * Limits   a list ends at its `max`; a page of an answer at 4 MiB.
 * Errors   as databricks/error.h. The struct is empty (and safe to x_done) after a failure, and
 *          when *ret_exists is false. A job id nobody has may be told as a 403: who may not see a
 *          job is not told that it exists.
 * Owner    the caller; x_done frees and takes an empty struct too.
 * Threads  one at a time.
 * Source   databricks-api.md 3.2 (overrides), 4.
 */
#ifndef DATABRICKS_JOBS_H
#define DATABRICKS_JOBS_H

#include "base/str.h"
#include "databricks/workspace.h"

#define JOBS_RUN_TOKEN_MAX 64 /* bytes of an idempotency token */

enum jobs_start {
    JOBS_START_NONE, /* by hand only */
    JOBS_START_FILE_ARRIVAL,
    JOBS_START_PERIODIC,
    JOBS_START_SCHEDULE, /* cron */
    JOBS_START_CONTINUOUS,
    JOBS_START_OTHER, /* a kind we do not know: table updates, several triggers */
};

enum jobs_task_kind {
    JOBS_TASK_PYTHON_FILE, /* spark_python_task; path is its python_file */
    JOBS_TASK_SQL_FILE,    /* sql_task with a file; path is its path */
    JOBS_TASK_NOTEBOOK,    /* path is the notebook's */
    JOBS_TASK_OTHER,
};

struct jobs_tag {
    char *key, *value;
};

struct jobs_task {
    char *key;
    enum jobs_task_kind kind;
    char *path;
    char *cluster_id, *warehouse_id, *environment_key;
    char **parameters; /* of a python file: those of its command line */
    size_t parameter_count;
};

struct job {
    int64_t id;
    int64_t created_us;
    char *name, *description;
    char *creator, *run_as; /* a user name, or the application id of a service principal */
    struct jobs_tag *tags;
    size_t tag_count;
    enum jobs_start start;
    bool paused;
    char *trigger_url;     /* of a file arrival */
    int using_file_events; /* 1, 0; -1: not said (a list never says) */
    int64_t max_concurrent_runs;
    bool has_tasks; /* the answer had them: jobs_get, or jobs_list with tasks */
    struct jobs_task *tasks;
    size_t task_count;
};

void job_done(struct job *job);
const char *job_tag(const struct job *job, const char *key); /* "": there is none */

struct jobs_list {
    struct job *items;
    size_t count;
    bool more; /* the workspace has more than `max` */
};

void jobs_list_done(struct jobs_list *list);

/* All jobs we may see; `name` NULL: of any name, else exactly this one (the service ignores case,
 * we compare again). With `tasks` their tasks too. At most `max`, all pages. */
NODISCARD bool jobs_list_get(struct workspace *ws, const char *name, bool tasks, size_t max,
    struct jobs_list *ret, struct err *err);

/* With tasks and the state of the trigger. *ret_exists false: no such job. */
NODISCARD bool jobs_get(
    struct workspace *ws, int64_t id, struct job *ret, bool *ret_exists, struct err *err);

/* `settings`: a JSON object, sent as it is. Not safe to repeat after a lost answer: list first. */
NODISCARD bool jobs_create(
    struct workspace *ws, struct span settings, int64_t *ret_id, struct err *err);
/* Replaces everything except run_as. */
NODISCARD bool jobs_reset(struct workspace *ws, int64_t id, struct span settings, struct err *err);
/* Replaces the top-level fields of `settings`, whole. */
NODISCARD bool jobs_update(struct workspace *ws, int64_t id, struct span settings, struct err *err);
/* Pauses (or starts again) whatever starts the job: reads the job and sends its trigger, schedule
 * or continuous back with another pause_status. Fine when nothing starts it. */
NODISCARD bool jobs_pause(struct workspace *ws, int64_t id, bool paused, struct err *err);
/* Missing is fine. */
NODISCARD bool jobs_delete(struct workspace *ws, int64_t id, struct err *err);

enum jobs_run_state {
    JOBS_RUN_WAITING, /* queued, pending, blocked, waiting for a retry */
    JOBS_RUN_RUNNING,
    JOBS_RUN_SUCCEEDED,
    JOBS_RUN_FAILED, /* also: time-out, internal error */
    JOBS_RUN_CANCELED,
    JOBS_RUN_SKIPPED, /* another run was under way, or the job is switched off */
};

struct jobs_run {
    int64_t id, job_id;
    int64_t task_id; /* of the first task's run: for jobs_run_output; 0: not said */
    int64_t start_us, end_us;
    enum jobs_run_state state;
    char *state_text; /* the service's own words, "TERMINATED SUCCESS" */
    char *message;    /* why it failed; may be long */
    char *page_url;
    char *trigger; /* "FILE_ARRIVAL", "ONE_TIME", ... */
};

void jobs_run_done(struct jobs_run *run);
bool jobs_run_ended(const struct jobs_run *run);

/* `token`: at most JOBS_RUN_TOKEN_MAX bytes, one for each intent: the same token never makes a
 * second run. */
NODISCARD bool jobs_run_now(
    struct workspace *ws, int64_t id, const char *token, int64_t *ret_run_id, struct err *err);
NODISCARD bool jobs_run_get(
    struct workspace *ws, int64_t run_id, struct jobs_run *ret, bool *ret_exists, struct err *err);

struct jobs_runs {
    struct jobs_run *items;
    size_t count;
};

void jobs_runs_done(struct jobs_runs *runs);

enum jobs_runs_which { JOBS_RUNS_ALL, JOBS_RUNS_ACTIVE, JOBS_RUNS_COMPLETED };

/* The newest first. At most `max`, all pages. */
NODISCARD bool jobs_runs_list(struct workspace *ws, int64_t job_id, enum jobs_runs_which which,
    size_t max, struct jobs_runs *ret, struct err *err);

/* What a task's run said of its failure, behind `out`; nothing when it said nothing. */
NODISCARD bool jobs_run_output(
    struct workspace *ws, int64_t task_id, struct buf *out, struct err *err);

#endif
