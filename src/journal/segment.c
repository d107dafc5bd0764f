#include "journal/segment.h"

#include "base/crc32c.h"
#include "base/str.h"
#include "journal/bytes.h"

#include <stdio.h>
#include <string.h>

#define SEGMENT_VERSION 1
static const uint8_t header_magic[8] = {'V', 'U', 'S', 'E', 'G', 'M', '1', '\n'};
static const uint8_t frame_magic[4] = {0xf6, 0x56, 0x55, 0x46};

/* --- the header --- */

void segment_header_put(uint8_t out[SEGMENT_HEADER_BYTES], const struct segment_header *h)
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, header_magic, sizeof(header_magic));
    put_u16(out + 8, h->version);
    put_u16(out + 10, SEGMENT_HEADER_BYTES);
    memcpy(out + 16, h->instance, sizeof(h->instance));
    put_u64(out + 32, h->first_seq);
    put_u64(out + 40, (uint64_t)h->created_us);
    put_u64(out + 48, h->salt);
    put_u32(out + 60, crc32c(0, out, 60));
}

bool segment_header_get(
    const uint8_t in[SEGMENT_HEADER_BYTES], struct segment_header *ret, struct err *err)
{
    struct segment_header h = {
        .version = get_u16(in + 8),
        .first_seq = get_u64(in + 32),
        .created_us = (int64_t)get_u64(in + 40),
        .salt = get_u64(in + 48),
    };

    if (memcmp(in, header_magic, sizeof(header_magic)) != 0)
        return err_set(err, ERR_INPUT, 0, "no segment header");
    if (get_u32(in + 60) != crc32c(0, in, 60))
        return err_set(err, ERR_INPUT, 0, "segment header: wrong checksum");
    /* The checksum is right, so this is no damage: somebody wrote it so. */
    if (h.version > SEGMENT_VERSION || get_u32(in + 12) != 0)
        return err_set(err, ERR_DENIED, 0,
            "segment of version %u: written by a newer version of this program", h.version);
    if (h.version == 0 || get_u16(in + 10) != SEGMENT_HEADER_BYTES || h.first_seq == 0)
        return err_set(err, ERR_INPUT, 0, "segment header: makes no sense");
    memcpy(h.instance, in + 16, sizeof(h.instance));
    *ret = h;
    return true;
}

/* --- frames, made --- */

size_t segment_frame_size(size_t payload_len)
{
    return (SEGMENT_FRAME_BYTES + payload_len + 7) & ~(size_t)7;
}

uint32_t segment_seed(uint64_t salt)
{
    uint8_t bytes[8];

    put_u64(bytes, salt);
    return crc32c(0, bytes, sizeof(bytes));
}

/* Salt, then all of the header from the length on (without the checksum itself), then payload. */
static uint32_t frame_crc(const uint8_t *frame, uint32_t payload_len, uint32_t seed)
{
    uint32_t crc = crc32c(seed, frame + 4, 24);

    return crc32c(crc, frame + SEGMENT_FRAME_BYTES, payload_len);
}

void segment_frame_put(uint8_t *frame, enum segment_frame_type type, uint64_t seq,
    int64_t received_us, uint32_t payload_len, uint64_t salt)
{
    size_t end = SEGMENT_FRAME_BYTES + (size_t)payload_len;

    memcpy(frame, frame_magic, sizeof(frame_magic));
    put_u32(frame + 4, payload_len);
    put_u64(frame + 8, seq);
    put_u64(frame + 16, (uint64_t)received_us);
    put_u32(frame + 24, type); /* flags and the two zero bytes in one go */
    put_u32(frame + 28, frame_crc(frame, payload_len, segment_seed(salt)));
    memset(frame + end, 0, segment_frame_size(payload_len) - end);
}

void segment_frame_resalt(uint8_t *frame, uint64_t salt)
{
    put_u32(frame + 28, frame_crc(frame, get_u32(frame + 4), segment_seed(salt)));
}

static void put_columns(uint8_t *payload, const struct readings *r, size_t from, uint32_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;

        memcpy(&bits, &r->value[from + i], 8);
        put_u64(payload + 8 * i, (uint64_t)r->timestamp_us[from + i]);
        put_u64(payload + 8 * (count + i), bits);
        put_u32(payload + 16 * (size_t)count + 4 * i, r->series[from + i]);
    }
}

