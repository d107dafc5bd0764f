/* databricks/sql.h: one SQL statement on a warehouse (Statement Execution API 2.0).
 *
 * Shape    sql_execute sends, waits at the server for 30 s, then polls (1 s growing to 5 s) until
 *          the statement ended or `limit_us` is over; then, and when the caller is told to stop
 *          (workspace_stop_on), it is cancelled at the server. All values of a result are texts.
 * Units    _us microseconds.
 * Limits   16 MiB of statement; the rows of the first chunk of a result, 16 MiB of answer.
 * Errors   as databricks/error.h. A statement that FAILED (with HTTP 200) is ERR_DENIED when a
 *          privilege is missing, ERR_RETRY when it may work later, else ERR_INPUT; `ret` then
 *          holds error_code, sql_state and the whole message. Over the limit: ERR_RETRY.
 * Owner    the caller; sql_result_done after every call, also a failed one.
 * Threads  one at a time.
 * Source   databricks-api.md 6.4.
 */
#ifndef DATABRICKS_SQL_H
#define DATABRICKS_SQL_H

#include "base/str.h"
#include "databricks/workspace.h"

struct sql_statement {
    const char *warehouse_id;
    const char *catalog, *schema; /* NULL: none; names without back-ticks */
    struct span text;             /* one statement, no ';' */
    int64_t limit_us;             /* 0: 10 minutes; a stopped classic warehouse needs some */
};

enum sql_state {
    SQL_NOT_SENT,
    SQL_PENDING, /* waits for the warehouse */
    SQL_RUNNING,
    SQL_SUCCEEDED,
    SQL_FAILED,
    SQL_CANCELED,
    SQL_CLOSED, /* it succeeded, and its result is gone */
};

struct sql_result {
    enum sql_state state;
    char statement_id[64];
    char error_code[64], sql_state[8]; /* of a failed one; "": none */
    char *message;                     /* the server's words, redacted; NULL: none */
    char **column_names;
    size_t column_count, row_count;
    char **cells;        /* row by row, column_count each; NULL: null */
    uint64_t total_rows; /* more than row_count: the rest was not fetched */
};

NODISCARD bool sql_execute(struct workspace *ws, const struct sql_statement *statement,
    struct sql_result *ret, struct err *err);
void sql_result_done(struct sql_result *result);

/* NULL: null, or there is no such cell. */
const char *sql_cell(const struct sql_result *result, size_t row, size_t column);
/* By its name, without regard to case; column_count: there is none. */
size_t sql_column(const struct sql_result *result, const char *name);

#endif
