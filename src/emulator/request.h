/* emulator/request.h: one request on its way through the emulator, and its answer.
 *
 * Shape    server.c makes a struct request when the request line is there, asks faults.c and
 *          route.c, collects the body, calls the route's handler, which fills `reply`, and sends
 *          it. A handler never talks to libmicrohttpd.
 * Limits   a body in memory of 16 MiB; 12 headers an answer.
 * Errors   a handler that cannot do it answers with reply_error.
 * Owner    server.c owns the request and frees it when the exchange is over.
 * Threads  one connection, one thread; struct emulator is shared: its pointers are constant between
 *          start and stop, its counters atomic, its parts have their own locks.
 * Source   databricks-api.md 3.1 for the bodies of errors.
 */
#ifndef EMULATOR_REQUEST_H
#define EMULATOR_REQUEST_H

#include "emulator/emulator.h"
#include "emulator/faults.h"
#include "emulator/ledger.h"
#include "emulator/route.h"
#include "emulator/runner.h"
#include "emulator/store.h"
#include "emulator/token.h"

#include <pthread.h>
#include <stdatomic.h>

#define REPLY_HEADERS_MAX 12

struct reply {
    int status; /* 0: not decided */
    const char *type;
    struct buf body;
    int file_fd; /* when not -1: the body is file[offset, offset + length) */
    uint64_t offset, length;
    int header_count;
    struct {
        char name[64];
        char value[256];
    } header[REPLY_HEADERS_MAX];
};

struct request {
    struct emulator *emu;
    struct MHD_Connection *connection;
    char method[16];
    char *uri;         /* owned; cut at the '?' */
    struct span path;  /* as sent */
    struct span query; /* as sent */
    const char *rest;  /* of the path, from the slash before the route's '*' */
    const struct route *route;
    struct fault_action *fault;          /* owned, or NULL */
    struct path target;                  /* of a volume path, for routes that have one */
    char principal[TOKEN_PRINCIPAL_MAX]; /* who asks */

    struct buf body;    /* BODY_MEMORY */
    int upload_fd;      /* BODY_FILE, or -1 */
    char upload[32];    /* its name in the store; "": none */
    uint64_t body_size; /* by Content-Length; UINT64_MAX: not said */
    uint64_t received;

    struct reply reply;
    bool started, whole;
    int64_t start_us;
    int sent_status;
    uint64_t sent_bytes;
};

struct identity {
    char id[TOKEN_PRINCIPAL_MAX]; /* e-mail or application id */
    bool admin, service;
    struct secret *token, *secret; /* or NULL */
};

struct warehouse {
    char id[64];
    int kind; /* 0 serverless, 1 pro, 2 classic */
    atomic_bool running;
};

/* The user of the personal access token. */
#define AUTH_USER "somebody@example.com"

struct emulator {
    struct MHD_Daemon *daemon;
    struct ledger *ledger;
    struct statements *statements;
    struct runner *runner; /* NULL while there is none */
    struct runner_options jobs;
    bool create_volumes;
    struct store *store;
    struct faults *faults;
    struct tokens *tokens;
    struct identity *identities;
    size_t identity_count;
    struct warehouse warehouses[EMULATOR_COMPUTE_MAX];
    size_t warehouse_count;
    char clusters[EMULATOR_COMPUTE_MAX][64];
    size_t cluster_count;
    char *root; /* owned */
    char base_url[96];
    uint16_t port;
    bool tls;
    uint64_t upload_max;
    void (*on_exchange)(void *arg, const struct emulator_exchange *exchange);
    void *on_exchange_arg;
    struct {
        atomic_ullong requests, uploads, upload_bytes, conflicts, broken_uploads, downloads,
            download_bytes, deletes, tokens, denied, faults, request_ids;
    } count;

    /* A delayed answer waits on this, so that stopping need not wait for it. */
    pthread_mutex_t wait_lock;
    pthread_cond_t wait;
    bool stopping;
};

/* A request header, or NULL. Borrowed. */
const char *request_header(const struct request *req, const char *name);

/* The scheme and authority the client used for us, for addresses in answers: "http://host:port". */
void request_base(const struct request *req, struct buf *out);

/* "true", "1": true; "false", "0": false; missing: `missing`. Anything else answers 400. */
bool request_query_bool(struct request *req, const char *key, bool missing, bool *ret);

/* Waits, but not longer than the emulator runs. */
void request_wait(struct emulator *emu, int64_t us);

/* Fills req->target from req->rest, or answers 400. */
bool request_target(struct request *req);

/* {"error_code":code,"message":...,"details":[ErrorInfo(reason),RequestInfo]}; reason may be NULL.
 */
void reply_error(struct request *req, int status, const char *code, const char *reason,
    const char *fmt, ...) PRINTF_LIKE(5, 6);

/* As the gateway says it: {"error_code":403,"message":"..."}, and a header with the text. */
void reply_gateway(struct request *req, int status, const char *message);

/* The error answer for a store's answer; `what` is "file" or "directory". */
void reply_store(
    struct request *req, enum store_answer answer, const char *what, const struct err *err);

/* Empty body. */
void reply_status(struct request *req, int status);

/* Starts a JSON body; the writer is ready for the outermost object. */
void reply_json(struct request *req, int status, struct json_out *json);

/* A member whose text was put together in `value`; when that failed, so does the whole answer. */
void reply_json_buf(struct json_out *json, const char *key, struct buf *value);

void reply_header(struct request *req, const char *name, const char *value);

/* The answer the fault rule asks for instead of the handler's. */
void reply_fault(struct request *req, const struct fault_action *fault);

/* Forgets what was answered so far. */
void reply_reset(struct reply *reply);

#endif
