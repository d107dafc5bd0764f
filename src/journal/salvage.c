#include "journal/salvage.h"

#include "base/clock.h"
#include "base/rng.h"
#include "journal/bytes.h"
#include "journal/named.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUT_BYTES (1024U * 1024U)

/* The rows from *at on that are in the range and alike in having a name or not. */
static bool next_rows(const struct named *named, const struct segment_frame *f,
    struct seq_range range, uint32_t *at, uint32_t *ret_from, bool *ret_named)
{
    while (*at < f->rows && f->seq + *at < range.first)
        (*at)++;
    if (*at >= f->rows || f->seq + *at >= range.end)
        return false;
    *ret_from = *at;
    *ret_named = named_row(named, f, *at);
    do
        (*at)++;
    while (*at < f->rows && f->seq + *at < range.end && named_row(named, f, *at) == *ret_named);
    return true;
}

/* --- looking --- */

static bool note_hole(struct salvage_look *look, const struct scan_hole *hole, struct err *err)
{
    uint64_t missing = hole->from_seq <= hole->to_seq ? hole->to_seq - hole->from_seq + 1 : 0;

    look->missing += missing;
    look->promised += hole->promised ? missing : 0;
    if (look->hole_count == SALVAGE_HOLES_MAX) {
        look->holes_left_out++;
        return true;
    }
    if (!look->holes)
        look->holes = calloc(SALVAGE_HOLES_MAX, sizeof(*look->holes));
    if (!look->holes)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a list of holes");
    look->holes[look->hole_count++] = *hole;
    return true;
}

static bool note_rows(struct salvage_look *look, const struct named *named,
    const struct segment_frame *f, struct err *err)
{
    const struct seq_range all = {0, UINT64_MAX};
    uint32_t at = 0, from;
    bool is_named;

    while (next_rows(named, f, all, &at, &from, &is_named)) {
        if (!is_named)
            look->nameless += at - from;
        else if (!ranges_add(&look->readings, f->seq + from, f->seq + at, err))
            return false;
    }
    return true;
}

static bool note_frame(
    struct salvage_look *look, struct named *named, const struct segment_frame *f, struct err *err)
{
    struct scan_gap gap;
    uint64_t end = f->seq + f->rows;

    if (scan_gap_get(f, &gap))
        end = gap.to_seq + 1;
    if (end > look->end_seq)
        look->end_seq = end;
    if (f->type == SEGMENT_NAMES)
        return named_note(named, f, err);
    return f->type != SEGMENT_ROWS || note_rows(look, named, f, err);
}

/* The number a file's header says, when it has a valid one. */
static bool number_of(const struct salvage_source *source, uint64_t *ret, struct err *err)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    struct err ignored;
    size_t n = 0;
    int fd;

    *ret = 0;
    if (!file_open(source->dir, source->name, FILE_READ, &fd, err))
        return false;
    if (file_read_at(fd, 0, bytes, sizeof(bytes), &n, &ignored) && n == sizeof(bytes) &&
        segment_header_get(bytes, &header, &ignored))
        *ret = header.first_seq;
    file_drop(fd);
    return true;
}

static bool look_through(struct scan *scan, struct salvage_look *look, struct err *err)
{
    enum scan_event event = SCAN_FRAME;
    struct named named = {0};
    struct scan_item item;
    bool ok = true;

    while (ok && event != SCAN_END) {
        ok = scan_next(scan, &event, &item, err);
        if (ok && event == SCAN_HOLE)
            ok = note_hole(look, &item.hole, err);
        else if (ok && event == SCAN_FRAME)
            ok = note_frame(look, &named, &item.frame, err);
    }
    named_done(&named);
    return ok;
}

static bool length_of(const struct salvage_source *source, uint64_t *ret, struct err *err)
{
    struct file_info info;
    bool exists = false;

    if (!file_stat(source->dir, source->name, &exists, &info, err))
        return false;
    *ret = exists ? info.bytes : 0;
    return true;
}

bool salvage_look(const struct salvage_source *source, bool *ret_is_segment,
    struct salvage_look *ret, struct err *err)
{
    struct salvage_look look = {.first_seq = source->first_seq};
    struct scan *scan;
    bool ok;

    if (look.first_seq == 0 && !number_of(source, &look.first_seq, err))
        return false;
    *ret_is_segment = look.first_seq > 0;
    if (look.first_seq == 0)
        return true;
    look.end_seq = source->end_seq > look.first_seq ? source->end_seq : look.first_seq;
    scan = scan_open_piece(
        source->dir, source->name, look.first_seq, source->end_seq, source->at, err);
    if (!scan)
        return false;
    look.readable = scan_header(scan) != NULL;
    if (look.readable)
        look.header = *scan_header(scan);
    look.header_ok = look.readable && look.header.salt != 0;
    ok = length_of(source, &look.bytes, err) && look_through(scan, &look, err);
    scan_close(scan);
    if (source->end_seq && look.end_seq > source->end_seq)
        look.end_seq = source->end_seq; /* a doubtful tail: it is in the next one */
    if (ok)
        *ret = look;
    else
        salvage_look_done(&look);
    return ok;
}

void salvage_look_done(struct salvage_look *look)
{
    ranges_done(&look->readings);
    free(look->holes);
    *look = (struct salvage_look){0};
}

/* --- copying --- */

struct copy {
    struct seq_range range;
    struct segment_header header;
    struct named named;
    struct buf out;
    uint64_t bytes;
    int to;
    struct seq_ranges *copied;
};

static bool flush(struct copy *c, struct err *err)
{
    if (!buf_check(&c->out, "a copy of frames", err) ||
        !file_write(c->to, c->out.data, c->out.len, NULL, err))
        return false;
    buf_reset(&c->out);
    return true;
}

