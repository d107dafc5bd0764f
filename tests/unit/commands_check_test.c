/* `check`: the parts that need no machine. */
#include "commands/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

/* --- /proc/locks --- */

static const char locks[] = "1: POSIX  ADVISORY  WRITE 100 08:01:131 0 EOF\n"
                            "2: FLOCK  ADVISORY  WRITE 200 08:01:132 0 EOF\n"
                            "2: -> FLOCK  ADVISORY  WRITE 201 08:01:133 0 EOF\n"
                            "3: FLOCK  ADVISORY  WRITE 300 00:1f:134 0 EOF\n"
                            "4: FLOCK  ADVISORY  READ  400 fd:02:5000000000 0 EOF";

static void the_holder_of_a_lock_is_found(void **unused)
{
    static const struct {
        unsigned major, minor;
        uint64_t inode, pid_in_file, want; /* 0: nobody */
    } rows[] = {
        {8, 1, 132, 0, 200},
        {8, 1, 131, 0, 0},     /* another kind of lock */
        {8, 1, 133, 0, 0},     /* waits for it: does not hold it */
        {8, 2, 132, 0, 0},     /* the same number on another disk */
        {8, 2, 132, 200, 200}, /* btrfs and overlay show another device than stat(2) */
        {0, 0x1f, 134, 7, 300},
        {0xfd, 2, 5000000000, 0, 400}, /* a line without its end; an inode beyond 32 bits */
        {8, 1, 999, 0, 0},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t pid = 0;
        bool found = check_lock_holder(span_of(locks), makedev(rows[i].major, rows[i].minor),
            rows[i].inode, rows[i].pid_in_file, &pid);

        assert_int_equal(found, rows[i].want != 0);
        assert_int_equal(pid, rows[i].want);
    }
    assert_false(check_lock_holder((struct span){NULL, 0}, 0, 0, 0, &(uint64_t){0}));
    assert_false(check_lock_holder(span_of("\n\nrubbish\n7: FLOCK\n"), 0, 0, 0, &(uint64_t){0}));
}

/* --- how long the disk lasts --- */

