/* The Jobs API: databricks-api.md 4. */
#include "emulator_api.h"

#include "emulator/request.h"

#define J "/api/2.2/jobs/"
#define TASK                                                                                       \
    "{\"task_key\":\"load\",\"existing_cluster_id\":\"0123-456789-cluster0\","                     \
    "\"max_retries\":1,\"min_retry_interval_millis\":1,"                                           \
    "\"spark_python_task\":{\"python_file\":\"/Workspace/Shared/a.py\"}}"
#define SQL_TASK                                                                                   \
    "{\"task_key\":\"copy\",\"sql_task\":{\"warehouse_id\":\"8ec9edc1db0c40df\","                  \
    "\"file\":{\"path\":\"/Workspace/Shared/a.sql\",\"source\":\"WORKSPACE\"}}}"
#define DATA "/Volumes/main/raw/land/data/"
#define TRIGGER                                                                                    \
    "\"trigger\":{\"file_arrival\":{\"url\":\"" DATA "\",\"min_time_between_triggers_seconds\":"   \
    "60}}"

static void no_runner(struct emulator_options *options)
{
    static const char *const schemas[] = {"main.other"};

    with_worker(options);
    options->schemas = schemas;
    options->schema_count = 1;
    options->job_poll_us = INT64_C(3600) * 1000000;
}

static int setup(void **state)
{
    struct fixture *f = fixture_start(no_runner);

    assert_int_equal(ask_status(f, "PUT", DIRECTORIES DATA, BEARER, NULL), 204);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

/* A job of these settings (the inside of the braces), by `bearer`. */
static int64_t create_as(const struct fixture *f, const char *bearer, const char *settings)
{
    char body[4096];
    json_t *a;
    int64_t id;

    (void)snprintf(body, sizeof(body), "{%s}", settings);
    a = call_as(f, bearer, "POST", J "create", body, 200);
    id = json_member_int(a, "job_id");
    json_decref(a);
    assert_true(id > INT64_C(1) << 53);
    assert_int_not_equal((int64_t)(double)id, id);
    return id;
}

static int64_t create(const struct fixture *f, const char *settings)
{
    return create_as(f, BEARER, settings);
}

static json_t *get_job(const struct fixture *f, int64_t id)
{
    char target[128];

    (void)snprintf(
        target, sizeof(target), J "get?job_id=%lld&include_trigger_state=true", (long long)id);
    return call(f, "GET", target, NULL, 200);
}

static void change(const struct fixture *f, const char *what, int64_t id, const char *more)
{
    char target[128], body[2048];

    (void)snprintf(target, sizeof(target), J "%s", what);
    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld%s}", (long long)id, more);
    do_call(f, "POST", target, body, 200);
}

static void get_shows_what_the_service_adds(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"name\":\"one\",\"tasks\":[" TASK "]," TRIGGER
                           ",\"run_as\":{\"service_principal_name\":\"" WORKER "\"}");
    json_t *a = get_job(f, id), *settings = json_object_get(a, "settings"), *task;

    assert_int_equal(json_member_int(a, "job_id"), id);
    assert_string_equal(json_member(a, "creator_user_name"), "somebody@example.com");
    assert_string_equal(json_member(a, "run_as_user_name"), WORKER);
    assert_string_equal(json_member(settings, "format"), "MULTI_TASK");
    assert_true(json_is_object(json_object_get(settings, "email_notifications")));
    assert_true(json_is_integer(json_object_get(settings, "timeout_seconds")));
    assert_int_equal(json_member_int(settings, "max_concurrent_runs"), 1);
    assert_null(json_object_get(settings, "run_as"));
    task = json_array_get(json_object_get(settings, "tasks"), 0);
    assert_string_equal(json_member(task, "run_if"), "ALL_SUCCESS");
    assert_string_equal(
        json_member(json_object_get(settings, "trigger"), "pause_status"), "UNPAUSED");
    assert_true(json_is_object(json_object_get(a, "trigger_state")));
    json_decref(a);
    expect_error(
        f, "GET", J "get?job_id=77", NULL, 400, "INVALID_PARAMETER_VALUE", "Job 77 does not exist");
    expect_error_as(f, WORKER_BEARER, "GET", J "get?job_id=77", NULL, 403, "PERMISSION_DENIED",
        "does not have View or Admin or Manage Run or Owner permissions on job 77");
    expect_error(f, "GET", J "get", NULL, 400, "INVALID_PARAMETER_VALUE", "job_id");
}

