#include "databricks/http.h"

#include "base/clock.h"
#include "base/file.h"
#include "databricks/host.h"

#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define STALL_BYTES 1024L /* a second */
#define SEND_BUFFER (512L << 10)
#define LOOK_MS 5000L
#define CA_KEEP_S 300L     /* libcurl's own limit is a day */
#define DEAD_PATH_MS 60000 /* TCP_USER_TIMEOUT: sent data unacknowledged for this long */

struct http {
    CURLM *multi;
    char *user_agent, *ca_file, *cert_file, *key_file, *proxy, *no_proxy, *proxy_ca_file;
    int64_t connect_us, stall_us;
    unsigned running;
    bool ca_doubted; /* a certificate was refused: the CA file may be a new one since */
};

struct http_call {
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    char *body; /* copy of a memory body */
    uint64_t body_bytes, offset;
    int body_fd;            /* -1: from memory */
    bool finished, looking; /* looking: at the certificate that was refused */
    char error[CURL_ERROR_SIZE];
    struct http_answer answer;
};

const char *http_method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return "GET";
    case HTTP_HEAD:
        return "HEAD";
    case HTTP_PUT:
        return "PUT";
    case HTTP_POST:
        return "POST";
    case HTTP_PATCH:
        return "PATCH";
    case HTTP_DELETE:
        return "DELETE";
    }
    return "?";
}

/* NULL stays NULL. */
static bool copy_text(char **ret, const char *text)
{
    if (!text)
        return true;
    *ret = strdup(text);
    return *ret != NULL;
}

struct http *http_new(const struct http_options *options, struct err *err)
{
    struct http *h = calloc(1, sizeof(*h));

    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        err_set(err, ERR_FULL, 0, "no memory for the HTTP client");
        return NULL;
    }
    h->connect_us = options->connect_us > 0 ? options->connect_us : 30 * CLOCK_SECOND_US;
    h->stall_us = options->stall_us > 0 ? options->stall_us : 60 * CLOCK_SECOND_US;
    h->multi = curl_multi_init();
    if (!h->multi || !copy_text(&h->user_agent, options->user_agent) ||
        !copy_text(&h->ca_file, options->ca_file) || !copy_text(&h->proxy, options->proxy) ||
        !copy_text(&h->no_proxy, options->no_proxy) ||
        !copy_text(&h->cert_file, options->client_cert_file) ||
        !copy_text(&h->key_file, options->client_key_file) ||
        !copy_text(&h->proxy_ca_file, options->proxy_ca_file)) {
        http_free(h);
        err_set(err, ERR_FULL, 0, "no memory for the HTTP client");
        return NULL;
    }
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    assert(h->running == 0);
    curl_multi_cleanup(h->multi);
    free(h->user_agent);
    free(h->ca_file);
    free(h->proxy);
    free(h->no_proxy);
    free(h->cert_file);
    free(h->key_file);
    free(h->proxy_ca_file);
    free(h);
    curl_global_cleanup();
}

/* --- what libcurl calls --- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * count;

    if (buf_add(&call->answer.body, data, len))
        return len;
    call->answer.too_long = true;
    return 0;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    uint64_t left = call->body_bytes - call->offset;
    size_t len = size * count, got = 0;

    if (len > left)
        len = (size_t)left;
    if (len == 0)
        return 0;
    if (call->body_fd < 0) {
        memcpy(out, call->body + call->offset, len);
        got = len;
    } else if (!file_read_at(call->body_fd, call->offset, out, len, &got, &call->answer.local)) {
        return CURL_READFUNC_ABORT;
    } else if (got < len) {
        err_set(&call->answer.local, ERR_RETRY, 0, "the file became shorter while it was sent");
        return CURL_READFUNC_ABORT;
    }
    call->offset += got;
    return got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_call *call = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->body_bytes)
        return CURL_SEEKFUNC_FAIL;
    call->offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void keep(char *out, size_t size, struct span value)
{
    size_t len = value.len < size ? value.len : size - 1;

    for (size_t i = 0; i < len; i++)
        out[i] = value.data[i] ? value.data[i] : '?';
    out[len] = '\0';
}

static void on_status_line(struct http_answer *a, struct span line)
{
    struct span rest = line;

    /* A new status line (after "100 Continue") makes the headers before it void. */
    a->phrase[0] = a->type[0] = a->location[0] = a->org_id[0] = a->request_id[0] = '\0';
    a->retry_after[0] = a->date[0] = '\0';
    a->length = -1;
    a->private_link = false;
    for (int word = 0; word < 2; word++) {
        const char *blank = memchr(rest.data, ' ', rest.len);

        rest.len = blank ? rest.len - (size_t)(blank + 1 - rest.data) : 0;
        rest.data = blank ? blank + 1 : rest.data;
    }
    keep(a->reason, sizeof(a->reason), span_trim(rest));
}

