/* state/rejects.h: samples of rejected input, a bounded ring in rejected/.
 *
 * Shape    JSON lines {"at","reason","bytes","peer","line"} in files of 1 MiB, 16 MiB and 64 files
 *          in all, the oldest file deleted first; a line of more than 4 KiB is cut ("bytes" has the
 *          whole length). Bytes that are not printable UTF-8 are shown as \xHH inside "line".
 * Limits   16 MiB or a sixteenth of state_bytes_max, whichever is less, but 2 MiB; at most 100
 *          samples a second and reason are kept, the others only counted by the caller.
 * Errors   rejects_add never stops anything: a failure is returned for a log line.
 * Owner    opaque; state and limits are borrowed. Not synced: samples are for people.
 * Threads  one (intake).
 * Source   durability.md 14.
 */
#ifndef STATE_REJECTS_H
#define STATE_REJECTS_H

#include "base/str.h"
#include "state/limits.h"

struct rejects;

struct rejects *rejects_open(const struct state *st, struct limits *limits, struct err *err);
void rejects_close(struct rejects *r);

bool rejects_add(struct rejects *r, const char *reason, struct span line, uint64_t line_bytes,
    const char *peer, int64_t wall_us, int64_t mono_us, struct err *err);

/* Kept samples are written in one go: call it when the socket is dry and once a second. */
bool rejects_flush(struct rejects *r, struct err *err);

#endif
