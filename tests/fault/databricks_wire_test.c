/* What the wire does to us: cuts, stalls, odd answers, tokens that expire; and that none of it
 * shows a secret. */
#include "unit/databricks_server.h"

#include "base/clock.h"
#include "base/file.h"
#include "databricks/files.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BODY_BYTES 300000

static struct server *server;
static struct workspace *ws;
static int body_fd;

static int open_workspace(bool service_principal)
{
    char host[64];
    struct err err = {.text = ""};
    struct workspace_options o = {.host = host, .stall_us = CLOCK_SECOND_US};

    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    if (service_principal) {
        o.client_id = "id";
        o.client_secret = secret_new(span_of("client-CANARY-secret"), &err);
    } else {
        o.token = secret_new(span_of("pat-CANARY-token"), &err);
    }
    ws = workspace_new(&o, &err);
    return ws ? 0 : -1;
}

static int begin_server(void)
{
    char name[] = "/tmp/databricks_wire_XXXXXX";
    static char bytes[BODY_BYTES];
    struct err err;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 251);
    body_fd = mkstemp(name);
    if (body_fd < 0 || unlink(name) < 0 || !file_write(body_fd, bytes, sizeof(bytes), NULL, &err))
        return -1;
    server = server_start();
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_server() ? -1 : open_workspace(false);
}

static int begin_m2m(void **state)
{
    (void)state;
    if (begin_server())
        return -1;
    server->check_token = true;
    return open_workspace(true);
}

static int end(void **state)
{
    (void)state;
    workspace_free(ws);
    server_free(server);
    (void)close(body_fd);
    return 0;
}

static bool put(struct api_error *ret, struct err *err)
{
    struct call *call =
        files_put_start(ws, "/Volumes/c/s/v/data/f.parquet", body_fd, BODY_BYTES, false, err);
    bool ok = call && call_wait(call, err);

    if (call)
        *ret = *call_error(call);
    call_free(call);
    assert_null(strstr(err->text, "CANARY"));
    return ok;
}

static bool stored_whole(void)
{
    static char want[BODY_BYTES];
    struct err err;
    size_t got;
    bool same;

    assert_true(file_read_at(body_fd, 0, want, sizeof(want), &got, &err));
    pthread_mutex_lock(&server->lock);
    same = server->file_count == 1 && server->files[0].len == BODY_BYTES &&
           memcmp(server->files[0].data, want, BODY_BYTES) == 0;
    pthread_mutex_unlock(&server->lock);
    return same;
}

static void lost_connections_are_retried_later(void **state)
{
    static const enum server_how hows[] = {CUT_BEFORE, CUT_INSIDE, CUT_AFTER, CUT_STATUS};
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
        server_add(server, (struct server_rule){.method = "PUT", .times = 1, .how = hows[i]});
        if (put(&api, &err))
            fail_msg("how %d worked", hows[i]);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_int_equal(api.class, CLASS_NETWORK);
    }
    server_add(server, (struct server_rule){.method = "PUT",
                           .times = 1,
                           .how = CUT_ANSWER,
                           .status = 500,
                           .body = "{\"message\":\"half of this\"}"});
    assert_false(put(&api, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    /* CUT_AFTER kept the file: what was lost is only the answer. */
    assert_false(put(&api, &err));
    assert_int_equal(api.class, CLASS_EXISTS);
    assert_true(stored_whole());
}

/* libcurl averages over some seconds: the two wait side by side. */
static void stalled_transfers_are_cut(void **state)
{
    struct call *calls[2];
    struct err err = {.text = ""};

    (void)state;
    server_add(server, (struct server_rule){.match = "/0.parquet", .how = STALL});
    server_add(server, (struct server_rule){.match = "/1.parquet", .how = STALL_BODY});
    calls[0] = files_put_start(ws, "/Volumes/c/0.parquet", body_fd, BODY_BYTES, false, &err);
    calls[1] = files_put_start(ws, "/Volumes/c/1.parquet", body_fd, BODY_BYTES, false, &err);
    for (int i = 0; i < 2; i++) {
        assert_non_null(calls[i]);
        assert_false(call_wait(calls[i], &err));
        assert_int_equal(err.kind, ERR_RETRY);
        assert_non_null(strstr(err.text, "no answer in time"));
        call_free(calls[i]);
    }
}

static void nobody_there(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    server_stop(server);
    assert_false(put(&api, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "no connection"));
}

static void early_answers_are_heard(void **state)
{
    static const struct {
        int status;
        enum err_kind kind;
    } rows[] = {{401, ERR_DENIED}, {403, ERR_DENIED}, {413, ERR_INPUT}, {429, ERR_RETRY}};
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        server_add(server, (struct server_rule){.method = "PUT",
                               .times = 1,
                               .how = EARLY,
                               .status = rows[i].status,
                               .headers = "Retry-After: 11\r\n",
                               .body = "{\"message\":\"no\"}"});
        assert_false(put(&api, &err));
        assert_int_equal(err.kind, rows[i].kind);
        assert_int_equal(err.code, rows[i].status);
        assert_int_equal(api.retry_after_us, 11 * CLOCK_SECOND_US);
    }
}

