/* stream/client.h: the connection to the Kelvin stream: resolve, connect, receive, back off, again.
 *
 * Shape    client_step waits for the next thing to happen and says what it was. It never blocks
 *          longer than asked, name resolution included (getaddrinfo_a), and returns at once when
 *          wake_fd is readable.
 * Units    _us microseconds.
 * Limits   waits of 1, 2, 4 ... 60 s +-20 % between tries; the wait starts at 1 s again only after
 *          a manifest (client_saw_manifest). A connection that ends before its manifest counts as
 *          a failed try. An address has 10 s to answer, a resolver 30 s.
 * Errors   every kind of connect error is retried for ever; the last one is kept as text for
 *          people.
 * Owner    opaque; owns the socket.
 * Threads  one at a time.
 * Source   kelvin-stream.md 1.1, 1.3; tcp(7): SO_KEEPALIVE 30/10/3, TCP_USER_TIMEOUT, SO_RCVBUF
 *          4 MiB.
 */
#ifndef STREAM_CLIENT_H
#define STREAM_CLIENT_H

#include "stream/framer.h"

enum client_event {
    CLIENT_NOTHING,   /* the time is over, or wake_fd became readable */
    CLIENT_CONNECTED, /* a new connection is there; the framer was restarted before */
    CLIENT_DATA,      /* bytes were added to the framer: see framer_lines */
    CLIENT_CLOSED,    /* the connection ended: deal with framer_rest; client_error says why */
    CLIENT_FAILED, /* a try to connect failed: client_error says why, client_retry_us when the next
                      is */
};

enum client_state { CLIENT_WAITING, CLIENT_RESOLVING, CLIENT_CONNECTING, CLIENT_OPEN };

struct stream_client;

/* Copies. Does not connect yet. */
struct stream_client *client_new(
    const char *host, uint16_t port, struct framer *framer, struct err *err);
void client_free(struct stream_client *c);

/* Waits at most wait_us. With `reading` false the socket is left alone (back-pressure): a closed
 * peer may then go unnoticed. At most one recv per call. wake_fd -1: none; it is not read from. */
enum client_event client_step(struct stream_client *c, int64_t wait_us, bool reading, int wake_fd);

/* Nothing was in the socket at the last look. */
bool client_dry(const struct stream_client *c);
void client_saw_manifest(struct stream_client *c);

/* No new connection from now on (stopping); an open one is still read. */
void client_stop_connecting(struct stream_client *c);

enum client_state client_state(const struct stream_client *c);
const struct err *client_error(const struct stream_client *c);
int64_t client_retry_us(const struct stream_client *c);     /* until the next try */
uint64_t client_connections(const struct stream_client *c); /* so far */
uint64_t client_received_bytes(const struct stream_client *c);
uint64_t client_stream_offset(const struct stream_client *c); /* bytes of this connection */
const char *client_peer(const struct stream_client *c); /* "127.0.0.1:49167"; "" before the first */

#endif
