/* commands/inspect.h: what `inspect` shows, apart from its command line.
 *
 * Shape    one function per kind of thing; each writes to stdout and notes damage in the struct.
 * Limits   256 MiB of output.
 * Errors   ERR_INPUT: damaged or not ours (exit code 1); the rest: it cannot be read (4).
 * Threads  main. Nothing is locked, made or changed: a `run` may be at work in the directory.
 * Source   design.md 4; durability.md 3, 12.
 */
#ifndef COMMANDS_INSPECT_H
#define COMMANDS_INSPECT_H

#include "base/json_out.h"

#define INSPECT_OUT_MAX (256U * 1024U * 1024U)
#define INSPECT_LINES_MAX 40U /* of a list, unless --all */

struct inspect {
    bool json;
    bool check; /* read everything, not only what describes it */
    bool all;   /* whole lists */
    uint64_t rows;
    uint64_t state_bytes_max, free_bytes_min; /* the settings; 0: their defaults */
    bool damaged;                             /* out */
};

NODISCARD bool inspect_parquet(struct inspect *in, const char *path, struct err *err);
NODISCARD bool inspect_state(struct inspect *in, const char *path, struct err *err);

/* A heading and the lines below it. */
void inspect_line(struct buf *out, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* All of it to stdout. */
NODISCARD bool inspect_print(struct buf *out, struct err *err);

#endif
