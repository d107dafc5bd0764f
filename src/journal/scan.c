#include "journal/scan.h"

#include "journal/bytes.h"
#include "journal/headless.h"
#include "journal/medium.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WINDOW_BYTES (2U * 1024U * 1024U)

/* Looking for the next frame after damage computes checksums of what only looks like one. So many
 * bytes of that are allowed, more than any honest damage needs; behind it no frame is looked for. */
#define TRIAL_BYTES (UINT64_C(256) << 20)

/* Walks a file from frame to frame, never back. */
struct walker {
    int fd;
    uint64_t size;
    uint32_t seed;
    uint8_t *window; /* the file's bytes from window_at on */
    size_t window_size, window_len;
    uint64_t window_at;
    uint64_t at;       /* the next byte to look at: a multiple of 8 */
    uint64_t expected; /* no frame below this number is ours */
    uint64_t trials;   /* bytes of TRIAL_BYTES left */
    bool unreadable;   /* some bytes were */
};

struct step {
    bool is_frame; /* false: the end */
    uint64_t skipped_at, skipped_bytes;
    uint64_t offset;
    struct segment_frame frame;
};

struct scan {
    struct walker walker;
    struct segment_header header;
    bool header_ok, readable;
    bool ended, pending;
    uint64_t first_seq;   /* by its name, when the header is bad */
    uint64_t end_seq;     /* 0: not known */
    uint64_t proved_upto; /* file offset: all before was durable */
    struct step step;     /* the frame behind the hole just given */
};

/* --- the walk --- */

/* Makes the window hold [at, at + need), as far as the file goes. */
static bool look_at(struct walker *w, size_t need, struct err *err)
{
    size_t n = 0;

    if (w->at >= w->window_at && w->at + need <= w->window_at + w->window_len)
        return true;
    if (w->window_at + w->window_len >= w->size && w->at >= w->window_at)
        return true; /* there is no more */
    if (!medium_read(
            w->fd, w->at, w->window, w->window_size, w->size - w->at, &n, &w->unreadable, err))
        return false;
    w->window_at = w->at;
    w->window_len = n;
    if (n < w->window_size && w->at + n < w->size)
        w->size = w->at + n; /* cut meanwhile: a writer sealed it */
    return true;
}

/* The bytes after the last frame up to where the next one may begin, or the end of the window. What
 * is not zero moves *ret_dirty_end: zeros at the end of the file are space not yet used. */
static void skip_blank(struct walker *w, uint64_t *ret_dirty_end)
{
    static const uint8_t magic[4] = {0xf6, 0x56, 0x55, 0x46};
    size_t i = (size_t)(w->at - w->window_at);

    for (; i < w->window_len; i += 8) {
        size_t left = w->window_len - i < 8 ? w->window_len - i : 8;
        uint64_t word = 0;

        memcpy(&word, w->window + i, left);
        if (word == 0)
            continue;
        if (left >= 4 && memcmp(w->window + i, magic, 4) == 0)
            break;
        *ret_dirty_end = w->window_at + i + left;
    }
    w->at = w->window_at + i;
}

static void advance(struct walker *w, const struct segment_frame *f)
{
    w->at += f->total_len;
    if (f->type == SEGMENT_GAP)
        w->expected = get_u64(f->payload + 8) + 1;
    else
        w->expected = f->seq + f->rows;
}

/* A frame below the expected number is not ours; a gap frame must not step back either. */
static bool in_order(const struct walker *w, const struct segment_frame *f)
{
    return f->seq >= w->expected && (f->type != SEGMENT_GAP || get_u64(f->payload) >= w->expected);
}

/* What a look at `at` costs when it ends without a frame. */
static bool pay(struct walker *w, size_t avail)
{
    const uint8_t *p = w->window + (w->at - w->window_at);
    uint64_t cost = SEGMENT_FRAME_BYTES;

    if (avail >= SEGMENT_FRAME_BYTES && get_u32(p + 4) <= SEGMENT_PAYLOAD_MAX)
        cost += get_u32(p + 4);
    if (cost > w->trials)
        return false;
    w->trials -= cost;
    return true;
}

