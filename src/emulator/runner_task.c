#include "emulator/runner_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/statement.h"

#define CODE_BYTES_MAX (10U << 20) /* databricks-api.md 5 */

/* One run on its way. */
struct task {
    struct runner *runner;
    struct run_work *work;
    struct buf logs; /* what get-output shows */
};

static bool cancelled(void *arg)
{
    const struct task *task = arg;

    return runbook_cancelled(task->runner->emu, task->work->run_id);
}

static bool may(
    struct task *task, const char *type, const char *name, const char *privilege, struct err *err)
{
    return rights_check(task->runner->emu, task->work->principal, type, name, privilege, err);
}

/* The volume a path lies in: "main.raw.land". */
static bool may_volume(struct task *task, const char *text, const char *privilege, struct err *err)
{
    struct path *path = calloc(1, sizeof(*path));
    char name[3 * STMT_NAME_MAX];
    bool ok = path && loader_path(text, path, err);

    if (!path)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    if (ok) {
        (void)snprintf(name, sizeof(name), "%s.%s.%s", path->part[1], path->part[2], path->part[3]);
        ok = may(task, "volume", name, privilege, err);
    }
    free(path);
    return ok;
}

/* SELECT and MODIFY on a table that is there. */
static bool may_table(struct task *task, const struct stmt_name *table, struct err *err)
{
    char name[3 * STMT_NAME_MAX];
    json_t *found;

    if (!stmt_full_name(table, "", "", name) || table->count != 3)
        return err_set(err, ERR_INPUT, 0, "the table's name must have three parts");
    if (!may(task, "table", name, "SELECT", err) || !may(task, "table", name, "MODIFY", err))
        return false;
    found = metastore_table(task->runner->emu, table);
    json_decref(found);
    return found || err_set(err, ERR_INPUT, 0,
                        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `%.60s`.`%.60s`.`%.60s` "
                        "cannot be found.",
                        table->part[0], table->part[1], table->part[2]);
}

/* --- Auto Loader: a Python file --- */

/* {{job.id}} and its like become what they stand for. */
static json_t *fill_in(struct task *task, const char *text)
{
    const json_t *arrival =
        json_object_get(json_object_get(task->work->job, "trigger"), "file_arrival");
    char id[32], run[32];
    const struct {
        const char *name, *value;
    } known[] = {{"{{job.id}}", id}, {"{{job.run_id}}", run},
        {"{{job.trigger.file_arrival.location}}", json_member(arrival, "url")}};
    struct buf out;
    json_t *filled;

    (void)snprintf(id, sizeof(id), "%lld", (long long)task->work->job_id);
    (void)snprintf(run, sizeof(run), "%lld", (long long)task->work->run_id);
    buf_init(&out, 65536);
    while (*text) {
        size_t i = 0, count = sizeof(known) / sizeof(known[0]);

        while (i < count && strncmp(text, known[i].name, strlen(known[i].name)) != 0)
            i++;
        if (i < count) {
            (void)buf_add_text(&out, known[i].value);
            text += strlen(known[i].name);
        } else {
            (void)buf_add_byte(&out, (uint8_t)*text++);
        }
    }
    filled = out.failed ? NULL : json_string(buf_text(&out));
    buf_done(&out);
    return filled;
}

static json_t *python_parameters(struct task *task, const json_t *python)
{
    const json_t *wanted = json_object_get(python, "parameters"), *parameter;
    json_t *filled = json_array();
    size_t i;

    /* python_params of run-now replace the task's. */
    if (json_is_array(task->work->parameters))
        wanted = task->work->parameters;
    json_array_foreach(wanted, i, parameter)
    {
        const char *text = json_string_value(parameter);

        (void)json_array_append_new(filled, fill_in(task, text ? text : ""));
    }
    return filled;
}

/* The name as SQL reads it, back-ticks and all. */
static bool parse_table(const char *text, struct stmt_name *ret, struct err *err)
{
    struct stmt statement = {0};
    struct buf sql;
    bool ok;

    buf_init(&sql, 65536);
    (void)buf_printf(&sql, "DESCRIBE TABLE %s", text);
    ok = buf_check(&sql, "a table's name", err) &&
         stmt_parse((struct span){sql.data, sql.len}, &statement, err);
    if (ok)
        *ret = statement.name;
    stmt_done(&statement);
    buf_done(&sql);
    return ok;
}

static bool may_stream(struct task *task, const struct loader_stream *stream,
    const struct stmt_name *table, struct err *err)
{
    return may_volume(task, stream->source, "READ_VOLUME", err) &&
           may_volume(task, stream->checkpoint, "READ_VOLUME", err) &&
           may_volume(task, stream->checkpoint, "WRITE_VOLUME", err) &&
           (!stream->move || may_volume(task, stream->archive, "WRITE_VOLUME", err)) &&
           may_table(task, table, err);
}

