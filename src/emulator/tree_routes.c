/* The Workspace API: databricks-api.md 5. */
#include <stdio.h>

#include "base/base64.h"
#include "emulator/talk.h"
#include "emulator/tree.h"

/* Base64 of what may be imported, and some line ends. */
#define ENCODED_MAX (TREE_FILE_MAX / 3 * 4 + (1U << 20))

static void answer_tree(
    struct request *req, enum tree_answer answer, const char *path, const struct err *err)
{
    char plain[TREE_PATH_MAX];

    switch (answer) {
    case TREE_OK:
        talk_reply(req, json_object());
        break;
    case TREE_BAD_PATH:
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            path[0] == '/' ? "Path (%.300s) is not valid." : "Path (%.300s) doesn't start with '/'",
            path);
        break;
    case TREE_MISSING:
        reply_error(req, 404, "RESOURCE_DOES_NOT_EXIST", NULL, "Path (%.300s) doesn't exist.",
            tree_path(path, plain) ? plain : path);
        break;
    case TREE_NO_PARENT:
        (void)tree_path(path, plain);
        *strrchr(plain, '/') = '\0';
        reply_error(req, 404, "RESOURCE_DOES_NOT_EXIST", NULL,
            "The parent folder (%.300s) does not exist.", plain);
        break;
    case TREE_EXISTS:
        reply_error(req, 400, "RESOURCE_ALREADY_EXISTS", NULL, "Path (%.300s) already exists.",
            tree_path(path, plain) ? plain : path);
        break;
    case TREE_OTHER_TYPE:
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Cannot overwrite the asset at %.300s due to type mismatch.", path);
        break;
    case TREE_NOT_EMPTY:
        reply_error(req, 400, "DIRECTORY_NOT_EMPTY", NULL, "Folder (%.300s) is not empty.", path);
        break;
    case TREE_DENIED:
        reply_error(req, 403, "PERMISSION_DENIED", NULL,
            "User %.100s does not have the permission to use %.300s.", req->principal, path);
        break;
    case TREE_FAILED:
        talk_failed(req, err);
        break;
    }
}

void serve_workspace_mkdirs(struct request *req)
{
    json_t *body = talk_body(req);
    const char *path = body ? talk_text(req, body, "path") : NULL;
    struct err err = {0};

    if (path)
        answer_tree(req, tree_mkdirs(req->emu, req->principal, path, &err), path, &err);
    json_decref(body);
}

/* --- import --- */

struct import {
    char path[TREE_PATH_MAX];
    char format[24], language[16];
    bool overwrite;
    struct buf content;
};

static const struct {
    const char *extension, *header, *language;
} notebooks[] = {
    {".py", "# Databricks notebook source", "PYTHON"},
    {".sql", "-- Databricks notebook source", "SQL"},
    {".scala", "// Databricks notebook source", "SCALA"},
    {".r", "# Databricks notebook source", "R"},
};

/* AUTO: extension and first line say notebook. Then the extension is taken off the path: what
 * named the file does not find it any more. */
static const char *notebook_language(struct import *in)
{
    size_t len = strlen(in->path);

    for (size_t i = 0; i < sizeof(notebooks) / sizeof(notebooks[0]); i++) {
        size_t end = strlen(notebooks[i].extension), head = strlen(notebooks[i].header);

        if (len <= end || strcasecmp(in->path + len - end, notebooks[i].extension) != 0 ||
            in->content.len < head || memcmp(in->content.data, notebooks[i].header, head) != 0 ||
            (in->content.len > head && in->content.data[head] != '\n' &&
                in->content.data[head] != '\r'))
            continue;
        in->path[len - end] = '\0';
        return notebooks[i].language;
    }
    if (len > 6 && strcmp(in->path + len - 6, ".ipynb") == 0) {
        in->path[len - 6] = '\0';
        return "PYTHON";
    }
    return NULL;
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static void finish_import(struct request *req, struct import *in)
{
    static const char *const formats[] = {
        "AUTO", "SOURCE", "HTML", "JUPYTER", "DBC", "R_MARKDOWN", "RAW"};
    static const char *const languages[] = {"PYTHON", "SQL", "SCALA", "R"};
    const char *language = "", *type = "FILE";
    struct err err = {0};

    if (!is_one_of(in->format, formats, 7)) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Invalid value for field format: '%s'.", in->format);
        return;
    }
    if (in->content.len > TREE_FILE_MAX) {
        reply_error(req, 400, "MAX_NOTEBOOK_SIZE_EXCEEDED", NULL,
            "File size imported is (%zu bytes), exceeded max size (%u bytes)", in->content.len,
            TREE_FILE_MAX);
        return;
    }
    if (strcmp(in->format, "AUTO") == 0) {
        language = notebook_language(in);
        type = language ? "NOTEBOOK" : "FILE";
        language = language ? language : "";
    } else if (strcmp(in->format, "SOURCE") == 0) {
        if (!is_one_of(in->language, languages, 4)) {
            reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
                "The language of a notebook imported as SOURCE is needed: PYTHON, SQL, SCALA or "
                "R.");
            return;
        }
        language = in->language;
        type = "NOTEBOOK";
    } else if (strcmp(in->format, "RAW") != 0) {
        reply_error(req, 501, "NOT_IMPLEMENTED", NULL,
            "Importing the format %s is not served here.", in->format);
        return;
    }
    answer_tree(req,
        tree_put(req->emu, req->principal, in->path, type, language,
            (struct span){in->content.data, in->content.len}, in->overwrite, &err),
        in->path, &err);
}

