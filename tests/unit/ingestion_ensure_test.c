/* Keeping the job: the decision table, against a workspace in memory.
 *
 * wrap: jobs_list_get jobs_get jobs_create jobs_reset jobs_pause jobs_delete
 * wrap: workspace_files_make_directory workspace_files_import workspace_files_export
 * wrap: catalog_schema_get catalog_volume_get catalog_volume_create catalog_table_get catalog_grant
 * wrap: catalog_privileges_get sql_execute compute_warehouses_list files_directory_exists
 * wrap: files_make_directory me_get workspace_host
 */
#include "unit/ingestion_workspace.h"

static struct ensured ensure(const struct plan *plan)
{
    struct ensured ret;
    struct err err = {0};

    fake.log[0] = '\0';
    if (!ensure_job(NULL, plan, &ret, &err))
        fail_msg("%s", err.text);
    return ret;
}

static struct err ensure_fails(const struct plan *plan)
{
    struct ensured ret;
    struct err err = {0};

    fake.log[0] = '\0';
    assert_false(ensure_job(NULL, plan, &ret, &err));
    return err;
}

/* --- one uploader --- */

static void an_empty_workspace_gets_code_and_job_in_this_order(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e = ensure(plan);

    (void)state;
    assert_int_equal(e.result, ENSURE_CREATED);
    assert_int_equal(fake_job_count(), 1);
    assert_true(e.job_id == INT64_C(9007199254740993));
    assert_string_equal(fake_job_of(e.job_id)->settings, plan->job);
    assert_string_equal(fake.code, plan->code);
    assert_true(fake.data);
    assert_true(strstr(fake.log, "! import") < strstr(fake.log, "! create"));
    assert_true(strstr(fake.log, "! mkdirs") < strstr(fake.log, "! import"));
    assert_true(strstr(fake.log, "! directory") < strstr(fake.log, "! create"));
    plan_free(plan);
}

static void a_second_time_changes_nothing(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e = ensure(plan), again = ensure(plan);

    (void)state;
    assert_int_equal(again.result, ENSURE_OK);
    assert_true(again.job_id == e.job_id);
    assert_int_equal(fake_changes(), 0);
    plan_free(plan);
}

static void another_setting_updates_the_job(void **state)
{
    struct ingestion_options options = fake_options;
    struct plan *old = fake_plan(&options), *plan;
    struct ensured e = ensure(old);

    (void)state;
    options.cluster_id = NULL;
    options.loader = INGESTION_COPY_INTO;
    options.warehouse_id = "w1";
    plan = fake_plan(&options);
    assert_int_equal(ensure(plan).result, ENSURE_UPDATED);
    assert_int_equal(fake_job_count(), 1);
    assert_string_equal(fake_job_of(e.job_id)->settings, plan->job);
    assert_string_equal(fake.code, plan->code);
    assert_int_equal(ensure(plan).result, ENSURE_OK);
    plan_free(plan);
    plan_free(old);
}

static void code_changed_by_hand_is_put_back(void **state)
{
    struct plan *plan = fake_plan(&fake_options);

    (void)state;
    (void)ensure(plan);
    free(fake.code);
    fake.code = strdup("print('mine')\n");
    assert_int_equal(ensure(plan).result, ENSURE_UPDATED);
    assert_string_equal(fake.code, plan->code);
    assert_false(fake_did("! reset"));
    plan_free(plan);
}

/* A person edits; the tags stay as they were. */
static void a_job_changed_by_hand_is_put_back(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } rows[] = {
        {"/Volumes/main/raw/land/data/\",\"min", "/Volumes/main/raw/land/\",\"min", "watches"},
        {"\"max_concurrent_runs\":1", "\"max_concurrent_runs\":5", "several runs"},
        {"events.py", "eventz.py", "file it runs"},
        {"0123-456789-abcdefgh", "0123-456789-zzzzzzzz", "where it runs"},
        {"spark_python_task", "notebook_task", "its tasks"},
        {"\"file_arrival\"", "\"table_update\"", "how it is started"},
        {"\"version\":\"1\"", "\"version\":\"0\"", "older program"},
    };
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e = ensure(plan);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fake_job *job = fake_job_of(e.job_id);
        char *at = strstr(job->settings, rows[i].from);
        struct ensured again;
        struct buf text;

        assert_non_null(at);
        buf_init(&text, 1 << 16);
        buf_add(&text, job->settings, (size_t)(at - job->settings));
        buf_printf(&text, "%s%s", rows[i].to, at + strlen(rows[i].from));
        free(job->settings);
        job->settings = strdup(buf_text(&text));
        buf_done(&text);
        again = ensure(plan);
        assert_int_equal(again.result, ENSURE_UPDATED);
        if (!strstr(again.text, rows[i].why))
            fail_msg("'%s' does not say '%s'", again.text, rows[i].why);
        assert_string_equal(fake_job_of(e.job_id)->settings, plan->job);
    }
    plan_free(plan);
}

