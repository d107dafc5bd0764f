/* base/rng.h: random numbers: repeatable ones from a seed, and true ones from the kernel.
 *
 * Shape    struct rng holds 256 bits of state; copy it to fork a stream.
 * Errors   none for the seeded ones; rng_secure says false when the kernel has none to give.
 * Threads  one struct, one thread.
 * Source   the xoshiro256** and splitmix64 algorithms (Blackman, Vigna; public domain);
 * getrandom(2).
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t limit); /* [0, limit); 0 when limit is 0 */
double rng_unit(struct rng *rng);                    /* [0, 1) */

/* Bytes from the kernel, for ids and salts. */
NODISCARD bool rng_secure(void *out, size_t len, struct err *err);

/* A seed for jitter: from the kernel, else from the clock. Never fails. */
uint64_t rng_any_seed(void);

#endif
