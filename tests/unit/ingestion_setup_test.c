/* The set-up: rights that are missing, dry runs, repeating; and the table compared.
 *
 * wrap: jobs_list_get jobs_get jobs_create jobs_reset jobs_pause jobs_delete
 * wrap: workspace_files_make_directory workspace_files_import workspace_files_export
 * wrap: catalog_schema_get catalog_volume_get catalog_volume_create catalog_table_get catalog_grant
 * wrap: catalog_privileges_get sql_execute compute_warehouses_list files_directory_exists
 * wrap: files_make_directory me_get workspace_host
 */
#include "unit/ingestion_workspace.h"

static struct setup_report report;

static void run_setup(const struct setup_options *options)
{
    struct err err = {0};

    setup_report_done(&report);
    setup_report_init(&report);
    fake.log[0] = '\0';
    if (!setup_run(NULL, options, NULL, NULL, &report, &err))
        fail_msg("%s", err.text);
}

static const struct setup_step *step_of(const char *name, const char *what)
{
    for (size_t i = 0; i < report.count; i++)
        if (strcmp(report.steps[i].name, name) == 0 && strstr(report.steps[i].what, what))
            return &report.steps[i];
    fail_msg("no step %s %s", name, what);
    return NULL;
}

static void expect_step(const char *name, const char *what, enum setup_result result)
{
    const struct setup_step *step = step_of(name, what);

    if (step->result != result)
        fail_msg("%s %s: %s (%s)", name, what, setup_result_name(step->result), step->text);
}

static int end_setup(void **state)
{
    setup_report_done(&report);
    return fake_teardown(state);
}

static void fail_with(const char *call, enum err_kind kind, int code)
{
    fake.fail = call;
    fake.fail_times = -1;
    fake.fail_kind = kind;
    fake.fail_code = code;
}

static void an_empty_workspace_gets_everything(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    run_setup(&options);
    expect_step("sign-in", "", SETUP_OK);
    expect_step("schema", "main.raw", SETUP_CREATED);
    expect_step("volume", "main.raw.land", SETUP_CREATED);
    expect_step("table", "main.raw.events", SETUP_CREATED);
    expect_step("grant", "USE CATALOG", SETUP_UPDATED);
    expect_step("grant", "USE SCHEMA", SETUP_UPDATED);
    expect_step("grant", "READ VOLUME, WRITE VOLUME", SETUP_UPDATED);
    expect_step("grant", "SELECT, MODIFY", SETUP_UPDATED);
    expect_step("directory", "/data", SETUP_CREATED);
    expect_step("directory", "/checkpoints", SETUP_CREATED);
    expect_step("job", "volume-uploader main.raw.events", SETUP_CREATED);
    assert_int_equal(report.failed, 0);
    assert_string_equal(report.principal, "app-1");
    assert_true(fake_did("! sql on w1: CREATE TABLE IF NOT EXISTS `main`.`raw`.`events` "));

    /* Again: nothing is left to do, and nothing is done. */
    run_setup(&options);
    assert_int_equal(report.failed, 0);
    for (size_t i = 0; i < report.count; i++)
        assert_int_equal(report.steps[i].result, SETUP_OK);
    assert_int_equal(fake_changes(), 0);
    plan_free(plan);
}

static void a_dry_run_changes_nothing_and_shows_everything(void **state)
{
    struct ingestion_options wanted = fake_options;
    struct plan *plan;
    struct setup_options options = {.dry_run = true, .replace_original = true};

    (void)state;
    wanted.clean_source = true;
    options.plan = plan = fake_plan(&wanted);
    (void)fake_add_job("{\"name\":\"Kelvin - Auto Loader\",\"trigger\":{\"file_arrival\":{\"url\":"
                       "\"/Volumes/main/raw/land/\"}}}");
    run_setup(&options);
    assert_int_equal(fake_changes(), 0);
    assert_int_equal(report.failed, 0);
    expect_step("schema", "", SETUP_WOULD_CREATE);
    expect_step("volume", "", SETUP_WOULD_CREATE);
    expect_step("table", "", SETUP_WOULD_CREATE);
    expect_step("grant", "SELECT", SETUP_WOULD_UPDATE);
    expect_step("directory", "/archive", SETUP_WOULD_CREATE);
    expect_step("other jobs", "", SETUP_WOULD_UPDATE);
    expect_step("code", "", SETUP_WOULD_CREATE);
    expect_step("job", "", SETUP_WOULD_CREATE);
    assert_non_null(strstr(step_of("job", "")->calls, plan->job));
    assert_non_null(strstr(step_of("table", "")->sql, plan->create_table));
    assert_non_null(strstr(step_of("volume", "")->calls, "POST /api/2.1/unity-catalog/volumes"));

    /* Nor when everything is there and wrong. */
    fake_begin();
    fake.schema = fake.volume = fake.table = fake.data = true;
    fake.columns[0] = "timestamp timestamp";
    run_setup(&options);
    assert_int_equal(fake_changes(), 0);
    plan_free(plan);
}

