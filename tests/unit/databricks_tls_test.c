/* Certificates are checked, always: an unknown issuer, another host name, an old protocol. The
 * server is openssl's own; without that program the tests are skipped. */
#include "base/file.h"
#include "databricks/me.h"
#include "databricks/workspace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;
static char dir[] = "/tmp/databricks_tls_XXXXXX";
static bool have_openssl;

/* posix_spawn takes them without const and does not write to them. */
static pid_t start(const char *const argv[], const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static bool run(const char *const argv[])
{
    pid_t pid = start(argv, "log");
    int status = 1;

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* A self-signed certificate with one alternative name: `alt`. */
static bool make_certificate(const char *name, const char *alt)
{
    char key[64], cert[64], ext[64];
    const char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", ext,
        "-keyout", key, "-out", cert, NULL};

    snprintf(key, sizeof(key), "%s.key", name);
    snprintf(cert, sizeof(cert), "%s.pem", name);
    snprintf(ext, sizeof(ext), "subjectAltName=%s", alt);
    return run(argv);
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* "old": good in every way, but its time was in 2020. */
static bool make_expired(void)
{
    static const char *const request[] = {"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=old", "-keyout", "old.key", "-out",
        "old.csr", NULL};
    static const char *const sign[] = {"openssl", "ca", "-batch", "-config", "ca.cnf", "-selfsign",
        "-keyfile", "old.key", "-in", "old.csr", "-out", "old.pem", "-startdate", "20200101000000Z",
        "-enddate", "20200102000000Z", NULL};

    put("index", "");
    put("serial", "01");
    put("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
                  "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n"
                  "[e]\nsubjectAltName=IP:127.0.0.1\n");
    return run(request) && run(sign);
}

static int begin(void **state)
{
    struct err err;
    int fd;

    (void)state;
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return -1;
    /* s_server -WWW answers a GET with the file of that path below its directory. */
    if (!file_dir_make(FILE_CWD, "api/2.0/preview/scim/v2", true, &err) ||
        !file_open(FILE_CWD, "api/2.0/preview/scim/v2/Me", FILE_CREATE, &fd, &err) ||
        !file_write(fd, "{\"id\":\"7\"}", 10, NULL, &err))
        return -1;
    file_drop(fd);
    have_openssl = make_certificate("good", "IP:127.0.0.1") &&
                   make_certificate("other", "DNS:other.example.org") &&
                   make_certificate("client", "DNS:client") && make_expired();
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return chdir("/") < 0 ? -1 : nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        abort();
    (void)close(fd);
    return ntohs(at.sin_port);
}

/* openssl's server with this certificate, and one question to it; `o` says how we come. */
static bool ask_with(const char *certificate, const char *const extra[2],
    struct workspace_options o, bool as_proxy, struct err *err)
{
    char cert[64], key[64], port[16], host[64];
    const char *argv[] = {"openssl", "s_server", "-accept", port, "-cert", cert, "-key", key,
        "-WWW", extra[0], extra[0] ? extra[1] : NULL, extra[0] && extra[1] ? "-CAfile" : NULL,
        extra[0] && extra[1] ? "client.pem" : NULL, NULL};
    struct workspace *ws;
    struct me me = {.id = ""};
    bool ok = false;
    pid_t pid;

    snprintf(cert, sizeof(cert), "%s.pem", certificate);
    snprintf(key, sizeof(key), "%s.key", certificate);
    snprintf(port, sizeof(port), "%d", free_port());
    snprintf(host, sizeof(host), "https://127.0.0.1:%s", port);
    o.host = as_proxy ? "https://workspace.example" : host;
    o.proxy = as_proxy ? host : NULL;
    pid = start(argv, "log");
    assert_true(pid > 0);
    o.token = secret_new(span_of("CANARY"), err);
    ws = workspace_new(&o, err);
    assert_non_null(ws);
    for (int i = 0; i < 200; i++) { /* until it listens */
        ok = me_get(ws, &me, err);
        if (ok || !strstr(err->text, "no connection"))
            break;
        (void)usleep(20000);
    }
    if (ok)
        assert_string_equal(me.id, "7");
    workspace_free(ws);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return ok;
}

static bool ask(const char *certificate, const char *extra, const char *ca_file, struct err *err)
{
    const char *const more[2] = {extra, NULL};

    return ask_with(certificate, more, (struct workspace_options){.ca_file = ca_file}, false, err);
}

static void a_private_ca_is_accepted_when_named(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    if (!ask("good", NULL, "good.pem", &err))
        fail_msg("%s", err.text);
}

static void copy(const char *from, const char *to)
{
    const char *const argv[] = {"cp", from, to, NULL};

    assert_true(run(argv));
}

/* Somebody reads "unknown issuer" and mends the CA file: no restart is needed. */
static void a_mended_ca_file_is_read_again(void **state)
{
    char port[16], host[64];
    const char *const argv[] = {"openssl", "s_server", "-accept", port, "-cert", "good.pem", "-key",
        "good.key", "-WWW", NULL};
    struct workspace_options o = {.host = host, .ca_file = "mended.pem"};
    struct err err = {.text = ""};
    struct workspace *ws;
    struct me me;
    bool ok = false;
    pid_t pid;

    (void)state;
    if (!have_openssl)
        skip();
    snprintf(port, sizeof(port), "%d", free_port());
    snprintf(host, sizeof(host), "https://127.0.0.1:%s", port);
    copy("other.pem", "mended.pem");
    o.token = secret_new(span_of("CANARY"), &err);
    ws = workspace_new(&o, &err);
    assert_non_null(ws);
    pid = start(argv, "log");
    for (int i = 0; i < 500 && !strstr(err.text, "unknown issuer"); i++) { /* until it listens */
        assert_false(me_get(ws, &me, &err));
        (void)usleep(20000);
    }
    copy("good.pem", "mended.pem");
    ok = me_get(ws, &me, &err);
    workspace_free(ws);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    if (!ok)
        fail_msg("%s", err.text);
}

static void an_unknown_issuer_is_denied(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask("good", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    if (!strstr(err.text, "unknown issuer") || !strstr(err.text, "CA file") ||
        !strstr(err.text, "shown: 'CN = test' of 'CN = test', ") || !strstr(err.text, " GMT to "))
        fail_msg("%s", err.text);
}

static void another_name_is_denied(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask("other", NULL, "other.pem", &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void old_protocols_are_denied(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask("good", "-tls1_1", "good.pem", &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_missing_ca_file_is_denied(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask("good", NULL, "nothing.pem", &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "CA file"));
}

static void an_expired_certificate_is_told_with_its_dates_and_our_clock(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask("old", NULL, "old.pem", &err));
    assert_int_equal(err.kind, ERR_DENIED);
    if (!strstr(err.text, "expired") || !strstr(err.text, "clock says 20") ||
        !strstr(err.text, "'CN = old' of 'CN = old', Jan  1 00:00:00 2020 GMT to Jan  2 00:00"))
        fail_msg("%s", err.text);
}

static void a_gateway_may_ask_for_our_certificate(void **state)
{
    static const char *const asks[2] = {"-Verify", "1"};
    struct workspace_options o = {.ca_file = "good.pem"};
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask_with("good", asks, o, false, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    if (!strstr(err.text, "client certificate"))
        fail_msg("%s", err.text);
    o.client_cert_file = "client.pem";
    o.client_key_file = "client.key";
    if (!ask_with("good", asks, o, false, &err))
        fail_msg("%s", err.text);
    o.client_key_file = "good.key"; /* of another certificate */
    assert_false(ask_with("good", asks, o, false, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    if (!strstr(err.text, "client certificate"))
        fail_msg("%s", err.text);
}

static void a_proxy_has_a_ca_of_its_own(void **state)
{
    /* -rev sends every line back from its end to its start: an answer at once, and none of a proxy. */
    static const char *const echo[2] = {"-rev", NULL};
    struct workspace_options o = {.ca_file = "other.pem", .connect_us = 20000000};
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    assert_false(ask_with("good", echo, o, true, &err));
    assert_int_equal(err.kind, ERR_DENIED); /* its certificate is unknown */
    if (!strstr(err.text, "unknown issuer"))
        fail_msg("%s", err.text);
    o.proxy_ca_file = "good.pem";
    assert_false(ask_with("good", echo, o, true, &err)); /* no proxy, but now we talk to it */
    if (strstr(err.text, "issuer") || strstr(err.text, "certificate") ||
        !strstr(err.text, "CONNECT"))
        fail_msg("%s", err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_ca_is_accepted_when_named),
        cmocka_unit_test(a_mended_ca_file_is_read_again),
        cmocka_unit_test(an_unknown_issuer_is_denied),
        cmocka_unit_test(another_name_is_denied),
        cmocka_unit_test(old_protocols_are_denied),
        cmocka_unit_test(a_missing_ca_file_is_denied),
        cmocka_unit_test(an_expired_certificate_is_told_with_its_dates_and_our_clock),
        cmocka_unit_test(a_gateway_may_ask_for_our_certificate),
        cmocka_unit_test(a_proxy_has_a_ca_of_its_own),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
