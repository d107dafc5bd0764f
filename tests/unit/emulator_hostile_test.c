/* Clients that break the rules, or just break. */
#include "emulator_client.h"

static int setup(void **state)
{
    *state = fixture_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

/* Raw bytes out, the answer in. */
static int raw(const struct fixture *f, const char *bytes, size_t len)
{
    struct answer a;
    int fd = client_connect(f);
    int status;

    (void)client_send(fd, bytes, len);
    (void)shutdown(fd, SHUT_WR);
    client_read(fd, false, &a);
    status = a.status;
    answer_done(&a);
    close(fd);
    return status;
}

static void assert_alive(const struct fixture *f)
{
    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME, BEARER, NULL), 200);
}

static void no_path_leaves_the_volume(void **state)
{
    static const char *const paths[] = {
        "/Volumes/main/raw/land/../../../../../../../../etc/passwd",
        "/Volumes/main/raw/land/%2e%2e/%2e%2e/%2e%2e/%2e%2e/.emulator/LOCK",
        "/Volumes/main/raw/land/..%2f..%2f..%2f..%2f.emulator%2fLOCK",
        "/Volumes/main/raw/land/%2fetc%2fpasswd",
        "/Volumes/main/raw/../../.emulator/LOCK",
        "/.emulator/LOCK",
        "/Volumes/../.emulator/x/LOCK",
        "//etc/passwd",
        "/Volumes/main/raw/land/%00",
        "/Volumes/main/raw/land/x%",
        "/Volumes/main/raw/land/%c0%ae%c0%ae/x",
        "",
        "?overwrite=false",
    };
    static const char *const methods[] = {"GET", "PUT", "HEAD", "DELETE"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        for (size_t m = 0; m < 4; m++) {
            char target[512];
            int status;

            (void)snprintf(target, sizeof(target), FILES "%s", paths[i]);
            status = ask_status(f, methods[m], target, BEARER, m == 1 ? "x" : NULL);
            if (status != 400 && status != 404)
                fail_msg("%s %s: %d", methods[m], target, status);
            (void)snprintf(target, sizeof(target), DIRECTORIES "%s", paths[i]);
            status = ask_status(f, methods[m], target, BEARER, NULL);
            if (status != 400 && status != 404)
                fail_msg("%s %s: %d", methods[m], target, status);
        }
    }
    assert_no_uploads_left(f);
    assert_alive(f);
}

/* The API cannot make a link; a person can, and it is not followed. */
static void links_are_not_followed(void **state)
{
    struct fixture *f = *state;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s" VOLUME "/link", f->root);
    assert_int_equal(symlink("/etc", path), 0);
    (void)snprintf(path, sizeof(path), "%s" VOLUME "/file", f->root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    (void)snprintf(path, sizeof(path), "%s" VOLUME "/pipe", f->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/link/passwd", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/file", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/pipe", BEARER, NULL), 404);
    assert_int_equal(put_text(f, FILES VOLUME "/link/x", "x"), 400);
    assert_int_equal(put_text(f, FILES VOLUME "/file", "x"), 409);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "/link", BEARER, NULL), 404);
}

static void broken_requests_hurt_nobody(void **state)
{
    static const char *const bytes[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /\x01\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT " FILES VOLUME "/x HTTP/1.1\r\nHost: x\r\n" BEARER "Content-Length: -5\r\n\r\n",
        "PUT " FILES VOLUME "/x HTTP/1.1\r\nHost: x\r\n" BEARER
        "Content-Length: 99999999999999999999999\r\n\r\n",
        "PUT " FILES VOLUME "/x HTTP/1.1\r\nHost: x\r\n" BEARER
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PUT " FILES VOLUME "/x HTTP/1.1\r\nHost: x\r\n" BEARER
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nabc",
        "PUT " FILES VOLUME "/x HTTP/1.1\r\nHost: x\r\n" BEARER "Content-Length: 10\r\n\r\nabc",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://elsewhere/api HTTP/1.1\r\nHost: x\r\n" BEARER "\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n" BEARER "\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        int status = raw(f, bytes[i], strlen(bytes[i]));

        if (status >= 200 && status < 400)
            fail_msg("%zu: %d", i, status);
        assert_alive(f);
    }
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/x", BEARER, NULL), 404);
    EVENTUALLY(f, broken_uploads, 3);
    assert_no_uploads_left(f);
}

static void huge_heads_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t size = 1 << 20;
    char *bytes = malloc(size);
    size_t len;
    int status;

    assert_non_null(bytes);
    len = (size_t)snprintf(
        bytes, size, "GET " DIRECTORIES VOLUME " HTTP/1.1\r\nHost: x\r\n" BEARER "X-Long: ");
    memset(bytes + len, 'x', size - len);
    memcpy(bytes + size - 4, "\r\n\r\n", 4);
    status = raw(f, bytes, size);
    assert_true(status == 0 || status >= 400);
    len = (size_t)snprintf(bytes, size, "GET /");
    memset(bytes + len, 'y', size - len);
    status = raw(f, bytes, size);
    assert_true(status == 0 || status >= 400);
    free(bytes);
    assert_alive(f);
}

