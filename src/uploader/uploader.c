/* When to try: scans, picks what is due, waits, hands answers to decide.c. */
#include "uploader/uploader.h"

#include "base/clock.h"
#include "uploader/uploader_private.h"

#include <stdlib.h>

#define SCAN_US (5 * CLOCK_SECOND_US)
#define FOLDER_MAX 1024
#define DROPS_A_STEP 32
#define FREE_ASKED_US (1100 * INT64_C(1000)) /* limits.h asks the file system once a second */

struct uploader *uploader_new(struct outbox *box, struct workspace *ws, struct gaps *gaps,
    const struct uploader_options *options, struct err *err)
{
    struct uploader *u = calloc(1, sizeof(*u));
    size_t len = strlen(options->folder);

    if (len == 0 || options->folder[0] != '/' || len > FOLDER_MAX) {
        free(u);
        err_set(err, ERR_INPUT, 0, "the folder must be /Volumes/..., not '%s'", options->folder);
        return NULL;
    }
    while (len > 1 && options->folder[len - 1] == '/')
        len--;
    if (u) {
        u->folder = strndup(options->folder, len);
        u->events = calloc(EVENTS_MAX, sizeof(*u->events));
    }
    if (!u || !u->folder || !u->events) {
        uploader_free(u);
        err_set(err, ERR_FULL, 0, "no memory for the uploader");
        return NULL;
    }
    u->box = box;
    u->ws = ws;
    u->gaps = gaps;
    u->options = *options;
    u->options.folder = u->folder;
    if (u->options.parallel == 0)
        u->options.parallel = 1;
    if (u->options.parallel > HTTP_REQUESTS_MAX / 2)
        u->options.parallel = HTTP_REQUESTS_MAX / 2;
    health_init(&u->health, options->retry_first_us, options->denied_first_us,
        options->seed ? options->seed : rng_any_seed());
    return u;
}

void uploader_free(struct uploader *u)
{
    if (!u)
        return;
    queue_done(&u->queue);
    while (u->folder_count)
        free(u->folders[--u->folder_count]);
    free(u->events);
    free(u->folder);
    free(u);
}

void add_event(struct uploader *u, enum uploader_event_kind kind, const struct item *item,
    const struct err *err)
{
    struct uploader_event *event;

    if (u->event_count == EVENTS_MAX) {
        u->first_event = (u->first_event + 1) % EVENTS_MAX;
        u->event_count--;
    }
    event = &u->events[(u->first_event + u->event_count++) % EVENTS_MAX];
    *event = (struct uploader_event){.kind = kind, .entry = item->entry};
    event->attempts = item->attempts;
    event->took_us = item->sent_us ? clock_mono_us() - item->sent_us : 0;
    event->repaired = item->repaired;
    event->was_there = item->conflict;
    event->err = *err;
}

bool uploader_event(struct uploader *u, struct uploader_event *ret)
{
    if (u->event_count == 0)
        return false;
    *ret = u->events[u->first_event];
    u->first_event = (u->first_event + 1) % EVENTS_MAX;
    u->event_count--;
    return true;
}

bool note_gap(struct uploader *u, const struct item *item, enum gap_reason reason, struct err *err)
{
    struct gap gap = {.from_seq = item->entry.name.first_seq,
        .to_seq = item->entry.name.last_seq,
        .readings = item_readings(item),
        .reason = reason,
        .promised = true,
        .bytes = item->entry.bytes,
        .where = item->entry.text};

    return gaps_write(u->gaps, &gap, err);
}

/* --- scanning --- */

static bool scan(struct uploader *u, int64_t now)
{
    struct outbox_list list = {NULL, 0, NULL, 0};
    struct item none = {.fd = -1};
    struct err err;
    bool ok;

    u->scan_us = now + SCAN_US;
    ok = outbox_scan(u->box, false, &list, &err) && queue_merge(&u->queue, &list, &err);
    outbox_list_done(&list);
    if (!ok && err.kind == ERR_BROKEN) {
        u->broken = err;
        return false;
    }
    if (!ok && !u->scan_failed)
        add_event(u, UPLOADER_ALARM, &none, &err);
    u->scan_failed = !ok;
    return true;
}

