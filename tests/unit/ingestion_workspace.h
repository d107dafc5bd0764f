/* A workspace in memory for the tests of ingestion: the calls of databricks/ are replaced by these
 * (linker wrap), write down what they did ("! " in front: it changed something), and fail on
 * request. Jobs are read from the very JSON that was sent, by databricks' own reader.
 *
 * CMake looks for the names to wrap in the tests themselves: each has the whole list. */
#ifndef TESTS_INGESTION_WORKSPACE_H
#define TESTS_INGESTION_WORKSPACE_H

#include "databricks/files.h"
#include "databricks/jobs_read.h"
#include "databricks/me.h"
#include "databricks/sql.h"
#include "databricks/workspace_files.h"
#include "ingestion/setup.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAKE_MAX 32
#define SOME_TESTS __attribute__((unused)) /* not every test calls it */

struct fake_job {
    int64_t id;
    char *settings; /* NULL: a free place */
};

static struct {
    struct fake_job jobs[FAKE_MAX];
    int64_t next_id;
    char *code_path, *code;
    bool schema, volume, table, data, checkpoints, archive;
    const char *volume_owner, *table_owner;
    const char *columns[8]; /* "payload double"; "x string!" : not null */
    char granted[2048];     /* "USE_CATALOG main\n" */
    bool privileges_known;
    struct compute_warehouse warehouses[4];
    size_t warehouse_count;

    char log[16384];
    const char *fail; /* the call that fails, by its word in the log */
    int fail_times;   /* -1: always */
    enum err_kind fail_kind;
    int fail_code;
    bool create_lost;         /* the create that fails did happen */
    const char *also_created; /* settings that somebody else creates right before we do */
    bool list_is_late;        /* does not show what was created since the list before */
} fake;

static void fake_begin(void)
{
    for (size_t i = 0; i < FAKE_MAX; i++)
        free(fake.jobs[i].settings);
    free(fake.code_path);
    free(fake.code);
    memset(&fake, 0, sizeof(fake));
    fake.next_id = INT64_C(9007199254740993); /* beyond 2^53 */
    fake.privileges_known = true;
    fake.volume_owner = fake.table_owner = "somebody";
    fake.warehouses[0] = (struct compute_warehouse){
        .id = "w1", .name = "one", .state = "STOPPED", .type = "PRO", .serverless = true};
    fake.warehouse_count = 1;
}

SOME_TESTS static int fake_setup(void **state)
{
    (void)state;
    fake_begin();
    return 0;
}

SOME_TESTS static int fake_teardown(void **state)
{
    (void)state;
    fake_begin();
    return 0;
}

static void fake_note(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void fake_note(const char *fmt, ...)
{
    size_t len = strlen(fake.log);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(fake.log + len, sizeof(fake.log) - len - 1, fmt, args);
    va_end(args);
    strncat(fake.log, "\n", sizeof(fake.log) - strlen(fake.log) - 1);
}

static bool fake_fails(const char *what, struct err *err)
{
    if (!fake.fail || strcmp(fake.fail, what) != 0 || fake.fail_times == 0)
        return false;
    if (fake.fail_times > 0)
        fake.fail_times--;
    err_set(err, fake.fail_kind, fake.fail_code, "%s: made to fail", what);
    return true;
}

SOME_TESTS static unsigned fake_changes(void)
{
    unsigned count = 0;

    for (const char *p = fake.log; (p = strstr(p, "! ")) != NULL; p += 2)
        count++;
    return count;
}

SOME_TESTS static bool fake_did(const char *what)
{
    return strstr(fake.log, what) != NULL;
}

/* --- jobs --- */

static int64_t fake_add_job(const char *settings)
{
    for (size_t i = 0; i < FAKE_MAX; i++)
        if (!fake.jobs[i].settings) {
            fake.jobs[i] = (struct fake_job){fake.next_id++, strdup(settings)};
            return fake.jobs[i].id;
        }
    fail_msg("no room for a job");
    return 0;
}

SOME_TESTS static struct fake_job *fake_job_of(int64_t id)
{
    for (size_t i = 0; i < FAKE_MAX; i++)
        if (fake.jobs[i].settings && fake.jobs[i].id == id)
            return &fake.jobs[i];
    return NULL;
}

SOME_TESTS static size_t fake_job_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < FAKE_MAX; i++)
        count += fake.jobs[i].settings != NULL;
    return count;
}

/* As the service would show it: a list leaves the tasks out. */
static void fake_read_job(const struct fake_job *from, bool tasks, struct job *ret)
{
    json_error_t wrong;
    json_t *root = json_pack("{s:I,s:s,s:o}", "job_id", (json_int_t)from->id, "creator_user_name",
        "somebody", "settings", json_loads(from->settings, 0, &wrong));

    assert_non_null(root);
    if (!tasks)
        (void)json_object_del(json_object_get(root, "settings"), "tasks");
    assert_true(jobs_read_job(root, ret));
    json_decref(root);
}

