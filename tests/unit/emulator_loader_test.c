/* The two loaders: what they find, that they load it once, and that a kill at any moment doubles
 * nothing. */
#include "../delta_kit.h"

#include <sys/time.h>

#include "base/clock.h"
#include "emulator/loader.h"

#define DATA KIT_DATA
#define CHECKPOINT "/Volumes/main/raw/land/checkpoints"
#define START_US INT64_C(1768995296789012)

struct rig {
    struct kit kit;
    struct store *store;
    struct loader_job job;
    struct loader_stream stream;
    struct loader_result result;
    struct err err;
};

static int start(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err = {0};

    assert_non_null(rig);
    kit_start(&rig->kit);
    kit_table(&rig->kit);
    rig->store = store_open(rig->kit.root, false, &err);
    assert_non_null(rig->store);
    rig->job = (struct loader_job){
        .store = rig->store, .root = rig->kit.dirfd, .table_path = KIT_TABLE, .time_scale = 1};
    rig->stream = (struct loader_stream){.source = DATA "/",
        .checkpoint = CHECKPOINT "/",
        .glob = "*.parquet",
        .batch_files = 1000,
        .no_partitions = true};
    *state = rig;
    return 0;
}

static int end(void **state)
{
    struct rig *rig = *state;

    store_close(rig->store);
    kit_end(&rig->kit);
    free(rig);
    return 0;
}

static void put(struct rig *rig, const char *name, size_t rows)
{
    char path[256], *slash;
    struct err err = {0};

    (void)snprintf(path, sizeof(path), DATA "/%s", name);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_true(file_dir_make(rig->kit.dirfd, path + 1, true, &err));
    *slash = '/';
    kit_write_rows(&rig->kit, path, rows, START_US);
}

static void put_text(struct rig *rig, const char *path, const char *text)
{
    struct err err = {0};
    int fd = -1;

    assert_true(file_open(rig->kit.dirfd, path + 1, FILE_CREATE, &fd, &err));
    assert_true(file_write(fd, text, strlen(text), NULL, &err));
    file_drop(fd);
}

static bool there(struct rig *rig, const char *path)
{
    struct file_info info;
    struct err err = {0};
    bool exists = false;

    assert_true(file_stat(rig->kit.dirfd, path + 1, &exists, &info, &err));
    return exists;
}

static void gone(struct rig *rig, const char *path)
{
    struct err err = {0};

    assert_true(there(rig, path));
    assert_true(file_unlink(rig->kit.dirfd, path + 1, &err));
}

static void stream(struct rig *rig)
{
    if (!loader_auto(&rig->job, &rig->stream, &rig->result, &rig->err))
        fail_msg("%s", rig->err.text);
}

static void stream_fails(struct rig *rig, const char *why)
{
    assert_false(loader_auto(&rig->job, &rig->stream, &rig->result, &rig->err));
    if (!strstr(rig->err.text, why))
        fail_msg("'%s' does not say '%s'", rig->err.text, why);
}

/* --- finding --- */