static bool take_json_import(struct request *req, struct import *in)
{
    json_t *body = talk_body(req);
    const char *path = body ? talk_text(req, body, "path") : NULL;
    const char *text = json_member(body, "content");
    bool ok = false;

    if (path && !str_copy(in->path, sizeof(in->path), path)) {
        answer_tree(req, TREE_BAD_PATH, path, NULL);
    } else if (path) {
        const char *format = json_member(body, "format");

        in->overwrite = json_is_true(json_object_get(body, "overwrite"));
        ok = str_copy(in->format, sizeof(in->format), *format ? format : "SOURCE") &&
             str_copy(in->language, sizeof(in->language), json_member(body, "language")) &&
             base64_read(span_of(text), &in->content);
        if (!ok)
            reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
                "The content is not base64, or a field is too long.");
    }
    json_decref(body);
    return ok;
}

/* --- multipart/form-data (RFC 7578): as the SDK's upload sends it --- */

static struct span header_word(struct span head, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i + len < head.len; i++) {
        const char *from = head.data + i + len, *end;

        if (memcmp(head.data + i, key, len) != 0)
            continue;
        end = memchr(from, '"', head.len - i - len);
        if (end)
            return (struct span){from, (size_t)(end - from)};
    }
    return (struct span){NULL, 0};
}

static bool take_field(struct import *in, struct span name, struct span value)
{
    char text[TREE_PATH_MAX];

    if (span_is(name, "content"))
        return buf_add(&in->content, value.data, value.len);
    if (value.len >= sizeof(text))
        return false;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    if (span_is(name, "path"))
        return str_copy(in->path, sizeof(in->path), text);
    if (span_is(name, "format"))
        return str_copy(in->format, sizeof(in->format), text);
    if (span_is(name, "language"))
        return str_copy(in->language, sizeof(in->language), text);
    if (span_is(name, "overwrite"))
        in->overwrite = strcmp(text, "true") == 0;
    return true;
}

static bool take_parts(struct import *in, struct span body, const char *mark)
{
    size_t len = strlen(mark);
    const char *at = memmem(body.data, body.len, mark, len);

    while (at) {
        const char *stop = body.data + body.len, *head = at + len, *value, *next;

        if (stop - head >= 2 && memcmp(head, "--", 2) == 0)
            return true;
        value = memmem(head, (size_t)(stop - head), "\r\n\r\n", 4);
        next = value ? memmem(value, (size_t)(stop - value), mark, len) : NULL;
        /* The value ends with the line end before the next mark. */
        if (!next || next - (value + 4) < 2 ||
            !take_field(in, header_word((struct span){head, (size_t)(value - head)}, " name=\""),
                (struct span){value + 4, (size_t)(next - value) - 6}))
            return false;
        at = next;
    }
    return false;
}

static bool take_form_import(struct request *req, struct import *in, const char *type)
{
    const char *boundary = strstr(type, "boundary=");
    char mark[80];
    int n;

    boundary = boundary ? boundary + 9 : "";
    boundary += *boundary == '"';
    n = snprintf(mark, sizeof(mark), "--%.*s", (int)strcspn(boundary, "\";"), boundary);
    (void)str_copy(in->format, sizeof(in->format), "SOURCE");
    if (n > 2 && (size_t)n < sizeof(mark) && req->body.len &&
        take_parts(in, (struct span){req->body.data, req->body.len}, mark) && in->path[0])
        return true;
    reply_error(req, 400, "MALFORMED_REQUEST", NULL, "Could not parse the form.");
    return false;
}

void serve_workspace_import(struct request *req)
{
    const char *type = request_header(req, "Content-Type");
    struct import in = {0};
    bool ok;

    buf_init(&in.content, ENCODED_MAX);
    if (type && strncasecmp(type, "multipart/form-data", 19) == 0)
        ok = take_form_import(req, &in, type);
    else
        ok = take_json_import(req, &in);
    if (ok)
        finish_import(req, &in);
    buf_done(&in.content);
}

