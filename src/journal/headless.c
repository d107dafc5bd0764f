#include "journal/headless.h"

#include "journal/bytes.h"
#include "journal/medium.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES (4U * 1024U * 1024U)
#define FRAME_MAX (SEGMENT_PAYLOAD_MAX + SEGMENT_FRAME_BYTES)
#define TRIAL_BYTES (UINT64_C(256) << 20)
#define SEEDS_MAX 64U
#define SALT_OFFSET 48U

struct candidate {
    uint32_t seed, crc; /* crc: of the first frame; the same bytes once more prove nothing */
    uint64_t frames, bytes;
    int64_t received_us;
    bool in_header; /* the salt of the header, right or wrong */
};

struct search {
    int fd;
    uint64_t at, size, first_seq;
    uint8_t *window;
    uint64_t window_at;
    size_t window_len;
    uint64_t trials;
    struct candidate seeds[SEEDS_MAX];
    size_t count;
};

/* The window holds a whole frame from `at` on, as far as the file goes. */
static bool look(struct search *s, struct err *err)
{
    bool unreadable = false;
    size_t n = 0;

    if (s->at >= s->window_at && (s->at + FRAME_MAX <= s->window_at + s->window_len ||
                                     s->window_at + s->window_len >= s->size))
        return true;
    if (!medium_read(s->fd, s->at, s->window, WINDOW_BYTES, s->size - s->at, &n, &unreadable, err))
        return false;
    s->window_at = s->at;
    s->window_len = n;
    if (n < WINDOW_BYTES && s->at + n < s->size)
        s->size = s->at + n;
    return true;
}

static struct candidate *weakest(struct search *s)
{
    struct candidate *least = NULL;

    for (size_t i = 0; i < s->count; i++) {
        if (!s->seeds[i].in_header && (!least || s->seeds[i].bytes < least->bytes))
            least = &s->seeds[i];
    }
    return least;
}

/* True: it agrees with one before, and what is in it need not be looked at. */
static bool note(struct search *s, uint32_t seed, uint32_t crc, const struct segment_frame *f)
{
    struct candidate *c = NULL;

    for (size_t i = 0; i < s->count && !c; i++) {
        if (s->seeds[i].seed == seed)
            c = &s->seeds[i];
    }
    if (!c) {
        c = s->count < SEEDS_MAX ? &s->seeds[s->count++] : weakest(s);
        *c = (struct candidate){.seed = seed};
    }
    if (c->frames > 0 && c->crc == crc)
        return false;
    if (c->frames++ == 0) {
        c->received_us = f->received_us;
        c->crc = crc;
    }
    c->bytes += f->total_len;
    return c->frames > 1 || c->in_header;
}

static void step(struct search *s)
{
    const uint8_t *p = s->window + (s->at - s->window_at);
    size_t avail = (size_t)(s->window_at + s->window_len - s->at);
    struct segment_frame f;
    uint32_t seed;

    if (get_u32(p + 4) <= SEGMENT_PAYLOAD_MAX)
        s->trials -= s->trials < get_u32(p + 4) ? s->trials : get_u32(p + 4);
    if (segment_frame_seed(p, avail, &seed, &f) && f.seq >= s->first_seq &&
        note(s, seed, get_u32(p + 28), &f))
        s->at += f.total_len;
    else
        s->at += 8;
}

static bool search(struct search *s, struct err *err)
{
    static const uint8_t magic[4] = {0xf6, 0x56, 0x55, 0x46};

    while (s->at + SEGMENT_FRAME_BYTES <= s->size && s->trials > 0) {
        size_t i, end;

        if (!look(s, err))
            return false;
        i = (size_t)(s->at - s->window_at);
        end = s->window_len < SEGMENT_FRAME_BYTES ? 0 : s->window_len - SEGMENT_FRAME_BYTES;
        if (s->window_at + s->window_len < s->size && s->window_len > FRAME_MAX)
            end = s->window_len - FRAME_MAX;
        while (i <= end && memcmp(s->window + i, magic, sizeof(magic)) != 0)
            i += 8;
        s->at = s->window_at + i;
        if (i <= end)
            step(s);
    }
    return true;
}

static void add_header(struct search *s, struct err *err)
{
    uint8_t salt[8];
    size_t n = 0;

    if (medium_read_twice(s->fd, SALT_OFFSET, salt, sizeof(salt), &n, err) && n == sizeof(salt))
        s->seeds[s->count++] =
            (struct candidate){.seed = segment_seed(get_u64(salt)), .in_header = true};
}

bool headless_find(
    int fd, uint64_t from, uint64_t size, uint64_t first_seq, struct headless *ret, struct err *err)
{
    struct search s = {.fd = fd,
        .at = from,
        .size = size,
        .first_seq = first_seq,
        .window = malloc(WINDOW_BYTES),
        .trials = TRIAL_BYTES};
    const struct candidate *best = NULL;
    bool ok;

    if (!s.window)
        return err_set(err, ERR_FULL, ENOMEM, "no memory to look for frames");
    if (from == SEGMENT_HEADER_BYTES)
        add_header(&s, err);
    ok = search(&s, err);
    for (size_t i = 0; i < s.count; i++) {
        const struct candidate *c = &s.seeds[i];

        if (c->frames + c->in_header > 1 && (!best || c->bytes > best->bytes))
            best = c;
    }
    if (ok)
        *ret = best ? (struct headless){best->seed, best->frames, best->received_us}
                    : (struct headless){0};
    free(s.window);
    return ok;
}
