/* The connection on loopback: each way it begins, goes on and ends. Waits between tries are skipped by
 * putting the clock forward.
 *
 * wrap: clock_mono_us
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "stream_server.h"

static struct framer *framer;
static int64_t ahead_us;

int64_t __real_clock_mono_us(void);
int64_t __wrap_clock_mono_us(void);

int64_t __wrap_clock_mono_us(void)
{
    return __real_clock_mono_us() + ahead_us;
}

static struct stream_client *open_client(const char *host, uint16_t port)
{
    struct stream_client *c;
    struct err err;

    framer = framer_new(4096, &err);
    assert_non_null(framer);
    c = client_new(host, port, framer, &err);
    assert_non_null(c);
    return c;
}

static void close_client(struct stream_client *c)
{
    client_free(c);
    framer_free(framer);
}

/* The next event after the wait for the next try. */
static enum client_event later_event(struct stream_client *c)
{
    ahead_us += client_retry_us(c);
    return server_event(c);
}

/* +-20 %, and what went by since. */
static void check_wait(const struct stream_client *c, int64_t seconds)
{
    assert_in_range(client_retry_us(c), seconds * 800000 - 300000, seconds * 1200000);
}

static void a_refused_connection_is_tried_again_later_and_later(void **state)
{
    struct stream_client *c = open_client("127.0.0.1", server_no_port());

    (void)state;
    assert_int_equal(client_step(c, 1000000, true, -1), CLIENT_FAILED);
    assert_non_null(strstr(client_error(c)->text, "refused"));
    assert_int_equal(client_error(c)->kind, ERR_RETRY);
    assert_int_equal(client_state(c), CLIENT_WAITING);
    check_wait(c, 1);
    assert_int_equal(client_step(c, 1000, true, -1), CLIENT_NOTHING);
    assert_int_equal(later_event(c), CLIENT_FAILED);
    check_wait(c, 2);
    assert_int_equal(client_connections(c), 0);
    close_client(c);
}

static void lines_arrive_and_are_counted(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);
    char peer[40];

    (void)state;
    assert_string_equal(client_peer(c), "");
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    assert_int_equal(client_state(c), CLIENT_OPEN);
    (void)snprintf(peer, sizeof(peer), "127.0.0.1:%u", (unsigned)port);
    assert_string_equal(client_peer(c), peer);
    fd = server_accept(listener);
    assert_int_equal(client_step(c, 1000, true, -1), CLIENT_NOTHING);
    assert_true(client_dry(c));
    server_send(fd, "one\ntwo\nthr");
    assert_int_equal(server_event(c), CLIENT_DATA);
    assert_true(span_is(framer_lines(framer), "one\ntwo\n"));
    framer_take(framer, 8);
    server_send(fd, "ee\n");
    assert_int_equal(server_event(c), CLIENT_DATA);
    assert_true(span_is(framer_lines(framer), "three\n"));
    assert_int_equal(client_stream_offset(c), 14);
    assert_int_equal(client_received_bytes(c), 14);
    assert_int_equal(client_connections(c), 1);
    assert_true(client_dry(c));
    (void)close(fd);
    (void)close(listener);
    close_client(c);
}

static void a_connection_without_manifest_counts_as_a_failed_try(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port);
    struct stream_client *c = open_client("127.0.0.1", port);

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(later_event(c), CLIENT_CONNECTED);
        (void)close(server_accept(listener));
        assert_int_equal(server_event(c), CLIENT_CLOSED);
        assert_non_null(strstr(client_error(c)->text, "before its manifest"));
        check_wait(c, i < 6 ? 1 << i : 60);
    }
    /* The next one has its manifest: the waits begin anew. */
    assert_int_equal(later_event(c), CLIENT_CONNECTED);
    client_saw_manifest(c);
    (void)close(server_accept(listener));
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    assert_null(strstr(client_error(c)->text, "manifest"));
    check_wait(c, 1);
    (void)close(listener);
    close_client(c);
}

static void the_half_line_of_a_lost_connection_can_be_had(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);

    (void)state;
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    fd = server_accept(listener);
    server_send(fd, "whole\nhal");
    (void)close(fd);
    assert_int_equal(server_event(c), CLIENT_DATA);
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    assert_true(span_is(framer_lines(framer), "whole\n"));
    assert_true(span_is(framer_rest(framer), "hal"));
    /* With the next connection it is gone, and the count of its bytes begins anew. */
    assert_int_equal(later_event(c), CLIENT_CONNECTED);
    assert_int_equal(framer_rest(framer).len, 0);
    assert_int_equal(client_stream_offset(c), 0);
    assert_int_equal(client_received_bytes(c), 9);
    (void)close(listener);
    close_client(c);
}

