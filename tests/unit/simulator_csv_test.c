/* CSV files: records, timestamps, and which column means what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "simulator/csv.h"
#include "simulator/replay.h"
#include "simulator/time_text.h"

static char path[] = "/tmp/simulator_csv_XXXXXX";

static void put_file(const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* All records as text: fields in angle brackets, records ended by a bar. */
static void records(struct csv *csv, char *out, size_t size)
{
    struct err err = {0};
    size_t len = 0;
    bool end = false;

    for (;;) {
        assert_true(csv_next(csv, &end, &err));
        if (end)
            break;
        for (size_t i = 0; i < csv->field_count; i++) {
            struct span f = csv_field(csv, i);

            assert_true(len + f.len + 4 < size);
            out[len++] = '<';
            memcpy(out + len, f.data, f.len);
            len += f.len;
            out[len++] = '>';
        }
        out[len++] = '|';
    }
    out[len] = '\0';
}

static void records_are_read_as_rfc_4180_says(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {{"", ""}, {"a,b\n1,2\n", "<a><b>|<1><2>|"}, {"a,b\r\n1,2\r\n", "<a><b>|<1><2>|"},
        {"a,b\n1,2", "<a><b>|<1><2>|"}, {"a,,\n", "<a><><>|"}, {",\n", "<><>|"},
        {"\"a,b\",c\n", "<a,b><c>|"}, {"\"a\"\"b\"\n", "<a\"b>|"}, {"\"a\nb\",\"\"\n", "<a\nb><>|"},
        {"\"a\r\nb\"\n", "<a\r\nb>|"}, {"a\"b,c\n", "<a\"b><c>|"}, {"\"a\"b,c\n", "<ab><c>|"},
        {"\n\r\na\n\n\nb\n", "<a>|<b>|"},
        {"\xef\xbb\xbf"
         "a\n",
            "<a>|"},
        {"\"open\nend", "<open\nend>|"}, {"\"\"\"\"\n", "<\">|"}, {" a , b \n", "< a >< b >|"}};
    char out[256], again[256];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csv csv;
        struct err err = {0};

        put_file(rows[i].text, strlen(rows[i].text));
        assert_true(csv_open(&csv, path, &err));
        records(&csv, out, sizeof(out));
        assert_string_equal(out, rows[i].want);
        csv_rewind(&csv);
        records(&csv, again, sizeof(again));
        assert_string_equal(again, rows[i].want);
        csv_close(&csv);
    }
}

/* Quotes and line ends at every place of the 64 KiB pieces in which the file is read. */
static void pieces_of_the_file_do_not_show(void **state)
{
    static char text[200000], got[400000], want[400000];
    const char *record = "\"x\"\"y\",12,\"l\nm\"\r\n";
    size_t len = 0, n = 0, want_len = 0;
    struct csv csv;
    struct err err = {0};

    (void)state;
    for (size_t shift = 0; shift < 20; shift += 3) {
        memset(text, 'p', shift);
        len = shift;
        for (n = 0; len + 40 < 140000; n++) {
            memcpy(text + len, record, strlen(record));
            len += strlen(record);
        }
        put_file(text, len);
        /* With a shift the first field is a plain one, and its quotes are just bytes. */
        want_len = (size_t)snprintf(want, sizeof(want), "<%.*s%s><12><l\nm>|", (int)shift, text,
            shift > 0 ? "\"x\"\"y\"" : "x\"y");
        for (size_t i = 1; i < n; i++)
            want_len +=
                (size_t)snprintf(want + want_len, sizeof(want) - want_len, "<x\"y><12><l\nm>|");
        assert_true(csv_open(&csv, path, &err));
        records(&csv, got, sizeof(got));
        assert_string_equal(got, want);
        csv_close(&csv);
    }
}

