/* Sorting and keep-last against a slow oracle; segments shared, split, damaged. */
#include "base/rng.h"
#include "batch/batch.h"
#include "rounds.h"
#include "state/gaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a journal of our own making --- */

struct world {
    char dir[32];
    struct state st; /* only .journal is set */
    uint64_t next_seq;
    struct rng rng;
};

static int set_up(void **state)
{
    static struct world w;
    struct err err = {0};

    w = (struct world){.next_seq = 1};
    (void)str_copy(w.dir, sizeof(w.dir), "/tmp/batch_order_XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    assert_true(file_dir_open(FILE_CWD, w.dir, &w.st.journal, &err));
    rng_seed(&w.rng, 7);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct file_list list;
    struct err err = {0};

    assert_true(file_list(w->st.journal, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        assert_true(file_unlink(w->st.journal, list.names[i], &err));
    file_list_done(&list);
    file_drop(w->st.journal);
    (void)rmdir(w->dir);
    return 0;
}

struct row {
    char asset[32], datastream[32];
    int64_t time;
    double value;
    size_t arrival;
};

struct segment {
    struct buf bytes;
    struct segment_info info;
    uint64_t salt;
    uint64_t group_at; /* offset of the open group's first frame */
    uint64_t group_rows;
};

static void put_frame(
    struct segment *s, enum segment_frame_type type, uint64_t seq, const void *payload, size_t len)
{
    size_t size = segment_frame_size(len);
    uint8_t *to = (uint8_t *)buf_reserve(&s->bytes, size);

    assert_non_null(to);
    memcpy(to + SEGMENT_FRAME_BYTES, payload, len);
    segment_frame_put(to, type, seq, 0, (uint32_t)len, s->salt);
    s->bytes.len += size;
}

static void put16(struct buf *b, size_t value)
{
    buf_add_byte(b, (uint8_t)value);
    buf_add_byte(b, (uint8_t)(value >> 8));
}

static void put32(struct buf *b, uint32_t value)
{
    put16(b, value & 0xffff);
    put16(b, value >> 16);
}

static void put_names(struct segment *s, uint32_t number, const char *asset, const char *datastream)
{
    struct buf b;

    buf_init(&b, 4096);
    put32(&b, number);
    put32(&b, 1);
    put16(&b, strlen(asset));
    buf_add_text(&b, asset);
    put16(&b, strlen(datastream));
    buf_add_text(&b, datastream);
    put_frame(s, SEGMENT_NAMES, s->info.end_seq, b.data, b.len);
    buf_done(&b);
}

static void put_commit(struct segment *s)
{
    const struct segment_commit c = {.readings = s->group_rows, .first_offset = s->group_at};
    uint8_t payload[SEGMENT_COMMIT_BYTES];

    segment_commit_put(payload, &c);
    put_frame(s, SEGMENT_COMMIT, s->info.end_seq, payload, sizeof(payload));
    s->group_at = s->bytes.len;
    s->group_rows = 0;
}

static void begin_segment(struct world *w, struct segment *s)
{
    struct segment_header h = {.version = 1, .first_seq = w->next_seq, .salt = rng_next(&w->rng)};
    uint8_t bytes[SEGMENT_HEADER_BYTES];

    *s = (struct segment){.salt = h.salt, .group_at = SEGMENT_HEADER_BYTES};
    buf_init(&s->bytes, 256U << 20);
    s->info.first_seq = w->next_seq;
    s->info.end_seq = w->next_seq;
    segment_name(s->info.name, w->next_seq);
    segment_header_put(bytes, &h);
    buf_add(&s->bytes, bytes, sizeof(bytes));
}

static void end_segment(struct world *w, struct segment *s)
{
    struct err err = {0};
    int fd;

    put_commit(s);
    w->next_seq = s->info.end_seq;
    s->info.bytes = s->bytes.len;
    /* Not synced: hundreds of segments are read once, at once. */
    if (!file_open(w->st.journal, s->info.name, FILE_CREATE, &fd, &err) ||
        !file_write(fd, s->bytes.data, s->bytes.len, NULL, &err))
        fail_msg("%s", err.text);
    file_drop(fd);
    buf_done(&s->bytes);
}

/* Rows [from, to) in frames of up to `frame` rows, names first. Numbers are those of first
 * appearance in this segment. */
static void put_rows(struct segment *s, const struct row *rows, size_t from, size_t to,
    size_t frame, struct series_table *table)
{
    struct readings r;
    struct err err = {0};
    struct buf payload;

    assert_true(readings_init(&r, frame, &err));
    buf_init(&payload, SEGMENT_PAYLOAD_MAX);
    while (from < to) {
        uint64_t seq = s->info.end_seq;

        r.count = 0;
        for (; from < to && r.count < frame; from++, r.count++) {
            const struct row *row = &rows[from];
            uint32_t known = series_count(table);
            uint32_t number;

            assert_int_equal(SERIES_OK,
                series_number(table, span_of(row->asset), span_of(row->datastream), &number));
            if (number == known)
                put_names(s, number, row->asset, row->datastream);
            r.timestamp_us[r.count] = row->time;
            r.value[r.count] = row->value;
            r.series[r.count] = number;
        }
        buf_reset(&payload);
        assert_non_null(buf_reserve(&payload, SEGMENT_ROWS_BYTES(r.count)));
        segment_rows_put((uint8_t *)payload.data, &r, 0, (uint32_t)r.count);
        put_frame(s, SEGMENT_ROWS, seq, payload.data, SEGMENT_ROWS_BYTES(r.count));
        s->info.end_seq += r.count;
        s->group_rows += r.count;
    }
    buf_done(&payload);
    readings_done(&r);
}

static struct segment_info write_segment(
    struct world *w, const struct row *rows, size_t from, size_t to, size_t frame)
{
    struct segment s;
    struct err err = {0};
    struct series_table *table = series_new(200000, 64U << 20, &err);

    assert_non_null(table);
    begin_segment(w, &s);
    put_rows(&s, rows, from, to, frame, table);
    end_segment(w, &s);
    series_free(table);
    return s.info;
}

/* --- rows and the oracle --- */

struct shape {
    const char *name;
    size_t rows, series, segments;
    int64_t step_us;
    unsigned late_percent, repeat_percent;
    bool shuffled;
};

static void make_rows(struct world *w, const struct shape *shape, struct row *rows)
{
    for (size_t i = 0; i < shape->rows; i++) {
        uint64_t series = rng_below(&w->rng, shape->series);
        int64_t tick = (int64_t)(i / shape->series) * shape->step_us;

        if (shape->shuffled)
            tick = (int64_t)(rng_next(&w->rng) >> (8 + rng_below(&w->rng, 40))) - INT32_MAX;
        if (rng_below(&w->rng, 100) < shape->late_percent)
            tick -= (int64_t)rng_below(&w->rng, 1000) * shape->step_us;
        if (i > 0 && rng_below(&w->rng, 100) < shape->repeat_percent) {
            rows[i] = rows[rng_below(&w->rng, i)]; /* the same key again, another value */
        } else {
            /* bytes above 0x7f must come last; "a" before "a-" */
            (void)snprintf(rows[i].asset, sizeof(rows[i].asset), "%s%llu",
                series % 3 ? "pump-" : "\xc3\xa4", (unsigned long long)(series / 7));
            (void)snprintf(rows[i].datastream, sizeof(rows[i].datastream), "t%llu",
                (unsigned long long)(series % 7));
            rows[i].time = tick;
        }
        rows[i].value = (double)i;
        rows[i].arrival = i;
    }
}

static bool by_time;

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    int time = (x->time > y->time) - (x->time < y->time);
    int name = strcmp(x->asset, y->asset);

    if (name == 0)
        name = strcmp(x->datastream, y->datastream);
    if (by_time && time)
        return time;
    if (name)
        return name;
    if (time)
        return time;
    return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

static bool same_key(const struct row *a, const struct row *b)
{
    return a->time == b->time && strcmp(a->asset, b->asset) == 0 &&
           strcmp(a->datastream, b->datastream) == 0;
}

static void check_dictionary(
    const struct span *names, uint32_t count, const uint32_t *codes, size_t rows)
{
    uint8_t *used = calloc(count ? count : 1, 1);

    assert_non_null(used);
    for (uint32_t i = 1; i < count; i++)
        assert_true(span_compare(names[i - 1], names[i]) < 0);
    for (size_t i = 0; i < rows; i++) {
        assert_true(codes[i] < count);
        used[codes[i]] = 1;
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(used[i], 1);
    free(used);
}

static void sort_rows(enum batch_order order, struct row *rows, size_t count)
{
    by_time = order == BATCH_BY_TIME;
    qsort(rows, count, sizeof(*rows), compare_rows);
}

/* What the batch says about `rows`, which are sorted. */
static void check_batch(const char *name, const struct row *rows, size_t count,
    const struct batch_columns *got, uint64_t superseded)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && same_key(&rows[i], &rows[i + 1]))
            continue;
        if (at == got->rows)
            fail_msg("%s: only %zu rows", name, at);
        if (got->timestamp_us[at] != rows[i].time || got->payload[at] != rows[i].value ||
            !span_is(got->assets[got->asset[at]], rows[i].asset) ||
            !span_is(got->datastreams[got->datastream[at]], rows[i].datastream))
            fail_msg("%s: row %zu differs", name, at);
        at++;
    }
    assert_int_equal(at, got->rows);
    assert_int_equal(count - at, superseded);
    check_dictionary(got->assets, got->asset_count, got->asset, got->rows);
    check_dictionary(got->datastreams, got->datastream_count, got->datastream, got->rows);
}

static void check_shape(struct world *w, const struct shape *shape, enum batch_order order)
{
    struct row *rows = calloc(shape->rows, sizeof(*rows));
    struct row *sorted = malloc(shape->rows * sizeof(*sorted));
    struct err err = {0};
    struct batch *b = batch_new(order, &err);
    struct batch_columns got;

    assert_non_null(rows);
    assert_non_null(b);
    assert_non_null(sorted);
    make_rows(w, shape, rows);
    memcpy(sorted, rows, shape->rows * sizeof(*rows));
    sort_rows(order, sorted, shape->rows);
    for (unsigned again = 0; again < 2; again++) { /* reused memory must not matter */
        batch_reset(b);
        for (size_t s = 0; s < shape->segments; s++) {
            size_t from = shape->rows * s / shape->segments;
            size_t to = shape->rows * (s + 1) / shape->segments;
            struct segment_info info =
                write_segment(w, rows, from, to, 1 + (size_t)rng_below(&w->rng, 5000));
            uint64_t at = 0;
            bool done = false;

            if (!batch_add(b, &w->st, &info, &at, &done, &err))
                fail_msg("%s: %s", shape->name, err.text);
            assert_true(done);
            assert_int_equal(at, to - from);
        }
        assert_true(batch_finish(b, &got, &err));
        check_batch(shape->name, sorted, shape->rows, &got, batch_superseded(b));
    }
    batch_free(b);
    free(rows);
    free(sorted);
}

static void rows_come_out_sorted_and_the_last_one_wins(void **state)
{
    static const struct shape shapes[] = {
        {"one", 1, 1, 1, 1000, 0, 0, false},
        {"one series", 3000, 1, 1, 1000, 0, 0, false},
        {"one series, late", 3000, 1, 2, 1000, 5, 0, false},
        {"one series, shuffled", 20000, 1, 3, 1000, 0, 5, true},
        {"few series", 5000, 7, 1, 1000, 0, 0, false},
        {"repeats", 5000, 7, 4, 1000, 0, 30, false},
        {"equal times", 5000, 7, 3, 0, 0, 0, false},
        {"late and repeated", 20000, 40, 5, 1000000, 3, 3, false},
        {"many segments", 20000, 40, 60, 1000000, 1, 1, false},
        {"shuffled", 30000, 30, 2, 1000, 10, 10, true},
        {"many series", 60000, 50000, 3, 1000, 1, 1, false},
    };

    for (uint64_t round = 0; round < rounds(1); round++) {
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
            check_shape(*state, &shapes[i], BATCH_BY_SERIES);
            check_shape(*state, &shapes[i], BATCH_BY_TIME);
        }
    }
}

