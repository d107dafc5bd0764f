/* emulator/runner.h: where the APIs of the workspace meet what executes jobs and keeps tables.
 *
 * Shape    two sides that know each other by this file only.
 *
 *            API side                         engine side
 *            jobbook.c   definitions             runner.c  one thread: triggers, and runs one by one
 *            runbook.c   runs: queue, retries    loader*.c Auto Loader, COPY INTO
 *            tree.c   workspace files         delta*.c  tables on disk
 *            stmt.c    parser of statements
 *
 *          A trigger fires, or somebody calls run-now: runbook_add. The runner's thread takes what is
 *          due (runbook_take), executes it and says how it ended (runbook_finish), which also decides on
 *          a retry. Everything of runs and jobs is kept in the ledger, so a restart goes on.
 * Units    _us microseconds. ids are above 2^53 on purpose.
 * Limits   one run executes at a time; 1,000 finished runs are kept.
 * Errors   as each function says.
 * Owner    json_t handed out belongs to the caller (json_decref).
 * Threads  any; the ledger's lock is inside and is never held while the other side is called.
 * Source   databricks-api.md 4.3, 4.5, 6.4, 7.
 */
#ifndef EMULATOR_RUNNER_H
#define EMULATOR_RUNNER_H

#include "emulator/json.h"

#include "base/str.h"
#include "emulator/stmt.h"

struct emulator;

/* --- engine side, called by emulator.c and the APIs --- */

struct runner_options {
    int64_t poll_us;     /* how often triggers are looked at; 0: one minute, as the service */
    int64_t time_scale;  /* seconds of a definition (minimum waits, periods, retry intervals) last
                            1/time_scale as long; 0: 1 */
    int64_t files_limit; /* of a file-arrival trigger without file events; 0: 10,000 */
};

struct runner;

/* Starts the thread; it is emu->runner from then on. Runs that a crash left RUNNING were made due before (runbook_recover). */
struct runner *runner_new(
    struct emulator *emu, const struct runner_options *options, struct err *err);
void runner_free(struct runner *runner); /* stops it; takes NULL */

/* A run was added, a job changed: look now. Takes NULL. */
void runner_wake(struct runner *runner);

/* Tables: Delta below <root>/tables/<catalog>/<schema>/<table>/. The catalog (metastore.c) knows which
 * exist and who may; these do what is on disk. */
NODISCARD bool runner_table_create(struct emulator *emu, const struct stmt_name *table,
    const struct stmt_column *columns, size_t column_count, struct err *err);
NODISCARD bool runner_table_drop(
    struct emulator *emu, const struct stmt_name *table, struct err *err);
NODISCARD bool runner_table_count(
    struct emulator *emu, const struct stmt_name *table, uint64_t *ret, struct err *err);
/* Up to `limit` rows: an array of arrays of strings and nulls, in the order of the columns. */
NODISCARD bool runner_table_rows(struct emulator *emu, const struct stmt_name *table,
    uint64_t limit, json_t **ret, struct err *err);
NODISCARD bool runner_table_properties(struct emulator *emu, const struct stmt_name *table,
    const struct stmt_pair *pairs, size_t count, struct err *err);

struct runner_copied {
    uint64_t affected_rows, inserted_rows, skipped_files;
};
/* COPY INTO, rights already checked. ERR_INPUT with the service's words: a broken file, a column
 * that does not fit. */
NODISCARD bool runner_copy_into(
    struct emulator *emu, const struct stmt *copy, struct runner_copied *ret, struct err *err);

/* --- API side, called by the runner --- */

/* jobbook.c. Every job as jobs/get shows it: [{"job_id":..,"creator_user_name":..,
 * "run_as_user_name":..,"created_time":ms,"settings":{..}, "runner":{..}}]. "runner" is the
 * engine's own memory of the job, absent until set; a reset keeps it. */
json_t *jobbook_copy(struct emulator *emu);

/* Replaces "runner"; its member "trigger_state" is what include_trigger_state shows. Takes over
 * `memory`. A job that is gone is fine. */
NODISCARD bool jobbook_remember(
    struct emulator *emu, int64_t job_id, json_t *memory, struct err *err);

/* runbook.c. */
struct run_work {
    int64_t job_id, run_id, task_run_id;
    int attempt;         /* 0: the first */
    char principal[128]; /* run_as: its grants count */
    json_t *job;         /* the settings at this moment; owned */
    json_t *task;        /* borrowed from job: the task to do */
    json_t *parameters;  /* python_params or job_parameters of run-now, or NULL; owned */
};

/* `trigger`: "FILE_ARRIVAL", "PERIODIC", "ONE_TIME" (run-now), "RETRY". Above max_concurrent_runs
 * the run is QUEUED, or SKIPPED when the queue is off. ERR_INPUT: no such job. */
NODISCARD bool runbook_add(
    struct emulator *emu, int64_t job_id, const char *trigger, int64_t *ret_run, struct err *err);

/* The next run that is due becomes RUNNING. False: none (err->kind ERR_NONE) or the disk failed. */
bool runbook_take(struct emulator *emu, struct run_work *ret, struct err *err);
void run_work_done(struct run_work *work);

/* How long until one may be due, for a run that waits for its retry; -1: none waits. */
int64_t runbook_next_us(struct emulator *emu);

/* Somebody asked to cancel it, or its job is gone: stop at the next file. */
bool runbook_cancelled(struct emulator *emu, int64_t run_id);

/* `error` NULL: SUCCESS. Else FAILED, and tried again while max_retries allows. `logs` is what
 * get-output shows; may be NULL. */
NODISCARD bool runbook_finish(struct emulator *emu, int64_t run_id, const char *error,
    const char *trace, const char *logs, struct err *err);

/* tree.c: the bytes of a workspace file, with or without /Workspace in front. ERR_INPUT: no such
 * file, a notebook, or `principal` may not read it. */
NODISCARD bool tree_read(struct emulator *emu, const char *path, const char *principal,
    struct buf *out, struct err *err);

/* rights.c: may `principal` do this? `type` is "catalog", "schema", "volume" or "table", `name`
 * its full name, `privilege` as REST writes it (WRITE_VOLUME). The USE privileges of the parents are
 * asked for too. False: ERR_DENIED with the service's sentence. */
NODISCARD bool rights_check(struct emulator *emu, const char *principal, const char *type,
    const char *name, const char *privilege, struct err *err);

/* metastore.c: {"columns":[{"name","type_text","type_name","nullable","position"}],...} as tables/get
 * shows it, or NULL. */
json_t *metastore_table(struct emulator *emu, const struct stmt_name *table);

#endif
