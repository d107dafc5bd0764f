/* Triggers and runs, from the HTTP API down to the rows of the table. A minute of a definition lasts
 * 20 ms here. */
#include "unit/emulator_api.h"

#include "../delta_kit.h"
#include "emulator/request.h"

#define J "/api/2.2/jobs/"
#define SQL "/api/2.0/sql/statements"
#define DATA "/Volumes/main/raw/land/data"
#define CODE "/Workspace/Shared/load.py"
#define COPY "/Workspace/Shared/copy.sql"

static const char script[] =
    "import argparse\n"
    "from pyspark.sql import SparkSession\n"
    "parser = argparse.ArgumentParser()\n"
    "parser.add_argument('--source', required=True)\n"
    "parser.add_argument('--table', required=True)\n"
    "args = parser.parse_args()\n"
    "spark = SparkSession.builder.getOrCreate()\n"
    "(spark.readStream.format('cloudFiles').option('cloudFiles.format', 'parquet')\n"
    "    .option('pathGlobFilter', '*.parquet').load(args.source)\n"
    "    .writeStream.option('checkpointLocation', '/Volumes/main/raw/land/checkpoints')\n"
    "    .trigger(availableNow=True).toTable(args.table).awaitTermination())\n";

static const char copy_text[] = "-- what a job runs\nSET TIME ZONE 'UTC';\n"
                                "CREATE TABLE IF NOT EXISTS main.raw.other (a INT);\n"
                                "COPY INTO `main`.`raw`.`events`\n"
                                "FROM (SELECT CAST(`timestamp` AS TIMESTAMP_NTZ) AS `timestamp`, "
                                "`asset`, `datastream`, `payload`\n"
                                "  FROM '" DATA "/')\nFILEFORMAT = PARQUET;\n";

static void fast(struct emulator_options *options)
{
    with_worker(options);
    options->job_poll_us = 5000;
    options->job_time_scale = 3000;
    options->job_files_limit = 6;
}

static json_t *sql(const struct fixture *f, const char *statement)
{
    json_t *body = json_pack("{s:s, s:s, s:s}", "warehouse_id", "8ec9edc1db0c40df", "statement",
        statement, "wait_timeout", "30s");
    char *text = json_dumps(body, 0);
    json_t *answer = call(f, "POST", SQL, text, 200);
    const json_t *status = json_object_get(answer, "status");

    if (strcmp(json_member(status, "state"), "SUCCEEDED") != 0)
        fail_msg("%s: %s", statement, json_member(json_object_get(status, "error"), "message"));
    free(text);
    json_decref(body);
    return answer;
}

static int64_t count_rows(const struct fixture *f)
{
    json_t *answer = sql(f, "SELECT count(*) FROM main.raw.events");
    const json_t *rows = json_object_get(json_object_get(answer, "result"), "data_array");
    const char *text = json_string_value(json_array_get(json_array_get(rows, 0), 0));
    int64_t count = text ? strtoll(text, NULL, 10) : -1;

    json_decref(answer);
    return count;
}

static void import(const struct fixture *f, const char *path, const char *text)
{
    char target[256];

    (void)snprintf(
        target, sizeof(target), "/api/2.0/workspace-files/import-file%s?overwrite=true", path);
    do_call(f, "POST", target, text, 200);
}

static void put(const struct fixture *f, const char *name, size_t rows)
{
    struct kit kit = {.dirfd = -1};
    char from[96], target[256];
    struct err err = {0};
    struct buf bytes;
    struct answer a;

    assert_true(file_dir_open(FILE_CWD, f->root, &kit.dirfd, &err));
    (void)snprintf(from, sizeof(from), "outside.parquet");
    kit_write_rows(&kit, from, rows, INT64_C(1768995296000000));
    buf_init(&bytes, 1 << 20);
    assert_true(file_read_whole(kit.dirfd, from, &bytes, &err));
    (void)snprintf(target, sizeof(target), FILES DATA "/%s", name);
    ask(f, &a, "PUT", target, BEARER, bytes.data, bytes.len);
    assert_int_equal(a.status, 204);
    answer_done(&a);
    buf_done(&bytes);
    file_drop(kit.dirfd);
}

