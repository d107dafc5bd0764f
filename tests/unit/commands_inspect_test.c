#include "commands/inspect.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "commands/options.h"
#include "journal/journal.h"
#include "pack/pack.h"
#include "state/rejects.h"

#define ROWS 1000 /* a segment */

static char directory[64];
static char packed[OUTBOX_NAME_SIZE]; /* the file in outbox/ */
static char output[262144];           /* of the last command */

/* --- a state directory as `run` leaves it --- */

static void append(struct journal *j, unsigned segment)
{
    struct err err = {0};
    struct readings r;

    assert_true(readings_init(&r, ROWS, &err));
    for (unsigned i = 0; i < ROWS; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "tag-%u", i % 5);
        assert_int_equal(
            series_number(journal_series(j), span_of("well\x1b[31m"), span_of(name), &r.series[i]),
            SERIES_OK);
        r.timestamp_us[i] = INT64_C(1769862896000000) + (int64_t)(segment * ROWS + i) * 1000;
        r.value[i] = (double)i / 4;
    }
    r.count = ROWS;
    assert_true(journal_append(j, &r, clock_wall_us(), clock_mono_us(), 1, 1, &err));
    assert_true(journal_commit(j, clock_mono_us(), &err));
    readings_done(&r);
}

static void write_rest(struct state *st, struct limits *limits, struct gaps *gaps)
{
    static const char bad[] = "{\"a\":\"\x1b[2J\",\"reason\":\"forged\"}";
    const struct gap gap = {.from_seq = 1,
        .to_seq = 10,
        .readings = 10,
        .reason = GAP_DROPPED,
        .where = "x\",\"reason\":\"forged"};
    struct err err = {0};
    struct rejects *rejects = rejects_open(st, limits, &err);

    assert_non_null(rejects);
    assert_true(rejects_add(rejects, "not_json", span_of(bad), sizeof(bad) - 1, "127.0.0.1:1",
        clock_wall_us(), clock_mono_us(), &err));
    assert_true(rejects_add(rejects, "too_deep", span_of("[[["), 3, "127.0.0.1:1", clock_wall_us(),
        clock_mono_us(), &err));
    assert_true(rejects_flush(rejects, &err));
    rejects_close(rejects);
    assert_true(gaps_write(gaps, &gap, &err));
}

static void fill(struct state *st, struct limits *limits, struct gaps *gaps)
{
    const struct journal_options options = {.commit_us = 50000,
        .commit_bytes = 1 << 20,
        .segment_bytes = 1 << 20,
        .series_max = 1000,
        .names_bytes_max = 1 << 16,
        .batch_size = 1000000,
        .interval_us = 60000000};
    const struct pack_options pack_options = {.order = BATCH_BY_SERIES,
        .codec = PARQUET_ZSTD,
        .merge_bytes = 1 << 20,
        .segment_bytes = 1 << 20,
        .upload_parallel = 1};
    struct err err = {0};
    struct pack_recovery recovery;
    enum pack_result result;
    struct pack_done done;
    struct journal *j;
    struct pack *pack;

    assert_true(pack_recover(st, limits, gaps, &recovery, &err));
    j = journal_open(st, limits, &options, recovery.next_seq, &err);
    assert_non_null(j);
    append(j, 0);
    assert_true(journal_roll(j, clock_mono_us(), &err));
    pack = pack_new(st, limits, gaps, &pack_options, &err);
    assert_non_null(pack);
    if (!pack_step(pack, true, &result, &done, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result, PACK_FILE);
    (void)str_copy(packed, sizeof(packed), done.entry.text);
    pack_free(pack);
    append(j, 1);
    assert_true(journal_roll(j, clock_mono_us(), &err));
    append(j, 2);
    journal_close(j);
    write_rest(st, limits, gaps);
}

static int make_directory(void **state)
{
    struct err err = {0};
    struct limits limits;
    struct gaps *gaps;
    struct state st;
    bool busy;

    (void)state;
    (void)str_copy(directory, sizeof(directory), "/tmp/commands_inspect_XXXXXX");
    assert_non_null(mkdtemp(directory));
    if (!state_open(&st, directory, true, &busy, &err))
        fail_msg("%s", err.text);
    if (!st.instance_known)
        assert_true(state_set_instance(&st, NULL, &err));
    assert_true(limits_init(&limits, &st, 0, 0, &err));
    gaps = gaps_open(&st, &limits, &err);
    assert_non_null(gaps);
    fill(&st, &limits, gaps);
    gaps_close(gaps);
    state_close(&st);
    return 0;
}

static int drop_directory(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command);
}

/* --- the command, its output caught --- */

