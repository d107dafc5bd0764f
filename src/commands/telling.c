#include "commands/telling.h"

#include "base/clock.h"
#include "journal/scan.h"
#include "outbox/outbox.h"

#define LOOK_REFUSED_US (60 * CLOCK_SECOND_US)

static uint64_t numbers_of(const struct file_name *name)
{
    return name->last_seq - name->first_seq + 1;
}

/* Files of a directory and the numbers in their names. */
static void count_files(
    struct pipeline *p, bool refused, uint64_t *ret_files, uint64_t *ret_readings)
{
    struct outbox box;
    struct outbox_list list;
    struct err ignored;

    *ret_files = *ret_readings = 0;
    outbox_init(&box, p->state, p->limits);
    if (!outbox_scan(&box, refused, &list, &ignored))
        return;
    *ret_files = list.count;
    for (size_t i = 0; i < list.count; i++)
        *ret_readings += numbers_of(&list.items[i].name);
    outbox_list_done(&list);
}

static uint64_t count_segments(struct pipeline *p)
{
    struct segment_list list;
    struct err ignored;
    uint64_t readings = 0;

    if (!scan_list(p->state, &list, &ignored))
        return 0;
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].end_seq > list.items[i].first_seq)
            readings += list.items[i].end_seq - list.items[i].first_seq;
    scan_list_done(&list);
    return readings;
}

void telling_start(struct pipeline *p)
{
    struct counters *c = p->counters;
    uint64_t files, readings, segments = count_segments(p), refused;

    count_files(p, true, &files, &refused);
    counter_set(&c->refused_waiting_files, files);
    counter_set(&c->refused_waiting_readings, refused);
    count_files(p, false, &files, &readings);
    counter_set(&c->waiting_files, files);
    counter_set(&c->waiting_readings, readings);
    counter_set(&c->closed_readings, segments);
    counter_set(&c->closed_end_seq, p->first_seq);
    counter_set(&c->carried_readings, segments + readings + refused);
    counter_set(&c->gaps_before, gaps_readings(p->gaps));
    counter_set(&c->gap_readings, gaps_readings(p->gaps));
    counter_set(&c->segment_first_seq, p->first_seq);
    counter_set(&c->received_seq, p->first_seq - 1);
    counter_set(&c->durable_seq, p->first_seq - 1);
    telling_settings(p);
}

void telling_settings(struct pipeline *p)
{
    struct counters *c = p->counters;
    const char *key, *source;
    struct buf value;

    counter_set(&c->batch_size, p->settings->batch_size);
    counter_set(&c->upload_interval_us, (uint64_t)p->settings->upload_interval_us);
    buf_init(&value, 1024);
    for (size_t i = 0; config_value_get(p->config, i, &key, &source, &value); i++) {
        board_setting_set(&c->board, key, buf_text(&value), source);
        buf_reset(&value);
    }
    buf_done(&value);
}

/* --- files --- */

static void describe(const struct outbox_entry *entry, struct board_file *ret)
{
    *ret = (struct board_file){.first_seq = entry->name.first_seq,
        .last_seq = entry->name.last_seq,
        .bytes = entry->bytes,
        .created_wall_us = entry->name.created_us,
        .changed_wall_us = clock_wall_us()};
    (void)str_copy(ret->name, sizeof(ret->name), entry->text);
}

void telling_packed(struct pipeline *p, const struct pack_done *done)
{
    struct board_file file;

    describe(&done->entry, &file);
    file.rows = done->rows;
    board_packed(&p->counters->board, &file);
}

void telling_shipped(struct pipeline *p, const struct uploader_event *event)
{
    struct counters *c = p->counters;
    struct board_file file;

    describe(&event->entry, &file);
    file.took_us = event->took_us;
    file.attempts = event->attempts;
    switch (event->kind) {
    case UPLOADER_DELIVERED:
        counters_add_upload(c, event->took_us, event->entry.name.created_us, clock_wall_us());
        board_moved(&c->board, &file, BOARD_DELIVERED);
        break;
    case UPLOADER_REFUSED:
        board_moved(&c->board, &file, BOARD_REFUSED);
        telling_refused(p, INT64_MAX);
        break;
    case UPLOADER_DROPPED:
        board_moved(&c->board, &file, BOARD_DROPPED);
        break;
    case UPLOADER_DAMAGED:
        board_moved(&c->board, &file, BOARD_DAMAGED);
        break;
    case UPLOADER_ILL:
    case UPLOADER_WELL:
    case UPLOADER_ALARM:
        break;
    }
}

void telling_refused(struct pipeline *p, int64_t mono_us)
{
    uint64_t files, readings;

    if (mono_us < p->refused_look_us)
        return;
    p->refused_look_us = clock_mono_us() + LOOK_REFUSED_US;
    count_files(p, true, &files, &readings);
    counter_set(&p->counters->refused_waiting_files, files);
    counter_set(&p->counters->refused_waiting_readings, readings);
}

/* --- space --- */

void telling_space(struct pipeline *p)
{
    struct counters *c = p->counters;

    counter_set(&c->left_bytes, limits_left(p->limits, clock_mono_us()));
    counter_set(&c->state_bytes, limits_used(p->limits));
    counter_set(&c->state_bytes_max, p->limits->state_bytes_max);
    counter_set(&c->free_bytes, atomic_load(&p->limits->free_bytes));
    counter_set(&c->free_bytes_min, p->limits->free_bytes_min);
    atomic_store(&c->stopping, atomic_load(&p->stopping));
    atomic_store(&c->broken, atomic_load(&p->broken));
}