static int start(void **state)
{
    struct fixture *f = fixture_start(fast);

    assert_int_equal(ask_status(f, "PUT", DIRECTORIES DATA, BEARER, NULL), 204);
    json_decref(sql(f, "CREATE TABLE main.raw.events (timestamp TIMESTAMP_NTZ, asset STRING, "
                       "datastream STRING, payload DOUBLE) USING DELTA"));
    do_call(f, "POST", "/api/2.0/workspace/mkdirs", "{\"path\":\"/Workspace/Shared\"}", 200);
    import(f, CODE, script);
    import(f, COPY, copy_text);
    *state = f;
    return 0;
}

static int end(void **state)
{
    fixture_stop(*state);
    return 0;
}

#define ARRIVAL                                                                                    \
    "\"trigger\":{\"file_arrival\":{\"url\":\"" DATA                                               \
    "/\",\"min_time_between_triggers_seconds\":60}}"
#define PYTHON                                                                                     \
    "\"tasks\":[{\"task_key\":\"load\",\"existing_cluster_id\":\"0123-456789-cluster0\","          \
    "\"max_retries\":2,\"min_retry_interval_millis\":60000,"                                       \
    "\"spark_python_task\":{\"python_file\":\"" CODE "\",\"parameters\":[\"--source\","            \
    "\"{{job.trigger.file_arrival.location}}\",\"--table\",\"main.raw.events\"]}}]"
#define PYTHON_PLAIN                                                                               \
    "\"tasks\":[{\"task_key\":\"load\",\"existing_cluster_id\":\"0123-456789-cluster0\","          \
    "\"spark_python_task\":{\"python_file\":\"" CODE "\",\"parameters\":[\"--source\",\"" DATA     \
    "/\",\"--table\",\"main.raw.events\"]}}]"
#define SQL_TASK                                                                                   \
    "\"tasks\":[{\"task_key\":\"copy\",\"sql_task\":{\"warehouse_id\":\"8ec9edc1db0c40df\","       \
    "\"file\":{\"path\":\"" COPY "\",\"source\":\"WORKSPACE\"}}}]"
#define QUEUED "\"max_concurrent_runs\":1,\"queue\":{\"enabled\":true}"

static int64_t create(const struct fixture *f, const char *settings)
{
    char body[4096];
    json_t *answer;
    int64_t id;

    (void)snprintf(body, sizeof(body), "{\"name\":\"load\",%s}", settings);
    answer = call(f, "POST", J "create", body, 200);
    id = json_member_int(answer, "job_id");
    json_decref(answer);
    return id;
}

/* The runs of a job that are over, newest first; all when `over` is false. */
static json_t *runs_of(const struct fixture *f, int64_t job, bool over)
{
    char target[160];

    (void)snprintf(target, sizeof(target), J "runs/list?job_id=%lld&expand_tasks=true%s",
        (long long)job, over ? "&completed_only=true" : "");
    return call(f, "GET", target, NULL, 200);
}

static size_t runs_over(const struct fixture *f, int64_t job)
{
    json_t *answer = runs_of(f, job, true);
    size_t count = json_array_size(json_object_get(answer, "runs"));

    json_decref(answer);
    return count;
}

static void wait_runs(const struct fixture *f, int64_t job, size_t want)
{
    for (int i = 0; i < 2000; i++) {
        if (runs_over(f, job) >= want)
            return;
        usleep(5000);
    }
    fail_msg("%zu runs, not %zu", runs_over(f, job), want);
}

static void wait_rows(const struct fixture *f, int64_t want)
{
    for (int i = 0; i < 2000; i++) {
        if (count_rows(f) == want)
            return;
        usleep(5000);
    }
    fail_msg("%lld rows, not %lld", (long long)count_rows(f), (long long)want);
}