static void an_empty_segment_adds_nothing(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct batch *b = batch_new(BATCH_BY_SERIES, &err);
    struct segment_info info = write_segment(w, NULL, 0, 0, 1);
    struct batch_columns got;
    const struct batch_gap *gaps;
    uint64_t at = 0;
    bool done = false;

    w->next_seq++; /* the next segment needs another name */
    assert_true(batch_add(b, &w->st, &info, &at, &done, &err));
    assert_true(done);
    assert_true(batch_finish(b, &got, &err));
    assert_int_equal(got.rows, 0);
    assert_int_equal(batch_gaps(b, &gaps), 0);
    batch_free(b);
}

/* A large segment has batches of its own; a small one is refused by one that is nearly full. */
static void a_segment_is_split_only_when_it_is_alone(void **state)
{
    static const struct shape shape = {"large", 1200000, 300, 1, 1000, 0, 0, false};
    struct world *w = *state;
    struct row *rows = calloc(shape.rows, sizeof(*rows));
    struct err err = {0};
    struct batch *b = batch_new(BATCH_BY_SERIES, &err);
    struct segment_info large, small;
    struct batch_columns got;
    uint64_t at = 0;
    uint64_t small_at = 0;
    bool done = true;

    assert_non_null(rows);
    make_rows(w, &shape, rows);
    large = write_segment(w, rows, 0, shape.rows, 50000);
    small = write_segment(w, rows, 0, 900000, 50000);
    assert_true(batch_add(b, &w->st, &large, &at, &done, &err));
    assert_false(done);
    assert_int_equal(at, BATCH_ROWS_MAX);
    assert_true(batch_finish(b, &got, &err));
    assert_int_equal(got.rows + batch_superseded(b), BATCH_ROWS_MAX);
    batch_reset(b);
    assert_true(batch_add(b, &w->st, &large, &at, &done, &err));
    assert_true(done);
    assert_int_equal(at, shape.rows);
    assert_true(batch_add(b, &w->st, &small, &small_at, &done, &err)); /* 151,424 + 900,000 */
    assert_false(done);
    assert_int_equal(small_at, 0);
    small.end_seq = 0; /* not known before: then it is found while reading, and undone */
    assert_true(batch_add(b, &w->st, &small, &small_at, &done, &err));
    assert_false(done);
    assert_int_equal(small_at, 0);
    assert_true(batch_finish(b, &got, &err));
    sort_rows(BATCH_BY_SERIES, rows + BATCH_ROWS_MAX, shape.rows - BATCH_ROWS_MAX);
    check_batch(
        "rest", rows + BATCH_ROWS_MAX, shape.rows - BATCH_ROWS_MAX, &got, batch_superseded(b));
    batch_free(b);
    free(rows);
}

