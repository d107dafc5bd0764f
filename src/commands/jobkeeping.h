/* commands/jobkeeping.h: the thread that keeps the ingestion job alive while `run` runs.
 *
 * Shape    jobkeeping_start before the loops start, jobkeeping_stop after they ended. Looks at
 *          once, then every hour; after a failure sooner, with a growing wait. It touches no
 *          reading, and no loop waits for it.
 * Units    _us microseconds.
 * Errors   logged, each change of state once; never the end of the program. The job is a matter of
 *          the workspace, and receiving does not depend on it.
 * Owner    the handle is the caller's; it has a workspace client of its own.
 * Threads  start and stop: one; renew: any.
 * Source   design.md 2, 7.
 */
#ifndef COMMANDS_JOBKEEPING_H
#define COMMANDS_JOBKEEPING_H

#include "config/settings.h"
#include "status/counters.h"

struct jobkeeping;

/* NULL: there is no job to keep, which is logged once, or it could not start, likewise. */
struct jobkeeping *jobkeeping_start(const struct settings *s, struct counters *counters);
/* Cuts a call that is under way. Takes NULL. */
void jobkeeping_stop(struct jobkeeping *jobs);

/* Looks again now, with a fresh access token; with another secret when `secret` is not NULL (taken).
 * Takes NULL. */
void jobkeeping_renew(struct jobkeeping *jobs, struct secret *secret);

#endif
