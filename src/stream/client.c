#include "stream/client.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "stream/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_WAIT_US CLOCK_SECOND_US
#define LONGEST_WAIT_US (60 * CLOCK_SECOND_US)
#define CONNECT_WAIT_US                                                                            \
    (10 * CLOCK_SECOND_US) /* per address: a lost SYN is sent again at 1, 3, 7 s */
#define RESOLVE_WAIT_US (30 * CLOCK_SECOND_US)
#define RESOLVE_LOOK_FIRST_US                                                                      \
    500 /* how often to look whether the name is resolved: rarer and rarer */
#define RESOLVE_LOOK_LAST_US 20000
#define RECEIVE_BUFFER_BYTES (4 * 1024 * 1024)

struct stream_client {
    char *host;
    uint16_t port;
    struct framer *framer;
    enum client_state state;
    struct backoff backoff;
    int64_t deadline_us; /* mono: waiting: the next try; resolving, connecting: giving up */
    bool stopped;

    struct resolve *resolve;
    int64_t look_us;
    struct resolved addresses;
    size_t address; /* the one being tried */

    int fd;
    bool dry, manifest_seen;
    char peer[80];
    struct err err;
    uint64_t connections, received_bytes, stream_offset;
};

struct stream_client *client_new(
    const char *host, uint16_t port, struct framer *framer, struct err *err)
{
    struct stream_client *c = calloc(1, sizeof(*c));

    if (c)
        c->host = strdup(host);
    if (!c || !c->host) {
        free(c);
        err_set(err, ERR_FULL, ENOMEM, "no memory for the stream client");
        return NULL;
    }
    c->port = port;
    c->framer = framer;
    c->fd = -1;
    c->dry = true;
    backoff_init(&c->backoff, FIRST_WAIT_US, LONGEST_WAIT_US, false, rng_any_seed());
    return c;
}

static void close_socket(struct stream_client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd); /* nothing was written that could be lost */
    c->fd = -1;
    c->dry = true;
}

void client_free(struct stream_client *c)
{
    if (!c)
        return;
    close_socket(c);
    resolve_free(c->resolve);
    free(c->host);
    free(c);
}

/* ---- one try ---- */

/* Back to waiting; c->err says why. */
static void give_up(struct stream_client *c)
{
    close_socket(c);
    resolve_free(c->resolve);
    c->resolve = NULL;
    c->state = CLIENT_WAITING;
    c->deadline_us = clock_mono_us() + backoff_next_us(&c->backoff);
}

static void set_int(int fd, int level, int name, int value)
{
    /* None of these options is needed for correct work, so a refusal is no error. */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int new_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

/* A socket with a receive buffer that outlasts a slow sync. It must be set before connect: the
 * window's scale is agreed on with the first packet.
 *
 * The kernel silently cuts the wish at net.core.rmem_max (212,992 bytes unless a person raised it),
 * doubles what is left for its own book-keeping, and from then on leaves the size alone. A cut
 * buffer is worse than none asked for, because a socket left alone grows up to net.ipv4.tcp_rmem's
 * third number (6 MiB by default) while it is being read. So when the wish was cut, a fresh socket
 * is taken. */
static int wide_socket(int family)
{
    int fd = new_socket(family), got = 0;
    socklen_t len = sizeof(got);

    if (fd < 0)
        return -1;
    set_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got >= RECEIVE_BUFFER_BYTES)
        return fd;
    (void)close(fd);
    return new_socket(family);
}