static size_t listed(const struct fixture *f, const char *query, json_t **ret)
{
    char target[256];

    (void)snprintf(target, sizeof(target), J "list%s", query);
    *ret = call(f, "GET", target, NULL, 200);
    return json_array_size(json_object_get(*ret, "jobs"));
}

static void names_are_not_unique_and_their_case_is_ignored(void **state)
{
    struct fixture *f = *state;
    int64_t first = create(f, "\"name\":\"Same Name\",\"tasks\":[" TASK "]");
    json_t *a;

    assert_true(create(f, "\"name\":\"same name\",\"tasks\":[" TASK "]") != first);
    (void)create(f, "\"name\":\"other\",\"tasks\":[" TASK "]");
    assert_int_equal(listed(f, "?name=SAME%20NAME", &a), 2);
    assert_null(json_object_get(
        json_object_get(json_array_get(json_object_get(a, "jobs"), 0), "settings"), "tasks"));
    json_decref(a);
    assert_int_equal(listed(f, "?name=same+name&expand_tasks=true", &a), 2);
    assert_non_null(json_object_get(
        json_object_get(json_array_get(json_object_get(a, "jobs"), 0), "settings"), "tasks"));
    json_decref(a);
    assert_int_equal(listed(f, "?name=Same", &a), 0);
    assert_null(json_object_get(a, "jobs"));
    json_decref(a);
}

static void lists_come_in_pages(void **state)
{
    struct fixture *f = *state;
    char query[128] = "?limit=2";
    size_t seen = 0, pages = 0;
    json_t *a;

    for (int i = 0; i < 5; i++)
        (void)create(f, "\"name\":\"p\",\"tasks\":[" TASK "]");
    assert_int_equal(
        ask_status(f, "POST", "/emulator/faults", "", "GET */jobs/list empty-page"), 200);
    for (bool more = true; more; pages++) {
        seen += listed(f, query, &a);
        more = json_is_true(json_object_get(a, "has_more"));
        assert_int_equal(more, json_object_get(a, "next_page_token") != NULL);
        (void)snprintf(
            query, sizeof(query), "?limit=2&page_token=%s", json_member(a, "next_page_token"));
        json_decref(a);
    }
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 4); /* the first is empty */
    do_call(f, "GET", J "list?limit=101", NULL, 400);
    do_call(f, "GET", J "list?page_token=x", NULL, 400);
}

static void reset_keeps_run_as_and_update_merges(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"name\":\"r\",\"tags\":{\"a\":\"1\"},\"tasks\":[" TASK "]," TRIGGER
                           ",\"run_as\":{\"service_principal_name\":\"" WORKER "\"}");
    json_t *a, *settings;

    change(f, "reset", id, ",\"new_settings\":{\"name\":\"r2\",\"tasks\":[" TASK "]}");
    a = get_job(f, id);
    settings = json_object_get(a, "settings");
    assert_string_equal(json_member(a, "run_as_user_name"), WORKER);
    assert_string_equal(json_member(settings, "name"), "r2");
    assert_null(json_object_get(settings, "tags"));
    assert_null(json_object_get(settings, "trigger"));
    json_decref(a);
    change(f, "update", id, ",\"new_settings\":{\"tags\":{\"b\":\"2\"},\"tasks\":[" SQL_TASK "]}");
    a = get_job(f, id);
    settings = json_object_get(a, "settings");
    assert_string_equal(json_member(settings, "name"), "r2");
    assert_string_equal(json_member(json_object_get(settings, "tags"), "b"), "2");
    assert_int_equal(json_array_size(json_object_get(settings, "tasks")), 2);
    json_decref(a);
    change(f, "update", id, ",\"fields_to_remove\":[\"tags\",\"tasks/load\"]");
    a = get_job(f, id);
    settings = json_object_get(a, "settings");
    assert_null(json_object_get(settings, "tags"));
    assert_int_equal(json_array_size(json_object_get(settings, "tasks")), 1);
    json_decref(a);
    change(f, "delete", id, "");
    expect_error(f, "POST", J "reset", "{\"job_id\":5,\"new_settings\":{}}", 400,
        "INVALID_PARAMETER_VALUE", "does not exist");
    assert_int_equal(listed(f, "", &a), 0);
    json_decref(a);
}