static void a_dead_kept_connection_is_replaced(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    assert_true(files_make_directory(ws, "/Volumes/c", &err));
    /* The server closes the idle connection behind our back. */
    pthread_mutex_lock(&server->lock);
    for (int i = 0; i < server->connections; i++)
        shutdown(server->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    if (!put(&api, &err))
        fail_msg("%s", err.text);
    assert_true(stored_whole());
}

/* libcurl sends again by itself on a new connection: from the first byte. */
static void a_kept_connection_cut_inside_is_sent_whole(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    assert_true(files_make_directory(ws, "/Volumes/c", &err));
    server_add(server, (struct server_rule){.method = "PUT", .times = 1, .how = CUT_INSIDE});
    if (!put(&api, &err))
        fail_msg("%s", err.text);
    assert_int_equal(server_count(server, "PUT", "/files/"), 2);
    assert_true(stored_whole());
}

static void redirects_are_not_followed(void **state)
{
    char where[256];
    struct server_rule rule = {.method = "PUT", .times = 1, .status = 302, .headers = where};
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    (void)snprintf(where, sizeof(where),
        "Location: http://127.0.0.1:%d/login.html?ticket=CANARY&error=private-link-x\r\n",
        server->port);
    server_add(server, rule);
    assert_false(put(&api, &err));
    assert_int_equal(api.class, CLASS_ROUTING);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "private link"));
    assert_non_null(strstr(err.text, "/login.html"));
    assert_int_equal(server_count(server, NULL, "/login.html"), 0);
}

static void pat_is_not_tried_twice(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    server_add(
        server, (struct server_rule){.method = "PUT",
                    .times = 2,
                    .status = 401,
                    .headers = "Content-Type: application/json\r\n",
                    .body = "{\"error_code\":401,\"message\":\"no pat-CANARY-token here\"}"});
    assert_false(put(&api, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(server_count(server, "PUT", "/files/"), 1);
}

static void renewed_pat_is_used(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    workspace_renew(ws, secret_new(span_of("pat-2"), &err));
    assert_true(put(&api, &err));
    pthread_mutex_lock(&server->lock);
    assert_non_null(strstr(server->requests[0].headers, "Authorization: Bearer pat-2\r\n"));
    pthread_mutex_unlock(&server->lock);
}

static void token_is_refreshed_once_and_the_body_rewound(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    assert_true(files_make_directory(ws, "/Volumes/c", &err));
    pthread_mutex_lock(&server->lock);
    server->tokens++; /* the one we have is dead now */
    pthread_mutex_unlock(&server->lock);
    if (!put(&api, &err))
        fail_msg("%s", err.text);
    assert_true(stored_whole());
    assert_int_equal(server_count(server, "PUT", "/files/"), 2);
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 2);
}

static void a_401_for_ever_is_denied(void **state)
{
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    server_add(server, (struct server_rule){.method = "PUT", .status = 401, .body = "{}"});
    assert_false(put(&api, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(api.class, CLASS_DENIED);
    assert_int_equal(server_count(server, "PUT", "/files/"), 2);
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 2);
}

static void parallel_calls_share_one_refresh(void **state)
{
    struct call *calls[4];
    struct err err = {.text = ""};
    char path[64];

    (void)state;
    assert_true(files_make_directory(ws, "/Volumes/c", &err));
    pthread_mutex_lock(&server->lock);
    server->tokens++;
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "/Volumes/c/s/v/data/%d.parquet", i);
        calls[i] = files_put_start(ws, path, body_fd, BODY_BYTES, false, &err);
        assert_non_null(calls[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(call_wait(calls[i], &err));
        call_free(calls[i]);
    }
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 2);
}

static void refused_client_secret(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_kind kind;
        const char *says;
    } rows[] = {
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"client-CANARY-secret?\"}",
            ERR_DENIED, "DATABRICKS_CLIENT_SECRET"},
        {400, "{\"errorCode\":\"E\",\"errorSummary\":\"bad\"}", ERR_DENIED, "DATABRICKS_CLIENT_ID"},
        {403, "", ERR_DENIED, "client id"},
        {503, "", ERR_RETRY, "503"},
        {429, "", ERR_RETRY, "429"},
        {200, "{\"nothing\":\"access-CANARY-token\"}", ERR_RETRY, "access_token"},
        {302, "", ERR_DENIED, "host"},
    };
    struct api_error api;
    struct err err = {.text = ""};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        server_add(server, (struct server_rule){.match = "/oidc/v1/token",
                               .times = 1,
                               .status = rows[i].status,
                               .headers = "Retry-After: 9\r\n",
                               .body = rows[i].body});
        assert_false(put(&api, &err));
        assert_int_equal(err.kind, rows[i].kind);
        if (!strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
        if (rows[i].status >= 300)
            assert_int_equal(api.retry_after_us, 9 * CLOCK_SECOND_US);
    }
    assert_int_equal(server_count(server, "PUT", "/files/"), 0);
    assert_true(put(&api, &err)); /* the next try begins anew */
}

