/* simulator/server.h: the socket side: one client at a time, the manifest first, pace, drops.
 *
 * Shape    server_work does what can be done now; server_wait waits for the next thing to happen.
 * Units    _us microseconds.
 * Limits   a client's line: 4 MiB; a client that was dropped politely may linger for 2 s.
 * Errors   server_open: ERR_INPUT for the address or an option, ERR_DENIED for the port.
 * Owner    opaque; server_close takes NULL.
 * Threads  one at a time; simulator.c puts it on a thread of its own.
 * Source   kelvin-stream.md 6.4; tcp(7), socket(7) SO_LINGER, tcp(7) SIOCOUTQ.
 */
#ifndef SIMULATOR_SERVER_H
#define SIMULATOR_SERVER_H

#include "simulator/simulator.h"

struct server;

struct server *server_open(const struct simulator_options *options, struct err *err);
void server_close(struct server *s);

uint16_t server_port(const struct server *s);

/* Makes, sends, ends what is over. Counters are to be published after it and before waiting, which
 * may take for ever. */
void server_work(struct server *s);

/* Returns when there is work, or when wake_fd is readable (it is not read from). */
void server_wait(struct server *s, int wake_fd);

void server_get_stats(const struct server *s, struct simulator_stats *ret);
void server_want_manifest(struct server *s, int64_t upload_interval, int64_t batch_size);
void server_drop(struct server *s, enum simulator_drop how);

#endif
