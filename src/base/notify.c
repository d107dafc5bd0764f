#include "base/notify.h"

#include "base/file.h"
#include "base/str.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path begins with '/'; '@' stands for the NUL of an abstract name, whose length counts. */
static bool make_address(const char *text, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t len = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(ret->sun_path))
        return false;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, text, len);
    if (text[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
    return true;
}

static int open_socket(const char *text)
{
    struct sockaddr_un address;
    socklen_t len;
    int fd;

    if (!text || !make_address(text, &address, &len))
        return -1;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, len) < 0) {
        file_drop(fd);
        fd = -1;
    }
    return fd;
}

/* $WATCHDOG_PID names whom the manager watches; a child that inherited the variables is not it. */
static int64_t watchdog_of(const char *usec, const char *pid)
{
    uint64_t us = 0, wanted = 0;

    if (!usec || !str_u64(span_of(usec), &us) || us > INT64_MAX)
        return 0;
    if (pid && (!str_u64(span_of(pid), &wanted) || wanted != (uint64_t)getpid()))
        return 0;
    return (int64_t)us;
}

void notify_init(struct notify *n)
{
    *n = (struct notify){.fd = open_socket(getenv("NOTIFY_SOCKET"))};
    if (n->fd >= 0)
        n->watchdog_us = watchdog_of(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_done(struct notify *n)
{
    file_drop(n->fd);
    *n = (struct notify){.fd = -1};
}

/* A full queue (a manager that is busy) loses this datagram; the next one says it again. */
static void tell(struct notify *n, const char *text)
{
    if (n->fd >= 0)
        (void)send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_ready(struct notify *n)
{
    tell(n, "READY=1");
}

void notify_stopping(struct notify *n)
{
    tell(n, "STOPPING=1");
}

/* A newline would begin another assignment: text from outside must not say READY=1. */
void notify_status(struct notify *n, const char *text)
{
    char message[sizeof(n->status) + 8];
    char status[sizeof(n->status)];
    size_t len = strnlen(text, sizeof(status) - 1);

    if (n->fd < 0)
        return;
    memcpy(status, text, len);
    status[len] = '\0';
    for (char *c = status; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (strcmp(status, n->status) == 0)
        return;
    memcpy(n->status, status, len + 1);
    (void)snprintf(message, sizeof(message), "STATUS=%s", status);
    tell(n, message);
}

void notify_alive(struct notify *n, int64_t mono_us, int64_t last_sign_us)
{
    int64_t half_us = n->watchdog_us / 2;

    if (n->watchdog_us == 0 || mono_us - last_sign_us > half_us)
        return;
    if (n->fed_us && mono_us - n->fed_us < half_us)
        return;
    n->fed_us = mono_us;
    tell(n, "WATCHDOG=1");
}
