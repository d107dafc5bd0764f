/* simulator/manifest.h: the first line of every connection.
 *
 * Shape    the list of assets is written once; manifest_line adds the rest.
 * Limits   MANIFEST_MAX for the whole line: a longer one no client would take.
 * Errors   manifest_init: ERR_INPUT when the assets do not fit, ERR_FULL without memory.
 * Owner    the caller; manifest_done takes zeros.
 * Threads  one at a time.
 * Source   kelvin-stream.md 4.1.
 */
#ifndef SIMULATOR_MANIFEST_H
#define SIMULATOR_MANIFEST_H

#include "simulator/line.h"

#define MANIFEST_MAX 4194304

struct manifest {
    struct buf resources; /* {...},{...} */
};

NODISCARD bool manifest_init(
    struct manifest *m, const struct span *assets, size_t count, struct err *err);
void manifest_done(struct manifest *m);

/* Writes the line with its line end (`crlf`: \r\n) into the emptied `out`. Numbers below 0 are left
 * out of the configuration. `out` needs a max above MANIFEST_MAX. */
NODISCARD bool manifest_line(const struct manifest *m, struct buf *out, int64_t wall_us,
    int64_t upload_interval, int64_t batch_size, bool crlf, struct rng *rng, struct err *err);

#endif
