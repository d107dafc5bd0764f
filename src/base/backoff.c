#include "base/backoff.h"

void backoff_init(
    struct backoff *b, int64_t first_us, int64_t max_us, bool full_jitter, uint64_t seed)
{
    *b = (struct backoff){.first_us = first_us, .max_us = max_us, .full_jitter = full_jitter};
    rng_seed(&b->rng, seed);
}

int64_t backoff_next_us(struct backoff *b)
{
    int64_t wait = b->first_us;

    for (unsigned i = 0; i < b->tries && wait < b->max_us; i++)
        wait *= 2;
    if (wait > b->max_us)
        wait = b->max_us;
    b->tries++;
    if (b->full_jitter)
        return (int64_t)(rng_unit(&b->rng) * (double)wait);
    return (int64_t)((0.8 + 0.4 * rng_unit(&b->rng)) * (double)wait);
}

void backoff_reset(struct backoff *b)
{
    b->tries = 0;
}
