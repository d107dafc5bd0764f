/* What the service manager hears; a socket of the test stands in for it. */
#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static int manager = -1;
static char heard[1024];

/* The next datagram; "" when there is none. */
static const char *hear(void)
{
    ssize_t n = recv(manager, heard, sizeof(heard) - 1, MSG_DONTWAIT);

    heard[n > 0 ? n : 0] = '\0';
    return heard;
}

/* A name in the abstract namespace needs no directory; the test's number makes it our own. */
static int listen_at(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    int len = snprintf(name, sizeof(name), "@notify-test-%d", (int)getpid());

    (void)state;
    memcpy(address.sun_path, name, (size_t)len);
    address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    assert_int_equal(0, bind(manager, (const struct sockaddr *)&address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)));
    assert_int_equal(0, setenv("NOTIFY_SOCKET", name, 1));
    return 0;
}

static int stop_listening(void **state)
{
    (void)state;
    file_drop(manager);
    manager = -1;
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return 0;
}

static void test_says_ready_status_stopping(void **state)
{
    struct notify n;

    (void)state;
    notify_init(&n);
    assert_true(n.fd >= 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_ready(&n);
    assert_string_equal("READY=1", hear());
    notify_status(&n, "all delivered");
    assert_string_equal("STATUS=all delivered", hear());
    notify_status(&n, "all delivered");
    assert_string_equal("", hear());
    notify_status(&n, "sending");
    assert_string_equal("STATUS=sending", hear());
    notify_stopping(&n);
    assert_string_equal("STOPPING=1", hear());
    notify_done(&n);
}

static void test_a_status_cannot_carry_another_assignment(void **state)
{
    char text[600];
    struct notify n;

    (void)state;
    notify_init(&n);
    notify_status(&n, "one\nREADY=1\ttwo");
    assert_string_equal("STATUS=one READY=1 two", hear());
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    notify_status(&n, text);
    assert_int_equal(strlen("STATUS=") + 400, strlen(hear()));
    notify_done(&n);
}

static void test_feeds_the_watchdog_while_the_work_moves(void **state)
{
    struct notify n;
    char pid[32];

    (void)state;
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    (void)setenv("WATCHDOG_USEC", "60000000", 1);
    (void)setenv("WATCHDOG_PID", pid, 1);
    notify_init(&n);
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(60000000, n.watchdog_us);
    notify_alive(&n, 1000000, 1000000);
    assert_string_equal("WATCHDOG=1", hear());
    notify_alive(&n, 30999999, 30999999);
    assert_string_equal("", hear());
    notify_alive(&n, 31000000, 1000000);
    assert_string_equal("WATCHDOG=1", hear());
    /* The last sign is more than 30 s old: the manager must find out. */
    notify_alive(&n, 62000000, 31999999);
    assert_string_equal("", hear());
    notify_alive(&n, 62000000, 32000000);
    assert_string_equal("WATCHDOG=1", hear());
    notify_done(&n);
}

static void test_a_watchdog_of_another_process_is_not_ours(void **state)
{
    static const char *const usecs[] = {"60000000", "", "-1", "60s", "99999999999999999999"};
    static const char *const pids[] = {"1", NULL, NULL, NULL, NULL};

    (void)state;
    for (size_t i = 0; i < sizeof(usecs) / sizeof(usecs[0]); i++) {
        struct notify n;

        (void)listen_at(NULL);
        (void)setenv("WATCHDOG_USEC", usecs[i], 1);
        if (pids[i])
            (void)setenv("WATCHDOG_PID", pids[i], 1);
        notify_init(&n);
        assert_true(n.fd >= 0);
        assert_int_equal(0, n.watchdog_us);
        notify_alive(&n, 1000000, 1000000);
        assert_string_equal("", hear());
        notify_done(&n);
        (void)stop_listening(NULL);
    }
}

static void test_nobody_listens(void **state)
{
    static const char *const addresses[] = {
        NULL, "", "@", "/", "relative", "/nowhere/at/all", "@nobody-is-here", "vsock:2:1"};
    char far[200];

    (void)state;
    memset(far, '/', sizeof(far) - 1);
    far[sizeof(far) - 1] = '\0';
    for (size_t i = 0; i <= sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *address = i < sizeof(addresses) / sizeof(addresses[0]) ? addresses[i] : far;
        struct notify n;

        if (address)
            (void)setenv("NOTIFY_SOCKET", address, 1);
        else
            (void)unsetenv("NOTIFY_SOCKET");
        (void)setenv("WATCHDOG_USEC", "60000000", 1);
        notify_init(&n);
        assert_int_equal(-1, n.fd);
        assert_int_equal(0, n.watchdog_us);
        notify_ready(&n);
        notify_status(&n, "nobody reads this");
        notify_alive(&n, 1000000, 1000000);
        notify_stopping(&n);
        notify_done(&n);
    }
}

static void test_a_manager_that_went_away_does_not_hurt(void **state)
{
    struct notify n;

    (void)state;
    notify_init(&n);
    file_drop(manager);
    manager = -1;
    notify_ready(&n);
    notify_status(&n, "still here");
    notify_done(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_says_ready_status_stopping, listen_at, stop_listening),
        cmocka_unit_test_setup_teardown(
            test_a_status_cannot_carry_another_assignment, listen_at, stop_listening),
        cmocka_unit_test_setup_teardown(
            test_feeds_the_watchdog_while_the_work_moves, listen_at, stop_listening),
        cmocka_unit_test(test_a_watchdog_of_another_process_is_not_ours),
        cmocka_unit_test_teardown(test_nobody_listens, stop_listening),
        cmocka_unit_test_setup_teardown(
            test_a_manager_that_went_away_does_not_hurt, listen_at, stop_listening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
