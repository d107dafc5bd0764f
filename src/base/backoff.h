/* base/backoff.h: how long to wait before the next try.
 *
 * Shape    caller-owned struct; each failure asks for the next wait, success resets it.
 * Units    _us microseconds.
 * Limits   max_us; the count of tries has none.
 * Threads  one at a time.
 * Source   durability.md 10 (full jitter), kelvin-stream.md 1.3 (doubling, +-20 %).
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include "base/rng.h"

struct backoff {
    int64_t first_us;
    int64_t max_us;
    bool full_jitter; /* true: between 0 and the wait; false: the wait +-20 % */
    unsigned tries;
    struct rng rng;
};

void backoff_init(
    struct backoff *b, int64_t first_us, int64_t max_us, bool full_jitter, uint64_t seed);

/* first, 2*first, 4*first ... max, each with its jitter. */
int64_t backoff_next_us(struct backoff *b);
void backoff_reset(struct backoff *b);

#endif