/* Room for a payload; the frame is put around it by put_frame. */
static uint8_t *payload_room(struct copy *c, size_t len, struct err *err)
{
    char *room;

    if (c->out.len + segment_frame_size(len) > OUT_BYTES && !flush(c, err))
        return NULL;
    room = buf_reserve(&c->out, segment_frame_size(len));
    if (!room) {
        (void)buf_check(&c->out, "a copy of frames", err);
        return NULL;
    }
    return (uint8_t *)room + SEGMENT_FRAME_BYTES;
}

static void put_frame(
    struct copy *c, enum segment_frame_type type, uint64_t seq, int64_t received_us, size_t len)
{
    segment_frame_put(
        (uint8_t *)c->out.data + c->out.len, type, seq, received_us, (uint32_t)len, c->header.salt);
    c->out.len += segment_frame_size(len);
    c->bytes += segment_frame_size(len);
}

static bool copy_rows(struct copy *c, const struct segment_frame *f, struct err *err)
{
    uint32_t at = 0, from;
    bool named;

    while (next_rows(&c->named, f, c->range, &at, &from, &named)) {
        size_t all = get_u32(f->payload), n = at - from, first = from;
        const uint8_t *rows = f->payload + 8;
        uint8_t *to;

        if (!named)
            continue;
        to = payload_room(c, SEGMENT_ROWS_BYTES(n), err);
        if (!to || !ranges_add(c->copied, f->seq + from, f->seq + at, err))
            return false;
        put_u32(to, (uint32_t)n);
        put_u32(to + 4, 0);
        memcpy(to + 8, rows + 8 * first, 8 * n);
        memcpy(to + 8 + 8 * n, rows + 8 * (all + first), 8 * n);
        memcpy(to + 8 + 16 * n, rows + 16 * all + 4 * first, 4 * n);
        put_frame(c, SEGMENT_ROWS, f->seq + from, f->received_us, SEGMENT_ROWS_BYTES(n));
    }
    return true;
}

/* Names keep their numbers, and stand before the first row of the copy: their seq is its first. */
static bool copy_names(struct copy *c, const struct segment_frame *f, struct err *err)
{
    uint64_t seq = f->seq < c->range.first ? c->range.first
                   : f->seq > c->range.end ? c->range.end
                                           : f->seq;
    uint8_t *to = payload_room(c, f->payload_len, err);

    if (!to)
        return false;
    memcpy(to, f->payload, f->payload_len);
    put_frame(c, SEGMENT_NAMES, seq, f->received_us, f->payload_len);
    return named_note(&c->named, f, err);
}

static bool put_header(struct copy *c, struct err *err)
{
    uint8_t *to = (uint8_t *)buf_reserve(&c->out, SEGMENT_HEADER_BYTES);

    c->header.version = 1;
    c->header.first_seq = c->range.first;
    if (!to)
        return buf_check(&c->out, "a copy of frames", err);
    if (!rng_secure(&c->header.salt, sizeof(c->header.salt), err))
        return false;
    segment_header_put(to, &c->header);
    c->out.len = c->bytes = SEGMENT_HEADER_BYTES;
    return true;
}

static bool put_seal(struct copy *c, struct err *err)
{
    uint8_t *to = payload_room(c, SEGMENT_SEAL_BYTES, err);
    struct segment_seal seal = {.readings = ranges_total(c->copied),
        .first_seq = c->range.first,
        .last_seq = c->range.end - 1,
        .bytes = c->bytes + segment_frame_size(SEGMENT_SEAL_BYTES)};

    if (!to)
        return false;
    segment_seal_put(to, &seal);
    put_frame(c, SEGMENT_SEAL, c->range.end, clock_wall_us(), SEGMENT_SEAL_BYTES);
    return flush(c, err);
}

static bool copy_all(struct copy *c, struct scan *scan, struct err *err)
{
    enum scan_event event;
    struct scan_item item;

    if (!put_header(c, err))
        return false;
    for (;;) {
        bool ok = true;

        if (!scan_next(scan, &event, &item, err))
            return false;
        if (event == SCAN_END)
            return put_seal(c, err);
        if (event == SCAN_FRAME && item.frame.type == SEGMENT_NAMES)
            ok = copy_names(c, &item.frame, err);
        else if (event == SCAN_FRAME && item.frame.type == SEGMENT_ROWS)
            ok = copy_rows(c, &item.frame, err);
        if (!ok)
            return false;
    }
}

bool salvage_copy(const struct salvage_source *source, struct seq_range range,
    const struct segment_header *header, int to_dir, struct segment_info *ret,
    struct seq_ranges *ret_copied, struct err *err)
{
    struct copy c = {.range = range, .header = *header, .to = -1, .copied = ret_copied};
    uint64_t first_seq = source->first_seq ? source->first_seq : header->first_seq;
    struct scan *scan =
        scan_open_piece(source->dir, source->name, first_seq, source->end_seq, source->at, err);
    struct segment_info info = {
        .first_seq = range.first, .end_seq = range.end, .header_ok = true, .sealed = true};
    bool ok = scan != NULL;

    segment_name(info.name, range.first);
    buf_init(&c.out, OUT_BYTES + SEGMENT_PAYLOAD_MAX + 4096);
    ok = ok && file_open(to_dir, info.name, FILE_CREATE, &c.to, err) && copy_all(&c, scan, err);
    if (c.to >= 0 && !file_close(c.to, info.name, err))
        ok = false;
    scan_close(scan);
    buf_done(&c.out);
    named_done(&c.named);
    info.bytes = c.bytes;
    info.header = c.header;
    if (ok)
        *ret = info;
    return ok;
}
