#include "status/http.h"

#include <microhttpd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "status/metrics.h"
#include "status/page.h"
#include "status/request.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a request of 4 KiB and the head of its answer; see request.h for the 4 KiB. */
#define CONNECTION_BYTES 6144U
#define IDLE_S 10U
#define LIFE_US (10 * CLOCK_SECOND_US) /* without an answer */
/* In a crowd who says nothing makes way at once: a request comes with the connection. Who has asked
 * gets the time to take the answer over a slow line. */
#define CROWDED (HTTP_CONNECTIONS * 3 / 4)
#define CROWDED_ASK_US 250000
#define CROWDED_TAKE_US (2 * CLOCK_SECOND_US)
#define CROWDED_LOOK_US 100000

/* Whatever clients do, this much of a core is all they get: a bucket of processor time that fills
 * with a fortieth of the time that passes. */
#define BUDGET_SHARE 40
#define BUDGET_US_MAX 100000

#define NONCE_SIZE 33
#define NONCE_MARK "@NONCE@"

struct connection_slot {
    struct MHD_Connection *connection; /* NULL: free */
    int64_t since_us;                  /* accepted, asked or answered: the last of them */
    int fd;
    bool asked; /* and not answered yet */
    bool cut;
};

struct status_http {
    struct status_http_options options;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    struct MHD_Response *home;
    struct connection_slot slots[HTTP_CONNECTIONS];
    unsigned used;
    struct history history;
    int64_t ticked_us, looked_us;
    int64_t budget_us, budget_mono_us;
};