/* What the trigger remembers: the look that takes stock has been made. */
static void wait_stock(const struct fixture *f, int64_t job)
{
    for (int i = 0; i < 2000; i++) {
        json_t *jobs = jobbook_copy(f->emu), *one;
        bool taken = false;
        size_t at;

        json_array_foreach(jobs, at, one)
        {
            taken = taken || (json_member_int(one, "job_id") == job &&
                                 json_object_get(json_object_get(one, "runner"), "seen"));
        }
        json_decref(jobs);
        if (taken)
            return;
        usleep(2000);
    }
    fail_msg("the trigger never looked");
}

static json_t *newest(const struct fixture *f, int64_t job)
{
    json_t *answer = runs_of(f, job, true);
    json_t *run = json_incref(json_array_get(json_object_get(answer, "runs"), 0));

    assert_non_null(run);
    json_decref(answer);
    return run;
}

static const char *result(const json_t *run)
{
    return json_member(json_object_get(run, "state"), "result_state");
}

static void a_new_file_starts_the_job(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(f, ARRIVAL "," PYTHON "," QUEUED);
    json_t *run;

    wait_stock(f, job);
    put(f, "a.parquet", 100);
    wait_rows(f, 100);
    wait_runs(f, job, 1);
    run = newest(f, job);
    assert_string_equal(json_member(run, "trigger"), "FILE_ARRIVAL");
    assert_string_equal(result(run), "SUCCESS");
    json_decref(run);
    put(f, "day/b.parquet", 50);
    wait_rows(f, 150);
    wait_runs(f, job, 2);
}

static void old_names_and_hidden_names_start_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t job;

    put(f, "old.parquet", 10);
    job = create(f, ARRIVAL "," PYTHON "," QUEUED);
    wait_stock(f, job);
    put(f, "old.parquet", 20); /* overwritten */
    put(f, "_probe", 1);
    put(f, "_parts/a.parquet", 1);
    usleep(100000);
    assert_int_equal(runs_over(f, job), 0);
    put(f, "new.parquet", 5);
    wait_rows(f, 25); /* the loader lists: it finds the old one too */
    wait_runs(f, job, 1);
    usleep(100000);
    assert_int_equal(runs_over(f, job), 1);
}

static void a_paused_trigger_waits(void **state)
{
    struct fixture *f = *state;
    int64_t job =
        create(f, "\"trigger\":{\"pause_status\":\"PAUSED\",\"file_arrival\":{\"url\":\"" DATA
                  "/\"}}," PYTHON "," QUEUED);
    char body[512];

    put(f, "a.parquet", 10);
    usleep(60000);
    assert_int_equal(runs_over(f, job), 0);
    (void)snprintf(
        body, sizeof(body), "{\"job_id\":%lld,\"new_settings\":{" ARRIVAL "}}", (long long)job);
    do_call(f, "POST", J "update", body, 200);
    wait_stock(f, job);
    put(f, "b.parquet", 5);
    wait_rows(f, 15);
}

/* Moments when the job's runs were asked for: the ledger has them to the millisecond. */
static size_t asked_for(const struct fixture *f, int64_t job, int64_t *ret, size_t max)
{
    json_t *book = ledger_open(f->emu->ledger, LEDGER_RUNS), *run;
    size_t i, count = 0;

    json_array_foreach(json_object_get(book, "runs"), i, run)
    {
        if (json_member_int(run, "job_id") == job && count < max)
            ret[count++] = json_member_int(run, "created");
    }
    ledger_close(f->emu->ledger);
    return count;
}

/* An hour is 1.2 s here. */
static void the_time_between_two_starts_is_kept(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(f, "\"trigger\":{\"file_arrival\":{\"url\":\"" DATA
                            "/\",\"min_time_between_triggers_seconds\":3600}}," PYTHON "," QUEUED);
    int64_t asked[8];
    size_t count;

    wait_stock(f, job);
    put(f, "a.parquet", 10);
    wait_runs(f, job, 1);
    put(f, "b.parquet", 10);
    put(f, "c.parquet", 10);
    wait_rows(f, 30);
    wait_runs(f, job, 2);
    count = asked_for(f, job, asked, 8);
    assert_in_range(count, 2, 3); /* one for each file at most */
    for (size_t i = 1; i < count; i++)
        assert_true(asked[i] - asked[i - 1] >= 1200);
}

