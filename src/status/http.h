/* status/http.h: the HTTP server without its thread: libmicrohttpd driven from outside.
 *
 * Shape    open; turn as often as you like; close. Every answer is made on the spot from the
 *          counters: nothing is shared with the loops but these.
 * Units    _us microseconds.
 * Limits   HTTP_CONNECTIONS at once (more wait in the kernel's queue), 4 KiB a request, 10 s for a
 *          connection to bring one; a fortieth of a core for all of it.
 * Errors   ERR_FULL: no memory. What a client does is never an error.
 * Owner    opaque. Takes the listening socket. Counters and texts are borrowed.
 * Threads  one.
 * Source   libmicrohttpd manual (external event loop); durability.md 15.
 */
#ifndef STATUS_HTTP_H
#define STATUS_HTTP_H

#include "status/report.h"

#define HTTP_CONNECTIONS 48U

struct status_http;

struct status_http_options {
    int listen_fd; /* -1: only adopted connections */
    bool on_loopback;
    struct counters *counters;
    struct report_places places;
    const char *(*reason_name)(unsigned reason);
    unsigned reasons;
    /* Once a second, before anything is looked at: publish what no loop publishes. NULL: nothing. */
    void (*refresh)(void *arg);
    void *refresh_arg;
    bool unlimited; /* tests: no bound on processor time */
};

/* On failure the socket is closed too. */
struct status_http *status_http_open(const struct status_http_options *options, struct err *err);
void status_http_close(struct status_http *h);

/* Serves what there is; waits at most wait_us for it, or until wake_fd (-1: none) is readable. */
void status_http_turn(struct status_http *h, int wake_fd, int64_t wait_us);

/* A connection from elsewhere (tests). Takes the descriptor. */
bool status_http_adopt(struct status_http *h, int fd);

/* How many connections there are. */
unsigned status_http_connections(const struct status_http *h);

#endif
