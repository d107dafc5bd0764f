/* journal/medium.h: reading from a medium that may be bad. Not for other rooms.
 *
 * Units    bytes.
 * Errors   what the medium does not give is no error of medium_read; any other failure is.
 * Threads  any.
 * Source   durability.md 4; unlike a failed sync, a read that failed may be repeated.
 */
#ifndef JOURNAL_MEDIUM_H
#define JOURNAL_MEDIUM_H

#include "base/file.h"

/* EIO and its relatives. */
bool medium_is_bad(const struct err *err);

NODISCARD bool medium_read_twice(
    int fd, uint64_t offset, void *out, size_t len, size_t *ret_read, struct err *err);

/* A bad sector costs the frames it holds, not the segment: page by page then. Bytes that cannot be
 * read are filled with what is neither zero nor a magic, and *ret_unreadable becomes true. `left`: how
 * long the file is from `offset` on. */
NODISCARD bool medium_read(int fd, uint64_t offset, uint8_t *out, size_t size, uint64_t left,
    size_t *ret_read, bool *ret_unreadable, struct err *err);

#endif