static void a_pause_by_a_person_stays(void **state)
{
    struct ingestion_options options = fake_options;
    struct plan *plan = fake_plan(&options), *other;
    struct ensured e = ensure(plan);

    (void)state;
    fake_pause(e.job_id, true);
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_OK);
    assert_true(e.paused);
    assert_non_null(strstr(e.text, "paused"));
    assert_int_equal(fake_changes(), 0);

    options.cluster_id = NULL;
    other = fake_plan(&options);
    e = ensure(other);
    assert_int_equal(e.result, ENSURE_UPDATED);
    assert_true(e.paused);
    assert_string_equal(fake_job_of(e.job_id)->settings, other->job_paused);
    plan_free(other);
    plan_free(plan);
}

/* --- several --- */

static void of_two_at_once_the_lowest_id_stays(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e;

    (void)state;
    fake.also_created = plan->job;
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_CREATED);
    assert_true(e.job_id == INT64_C(9007199254740993)); /* the other one's */
    assert_int_equal(fake_job_count(), 1);
    fake.also_created = NULL;
    assert_int_equal(ensure(plan).result, ENSURE_OK);
    plan_free(plan);
}

static void a_late_list_is_mended_by_the_next_look(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e;

    (void)state;
    fake.also_created = plan->job;
    fake.list_is_late = true;
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_CREATED);
    assert_int_equal(fake_job_count(), 2);
    fake.also_created = NULL;
    fake.list_is_late = false;
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_UPDATED);
    assert_true(e.job_id == INT64_C(9007199254740993));
    assert_int_equal(fake_job_count(), 1);
    plan_free(plan);
}

static void a_lost_answer_of_create_makes_no_second_job(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct err err;

    (void)state;
    fake.fail = "create";
    fake.fail_times = 1;
    fake.fail_kind = ERR_RETRY;
    fake.create_lost = true;
    err = ensure_fails(plan);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(fake_job_count(), 1);
    assert_int_equal(ensure(plan).result, ENSURE_OK);
    assert_int_equal(fake_job_count(), 1);
    plan_free(plan);
}

static void a_newer_program_keeps_its_job_and_its_code(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct fake_job *job = fake_job_of(ensure(plan).job_id);
    char *version = strstr(job->settings, "\"version\":\"1\"");
    struct ensured e;

    (void)state;
    version[strlen("\"version\":\"")] = '9';
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_NEWER);
    assert_int_equal(fake_changes(), 0);

    /* The newer one wrote its code and is about to reset the job. */
    version[strlen("\"version\":\"")] = '1';
    free(fake.code);
    fake.code = strdup("# x\n# definition version 9, hash 0\nother\n");
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_NEWER);
    assert_int_equal(fake_changes(), 0);
    plan_free(plan);
}

static void somebody_elses_job_of_our_name_is_left_alone(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct ensured e;

    (void)state;
    (void)fake_add_job("{\"name\":\"volume-uploader main.raw.events\"}");
    e = ensure(plan);
    assert_int_equal(e.result, ENSURE_BLOCKED);
    assert_non_null(strstr(e.text, "not ours"));
    assert_int_equal(fake_changes(), 0);
    plan_free(plan);
}

/* The filter of the service ignores case; a name in other letters is another job. */
static void a_name_in_other_letters_is_another_job(void **state)
{
    struct plan *plan = fake_plan(&fake_options);

    (void)state;
    (void)fake_add_job("{\"name\":\"Volume-Uploader MAIN.raw.events\"}");
    assert_int_equal(ensure(plan).result, ENSURE_CREATED);
    plan_free(plan);
}

/* --- others on the folder --- */

