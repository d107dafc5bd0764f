#include "stream/framer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LINE_MAX_MIN 4 /* a BOM in pieces must never look like a too long line */
#define LINE_MAX_MAX ((size_t)1 << 30)
#define MOVE_BYTES (64 * 1024) /* so much is moved to the front rather than receiving behind it */

/*      data                                                      size
 *      |........|==== whole lines ====|--- half line ---|        |
 *               head                  lines             tail
 *
 * While a too long line is being discarded there is no half line: its bytes are not kept. */
struct framer {
    char *data;
    size_t size, line_max;
    size_t head, lines, tail;
    bool at_start; /* of a connection: a BOM may still come */

    bool discarding;
    uint64_t long_len; /* of the line being discarded, so far */
    size_t sample_len;
    char sample[FRAMER_SAMPLE_BYTES];

    /* Ended, not yet fetched: records of struct long_line and its sample's bytes. */
    struct buf ended;
    size_t ended_at;
    uint64_t ended_lost; /* those without room for a record */
};

struct long_line {
    uint64_t len;
    size_t sample_len;
};

struct framer *framer_new(size_t line_max, struct err *err)
{
    struct framer *f = NULL;

    if (line_max < LINE_MAX_MIN || line_max > LINE_MAX_MAX) {
        err_set(err, ERR_INPUT, 0, "a line limit of %zu bytes", line_max);
        return NULL;
    }
    f = calloc(1, sizeof(*f));
    if (f) {
        f->line_max = line_max;
        f->size = line_max + FRAMER_RECEIVE_BYTES;
        f->data = malloc(f->size);
        f->at_start = true;
        /* One receive of the shortest too long lines makes the most records. */
        buf_init(&f->ended, FRAMER_RECEIVE_BYTES * 16 + FRAMER_SAMPLE_BYTES);
    }
    if (!f || !f->data) {
        framer_free(f);
        err_set(err, ERR_FULL, ENOMEM, "no memory for lines of %zu bytes", line_max);
        return NULL;
    }
    return f;
}

void framer_free(struct framer *f)
{
    if (!f)
        return;
    buf_done(&f->ended);
    free(f->data);
    free(f);
}

/* Puts an ended too long line where framer_too_long finds it. */
static void put_ended(struct framer *f, const char *sample, size_t sample_len, uint64_t len)
{
    struct long_line record = {len, sample_len};
    char *to;

    if (f->ended_at == f->ended.len) {
        buf_reset(&f->ended);
        f->ended_at = 0;
    }
    to = buf_reserve(&f->ended, sizeof(record) + sample_len);
    if (!to) {
        f->ended.failed = false;
        f->ended_lost++;
        return;
    }
    memcpy(to, &record, sizeof(record));
    memcpy(to + sizeof(record), sample, sample_len);
    f->ended.len += sizeof(record) + sample_len;
}

/* Counts bytes of the line being discarded, and keeps the first ones. */
static void count_long(struct framer *f, const char *data, size_t len)
{
    size_t room = FRAMER_SAMPLE_BYTES - f->sample_len, kept = len < room ? len : room;

    memcpy(f->sample + f->sample_len, data, kept);
    f->sample_len += kept;
    f->long_len += len;
}

static void end_discarding(struct framer *f)
{
    put_ended(f, f->sample, f->sample_len, f->long_len);
    f->discarding = false;
    f->long_len = 0;
    f->sample_len = 0;
}

size_t framer_restart(struct framer *f)
{
    size_t half = f->tail - f->lines;

    if (f->discarding)
        end_discarding(f);
    f->tail = f->lines;
    f->at_start = true;
    return half;
}

char *framer_space(struct framer *f, size_t *ret_len)
{
    size_t kept = f->tail - f->head, room;

    if (f->head && (kept <= MOVE_BYTES || f->size - f->tail < FRAMER_RECEIVE_BYTES)) {
        memmove(f->data, f->data + f->head, kept);
        f->lines -= f->head;
        f->tail = kept;
        f->head = 0;
    }
    room = f->size - f->tail;
    *ret_len = room < FRAMER_RECEIVE_BYTES ? room : FRAMER_RECEIVE_BYTES;
    return f->data + f->tail;
}