static int catch_into(int fd, const char *path)
{
    int kept = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(kept >= 0 && file >= 0);
    assert_int_equal(dup2(file, fd), fd);
    assert_int_equal(close(file), 0);
    return kept;
}

static int inspect(const char *a, const char *b, const char *c)
{
    char words[4][256] = {"inspect"};
    char path[96];
    char *argv[5] = {words[0], NULL, NULL, NULL, NULL};
    const char *given[3] = {a, b, c};
    struct err err = {0};
    struct buf text;
    int argc = 1, kept, code;

    for (int i = 0; i < 3 && given[i]; i++) {
        (void)str_copy(words[argc], sizeof(words[argc]), given[i]);
        argv[argc] = words[argc];
        argc++;
    }
    (void)snprintf(path, sizeof(path), "%s.out", directory);
    (void)fflush(stdout);
    kept = catch_into(STDOUT_FILENO, path);
    code = command_inspect(argc, argv);
    (void)fflush(stdout);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(close(kept), 0);
    buf_init(&text, sizeof(output) - 1);
    assert_true(file_read_whole(FILE_CWD, path, &text, &err));
    memcpy(output, buf_text(&text), text.len + 1);
    buf_done(&text);
    assert_int_equal(unlink(path), 0);
    return code;
}

static void expect(const char *part)
{
    if (!strstr(output, part))
        fail_msg("'%s' is not in:\n%s", part, output);
}

/* Only printable characters and line ends reach the terminal. */
static void expect_harmless(void)
{
    for (const char *p = output; *p; p++)
        assert_true((unsigned char)*p >= ' ' || *p == '\n');
}

static void in_directory(char out[256], const char *sub, const char *name)
{
    (void)snprintf(out, 256, "%s/%s/%s", directory, sub, name);
}

/* --- the tests --- */

static void a_state_directory_is_shown(void **state)
{
    (void)state;
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_DONE);
    expect("waiting      3,000 readings in 2 segments and 1 file (");
    expect("room         ");
    expect("  dropped                  1               10            10 readings  ");
    expect("journal: 2 segments, 2,000 readings");
    expect("sealed");
    expect("active");
    expect("outbox: 1 file, 1,000 readings");
    expect(packed);
    expect("refused: empty");
    expect("rejected: 2 samples");
    expect("{\"a\":\"\\x1b[2J\",\"reason\":\"forged\"}\n"); /* no escapes of JSON */
    expect("not_json");
    expect("gaps: 1 line, 10 readings");
    expect("dropped");
    expect("quarantine: empty");
    assert_null(strstr(output, "forged   "));
    expect_harmless();
}

static void a_state_directory_as_json(void **state)
{
    (void)state;
    assert_int_equal(inspect("--json", "--check", directory), EXIT_DONE);
    expect("\"waiting_readings\":3000,");
    expect("\"waiting_files\":1,\"waiting_segments\":2,\"oldest\":\"20");
    expect("\"readings_per_s\":");
    expect("\"lasts_s\":");
    expect("\"gap_lines\":[{\"from_seq\":1,\"to_seq\":10,\"readings\":10,\"reason\":\"dropped\",");
    expect("\"damaged\":false,");
    expect("\"state\":\"sealed\",\"first_seq\":1001,\"last_seq\":2000,\"readings\":1000,");
    expect("\"state\":\"active\",\"first_seq\":2001,\"last_seq\":3000,\"readings\":1000,");
    expect("\"series\":5,\"holes\":0,\"lost_readings\":0}");
    expect(
        "\"gaps\":[{\"reason\":\"dropped\",\"lines\":1,\"readings\":10,\"promised_readings\":0}]");
    expect("{\"reason\":\"not_json\",\"lines\":1,\"sample\":\"");
    expect_harmless();
}

static void a_parquet_file_is_shown(void **state)
{
    char path[256];

    (void)state;
    in_directory(path, "outbox", packed);
    assert_int_equal(inspect("--check", "--rows=3", path), EXIT_DONE);
    expect("1,000 in 1 row group");
    expect("written by   volume-uploader");
    expect("readings     1 to 1,000");
    expect("everything read, all as it should be");
    expect("ZSTD");
    expect("2026-01-31T12:34:56.000000Z to 2026-01-31T12:34:56.999000Z");
    expect("well\\x1b[31m");
    expect("tag-0");
    expect_harmless();
    assert_int_equal(inspect("--json", "--rows=2", path), EXIT_DONE);
    expect("\"rows\":1000,");
    expect("[\"2026-01-31T12:34:56.000000Z\",\"well\\u001b[31m\",\"tag-0\",0.0]");
    expect_harmless();
}

static void flip(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)(byte ^ 0x10);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