static void what_rights_do_not_allow_is_left_as_sql(void **state)
{
    static const struct {
        const char *call, *step, *what, *sql;
    } rows[] = {
        {"sql", "schema", "", "CREATE SCHEMA IF NOT EXISTS `main`.`raw`;\n"},
        {"schema", "schema", "", "CREATE SCHEMA IF NOT EXISTS `main`.`raw`;\n"},
        {"sql", "table", "", "CREATE TABLE IF NOT EXISTS `main`.`raw`.`events` "},
        {"volume create", "volume", "", "CREATE VOLUME IF NOT EXISTS `main`.`raw`.`land`;\n"},
        {"grant", "grant", "USE CATALOG", "GRANT USE CATALOG ON CATALOG `main` TO `app-1`;\n"},
        {"grant", "grant", "READ VOLUME",
            "GRANT READ VOLUME, WRITE VOLUME ON VOLUME `main`.`raw`.`land` TO `app-1`;\n"},
    };
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct setup_step *step;

        fake_begin();
        fail_with(rows[i].call, ERR_DENIED, 403);
        run_setup(&options);
        assert_true(report.failed > 0);
        expect_step(rows[i].step, rows[i].what, SETUP_FAILED);
        step = step_of(rows[i].step, rows[i].what);
        assert_non_null(strstr(step->text, "made to fail"));
        assert_non_null(step->sql);
        if (!strstr(step->sql, rows[i].sql))
            fail_msg("row %zu: %s", i, step->sql);
    }
    plan_free(plan);
}

/* Who may not ask for the grants is not told that they are missing. */
static void unknown_grants_are_given_again(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    run_setup(&options);
    fake.privileges_known = false;
    run_setup(&options);
    assert_int_equal(report.failed, 0);
    expect_step("grant", "USE CATALOG", SETUP_UPDATED);
    plan_free(plan);
}

static void an_owner_needs_no_grant(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    fake.volume_owner = fake.table_owner = "app-1";
    run_setup(&options);
    fake.granted[0] = '\0';
    run_setup(&options);
    expect_step("grant", "READ VOLUME", SETUP_OK);
    expect_step("grant", "SELECT", SETUP_OK);
    expect_step("grant", "USE CATALOG", SETUP_UPDATED);
    plan_free(plan);
}

static void the_grants_go_to_the_principal_of_the_rule(void **state)
{
    static const struct {
        const char *principal, *client_id, *want;
    } rows[] = {{"p", "c", "p"}, {NULL, "c", "c"}, {NULL, NULL, "app-1"}};
    struct plan *plan = fake_plan(&fake_options);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct setup_options options = {
            .plan = plan, .principal = rows[i].principal, .client_id = rows[i].client_id};
        char line[64];

        fake_begin();
        run_setup(&options);
        assert_string_equal(report.principal, rows[i].want);
        (void)snprintf(line, sizeof(line), "! grant READ_VOLUME volume %s\n", rows[i].want);
        assert_true(fake_did(line));
    }
    plan_free(plan);
}