static void a_reset_is_told_as_such(void **state)
{
    struct linger now = {.l_onoff = 1};
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);

    (void)state;
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    fd = server_accept(listener);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    (void)close(fd);
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    assert_non_null(strstr(client_error(c)->text, "reset"));
    (void)close(listener);
    close_client(c);
}

static void the_wake_up_ends_every_wait_at_once(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), wake = eventfd(1, EFD_CLOEXEC);
    struct stream_client *c = open_client("127.0.0.1", port);
    int64_t start_us = clock_mono_us();

    (void)state;
    assert_true(wake >= 0);
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    assert_int_equal(client_step(c, 60 * CLOCK_SECOND_US, true, wake), CLIENT_NOTHING);
    assert_int_equal(client_step(c, 60 * CLOCK_SECOND_US, false, wake), CLIENT_NOTHING);
    (void)close(server_accept(listener));
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    assert_int_equal(client_step(c, 60 * CLOCK_SECOND_US, true, wake), CLIENT_NOTHING);
    assert_true(clock_mono_us() - start_us < 5 * CLOCK_SECOND_US);
    (void)close(wake);
    (void)close(listener);
    close_client(c);
}

/* Back-pressure: the bytes stay in the socket until they are wanted. */
static void without_reading_nothing_is_taken(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);

    (void)state;
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    fd = server_accept(listener);
    server_send(fd, "later\n");
    for (int i = 0; i < 5; i++)
        assert_int_equal(client_step(c, 2000, false, -1), CLIENT_NOTHING);
    assert_int_equal(client_received_bytes(c), 0);
    assert_int_equal(server_event(c), CLIENT_DATA);
    assert_true(span_is(framer_lines(framer), "later\n"));
    (void)close(fd);
    (void)close(listener);
    close_client(c);
}

/* More than one receive takes: the rest comes at once, and nothing is lost. */
static void a_full_socket_is_emptied_step_by_step(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);
    size_t sent = 0, got = 0;
    char lines[8192];

    (void)state;
    memset(lines, '\n', sizeof(lines));
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    fd = server_accept(listener);
    while (sent < 1 << 20) {
        ssize_t n = send(fd, lines, sizeof(lines), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        while (client_step(c, 0, true, -1) == CLIENT_DATA) {
            got += framer_lines(framer).len;
            framer_take(framer, framer_lines(framer).len);
        }
    }
    while (got < sent && server_event(c) == CLIENT_DATA) {
        got += framer_lines(framer).len;
        framer_take(framer, framer_lines(framer).len);
    }
    assert_int_equal(got, sent);
    (void)close(fd);
    (void)close(listener);
    close_client(c);
}

/* The thread in which the C library resolves names is made inside of it, where the thread sanitizer
 * does not see it, and crashes on its first allocation. */
static void skip_names_under_thread_sanitizer(void)
{
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
}

/* ::1 may come first and be refused: the next address is tried in the same try. */
static void a_name_with_several_addresses_is_tried_through(void **state)
{
    uint16_t port;
    int listener;
    struct stream_client *c;

    (void)state;
    skip_names_under_thread_sanitizer();
    listener = server_listen(AF_INET, &port);
    c = open_client("localhost", port);
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    (void)close(listener);
    close_client(c);
}

/* A listener whose queue is full lets further SYNs go unanswered, as a dead host does. */
static void an_address_that_does_not_answer_is_given_up(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fillers[4];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct stream_client *c = open_client("127.0.0.1", port);
    enum client_event event;

    (void)state;
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)(void *)&address, sizeof(address));
    }
    event = client_step(c, 30000, true, -1);
    if (event == CLIENT_NOTHING) { /* else this kernel queues more than it says */
        assert_int_equal(client_state(c), CLIENT_CONNECTING);
        ahead_us += 11 * CLOCK_SECOND_US;
        assert_int_equal(client_step(c, 30000, true, -1), CLIENT_FAILED);
        assert_int_equal(client_error(c)->code, ETIMEDOUT);
        check_wait(c, 1);
    }
    for (int i = 0; i < 4; i++)
        (void)close(fillers[i]);
    (void)close(listener);
    close_client(c);
}