static void room_is_told_with_its_time(void **unused)
{
    static const struct {
        uint64_t left, backlog;
        int64_t age_us;
        const char *want;
    } rows[] = {
        {UINT64_C(1) << 30, 0, 0, "1.0 GiB left for the state"},
        {UINT64_C(1) << 30, 1 << 20, 59 * CLOCK_SECOND_US, "1.0 GiB left for the state"},
        {600 << 20, 10 << 20, 600 * CLOCK_SECOND_US,
            "600 MiB left for the state, for about 10 h 0 min at the rate of the backlog (1.0 "
            "MiB/min)"},
        {0, 10 << 20, 600 * CLOCK_SECOND_US, "0 B left for the state"},
        {UINT64_MAX, 1, CLOCK_DAY_US,
            "16384 PiB left for the state, for years at the rate of the backlog"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf out;

        buf_init(&out, 1024);
        check_room_text(&out, rows[i].left, rows[i].backlog, rows[i].age_us);
        assert_string_equal(buf_text(&out), rows[i].want);
        buf_done(&out);
    }
}

/* --- proxies --- */

static void proxies_are_taken_apart_without_their_password(void **unused)
{
    static const struct {
        const char *proxy, *name; /* NULL: no address */
        uint16_t port;
    } rows[] = {
        {"http://proxy:3128", "proxy", 3128},
        {"http://user:s3cr3t@proxy.example.com:8080/", "proxy.example.com", 8080},
        {"http://u:p@ss@proxy:1", "proxy", 1},
        {"https://proxy", "proxy", 443},
        {"HTTP://proxy", "proxy", 1080},
        {"proxy:3128", "proxy", 3128},
        {"http://[::1]:3128", "[::1]", 3128},
        {"http://[fe80::1]", "[fe80::1]", 1080},
        {"http://10.0.0.1:3128/path:1?q", "10.0.0.1", 3128},
        {"socks5://proxy:1080", NULL, 0},
        {"http://:3128", NULL, 0},
        {"http://proxy:0", NULL, 0},
        {"http://proxy:65536", NULL, 0},
        {"http://proxy:abc", NULL, 0},
        {"http://", NULL, 0},
        {"", NULL, 0},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char name[64] = "untouched";
        uint16_t port = 0;
        bool ok = check_proxy_parts(rows[i].proxy, name, sizeof(name), &port);

        assert_int_equal(ok, rows[i].name != NULL);
        assert_string_equal(name, ok ? rows[i].name : "untouched");
        assert_int_equal(port, rows[i].port);
    }
}

static void a_long_proxy_name_is_refused(void **unused)
{
    char name[8] = "as was";
    uint16_t port = 7;

    (void)unused;
    assert_false(check_proxy_parts("http://12345678:80", name, sizeof(name), &port));
    assert_true(check_proxy_parts("http://1234567:80", name, sizeof(name), &port));
    assert_string_equal(name, "1234567");
}

static void hosts_without_proxy(void **unused)
{
    static const struct {
        const char *no_proxy, *host;
        bool want;
    } rows[] = {
        {NULL, "a.example.com", false},
        {"", "a.example.com", false},
        {"*", "a.example.com", true},
        {"example.com", "a.example.com", true},
        {".example.com", "a.example.com", true},
        {"example.com", "EXAMPLE.com", true},
        {"example.com", "notexample.com", false},
        {"localhost, 127.0.0.1,example.org", "127.0.0.1", true},
        {"localhost,127.0.0.1 example.org", "x.example.org", true},
        {"longer.than.the.host.example.com", "example.com", false},
        {",, ,", "example.com", false},
        {".", "example.com", false},
        /* The answers of curl 7.88.1 itself. */
        {"127.0.0.0/8", "127.1.2.3", true},
        {"127.0.0.0/16", "127.1.2.3", false},
        {"127.1.2.3", "127.1.2.3", true},
        {"1.2.3", "127.1.2.3", false},
        {"127.1.2.3/32", "127.1.2.3", true},
        {"127.1.2.0/33", "127.1.2.3", false},
        {"127.1.2.3/", "127.1.2.3", true},
        {"/8", "127.1.2.3", false},
        {"127.1.2.3/0", "127.9.9.9", false},
        {"x,*", "a.example.com", false},
        {"example.com.", "a.example.com", true},
        {"..example.com", "a.example.com", false},
        {"com", "a.example.com", true},
        {"a.example.com:80", "a.example.com", false},
        {"127.0.0.0/8", "a.example.com", false},
        {"::1", "[::1]", true},
        {"::2", "[::1]", false},
        {"[::1]", "[::1]", false},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(check_proxy_avoids(rows[i].no_proxy, rows[i].host), rows[i].want);
}

/* --- the clock --- */

static void the_clock_is_compared_with_what_a_date_can_say(void **unused)
{
    /* 1994-11-06 08:49:37 */
    static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    const int64_t then_us = INT64_C(784111777) * CLOCK_SECOND_US;
    static const struct {
        int64_t ours_us, took_us, want_us; /* relative to that second */
    } rows[] = {
        {0, 0, 0},
        {999999, 0, 0},                                /* within the second it names */
        {3 * CLOCK_SECOND_US, 2 * CLOCK_SECOND_US, 0}, /* the answer was that long under way */
        {61 * CLOCK_SECOND_US, 0, 60 * CLOCK_SECOND_US},
        {-60 * CLOCK_SECOND_US, 0, -60 * CLOCK_SECOND_US},
    };
    int64_t ahead = 5;

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_true(check_clock_ahead(date, then_us + rows[i].ours_us, rows[i].took_us, &ahead));
        assert_int_equal(ahead, rows[i].want_us);
    }
    ahead = 5;
    assert_false(check_clock_ahead("yesterday", then_us, 0, &ahead));
    assert_int_equal(ahead, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holder_of_a_lock_is_found),
        cmocka_unit_test(room_is_told_with_its_time),
        cmocka_unit_test(proxies_are_taken_apart_without_their_password),
        cmocka_unit_test(a_long_proxy_name_is_refused),
        cmocka_unit_test(hosts_without_proxy),
        cmocka_unit_test(the_clock_is_compared_with_what_a_date_can_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
