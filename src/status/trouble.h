/* status/trouble.h: what is wrong right now, in words, and what to do.
 *
 * Shape    trouble_find judges a picture; the worst comes first.
 * Limits   TROUBLES_MAX.
 * Errors   none.
 * Owner    caller-owned; texts are inside or constant.
 * Threads  any.
 */
#ifndef STATUS_TROUBLE_H
#define STATUS_TROUBLE_H

#include "status/picture.h"

#define TROUBLES_MAX 16U

enum trouble_level { TROUBLE_INFO, TROUBLE_WARNING, TROUBLE_BAD };

struct trouble {
    enum trouble_level level;
    const char *id; /* "delivery_denied": constant, for scripts */
    char what[420]; /* one or two sentences */
    char what_to_do[300];
};

struct troubles {
    struct trouble items[TROUBLES_MAX];
    size_t count;
};

void trouble_find(const struct picture *p, struct troubles *ret);
const char *trouble_level_name(enum trouble_level level); /* "info", "warning", "bad" */

/* What to do while packing waits for this reason; also for the log. */
const char *trouble_pack_waits(const struct err *why);

/* "All is well: readings arrive, deliveries work; 1,200 wait on disk.": one line, also for sd_notify. */
void trouble_headline(const struct picture *p, const struct troubles *t, struct buf *out);

/* /readyz: connected to the stream and delivering. False: `why` gets ids of what stands in the way
 * (at most TROUBLES_MAX). */
bool trouble_ready(const struct picture *p, const char *why[TROUBLES_MAX], size_t *ret_count);

#endif