/* Who only gets the grants; a group gets them, and so do we, who make the job. */
static void a_job_for_somebody_else_is_left_to_them(void **state)
{
    static const struct {
        const char *principal, *client_id;
        bool left;
    } rows[] = {{NULL, NULL, false}, {"app-1", NULL, false},
        {"00000000-1111-2222-3333-444444444444", NULL, true},
        {NULL, "00000000-1111-2222-3333-444444444444", false}, {"somebody@example.com", NULL, true},
        {"uploaders of plant 7", NULL, false},
        {"00000000-1111-2222-3333-44444444444", NULL, false}};
    struct plan *plan = fake_plan(&fake_options);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct setup_options options = {
            .plan = plan, .principal = rows[i].principal, .client_id = rows[i].client_id};

        fake_begin();
        run_setup(&options);
        expect_step("job", "", rows[i].left ? SETUP_OK : SETUP_CREATED);
        if (!!strstr(step_of("job", "")->text, "left to ") != rows[i].left)
            fail_msg("row %zu: %s", i, step_of("job", "")->text);
    }
    plan_free(plan);
}

static void without_a_volume_nothing_is_built_on_it(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    fail_with("volume create", ERR_DENIED, 403);
    run_setup(&options);
    expect_step("directory", "/data", SETUP_SKIPPED);
    expect_step("job", "", SETUP_SKIPPED);
    assert_false(fake_did("! create"));
    assert_true(fake_did("! sql")); /* the table does not need it */
    plan_free(plan);
}

static void a_table_that_does_not_fit_gets_no_job(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    fake.table = true;
    fake.columns[0] = "timestamp timestamp";
    fake.columns[1] = "asset string";
    fake.columns[2] = "payload double";
    run_setup(&options);
    expect_step("table", "", SETUP_FAILED);
    assert_non_null(strstr(step_of("table", "")->text, "column timestamp is timestamp"));
    assert_non_null(strstr(step_of("table", "")->text, "column datastream string is missing"));
    expect_step("job", "", SETUP_SKIPPED);
    assert_false(fake_did("! create"));
    plan_free(plan);
}

static void the_original_is_paused_only_when_asked(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};
    int64_t id;

    (void)state;
    id = fake_add_job("{\"name\":\"Kelvin - Auto Loader\",\"trigger\":{\"file_arrival\":{\"url\":"
                      "\"/Volumes/main/raw/land/data/\"}}}");
    run_setup(&options);
    expect_step("other jobs", "", SETUP_FAILED);
    assert_non_null(strstr(step_of("other jobs", "")->text, "--replace-original"));
    expect_step("job", "", SETUP_SKIPPED);
    assert_int_equal(fake_job_count(), 1);

    options.replace_original = true;
    run_setup(&options);
    expect_step("other jobs", "", SETUP_UPDATED);
    expect_step("job", "", SETUP_CREATED);
    assert_non_null(strstr(fake_job_of(id)->settings, "PAUSED"));
    assert_true(strstr(fake.log, "! pause") < strstr(fake.log, "! create"));
    plan_free(plan);
}

static void no_sign_in_ends_it(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    fail_with("me", ERR_DENIED, 401);
    run_setup(&options);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.failed, 1);
    plan_free(plan);
}

static void no_job_no_job_steps(void **state)
{
    struct ingestion_options wanted = fake_options;
    struct setup_options options = {0};
    struct plan *plan;

    (void)state;
    wanted.loader = INGESTION_NONE;
    options.plan = plan = fake_plan(&wanted);
    run_setup(&options);
    assert_int_equal(report.failed, 0);
    assert_false(fake_did("! create"));
    assert_false(fake_did("list"));
    assert_false(fake_did("SELECT"));
    plan_free(plan);
}

/* --- the warehouse --- */

