/* status/report.h: a picture as JSON and as plain lines, for the page, for `top` and for scripts.
 *
 * Shape    one function for each thing that can be asked for.
 * Units    JSON keys end in their unit, as the metrics; *_s seconds.
 * Limits   REPORT_BYTES_MAX.
 * Errors   the buffer's.
 * Threads  any; the board is locked for copying.
 *
 * The plain lines are `key<TAB>value[<TAB>value...]`; a line end or tab inside a value is shown as
 * \x0a or \x09. Keys may repeat (file, trouble, reject). Unknown keys are to be passed over.
 */
#ifndef STATUS_REPORT_H
#define STATUS_REPORT_H

#include "status/trouble.h"

#define REPORT_BYTES_MAX (256U * 1024U)

/* Where things are, for people; all borrowed, NULL: not known. */
struct report_places {
    const char *stream; /* "127.0.0.1:49167" */
    const char *state_dir;
    const char *instance;
    const char *host;   /* workspace */
    const char *volume; /* catalog.schema.volume */
    const char *table;
};

struct report {
    const struct picture *picture; /* with its rates */
    const struct troubles *troubles;
    struct board *board;
    const struct report_places *places;
    const char *(*reason_name)(unsigned reason);
    unsigned reasons;
};

void report_status_json(const struct report *r, struct buf *out);
void report_status_text(const struct report *r, struct buf *out);
void report_history_json(const struct history *h, struct buf *out);
void report_settings_json(struct board *board, struct buf *out);
/* Returns trouble_ready. */
bool report_ready_json(const struct report *r, struct buf *out);

#endif
