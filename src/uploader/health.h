/* uploader/health.h: is the other side well, and when is the next try?
 *
 * Shape    well, or ill for one reason; while ill, one file probes and the rest waits. Trouble that
 *          follows one file about while others are delivered is that file's own and does not make
 *          the whole ill.
 * Units    _us monotonic microseconds.
 * Threads  one.
 * Source   durability.md 10: full jitter min(300 s, 1 s * 2^n) for ERR_RETRY, 60 s to 10 min for
 *          ERR_DENIED, Retry-After when longer, reset after one success (and when somebody asks for a try).
 */
#ifndef UPLOADER_HEALTH_H
#define UPLOADER_HEALTH_H

#include "base/backoff.h"
#include "base/err.h"

struct health {
    struct err ill; /* ERR_NONE: well */
    int64_t probe_us;
    int64_t hold_us;  /* the server asked for silence until then; outlasts a success of another */
    unsigned episode; /* rises with every change from ill to well */
    struct backoff retry, denied;
    int64_t retry_first_us, retry_max_us, denied_first_us;
    struct rng rng;
};

void health_init(struct health *h, int64_t retry_first_us, int64_t denied_first_us, uint64_t seed);

/* `probe`: this was the one try that counts; others that fail on its heels do not double the wait.
 * True: a change to tell (from well, or to another reason). */
bool health_worse(
    struct health *h, const struct err *err, bool probe, int64_t retry_after_us, int64_t now_us);

/* Something was mended: the next try is now, and waits begin anew. It is as ill as it was. */
void health_try_now(struct health *h);

/* True: it was ill. */
bool health_better(struct health *h);

/* The wait of one file that has failed `fails` times by itself. */
int64_t health_own_wait_us(
    struct health *h, enum err_kind kind, unsigned fails, int64_t retry_after_us);

#endif
