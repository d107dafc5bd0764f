#include "emulator/emulator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/auth.h"
#include "emulator/compute.h"
#include "emulator/runbook.h"
#include "emulator/server.h"
#include "emulator/statement.h"

#define CONNECTIONS_MAX 128U
#define CONNECTION_BYTES 131072U /* request line and headers, and the window of a body */
#define IDLE_SECONDS 120U
#define UPLOAD_BYTES_MAX (UINT64_C(5) << 30) /* databricks-api.md 2.2 */
#define PEM_BYTES_MAX 65536U
#define TOKEN_LIFE_US (INT64_C(3600) * 1000000)

struct address {
    bool v6;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    char shown[INET6_ADDRSTRLEN + 2]; /* for a URL */
};

static bool parse_address(
    const struct emulator_options *options, struct address *ret, struct err *err)
{
    const char *text = options->address ? options->address : "127.0.0.1";
    bool named = strcmp(text, "localhost") == 0;
    bool loopback, any;

    if (named)
        text = "127.0.0.1";
    *ret = (struct address){0};
    if (inet_pton(AF_INET, text, &ret->in4.sin_addr) == 1) {
        uint32_t host = ntohl(ret->in4.sin_addr.s_addr);

        ret->in4.sin_family = AF_INET;
        ret->in4.sin_port = htons(options->port);
        loopback = host >> 24 == 127;
        any = host == INADDR_ANY;
        (void)snprintf(ret->shown, sizeof(ret->shown), "%s",
            named && options->cert_file ? "localhost" /* as certificates say */
            : any                       ? "127.0.0.1"
                                        : text);
    } else if (inet_pton(AF_INET6, text, &ret->in6.sin6_addr) == 1) {
        ret->v6 = true;
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons(options->port);
        loopback = IN6_IS_ADDR_LOOPBACK(&ret->in6.sin6_addr);
        any = IN6_IS_ADDR_UNSPECIFIED(&ret->in6.sin6_addr);
        (void)snprintf(ret->shown, sizeof(ret->shown), "[%s]", any ? "::1" : text);
    } else {
        return err_set(err, ERR_DENIED, 0, "'%.60s' is not a numeric address", text);
    }
    if (!loopback && !options->allow_remote)
        return err_set(err, ERR_DENIED, 0,
            "the emulator listens on loopback only, not on %.60s, unless told to allow others",
            text);
    return true;
}

/* Paths are decoded by path.c, once, after they were split. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* A PEM file as a C string. */
static bool read_pem(const char *path, struct buf *out, struct err *err)
{
    buf_init(out, PEM_BYTES_MAX);
    if (!file_read_whole(FILE_CWD, path, out, err))
        return err_wrap(err, "'%.150s'", path);
    (void)buf_text(out);
    return buf_check(out, path, err);
}

static void start_daemon(struct emulator *emu, const struct sockaddr *sockaddr, unsigned flags,
    struct MHD_OptionItem *extra)
{
    emu->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_step, emu, MHD_OPTION_SOCK_ADDR,
        sockaddr, MHD_OPTION_URI_LOG_CALLBACK, exchange_open, emu, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_done, emu, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_ARRAY,
        extra, MHD_OPTION_END);
}