/* --- when_full = drop_oldest --- */

/* First the line, then the counters: from here on it counts as lost, and nothing of it is sent. */
static bool count_dropped(struct uploader *u, struct item *item, struct err *err)
{
    struct err why;

    if (!note_gap(u, item, GAP_DROPPED, err))
        return false;
    item->dropped = true;
    u->counters.dropped_files++;
    u->counters.dropped_readings += item_readings(item);
    err_set(&why, ERR_FULL, 0, "%s dropped undelivered: the local store is full", item->entry.text);
    add_event(u, UPLOADER_DROPPED, item, &why);
    return true;
}

/* What fails is tried again with the next step. */
static bool drop_one(struct uploader *u, struct item *item, bool *ret_go_on)
{
    bool was_dropped = item->dropped;
    struct err err;

    *ret_go_on =
        (was_dropped || count_dropped(u, item, &err)) && outbox_done(u->box, &item->entry, &err);
    if (*ret_go_on) {
        item->step = ITEM_GONE;
    } else if (err.kind == ERR_BROKEN) {
        u->broken = err;
        return false;
    } else if (item->dropped && !was_dropped) {
        add_event(u, UPLOADER_ALARM, item, &err);
    }
    return true;
}

/* Counted as lost, and not deleted yet. NULL: none. */
static struct item *half_dropped(const struct uploader *u)
{
    for (size_t i = 0; i < u->queue.count; i++) {
        if (u->queue.items[i].dropped)
            return &u->queue.items[i];
    }
    return NULL;
}

/* What was answered with success and lacks only its confirmation comes last: it is most likely in the
 * volume, and would be counted as dropped all the same. NULL: all are in flight. (None is half dropped.) */
static struct item *oldest_to_drop(const struct uploader *u)
{
    struct item *sent = NULL;

    for (size_t i = 0; i < u->queue.count; i++) {
        struct item *item = &u->queue.items[i];

        if (item->step != ITEM_WAITS)
            continue;
        if (item->next == NEXT_SEND || item->next == NEXT_REPAIR)
            return item;
        if (!sent)
            sent = item;
    }
    return sent;
}

/* From a limit down to 80 %, oldest first, nothing that is in flight. Freed space shows in the file
 * system's answer a second later only: wait for it rather than drop too much. */
static bool drop_oldest(struct uploader *u, int64_t now)
{
    struct limits *limits = u->box->limits;
    enum limits_level level;
    struct item *item;
    bool go_on = true;
    int dropped = 0;

    if (!u->options.drop_oldest || !limits || now < u->drop_us)
        return true;
    item = half_dropped(u);
    if (item && !drop_one(u, item, &go_on))
        return false;
    level = limits_check(limits, now);
    u->dropping = level == LIMITS_REACHED || (u->dropping && level == LIMITS_HIGH);
    while (u->dropping && go_on && dropped < DROPS_A_STEP && (item = oldest_to_drop(u))) {
        if (!drop_one(u, item, &go_on))
            return false;
        dropped += go_on;
        u->dropping = limits_check(limits, now) != LIMITS_FINE;
        if (u->dropping && limits_used(limits) < limits->state_bytes_max / 5 * 4) {
            u->drop_us = now + FREE_ASKED_US;
            break;
        }
    }
    queue_sweep(&u->queue);
    return true;
}

/* --- starting --- */

static unsigned in_flight(const struct uploader *u, bool *ret_probe)
{
    unsigned count = 0;

    *ret_probe = false;
    for (size_t i = 0; i < u->queue.count; i++) {
        if (item_in_flight(&u->queue.items[i])) {
            count++;
            *ret_probe = *ret_probe || u->queue.items[i].probe;
        }
    }
    return count;
}

