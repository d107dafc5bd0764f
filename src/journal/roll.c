#include "base/clock.h"
#include "base/rng.h"
#include "journal/inside.h"

#include <errno.h>
#include <string.h>

#define SPARE "spare.seg"
#define SPARE_TEMP "spare.tmp" /* being made: whoever holds this name makes the spare */
#define NEXT_TEMP "next.tmp"   /* taken by the intake: the pack thread must not see it any more */

/* Space for a whole segment, zeros to read. */
static bool preallocate(int fd, uint64_t segment_bytes, uint64_t *ret_bytes, struct err *err)
{
    struct file_info info;

    if (!file_allocate(fd, journal_file_bytes(segment_bytes), false, err) ||
        !file_fstat(fd, &info, err))
        return false;
    *ret_bytes = info.bytes;
    return true;
}

/* --- the spare --- */

static bool spare_exists(const struct state *st, bool *ret, struct err *err)
{
    struct file_info info;

    return file_stat(st->journal, SPARE, ret, &info, err);
}

/* Nobody ever renames over an existing spare: the intake may be taking it this moment. */
static bool finish_spare(
    const struct state *st, struct limits *limits, uint64_t bytes, struct err *err)
{
    bool exists = false;

    if (!spare_exists(st, &exists, err))
        return false;
    if (exists) /* made by the other thread between our look and our name */
        return file_unlink(st->journal, SPARE_TEMP, err);
    if (!file_rename(st->journal, SPARE_TEMP, st->journal, SPARE, err))
        return false;
    limits_add(limits, LIMITS_JOURNAL, bytes);
    return true;
}

bool journal_make_spare(
    const struct state *st, struct limits *limits, uint64_t segment_bytes, struct err *err)
{
    uint64_t bytes = 0;
    bool exists = false, ok;
    int fd;

    if (!spare_exists(st, &exists, err))
        return false;
    if (exists)
        return true;
    if (limits && limits_left(limits, clock_mono_us()) == 0)
        return err_set(err, ERR_FULL, 0, "no room for a spare segment");
    if (!file_open(st->journal, SPARE_TEMP, FILE_CREATE_NEW, &fd, err)) {
        if (err->code == EEXIST) /* the other thread is at it */
            return true;
        if (err->kind == ERR_FULL)
            limits_said_full(limits);
        return err_wrap(err, "make a spare segment");
    }
    ok = preallocate(fd, segment_bytes, &bytes, err);
    file_drop(fd);
    ok = ok && finish_spare(st, limits, bytes, err);
    if (!ok) {
        struct err ignored; /* deleted at the next start, else */

        (void)!file_unlink(st->journal, SPARE_TEMP, &ignored);
        if (err->kind == ERR_FULL)
            limits_said_full(limits);
        (void)err_wrap(err, "make a spare segment");
    }
    return ok;
}

/* --- the next segment --- */

/* The spare under a name of our own, so that nobody else takes or replaces it; or a new file. */
static bool take_file(const struct journal *j, struct next_segment *ret, struct err *err)
{
    int dir = j->state->journal;
    struct file_info info;
    bool exists = false;

    if (!file_stat(dir, SPARE, &exists, &info, err))
        return false;
    if (exists) {
        if (!file_rename(dir, SPARE, dir, NEXT_TEMP, err))
            return false;
        ret->bytes = info.bytes; /* counted when it was made */
        return file_open(dir, NEXT_TEMP, FILE_UPDATE, &ret->fd, err);
    }
    if (!file_open(dir, NEXT_TEMP, FILE_CREATE, &ret->fd, err) ||
        !preallocate(ret->fd, j->options.segment_bytes, &ret->bytes, err))
        return false;
    limits_add(j->limits, LIMITS_JOURNAL, ret->bytes);
    return true;
}

bool journal_next_prepare(
    const struct journal *j, uint64_t first_seq, struct next_segment *ret, struct err *err)
{
    struct next_segment next = {.fd = -1, .salt = rng_any_seed()};
    uint8_t header[SEGMENT_HEADER_BYTES];
    struct segment_header h = {
        .version = 1,
        .first_seq = first_seq,
        .created_us = clock_wall_us(),
        .salt = next.salt,
    };

    memcpy(h.instance, j->state->instance, sizeof(h.instance));
    segment_header_put(header, &h);
    segment_name(next.name, first_seq);
    if (!take_file(j, &next, err) || !file_write_at(next.fd, 0, header, sizeof(header), err)) {
        journal_next_drop(j, &next);
        if (err->kind == ERR_FULL)
            limits_said_full(j->limits);
        return err_wrap(err, "make segment '%s'", next.name);
    }
    if (next.bytes < sizeof(header)) { /* a file system that cannot preallocate */
        limits_add(j->limits, LIMITS_JOURNAL, sizeof(header) - next.bytes);
        next.bytes = sizeof(header);
    }
    *ret = next;
    return true;
}

void journal_next_drop(const struct journal *j, struct next_segment *next)
{
    struct err ignored; /* *.tmp is deleted at the next start, else */

    file_drop(next->fd);
    next->fd = -1;
    limits_sub(j->limits, LIMITS_JOURNAL, next->bytes);
    (void)!file_unlink(j->state->journal, NEXT_TEMP, &ignored);
}

