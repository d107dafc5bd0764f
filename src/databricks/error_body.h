/* databricks/error_body.h: the facts in the body of an error.
 *
 * Shape    JSON of four kinds (API, OAuth, SCIM, very old), "CODE: text", HTML, or nothing.
 * Limits   code, reason and request id are cut to what their fields hold; `words` to 64 KiB.
 * Errors   none: what is not understood is left out. Without memory the words are missing.
 * Owner    error_body_done frees the words.
 * Threads  any.
 * Source   databricks-api.md 1.2 (OAuth), 3.1.
 */
#ifndef DATABRICKS_ERROR_BODY_H
#define DATABRICKS_ERROR_BODY_H

#include "base/str.h"

struct error_body {
    char code[64];
    bool numeric; /* the code was a number: the gateway speaks, not the service */
    char reason[64], request_id[64];
    int64_t retry_after_us; /* -1: none */
    struct buf words;       /* for people; neither redacted nor cut */
};

void error_body_read(struct span body, bool html, struct error_body *ret);
void error_body_done(struct error_body *body);

#endif