static void hidden_names_are_sparks(void **state)
{
    static const struct {
        const char *name;
        bool hidden;
    } rows[] = {{"a.parquet", false}, {"_a.parquet", true}, {".a.parquet", true}, {"_a=1", false},
        {"._COPYING_", true}, {"a._COPYING_", true}, {"_metadata", false},
        {"_common_metadata", false}, {"_SUCCESS", true}, {"a_b", false}, {"", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (loader_hidden(rows[i].name) != rows[i].hidden)
            fail_msg("%s", rows[i].name);
    }
}

static void discovery_is_recursive_and_sees_no_hidden_names(void **state)
{
    static const char *const names[] = {"2026-01-31/b.parquet", "a.parquet", "x/y/z/c.parquet"};
    struct rig *rig = *state;
    struct loader_found found;
    struct err err = {0};
    int fd = -1;

    put(rig, "a.parquet", 1);
    put(rig, "2026-01-31/b.parquet", 1);
    put(rig, "x/y/z/c.parquet", 1);
    put(rig, "_hidden.parquet", 1);
    put(rig, ".hidden.parquet", 1);
    put(rig, "_temporary/0/d.parquet", 1);
    put(rig, "_temporary/key=1/d.parquet", 1);
    put_text(rig, DATA "/notes.txt", "no rows");
    assert_true(file_dir_open(rig->kit.dirfd, KIT_BELOW, &fd, &err));
    assert_true(loader_find(fd, "*.parquet", &found, &err));
    assert_int_equal(found.count, 3);
    assert_int_equal(found.all, 8);
    assert_false(found.partitioned);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(found.files[i].path, names[i]);
    loader_found_done(&found);
    put(rig, "plant=1/e.parquet", 1);
    assert_true(loader_find(fd, NULL, &found, &err));
    assert_true(found.partitioned);
    assert_int_equal(found.count, 5);
    loader_found_done(&found);
    file_drop(fd);
}

/* --- Auto Loader --- */

static void each_file_is_loaded_once(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    put(rig, "day/b.parquet", 20);
    stream(rig);
    assert_int_equal(rig->result.files, 2);
    assert_int_equal(rig->result.rows, 30);
    assert_int_equal(rig->result.batches, 1);
    stream(rig);
    assert_int_equal(rig->result.files, 0);
    assert_int_equal(rig->result.skipped, 2);
    put(rig, "c.parquet", 5);
    stream(rig);
    assert_int_equal(rig->result.rows, 5);
    assert_int_equal(kit_rows(&rig->kit), 35);
    assert_int_equal(kit_version(&rig->kit), 2); /* a run without new files makes no version */
}

static void a_path_is_its_identity(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    stream(rig);
    put(rig, "a.parquet", 99); /* overwritten: not read again */
    put(rig, "b.parquet", 10); /* equal content, other name: read */
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 20);
}

static void a_new_checkpoint_loads_all_again(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    stream(rig);
    (void)str_copy(
        rig->stream.checkpoint, sizeof(rig->stream.checkpoint), "/Volumes/main/raw/land/other");
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 20);
}

static void batches_are_as_large_as_asked_for(void **state)
{
    struct rig *rig = *state;
    char name[32];

    for (int i = 0; i < 7; i++) {
        (void)snprintf(name, sizeof(name), "%d.parquet", i);
        put(rig, name, 1);
    }
    rig->stream.batch_files = 3;
    stream(rig);
    assert_int_equal(rig->result.batches, 3);
    assert_int_equal(kit_rows(&rig->kit), 7);
    assert_int_equal(kit_version(&rig->kit), 3);
}

/* The moments of a kill: after the plan, after the table's commit, and none. */
static void a_kill_doubles_and_loses_nothing(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    stream(rig);
    put(rig, "b.parquet", 20);
    stream(rig);
    assert_int_equal(kit_version(&rig->kit), 2);

    /* Killed between the table's commit and the stream's note of it. */
    gone(rig, CHECKPOINT "/commits/1");
    put(rig, "c.parquet", 5);
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 35);
    assert_true(there(rig, CHECKPOINT "/commits/1"));

    /* Killed between the plan and the table's commit: the batch is done with the planned files
     * only. */
    gone(rig, CHECKPOINT "/commits/2");
    gone(rig, "/" KIT_TABLE "/_delta_log/00000000000000000003.json");
    assert_int_equal(kit_rows(&rig->kit), 30);
    put(rig, "aa.parquet", 7);
    rig->stream.batch_files = 1;
    stream(rig);
    assert_int_equal(rig->result.batches, 2);
    assert_int_equal(kit_rows(&rig->kit), 42);

    /* Killed between the first file of the plan and the second. */
    gone(rig, CHECKPOINT "/commits/3");
    gone(rig, CHECKPOINT "/offsets/3");
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 42);
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 42);
}

static void a_broken_file_fails_the_run_until_it_is_whole(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    put_text(rig, DATA "/b.parquet", "PAR1 no PAR1");
    stream_fails(rig, "FAILED_READ_FILE");
    assert_int_equal(rig->err.kind, ERR_INPUT);
    assert_int_equal(kit_rows(&rig->kit), 0); /* all of a batch, or nothing */
    stream_fails(rig, "b.parquet");
    put(rig, "b.parquet", 20);
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 30);
}

static void a_planned_file_that_is_gone_fails_the_run(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    stream(rig);
    gone(rig, CHECKPOINT "/commits/0");
    gone(rig, "/" KIT_TABLE "/_delta_log/00000000000000000001.json");
    gone(rig, DATA "/a.parquet");
    stream_fails(rig, "FILE_NOT_EXIST");
}

