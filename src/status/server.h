/* status/server.h: the HTTP server in a thread of its own, of the lowest priority.
 *
 * Shape    start, stop.
 * Limits   those of status/http.h.
 * Errors   ERR_DENIED: the address cannot be listened on (code: errno, EADDRINUSE when taken). The
 *          caller warns and goes on without it.
 * Owner    opaque; what the options point to is borrowed until stop.
 * Threads  start and stop: one; the server has a thread inside. No signal reaches it.
 */
#ifndef STATUS_SERVER_H
#define STATUS_SERVER_H

#include "status/http.h"

struct status_server;

/* `host`: an address or "localhost"; port 0: any. options->listen_fd and on_loopback are set here. */
struct status_server *status_server_start(
    const char *host, uint16_t port, const struct status_http_options *options, struct err *err);
void status_server_stop(struct status_server *s);

uint16_t status_server_port(const struct status_server *s);
bool status_server_on_loopback(const struct status_server *s);

#endif
