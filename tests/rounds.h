/* tests/rounds.h: how often a test repeats what it does at random.
 *
 * TEST_ROUNDS=N makes it N times as often as the test itself says; scripts/prove does that.
 */
#ifndef TESTS_ROUNDS_H
#define TESTS_ROUNDS_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t rounds(uint64_t count)
{
    static uint64_t factor;

    if (factor == 0) {
        const char *text = getenv("TEST_ROUNDS");

        factor = text ? strtoull(text, NULL, 10) : 1;
        if (factor == 0)
            abort(); /* not a number: no test may pass by doing nothing */
    }
    return count * factor;
}

#endif
