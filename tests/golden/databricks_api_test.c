/* Every call of the set-up, as it goes over the wire: method, target, headers, body; and what is
 * made of the answers: absent means empty, ids pass 2^53, unknown fields are ignored. */
#include "unit/databricks_server.h"

#include "databricks/catalog.h"
#include "databricks/compute.h"
#include "databricks/jobs.h"
#include "databricks/sql.h"
#include "databricks/workspace_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BIG INT64_C(7654321098765432101) /* no double holds it */

static struct server *server;
static struct workspace *ws;
static struct err err;

static int begin(void **state)
{
    char host[64];
    struct workspace_options o = {.host = host, .workspace_id = "7405"};

    (void)state;
    server = server_start();
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    o.token = secret_new(span_of("dapi-CANARY"), &err);
    ws = workspace_new(&o, &err);
    err.text[0] = '\0';
    return ws ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    workspace_free(ws);
    server_free(server);
    return 0;
}

static void say(const char *match, int status, const char *body)
{
    server_add(server, (struct server_rule){.match = match,
                           .times = 1,
                           .status = status,
                           .headers = "Content-Type: application/json\r\n",
                           .body = body});
}

/* The n-th request from the end, whole; `body` NULL: it has none. */
static void was_before(int n, const char *method, const char *target, const char *body)
{
    const struct server_request *q;
    char want[2048], length[64] = "";

    pthread_mutex_lock(&server->lock);
    assert_true(server->request_count > n);
    q = &server->requests[server->request_count - 1 - n];
    pthread_mutex_unlock(&server->lock);
    if (body)
        (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    (void)snprintf(want, sizeof(want),
        "\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer dapi-CANARY\r\n"
        "User-Agent: volume-uploader/%s os/linux auth/pat\r\n"
        "Accept: application/json\r\n%sX-Databricks-Workspace-Id: 7405\r\n%s",
        server->port, VERSION, body ? "Content-Type: application/json\r\n" : "", length);
    assert_string_equal(q->method, method);
    assert_string_equal(q->target, target);
    assert_string_equal(q->headers, want);
    assert_int_equal(q->body_len, body ? strlen(body) : 0);
    assert_string_equal(q->body ? q->body : "", body ? body : "");
}

static void was(const char *method, const char *target, const char *body)
{
    was_before(0, method, target, body);
}

static void good(bool ok)
{
    if (!ok)
        fail_msg("%s", err.text);
}

/* How long a call wanted to wait is told here, and not waited for.
 * wrap: rest_pause */
bool __real_rest_pause(struct workspace *of, int64_t wait_us, struct err *why);
bool __wrap_rest_pause(struct workspace *of, int64_t wait_us, struct err *why);

static bool pauses_are_told;
static int64_t pauses_us[8];
static size_t pause_count;

bool __wrap_rest_pause(struct workspace *of, int64_t wait_us, struct err *why)
{
    if (!pauses_are_told)
        return __real_rest_pause(of, wait_us, why);
    assert_in_range(pause_count, 0, 7);
    pauses_us[pause_count++] = wait_us;
    return true;
}

/* --- jobs --- */

#define JOB                                                                                        \
    "{\"job_id\":7654321098765432101,\"creator_user_name\":\"sp-1\",\"created_time\":"             \
    "1767225600000,\"future\":{\"x\":[1]},\"settings\":{\"name\":\"our job\",\"tags\":{"           \
    "\"managed_by\":\"volume-uploader\",\"hash\":\"00ff\"},\"max_concurrent_runs\":3,"             \
    "\"trigger\":{\"pause_status\":\"PAUSED\",\"file_arrival\":{\"url\":\"/Volumes/c/s/v/data/\"," \
    "\"min_time_between_triggers_seconds\":60}},\"tasks\":[{\"task_key\":\"load\","                \
    "\"existing_cluster_id\":\"0123-c\",\"spark_python_task\":{\"python_file\":\"/Workspace/a.py"  \
    "\",\"parameters\":[\"--table\",\"c.s.t\"]}},{\"task_key\":\"copy\",\"sql_task\":{"            \
    "\"warehouse_id\":\"w1\",\"file\":{\"path\":\"/Workspace/b.sql\"}}},{\"task_key\":\"n\","      \
    "\"notebook_task\":{\"notebook_path\":\"/N\"}},{\"pipeline_task\":{}}]}}"

static void check_job(const struct job *job)
{
    assert_true(job->id == BIG);
    assert_true(job->created_us == INT64_C(1767225600000000));
    assert_string_equal(job->name, "our job");
    assert_string_equal(job->creator, "sp-1");
    assert_string_equal(job->run_as, "");
    assert_string_equal(job_tag(job, "managed_by"), "volume-uploader");
    assert_string_equal(job_tag(job, "hash"), "00ff");
    assert_string_equal(job_tag(job, "version"), "");
    assert_int_equal(job->start, JOBS_START_FILE_ARRIVAL);
    assert_true(job->paused);
    assert_string_equal(job->trigger_url, "/Volumes/c/s/v/data/");
    assert_int_equal(job->max_concurrent_runs, 3);
    assert_true(job->has_tasks);
    assert_int_equal(job->task_count, 4);
    assert_int_equal(job->tasks[0].kind, JOBS_TASK_PYTHON_FILE);
    assert_string_equal(job->tasks[0].path, "/Workspace/a.py");
    assert_string_equal(job->tasks[0].cluster_id, "0123-c");
    assert_int_equal(job->tasks[0].parameter_count, 2);
    assert_string_equal(job->tasks[0].parameters[1], "c.s.t");
    assert_int_equal(job->tasks[1].kind, JOBS_TASK_SQL_FILE);
    assert_string_equal(job->tasks[1].path, "/Workspace/b.sql");
    assert_string_equal(job->tasks[1].warehouse_id, "w1");
    assert_int_equal(job->tasks[2].kind, JOBS_TASK_NOTEBOOK);
    assert_int_equal(job->tasks[3].kind, JOBS_TASK_OTHER);
    assert_string_equal(job->tasks[3].key, "");
}

static void jobs_are_listed_by_name(void **state)
{
    struct jobs_list list;

    (void)state;
    say("page_token=p%2F2", 200, "{\"jobs\":[{\"job_id\":9,\"settings\":{\"name\":\"our job\"}}]}");
    say("/jobs/list", 200,
        "{\"jobs\":[" JOB ",{\"job_id\":8,\"settings\":{\"name\":\"OUR job\"}},7],"
        "\"has_more\":true,\"next_page_token\":\"p/2\"}");
    good(jobs_list_get(ws, "our job", false, 100, &list, &err));
    was_before(1, "GET", "/api/2.2/jobs/list?limit=100&name=our%20job", NULL);
    was("GET", "/api/2.2/jobs/list?limit=100&name=our%20job&page_token=p%2F2", NULL);
    assert_int_equal(list.count, 2); /* not the one of another case */
    assert_false(list.more);
    check_job(&list.items[0]);
    assert_int_equal(list.items[0].using_file_events, -1);
    assert_true(list.items[1].id == 9);
    assert_int_equal(list.items[1].start, JOBS_START_NONE);
    assert_string_equal(list.items[1].trigger_url, "");
    assert_false(list.items[1].has_tasks);
    jobs_list_done(&list);

    say("/jobs/list", 200, "{\"jobs\":[{\"job_id\":1},{\"job_id\":2}],\"next_page_token\":\"t\"}");
    good(jobs_list_get(ws, NULL, true, 1, &list, &err));
    was("GET", "/api/2.2/jobs/list?limit=100&expand_tasks=true", NULL);
    assert_int_equal(list.count, 1);
    assert_true(list.more);
    jobs_list_done(&list);

    say("/jobs/list", 200, "{\"has_more\":false}"); /* absent means empty */
    good(jobs_list_get(ws, "x", false, 10, &list, &err));
    assert_int_equal(list.count, 0);
    jobs_list_done(&list);
    say("/jobs/list", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}");
    assert_false(jobs_list_get(ws, "x", false, 10, &list, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(list.count, 0);
}

static void a_job_is_read(void **state)
{
    struct job job;
    bool exists = false;
    static const struct {
        const char *settings;
        enum jobs_start start;
        bool paused;
    } rows[] = {
        {"\"schedule\":{\"pause_status\":\"UNPAUSED\"}", JOBS_START_SCHEDULE, false},
        {"\"trigger\":{\"periodic\":{\"interval\":1}}", JOBS_START_PERIODIC, false},
        {"\"trigger\":{\"table_update\":{},\"pause_status\":\"PAUSED\"}", JOBS_START_OTHER, true},
        {"\"continuous\":{\"pause_status\":\"PAUSED\"}", JOBS_START_CONTINUOUS, true},
        {"\"trigger\":7,\"tags\":[],\"tasks\":{}", JOBS_START_NONE, false},
    };

    (void)state;
    say("/jobs/get", 200,
        "{\"job_id\":\"7654321098765432101\",\"run_as_user_name\":\"r\",\"trigger_state\":{"
        "\"file_arrival\":{\"using_file_events\":false}},\"settings\":{}}");
    good(jobs_get(ws, BIG, &job, &exists, &err));
    was("GET", "/api/2.2/jobs/get?job_id=7654321098765432101&include_trigger_state=true", NULL);
    assert_true(exists);
    assert_true(job.id == BIG);
    assert_int_equal(job.using_file_events, 0);
    assert_string_equal(job.run_as, "r");
    assert_string_equal(job.name, "");
    job_done(&job);
    job_done(&job); /* takes an empty one */

    say("/jobs/get", 400,
        "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Job 5 does not exist.\"}");
    good(jobs_get(ws, 5, &job, &exists, &err));
    assert_false(exists);
    say("/jobs/get", 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}");
    good(jobs_get(ws, 5, &job, &exists, &err));
    assert_false(exists);
    say("/jobs/get", 400, "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"bad\"}");
    assert_false(jobs_get(ws, 5, &job, &exists, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[256];

        (void)snprintf(body, sizeof(body), "{\"job_id\":1,\"settings\":{%s}}", rows[i].settings);
        say("/jobs/get", 200, body);
        good(jobs_get(ws, 1, &job, &exists, &err));
        assert_int_equal(job.start, rows[i].start);
        assert_int_equal(job.paused, rows[i].paused);
        job_done(&job);
    }
}

static void jobs_are_changed(void **state)
{
    struct span settings = span_of("{\"name\":\"\xc3\xbc\"}");
    int64_t id = 0;

    (void)state;
    say("/jobs/create", 200, "{\"job_id\":7654321098765432101}");
    good(jobs_create(ws, settings, &id, &err));
    was("POST", "/api/2.2/jobs/create", "{\"name\":\"\xc3\xbc\"}");
    assert_true(id == BIG);
    say("/jobs/create", 200, "{}");
    assert_false(jobs_create(ws, settings, &id, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    say("/jobs/reset", 200, "");
    good(jobs_reset(ws, BIG, settings, &err));
    was("POST", "/api/2.2/jobs/reset",
        "{\"job_id\":7654321098765432101,\"new_settings\":{\"name\":\"\xc3\xbc\"}}");
    say("/jobs/update", 200, "{}");
    good(jobs_update(ws, 7, settings, &err));
    was("POST", "/api/2.2/jobs/update", "{\"job_id\":7,\"new_settings\":{\"name\":\"\xc3\xbc\"}}");
    say("/jobs/delete", 200, "{}");
    good(jobs_delete(ws, BIG, &err));
    was("POST", "/api/2.2/jobs/delete", "{\"job_id\":7654321098765432101}");
    say("/jobs/delete", 400,
        "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Job 7 "
        "does not exist.\"}");
    good(jobs_delete(ws, 7, &err)); /* missing is fine */
    say("/jobs/delete", 403, "{\"error_code\":\"PERMISSION_DENIED\"}");
    assert_false(jobs_delete(ws, 7, &err));
}

static void a_job_is_paused(void **state)
{
    (void)state;
    say("/jobs/get", 200,
        "{\"job_id\":3,\"settings\":{\"name\":\"x\",\"trigger\":{\"file_arrival\":{\"url\":\"/V/"
        "\"},\"pause_status\":\"UNPAUSED\"}}}");
    say("/jobs/update", 200, "{}");
    good(jobs_pause(ws, 3, true, &err));
    was_before(1, "GET", "/api/2.2/jobs/get?job_id=3", NULL);
    was("POST", "/api/2.2/jobs/update",
        "{\"job_id\":3,\"new_settings\":{\"trigger\":{\"file_arrival\":{\"url\":\"/V/\"},"
        "\"pause_status\":\"PAUSED\"}}}");
    say("/jobs/get", 200, "{\"job_id\":3,\"settings\":{\"schedule\":{\"timezone_id\":\"UTC\"}}}");
    say("/jobs/update", 200, "{}");
    good(jobs_pause(ws, 3, false, &err));
    was("POST", "/api/2.2/jobs/update",
        "{\"job_id\":3,\"new_settings\":{\"schedule\":{\"timezone_id\":\"UTC\","
        "\"pause_status\":\"UNPAUSED\"}}}");
    say("/jobs/get", 200, "{\"job_id\":3,\"settings\":{}}");
    good(jobs_pause(ws, 3, true, &err)); /* nothing starts it: nothing to do */
    was("GET", "/api/2.2/jobs/get?job_id=3", NULL);
    say("/jobs/get", 404, "");
    assert_false(jobs_pause(ws, 3, true, &err));
}

static void runs_are_read(void **state)
{
    static const struct {
        const char *json;
        enum jobs_run_state state;
        const char *text;
    } rows[] = {
        {"\"state\":{\"life_cycle_state\":\"TERMINATED\",\"result_state\":\"SUCCESS\"}",
            JOBS_RUN_SUCCEEDED, "TERMINATED SUCCESS"},
        {"\"status\":{\"state\":\"TERMINATED\",\"termination_details\":{\"code\":\"SUCCESS\"}}",
            JOBS_RUN_SUCCEEDED, "TERMINATED SUCCESS"},
        {"\"status\":{\"state\":\"TERMINATED\",\"termination_details\":{\"type\":\"CLIENT_ERROR\","
         "\"code\":\"RUN_EXECUTION_ERROR\"}}",
            JOBS_RUN_FAILED, "TERMINATED RUN_EXECUTION_ERROR"},
        {"\"state\":{\"life_cycle_state\":\"TERMINATED\",\"result_state\":\"TIMEDOUT\"}",
            JOBS_RUN_FAILED, "TERMINATED TIMEDOUT"},
        {"\"state\":{\"life_cycle_state\":\"TERMINATED\",\"result_state\":\"CANCELED\"}",
            JOBS_RUN_CANCELED, "TERMINATED CANCELED"},
        {"\"state\":{\"life_cycle_state\":\"INTERNAL_ERROR\"}", JOBS_RUN_FAILED, "INTERNAL_ERROR"},
        {"\"state\":{\"life_cycle_state\":\"SKIPPED\"}", JOBS_RUN_SKIPPED, "SKIPPED"},
        {"\"state\":{\"life_cycle_state\":\"QUEUED\"}", JOBS_RUN_WAITING, "QUEUED"},
        {"\"status\":{\"state\":\"RUNNING\"}", JOBS_RUN_RUNNING, "RUNNING"},
        {"\"state\":[]", JOBS_RUN_WAITING, ""},
    };
    struct jobs_run run;
    struct jobs_runs runs;
    bool exists = false;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[512];

        (void)snprintf(body, sizeof(body), "{\"run_id\":7654321098765432101,%s}", rows[i].json);
        say("/runs/get", 200, body);
        good(jobs_run_get(ws, BIG, &run, &exists, &err));
        was("GET", "/api/2.2/jobs/runs/get?run_id=7654321098765432101", NULL);
        assert_int_equal(run.state, rows[i].state);
        assert_string_equal(run.state_text, rows[i].text);
        assert_int_equal(jobs_run_ended(&run),
            rows[i].state != JOBS_RUN_WAITING && rows[i].state != JOBS_RUN_RUNNING);
        jobs_run_done(&run);
        server_clear_rules(server);
    }
    say("/runs/get", 400,
        "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Run: 1 in job: 2 doesn't "
        "exist\"}");
    good(jobs_run_get(ws, 1, &run, &exists, &err));
    assert_false(exists);
    say("page_token=2", 200, "{\"runs\":[{\"run_id\":3}]}");
    say("/runs/list", 200,
        "{\"runs\":[{\"run_id\":1,\"job_id\":7,\"start_time\":5,\"end_time\":6,\"trigger\":"
        "\"FILE_ARRIVAL\",\"run_page_url\":\"https://h/r\",\"tasks\":[{\"run_id\":11}],\"state\":{"
        "\"life_cycle_state\":\"TERMINATED\",\"result_state\":\"FAILED\",\"state_message\":"
        "\"boom token=CANARY-words\"}},{\"run_id\":2}],\"next_page_token\":\"2\"}");
    good(jobs_runs_list(ws, 7, JOBS_RUNS_COMPLETED, 3, &runs, &err));
    was_before(1, "GET", "/api/2.2/jobs/runs/list?job_id=7&limit=3&completed_only=true", NULL);
    was("GET", "/api/2.2/jobs/runs/list?job_id=7&limit=3&completed_only=true&page_token=2", NULL);
    assert_int_equal(runs.count, 3);
    assert_true(runs.items[0].task_id == 11 && runs.items[0].start_us == 5000);
    assert_string_equal(runs.items[0].trigger, "FILE_ARRIVAL");
    assert_string_equal(runs.items[0].page_url, "https://h/r");
    assert_non_null(strstr(runs.items[0].message, "boom"));
    assert_null(strstr(runs.items[0].message, "CANARY")); /* redacted */
    jobs_runs_done(&runs);
}

static void a_job_is_run(void **state)
{
    char token[70];
    int64_t run = 0;
    struct buf out;

    (void)state;
    say("/run-now", 200, "{\"run_id\":7654321098765432101,\"number_in_job\":1}");
    good(jobs_run_now(ws, BIG, "once-\"1\"", &run, &err));
    was("POST", "/api/2.2/jobs/run-now",
        "{\"job_id\":7654321098765432101,\"idempotency_token\":\"once-\\\"1\\\"\",\"queue\":{"
        "\"enabled\":true}}");
    assert_true(run == BIG);
    memset(token, 'x', 65);
    token[65] = '\0';
    assert_false(jobs_run_now(ws, 1, token, &run, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    buf_init(&out, 1000);
    say("/get-output", 200, "{\"error\":\"Py4JError: x\",\"logs\":\"l\"}");
    good(jobs_run_output(ws, 11, &out, &err));
    was("GET", "/api/2.2/jobs/runs/get-output?run_id=11", NULL);
    assert_string_equal(buf_text(&out), "Py4JError: x");
    buf_done(&out);
}

/* --- workspace files --- */

static void files_of_the_workspace(void **state)
{
    struct workspace_files_status status;
    bool exists = false;
    struct buf out;

    (void)state;
    say("/mkdirs", 200, "{}");
    good(workspace_files_make_directory(ws, "/Workspace/S \"q\"", &err));
    was("POST", "/api/2.0/workspace/mkdirs", "{\"path\":\"/Workspace/S \\\"q\\\"\"}");
    for (int i = 0; i < 3; i++) {
        static const char *const content[] = {"import x", "import xy", ""};
        static const char *const coded[] = {"aW1wb3J0IHg=", "aW1wb3J0IHh5", ""};
        char want[256], answer[256];

        say("/import", 200, "{}");
        good(workspace_files_import(ws, "/Workspace/a.py", span_of(content[i]), &err));
        (void)snprintf(want, sizeof(want),
            "{\"path\":\"/Workspace/a.py\",\"format\":\"AUTO\",\"overwrite\":true,\"content\":"
            "\"%s\"}",
            coded[i]);
        was("POST", "/api/2.0/workspace/import", want);
        (void)snprintf(
            answer, sizeof(answer), "{\"content\":\"%s\",\"file_type\":\"py\"}", coded[i]);
        say("/export", 200, answer);
        buf_init(&out, 100);
        good(workspace_files_export(ws, "/Workspace/a b.py", &out, &exists, &err));
        was("GET", "/api/2.0/workspace/export?path=%2FWorkspace%2Fa%20b.py&format=AUTO", NULL);
        assert_string_equal(buf_text(&out), content[i]);
        buf_done(&out);
    }
    assert_false(
        workspace_files_import(ws, "/a.py", span_of("# Databricks notebook source\nx"), &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(
        workspace_files_import(ws, "/a.sql", span_of("-- Databricks notebook source\n"), &err));
    say("/export", 200, "{\"content\":\"a*==\"}");
    buf_init(&out, 100);
    assert_false(workspace_files_export(ws, "/a", &out, &exists, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    buf_done(&out);
    say("/export", 200, "{\"content\":\"YWJj\"}");
    buf_init(&out, 2);
    assert_false(workspace_files_export(ws, "/a", &out, &exists, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    buf_done(&out);
    say("/get-status", 200,
        "{\"object_type\":\"FILE\",\"object_id\":7654321098765432101,\"size\":12,\"modified_at\":"
        "5}");
    good(workspace_files_get_status(ws, "/Workspace/\xc3\xbc.py", &status, &exists, &err));
    was("GET", "/api/2.0/workspace/get-status?path=%2FWorkspace%2F%C3%BC.py", NULL);
    assert_true(exists && status.object_id == BIG && status.bytes == 12);
    assert_string_equal(status.type, "FILE");
    say("/get-status", 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}");
    good(workspace_files_get_status(ws, "/x", &status, &exists, &err));
    assert_false(exists);
    say("/delete", 200, "{}");
    good(workspace_files_delete(ws, "/x", &err));
    was("POST", "/api/2.0/workspace/delete", "{\"path\":\"/x\",\"recursive\":false}");
    say("/delete", 404, "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\"}");
    good(workspace_files_delete(ws, "/x", &err));
}

/* --- Unity Catalog --- */

static const struct catalog_path VOLUME = {"main", "r\xc3\xa4w", "l/d"};

static void volumes(void **state)
{
    struct catalog_volume volume;
    struct catalog_schema schema;
    bool flag = false;

    (void)state;
    say("/volumes/", 200,
        "{\"full_name\":\"f\",\"volume_id\":\"i\",\"volume_type\":\"MANAGED\",\"owner\":\"o\"}");
    good(catalog_volume_get(ws, VOLUME, &volume, &flag, &err));
    was("GET", "/api/2.1/unity-catalog/volumes/main.r%C3%A4w.l%2Fd", NULL);
    assert_true(flag);
    assert_string_equal(volume.type, "MANAGED");
    assert_string_equal(volume.location, "");
    catalog_volume_done(&volume);
    say("/volumes/", 404, "{\"error_code\":\"VOLUME_DOES_NOT_EXIST\"}");
    good(catalog_volume_get(ws, VOLUME, &volume, &flag, &err));
    assert_false(flag);
    catalog_volume_done(&volume);
    say("/volumes", 200, "{\"full_name\":\"f\"}");
    good(catalog_volume_create(ws, VOLUME, "a \"c\"", &flag, &err));
    was("POST", "/api/2.1/unity-catalog/volumes",
        "{\"catalog_name\":\"main\",\"schema_name\":\"r\xc3\xa4w\",\"name\":\"l/d\","
        "\"volume_type\":\"MANAGED\",\"comment\":\"a \\\"c\\\"\"}");
    assert_true(flag);
    say("/volumes", 409, "{\"error_code\":\"ALREADY_EXISTS\"}");
    good(catalog_volume_create(ws, VOLUME, NULL, &flag, &err));
    assert_false(flag);
    flag = true;
    say("/volumes", 400, "{\"error_code\":\"VOLUME_ALREADY_EXISTS\"}");
    good(catalog_volume_create(ws, VOLUME, NULL, &flag, &err));
    assert_false(flag);
    say("/volumes", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}");
    assert_false(catalog_volume_create(ws, VOLUME, NULL, &flag, &err));
    assert_non_null(strstr(err.text, "CREATE VOLUME"));
    say("/schemas/", 200, "{\"full_name\":\"main.raw\",\"owner\":\"o\"}");
    good(catalog_schema_get(ws, (struct catalog_path){"main", "raw", "v"}, &schema, &flag, &err));
    was("GET", "/api/2.1/unity-catalog/schemas/main.raw", NULL);
    assert_string_equal(schema.owner, "o");
    catalog_schema_done(&schema);
}

static void tables(void **state)
{
    const struct catalog_path path = {"main", "raw", "events"};
    struct catalog_table table;
    bool flag = false;

    (void)state;
    say("/tables/", 200,
        "{\"full_name\":\"main.raw.events\",\"table_type\":\"MANAGED\",\"data_source_format\":"
        "\"DELTA\",\"columns\":[{\"name\":\"asset\",\"type_text\":\"STRING\",\"position\":1},{"
        "\"name\":\"timestamp\",\"type_text\":\"timestamp_ntz\",\"position\":0,\"nullable\":false}"
        ",{\"name\":\"x\",\"type_name\":\"DOUBLE\",\"position\":2}],\"properties\":{\"a\":1}}");
    good(catalog_table_get(ws, path, &table, &flag, &err));
    was("GET", "/api/2.1/unity-catalog/tables/main.raw.events", NULL);
    assert_true(flag);
    assert_int_equal(table.column_count, 3);
    assert_string_equal(table.columns[0].name, "timestamp");
    assert_string_equal(table.columns[0].type, "timestamp_ntz");
    assert_false(table.columns[0].nullable);
    assert_string_equal(table.columns[1].type, "string");
    assert_true(table.columns[1].nullable);
    assert_string_equal(table.columns[2].type, "double");
    catalog_table_done(&table);
    say("/tables/", 200, "{}");
    good(catalog_table_get(ws, path, &table, &flag, &err));
    assert_int_equal(table.column_count, 0);
    catalog_table_done(&table);
    say("/exists", 200, "{\"table_exists\":true}");
    good(catalog_table_exists(ws, path, &flag, &err));
    was("GET", "/api/2.1/unity-catalog/tables/main.raw.events/exists", NULL);
    assert_true(flag);
    say("/exists", 200, "{\"table_exists\":false}");
    good(catalog_table_exists(ws, path, &flag, &err));
    assert_false(flag);
    flag = true;
    say("/exists", 404, "{\"error_code\":\"SCHEMA_DOES_NOT_EXIST\"}");
    good(catalog_table_exists(ws, path, &flag, &err));
    assert_false(flag);
}

static void grants(void **state)
{
    static const char *const both[] = {"READ_VOLUME", "WRITE_VOLUME"};
    const struct catalog_path path = {"main", "raw", "land"};
    struct catalog_privileges list;
    bool known = false;

    (void)state;
    say("/permissions/", 200, "{\"privilege_assignments\":[]}");
    good(catalog_grant(ws, CATALOG_VOLUME, path, "sp-1", both, 2, &err));
    was("PATCH", "/api/2.1/unity-catalog/permissions/volume/main.raw.land",
        "{\"changes\":[{\"principal\":\"sp-1\",\"add\":[\"READ_VOLUME\",\"WRITE_VOLUME\"]}]}");
    say("page_token=t", 200,
        "{\"privilege_assignments\":[{\"principal\":\"sp-1\",\"privileges\":[{\"privilege\":"
        "\"USE_SCHEMA\",\"inherited_from_type\":\"CATALOG\",\"inherited_from_name\":\"main\"}]},{"
        "\"principal\":\"admins\",\"privileges\":[\"ALL_PRIVILEGES\",7]}]}");
    say("/effective-permissions/", 200, "{\"next_page_token\":\"t\"}"); /* an empty page */
    good(catalog_privileges_get(ws, CATALOG_SCHEMA, (struct catalog_path){"main", "raw", NULL},
        "a@b", true, &list, &known, &err));
    was_before(1, "GET",
        "/api/2.1/unity-catalog/effective-permissions/schema/"
        "main.raw?max_results=0&principal=a%40b",
        NULL);
    assert_true(known);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0].inherited_kind, "CATALOG");
    assert_string_equal(list.items[0].inherited_name, "main");
    assert_true(catalog_privileges_have(&list, "SP-1", "USE_SCHEMA"));
    assert_false(catalog_privileges_have(&list, "sp-1", "CREATE_VOLUME"));
    assert_true(catalog_privileges_have(&list, "admins", "CREATE_VOLUME"));
    assert_true(catalog_privileges_have(&list, NULL, "CREATE_VOLUME"));
    catalog_privileges_done(&list);
    say("/permissions/", 403, "{\"error_code\":\"PERMISSION_DENIED\"}");
    good(catalog_privileges_get(ws, CATALOG_CATALOG, (struct catalog_path){"main", NULL, NULL},
        NULL, false, &list, &known, &err));
    was("GET", "/api/2.1/unity-catalog/permissions/catalog/main?max_results=0", NULL);
    assert_false(known); /* which is not "no" */
    assert_int_equal(list.count, 0);
}

/* --- SQL --- */

#define STATEMENT_BODY                                                                             \
    "{\"warehouse_id\":\"w\",\"catalog\":\"main\",\"schema\":\"raw\",\"statement\":\"SELECT "      \
    "'\xc3\xbc\\\"'\",\"wait_timeout\":\"30s\",\"on_wait_timeout\":\"CONTINUE\",\"disposition\":"  \
    "\"INLINE\",\"format\":\"JSON_ARRAY\"}"

static struct sql_statement statement(int64_t limit_us)
{
    return (struct sql_statement){.warehouse_id = "w",
        .catalog = "main",
        .schema = "raw",
        .text = span_of("SELECT '\xc3\xbc\"'"),
        .limit_us = limit_us};
}

static void a_statement_ends_at_once(void **state)
{
    const struct sql_statement s = statement(0);
    struct sql_result r;

    (void)state;
    say("/statements", 200,
        "{\"statement_id\":\"01ef\",\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":"
        "{\"columns\":[{\"name\":\"N\"},{\"name\":\"m\"}]},\"total_row_count\":9},\"result\":{"
        "\"data_array\":[[\"1\",null],[\"2\"]]}}");
    good(sql_execute(ws, &s, &r, &err));
    was("POST", "/api/2.0/sql/statements", STATEMENT_BODY);
    assert_int_equal(r.state, SQL_SUCCEEDED);
    assert_int_equal(r.row_count, 2);
    assert_int_equal(r.total_rows, 9);
    assert_int_equal(sql_column(&r, "n"), 0);
    assert_int_equal(sql_column(&r, "x"), 2);
    assert_string_equal(sql_cell(&r, 0, 0), "1");
    assert_null(sql_cell(&r, 0, 1));
    assert_string_equal(sql_cell(&r, 1, 0), "2");
    assert_null(sql_cell(&r, 1, 1));
    assert_null(sql_cell(&r, 2, 0));
    sql_result_done(&r);
    say("/statements", 200, "{\"statement_id\":\"s\",\"status\":{\"state\":\"CLOSED\"}}");
    good(sql_execute(ws, &s, &r, &err));
    sql_result_done(&r);
}

static void a_failed_statement_comes_with_200(void **state)
{
    static const struct {
        const char *status;
        enum err_kind kind;
    } rows[] = {
        {"\"error\":{\"error_code\":\"BAD_REQUEST\",\"message\":\"[PARSE_SYNTAX_ERROR] x\"}",
            ERR_INPUT},
        {"\"error\":{\"error_code\":\"BAD_REQUEST\",\"message\":\"no\"},\"sql_state\":\"42501\"",
            ERR_DENIED},
        {"\"error\":{\"error_code\":\"BAD_REQUEST\",\"message\":\"PERMISSION_DENIED: User\"}",
            ERR_DENIED},
        {"\"error\":{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"m\"}", ERR_RETRY},
        {"\"error\":{\"error_code\":\"INTERNAL_ERROR\",\"message\":\"m\"}", ERR_RETRY},
        {"\"x\":1", ERR_INPUT},
    };
    const struct sql_statement s = statement(0);
    struct sql_result r;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[512];

        (void)snprintf(body, sizeof(body),
            "{\"statement_id\":\"s\",\"status\":{\"state\":\"FAILED\",%s}}", rows[i].status);
        say("/statements", 200, body);
        err = (struct err){.text = ""};
        assert_false(sql_execute(ws, &s, &r, &err));
        assert_int_equal(err.kind, rows[i].kind);
        assert_int_equal(r.state, SQL_FAILED);
        assert_non_null(r.message);
        sql_result_done(&r);
    }
    say("/statements", 404, "{\"error_code\":\"NOT_FOUND\",\"message\":\"w\"}");
    assert_false(sql_execute(ws, &s, &r, &err));
    assert_int_equal(r.state, SQL_NOT_SENT);
    sql_result_done(&r);
}

static void a_slow_statement_is_polled(void **state)
{
    const struct sql_statement s = statement(20000000);
    struct sql_result r;

    (void)state;
    pauses_are_told = true;
    say("/statements/a%2Fb", 503, "{}"); /* the statement goes on: ask again */
    say("/statements/a%2Fb", 200,
        "{\"status\":{\"state\":\"SUCCEEDED\"},\"manifest\":{\"schema\":{\"columns\":[{\"name\":"
        "\"n\"}]}},\"result\":{\"data_array\":[[\"7\"]]}}");
    say("/statements", 200, "{\"statement_id\":\"a/b\",\"status\":{\"state\":\"PENDING\"}}");
    good(sql_execute(ws, &s, &r, &err));
    pauses_are_told = false;
    assert_int_equal(pause_count, 2);
    assert_int_equal(pauses_us[0], 1000000);
    assert_int_equal(pauses_us[1], 1500000);
    was("GET", "/api/2.0/sql/statements/a%2Fb", NULL);
    assert_string_equal(r.statement_id, "a/b");
    assert_string_equal(sql_cell(&r, 0, 0), "7");
    assert_int_equal(server->request_count, 3);
    sql_result_done(&r);
}

static void a_statement_over_its_limit_is_cancelled(void **state)
{
    const struct sql_statement s = statement(300000);
    struct sql_result r;

    (void)state;
    say("/cancel", 200, "{}");
    say("/statements", 200, "{\"statement_id\":\"s\",\"status\":{\"state\":\"PENDING\"}}");
    server_add(server, (struct server_rule){.match = "/statements/s",
                           .status = 200,
                           .body = "{\"status\":{\"state\":\"RUNNING\"}}"});
    assert_false(sql_execute(ws, &s, &r, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "in time"));
    assert_int_equal(server_count(server, "POST", "/statements/s/cancel"), 1);
    sql_result_done(&r);
}

static void a_stop_ends_what_waits(void **state)
{
    const struct sql_statement s = statement(60000000);
    struct sql_result r;
    struct jobs_list list;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    workspace_stop_on(ws, fds[0]);
    say("/cancel", 200, "{}");
    say("/statements", 200, "{\"statement_id\":\"s\",\"status\":{\"state\":\"PENDING\"}}");
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_false(sql_execute(ws, &s, &r, &err)); /* stopped before the answer */
    assert_non_null(strstr(err.text, "stopped"));
    assert_true(workspace_stopped(ws));
    sql_result_done(&r);
    server_add(server, (struct server_rule){.match = "/jobs/list", .how = STALL});
    assert_false(jobs_list_get(ws, NULL, false, 1, &list, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    workspace_stop_on(ws, -1);
    assert_false(workspace_stopped(ws));
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* --- compute --- */

static void warehouses_and_clusters(void **state)
{
    struct compute_warehouses list;
    struct compute_warehouse warehouse;
    struct compute_cluster cluster;
    unsigned major = 0, minor = 0;
    bool exists = false;

    (void)state;
    say("/warehouses", 200,
        "{\"warehouses\":[{\"id\":\"a1\",\"name\":\"Big\",\"state\":\"STOPPED\",\"warehouse_type\":"
        "\"CLASSIC\"},{\"id\":\"a2\",\"enable_serverless_compute\":true,\"state\":\"DELETING\"},"
        "{}]}");
    good(compute_warehouses_list(ws, &list, &err));
    was("GET", "/api/2.0/sql/warehouses", NULL);
    assert_int_equal(list.count, 2);
    assert_true(compute_warehouse_usable(&list.items[0]));
    assert_false(compute_warehouse_runs_files(&list.items[0]));
    assert_false(compute_warehouse_usable(&list.items[1]));
    assert_true(compute_warehouse_runs_files(&list.items[1]));
    compute_warehouses_done(&list);
    say("/warehouses", 200, "{}");
    good(compute_warehouses_list(ws, &list, &err));
    assert_int_equal(list.count, 0);
    say("/warehouses/", 200, "{\"name\":\"Big\",\"state\":\"RUNNING\"}");
    good(compute_warehouse_get(ws, "a 1", &warehouse, &exists, &err));
    was("GET", "/api/2.0/sql/warehouses/a%201", NULL);
    assert_true(exists);
    assert_string_equal(warehouse.id, "a 1");
    say("/clusters/get", 200,
        "{\"cluster_name\":\"C\",\"state\":\"TERMINATED\",\"spark_version\":\"16.4.x-scala2.12\","
        "\"data_security_mode\":\"SINGLE_USER\",\"single_user_name\":\"u\"}");
    good(compute_cluster_get(ws, "0123-c", &cluster, &exists, &err));
    was("GET", "/api/2.1/clusters/get?cluster_id=0123-c", NULL);
    assert_true(compute_cluster_has_catalog(&cluster));
    assert_true(compute_cluster_version(&cluster, &major, &minor));
    assert_int_equal(major, 16);
    assert_int_equal(minor, 4);
    assert_string_equal(cluster.single_user, "u");
    say("/clusters/get", 400,
        "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"Cluster x does not exist\"}");
    good(compute_cluster_get(ws, "x", &cluster, &exists, &err));
    assert_false(exists);
    assert_false(compute_cluster_has_catalog(&cluster));
    assert_false(compute_cluster_version(&cluster, &major, &minor));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_listed_by_name),
        TEST(a_job_is_read),
        TEST(jobs_are_changed),
        TEST(a_job_is_paused),
        TEST(runs_are_read),
        TEST(a_job_is_run),
        TEST(files_of_the_workspace),
        TEST(volumes),
        TEST(tables),
        TEST(grants),
        TEST(a_statement_ends_at_once),
        TEST(a_failed_statement_comes_with_200),
        TEST(a_slow_statement_is_polled),
        TEST(a_statement_over_its_limit_is_cancelled),
        TEST(a_stop_ends_what_waits),
        TEST(warehouses_and_clusters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
