/* ingestion/setup.h: the one-time set-up as a list of steps: sign-in, schema, volume, table, grants,
 * directories, other jobs, code, job.
 *
 * Shape    setup_run goes through all steps, as far as each can go; every step is told to `each` as
 *          soon as it is over and kept in the report. A step that fails does not end the others,
 *          except those that build on it (skipped).
 * Limits   SETUP_STEPS_MAX steps; texts are cut to their fields, SQL and calls are not.
 * Errors   false only when nothing more can be said (no memory); what a step met is in the step.
 * Owner    the caller owns the report: setup_report_init, setup_report_done.
 * Threads  one at a time.
 * Source   databricks-api.md 6, 10; design.md 4, 7.
 */
#ifndef INGESTION_SETUP_H
#define INGESTION_SETUP_H

#include "ingestion/ingestion.h"

struct setup_options {
    const struct plan *plan;
    const char *principal;    /* who gets the grants; NULL: client_id, else who we sign in as */
    const char *client_id;    /* NULL: not signed in as a service principal */
    const char *warehouse_id; /* for SQL when there is no COPY INTO job; NULL: the only one */
    bool dry_run;             /* no call that changes anything */
    bool replace_original;    /* pause the original app's job first */
};

enum setup_result {
    SETUP_OK,
    SETUP_CREATED,
    SETUP_UPDATED,
    SETUP_WOULD_CREATE, /* dry_run */
    SETUP_WOULD_UPDATE, /* dry_run */
    SETUP_SKIPPED,      /* builds on a step that is not done */
    SETUP_FAILED,
};
const char *setup_result_name(enum setup_result result); /* "ok", "would create", ... */

struct setup_step {
    char name[24];  /* "volume" */
    char what[400]; /* "main.raw.land" */
    enum setup_result result;
    char text[700]; /* why, or what was done; "": nothing to say */
    char *calls;    /* dry_run: the calls it would make, one a line; NULL: none */
    char *sql;      /* what it would run, or what a person with the rights has to; NULL: none */
};

#define SETUP_STEPS_MAX 32

struct setup_report {
    struct setup_step steps[SETUP_STEPS_MAX];
    size_t count;
    size_t failed;       /* steps that are not done, skipped ones too */
    char principal[256]; /* who the grants are for; "": not known */
};

typedef void setup_each(void *arg, const struct setup_step *step);

void setup_report_init(struct setup_report *report);
void setup_report_done(struct setup_report *report);

NODISCARD bool setup_run(struct workspace *ws, const struct setup_options *options,
    setup_each *each, void *arg, struct setup_report *ret, struct err *err);

/* All the SQL, each statement with its semicolon, without a network; a placeholder stands for a
 * principal that is NULL. */
bool setup_sql(const struct plan *plan, const char *principal, struct buf *out);

#endif