static bool walk(struct walker *w, struct step *ret, struct err *err)
{
    uint64_t from = w->at, dirty_end = w->at;

    *ret = (struct step){.skipped_at = from};
    while (w->at < w->size) {
        enum segment_parse what;
        size_t avail;

        if (!look_at(w, SEGMENT_FRAME_BYTES, err))
            return false;
        skip_blank(w, &dirty_end);
        if (w->at >= w->window_at + w->window_len)
            continue;
        if (!look_at(w, SEGMENT_FRAME_BYTES, err))
            return false;
        avail = (size_t)(w->window_at + w->window_len - w->at);
        what = segment_frame_parse_seeded(
            w->window + (w->at - w->window_at), avail, w->seed, &ret->frame);
        if (what == SEGMENT_FRAME_CUT && w->window_at + w->window_len < w->size) {
            if (!look_at(w, SEGMENT_PAYLOAD_MAX + 2 * SEGMENT_FRAME_BYTES, err))
                return false;
            avail = (size_t)(w->window_at + w->window_len - w->at);
            what = segment_frame_parse_seeded(
                w->window + (w->at - w->window_at), avail, w->seed, &ret->frame);
        }
        if (what == SEGMENT_FRAME_OK && in_order(w, &ret->frame)) {
            ret->is_frame = true;
            ret->offset = w->at;
            ret->skipped_bytes = w->at - from;
            advance(w, &ret->frame);
            return true;
        }
        if (!pay(w, avail)) { /* all the rest is damaged, as far as we can tell */
            w->at = w->size;
            dirty_end = w->size;
            break;
        }
        dirty_end = w->at + (avail < 8 ? avail : 8);
        w->at += 8;
    }
    ret->skipped_bytes = dirty_end - from;
    return true;
}

/* --- what is proved --- */

/* Group k+1 is not written before the sync of group k returned. So a commit with a valid frame
 * behind it was durable, and so was everything before the first byte of any group that committed.
 * A seal is written when all is durable. */
static bool find_proof(struct scan *s, struct err *err)
{
    struct walker w = s->walker;
    uint64_t commit_end = 0, proved = 0;
    struct step step;

    for (;;) {
        if (!walk(&w, &step, err))
            return false;
        if (!step.is_frame)
            break;
        if (commit_end > proved)
            proved = commit_end;
        if (step.frame.type == SEGMENT_COMMIT) {
            uint64_t first_offset = get_u64(step.frame.payload + 8);

            commit_end = step.offset + step.frame.total_len;
            if (first_offset <= step.offset && first_offset > proved)
                proved = first_offset;
        } else if (step.frame.type == SEGMENT_SEAL) {
            proved = step.offset;
        }
    }
    s->proved_upto = proved;
    s->walker.window_at = w.window_at; /* the window is shared */
    s->walker.window_len = w.window_len;
    s->walker.size = w.size;
    s->walker.unreadable = w.unreadable;
    return true;
}

#define SEAL_FRAME_BYTES (SEGMENT_FRAME_BYTES + SEGMENT_SEAL_BYTES)

/* The seal is the last frame of a file that was cut to its length. */
static bool read_seal(int fd, uint64_t size, uint64_t first_seq, uint32_t seed, bool *ret_sealed,
    struct segment_seal *ret, struct err *err)
{
    uint8_t bytes[SEAL_FRAME_BYTES];
    struct segment_frame f;
    size_t n = 0;

    *ret_sealed = false;
    if (size < SEGMENT_HEADER_BYTES + sizeof(bytes) || size % 8 != 0)
        return true;
    if (!medium_read_twice(fd, size - sizeof(bytes), bytes, sizeof(bytes), &n, err))
        return medium_is_bad(err); /* then as one without a seal: what can be read is read */
    *ret_sealed = n == sizeof(bytes) &&
                  segment_frame_parse_seeded(bytes, n, seed, &f) == SEGMENT_FRAME_OK &&
                  segment_seal_get(&f, ret) && ret->bytes == size && ret->first_seq == first_seq;
    return true;
}

/* Header and length; header_ok false when it is damaged, or not that of this name. */
static bool read_header(int fd, uint64_t first_seq, struct segment_header *ret, bool *ret_ok,
    uint64_t *ret_size, struct err *err)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct file_info info;
    size_t n = 0;

    *ret_ok = false;
    if (!file_fstat(fd, &info, err))
        return false;
    *ret_size = info.bytes;
    if (!medium_read_twice(fd, 0, bytes, sizeof(bytes), &n, err))
        return medium_is_bad(err);
    if (n < sizeof(bytes))
        return true;
    if (!segment_header_get(bytes, ret, err))
        return err->kind == ERR_INPUT;
    *ret_ok = ret->first_seq == first_seq;
    return true;
}

