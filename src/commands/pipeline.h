/* commands/pipeline.h: the three loops and what they share.
 *
 * Shape    intake (socket to journal), pack (closed segments to outbox), ship (outbox to
 *          workspace): a thread each. They meet on disk; a wake-up is a hint, a periodic look makes
 *          a lost one harmless.
 * Units    _us microseconds.
 * Owner    run.c (and demo.c through it) makes the struct, starts and joins the threads.
 * Threads  each loop runs in one thread of its own; everything shared here is atomic or constant.
 * Source   design.md 2; durability.md 5, 6, 12.
 *
 *                 wake              wake
 *      intake ----------> pack ----------> ship       stop: intake first, then pack, then ship
 */
#ifndef COMMANDS_PIPELINE_H
#define COMMANDS_PIPELINE_H

#include "config/settings.h"
#include "pack/pack.h"
#include "state/gaps.h"
#include "status/counters.h"

struct pipeline {
    struct config *config;           /* intake alone changes the two settings of the manifest */
    const struct settings *settings; /* of config */
    struct state *state;
    struct limits *limits;
    struct gaps *gaps;
    struct counters *counters;
    struct jobkeeping *jobs; /* keeps the ingestion job; NULL: there is none to keep */
    uint64_t first_seq;      /* of the next reading */
    bool live_line;          /* a terminal shows one: routine events are not logged */
    int trace_fd;            /* -1, or a pipe of 16-byte records: durable_seq, stream offset */

    int wake_intake, wake_pack, wake_ship, wake_main; /* eventfds */
    atomic_bool stopping;                             /* SIGTERM: intake ends first */
    atomic_bool intake_ended, pack_ended, ship_ended;
    atomic_bool ship_ill;                  /* deliveries fail, until one works again */
    atomic_bool broken;                    /* ERR_BROKEN somewhere: exit code 4 */
    atomic_bool reload_secrets;            /* SIGHUP: ship reads them again */
    atomic_int_least64_t intake_turn_us;   /* monotonic; intake went round */
    atomic_int_least64_t stop_deadline_us; /* monotonic; 0: not stopping */
    atomic_uint_least64_t held_files;      /* of the outbox, waiting by themselves: ship to pack */
    int64_t refused_look_us;               /* ship's: when to look into refused/ again */
};

bool pipeline_init(
    struct pipeline *p, struct err *err); /* the eventfds and flags; the rest is the caller's */
void pipeline_done(struct pipeline *p);

void pipeline_wake(int event_fd);
/* True when it had been woken; waits up to wait_us for that. */
bool pipeline_woken(int event_fd, int64_t wait_us);
void pipeline_break(struct pipeline *p, const char *loop, const struct err *err);

/* The loops; the argument is the pipeline. They return NULL. */
void *intake_loop(void *pipeline);
void *pack_loop(void *pipeline);
void *ship_loop(void *pipeline);

#endif
