#include "databricks/files.h"

#include "databricks/url.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES "/api/2.0/fs/files"
#define DIRECTORIES "/api/2.0/fs/directories"
#define GRANT "grant WRITE VOLUME on it, and USE CATALOG, USE SCHEMA"
#define MISSING "volume, schema or catalog not found: check the volume setting"
#define PAGES_MAX 100000 /* a server that never ends its list must not hold us for ever */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

struct call *files_put_start(
    struct workspace *ws, const char *path, int fd, uint64_t bytes, bool overwrite, struct err *err)
{
    struct call_request r = {.method = HTTP_PUT,
        .prefix = FILES,
        .path = path,
        /* Absent means true: never leave it out. */
        .query = overwrite ? "overwrite=true" : "overwrite=false",
        .type = "application/octet-stream",
        .body_is_file = true,
        .body_fd = fd,
        .body_bytes = bytes,
        .words = {"upload", GRANT, MISSING, last_part(path)}};

    if (bytes > FILES_PUT_MAX) {
        err_set(err, ERR_INPUT, 0, "upload: %" PRIu64 " bytes are more than 5 GiB", bytes);
        return NULL;
    }
    return call_start(ws, &r, err);
}

static struct call *simple(struct workspace *ws, enum http_method method, const char *prefix,
    const char *path, const char *what, struct err *err)
{
    struct call_request r = {.method = method,
        .prefix = prefix,
        .path = path,
        .words = {what, GRANT, MISSING, last_part(path)}};

    return call_start(ws, &r, err);
}

struct call *files_head_start(struct workspace *ws, const char *path, struct err *err)
{
    return simple(ws, HTTP_HEAD, FILES, path, "look at the uploaded file", err);
}

struct call *files_make_directory_start(struct workspace *ws, const char *path, struct err *err)
{
    return simple(ws, HTTP_PUT, DIRECTORIES, path, "make the folder", err);
}

/* Waits and frees. */
static bool finish(struct call *call, struct err *err)
{
    bool ok = call && call_wait(call, err);

    call_free(call);
    return ok;
}

/* As finish, but "not there" is an answer. */
static bool finish_exists(struct call *call, bool *ret_exists, int64_t *ret_length, struct err *err)
{
    bool ok = call && call_wait(call, err), there = ok;

    if (!ok && call && call_done(call) && call_error(call)->class == CLASS_MISSING)
        ok = true;
    if (ok)
        *ret_exists = there;
    if (ok && there && ret_length)
        *ret_length = call_answer(call)->length;
    call_free(call);
    return ok;
}

bool files_put(
    struct workspace *ws, const char *path, struct span body, bool overwrite, struct err *err)
{
    struct call_request r = {.method = HTTP_PUT,
        .prefix = FILES,
        .path = path,
        .query = overwrite ? "overwrite=true" : "overwrite=false",
        .type = "application/octet-stream",
        .body = body,
        .words = {"upload", GRANT, MISSING, last_part(path)}};

    return finish(call_start(ws, &r, err), err);
}

bool files_head(
    struct workspace *ws, const char *path, bool *ret_exists, int64_t *ret_length, struct err *err)
{
    struct call *call = simple(ws, HTTP_HEAD, FILES, path, "look at a file", err);

    return finish_exists(call, ret_exists, ret_length, err);
}

bool files_make_directory(struct workspace *ws, const char *path, struct err *err)
{
    return finish(files_make_directory_start(ws, path, err), err);
}

bool files_directory_exists(
    struct workspace *ws, const char *path, bool *ret_exists, struct err *err)
{
    struct call *call = simple(ws, HTTP_HEAD, DIRECTORIES, path, "look at a folder", err);

    return finish_exists(call, ret_exists, NULL, err);
}

bool files_get(struct workspace *ws, const char *path, uint64_t first, uint64_t last,
    struct buf *out, struct err *err)
{
    bool whole = first == 0 && last == UINT64_MAX, ok;
    const struct http_answer *answer;
    char range[80];
    struct call_request r = {.method = HTTP_GET,
        .prefix = FILES,
        .path = path,
        .header = whole ? NULL : range,
        .answer_max = out->max > out->len ? out->max - out->len : 1,
        .words = {"download", "grant READ VOLUME on it, and USE CATALOG, USE SCHEMA",
            "no such file", last_part(path)}};
    struct call *call;