void segment_rows_put(uint8_t *payload, const struct readings *r, size_t from, uint32_t count)
{
    size_t n = count;

    put_u32(payload, count);
    put_u32(payload + 4, 0);
    payload += 8;
    if (!BYTES_AS_IN_MEMORY) {
        put_columns(payload, r, from, count);
        return;
    }
    memcpy(payload, r->timestamp_us + from, 8 * n);
    memcpy(payload + 8 * n, r->value + from, 8 * n);
    memcpy(payload + 16 * n, r->series + from, 4 * n);
}

void segment_commit_put(uint8_t payload[SEGMENT_COMMIT_BYTES], const struct segment_commit *c)
{
    put_u64(payload, c->readings);
    put_u64(payload + 8, c->first_offset);
    put_u64(payload + 16, c->connection);
    put_u64(payload + 24, c->stream_offset);
}

void segment_seal_put(uint8_t payload[SEGMENT_SEAL_BYTES], const struct segment_seal *seal)
{
    put_u64(payload, seal->readings);
    put_u64(payload + 8, seal->first_seq);
    put_u64(payload + 16, seal->last_seq);
    put_u64(payload + 24, seal->bytes);
}

void segment_gap_put(uint8_t payload[SEGMENT_GAP_BYTES], uint64_t from_seq, uint64_t to_seq,
    uint32_t reason, bool promised)
{
    put_u64(payload, from_seq);
    put_u64(payload + 8, to_seq);
    put_u32(payload + 16, reason);
    put_u32(payload + 20, promised);
}

void segment_link_put(uint8_t payload[SEGMENT_LINK_BYTES], bool connected, uint64_t connection)
{
    put_u32(payload, connected);
    put_u32(payload + 4, 0);
    put_u64(payload + 8, connection);
}

/* --- frames, taken apart --- */

static bool names_hold(const uint8_t *p, uint32_t len)
{
    size_t at = 8;
    uint32_t count;

    if (len < 8)
        return false;
    count = get_u32(p + 4);
    if (count == 0 || get_u32(p) > UINT32_MAX - count || count > (len - 8) / 4)
        return false;
    for (uint64_t i = 0; i < (uint64_t)count * 2; i++) {
        if (len - at < 2 || len - at - 2 < get_u16(p + at))
            return false;
        at += 2 + (size_t)get_u16(p + at);
    }
    return at == len;
}

static bool seal_holds(const struct segment_frame *f)
{
    struct segment_seal seal;

    return segment_seal_get(f, &seal) && seal.first_seq > 0 &&
           seal.last_seq >= seal.first_seq - 1 && seal.last_seq < UINT64_MAX &&
           seal.readings <= seal.last_seq - (seal.first_seq - 1);
}

/* The checksum was right: so only what a writer with a mistake, or a newer one, could have put. */
static bool content_holds(const struct segment_frame *f)
{
    const uint8_t *p = f->payload;

    switch (f->type) {
    case SEGMENT_ROWS:
        return get_u32(p + 4) == 0 && f->seq <= UINT64_MAX - 1 - f->rows;
    case SEGMENT_NAMES:
        return names_hold(p, f->payload_len);
    case SEGMENT_COMMIT:
        return true;
    case SEGMENT_SEAL:
        return seal_holds(f);
    case SEGMENT_GAP:
        return get_u64(p) > 0 && get_u64(p) <= get_u64(p + 8) && get_u64(p + 8) < UINT64_MAX &&
               get_u32(p + 20) <= 1;
    case SEGMENT_LINK:
        return get_u32(p) <= 1;
    }
    return false;
}

/* Lengths that can be judged before the checksum is computed: cheap, and most of what looks like a
 * frame by chance ends here. */
static bool length_holds(uint32_t type, const uint8_t *payload, uint32_t len, bool have_count)
{
    switch (type) {
    case SEGMENT_ROWS:
        return len >= SEGMENT_ROWS_BYTES(1) && (len - 8) % 20 == 0 &&
               (!have_count || get_u32(payload) == (len - 8) / 20);
    case SEGMENT_NAMES:
        return len >= 12;
    case SEGMENT_COMMIT:
        return len == SEGMENT_COMMIT_BYTES;
    case SEGMENT_SEAL:
        return len == SEGMENT_SEAL_BYTES;
    case SEGMENT_GAP:
        return len == SEGMENT_GAP_BYTES;
    case SEGMENT_LINK:
        return len == SEGMENT_LINK_BYTES;
    default:
        return false;
    }
}