static void a_damaged_file_is_seen(void **state)
{
    char path[256];

    (void)state;
    in_directory(path, "outbox", packed);
    flip(path, 100);
    assert_int_equal(inspect("--check", path, NULL), EXIT_NO);
    expect("its name says");
    assert_int_equal(inspect("--check", directory, NULL), EXIT_NO);
    expect("a file in outbox does not match its name");
    assert_int_equal(inspect("--check", "--json", directory), EXIT_NO);
    expect("\"files_that_differ_from_their_name\":1,");
    flip(path, 0); /* the magic */
    assert_int_equal(inspect(path, NULL, NULL), EXIT_NO);
    flip(path, 0);
    flip(path, 100);
    assert_int_equal(inspect("--check", path, NULL), EXIT_DONE);
}

static void a_damaged_segment_is_seen(void **state)
{
    char path[256];

    (void)state;
    in_directory(path, "journal", "00000000000003e9.seg"); /* 1001 */
    flip(path, 5000);
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_NO);
    expect("damaged");
    expect("1000 durable readings cannot be read");
    assert_int_equal(inspect("--json", directory, NULL), EXIT_NO);
    expect("\"lost_readings\":1000}");
    flip(path, 5000);
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_DONE);
}

/* The newest one too: its readings are counted all the same. */
static void a_lost_header_is_seen(void **state)
{
    static const char *const names[] = {"00000000000003e9.seg", "00000000000007d1.seg"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[256];

        in_directory(path, "journal", names[i]);
        flip(path, 50);
        assert_int_equal(inspect(directory, NULL, NULL), EXIT_NO);
        expect("waiting      3,000 readings");
        expect("no header");
        flip(path, 50);
    }
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_DONE);
}

static void rename_in(const char *sub, const char *from, const char *to)
{
    char a[256], b[256];

    in_directory(a, sub, from);
    in_directory(b, sub, to);
    assert_int_equal(rename(a, b), 0);
}

/* Not the next one's name, and none of outbox/ has its numbers. */
static void a_missing_segment_is_seen(void **state)
{
    static const char end[] =
        "0000000000001388.seg"; /* 5000, as if there were two more before it */

    (void)state;
    rename_in("journal", "00000000000007d1.seg", end);
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_NO);
    expect("2999 readings before the next one are missing");
    assert_int_equal(inspect("--json", directory, NULL), EXIT_NO);
    expect("\"missing_before\":2999,");
    rename_in("journal", end, "00000000000007d1.seg");
    assert_int_equal(inspect("--json", directory, NULL), EXIT_DONE);
    expect("\"missing_before\":0,");
}

/* Where a file is expected lies something else: the rest is shown. */
static void what_is_no_file_is_passed_over(void **state)
{
    char path[256];

    (void)state;
    rename_in(".", "gaps.log", "gaps.was");
    in_directory(path, ".", "gaps.log");
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_DONE);
    expect("waiting      3,000 readings in 2 segments and 1 file (");
    assert_int_equal(unlink(path), 0);
    rename_in(".", "gaps.was", "gaps.log");
    in_directory(path, "rejected", "00000002.jsonl");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(inspect(directory, NULL, NULL), EXIT_DONE);
    expect("rejected: 2 samples");
    assert_int_equal(rmdir(path), 0);
}

static void what_is_not_there_is_said(void **state)
{
    char path[256];
    int fd;

    (void)state;
    assert_int_equal(inspect("/nonexistent/file", NULL, NULL), EXIT_USAGE);
    assert_int_equal(inspect("--rows=x", directory, NULL), EXIT_USAGE);
    assert_int_equal(inspect("--row=1", directory, NULL), EXIT_USAGE);
    assert_int_equal(inspect("a", "b", NULL), EXIT_USAGE);
    (void)snprintf(
        path, sizeof(path), "%s/journal", directory); /* a directory, but not of that kind */
    assert_int_equal(inspect(path, NULL, NULL), EXIT_STATE);
    in_directory(path, "outbox", "empty");
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(inspect(path, NULL, NULL), EXIT_NO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(inspect("--help", NULL, NULL), EXIT_DONE);
    expect("Usage: volume-uploader inspect [options] [FILE.parquet | DIRECTORY]");
    expect("--state-dir");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_directory_is_shown),
        cmocka_unit_test(a_state_directory_as_json),
        cmocka_unit_test(a_parquet_file_is_shown),
        cmocka_unit_test(a_damaged_file_is_seen),
        cmocka_unit_test(a_damaged_segment_is_seen),
        cmocka_unit_test(a_lost_header_is_seen),
        cmocka_unit_test(a_missing_segment_is_seen),
        cmocka_unit_test(what_is_no_file_is_passed_over),
        cmocka_unit_test(what_is_not_there_is_said),
    };

    return cmocka_run_group_tests(tests, make_directory, drop_directory);
}
