/* The texts that go into the workspace, byte by byte. They belong to everybody who shares a table: a
 * changed byte is a changed hash, and every job of every fleet is reset. So: raise INGESTION_VERSION
 * with a change, then write the files anew with GOLDEN_WRITE=1. */
#include "base/clock.h"
#include "base/file.h"
#include "ingestion/quote.h"
#include "ingestion/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void same_as(const char *file, const char *text)
{
    char path[512];
    struct buf want;
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/tests/golden/ingestion/%s", SOURCE_DIR, file);
    buf_init(&want, 1 << 20);
    if (getenv("GOLDEN_WRITE")) {
        FILE *out = fopen(path, "w");

        assert_non_null(out);
        assert_true(fputs(text, out) >= 0);
        assert_int_equal(fclose(out), 0);
    }
    if (!file_read_whole(FILE_CWD, path, &want, &err))
        fail_msg("%s", err.text);
    assert_string_equal(buf_text(&want), text);
    buf_done(&want);
}

static const struct ingestion_options plain = {
    .volume = {"main", "raw", "land"},
    .table = {"main", "raw", "events"},
    .loader = INGESTION_AUTO_LOADER,
    .cluster_id = "0123-456789-abcdefgh",
    .trigger = INGESTION_FILE_ARRIVAL,
    .archive_after_us = 3600 * CLOCK_SECOND_US,
    .folder = "/Workspace/Shared/volume-uploader",
};
/* Quotes, back-ticks, upper case and letters beyond ASCII. */
static const struct ingestion_options odd = {
    .volume = {"ma`in", "it's", "Länd"},
    .table = {"ma`in", "Röh", "ev\"ent's"},
    .loader = INGESTION_COPY_INTO,
    .warehouse_id = "8ec9edc1db0c40df",
    .trigger = INGESTION_PERIODIC,
    .folder = "/Workspace/Users/jörg@example.com/up loader",
};

static struct plan *plan_of(const struct ingestion_options *options)
{
    struct err err = {0};
    struct plan *plan = plan_new(options, &err);

    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

static void sql_of(const struct plan *plan, const char *principal, const char *file)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    assert_true(setup_sql(plan, principal, &out));
    same_as(file, buf_text(&out));
    buf_done(&out);
}

static void auto_loader_on_a_cluster(void **state)
{
    struct plan *plan = plan_of(&plain);

    (void)state;
    same_as("auto_loader.py", plan->code);
    same_as("auto_loader.json", plan->job);
    same_as("auto_loader_paused.json", plan->job_paused);
    sql_of(plan, NULL, "auto_loader.sql");
    plan_free(plan);
}

static void auto_loader_on_serverless_with_an_archive(void **state)
{
    struct ingestion_options options = plain;
    struct plan *plan;

    (void)state;
    options.cluster_id = NULL;
    options.clean_source = true;
    options.archive_after_us = 90 * 60 * CLOCK_SECOND_US;
    plan = plan_of(&options);
    same_as("serverless.json", plan->job);
    plan_free(plan);
}

static void copy_into_with_odd_names(void **state)
{
    struct plan *plan = plan_of(&odd);

    (void)state;
    same_as("copy_into.sql", plan->code);
    same_as("copy_into.json", plan->job);
    sql_of(plan, "o'ne `two`", "odd_setup.sql");
    plan_free(plan);
}

static void copy_into_on_arrival(void **state)
{
    struct ingestion_options options = plain;
    struct plan *plan;

    (void)state;
    options.loader = INGESTION_COPY_INTO;
    options.cluster_id = NULL;
    options.warehouse_id = "8ec9edc1db0c40df";
    plan = plan_of(&options);
    same_as("copy_into_arrival.json", plan->job);
    plan_free(plan);
}

static void same_options_same_hash_and_each_option_another(void **state)
{
    struct ingestion_options rows[10];
    char hashes[10][17];
    size_t n = 0;

    (void)state;
    rows[n++] = plain;
    rows[n] = plain, rows[n++].cluster_id = "other";
    rows[n] = plain, rows[n++].cluster_id = NULL;
    rows[n] = plain, rows[n++].trigger = INGESTION_PERIODIC;
    rows[n] = plain, rows[n++].clean_source = true;
    rows[n] = plain, rows[n].clean_source = true, rows[n++].archive_after_us *= 2;
    rows[n] = plain, rows[n++].folder = "/Workspace/Shared/other";
    rows[n] = plain, rows[n++].table.name = "others";
    rows[n] = plain, rows[n++].volume.name = "other";
    rows[n] = plain, rows[n].loader = INGESTION_COPY_INTO, rows[n++].warehouse_id = "w";
    for (size_t i = 0; i < n; i++) {
        struct plan *a = plan_of(&rows[i]), *b = plan_of(&rows[i]);

        assert_string_equal(a->job, b->job);
        assert_string_equal(a->code, b->code);
        assert_string_equal(a->hash, b->hash);
        assert_int_equal(strlen(a->hash), 16);
        assert_non_null(strstr(a->job, a->hash));
        assert_non_null(strstr(a->code, a->hash));
        (void)str_copy(hashes[i], sizeof(hashes[i]), a->hash);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hashes[i], hashes[k]);
        plan_free(a);
        plan_free(b);
    }
}

/* A first line "Databricks notebook source" would make a notebook of the file. */
static void no_code_is_a_notebook(void **state)
{
    const struct ingestion_options *all[] = {&plain, &odd};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct plan *plan = plan_of(all[i]);

        assert_null(strstr(plan->code, "Databricks notebook"));
        plan_free(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_loader_on_a_cluster),
        cmocka_unit_test(auto_loader_on_serverless_with_an_archive),
        cmocka_unit_test(copy_into_with_odd_names),
        cmocka_unit_test(copy_into_on_arrival),
        cmocka_unit_test(same_options_same_hash_and_each_option_another),
        cmocka_unit_test(no_code_is_a_notebook),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
