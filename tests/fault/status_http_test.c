/* The server on loopback: what it answers, and what clients of the worst kind cannot do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "status/page.h"
#include "status/server.h"

#define MANY 400

static struct counters *counters;
static struct status_server *server;

static int start(void **state)
{
    struct status_http_options options = {.listen_fd = -1};
    struct err err;

    (void)state;
    counters = malloc(sizeof(*counters));
    if (!counters)
        return -1;
    counters_init(counters);
    options.counters = counters;
    server = status_server_open("127.0.0.1", 0, &err);
    return server && status_server_start(server, &options, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    status_server_stop(server);
    free(counters);
    return 0;
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(status_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* it hung up on us: that is an answer */
        text += n;
        len -= (size_t)n;
    }
}

/* All that comes until the end or until wait_ms of silence. */
static size_t hear(int fd, char *out, size_t size, int wait_ms)
{
    size_t len = 0;

    while (len < size - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, wait_ms) <= 0)
            break;
        n = recv(fd, out + len, size - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

/* The status of GET path; 0: no answer. `ret` gets the whole answer. */
static int get(const char *path, char *ret, size_t size)
{
    char request[256];
    int fd = dial(), status = 0;

    (void)snprintf(request, sizeof(request),
        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    say(fd, request, strlen(request));
    (void)hear(fd, ret, size, 8000);
    (void)close(fd);
    if (sscanf(ret, "HTTP/1.1 %d", &status) != 1)
        return 0;
    return status;
}

static void assert_alive(void)
{
    char answer[4096];

    assert_int_equal(get("/healthz", answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "\r\n\r\nok\n"));
}

static void pages(void **state)
{
    static char answer[256 * 1024];

    (void)state;
    assert_int_equal(get("/metrics", answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "\nvolume_uploader_lines_total 0\n"));
    assert_int_equal(get("/readyz", answer, sizeof(answer)), 503);
    assert_non_null(strstr(answer, "\"id\":\"stream_not_connected\""));
    atomic_store(&counters->stream, (int)STREAM_CONNECTED);
    assert_int_equal(get("/readyz?x=1", answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "\"ready\":true"));
    counter_set(&counters->beat_us[LOOP_PACK], 1);
    counters->start_mono_us = 1;
    assert_int_equal(
        get("/healthz", answer, sizeof(answer)), clock_mono_us() > PICTURE_BEAT_US ? 503 : 200);
    counter_set(&counters->beat_us[LOOP_PACK], 0);
    assert_int_equal(get("/api/status.json", answer, sizeof(answer)), 200);
    assert_int_equal(get("/api/status.txt", answer, sizeof(answer)), 200);
    assert_int_equal(get("/api/history.json", answer, sizeof(answer)), 200);
    assert_int_equal(get("/api/settings.json", answer, sizeof(answer)), 200);
    assert_int_equal(get("/favicon.ico", answer, sizeof(answer)), 404);
}

/* One file, small, and nothing in it runs or loads but what carries the number of this process. */
static void home_page_is_whole_and_closed(void **state)
{
    static char answer[256 * 1024];
    char *nonce, number[33];

    (void)state;
    assert_true(status_page_bytes < PAGE_BYTES_MAX / 3); /* in the program */
    assert_int_equal(get("/", answer, sizeof(answer)), 200);
    assert_null(strstr(answer, "@NONCE@"));
    nonce = strstr(answer, "script-src 'nonce-");
    assert_non_null(nonce);
    (void)snprintf(number, sizeof(number), "%.32s", nonce + 18);
    assert_non_null(strstr(answer, "default-src 'none'"));
    nonce = strstr(answer, "<script nonce=\"");
    assert_non_null(nonce);
    assert_memory_equal(nonce + 15, number, 32);
    assert_null(strstr(answer, "<script>"));
    assert_null(strstr(answer, "https://"));
    assert_null(strstr(answer, " src="));
}

static void refusals(void **state)
{
    static const struct {
        const char *request;
        int want;
    } rows[] = {
        {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 405},
        {"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 413},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host, in HTTP/1.1 */
        {"GET /healthz HTTP/1.0\r\n\r\n", 200},
        {"GET /%2e%2e/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char answer[4096];
        int fd = dial(), status = 0;

        say(fd, rows[i].request, strlen(rows[i].request));
        (void)hear(fd, answer, sizeof(answer), 500);
        (void)sscanf(answer, "HTTP/1.%*d %d", &status);
        assert_int_equal(status, rows[i].want);
        (void)close(fd);
    }
    assert_alive();
}

static void huge_requests(void **state)
{
    static char junk[1 << 20];
    static const char *const heads[] = {
        "GET /", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "", "\r\n"};

    (void)state;
    memset(junk, 'a', sizeof(junk));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        char answer[4096];
        int fd = dial(), status = 0;

        say(fd, heads[i], strlen(heads[i]));
        say(fd, junk, sizeof(junk));
        (void)hear(fd, answer, sizeof(answer), 3000);
        (void)sscanf(answer, "HTTP/1.%*d %d", &status);
        assert_true(status == 0 || (status >= 400 && status < 600));
        (void)close(fd);
    }
    assert_alive();
}

/* A request that is whole, but larger than we take: just above 4 KiB. */
static void large_requests(void **state)
{
    char request[4400], answer[4096];
    int fd = dial(), status = 0;

    (void)state;
    (void)snprintf(request, sizeof(request),
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %04200d\r\n\r\n", 0);
    say(fd, request, strlen(request));
    (void)hear(fd, answer, sizeof(answer), 500);
    (void)sscanf(answer, "HTTP/1.%*d %d", &status);
    assert_int_equal(status, 431);
    (void)close(fd);
    assert_alive();
}

/* More than fit, each sending a byte now and then: all the same somebody gets an answer. */
static void slow_clients_are_cut(void **state)
{
    int fds[MANY];
    int64_t begin = clock_mono_us();
    char answer[4096];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        fds[i] = -1;
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        fds[i] = dial();
        say(fds[i], "GET /hea", 8);
    }
    for (int turn = 0; turn < 6; turn++) {
        (void)poll(NULL, 0, 500);
        for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
            say(fds[i], "l", 1);
    }
    assert_int_equal(get("/healthz", answer, sizeof(answer)), 200);
    assert_true(clock_mono_us() - begin < 12 * CLOCK_SECOND_US);
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
        (void)close(fds[i]);
}

/* Hundreds that come and go, some in the middle of a word. */
static void many_clients(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        int fd = dial();

        if (i % 3)
            say(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", i % 3 == 1 ? 34 : 11);
        (void)close(fd);
    }
    assert_alive();
}

/* One that asks for much and reads nothing. */
static void deaf_client(void **state)
{
    int fd = dial();

    (void)state;
    for (int i = 0; i < 300; i++)
        (void)send(
            fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 36, MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_alive();
    (void)close(fd);
}

static void port_in_use_is_an_error_with_its_reason(void **state)
{
    struct err err;

    (void)state;
    assert_null(status_server_open("127.0.0.1", status_server_port(server), &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(err.code, EADDRINUSE);
    assert_null(status_server_open("plant.example", 0, &err));
    assert_null(status_server_open("203.0.113.9", 0, &err));
    assert_int_equal(err.code, EADDRNOTAVAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),
        cmocka_unit_test(home_page_is_whole_and_closed),
        cmocka_unit_test(refusals),
        cmocka_unit_test(large_requests),
        cmocka_unit_test(huge_requests),
        cmocka_unit_test(slow_clients_are_cut),
        cmocka_unit_test(many_clients),
        cmocka_unit_test(deaf_client),
        cmocka_unit_test(port_in_use_is_an_error_with_its_reason),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