/* All but the checksum and what it vouches for. */
static enum segment_parse frame_shape(const uint8_t *data, size_t len, struct segment_frame *ret)
{
    struct segment_frame f;
    uint32_t type;

    if (len < sizeof(frame_magic) || memcmp(data, frame_magic, sizeof(frame_magic)) != 0)
        return SEGMENT_FRAME_NONE;
    if (len < SEGMENT_FRAME_BYTES)
        return SEGMENT_FRAME_CUT;
    f.payload = data + SEGMENT_FRAME_BYTES;
    f.payload_len = get_u32(data + 4);
    f.seq = get_u64(data + 8);
    f.received_us = (int64_t)get_u64(data + 16);
    type = get_u32(data + 24); /* with flags and zeros */
    if (f.payload_len > SEGMENT_PAYLOAD_MAX || f.seq == 0 ||
        !length_holds(type, f.payload, f.payload_len, len >= SEGMENT_FRAME_BYTES + 4))
        return SEGMENT_FRAME_BAD;
    f.type = (enum segment_frame_type)type;
    f.total_len = (uint32_t)segment_frame_size(f.payload_len);
    f.rows = f.type == SEGMENT_ROWS ? (f.payload_len - 8) / 20 : 0;
    if (len < f.total_len)
        return SEGMENT_FRAME_CUT;
    *ret = f;
    return SEGMENT_FRAME_OK;
}

enum segment_parse segment_frame_parse_seeded(
    const uint8_t *data, size_t len, uint32_t seed, struct segment_frame *ret)
{
    struct segment_frame f;
    enum segment_parse what = frame_shape(data, len, &f);

    if (what != SEGMENT_FRAME_OK)
        return what;
    if (get_u32(data + 28) != frame_crc(data, f.payload_len, seed) || !content_holds(&f))
        return SEGMENT_FRAME_BAD;
    *ret = f;
    return SEGMENT_FRAME_OK;
}

enum segment_parse segment_frame_parse(
    const uint8_t *data, size_t len, uint64_t salt, struct segment_frame *ret)
{
    return segment_frame_parse_seeded(data, len, segment_seed(salt), ret);
}

bool segment_frame_seed(
    const uint8_t *data, size_t len, uint32_t *ret_seed, struct segment_frame *ret)
{
    struct segment_frame f;
    uint32_t crc;

    if (frame_shape(data, len, &f) != SEGMENT_FRAME_OK || !content_holds(&f))
        return false;
    crc = crc32c_before(get_u32(data + 28), f.payload, f.payload_len);
    *ret_seed = crc32c_before(crc, data + 4, 24);
    *ret = f;
    return true;
}

bool segment_seal_get(const struct segment_frame *f, struct segment_seal *ret)
{
    if (f->type != SEGMENT_SEAL || f->payload_len != SEGMENT_SEAL_BYTES)
        return false;
    *ret = (struct segment_seal){
        .readings = get_u64(f->payload),
        .first_seq = get_u64(f->payload + 8),
        .last_seq = get_u64(f->payload + 16),
        .bytes = get_u64(f->payload + 24),
    };
    return true;
}

/* --- names --- */

void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq)
{
    (void)snprintf(out, SEGMENT_NAME_SIZE, "%016llx.seg", (unsigned long long)first_seq);
}

bool segment_name_parse(const char *name, uint64_t *ret_first_seq)
{
    char again[SEGMENT_NAME_SIZE];
    uint64_t first_seq;

    /* Such numbers nobody reaches; one that is believed would leave none for the readings to come. */
    if (strlen(name) != SEGMENT_NAME_SIZE - 1 ||
        !str_hex_u64((struct span){name, 16}, 16, &first_seq) || first_seq == 0 || first_seq >> 62)
        return false;
    segment_name(again, first_seq);
    if (memcmp(again, name, sizeof(again)) != 0)
        return false;
    *ret_first_seq = first_seq;
    return true;
}