static json_t *trigger_state(const struct fixture *f, int64_t job)
{
    char target[128];
    json_t *answer, *state;

    (void)snprintf(
        target, sizeof(target), J "get?job_id=%lld&include_trigger_state=true", (long long)job);
    answer = call(f, "GET", target, NULL, 200);
    state = json_incref(json_object_get(json_object_get(answer, "trigger_state"), "file_arrival"));
    json_decref(answer);
    return state;
}

/* No run is under way or queued, and none comes for some looks of the trigger: what is put from here on is not
 * taken along by a run that began before. */
static void wait_quiet(struct fixture *f, int64_t job)
{
    char target[128];

    (void)snprintf(target, sizeof(target), "/api/2.2/jobs/runs/list?active_only=true&job_id=%lld",
        (long long)job);
    for (int quiet = 0, i = 0; quiet < 20 && i < 5000; i++) {
        json_t *answer = call(f, "GET", target, NULL, 200);

        quiet = json_array_size(json_object_get(answer, "runs")) ? 0 : quiet + 1;
        json_decref(answer);
        usleep(5000);
    }
}

static void too_many_files_stop_the_trigger(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(f, ARRIVAL "," PYTHON "," QUEUED);
    char name[32];
    json_t *now = NULL;

    wait_stock(f, job);
    for (int i = 0; i < 6; i++) { /* one is hidden, and counts */
        (void)snprintf(name, sizeof(name), "%s%d.parquet", i ? "" : "_", i);
        put(f, name, 10);
    }
    wait_rows(f, 50);
    wait_quiet(f, job);
    put(f, "7.parquet", 10);
    for (int i = 0; i < 2000; i++) {
        now = trigger_state(f, job);
        if (json_object_get(now, "error_message"))
            break;
        json_decref(now);
        now = NULL;
        usleep(2000);
    }
    assert_non_null(now);
    assert_non_null(strstr(json_member(now, "error_message"), "more than 6 files"));
    json_decref(now);
    usleep(60000);
    assert_int_equal(count_rows(f), 50);
    assert_int_equal(ask_status(f, "DELETE", FILES DATA "/1.parquet", BEARER, NULL), 204);
    wait_rows(f, 60);
    now = trigger_state(f, job);
    assert_null(json_object_get(now, "error_message"));
    assert_true(json_is_false(json_object_get(now, "using_file_events")));
    json_decref(now);
}

static void a_period_starts_the_job(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(
        f, "\"trigger\":{\"periodic\":{\"interval\":1,\"unit\":\"HOURS\"}}," SQL_TASK "," QUEUED);
    json_t *run;

    put(f, "a.parquet", 10);
    wait_runs(f, job, 2);
    run = newest(f, job);
    assert_string_equal(json_member(run, "trigger"), "PERIODIC");
    assert_string_equal(result(run), "SUCCESS");
    json_decref(run);
    wait_rows(f, 10); /* the first run may have come before the file */
}

static void run_now_runs_both_loaders(void **state)
{
    struct fixture *f = *state;
    char body[96];
    int64_t job = create(f, SQL_TASK "," QUEUED);

    put(f, "a.parquet", 10);
    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld}", (long long)job);
    for (int i = 0; i < 5; i++) /* they queue up */
        do_call(f, "POST", J "run-now", body, 200);
    wait_runs(f, job, 5);
    assert_int_equal(count_rows(f), 10);
    /* The other loader has a memory of its own. */
    job = create(f, PYTHON_PLAIN "," QUEUED);
    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld}", (long long)job);
    do_call(f, "POST", J "run-now", body, 200);
    wait_runs(f, job, 1);
    assert_int_equal(count_rows(f), 20);
}

