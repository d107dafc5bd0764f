/* emulator/runbook.h: runs of jobs, waiting, running and done.
 *
 * Shape    the book: {"runs":[{"run_id","job_id","name","creator","principal","trigger","state",
 *          "result","message","created","start","end","due","task","token","parameters","cancel",
 *          "attempts":[{"run_id","task_key","attempt","state","result","message","start","end",
 *          "error","trace","logs"}]}]}, oldest first. The tasks of a job are done in their order.
 *          runner.h has the functions of the runner.
 * Units    milliseconds since 1970.
 * Limits   1,000 finished runs; the oldest go.
 * Errors   as runner.h says.
 * Threads  any: the ledger's lock.
 * Source   databricks-api.md 4.5.
 */
#ifndef EMULATOR_RUNBOOK_H
#define EMULATOR_RUNBOOK_H

#include "emulator/request.h"

/* After a start: what a crash left running is due again. */
NODISCARD bool runbook_recover(struct emulator *emu, struct err *err);

/* As runbook_add, with what run-now may say. *ret_run of an earlier call with the same token. */
struct run_wish {
    const char *trigger;
    const char *token; /* NULL: none */
    const json_t *parameters;
};
NODISCARD bool runbook_wish(struct emulator *emu, int64_t job_id, const struct run_wish *wish,
    int64_t *ret_run, struct err *err);

/* With the book open. */
json_t *runbook_find(json_t *book, int64_t run_id);
bool runbook_is_over(const json_t *run);
void runbook_end_cancelled(json_t *run);

#endif
