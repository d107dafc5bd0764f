#include "journal/recover.h"

#include "base/clock.h"
#include "base/rng.h"
#include "journal/bytes.h"
#include "journal/carrier.h"
#include "journal/guess.h"
#include "journal/named.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES (1024U * 1024U)
#define KEEP_BYTES (1024U * 1024U) /* of a damaged range, for quarantine/ */

struct recovery {
    const struct state *state;
    struct limits *limits;
    struct gaps *gaps;
    bool (*skip)(void *context, uint64_t first_seq, uint64_t end_seq);
    void *context;
    struct journal_recovery *ret;
};

/* What a first reading of a segment without a seal says. */
struct findings {
    uint64_t end_seq; /* 1 + the highest number, of gaps too; first_seq: empty */
    uint64_t readings, gap_frames;
};

/* The copy being made. */
struct rewrite {
    struct recovery *r;
    const struct segment_info *info;
    struct segment_header header;
    int from, to;
    struct buf out;
    uint64_t at;       /* bytes of the copy, those in `out` included */
    uint64_t group_at; /* where the group that is being copied begins in the copy */
    uint64_t next_seq, readings;
    bool torn; /* a hole in the last group was met: names may have been in it */
    struct named named;
};

static bool covered(const struct recovery *r, uint64_t first_seq, uint64_t end_seq)
{
    return r->skip && first_seq < end_seq && r->skip(r->context, first_seq, end_seq);
}

static bool write_gap(struct recovery *r, const struct gap *gap, struct err *err)
{
    uint64_t before = gaps_count(r->gaps);

    if (!gaps_write(r->gaps, gap, err))
        return false;
    if (gaps_count(r->gaps) != before) {
        r->ret->gaps++;
        r->ret->promised_gaps += gap->promised;
    }
    return true;
}

/* --- odd files --- */

/* In journal/ there are segments, the spare, and *.tmp that state_open deleted. Names with a dot in
 * front belong to the file system. */
static bool is_odd(const struct recovery *r, const char *name, bool *ret, struct err *err)
{
    size_t len = strlen(name);
    struct file_info info;
    bool exists = false;
    uint64_t first_seq;

    *ret = false;
    if (name[0] == '.' || (len > 4 && strcmp(name + len - 4, ".tmp") == 0))
        return true;
    if (!file_stat(r->state->journal, name, &exists, &info, err))
        return false;
    *ret = exists && (!S_ISREG(info.mode) ||
                         (strcmp(name, "spare.seg") != 0 && !segment_name_parse(name, &first_seq)));
    return true;
}

static bool set_odd_aside(struct recovery *r, struct err *err)
{
    struct file_list list;
    bool ok = true;

    if (!file_list(r->state->journal, &list, err))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        bool odd = false;

        ok = is_odd(r, list.names[i], &odd, err);
        if (ok && odd) {
            ok = quarantine_file(
                r->state, r->limits, r->state->journal, list.names[i], LIMITS_JOURNAL, err);
            r->ret->set_aside += ok;
        }
    }
    file_list_done(&list);
    return ok;
}

/* --- segments that cannot be used, holes between segments --- */

static bool check_instance(struct recovery *r, const struct segment_info *info, struct err *err)
{
    const uint8_t *want = r->state->instance_known ? r->state->instance
                          : r->ret->instance_found ? r->ret->instance
                                                   : info->header.instance;

    if (memcmp(want, info->header.instance, sizeof(info->header.instance)) != 0)
        return err_set(err, ERR_DENIED, 0,
            "segment '%s' is of another instance: two directories mixed", info->name);
    memcpy(r->ret->instance, info->header.instance, sizeof(r->ret->instance));
    r->ret->instance_found = true;
    return true;
}

/* What it held is counted, and its numbers are not used again: of the newest one nothing else says how far
 * they got. Without room for a carrier this start alone knows. */
static bool carry(
    struct recovery *r, const struct segment_info *info, uint64_t end, struct err *err)
{
    return !info->newest || end == info->first_seq || !r->state->instance_known ||
           carrier_write(r->state, r->limits, end, err) || err->kind == ERR_FULL;
}

/* The whole file, the gap first. Of the newest one, whose end no other segment tells, what it seems to
 * hold. */