bool journal_next_name(const struct journal *j, const struct next_segment *next, struct err *err)
{
    int dir = j->state->journal;
    struct file_info replaced;
    bool exists = false;

    if (!file_stat(dir, next->name, &exists, &replaced, err) ||
        !file_rename(dir, NEXT_TEMP, dir, next->name, err)) {
        if (err->kind == ERR_FULL) /* XFS takes a block for a name now and then: nothing was done */
            limits_said_full(j->limits);
        else
            err->kind = ERR_BROKEN;
        return err_wrap(err, "name segment '%s'", next->name);
    }
    if (!file_sync(dir, err)) {
        err->kind = ERR_BROKEN; /* the name may be there or not: recovery decides */
        return err_wrap(err, "name segment '%s'", next->name);
    }
    if (exists)
        limits_sub(j->limits, LIMITS_JOURNAL, replaced.bytes);
    return true;
}

/* --- roll --- */

/* With a header on the disk. A file that could not be synced is thrown away, and another one tried:
 * once. */
static bool prepare_synced(
    struct journal *j, uint64_t first_seq, struct next_segment *ret, struct err *err)
{
    for (int i = 0; i < 2; i++) {
        if (!journal_next_prepare(j, first_seq, ret, err)) {
            if (err->kind == ERR_FULL)
                return false;
            continue;
        }
        if (file_sync(ret->fd, err))
            return true;
        journal_next_drop(j, ret);
    }
    return journal_broken(j, err);
}

/* All that is in it is durable already, so nothing is lost when this fails: the segment is then one
 * without a seal, and ends where its successor begins. */
static bool seal(struct journal *j, struct err *err)
{
    uint64_t seq = j->counters.received_seq + 1;
    struct segment_seal s = {
        .readings = j->readings,
        .first_seq = j->counters.segment_first_seq,
        .last_seq = seq - 1,
        .bytes = j->end + SEGMENT_FRAME_BYTES + SEGMENT_SEAL_BYTES,
    };
    uint8_t frame[SEGMENT_FRAME_BYTES + SEGMENT_SEAL_BYTES];

    segment_seal_put(frame + SEGMENT_FRAME_BYTES, &s);
    segment_frame_put(frame, SEGMENT_SEAL, seq, clock_wall_us(), SEGMENT_SEAL_BYTES, j->salt);
    if (!file_write_at(j->fd, j->end, frame, sizeof(frame), err))
        return false;
    j->counters.written_bytes += sizeof(frame);
    if (s.bytes > j->taken) {
        limits_add(j->limits, LIMITS_JOURNAL, s.bytes - j->taken);
        j->taken = s.bytes;
    }
    if (!file_truncate(j->fd, s.bytes, err))
        return false;
    limits_sub(j->limits, LIMITS_JOURNAL, j->taken - s.bytes);
    j->taken = s.bytes;
    return file_sync(j->fd, err);
}

/* At a stop what was received must get somewhere: the space taken for the next segment is given back for its
 * name, and what it gets is taken as it comes. */
static bool give_back(struct journal *j)
{
    struct err ignored; /* the caller has an error to tell already */

    if (!j->last_call || !file_truncate(j->next.fd, SEGMENT_HEADER_BYTES, &ignored))
        return false;
    limits_sub(j->limits, LIMITS_JOURNAL, j->next.bytes - SEGMENT_HEADER_BYTES);
    j->next.bytes = SEGMENT_HEADER_BYTES;
    return true;
}

/* The old segment is closed. Without room for the name this is called again later: until then the old one
 * is the newest, sealed, which is what a start finds after R2. */
static bool begin_next(struct journal *j, int64_t mono_us, struct err *err)
{
    bool ok = journal_next_name(j, &j->next, err);

    if (!ok && err->kind == ERR_FULL && give_back(j))
        ok = journal_next_name(j, &j->next, err);
    j->unnamed = UNNAMED_ROLL;
    if (!ok) {
        j->next_why = *err;
        if (err->kind == ERR_FULL)
            return false;
        j->unnamed = NOT_UNNAMED;
        file_drop(j->next.fd);
        return journal_broken(j, err);
    }
    j->unnamed = NOT_UNNAMED;
    journal_reset_segment(j, &j->next, j->counters.received_seq + 1);
    series_clear(j->series);
    j->last_roll_us = mono_us;
    j->counters.rolls++;
    return true;
}

/* The successor is whole before the old segment is sealed: a full disk leaves all as it was. */
bool journal_roll(struct journal *j, int64_t mono_us, struct err *err)
{
    struct err unsealed;

    if (j->broken)
        return journal_broken(j, err);
    j->now_us = mono_us;
    if (j->readings == 0)
        return true;
    if (j->unnamed == UNNAMED_ROLL)
        return begin_next(j, mono_us, err);
    if (!journal_commit(j, mono_us, err))
        return false;
    if (!prepare_synced(j, j->counters.received_seq + 1, &j->next, err))
        return false;
    if (!seal(j, &unsealed))
        j->counters.unsealed++;
    file_drop(j->fd);
    j->fd = -1;
    return begin_next(j, mono_us, err);
}
