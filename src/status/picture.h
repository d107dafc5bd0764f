/* status/picture.h: one look at everything: counters made into plain numbers, sums and rates.
 *
 * Shape    picture_take copies the counters and computes what follows from them; history_add keeps
 *          the past and history_rates fills the rates of a picture from it.
 * Units    readings are rows here, never numbers of a file's range; _us microseconds.
 * Limits   the last hour in steps of ten seconds, the last minute in seconds.
 * Errors   none.
 * Owner    plain structs of the caller.
 * Threads  picture_take: any; a struct history: one (the status thread).
 * Source   durability.md 1 (the two sums), 9 (time until full).
 *
 * At rest two sums hold exactly; they are counted apart, in different loops:
 *
 *     lines              = readings + rejected + ignored
 *     carried + readings = delivered + waiting + superseded + gaps
 *
 * `carried` are the readings that were waiting on disk when this process began: all other numbers
 * count from then. While data moves, a reading may for a moment (about a millisecond) be seen in two
 * places or in none.
 */
#ifndef STATUS_PICTURE_H
#define STATUS_PICTURE_H

#include "status/counters.h"

#define PICTURE_SILENT_US INT64_C(60000000) /* connected and no reading for so long: said */
#define PICTURE_BEAT_US INT64_C(120000000)  /* a loop that has not turned for so long is stuck */
#define PICTURE_SOON_US INT64_C(3600000000) /* the disk is full within this time: said */
#define PICTURE_NEVER INT64_MAX             /* of full_in_us */

struct picture {
    int64_t wall_us, mono_us;
    int64_t uptime_us, start_wall_us;

    /* intake */
    uint64_t lines, readings, ignored, rejected, rejected_by[COUNTERS_REASONS_MAX];
    uint64_t manifests, connections, received_bytes, slow_lines, inexact, cut_times, future_times;
    uint64_t received_seq, durable_seq, delivered_seq;
    uint64_t commits, rolls, rescues, journal_written_bytes, sync_max_us, sync_us;
    uint64_t paused_us; /* a pause that goes on included */
    uint64_t batch_size, upload_interval_us;
    enum stream_status stream;

    /* pack */
    uint64_t packed_files, packed_rows, packed_bytes, pack_busy_us;

    /* ship */
    uint64_t delivered_files, delivered_bytes, sent_bytes;
    uint64_t attempts, retries, denied, conflicts, repaired, in_flight;
    uint64_t upload_bucket[COUNTERS_BUCKETS], upload_count, upload_us;
    enum ship_status ship;
    int64_t retry_in_us, lag_us;
    int64_t delivered_at_wall_us; /* 0: none in this run */

    /* where the readings are */
    uint64_t carried, delivered, superseded, gaps, gaps_before;
    uint64_t waiting;                         /* of which: */
    uint64_t active, closed, outbox, refused; /* readings */
    uint64_t closed_segments, closed_bytes;
    uint64_t outbox_files, outbox_bytes, refused_files;
    int64_t oldest_age_us; /* of the oldest waiting reading; refused/ waits for a person; 0: none */

    /* space */
    uint64_t state_bytes, state_bytes_max, free_bytes, free_bytes_min, left_bytes;

    /* loops */
    int64_t beat_age_us[LOOPS]; /* 0: not begun, ended, or just now */
    bool stopping, broken;

    /* job */
    enum job_status job;
    int64_t job_id;

    struct err stream_error, pack_error, ship_error;
    char peer[128];
    char job_text[600];

    /* filled by history_rates */
    double readings_per_s, received_bytes_per_s;                   /* last 5 s */
    double delivered_per_s, delivered_bytes_per_s, rejected_per_s; /* last minute */
    int64_t silent_us;  /* since the last reading, as far as seen */
    int64_t full_in_us; /* at the rate of the last minutes; PICTURE_NEVER */
};

void picture_take(struct picture *p, struct counters *c);

/* The same for those who add up: when a file is between two places it looks again, a few times in at most
 * PICTURE_SETTLE_US. False: the sums do not hold all the same. */
#define PICTURE_SETTLE_US INT64_C(20000)
bool picture_take_settled(struct picture *p, struct counters *c);

const char *picture_stream_name(enum stream_status status); /* "connected" */
const char *picture_ship_name(enum ship_status status);
const char *picture_job_name(enum job_status status);
const char *picture_loop_name(enum loop_number loop);

/* The first loop that has not turned for PICTURE_BEAT_US; LOOPS: all turn. */
enum loop_number picture_stuck(const struct picture *p);

/* --- the past --- */

#define HISTORY_STEP_US INT64_C(10000000)
#define HISTORY_POINTS 360U
#define HISTORY_SECONDS 61U

struct history_point {
    int64_t wall_us; /* its end */
    double readings_per_s, delivered_per_s, rejected_per_s;
    uint64_t waiting, state_bytes;
};

struct history_second {
    int64_t mono_us;
    uint64_t readings, delivered, rejected, received_bytes, delivered_bytes;
};

struct history {
    struct history_point points[HISTORY_POINTS]; /* a ring */
    uint64_t points_added;
    struct history_second seconds[HISTORY_SECONDS]; /* a ring */
    uint64_t seconds_added;
    struct history_second step; /* where the next point begins */
    int64_t reading_mono_us;    /* when readings was last seen to grow */
};

/* `first`: where the rates begin. */
void history_init(struct history *h, const struct picture *first);
/* Once a second; a call that comes late only makes a longer step. */
void history_add(struct history *h, const struct picture *p);
void history_rates(const struct history *h, struct picture *p);
/* Point i of history_count, oldest first. */
size_t history_count(const struct history *h);
const struct history_point *history_get(const struct history *h, size_t i);

#endif
