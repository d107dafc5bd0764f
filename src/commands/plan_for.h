/* commands/plan_for.h: from settings to what is wanted in the workspace.
 *
 * Shape    one function.
 * Errors   ERR_INPUT: a name that cannot be used, with its reason.
 * Owner    the caller: plan_free. Nothing of the settings is kept.
 * Threads  any.
 * Source   design.md 5, 7.
 */
#ifndef COMMANDS_PLAN_FOR_H
#define COMMANDS_PLAN_FOR_H

#include "config/settings.h"
#include "ingestion/ingestion.h"

/* The volume is set; the table too (config_load of `setup` and `check`, and of `run` with a job). */
struct plan *plan_for(const struct settings *s, struct err *err);

#endif
