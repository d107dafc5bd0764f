#include "base/clock.h"
#include "journal/bytes.h"
#include "journal/inside.h"

#include <errno.h>

/* The file as long as we know it to be good, then the space taken again. Half a frame behind the
 * end is harmless, but a whole one of the same write would be found there by a scan. */
static bool cut_back(struct journal *j)
{
    struct err ignored; /* the caller has an error to tell already */
    uint64_t bytes = journal_file_bytes(j->options.segment_bytes);
    struct file_info info;

    if (!file_truncate(j->fd, j->end, &ignored))
        return false;
    (void)!file_allocate(j->fd, bytes, false, &ignored);
    if (file_fstat(j->fd, &info, &ignored)) {
        limits_sub(j->limits, LIMITS_JOURNAL, j->taken);
        limits_add(j->limits, LIMITS_JOURNAL, info.bytes);
        j->taken = info.bytes;
    }
    return true;
}

static void count_write(struct journal *j, size_t len)
{
    j->end += len;
    j->counters.written_bytes += len;
    if (j->end > j->taken) {
        limits_add(j->limits, LIMITS_JOURNAL, j->end - j->taken);
        j->taken = j->end;
    }
}

/* All readings of the group are durable now. */
static void committed(struct journal *j, int64_t mono_us)
{
    j->counters.durable_seq = j->counters.received_seq;
    j->counters.durable_connection = j->connection;
    j->counters.durable_stream_offset = j->stream_offset;
    j->counters.commits++;
    buf_reset(&j->group);
    j->group_at = j->end;
    j->last_sync_us = mono_us;
}

/* --- the rescue, durability.md 8 --- */

static bool write_names(
    struct journal *j, const struct next_segment *next, uint64_t seq, uint64_t *at, struct err *err)
{
    for (uint32_t i = 0; i < j->names_written;) {
        buf_reset(&j->names);
        i = journal_add_names(
            &j->names, j->series, i, j->names_written, seq, clock_wall_us(), next->salt);
        if (i == 0)
            return err_set(err, ERR_FULL, ENOMEM, "no memory for names");
        if (!file_write_at(next->fd, *at, j->names.data, j->names.len, err))
            return false;
        *at += j->names.len;
    }
    return true;
}

/* The frames stay what they are; only their checksums begin with another salt. */
static void resalt_group(struct journal *j, uint64_t salt)
{
    uint8_t *data = (uint8_t *)j->group.data;

    for (size_t i = 0; i < j->group.len;) {
        if (get_u32(data + i + 24) == SEGMENT_COMMIT) { /* it did not get in; another one follows */
            j->group.len = i;
            break;
        }
        segment_frame_resalt(data + i, salt);
        i += segment_frame_size(get_u32(data + i + 4));
    }
}

/* Two commits: the second, of nothing, proves that all before it was durable. It is true as soon as
 * the file has its name. */
static bool write_group(struct journal *j, const struct next_segment *next, uint64_t first_seq,
    uint64_t *at, struct err *err)
{
    uint64_t seq = j->counters.received_seq + 1;
    struct segment_commit c = {seq - first_seq, *at, j->connection, j->stream_offset};
    bool ok;

    resalt_group(j, next->salt);
    if (j->group.len && !file_write_at(next->fd, *at, j->group.data, j->group.len, err))
        return false;
    *at += j->group.len;
    buf_reset(&j->names);
    ok = journal_add_commit(&j->names, &c, seq, clock_wall_us(), next->salt);
    c.readings = 0;
    c.first_offset = *at + j->names.len;
    ok = ok && journal_add_commit(&j->names, &c, seq, clock_wall_us(), next->salt);
    if (!ok)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a commit");
    if (!file_write_at(next->fd, *at, j->names.data, j->names.len, err))
        return false;
    *at += j->names.len;
    return true;
}

static bool rescue_failed(struct journal *j, const struct err *why, struct err *err)
{
    err->kind = ERR_BROKEN;
    (void)err_wrap(err, "%s; rescue failed", why->text);
    return journal_broken(j, err);
}

/* The file is whole and synced. Without room for its name this is called again later; the group stays, not
 * durable, in memory and in that file. */