static void a_chunked_upload_is_taken(void **state)
{
    static const char put[] = "PUT " FILES VOLUME "/chunks HTTP/1.1\r\nHost: x\r\n" BEARER
                              "Transfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n";
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(raw(f, put, strlen(put)), 204);
    ask(f, &a, "GET", FILES VOLUME "/chunks", BEARER, NULL, 0);
    assert_string_equal(a.body, "abcdefgh");
    answer_done(&a);
}

static void a_client_that_goes_away_leaves_nothing(void **state)
{
    static const char put[] = "PUT " FILES VOLUME "/gone HTTP/1.1\r\nHost: x\r\n" BEARER
                              "Content-Length: 100000\r\n\r\nfirst bytes";
    struct fixture *f = *state;

    for (int i = 0; i < 5; i++) {
        int fd = client_connect(f);

        assert_true(client_send(fd, put, strlen(put)));
        usleep(2000);
        close(fd);
    }
    EVENTUALLY(f, broken_uploads, 5);
    assert_no_uploads_left(f);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/gone", BEARER, NULL), 404);
}

static void small_uploads_only(struct emulator_options *options)
{
    options->upload_max_bytes = 10;
}

static void the_upload_limit_holds(void **state)
{
    static const char chunked[] =
        "PUT " FILES VOLUME "/c HTTP/1.1\r\nHost: x\r\n" BEARER "Transfer-Encoding: chunked\r\n\r\n"
        "8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n";
    struct fixture *f = fixture_start(small_uploads_only);

    (void)state;
    assert_int_equal(put_text(f, FILES VOLUME "/ten", "0123456789"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/eleven", "0123456789a"), 413);
    assert_int_equal(raw(f, chunked, strlen(chunked)), 413);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/eleven", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/c", BEARER, NULL), 404);
    assert_no_uploads_left(f);
    fixture_stop(f);
}

/* The same connection, one request after the other, also after refusals. */
static void connections_are_kept(void **state)
{
    static const char head[] = "HEAD " DIRECTORIES VOLUME " HTTP/1.1\r\nHost: x\r\n" BEARER "\r\n";
    static const char bad[] = "PUT " FILES VOLUME "/k HTTP/1.1\r\nHost: x\r\n"
                              "Content-Length: 5\r\n\r\nhello";
    static const char put[] =
        "PUT " FILES VOLUME "/k HTTP/1.1\r\nHost: x\r\n" BEARER "Content-Length: 5\r\n\r\nhello";
    struct fixture *f = *state;
    int fd = client_connect(f);

    for (int i = 0; i < 30; i++) {
        const char *text = i % 3 == 0 ? head : i % 3 == 1 ? bad : put;
        struct answer a;

        assert_true(client_send(fd, text, strlen(text)));
        client_read(fd, i % 3 == 0, &a);
        assert_int_equal(a.status, i % 3 == 0 ? 200 : i % 3 == 1 ? 401 : 204);
        answer_done(&a);
    }
    close(fd);
}

static void only_loopback_unless_told_otherwise(void **state)
{
    static const struct {
        const char *address;
        bool allow, ok;
    } rows[] = {
        {"0.0.0.0", false, false},
        {"192.0.2.1", false, false},
        {"::", false, false},
        {"example.com", true, false},
        {"127.0.0.2", false, true},
        {"localhost", false, true},
        {"0.0.0.0", true, true},
    };
    struct fixture *f = *state;
    char root[sizeof(f->root) + 8];

    (void)snprintf(root, sizeof(root), "%s/second", f->root);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct emulator_options options = {
            .root = root, .address = rows[i].address, .allow_remote = rows[i].allow};
        struct err err = {0};
        struct emulator *emu = emulator_start(&options, &err);

        if ((emu != NULL) != rows[i].ok)
            fail_msg("%s: %s", rows[i].address, emu ? "accepted" : err.text);
        if (emu)
            assert_true(emulator_port(emu) > 0);
        emulator_stop(emu);
    }
}

static void a_taken_port_is_said(void **state)
{
    struct fixture *f = *state;
    char root[sizeof(f->root) + 8];
    struct emulator_options options = {.root = root, .port = emulator_port(f->emu)};
    struct err err = {0};

    (void)snprintf(root, sizeof(root), "%s/second", f->root);
    assert_null(emulator_start(&options, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "listen on 127.0.0.1"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(no_path_leaves_the_volume),
        T(links_are_not_followed),
        T(broken_requests_hurt_nobody),
        T(huge_heads_are_refused),
        T(a_chunked_upload_is_taken),
        T(a_client_that_goes_away_leaves_nothing),
        cmocka_unit_test(the_upload_limit_holds),
        T(connections_are_kept),
        T(only_loopback_unless_told_otherwise),
        T(a_taken_port_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
