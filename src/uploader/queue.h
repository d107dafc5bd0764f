/* uploader/queue.h: the files that wait, with what is known of each.
 *
 * Shape    an array by rising first_seq; queue_merge brings it in line with the directory and keeps
 *          what is known of files that are still there.
 * Units    _us monotonic microseconds.
 * Limits   as many as outbox/ holds; about 450 bytes each.
 * Errors   ERR_FULL: no memory; the queue is as it was.
 * Owner    the uploader; an item in flight owns its call and its descriptor.
 * Threads  one.
 */
#ifndef UPLOADER_QUEUE_H
#define UPLOADER_QUEUE_H

#include "databricks/call.h"
#include "outbox/outbox.h"

enum item_step {
    ITEM_WAITS,
    ITEM_FOLDER,  /* PUT directories is in flight */
    ITEM_SENDING, /* PUT is in flight */
    ITEM_LOOKING, /* HEAD is in flight */
    ITEM_GONE,    /* delivered, refused, dropped, quarantined: to be removed */
};

/* Where the next try begins: what is in the volume under the name, as far as we know. */
enum item_next {
    NEXT_SEND,     /* PUT overwrite=false */
    NEXT_CONFIRM,  /* a 2xx came: HEAD */
    NEXT_COMPARE,  /* a 409 came: HEAD */
    NEXT_REPAIR,   /* it holds something else: PUT overwrite=true */
    NEXT_REPAIRED, /* a 2xx came to that: HEAD */
};

struct item {
    struct outbox_entry entry;
    enum item_step step;
    enum item_next next;
    struct call *call;
    int fd; /* -1: none */
    bool begun, verified, probe, conflict, repaired;
    bool dropped;         /* counted as lost already: only its deletion is still to come */
    unsigned attempts;    /* PUTs of this run */
    unsigned fails;       /* answers that made it wait, since the last change for the better */
    unsigned episode;     /* the number of the last outage it took part in */
    unsigned episodes;    /* how many in a row it began or shared, while others were delivered */
    unsigned unconfirmed; /* 2xx in a row that HEAD did not confirm */
    unsigned bad;         /* INPUT answers */
    uint64_t begun_delivered;        /* files delivered before its first try */
    bool bad_named;                  /* one of them named this file */
    int64_t bad_us, sent_us, due_us; /* sent: when the last PUT began */
};

struct queue {
    struct item *items;
    size_t count;
};

NODISCARD bool queue_merge(struct queue *q, const struct outbox_list *list, struct err *err);
void queue_sweep(struct queue *q); /* removes ITEM_GONE */
void queue_done(struct queue *q);

/* Ends the call and closes the file; the item waits again. */
void item_cut(struct item *item);

static inline bool item_in_flight(const struct item *item)
{
    return item->step == ITEM_FOLDER || item->step == ITEM_SENDING || item->step == ITEM_LOOKING;
}

static inline uint64_t item_readings(const struct item *item)
{
    return item->entry.name.last_seq - item->entry.name.first_seq + 1;
}

#endif
