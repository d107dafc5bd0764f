/* stream_feed.h: for the tests of src/stream: bytes in, a text of what came out.
 *
 * Shape    one line of the log for each reading, reject and manifest, in order. Two ways through
 * the room agree when their logs are the same:
 *
 *              S asset|stream 1738326896789012 3ff0000000000000
 *              R not_json 9:not json\n
 *              L 101 (too long, bytes)
 *              M usable 1 60.000000 1 1000.000000
 *
 * The series table and the readings are small on purpose: both are full again and again.
 */
#ifndef STREAM_FEED_H
#define STREAM_FEED_H

#include "stream/decoder.h"
#include "stream/framer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FEED_ARRIVAL_US INT64_C(1738326900000000) /* four seconds behind the vectors */

struct feed {
    struct framer *framer;
    struct decoder *decoder;
    struct series_table *series;
    struct readings readings;
    struct manifest manifest; /* the last one */
    struct buf log;
};

#define FEED_CHECK(what)                                                                           \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

static inline void feed_open(struct feed *f, size_t line_max)
{
    struct err err;

    memset(f, 0, sizeof(*f));
    f->framer = framer_new(line_max, &err);
    f->decoder = decoder_new(&err);
    f->series = series_new(3, 8 << 20, &err);
    FEED_CHECK(f->framer && f->decoder && f->series && readings_init(&f->readings, 5, &err));
    buf_init(&f->log, 256 << 20);
}

static inline void feed_close(struct feed *f)
{
    framer_free(f->framer);
    decoder_free(f->decoder);
    series_free(f->series);
    readings_done(&f->readings);
    buf_done(&f->log);
}

static inline void feed_drain(struct feed *f)
{
    for (size_t i = 0; i < f->readings.count; i++) {
        struct span asset, datastream;
        uint64_t bits;

        memcpy(&bits, &f->readings.value[i], sizeof(bits));
        series_names(f->series, f->readings.series[i], &asset, &datastream);
        (void)buf_add_text(&f->log, "S ");
        (void)buf_add(&f->log, asset.data, asset.len);
        (void)buf_add_text(&f->log, "|");
        (void)buf_add(&f->log, datastream.data, datastream.len);
        (void)buf_printf(
            &f->log, " %" PRId64 " %016" PRIx64 "\n", f->readings.timestamp_us[i], bits);
    }
    f->readings.count = 0;
}

static inline void feed_stop(struct feed *f, enum decode_stop stop, const struct decode_event *e)
{
    uint32_t before = series_count(f->series);

    feed_drain(f);
    if (stop == DECODE_SERIES_FULL) {
        FEED_CHECK(before == 3);
        series_clear(f->series);
    }
    if (stop == DECODE_REJECTED) {
        (void)buf_printf(&f->log, "R %s %zu:", reject_reason_name(e->reason), e->line.len);
        (void)buf_add(&f->log, e->line.data, e->line.len);
        (void)buf_add_text(&f->log, "\n");
    }
    if (stop == DECODE_MANIFEST) {
        f->manifest = e->manifest;
        (void)buf_printf(&f->log, "M %s %d %f %d %f\n", e->manifest.usable ? "usable" : "bad",
            e->manifest.has_upload_interval - e->manifest.bad_upload_interval,
            e->manifest.upload_interval_s, e->manifest.has_batch_size - e->manifest.bad_batch_size,
            e->manifest.batch_size);
    }
}

/* Whole lines, straight to the decoder. */
static inline void feed_lines(struct feed *f, struct span in)
{
    struct decode_event event;
    enum decode_stop stop;
    size_t used;

    do {
        stop = decoder_run(f->decoder, in, FEED_ARRIVAL_US, f->series, &f->readings, &used, &event);
        feed_stop(f, stop, &event);
        FEED_CHECK(used <= in.len && (stop != DECODE_END || used == in.len || !in.len ||
                                         in.data[in.len - 1] != '\n'));
        in.data += used;
        in.len -= used;
    } while (stop != DECODE_END);
}

static inline void feed_long_lines(struct feed *f)
{
    struct span sample;
    uint64_t len;

    while (framer_too_long(f->framer, &sample, &len)) {
        FEED_CHECK(sample.len == (len < FRAMER_SAMPLE_BYTES ? len : FRAMER_SAMPLE_BYTES));
        decoder_count_too_long(f->decoder);
        (void)buf_printf(&f->log, "L %" PRIu64 "\n", len);
    }
}

/* As if received: `piece` bytes at a time. */
static inline void feed_bytes(struct feed *f, struct span in, size_t piece)
{
    while (in.len) {
        size_t room, len = in.len < piece ? in.len : piece;
        char *to = framer_space(f->framer, &room);

        if (len > room)
            len = room;
        FEED_CHECK(len > 0);
        memcpy(to, in.data, len);
        framer_added(f->framer, len);
        feed_long_lines(f);
        feed_lines(f, framer_lines(f->framer));
        framer_take(f->framer, framer_lines(f->framer).len);
        in.data += len;
        in.len -= len;
    }
}

/* The connection ends; the next one begins. */
static inline void feed_end(struct feed *f)
{
    struct span rest = framer_rest(f->framer);
    struct decode_event event;
    enum decode_stop stop;

    do {
        stop = decoder_run_rest(f->decoder, rest, FEED_ARRIVAL_US, f->series, &f->readings, &event);
        feed_stop(f, stop, &event);
    } while (stop == DECODE_SERIES_FULL || stop == DECODE_READINGS_FULL);
    (void)framer_restart(f->framer);
    feed_long_lines(f);
}

static inline uint64_t feed_rejected(const struct feed *f)
{
    const struct decoder_counters *c = decoder_counters(f->decoder);
    uint64_t sum = 0;

    for (int i = 0; i < REJECT_REASONS; i++)
        sum += c->rejected[i];
    FEED_CHECK(c->lines == c->readings + c->ignored + sum);
    return sum;
}

/* Everything but the way taken. */
static inline bool feed_same(const struct feed *a, const struct feed *b)
{
    struct decoder_counters x = *decoder_counters(a->decoder), y = *decoder_counters(b->decoder);

    x.slow = y.slow = 0;
    return feed_rejected(a) == feed_rejected(b) && memcmp(&x, &y, sizeof(x)) == 0 &&
           span_equal(
               (struct span){a->log.data, a->log.len}, (struct span){b->log.data, b->log.len});
}

#endif