/* --- answers --- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value);
}

static void add_common(struct MHD_Response *response, const char *type)
{
    add_header(response, "Content-Type", type);
    add_header(response, "Cache-Control", "no-store");
    add_header(response, "X-Content-Type-Options", "nosniff");
}

/* The page's own style and script carry a number that is new in each process; nothing else runs. */
static bool make_home(struct status_http *h, struct err *err)
{
    unsigned char random[(NONCE_SIZE - 1) / 2];
    char nonce[NONCE_SIZE], policy[320];
    struct buf plain, page;
    struct span rest;

    if (!rng_secure(random, sizeof(random), err) || !page_text(&plain, err))
        return false;
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(nonce + 2 * i, 3, "%02x", random[i]);
    rest = (struct span){plain.data, plain.len};
    buf_init(&page, plain.len + 1024);
    while (rest.len) {
        const char *mark = memmem(rest.data, rest.len, NONCE_MARK, strlen(NONCE_MARK));
        size_t len = mark ? (size_t)(mark - rest.data) : rest.len;

        buf_add(&page, rest.data, len);
        rest.data += len;
        rest.len -= len;
        if (mark) {
            buf_add_text(&page, nonce);
            rest.data += strlen(NONCE_MARK);
            rest.len -= strlen(NONCE_MARK);
        }
    }
    buf_done(&plain);
    if (!buf_check(&page, "the status page", err)) {
        buf_done(&page);
        return false;
    }
    (void)snprintf(policy, sizeof(policy),
        "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        nonce, nonce);
    h->home = MHD_create_response_from_buffer(page.len, page.data, MHD_RESPMEM_MUST_FREE);
    if (!h->home) {
        buf_done(&page);
        return err_set(err, ERR_FULL, ENOMEM, "no memory for the status page");
    }
    add_common(h->home, "text/html; charset=utf-8");
    add_header(h->home, "Content-Security-Policy", policy);
    add_header(h->home, "Referrer-Policy", "no-referrer");
    return true;
}

/* Takes the bytes of `body`. A body that could not be made is a 500. */
static enum MHD_Result answer(
    struct MHD_Connection *connection, unsigned status, const char *type, struct buf *body)
{
    static char sorry[] = "no memory\n";
    struct MHD_Response *response;
    enum MHD_Result result;

    if (body->failed || !body->data) {
        buf_done(body);
        status = 500;
        response =
            MHD_create_response_from_buffer(sizeof(sorry) - 1, sorry, MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
        if (!response)
            buf_done(body);
    }
    if (!response)
        return MHD_NO; /* the connection is closed */
    add_common(response, type);
    if (status == 405)
        add_header(response, "Allow", "GET");
    if (status != 200 && status != 503)
        add_header(response, "Connection", "close");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status)
{
    struct buf body;

    buf_init(&body, 256);
    buf_add_text(&body, status == 403   ? "ask for an address or for localhost, not for a name\n"
                        : status == 404 ? "there is /, /metrics, /healthz, /readyz, "
                                          "/api/status.json, /api/status.txt\n"
                        : status == 405 ? "only GET\n"
                                        : "too much\n");
    return answer(connection, status, "text/plain; charset=utf-8", &body);
}

/* The process works: its loops turn. Being disconnected is no illness of the process. */
static unsigned health(const struct picture *p, struct buf *out)
{
    enum loop_number stuck = picture_stuck(p);

    if (p->broken)
        buf_add_text(out, "broken: the program stops\n");
    else if (stuck != LOOPS)
        buf_printf(out, "stuck: the %s loop has not moved for %lld s\n", picture_loop_name(stuck),
            (long long)(p->beat_age_us[stuck] / CLOCK_SECOND_US));
    else
        buf_add_text(out, "ok\n");
    return p->broken || stuck != LOOPS ? 503 : 200;
}

static enum MHD_Result show(
    struct status_http *h, struct MHD_Connection *connection, enum status_page page)
{
    struct picture picture;
    struct troubles troubles;
    struct report report = {.picture = &picture,
        .troubles = &troubles,
        .board = &h->options.counters->board,
        .places = &h->options.places,
        .reason_name = h->options.reason_name,
        .reasons = h->options.reasons};
    struct metrics_names names = {
        h->options.reason_name, h->options.reasons, h->options.places.instance};
    const char *type = "application/json";
    unsigned status = 200;
    struct buf body;

    if (page == PAGE_HOME)
        return MHD_queue_response(connection, 200, h->home);
    buf_init(&body, REPORT_BYTES_MAX);
    (void)picture_take_settled(&picture, h->options.counters);
    history_rates(&h->history, &picture);
    trouble_find(&picture, &troubles);
    switch (page) {
    case PAGE_METRICS:
        type = METRICS_TYPE;
        metrics_print(&picture, &names, &body);
        break;
    case PAGE_HEALTH:
        type = "text/plain; charset=utf-8";
        status = health(&picture, &body);
        break;
    case PAGE_READY:
        status = report_ready_json(&report, &body) ? 200 : 503;
        break;
    case PAGE_STATUS:
        report_status_json(&report, &body);
        break;
    case PAGE_TEXT:
        type = "text/plain; charset=utf-8";
        report_status_text(&report, &body);
        break;
    case PAGE_HISTORY:
        report_history_json(&h->history, &body);
        break;
    case PAGE_SETTINGS:
        report_settings_json(report.board, &body);
        break;
    case PAGE_NONE:
    case PAGE_HOME:
        break;
    }
    return answer(connection, status, type, &body);
}

/* --- callbacks of libmicrohttpd, all from within MHD_run --- */

static uint64_t head_bytes(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    return (length && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
}

static struct connection_slot *slot_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void mark(struct connection_slot *slot, bool asked)
{
    if (!slot)
        return;
    slot->asked = asked;
    slot->since_us = clock_mono_us();
}

/* Called with the head of a request, and once more when it is whole. A refusal is said at once. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
    static char seen;
    struct status_http *h = cls;
    struct status_request request = {.method = method,
        .path = url,
        .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
        .head_bytes = head_bytes(connection),
        .has_body = has_body(connection),
        .on_loopback = h->options.on_loopback};
    enum status_page page = PAGE_NONE;
    unsigned status = status_request_judge(&request, &page);

    (void)version;
    (void)data;
    if (*data_size)
        return MHD_NO; /* no request with a body was let in */
    if (status != 200)
        return refuse(connection, status);
    if (!*state) {
        *state = &seen;
        mark(slot_of(connection), true);
        return MHD_YES;
    }
    return show(h, connection, page);
}

static void on_answered(
    void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    (void)cls;
    (void)state;
    if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        mark(slot_of(connection), false);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
    enum MHD_ConnectionNotificationCode code)
{
    struct status_http *h = cls;
    struct connection_slot *slot = *socket_context;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (slot) {
            *slot = (struct connection_slot){.fd = -1};
            h->used--;
        }
        return;
    }
    for (size_t i = 0; i < HTTP_CONNECTIONS && !slot; i++)
        if (!h->slots[i].connection)
            slot = &h->slots[i];
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!slot || !info)
        return; /* cannot be: libmicrohttpd keeps the same limit */
    *slot = (struct connection_slot){
        .connection = connection, .since_us = clock_mono_us(), .fd = info->connect_fd};
    h->used++;
    *socket_context = slot;
}

/* --- turning --- */

/* libmicrohttpd ends silent connections; one that sends a byte now and then is ended here. */
static void cut_slow(struct status_http *h, int64_t now)
{
    bool crowded = h->used > CROWDED;

    if (now - h->looked_us < (crowded ? CROWDED_LOOK_US : CLOCK_SECOND_US))
        return;
    h->looked_us = now;
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        struct connection_slot *slot = &h->slots[i];
        int64_t life = !crowded ? LIFE_US : slot->asked ? CROWDED_TAKE_US : CROWDED_ASK_US;

        if (!slot->connection || slot->cut || now - slot->since_us < life)
            continue;
        slot->cut = true;
        (void)shutdown(slot->fd, SHUT_RDWR);
    }
}