/* --- one segment --- */

/* Without its header: what the frames say for themselves. */
static bool read_headless(struct scan *s, uint64_t from, struct err *err)
{
    struct headless found;

    if (!headless_find(s->walker.fd, from, s->walker.size, s->first_seq, &found, err))
        return false;
    s->readable = found.frames > 0;
    s->walker.seed = found.seed;
    s->header = (struct segment_header){
        .version = 1, .first_seq = s->first_seq, .created_us = found.received_us};
    return true;
}

static bool begin(struct scan *s, int journal_dir, const char *name, uint64_t from, struct err *err)
{
    struct walker *w = &s->walker;
    struct segment_seal seal;
    bool sealed = false;

    if (!file_open(journal_dir, name, FILE_READ, &w->fd, err) ||
        !read_header(w->fd, s->first_seq, &s->header, &s->header_ok, &w->size, err))
        return false;
    if (from != SEGMENT_HEADER_BYTES)
        s->header_ok = false; /* a piece of a segment */
    s->readable = s->header_ok;
    w->seed = s->header_ok ? segment_seed(s->header.salt) : 0;
    if (!s->header_ok && !read_headless(s, from, err))
        return false;
    if (!s->readable) /* no frame can be told from stale bytes */
        return true;
    w->window_size = w->size < WINDOW_BYTES ? (size_t)w->size : WINDOW_BYTES;
    w->window = malloc(w->window_size);
    if (!w->window)
        return err_set(err, ERR_FULL, ENOMEM, "no memory to read '%s'", name);
    w->at = from;
    w->expected = s->first_seq;
    if (!read_seal(w->fd, w->size, s->first_seq, w->seed, &sealed, &seal, err))
        return false;
    if (!sealed)
        return find_proof(s, err);
    s->proved_upto = w->size - SEAL_FRAME_BYTES;
    if (s->end_seq == 0 || seal.last_seq + 1 < s->end_seq)
        s->end_seq = seal.last_seq + 1;
    return true;
}

struct scan *scan_open(int journal_dir, const char *name, uint64_t end_seq, struct err *err)
{
    uint64_t first_seq;

    if (!segment_name_parse(name, &first_seq)) {
        err_set(err, ERR_DENIED, 0, "'%s' is no name of a segment", name);
        return NULL;
    }
    return scan_open_piece(journal_dir, name, first_seq, end_seq, SEGMENT_HEADER_BYTES, err);
}

struct scan *scan_open_piece(
    int dir, const char *name, uint64_t first_seq, uint64_t end_seq, uint64_t from, struct err *err)
{
    struct scan *s = calloc(1, sizeof(*s));

    if (!s) {
        err_set(err, ERR_FULL, ENOMEM, "no memory to read '%s'", name);
        return NULL;
    }
    s->walker.fd = -1;
    s->walker.trials = TRIAL_BYTES;
    s->first_seq = first_seq;
    s->end_seq = end_seq;
    if (!begin(s, dir, name, from, err)) {
        if (err->kind == ERR_BROKEN)
            err->kind = ERR_DENIED; /* reading breaks nothing */
        (void)err_wrap(err, "segment '%s'", name);
        scan_close(s);
        return NULL;
    }
    return s;
}

void scan_close(struct scan *s)
{
    if (!s)
        return;
    file_drop(s->walker.fd);
    free(s->walker.window);
    free(s);
}

const struct segment_header *scan_header(const struct scan *s)
{
    return s->readable ? &s->header : NULL;
}

/* Without a header nothing can be read. It was synced before the file had its name: so what is
 * missing had been promised. */
static void give_all_as_hole(struct scan *s, struct scan_item *ret)
{
    s->ended = true;
    ret->hole = (struct scan_hole){
        .bytes = s->walker.size,
        .from_seq = s->first_seq,
        .to_seq = s->end_seq > s->first_seq ? s->end_seq - 1 : s->first_seq - 1,
        .promised = true,
    };
}