static void set_options(int fd)
{
    /* There is no heartbeat: only probes find out that a quiet peer is gone, after a minute. */
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_int(
        fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 60 * 1000); /* the same minute, for unanswered data */
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void name_peer(struct stream_client *c)
{
    char host[64], port[8];
    const struct sockaddr *address =
        (const struct sockaddr *)(const void *)&c->addresses.at[c->address].address;

    if (getnameinfo(address, c->addresses.at[c->address].len, host, sizeof(host), port,
            sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    (void)snprintf(c->peer, sizeof(c->peer), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void fail_address(struct stream_client *c, const char *what, int code)
{
    errno = code;
    err_sys(&c->err, ERR_RETRY, "%s %s", what, c->peer);
    close_socket(c);
    c->address++;
}

/* Begins with c->address or the first one after it that does not fail at once. False: none left. */
static bool try_addresses(struct stream_client *c)
{
    while (c->address < c->addresses.count) {
        const struct sockaddr *address =
            (const struct sockaddr *)(const void *)&c->addresses.at[c->address].address;

        name_peer(c);
        c->fd = wide_socket(address->sa_family);
        if (c->fd < 0) {
            fail_address(c, "socket for", errno);
            continue;
        }
        set_options(c->fd);
        if (connect(c->fd, address, c->addresses.at[c->address].len) < 0 && errno != EINPROGRESS &&
            errno != EINTR) {
            fail_address(c, "connect to", errno);
            continue;
        }
        c->state = CLIENT_CONNECTING;
        c->deadline_us = clock_mono_us() + CONNECT_WAIT_US;
        return true;
    }
    return false;
}

static enum client_event failed(struct stream_client *c)
{
    give_up(c);
    return CLIENT_FAILED;
}

static enum client_event start(struct stream_client *c)
{
    c->resolve = resolve_start(c->host, c->port, &c->err);
    if (!c->resolve)
        return failed(c);
    c->state = CLIENT_RESOLVING;
    c->look_us = RESOLVE_LOOK_FIRST_US;
    c->deadline_us = clock_mono_us() + RESOLVE_WAIT_US;
    return CLIENT_NOTHING;
}

static enum client_event look_at_resolve(struct stream_client *c)
{
    switch (resolve_poll(c->resolve, &c->addresses, &c->err)) {
    case RESOLVE_BUSY:
        if (clock_mono_us() < c->deadline_us)
            return CLIENT_NOTHING;
        err_set(&c->err, ERR_RETRY, ETIMEDOUT, "resolve '%.120s': no answer", c->host);
        return failed(c);
    case RESOLVE_FAILED:
        return failed(c);
    case RESOLVE_DONE:
        break;
    }
    resolve_free(c->resolve);
    c->resolve = NULL;
    c->address = 0;
    return try_addresses(c) ? CLIENT_NOTHING : failed(c);
}

/* The socket became writable, or its time is over. */
static enum client_event look_at_connect(struct stream_client *c, bool ready)
{
    int code = ETIMEDOUT;
    socklen_t len = sizeof(code);

    if (ready && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
        code = errno;
    if (code != 0) {
        fail_address(c, "connect to", code);
        return try_addresses(c) ? CLIENT_NOTHING : failed(c);
    }
    c->state = CLIENT_OPEN;
    c->connections++;
    c->stream_offset = 0;
    c->manifest_seen = false;
    c->dry = true;
    (void)framer_restart(c->framer);
    return CLIENT_CONNECTED;
}

/* ---- an open connection ---- */

/* code 0: the peer closed. A connection without its manifest counts as a failed try, so the waits
 * go on growing; after one that had it they began anew. */
static enum client_event closed(struct stream_client *c, int code)
{
    const char *when = c->manifest_seen ? "" : " before its manifest";

    errno = code;
    if (code)
        err_sys(&c->err, ERR_RETRY, "connection to %s lost%s", c->peer, when);
    else
        err_set(&c->err, ERR_RETRY, 0, "%s closed the connection%s", c->peer, when);
    give_up(c);
    return CLIENT_CLOSED;
}

static enum client_event receive(struct stream_client *c)
{
    size_t room;
    char *to = framer_space(c->framer, &room);
    ssize_t n = room ? recv(c->fd, to, room, 0) : -1;

    if (room == 0) { /* lines nobody took: the caller must do so before there is more */
        c->dry = false;
        return CLIENT_DATA;
    }
    if (n == 0)
        return closed(c, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return closed(c, errno);
        c->dry = true;
        return CLIENT_NOTHING;
    }
    c->dry = (size_t)n < room;
    c->received_bytes += (uint64_t)n;
    c->stream_offset += (uint64_t)n;
    framer_added(c->framer, (size_t)n);
    return CLIENT_DATA;
}

/* ---- the loop ---- */

/* How long the state itself allows to sleep; -1: for ever. */
static int64_t state_wait_us(const struct stream_client *c, int64_t now_us)
{
    int64_t left_us = c->deadline_us > now_us ? c->deadline_us - now_us : 0;

    switch (c->state) {
    case CLIENT_WAITING:
        return c->stopped ? -1 : left_us;
    case CLIENT_RESOLVING:
        return left_us < c->look_us ? left_us : c->look_us;
    case CLIENT_CONNECTING:
        return left_us;
    case CLIENT_OPEN:
        break;
    }
    return -1;
}

/* Sleeps until the socket or wake_fd is ready. False: wake_fd is. */
static bool sleep_until(
    struct stream_client *c, int64_t until_us, bool reading, int wake_fd, bool *ret_ready)
{
    struct pollfd fds[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = -1}};
    int64_t now_us = clock_mono_us(), own_us = state_wait_us(c, now_us);
    int64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec wait;
    int n;

    if (own_us >= 0 && own_us < wait_us)
        wait_us = own_us;
    if (c->state == CLIENT_CONNECTING || (c->state == CLIENT_OPEN && reading)) {
        fds[1].fd = c->fd;
        fds[1].events = c->state == CLIENT_OPEN ? POLLIN : POLLOUT;
    }
    wait = (struct timespec){wait_us / CLOCK_SECOND_US, wait_us % CLOCK_SECOND_US * 1000};
    n = ppoll(fds, 2, &wait, NULL);
    *ret_ready = n > 0 && fds[1].revents;
    return !(n > 0 && fds[0].revents);
}

static enum client_event work(struct stream_client *c, bool ready)
{
    int64_t now_us = clock_mono_us();

    switch (c->state) {
    case CLIENT_WAITING:
        return c->stopped || now_us < c->deadline_us ? CLIENT_NOTHING : start(c);
    case CLIENT_RESOLVING:
        if (c->look_us < RESOLVE_LOOK_LAST_US)
            c->look_us *= 2;
        return look_at_resolve(c);
    case CLIENT_CONNECTING:
        return ready || now_us >= c->deadline_us ? look_at_connect(c, ready) : CLIENT_NOTHING;
    case CLIENT_OPEN:
        break;
    }
    return ready ? receive(c) : CLIENT_NOTHING;
}

enum client_event client_step(struct stream_client *c, int64_t wait_us, bool reading, int wake_fd)
{
    int64_t until_us = clock_mono_us() + (wait_us > 0 ? wait_us : 0);
    enum client_event event = CLIENT_NOTHING;
    bool ready, awake = true;

    if (c->state == CLIENT_OPEN && reading && !c->dry) { /* more is there: no need to ask first */
        event = receive(c);
        if (event != CLIENT_NOTHING)
            return event;
    }
    do {
        enum client_state before = c->state;

        awake = sleep_until(c, until_us, reading, wake_fd, &ready);
        event = work(c, ready);
        /* An address answers without sleeping: go on at once, even with wait_us 0. */
        if (event == CLIENT_NOTHING && before == CLIENT_WAITING && c->state == CLIENT_RESOLVING)
            event = look_at_resolve(c);
    } while (event == CLIENT_NOTHING && awake && clock_mono_us() < until_us);
    return event;
}

bool client_dry(const struct stream_client *c)
{
    return c->dry;
}

void client_saw_manifest(struct stream_client *c)
{
    c->manifest_seen = true;
    backoff_reset(&c->backoff);
}

void client_stop_connecting(struct stream_client *c)
{
    c->stopped = true;
    if (c->state != CLIENT_RESOLVING && c->state != CLIENT_CONNECTING)
        return;
    close_socket(c);
    resolve_free(c->resolve);
    c->resolve = NULL;
    c->state = CLIENT_WAITING;
}

enum client_state client_state(const struct stream_client *c)
{
    return c->state;
}

const struct err *client_error(const struct stream_client *c)
{
    return &c->err;
}

int64_t client_retry_us(const struct stream_client *c)
{
    int64_t left_us = c->deadline_us - clock_mono_us();

    return c->state == CLIENT_WAITING && left_us > 0 ? left_us : 0;
}

uint64_t client_connections(const struct stream_client *c)
{
    return c->connections;
}

uint64_t client_received_bytes(const struct stream_client *c)
{
    return c->received_bytes;
}

uint64_t client_stream_offset(const struct stream_client *c)
{
    return c->stream_offset;
}

const char *client_peer(const struct stream_client *c)
{
    return c->peer;
}
