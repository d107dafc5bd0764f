/* stream/resolve.h: a host name to addresses, without ever waiting.
 *
 * Shape    resolve_start, then resolve_poll now and then until it has an answer. Addresses as
 *          numbers are answered at once, names by a helper thread of the C library.
 * Limits   RESOLVE_MAX addresses.
 * Errors   ERR_RETRY with the resolver's text: a name unknown today may exist tomorrow.
 * Owner    opaque. The library cannot call back a request it is working on: resolve_free leaves
 *          the memory of that one (some hundred bytes) to it for good.
 * Threads  one at a time. The helper thread is made inside the C library, where the thread
 *          sanitizer cannot see it: in such a build only addresses as numbers work.
 * Source   getaddrinfo_a(3).
 */
#ifndef STREAM_RESOLVE_H
#define STREAM_RESOLVE_H

#include "base/err.h"

#include <stdint.h>
#include <sys/socket.h>

#define RESOLVE_MAX 16

struct resolved {
    size_t count;
    struct {
        struct sockaddr_storage address;
        socklen_t len;
    } at[RESOLVE_MAX]; /* in the order to try them (RFC 6724, by the library) */
};

enum resolve_result { RESOLVE_BUSY, RESOLVE_DONE, RESOLVE_FAILED };

struct resolve;

/* Copies `host`: a name, an IPv4 or IPv6 address, the latter also in brackets. */
struct resolve *resolve_start(const char *host, uint16_t port, struct err *err);
void resolve_free(struct resolve *r);

enum resolve_result resolve_poll(struct resolve *r, struct resolved *ret, struct err *err);

#endif
