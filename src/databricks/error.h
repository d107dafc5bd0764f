/* databricks/error.h: what an answer of the API means.
 *
 * Shape    error_judge turns one answer into success or into an err with a kind, a class and the
 *          facts a caller may want (code, reason, request id, how long to wait).
 * Units    _us microseconds.
 * Limits   at most 200 characters of the server's words, redacted (databricks/redact.h).
 * Errors   ERR_RETRY: time-out, reset, cut reply, 408, 409, 429, 5xx, a limit code with any status,
 *          any status not named here. ERR_DENIED: 401, 403, 404, TLS, HTML, 3xx, 407. ERR_INPUT:
 *          400, 413, 422. err->code is the HTTP status, or the CURLcode when none came.
 * Owner    nothing is kept of the answer.
 * Threads  any.
 * Source   databricks-api.md 3; durability.md 10 (wins where the two differ), 13, 15.
 */
#ifndef DATABRICKS_ERROR_H
#define DATABRICKS_ERROR_H

#include "databricks/http.h"

enum error_class {
    CLASS_NONE,      /* a success */
    CLASS_NETWORK,   /* no answer, or a cut one */
    CLASS_TLS,       /* certificate, protocol */
    CLASS_ROUTING,   /* somebody else answered: HTML, redirect, proxy */
    CLASS_BAD,       /* 400, 413, 422: this request is wrong */
    CLASS_DENIED,    /* 401 */
    CLASS_FORBIDDEN, /* 403 */
    CLASS_MISSING,   /* 404 or RESOURCE_DOES_NOT_EXIST */
    CLASS_EXISTS,    /* 409, ALREADY_EXISTS */
    CLASS_ABORTED,   /* 409 ABORTED: the whole operation once more */
    CLASS_LIMIT,     /* 429, RESOURCE_EXHAUSTED, REQUEST_LIMIT_EXCEEDED */
    CLASS_QUOTA, /* QUOTA_EXCEEDED: a person must raise it or make room; nothing is wrong with us */
    CLASS_SERVER, /* 5xx, 408, 499 and the rest */
    CLASS_LOCAL,  /* our own file or memory */
};

struct api_error {
    enum error_class class;
    int status;
    char code[64];          /* error_code, also of a number; "": none */
    char reason[64];        /* of ErrorInfo */
    char request_id[64];    /* of RequestInfo or the header */
    int64_t retry_after_us; /* -1: not said */
    bool names_item;        /* the server's words hold `item` */
    bool about_token;       /* another access token may be let in: 401, and some 403 */
};

/* What a person needs to read in the text, besides the answer. */
struct error_words {
    const char *what;    /* "upload": the text begins with it */
    const char *grant;   /* NULL, or what a 403 wants: "WRITE VOLUME on the volume" */
    const char *missing; /* NULL, or what to check after a 404 */
    const char *item;    /* NULL, or the name of the file: see names_item */
};

/* Overwrites secrets in text from outside, in place (auth.c knows them). */
typedef void error_hide(const void *arg, char *data, size_t len);

/* True: 2xx from the API itself, *ret of CLASS_NONE. False: err and *ret say what it was. `hide`
 * may be NULL. */
NODISCARD bool error_judge(const struct http_answer *answer, const struct error_words *words,
    error_hide *hide, const void *hide_arg, struct api_error *ret, struct err *err);

#endif