static void bad_definitions_are_refused(void **state)
{
    static const struct {
        const char *settings, *part;
    } bad[] = {
        {"\"tasks\":[{\"task_key\":\"a b\"}]", "task key"},
        {"\"tasks\":[" TASK "," TASK "]", "twice"},
        {"\"tasks\":[{\"task_key\":\"a\",\"spark_python_task\":{\"python_file\":\"/a\"}}]",
            "environment_key is required"},
        {"\"tasks\":[{\"task_key\":\"a\",\"environment_key\":\"e\","
         "\"spark_python_task\":{\"python_file\":\"/a\"}}]",
            "not defined in environments"},
        {"\"tasks\":[{\"task_key\":\"a\",\"existing_cluster_id\":\"nope\","
         "\"spark_python_task\":{\"python_file\":\"/a\"}}]",
            "Cluster nope does not exist"},
        {"\"tasks\":[{\"task_key\":\"a\",\"existing_cluster_id\":\"0123-456789-cluster0\","
         "\"spark_python_task\":{\"python_file\":\"a.py\"}}]",
            "absolute"},
        {"\"tasks\":[{\"task_key\":\"a\",\"sql_task\":{\"warehouse_id\":\"x\"}}]",
            "warehouse x does not exist"},
        {"\"trigger\":{\"file_arrival\":{\"url\":\"/Volumes/main/raw/land/data\"}}", "end with"},
        {"\"trigger\":{\"file_arrival\":{\"url\":\"/Volumes/main/raw/land/none/\"}}",
            "does not exist"},
        {"\"trigger\":{\"file_arrival\":{\"url\":\"" DATA
         "\",\"wait_after_last_change_seconds\":59}}",
            "at least 60"},
        {TRIGGER ",\"schedule\":{}", "only one of"},
        {"\"trigger\":{\"periodic\":{\"interval\":1,\"unit\":\"MINUTES\"}}", "HOURS"},
        {"\"max_concurrent_runs\":1001", "max_concurrent_runs"},
        {"\"tags\":{\"a\":\"<b>\"}", "not allowed"},
        {"\"run_as\":{\"user_name\":\"nobody@example.com\"}", "does not exist"},
    };
    struct fixture *f = *state;
    char body[1024];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(body, sizeof(body), "{\"name\":\"x\",%s}", bad[i].settings);
        expect_error(f, "POST", J "create", body, 400, "INVALID_PARAMETER_VALUE", bad[i].part);
    }
}

static void a_trigger_needs_the_right_to_read(void **state)
{
    struct fixture *f = *state;

    expect_error_as(f, WORKER_BEARER, "POST", J "create", "{" TRIGGER "}", 403, "PERMISSION_DENIED",
        "User does not have USE CATALOG on Catalog 'main'.");
}

static void permissions_decide_who_sees_and_runs(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"name\":\"mine\",\"tasks\":[" TASK "]");
    char target[128], body[256];
    json_t *a;

    a = call_as(f, WORKER_BEARER, "GET", J "list", NULL, 200);
    assert_null(json_object_get(a, "jobs"));
    json_decref(a);
    (void)snprintf(target, sizeof(target), "/api/2.0/permissions/jobs/%lld", (long long)id);
    do_call(f, "PATCH", target,
        "{\"access_control_list\":[{\"service_principal_name\":\"" WORKER
        "\",\"permission_level\":\"CAN_VIEW\"}]}",
        200);
    a = call_as(f, WORKER_BEARER, "GET", J "list", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(a, "jobs")), 1);
    json_decref(a);
    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld}", (long long)id);
    expect_error_as(
        f, WORKER_BEARER, "POST", J "run-now", body, 403, "PERMISSION_DENIED", "Manage Run");
    expect_error(f, "PUT", target,
        "{\"access_control_list\":[{\"user_name\":\"somebody@example.com\","
        "\"permission_level\":\"CAN_MANAGE\"}]}",
        400, "INVALID_PARAMETER_VALUE", "The job must have exactly one owner.");
    a = call(f, "GET", target, NULL, 200);
    assert_string_equal(json_member(a, "object_type"), "job");
    assert_int_equal(json_array_size(json_object_get(a, "access_control_list")), 3);
    json_decref(a);
}

