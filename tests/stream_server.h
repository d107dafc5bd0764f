/* stream_server.h: for the tests of stream/client: a listening socket in the same thread. The kernel
 * completes a connection before anyone accepts it, so client and server can take turns. */
#ifndef STREAM_SERVER_H
#define STREAM_SERVER_H

#include "base/clock.h"
#include "stream/client.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_CHECK(what)                                                                         \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

/* -1: this machine has no such address (IPv6 only). */
static inline int server_listen(int family, uint16_t *ret_port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address =
        family == AF_INET ? (struct sockaddr *)(void *)&four : (struct sockaddr *)(void *)&six;
    socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_port = 0;
    if (fd < 0)
        return -1;
    if (bind(fd, address, len) < 0 || listen(fd, 5) < 0 || getsockname(fd, address, &len) < 0) {
        (void)close(fd);
        return -1;
    }
    *ret_port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
    return fd;
}

/* A port of 127.0.0.1 where nobody listens. */
static inline uint16_t server_no_port(void)
{
    uint16_t port = 0;
    int fd = server_listen(AF_INET, &port);

    SERVER_CHECK(fd >= 0);
    (void)close(fd);
    return port;
}

static inline int server_accept(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    int fd;

    SERVER_CHECK(poll(&p, 1, 5000) == 1);
    fd = accept(listener, NULL, NULL);
    SERVER_CHECK(fd >= 0);
    return fd;
}

static inline void server_send(int fd, const char *text)
{
    SERVER_CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* The next event that is not CLIENT_NOTHING, within five seconds. */
static inline enum client_event server_event(struct stream_client *c)
{
    int64_t until_us = clock_mono_us() + 5 * CLOCK_SECOND_US;
    enum client_event event = CLIENT_NOTHING;

    while (event == CLIENT_NOTHING && clock_mono_us() < until_us)
        event = client_step(c, 100000, true, -1);
    return event;
}

#endif
