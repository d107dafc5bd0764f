/* journal/headless.h: a segment whose header is lost, read all the same. Not for other rooms.
 *
 * The salt stands in the header alone, and begins every checksum of a frame. But a checksum can be
 * taken back over the bytes it covers: what is left is its value behind the salt, 32 bits that are the
 * same for all frames of a segment and random for anything else. So frames vouch for each other: two
 * that agree, and differ, are no accident (one in four thousand million), and one that agrees with the salt as it
 * stands in the damaged header is none either.
 *
 * Units    bytes; frames.
 * Limits   one pass; a window of 4 MiB; at most 256 MiB of checksums over what only looks like a frame.
 * Errors   as medium_read; ERR_FULL: no memory. Nothing found is no error.
 * Threads  any.
 */
#ifndef JOURNAL_HEADLESS_H
#define JOURNAL_HEADLESS_H

#include "journal/segment.h"

struct headless {
    uint32_t seed;
    uint64_t frames;     /* 0: none that agree, nothing can be read */
    int64_t received_us; /* of the first of them: about when the segment was made */
};

/* Looks at [from, size). No frame below first_seq is ours. Of several seeds that of the most bytes
 * wins: what looks like frames inside of a payload is less than the frame around it. */
NODISCARD bool headless_find(int fd, uint64_t from, uint64_t size, uint64_t first_seq,
    struct headless *ret, struct err *err);

#endif
