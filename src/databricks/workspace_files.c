#include "databricks/workspace_files.h"

#include "base/base64.h"
#include "base/json_out.h"
#include "databricks/rest.h"
#include "databricks/url.h"

#include <jansson.h>
#include <stdlib.h>

#define WORKSPACE "/api/2.0/workspace/"
#define GRANT "grant CAN MANAGE (or CAN EDIT) on the workspace folder"
#define BODY_MAX (WORKSPACE_FILES_MAX / 3 * 4 + ((size_t)64 << 10))

static bool post(struct workspace *ws, const char *prefix, struct buf *body, const char *what,
    struct api_error *ret_api, struct err *err)
{
    struct call_request r = {.method = HTTP_POST,
        .prefix = prefix,
        .body = {body->data, body->len},
        .words = {what, GRANT, "no such folder in the workspace", NULL}};

    return buf_check(body, what, err) && rest_call(ws, &r, NULL, ret_api, err);
}

bool workspace_files_make_directory(struct workspace *ws, const char *path, struct err *err)
{
    struct json_out json;
    struct buf body;
    bool ok;

    buf_init(&body, 64 << 10);
    json_init(&json, &body);
    json_out_object(&json);
    json_key_text(&json, "path", path);
    json_out_object_end(&json);
    ok = post(ws, WORKSPACE "mkdirs", &body, "make the workspace folder", NULL, err);
    buf_done(&body);
    return ok;
}

/* databricks-api.md 5, the pitfall: such a first line makes a notebook of the file. */
static bool looks_like_notebook(struct span content)
{
    return span_starts(content, "# Databricks notebook source") ||
           span_starts(content, "-- Databricks notebook source");
}

bool workspace_files_import(
    struct workspace *ws, const char *path, struct span content, struct err *err)
{
    static const char what[] = "put the file into the workspace";
    struct json_out json;
    struct buf body;
    bool ok;

    if (content.len > WORKSPACE_FILES_MAX)
        return err_set(err, ERR_INPUT, 0, "%s: %zu bytes are too many", what, content.len);
    if (looks_like_notebook(content))
        return err_set(err, ERR_INPUT, 0, "%s: its first line would make it a notebook", what);
    buf_init(&body, BODY_MAX);
    json_init(&json, &body);
    json_out_object(&json);
    json_key_text(&json, "path", path);
    json_key_text(&json, "format", "AUTO");
    json_key_bool(&json, "overwrite", true);
    json_out_object_end(&json);
    if (!body.failed)
        body.len--; /* the content goes in front of the '}' */
    (void)buf_add_text(&body, ",\"content\":\"");
    (void)base64_write(content, &body);
    (void)buf_add_text(&body, "\"}");
    ok = post(ws, WORKSPACE "import", &body, what, NULL, err);
    buf_done(&body);
    return ok;
}

/* "path=<encoded>" with more behind it. */
static bool find(struct workspace *ws, const char *prefix, const char *path, const char *more,
    const char *what, json_t **ret_root, bool *ret_exists, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = prefix,
        .answer_max = BODY_MAX,
        .words = {what, "grant CAN READ on the workspace folder", NULL, "doesn't exist"}};
    struct buf query;
    bool ok;

    buf_init(&query, 8192);
    (void)buf_add_text(&query, "path=");
    (void)url_add_value(&query, span_of(path));
    (void)buf_add_text(&query, more);
    r.query = buf_text(&query);
    ok = buf_check(&query, what, err) && rest_find(ws, &r, ret_root, ret_exists, err);
    buf_done(&query);
    return ok;
}

bool workspace_files_get_status(struct workspace *ws, const char *path,
    struct workspace_files_status *ret, bool *ret_exists, struct err *err)
{
    json_t *root = NULL;
    bool ok = find(
        ws, WORKSPACE "get-status", path, "", "look at the workspace file", &root, ret_exists, err);

    *ret = (struct workspace_files_status){.bytes = -1};
    if (ok && *ret_exists) {
        ret->object_id = rest_int(root, "object_id", 0);
        ret->bytes = rest_int(root, "size", -1);
        ret->modified_us = rest_time_us(root, "modified_at");
        rest_copy(ret->type, sizeof(ret->type), root, "object_type");
    }
    json_decref(root);
    return ok;
}

bool workspace_files_export(
    struct workspace *ws, const char *path, struct buf *out, bool *ret_exists, struct err *err)
{
    static const char what[] = "read the workspace file";
    json_t *root = NULL;
    bool ok = find(ws, WORKSPACE "export", path, "&format=AUTO", what, &root, ret_exists, err);

    if (ok && *ret_exists) {
        const json_t *content = json_object_get(root, "content");
        struct span text = {json_string_value(content), json_string_length(content)};

        /* An empty file may have no content at all. */
        if (json_is_string(content) && !base64_read(text, out))
            ok = err_set(err, out->failed ? ERR_INPUT : ERR_RETRY, 0,
                out->failed ? "%s: it is too long" : "%s: the content is no base64", what);
    }
    json_decref(root);
    return ok;
}

bool workspace_files_delete(struct workspace *ws, const char *path, struct err *err)
{
    struct api_error api = {.class = CLASS_NONE};
    struct json_out json;
    struct buf body;
    bool ok;

    buf_init(&body, 64 << 10);
    json_init(&json, &body);
    json_out_object(&json);
    json_key_text(&json, "path", path);
    json_key_bool(&json, "recursive", false);
    json_out_object_end(&json);
    ok = post(ws, WORKSPACE "delete", &body, "delete the workspace file", &api, err) ||
         api.class == CLASS_MISSING;
    buf_done(&body);
    return ok;
}