static bool listen_on(struct emulator *emu, const struct address *address,
    const struct emulator_options *options, struct err *err)
{
    const struct sockaddr *sockaddr = address->v6 ? (const struct sockaddr *)&address->in6
                                                  : (const struct sockaddr *)&address->in4;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | (address->v6 ? MHD_USE_IPv6 : 0U);
    struct MHD_OptionItem extra[3] = {
        {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};
    const union MHD_DaemonInfo *info;
    struct buf cert = {0}, key = {0};
    bool ok = true;

    if (options->cert_file) {
        ok = read_pem(options->cert_file, &cert, err) && read_pem(options->key_file, &key, err);
        flags |= MHD_USE_TLS;
        extra[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert.data};
        extra[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key.data};
    }
    errno = 0;
    if (ok)
        start_daemon(emu, sockaddr, flags, extra);
    if (ok && !emu->daemon)
        ok = options->cert_file && !errno
                 ? err_set(err, ERR_DENIED, 0, "the certificate and the key are not usable")
                 : err_sys(err, ERR_DENIED, "listen on %s", address->shown);
    info = ok ? MHD_get_daemon_info(emu->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (ok && (!info || info->port == 0))
        ok = err_set(err, ERR_DENIED, 0, "no port to listen on");
    if (ok)
        emu->port = info->port;
    /* GnuTLS has copies of its own. */
    if (key.data)
        explicit_bzero(key.data, key.size);
    buf_done(&key);
    buf_done(&cert);
    return ok;
}

static bool prepare(struct emulator *emu, const struct emulator_options *options, struct err *err)
{
    emu->upload_max = options->upload_max_bytes ? options->upload_max_bytes : UPLOAD_BYTES_MAX;
    emu->on_exchange = options->on_exchange;
    emu->on_exchange_arg = options->on_exchange_arg;
    emu->create_volumes = options->create_volumes;
    emu->tls = options->cert_file != NULL;
    emu->jobs = (struct runner_options){
        .poll_us = options->job_poll_us,
        .time_scale = options->job_time_scale,
        .files_limit = options->job_files_limit,
    };
    if ((options->cert_file != NULL) != (options->key_file != NULL))
        return err_set(err, ERR_INPUT, 0, "a certificate and its key go together");
    if (!auth_fill(emu, options, err) || !compute_fill(emu, options, err))
        return false;
    emu->root = strdup(options->root);
    if (!emu->root)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for the emulator");
    emu->tokens = tokens_new(options->token_life_us ? options->token_life_us : TOKEN_LIFE_US, err);
    emu->faults = emu->tokens ? faults_new(err) : NULL;
    if (!emu->faults)
        return false;
    if (options->faults && !faults_add(emu->faults, span_of(options->faults), err))
        return false;
    emu->store = store_open(options->root, options->create_volumes, err);
    for (size_t i = 0; emu->store && i < options->volume_count; i++) {
        if (!store_add_volume(emu->store, options->volumes[i], err))
            return false;
    }
    emu->statements = statements_new(err);
    emu->ledger = emu->store && emu->statements ? ledger_new(options->root, err) : NULL;
    for (size_t i = 0; emu->ledger && i < options->schema_count; i++) {
        if (!store_add_schema(emu->store, options->schemas[i], err))
            return false;
    }
    return emu->ledger && runbook_recover(emu, err);
}

static void free_all(struct emulator *emu)
{
    statements_free(emu->statements);
    ledger_free(emu->ledger);
    store_close(emu->store);
    faults_free(emu->faults);
    tokens_free(emu->tokens);
    auth_forget_principals(emu);
    free(emu->root);
    (void)pthread_cond_destroy(&emu->wait);
    (void)pthread_mutex_destroy(&emu->wait_lock);
    free(emu);
}

struct emulator *emulator_start(const struct emulator_options *options, struct err *err)
{
    struct address address;
    pthread_condattr_t attr;
    struct emulator *emu;

    if (!parse_address(options, &address, err))
        return NULL;
    emu = calloc(1, sizeof(*emu));
    if (!emu) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the emulator");
        return NULL;
    }
    (void)pthread_mutex_init(&emu->wait_lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&emu->wait, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (!prepare(emu, options, err) || !runner_new(emu, &emu->jobs, err) ||
        !listen_on(emu, &address, options, err)) {
        emulator_stop(emu);
        return NULL;
    }
    (void)snprintf(emu->base_url, sizeof(emu->base_url), "%s://%s:%u", emu->tls ? "https" : "http",
        address.shown, emu->port);
    return emu;
}

void emulator_stop(struct emulator *emu)
{
    if (!emu)
        return;
    (void)pthread_mutex_lock(&emu->wait_lock);
    emu->stopping = true;
    (void)pthread_cond_broadcast(&emu->wait);
    (void)pthread_mutex_unlock(&emu->wait_lock);
    if (emu->daemon)
        MHD_stop_daemon(emu->daemon);
    runner_free(emu->runner);
    free_all(emu);
}

uint16_t emulator_port(const struct emulator *emu)
{
    return emu->port;
}

const char *emulator_base_url(const struct emulator *emu)
{
    return emu->base_url;
}

bool emulator_add_volume(struct emulator *emu, const char *name, struct err *err)
{
    return store_add_volume(emu->store, name, err);
}

bool emulator_add_faults(struct emulator *emu, struct span rules, struct err *err)
{
    return faults_add(emu->faults, rules, err);
}

void emulator_clear_faults(struct emulator *emu)
{
    faults_clear(emu->faults);
}

void emulator_count(const struct emulator *emu, struct emulator_counters *ret)
{
    *ret = (struct emulator_counters){
        .requests = atomic_load(&emu->count.requests),
        .uploads = atomic_load(&emu->count.uploads),
        .upload_bytes = atomic_load(&emu->count.upload_bytes),
        .conflicts = atomic_load(&emu->count.conflicts),
        .broken_uploads = atomic_load(&emu->count.broken_uploads),
        .downloads = atomic_load(&emu->count.downloads),
        .download_bytes = atomic_load(&emu->count.download_bytes),
        .deletes = atomic_load(&emu->count.deletes),
        .tokens = atomic_load(&emu->count.tokens),
        .denied = atomic_load(&emu->count.denied),
        .faults = atomic_load(&emu->count.faults),
    };
}
