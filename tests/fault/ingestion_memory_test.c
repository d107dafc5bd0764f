/* Every allocation of a plan and of the set-up's SQL fails once: what there is, is whole.
 *
 * wrap: malloc calloc realloc strdup
 * wrap: jobs_list_get jobs_get jobs_create jobs_reset jobs_pause jobs_delete
 * wrap: workspace_files_make_directory workspace_files_import workspace_files_export
 * wrap: catalog_schema_get catalog_volume_get catalog_volume_create catalog_table_get catalog_grant
 * wrap: catalog_privileges_get sql_execute compute_warehouses_list files_directory_exists
 * wrap: files_make_directory me_get workspace_host
 */
#include "unit/ingestion_workspace.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static long fail_at = -1; /* counts down to the allocation that fails */
static bool ours;         /* the fake's own allocations do not count */
static bool failed;

static bool fails(void)
{
    if (!ours || fail_at < 0 || fail_at-- > 0)
        return false;
    failed = true;
    return true;
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

static const enum ingestion_loader loaders[] = {
    INGESTION_NONE, INGESTION_AUTO_LOADER, INGESTION_COPY_INTO};

static struct ingestion_options options_of(enum ingestion_loader loader)
{
    struct ingestion_options options = fake_options;

    options.loader = loader;
    options.warehouse_id = "w1";
    options.table.schema = "other";
    options.clean_source = loader == INGESTION_AUTO_LOADER;
    return options;
}

static void a_plan_is_whole_or_not_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ingestion_options options = options_of(loaders[i]);
        struct plan *want = fake_plan(&options);
        long n = 0;

        for (failed = true; failed; n++) {
            struct err err = {0};
            struct plan *plan;

            failed = false;
            fail_at = n;
            ours = true;
            plan = plan_new(&options, &err);
            ours = false;
            assert_int_equal(plan == NULL, failed);
            if (!plan) {
                assert_int_equal(err.kind, ERR_FULL);
                continue;
            }
            assert_string_equal(plan->create_table, want->create_table);
            assert_string_equal(plan->create_table_schema, want->create_table_schema);
            assert_string_equal(plan->hash, want->hash);
            if (loaders[i] != INGESTION_NONE) {
                assert_string_equal(plan->code, want->code);
                assert_string_equal(plan->job, want->job);
                assert_string_equal(plan->job_paused, want->job_paused);
            }
            plan_free(plan);
        }
        assert_true(n > (loaders[i] == INGESTION_NONE ? 10 : 30));
        plan_free(want);
    }
}

static void the_sql_is_whole_or_failed(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct buf want;

    (void)state;
    buf_init(&want, 1 << 16);
    assert_true(setup_sql(plan, "p", &want));
    failed = true;
    for (long n = 0; failed; n++) {
        struct buf out;

        buf_init(&out, 1 << 16);
        failed = false;
        fail_at = n;
        ours = true;
        if (setup_sql(plan, "p", &out)) {
            ours = false;
            assert_string_equal(buf_text(&out), buf_text(&want));
        }
        ours = false;
        buf_done(&out);
    }
    buf_done(&want);
    plan_free(plan);
}

static void explaining_survives(void **state)
{
    struct plan *plan = fake_plan(&fake_options);
    struct rival rival = {.kind = RIVAL_FOLDER, .id = 7, .name = "x", .creator = "y"};

    (void)state;
    failed = true;
    for (long n = 0; failed; n++) {
        struct buf out;
        bool whole;

        buf_init(&out, 4096);
        failed = false;
        fail_at = n;
        ours = true;
        whole = rival_explain(plan, &rival, &out);
        ours = false;
        assert_int_equal(whole, !failed);
        buf_done(&out);
    }
    plan_free(plan);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_plan_is_whole_or_not_there),
        TEST(the_sql_is_whole_or_failed),
        TEST(explaining_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
