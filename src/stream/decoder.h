/* stream/decoder.h: whole lines to readings; what is no reading is named, counted and shown.
 *
 * Shape    decoder_run walks lines and stops at the end, or where the caller has something to do.
 *          It is called again with the rest. Counters only grow.
 * Units    microseconds since 1970-01-01 UTC.
 * Limits   names of 1,024 bytes, nesting 64, timestamps in the years 0001-9999.
 * Errors   none: a bad line is an event, not an error.
 * Owner    opaque; everything borrowed.
 * Threads  one at a time.
 * Source   kelvin-stream.md 2, 3, 4.4, 8, 8.1; durability.md 14.
 *
 * Two ways, one rule: the scanner takes lines of the form the platform writes and only what it has
 * checked byte by byte; every other line goes to jansson. Both give the same result on every input.
 */
#ifndef STREAM_DECODER_H
#define STREAM_DECODER_H

#include "base/reading.h"
#include "base/series.h"

/* Why a line was rejected: the label in counters and in rejected/. Keep the names: they are
 * metrics. */
enum reject_reason {
    REJECT_NOT_JSON,      /* also bad UTF-8, raw control characters, NaN */
    REJECT_NOT_MESSAGE,   /* JSON, but no object, or no `type` */
    REJECT_TOO_DEEP,      /* nesting above 64 */
    REJECT_TOO_COMPLEX,   /* a tree of more than 24 MiB (jsonline.h) */
    REJECT_TOO_LONG,      /* line above the limit: counted by the caller from framer_too_long */
    REJECT_CUT,           /* end of the connection inside a line */
    REJECT_BAD_RESOURCE,  /* `resource` of a data message is no KRN, or krn:ad: without '/' */
    REJECT_BAD_TIMESTAMP, /* not one of the accepted forms, or outside the years 0001-9999 */
    REJECT_NO_PAYLOAD,    /* absent or null */
    REJECT_NOT_NUMERIC,   /* text, object, list, or the wrong kind for its pt */
    REJECT_BAD_TYPE,      /* unknown pt */
    REJECT_OUT_OF_RANGE,  /* 1e400 */
    REJECT_NAME_TOO_LONG, /* asset or datastream above 1,024 bytes */
    REJECT_REASONS
};
const char *reject_reason_name(enum reject_reason reason); /* "not_json", ... */

struct decoder_counters {
    uint64_t lines; /* all: readings + ignored + sum of rejected */
    uint64_t readings;
    uint64_t ignored; /* empty lines, manifests, other message types */
    uint64_t rejected[REJECT_REASONS];
    uint64_t manifests;
    uint64_t slow;      /* lines that took the jansson way */
    uint64_t inexact;   /* integers beyond 2^53 that lost digits */
    uint64_t cut_times; /* timestamps with non-zero digits behind the microsecond */
    uint64_t future;    /* more than a day ahead of the clock: accepted */
};

/* A manifest's two settings (kelvin-stream.md 4.4), before the ranges of config are applied. */
struct manifest {
    bool usable; /* false: keep the last configuration, warn */
    bool has_upload_interval, has_batch_size;
    bool bad_upload_interval, bad_batch_size; /* present, but neither number nor numeric text */
    double upload_interval_s;
    double batch_size;
};

enum decode_stop {
    DECODE_END,           /* all of `in` was taken */
    DECODE_READINGS_FULL, /* `out` is full: append it, empty it, call again with the rest */
    DECODE_SERIES_FULL,   /* the series table is full: append, roll, call again with the rest */
    DECODE_MANIFEST,      /* the last line taken was a manifest: event->manifest */
    DECODE_REJECTED,      /* the last line taken was rejected: event->line, event->reason */
};

struct decode_event {
    enum reject_reason reason;
    struct span line; /* without its newline; borrowed from `in` */
    struct manifest manifest;
};

struct decoder;

struct decoder *decoder_new(struct err *err);
void decoder_free(struct decoder *d);

/* `in` holds whole lines, each with its '\n' (bytes behind the last '\n' are not touched, but must
 * be readable memory only up to in.len). *ret_used bytes were dealt with. `arrival_us` is the wall
 * clock for messages without a timestamp and for the future counter. Adds to `out` and, only for
 * accepted lines, to `series`. */
enum decode_stop decoder_run(struct decoder *d, struct span in, int64_t arrival_us,
    struct series_table *series, struct readings *out, size_t *ret_used,
    struct decode_event *event);

/* The piece without a newline at the end of a connection (vector 35): as any line when it parses,
 * else DECODE_REJECTED with REJECT_CUT. The stops are those of decoder_run; after READINGS_FULL and
 * SERIES_FULL it was not taken. */
enum decode_stop decoder_run_rest(struct decoder *d, struct span rest, int64_t arrival_us,
    struct series_table *series, struct readings *out, struct decode_event *event);

/* For a line that never reached the decoder (too long): counts it as a line and a reject. */
void decoder_count_too_long(struct decoder *d);

const struct decoder_counters *decoder_counters(const struct decoder *d);

/* Tests and bench: every line through jansson. */
void decoder_slow_only(struct decoder *d, bool on);

#endif
