#include "pack/pack.h"

#include "base/clock.h"
#include "journal/journal.h"
#include "pack/build.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REST_AFTER_US (30 * CLOCK_SECOND_US) /* without a file: the batch's memory goes back */
#define SCAN_SHARE 50                        /* at most 2 % of the time goes into listing */
#define SCAN_CHEAP_US 2000
#define TRIES_MAX 8U

struct pack {
    const struct state *state;
    struct limits *limits;
    struct gaps *gaps;
    struct pack_options options;
    struct outbox box;
    struct build *build;
    struct pack_counters counters;

    /* The list of segments is read again when what is left of it does not fill a file: only pack
     * deletes segments, and closed ones do not change. */
    struct segment_list list;
    size_t at;          /* items before it are gone */
    int64_t scanned_us; /* monotonic; when the list was read */
    int64_t scan_took_us;

    int64_t used_us;    /* monotonic; the last time there was something to do */
    uint64_t doubt_seq; /* this segment could not be read once */
    unsigned failures;  /* files in a row that could not be written or synced */
    uint64_t held;      /* files of the outbox that wait by themselves */
    bool dropping;      /* from a limit down to 80 % */
    bool broken;        /* a commit failed half-way: only a new start knows what the disk holds */
    struct err broken_err;
};

struct pack *pack_new(const struct state *st, struct limits *limits, struct gaps *gaps,
    const struct pack_options *options, struct err *err)
{
    struct pack *p = calloc(1, sizeof(*p));

    if (!p) {
        (void)err_set(err, ERR_FULL, ENOMEM, "no memory to pack");
        return NULL;
    }
    *p = (struct pack){.state = st, .limits = limits, .gaps = gaps, .options = *options};
    outbox_init(&p->box, st, limits);
    p->build = build_new(st, limits, gaps, &p->options, err);
    if (!p->build) {
        free(p);
        return NULL;
    }
    return p;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    scan_list_done(&p->list);
    build_free(p->build);
    free(p);
}

const struct pack_counters *pack_counters(const struct pack *p)
{
    return &p->counters;
}

void pack_set_parallel(struct pack *p, unsigned upload_parallel)
{
    p->options.upload_parallel = upload_parallel;
}

/* --- the closed segments --- */

static size_t closed_count(const struct pack *p)
{
    size_t n = p->list.count - p->at;

    return n > 0 && p->list.items[p->list.count - 1].newest ? n - 1 : n;
}

static const struct segment_info *closed(const struct pack *p, size_t i)
{
    return &p->list.items[p->at + i];
}

static uint64_t closed_bytes(const struct pack *p)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < closed_count(p); i++)
        bytes += closed(p, i)->bytes;
    return bytes;
}

static uint64_t segment_readings(const struct segment_info *s)
{
    return s->end_seq > s->first_seq ? s->end_seq - s->first_seq : 0;
}

void pack_set_held(struct pack *p, uint64_t files)
{
    p->held = files;
}

struct pack_closed pack_waiting(const struct pack *p)
{
    struct pack_closed ret = {.segments = closed_count(p), .bytes = closed_bytes(p)};

    for (size_t i = 0; i < ret.segments; i++) {
        ret.readings += segment_readings(closed(p, i));
        ret.end_seq = closed(p, i)->end_seq;
    }
    if (p->at + ret.segments < p->list.count)
        ret.end_seq = closed(p, ret.segments)->first_seq;
    return ret;
}

static bool scan_again(struct pack *p, struct err *err)
{
    struct segment_list list;
    int64_t start_us = clock_mono_us();

    if (!scan_list(p->state, &list, err))
        return false;
    scan_list_done(&p->list);
    p->list = list;
    p->at = 0;
    p->scanned_us = clock_mono_us();
    p->scan_took_us = p->scanned_us - start_us;
    return true;
}

/* With 100,000 small segments a listing takes a second: do not do it at every step. */
static bool refresh(struct pack *p, bool all, struct err *err)
{
    int64_t age_us = clock_mono_us() - p->scanned_us;
    bool due = p->scan_took_us < SCAN_CHEAP_US || age_us >= p->scan_took_us * SCAN_SHARE;

    if (p->scanned_us == 0 || due || (all && closed_count(p) == 0))
        return scan_again(p, err);
    return true;
}

