/* ingestion/setup_work.h: what the steps of the set-up share; inside this room only.
 *
 * Shape    a step begins (setup_begin), adds calls, SQL and a text, and ends (setup_end).
 * Threads  one.
 */
#ifndef INGESTION_SETUP_WORK_H
#define INGESTION_SETUP_WORK_H

#include "ingestion/setup.h"

struct setup_work {
    struct workspace *ws;
    const struct setup_options *o;
    const struct plan *plan;
    struct setup_report *report;
    setup_each *each;
    void *arg;

    struct setup_step *step; /* the one under way */
    struct buf calls, sql;   /* of it */
    bool no_memory;          /* a text is lost */

    const char *principal; /* NULL: not known */
    char me[128];          /* who is signed in */
    char warehouse[64];    /* chosen once; "": not yet, or none */
    char no_warehouse[400];
    bool warehouse_asked;

    bool volume_there;   /* or would be, in a dry run */
    bool volume_planned; /* dry run: it would be created */
    bool data_there;
    bool table_planned;
    bool table_wrong; /* it is there and does not take our rows */
    char volume_owner[256], table_owner[256];
};

void setup_begin(struct setup_work *w, const char *name, const char *what);
void setup_call(struct setup_work *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void setup_statement(struct setup_work *w, const char *sql);
void setup_end(struct setup_work *w, enum setup_result result, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Runs a statement on the chosen warehouse, or explains why not; in a dry run it is only told.
 * Ends the step: `done` when it succeeded, FAILED (the statement stays for a person) otherwise. */
bool setup_run_sql(struct setup_work *w, const char *sql, enum setup_result done);

void setup_schemas(struct setup_work *w);
void setup_volume(struct setup_work *w);
void setup_table(struct setup_work *w);
void setup_grants(struct setup_work *w);
void setup_directories(struct setup_work *w);
void setup_jobs(struct setup_work *w); /* those of others, then ours with its code */

#endif
