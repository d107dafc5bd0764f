/* uploader/uploader_private.h: what uploader.c (when) and decide.c (what an answer means) share.
 *
 * Threads  one.
 */
#ifndef UPLOADER_UPLOADER_PRIVATE_H
#define UPLOADER_UPLOADER_PRIVATE_H

#include "uploader/health.h"
#include "uploader/queue.h"
#include "uploader/uploader.h"

#define EVENTS_MAX 128
#define FOLDERS_MAX 64
#define PATH_SIZE 1280

struct uploader {
    struct outbox *box;
    struct workspace *ws;
    struct gaps *gaps;
    struct uploader_options options;
    char *folder;
    struct queue queue;
    struct health health;
    struct uploader_counters counters;
    struct uploader_event *events; /* a ring */
    size_t first_event, event_count;
    char *folders[FOLDERS_MAX]; /* known to be there */
    size_t folder_count;
    uint64_t delivered_max;   /* highest last_seq confirmed */
    unsigned bad_in_a_row;    /* INPUT answers since a delivery */
    struct err own_err;       /* of a file in trouble by itself */
    int64_t scan_us, drop_us; /* next look at the directory; next look at the limit */
    bool dropping, scan_failed;
    struct err broken; /* ERR_BROKEN: sticky, every further step fails */
};

/* Every one of these decides one file and leaves it waiting, in flight or gone. False: the outbox
 * cannot be trusted (ERR_BROKEN in u->broken). */

/* Begins a try where the last one left off. */
bool item_begin(struct uploader *u, struct item *item);
/* Its call is done. */
bool item_decide(struct uploader *u, struct item *item);
/* The server, the network or memory let it down. */
void item_failed(
    struct uploader *u, struct item *item, const struct err *err, int64_t retry_after_us);

void add_event(struct uploader *u, enum uploader_event_kind kind, const struct item *item,
    const struct err *err);
/* A loss is about to be made: gaps.log first. False: it must not happen (now). */
bool note_gap(struct uploader *u, const struct item *item, enum gap_reason reason, struct err *err);

#endif