static void on_location(struct http_answer *a, struct span value)
{
    size_t len = 0;

    while (len < value.len && value.data[len] != '?' && value.data[len] != '#')
        len++; /* the query may hold a ticket */
    keep(a->location, sizeof(a->location), (struct span){value.data, len});
    a->private_link = memmem(value.data, value.len, "private-link", 12) != NULL;
}

void http_read_header(struct http_answer *a, struct span line)
{
    struct span name = {line.data, 0}, value;
    uint64_t length;

    if (span_starts(line, "HTTP/")) {
        on_status_line(a, line);
        return;
    }
    while (name.len < line.len && line.data[name.len] != ':')
        name.len++;
    if (name.len == line.len)
        return;
    value = span_trim((struct span){line.data + name.len + 1, line.len - name.len - 1});
#define IS(text) (name.len == sizeof(text) - 1 && strncasecmp(name.data, text, name.len) == 0)
    if (IS("content-type"))
        keep(a->type, sizeof(a->type), value);
    else if (IS("content-length") && str_u64(value, &length) && length <= INT64_MAX)
        a->length = (int64_t)length;
    else if (IS("retry-after"))
        keep(a->retry_after, sizeof(a->retry_after), value);
    else if (IS("date"))
        keep(a->date, sizeof(a->date), value);
    else if (IS("location"))
        on_location(a, value);
    else if (IS("x-databricks-org-id"))
        keep(a->org_id, sizeof(a->org_id), value);
    else if (IS("x-databricks-reason-phrase"))
        keep(a->phrase, sizeof(a->phrase), value);
    else if (IS("x-request-id"))
        keep(a->request_id, sizeof(a->request_id), value);
#undef IS
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    http_read_header(&((struct http_call *)arg)->answer, (struct span){data, size * count});
    return size * count;
}

static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    unsigned ms = DEAD_PATH_MS;

    (void)arg;
    (void)purpose;
    /* Best effort: without it the stall limit cuts, a little later. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    return CURL_SOCKOPT_OK;
}

/* --- start --- */

/* Sticky like a buffer: the first option that is refused makes the whole set-up fail. */
#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_connection(CURL *easy, const struct http *h)
{
    bool ok = true;
    long stall = (long)((h->stall_us + CLOCK_SECOND_US - 1) / CLOCK_SECOND_US);

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* http_start has checked http for loopback */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    /* 1.1: a connection an upload. Under HTTP/2 all would share one window and one loss. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (h->ca_file) {
        SET(CURLOPT_CAINFO, h->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_CA_CACHE_TIMEOUT, h->ca_doubted ? 0L : CA_KEEP_S);
#endif
    if (h->cert_file) {
        SET(CURLOPT_SSLCERT, h->cert_file);
        SET(CURLOPT_SSLKEY, h->key_file ? h->key_file : h->cert_file);
    }
    SET(CURLOPT_PROXY, h->proxy ? h->proxy : "");
    SET(CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->proxy_ca_file || h->ca_file) {
        SET(CURLOPT_PROXY_CAINFO, h->proxy_ca_file ? h->proxy_ca_file : h->ca_file);
        SET(CURLOPT_PROXY_CAPATH, NULL);
    }
    if (h->cert_file && h->proxy && strncasecmp(h->proxy, "https://", 8) == 0) {
        SET(CURLOPT_PROXY_SSLCERT, h->cert_file);
        SET(CURLOPT_PROXY_SSLKEY, h->key_file ? h->key_file : h->cert_file);
    }
    SET(CURLOPT_NOPROXY, h->no_proxy ? h->no_proxy : "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 20L);
    SET(CURLOPT_TCP_KEEPINTVL, 10L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)((h->connect_us + 999) / 1000));
    SET(CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
    SET(CURLOPT_LOW_SPEED_TIME, stall);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L); /* cancelling must not wait for a name look-up */
#endif
    return ok;
}

