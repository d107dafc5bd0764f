/* What an answer means: the table of durability.md 10, row by row. */
#include "uploader/uploader_private.h"

#include "base/clock.h"
#include "databricks/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OWN_TROUBLE 3 /* times it failed again after others were delivered */

static void path_of(
    const struct uploader *u, const struct item *item, bool folder_only, char out[PATH_SIZE])
{
    char day[16];
    size_t len;

    file_name_folder(&item->entry.name, day);
    (void)snprintf(out, PATH_SIZE, "%s/%s%s", u->folder, day, folder_only ? "" : item->entry.text);
    len = strlen(out);
    if (folder_only && len && out[len - 1] == '/')
        out[len - 1] = '\0';
}

static bool folder_known(const struct uploader *u, const char *path)
{
    for (size_t i = 0; i < u->folder_count; i++) {
        if (strcmp(u->folders[i], path) == 0)
            return true;
    }
    return false;
}

static void forget_folders(struct uploader *u)
{
    while (u->folder_count)
        free(u->folders[--u->folder_count]);
}

static void remember_folder(struct uploader *u, const char *path)
{
    if (u->folder_count == FOLDERS_MAX)
        forget_folders(u); /* daily folders of months: asking again is cheap */
    u->folders[u->folder_count] = strdup(path);
    if (u->folders[u->folder_count])
        u->folder_count++;
}

static bool broken(struct uploader *u, const struct err *err)
{
    if (err->kind != ERR_BROKEN)
        return false;
    u->broken = *err;
    return true;
}

/* --- what went wrong --- */

void item_failed(
    struct uploader *u, struct item *item, const struct err *err, int64_t retry_after_us)
{
    int64_t now = clock_mono_us();
    bool probe = item->probe;

    item_cut(item);
    item->probe = false;
    item->fails++;
    if (err->kind == ERR_DENIED)
        u->counters.denied++;
    if (item->episode != u->health.episode + 1) {
        item->episode = u->health.episode + 1;
        item->episodes++;
    }
    if (item->episodes > 1) /* others were delivered since it failed first */
        item->due_us = now + health_own_wait_us(&u->health, err->kind, item->fails, retry_after_us);
    if (item->episodes < OWN_TROUBLE) {
        if (health_worse(&u->health, err, probe, retry_after_us, now))
            add_event(u, UPLOADER_ILL, item, err);
        return;
    }
    /* The trouble follows this file about: it no longer makes all the others wait. */
    if (item->episodes == OWN_TROUBLE) {
        item->episodes++;
        add_event(u, UPLOADER_ALARM, item, err);
    }
    u->own_err = *err;
    if (probe)
        u->health.probe_us = now; /* it said nothing about the others: the next one probes */
}

/* Our own disk or memory: says nothing about the server. The content is checked again. */
static bool local_failed(struct uploader *u, struct item *item, const struct err *err)
{
    int64_t now = clock_mono_us();

    item_cut(item);
    if (item->probe)
        u->health.probe_us = now;
    item->probe = item->verified = false;
    item->fails++;
    item->due_us =
        now + CLOCK_SECOND_US + health_own_wait_us(&u->health, ERR_RETRY, item->fails, -1);
    u->scan_us = 0; /* it may not be there any more */
    if (broken(u, err))
        return false;
    if (item->fails == 1)
        add_event(u, UPLOADER_ALARM, item, err);
    u->own_err = *err;
    return true;
}

static bool damaged(struct uploader *u, struct item *item)
{
    struct err err;

    err_set(&err, ERR_BROKEN, 0,
        "%s: content does not match the checksum in its name: set aside in quarantine/",
        item->entry.text);
    if (!note_gap(u, item, GAP_DAMAGED, &err) || !outbox_quarantine(u->box, &item->entry, &err))
        return local_failed(u, item, &err);
    add_event(u, UPLOADER_DAMAGED, item, &err);
    item->step = ITEM_GONE;
    return true;
}

static bool refuse(struct uploader *u, struct item *item, const struct err *err)
{
    struct err local;

    if (!outbox_refuse(u->box, &item->entry, &local))
        return local_failed(u, item, &local);
    u->counters.refused_files++;
    add_event(u, UPLOADER_REFUSED, item, err);
    item_cut(item);
    item->step = ITEM_GONE;
    return true;
}

/* A refusal counts against the file only when it speaks of the file: it names it, it is about its
 * size, or other files pass meanwhile. A gateway that says 400 to everybody must not empty the
 * outbox into refused/. */
static bool refused(
    struct uploader *u, struct item *item, const struct api_error *api, const struct err *err)
{
    int64_t now = clock_mono_us(), retry_after_us = api->retry_after_us;
    bool probe = item->probe;

