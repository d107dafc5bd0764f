/* Calls to the kernel and for memory that fail, and the options a connection gets.
 *
 * wrap: socket connect recv setsockopt getsockopt malloc calloc strdup
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <netinet/tcp.h>

#include "stream_feed.h"
#include "stream_server.h"

static int fail_socket, fail_connect, fail_recv; /* errno; 0: works */
static long memory_left = -1;                    /* calls that still work; -1: all do */
static size_t receive_buffer_bytes;
static int sockets_made;
static bool cut_receive_buffer;
static int keepalive, idle_s, interval_s, probes, user_timeout_ms, no_delay;
static bool options_before_connect;

int __real_socket(int, int, int);
int __real_connect(int, const struct sockaddr *, socklen_t);
ssize_t __real_recv(int, void *, size_t, int);
int __real_setsockopt(int, int, int, const void *, socklen_t);
int __real_getsockopt(int, int, int, void *, socklen_t *);
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
char *__real_strdup(const char *);

int __wrap_socket(int, int, int);
int __wrap_connect(int, const struct sockaddr *, socklen_t);
ssize_t __wrap_recv(int, void *, size_t, int);
int __wrap_setsockopt(int, int, int, const void *, socklen_t);
int __wrap_getsockopt(int, int, int, void *, socklen_t *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
char *__wrap_strdup(const char *);

static int fail_with(int code)
{
    errno = code;
    return -1;
}

int __wrap_socket(int family, int type, int protocol)
{
    sockets_made++;
    return fail_socket ? fail_with(fail_socket) : __real_socket(family, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    options_before_connect = keepalive && receive_buffer_bytes;
    return fail_connect ? fail_with(fail_connect) : __real_connect(fd, address, len);
}

ssize_t __wrap_recv(int fd, void *to, size_t len, int flags)
{
    return fail_recv ? fail_with(fail_recv) : __real_recv(fd, to, len, flags);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int number = *(const int *)value;

    if (level == SOL_SOCKET && name == SO_RCVBUF)
        receive_buffer_bytes = (size_t)number;
    if (level == SOL_SOCKET && name == SO_KEEPALIVE)
        keepalive = number;
    if (level == IPPROTO_TCP && name == TCP_KEEPIDLE)
        idle_s = number;
    if (level == IPPROTO_TCP && name == TCP_KEEPINTVL)
        interval_s = number;
    if (level == IPPROTO_TCP && name == TCP_KEEPCNT)
        probes = number;
    if (level == IPPROTO_TCP && name == TCP_USER_TIMEOUT)
        user_timeout_ms = number;
    if (level == IPPROTO_TCP && name == TCP_NODELAY)
        no_delay = number;
    return __real_setsockopt(fd, level, name, value, len);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int result = __real_getsockopt(fd, level, name, value, len);

    if (level == SOL_SOCKET && name == SO_RCVBUF)
        *(int *)value = cut_receive_buffer ? 425984 : 8388608;
    return result;
}

static bool no_memory(void)
{
    if (memory_left < 0)
        return false;
    if (memory_left == 0)
        return true;
    memory_left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text)
{
    return no_memory() ? NULL : __real_strdup(text);
}

static struct framer *framer;

static struct stream_client *open_client(uint16_t port)
{
    struct stream_client *c;
    struct err err;

    framer = framer_new(4096, &err);
    assert_non_null(framer);
    c = client_new("127.0.0.1", port, framer, &err);
    assert_non_null(c);
    return c;
}

static void close_client(struct stream_client *c)
{
    client_free(c);
    framer_free(framer);
}

/* None of these ends the trying: each is a failed try with its wait. */
static void every_connect_error_is_retried(void **state)
{
    static const int codes[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EACCES, EPERM,
        EADDRNOTAVAIL, EAFNOSUPPORT, ENETDOWN, EINVAL, EMFILE, ENOBUFS};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(codes) / sizeof(codes[0]); i++) {
        struct stream_client *c = open_client(1);
        int code = codes[i / 2];

        *(i % 2 ? &fail_socket : &fail_connect) = code;
        assert_int_equal(client_step(c, 1000000, true, -1), CLIENT_FAILED);
        assert_int_equal(client_error(c)->code, code);
        assert_int_equal(client_state(c), CLIENT_WAITING);
        assert_in_range(client_retry_us(c), 500000, 1200000);
        fail_socket = fail_connect = 0;
        close_client(c);
    }
}

static void a_failed_receive_ends_the_connection_an_empty_one_does_not(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client(port);

    (void)state;
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    fd = server_accept(listener);
    server_send(fd, "x\n");
    fail_recv = EAGAIN; /* ready, but then it is not: select(2), BUGS */
    assert_int_equal(client_step(c, 0, true, -1), CLIENT_NOTHING);
    fail_recv = EINTR;
    assert_int_equal(client_step(c, 0, true, -1), CLIENT_NOTHING);
    assert_int_equal(client_state(c), CLIENT_OPEN);
    fail_recv = ETIMEDOUT;
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    assert_int_equal(client_error(c)->code, ETIMEDOUT);
    fail_recv = 0;
    (void)close(fd);
    (void)close(listener);
    close_client(c);
}

static void options_are_set_before_the_connection_is_made(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port);
    struct stream_client *c = open_client(port);

    (void)state;
    keepalive = 0;
    receive_buffer_bytes = 0;
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    assert_true(options_before_connect);
    assert_int_equal(receive_buffer_bytes, 4 << 20);
    assert_int_equal(idle_s, 30);
    assert_int_equal(interval_s, 10);
    assert_int_equal(probes, 3);
    assert_int_equal(user_timeout_ms, 60000);
    assert_int_equal(no_delay, 1);
    (void)close(listener);
    close_client(c);
}

