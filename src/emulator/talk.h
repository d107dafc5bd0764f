/* emulator/talk.h: JSON in and out of a request, for the APIs beyond files.
 *
 * Shape    talk_body gives the object a client sent or answers 400; talk_reply answers with one.
 * Limits   those of request.h; 4,096 bytes a query value.
 * Errors   NULL or false means: answered already.
 * Owner    talk_body: the caller's; talk_reply takes its value over.
 * Threads  one request, one thread.
 * Source   databricks-api.md 3.1.
 */
#ifndef EMULATOR_TALK_H
#define EMULATOR_TALK_H

#include "emulator/json.h"

#include "emulator/request.h"

/* The body as an object; an empty body is an empty object. */
json_t *talk_body(struct request *req);

/* NULL counts as no memory. */
void talk_reply(struct request *req, json_t *value);
void talk_reply_status(struct request *req, int status, json_t *value);

/* 500 for what the disk said. */
void talk_failed(struct request *req, const struct err *err);

/* A member that must be text that is not empty; else 400 and NULL. Borrowed. */
const char *talk_text(struct request *req, const json_t *body, const char *key);

/* An id as a number or as digits; else 400. */
bool talk_id(struct request *req, const json_t *body, const char *key, int64_t *ret);

/* Out of the query; *ret_found may be NULL when it must be there. */
bool talk_query(struct request *req, const char *key, char *out, size_t size, bool *ret_found);
bool talk_query_int(struct request *req, const char *key, int64_t missing, int64_t *ret);

/* "page_token" as we make them: an offset. */
bool talk_page(struct request *req, size_t *ret_offset);
void talk_page_token(json_t *answer, size_t next);

/* req->rest without its first slash, up to the next slash or the end, decoded; *rest_after: what
 * follows, from its slash. */
bool talk_part(
    struct request *req, const char *from, char *out, size_t size, const char **ret_after);

/* Does a list answer an empty page with a token first? (fault rule `empty-page`) */
bool talk_empty_page(struct request *req, const char *array);

#endif
