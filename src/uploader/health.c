#include "uploader/health.h"

#include "base/clock.h"

#define RETRY_MAX_US (300 * CLOCK_SECOND_US)

void health_init(struct health *h, int64_t retry_first_us, int64_t denied_first_us, uint64_t seed)
{
    *h = (struct health){.retry_first_us = retry_first_us > 0 ? retry_first_us : CLOCK_SECOND_US,
        .denied_first_us = denied_first_us > 0 ? denied_first_us : 60 * CLOCK_SECOND_US,
        .retry_max_us = RETRY_MAX_US};
    rng_seed(&h->rng, seed);
    backoff_init(&h->retry, h->retry_first_us, h->retry_max_us, true, rng_next(&h->rng));
    backoff_init(&h->denied, h->denied_first_us, 10 * h->denied_first_us, false, rng_next(&h->rng));
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool health_worse(
    struct health *h, const struct err *err, bool probe, int64_t retry_after_us, int64_t now_us)
{
    /* Local trouble (memory, our own disk) is waited out like a server's. */
    bool denied = err->kind == ERR_DENIED;
    bool was_denied = h->ill.kind == ERR_DENIED;
    bool first = h->ill.kind == ERR_NONE || was_denied != denied;
    bool change = first || h->ill.kind != err->kind || h->ill.code != err->code;

    if (first || probe) {
        int64_t wait = backoff_next_us(denied ? &h->denied : &h->retry);

        h->probe_us = now_us + (denied ? longer(wait, h->denied_first_us) : wait);
    }
    if (retry_after_us > 0)
        h->hold_us = longer(h->hold_us, now_us + retry_after_us);
    h->ill = *err;
    return change;
}

void health_try_now(struct health *h)
{
    backoff_reset(&h->retry);
    backoff_reset(&h->denied);
    h->probe_us = h->hold_us = 0;
}

bool health_better(struct health *h)
{
    bool was_ill = h->ill.kind != ERR_NONE;

    backoff_reset(&h->retry);
    backoff_reset(&h->denied);
    err_clear(&h->ill);
    h->probe_us = 0;
    if (was_ill)
        h->episode++;
    return was_ill;
}

int64_t health_own_wait_us(
    struct health *h, enum err_kind kind, unsigned fails, int64_t retry_after_us)
{
    bool denied = kind == ERR_DENIED;
    int64_t wait = denied ? h->denied_first_us : h->retry_first_us;
    int64_t max = denied ? 10 * h->denied_first_us : h->retry_max_us;

    for (unsigned i = 1; i < fails && wait < max; i++)
        wait *= 2;
    if (wait > max)
        wait = max;
    /* A probe of a DENIED file is never early; the rest is full jitter. */
    wait = denied ? wait : (int64_t)(rng_unit(&h->rng) * (double)wait);
    return longer(wait, retry_after_us);
}
