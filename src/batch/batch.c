#include "batch/batch.h"

#include "batch/order.h"
#include "batch/ranks.h"
#include "state/gaps.h"

#include <stdlib.h>

/* Several segments share a batch only within these; a single one is taken whatever it has, up to
 * what its own limits could ever allow. */
#define SHARED_SERIES_MAX 100000U
#define SHARED_NAMES_BYTES_MAX ((size_t)8 << 20)
#define SERIES_LIMIT (1U << 24)
#define NAMES_BYTES_LIMIT ((size_t)512 << 20)
#define GAPS_MAX 65536U /* the last one takes in what comes after */
#define NO_SERIES UINT32_MAX
#define NO_GAP SIZE_MAX

/* Rows as they came, then the same memory as scratch and as codes:
 *
 *             time      value     series    other_time  other_value  index
 * adding      rows      rows      numbers   -           -            -
 * scattered   scratch   scratch   ranks     by series   by series    scratch
 * finished    codes     -         -         result      result       -           by series
 *             scratch   result    -         scratch     -            codes       by time
 */
struct batch {
    enum batch_order order;
    struct series_table *series; /* of all segments of this batch */
    size_t rows, rows_size;      /* what has been added, and room for */
    int64_t *time, *other_time;
    double *value, *other_value;
    uint32_t *row_series;
    uint32_t *index[2];
    uint32_t *remap; /* a segment's series number to ours, or NO_SERIES */
    uint32_t remap_count, remap_size;
    uint32_t *series_rows; /* rows of every series, then where they go */
    uint32_t series_rows_size;
    size_t other_size, index_size;
    struct ranks ranks;
    struct batch_gap *gaps;
    size_t gap_count, gaps_size;
    uint64_t superseded;
};

struct batch *batch_new(enum batch_order order, struct err *err)
{
    struct batch *b = calloc(1, sizeof(*b));

    if (!b) {
        (void)err_set(err, ERR_FULL, 0, "no memory for a batch");
        return NULL;
    }
    b->order = order;
    b->series = series_new(SERIES_LIMIT, NAMES_BYTES_LIMIT, err);
    if (!b->series) {
        free(b);
        return NULL;
    }
    return b;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    series_free(b->series);
    free(b->time);
    free(b->other_time);
    free(b->value);
    free(b->other_value);
    free(b->row_series);
    free(b->index[0]);
    free(b->index[1]);
    free(b->remap);
    free(b->series_rows);
    ranks_done(&b->ranks);
    free(b->gaps);
    free(b);
}

void batch_reset(struct batch *b)
{
    series_clear(b->series);
    b->rows = 0;
    b->gap_count = 0;
    b->superseded = 0;
}

uint64_t batch_superseded(const struct batch *b)
{
    return b->superseded;
}

size_t batch_gaps(const struct batch *b, const struct batch_gap **ret)
{
    *ret = b->gaps;
    return b->gap_count;
}

/* realloc that keeps the old block on failure. */
static bool grow(void *block_of_pointer, size_t count, size_t size)
{
    void *old, *more;

    memcpy(&old, block_of_pointer, sizeof(old));
    more = realloc(old, count * size);
    if (!more)
        return false;
    memcpy(block_of_pointer, &more, sizeof(more));
    return true;
}

static bool reserve_rows(struct batch *b, size_t rows, struct err *err)
{
    size_t size = b->rows_size + b->rows_size / 2;

    if (rows <= b->rows_size)
        return true;
    size = size < rows ? rows : size;
    size = size < 4096 ? 4096 : size > BATCH_ROWS_MAX ? BATCH_ROWS_MAX : size;
    if (!grow(&b->time, size, sizeof(*b->time)) || !grow(&b->value, size, sizeof(*b->value)) ||
        !grow(&b->row_series, size, sizeof(*b->row_series)))
        return err_set(err, ERR_FULL, 0, "no memory for %zu rows", size);
    b->rows_size = size;
    return true;
}

/* --- adding --- */