/* POST /api/2.0/workspace-files/import-file/<path>: raw bytes; 409 where import says 400. */
void serve_workspace_import_file(struct request *req)
{
    struct err err = {0};
    enum tree_answer answer;
    struct path path;
    struct buf text;
    const char *why = NULL;
    bool overwrite;

    buf_init(&text, TREE_PATH_MAX);
    if (!request_query_bool(req, "overwrite", false, &overwrite))
        return;
    if (!path_decode(span_of(req->rest), &path, &why) || !path_print(&text, &path)) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", why ? why : "too long");
    } else if (req->body.len > TREE_FILE_MAX) {
        reply_error(req, 400, "MAX_NOTEBOOK_SIZE_EXCEEDED", NULL, "The file is too large.");
    } else {
        struct import in = {.content = req->body};
        const char *language = NULL;

        (void)str_copy(in.path, sizeof(in.path), buf_text(&text));
        language = notebook_language(&in);
        answer = tree_put(req->emu, req->principal, in.path, language ? "NOTEBOOK" : "FILE",
            language ? language : "", (struct span){req->body.data, req->body.len}, overwrite,
            &err);
        if (answer == TREE_EXISTS)
            reply_error(req, 409, "ALREADY_EXISTS", NULL, "Path (%.300s) already exists.", in.path);
        else
            answer_tree(req, answer, in.path, &err);
    }
    buf_done(&text);
}

/* --- reading --- */

void serve_workspace_get_status(struct request *req)
{
    char path[TREE_PATH_MAX];
    enum tree_answer answer;
    json_t *object = NULL;

    if (!talk_query(req, "path", path, sizeof(path), NULL))
        return;
    answer = tree_look(req->emu, req->principal, path, &object);
    if (answer == TREE_OK)
        talk_reply(req, object);
    else
        answer_tree(req, answer, path, NULL);
}

void serve_workspace_list(struct request *req)
{
    char path[TREE_PATH_MAX];
    enum tree_answer answer;
    json_t *objects = NULL;

    if (!talk_query(req, "path", path, sizeof(path), NULL))
        return;
    answer = tree_list(req->emu, req->principal, path, &objects);
    if (answer != TREE_OK) {
        answer_tree(req, answer, path, NULL);
    } else if (json_array_size(objects)) {
        talk_reply(req, json_pack("{s:o}", "objects", objects));
    } else { /* absent means empty */
        json_decref(objects);
        talk_reply(req, json_object());
    }
}

static void send_raw(struct request *req, struct buf *content)
{
    reply_status(req, 200);
    req->reply.type = "application/octet-stream";
    (void)buf_add(&req->reply.body, content->data ? content->data : "", content->len);
}

static void send_encoded(struct request *req, struct buf *content, const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = slash ? strrchr(slash, '.') : NULL;
    struct json_out json;
    struct buf text;

    buf_init(&text, ENCODED_MAX);
    (void)base64_write((struct span){content->data, content->len}, &text);
    reply_json(req, 200, &json);
    json_out_object(&json);
    reply_json_buf(&json, "content", &text);
    json_key_text(&json, "file_type", dot ? dot + 1 : "auto");
    json_out_object_end(&json);
    buf_done(&text);
}

static void send_content(struct request *req, const char *path, bool raw)
{
    enum tree_answer answer;
    struct err err = {0};
    struct buf content;

    buf_init(&content, TREE_FILE_MAX);
    answer = tree_content(req->emu, req->principal, path, &content, &err);
    if (answer == TREE_OTHER_TYPE)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Path (%.300s) is a folder: only DBC exports it, which is not served here.", path);
    else if (answer != TREE_OK)
        answer_tree(req, answer, path, &err);
    else if (raw)
        send_raw(req, &content);
    else
        send_encoded(req, &content, path);
    buf_done(&content);
}

void serve_workspace_export(struct request *req)
{
    static const char *const formats[] = {"", "AUTO", "SOURCE", "RAW"};
    char path[TREE_PATH_MAX], format[24];
    bool direct, found;

    if (!talk_query(req, "path", path, sizeof(path), NULL) ||
        !talk_query(req, "format", format, sizeof(format), &found) ||
        !request_query_bool(req, "direct_download", false, &direct))
        return;
    if (!is_one_of(format, formats, 4)) {
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "Invalid value for field format: '%s'.", format);
        return;
    }
    send_content(req, path, direct);
}

/* GET /api/2.0/workspace-files/<path>. */
void serve_workspace_file_get(struct request *req)
{
    struct path path;
    struct buf text;
    const char *why = NULL;

    buf_init(&text, TREE_PATH_MAX);
    if (!path_decode(span_of(req->rest), &path, &why) || !path_print(&text, &path))
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", why ? why : "too long");
    else
        send_content(req, buf_text(&text), true);
    buf_done(&text);
}

void serve_workspace_delete(struct request *req)
{
    json_t *body = talk_body(req);
    const char *path = body ? talk_text(req, body, "path") : NULL;
    struct err err = {0};

    if (path)
        answer_tree(req,
            tree_delete(req->emu, req->principal, path,
                json_is_true(json_object_get(body, "recursive")), &err),
            path, &err);
    json_decref(body);
}
