/* status/counters.h: what the loops are doing, for people: the live line, the log, the status page.
 *
 * Shape    atomic numbers, each written by one loop; texts copied under a lock.
 * Units    as the names say; *_us monotonic microseconds unless `wall`.
 * Limits   fixed size.
 * Owner    one struct for the process.
 * Threads  any. Numbers are read one by one: a picture, not a transaction; the two sums of durability.md 1 hold
 *          exactly once the loops have stopped.
 */
#ifndef STATUS_COUNTERS_H
#define STATUS_COUNTERS_H

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef atomic_uint_least64_t counter;

enum stream_status { STREAM_WAITING, STREAM_CONNECTING, STREAM_CONNECTED, STREAM_PAUSED, STREAM_STOPPED };
enum ship_status { SHIP_IDLE, SHIP_SENDING, SHIP_WAITING, SHIP_DENIED, SHIP_STOPPED };

#define COUNTERS_REASONS_MAX 16

struct counters {
    /* intake */
    counter lines, readings, ignored, rejected, rejected_by[COUNTERS_REASONS_MAX];
    counter manifests, connections, received_bytes, slow_lines;
    counter inexact, cut_times, future_times;
    counter received_seq, durable_seq, segment_first_seq;
    counter commits, rolls, rescues, journal_bytes, sync_us_max;
    counter paused_us;
    _Atomic(int) stream; /* enum stream_status */
    /* pack */
    counter packed_files, packed_rows, packed_bytes, superseded, pack_busy_us;
    counter closed_segments, closed_bytes, closed_readings;
    counter gap_readings;
    /* ship */
    counter delivered_files, delivered_bytes, delivered_readings, delivered_seq;
    counter attempts, retries, repaired, refused_files, dropped_readings, sent_bytes;
    counter waiting_files, waiting_bytes, waiting_readings;
    atomic_int_least64_t oldest_wall_us; /* creation of the oldest thing that waits; 0: nothing */
    _Atomic(int) ship; /* enum ship_status */

    pthread_mutex_t lock; /* the texts below */
    struct err stream_error, pack_error, ship_error; /* kind ERR_NONE: all is well */
    char peer[128];
};

void counters_init(struct counters *c);

/* Copies in / out under the lock. err NULL: all is well. */
void counters_set_error(struct counters *c, struct err *slot, const struct err *err);
void counters_get_error(struct counters *c, const struct err *slot, struct err *ret);

static inline void counter_set(counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

static inline void counter_add(counter *c, uint64_t value)
{
    atomic_fetch_add_explicit(c, value, memory_order_relaxed);
}

static inline uint64_t counter_get(counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
