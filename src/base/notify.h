/* base/notify.h: tells the service manager how we are: ready, well, stopping, and a line for people.
 *
 * Shape    datagrams of NAME=value lines to the socket that $NOTIFY_SOCKET names; a path, or @name in
 *          the abstract namespace. Without the variable every call does nothing.
 * Units    _us microseconds of CLOCK_MONOTONIC.
 * Limits   a status of 400 bytes; the rest is cut.
 * Errors   none are reported: whoever listens may go away at any time, and the work goes on.
 * Owner    the caller owns the struct; notify_done closes the socket.
 * Threads  one.
 * Source   sd_notify(3), section "Notes"; the protocol is stable. Own code, because the library
 *          would bring a dozen others.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include "base/err.h"

#include <stdint.h>

struct notify {
    int fd;              /* -1: nobody listens */
    int64_t watchdog_us; /* the manager wants WATCHDOG=1 this often; 0: it does not */
    int64_t fed_us;      /* when it last got one */
    char status[401];    /* what it was last told */
};

/* Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and takes them out of the environment. */
void notify_init(struct notify *n);
void notify_done(struct notify *n);

void notify_ready(struct notify *n);
void notify_stopping(struct notify *n);

/* One line for `systemctl status`; sent when it differs from the last one. */
void notify_status(struct notify *n, const char *text);

/* Call this often; last_sign_us is when the work last moved. While that is no longer ago than half
 * of watchdog_us, sends WATCHDOG=1 at most that often; else the manager is left to end us. */
void notify_alive(struct notify *n, int64_t mono_us, int64_t last_sign_us);

#endif