static void tick(struct status_http *h, int64_t now)
{
    struct picture picture;

    if (now - h->ticked_us < CLOCK_SECOND_US)
        return;
    /* On the second, so that steps of ten are steps of ten; but no rush after a long stop. */
    h->ticked_us = now - h->ticked_us < 2 * CLOCK_SECOND_US ? h->ticked_us + CLOCK_SECOND_US : now;
    if (h->options.refresh)
        h->options.refresh(h->options.refresh_arg);
    picture_take(&picture, h->options.counters);
    history_add(&h->history, &picture);
}

/* Fills the bucket with the time that passed. */
static void fill_budget(struct status_http *h, int64_t now)
{
    h->budget_us += (now - h->budget_mono_us) / BUDGET_SHARE;
    if (h->budget_us > BUDGET_US_MAX)
        h->budget_us = BUDGET_US_MAX;
    h->budget_mono_us = now;
}

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void status_http_turn(struct status_http *h, int wake_fd, int64_t wait_us)
{
    struct pollfd fds[] = {
        {.fd = wake_fd, .events = POLLIN}, {.fd = h->epoll_fd, .events = POLLIN}};
    MHD_UNSIGNED_LONG_LONG due_ms = 0;
    int64_t now = clock_mono_us(), cpu = clock_thread_cpu_us();
    bool broke;

    fill_budget(h, now);
    broke = h->budget_us <= 0 && !h->options.unlimited;
    wait_us = shorter(wait_us, h->ticked_us + CLOCK_SECOND_US - now);
    if (broke) /* look away from the clients until the bucket has something again */
        wait_us = shorter(wait_us, (1000 - h->budget_us) * BUDGET_SHARE);
    else if (MHD_get_timeout(h->daemon, &due_ms) == MHD_YES)
        wait_us = shorter(wait_us, (int64_t)(due_ms < 1000 ? due_ms : 1000) * 1000);
    if (!broke && h->used > CROWDED)
        wait_us = shorter(wait_us, CROWDED_LOOK_US);
    if (wait_us > 0) {
        struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};

        (void)ppoll(fds, broke ? 1 : 2, &wait, NULL); /* EINTR: an early turn does no harm */
    }
    if (!broke) {
        (void)MHD_run(h->daemon);
        cut_slow(h, clock_mono_us()); /* all have had their chance just now */
    }
    tick(h, clock_mono_us());
    h->budget_us -= clock_thread_cpu_us() - cpu;
}

bool status_http_adopt(struct status_http *h, int fd)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNIX};

    return MHD_add_connection(h->daemon, fd, &nowhere, sizeof(nowhere)) == MHD_YES;
}

unsigned status_http_connections(const struct status_http *h)
{
    return h->used;
}

/* --- opening --- */

static bool start_daemon(struct status_http *h, struct err *err)
{
    const union MHD_DaemonInfo *info;
    unsigned flags =
        MHD_USE_EPOLL | (h->options.listen_fd < 0 ? (unsigned)MHD_USE_NO_LISTEN_SOCKET : 0U);
    struct MHD_OptionItem listen[] = {
        {h->options.listen_fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, h->options.listen_fd,
            NULL},
        {MHD_OPTION_END, 0, NULL}};

    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_NOTIFY_COMPLETED,
        on_answered, h, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, h, MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_S, MHD_OPTION_ARRAY, listen, MHD_OPTION_END);
    info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return err_set(err, ERR_FULL, 0, "the HTTP server could not be started");
    h->options.listen_fd = -1; /* the daemon's now */
    h->epoll_fd = info->epoll_fd;
    return true;
}

struct status_http *status_http_open(const struct status_http_options *options, struct err *err)
{
    struct status_http *h = calloc(1, sizeof(*h));
    struct picture first;

    if (!h) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the HTTP server");
        if (options->listen_fd >= 0)
            (void)close(options->listen_fd);
        return NULL;
    }
    h->options = *options;
    h->epoll_fd = -1;
    if (h->options.refresh)
        h->options.refresh(h->options.refresh_arg);
    picture_take(&first, options->counters);
    history_init(&h->history, &first);
    h->ticked_us = h->budget_mono_us = clock_mono_us();
    h->budget_us = BUDGET_US_MAX;
    if (!make_home(h, err) || !start_daemon(h, err)) {
        status_http_close(h);
        return NULL;
    }
    return h;
}

void status_http_close(struct status_http *h)
{
    if (!h)
        return;
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    if (h->home)
        MHD_destroy_response(h->home);
    if (h->options.listen_fd >= 0)
        (void)close(h->options.listen_fd);
    free(h);
}