/* --- P3 and P4 --- */

/* From here on only a new start can tell what the disk holds: every later step fails alike. */
static bool break_down(struct pack *p, struct err *err)
{
    err->kind = ERR_BROKEN;
    p->broken = true;
    p->broken_err = *err;
    return false;
}

/* The newest segment carries the sequence number: its name must be durable before an older one, or
 * a file made of older ones, may count. (Intake may have renamed it a moment ago, its sync still
 * running.) */
static bool sync_journal(struct pack *p, struct err *err)
{
    return file_sync(p->state->journal, err) || break_down(p, err);
}

static bool delete_segments(struct pack *p, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!file_unlink(p->state->journal, closed(p, i)->name, err))
            return break_down(p, err);
        limits_sub(p->limits, LIMITS_JOURNAL, closed(p, i)->bytes);
    }
    if (!sync_journal(p, err))
        return false;
    p->at += count;
    return true;
}

/* The directory had no room for a longer name (XFS takes a block for it now and then), so the file has
 * none, and the segments are all there is. What it took is free again: the next try fits. */
static bool put_back(struct pack *p, int fd, struct err *err)
{
    struct err why = *err;

    if (!outbox_abort(&p->box, err))
        return break_down(p, err);
    file_drop(fd);
    limits_said_full(p->limits);
    *err = why;
    return err_wrap(err, "packing waits for a delivery");
}

static bool commit_file(struct pack *p, size_t count, const struct build_result *built,
    struct pack_done *ret, struct err *err)
{
    const struct segment_info *first = closed(p, 0), *last = closed(p, count - 1);
    struct pack_done done = {
        .entry.name = {.created_us = first->header.created_us,
            .daily = p->options.daily,
            .first_seq = first->first_seq,
            .last_seq = last->end_seq - 1,
            .crc = built->crc},
        .entry.bytes = built->bytes,
        .rows = built->rows,
        .superseded = built->superseded,
        .segments = (unsigned)count,
        .oldest_us = first->header.created_us,
    };

    memcpy(done.entry.name.instance, p->state->instance_text, sizeof(done.entry.name.instance) - 1);
    file_name_format(&done.entry.name, done.entry.text);
    if (!sync_journal(p, err)) {
        struct err ignored;

        (void)!outbox_abort(&p->box, &ignored); /* it has no name yet: the next start repeats it */
        file_drop(built->fd);
        return false;
    }
    /* When one of these fails, the descriptor is left open on purpose: its lock keeps ship from
     * sending a file whose segments may still be there at the next start. */
    if (!outbox_put(&p->box, &done.entry.name, built->bytes, err))
        return err->kind == ERR_FULL ? put_back(p, built->fd, err) : break_down(p, err);
    if (!delete_segments(p, count, err))
        return false;
    file_drop(built->fd);
    p->counters.files++;
    p->counters.rows += built->rows;
    p->counters.superseded += built->superseded;
    p->counters.bytes += built->bytes;
    *ret = done;
    return true;
}

/* --- what cannot be packed --- */

/* Counted first, then moved to quarantine/. The next one is not held up. */
static bool set_aside(struct pack *p, struct err *err)
{
    const struct segment_info *s = closed(p, 0);
    struct gap gap = {
        .from_seq = s->first_seq,
        .to_seq = s->end_seq - 1,
        .readings = segment_readings(s),
        .reason = GAP_DAMAGED,
        .promised = true,
        .bytes = s->bytes,
        .where = s->name,
    };
    uint64_t before = gaps_readings(p->gaps);

    if (!sync_journal(p, err))
        return false;
    if (gap.readings > 0 && !gaps_write(p->gaps, &gap, err))
        return false;
    p->counters.gap_readings += gaps_readings(p->gaps) - before;
    if (!quarantine_file(p->state, p->limits, p->state->journal, s->name, LIMITS_JOURNAL, err))
        return err->kind == ERR_BROKEN ? break_down(p, err) : false;
    p->at++;
    return true;
}