/* Too many names for one batch: the second segment waits. */
static void names_of_a_batch_are_bounded(void **state)
{
    static const struct shape shape = {"names", 130000, 130000, 1, 1000, 0, 0, false};
    struct world *w = *state;
    struct row *rows = calloc(shape.rows, sizeof(*rows));
    struct err err = {0};
    struct batch *b = batch_new(BATCH_BY_TIME, &err);
    struct segment_info first, second;
    struct batch_columns got;
    uint64_t at = 0;
    bool done = false;

    assert_non_null(rows);
    for (size_t i = 0; i < shape.rows; i++) {
        (void)snprintf(rows[i].asset, sizeof(rows[i].asset), "a%zu", i / 10);
        (void)snprintf(rows[i].datastream, sizeof(rows[i].datastream), "d%zu", i % 10);
        rows[i].arrival = i;
    }
    first = write_segment(w, rows, 0, 70000, 7000);
    second = write_segment(w, rows, 70000, 130000, 7000);
    assert_true(batch_add(b, &w->st, &first, &at, &done, &err));
    assert_true(done);
    at = 0;
    assert_true(batch_add(b, &w->st, &second, &at, &done, &err));
    assert_false(done);
    assert_int_equal(at, 0);
    assert_true(batch_finish(b, &got, &err));
    sort_rows(BATCH_BY_TIME, rows, 70000);
    check_batch("first", rows, 70000, &got, 0);
    batch_free(b);
    free(rows);
}