static bool set_segment_aside(struct recovery *r, const struct segment_info *info, struct err *err)
{
    struct gap gap = {
        .from_seq = info->first_seq,
        .reason = GAP_DAMAGED,
        .promised = true,
        .bytes = info->bytes,
        .where = info->name,
    };
    uint64_t end = info->end_seq > info->first_seq ? info->end_seq : info->first_seq;

    if (info->end_seq == 0 && !guess_end(r->state->journal, info->name, info->first_seq, &end, err))
        return false;
    gap.to_seq = end - 1;
    gap.readings = end - info->first_seq;
    if (end > r->ret->next_seq)
        r->ret->next_seq = end;
    if (!write_gap(r, &gap, err) || !carry(r, info, end, err) ||
        !quarantine_file(r->state, r->limits, r->state->journal, info->name, LIMITS_JOURNAL, err))
        return false;
    r->ret->set_aside++;
    return true;
}

static bool check_between(struct recovery *r, const struct segment_info *before,
    const struct segment_info *after, struct err *err)
{
    struct gap gap = {
        .from_seq = before->end_seq,
        .to_seq = after->first_seq - 1,
        .readings = after->first_seq - before->end_seq,
        .reason = GAP_MISSING,
        .promised = true,
        .where = before->name,
    };

    if (before->end_seq >= after->first_seq || covered(r, before->end_seq, after->first_seq))
        return true;
    return write_gap(r, &gap, err);
}

/* --- the copy --- */

static bool flush(struct rewrite *w, struct err *err)
{
    if (!buf_check(&w->out, "a copy of frames", err))
        return false;
    if (w->out.len && !file_write(w->to, w->out.data, w->out.len, NULL, err))
        return false;
    buf_reset(&w->out);
    return true;
}

/* Room for a frame in the buffer: its payload. */
static uint8_t *frame_room(struct rewrite *w, size_t payload_len, struct err *err)
{
    char *frame;

    if (w->out.len + segment_frame_size(payload_len) > COPY_BYTES && !flush(w, err))
        return NULL;
    frame = buf_reserve(&w->out, segment_frame_size(payload_len));
    if (!frame) {
        (void)buf_check(&w->out, "a copy of frames", err);
        return NULL;
    }
    return (uint8_t *)frame + SEGMENT_FRAME_BYTES;
}

static void frame_end(struct rewrite *w, enum segment_frame_type type, uint64_t seq,
    int64_t received_us, uint32_t payload_len)
{
    segment_frame_put(
        (uint8_t *)w->out.data + w->out.len, type, seq, received_us, payload_len, w->header.salt);
    w->out.len += segment_frame_size(payload_len);
    w->at += segment_frame_size(payload_len);
}

/* Fewer rows than the frame holds: where a segment was given up in the middle of one, and where some
 * have lost their names. */
static bool copy_rows(struct rewrite *w, const struct segment_frame *f, uint32_t from,
    uint32_t count, struct err *err)
{
    size_t all = get_u32(f->payload), n = count;
    uint8_t *to = frame_room(w, SEGMENT_ROWS_BYTES(n), err);
    const uint8_t *at = f->payload + 8;

    if (!to)
        return false;
    put_u32(to, count);
    put_u32(to + 4, 0);
    memcpy(to + 8, at + 8 * (size_t)from, 8 * n);
    memcpy(to + 8 + 8 * n, at + 8 * (all + from), 8 * n);
    memcpy(to + 8 + 16 * n, at + 16 * all + 4 * (size_t)from, 4 * n);
    frame_end(w, SEGMENT_ROWS, f->seq + from, f->received_us, SEGMENT_ROWS_BYTES(count));
    w->readings += count;
    w->next_seq = f->seq + from + count;
    return true;
}

static bool copy_frame(struct rewrite *w, const struct segment_frame *f, struct err *err)
{
    uint32_t len = f->payload_len;
    struct scan_commit commit;
    struct scan_gap gap;
    uint8_t *to;

    if (f->type == SEGMENT_SEAL) /* it was not the last one: the copy gets its own */
        return true;
    if (f->type == SEGMENT_ROWS)
        return copy_rows(w, f, 0, f->rows, err);
    to = frame_room(w, len, err);
    if (!to)
        return false;
    memcpy(to, f->payload, len);
    if (scan_commit_get(f, &commit)) /* the offset of its group is another one now */
        put_u64(to + 8, w->group_at);
    frame_end(w, f->type, f->seq, f->received_us, len);
    if (f->type == SEGMENT_COMMIT)
        w->group_at = w->at;
    w->next_seq = scan_gap_get(f, &gap) ? gap.to_seq + 1 : f->seq;
    return true;
}

