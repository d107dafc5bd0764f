/* The bytes of a small sealed segment, with fixed salt, instance and time, do not drift. GOLDEN_WRITE
 * set in the environment writes the file anew: only together with a new version of the format.
 *
 * wrap: rng_any_seed clock_wall_us
 */
#include "journal_kit.h"

#include <math.h>

#define GOLDEN SOURCE_DIR "/tests/golden/journal_segment.seg"

uint64_t __wrap_rng_any_seed(void);
int64_t __wrap_clock_wall_us(void);

uint64_t __wrap_rng_any_seed(void)
{
    return UINT64_C(0x0123456789abcdef);
}

int64_t __wrap_clock_wall_us(void)
{
    return INT64_C(1769862896789012); /* 2026-01-31T12:34:56.789012Z */
}

static void put(struct kit *k, const char *asset, const char *stream, int64_t us, double value)
{
    uint32_t series;
    int64_t timestamp_us[1] = {us};
    double values[1] = {value};
    uint32_t numbers[1];
    struct readings r = {1, 1, timestamp_us, values, numbers};

    assert_int_equal(
        series_number(journal_series(k->j), span_of(asset), span_of(stream), &series), SERIES_OK);
    numbers[0] = series;
    kit_ok(k, journal_append(k->j, &r, clock_wall_us(), k->mono_us, 5, 1000, &k->err));
}

static void write_golden(const struct buf *bytes)
{
    FILE *out = fopen(GOLDEN, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, out), bytes->len);
    assert_int_equal(fclose(out), 0);
}

static void the_bytes_do_not_drift(void **state)
{
    struct kit k;
    uint8_t instance[16];
    struct buf got, want;
    bool busy;

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        instance[i] = (uint8_t)(0xa0 + i);
    kit_new(&k);
    kit_ok(&k, state_open(&k.st, k.dir, true, &busy, &k.err));
    kit_ok(&k, state_set_instance(&k.st, instance, &k.err));
    kit_stop(&k);
    kit_start(&k);
    kit_ok(&k, journal_link(k.j, true, 5, clock_wall_us(), k.mono_us, &k.err));
    put(&k, "pump-1", "pressure", 1769862896000000, 12.5);
    put(&k, "pump-1", "", -1, -0.0);
    kit_commit(&k);
    put(&k, "pump-1", "pressure", 1769862897000000, 1e300);
    put(&k, "\xc3\xa9tage", "t", INT64_MAX, 5e-324);
    kit_roll(&k);
    kit_read(&k, "journal/0000000000000001.seg", &got);
    if (getenv("GOLDEN_WRITE"))
        write_golden(&got);
    buf_init(&want, 1 << 20);
    kit_ok(&k, file_read_whole(FILE_CWD, GOLDEN, &want, &k.err));
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    buf_done(&got);
    buf_done(&want);
    kit_free(&k);
}

/* And the committed file says what was put in. */
static void the_file_is_read_back(void **state)
{
    struct kit k;
    struct buf golden;
    struct segment_list list;
    struct scan *scan;
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    char types[32] = "";
    double values[8];
    int64_t times[8];
    uint32_t numbers[8], rows = 0;

    (void)state;
    kit_new(&k);
    kit_start(&k);
    buf_init(&golden, 1 << 20);
    kit_ok(&k, file_read_whole(FILE_CWD, GOLDEN, &golden, &k.err));
    kit_write(&k, "journal/0000000000000001.seg", golden.data, golden.len);
    kit_ok(&k, scan_list(&k.st, &list, &k.err));
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].sealed && list.items[0].newest && list.items[0].header_ok);
    assert_int_equal(list.items[0].end_seq, 5);
    assert_int_equal(list.items[0].header.created_us, clock_wall_us());
    scan = scan_open(k.st.journal, list.items[0].name, list.items[0].end_seq, &k.err);
    assert_non_null(scan);
    while (event != SCAN_END) {
        kit_ok(&k, scan_next(scan, &event, &item, &k.err));
        assert_true(event != SCAN_HOLE);
        if (event == SCAN_FRAME)
            (void)snprintf(
                types + strlen(types), sizeof(types) - strlen(types), "%d", (int)item.frame.type);
        if (event == SCAN_FRAME && item.frame.type == SEGMENT_ROWS) {
            assert_int_equal(scan_rows_count(&item.frame), 1);
            scan_rows_copy(&item.frame, 0, 1, &times[rows], &values[rows], &numbers[rows]);
            rows++;
        }
    }
    assert_string_equal(types, "62121312134");
    assert_int_equal(rows, 4);
    assert_true(values[0] == 12.5 && values[2] == 1e300 && values[3] == 5e-324);
    assert_true(values[1] == 0 && signbit(values[1]));
    assert_true(times[1] == -1 && times[3] == INT64_MAX);
    assert_true(numbers[0] == 0 && numbers[1] == 1 && numbers[2] == 0 && numbers[3] == 2);
    scan_close(scan);
    scan_list_done(&list);
    buf_done(&golden);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_do_not_drift),
        cmocka_unit_test(the_file_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