static void short_tokens_are_refreshed_ahead(void **state)
{
    struct err err = {.text = ""};
    bool exists;

    (void)state;
    server->expires_in = "\"1\"";
    for (int i = 0; i < 3; i++) {
        assert_true(files_directory_exists(ws, "/Volumes/c", &exists, &err));
        (void)usleep(850000); /* past what counts as alive of one second */
    }
    /* More, when a busy machine lets one grow old before it is used. */
    assert_in_range(server_count(server, "POST", "/oidc/v1/token"), 3, 6);
    /* Where to sign in is asked once. */
    assert_int_equal(server_count(server, "GET", "/.well-known/databricks-config"), 1);
}

/* The new one is not to be had, the old one still lives: nobody notices, and nobody is pestered. */
static void a_failed_refresh_ahead_is_not_felt(void **state)
{
    struct err err = {.text = ""};
    bool exists;

    (void)state;
    server->expires_in =
        "6"; /* asked for again after 3 s, dead after 4.5 s: room for a busy machine */
    assert_true(files_directory_exists(ws, "/Volumes/c", &exists, &err));
    server_add(server, (struct server_rule){.match = "/oidc/v1/token", .times = 1, .status = 503});
    (void)usleep(3200000);
    for (int i = 0; i < 3; i++)
        assert_true(files_directory_exists(ws, "/Volumes/c", &exists, &err));
    /* The calls do not wait for the refresh: give it its turn. */
    for (int i = 0; i < 100 && server_count(server, "POST", "/oidc/v1/token") < 2; i++)
        assert_true(workspace_poll(ws, 10000, -1, &err));
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 2);
    (void)usleep(1700000);
    assert_true(files_directory_exists(ws, "/Volumes/c", &exists, &err));
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 3);
}

static void discovery_is_followed(void **state)
{
    char meta[256], found[256];
    struct err err = {.text = ""};
    bool exists;

    (void)state;
    (void)snprintf(meta, sizeof(meta),
        "{\"oidc_endpoint\":\"http://127.0.0.1:%d/x/{account_id}\",\"account_id\":\"acc\","
        "\"workspace_id\":\"555\"}",
        server->port);
    (void)snprintf(found, sizeof(found),
        "{\"token_endpoint\":\"http://127.0.0.1:%d/oidc/v1/token?elsewhere\"}", server->port);
    server_add(server, (struct server_rule){
                           .match = "/.well-known/databricks-config", .status = 200, .body = meta});
    server_add(
        server, (struct server_rule){.match = "/x/acc/.well-known/oauth-authorization-server",
                    .status = 200,
                    .body = found});
    server_add(server, (struct server_rule){.match = "/oidc/v1/token?elsewhere",
                           .status = 200,
                           .body = "{\"access_token\":\"access-CANARY-token.0\"}"});
    assert_true(files_directory_exists(ws, "/Volumes/c", &exists, &err));
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token?elsewhere"), 1);
    pthread_mutex_lock(&server->lock);
    assert_non_null(strstr(
        server->requests[server->request_count - 1].headers, "X-Databricks-Workspace-Id: 555\r\n"));
    pthread_mutex_unlock(&server->lock);
}