/* Its readings are all there; that the medium is not to be trusted is said all the same. */
static bool note_headless(struct pack *p, const struct segment_info *s, struct err *err)
{
    struct gap gap = {.from_seq = s->first_seq,
        .to_seq = s->first_seq - 1,
        .reason = GAP_DAMAGED,
        .promised = true,
        .bytes = SEGMENT_HEADER_BYTES,
        .where = s->name};

    return gaps_write(p->gaps, &gap, err);
}

/* Loud: first the line, then the counters, then the deletion. One segment a step, each synced, so
 * that a crash never leaves a hole between two segments. */
static bool drop_one(struct pack *p, struct err *err)
{
    const struct segment_info *s = closed(p, 0);
    const struct segment_info *next = s + 1; /* there is one: s is closed */
    struct gap gap = {
        .from_seq = s->first_seq,
        .to_seq = s->end_seq - 1,
        .readings = segment_readings(s),
        .reason = GAP_DROPPED,
        .promised = true,
        .first_us = s->header_ok ? s->header.created_us : 0,
        .last_us = s->header_ok && next->header_ok ? next->header.created_us : 0,
        .bytes = s->bytes,
        .where = s->name,
    };

    if (gap.last_us < gap.first_us)
        gap.last_us = gap.first_us; /* the clock went back */
    if (!sync_journal(p, err))
        return false;
    if (gap.readings > 0 && !gaps_write(p->gaps, &gap, err))
        return false;
    p->counters.dropped_segments++;
    p->counters.dropped_readings += gap.readings;
    return delete_segments(p, 1, err);
}

/* Whole files go first, by ship; segments only when no file waits. */
static bool must_drop(struct pack *p, enum limits_level level, size_t files)
{
    if (!p->options.drop_oldest || level == LIMITS_FINE || closed_count(p) == 0)
        p->dropping = false;
    else if (level == LIMITS_REACHED)
        p->dropping = true;
    return p->dropping && files == 0;
}

/* --- one step --- */

/* All that waits, oldest first, up to merge_bytes; near a limit one at a time. A segment without a
 * header ends the run: it is no source of rows, and is set aside when it is the oldest. 0: not yet. */
static size_t choose(const struct pack *p, bool all, enum limits_level level, size_t files)
{
    size_t count = closed_count(p), n = 1;
    uint64_t bytes;

    if (count == 0)
        return 0;
    files -= p->held < files ? (size_t)p->held : files;
    if (!all && level == LIMITS_FINE && files >= p->options.upload_parallel &&
        closed_bytes(p) < p->options.merge_bytes)
        return 0;
    if (level != LIMITS_FINE)
        return 1;
    bytes = closed(p, 0)->bytes;
    while (n < count && closed(p, n)->header_ok && closed(p, n)->bytes <= p->options.merge_bytes &&
           bytes <= p->options.merge_bytes - closed(p, n)->bytes)
        bytes += closed(p, n++)->bytes;
    return n;
}

/* Builds the file; a full disk is met with the reserve, a failed write or sync with one new try. On
 * BUILD_UNREADABLE *count segments before the bad one are worth a file. */
static bool build_file(struct pack *p, size_t *count, bool reserve, enum build_end *ret_end,
    struct build_result *ret, struct err *err)
{
    for (;;) {
        if (build_run(p->build, &p->box, closed(p, 0), *count, reserve, ret_end, ret, err)) {
            p->failures = 0;
            return true;
        }
        if (err->kind == ERR_FULL && build_disk_full(p->build)) {
            limits_said_full(p->limits);
            if (reserve || !outbox_has_reserve(&p->box))
                return err_wrap(err, "packing waits for a delivery");
            reserve = true;
            *count = 1; /* more than one segment makes is not in the reserve */
        } else if (err->kind != ERR_BROKEN) {
            return false;
        } else if (++p->failures > 1) {
            return break_down(p, err);
        } else {
            p->counters.repeats++;
            p->counters.repeat_why = *err;
        }
    }
}

