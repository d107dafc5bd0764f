/* databricks/redact.h: the server's words, made fit for a log line.
 *
 * Shape    one line of valid UTF-8; what looks like a credential becomes "***": what follows
 *          "Bearer" or "Basic", a value behind a word with token/secret/password/key, dapi... and
 *          dose... tokens, and long runs that look like base64 or hex. File names of ours, UUIDs,
 *          paths and error codes stay readable.
 * Limits   `max` bytes of result at most.
 * Errors   sticky in the buffer.
 * Threads  any.
 * Source   durability.md 15.
 */
#ifndef DATABRICKS_REDACT_H
#define DATABRICKS_REDACT_H

#include "base/str.h"

#define REDACT_WORDS_MAX 200 /* bytes of an error body that are ever shown */

bool redact_add(struct buf *out, struct span text, size_t max);

#endif
