#include "base/clock.h"
#include "journal/inside.h"
#include "journal/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRY_US 5000
#define RETRY_US CLOCK_SECOND_US
#define LONG_AGO_US (INT64_MIN / 4)
#define FIRST_ROOM 1024U /* an empty segment takes so many, whatever its names need */

/* --- open, close --- */

bool journal_broken(struct journal *j, struct err *err)
{
    if (!j->broken) {
        j->broken = true;
        err->kind = ERR_BROKEN;
        j->why = *err;
    }
    *err = j->why;
    return false;
}

void journal_reset_segment(struct journal *j, const struct next_segment *next, uint64_t first_seq)
{
    j->fd = next->fd;
    memcpy(j->name, next->name, sizeof(j->name));
    j->salt = next->salt;
    j->taken = next->bytes;
    j->end = SEGMENT_HEADER_BYTES;
    j->group_at = j->end;
    j->readings = 0;
    j->names_written = 0;
    j->names_bytes_written = 0;
    j->counters.segment_first_seq = first_seq;
    j->counters.first_reading_us = 0;
}

/* A segment of this name is replaced only when no reading is in it; recovery saw to that, so
 * anything else is a mistake that must not cost data. */
static bool check_empty(const struct journal *j, uint64_t first_seq, struct err *err)
{
    char name[SEGMENT_NAME_SIZE];
    struct file_info info;
    struct scan *scan;
    bool exists = false, ok = true;
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;

    segment_name(name, first_seq);
    if (!file_stat(j->state->journal, name, &exists, &info, err))
        return false;
    if (!exists)
        return true;
    scan = scan_open(j->state->journal, name, 0, err);
    if (!scan)
        return false;
    if (!scan_header(scan))
        ok = err_set(err, ERR_BROKEN, 0, "segment '%s' is damaged and in the way", name);
    while (ok && event != SCAN_END) {
        ok = scan_next(scan, &event, &item, err);
        if (ok && event == SCAN_FRAME && item.frame.type == SEGMENT_ROWS)
            ok = err_set(err, ERR_BROKEN, 0, "segment '%s' has readings and is in the way", name);
    }
    scan_close(scan);
    return ok;
}

static size_t group_bytes_max(const struct journal_options *o)
{
    return (size_t)(o->commit_bytes + 2 * o->segment_bytes) + 2 * o->names_bytes_max +
           8 * (size_t)o->series_max + 4 * (size_t)SEGMENT_PAYLOAD_MAX;
}

static bool begin(struct journal *j, uint64_t first_seq, struct err *err)
{
    struct next_segment next;
    struct err ignored; /* without memory now, a rescue asks again */

    j->series = series_new(j->options.series_max, j->options.names_bytes_max, err);
    if (!j->series || !check_empty(j, first_seq, err))
        return false;
    (void)buf_reserve(&j->names, SEGMENT_PAYLOAD_MAX / 4);
    buf_reset(&j->names);
    if (!journal_next_prepare(j, first_seq, &next, err))
        return false;
    if (!file_sync(next.fd, err)) {
        journal_next_drop(j, &next);
        return false;
    }
    if (!journal_next_name(j, &next, err)) {
        if (err->kind == ERR_FULL)
            journal_next_drop(j, &next);
        else
            file_drop(next.fd);
        return false;
    }
    journal_reset_segment(j, &next, first_seq);
    (void)!journal_make_spare(j->state, j->limits, j->options.segment_bytes, &ignored);
    return true;
}

struct journal *journal_open(const struct state *st, struct limits *limits,
    const struct journal_options *options, uint64_t first_seq, struct err *err)
{
    struct journal *j = calloc(1, sizeof(*j));

    if (!j) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the journal");
        return NULL;
    }
    *j = (struct journal){.state = st, .limits = limits, .options = *options, .fd = -1};
    buf_init(&j->group, group_bytes_max(options));
    buf_init(&j->names, SEGMENT_PAYLOAD_MAX);
    j->counters.received_seq = j->counters.durable_seq = first_seq - 1;
    j->last_sync_us = j->last_roll_us = LONG_AGO_US;
    if (!begin(j, first_seq, err)) {
        (void)err_wrap(err, "journal");
        file_drop(j->fd);
        j->fd = -1;
        journal_close(j);
        return NULL;
    }
    return j;
}