bool __wrap_jobs_list_get(struct workspace *ws, const char *name, bool tasks, size_t max,
    struct jobs_list *ret, struct err *err);
bool __wrap_jobs_list_get(struct workspace *ws, const char *name, bool tasks, size_t max,
    struct jobs_list *ret, struct err *err)
{
    (void)ws;
    *ret = (struct jobs_list){NULL, 0, false};
    fake_note("list %s", name ? name : "all");
    if (fake_fails("list", err))
        return false;
    ret->items = calloc(FAKE_MAX, sizeof(*ret->items));
    assert_non_null(ret->items);
    for (size_t i = 0; i < FAKE_MAX && ret->count < max; i++) {
        struct job *job = &ret->items[ret->count];

        if (!fake.jobs[i].settings || (fake.list_is_late && fake_did("! create")))
            continue;
        fake_read_job(&fake.jobs[i], tasks, job);
        if (name && strcmp(job->name, name) != 0)
            job_done(job);
        else
            ret->count++;
    }
    return true;
}

bool __wrap_jobs_get(
    struct workspace *ws, int64_t id, struct job *ret, bool *ret_exists, struct err *err);
bool __wrap_jobs_get(
    struct workspace *ws, int64_t id, struct job *ret, bool *ret_exists, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("get %lld", (long long)id);
    if (fake_fails("get", err))
        return false;
    *ret_exists = fake_job_of(id) != NULL;
    if (*ret_exists)
        fake_read_job(fake_job_of(id), true, ret);
    return true;
}

