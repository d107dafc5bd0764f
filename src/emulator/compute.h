/* emulator/compute.h: SQL warehouses and clusters, as far as one can be named by a job.
 *
 * Shape    those of emulator_options; without any, the serverless warehouse 8ec9edc1db0c40df and
 *          the cluster 0123-456789-cluster0. A warehouse starts by itself when a statement comes.
 * Limits   8 of each.
 * Errors   compute_fill: ERR_INPUT.
 * Threads  any.
 * Source   databricks-api.md 6.4, 9.3.
 */
#ifndef EMULATOR_COMPUTE_H
#define EMULATOR_COMPUTE_H

#include "emulator/request.h"

NODISCARD bool compute_fill(
    struct emulator *emu, const struct emulator_options *options, struct err *err);

bool compute_has_warehouse(const struct emulator *emu, const char *id);
bool compute_is_classic(const struct emulator *emu, const char *id);
bool compute_has_cluster(const struct emulator *emu, const char *id);

/* A statement or a run needs it now. */
void compute_start(struct emulator *emu, const char *id);

#endif
