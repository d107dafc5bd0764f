/* An outbox in memory for the uploader's tests: it fails on request and writes down what was done,
 * in which order. These definitions take the place of the rooms' own. */
#ifndef TESTS_UPLOADER_FAKES_H
#define TESTS_UPLOADER_FAKES_H

#include "outbox/outbox.h"
#include "state/gaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOX_FILES 256

static struct {
    struct outbox_entry entry;
    bool there, damaged;
} box_files[BOX_FILES];
static size_t box_count;
static char box_log[65536];         /* "done 1\ngap 2 damaged\n..." by first_seq */
static enum err_kind box_fail_kind; /* of the next calls of box_fail_what */
static const char *box_fail_what;
static int box_fail_times;
static enum limits_level box_levels[8]; /* answers of limits_check; the last one stays */
static size_t box_level;

static void box_reset(void)
{
    box_count = box_level = 0;
    box_log[0] = '\0';
    box_fail_what = NULL;
    box_fail_times = 0;
    memset(box_levels, 0, sizeof(box_levels));
}

static void box_add(uint64_t seq, uint64_t bytes, bool daily)
{
    struct outbox_entry *e = &box_files[box_count].entry;

    box_files[box_count].there = true;
    box_files[box_count++].damaged = false;
    *e = (struct outbox_entry){.bytes = bytes};
    e->name = (struct file_name){.created_us = INT64_C(1769862896000000),
        .daily = daily,
        .instance = "9f3a6c1e0b7d4a25",
        .first_seq = seq,
        .last_seq = seq + 9,
        .crc = (uint32_t)seq};
    file_name_format(&e->name, e->text);
}

static void box_note(const char *what, uint64_t seq)
{
    size_t len = strlen(box_log);

    (void)snprintf(
        box_log + len, sizeof(box_log) - len, "%s %llu\n", what, (unsigned long long)seq);
}

static bool box_fails(const char *what, struct err *err)
{
    if (!box_fail_what || strcmp(box_fail_what, what) != 0 || box_fail_times == 0)
        return false;
    if (box_fail_times > 0)
        box_fail_times--;
    err_set(err, box_fail_kind, 5, "%s: disk trouble", what);
    return true;
}

static bool box_take(const char *what, const struct outbox_entry *entry, struct err *err)
{
    if (box_fails(what, err))
        return false;
    box_note(what, entry->name.first_seq);
    for (size_t i = 0; i < box_count; i++) {
        if (strcmp(box_files[i].entry.text, entry->text) == 0)
            box_files[i].there = false;
    }
    return true;
}

bool outbox_scan(const struct outbox *box, bool refused, struct outbox_list *ret, struct err *err)
{
    (void)box;
    (void)refused;
    if (box_fails("scan", err))
        return false;
    *ret = (struct outbox_list){.items = calloc(BOX_FILES, sizeof(*ret->items))};
    for (size_t i = 0; i < box_count; i++) {
        if (box_files[i].there)
            ret->items[ret->count++] = box_files[i].entry;
    }
    return true;
}

void outbox_list_done(struct outbox_list *list)
{
    free(list->items);
    list->items = NULL;
}

bool outbox_verify(
    const struct outbox *box, const struct outbox_entry *entry, bool *ret_ok, struct err *err)
{
    (void)box;
    if (box_fails("verify", err))
        return false;
    for (size_t i = 0; i < box_count; i++) {
        if (strcmp(box_files[i].entry.text, entry->text) == 0)
            *ret_ok = !box_files[i].damaged;
    }
    return true;
}

/* Every file holds its sequence number again and again. */
bool outbox_open(
    const struct outbox *box, const struct outbox_entry *entry, int *ret_fd, struct err *err)
{
    char name[] = "/tmp/uploader_body_XXXXXX";
    uint64_t seq = entry->name.first_seq;
    static char block[65536];

    (void)box;
    if (box_fails("open", err))
        return false;
    *ret_fd = mkstemp(name);
    if (*ret_fd < 0 || unlink(name) < 0)
        abort();
    for (size_t i = 0; i < sizeof(block); i += sizeof(seq))
        memcpy(block + i, &seq, sizeof(seq));
    for (uint64_t at = 0; at < entry->bytes; at += sizeof(block)) {
        uint64_t left = entry->bytes - at;

        if (!file_write_at(
                *ret_fd, at, block, left < sizeof(block) ? (size_t)left : sizeof(block), err))
            abort();
    }
    return true;
}

bool outbox_done(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    (void)box;
    return box_take("done", entry, err);
}

bool outbox_refuse(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    (void)box;
    return box_take("refuse", entry, err);
}

bool outbox_quarantine(struct outbox *box, const struct outbox_entry *entry, struct err *err)
{
    (void)box;
    return box_take("quarantine", entry, err);
}

bool gaps_write(struct gaps *g, const struct gap *gap, struct err *err)
{
    (void)g;
    if (box_fails("gap", err))
        return false;
    if (!gap->promised || gap->readings != 10 || gap->to_seq != gap->from_seq + 9 || !gap->where)
        abort();
    box_note(gap->reason == GAP_DAMAGED ? "gap-damaged" : "gap-dropped", gap->from_seq);
    return true;
}

enum limits_level limits_check(struct limits *l, int64_t mono_us)
{
    (void)l;
    (void)mono_us;
    return box_levels[box_level + 1 < 8 ? box_level++ : 7];
}

uint64_t limits_used(const struct limits *l)
{
    return l->state_bytes_max; /* above 80 %: it is not only the file system that is full */
}

#endif
