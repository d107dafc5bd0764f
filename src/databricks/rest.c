#include "databricks/rest.h"

#include "base/clock.h"
#include "databricks/url.h"
#include "databricks/workspace_private.h"

#include <assert.h>
#include <jansson.h>

bool rest_no_memory(const char *what, struct err *err)
{
    return err_set(err, ERR_FULL, 0, "%s: no memory", what);
}

static bool read_root(const struct call *call, const char *what, json_t **ret_root, struct err *err)
{
    if (call_answer(call)->body.len)
        *ret_root = call_json(call, err);
    else if (!(*ret_root = json_object()))
        rest_no_memory(what, err);
    return *ret_root != NULL;
}

bool rest_call(struct workspace *ws, const struct call_request *request, json_t **ret_root,
    struct api_error *ret_api, struct err *err)
{
    struct call *call = call_start(ws, request, err);
    bool ok = call && call_wait(call, err);

    if (ret_api) {
        *ret_api = (struct api_error){.class = CLASS_LOCAL, .retry_after_us = -1};
        if (call && call_done(call))
            *ret_api = *call_error(call);
    }
    if (ok && ret_root)
        ok = read_root(call, request->words.what, ret_root, err);
    call_free(call);
    return ok;
}

bool rest_find(struct workspace *ws, const struct call_request *request, json_t **ret_root,
    bool *ret_exists, struct err *err)
{
    struct api_error api;
    bool ok = rest_call(ws, request, ret_root, &api, err), there = ok;

    if (!ok && (api.class == CLASS_MISSING || (api.status == 400 && api.names_item)))
        ok = true;
    if (ok)
        *ret_exists = there;
    return ok;
}

bool rest_keep(char **ret, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    *ret = strdup(text ? text : "");
    return *ret != NULL;
}

void rest_copy(char *out, size_t size, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t len = text ? strlen(text) : 0;

    assert(size > 0);
    if (len >= size)
        len = size - 1;
    while (text && len && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--; /* never half a character */
    if (len)
        memcpy(out, text, len);
    out[len] = '\0';
}

int64_t rest_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    int64_t number = otherwise;

    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_string(value) &&
        !str_i64((struct span){json_string_value(value), json_string_length(value)}, &number))
        number = otherwise;
    return number;
}

int64_t rest_time_us(const json_t *object, const char *key)
{
    int64_t ms = rest_int(object, key, 0);

    return ms > 0 && ms < INT64_MAX / 1000 ? ms * 1000 : 0;
}

bool rest_next_page(struct buf *query, size_t base_len, const json_t *root)
{
    const json_t *next = json_object_get(root, "next_page_token");

    query->len = base_len;
    if (!json_is_string(next) || json_string_length(next) == 0)
        return false;
    (void)buf_add_text(query, base_len ? "&page_token=" : "page_token=");
    (void)url_add_value(query, (struct span){json_string_value(next), json_string_length(next)});
    return true;
}

bool rest_pause(struct workspace *ws, int64_t us, struct err *err)
{
    int64_t until = clock_mono_us() + us, left;

    while ((left = until - clock_mono_us()) > 0) {
        if (workspace_stopped(ws))
            return err_set(err, ERR_RETRY, 0, "stopped");
        if (!workspace_poll(ws, left, ws->stop_fd, err))
            return false;
    }
    return true;
}

void rest_brief(struct workspace *ws, const struct call_request *request, int64_t us)
{
    int64_t until = clock_mono_us() + us, left;
    struct err ignored;
    struct call *call = call_start(ws, request, &ignored);

    while (call && !call_done(call) && (left = until - clock_mono_us()) > 0)
        if (!workspace_poll(ws, left, -1, &ignored))
            break;
    call_free(call);
}