    if (last == UINT64_MAX)
        (void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", first);
    else
        (void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-%" PRIu64, first, last);
    call = call_start(ws, &r, err);
    ok = call && call_wait(call, err);
    answer = call ? call_answer(call) : NULL;
    /* 200 would be the whole file from its start: not what was asked for. */
    if (ok && !whole && answer->status != 206)
        ok = err_set(err, ERR_RETRY, answer->status, "download: the server ignored the range");
    if (ok && !buf_add(out, answer->body.data, answer->body.len))
        ok = buf_check(out, "download", err);
    call_free(call);
    return ok;
}

static bool delete_it(
    struct workspace *ws, const char *prefix, const char *path, const char *what, struct err *err)
{
    bool existed;

    return finish_exists(simple(ws, HTTP_DELETE, prefix, path, what, err), &existed, NULL, err);
}

bool files_delete(struct workspace *ws, const char *path, struct err *err)
{
    return delete_it(ws, FILES, path, "delete a file", err);
}

bool files_delete_directory(struct workspace *ws, const char *path, struct err *err)
{
    return delete_it(ws, DIRECTORIES, path, "delete a folder", err);
}

/* --- listing --- */

struct listing {
    uint64_t left;
    files_each *each;
    void *arg;
    bool stopped;
};

static void tell(struct listing *l, const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *path = json_string_value(json_object_get(item, "path"));
    json_int_t size = json_integer_value(json_object_get(item, "file_size"));
    json_int_t modified = json_integer_value(json_object_get(item, "last_modified"));
    struct files_entry entry = {.name = name   ? name
                                        : path ? last_part(path)
                                               : NULL,
        .directory = json_is_true(json_object_get(item, "is_directory")),
        .bytes = size > 0 ? (uint64_t)size : 0,
        .modified_us = modified > 0 && modified < INT64_MAX / 1000 ? modified * 1000 : 0};

    if (!entry.name)
        return;
    l->left--;
    l->stopped = !l->each(l->arg, &entry) || l->left == 0;
}

/* *ret_token: "" when this was the last page. */
static bool read_page(
    struct listing *l, const struct call *call, struct buf *token, struct err *err)
{
    json_t *root = call_json(call, err);
    const json_t *contents = json_object_get(root, "contents");
    const json_t *next = json_object_get(root, "next_page_token");

    if (!root)
        return false;
    for (size_t i = 0; i < json_array_size(contents) && !l->stopped; i++)
        tell(l, json_array_get(contents, i));
    buf_reset(token);
    if (json_is_string(next) && !l->stopped)
        (void)buf_add(token, json_string_value(next), json_string_length(next));
    json_decref(root);
    return buf_check(token, "page token", err);
}

static struct call *start_page(
    struct workspace *ws, const char *path, const struct buf *token, struct err *err)
{
    struct buf query;
    struct call_request r = {.method = HTTP_GET,
        .prefix = DIRECTORIES,
        .path = path,
        .words = {"list a folder", "grant READ VOLUME on it, and USE CATALOG, USE SCHEMA", MISSING,
            NULL}};
    struct call *call = NULL;

    buf_init(&query, 8192);
    if (token->len) {
        (void)buf_add_text(&query, "page_token=");
        (void)url_add_value(&query, (struct span){token->data, token->len});
        r.query = buf_text(&query);
    }
    if (buf_check(&query, "page token", err))
        call = call_start(ws, &r, err);
    buf_done(&query);
    return call;
}

bool files_list(struct workspace *ws, const char *path, uint64_t max, files_each *each, void *arg,
    bool *ret_exists, struct err *err)
{
    struct listing l = {.left = max, .each = each, .arg = arg, .stopped = max == 0};
    struct buf token;
    bool ok = true, exists = true;

    buf_init(&token, 4096);
    for (int page = 0; ok && exists; page++) {
        struct call *call = start_page(ws, path, &token, err);

        ok = call && call_wait(call, err);
        if (ok)
            ok = read_page(&l, call, &token, err);
        else if (call && call_done(call) && call_error(call)->class == CLASS_MISSING && page == 0)
            exists = false, ok = true;
        call_free(call);
        if (ok && page == PAGES_MAX)
            ok = err_set(err, ERR_RETRY, 0, "list a folder: the list does not end");
        if (token.len == 0)
            break;
    }
    buf_done(&token);
    if (ok)
        *ret_exists = exists;
    return ok;
}