/* Missing readings below the end of a closed segment had been promised: its successor was only made
 * when all before it was durable. Else the commits tell; and what a bad medium holds back is no torn
 * tail. */
static bool find_hole(struct scan *s, uint64_t from_seq, uint64_t next_seq, struct scan_hole *ret)
{
    const struct step *step = &s->step;
    uint64_t next = s->end_seq && next_seq > s->end_seq ? s->end_seq : next_seq;
    bool missing = from_seq < next;

    if (!missing && step->skipped_bytes == 0)
        return false;
    *ret = (struct scan_hole){
        .offset = step->skipped_at,
        .bytes = step->skipped_bytes,
        .from_seq = from_seq,
        .to_seq = missing ? next - 1 : from_seq - 1,
        .promised = step->skipped_at < s->proved_upto || (missing && s->end_seq) ||
                    (s->walker.unreadable && step->skipped_bytes),
    };
    return true;
}

static void give_frame(struct scan *s, enum scan_event *ret_event, struct scan_item *ret)
{
    struct segment_frame *f = &s->step.frame;

    if (s->end_seq && f->type == SEGMENT_ROWS && f->seq + f->rows > s->end_seq)
        f->rows = (uint32_t)(s->end_seq - f->seq);
    *ret_event = SCAN_FRAME;
    ret->frame = *f;
    ret->offset = s->step.offset;
}

/* The tail of a segment that was given up: its readings are in the next one. */
static bool behind_the_end(const struct scan *s, const struct segment_frame *f)
{
    return s->end_seq && (f->rows ? f->seq >= s->end_seq : f->seq > s->end_seq);
}

bool scan_next(struct scan *s, enum scan_event *ret_event, struct scan_item *ret, struct err *err)
{
    uint64_t expected = s->walker.expected, next;

    if (s->pending) {
        s->pending = false;
        give_frame(s, ret_event, ret);
        return true;
    }
    *ret_event = SCAN_END;
    if (s->ended)
        return true;
    if (!s->readable) {
        give_all_as_hole(s, ret);
        *ret_event = SCAN_HOLE;
        return true;
    }
    if (!walk(&s->walker, &s->step, err))
        return false;
    if (s->step.is_frame && behind_the_end(s, &s->step.frame))
        s->step.is_frame = false;
    s->ended = !s->step.is_frame;
    next = s->step.is_frame ? s->step.frame.seq : s->end_seq ? s->end_seq : expected;
    if (find_hole(s, expected, next, &ret->hole)) {
        *ret_event = SCAN_HOLE;
        s->pending = s->step.is_frame;
    } else if (s->step.is_frame) {
        give_frame(s, ret_event, ret);
    }
    return true;
}

/* --- what is in a frame --- */

uint32_t scan_rows_count(const struct segment_frame *f)
{
    return f->rows;
}

