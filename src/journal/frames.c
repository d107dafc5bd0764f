#include "journal/bytes.h"
#include "journal/inside.h"

#include <string.h>

#define NAMES_PAYLOAD_BYTES (64U * 1024U) /* then the next frame: one damaged byte costs less */

uint8_t *journal_add_frame(struct buf *out, size_t payload_len)
{
    char *frame = buf_reserve(out, segment_frame_size(payload_len));

    return frame ? (uint8_t *)frame + SEGMENT_FRAME_BYTES : NULL;
}

void journal_put_frame(struct buf *out, enum segment_frame_type type, uint64_t seq, int64_t wall_us,
    uint32_t payload_len, uint64_t salt)
{
    segment_frame_put((uint8_t *)out->data + out->len, type, seq, wall_us, payload_len, salt);
    out->len += segment_frame_size(payload_len);
}

/* How many names fit into one frame, and their bytes. */
static uint32_t choose_names(
    const struct series_table *series, uint32_t first, uint32_t end, size_t *ret_bytes)
{
    size_t bytes = 8;
    uint32_t i = first;

    for (; i < end && bytes < NAMES_PAYLOAD_BYTES; i++) {
        struct span asset, datastream;

        series_names(series, i, &asset, &datastream);
        bytes += 4 + asset.len + datastream.len;
    }
    *ret_bytes = bytes;
    return i - first;
}

static uint8_t *put_name(uint8_t *p, struct span name)
{
    put_u16(p, (uint16_t)name.len);
    if (name.len)
        memcpy(p + 2, name.data, name.len);
    return p + 2 + name.len;
}

uint32_t journal_add_names(struct buf *out, const struct series_table *series, uint32_t first,
    uint32_t end, uint64_t seq, int64_t wall_us, uint64_t salt)
{
    size_t bytes;
    uint32_t count = choose_names(series, first, end, &bytes);
    uint8_t *p = journal_add_frame(out, bytes);

    if (!p)
        return 0;
    put_u32(p, first);
    put_u32(p + 4, count);
    p += 8;
    for (uint32_t i = first; i < first + count; i++) {
        struct span asset, datastream;

        series_names(series, i, &asset, &datastream);
        p = put_name(p, asset);
        p = put_name(p, datastream);
    }
    journal_put_frame(out, SEGMENT_NAMES, seq, wall_us, (uint32_t)bytes, salt);
    return first + count;
}

bool journal_add_rows(struct buf *out, const struct readings *r, size_t from, uint32_t count,
    uint64_t seq, int64_t wall_us, uint64_t salt)
{
    uint32_t bytes = SEGMENT_ROWS_BYTES(count);
    uint8_t *payload = journal_add_frame(out, bytes);

    if (!payload)
        return false;
    segment_rows_put(payload, r, from, count);
    journal_put_frame(out, SEGMENT_ROWS, seq, wall_us, bytes, salt);
    return true;
}

bool journal_add_commit(
    struct buf *out, const struct segment_commit *c, uint64_t seq, int64_t wall_us, uint64_t salt)
{
    uint8_t *payload = journal_add_frame(out, SEGMENT_COMMIT_BYTES);

    if (!payload)
        return false;
    segment_commit_put(payload, c);
    journal_put_frame(out, SEGMENT_COMMIT, seq, wall_us, SEGMENT_COMMIT_BYTES, salt);
    return true;
}
