/* state/limits.h: how much the state directory may hold, and when it is full.
 *
 * Shape    atomic counters of bytes per part, kept by whoever writes or deletes there; free space
 *          is asked of the file system at most once a second.
 * Units    bytes (lengths; a preallocated segment counts whole).
 * Limits   state_bytes_max for all of it; free_bytes_min left to others.
 * Errors   none of its own. limits_check and limits_left cost a few loads.
 * Owner    one struct for the process, caller-owned; the state is borrowed.
 * Threads  any.
 * Source   durability.md 9; design.md 5 (state_bytes_max, free_bytes_min).
 */
#ifndef STATE_LIMITS_H
#define STATE_LIMITS_H

#include "state/state.h"

#include <stdatomic.h>

enum limits_part {
    LIMITS_JOURNAL,
    LIMITS_OUTBOX, /* with the reserve */
    LIMITS_REFUSED,
    LIMITS_OTHER, /* rejected/, quarantine/, gaps.log */
    LIMITS_PARTS
};

enum limits_level {
    LIMITS_FINE,   /* below 80 % of both limits */
    LIMITS_HIGH,   /* above 80 %: pack does not wait for a backlog to gather; a pause goes on */
    LIMITS_REACHED /* at a limit: intake stops reading */
};

struct limits {
    uint64_t state_bytes_max, free_bytes_min;
    atomic_uint_least64_t used[LIMITS_PARTS];
    atomic_uint_least64_t free_bytes; /* last answer of the file system */
    atomic_uint_least64_t asked_used; /* what the directory held then */
    atomic_int_least64_t asked_us;    /* monotonic */
    atomic_bool no_space;             /* a call said ERR_FULL; cleared when there is room again: */
    atomic_uint full_asks; /* after something was deleted, or so many good answers of the disk */
    const struct state *state;
};

/* 0 for a maximum: the defaults of design.md 5 (80 % of what the directory holds and the free space
 * together; 256 MiB, at most 5 % of the file system). Counts what is there. */
NODISCARD bool limits_init(struct limits *l, const struct state *st, uint64_t state_bytes_max,
    uint64_t free_bytes_min, struct err *err);

/* These three take NULL: nothing is counted. */
void limits_add(struct limits *l, enum limits_part part, uint64_t bytes);
void limits_sub(struct limits *l, enum limits_part part, uint64_t bytes);
void limits_said_full(struct limits *l); /* some call said ERR_FULL */

uint64_t limits_used(const struct limits *l);
uint64_t limits_left(struct limits *l, int64_t mono_us); /* until a limit is reached */
enum limits_level limits_check(struct limits *l, int64_t mono_us);

#endif
