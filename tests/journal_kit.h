/* tests/journal_kit.h: a journal in a directory of its own, filled with readings that can be told
 * by their number. For the tests of state/ and journal/.
 *
 * The reading of number n has timestamp 1000 n, value n / 4 and a series named after n % 5, so that
 * whoever finds it can check it, whichever life of the program wrote it.
 */
#ifndef JOURNAL_KIT_H
#define JOURNAL_KIT_H

#include "base/clock.h"
#include "journal/inside.h"
#include "journal/recover.h"
#include "state/quarantine.h"
#include "temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KIT_SEQ_MAX 200000U

struct kit {
    char dir[128];
    struct state st;
    struct limits limits;
    struct gaps *gaps;
    struct journal_recovery rec;
    struct journal *j;
    struct journal_options options;
    int64_t mono_us;
    struct err err;
};

#define kit_ok(k, call)                                                                            \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s (%s)", #call, (k)->err.text, err_kind_name((k)->err.kind));           \
    } while (0)

static inline void kit_remove(const char *dir)
{
    char command[512];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* Deletes the files of a subdirectory. */
static inline void kit_empty(const char *dir, const char *sub)
{
    char path[300];
    struct file_list list;
    struct err err;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, sub);
    assert_true(file_dir_open(FILE_CWD, path, &fd, &err));
    assert_true(file_list(fd, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(unlinkat(fd, list.names[i], 0), 0);
    file_list_done(&list);
    file_drop(fd);
}

static inline void kit_temp(char out[128])
{
    temp_dir(out, 128, "journal");
}

static inline void kit_new(struct kit *k)
{
    memset(k, 0, sizeof(*k));
    k->st.dir = -1;
    k->mono_us = 1000000000;
    k->options = (struct journal_options){
        .commit_us = 50000,
        .commit_bytes = 4 << 20,
        .segment_bytes = 1 << 20,
        .series_max = 1000,
        .names_bytes_max = 1 << 16,
        .batch_size = 1000000,
        .interval_us = 60 * CLOCK_SECOND_US,
    };
    kit_temp(k->dir);
}

/* State, limits, gaps, recovery: what a start does before the journal is opened. */
static inline bool kit_try_recover(struct kit *k)
{
    bool busy;

    return state_open(&k->st, k->dir, true, &busy, &k->err) &&
           limits_init(&k->limits, &k->st, UINT64_C(1) << 40, 1, &k->err) &&
           (k->gaps = gaps_open(&k->st, &k->limits, &k->err)) &&
           journal_recover(&k->st, &k->limits, k->gaps, NULL, NULL, &k->rec, &k->err) &&
           state_set_instance(&k->st, k->rec.instance_found ? k->rec.instance : NULL, &k->err);
}

static inline bool kit_try_start(struct kit *k)
{
    return kit_try_recover(k) &&
           (k->j = journal_open(&k->st, &k->limits, &k->options, k->rec.next_seq, &k->err)) != NULL;
}

static inline void kit_start(struct kit *k)
{
    kit_ok(k, kit_try_start(k));
}

static inline void kit_stop(struct kit *k)
{
    journal_close(k->j);
    gaps_close(k->gaps);
    k->j = NULL;
    k->gaps = NULL;
    if (k->st.path)
        state_close(&k->st);
    k->st.path = NULL;
}

static inline void kit_free(struct kit *k)
{
    kit_stop(k);
    kit_remove(k->dir);
}

static inline void kit_names(uint64_t seq, char asset[32], char stream[32])
{
    (void)snprintf(asset, 32, "asset-%llu", (unsigned long long)(seq % 5));
    (void)snprintf(stream, 32, "s%llu", (unsigned long long)(seq % 3));
}

/* The next `count` readings. */
static inline bool kit_try_append(struct kit *k, size_t count)
{
    struct readings r;
    uint64_t seq = journal_counters(k->j)->received_seq + 1;
    struct err err;
    bool ok;

    if (!readings_init(&r, count ? count : 1, &k->err))
        return false;
    for (size_t i = 0; i < count; i++, seq++) {
        char asset[32], stream[32];

        kit_names(seq, asset, stream);
        r.timestamp_us[i] = (int64_t)seq * 1000;
        r.value[i] = (double)seq / 4;
        if (series_number(journal_series(k->j), span_of(asset), span_of(stream), &r.series[i]) !=
            SERIES_OK) {
            readings_done(&r);
            return err_set(&k->err, ERR_FULL, 0, "series");
        }
    }
    r.count = count;
    ok = journal_append(k->j, &r, 1700000000000000, k->mono_us, 3, seq, &err);
    if (!ok)
        k->err = err;
    readings_done(&r);
    return ok;
}

static inline void kit_append(struct kit *k, size_t count)
{
    kit_ok(k, kit_try_append(k, count));
}

static inline void kit_commit(struct kit *k)
{
    kit_ok(k, journal_commit(k->j, k->mono_us, &k->err));
}

static inline void kit_roll(struct kit *k)
{
    kit_ok(k, journal_roll(k->j, k->mono_us, &k->err));
}

/* --- what is on the disk --- */

static bool kit_names_may_miss; /* a test damages them on purpose */

struct kit_found {
    uint8_t *seen; /* how often, by number; KIT_SEQ_MAX of them */
    uint64_t readings, twice, highest;
    uint64_t holes, promised_holes, hole_readings, gap_readings;
};

static inline void kit_check_rows(
    const struct segment_frame *f, char names[][64], uint32_t names_count, struct kit_found *ret)
{
    for (uint32_t i = 0; i < scan_rows_count(f); i++) {
        uint64_t seq = f->seq + i;
        int64_t timestamp;
        double value;
        uint32_t series;
        char asset[32], stream[32], name[64];

        scan_rows_copy(f, i, 1, &timestamp, &value, &series);
        kit_names(seq, asset, stream);
        (void)snprintf(name, sizeof(name), "%.31s/%.31s", asset, stream);
        assert_int_equal(timestamp, (int64_t)seq * 1000);
        assert_true(value == (double)seq / 4);
        assert_true(series < names_count);
        if (names[series][0] || !kit_names_may_miss)
            assert_string_equal(names[series], name);
        assert_true(seq < KIT_SEQ_MAX);
        ret->twice += ret->seen[seq]++ != 0;
        ret->readings++;
        if (seq > ret->highest)
            ret->highest = seq;
    }
}

static inline void kit_look_at(
    int journal, const char *name, uint64_t end_seq, struct kit_found *ret)
{
    struct err err;
    struct scan *scan = scan_open(journal, name, end_seq, &err);
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    static char names[64][64];

    memset(names, 0, sizeof(names));
    assert_non_null(scan);
    while (event != SCAN_END) {
        struct span asset, stream;
        struct scan_gap gap;
        size_t at = 0;
        uint32_t number;

        assert_true(scan_next(scan, &event, &item, &err));
        if (event == SCAN_HOLE) {
            ret->holes++;
            ret->promised_holes += item.hole.promised;
            if (item.hole.from_seq <= item.hole.to_seq)
                ret->hole_readings += item.hole.to_seq - item.hole.from_seq + 1;
        }
        if (event != SCAN_FRAME)
            continue;
        while (scan_names_next(&item.frame, &at, &number, &asset, &stream)) {
            assert_true(number < 64);
            (void)snprintf(names[number], 64, "%.*s/%.*s", (int)asset.len, asset.data,
                (int)stream.len, stream.data);
        }
        if (item.frame.type == SEGMENT_ROWS)
            kit_check_rows(&item.frame, names, 64, ret);
        if (scan_gap_get(&item.frame, &gap))
            ret->gap_readings += gap.to_seq - gap.from_seq + 1;
    }
    scan_close(scan);
}

/* Everything in the journal; free ret->seen. */
static inline void kit_find(const struct kit *k, struct kit_found *ret)
{
    struct segment_list list;
    struct err err;

    *ret = (struct kit_found){.seen = calloc(KIT_SEQ_MAX, 1)};
    assert_non_null(ret->seen);
    assert_true(scan_list(&k->st, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        kit_look_at(k->st.journal, list.items[i].name, list.items[i].end_seq, ret);
    scan_list_done(&list);
}

/* Every number up to `durable` is there, and nothing twice. */
static inline void kit_check_durable(const struct kit *k, uint64_t durable)
{
    struct kit_found found;

    kit_find(k, &found);
    assert_int_equal(found.twice, 0);
    for (uint64_t seq = 1; seq <= durable; seq++) {
        if (!found.seen[seq])
            fail_msg("reading %llu of %llu is lost", (unsigned long long)seq,
                (unsigned long long)durable);
    }
    free(found.seen);
}

/* --- bytes of files --- */

static inline void kit_read(const struct kit *k, const char *name, struct buf *ret)
{
    struct err err;
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", k->dir, name);
    buf_init(ret, 64 << 20);
    if (!file_read_whole(FILE_CWD, path, ret, &err))
        fail_msg("%s", err.text);
}

static inline void kit_write(const struct kit *k, const char *name, const void *data, size_t len)
{
    char path[300];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/%s", k->dir, name);
    out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* Where the frames of a segment are, by a walk of its own. */
struct kit_frame {
    size_t offset;
    struct segment_frame frame;
};

static inline size_t kit_frames(const struct buf *bytes, struct kit_frame *ret, size_t max)
{
    struct segment_header header;
    struct err err;
    const uint8_t *data = (const uint8_t *)bytes->data;
    size_t at = SEGMENT_HEADER_BYTES, count = 0;

    assert_true(segment_header_get(data, &header, &err));
    while (at < bytes->len && segment_frame_parse(data + at, bytes->len - at, header.salt,
                                  &ret[count].frame) == SEGMENT_FRAME_OK) {
        ret[count].offset = at;
        at += ret[count].frame.total_len;
        assert_true(++count < max);
    }
    return count;
}

#endif