static void a_damaged_checkpoint_fails_the_run(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    stream(rig);
    put_text(rig, CHECKPOINT "/sources/0/0", "v1\n{\"pa");
    stream_fails(rig, "damaged");
    put_text(rig, CHECKPOINT "/sources/0/0", "v1\n{\"path\":\"/Volumes/main/raw/land/../../x\"}");
    gone(rig, CHECKPOINT "/commits/0");
    gone(rig, "/" KIT_TABLE "/_delta_log/00000000000000000001.json");
    stream_fails(rig, "not a path of a volume");
    assert_int_equal(kit_rows(&rig->kit), 0);
}

static void a_missing_source_or_volume_fails_the_run(void **state)
{
    struct rig *rig = *state;

    (void)str_copy(rig->stream.source, sizeof(rig->stream.source), "/Volumes/main/raw/land/none/");
    stream_fails(rig, "PATH_NOT_FOUND");
    (void)str_copy(rig->stream.source, sizeof(rig->stream.source), "/tmp/data");
    stream_fails(rig, "not a path of a volume");
}

static void directories_called_key_value_become_columns(void **state)
{
    struct rig *rig = *state;

    put(rig, "plant=1/a.parquet", 10);
    rig->stream.no_partitions = false;
    stream_fails(rig, "partitionColumns");
    rig->stream.no_partitions = true;
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 10);
}

static bool always(void *arg)
{
    (void)arg;
    return true;
}

static void a_cancelled_run_loads_nothing(void **state)
{
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    rig->job.cancelled = always;
    stream_fails(rig, "cancelled");
    assert_int_equal(kit_rows(&rig->kit), 0);
    rig->job.cancelled = NULL;
    stream(rig);
    assert_int_equal(kit_rows(&rig->kit), 10);
}

static void loaded_files_move_when_their_time_has_come(void **state)
{
    struct rig *rig = *state;

    rig->stream.move = true;
    rig->stream.retention_us = 3600 * CLOCK_SECOND_US;
    (void)str_copy(
        rig->stream.archive, sizeof(rig->stream.archive), "/Volumes/main/raw/land/archive/");
    put(rig, "day/a.parquet", 10);
    stream(rig);
    stream(rig);
    assert_int_equal(rig->result.moved, 0);
    assert_true(there(rig, DATA "/day/a.parquet"));
    rig->job.time_scale = INT64_C(3600) * 1000000; /* the hour is over */
    put(rig, "b.parquet", 5);
    usleep(1000);
    stream(rig);
    stream(rig);
    assert_false(there(rig, DATA "/day/a.parquet"));
    assert_true(there(rig, "/Volumes/main/raw/land/archive/day/a.parquet"));
    assert_true(there(rig, "/Volumes/main/raw/land/archive/b.parquet"));
    assert_int_equal(kit_rows(&rig->kit), 15);

    (void)str_copy(rig->stream.archive, sizeof(rig->stream.archive), DATA "/archive");
    stream_fails(rig, "inside of the source");
    (void)str_copy(rig->stream.archive, sizeof(rig->stream.archive), "/Volumes/main/raw/other/a");
    stream_fails(rig, "same volume");
}

/* --- COPY INTO --- */

static struct stmt copy_statement(void)
{
    static char source[] = DATA "/";
    struct stmt copy = {.kind = STMT_COPY_INTO, .text = source};

    (void)str_copy(copy.format, sizeof(copy.format), "PARQUET");
    return copy;
}

static void copy(struct rig *rig, const struct stmt *statement)
{
    if (!loader_copy(&rig->job, statement, &rig->result, &rig->err))
        fail_msg("%s", rig->err.text);
}

static void copy_fails(struct rig *rig, const struct stmt *statement, const char *why)
{
    assert_false(loader_copy(&rig->job, statement, &rig->result, &rig->err));
    if (!strstr(rig->err.text, why))
        fail_msg("'%s' does not say '%s'", rig->err.text, why);
}

