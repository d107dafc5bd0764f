#include "journal/guess.h"

#include "base/file.h"
#include "journal/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES (64U * 1024U)
#define LOOK_BYTES 40U /* a frame's head, and the count of rows behind it */

struct guess {
    uint64_t first_seq, end_seq;
    uint64_t most; /* readings the file has room for */
};

/* The bytes to go on by: a whole frame, or the next place where one may begin. */
static uint64_t look(struct guess *g, const uint8_t *p)
{
    static const uint8_t magic[4] = {0xf6, 0x56, 0x55, 0x46};
    uint32_t len = get_u32(p + 4), type = get_u32(p + 24), count = get_u32(p + 32);
    uint64_t seq = get_u64(p + 8);

    if (memcmp(p, magic, sizeof(magic)) != 0 || len > SEGMENT_PAYLOAD_MAX || type == 0 ||
        type > SEGMENT_LINK || seq < g->end_seq || seq - g->first_seq > g->most)
        return 8;
    if (type == SEGMENT_ROWS) {
        if (len < SEGMENT_ROWS_BYTES(1) || (len - 8) % 20 != 0 || count != (len - 8) / 20 ||
            count > g->most - (seq - g->first_seq))
            return 8;
        g->end_seq = seq + count;
    }
    return segment_frame_size(len);
}

static bool walk(struct guess *g, int fd, uint64_t bytes, struct err *err)
{
    uint8_t *window = malloc(WINDOW_BYTES);
    uint64_t at = SEGMENT_HEADER_BYTES;
    struct err unreadable;
    size_t n = WINDOW_BYTES;

    if (!window)
        return err_set(err, ERR_FULL, ENOMEM, "no memory to look into a damaged segment");
    while (at + LOOK_BYTES <= bytes && n >= LOOK_BYTES) {
        uint64_t from = at;

        if (!file_read_at(fd, at, window, WINDOW_BYTES, &n, &unreadable))
            break;
        while (at - from + LOOK_BYTES <= n)
            at += look(g, window + (at - from));
    }
    free(window);
    return true;
}

bool guess_end(
    int journal_dir, const char *name, uint64_t first_seq, uint64_t *ret_end_seq, struct err *err)
{
    struct guess g = {.first_seq = first_seq, .end_seq = first_seq};
    struct file_info info;
    bool ok;
    int fd;

    if (!file_open(journal_dir, name, FILE_READ, &fd, err))
        return false;
    ok = file_fstat(fd, &info, err);
    if (ok) {
        g.most = info.bytes / 20;
        ok = walk(&g, fd, info.bytes, err);
    }
    file_drop(fd);
    if (ok)
        *ret_end_seq = g.end_seq;
    return ok;
}