static bool name_rescued(struct journal *j, struct err *err)
{
    uint64_t first_seq = j->counters.durable_seq + 1;
    uint32_t names = j->names_written;
    size_t names_bytes = j->names_bytes_written;

    j->unnamed = UNNAMED_RESCUE;
    if (!journal_next_name(j, &j->next, err)) {
        if (err->kind == ERR_FULL)
            return false;
        j->unnamed = NOT_UNNAMED;
        file_drop(j->next.fd);
        return rescue_failed(j, &j->next_why, err);
    }
    j->unnamed = NOT_UNNAMED;
    journal_reset_segment(j, &j->next, first_seq);
    j->names_written = names;
    j->names_bytes_written = names_bytes;
    j->readings = j->counters.received_seq + 1 - first_seq;
    if (j->readings)
        j->counters.first_reading_us = j->group_since_us ? j->group_since_us : 1;
    count_write(j, (size_t)(j->next_end - SEGMENT_HEADER_BYTES));
    committed(j, j->now_us);
    j->counters.rescues++;
    j->counters.rescue_why = j->next_why;
    return true;
}

/* The active file is finished for this run: what was not synced goes into a new segment that begins
 * behind the last good commit, and whose first number cuts off the doubtful tail. Once: what fails
 * here is ERR_BROKEN, but for a name without room: ERR_FULL, and `unnamed`. `err` comes with the reason.
 * The series keep their numbers: all names are written again. */
static bool rescue(struct journal *j, struct err *err)
{
    uint64_t first_seq = j->counters.durable_seq + 1, at = SEGMENT_HEADER_BYTES;

    j->next_why = *err;
    file_drop(j->fd);
    j->fd = -1;
    if (!journal_next_prepare(j, first_seq, &j->next, err))
        return rescue_failed(j, &j->next_why, err);
    if (!write_names(j, &j->next, first_seq, &at, err) ||
        !write_group(j, &j->next, first_seq, &at, err) || !file_sync(j->next.fd, err)) {
        journal_next_drop(j, &j->next);
        return rescue_failed(j, &j->next_why, err);
    }
    j->next_end = at;
    return name_rescued(j, err);
}

/* --- writing and syncing --- */

bool journal_put_out(struct journal *j, size_t from, struct err *err)
{
    size_t len = j->group.len - from;

    if (file_write_at(j->fd, j->end, j->group.data + from, len, err)) {
        count_write(j, len);
        return true;
    }
    if (err->kind != ERR_FULL) /* with the frames that did not get in: they are taken */
        return rescue(j, err) || j->unnamed == UNNAMED_RESCUE;
    limits_said_full(j->limits);
    j->group.len = from;
    j->uncut = !cut_back(j);
    return false;
}

bool journal_give_up_uncut(struct journal *j, struct err *err)
{
    struct err full = *err;

    if (!j->uncut)
        return false;
    j->uncut = false;
    if (rescue(j, err))
        *err = full;
    return false;
}

static bool write_commit(struct journal *j, struct err *err)
{
    size_t from = j->group.len;
    struct segment_commit c = {
        .readings = j->counters.received_seq - j->counters.durable_seq,
        .first_offset = j->group_at,
        .connection = j->connection,
        .stream_offset = j->stream_offset,
    };

    if (!journal_add_commit(
            &j->group, &c, j->counters.received_seq + 1, clock_wall_us(), j->salt)) {
        j->group.failed = false;
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a commit");
    }
    return journal_put_out(j, from, err) || journal_give_up_uncut(j, err);
}

bool journal_commit(struct journal *j, int64_t mono_us, struct err *err)
{
    uint64_t rescues = j->counters.rescues;
    int64_t start = clock_mono_us(), took;
    size_t len = j->group.len;
    bool ok;

    if (j->broken)
        return journal_broken(j, err);
    j->now_us = mono_us;
    if (j->unnamed == UNNAMED_RESCUE)
        return name_rescued(j, err);
    if (len == 0)
        return true;
    if (!write_commit(j, err) || j->unnamed == UNNAMED_RESCUE)
        return false;
    if (j->counters.rescues != rescues) /* the commit did not get in: all is synced elsewhere */
        return true;
    ok = file_sync_data(j->fd, err);
    if (ok) {
        committed(j, mono_us);
    } else {
        j->group.len = len; /* without the commit frame */
        ok = rescue(j, err);
    }
    took = clock_mono_us() - start;
    j->counters.sync_us_total += took;
    if (took > j->counters.sync_us_max)
        j->counters.sync_us_max = took;
    return ok;
}
