/* databricks/workspace.h: one workspace: host, sign-in, HTTP client. Every API call takes it.
 *
 * Shape    opaque handle over libcurl (one multi handle, connections reused).
 * Limits   answers of 4 MiB; bodies of files are streamed.
 * Errors   an answer becomes an err with the kind of databricks-api.md 3.2 / durability.md 10:
 *          RETRY (time-out, reset, cut reply, 408, 409, 429, 5xx, 400 with a limit code), DENIED
 *          (401 after one refresh, 403, 404 of volume or schema, TLS, HTML, 3xx), INPUT (400, 413,
 *          422 that name this file); any other status RETRY. Texts hold no secret, at most 200
 *          characters of the server's words.
 * Owner    opaque; secrets are taken over.
 * Threads  one at a time: each thread opens its own.
 * Source   databricks-api.md 1, 3; durability.md 15.
 */
#ifndef DATABRICKS_WORKSPACE_H
#define DATABRICKS_WORKSPACE_H

#include "base/secret.h"

struct workspace_options {
    const char *host;      /* "https://...", normalised (databricks/host.h); http only for loopback.
                              Copied, like all. */
    struct secret *token;  /* PAT; taken. Or: */
    const char *client_id; /* OAuth M2M */
    struct secret *client_secret; /* taken */
    const char *workspace_id;     /* NULL: unknown; else X-Databricks-Workspace-Id */
    const char *ca_file;          /* NULL: the system's */
    const char *proxy;            /* NULL: none */
    const char *no_proxy;
    const char *partner; /* NULL: none; user agent partner/<x> */
    int64_t stall_us;    /* 60 s below 1 KiB/s */
    int64_t connect_us;  /* 30 s */
};

struct workspace;

struct workspace *workspace_new(const struct workspace_options *options, struct err *err);
void workspace_free(struct workspace *ws);

/* The secret was changed outside (SIGHUP, or its file after a 401): a token for a token, a client
 * secret for a client secret. Takes it; forgets the access token. */
void workspace_renew(struct workspace *ws, struct secret *secret);

/* Moves every call on; returns when one is done, after wait_us, or when wake_fd (-1: none) is
 * readable, which is not read from. False: the machinery itself failed (ERR_FULL). */
NODISCARD bool workspace_poll(struct workspace *ws, int64_t wait_us, int wake_fd, struct err *err);

const char *workspace_host(const struct workspace *ws);
const char *workspace_auth(const struct workspace *ws); /* "pat", "oauth-m2m" */

#endif
