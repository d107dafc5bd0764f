/* emulator/statement.h: does what a SQL statement says, and shows its result.
 *
 * Shape    statement_run: rights, effect, and a result {"columns":[{"name","type_name",
 *          "type_text"}],"rows":[[text or null]]}.
 * Errors   ERR_INPUT and ERR_DENIED with the service's sentence, its SQLSTATE inside.
 * Threads  any: statements that make or drop tables go one at a time.
 * Source   databricks-api.md 6.4.
 */
#ifndef EMULATOR_STATEMENT_H
#define EMULATOR_STATEMENT_H

#include "emulator/request.h"

struct statements;

struct statements *statements_new(struct err *err);
void statements_free(struct statements *statements);

/* `catalog` and `schema` complete short names; "" for none. The result is the caller's. */
NODISCARD bool statement_run(struct emulator *emu, const char *principal, struct span sql,
    const char *catalog, const char *schema, json_t **ret, struct err *err);

/* Finished statements by their id: the last 256 are kept. `entry` is taken over. */
void statements_keep(struct statements *statements, const char *id, json_t *entry);
/* A copy, or NULL. */
json_t *statements_find(struct statements *statements, const char *id);
/* Marks it canceled unless it is over at `now_ms`. False: no such statement. */
bool statements_cancel(struct statements *statements, const char *id, int64_t now_ms);

/* Making and dropping. */
void statements_lock(struct statements *statements);
void statements_unlock(struct statements *statements);

#endif