void journal_close(struct journal *j)
{
    struct err ignored; /* the caller that wants to know commits before */

    if (!j)
        return;
    if ((j->fd >= 0 || j->unnamed) && !j->broken)
        (void)!journal_commit(j, j->now_us, &ignored);
    if (j->unnamed)
        journal_next_drop(j, &j->next); /* the next start would delete it */
    file_drop(j->fd);
    series_free(j->series);
    buf_done(&j->group);
    buf_done(&j->names);
    free(j);
}

struct series_table *journal_series(struct journal *j)
{
    return j->series;
}

void journal_set_batch(struct journal *j, uint64_t batch_size, int64_t interval_us)
{
    j->options.batch_size = batch_size;
    j->options.interval_us = interval_us;
}

const struct journal_counters *journal_counters(const struct journal *j)
{
    return &j->counters;
}

/* --- append --- */

static size_t bytes_room(const struct journal *j)
{
    uint64_t names = series_names_bytes(j->series) - j->names_bytes_written +
                     4 * (uint64_t)(series_count(j->series) - j->names_written);
    uint64_t need = j->end + names + names / 1024 + 256; /* frames, commit, seal */
    uint64_t most = j->options.segment_bytes, left;

    if (j->last_call)
        most += journal_stop_bytes(most);
    if (need >= most)
        return j->readings ? 0 : FIRST_ROOM;
    left = most - need;
    left -= left / 512; /* the frames of rows */
    if (left / 20 < FIRST_ROOM && !j->readings)
        return FIRST_ROOM;
    return (size_t)(left / 20);
}

static bool may_roll_by_count(const struct journal *j)
{
    return j->now_us - j->last_roll_us >= CLOCK_SECOND_US;
}

size_t journal_room(const struct journal *j)
{
    size_t room = j->unnamed == UNNAMED_ROLL ? 0 : bytes_room(j);

    if (j->last_call || room == 0)
        return room;
    if (j->readings < j->options.batch_size) {
        uint64_t left = j->options.batch_size - j->readings;

        return left < room ? (size_t)left : room;
    }
    return may_roll_by_count(j) ? 0 : room;
}

void journal_last_call(struct journal *j)
{
    j->last_call = true;
}

/* What changes with a call, to be taken back when its readings find no room. */
struct tally {
    uint64_t received_seq, readings, connection, stream_offset;
    int64_t first_reading_us;
    uint32_t names_written;
    size_t names_bytes_written;
};

static struct tally tally_of(const struct journal *j)
{
    return (struct tally){j->counters.received_seq, j->readings, j->connection, j->stream_offset,
        j->counters.first_reading_us, j->names_written, j->names_bytes_written};
}

static void tally_set(struct journal *j, const struct tally *t)
{
    j->counters.received_seq = t->received_seq;
    j->readings = t->readings;
    j->connection = t->connection;
    j->stream_offset = t->stream_offset;
    j->counters.first_reading_us = t->first_reading_us;
    j->names_written = t->names_written;
    j->names_bytes_written = t->names_bytes_written;
}

static bool encode(struct journal *j, const struct readings *r, uint64_t seq, int64_t wall_us)
{
    uint32_t names = j->names_written, end = series_count(j->series);

    while (names < end) {
        names = journal_add_names(&j->group, j->series, names, end, seq, wall_us, j->salt);
        if (names == 0)
            return false;
    }
    for (size_t from = 0; from < r->count;) {
        size_t left = r->count - from;
        uint32_t count = left < SEGMENT_ROWS_MAX ? (uint32_t)left : (uint32_t)SEGMENT_ROWS_MAX;

        if (!journal_add_rows(&j->group, r, from, count, seq + from, wall_us, j->salt))
            return false;
        from += count;
    }
    return true;
}

/* The group must not grow without end when nobody calls journal_tick. A roll that waits for its name is
 * not finished here: it would clear the table that the caller's readings are numbered by. */
static bool make_room_in_group(struct journal *j, int64_t mono_us, struct err *err)
{
    if (j->unnamed == UNNAMED_ROLL) {
        *err = j->next_why;
        return false;
    }
    if (j->unnamed == UNNAMED_RESCUE && !journal_commit(j, mono_us, err))
        return false;
    return j->group.len < j->options.commit_bytes || journal_commit(j, mono_us, err);
}