static int64_t run_now(const struct fixture *f, int64_t job, const char *more)
{
    char body[512];
    json_t *a;
    int64_t id;

    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld%s}", (long long)job, more);
    a = call(f, "POST", J "run-now", body, 200);
    id = json_member_int(a, "run_id");
    json_decref(a);
    return id;
}

static json_t *get_run(const struct fixture *f, int64_t id)
{
    char target[128];

    (void)snprintf(target, sizeof(target), J "runs/get?run_id=%lld", (long long)id);
    return call(f, "GET", target, NULL, 200);
}

static void expect_state(const struct fixture *f, int64_t id, const char *life, const char *result)
{
    json_t *a = get_run(f, id), *state = json_object_get(a, "state");

    assert_string_equal(json_member(state, "life_cycle_state"), life);
    assert_string_equal(json_member(state, "result_state"), result);
    json_decref(a);
}

static void the_same_token_is_the_same_run(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"tasks\":[" TASK "],\"queue\":{\"enabled\":true}"), run;

    run = run_now(f, id, ",\"idempotency_token\":\"t1\"");
    assert_int_equal(run_now(f, id, ",\"idempotency_token\":\"t1\""), run);
    assert_int_not_equal(run_now(f, id, ",\"idempotency_token\":\"t2\""), run);
    do_call(f, "POST", J "run-now",
        "{\"job_id\":1,\"idempotency_token\":\"0123456789012345678901234567890123456789012345678"
        "901234567890123456789\"}",
        400);
    expect_error(f, "GET", J "runs/get?run_id=9", NULL, 400, "INVALID_PARAMETER_VALUE",
        "Run 9 does not exist");
}

/* Until it is over; its attempts as a new reference. */
static json_t *wait_run(const struct fixture *f, int64_t id, const char *result)
{
    for (int i = 0; i < 2000; i++) {
        json_t *a = get_run(f, id), *state = json_object_get(a, "state"), *tasks;

        if (*json_member(state, "result_state")) {
            assert_string_equal(json_member(state, "result_state"), result);
            tasks = json_incref(json_object_get(a, "tasks"));
            json_decref(a);
            return tasks;
        }
        json_decref(a);
        usleep(5000);
    }
    fail_msg("the run does not end");
    return NULL;
}

static void a_failing_run_is_tried_again_and_the_next_one_waits(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"queue\":{\"enabled\":true},\"tasks\":[" TASK "]"), run[2];
    char target[128];
    json_t *tasks, *a;

    run[0] = run_now(f, id, "");
    run[1] = run_now(f, id, "");
    for (int i = 0; i < 2; i++) {
        tasks = wait_run(f, run[i], "FAILED");
        assert_int_equal(json_array_size(tasks), 2); /* max_retries 1 */
        assert_int_equal(json_member_int(json_array_get(tasks, 1), "attempt_number"), 1);
        (void)snprintf(target, sizeof(target), J "runs/get-output?run_id=%lld",
            (long long)json_member_int(json_array_get(tasks, 1), "run_id"));
        a = call(f, "GET", target, NULL, 200);
        assert_non_null(strstr(json_member(a, "error"), "/Workspace/Shared/a.py"));
        json_decref(a);
        json_decref(tasks);
    }
    (void)snprintf(target, sizeof(target), J "runs/get-output?run_id=%lld", (long long)run[0]);
    do_call(f, "GET", target, NULL, 400);
    a = call(f, "GET", J "runs/list?completed_only=true&limit=1&expand_tasks=true", NULL, 200);
    assert_true(json_is_true(json_object_get(a, "has_more")));
    assert_int_equal(
        json_member_int(json_array_get(json_object_get(a, "runs"), 0), "run_id"), run[1]);
    json_decref(a);
    a = call(f, "GET", J "runs/list?active_only=true", NULL, 200);
    assert_null(json_object_get(a, "runs"));
    json_decref(a);
}