static void copy_into_knows_what_the_table_holds(void **state)
{
    struct stmt statement = copy_statement();
    struct stmt_pair force = {.key = "copy.force", .value = "true"};
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    put(rig, "day/b.parquet", 20);
    copy(rig, &statement);
    assert_int_equal(rig->result.rows, 30);
    put(rig, "a.parquet", 99);
    copy(rig, &statement);
    assert_int_equal(rig->result.rows, 0);
    assert_int_equal(rig->result.skipped, 2);
    assert_int_equal(kit_version(&rig->kit), 1);
    put(rig, "c.parquet", 5);
    copy(rig, &statement);
    assert_int_equal(kit_rows(&rig->kit), 35);

    statement.pairs = &force;
    statement.pair_count = 1;
    copy(rig, &statement);
    assert_int_equal(kit_rows(&rig->kit), 35 + 99 + 20 + 5);
}

static void copy_into_takes_all_or_nothing(void **state)
{
    struct stmt statement = copy_statement();
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    put_text(rig, DATA "/b.parquet", "no");
    copy_fails(rig, &statement, "FAILED_READ_FILE");
    assert_int_equal(kit_rows(&rig->kit), 0);
    gone(rig, DATA "/b.parquet");
    copy(rig, &statement);
    assert_int_equal(kit_rows(&rig->kit), 10);
}

static void copy_into_does_what_its_list_says_or_fails(void **state)
{
    static struct stmt_item same[] = {{.column = "timestamp", .cast = "TIMESTAMP_NTZ"},
        {.column = "asset", .cast = "STRING", .alias = "asset"}, {.column = "datastream"},
        {.column = "payload", .cast = "DOUBLE", .alias = "Payload"}};
    static struct stmt_item all[] = {{.column = "*"}};
    static struct stmt_item other[] = {{.column = "timestamp", .cast = "TIMESTAMP"}};
    static struct stmt_item renamed[] = {{.column = "asset", .alias = "name"}};
    static struct stmt_item unknown[] = {{.column = "plant"}};
    struct stmt statement = copy_statement();
    struct rig *rig = *state;

    put(rig, "a.parquet", 10);
    statement.items = other;
    statement.item_count = 1;
    copy_fails(rig, &statement, "cannot make TIMESTAMP");
    statement.items = renamed;
    copy_fails(rig, &statement, "cannot make name");
    statement.items = unknown;
    copy_fails(rig, &statement, "UNRESOLVED_COLUMN");
    statement.items = same;
    copy_fails(rig, &statement, "cannot leave out column `asset`");
    statement.item_count = 4;
    copy(rig, &statement);
    assert_int_equal(kit_rows(&rig->kit), 10);
    put(rig, "b.parquet", 10);
    statement.items = all;
    statement.item_count = 1;
    copy(rig, &statement);
    assert_int_equal(kit_rows(&rig->kit), 20);
}

static void copy_into_refuses_what_it_does_not_know(void **state)
{
    struct stmt_pair pair = {.key = "copy.forze", .value = "true"};
    struct stmt statement = copy_statement();
    struct rig *rig = *state;

    statement.pairs = &pair;
    statement.pair_count = 1;
    copy_fails(rig, &statement, "forze");
    statement.pair_count = 0;
    (void)str_copy(statement.format, sizeof(statement.format), "CSV");
    copy_fails(rig, &statement, "CSV");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hidden_names_are_sparks),
        TEST(discovery_is_recursive_and_sees_no_hidden_names),
        TEST(each_file_is_loaded_once),
        TEST(a_path_is_its_identity),
        TEST(a_new_checkpoint_loads_all_again),
        TEST(batches_are_as_large_as_asked_for),
        TEST(a_kill_doubles_and_loses_nothing),
        TEST(a_broken_file_fails_the_run_until_it_is_whole),
        TEST(a_planned_file_that_is_gone_fails_the_run),
        TEST(a_damaged_checkpoint_fails_the_run),
        TEST(a_missing_source_or_volume_fails_the_run),
        TEST(directories_called_key_value_become_columns),
        TEST(a_cancelled_run_loads_nothing),
        TEST(loaded_files_move_when_their_time_has_come),
        TEST(copy_into_knows_what_the_table_holds),
        TEST(copy_into_takes_all_or_nothing),
        TEST(copy_into_does_what_its_list_says_or_fails),
        TEST(copy_into_refuses_what_it_does_not_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
