/* The frame of the set-up: who we are, then step by step; and all its SQL as one text. */
#include "ingestion/setup_work.h"

#include "databricks/me.h"
#include "databricks/sql.h"

#include <assert.h>
#include <stdlib.h>

#define STEP_TEXT_MAX ((size_t)512 * 1024)

const char *setup_result_name(enum setup_result result)
{
    static const char *const names[] = {
        "ok", "created", "updated", "would create", "would update", "skipped", "failed"};

    return names[result];
}

void setup_report_init(struct setup_report *report)
{
    memset(report, 0, sizeof(*report));
}

void setup_report_done(struct setup_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->steps[i].calls);
        free(report->steps[i].sql);
    }
    report->count = 0;
}

/* --- a step --- */

void setup_begin(struct setup_work *w, const char *name, const char *what)
{
    assert(w->report->count < SETUP_STEPS_MAX);
    w->step = &w->report->steps[w->report->count];
    *w->step = (struct setup_step){.result = SETUP_OK};
    (void)str_copy(w->step->name, sizeof(w->step->name), name);
    (void)str_copy(w->step->what, sizeof(w->step->what), what);
    buf_reset(&w->calls);
    buf_reset(&w->sql);
}

void setup_call(struct setup_work *w, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&w->calls, fmt, args);
    va_end(args);
    buf_add_byte(&w->calls, '\n');
}

void setup_statement(struct setup_work *w, const char *sql)
{
    buf_printf(&w->sql, "%s;\n", sql);
}

/* NULL: there is nothing to say, or no memory to say it, which setup_run tells. */
static char *keep_text(struct setup_work *w, struct buf *buf)
{
    char *text;

    if (!buf->len && !buf->failed)
        return NULL;
    text = buf->failed ? NULL : strdup(buf_text(buf));
    w->no_memory = w->no_memory || !text || buf->failed;
    return text;
}

void setup_end(struct setup_work *w, enum setup_result result, const char *fmt, ...)
{
    struct setup_step *step = w->step;
    struct buf text;
    va_list args;

    buf_init(&text, sizeof(step->text) * 8);
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    (void)str_copy(step->text, sizeof(step->text), buf_text(&text));
    buf_done(&text);
    step->result = result;
    /* Calls are of interest while they are only planned; SQL also when a person has to run it. */
    if (result == SETUP_WOULD_CREATE || result == SETUP_WOULD_UPDATE)
        step->calls = keep_text(w, &w->calls);
    if (result == SETUP_WOULD_CREATE || result == SETUP_WOULD_UPDATE || result == SETUP_FAILED ||
        result == SETUP_SKIPPED)
        step->sql = keep_text(w, &w->sql);
    w->report->failed += result == SETUP_FAILED || result == SETUP_SKIPPED;
    w->report->count++;
    w->step = NULL;
    if (w->each)
        w->each(w->arg, step);
}

/* --- SQL --- */

static bool choose(struct setup_work *w)
{
    const struct ingestion_options *o = &w->plan->options;
    char why[200];
    struct err err;

    if (w->warehouse_asked)
        return w->warehouse[0] != '\0';
    w->warehouse_asked = true;
    if (!warehouse_choose(w->ws, o->loader == INGESTION_COPY_INTO ? o->warehouse_id : NULL,
            w->o->warehouse_id, w->warehouse, why, &err))
        (void)str_copy(w->no_warehouse, sizeof(w->no_warehouse), err.text);
    else
        (void)str_copy(w->no_warehouse, sizeof(w->no_warehouse), why);
    return w->warehouse[0] != '\0';
}

bool setup_run_sql(struct setup_work *w, const char *sql, enum setup_result done)
{
    struct sql_statement statement = {.text = span_of(sql)};
    struct sql_result result;
    struct err err;
    bool ok;

    setup_statement(w, sql);
    if (!choose(w)) {
        setup_end(w, SETUP_FAILED, "%s; run the SQL below by hand", w->no_warehouse);
        return false;
    }
    if (w->o->dry_run) {
        setup_call(w, "POST /api/2.0/sql/statements (on warehouse %s)", w->warehouse);
        setup_end(w, done == SETUP_CREATED ? SETUP_WOULD_CREATE : SETUP_WOULD_UPDATE, "%s", "");
        return true;
    }
    statement.warehouse_id = w->warehouse;
    ok = sql_execute(w->ws, &statement, &result, &err);
    sql_result_done(&result);
    if (ok)
        setup_end(w, done, "%s", "");
    else
        setup_end(w, SETUP_FAILED, "%s", err.text);
    return ok;
}

/* --- who --- */

/* False: sign-in does not work, and nothing else will. */
static bool sign_in(struct setup_work *w)
{
    struct me me;
    struct err err;

    setup_begin(w, "sign-in", workspace_host(w->ws));
    if (!me_get(w->ws, &me, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return false;
    }
    (void)str_copy(w->me, sizeof(w->me), me.user_name);
    if (!w->principal)
        w->principal = w->o->client_id;
    (void)str_copy(w->report->principal, sizeof(w->report->principal),
        w->principal ? w->principal : me.user_name);
    w->principal = w->report->principal[0] ? w->report->principal : NULL;
    if (w->principal && strcmp(w->principal, me.user_name) == 0)
        setup_end(w, SETUP_OK, "as %s", me.user_name);
    else
        setup_end(w, SETUP_OK, "as %s; the grants go to %s", me.user_name,
            w->principal ? w->principal : "nobody: name somebody with --principal");
    return true;
}

bool setup_run(struct workspace *ws, const struct setup_options *options, setup_each *each,
    void *arg, struct setup_report *ret, struct err *err)
{
    struct setup_work w = {.ws = ws,
        .o = options,
        .plan = options->plan,
        .report = ret,
        .each = each,
        .arg = arg,
        .principal = options->principal};
    bool ok;

    buf_init(&w.calls, STEP_TEXT_MAX);
    buf_init(&w.sql, STEP_TEXT_MAX);
    if (sign_in(&w)) {
        setup_schemas(&w);
        setup_volume(&w);
        setup_table(&w);
        setup_grants(&w);
        setup_directories(&w);
        setup_jobs(&w);
    }
    ok = !w.no_memory || err_set(err, ERR_FULL, 0, "no memory for the texts of the set-up");
    buf_done(&w.calls);
    buf_done(&w.sql);
    return ok;
}

bool setup_sql(const struct plan *plan, const char *principal, struct buf *out)
{
    const char *const statements[] = {
        plan->create_schema, plan->create_table_schema, plan->create_volume, plan->create_table};
    struct plan_grant grants[PLAN_GRANTS_MAX];
    size_t count = plan_grants(plan, grants);

    buf_add_text(out, "-- For a person who may create a volume and a table there, and grant.\n");
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        if (statements[i])
            buf_printf(out, "%s;\n", statements[i]);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "-- %s:\n", grants[i].why);
        plan_grant_sql(&grants[i], principal, out);
        buf_add_text(out, ";\n");
    }
    return !out->failed;
}