/* A frame of names and a frame of rows are damaged: both are told, the rest comes out. */
static void damage_is_told_with_its_range(void **state)
{
    static const struct shape shape = {"damage", 3000, 5, 1, 1000, 0, 0, false};
    struct world *w = *state;
    struct row *rows = calloc(shape.rows, sizeof(*rows));
    struct err err = {0};
    struct series_table *table = series_new(100, 10000, &err);
    struct batch *b = batch_new(BATCH_BY_SERIES, &err);
    struct segment s;
    struct batch_columns got;
    const struct batch_gap *gaps;
    uint64_t first = w->next_seq;
    uint64_t at = 0;
    uint64_t nameless = 0;
    size_t damaged_at;
    bool done = false;

    assert_non_null(rows);
    make_rows(w, &shape, rows);
    for (size_t i = 0; i < shape.rows; i++) {
        (void)snprintf(rows[i].asset, sizeof(rows[i].asset), "%s", i < 2000 ? "a" : "b");
        (void)snprintf(rows[i].datastream, sizeof(rows[i].datastream), "%zu", i % 2);
        nameless += i >= 2000 && i % 2 == 0;
    }
    begin_segment(w, &s);
    put_rows(&s, rows, 0, 1000, 100, table);
    put_commit(&s);
    damaged_at = s.bytes.len + SEGMENT_FRAME_BYTES + 20;
    put_rows(&s, rows, 1000, 1100, 100, table); /* this frame is lost */
    put_rows(&s, rows, 1100, 2000, 100, table);
    put_commit(&s);
    s.bytes.data[damaged_at] ^= 1;
    damaged_at = s.bytes.len + SEGMENT_FRAME_BYTES + 9;
    put_rows(&s, rows, 2000, 3000, 100, table); /* begins with the names of b/0, b/1 */
    put_commit(&s);
    s.bytes.data[damaged_at] ^= 1;
    end_segment(w, &s);
    assert_true(batch_add(b, &w->st, &s.info, &at, &done, &err));
    assert_true(done);
    assert_int_equal(at, 2900);
    assert_int_equal(batch_gaps(b, &gaps), 3);
    assert_int_equal(gaps[0].reason, GAP_DAMAGED);
    assert_int_equal(gaps[0].from_seq, first + 1000);
    assert_int_equal(gaps[0].to_seq, first + 1099);
    assert_int_equal(gaps[0].readings, 100);
    assert_true(gaps[0].promised);
    assert_true(gaps[0].bytes > 0);
    assert_int_equal(gaps[1].readings, 0); /* the names */
    assert_true(gaps[1].bytes > 0);
    assert_int_equal(gaps[2].reason, GAP_NO_NAMES);
    assert_int_equal(gaps[2].from_seq, first + 2000);
    assert_int_equal(gaps[2].to_seq, first + 2998);
    assert_int_equal(gaps[2].readings, nameless);
    assert_string_equal(gaps[2].segment, s.info.name);
    assert_true(batch_finish(b, &got, &err));
    assert_int_equal(got.rows + batch_superseded(b), 2900 - nameless);
    batch_reset(b);
    assert_int_equal(batch_gaps(b, &gaps), 0);
    batch_free(b);
    series_free(table);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            rows_come_out_sorted_and_the_last_one_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_segment_adds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_segment_is_split_only_when_it_is_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_a_batch_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_told_with_its_range, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
