/* An exchange from its request line to its end; the helpers of the handlers. */
#include "emulator/request.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "emulator/auth.h"
#include "emulator/server.h"

#define BODY_BYTES_MAX (16U << 20)

/* --- helpers of the handlers --- */

const char *request_header(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

void request_base(const struct request *req, struct buf *out)
{
    const char *host = request_header(req, "Host");
    size_t len = host ? strlen(host) : 0;

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)host[i]) && !strchr(".-:[]_", host[i]))
            len = 0;
    }
    if (len == 0 || len > 255) {
        (void)buf_add_text(out, req->emu->base_url);
        return;
    }
    (void)buf_add_text(out, req->emu->tls ? "https://" : "http://");
    (void)buf_add(out, host, len);
}

bool request_query_bool(struct request *req, const char *key, bool missing, bool *ret)
{
    struct buf text;
    struct span value;
    bool found, ok;

    buf_init(&text, 64);
    *ret = missing;
    ok = path_query(req->query, key, &text, &found);
    if (ok && found) {
        value = (struct span){text.data, text.len};
        *ret = span_is(value, "true") || span_is(value, "1");
        ok = *ret || span_is(value, "false") || span_is(value, "0");
    }
    buf_done(&text);
    if (!ok)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s must be true or false.", key);
    return ok;
}

bool request_target(struct request *req)
{
    const char *why = NULL;

    if (path_decode_volume(span_of(req->rest), &req->target, &why))
        return true;
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", why);
    return false;
}

/* --- before the body --- */

