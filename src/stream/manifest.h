/* stream/manifest.h: the two settings of a runtime manifest.
 *
 * Shape    payload.configuration.{upload_interval, batch_size}; the rest is not looked at.
 * Errors   none: struct manifest says what is missing or bad.
 * Threads  any.
 * Source   kelvin-stream.md 4.3, 4.4, 8.1. Each manifest replaces the whole configuration, so
 *          absence is a statement too: the default applies.
 */
#ifndef STREAM_MANIFEST_H
#define STREAM_MANIFEST_H

#include "stream/jsonline.h"

struct manifest manifest_read(const struct jsonline *j);

#endif
