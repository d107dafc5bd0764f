/* status/request.h: what a request asks for, and whether it may.
 *
 * Shape    one pure function over the parts that libmicrohttpd has split.
 * Limits   none needed: everything is compared, nothing is copied.
 * Errors   the HTTP status of the answer.
 * Threads  any.
 * Source   RFC 9110 7.2 (Host), 9.1; durability.md 15.
 *
 * A page of another site can make the reader's own browser ask 127.0.0.1 under a name that it
 * controls (DNS rebinding). So on a loopback address only requests to an address or to localhost
 * are answered: such a page has to send its own name as Host.
 */
#ifndef STATUS_REQUEST_H
#define STATUS_REQUEST_H

#include "base/str.h"

#define REQUEST_BYTES_MAX 4096U /* request line and headers */

enum status_page {
    PAGE_NONE,
    PAGE_HOME,     /* / */
    PAGE_METRICS,  /* /metrics */
    PAGE_HEALTH,   /* /healthz */
    PAGE_READY,    /* /readyz */
    PAGE_STATUS,   /* /api/status.json */
    PAGE_TEXT,     /* /api/status.txt */
    PAGE_HISTORY,  /* /api/history.json */
    PAGE_SETTINGS, /* /api/settings.json */
};

struct status_request {
    const char *method, *path; /* path without its query */
    const char *host;          /* NULL: no such header */
    uint64_t head_bytes;
    bool has_body;
    bool on_loopback; /* the server listens on a loopback address */
};

/* The HTTP status: 200 with *ret_page, else 400, 403, 404, 405, 413 or 431. */
unsigned status_request_judge(const struct status_request *r, enum status_page *ret_page);

#endif
