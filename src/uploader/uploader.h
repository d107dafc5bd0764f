/* uploader/uploader.h: delivers the outbox: when to try, how long to wait, what an answer means.
 *
 * Shape    uploader_step drives everything that is due and waits for answers at most wait_us; it
 *          never blocks longer, except for reading one file whole before its first try. Events say
 *          what happened, for logs and counters.
 * Units    _us microseconds; bytes.
 * Limits   `parallel` requests in flight, oldest file first; one bad file never blocks the others;
 *          while the server is down one file probes. A Retry-After holds everything, for one hour
 *          at most.
 * Errors   ERR_BROKEN from the outbox (a sync failed): stop. What the server says is never an error
 *          here: it is an event.
 * Owner    opaque; outbox, workspace and gaps are borrowed.
 * Threads  one (ship).
 * Source   durability.md 6 (S1, S2), 10 (the table); databricks-api.md 2, 3;
 *          docs/decisions/2026-11-22-delivery.md.
 *
 *    answer                                   what follows
 *    2xx, all bytes sent                      HEAD: equal length (or none) = done; else again,
 *                                             the third time in a row an alarm
 *    409                                      HEAD: equal = done; 404 = again; else overwrite once
 *    no answer, 408, 429, 5xx, limit codes    wait: random up to 1 s * 2^n, at most 300 s
 *    401 (after one refresh), 403, 404, TLS,  tell; probe every 60 s to 10 min
 *    HTML, 3xx
 *    400, 413, 422, three times over          to refused/, when an answer names the file or others
 *    refuse_after_us                          are delivered meanwhile
 */
#ifndef UPLOADER_UPLOADER_H
#define UPLOADER_UPLOADER_H

#include "databricks/workspace.h"
#include "outbox/outbox.h"
#include "state/gaps.h"

struct uploader_options {
    unsigned parallel;
    const char *folder;      /* "/Volumes/c/s/v/data"; copied */
    uint64_t seed;           /* jitter; 0: any */
    int64_t refuse_after_us; /* one hour: durability.md 10, three answers over at least this long */
    bool drop_oldest;        /* when_full: removes whole undelivered files at the limit */
    int64_t retry_first_us;  /* 0: 1 s; the waits double from here to 300 s (tests shorten it) */
    int64_t denied_first_us; /* 0: 60 s; likewise to ten times this */
};

enum uploader_state {
    UPLOADER_IDLE,    /* nothing waits */
    UPLOADER_SENDING, /* requests in flight */
    UPLOADER_WAITING, /* backing off after ERR_RETRY */
    UPLOADER_DENIED,  /* a person must change something; probing slowly */
};

enum uploader_event_kind {
    UPLOADER_DELIVERED, /* entry; `repaired` or `was_there` */
    UPLOADER_REFUSED,   /* entry: moved to refused/ */
    UPLOADER_DROPPED,   /* entry: drop_oldest */
    UPLOADER_DAMAGED,   /* entry: content does not match its name; quarantined with a gap */
    UPLOADER_ILL,       /* state changed for the worse, or another reason: err */
    UPLOADER_WELL,      /* works again */
    UPLOADER_ALARM,     /* err: e.g. the third 2xx in a row that HEAD does not confirm */
};

struct uploader_event {
    enum uploader_event_kind kind;
    struct outbox_entry entry;
    int64_t took_us; /* begin of the last attempt to now; 0: none */
    unsigned attempts;
    bool repaired, was_there;
    struct err err;
};

struct uploader_counters {
    uint64_t delivered_files, delivered_bytes,
        delivered_readings; /* readings: last_seq - first_seq + 1 sums */
    uint64_t delivered_seq; /* everything up to here is confirmed and gone */
    uint64_t attempts, retries, denied, refused_files, repaired, conflicts, dropped_files,
        dropped_readings;
    uint64_t sent_bytes; /* of bodies, failed attempts included */
    uint64_t in_flight;
    uint64_t waiting_files, waiting_bytes, waiting_readings;
    uint64_t held_files; /* of these: failed by themselves, again and again; the others pass them */
    int64_t oldest_created_us; /* of what waits; 0: nothing */
};

struct uploader;

struct uploader *uploader_new(struct outbox *box, struct workspace *ws, struct gaps *gaps,
    const struct uploader_options *options, struct err *err);
void uploader_free(struct uploader *u);

/* One turn: rescans the outbox when told (`look`) or every 5 s, starts what is due, waits up to
 * wait_us for answers or until wake_fd is readable (-1: none; not read from), decides. */
NODISCARD bool uploader_step(
    struct uploader *u, bool look, int64_t wait_us, int wake_fd, struct err *err);

/* Takes the oldest event; false: none. Take them after every step: 128 are kept, and when more come
 * the oldest are forgotten (the counters are not). */
bool uploader_event(struct uploader *u, struct uploader_event *ret);

/* Nothing gets through: the workspace or the way to it, not a file in trouble of its own. */
bool uploader_ill(const struct uploader *u);

/* Nothing waits and nothing is in flight. */
bool uploader_idle(const struct uploader *u);
enum uploader_state uploader_state(const struct uploader *u);
const struct err *uploader_error(const struct uploader *u); /* of ILL; kind ERR_NONE: well */
int64_t uploader_retry_us(const struct uploader *u);        /* until the next try; 0: now */

/* Something was repaired (a new secret, an answer from a person): what waits is due at once. */
void uploader_try_now(struct uploader *u);

/* Cuts what is in flight (stop). The files stay. */
void uploader_cut(struct uploader *u);

const struct uploader_counters *uploader_counters(const struct uploader *u);

#endif
