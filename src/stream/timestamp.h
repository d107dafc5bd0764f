/* stream/timestamp.h: every way a message may write its time, to microseconds.
 *
 * Shape    texts as RFC 3339 and its relatives, and Unix time as a number or as digits:
 *
 *              2025-01-31T12:34:56.789012Z   what the platform writes: the fast way
 *              2025-01-31 12:34:56+02:00     'T', 't', ' ' or '_'; 'Z', 'z', +hh:mm, -hhmm or none
 *              2025-01-31                    midnight; no zone is UTC
 *              1738326896.5, "1738326896500" seconds, or above 2*10^10 milliseconds
 *
 * Units    microseconds since 1970-01-01 UTC. Digits behind the sixth are cut off in texts; Unix
 *          time is rounded, half away from zero.
 * Limits   the years 0001-9999, taken in UTC. Second 60 is the next second.
 * Errors   false: no such form, no such date, outside the years.
 * Threads  one cache, one thread.
 * Source   kelvin-stream.md 2.2.
 */
#ifndef STREAM_TIMESTAMP_H
#define STREAM_TIMESTAMP_H

#include "stream/number.h"

/* The last date met: a stream stays on one for a day. Starts as zeros. */
struct timestamp_cache {
    char date[10];
    int64_t day_us;
};

/* *ret_cut: digits other than zeros were lost. */
NODISCARD bool timestamp_text(
    struct timestamp_cache *cache, struct span text, int64_t *ret_us, bool *ret_cut);
NODISCARD bool timestamp_number(const struct number *n, int64_t *ret_us, bool *ret_cut);

#endif
