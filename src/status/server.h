/* status/server.h: the HTTP server in a thread of its own, of the lowest priority.
 *
 * Shape    open listens, start answers, stop. Between the first two the program can give up its
 *          rights; a client that comes then waits.
 * Limits   those of status/http.h.
 * Errors   ERR_DENIED: the address cannot be listened on (code: errno, EADDRINUSE when taken), or no
 *          thread. The caller warns and goes on without it.
 * Owner    opaque; what the options point to is borrowed until stop.
 * Threads  open, start and stop: one; the server has a thread inside. No signal reaches it.
 */
#ifndef STATUS_SERVER_H
#define STATUS_SERVER_H

#include "status/http.h"

struct status_server;

/* `host`: an address or "localhost"; port 0: any. */
struct status_server *status_server_open(const char *host, uint16_t port, struct err *err);
/* options->listen_fd and on_loopback are set here. Once; after a failure only stop may follow. */
NODISCARD bool status_server_start(
    struct status_server *s, const struct status_http_options *options, struct err *err);
/* Also of one that was never started. */
void status_server_stop(struct status_server *s);

uint16_t status_server_port(const struct status_server *s);
bool status_server_on_loopback(const struct status_server *s);

#endif