bool journal_append(struct journal *j, const struct readings *r, int64_t received_wall_us,
    int64_t mono_us, uint64_t connection, uint64_t stream_offset, struct err *err)
{
    struct tally before, after;
    size_t from;

    if (j->broken)
        return journal_broken(j, err);
    j->now_us = mono_us;
    if (!make_room_in_group(j, mono_us, err))
        return false;
    before = after = tally_of(j);
    after.connection = connection;
    after.stream_offset = stream_offset;
    if (r->count == 0) {
        tally_set(j, &after);
        return true;
    }
    from = j->group.len;
    if (!encode(j, r, before.received_seq + 1, received_wall_us)) {
        j->group.len = from;
        j->group.failed = false;
        return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu readings", r->count);
    }
    after.received_seq += r->count;
    after.readings += r->count;
    after.names_written = series_count(j->series);
    after.names_bytes_written = series_names_bytes(j->series);
    if (after.first_reading_us == 0)
        after.first_reading_us = mono_us ? mono_us : 1;
    tally_set(j, &after); /* before the write: a rescue needs them */
    j->dry = false;
    if (from == 0)
        j->group_since_us = mono_us;
    if (journal_put_out(j, from, err))
        return true;
    if (err->kind != ERR_FULL)
        return false;
    tally_set(j, &before);
    return journal_give_up_uncut(j, err);
}

bool journal_link(struct journal *j, bool connected, uint64_t connection, int64_t wall_us,
    int64_t mono_us, struct err *err)
{
    uint8_t *payload;
    size_t from;

    if (j->broken)
        return journal_broken(j, err);
    j->now_us = mono_us;
    if (!make_room_in_group(j, mono_us, err))
        return false;
    from = j->group.len;
    payload = journal_add_frame(&j->group, SEGMENT_LINK_BYTES);
    if (!payload) {
        j->group.failed = false;
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a frame");
    }
    segment_link_put(payload, connected, connection);
    journal_put_frame(&j->group, SEGMENT_LINK, j->counters.received_seq + 1, wall_us,
        SEGMENT_LINK_BYTES, j->salt);
    j->dry = false;
    if (from == 0)
        j->group_since_us = mono_us;
    return journal_put_out(j, from, err) ||
           (err->kind == ERR_FULL && journal_give_up_uncut(j, err));
}

/* --- what is due, and when --- */

/* A thin stream would be synced message by message if a dry socket were enough. */
static int64_t commit_due_us(const struct journal *j)
{
    int64_t due = j->group_since_us + j->options.commit_us, dry;

    if (j->unnamed == UNNAMED_RESCUE)
        return j->now_us;
    if (j->group.len == 0)
        return INT64_MAX;
    if (j->group.len >= j->options.commit_bytes)
        return j->now_us;
    if (!j->dry)
        return due;
    dry = j->dry_since_us + DRY_US;
    if (dry < j->last_sync_us + j->options.commit_us)
        dry = j->last_sync_us + j->options.commit_us;
    return dry < due ? dry : due;
}

static int64_t roll_due_us(const struct journal *j)
{
    int64_t due;

    if (j->readings == 0)
        return INT64_MAX;
    if (j->unnamed == UNNAMED_ROLL || bytes_room(j) == 0)
        return j->now_us;
    due = j->counters.first_reading_us > INT64_MAX - j->options.interval_us
              ? INT64_MAX
              : j->counters.first_reading_us + j->options.interval_us;
    if (j->readings >= j->options.batch_size && j->last_roll_us + CLOCK_SECOND_US < due)
        due = j->last_roll_us + CLOCK_SECOND_US;
    return due;
}

int64_t journal_next_us(const struct journal *j)
{
    int64_t commit = commit_due_us(j), roll = roll_due_us(j);
    int64_t due = commit < roll ? commit : roll;

    if (j->broken)
        return INT64_MAX;
    return due < j->retry_us ? j->retry_us : due;
}

bool journal_tick(struct journal *j, bool dry, int64_t mono_us, struct err *err)
{
    bool ok = true;

    if (j->broken)
        return journal_broken(j, err);
    j->now_us = mono_us;
    if (dry && !j->dry)
        j->dry_since_us = mono_us;
    j->dry = dry;
    if (mono_us < j->retry_us) /* it was full a moment ago; what is pending stays so */
        return true;
    j->retry_us = 0;
    if (commit_due_us(j) <= mono_us)
        ok = journal_commit(j, mono_us, err);
    if (ok && roll_due_us(j) <= mono_us)
        ok = journal_roll(j, mono_us, err);
    if (!ok && err->kind == ERR_FULL)
        j->retry_us = mono_us + RETRY_US;
    return ok;
}