static const struct {
    const char *settings, *say; /* NULL: not in the way */
    bool paused_only;
} others[] = {
    {"{\"name\":\"Kelvin - Auto Loader\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/\"}}}",
        "original app", false},
    {"{\"name\":\"Kelvin - COPY INTO\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/data/\"},\"pause_status\":\"UNPAUSED\"}}",
        "original app", false},
    {"{\"name\":\"Kelvin - COPY INTO\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land2/data/\"}}}",
        NULL, false},
    {"{\"name\":\"Kelvin - Auto Loader\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/\"},\"pause_status\":\"PAUSED\"}}",
        NULL, true},
    {"{\"name\":\"volume-uploader main.raw.other\",\"tags\":{\"managed_by\":\"volume-uploader\","
     "\"volume\":\"main.raw.land\"},\"trigger\":{\"periodic\":{\"interval\":1,\"unit\":"
     "\"HOURS\"}}}",
        "another table", false},
    {"{\"name\":\"volume-uploader main.raw.other\",\"tags\":{\"managed_by\":\"volume-uploader\","
     "\"volume\":\"main.raw.land2\"},\"trigger\":{\"periodic\":{\"interval\":1,\"unit\":"
     "\"HOURS\"}}}",
        NULL, false},
    {"{\"name\":\"mine\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/data/2026-01-01/\"}}}",
        "started by files", false},
    {"{\"name\":\"watch the root\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/\"}}}",
        NULL, false},
    {"{\"name\":\"other\",\"trigger\":{\"file_arrival\":{\"url\":"
     "\"/Volumes/main/raw/land/data2/\"}}}",
        NULL, false},
};

static void jobs_of_others_on_our_folder_stand_in_the_way(void **state)
{
    struct plan *plan = fake_plan(&fake_options);

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        struct rivals rivals;
        struct err err = {0};
        struct ensured e;

        fake_begin();
        (void)fake_add_job(others[i].settings);
        assert_true(rivals_find(NULL, plan, &rivals, &err));
        assert_int_equal(rivals.active, others[i].say != NULL);
        assert_int_equal(rivals.count, others[i].say || others[i].paused_only);
        e = ensure(plan);
        if (!others[i].say) {
            assert_int_equal(e.result, ENSURE_CREATED);
            continue;
        }
        assert_int_equal(e.result, ENSURE_BLOCKED);
        if (!strstr(e.text, others[i].say))
            fail_msg("row %zu: '%s'", i, e.text);
        assert_int_equal(fake_changes(), 0);
    }
    plan_free(plan);
}

static void two_tables_with_volumes_of_their_own_get_two_jobs(void **state)
{
    struct ingestion_options options = fake_options;
    struct plan *one = fake_plan(&options), *two;

    (void)state;
    options.table.name = "other";
    options.volume.name = "other";
    two = fake_plan(&options);
    assert_int_equal(ensure(one).result, ENSURE_CREATED);
    assert_int_equal(ensure(two).result, ENSURE_CREATED);
    assert_int_equal(fake_job_count(), 2);
    assert_string_not_equal(one->code_path, two->code_path);
    plan_free(one);
    plan_free(two);
}

/* --- failures --- */

/* Whatever fails, and how often: nothing is left that a later look does not mend. */
static void every_failing_call_is_mended_later(void **state)
{
    static const char *const calls[] = {
        "list", "export", "mkdirs", "import", "create", "directory make", "get", "reset"};
    struct ingestion_options options = fake_options;
    struct plan *old = fake_plan(&options), *plan;

    (void)state;
    options.cluster_id = NULL;
    plan = fake_plan(&options);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        struct ensured e;
        struct err err = {0};
        bool exists = strcmp(calls[i], "get") == 0 || strcmp(calls[i], "reset") == 0;

        fake_begin();
        if (exists)
            (void)ensure(old);
        fake.fail = calls[i];
        fake.fail_times = 2;
        fake.fail_kind = i % 2 ? ERR_RETRY : ERR_DENIED;
        for (int tries = 0; tries < 2; tries++) {
            assert_false(ensure_job(NULL, plan, &e, &err));
            assert_int_equal(err.kind, fake.fail_kind);
            assert_non_null(strstr(err.text, "made to fail"));
        }
        e = ensure(plan);
        assert_int_equal(e.result, exists ? ENSURE_UPDATED : ENSURE_CREATED);
        assert_int_equal(fake_job_count(), 1);
        assert_int_equal(ensure(plan).result, ENSURE_OK);
    }
    plan_free(plan);
    plan_free(old);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_workspace_gets_code_and_job_in_this_order),
        TEST(a_second_time_changes_nothing),
        TEST(another_setting_updates_the_job),
        TEST(code_changed_by_hand_is_put_back),
        TEST(a_job_changed_by_hand_is_put_back),
        TEST(a_pause_by_a_person_stays),
        TEST(of_two_at_once_the_lowest_id_stays),
        TEST(a_late_list_is_mended_by_the_next_look),
        TEST(a_lost_answer_of_create_makes_no_second_job),
        TEST(a_newer_program_keeps_its_job_and_its_code),
        TEST(somebody_elses_job_of_our_name_is_left_alone),
        TEST(a_name_in_other_letters_is_another_job),
        TEST(jobs_of_others_on_our_folder_stand_in_the_way),
        TEST(two_tables_with_volumes_of_their_own_get_two_jobs),
        TEST(every_failing_call_is_mended_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
