/* emulator/runner_inside.h: the runner, for the files runner*.c only.
 *
 * Shape    one thread: runner_look at the triggers, then runner_do for what is due, then it waits.
 * Threads  `tables` is held while a table is read or written: by the thread, and by statements.
 */
#ifndef EMULATOR_RUNNER_INSIDE_H
#define EMULATOR_RUNNER_INSIDE_H

#include <pthread.h>

#include "emulator/loader.h"
#include "emulator/request.h"

struct runner {
    struct emulator *emu;
    struct runner_options options; /* defaults filled in */
    int root;                      /* of the emulator */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* over the three below */
    pthread_cond_t wait;
    bool stop, wake;

    pthread_mutex_t tables;
};

/* runner_trigger.c: fires what is due; what it must remember goes into the job's book. */
void runner_look(struct runner *runner);

/* runner_task.c: one run, to its end in the run book. */
void runner_do(struct runner *runner, struct run_work *work);

/* runner_tables.c: "tables/main/raw/events". ERR_INPUT: a name that is no directory's. */
#define RUNNER_TABLE_PATH_MAX (4 * STMT_NAME_MAX)
NODISCARD bool runner_table_path(
    const struct stmt_name *table, char out[RUNNER_TABLE_PATH_MAX], struct err *err);

/* What the loaders need to know; the caller fills in `cancelled`. */
struct loader_job runner_loader_job(const struct runner *runner, const char *table_path);

#endif