static bool set_method(CURL *easy, const struct http_request *r, const struct http_call *call)
{
    bool ok = true;

    switch (r->method) {
    case HTTP_GET:
        SET(CURLOPT_HTTPGET, 1L);
        break;
    case HTTP_HEAD:
        SET(CURLOPT_NOBODY, 1L);
        break;
    case HTTP_DELETE:
        SET(CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    case HTTP_PUT:
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_bytes);
        break;
    case HTTP_PATCH:
    case HTTP_POST:
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
        if (r->method == HTTP_PATCH)
            SET(CURLOPT_CUSTOMREQUEST, "PATCH");
        /* On a kept connection that dies libcurl sends again by itself: not what may make a second
         * job. */
        SET(CURLOPT_FRESH_CONNECT, 1L);
        break;
    }
    return ok;
}

bool http_add_header(struct http_call *call, const char *text)
{
    struct curl_slist *more = curl_slist_append(call->headers, text);

    if (more)
        call->headers = more;
    return more != NULL;
}

static bool set_request(struct http_call *call, const struct http *h, const struct http_request *r)
{
    CURL *easy = call->easy;
    bool ok =
        set_connection(easy, h) && set_method(easy, r, call) && http_add_header(call, "Expect:");

    for (size_t i = 0; i < sizeof(r->headers) / sizeof(r->headers[0]) && r->headers[i]; i++)
        ok = ok && http_add_header(call, r->headers[i]);
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_USERAGENT, h->user_agent);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, call);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, call);
    if (r->total_us > 0)
        SET(CURLOPT_TIMEOUT_MS, (long)((r->total_us + 999) / 1000));
    return ok;
}

static bool set_body(struct http_call *call, const struct http_request *r)
{
    call->body_fd = -1;
    if (r->body_is_file) {
        call->body_fd = r->body_fd;
        call->body_bytes = r->body_bytes;
        return true;
    }
    call->body_bytes = r->body.len;
    if (r->body.len == 0)
        return true;
    call->body = malloc(r->body.len);
    if (call->body)
        memcpy(call->body, r->body.data, r->body.len);
    return call->body != NULL;
}

static void release(struct http_call *call)
{
    curl_easy_cleanup(call->easy);
    /* Headers and token requests hold secrets. */
    for (struct curl_slist *h = call->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(call->headers);
    if (call->body)
        explicit_bzero(call->body, call->body_bytes);
    free(call->body);
    buf_done(&call->answer.body);
    free(call);
}

struct http_call *http_start(struct http *h, const struct http_request *request, struct err *err)
{
    struct http_call *call;

    if (!host_url_safe(request->url)) {
        err_set(err, ERR_INPUT, 0, "only https addresses are called (http only on this machine)");
        return NULL;
    }
    if (h->running >= HTTP_REQUESTS_MAX) {
        err_set(err, ERR_FULL, 0, "%u requests at a time are too many", h->running);
        return NULL;
    }
    call = calloc(1, sizeof(*call));
    if (!call)
        goto no_memory;
    call->http = h;
    call->answer.length = -1;
    buf_init(&call->answer.body, request->answer_max ? request->answer_max : HTTP_ANSWER_MAX);
    call->easy = curl_easy_init();
    if (!call->easy || !set_body(call, request) || !set_request(call, h, request))
        goto no_memory;
    if (request->sign && !request->sign(request->sign_arg, call, call->easy, err)) {
        release(call);
        return NULL;
    }
    if (curl_multi_add_handle(h->multi, call->easy) != CURLM_OK)
        goto no_memory;
    h->running++;
    return call;

no_memory:
    if (call)
        release(call);
    err_set(err, ERR_FULL, 0, "no memory for an HTTP request");
    return NULL;
}

/* --- drive --- */

/* "Subject:CN = x" of the first certificate, into the fields; all of them are optional. */
static void read_certificate(CURL *easy, struct http_certificate *ret)
{
    static const struct {
        const char *prefix;
        size_t offset, size;
    } rows[] = {{"Subject:", offsetof(struct http_certificate, subject), sizeof(ret->subject)},
        {"Issuer:", offsetof(struct http_certificate, issuer), sizeof(ret->issuer)},
        {"Start date:", offsetof(struct http_certificate, from), sizeof(ret->from)},
        {"Expire date:", offsetof(struct http_certificate, until), sizeof(ret->until)}};
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs < 1)
        return;
    for (const struct curl_slist *line = info->certinfo[0]; line; line = line->next)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            if (strncmp(line->data, rows[i].prefix, strlen(rows[i].prefix)) == 0)
                keep((char *)ret + rows[i].offset, rows[i].size,
                    span_of(line->data + strlen(rows[i].prefix)));
}

