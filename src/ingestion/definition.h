/* ingestion/definition.h: the job's settings as JSON.
 *
 * Shape    definition_add writes the whole object; the hash goes into a tag.
 * Errors   sticky in the buffer.
 * Threads  any.
 * Source   databricks-api.md 4.2, 4.3.
 */
#ifndef INGESTION_DEFINITION_H
#define INGESTION_DEFINITION_H

#include "ingestion/ingestion.h"

/* The plan's paths, tags and code_path are there already. */
bool definition_add(struct buf *out, const struct plan *plan, const char *hash, bool paused);

/* "90 minutes": the longest unit that divides it, for Spark's intervals. */
bool definition_interval(struct buf *out, int64_t us);

#endif
