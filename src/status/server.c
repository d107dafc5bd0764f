#include "status/server.h"

#include "base/clock.h"
#include "base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BACKLOG 64
#define NICE 10 /* behind the loops when the processor is short */

struct status_server {
    struct status_http *http;
    pthread_t thread;
    int listen_fd, wake_fd; /* -1: none */
    bool running;           /* the thread */
    atomic_bool stopping;
    uint16_t port;
    bool on_loopback;
};

union address {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

static bool parse_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_len,
    bool *ret_loopback, struct err *err)
{
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    *ret = (union address){0};
    if (inet_pton(AF_INET, host, &ret->in4.sin_addr) == 1) {
        ret->in4.sin_family = AF_INET;
        ret->in4.sin_port = htons(port);
        *ret_len = sizeof(ret->in4);
        *ret_loopback = ntohl(ret->in4.sin_addr.s_addr) >> 24 == 127;
        return true;
    }
    if (inet_pton(AF_INET6, host, &ret->in6.sin6_addr) == 1) {
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = htons(port);
        *ret_len = sizeof(ret->in6);
        *ret_loopback = IN6_IS_ADDR_LOOPBACK(&ret->in6.sin6_addr);
        return true;
    }
    return err_set(err, ERR_DENIED, 0, "'%.60s' is not a numeric address", host);
}

static bool listen_on(const union address *address, socklen_t len, const char *host, uint16_t port,
    int *ret_fd, uint16_t *ret_port, struct err *err)
{
    union address bound = {0};
    socklen_t bound_len = sizeof(bound);
    int on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_sys(err, ERR_DENIED, "listen on %.60s:%u", host, port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, &address->any, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &bound.any, &bound_len) < 0) {
        err_sys(err, ERR_DENIED, "listen on %.60s:%u", host, port);
        (void)close(fd);
        return false;
    }
    *ret_fd = fd;
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.in6.sin6_port : bound.in4.sin_port);
    return true;
}

static void *serve(void *server)
{
    struct status_server *s = server;

    (void)pthread_setname_np(pthread_self(), "status");
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    while (!atomic_load(&s->stopping))
        status_http_turn(s->http, s->wake_fd, CLOCK_SECOND_US);
    return NULL;
}

static bool start_thread(struct status_server *s, struct err *err)
{
    sigset_t all, before;

    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0)
        return err_sys(err, ERR_DENIED, "eventfd");
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&s->thread, NULL, serve, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno) {
        err_sys(err, ERR_DENIED, "start the status thread");
        return false; /* stop closes wake_fd */
    }
    return true;
}

struct status_server *status_server_open(const char *host, uint16_t port, struct err *err)
{
    struct status_server *s = calloc(1, sizeof(*s));
    union address address;
    socklen_t len = 0;

    if (!s) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the status server");
        return NULL;
    }
    s->listen_fd = s->wake_fd = -1;
    if (!parse_address(host, port, &address, &len, &s->on_loopback, err) ||
        !listen_on(&address, len, host, port, &s->listen_fd, &s->port, err)) {
        free(s);
        return NULL;
    }
    return s;
}

bool status_server_start(
    struct status_server *s, const struct status_http_options *options, struct err *err)
{
    struct status_http_options with = *options;

    with.listen_fd = s->listen_fd;
    with.on_loopback = s->on_loopback;
    s->listen_fd = -1; /* status_http_open takes it */
    s->http = status_http_open(&with, err);
    s->running = s->http && start_thread(s, err);
    return s->running;
}

void status_server_stop(struct status_server *s)
{
    if (!s)
        return;
    if (s->running) {
        atomic_store(&s->stopping, true);
        (void)eventfd_write(s->wake_fd, 1);
        (void)pthread_join(s->thread, NULL);
    }
    status_http_close(s->http);
    file_drop(s->listen_fd);
    file_drop(s->wake_fd);
    free(s);
}

uint16_t status_server_port(const struct status_server *s)
{
    return s->port;
}

bool status_server_on_loopback(const struct status_server *s)
{
    return s->on_loopback;
}