/* One reading of a segment under way. */
struct adding {
    struct batch *b;
    const struct segment_info *segment;
    bool alone;      /* the batch was empty: the segment may be split */
    uint64_t from;   /* readings taken before */
    uint64_t seen;   /* readings met */
    bool full;       /* no room: stop here */
    size_t nameless; /* the gap of rows without a name, or NO_GAP */
};

/* What was met before `from` has been told by the batch before: its last gaps too, since it stopped
 * at the next rows. */
static bool is_told(const struct adding *a)
{
    return a->from > 0 && a->seen <= a->from;
}

static void widen(struct batch_gap *into, const struct batch_gap *gap)
{
    into->from_seq = gap->from_seq < into->from_seq ? gap->from_seq : into->from_seq;
    into->to_seq = gap->to_seq > into->to_seq ? gap->to_seq : into->to_seq;
    into->readings += gap->readings;
    into->promised |= gap->promised;
}

static bool add_gap(struct adding *a, const struct batch_gap *gap, struct err *err)
{
    struct batch *b = a->b;

    if (b->gap_count == GAPS_MAX) {
        widen(&b->gaps[GAPS_MAX - 1], gap);
        return true;
    }
    if (b->gap_count == b->gaps_size) {
        size_t size = b->gaps_size ? b->gaps_size * 2 : 16;

        if (!grow(&b->gaps, size, sizeof(*b->gaps)))
            return err_set(err, ERR_FULL, 0, "no memory for %zu gaps", size);
        b->gaps_size = size;
    }
    b->gaps[b->gap_count] = *gap;
    (void)str_copy(b->gaps[b->gap_count].segment, SEGMENT_NAME_SIZE, a->segment->name);
    b->gap_count++;
    return true;
}

static uint64_t range_readings(uint64_t from_seq, uint64_t to_seq)
{
    return to_seq >= from_seq ? to_seq - from_seq + 1 : 0;
}

static bool add_hole(struct adding *a, const struct scan_hole *hole, struct err *err)
{
    const struct batch_gap gap = {.from_seq = hole->from_seq,
        .to_seq = hole->to_seq,
        .readings = range_readings(hole->from_seq, hole->to_seq),
        .reason = hole->promised ? GAP_DAMAGED : GAP_TORN,
        .promised = hole->promised,
        .offset = hole->offset,
        .bytes = hole->bytes};

    return is_told(a) || add_gap(a, &gap, err);
}

/* A gap that recovery found and put into the segment, and into gaps.log before that. */
static bool add_known_gap(struct adding *a, const struct segment_frame *f, struct err *err)
{
    struct scan_gap known;
    struct batch_gap gap;

    if (is_told(a) || !scan_gap_get(f, &known))
        return true;
    gap = (struct batch_gap){.from_seq = known.from_seq,
        .to_seq = known.to_seq,
        .readings = range_readings(known.from_seq, known.to_seq),
        .reason = known.reason,
        .promised = known.promised};
    return add_gap(a, &gap, err);
}

static bool map_series(struct batch *b, uint32_t number, uint32_t ours, struct err *err)
{
    if (number >= SERIES_LIMIT)
        return true; /* no writer makes such a number: its rows will have no name */
    if (number >= b->remap_size) {
        uint32_t size = number < 512 ? 1024 : number * 2;

        if (!grow(&b->remap, size, sizeof(*b->remap)))
            return err_set(err, ERR_FULL, 0, "no memory for %u series", size);
        b->remap_size = size;
    }
    for (; b->remap_count <= number; b->remap_count++)
        b->remap[b->remap_count] = NO_SERIES;
    b->remap[number] = ours;
    return true;
}

static bool add_names(struct adding *a, const struct segment_frame *f, struct err *err)
{
    struct batch *b = a->b;
    struct span asset, datastream;
    uint32_t number, ours;
    size_t at = 0;

    while (scan_names_next(f, &at, &number, &asset, &datastream)) {
        if (series_number(b->series, asset, datastream, &ours) != SERIES_OK) {
            if (a->alone)
                return err_set(err, ERR_FULL, 0, "no memory for names");
            a->full = true;
            return true;
        }
        if (!map_series(b, number, ours, err))
            return false;
    }
    if (!a->alone && (series_count(b->series) > SHARED_SERIES_MAX ||
                         series_names_bytes(b->series) > SHARED_NAMES_BYTES_MAX))
        a->full = true;
    return true;
}

