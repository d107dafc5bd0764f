/* Every allocation fails once: of ours, of jansson and of libcurl; in parsing, and in a whole
 * upload with sign-in. Nothing crashes, nothing leaks, every failure has its text.
 *
 * wrap: malloc calloc realloc strdup strndup
 */
#include "unit/databricks_server.h"

#include "databricks/auth_read.h"
#include "databricks/catalog.h"
#include "databricks/compute.h"
#include "databricks/error.h"
#include "databricks/files.h"
#include "databricks/jobs.h"
#include "databricks/sql.h"
#include "databricks/workspace_files.h"

#include <curl/curl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Of this thread only: the server and libcurl's helpers keep theirs. 0: none fails. */
static _Thread_local int64_t fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t max)
{
    return fails() ? NULL : __real_strndup(text, max);
}

static void release(void *p)
{
    free(p);
}

static void an_error_is_judged_without_memory(void **state)
{
    static const char body[] =
        "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\",\"details\":"
        "[{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\","
        "\"request_id\":\"r\"}]}";
    static const struct error_words words = {.what = "upload"};
    struct http_answer a = {.status = 403, .type = "application/json", .reason = "Forbidden"};
    int64_t n;

    (void)state;
    buf_init(&a.body, 4096);
    assert_true(buf_add_text(&a.body, body));
    for (n = 1; n < 10000; n++) {
        struct api_error api;
        struct err err = {.kind = ERR_NONE};
        bool ok;

        fail_at = n;
        ok = error_judge(&a, &words, NULL, NULL, &api, &err);
        if (fail_at > 0) {
            fail_at = 0;
            break;
        }
        /* The status alone decides then. */
        assert_false(ok);
        assert_int_equal(err.kind, ERR_DENIED);
        assert_int_equal(api.class, CLASS_FORBIDDEN);
    }
    assert_in_range(n, 5, 9999);
    buf_done(&a.body);
}

static void a_token_is_read_without_memory(void **state)
{
    int64_t n;

    (void)state;
    for (n = 1; n < 10000; n++) {
        struct secret *secret = NULL;
        int64_t life;
        struct err err = {.kind = ERR_NONE};
        bool ok;

        fail_at = n;
        ok = auth_read_token(
            span_of("{\"access_token\":\"CANARY\",\"expires_in\":3600}"), &secret, &life, &err);
        secret_free(secret);
        if (fail_at > 0) {
            fail_at = 0;
            break;
        }
        assert_true(ok || err.kind == ERR_RETRY || err.kind == ERR_FULL);
    }
    assert_in_range(n, 3, 9999);
}

/* One try with everything anew. True: it worked. */
static bool upload_once(const char *host, int fd, struct err *err)
{
    struct workspace_options o = {.host = host, .client_id = "id", .connect_us = 5000000};
    struct workspace *ws;
    struct call *call = NULL;
    bool ok = false;

    o.client_secret = secret_new(span_of("CANARY"), err);
    assert_non_null(o.client_secret); /* not from the heap */
    ws = workspace_new(&o, err);
    if (ws) {
        call = files_put_start(ws, "/Volumes/c/s/v/data/f.parquet", fd, 100, true, err);
        ok = call && call_wait(call, err);
    }
    call_free(call);
    workspace_free(ws);
    return ok;
}

