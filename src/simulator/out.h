/* simulator/out.h: lines that are made and wait for the kernel to take them.
 *
 * Shape    bytes, and for each line where it ends and what it is:
 *
 *              data   |line|line|line|....room....|
 *                       ^pos: sent so far   ^len
 *              marks    [next] is the first line that is not sent whole
 *
 * Units    bytes.
 * Limits   fixed at init: `bytes`, below 512 MiB; one mark per 64 bytes.
 * Errors   ERR_FULL without memory.
 * Owner    the caller; out_done takes zeros.
 * Threads  one at a time.
 */
#ifndef SIMULATOR_OUT_H
#define SIMULATOR_OUT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum out_kind { OUT_READING, OUT_LATE, OUT_REPEAT, OUT_TEXT, OUT_BAD, OUT_OTHER, OUT_KINDS };

struct out {
    char *data;
    size_t size, pos, len;
    uint32_t *marks; /* end << 3 | kind */
    size_t marks_max, marks_count, next;
    uint64_t sent[OUT_KINDS];
};

NODISCARD bool out_init(struct out *out, size_t bytes, struct err *err);
void out_done(struct out *out);

/* Room for one more line of at most `bytes` bytes; sent lines may be moved away for it. */
bool out_has_room(struct out *out, size_t bytes);

/* The bytes at out_end are a line now, up to `end`. */
char *out_end(const struct out *out);
void out_add(struct out *out, const char *end, enum out_kind kind);

bool out_is_empty(const struct out *out);

/* Where the line begins that is not sent whole; pos beyond it: that line is under way. */
size_t out_line_start(const struct out *out);

/* Where the n-th unsent message (not bad, not other) ends, or len when there are fewer. */
size_t out_after_messages(const struct out *out, uint64_t n);

/* The kernel took n bytes. */
void out_sent(struct out *out, size_t n);

/* The connection is over: the line under way is to be sent again whole. */
void out_rewind(struct out *out);

uint64_t out_messages_sent(const struct out *out);

#endif