/* All rows of a segment that have no name are one gap: there may be very many of them. */
static bool add_nameless(struct adding *a, uint64_t seq, struct err *err)
{
    /* promised: it was read whole, so it was there */
    const struct batch_gap gap = {
        .from_seq = seq, .to_seq = seq, .readings = 1, .reason = GAP_NO_NAMES, .promised = true};

    if (a->nameless != NO_GAP) {
        widen(&a->b->gaps[a->nameless], &gap);
        return true;
    }
    if (!add_gap(a, &gap, err))
        return false;
    a->nameless = a->b->gap_count - 1;
    return true;
}

/* Numbers of the segment to ours, rows without a name left out. */
static bool map_rows(struct adding *a, uint64_t first_seq, size_t count, struct err *err)
{
    struct batch *b = a->b;
    uint32_t *series = b->row_series + b->rows;
    size_t to = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t ours = series[i] < b->remap_count ? b->remap[series[i]] : NO_SERIES;

        if (ours == NO_SERIES) {
            if (!add_nameless(a, first_seq + i, err))
                return false;
            continue;
        }
        series[to] = ours;
        if (to != i) {
            b->time[b->rows + to] = b->time[b->rows + i];
            b->value[b->rows + to] = b->value[b->rows + i];
        }
        to++;
    }
    b->rows += to;
    return true;
}

static bool add_rows(struct adding *a, const struct segment_frame *f, struct err *err)
{
    struct batch *b = a->b;
    uint32_t count = scan_rows_count(f);
    uint32_t skip = 0;
    size_t room = BATCH_ROWS_MAX - b->rows;

    if (a->seen < a->from) {
        skip = a->from - a->seen < count ? (uint32_t)(a->from - a->seen) : count;
        a->seen += skip;
        count -= skip;
    }
    if (count == 0)
        return true;
    if (count > room) {
        a->full = true;
        count = (uint32_t)room;
    }
    if (a->full && !a->alone)
        return true;
    if (!reserve_rows(b, b->rows + count, err))
        return false;
    scan_rows_copy(f, skip, count, b->time + b->rows, b->value + b->rows, b->row_series + b->rows);
    a->seen += count;
    return map_rows(a, f->seq + skip, count, err);
}

static bool add_frames(struct adding *a, struct scan *s, struct err *err)
{
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;

    while (!a->full) {
        bool ok = true;

        if (!scan_next(s, &event, &item, err))
            return false;
        if (event == SCAN_END)
            break;
        if (event == SCAN_HOLE)
            ok = add_hole(a, &item.hole, err);
        else if (item.frame.type == SEGMENT_ROWS)
            ok = add_rows(a, &item.frame, err);
        else if (item.frame.type == SEGMENT_NAMES)
            ok = add_names(a, &item.frame, err);
        else if (item.frame.type == SEGMENT_GAP)
            ok = add_known_gap(a, &item.frame, err);
        if (!ok)
            return false;
    }
    return true;
}

/* Readings the segment can hold at most, for the first reservation. */
static uint64_t expected_rows(const struct segment_info *segment, uint64_t at)
{
    uint64_t rows = segment->bytes / 20;

    if (segment->end_seq > segment->first_seq && segment->end_seq - segment->first_seq < rows)
        rows = segment->end_seq - segment->first_seq;
    return rows > at ? rows - at : 0;
}