/* Takes n bytes out at data[at]. */
static void cut(struct framer *f, size_t at, size_t n)
{
    memmove(f->data + at, f->data + at + n, f->tail - at - n);
    f->tail -= n;
}

/* The BOM may come in pieces; none of its bytes is a '\n', so it is all in the half line. */
static void skip_bom(struct framer *f)
{
    static const char bom[3] = {'\xef', '\xbb', '\xbf'};
    size_t have = f->tail - f->lines, n = have < 3 ? have : 3;

    if (memcmp(f->data + f->lines, bom, n) != 0) {
        f->at_start = false;
    } else if (n == 3) {
        f->at_start = false;
        cut(f, f->lines, 3);
    }
}

/* The new bytes belong, up to the next '\n', to a line that is being discarded. */
static void discard(struct framer *f)
{
    size_t have = f->tail - f->lines;
    const char *start = f->data + f->lines;
    const char *newline = have ? memchr(start, '\n', have) : NULL;
    size_t gone = newline ? (size_t)(newline - start) : have;

    count_long(f, start, gone);
    if (newline)
        end_discarding(f);
    cut(f, f->lines, gone + (newline != NULL));
}

/* Of the whole lines in data[from, to) takes out the too long ones; returns the new `to`. */
static size_t drop_long_lines(struct framer *f, size_t from, size_t to)
{
    size_t read = from, write = from, after = f->tail - to;

    while (read < to) {
        const char *line = f->data + read;
        size_t len = (size_t)((const char *)memchr(line, '\n', to - read) - line);

        if (len > f->line_max) {
            put_ended(f, line, len < FRAMER_SAMPLE_BYTES ? len : FRAMER_SAMPLE_BYTES, len);
        } else {
            memmove(f->data + write, line, len + 1);
            write += len + 1;
        }
        read += len + 1;
    }
    memmove(f->data + write, f->data + to, after);
    f->tail = write + after;
    return write;
}

void framer_added(struct framer *f, size_t len)
{
    size_t seen = f->tail; /* before it the half line has no '\n' */
    const char *newline;
    size_t half;

    assert(len <= f->size - f->tail);
    f->tail += len;
    if (f->at_start) {
        skip_bom(f);
        seen = f->lines;
    }
    if (f->discarding) {
        discard(f);
        seen = f->lines;
    }
    newline = f->tail > seen ? memrchr(f->data + seen, '\n', f->tail - seen) : NULL;
    if (newline) {
        size_t to = (size_t)(newline - f->data) + 1;

        /* With the usual 4 MiB one receive cannot bring a too long line, so none is looked for. */
        if (to - f->lines > f->line_max + 1)
            to = drop_long_lines(f, f->lines, to);
        f->lines = to;
    }
    half = f->tail - f->lines;
    if (half > f->line_max) {
        f->discarding = true;
        count_long(f, f->data + f->lines, half);
        f->tail = f->lines;
    }
}

struct span framer_lines(const struct framer *f)
{
    return (struct span){f->data + f->head, f->lines - f->head};
}

void framer_take(struct framer *f, size_t used)
{
    assert(used <= f->lines - f->head);
    f->head += used;
}

struct span framer_rest(const struct framer *f)
{
    return (struct span){f->data + f->lines, f->tail - f->lines};
}

bool framer_too_long(struct framer *f, struct span *ret_sample, uint64_t *ret_len)
{
    struct long_line record;
    const char *p;

    if (f->ended_at == f->ended.len) {
        if (f->ended_lost == 0)
            return false;
        f->ended_lost--;
        *ret_sample = (struct span){"", 0};
        *ret_len = 0;
        return true;
    }
    p = f->ended.data + f->ended_at;
    memcpy(&record, p, sizeof(record));
    *ret_sample = (struct span){p + sizeof(record), record.sample_len};
    *ret_len = record.len;
    f->ended_at += sizeof(record) + record.sample_len;
    return true;
}
