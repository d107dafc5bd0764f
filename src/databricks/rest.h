/* databricks/rest.h: what the thin API functions share: a call that waits, and reading JSON.
 *
 * Shape    rest_call sends a description and gives the answer as a JSON object; the readers take
 *          one field each, and an absent or odd one is empty.
 * Units    _us microseconds since the epoch.
 * Limits   as databricks/call.h.
 * Errors   as databricks/error.h; ERR_FULL without memory.
 * Owner    *ret_root belongs to the caller (json_decref); texts of rest_keep are freed.
 * Threads  one at a time.
 * Source   databricks-api.md, cross-cutting wire facts.
 */
#ifndef DATABRICKS_REST_H
#define DATABRICKS_REST_H

#include "databricks/call.h"

#define REST_PAGES_MAX 10000 /* a server that never ends its list must not hold us for ever */

struct json_t;

/* `ret_root` NULL: any 2xx is a success, its body does not matter; else an empty body counts as
 * "{}". `ret_api` NULL: not wanted. */
NODISCARD bool rest_call(struct workspace *ws, const struct call_request *request,
    struct json_t **ret_root, struct api_error *ret_api, struct err *err);

/* As rest_call, and "not there" is an answer: *ret_exists false. `words.item` may hold the words
 * by which a 400 says it. */
NODISCARD bool rest_find(struct workspace *ws, const struct call_request *request,
    struct json_t **ret_root, bool *ret_exists, struct err *err);

/* A copy of the text; "" when it is none. False: no memory, *ret is NULL. */
bool rest_keep(char **ret, const struct json_t *object, const char *key);
/* The same into a field, cut to what it holds at a whole character. */
void rest_copy(char *out, size_t size, const struct json_t *object, const char *key);
/* An integer, or a text that is one. */
int64_t rest_int(const struct json_t *object, const char *key, int64_t otherwise);
/* Milliseconds of the API; 0: not said. */
int64_t rest_time_us(const struct json_t *object, const char *key);

/* "&page_token=<encoded>" behind `query`; false: this was the last page. */
bool rest_next_page(struct buf *query, size_t base_len, const struct json_t *root);

/* Waits so long; false with ERR_RETRY "stopped" when the caller was told to stop. */
NODISCARD bool rest_pause(struct workspace *ws, int64_t us, struct err *err);

/* Sends it and waits at most so long, also after a stop; nobody wants to know how it ended. */
void rest_brief(struct workspace *ws, const struct call_request *request, int64_t us);

bool rest_no_memory(const char *what, struct err *err); /* false, for return */

#endif
