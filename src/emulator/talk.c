#include "emulator/talk.h"

#include <stdio.h>
#include <stdlib.h>

#define EMPTY_PAGE "empty"

json_t *talk_body(struct request *req)
{
    json_error_t why = {0};
    json_t *body;

    if (req->body.len == 0)
        body = json_object();
    else
        body = json_loadb(req->body.data, req->body.len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(body))
        return body;
    if (body || req->body.len)
        reply_error(req, 400, "MALFORMED_REQUEST", NULL, "Could not parse request object: %.200s",
            body ? "an object is expected" : why.text);
    else
        reply_error(req, 500, "INTERNAL_ERROR", NULL, "no memory");
    json_decref(body);
    return NULL;
}

void talk_reply_status(struct request *req, int status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    json_decref(value);
    if (!text) {
        reply_error(req, 500, "INTERNAL_ERROR", NULL, "no memory");
        return;
    }
    reply_status(req, status);
    req->reply.type = "application/json";
    (void)buf_add_text(&req->reply.body, text);
    free(text);
}

void talk_reply(struct request *req, json_t *value)
{
    talk_reply_status(req, 200, value);
}

void talk_failed(struct request *req, const struct err *err)
{
    reply_error(req, 500, "INTERNAL_ERROR", NULL, "%s", err->text);
}

const char *talk_text(struct request *req, const json_t *body, const char *key)
{
    const json_t *value = json_object_get(body, key);

    if (json_is_string(value) && json_string_length(value) &&
        strlen(json_string_value(value)) == json_string_length(value))
        return json_string_value(value);
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
        value ? "The field %s must be text." : "Missing required field: %s", key);
    return NULL;
}

bool talk_id(struct request *req, const json_t *body, const char *key, int64_t *ret)
{
    const json_t *value = json_object_get(body, key);

    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    if (json_is_string(value) && str_i64(span_of(json_string_value(value)), ret))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
        value ? "The field %s must be an integer." : "Missing required field: %s", key);
    return false;
}

bool talk_query(struct request *req, const char *key, char *out, size_t size, bool *ret_found)
{
    struct buf value;
    bool found = false, ok;

    buf_init(&value, size - 1);
    out[0] = '\0';
    ok = path_query(req->query, key, &value, &found) &&
         (value.len == 0 || !memchr(value.data, '\0', value.len)) &&
         str_utf8_valid(value.data, value.len);
    if (ok && value.len) {
        memcpy(out, value.data, value.len);
        out[value.len] = '\0';
    }
    buf_done(&value);
    if (ret_found)
        *ret_found = found;
    if (ok && (found || ret_found))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
        ok ? "Missing required field: %s" : "%s is badly encoded or too long.", key);
    return false;
}

bool talk_query_int(struct request *req, const char *key, int64_t missing, int64_t *ret)
{
    char text[32];
    bool found;

    *ret = missing;
    if (!talk_query(req, key, text, sizeof(text), &found))
        return false;
    if (!found || !text[0] || str_i64(span_of(text), ret))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s must be an integer.", key);
    return false;
}

bool talk_page(struct request *req, size_t *ret_offset)
{
    char text[64];
    uint64_t offset;
    bool found;

    *ret_offset = 0;
    if (!talk_query(req, "page_token", text, sizeof(text), &found))
        return false;
    if (!found || !text[0] || strcmp(text, EMPTY_PAGE) == 0)
        return true;
    if (strncmp(text, "from-", 5) == 0 && str_u64(span_of(text + 5), &offset) &&
        offset < 100000000) {
        *ret_offset = (size_t)offset;
        return true;
    }
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "Invalid page token: %s", text);
    return false;
}

void talk_page_token(json_t *answer, size_t next)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "from-%zu", next);
    (void)json_object_set_new(answer, "next_page_token", json_string(text));
}

bool talk_part(
    struct request *req, const char *from, char *out, size_t size, const char **ret_after)
{
    struct buf part;
    size_t len;
    bool ok;

    from += *from == '/';
    len = strcspn(from, "/");
    buf_init(&part, size - 1);
    ok = len > 0 && path_unescape((struct span){from, len}, false, &part) && part.len > 0 &&
         !memchr(part.data, '\0', part.len) && str_utf8_valid(part.data, part.len);
    if (ok) {
        memcpy(out, part.data, part.len);
        out[part.len] = '\0';
    }
    buf_done(&part);
    if (ret_after)
        *ret_after = from + len;
    if (!ok || (!ret_after && from[len])) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "A name in the path is not valid.");
        return false;
    }
    return true;
}

bool talk_empty_page(struct request *req, const char *array)
{
    char text[64];
    bool found = false;

    if (!req->fault || !req->fault->empty_page ||
        !talk_query(req, "page_token", text, sizeof(text), &found) || found)
        return false;
    talk_reply(
        req, json_pack("{s:[], s:s, s:b}", array, "next_page_token", EMPTY_PAGE, "has_more", 1));
    return true;
}