/* Copies of damaged bytes for people; without room there are none, and the damage is counted all the
 * same. */
static bool keep_bytes(struct rewrite *w, const struct scan_hole *hole, struct err *err)
{
    size_t want = hole->bytes < KEEP_BYTES ? (size_t)hole->bytes : KEEP_BYTES, n = 0;
    char *bytes = malloc(want ? want : 1);
    bool ok = true;

    if (bytes && want && file_read_at(w->from, hole->offset, bytes, want, &n, err))
        ok = quarantine_bytes(
                 w->r->state, w->r->limits, w->info->name, hole->offset, bytes, n, err) ||
             err->kind == ERR_FULL;
    free(bytes);
    return ok;
}

/* Readings that are missing, or promised bytes that are: into gaps.log, and as a frame. */
static bool copy_hole(struct rewrite *w, const struct scan_hole *hole, struct err *err)
{
    bool missing = hole->from_seq <= hole->to_seq;
    struct gap gap = {
        .from_seq = hole->from_seq,
        .to_seq = hole->to_seq,
        .readings = missing ? hole->to_seq - hole->from_seq + 1 : 0,
        .reason = hole->promised ? GAP_DAMAGED : GAP_TORN,
        .promised = hole->promised,
        .bytes = hole->bytes,
        .where = w->info->name,
    };
    uint8_t *to;

    if (!hole->promised)
        w->r->ret->torn_bytes += hole->bytes;
    w->torn = w->torn || !hole->promised;
    if (hole->promised && !keep_bytes(w, hole, err))
        return false;
    if ((hole->promised || missing) && !write_gap(w->r, &gap, err))
        return false;
    if (!missing)
        return true;
    to = frame_room(w, SEGMENT_GAP_BYTES, err);
    if (!to)
        return false;
    segment_gap_put(to, hole->from_seq, hole->to_seq, (uint32_t)gap.reason, hole->promised);
    frame_end(w, SEGMENT_GAP, hole->from_seq, clock_wall_us(), SEGMENT_GAP_BYTES);
    w->next_seq = hole->to_seq + 1;
    return true;
}

/* Rows of the last group whose names did not reach the disk are torn like the rest of it. Packed as
 * they are they would be counted as promised readings. */
static bool copy_torn_rows(struct rewrite *w, const struct segment_frame *f, struct err *err)
{
    for (uint32_t from = 0, to; from < f->rows; from = to) {
        bool named = named_row(&w->named, f, from);
        struct scan_hole hole = {.from_seq = f->seq + from};

        to = from + 1;
        while (to < f->rows && named_row(&w->named, f, to) == named)
            to++;
        hole.to_seq = f->seq + to - 1;
        hole.bytes = 20 * (uint64_t)(to - from);
        if (named ? !copy_rows(w, f, from, to - from, err) : !copy_hole(w, &hole, err))
            return false;
    }
    return true;
}

static bool copy_item(
    struct rewrite *w, enum scan_event event, const struct scan_item *item, struct err *err)
{
    if (event == SCAN_HOLE)
        return copy_hole(w, &item->hole, err);
    if (item->frame.type == SEGMENT_NAMES && !named_note(&w->named, &item->frame, err))
        return false;
    if (item->frame.type == SEGMENT_ROWS && w->torn)
        return copy_torn_rows(w, &item->frame, err);
    return copy_frame(w, &item->frame, err);
}

static bool put_seal(struct rewrite *w, struct err *err)
{
    uint8_t *to = frame_room(w, SEGMENT_SEAL_BYTES, err);
    struct segment_seal seal = {
        .readings = w->readings,
        .first_seq = w->header.first_seq,
        .last_seq = w->next_seq - 1,
        .bytes = w->at + segment_frame_size(SEGMENT_SEAL_BYTES),
    };

    if (!to)
        return false;
    segment_seal_put(to, &seal);
    frame_end(w, SEGMENT_SEAL, w->next_seq, clock_wall_us(), SEGMENT_SEAL_BYTES);
    return flush(w, err);
}

