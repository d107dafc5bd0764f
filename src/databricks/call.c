#include "databricks/call.h"

#include "databricks/url.h"
#include "databricks/workspace_private.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define URL_MAX 8192

enum call_state { CALL_SIGNING, CALL_SENDING, CALL_DONE };

struct call {
    struct workspace *ws;
    struct call *next;
    enum call_state state;
    struct http_request request;
    char *url, *body, *type, *header, *what, *grant, *missing, *item;
    char id_header[64];
    struct http_call *http;
    uint64_t seen, generation, sent;
    bool refreshed, ok;
    struct api_error api;
    struct err err;
};

static bool copy_text(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static bool build_url(struct call *call, const struct call_request *r)
{
    struct buf url;
    bool ok;

    buf_init(&url, URL_MAX);
    (void)buf_add_text(&url, call->ws->host);
    (void)buf_add_text(&url, r->prefix);
    if (r->path)
        (void)url_add_path(&url, span_of(r->path));
    if (r->query)
        (void)buf_printf(&url, "?%s", r->query);
    ok = !url.failed && copy_text(&call->url, buf_text(&url));
    buf_done(&url);
    return ok;
}

static bool build_headers(struct call *call, const struct call_request *r)
{
    bool body = r->body.len || r->body_is_file;
    struct http_request *h = &call->request;
    size_t n = 0;
    char type[160];

    h->headers[n++] = "Accept: application/json";
    if (body) {
        (void)snprintf(
            type, sizeof(type), "Content-Type: %s", r->type ? r->type : "application/json");
        if (!copy_text(&call->type, type))
            return false;
        h->headers[n++] = call->type;
    }
    if (r->header) {
        if (!copy_text(&call->header, r->header))
            return false;
        h->headers[n++] = call->header;
    }
    h->headers[n++] = call->id_header; /* filled in, or left out, when it is sent */
    h->headers[n] = NULL;
    return true;
}

static bool build(struct call *call, const struct call_request *r)
{
    struct http_request *h = &call->request;

    h->method = r->method;
    h->answer_max = r->answer_max;
    h->body_is_file = r->body_is_file;
    h->body_fd = r->body_fd;
    h->body_bytes = r->body_bytes;
    if (r->body.len) {
        call->body = malloc(r->body.len);
        if (!call->body)
            return false;
        memcpy(call->body, r->body.data, r->body.len);
        h->body = (struct span){call->body, r->body.len};
    }
    if (!build_url(call, r) || !build_headers(call, r) || !copy_text(&call->what, r->words.what) ||
        !copy_text(&call->grant, r->words.grant) || !copy_text(&call->missing, r->words.missing) ||
        !copy_text(&call->item, r->words.item))
        return false;
    h->url = call->url;
    h->sign = auth_sign;
    h->sign_arg = call->ws->auth;
    return true;
}

static void release(struct call *call)
{
    http_drop(call->http);
    free(call->url);
    free(call->body);
    free(call->type);
    free(call->header);
    free(call->what);
    free(call->grant);
    free(call->missing);
    free(call->item);
    free(call);
}

static void end(struct call *call, bool ok)
{
    call->ok = ok;
    call->state = CALL_DONE;
}

static void fail_local(struct call *call)
{
    call->api = (struct api_error){.class = CLASS_LOCAL, .retry_after_us = -1};
    end(call, false);
}

/* The last header slot: known from the settings, or told by the host since. */
static void set_workspace_id(struct call *call)
{
    const char *id = call->ws->id ? call->ws->id : auth_workspace_id(call->ws->auth);
    size_t slot = 0;

    while (call->request.headers[slot] && call->request.headers[slot] != call->id_header)
        slot++;
    (void)snprintf(call->id_header, sizeof(call->id_header), "X-Databricks-Workspace-Id: %s", id);
    call->request.headers[slot] = *id ? call->id_header : NULL;
}

static void send_now(struct call *call)
{
    struct workspace *ws = call->ws;

    set_workspace_id(call);
    call->generation = auth_generation(ws->auth);
    call->http = http_start(ws->http, &call->request, &call->err);
    call->state = CALL_SENDING;
    if (!call->http)
        fail_local(call);
}

static void sign(struct call *call)
{
    switch (auth_ready(call->ws->auth, &call->seen)) {
    case AUTH_READY:
        send_now(call);
        break;
    case AUTH_FAILED:
        call->err = *auth_error(call->ws->auth);
        (void)err_wrap(&call->err, "%s", call->what);
        call->api = (struct api_error){.status = call->err.code >= 100 ? call->err.code : 0,
            .class = call->err.kind == ERR_DENIED ? CLASS_DENIED : CLASS_NETWORK,
            .retry_after_us = auth_retry_after_us(call->ws->auth)};
        end(call, false);
        break;
    case AUTH_BUSY:
        break;
    }
}

static void judge(struct call *call)
{
    const struct http_answer *answer = http_answer(call->http);
    struct error_words words = {call->what, call->grant, call->missing, call->item};
    struct auth *auth = call->ws->auth;
    bool ok;

    call->sent += answer->sent;
    ok = error_judge(answer, &words, auth_hide, auth, &call->api, &call->err);
    if (!ok && call->api.about_token && !call->refreshed && auth_reject(auth, call->generation)) {
        call->refreshed = true;
        http_drop(call->http); /* the body starts at its first byte again */
        call->http = NULL;
        call->seen = 0;
        call->state = CALL_SIGNING;
        sign(call);
        return;
    }
    end(call, ok);
}

bool calls_advance(struct workspace *ws)
{
    bool some = false;

    auth_advance(ws->auth);
    for (struct call *call = ws->calls; call; call = call->next) {
        if (call->state == CALL_DONE)
            continue;
        if (call->state == CALL_SIGNING)
            sign(call);
        else if (http_finished(call->http))
            judge(call);
        some = some || call->state == CALL_DONE;
    }
    return some;
}

struct call *call_start(struct workspace *ws, const struct call_request *request, struct err *err)
{
    struct call *call = calloc(1, sizeof(*call));

    assert(!request->body_is_file || request->method == HTTP_PUT);
    if (!call) {
        err_set(err, ERR_FULL, 0, "%s: no memory", request->words.what);
        return NULL;
    }
    call->ws = ws;
    call->state = CALL_SIGNING;
    if (!build(call, request)) {
        release(call);
        err_set(err, ERR_FULL, 0, "%s: no memory, or a path too long", request->words.what);
        return NULL;
    }
    call->next = ws->calls;
    ws->calls = call;
    sign(call);
    return call;
}

bool call_done(const struct call *call)
{
    return call->state == CALL_DONE;
}

bool call_result(const struct call *call, struct err *err)
{
    assert(call->state == CALL_DONE);
    if (!call->ok)
        *err = call->err;
    return call->ok;
}

const struct api_error *call_error(const struct call *call)
{
    return &call->api;
}

const struct http_answer *call_answer(const struct call *call)
{
    return call->http ? http_answer(call->http) : NULL;
}

uint64_t call_sent_bytes(const struct call *call)
{
    return call->sent;
}

void call_free(struct call *call)
{
    struct call **at;

    if (!call)
        return;
    for (at = &call->ws->calls; *at != call; at = &(*at)->next)
        ;
    *at = call->next;
    release(call);
}

bool call_wait(struct call *call, struct err *err)
{
    while (!call_done(call)) {
        if (workspace_stopped(call->ws))
            return err_set(err, ERR_RETRY, 0, "%s: stopped", call->what);
        if (!workspace_poll(call->ws, 1000000, call->ws->stop_fd, err))
            return false;
    }
    return call_result(call, err);
}

struct json_t *call_json(const struct call *call, struct err *err)
{
    const struct http_answer *answer = call_answer(call);
    json_error_t error;
    json_t *root = NULL;

    assert(call->ok);
    if (answer->body.len)
        root = json_loadb(answer->body.data, answer->body.len, JSON_ALLOW_NUL, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        err_set(err, ERR_RETRY, answer->status, "%s: the answer is no JSON object", call->what);
        return NULL;
    }
    return root;
}