/* One file asks for a folder; the others of that folder wait for the answer. */
static bool folder_awaited(const struct uploader *u, const struct item *item)
{
    char folder[16], other[16];

    if (item->next != NEXT_SEND && item->next != NEXT_REPAIR)
        return false;
    file_name_folder(&item->entry.name, folder);
    for (size_t i = 0; i < u->queue.count; i++) {
        if (u->queue.items[i].step != ITEM_FOLDER)
            continue;
        file_name_folder(&u->queue.items[i].entry.name, other);
        if (strcmp(folder, other) == 0)
            return true;
    }
    return false;
}

/* Well: the oldest that is due. Ill: of those the one that failed least, so that a file which only
 * fails itself does not keep the probe for ever. */
static struct item *pick(struct uploader *u, int64_t now)
{
    bool ill = u->health.ill.kind != ERR_NONE, probing;
    struct item *best = NULL;

    if (now < u->health.hold_us || in_flight(u, &probing) >= u->options.parallel ||
        (ill && (probing || now < u->health.probe_us)))
        return NULL;
    for (size_t i = 0; i < u->queue.count; i++) {
        struct item *item = &u->queue.items[i];

        if (item->step != ITEM_WAITS || item->dropped || item->due_us > now ||
            folder_awaited(u, item))
            continue;
        if (!ill)
            return item;
        if (!best || item->fails < best->fails)
            best = item;
    }
    return best;
}

static bool start_due(struct uploader *u)
{
    struct item *item;

    while ((item = pick(u, clock_mono_us()))) {
        bool first_look = !item->verified;

        if (!item_begin(u, item))
            return false;
        /* Reading a large file takes its time: look after the others in between. */
        if (first_look)
            break;
    }
    return true;
}

/* --- waiting and deciding --- */

static bool some_done(const struct uploader *u)
{
    for (size_t i = 0; i < u->queue.count; i++) {
        if (u->queue.items[i].call && call_done(u->queue.items[i].call))
            return true;
    }
    return false;
}

/* When the next file may start, should no answer come before: INT64_MAX, when only an answer can
 * change that. */
static int64_t next_due_us(const struct uploader *u)
{
    bool ill = u->health.ill.kind != ERR_NONE, probing;
    int64_t due = INT64_MAX;

    if (in_flight(u, &probing) >= u->options.parallel || (ill && probing))
        return INT64_MAX;
    for (size_t i = 0; i < u->queue.count; i++) {
        const struct item *item = &u->queue.items[i];

        if (item->step == ITEM_WAITS && !item->dropped && item->due_us < due &&
            !folder_awaited(u, item))
            due = item->due_us;
    }
    if (ill && due < u->health.probe_us)
        due = u->health.probe_us;
    if (due < u->health.hold_us)
        due = u->health.hold_us;
    return due;
}

static int64_t wait_of(const struct uploader *u, int64_t wait_us)
{
    int64_t now = clock_mono_us(), due = next_due_us(u);

    if (some_done(u))
        return 0;
    if (due > u->scan_us)
        due = u->scan_us;
    if (due - now < wait_us)
        wait_us = due - now;
    return wait_us > 0 ? wait_us : 0;
}

static bool decide_done(struct uploader *u)
{
    for (size_t i = 0; i < u->queue.count; i++) {
        struct item *item = &u->queue.items[i];

        if (item->call && call_done(item->call) && !item_decide(u, item))
            return false;
    }
    return true;
}

static bool wait_and_decide(struct uploader *u, int64_t wait_us, int wake_fd)
{
    struct err err;

    if (!workspace_poll(u->ws, wait_of(u, wait_us), wake_fd, &err)) {
        for (size_t i = 0; i < u->queue.count; i++) {
            if (item_in_flight(&u->queue.items[i]))
                item_failed(u, &u->queue.items[i], &err, -1);
        }
        return true;
    }
    return decide_done(u);
}