static void runs_above_the_limit_are_skipped_or_queued(void **state)
{
    struct fixture *f = *state;
    int64_t none = create(f, "\"name\":\"s\",\"max_concurrent_runs\":0"), id;
    int64_t waits = create(f, "\"tasks\":[{\"task_key\":\"load\","
                              "\"existing_cluster_id\":\"0123-456789-cluster0\","
                              "\"max_retries\":-1,\"min_retry_interval_millis\":600000,"
                              "\"spark_python_task\":{\"python_file\":\"/a.py\"}}]");
    struct err err = {0};
    char body[128];

    assert_true(runbook_add(f->emu, none, "FILE_ARRIVAL", &id, &err));
    expect_state(f, id, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED");
    assert_false(runbook_add(f->emu, 3, "FILE_ARRIVAL", &id, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    /* This one waits ten minutes for its retry and takes the only place. */
    id = run_now(f, waits, "");
    expect_state(f, run_now(f, waits, ""), "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED");
    change(f, "update", waits, ",\"new_settings\":{\"queue\":{\"enabled\":true}}");
    expect_state(f, run_now(f, waits, ""), "QUEUED", "");
    for (int i = 0; i < 2000 && runbook_next_us(f->emu) < 0; i++)
        usleep(5000);
    assert_in_range(runbook_next_us(f->emu), 1, INT64_C(600000000));
    (void)snprintf(body, sizeof(body), "{\"run_id\":%lld}", (long long)id);
    do_call(f, "POST", J "runs/cancel", body, 200);
    expect_state(f, id, "TERMINATED", "CANCELED");
}

static void faults_make_two_jobs_or_none(void **state)
{
    struct fixture *f = *state;
    json_t *a;

    assert_int_equal(ask_status(f, "POST", "/emulator/faults", "",
                         "POST */jobs/create duplicate count=1\nPOST */jobs/create quota count=1\n"
                         "POST */jobs/create stale count=1"),
        200);
    (void)create(f, "\"name\":\"d\"");
    assert_int_equal(listed(f, "?name=d", &a), 2);
    json_decref(a);
    expect_error(f, "POST", J "create", "{\"name\":\"e\"}", 400, "QUOTA_EXCEEDED", "quota");
    (void)create(f, "\"name\":\"g\"");
    assert_int_equal(listed(f, "?name=g", &a), 1);
    json_decref(a);
    expect_error(
        f, "GET", J "get?job_id=1", NULL, 400, "INVALID_PARAMETER_VALUE", "does not exist");
}

static void a_restart_keeps_jobs_and_runs(void **state)
{
    struct fixture *f = *state;
    int64_t id = create(f, "\"name\":\"keep\",\"max_concurrent_runs\":0"), run = run_now(f, id, "");
    json_t *a;

    restart(f, no_runner);
    a = get_job(f, id);
    assert_string_equal(json_member(json_object_get(a, "settings"), "name"), "keep");
    json_decref(a);
    expect_state(f, run, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(get_shows_what_the_service_adds, setup, teardown),
        cmocka_unit_test_setup_teardown(
            names_are_not_unique_and_their_case_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_come_in_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_keeps_run_as_and_update_merges, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_definitions_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trigger_needs_the_right_to_read, setup, teardown),
        cmocka_unit_test_setup_teardown(permissions_decide_who_sees_and_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_token_is_the_same_run, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_failing_run_is_tried_again_and_the_next_one_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(
            runs_above_the_limit_are_skipped_or_queued, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_make_two_jobs_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_keeps_jobs_and_runs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