static void an_upload_survives_every_failure(void **state)
{
    struct server *server = server_start();
    char host[64], name[] = "/tmp/databricks_memory_XXXXXX";
    int fd = mkstemp(name), good = 0;
    int64_t n;

    (void)state;
    assert_true(fd >= 0 && unlink(name) == 0 && ftruncate(fd, 100) == 0);
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    for (n = 1; n < 100000; n++) {
        struct err err = {.kind = ERR_NONE, .text = ""};
        bool ok, hit;

        fail_at = n;
        ok = upload_once(host, fd, &err);
        hit = fail_at == 0;
        fail_at = 0;
        if (!ok)
            assert_true(err.kind != ERR_NONE && err.text[0]);
        assert_null(strstr(err.text, "CANARY"));
        good += ok;
        if (!hit) {
            assert_true(ok);
            break;
        }
        pthread_mutex_lock(&server->lock);
        hit = server->connections > SERVER_CONNECTIONS - 16;
        pthread_mutex_unlock(&server->lock);
        if (hit) {
            server_free(server);
            server = server_start();
            (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
        }
    }
    assert_in_range(n, 100, 99999);
    assert_true(good > 0);
    (void)close(fd);
    server_free(server);
}

/* --- the calls of the set-up --- */

static const struct catalog_path TABLE = {"c", "s", "t"};

static bool list_jobs(struct workspace *ws, struct err *err)
{
    struct jobs_list list;
    bool ok = jobs_list_get(ws, NULL, true, 10, &list, err);

    jobs_list_done(&list);
    return ok;
}

static bool pause_job(struct workspace *ws, struct err *err)
{
    return jobs_pause(ws, 1, true, err);
}

static bool list_runs(struct workspace *ws, struct err *err)
{
    struct jobs_runs runs;
    bool ok = jobs_runs_list(ws, 1, JOBS_RUNS_ALL, 10, &runs, err);

    jobs_runs_done(&runs);
    return ok;
}

static bool read_table(struct workspace *ws, struct err *err)
{
    struct catalog_table table;
    bool exists, ok = catalog_table_get(ws, TABLE, &table, &exists, err);

    catalog_table_done(&table);
    return ok;
}

static bool read_volume(struct workspace *ws, struct err *err)
{
    struct catalog_volume volume;
    bool exists, ok = catalog_volume_get(ws, TABLE, &volume, &exists, err);

    catalog_volume_done(&volume);
    return ok;
}

static bool read_grants(struct workspace *ws, struct err *err)
{
    struct catalog_privileges list;
    bool known,
        ok = catalog_privileges_get(ws, CATALOG_TABLE, TABLE, "p", true, &list, &known, err);

    catalog_privileges_done(&list);
    return ok;
}

static bool grant(struct workspace *ws, struct err *err)
{
    static const char *const select[] = {"SELECT"};

    return catalog_grant(ws, CATALOG_TABLE, TABLE, "p", select, 1, err);
}

static bool run_sql(struct workspace *ws, struct err *err)
{
    const struct sql_statement s = {.warehouse_id = "w", .text = span_of("SELECT 1")};
    struct sql_result result;
    bool ok = sql_execute(ws, &s, &result, err);

    if (!ok && result.state == SQL_SUCCEEDED)
        assert_int_equal(err->kind, ERR_FULL);
    sql_result_done(&result);
    return ok;
}

static bool list_warehouses(struct workspace *ws, struct err *err)
{
    struct compute_warehouses list;
    bool ok = compute_warehouses_list(ws, &list, err);

    compute_warehouses_done(&list);
    return ok;
}

static bool import(struct workspace *ws, struct err *err)
{
    return workspace_files_import(ws, "/Workspace/a.py", span_of("import x\n"), err);
}

static bool export(struct workspace *ws, struct err *err)
{
    struct buf out;
    bool exists, ok;

    buf_init(&out, 100);
    ok = workspace_files_export(ws, "/Workspace/a.py", &out, &exists, err);
    if (ok)
        assert_true(exists && out.len == 9);
    buf_done(&out);
    return ok;
}

#define JOB                                                                                        \
    "{\"job_id\":1,\"settings\":{\"name\":\"n\",\"tags\":{\"a\":\"b\"},\"trigger\":{"              \
    "\"file_arrival\":{\"url\":\"/V/\"}},\"tasks\":[{\"task_key\":\"k\",\"spark_python_task\":{"   \
    "\"python_file\":\"/f\",\"parameters\":[\"p\"]}}]}}"

static void every_call_survives_every_failure(void **state)
{
    static const struct {
        bool (*call)(struct workspace *ws, struct err *err);
        const char *match, *body;
    } rows[] = {
        {list_jobs, "/jobs/list", "{\"jobs\":[" JOB "]}"},
        {pause_job, "/jobs/", JOB},
        {list_runs, "/runs/list",
            "{\"runs\":[{\"run_id\":1,\"state\":{\"state_message\":\"m\"}}]}"},
        {read_table, "/tables/", "{\"columns\":[{\"name\":\"n\",\"type_text\":\"INT\"}]}"},
        {read_volume, "/volumes/", "{\"owner\":\"o\"}"},
        {read_grants, "/effective-permissions/",
            "{\"privilege_assignments\":[{\"principal\":\"p\",\"privileges\":[\"SELECT\",{"
            "\"privilege\":\"MODIFY\"}]}]}"},
        {grant, "/permissions/", "{}"},
        {run_sql, "/statements",
            "{\"statement_id\":\"s\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":"
            "{"
            "\"columns\":[{\"name\":\"n\"}]}},\"result\":{\"data_array\":[[\"1\"],[null]]}}"},
        {list_warehouses, "/warehouses", "{\"warehouses\":[{\"id\":\"a\"}]}"},
        {import, "/import", ""},
        {export, "/export", "{\"content\":\"aW1wb3J0IHgK\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct server *server = server_start();
        struct workspace_options o = {.connect_us = 5000000};
        struct workspace *ws;
        char host[64];
        struct err err = {.kind = ERR_NONE};
        int64_t n;

        (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
        server_add(server,
            (struct server_rule){.match = rows[i].match, .status = 200, .body = rows[i].body});
        o.host = host;
        o.token = secret_new(span_of("CANARY"), &err);
        ws = workspace_new(&o, &err);
        assert_non_null(ws);
        for (n = 1; n < 10000; n++) {
            bool ok, hit;

            err = (struct err){.kind = ERR_NONE, .text = ""};
            fail_at = n;
            ok = rows[i].call(ws, &err);
            hit = fail_at == 0;
            fail_at = 0;
            if (!ok && (err.kind == ERR_NONE || !err.text[0]))
                fail_msg("row %zu: %lld", i, (long long)n);
            if (!hit) {
                assert_true(ok);
                break;
            }
            pthread_mutex_lock(&server->lock);
            hit = server->connections < SERVER_CONNECTIONS - 16;
            pthread_mutex_unlock(&server->lock);
            if (!hit)
                fail_msg("row %zu: too many connections", i);
        }
        assert_in_range(n, 20, 9999);
        workspace_free(ws);
        server_free(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_judged_without_memory),
        cmocka_unit_test(a_token_is_read_without_memory),
        cmocka_unit_test(an_upload_survives_every_failure),
        cmocka_unit_test(every_call_survives_every_failure),
    };
    int result;

    json_set_alloc_funcs(__wrap_malloc, release);
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, release, __wrap_realloc,
            __wrap_strdup, __wrap_calloc) != CURLE_OK)
        return 1;
    result = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return result;
}