/* It waits for what it met itself, not for the server to be well. */
static bool held(const struct item *item, int64_t now)
{
    return item->step == ITEM_WAITS && item->due_us > now && (item->episodes > 1 || item->bad);
}

static void refresh_counters(struct uploader *u)
{
    struct uploader_counters *c = &u->counters;
    uint64_t below = UINT64_MAX;
    int64_t now = clock_mono_us();

    c->in_flight = c->waiting_files = c->waiting_bytes = c->waiting_readings = c->held_files = 0;
    c->oldest_created_us = 0;
    for (size_t i = 0; i < u->queue.count; i++) {
        const struct item *item = &u->queue.items[i];

        if (item->dropped)
            continue;
        c->in_flight += item_in_flight(item);
        c->waiting_files++;
        c->held_files += held(item, now);
        c->waiting_bytes += item->entry.bytes;
        c->waiting_readings += item_readings(item);
        if (c->oldest_created_us == 0 || item->entry.name.created_us < c->oldest_created_us)
            c->oldest_created_us = item->entry.name.created_us;
    }
    if (u->queue.count && u->queue.items[0].entry.name.first_seq > 0)
        below = u->queue.items[0].entry.name.first_seq - 1;
    if (u->delivered_max < below)
        below = u->delivered_max;
    if (below > c->delivered_seq)
        c->delivered_seq = below;
}

bool uploader_step(struct uploader *u, bool look, int64_t wait_us, int wake_fd, struct err *err)
{
    int64_t now = clock_mono_us();
    bool ok = u->broken.kind == ERR_NONE;

    if (ok && (look || now >= u->scan_us))
        ok = scan(u, now);
    ok = ok && drop_oldest(u, now) && start_due(u) && wait_and_decide(u, wait_us, wake_fd);
    if (!ok) {
        uploader_cut(u);
        *err = u->broken;
    }
    queue_sweep(&u->queue);
    refresh_counters(u);
    return ok;
}

void uploader_try_now(struct uploader *u)
{
    health_try_now(&u->health);
    for (size_t i = 0; i < u->queue.count; i++) {
        struct item *item = &u->queue.items[i];

        item->due_us = 0;
        item->fails = item->fails > 1 ? 1 : item->fails;
    }
}

void uploader_cut(struct uploader *u)
{
    for (size_t i = 0; i < u->queue.count; i++) {
        item_cut(&u->queue.items[i]);
        u->queue.items[i].probe = false;
    }
    refresh_counters(u);
}

/* --- what it looks like from outside --- */

bool uploader_idle(const struct uploader *u)
{
    return u->queue.count == 0;
}

enum uploader_state uploader_state(const struct uploader *u)
{
    bool probing;

    if (u->health.ill.kind == ERR_DENIED && u->queue.count)
        return UPLOADER_DENIED; /* also while a probe is under way: the page must not flap */
    if (in_flight(u, &probing))
        return UPLOADER_SENDING;
    return u->queue.count ? UPLOADER_WAITING : UPLOADER_IDLE;
}

bool uploader_ill(const struct uploader *u)
{
    return u->health.ill.kind != ERR_NONE;
}

const struct err *uploader_error(const struct uploader *u)
{
    static const struct err none = {.kind = ERR_NONE};

    if (u->health.ill.kind != ERR_NONE)
        return &u->health.ill;
    for (size_t i = 0; i < u->queue.count; i++) {
        if (u->queue.items[i].fails || u->queue.items[i].bad)
            return &u->own_err;
    }
    return &none;
}

int64_t uploader_retry_us(const struct uploader *u)
{
    bool probing;
    int64_t due, left;

    if (u->queue.count == 0 || in_flight(u, &probing))
        return 0;
    due = next_due_us(u);
    left = due == INT64_MAX ? 0 : due - clock_mono_us();
    return left > 0 ? left : 0;
}

const struct uploader_counters *uploader_counters(const struct uploader *u)
{
    return &u->counters;
}
