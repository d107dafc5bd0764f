#include "emulator/request.h"

#include <stdio.h>

#define REPLY_BYTES_MAX (64U << 20)

void reply_reset(struct reply *reply)
{
    file_drop(reply->file_fd);
    if (!reply->body.max)
        buf_init(&reply->body, REPLY_BYTES_MAX);
    buf_reset(&reply->body);
    reply->file_fd = -1;
    reply->offset = reply->length = 0;
    reply->status = 0;
    reply->type = NULL;
    reply->header_count = 0;
}

void reply_header(struct request *req, const char *name, const char *value)
{
    struct reply *reply = &req->reply;
    int n = reply->header_count;

    if (n == REPLY_HEADERS_MAX)
        return;
    (void)str_copy(reply->header[n].name, sizeof(reply->header[n].name), name);
    (void)str_copy(reply->header[n].value, sizeof(reply->header[n].value), value);
    reply->header_count++;
}

void reply_status(struct request *req, int status)
{
    reply_reset(&req->reply);
    req->reply.status = status;
}

void reply_json(struct request *req, int status, struct json_out *json)
{
    reply_status(req, status);
    req->reply.type = "application/json";
    json_init(json, &req->reply.body);
}

void reply_json_buf(struct json_out *json, const char *key, struct buf *value)
{
    json_key_text(json, key, buf_text(value));
    json->buf->failed = json->buf->failed || value->failed;
}

/* RequestInfo is what people quote to the vendor's support, so a client should log it. */
static void add_details(struct request *req, struct json_out *json, const char *reason)
{
    unsigned long long id = atomic_fetch_add(&req->emu->count.request_ids, 1);
    char text[40];

    json_key(json, "details");
    json_out_array(json);
    if (reason) {
        json_out_object(json);
        json_key_text(json, "@type", "type.googleapis.com/google.rpc.ErrorInfo");
        json_key_text(json, "reason", reason);
        json_key_text(json, "domain", "filesystem.databricks.com");
        json_out_object_end(json);
    }
    (void)snprintf(text, sizeof(text), "emulator-%08llx", id);
    json_out_object(json);
    json_key_text(json, "@type", "type.googleapis.com/google.rpc.RequestInfo");
    json_key_text(json, "request_id", text);
    json_key_text(json, "serving_data", "");
    json_out_object_end(json);
    json_out_array_end(json);
}

void reply_error(
    struct request *req, int status, const char *code, const char *reason, const char *fmt, ...)
{
    struct json_out json;
    char message[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    reply_json(req, status, &json);
    json_out_object(&json);
    json_key_text(&json, "error_code", code);
    json_key_text(&json, "message", message);
    add_details(req, &json, reason);
    json_out_object_end(&json);
}

void reply_gateway(struct request *req, int status, const char *message)
{
    struct json_out json;

    reply_json(req, status, &json);
    json_out_object(&json);
    json_key_int(&json, "error_code", status);
    json_key_text(&json, "message", message);
    json_out_object_end(&json);
    reply_header(req, "X-Databricks-Reason-Phrase", message);
}

static void reply_missing(struct request *req, const char *what)
{
    bool directory = strcmp(what, "directory") == 0;
    struct buf name;

    buf_init(&name, PATH_BYTES_MAX + PATH_PARTS_MAX);
    path_print(&name, &req->target);
    reply_error(req, 404, "NOT_FOUND",
        directory ? "FILES_API_DIRECTORY_IS_NOT_FOUND" : "FILES_API_FILE_IS_NOT_FOUND",
        "The %s being accessed is not found: %.300s", what, buf_text(&name));
    buf_done(&name);
}

void reply_store(
    struct request *req, enum store_answer answer, const char *what, const struct err *err)
{
    const struct path *path = &req->target;

    switch (answer) {
    case STORE_OK:
        reply_status(req, 204);
        break;
    case STORE_NO_VOLUME:
        reply_error(req, 404, "NOT_FOUND", NULL, "Volume '%.100s.%.100s.%.100s' does not exist.",
            path->part[1], path->part[2], path->part[3]);
        break;
    case STORE_MISSING:
        reply_missing(req, what);
        break;
    case STORE_EXISTS:
        reply_error(
            req, 409, "ALREADY_EXISTS", NULL, "The %s cannot be made: the name exists.", what);
        break;
    case STORE_NOT_DIRECTORY:
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "A parent in the path is a file.");
        break;
    case STORE_NOT_EMPTY:
        reply_error(req, 400, "BAD_REQUEST", "FILES_API_DIRECTORY_IS_NOT_EMPTY",
            "The directory is not empty.");
        break;
    case STORE_IS_VOLUME:
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "The path names the volume itself.");
        break;
    case STORE_FAILED:
        reply_error(req, 500, "INTERNAL_ERROR", NULL, "%s", err->text);
        break;
    }
}

/* --- faults --- */

static const char *usual_code(int status)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {400, "INVALID_PARAMETER_VALUE"},
        {401, "UNAUTHENTICATED"},
        {403, "PERMISSION_DENIED"},
        {404, "NOT_FOUND"},
        {409, "ALREADY_EXISTS"},
        {429, "RESOURCE_EXHAUSTED"},
        {500, "INTERNAL_ERROR"},
        {501, "NOT_IMPLEMENTED"},
        {503, "TEMPORARILY_UNAVAILABLE"},
        {504, "DEADLINE_EXCEEDED"},
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return "UNKNOWN";
}

void reply_fault(struct request *req, const struct fault_action *fault)
{
    const char *message = fault->message[0] ? fault->message : "A fault on request.";

    if (fault->html) {
        reply_status(req, fault->status);
        req->reply.type = "text/html; charset=utf-8";
        (void)buf_add_text(&req->reply.body,
            fault->has_body ? fault->body
                            : "<!doctype html><html><head><title>Login - Databricks</title></head>"
                              "<body><div id=\"login-page\"></div></body></html>\n");
    } else if (fault->has_body) {
        reply_status(req, fault->status);
        req->reply.type = fault->body[0] == '{' ? "application/json" : "text/plain";
        (void)buf_add_text(&req->reply.body, fault->body);
    } else if (fault->numeric) {
        reply_gateway(req, fault->status, message);
    } else if (fault->status < 300) {
        reply_status(req, fault->status);
    } else {
        reply_error(req, fault->status,
            fault->error_code[0] ? fault->error_code : usual_code(fault->status), NULL, "%s",
            message);
    }
}