static char *fake_text(struct span text)
{
    char *copy = malloc(text.len + 1);

    assert_non_null(copy);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

bool __wrap_jobs_create(
    struct workspace *ws, struct span settings, int64_t *ret_id, struct err *err);
bool __wrap_jobs_create(
    struct workspace *ws, struct span settings, int64_t *ret_id, struct err *err)
{
    char *text = fake_text(settings);
    bool fails;

    (void)ws;
    fake_note("! create");
    if (fake.also_created)
        (void)fake_add_job(fake.also_created);
    fails = fake_fails("create", err);
    if (!fails || fake.create_lost)
        *ret_id = fake_add_job(text);
    free(text);
    return !fails;
}

bool __wrap_jobs_reset(struct workspace *ws, int64_t id, struct span settings, struct err *err);
bool __wrap_jobs_reset(struct workspace *ws, int64_t id, struct span settings, struct err *err)
{
    struct fake_job *job = fake_job_of(id);

    (void)ws;
    fake_note("! reset %lld", (long long)id);
    if (fake_fails("reset", err))
        return false;
    assert_non_null(job);
    free(job->settings);
    job->settings = fake_text(settings);
    return true;
}

SOME_TESTS static void fake_pause(int64_t id, bool paused)
{
    struct fake_job *job = fake_job_of(id);
    json_error_t wrong;
    json_t *root;

    assert_non_null(job);
    root = json_loads(job->settings, 0, &wrong);
    assert_non_null(json_object_get(root, "trigger"));
    (void)json_object_set_new(json_object_get(root, "trigger"), "pause_status",
        json_string(paused ? "PAUSED" : "UNPAUSED"));
    free(job->settings);
    job->settings = json_dumps(root, JSON_COMPACT);
    json_decref(root);
}

bool __wrap_jobs_pause(struct workspace *ws, int64_t id, bool paused, struct err *err);
bool __wrap_jobs_pause(struct workspace *ws, int64_t id, bool paused, struct err *err)
{
    (void)ws;
    fake_note("! pause %lld", (long long)id);
    if (fake_fails("pause", err))
        return false;
    fake_pause(id, paused);
    return true;
}

bool __wrap_jobs_delete(struct workspace *ws, int64_t id, struct err *err);
bool __wrap_jobs_delete(struct workspace *ws, int64_t id, struct err *err)
{
    struct fake_job *job = fake_job_of(id);

    (void)ws;
    fake_note("! delete %lld", (long long)id);
    if (fake_fails("delete", err))
        return false;
    if (job) {
        free(job->settings);
        job->settings = NULL;
    }
    return true;
}

/* --- workspace files --- */

bool __wrap_workspace_files_make_directory(struct workspace *ws, const char *path, struct err *err);
bool __wrap_workspace_files_make_directory(struct workspace *ws, const char *path, struct err *err)
{
    (void)ws;
    fake_note("! mkdirs %s", path);
    return !fake_fails("mkdirs", err);
}

bool __wrap_workspace_files_import(
    struct workspace *ws, const char *path, struct span content, struct err *err);
bool __wrap_workspace_files_import(
    struct workspace *ws, const char *path, struct span content, struct err *err)
{
    (void)ws;
    fake_note("! import %s", path);
    if (fake_fails("import", err))
        return false;
    free(fake.code_path);
    free(fake.code);
    fake.code_path = strdup(path);
    fake.code = fake_text(content);
    return true;
}

bool __wrap_workspace_files_export(
    struct workspace *ws, const char *path, struct buf *out, bool *ret_exists, struct err *err);
bool __wrap_workspace_files_export(
    struct workspace *ws, const char *path, struct buf *out, bool *ret_exists, struct err *err)
{
    (void)ws;
    fake_note("export %s", path);
    if (fake_fails("export", err))
        return false;
    *ret_exists = fake.code_path && strcmp(fake.code_path, path) == 0;
    if (*ret_exists)
        buf_add_text(out, fake.code);
    return true;
}

/* --- catalog --- */

bool __wrap_catalog_schema_get(struct workspace *ws, struct catalog_path path,
    struct catalog_schema *ret, bool *ret_exists, struct err *err);
bool __wrap_catalog_schema_get(struct workspace *ws, struct catalog_path path,
    struct catalog_schema *ret, bool *ret_exists, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("schema %s.%s", path.catalog, path.schema);
    if (fake_fails("schema", err))
        return false;
    *ret_exists = fake.schema;
    return true;
}

bool __wrap_catalog_volume_get(struct workspace *ws, struct catalog_path path,
    struct catalog_volume *ret, bool *ret_exists, struct err *err);
bool __wrap_catalog_volume_get(struct workspace *ws, struct catalog_path path,
    struct catalog_volume *ret, bool *ret_exists, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("volume %s", path.name);
    if (fake_fails("volume", err))
        return false;
    *ret_exists = fake.volume;
    if (fake.volume) {
        ret->owner = strdup(fake.volume_owner);
        ret->type = strdup("MANAGED");
    }
    return true;
}

bool __wrap_catalog_volume_create(struct workspace *ws, struct catalog_path path,
    const char *comment, bool *ret_created, struct err *err);
bool __wrap_catalog_volume_create(struct workspace *ws, struct catalog_path path,
    const char *comment, bool *ret_created, struct err *err)
{
    (void)ws;
    (void)comment;
    fake_note("! volume %s", path.name);
    if (fake_fails("volume create", err))
        return false;
    *ret_created = !fake.volume;
    fake.volume = true;
    return true;
}

static void fake_table(struct catalog_table *ret)
{
    ret->owner = strdup(fake.table_owner);
    ret->type = strdup("MANAGED");
    ret->format = strdup("DELTA");
    ret->columns = calloc(8, sizeof(*ret->columns));
    assert_non_null(ret->columns);
    for (size_t i = 0; i < 8 && fake.columns[i]; i++) {
        struct catalog_column *column = &ret->columns[ret->column_count++];
        const char *blank = strchr(fake.columns[i], ' ');
        size_t len = strlen(blank + 1);

        column->nullable = blank[len] != '!';
        column->name = strndup(fake.columns[i], (size_t)(blank - fake.columns[i]));
        column->type = strndup(blank + 1, len - !column->nullable);
        column->position = (int64_t)i;
    }
}

bool __wrap_catalog_table_get(struct workspace *ws, struct catalog_path path,
    struct catalog_table *ret, bool *ret_exists, struct err *err);
bool __wrap_catalog_table_get(struct workspace *ws, struct catalog_path path,
    struct catalog_table *ret, bool *ret_exists, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("table %s", path.name);
    if (fake_fails("table", err))
        return false;
    *ret_exists = fake.table;
    if (fake.table)
        fake_table(ret);
    return true;
}

bool __wrap_catalog_grant(struct workspace *ws, enum catalog_kind kind, struct catalog_path path,
    const char *principal, const char *const *privileges, size_t count, struct err *err);
bool __wrap_catalog_grant(struct workspace *ws, enum catalog_kind kind, struct catalog_path path,
    const char *principal, const char *const *privileges, size_t count, struct err *err)
{
    (void)ws;
    (void)path;
    for (size_t i = 0; i < count; i++) {
        char line[200];

        fake_note("! grant %s %s %s", privileges[i], catalog_kind_name(kind), principal);
        if (fake_fails("grant", err))
            return false;
        (void)snprintf(
            line, sizeof(line), "%s %s %s\n", privileges[i], catalog_kind_name(kind), principal);
        strncat(fake.granted, line, sizeof(fake.granted) - strlen(fake.granted) - 1);
    }
    return true;
}

bool __wrap_catalog_privileges_get(struct workspace *ws, enum catalog_kind kind,
    struct catalog_path path, const char *principal, bool effective, struct catalog_privileges *ret,
    bool *ret_known, struct err *err);
bool __wrap_catalog_privileges_get(struct workspace *ws, enum catalog_kind kind,
    struct catalog_path path, const char *principal, bool effective, struct catalog_privileges *ret,
    bool *ret_known, struct err *err)
{
    static const char *const all[] = {
        "USE_CATALOG", "USE_SCHEMA", "READ_VOLUME", "WRITE_VOLUME", "SELECT", "MODIFY"};

    (void)ws;
    (void)path;
    assert_true(effective);
    memset(ret, 0, sizeof(*ret));
    fake_note("privileges %s", catalog_kind_name(kind));
    if (fake_fails("privileges", err))
        return false;
    *ret_known = fake.privileges_known;
    ret->items = calloc(6, sizeof(*ret->items));
    assert_non_null(ret->items);
    for (size_t i = 0; i < 6 && fake.privileges_known; i++) {
        char line[200];

        (void)snprintf(
            line, sizeof(line), "%s %s %s\n", all[i], catalog_kind_name(kind), principal);
        if (!strstr(fake.granted, line))
            continue;
        ret->items[ret->count++] =
            (struct catalog_privilege){strdup(principal), strdup(all[i]), strdup(""), strdup("")};
    }
    return true;
}

/* --- the rest --- */

bool __wrap_sql_execute(struct workspace *ws, const struct sql_statement *statement,
    struct sql_result *ret, struct err *err);
bool __wrap_sql_execute(struct workspace *ws, const struct sql_statement *statement,
    struct sql_result *ret, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("! sql on %s: %.*s", statement->warehouse_id, (int)statement->text.len,
        statement->text.data);
    if (fake_fails("sql", err))
        return false;
    if (span_starts(statement->text, "CREATE SCHEMA"))
        fake.schema = true;
    if (span_starts(statement->text, "CREATE TABLE")) {
        const char *const columns[] = {
            "timestamp timestamp_ntz", "asset string", "datastream string", "payload double"};

        fake.table = true;
        memcpy(fake.columns, columns, sizeof(columns));
    }
    ret->state = SQL_SUCCEEDED;
    return true;
}

bool __wrap_compute_warehouses_list(
    struct workspace *ws, struct compute_warehouses *ret, struct err *err);
bool __wrap_compute_warehouses_list(
    struct workspace *ws, struct compute_warehouses *ret, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("warehouses");
    if (fake_fails("warehouses", err))
        return false;
    ret->items = calloc(4, sizeof(*ret->items));
    assert_non_null(ret->items);
    memcpy(ret->items, fake.warehouses, sizeof(fake.warehouses));
    ret->count = fake.warehouse_count;
    return true;
}

static bool *fake_directory(const char *path)
{
    return strstr(path, "/data")          ? &fake.data
           : strstr(path, "/checkpoints") ? &fake.checkpoints
                                          : &fake.archive;
}

bool __wrap_files_directory_exists(
    struct workspace *ws, const char *path, bool *ret_exists, struct err *err);
bool __wrap_files_directory_exists(
    struct workspace *ws, const char *path, bool *ret_exists, struct err *err)
{
    (void)ws;
    fake_note("directory %s", path);
    if (fake_fails("directory", err))
        return false;
    *ret_exists = *fake_directory(path);
    return true;
}

bool __wrap_files_make_directory(struct workspace *ws, const char *path, struct err *err);
bool __wrap_files_make_directory(struct workspace *ws, const char *path, struct err *err)
{
    (void)ws;
    fake_note("! directory %s", path);
    if (fake_fails("directory make", err))
        return false;
    *fake_directory(path) = true;
    return true;
}

bool __wrap_me_get(struct workspace *ws, struct me *ret, struct err *err);
bool __wrap_me_get(struct workspace *ws, struct me *ret, struct err *err)
{
    (void)ws;
    memset(ret, 0, sizeof(*ret));
    fake_note("me");
    if (fake_fails("me", err))
        return false;
    (void)str_copy(ret->user_name, sizeof(ret->user_name), "app-1");
    return true;
}

const char *__wrap_workspace_host(const struct workspace *ws);
const char *__wrap_workspace_host(const struct workspace *ws)
{
    (void)ws;
    return "https://example.cloud.databricks.com";
}

/* --- options --- */

SOME_TESTS static const struct ingestion_options fake_options = {
    .volume = {"main", "raw", "land"},
    .table = {"main", "raw", "events"},
    .loader = INGESTION_AUTO_LOADER,
    .cluster_id = "0123-456789-abcdefgh",
    .trigger = INGESTION_FILE_ARRIVAL,
    .archive_after_us = INT64_C(3600000000),
    .folder = "/Workspace/Shared/volume-uploader",
};

SOME_TESTS static struct plan *fake_plan(const struct ingestion_options *options)
{
    struct err err = {0};
    struct plan *plan = plan_new(options, &err);

    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

#endif