static void an_ipv6_address_may_stand_in_brackets(void **state)
{
    static const char *const hosts[] = {"::1", "[::1]"};
    uint16_t port;
    int listener = server_listen(AF_INET6, &port);

    (void)state;
    if (listener < 0)
        skip();
    for (int i = 0; i < 2; i++) {
        struct stream_client *c = open_client(hosts[i], port);
        char peer[40];

        assert_int_equal(server_event(c), CLIENT_CONNECTED);
        (void)snprintf(peer, sizeof(peer), "[::1]:%u", (unsigned)port);
        assert_string_equal(client_peer(c), peer);
        close_client(c);
    }
    (void)close(listener);
}

/* Whether and when the resolver answers depends on the machine; that nobody waits for it, not. */
static void an_unknown_name_holds_up_nothing(void **state)
{
    struct stream_client *c;
    enum client_event event = CLIENT_NOTHING;
    int64_t until_us = clock_mono_us() + 3 * CLOCK_SECOND_US;

    (void)state;
    skip_names_under_thread_sanitizer();
    c = open_client("no-such-host.invalid", 49167);
    while (event == CLIENT_NOTHING && clock_mono_us() < until_us) {
        int64_t start_us = clock_mono_us();

        event = client_step(c, 20000, true, -1);
        assert_true(clock_mono_us() - start_us < CLOCK_SECOND_US);
        assert_true(event == CLIENT_NOTHING || event == CLIENT_FAILED);
    }
    if (event == CLIENT_FAILED) {
        assert_non_null(strstr(client_error(c)->text, "no-such-host.invalid"));
        check_wait(c, 1);
    } else {
        assert_int_equal(client_state(c), CLIENT_RESOLVING);
    }
    close_client(c);
}

static void names_no_resolver_would_take_fail_and_are_retried(void **state)
{
    char longer[400];

    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        struct stream_client *c = open_client(i ? longer : "", 1);

        assert_int_equal(client_step(c, 1000000, true, -1), CLIENT_FAILED);
        assert_non_null(strstr(client_error(c)->text, "not a host name"));
        check_wait(c, 1);
        close_client(c);
    }
}

static void stopping_begins_no_connection_and_keeps_an_open_one(void **state)
{
    uint16_t port;
    int listener = server_listen(AF_INET, &port), fd;
    struct stream_client *c = open_client("127.0.0.1", port);

    (void)state;
    client_stop_connecting(c);
    assert_int_equal(client_step(c, 20000, true, -1), CLIENT_NOTHING);
    assert_int_equal(client_state(c), CLIENT_WAITING);
    close_client(c);

    c = open_client("127.0.0.1", port);
    assert_int_equal(server_event(c), CLIENT_CONNECTED);
    client_stop_connecting(c);
    fd = server_accept(listener);
    server_send(fd, "last\n");
    assert_int_equal(server_event(c), CLIENT_DATA);
    (void)close(fd);
    assert_int_equal(server_event(c), CLIENT_CLOSED);
    ahead_us += 2 * CLOCK_SECOND_US;
    assert_int_equal(client_step(c, 20000, true, -1), CLIENT_NOTHING);
    assert_int_equal(client_connections(c), 1);
    (void)close(listener);
    close_client(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_is_tried_again_later_and_later),
        cmocka_unit_test(lines_arrive_and_are_counted),
        cmocka_unit_test(a_connection_without_manifest_counts_as_a_failed_try),
        cmocka_unit_test(the_half_line_of_a_lost_connection_can_be_had),
        cmocka_unit_test(a_reset_is_told_as_such),
        cmocka_unit_test(the_wake_up_ends_every_wait_at_once),
        cmocka_unit_test(without_reading_nothing_is_taken),
        cmocka_unit_test(a_full_socket_is_emptied_step_by_step),
        cmocka_unit_test(a_name_with_several_addresses_is_tried_through),
        cmocka_unit_test(an_address_that_does_not_answer_is_given_up),
        cmocka_unit_test(an_ipv6_address_may_stand_in_brackets),
        cmocka_unit_test(an_unknown_name_holds_up_nothing),
        cmocka_unit_test(names_no_resolver_would_take_fail_and_are_retried),
        cmocka_unit_test(stopping_begins_no_connection_and_keeps_an_open_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