/* A header that was lost is made anew, with a salt of its own: every frame is written again. */
static bool make_header(struct rewrite *w, const struct segment_header *found, struct err *err)
{
    const struct recovery *r = w->r;

    w->header = *found;
    if (w->info->header_ok)
        return true;
    memcpy(w->header.instance, r->ret->instance_found ? r->ret->instance : r->state->instance,
        sizeof(w->header.instance));
    return rng_secure(&w->header.salt, sizeof(w->header.salt), err);
}

/* The header is as it was, salt included: the bytes of the copy are its own. */
static bool copy_all(struct rewrite *w, struct scan *scan, struct err *err)
{
    uint8_t *header = (uint8_t *)buf_reserve(&w->out, SEGMENT_HEADER_BYTES);
    enum scan_event event;
    struct scan_item item;

    if (!header)
        return buf_check(&w->out, "a copy of frames", err);
    segment_header_put(header, &w->header);
    w->out.len = w->at = w->group_at = SEGMENT_HEADER_BYTES;
    for (;;) {
        if (!scan_next(scan, &event, &item, err))
            return false;
        if (event == SCAN_END)
            return put_seal(w, err);
        if (!copy_item(w, event, &item, err))
            return false;
    }
}

/* The copy under its name, durably. Until then the original is untouched. */
static bool commit_copy(struct rewrite *w, const char *temp, struct err *err)
{
    const struct state *st = w->r->state;

    if (!file_sync(w->to, err) ||
        !file_rename(st->journal, temp, st->journal, w->info->name, err) ||
        !file_sync(st->journal, err))
        return false;
    limits_sub(w->r->limits, LIMITS_JOURNAL, w->info->bytes);
    limits_add(w->r->limits, LIMITS_JOURNAL, w->at);
    return true;
}

/* A header that could be read a moment ago, for the list. */
static bool has_header(const struct scan *scan, const struct segment_info *info, struct err *err)
{
    return scan_header(scan) ||
           err_set(err, ERR_DENIED, 0, "the header of segment '%s' cannot be read any more",
               info->name);
}

/* Why not simply seal the original: after a failed sync the page cache can hold frames that look
 * fine and are not on the disk. Pages of a new file are really written. */
static bool rewrite(struct recovery *r, struct segment_info *info, struct err *err)
{
    struct rewrite w = {.r = r, .info = info, .from = -1, .to = -1, .next_seq = info->first_seq};
    struct scan *scan = scan_open(r->state->journal, info->name, info->end_seq, err);
    char temp[SEGMENT_NAME_SIZE + 4];
    bool ok = scan && has_header(scan, info, err);

    buf_init(&w.out, COPY_BYTES + SEGMENT_PAYLOAD_MAX + 4096);
    (void)snprintf(temp, sizeof(temp), "%s.tmp", info->name);
    if (ok) {
        ok = make_header(&w, scan_header(scan), err) &&
             file_open(r->state->journal, info->name, FILE_READ, &w.from, err) &&
             file_open(r->state->journal, temp, FILE_CREATE, &w.to, err) &&
             copy_all(&w, scan, err) && commit_copy(&w, temp, err);
    }
    if (ok) {
        info->bytes = w.at;
        info->sealed = true;
        info->end_seq = w.next_seq;
        r->ret->rewritten++;
    } else if (w.to >= 0) {
        struct err ignored; /* deleted at the next start, else */

        (void)!file_unlink(r->state->journal, temp, &ignored);
    }
    scan_close(scan);
    file_drop(w.from);
    file_drop(w.to);
    buf_done(&w.out);
    named_done(&w.named);
    return ok;
}

/* --- one segment without a seal --- */

static bool examine(
    struct recovery *r, const struct segment_info *info, struct findings *ret, struct err *err)
{
    struct findings f = {.end_seq = info->first_seq};
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    struct scan *scan;
    bool ok;
    int fd;

