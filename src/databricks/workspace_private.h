/* databricks/workspace_private.h: what workspace.c and call.c share.
 *
 * Shape    the calls in flight hang in one list, so that one poll moves all of them.
 * Threads  one.
 */
#ifndef DATABRICKS_WORKSPACE_PRIVATE_H
#define DATABRICKS_WORKSPACE_PRIVATE_H

#include "databricks/auth.h"
#include "databricks/call.h"

struct workspace {
    struct http *http;
    struct auth *auth;
    char *host, *id; /* id NULL: not configured */
    struct call *calls;
    int stop_fd; /* workspace_stop_on; -1: none */
};

/* Takes every call as far as it gets without waiting. True: one of them became done. */
bool calls_advance(struct workspace *ws);

#endif
