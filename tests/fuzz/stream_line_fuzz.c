/* The framer against the plainest reading of its contract. The first two bytes choose the line
 * limit and how the bytes are cut into receives; "\xff\xfe" in the data ends a connection. */
#include "stream_feed.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_long(struct framer *f, struct buf *got)
{
    struct span sample;
    uint64_t len;

    while (framer_too_long(f, &sample, &len)) {
        (void)buf_printf(got, "L%llu:", (unsigned long long)len);
        (void)buf_add(got, sample.data, sample.len);
        (void)buf_add_byte(got, '\n');
    }
}

/* One connection through the framer; too long lines go to `longs`, for their place among the others
 * is not promised. */
static void by_framer(
    struct framer *f, struct span in, size_t piece, struct buf *got, struct buf *longs)
{
    struct span rest;

    while (in.len) {
        size_t room, len = in.len < piece ? in.len : piece;
        char *to = framer_space(f, &room);
        struct span lines;

        FEED_CHECK(room >= len);
        memcpy(to, in.data, len);
        framer_added(f, len);
        check_long(f, longs);
        lines = framer_lines(f);
        FEED_CHECK(lines.len == 0 || lines.data[lines.len - 1] == '\n');
        (void)buf_add(got, lines.data, lines.len);
        framer_take(f, lines.len);
        in.data += len;
        in.len -= len;
    }
    rest = framer_rest(f);
    (void)buf_add_text(got, "rest:");
    (void)buf_add(got, rest.data, rest.len);
    (void)buf_add_byte(got, '\n');
    FEED_CHECK(framer_restart(f) == rest.len);
    check_long(f, longs);
}

static void by_the_book(struct span in, size_t line_max, struct buf *want, struct buf *longs)
{
    if (in.len >= 3 && memcmp(in.data, "\xef\xbb\xbf", 3) == 0) {
        in.data += 3;
        in.len -= 3;
    }
    for (;;) {
        const char *newline = in.len ? memchr(in.data, '\n', in.len) : NULL;
        size_t len = newline ? (size_t)(newline - in.data) : in.len;

        if (len > line_max) {
            (void)buf_printf(longs, "L%zu:", len);
            (void)buf_add(longs, in.data, len < FRAMER_SAMPLE_BYTES ? len : FRAMER_SAMPLE_BYTES);
            (void)buf_add_byte(longs, '\n');
            len = newline ? len : in.len;
        } else if (newline) {
            (void)buf_add(want, in.data, len + 1);
        }
        if (!newline) {
            (void)buf_add_text(want, "rest:");
            (void)buf_add(want, in.data, len > line_max ? 0 : len);
            (void)buf_add_byte(want, '\n');
            return;
        }
        in.data += len + 1;
        in.len -= len + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf got[2], want[2];
    struct framer *f;
    struct err err;
    size_t line_max, piece;
    struct span in;

    if (size < 2)
        return 0;
    line_max = (size_t)(data[0] % 64) * (data[0] >= 128 ? 100 : 1) + 4;
    piece = (size_t)data[1] * (data[1] >= 128 ? 40 : 1) + 1;
    in = (struct span){(const char *)data + 2, size - 2};
    f = framer_new(line_max, &err);
    FEED_CHECK(f);
    for (int i = 0; i < 2; i++) {
        buf_init(&got[i], 16 << 20);
        buf_init(&want[i], 16 << 20);
    }
    for (;;) {
        const char *end = in.len ? memmem(in.data, in.len, "\xff\xfe", 2) : NULL;
        struct span one = {in.data, end ? (size_t)(end - in.data) : in.len};

        by_framer(f, one, piece, &got[0], &got[1]);
        by_the_book(one, line_max, &want[0], &want[1]);
        if (!end)
            break;
        in.data += one.len + 2;
        in.len -= one.len + 2;
    }
    for (int i = 0; i < 2; i++) {
        FEED_CHECK(span_equal(
            (struct span){got[i].data, got[i].len}, (struct span){want[i].data, want[i].len}));
        buf_done(&got[i]);
        buf_done(&want[i]);
    }
    framer_free(f);
    return 0;
}