    if (item->bad++ == 0) {
        item->bad_us = now;
        add_event(u, UPLOADER_ALARM, item, err);
    }
    item->bad_named = item->bad_named || api->names_item || api->status == 413;
    if (item->bad >= 3 && now - item->bad_us >= u->options.refuse_after_us &&
        (item->bad_named || u->counters.delivered_files > item->begun_delivered))
        return refuse(u, item, err);
    item_cut(item);
    item->probe = false;
    item->due_us = now + health_own_wait_us(&u->health, ERR_RETRY, item->bad, retry_after_us);
    u->own_err = *err;
    if (probe)
        u->health.probe_us = now;
    /* One file after the other: then it is not the files. */
    if (++u->bad_in_a_row >= 3 && u->queue.count > 1 &&
        health_worse(&u->health, err, true, retry_after_us, now))
        add_event(u, UPLOADER_ILL, item, err);
    return true;
}

/* Memory or an address that cannot be: nothing was sent. */
static bool not_started(struct uploader *u, struct item *item, const struct err *err)
{
    struct api_error api = {.class = CLASS_LOCAL, .retry_after_us = -1, .names_item = true};

    return err->kind == ERR_INPUT ? refused(u, item, &api, err) : local_failed(u, item, err);
}

/* --- the steps --- */

static bool look(struct uploader *u, struct item *item)
{
    char path[PATH_SIZE];
    struct err err;

    item_cut(item);
    path_of(u, item, false, path);
    item->call = files_head_start(u->ws, path, &err);
    if (!item->call)
        return not_started(u, item, &err);
    item->step = ITEM_LOOKING;
    return true;
}

static bool send_file(struct uploader *u, struct item *item)
{
    char path[PATH_SIZE];
    struct err err;

    item_cut(item);
    if (!outbox_open(u->box, &item->entry, &item->fd, &err)) {
        item->fd = -1;
        return local_failed(u, item, &err);
    }
    path_of(u, item, false, path);
    u->counters.attempts++;
    u->counters.retries += item->attempts++ > 0;
    item->sent_us = clock_mono_us();
    item->call =
        files_put_start(u->ws, path, item->fd, item->entry.bytes, item->next == NEXT_REPAIR, &err);
    if (!item->call)
        return not_started(u, item, &err);
    item->step = ITEM_SENDING;
    return true;
}

/* Once per directory and run: the real service makes parents by itself, others may not. */
static bool make_folder(struct uploader *u, struct item *item)
{
    char path[PATH_SIZE];
    struct err err;

    path_of(u, item, true, path);
    if (folder_known(u, path))
        return send_file(u, item);
    item_cut(item);
    item->call = files_make_directory_start(u->ws, path, &err);
    if (!item->call)
        return not_started(u, item, &err);
    item->step = ITEM_FOLDER;
    return true;
}

bool item_begin(struct uploader *u, struct item *item)
{
    struct err err;

    item->probe = u->health.ill.kind != ERR_NONE;
    if (!item->begun) {
        item->begun = true;
        item->begun_delivered = u->counters.delivered_files;
    }
    if (!item->verified) {
        if (!outbox_verify(u->box, &item->entry, &item->verified, &err)) {
            item->verified = false;
            return local_failed(u, item, &err);
        }
        if (!item->verified)
            return damaged(u, item);
    }
    switch (item->next) {
    case NEXT_CONFIRM:
    case NEXT_COMPARE:
    case NEXT_REPAIRED:
        return look(u, item);
    case NEXT_SEND:
    case NEXT_REPAIR:
        break;
    }
    return make_folder(u, item);
}

static bool delivered(struct uploader *u, struct item *item)
{
    struct err err = {.kind = ERR_NONE};

    if (!outbox_done(u->box, &item->entry, &err))
        return local_failed(u, item, &err); /* the next try looks again and comes back here */
    item->repaired = item->next == NEXT_REPAIRED;
    item->conflict = item->next == NEXT_COMPARE;
    u->counters.delivered_files++;
    u->counters.delivered_bytes += item->entry.bytes;
    u->counters.delivered_readings += item_readings(item);
    u->counters.repaired += item->repaired;
    if (item->entry.name.last_seq > u->delivered_max)
        u->delivered_max = item->entry.name.last_seq;
    u->bad_in_a_row = 0;
    add_event(u, UPLOADER_DELIVERED, item, &err);
    item_cut(item);
    item->step = ITEM_GONE;
    if (!health_better(&u->health))
        return true;
    add_event(u, UPLOADER_WELL, item, &err);
    for (size_t i = 0; i < u->queue.count; i++) {
        struct item *other = &u->queue.items[i];

        if (other->bad == 0 && other->episodes < 2) {
            other->due_us = 0; /* it suffered with all the others */
            other->fails = 0;
        }
    }
    return true;
}