static bool stream_once(struct task *task, const struct loader_stream *stream, struct err *err)
{
    struct stmt_name *table = calloc(1, sizeof(*table));
    char path[RUNNER_TABLE_PATH_MAX];
    struct loader_result result = {0};
    struct loader_job job;
    bool ok = table && parse_table(stream->table, table, err) &&
              may_stream(task, stream, table, err) && runner_table_path(table, path, err);

    if (!table)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a name");
    if (ok) {
        job = runner_loader_job(task->runner, path);
        job.cancelled = cancelled;
        job.arg = task;
        (void)pthread_mutex_lock(&task->runner->tables);
        ok = loader_auto(&job, stream, &result, err);
        (void)pthread_mutex_unlock(&task->runner->tables);
        (void)buf_printf(&task->logs,
            "%llu rows of %llu files in %llu batches; %llu files known, %llu moved\n",
            (unsigned long long)result.rows, (unsigned long long)result.files,
            (unsigned long long)result.batches, (unsigned long long)result.skipped,
            (unsigned long long)result.moved);
    }
    free(table);
    return ok;
}

/* From the workspace, or from a volume. */
static bool read_code(struct task *task, const char *path, struct buf *out, struct err *err)
{
    static const char volumes[] = "/Volumes/";
    struct path *parts;
    bool ok;

    if (strncmp(path, volumes, strlen(volumes)) != 0)
        return tree_read(task->runner->emu, path, task->work->principal, out, err);
    parts = calloc(1, sizeof(*parts));
    if (!parts)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    ok = may_volume(task, path, "READ_VOLUME", err) && loader_path(path, parts, err) &&
         file_read_whole(task->runner->root, path + 1, out, err);
    free(parts);
    return ok;
}

static bool do_python(struct task *task, const json_t *python, struct err *err)
{
    struct loader_stream *stream = calloc(1, sizeof(*stream));
    json_t *parameters = python_parameters(task, python);
    struct buf code;
    bool ok = stream && parameters;

    if (!ok)
        err_set(err, ERR_FULL, ENOMEM, "no memory for a task");
    buf_init(&code, CODE_BYTES_MAX);
    ok = ok && read_code(task, json_member(python, "python_file"), &code, err) &&
         loader_script(
             (struct span){code.data ? code.data : "", code.len}, parameters, stream, err) &&
         stream_once(task, stream, err);
    buf_done(&code);
    json_decref(parameters);
    free(stream);
    return ok;
}

/* --- COPY INTO: a SQL file --- */

static bool copy_once(struct task *task, const struct stmt *copy, struct err *err)
{
    char path[RUNNER_TABLE_PATH_MAX];
    struct loader_result result = {0};
    struct loader_job job;
    bool ok;

    if (!may_volume(task, copy->text, "READ_VOLUME", err) || !may_table(task, &copy->name, err) ||
        !runner_table_path(&copy->name, path, err))
        return false;
    job = runner_loader_job(task->runner, path);
    job.cancelled = cancelled;
    job.arg = task;
    (void)pthread_mutex_lock(&task->runner->tables);
    ok = loader_copy(&job, copy, &result, err);
    (void)pthread_mutex_unlock(&task->runner->tables);
    (void)buf_printf(&task->logs, "%llu rows of %llu files; %llu files known\n",
        (unsigned long long)result.rows, (unsigned long long)result.files,
        (unsigned long long)result.skipped);
    return ok;
}

/* COPY INTO here, where a cancelled run is noticed; the rest as the SQL API does it. */
static bool do_statement(struct task *task, struct span text, struct err *err)
{
    struct stmt statement = {0};
    json_t *result = NULL;
    bool ok = stmt_parse(text, &statement, err);

    if (ok && statement.kind == STMT_COPY_INTO)
        ok = copy_once(task, &statement, err);
    else if (ok)
        ok = statement_run(task->runner->emu, task->work->principal, text, "", "", &result, err);
    json_decref(result);
    stmt_done(&statement);
    return ok;
}

static bool do_sql(struct task *task, const json_t *sql, struct err *err)
{
    const json_t *file = json_object_get(sql, "file");
    struct span script, statement;
    struct buf code;
    bool ok;

    if (!file)
        return err_set(err, ERR_INPUT, 0, "a sql_task without a file is not done here");
    buf_init(&code, CODE_BYTES_MAX);
    ok = read_code(task, json_member(file, "path"), &code, err);
    script = (struct span){code.data ? code.data : "", code.len};
    while (ok && stmt_next(&script, &statement))
        ok = do_statement(task, statement, err);
    buf_done(&code);
    return ok;
}

/* --- the run --- */

static bool do_task(struct task *task, struct err *err)
{
    const json_t *definition;

    if ((definition = json_object_get(task->work->task, "spark_python_task")) != NULL)
        return do_python(task, definition, err);
    if ((definition = json_object_get(task->work->task, "sql_task")) != NULL)
        return do_sql(task, definition, err);
    return err_set(
        err, ERR_INPUT, 0, "the emulator does spark_python_task and sql_task, and nothing else");
}

void runner_do(struct runner *runner, struct run_work *work)
{
    struct task task = {.runner = runner, .work = work};
    struct err err = {0}, book = {0};
    bool ok;

    buf_init(&task.logs, 65536);
    ok = do_task(&task, &err);
    /* A run that cannot be written down stays RUNNING, and is done again after a restart: what it
     * loaded is in the table's log, so nothing is doubled. */
    if (!runbook_finish(
            runner->emu, work->run_id, ok ? NULL : err.text, NULL, buf_text(&task.logs), &book))
        err_clear(&book);
    buf_done(&task.logs);
}
