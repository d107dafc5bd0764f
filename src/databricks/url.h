/* databricks/url.h: percent-encoding of paths and query values.
 *
 * Shape    UTF-8 bytes; A-Z a-z 0-9 - _ . ~ stay, a path keeps its '/', all else becomes %XX.
 * Errors   sticky in the buffer.
 * Threads  any.
 * Source   databricks-api.md 2.1; RFC 3986 2.3.
 */
#ifndef DATABRICKS_URL_H
#define DATABRICKS_URL_H

#include "base/str.h"

bool url_add_path(struct buf *out, struct span path);

/* '/' is encoded too: for query values and single path segments. */
bool url_add_value(struct buf *out, struct span value);

#endif
