/* status/counters.h: what the loops are doing, for people: the live line, the log, the status page.
 *
 * Shape    atomic numbers, each written by one loop; texts copied under a lock.
 * Units    as the names say; *_us monotonic microseconds unless `wall`.
 * Limits   fixed size.
 * Owner    one struct for the process.
 * Threads  any. Numbers are read one by one: a picture, not a transaction; the two sums of
 *          durability.md 1 hold exactly whenever the loops are at rest (status/picture.h).
 */
#ifndef STATUS_COUNTERS_H
#define STATUS_COUNTERS_H

#include "status/board.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef atomic_uint_least64_t counter;

enum stream_status {
    STREAM_WAITING,
    STREAM_CONNECTING,
    STREAM_CONNECTED,
    STREAM_PAUSED,
    STREAM_STOPPED
};
enum ship_status { SHIP_IDLE, SHIP_SENDING, SHIP_WAITING, SHIP_DENIED, SHIP_STOPPED };

/* The Databricks job that loads the volume into the table. */
enum job_status {
    JOB_STATUS_OFF,     /* no job is wanted: files stay in the volume */
    JOB_STATUS_ASKING,  /* not known yet, or asking again */
    JOB_STATUS_GOOD,    /* there, as wanted */
    JOB_STATUS_PAUSED,  /* there, paused by a person */
    JOB_STATUS_BLOCKED, /* a person must decide; the text says what */
    JOB_STATUS_FAILING, /* a call failed; tried again */
};

enum loop_number { LOOP_INTAKE, LOOP_PACK, LOOP_SHIP, LOOPS };

#define COUNTERS_REASONS_MAX 16
#define COUNTERS_BUCKETS 11 /* of upload_bucket; what is longer counts in upload_count alone */
extern const int64_t counters_bucket_us[COUNTERS_BUCKETS];

struct counters {
    int64_t start_wall_us, start_mono_us; /* of the process; constant */

    /* intake */
    counter lines, readings, ignored, rejected, rejected_by[COUNTERS_REASONS_MAX];
    counter manifests, connections, received_bytes, slow_lines;
    counter inexact, cut_times, future_times;
    counter received_seq, durable_seq, segment_first_seq;
    counter active_since_us; /* arrival of the active segment's first reading; 0: it is empty */
    counter commits, rolls, rescues, journal_bytes, sync_us_max, sync_us_total;
    counter paused_us;
    counter paused_since_us;                /* 0: reading */
    counter batch_size, upload_interval_us; /* in force now */
    _Atomic(int) stream;                    /* enum stream_status */
    /* pack */
    counter packed_files, packed_rows, packed_bytes, superseded, pack_busy_us;
    counter closed_segments, closed_bytes, closed_readings;
    counter closed_end_seq;  /* what was closed since then, pack has not seen yet; 0: not known */
    counter closed_since_us; /* since when closed segments wait; 0: none does */
    counter gap_readings;    /* in gaps.log, all runs together */
    /* ship */
    counter delivered_files, delivered_bytes, delivered_readings, delivered_seq;
    counter attempts, retries, denied, conflicts, repaired, refused_files, dropped_readings;
    counter sent_bytes, in_flight;
    counter waiting_files, waiting_bytes, waiting_readings;
    counter refused_waiting_files, refused_waiting_readings; /* in refused/ now */
    atomic_int_least64_t oldest_wall_us; /* creation of the oldest file that waits; 0: nothing */
    _Atomic(int) ship;                   /* enum ship_status */
    counter retry_at_us;                 /* the next try while waiting; 0: now */
    counter upload_bucket[COUNTERS_BUCKETS], upload_count, upload_us;
    counter lag_us;               /* of the last delivery: from its first reading to confirmed */
    counter delivered_at_wall_us; /* the last delivery; 0: none in this run */
    /* Before the loops: what was waiting, and the losses already written down. */
    counter carried_readings, gaps_before;
    /* Space; main or the status thread. */
    counter state_bytes, state_bytes_max, free_bytes, free_bytes_min, left_bytes;
    /* The last turn of each loop (enum loop_number); 0: not begun or ended. */
    counter beat_us[LOOPS];
    _Atomic(int) stopping, broken;
    /* job thread */
    _Atomic(int) job; /* enum job_status */
    atomic_int_least64_t job_id;

    struct board board; /* files, samples, settings: a lock of its own */

    pthread_mutex_t lock;                            /* the texts below */
    struct err stream_error, pack_error, ship_error; /* kind ERR_NONE: all is well */
    char peer[128];
    char job_text[600];
};

void counters_init(struct counters *c);

/* Copies in / out under the lock. err NULL: all is well. */
void counters_set_error(struct counters *c, struct err *slot, const struct err *err);
void counters_get_error(struct counters *c, const struct err *slot, struct err *ret);

/* `text` NULL: "". */
void counters_set_job(struct counters *c, enum job_status status, int64_t job_id, const char *text);

/* A file was confirmed after took_us; its first reading had arrived at created_wall_us. */
void counters_add_upload(
    struct counters *c, int64_t took_us, int64_t created_wall_us, int64_t wall_us);

/* Readings of the journal up to received_seq: of the active segment, and closed. What intake has closed and
 * pack not seen yet is closed: pack looks again when it has finished the file at hand. */
void counters_journal(
    struct counters *c, uint64_t received_seq, uint64_t *ret_active, uint64_t *ret_closed);

/* How long the oldest reading waits that is not in the volume yet, wherever it is; 0: none does. */
int64_t counters_oldest_age_us(struct counters *c, int64_t mono_us, int64_t wall_us);

static inline void counter_set(counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

static inline void counter_add(counter *c, uint64_t value)
{
    atomic_fetch_add_explicit(c, value, memory_order_relaxed);
}

static inline uint64_t counter_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
