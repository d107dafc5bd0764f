/* state/quarantine.h: things that look wrong are set aside, never deleted or overwritten.
 *
 * Shape    quarantine/<name>.<n>: a whole file moved, or a byte range copied as
 *          <name>@<offset>.<n>; n counts from 0.
 * Limits   bytes are only copied while there is room below the limits (`limits` may be NULL).
 * Errors   ERR_FULL: no room for a copy (the caller goes on, the damage stays counted); ERR_BROKEN.
 * Threads  any, but not two with the same name at once.
 * Source   durability.md 3, 4, 7.
 */
#ifndef STATE_QUARANTINE_H
#define STATE_QUARANTINE_H

#include "state/limits.h"

/* Moves `name` out of `dirfd`; both directories synced. `part`: where its bytes were counted. A name
 * that is not there is fine. */
NODISCARD bool quarantine_file(const struct state *st, struct limits *limits, int dirfd,
    const char *name, enum limits_part part, struct err *err);

/* Copies bytes; at most 1 MiB of them are kept. Bytes that lie there already, the same ones, are not
 * copied again: recovery may be repeated. */
NODISCARD bool quarantine_bytes(const struct state *st, struct limits *limits, const char *name,
    uint64_t offset, const void *data, size_t len, struct err *err);

#endif
