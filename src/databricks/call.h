/* databricks/call.h: one call of the API: sign-in, request, judgement, one refreshed token.
 *
 * Shape    call_start takes a description and returns at once; workspace_poll drives every call of
 *          the workspace; call_done asks, call_result and call_answer tell, call_free ends (and
 *          cancels). call_wait does it all for callers that have nothing else to do. Every API
 *          function of this room is a description and a look at the answer.
 * Units    bytes.
 * Limits   as databricks/http.h.
 * Errors   as databricks/error.h. No retry of its own except the one after a refreshed token.
 * Owner    opaque; the description is copied, a body's descriptor is borrowed until call_done.
 * Threads  one at a time: that of the workspace.
 * Source   databricks-api.md 1.6 (X-Databricks-Workspace-Id), 3.
 */
#ifndef DATABRICKS_CALL_H
#define DATABRICKS_CALL_H

#include "databricks/error.h"
#include "databricks/workspace.h"

struct call_request {
    enum http_method method;
    const char *prefix; /* "/api/2.0/fs/files" */
    const char *path;   /* behind it, percent-encoded here; NULL: nothing */
    const char *query;  /* encoded, without '?'; NULL: none */
    const char *type;   /* Content-Type of the body; NULL: application/json */
    const char *header; /* one more, "Range: bytes=0-9"; NULL: none */
    struct span body;
    bool body_is_file;
    int body_fd;
    uint64_t body_bytes;
    size_t answer_max; /* 0: HTTP_ANSWER_MAX */
    struct error_words words;
};

struct call;

struct call *call_start(struct workspace *ws, const struct call_request *request, struct err *err);
bool call_done(const struct call *call);

/* After call_done. True: a 2xx of the API. */
NODISCARD bool call_result(const struct call *call, struct err *err);
const struct api_error *call_error(const struct call *call);
const struct http_answer *call_answer(const struct call *call); /* NULL: never sent */
uint64_t call_sent_bytes(const struct call *call);              /* of bodies, every attempt */
void call_free(struct call *call);                              /* takes NULL */

/* Until this call is done; others of the workspace move on meanwhile. */
NODISCARD bool call_wait(struct call *call, struct err *err);

/* The answer's body as a JSON object (jansson; json_decref is the caller's), NULL with ERR_RETRY
 * when it is none. */
struct json_t *call_json(const struct call *call, struct err *err);

#endif