static void the_only_warehouse_is_taken_serverless_first(void **state)
{
    static const struct {
        struct compute_warehouse list[3];
        size_t count;
        const char *want, *why;
    } rows[] = {
        {{{.id = ""}}, 0, "", "no SQL warehouse"},
        {{{.id = "a", .state = "STOPPED"}}, 1, "a", ""},
        {{{.id = "a", .state = "DELETING"}}, 1, "", "no SQL warehouse"},
        {{{.id = "a", .state = "RUNNING"}, {.id = "b", .state = "STOPPED", .serverless = true}}, 2,
            "b", ""},
        {{{.id = "a", .state = "RUNNING"}, {.id = "b", .state = "RUNNING"}}, 2, "",
            "there are 2 SQL warehouses"},
        {{{.id = "a", .state = "RUNNING", .serverless = true},
             {.id = "b", .state = "RUNNING", .serverless = true}},
            2, "", "DATABRICKS_WAREHOUSE_ID"},
        {{{.id = "a", .state = "RUNNING"}, {.id = "b", .state = "DELETED"}}, 2, "a", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct compute_warehouse items[3];
        struct compute_warehouses list = {items, rows[i].count};
        char id[64], why[200];

        memcpy(items, rows[i].list, sizeof(items));
        warehouse_judge(&list, id, why);
        assert_string_equal(id, rows[i].want);
        assert_non_null(strstr(why, rows[i].why));
        assert_int_equal(id[0] == '\0', why[0] != '\0');
    }
}

static void a_given_warehouse_wins_and_the_jobs_first(void **state)
{
    struct ingestion_options wanted = fake_options;
    struct setup_options options = {.warehouse_id = "other"};
    struct plan *plan = fake_plan(&wanted);

    (void)state;
    options.plan = plan;
    run_setup(&options);
    assert_true(fake_did("! sql on other: CREATE TABLE"));
    assert_false(fake_did("warehouses"));
    plan_free(plan);

    fake_begin();
    wanted.loader = INGESTION_COPY_INTO;
    wanted.cluster_id = NULL;
    wanted.warehouse_id = "of-the-job";
    options.plan = plan = fake_plan(&wanted);
    run_setup(&options);
    assert_true(fake_did("! sql on of-the-job: CREATE TABLE"));
    plan_free(plan);
}

static void without_a_warehouse_the_sql_is_printed(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct setup_options options = {.plan = plan};

    (void)state;
    fake.warehouse_count = 0;
    run_setup(&options);
    expect_step("table", "", SETUP_FAILED);
    assert_non_null(strstr(step_of("table", "")->sql, plan->create_table));
    plan_free(plan);
}

/* --- the table --- */

static void tables_are_compared_column_by_column(void **state)
{
    static const struct {
        const char *columns[8], *say;
        bool fits;
    } rows[] = {
        {{"timestamp timestamp_ntz", "asset string", "datastream string", "payload double"}, "",
            true},
        {{"payload double", "ASSET string", "Datastream string", "timestamp timestamp_ntz"}, "",
            true},
        {{"timestamp timestamp_ntz", "asset string", "datastream string", "payload double",
             "more string"},
            "more is not ours and stays null", true},
        {{"timestamp timestamp_ntz", "asset string", "datastream string", "payload double",
             "more string!"},
            "may not be null", false},
        {{"timestamp timestamp", "asset string", "datastream string", "payload double"},
            "use a new table", false},
        {{"timestamp timestamp_ntz", "asset string", "datastream string"},
            "payload double is missing", false},
        {{"timestamp timestamp_ntz", "asset string", "datastream string", "payload decimal(10,2)"},
            "payload is decimal(10,2), it has to be double", false},
        {{NULL}, "timestamp timestamp_ntz is missing", false},
    };

    (void)state;
    fake.table = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct catalog_table table;
        struct buf text;
        struct err err;
        bool exists;

        memcpy(fake.columns, rows[i].columns, sizeof(fake.columns));
        assert_true(catalog_table_get(NULL, fake_options.table, &table, &exists, &err));
        buf_init(&text, 4096);
        assert_int_equal(plan_table_fits(&table, &text), rows[i].fits);
        if (rows[i].say[0] == '\0')
            assert_string_equal(buf_text(&text), "");
        else if (!strstr(buf_text(&text), rows[i].say))
            fail_msg("row %zu: %s", i, buf_text(&text));
        buf_done(&text);
        catalog_table_done(&table);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, end_setup)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_workspace_gets_everything),
        TEST(a_dry_run_changes_nothing_and_shows_everything),
        TEST(what_rights_do_not_allow_is_left_as_sql),
        TEST(unknown_grants_are_given_again),
        TEST(an_owner_needs_no_grant),
        TEST(the_grants_go_to_the_principal_of_the_rule),
        TEST(a_job_for_somebody_else_is_left_to_them),
        TEST(without_a_volume_nothing_is_built_on_it),
        TEST(a_table_that_does_not_fit_gets_no_job),
        TEST(the_original_is_paused_only_when_asked),
        TEST(no_sign_in_ends_it),
        TEST(no_job_no_job_steps),
        TEST(the_only_warehouse_is_taken_serverless_first),
        TEST(a_given_warehouse_wins_and_the_jobs_first),
        TEST(without_a_warehouse_the_sql_is_printed),
        TEST(tables_are_compared_column_by_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
