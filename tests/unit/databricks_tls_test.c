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
                   make_certificate("other", "DNS:other.example.org");
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

static bool ask(const char *certificate, const char *extra, const char *ca_file, struct err *err)
{
    char cert[64], key[64], port[16], host[64];
    const char *argv[] = {
        "openssl", "s_server", "-accept", port, "-cert", cert, "-key", key, "-WWW", extra, NULL};
    struct workspace_options o = {.host = host, .ca_file = ca_file};
    struct workspace *ws;
    struct me me = {.id = ""};
    bool ok = false;
    pid_t pid;

    snprintf(cert, sizeof(cert), "%s.pem", certificate);
    snprintf(key, sizeof(key), "%s.key", certificate);
    snprintf(port, sizeof(port), "%d", free_port());
    snprintf(host, sizeof(host), "https://127.0.0.1:%s", port);
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

static void a_private_ca_is_accepted_when_named(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    if (!have_openssl)
        skip();
    if (!ask("good", NULL, "good.pem", &err))
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_ca_is_accepted_when_named),
        cmocka_unit_test(an_unknown_issuer_is_denied),
        cmocka_unit_test(another_name_is_denied),
        cmocka_unit_test(old_protocols_are_denied),
        cmocka_unit_test(a_missing_ca_file_is_denied),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
