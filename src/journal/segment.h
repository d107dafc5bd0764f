/* journal/segment.h: the bytes of a segment, version 1: header and frames, made and taken apart.
 *
 * (The picture of the bytes is docs/formats/journal.md; keep the two alike.)
 *
 * Shape    64-byte header; frames of 32 bytes + payload padded to 8, each with a CRC-32C that
 * begins with the segment's salt. Units    little-endian; seq: sequence numbers of readings. Limits
 * payload of 1 MiB: SEGMENT_ROWS_MAX rows a frame. Errors   segment_frame_parse says what it saw;
 * it never reads behind `len`. Threads  any; no state. Source   durability.md 4.
 */
#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H

#include "base/buf.h"

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
};

void segment_header_put(uint8_t out[SEGMENT_HEADER_BYTES], const struct segment_header *h);
/* ERR_INPUT: no header, or a wrong checksum; ERR_DENIED: a newer version. */
NODISCARD bool segment_header_get(
    const uint8_t in[SEGMENT_HEADER_BYTES], struct segment_header *ret, struct err *err);

enum segment_parse {
    SEGMENT_FRAME_OK,
    SEGMENT_FRAME_NONE, /* the magic is not there (zeros: the end) */
    SEGMENT_FRAME_BAD,  /* the magic is there, but length, checksum or content is wrong */
    SEGMENT_FRAME_CUT,  /* the magic is there, but `len` ends before the frame does */
};
enum segment_parse segment_frame_parse(
    const uint8_t *data, size_t len, uint64_t salt, struct segment_frame *ret);

/* "<first_seq:016x>.seg" both ways. */
void segment_name(char out[SEGMENT_NAME_SIZE], uint64_t first_seq);
bool segment_name_parse(const char *name, uint64_t *ret_first_seq);

#endif