/* A 2xx that HEAD does not bear out. */
static bool unconfirmed(struct uploader *u, struct item *item, int64_t length)
{
    struct err err;

    if (length < 0)
        err_set(&err, ERR_RETRY, 0, "upload: the service said yes, but %s is not there",
            item->entry.text);
    else
        err_set(&err, ERR_RETRY, 0,
            "upload: the service said yes, but %s has %" PRId64 " bytes there instead of %" PRIu64,
            item->entry.text, length, item->entry.bytes);
    item->next = NEXT_SEND;
    if (++item->unconfirmed % 3 == 0)
        add_event(u, UPLOADER_ALARM, item, &err);
    item_failed(u, item, &err, -1);
    return true;
}

static bool decide_folder(struct uploader *u, struct item *item)
{
    const struct api_error *api = call_error(item->call);
    char path[PATH_SIZE];
    struct err err;

    path_of(u, item, true, path);
    if (call_result(item->call, &err)) {
        remember_folder(u, path);
        return send_file(u, item);
    }
    /* Nothing here is about a file: a person must look at the settings or the volume. */
    if (api->class == CLASS_EXISTS)
        err_set(&err, ERR_DENIED, api->status,
            "a file stands where our folder should be: move it away: '%s'", path);
    else if (err.kind == ERR_INPUT)
        err.kind = ERR_DENIED;
    item_failed(u, item, &err, api->retry_after_us);
    return true;
}

static bool decide_sent(struct uploader *u, struct item *item)
{
    const struct api_error *api = call_error(item->call);
    const struct http_answer *answer = call_answer(item->call);
    bool repair = item->next == NEXT_REPAIR;
    struct err err;

    u->counters.sent_bytes += call_sent_bytes(item->call);
    if (call_result(item->call, &err)) {
        if (answer->sent == item->entry.bytes) {
            item->next = repair ? NEXT_REPAIRED : NEXT_CONFIRM;
            return look(u, item);
        }
        err_set(&err, ERR_RETRY, answer->status,
            "upload: %s was answered after %" PRIu64 " of %" PRIu64 " bytes", item->entry.text,
            answer->sent, item->entry.bytes);
    }
    item->next = NEXT_SEND;
    if (api->class == CLASS_EXISTS || api->class == CLASS_ABORTED) {
        u->counters.conflicts++;
        if (!repair) {
            item->next = NEXT_COMPARE;
            return look(u, item);
        }
    }
    if (api->class == CLASS_MISSING)
        forget_folders(u); /* somebody may have removed it */
    if (api->class == CLASS_LOCAL)
        return local_failed(u, item, &err);
    if (err.kind == ERR_INPUT)
        return refused(u, item, api, &err);
    item_failed(u, item, &err, api->retry_after_us);
    return true;
}

static bool decide_looked(struct uploader *u, struct item *item)
{
    const struct api_error *api = call_error(item->call);
    bool compare = item->next == NEXT_COMPARE;
    struct err err;

    if (call_result(item->call, &err)) {
        int64_t length = call_answer(item->call)->length;

        if (length == (int64_t)item->entry.bytes || (length < 0 && !compare))
            return delivered(u, item);
        if (!compare)
            return unconfirmed(u, item, length);
        item->next = NEXT_REPAIR; /* the name holds the checksum: other content is wrong */
        return make_folder(u, item);
    }
    if (api->class == CLASS_MISSING) {
        if (!compare)
            return unconfirmed(u, item, -1);
        item->next = NEXT_SEND;
        err_set(&err, ERR_RETRY, api->status, "upload: %s was there a moment ago and is not now",
            item->entry.text);
    }
    if (api->class == CLASS_LOCAL)
        return local_failed(u, item, &err);
    if (err.kind == ERR_INPUT)
        err.kind = ERR_RETRY; /* a HEAD can be odd without the file being bad */
    item_failed(u, item, &err, api->retry_after_us);
    return true;
}

bool item_decide(struct uploader *u, struct item *item)
{
    switch (item->step) {
    case ITEM_FOLDER:
        return decide_folder(u, item);
    case ITEM_SENDING:
        return decide_sent(u, item);
    case ITEM_LOOKING:
        return decide_looked(u, item);
    case ITEM_WAITS:
    case ITEM_GONE:
        break;
    }
    return true;
}
