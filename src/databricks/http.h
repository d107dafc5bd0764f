/* databricks/http.h: HTTP requests over libcurl, several at a time in one thread.
 *
 * Shape    http_start begins a request and returns; http_poll drives all of them; http_finished
 *          asks one. A finished request holds its answer until http_drop, which also cancels.
 * Units    _us microseconds; bytes.
 * Limits   the body of an answer is at most `answer_max` (default 4 MiB); 64 requests at a time.
 *          No limit on the whole of a transfer unless `total_us`: slow links are legal.
 * Errors   http_start: ERR_FULL (memory), ERR_INPUT (address). What happens on the wire stands in
 *          the answer (`curl`), and databricks/error.h judges it.
 * Owner    opaque; a request copies its strings and memory body and borrows the descriptor.
 * Threads  one at a time; another thread opens its own.
 * Source   durability.md 10 (time limits), 15 (TLS, proxy, no redirects); libcurl 7.88 manual.
 *
 * A file body is read by offset and starts at 0 for every attempt, also when libcurl itself sends
 * it again because a kept connection turned out to be dead. POST and PATCH, which may not be safe
 * to repeat, always get a connection of their own and so are never sent twice.
 *
 * When a certificate is refused, a second connection looks at it (nothing is sent on it), so that
 * the error can say whose it is and from when to when it holds.
 */
#ifndef DATABRICKS_HTTP_H
#define DATABRICKS_HTTP_H

#include "base/str.h"

#define HTTP_ANSWER_MAX ((size_t)4 << 20)
#define HTTP_REQUESTS_MAX 64

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_PATCH, HTTP_DELETE };
const char *http_method_name(enum http_method method);

struct http_options {
    const char *user_agent;
    const char *ca_file;          /* NULL: the system's */
    const char *client_cert_file; /* PEM; NULL: none */
    const char *client_key_file;  /* PEM; NULL: it is in client_cert_file */
    const char *proxy;            /* NULL: none; the environment is never asked */
    const char *no_proxy;         /* NULL: none */
    const char *proxy_ca_file;    /* of an https:// proxy; NULL: ca_file, else the system's */
    int64_t connect_us;           /* 0: 30 s */
    int64_t stall_us;             /* 0: 60 s below 1 KiB/s; whole seconds, at least one */
};

struct http_call;

/* Puts the credentials on a request; `easy` is the CURL handle. False with err: not started. */
typedef bool http_sign(void *arg, struct http_call *call, void *easy, struct err *err);
/* For http_sign: one more header. The text is wiped when the request is dropped. */
bool http_add_header(struct http_call *call, const char *text);

struct http_request {
    enum http_method method;
    const char *url;
    const char *headers[6]; /* "Name: value"; up to the first NULL */
    bool body_is_file;      /* PUT only: body_bytes of body_fd, else `body` */
    int body_fd;
    uint64_t body_bytes;
    struct span body;
    size_t answer_max; /* 0: HTTP_ANSWER_MAX */
    int64_t total_us;  /* 0: none */
    http_sign *sign;   /* NULL: none */
    void *sign_arg;
};

/* The certificate that was refused, as the server (or who stands in between) showed it; "": not
 * known. For people. */
struct http_certificate {
    char subject[128], issuer[128];
    char from[40], until[40]; /* "Jan 31 12:00:00 2026 GMT" */
};

struct http_answer {
    int curl; /* CURLcode; 0: the whole answer came */
    char curl_text[160];
    struct http_certificate certificate; /* with CURLE_PEER_FAILED_VERIFICATION only */
    int connect_status;                  /* of a proxy's CONNECT; 0: none */
    bool shook_hands;                    /* TLS with the host was set up */
    int status;                          /* 0: none came */
    char reason[64];                     /* of the status line */
    char phrase[200];                    /* X-Databricks-Reason-Phrase */
    char type[64];                       /* Content-Type, as sent */
    char location[256];                  /* without its query */
    bool private_link;                   /* the query of Location spoke of a private link */
    char org_id[32];                     /* X-Databricks-Org-Id */
    char request_id[64];                 /* X-Request-Id */
    char retry_after[64], date[64];
    int64_t length;   /* Content-Length; -1: none */
    uint64_t sent;    /* bytes of the body that went out */
    bool too_long;    /* the body passed answer_max; cut off there */
    struct err local; /* our own file could not be read: nothing the server did */
    struct buf body;
};

struct http;

struct http *http_new(const struct http_options *options, struct err *err);
void http_free(struct http *h); /* every request was dropped before */

struct http_call *http_start(struct http *h, const struct http_request *request, struct err *err);

/* Returns when a request finished, wait_us is over, or wake_fd (-1: none) is readable (*ret_woken);
 * it is not read from. False: the machinery itself failed (memory). */
NODISCARD bool http_poll(
    struct http *h, int64_t wait_us, int wake_fd, bool *ret_woken, struct err *err);

bool http_finished(const struct http_call *call);
const struct http_answer *http_answer(const struct http_call *call);
struct buf *http_body(struct http_call *call); /* to be wiped after a secret was read from it */
void http_drop(struct http_call *call);        /* takes NULL */

/* One line of an answer's head, as libcurl hands it over; here for the fuzz target. */
void http_read_header(struct http_answer *answer, struct span line);

#endif