static bool peer_is_local(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (!info || !info->client_addr)
        return false;
    if (info->client_addr->sa_family == AF_INET) {
        memcpy(&v4, info->client_addr, sizeof(v4));
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (info->client_addr->sa_family != AF_INET6)
        return false;
    memcpy(&v6, info->client_addr, sizeof(v6));
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static void find_fault(struct request *req)
{
    struct fault_action *fault = malloc(sizeof(*fault));

    atomic_fetch_add(&req->emu->count.requests, 1);
    if (fault && faults_hit(req->emu->faults, req->method, req->uri, fault)) {
        req->fault = fault;
        atomic_fetch_add(&req->emu->count.faults, 1);
        return;
    }
    free(fault);
}

static uint64_t said_length(const struct request *req)
{
    const char *text = request_header(req, "Content-Length");
    uint64_t value;

    return text && str_u64(span_of(text), &value) ? value : UINT64_MAX;
}

/* Everything that can be answered before the body is here. */
static void decide(struct request *req)
{
    const struct route *route = req->route;

    if (req->fault && req->fault->status && !req->fault->lose) {
        reply_fault(req, req->fault);
    } else if (!route) {
        reply_error(req, 404, "ENDPOINT_NOT_FOUND", NULL, "No API found for '%s %.200s'",
            req->method, req->uri);
    } else if (route->guard == GUARD_LOCAL && !peer_is_local(req->connection)) {
        reply_error(req, 403, "PERMISSION_DENIED", NULL, "Only from the same machine.");
    } else if (route->guard == GUARD_TOKEN && !auth_bearer(req)) {
        return; /* answered */
    } else if (route->check) {
        route->check(req);
    }
}

static bool too_large(const struct request *req)
{
    return (req->body_size != UINT64_MAX && req->body_size > req->emu->upload_max) ||
           req->received > req->emu->upload_max;
}

static void find_route(struct request *req)
{
    const char *star;

    req->route = route_find(req->method, req->path);
    req->rest = "";
    star = req->route ? strchr(req->route->pattern, '*') : NULL;
    if (star)
        req->rest = req->uri + (star - req->route->pattern) - 1;
}

static void start_upload(struct request *req)
{
    struct err err = {0};

    if (!store_temp(req->emu->store, req->upload, sizeof(req->upload), &req->upload_fd, &err)) {
        req->upload[0] = '\0';
        req->upload_fd = -1;
        reply_store(req, STORE_FAILED, "file", &err);
    }
}

/* --- the end --- */

void request_wait(struct emulator *emu, int64_t us)
{
    int64_t end_us = clock_mono_us() + us;
    struct timespec until = {
        .tv_sec = (time_t)(end_us / 1000000), .tv_nsec = (long)(end_us % 1000000) * 1000};
    int n = 0;

    (void)pthread_mutex_lock(&emu->wait_lock);
    while (!emu->stopping && n != ETIMEDOUT)
        n = pthread_cond_timedwait(&emu->wait, &emu->wait_lock, &until);
    (void)pthread_mutex_unlock(&emu->wait_lock);
}

/* What was just made is not found once: a rule of one hit for where a client looks for it. */
static void make_stale(struct request *req)
{
    static const struct {
        const char *made, *rule;
    } looks[] = {
        {"/api/2.*/jobs/create", "GET /api/2.*/jobs/get status=400 count=1"
                                 " error_code=INVALID_PARAMETER_VALUE"
                                 " message=\"Job does not exist.\""},
        {"/api/2.0/workspace/import", "GET /api/2.0/workspace/get-status missing count=1"},
        {"/api/2.0/workspace/mkdirs", "GET /api/2.0/workspace/get-status missing count=1"},
        {"/api/2.1/unity-catalog/volumes", "GET /api/2.1/unity-catalog/volumes/* missing count=1"},
        {"/api/2.0/sql/statements", "GET /api/2.1/unity-catalog/tables/* missing count=1"},
        {"/api/2.0/fs/files/*", "HEAD /api/2.0/fs/files/* status=404 count=1"},
        {"/api/2.0/fs/directories/*", "HEAD /api/2.0/fs/directories/* status=404 count=1"},
    };
    struct err err = {0};

    if (req->reply.status / 100 != 2)
        return;
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
        if (!path_glob(span_of(looks[i].made), req->path))
            continue;
        /* No room for one more rule: then nothing is stale, and the rules show it. */
        if (!faults_add(req->emu->faults, span_of(looks[i].rule), &err))
            err_clear(&err);
        return;
    }
}

static enum MHD_Result finish(struct request *req)
{
    const struct fault_action *fault = req->fault;

    req->whole = true;
    if (fault &&
        (fault->cut == FAULT_CUT_AFTER || (fault->cut == FAULT_CUT_INSIDE && req->received > 0)))
        return MHD_NO;
    if (!req->reply.status)
        req->route->handle(req);
    assert(req->reply.status);
    if (fault && fault->stale)
        make_stale(req);
    if (fault && fault->delay_us)
        request_wait(req->emu, fault->delay_us);
    if (fault && fault->lose) {
        if (!fault->status)
            return MHD_NO;
        reply_fault(req, fault);
    }
    return send_reply(req);
}

static enum MHD_Result start(struct request *req, const char *method)
{
    const char *expect;

    (void)str_copy(req->method, sizeof(req->method), method);
    find_route(req);
    if (!req->route || req->route->guard != GUARD_LOCAL)
        find_fault(req);
    if (req->fault && req->fault->cut == FAULT_CUT_BEFORE)
        return MHD_NO;
    req->body_size = said_length(req);
    decide(req);
    if (too_large(req)) {
        reply_error(req, 413, "REQUEST_TOO_LARGE", NULL, "The body is larger than %llu bytes.",
            (unsigned long long)req->emu->upload_max);
        return send_reply(req); /* not worth reading */
    }
    if (!req->reply.status && req->route->body == BODY_FILE)
        start_upload(req);
    /* Answering before the body without being asked to would reset the connection under the
     * client's writes, and the answer would be lost: only who waits for it gets it early. */
    expect = request_header(req, "Expect");
    if (req->reply.status && expect && strcasecmp(expect, "100-continue") == 0 &&
        !(req->fault && (req->fault->delay_us || req->fault->cut)))
        return finish(req);
    return MHD_YES;
}

/* --- the body --- */

static bool cuts_here(const struct request *req)
{
    uint64_t limit;

    if (!req->fault || req->fault->cut != FAULT_CUT_INSIDE)
        return false;
    limit = req->fault->cut_bytes;
    if (limit == FAULT_CUT_HALF)
        limit = req->body_size == UINT64_MAX ? 1 : req->body_size / 2;
    return req->received >= limit;
}

static void take(struct request *req, const char *data, size_t size)
{
    struct err err = {0};

    req->received += size;
    if (req->reply.status)
        return;
    if (too_large(req)) {
        reply_error(req, 413, "REQUEST_TOO_LARGE", NULL, "The body is larger than %llu bytes.",
            (unsigned long long)req->emu->upload_max);
        return;
    }
    switch (req->route->body) {
    case BODY_NONE:
        break;
    case BODY_MEMORY:
        if (!buf_add(&req->body, data, size))
            reply_error(req, 413, "REQUEST_TOO_LARGE", NULL, "The body is too large.");
        break;
    case BODY_FILE:
        if (!file_write(req->upload_fd, data, size, NULL, &err))
            reply_store(req, STORE_FAILED, "file", &err);
        break;
    }
}

/* --- callbacks --- */

void *exchange_open(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct request *req = calloc(1, sizeof(*req));
    char *question;

    if (!req)
        return NULL;
    req->uri = strdup(uri);
    if (!req->uri) {
        free(req);
        return NULL;
    }
    req->emu = cls;
    req->connection = connection;
    req->start_us = clock_mono_us();
    req->upload_fd = -1;
    req->reply.file_fd = -1;
    reply_reset(&req->reply);
    buf_init(&req->body, BODY_BYTES_MAX);
    question = strchr(req->uri, '?');
    if (question) {
        *question = '\0';
        req->query = span_of(question + 1);
    }
    req->path = span_of(req->uri);
    return req;
}

enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
    struct request *req = *state;

    (void)cls;
    (void)connection;
    (void)url; /* decoded once too often for us */
    (void)version;
    if (!req)
        return MHD_NO;
    if (!req->started) {
        req->started = true;
        return start(req, method);
    }
    if (*data_size) {
        take(req, data, *data_size);
        *data_size = 0;
        return cuts_here(req) ? MHD_NO : MHD_YES;
    }
    return finish(req);
}

static void tell(const struct request *req, bool complete)
{
    struct emulator_exchange exchange = {
        .method = req->method,
        .path = req->uri,
        .status = req->sent_status,
        .received_bytes = req->received,
        .sent_bytes = req->sent_bytes,
        .took_us = clock_mono_us() - req->start_us,
        .fault = req->fault ? req->fault->rule : NULL,
        .complete = complete,
    };

    if (req->emu->on_exchange)
        req->emu->on_exchange(req->emu->on_exchange_arg, &exchange);
}

void exchange_done(
    void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    struct request *req = *state;

    (void)cls;
    (void)connection;
    *state = NULL;
    if (!req)
        return;
    file_drop(req->upload_fd);
    if (req->upload[0]) {
        store_discard(req->emu->store, req->upload);
        if (!req->whole)
            atomic_fetch_add(&req->emu->count.broken_uploads, 1);
    }
    tell(req, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    file_drop(req->reply.file_fd);
    buf_done(&req->reply.body);
    buf_done(&req->body);
    free(req->fault);
    free(req->uri);
    free(req);
}
