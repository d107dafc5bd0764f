/* simulator/value.h: what the streams measure: noise, walks, steps, waves, counters.
 *
 * Shape    one struct value_state per series, one maker for all.
 * Units    cents: hundredths; `real` instead when full precision is asked for.
 * Errors   value_maker_init: ERR_INPUT for a range that makes no sense.
 * Threads  one at a time.
 * Source   kelvin-stream.md 6.3 for uniform, counter, boolean; the rest is our own.
 */
#ifndef SIMULATOR_VALUE_H
#define SIMULATOR_VALUE_H

#include "base/rng.h"
#include "simulator/simulator.h"

#define VALUE_LIMIT 1e12 /* so that cents have at most 15 digits and print exactly */

struct value {
    bool is_real;
    int64_t cents; /* booleans: 0 or 100 */
    double real;
};

struct value_state {
    double level;
    double phase; /* of a wave, 0-1 */
    bool started;
};

struct value_maker {
    double minimum, maximum;
    int64_t minimum_cents;
    uint64_t span_cents;
    bool full_precision;
    double counter;
    struct rng rng;
};

NODISCARD bool value_maker_init(struct value_maker *maker, double minimum, double maximum,
    bool full_precision, uint64_t seed, struct err *err);

struct value value_next(
    struct value_maker *maker, struct value_state *state, enum simulator_kind kind);

/* Another value than the one given, for a repeat. */
struct value value_other(struct value value, enum simulator_kind kind);

/* Its text as a JSON number; at most LINE_NUMBER_MAX bytes. */
size_t value_text(char *out, const struct value *value);

#endif