/* The first of the closed segments, or the first few of them, leave the journal. */
static bool pack_some(struct pack *p, size_t count, bool reserve, enum pack_result *ret,
    struct pack_done *ret_done, struct err *err)
{
    struct build_result built;
    enum build_end end;

    for (unsigned tries = 0;; tries++) {
        if (tries ==
            TRIES_MAX) /* other segments each time: wait until the disk has made up its mind */
            return err_set(err, ERR_RETRY, EIO, "segments can be read at times only");
        if (!build_file(p, &count, reserve, &end, &built, err))
            return false;
        if (end != BUILD_UNREADABLE)
            break;
        if (p->doubt_seq != closed(p, built.stopped_at)->first_seq) {
            p->doubt_seq = closed(p, built.stopped_at)->first_seq; /* once more: it may pass */
            continue;
        }
        if (built.stopped_at == 0) {
            *ret = PACK_CLEANED;
            return set_aside(p, err);
        }
        count = built.stopped_at;
    }
    if (end == BUILD_FILE) {
        *ret = PACK_FILE;
        return commit_file(p, count, &built, ret_done, err);
    }
    *ret = PACK_CLEANED;
    if (!sync_journal(p, err) || !delete_segments(p, count, err))
        return false;
    p->counters.empty += count;
    return true;
}

/* What intake needs for its next roll, and pack on a full disk. Neither is missed before that, so a
 * lack of room is no error here; a disk that does not do as told is. */
static bool keep_house(struct pack *p, enum limits_level level, struct err *err)
{
    uint64_t reserve = p->options.segment_bytes + p->options.segment_bytes / 4;

    if (level != LIMITS_REACHED && !outbox_make_reserve(&p->box, reserve, err) &&
        err->kind == ERR_BROKEN)
        return false;
    return journal_make_spare(p->state, p->limits, p->options.segment_bytes, err) ||
           err->kind != ERR_BROKEN;
}

static bool step(
    struct pack *p, bool all, enum pack_result *ret, struct pack_done *ret_done, struct err *err)
{
    enum limits_level level = limits_check(p->limits, clock_mono_us());
    bool reserve = false;
    size_t files, count;

    *ret = PACK_NOTHING;
    if (!keep_house(p, level, err) || !refresh(p, all, err) || !outbox_count(&p->box, &files, err))
        return false;
    if (must_drop(p, level, files)) {
        *ret = PACK_CLEANED;
        return drop_one(p, err);
    }
    count = choose(p, all, level, files);
    if (count == 0)
        return true;
    if (!closed(p, 0)->header_ok) {
        struct segment_info *first = &p->list.items[p->at];

        if (!scan_revive(p->state->journal, first, err))
            return false;
        if (!first->revived) {
            *ret = PACK_CLEANED;
            return set_aside(p, err);
        }
        if (!note_headless(p, first, err))
            return false;
    }
    if (level == LIMITS_REACHED) {
        reserve = outbox_has_reserve(&p->box);
        /* With nothing to deliver nobody else would make room: then at least try. */
        if (!reserve && files > 0)
            return err_set(err, ERR_FULL, 0, "packing waits for a delivery: a limit is reached");
    }
    return pack_some(p, count, reserve, ret, ret_done, err);
}

bool pack_step(
    struct pack *p, bool all, enum pack_result *ret, struct pack_done *ret_done, struct err *err)
{
    int64_t start_us = clock_mono_us();
    uint64_t gaps = build_gap_readings(p->build);
    enum pack_result result = PACK_NOTHING;
    bool ok;

    if (p->broken) {
        *err = p->broken_err;
        return false;
    }
    ok = step(p, all, &result, ret_done, err);
    p->counters.gap_readings += build_gap_readings(p->build) - gaps;
    if (result != PACK_NOTHING || !ok) {
        p->used_us = clock_mono_us();
        p->counters.busy_us += p->used_us - start_us;
    } else if (start_us - p->used_us >= REST_AFTER_US) {
        build_rest(p->build);
        p->used_us = start_us;
    }
    if (ok)
        *ret = result;
    return ok;
}
