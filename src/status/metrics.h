/* status/metrics.h: the one table of metrics: /metrics and docs/metrics.md come from it.
 *
 * Shape    rows of name, type, text, labels and where the number stands in struct picture.
 * Units    names end in their unit; seconds and bytes, never milliseconds or kilobytes.
 * Limits   the text is some 12 KiB.
 * Errors   none but the buffer's.
 * Threads  any.
 * Source   Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
 *
 * Names, types and labels are an interface: people have dashboards. Add, do not change.
 */
#ifndef STATUS_METRICS_H
#define STATUS_METRICS_H

#include "status/picture.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_BYTES_MAX (256U * 1024U)

/* `reason_name` names rejected_by[0..reasons); NULL with 0. */
struct metrics_names {
    const char *(*reason_name)(unsigned reason);
    unsigned reasons;
    const char *instance; /* of the state directory, a label of build_info; NULL: "" */
};

void metrics_print(const struct picture *p, const struct metrics_names *names, struct buf *out);

/* docs/metrics.md, whole. */
void metrics_print_markdown(struct buf *out);

#endif