static void limits_are_errors(void **state)
{
    static char text[CSV_RECORD_MAX + 100];
    struct csv csv;
    struct err err = {0};
    bool end;

    (void)state;
    memset(text, 'a', sizeof(text));
    put_file(text, sizeof(text));
    assert_true(csv_open(&csv, path, &err));
    assert_false(csv_next(&csv, &end, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    csv_close(&csv);
    memset(text, '"', 1);
    put_file(text, sizeof(text));
    assert_true(csv_open(&csv, path, &err));
    assert_false(csv_next(&csv, &end, &err));
    csv_close(&csv);
    memset(text, ',', 5000);
    put_file(text, 5000);
    assert_true(csv_open(&csv, path, &err));
    assert_false(csv_next(&csv, &end, &err));
    csv_close(&csv);
    assert_false(csv_open(&csv, "/nonexistent/file.csv", &err));
}

static void timestamps_are_read(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t us;
    } rows[] = {{"0", true, 0}, {"1738326896.5", true, 1738326896500000},
        {"-1.000001", true, -1000001}, {"1e3", true, 1000000000},
        {"2025-01-31T12:34:56Z", true, 1738326896000000},
        {"2025-01-31 12:34:56.789012", true, 1738326896789012},
        {"2025-01-31T12:34:56.7890129Z", true, 1738326896789012},
        {"2025-01-31T14:34:56+02:00", true, 1738326896000000},
        {"2025-01-31T14:34:56+0200", true, 1738326896000000},
        {"2025-01-31T07:04:56-05:30", true, 1738326896000000},
        {"2025-01-31T14:34:56+02", true, 1738326896000000},
        {"2025-01-31T12:34", true, 1738326840000000}, {"2025-01-31", true, 1738281600000000},
        {" 2025-01-31 ", true, 1738281600000000}, {"", false, 0}, {"yesterday", false, 0},
        {"2025-02-29", false, 0}, {"2025-13-01", false, 0}, {"2025-01-31T24:00:00Z", false, 0},
        {"2025-01-31T12:60:00Z", false, 0}, {"2025-01-31T12:34:56.Z", false, 0},
        {"2025-01-31T12:34:56Zx", false, 0}, {"2025-01-31T12:34:56+", false, 0},
        {"2025-1-31", false, 0}, {"nan", false, 0}, {"inf", false, 0}, {"0x10", false, 0},
        {"1e400", false, 0}, {"1e300", false, 0}, {"0000-01-01", false, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t us = 77;

        if (time_text_parse(span_of(rows[i].text), &us) != rows[i].ok)
            fail_msg("'%s'", rows[i].text);
        assert_true(us == (rows[i].ok ? rows[i].us : 77));
    }
}

static struct simulator_options csv_options(void)
{
    struct simulator_options o;

    simulator_options_init(&o);
    o.csv_path = path;
    return o;
}

static struct replay *open_text(const struct simulator_options *o, const char *text)
{
    struct replay *r;
    struct err err = {0};

    put_file(text, strlen(text));
    r = replay_open(o, &err);
    assert_non_null(r);
    return r;
}

static void columns_have_their_roles(void **state)
{
    static const struct simulator_stream streams[] = {
        {.name = "a", .kind = SIMULATOR_BOOLEAN}, {.name = "c", .kind = SIMULATOR_STRING}};
    struct simulator_options o = csv_options();
    struct replay *r;
    struct span asset;
    struct err err = {0};

    (void)state;
    o.streams = streams;
    o.stream_count = 2;
    r = open_text(&o, "a,timestamp,b,asset_name,c\n1,5,2,x,three\n");
    assert_int_equal(replay_input_count(r), 2);
    assert_int_equal(replay_input_kind(r, 0), SIMULATOR_BOOLEAN);
    assert_true(span_is(replay_input_name(r, 1), "c"));
    assert_int_equal(replay_refused_count(r), 1);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(span_is(replay_cell(r, 1), "three"));
    assert_true(span_is(replay_refused_cell(r, 0), "2"));
    assert_true(replay_asset(r, &asset) && span_is(asset, "x"));
    assert_true(replay_timestamp_us(r) == 5000000);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_END);
    replay_free(r);
}

static void rows_wait_as_their_timestamps_differ(void **state)
{
    struct simulator_options o = csv_options();
    struct replay *r = open_text(&o, "timestamp,a\n10,1\n12.5,2\nbad,3\n12,4\n20,5\n");
    struct err err = {0};

    (void)state;
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(replay_wait_us(r) == 0);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(replay_wait_us(r) == 2500000);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_SKIPPED);
    assert_string_equal(replay_problem(r), "csv: skipping row 3: invalid timestamp 'bad'");
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(replay_wait_us(r) == 0); /* back in time: at once */
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(replay_wait_us(r) == 8000000);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_END);
    replay_restart(r);
    assert_int_equal(replay_next(r, 0, &err), REPLAY_ROW);
    assert_true(span_is(replay_cell(r, 0), "1"));
    replay_free(r);
}

static void the_clock_can_be_shifted_ignored_or_begun_again(void **state)
{
    struct simulator_options o = csv_options();
    struct replay *r;
    struct err err = {0};

    (void)state;
    o.csv_now_offset = true;
    r = open_text(&o, "timestamp,a\n10,1\n12,2\n");
    assert_int_equal(replay_next(r, 500, &err), REPLAY_ROW);
    assert_true(replay_timestamp_us(r) == 500);
    assert_int_equal(replay_next(r, 900, &err), REPLAY_ROW);
    assert_true(replay_timestamp_us(r) == 2000500);
    replay_free(r);
    o = csv_options();
    o.csv_ignore_timestamps = true;
    o.csv_interval_given = true;
    o.csv_interval_us = 70;
    o.csv_replay = true;
    r = open_text(&o, "timestamp,a\n10,1\n12,2\n");
    assert_int_equal(replay_next(r, 500, &err), REPLAY_ROW);
    assert_true(replay_timestamp_us(r) == INT64_MIN);
    assert_int_equal(replay_next(r, 500, &err), REPLAY_ROW);
    assert_true(replay_wait_us(r) == 70);
    assert_int_equal(replay_next(r, 500, &err), REPLAY_ROW);
    assert_true(span_is(replay_cell(r, 0), "1"));
    replay_free(r);
}

static void files_that_cannot_work_are_refused(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {{"", "empty"}, {"a,b\n1,2\n", "must have timestamp column"},
        {"timestamp,a\nbad,2\n", "first row"}, {"timestamp,,a\n1,2,3\n", "no name"}};
    struct simulator_options o = csv_options();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {0};

        put_file(rows[i].text, strlen(rows[i].text));
        assert_null(replay_open(&o, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.text, rows[i].want));
    }
}

static void a_file_without_any_usable_row_ends_though_it_is_to_be_replayed(void **state)
{
    struct simulator_options o = csv_options();
    struct replay *r;
    struct err err = {0};

    (void)state;
    o.csv_replay = true;
    r = open_text(&o, "timestamp,a\n");
    assert_int_equal(replay_next(r, 0, &err), REPLAY_END);
    replay_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_as_rfc_4180_says),
        cmocka_unit_test(pieces_of_the_file_do_not_show),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(timestamps_are_read),
        cmocka_unit_test(columns_have_their_roles),
        cmocka_unit_test(rows_wait_as_their_timestamps_differ),
        cmocka_unit_test(the_clock_can_be_shifted_ignored_or_begun_again),
        cmocka_unit_test(files_that_cannot_work_are_refused),
        cmocka_unit_test(a_file_without_any_usable_row_ends_though_it_is_to_be_replayed),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
