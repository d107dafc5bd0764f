/* journal/segment.h: the bytes of a segment, version 1: header and frames, made and taken apart.
 *
 * (The picture of the bytes is docs/formats/journal.md; keep the two alike.)
 *
 * Shape    64-byte header; frames of 32 bytes + payload padded to 8, each with a CRC-32C that
 *          begins with the segment's salt.
 * Units    little-endian; seq: sequence numbers of readings.
 * Limits   payload of 1 MiB: SEGMENT_ROWS_MAX rows a frame.
 * Errors   segment_frame_parse says what it saw; it never reads behind `len`.
 * Threads  any; no state.
 * Source   durability.md 4.
 */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include "base/reading.h"

#include <stdint.h>

#define SEGMENT_HEADER_BYTES 64
#define SEGMENT_FRAME_BYTES 32
#define SEGMENT_PAYLOAD_MAX (1024 * 1024)
#define SEGMENT_ROWS_MAX ((SEGMENT_PAYLOAD_MAX - 8) / 20)
#define SEGMENT_NAME_SIZE 21 /* 16 hex digits, ".seg", NUL */

enum segment_frame_type {
    SEGMENT_ROWS = 1,
    SEGMENT_NAMES,
    SEGMENT_COMMIT,
    SEGMENT_SEAL,
    SEGMENT_GAP,
    SEGMENT_LINK
};

struct segment_header {
    uint16_t version;
    uint8_t instance[16];
    uint64_t first_seq;
    int64_t created_us;
    uint64_t salt;
};

struct segment_frame {
    enum segment_frame_type type;
    uint64_t seq;
    int64_t received_us;
    const uint8_t *payload; /* borrowed */
    uint32_t payload_len;
    uint32_t total_len; /* header, payload, padding */
    uint32_t rows;      /* of a rows frame: how many there are (a scan may let fewer count) */
};

void segment_header_put(uint8_t out[SEGMENT_HEADER_BYTES], const struct segment_header *h);
/* ERR_INPUT: no header, or a wrong checksum; ERR_DENIED: a newer version. */
NODISCARD bool segment_header_get(
    const uint8_t in[SEGMENT_HEADER_BYTES], struct segment_header *ret, struct err *err);

/* --- making frames: the payload is put behind the place of the header, then the header --- */

#define SEGMENT_ROWS_BYTES(count) (8U + 20U * (count))
#define SEGMENT_COMMIT_BYTES 32U
#define SEGMENT_SEAL_BYTES 32U
#define SEGMENT_GAP_BYTES 24U
#define SEGMENT_LINK_BYTES 16U

/* Header, payload, padding. */
size_t segment_frame_size(size_t payload_len);

/* `frame` has segment_frame_size(payload_len) bytes, with the payload in place; padding, header and
 * checksum are put. */
void segment_frame_put(uint8_t *frame, enum segment_frame_type type, uint64_t seq,
    int64_t received_us, uint32_t payload_len, uint64_t salt);

/* Checksum anew for another segment; all else stays. */
void segment_frame_resalt(uint8_t *frame, uint64_t salt);

struct segment_commit {
    uint64_t readings, first_offset, connection, stream_offset;
};
struct segment_seal {
    uint64_t readings, first_seq, last_seq, bytes;
};

void segment_rows_put(uint8_t *payload, const struct readings *r, size_t from, uint32_t count);
void segment_commit_put(uint8_t payload[SEGMENT_COMMIT_BYTES], const struct segment_commit *c);
void segment_seal_put(uint8_t payload[SEGMENT_SEAL_BYTES], const struct segment_seal *seal);
void segment_gap_put(uint8_t payload[SEGMENT_GAP_BYTES], uint64_t from_seq, uint64_t to_seq,
    uint32_t reason, bool promised);
void segment_link_put(uint8_t payload[SEGMENT_LINK_BYTES], bool connected, uint64_t connection);

/* --- taking apart --- */

enum segment_parse {
    SEGMENT_FRAME_OK,
    SEGMENT_FRAME_NONE, /* the magic is not there (zeros: the end) */
    SEGMENT_FRAME_BAD,  /* the magic is there, but length, checksum or content is wrong */
    SEGMENT_FRAME_CUT,  /* the magic is there, but `len` ends before the frame does */
};
/* OK only for a frame whose content holds together too: lengths, counts, no overflow. */
enum segment_parse segment_frame_parse(
    const uint8_t *data, size_t len, uint64_t salt, struct segment_frame *ret);

/* A checksum that has taken in the salt is all that frames know of it: 32 bits, the same in all frames
 * of a segment. */
uint32_t segment_seed(uint64_t salt);
enum segment_parse segment_frame_parse_seeded(
    const uint8_t *data, size_t len, uint32_t seed, struct segment_frame *ret);
/* The seed with which these bytes would be a frame; false: with none. Two frames with the same one
 * prove each other, so a segment can be read without its header. */
bool segment_frame_seed(
    const uint8_t *data, size_t len, uint32_t *ret_seed, struct segment_frame *ret);

bool segment_seal_get(const struct segment_frame *f, struct segment_seal *ret);

/* "<first_seq:016x>.seg" both ways; lower-case digits, never 0. */
void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq);
bool segment_name_parse(const char *name, uint64_t *ret_first_seq);

#endif
