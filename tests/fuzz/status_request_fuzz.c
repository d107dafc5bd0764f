/* Any bytes on a connection of the status server: an HTTP answer or silence, and no leak. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "status/http.h"
#include "status/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct status_http *server;

static void start(void)
{
    static struct counters counters;
    struct status_http_options options = {
        .listen_fd = -1, .on_loopback = true, .counters = &counters, .unlimited = true};
    struct err err;

    counters_init(&counters);
    server = status_http_open(&options, &err);
    assert(server);
}

static void talk(const uint8_t *data, size_t size)
{
    char answer[65536];
    ssize_t n, total = 0;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return;
    if (!status_http_adopt(server, pair[0])) { /* it took and closed the descriptor */
        (void)close(pair[1]);
        return;
    }
    n = send(pair[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
    (void)shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < 8; i++) {
        status_http_turn(server, -1, 0);
        n = recv(pair[1], answer + total, sizeof(answer) - 1 - (size_t)total, MSG_DONTWAIT);
        if (n == 0)
            break;
        total += n > 0 ? n : 0;
    }
    (void)!write(2, answer, (size_t)total);
    if (total)
        assert(total > 9 && memcmp(answer, "HTTP/1.", 7) == 0);
    (void)close(pair[1]);
    for (int i = 0; i < 50 && status_http_connections(server); i++)
        status_http_turn(server, -1, 0);
}

/* The judge alone, with strings that libmicrohttpd would have refused before. */
static void judge(const uint8_t *data, size_t size)
{
    char text[3][256] = {{0}};
    enum status_page page = PAGE_NONE;
    struct status_request r = {.method = "GET", .path = text[1], .host = text[2]};
    unsigned status;

    for (size_t i = 0, part = 0, at = 0; i < size && part < 3; i++) {
        if (data[i] == '\n') {
            part++;
            at = 0;
        } else if (at < sizeof(text[0]) - 1) {
            text[part][at++] = (char)data[i];
        }
    }
    r.on_loopback = true;
    status = status_request_judge(&r, &page);
    assert((status == 200) == (page != PAGE_NONE));
    r.method = text[0];
    (void)status_request_judge(&r, &page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server)
        start();
    if (size > 16384)
        return 0;
    talk(data, size);
    judge(data, size);
    return 0;
}