bool batch_add(struct batch *b, const struct state *st, const struct segment_info *segment,
    uint64_t *at, bool *ret_done, struct err *err)
{
    struct adding a = {
        .b = b, .segment = segment, .alone = b->rows == 0, .from = *at, .nameless = NO_GAP};
    size_t rows = b->rows;
    size_t gaps = b->gap_count;
    uint32_t series = series_count(b->series);
    uint64_t expected = expected_rows(segment, *at);
    struct scan *s;
    bool ok;

    *ret_done = false;
    if (!a.alone && segment->end_seq > 0 && expected > BATCH_ROWS_MAX - rows)
        return true;
    if (expected > BATCH_ROWS_MAX - rows)
        expected = BATCH_ROWS_MAX - rows;
    if (!reserve_rows(b, rows + (size_t)expected, err))
        return false;
    s = scan_open(st->journal, segment->name, segment->end_seq, err);
    if (!s)
        return false;
    b->remap_count = 0;
    ok = add_frames(&a, s, err);
    scan_close(s);
    if (!ok || (a.full && !a.alone)) { /* as if nothing had been added */
        b->rows = rows;
        b->gap_count = gaps;
        series_shrink(b->series, series);
        return ok;
    }
    *at = a.seen;
    *ret_done = !a.full;
    return true;
}

/* --- finishing --- */

static bool reserve_other(struct batch *b, struct err *err)
{
    if (b->rows > b->other_size) {
        free(b->other_time);
        free(b->other_value);
        b->other_time = malloc(b->rows_size * sizeof(*b->other_time));
        b->other_value = malloc(b->rows_size * sizeof(*b->other_value));
        b->other_size = b->other_time && b->other_value ? b->rows_size : 0;
    }
    if (series_count(b->series) > b->series_rows_size) {
        free(b->series_rows);
        b->series_rows_size = series_count(b->series);
        b->series_rows = malloc(b->series_rows_size * sizeof(*b->series_rows));
        if (!b->series_rows)
            b->series_rows_size = 0;
    }
    if (b->rows > b->other_size || series_count(b->series) > b->series_rows_size)
        return err_set(err, ERR_FULL, 0, "no memory to sort %zu rows", b->rows);
    return true;
}

static bool reserve_index(struct batch *b, struct err *err)
{
    if (b->rows <= b->index_size)
        return true;
    free(b->index[0]);
    free(b->index[1]);
    b->index[0] = malloc(b->rows_size * sizeof(**b->index));
    b->index[1] = malloc(b->rows_size * sizeof(**b->index));
    b->index_size = b->index[0] && b->index[1] ? b->rows_size : 0;
    return b->index_size ? true : err_set(err, ERR_FULL, 0, "no memory to sort %zu rows", b->rows);
}

/* Rows of a series side by side, series by rank, each in the order of arrival. series_rows[number]
 * ends up as the end of the series. */
static void scatter(struct batch *b)
{
    uint32_t place = 0;

    for (uint32_t r = 0; r < b->ranks.count; r++) {
        uint32_t *rows = &b->series_rows[b->ranks.number[r]];
        uint32_t count = *rows;

        *rows = place;
        place += count;
    }
    for (size_t i = 0; i < b->rows; i++) {
        uint32_t to = b->series_rows[b->row_series[i]]++;

        b->other_time[to] = b->time[i];
        b->other_value[to] = b->value[i];
    }
}

/* One series by time. The memory of arrival is free for it. */
static bool sort_series(struct batch *b, size_t from, size_t n, uint32_t breaks, struct err *err)
{
    int64_t *times[2] = {b->other_time + from, b->time};
    unsigned at;

    if (order_is_short(n, breaks)) {
        order_pairs(times[0], b->other_value + from, n, b->time, b->value);
        return true;
    }
    if (!reserve_index(b, err))
        return false;
    at = order_index(times, b->index, n);
    for (size_t i = 0; i < n; i++)
        b->value[i] = b->other_value[from + b->index[at][i]];
    memcpy(b->other_value + from, b->value, n * sizeof(*b->value));
    if (at == 1)
        memcpy(times[0], times[1], n * sizeof(*times[0]));
    return true;
}

/* Rows [from, from + n), by time, to `to` on, of equal times the last one. Returns how many. */
static size_t keep_last(struct batch *b, size_t from, size_t n, size_t to)
{
    size_t begin = to;

    for (size_t i = from; i < from + n; i++) {
        if (i + 1 < from + n && b->other_time[i] == b->other_time[i + 1])
            continue;
        b->other_time[to] = b->other_time[i];
        b->other_value[to] = b->other_value[i];
        to++;
    }
    return to - begin;
}

