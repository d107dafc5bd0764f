/* databricks/jobs_read.h: a job and a run, from the JSON of an answer to our structs.
 *
 * Shape    inside this room only (jobs.c, the fuzz target).
 * Errors   false: no memory; *ret is empty then. What is absent or odd is empty.
 * Owner    the caller: job_done, jobs_run_done.
 * Threads  any.
 * Source   databricks-api.md 4.1, 4.2, 4.4, 4.5.
 */
#ifndef DATABRICKS_JOBS_READ_H
#define DATABRICKS_JOBS_READ_H

#include "databricks/jobs.h"

struct json_t;

bool jobs_read_job(const struct json_t *root, struct job *ret);
bool jobs_read_run(const struct json_t *root, struct jobs_run *ret);

#endif