    if (!file_open(r->state->journal, info->name, FILE_READ, &fd, err))
        return false;
    file_drop_cache(fd); /* what the disk really holds */
    file_drop(fd);
    scan = scan_open(r->state->journal, info->name, info->end_seq, err);
    ok = scan && has_header(scan, info, err);
    while (ok && event != SCAN_END) {
        struct scan_gap gap;

        ok = scan_next(scan, &event, &item, err);
        if (!ok || event != SCAN_FRAME)
            continue;
        f.readings += item.frame.rows;
        if (item.frame.seq + item.frame.rows > f.end_seq)
            f.end_seq = item.frame.seq + item.frame.rows;
        if (scan_gap_get(&item.frame, &gap)) {
            f.gap_frames++;
            if (gap.to_seq >= f.end_seq)
                f.end_seq = gap.to_seq + 1;
        }
    }
    scan_close(scan);
    if (info->end_seq && f.end_seq > info->end_seq)
        f.end_seq = info->end_seq; /* frames of a doubtful tail do not count */
    if (ok)
        *ret = f;
    return ok;
}

static bool handle_unsealed(struct recovery *r, struct segment_info *info, struct err *err)
{
    struct findings f;
    uint64_t end;

    if (!examine(r, info, &f, err))
        return false;
    end = info->end_seq ? info->end_seq : f.end_seq;
    if (f.end_seq > r->ret->next_seq)
        r->ret->next_seq = f.end_seq;
    if (covered(r, info->first_seq, end))
        return true;
    if (info->newest && f.end_seq == info->first_seq)
        return true; /* empty: it carries the number, and is replaced under its own name */
    if (f.end_seq > info->first_seq || f.gap_frames)
        r->ret->segments++;
    if (rewrite(r, info, err))
        return true;
    if (err->kind != ERR_FULL)
        return err_wrap(err, "rewrite segment '%s'", info->name);
    limits_said_full(r->limits);
    r->ret->kept_unsealed++;
    return true;
}

/* No reading is lost with a header: it is made anew. But the medium is not to be trusted, and that is
 * said as for any damage; the bytes as they were are kept for people. */
static bool handle_headless(struct recovery *r, struct segment_info *info, struct err *err)
{
    struct gap gap = {.from_seq = info->first_seq,
        .to_seq = info->first_seq - 1,
        .reason = GAP_DAMAGED,
        .promised = true,
        .bytes = SEGMENT_HEADER_BYTES,
        .where = info->name};
    struct rewrite w = {.r = r, .info = info};
    struct scan_hole header = {.bytes = SEGMENT_HEADER_BYTES};
    bool ok;

    if (!file_open(r->state->journal, info->name, FILE_READ, &w.from, err))
        return false;
    ok = keep_bytes(&w, &header, err);
    file_drop(w.from);
    return ok && write_gap(r, &gap, err) && handle_unsealed(r, info, err);
}

/* The frames do not say whose they are. */
static bool may_revive(const struct recovery *r)
{
    return r->state->instance_known || r->ret->instance_found;
}

static bool handle(struct recovery *r, struct segment_info *info, struct err *err)
{
    if (info->first_seq > r->ret->next_seq)
        r->ret->next_seq = info->first_seq;
    if (!info->header_ok) {
        if (covered(r, info->first_seq, info->end_seq))
            return true;
        if (may_revive(r) && !scan_revive(r->state->journal, info, err))
            return false;
        return info->revived ? handle_headless(r, info, err) : set_segment_aside(r, info, err);
    }
    if (!info->sealed)
        return handle_unsealed(r, info, err);
    if (info->end_seq > r->ret->next_seq)
        r->ret->next_seq = info->end_seq;
    r->ret->segments += info->end_seq > info->first_seq;
    return true;
}

bool journal_recover(const struct state *st, struct limits *limits, struct gaps *gaps,
    bool (*skip)(void *context, uint64_t first_seq, uint64_t end_seq), void *context,
    struct journal_recovery *ret, struct err *err)
{
    struct journal_recovery found = {.next_seq = 1};
    struct recovery r = {st, limits, gaps, skip, context, &found};
    struct segment_list list = {0};
    /* Names that only memory holds must not decide anything. */
    bool ok = file_sync(st->journal, err) && set_odd_aside(&r, err) && scan_list(st, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        if (list.items[i].header_ok)
            ok = check_instance(&r, &list.items[i], err);
    }
    for (size_t i = 0; ok && i < list.count; i++) {
        if (i > 0)
            ok = check_between(&r, &list.items[i - 1], &list.items[i], err);
        ok = ok && handle(&r, &list.items[i], err);
    }
    ok = ok && file_sync(st->journal, err);
    scan_list_done(&list);
    if (!ok)
        return err_wrap(err, "journal");
    *ret = found;
    return true;
}