/* Connects once more without judging, and without sending anything. True: under way. */
static bool look_at_certificate(struct http_call *call)
{
    const struct http *h = call->http;
    CURL *easy = curl_easy_init();
    char *url = NULL;
    bool ok = easy && curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK &&
              url && set_connection(easy, h);

    SET(CURLOPT_URL, url);
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, 0L);
    SET(CURLOPT_SSL_VERIFYHOST, 0L);
    SET(CURLOPT_CERTINFO, 1L);
    SET(CURLOPT_TIMEOUT_MS, LOOK_MS);
    SET(CURLOPT_PRIVATE, call);
    ok = ok && curl_multi_add_handle(h->multi, easy) == CURLM_OK;
    if (!ok) {
        curl_easy_cleanup(easy);
        return false;
    }
    curl_easy_cleanup(call->easy);
    call->easy = easy;
    call->looking = true;
    return true;
}

static void read_facts(struct http_call *call, CURLcode code)
{
    struct http_answer *a = &call->answer;
    long status = 0, connect_status = 0;
    curl_off_t sent = 0, shook_us = 0;

    a->curl = (int)code;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    (void)curl_easy_getinfo(call->easy, CURLINFO_APPCONNECT_TIME_T, &shook_us);
    a->status = (int)status;
    a->connect_status = (int)connect_status;
    a->shook_hands = shook_us > 0;
    a->sent = sent > 0 ? (uint64_t)sent : 0;
    if (code != CURLE_OK)
        (void)str_copy(a->curl_text, sizeof(a->curl_text),
            call->error[0] ? call->error : curl_easy_strerror(code));
}

/* False: the certificate is looked at first. */
static bool finish(struct http_call *call, CURLcode code)
{
    if (call->looking)
        read_certificate(call->easy, &call->answer.certificate);
    else
        read_facts(call, code);
    if (!call->looking && (code == CURLE_OK || code == CURLE_PEER_FAILED_VERIFICATION))
        call->http->ca_doubted = code != CURLE_OK;
    (void)curl_multi_remove_handle(call->http->multi, call->easy);
    if (!call->looking && code == CURLE_PEER_FAILED_VERIFICATION && look_at_certificate(call))
        return false;
    call->http->running--;
    call->finished = true;
    return true;
}

static unsigned collect(struct http *h)
{
    CURLMsg *message;
    unsigned count = 0;
    int left;

    while ((message = curl_multi_info_read(h->multi, &left))) {
        void *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        count += finish(private, message->data.result);
    }
    return count;
}

bool http_poll(struct http *h, int64_t wait_us, int wake_fd, bool *ret_woken, struct err *err)
{
    int64_t until = clock_mono_us() + wait_us;
    struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};

    for (;;) {
        int running, ready, ms;
        CURLMcode code = curl_multi_perform(h->multi, &running);
        int64_t left = until - clock_mono_us();

        if (code != CURLM_OK)
            return err_set(err, ERR_FULL, (int)code, "HTTP: %s", curl_multi_strerror(code));
        *ret_woken = wake.revents != 0;
        if (collect(h) || wake.revents || left <= 0)
            return true;
        ms = left < 60 * CLOCK_SECOND_US ? (int)((left + 999) / 1000) : 60000;
        code = curl_multi_poll(h->multi, &wake, wake_fd >= 0 ? 1 : 0, ms, &ready);
        if (code != CURLM_OK)
            return err_set(err, ERR_FULL, (int)code, "HTTP: %s", curl_multi_strerror(code));
    }
}

bool http_finished(const struct http_call *call)
{
    return call->finished;
}

const struct http_answer *http_answer(const struct http_call *call)
{
    return &call->answer;
}

struct buf *http_body(struct http_call *call)
{
    return &call->answer.body;
}

void http_drop(struct http_call *call)
{
    if (!call)
        return;
    if (!call->finished) {
        (void)curl_multi_remove_handle(call->http->multi, call->easy);
        call->http->running--;
    }
    release(call);
}