static void move_rows(struct batch *b, size_t from, size_t n, size_t to)
{
    memmove(b->other_time + to, b->other_time + from, n * sizeof(*b->other_time));
    memmove(b->other_value + to, b->other_value + from, n * sizeof(*b->other_value));
}

static bool finish_by_series(struct batch *b, struct batch_columns *ret, struct err *err)
{
    size_t from = 0;
    size_t to = 0;
    uint32_t *asset, *datastream;

    for (uint32_t r = 0; r < b->ranks.count; r++) {
        size_t n = b->series_rows[b->ranks.number[r]] - from;
        struct order_look look = order_look(b->other_time + from, n);
        size_t count = n;

        if (look.breaks && !sort_series(b, from, n, look.breaks, err))
            return false;
        if (look.breaks || look.equal)
            count = keep_last(b, from, n, to);
        else if (from != to)
            move_rows(b, from, n, to);
        from += n;
        to += count;
        b->row_series[r] = (uint32_t)to; /* no row is looked at by its series any more */
    }
    /* Codes take the memory of the times of arrival. */
    asset = (uint32_t *)(void *)b->time;
    datastream = asset + b->rows_size;
    for (uint32_t r = 0; r < b->ranks.count; r++) {
        for (size_t i = r ? b->row_series[r - 1] : 0; i < b->row_series[r]; i++) {
            asset[i] = b->ranks.asset[r];
            datastream[i] = b->ranks.datastream[r];
        }
    }
    b->superseded += b->rows - to;
    ret->rows = to;
    ret->timestamp_us = b->other_time;
    ret->payload = b->other_value;
    ret->asset = asset;
    ret->datastream = datastream;
    return true;
}

static bool finish_by_time(struct batch *b, struct batch_columns *ret, struct err *err)
{
    int64_t *times[2] = {b->other_time, b->time};
    uint32_t *rank = b->row_series;
    uint32_t *index, *other;
    size_t to = 0;
    size_t from = 0;
    unsigned at;

    if (!reserve_index(b, err))
        return false;
    for (uint32_t r = 0; r < b->ranks.count; r++) {
        for (; from < b->series_rows[b->ranks.number[r]]; from++)
            rank[from] = r;
    }
    at = order_index(times, b->index, b->rows);
    index = b->index[at];
    other = b->index[at ^ 1];
    /* Stable: equal times are by rank, and in one rank by arrival. Codes replace the row numbers
     * as these are used up: to <= i. */
    for (size_t i = 0; i < b->rows; i++) {
        uint32_t row = index[i];
        uint32_t r = rank[row];

        if (i + 1 < b->rows && times[at][i] == times[at][i + 1] && r == rank[index[i + 1]])
            continue;
        times[at][to] = times[at][i];
        b->value[to] = b->other_value[row];
        index[to] = b->ranks.asset[r];
        other[to] = b->ranks.datastream[r];
        to++;
    }
    b->superseded += b->rows - to;
    ret->rows = to;
    ret->timestamp_us = times[at];
    ret->payload = b->value;
    ret->asset = index;
    ret->datastream = other;
    return true;
}

bool batch_finish(struct batch *b, struct batch_columns *ret, struct err *err)
{
    struct batch_columns columns = {0};
    bool ok;

    if (b->rows == 0) {
        *ret = columns;
        return true;
    }
    if (!reserve_other(b, err))
        return false;
    memset(b->series_rows, 0, series_count(b->series) * sizeof(*b->series_rows));
    for (size_t i = 0; i < b->rows; i++)
        b->series_rows[b->row_series[i]]++;
    if (!ranks_make(&b->ranks, b->series, b->series_rows, err))
        return false;
    scatter(b);
    ok = b->order == BATCH_BY_TIME ? finish_by_time(b, &columns, err)
                                   : finish_by_series(b, &columns, err);
    if (!ok)
        return false;
    columns.assets = b->ranks.assets;
    columns.datastreams = b->ranks.datastreams;
    columns.asset_count = b->ranks.asset_count;
    columns.datastream_count = b->ranks.datastream_count;
    *ret = columns;
    return true;
}