/* The endpoint hangs: a poll of 20 ms takes 20 ms. */
static void sign_in_never_blocks(void **state)
{
    struct err err = {.text = ""};
    struct call *call;
    int64_t began;

    (void)state;
    server_add(server, (struct server_rule){.match = "/.well-known", .times = 1, .how = STALL});
    call = files_head_start(ws, "/Volumes/c/s/v/x", &err);
    assert_non_null(call);
    began = clock_mono_us();
    for (int i = 0; i < 5; i++)
        assert_true(workspace_poll(ws, 20000, -1, &err));
    assert_in_range(clock_mono_us() - began, 90000, 900000);
    assert_false(call_done(call));
    call_free(call);
}

static void a_wake_up_ends_the_wait(void **state)
{
    struct err err = {.text = ""};
    int64_t began = clock_mono_us();
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(workspace_poll(ws, 5 * CLOCK_SECOND_US, fds[0], &err));
    assert_in_range(clock_mono_us() - began, 0, 2 * CLOCK_SECOND_US);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* The environment's proxy is not ours to use; the setting's is, except for what it leaves out. */
static void only_our_own_proxy_is_used(void **state)
{
    char proxy[64];
    struct err err = {.text = ""};
    struct workspace_options o = {.host = "http://127.0.0.1:9", .proxy = proxy};

    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("NO_PROXY", "127.0.0.1", 1), 0);
    assert_true(files_make_directory(ws, "/Volumes/c", &err));
    workspace_free(ws);
    (void)snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", server->port);
    for (int direct = 0; direct < 2; direct++) {
        o.no_proxy = direct ? "127.0.0.1" : NULL;
        o.token = secret_new(span_of("token"), &err);
        ws = workspace_new(&o, &err);
        assert_non_null(ws);
        server_add(server, (struct server_rule){.times = 1, .status = 200, .body = ""});
        if (files_make_directory(ws, "/Volumes/c", &err) == direct)
            fail_msg("direct %d: %s", direct, err.text);
        if (!direct)
            workspace_free(ws);
    }
    assert_int_equal(server_count(server, "PUT", "http://127.0.0.1:9/api/2.0/fs/directories"), 1);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    (void)unsetenv("NO_PROXY");
}

static void wrong_options_are_refused(void **state)
{
    struct err err = {.text = ""};
    struct workspace_options o = {.host = "https://x.example.org/"};

    (void)state;
    assert_null(workspace_new(&o, &err));
    o.host = "https://x.example.org";
    assert_null(workspace_new(&o, &err)); /* no credentials */
    assert_int_equal(err.kind, ERR_INPUT);
    o.token = secret_new(span_of("two\nlines-CANARY"), &err);
    ws = (workspace_free(ws), workspace_new(&o, &err));
    assert_non_null(ws);
    assert_false(files_make_directory(ws, "/Volumes/c", &err)); /* before anything is sent */
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(strstr(err.text, "CANARY"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define TEST_M2M(f) cmocka_unit_test_setup_teardown(f, begin_m2m, end)
    const struct CMUnitTest tests[] = {
        TEST(lost_connections_are_retried_later),
        TEST(stalled_transfers_are_cut),
        TEST(nobody_there),
        TEST(early_answers_are_heard),
        TEST(a_dead_kept_connection_is_replaced),
        TEST(a_kept_connection_cut_inside_is_sent_whole),
        TEST(redirects_are_not_followed),
        TEST(pat_is_not_tried_twice),
        TEST(renewed_pat_is_used),
        TEST_M2M(token_is_refreshed_once_and_the_body_rewound),
        TEST_M2M(a_401_for_ever_is_denied),
        TEST_M2M(parallel_calls_share_one_refresh),
        TEST_M2M(refused_client_secret),
        TEST_M2M(short_tokens_are_refreshed_ahead),
        TEST_M2M(a_failed_refresh_ahead_is_not_felt),
        TEST_M2M(discovery_is_followed),
        TEST_M2M(sign_in_never_blocks),
        TEST(a_wake_up_ends_the_wait),
        TEST(only_our_own_proxy_is_used),
        TEST(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