/* When the kernel cuts the wish, a socket that grows by itself is the better one. */
static void a_cut_receive_buffer_is_given_back(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        uint16_t port;
        int listener = server_listen(AF_INET, &port);
        struct stream_client *c = open_client(port);

        cut_receive_buffer = cut;
        sockets_made = 0;
        assert_int_equal(server_event(c), CLIENT_CONNECTED);
        assert_int_equal(sockets_made, 1 + cut);
        cut_receive_buffer = false;
        (void)close(listener);
        close_client(c);
    }
}

/* Fails the Nth call for memory, for every N until none is left. */
static void no_memory_at_the_start_is_an_error(void **state)
{
    struct err err;
    bool ok = false;

    (void)state;
    for (long n = 0; !ok && n < 100; n++) {
        struct framer *f;
        struct decoder *d;
        struct stream_client *c;

        err_clear(&err);
        memory_left = n;
        f = framer_new(4096, &err);
        d = decoder_new(&err);
        c = client_new("localhost", 1, f, &err);
        memory_left = -1;
        ok = f && d && c;
        assert_int_equal(err.kind, ok ? ERR_NONE : ERR_FULL);
        client_free(c);
        decoder_free(d);
        framer_free(f);
    }
    assert_true(ok);
}

/* A line off the fast way while memory is short: it may be rejected, its neighbours are not. */
static void no_memory_for_a_line_costs_only_that_line(void **state)
{
    static const char text[] =
        "{\"type\":\"data\",\"resource\":\"krn:ad:a/b\",\"payload\":1}\n"
        "{\"type\":\"data\",\"resource\":\"krn:ad:a\\/b\",\"x\":[1,{}],\"payload\":1}\n"
        "{\"type\":\"data\",\"resource\":\"krn:ad:a/b\",\"payload\":1}\n";
    uint64_t readings = 0;

    (void)state;
    for (long n = 0; readings != 3 && n < 200; n++) {
        struct decode_event event;
        struct span in = {text, sizeof(text) - 1};
        struct feed f;
        size_t used;

        feed_open(&f, 4096);
        (void)decoder_run(f.decoder, (struct span){text, strcspn(text, "\n") + 1}, 0, f.series,
            &f.readings, &used, &event); /* the series table takes its memory here */
        in.data += used;
        in.len -= used;
        memory_left = n;
        while (in.len) {
            (void)decoder_run(f.decoder, in, 0, f.series, &f.readings, &used, &event);
            in.data += used;
            in.len -= used;
        }
        memory_left = -1;
        readings = decoder_counters(f.decoder)->readings;
        assert_in_range(readings, 2, 3);
        assert_int_equal(feed_rejected(&f), 3 - readings);
        feed_close(&f);
    }
    assert_int_equal(readings, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connect_error_is_retried),
        cmocka_unit_test(a_failed_receive_ends_the_connection_an_empty_one_does_not),
        cmocka_unit_test(options_are_set_before_the_connection_is_made),
        cmocka_unit_test(a_cut_receive_buffer_is_given_back),
        cmocka_unit_test(no_memory_at_the_start_is_an_error),
        cmocka_unit_test(no_memory_for_a_line_costs_only_that_line),
    };

    json_set_alloc_funcs(malloc, free); /* the replaced one: jansson's calls fail too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
