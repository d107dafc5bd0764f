/* emulator/jobbook.h: definitions of jobs, and who may do what with them.
 *
 * Shape    the book: {"jobs":{"<id>":{"job_id","creator_user_name","run_as_user_name",
 *          "created_time","settings","acl":[{"principal","key","level"}],"runner"}}}.
 *          runner.h has jobbook_copy and jobbook_remember.
 * Limits   10,000 jobs.
 * Errors   job_check answers the request itself.
 * Threads  any: the ledger's lock.
 * Source   databricks-api.md 4.1-4.4, 4.6.
 */
#ifndef EMULATOR_JOBBOOK_H
#define EMULATOR_JOBBOOK_H

#include "emulator/talk.h"

#define JOBBOOK_MAX 10000U

enum job_level { JOB_NONE, JOB_VIEW, JOB_RUN, JOB_MANAGE, JOB_OWNER };

/* Level of `principal`; admins own everything. The ledger must be open. */
enum job_level jobbook_level(const struct emulator *emu, const json_t *job, const char *principal);

/* "CAN_VIEW" and so on; JOB_NONE: no such word. */
enum job_level jobbook_level_of(const char *word);

/* The job in the open book, or NULL after an answer: missing, or `need` is not there. `missing`:
 * the status for one that does not exist. */
json_t *jobbook_find(struct request *req, json_t *book, int64_t job_id, enum job_level need);

/* Are these settings the service would take? Else answers 400 or 403. */
bool job_check(struct request *req, const json_t *settings);

/* Fills what the service adds. */
void job_defaults(json_t *settings);

/* Something the runner wants to know. */
void job_changed(struct emulator *emu);

#endif
