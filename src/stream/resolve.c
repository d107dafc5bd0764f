#include "stream/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct resolve {
    char host[256]; /* a DNS name has at most 253 bytes */
    char port[8];
    struct addrinfo hints;
    struct gaicb request;
    bool asked; /* the library has the request */
};

/* "[::1]" is how people write it when a port follows. */
static bool copy_host(struct resolve *r, const char *host, struct err *err)
{
    struct span name = span_of(host);

    if (name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']') {
        name.data++;
        name.len -= 2;
    }
    if (name.len == 0 || name.len >= sizeof(r->host))
        return err_set(err, ERR_INPUT, 0, "not a host name: '%.60s'", host);
    memcpy(r->host, name.data, name.len);
    return true;
}

struct resolve *resolve_start(const char *host, uint16_t port, struct err *err)
{
    struct resolve *r = calloc(1, sizeof(*r));
    struct gaicb *list[1];
    int code;

    if (!r) {
        err_set(err, ERR_FULL, ENOMEM, "no memory to resolve '%.60s'", host);
        return NULL;
    }
    if (!copy_host(r, host, err)) {
        free(r);
        return NULL;
    }
    (void)snprintf(r->port, sizeof(r->port), "%u", (unsigned)port);
    r->hints =
        (struct addrinfo){.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    r->request = (struct gaicb){.ar_name = r->host, .ar_service = r->port, .ar_request = &r->hints};
    /* An address needs no resolver: this looks at the text only. */
    if (getaddrinfo(r->host, r->port, &r->hints, &r->request.ar_result) == 0)
        return r;
    r->hints.ai_flags = AI_NUMERICSERV;
    list[0] = &r->request;
    code = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (code != 0) {
        err_set(err, ERR_RETRY, code, "resolve '%s': %s", r->host, gai_strerror(code));
        free(r);
        return NULL;
    }
    r->asked = true;
    return r;
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    if (r->asked && gai_error(&r->request) == EAI_INPROGRESS &&
        gai_cancel(&r->request) == EAI_NOTCANCELED)
        return; /* the helper thread will still write into it */
    if (r->request.ar_result)
        freeaddrinfo(r->request.ar_result);
    free(r);
}

enum resolve_result resolve_poll(struct resolve *r, struct resolved *ret, struct err *err)
{
    int code = r->asked ? gai_error(&r->request) : 0;

    if (code == EAI_INPROGRESS)
        return RESOLVE_BUSY;
    if (code != 0) {
        err_set(err, ERR_RETRY, code, "resolve '%s': %s", r->host, gai_strerror(code));
        return RESOLVE_FAILED;
    }
    ret->count = 0;
    for (struct addrinfo *a = r->request.ar_result; a && ret->count < RESOLVE_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof(ret->at[0].address))
            continue;
        memcpy(&ret->at[ret->count].address, a->ai_addr, a->ai_addrlen);
        ret->at[ret->count++].len = a->ai_addrlen;
    }
    if (ret->count == 0) {
        err_set(err, ERR_RETRY, 0, "resolve '%s': no address", r->host);
        return RESOLVE_FAILED;
    }
    return RESOLVE_DONE;
}