static void a_broken_file_fails_after_the_retries(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(f, ARRIVAL "," PYTHON "," QUEUED);
    json_t *run, *tasks;

    wait_stock(f, job);
    assert_int_equal(put_text(f, FILES DATA "/broken.parquet", "PAR1 PAR1"), 204);
    wait_runs(f, job, 1);
    run = newest(f, job);
    assert_string_equal(result(run), "FAILED");
    tasks = json_object_get(run, "tasks");
    assert_int_equal(
        json_member_int(json_array_get(tasks, json_array_size(tasks) - 1), "attempt_number"), 2);
    if (!strstr(json_member(json_object_get(run, "state"), "state_message"), "broken.parquet"))
        fail_msg("%s", json_member(json_object_get(run, "state"), "state_message"));
    json_decref(run);
    assert_int_equal(count_rows(f), 0);
}

static void missing_rights_fail_the_run(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(
        f, ARRIVAL ",\"run_as\":{\"service_principal_name\":\"" WORKER "\"}," PYTHON "," QUEUED);
    json_t *state_now = NULL;

    put(f, "a.parquet", 10);
    for (int i = 0; i < 2000; i++) {
        state_now = trigger_state(f, job);
        if (json_object_get(state_now, "error_message"))
            break;
        json_decref(state_now);
        state_now = NULL;
        usleep(2000);
    }
    assert_non_null(state_now); /* it may not even look */
    json_decref(state_now);
    json_decref(sql(f, "GRANT USE CATALOG ON CATALOG main TO `" WORKER "`"));
    json_decref(sql(f, "GRANT USE SCHEMA ON SCHEMA main.raw TO `" WORKER "`"));
    json_decref(sql(f, "GRANT READ VOLUME, WRITE VOLUME ON VOLUME main.raw.land TO `" WORKER "`"));
    wait_stock(f, job);
    put(f, "b.parquet", 10);
    wait_runs(f, job, 1);
    assert_int_equal(count_rows(f), 0);
    json_decref(sql(f, "GRANT SELECT, MODIFY ON TABLE main.raw.events TO `" WORKER "`"));
    put(f, "c.parquet", 10);
    wait_rows(f, 30);
}

static void a_restart_goes_on_and_doubles_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t job = create(f, ARRIVAL "," PYTHON "," QUEUED);
    int64_t rows = 0;
    char name[32];

    wait_stock(f, job);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "%d.parquet", i);
        put(f, name, 10);
        rows += 10;
        if (i == 1)
            usleep(4000);
        restart(f, fast); /* before, in the middle of or behind the run */
    }
    wait_rows(f, rows);
    usleep(100000);
    assert_int_equal(count_rows(f), rows);
}

static void rows_are_shown(void **state)
{
    struct fixture *f = *state;
    char body[96];
    const json_t *rows, *row;
    json_t *answer;
    int64_t job = create(f, SQL_TASK "," QUEUED);

    put(f, "a.parquet", 3);
    (void)snprintf(body, sizeof(body), "{\"job_id\":%lld}", (long long)job);
    do_call(f, "POST", J "run-now", body, 200);
    wait_rows(f, 3);
    answer = sql(f, "SELECT * FROM main.raw.events LIMIT 2");
    rows = json_object_get(json_object_get(answer, "result"), "data_array");
    assert_int_equal(json_array_size(rows), 2);
    row = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_array_get(row, 1)), "pump-1");
    assert_string_equal(json_string_value(json_array_get(row, 3)), "0.125");
    json_decref(answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_starts_the_job),
        TEST(old_names_and_hidden_names_start_nothing),
        TEST(a_paused_trigger_waits),
        TEST(the_time_between_two_starts_is_kept),
        TEST(too_many_files_stop_the_trigger),
        TEST(a_period_starts_the_job),
        TEST(run_now_runs_both_loaders),
        TEST(a_broken_file_fails_after_the_retries),
        TEST(missing_rights_fail_the_run),
        TEST(a_restart_goes_on_and_doubles_nothing),
        TEST(rows_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