void scan_rows_copy(const struct segment_frame *f, uint32_t from, uint32_t count,
    int64_t *timestamp_us, double *value, uint32_t *series)
{
    size_t all, first = from;
    const uint8_t *p = f->payload + 8;

    assert(f->type == SEGMENT_ROWS && from <= f->rows && count <= f->rows - from);
    all = get_u32(f->payload);
    if (BYTES_AS_IN_MEMORY) {
        memcpy(timestamp_us, p + 8 * first, 8 * (size_t)count);
        memcpy(value, p + 8 * (all + first), 8 * (size_t)count);
        memcpy(series, p + 16 * all + 4 * first, 4 * (size_t)count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = get_u64(p + 8 * (all + first + i));

        timestamp_us[i] = (int64_t)get_u64(p + 8 * (first + i));
        memcpy(&value[i], &bits, 8);
        series[i] = get_u32(p + 16 * all + 4 * (first + i));
    }
}

bool scan_names_next(const struct segment_frame *f, size_t *at, uint32_t *ret_number,
    struct span *ret_asset, struct span *ret_datastream)
{
    const char *text = (const char *)f->payload;
    size_t i = *at ? *at >> 32 : 0, pos = *at ? *at & UINT32_MAX : 8;
    size_t asset_len, datastream_len;

    if (f->type != SEGMENT_NAMES || pos >= f->payload_len)
        return false;
    asset_len = get_u16(f->payload + pos);
    *ret_asset = (struct span){text + pos + 2, asset_len};
    pos += 2 + asset_len;
    datastream_len = get_u16(f->payload + pos);
    *ret_datastream = (struct span){text + pos + 2, datastream_len};
    pos += 2 + datastream_len;
    *ret_number = get_u32(f->payload) + (uint32_t)i;
    *at = (i + 1) << 32 | pos;
    return true;
}

bool scan_gap_get(const struct segment_frame *f, struct scan_gap *ret)
{
    if (f->type != SEGMENT_GAP)
        return false;
    *ret = (struct scan_gap){
        .from_seq = get_u64(f->payload),
        .to_seq = get_u64(f->payload + 8),
        .reason = get_u32(f->payload + 16),
        .promised = get_u32(f->payload + 20) != 0,
    };
    return true;
}

bool scan_commit_get(const struct segment_frame *f, struct scan_commit *ret)
{
    if (f->type != SEGMENT_COMMIT)
        return false;
    *ret = (struct scan_commit){
        .readings = get_u64(f->payload),
        .first_offset = get_u64(f->payload + 8),
        .connection = get_u64(f->payload + 16),
        .stream_offset = get_u64(f->payload + 24),
    };
    return true;
}

/* --- the list --- */

static bool read_info(
    const struct state *st, struct segment_info *item, bool *ret_there, struct err *err)
{
    struct segment_seal seal;
    struct file_info info;
    struct err other;
    bool exists = false, ok;
    int fd;

    *ret_there = false;
    if (!file_open(st->journal, item->name, FILE_READ, &fd, err)) /* gone, or not ours: a socket */
        return err->code == ENOENT || (file_stat(st->journal, item->name, &exists, &info, &other) &&
                                          !(exists && S_ISREG(info.mode)));
    ok = file_fstat(fd, &info, err);
    if (ok && S_ISREG(info.mode)) {
        *ret_there = true;
        ok = read_header(fd, item->first_seq, &item->header, &item->header_ok, &item->bytes, err);
        if (ok && item->header_ok) {
            ok = read_seal(fd, item->bytes, item->first_seq, segment_seed(item->header.salt),
                &item->sealed, &seal, err);
            if (ok && item->sealed)
                item->end_seq = seal.last_seq + 1;
        }
        if (!ok)
            (void)err_wrap(err, "segment '%s'", item->name);
    }
    file_drop(fd);
    return ok;
}

bool scan_revive(int journal_dir, struct segment_info *info, struct err *err)
{
    struct scan *s;

    if (info->header_ok)
        return true;
    s = scan_open(journal_dir, info->name, info->end_seq, err);
    if (!s)
        return false;
    info->revived = s->readable;
    info->header = s->header;
    scan_close(s);
    return true;
}

bool scan_list(const struct state *st, struct segment_list *ret, struct err *err)
{
    struct segment_list list = {0};
    struct file_list names;
    bool ok = true;

    if (st->journal < 0) { /* opened for reading only, and nothing there */
        *ret = list;
        return true;
    }
    if (!file_list(st->journal, &names, err))
        return false;
    list.items = calloc(names.count + 1, sizeof(*list.items));
    if (!list.items)
        ok = err_set(err, ERR_FULL, ENOMEM, "no memory for %zu segments", names.count);
    for (size_t i = 0; ok && i < names.count; i++) { /* names sort as their numbers do */
        struct segment_info *item = &list.items[list.count];
        bool there;

        *item = (struct segment_info){0};
        if (!segment_name_parse(names.names[i], &item->first_seq))
            continue;
        segment_name(item->name, item->first_seq);
        ok = read_info(st, item, &there, err);
        if (ok && there)
            list.count++;
    }
    for (size_t i = 0; ok && i + 1 < list.count; i++) {
        struct segment_info *item = &list.items[i];

        if (item->end_seq == 0 || item->end_seq > list.items[i + 1].first_seq)
            item->end_seq = list.items[i + 1].first_seq;
    }
    if (ok && list.count)
        list.items[list.count - 1].newest = true;
    file_list_done(&names);
    if (ok)
        *ret = list;
    else
        scan_list_done(&list);
    return ok;
}

void scan_list_done(struct segment_list *list)
{
    free(list->items);
    *list = (struct segment_list){0};
}
