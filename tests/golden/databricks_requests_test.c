/* Every call as it goes over the wire: method, target, headers, body; and what it makes of the
 * usual answers. */
#include "unit/databricks_server.h"

#include "base/file.h"
#include "databricks/files.h"
#include "databricks/me.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATH "/Volumes/main/raw/land/a b=1/\xc3\xbc.parquet"
#define ENCODED "/Volumes/main/raw/land/a%20b%3D1/%C3%BC.parquet"

static struct server *server;
static struct workspace *ws;

static int begin(void **state)
{
    char host[64];
    struct err err;
    struct workspace_options o = {.host = host, .workspace_id = "7405", .partner = "ac me/1"};

    (void)state;
    server = server_start();
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    o.token = secret_new(span_of("dapi-CANARY"), &err);
    ws = workspace_new(&o, &err);
    return ws ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    workspace_free(ws);
    server_free(server);
    return 0;
}

static const struct server_request *last(void)
{
    const struct server_request *q;

    pthread_mutex_lock(&server->lock);
    q = &server->requests[server->request_count - 1];
    pthread_mutex_unlock(&server->lock);
    return q;
}

/* The whole request; `more`: the lines that only some have, in their order on the wire. */
static void was(const char *method, const char *target, const char *more, const char *body)
{
    const struct server_request *q = last();
    char want[2048];

    (void)snprintf(want, sizeof(want),
        "\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer dapi-CANARY\r\n"
        "User-Agent: volume-uploader/%s os/linux auth/pat partner/ac-me-1\r\n"
        "Accept: application/json\r\n%s",
        server->port, VERSION, more);
    assert_string_equal(q->method, method);
    assert_string_equal(q->target, target);
    assert_string_equal(q->headers, want);
    assert_int_equal(q->body_len, strlen(body));
    assert_memory_equal(q->body, body, q->body_len);
}

#define ID "X-Databricks-Workspace-Id: 7405\r\n"

static void upload_of_a_file(void **state)
{
    char name[] = "/tmp/databricks_requests_XXXXXX";
    int fd = mkstemp(name);
    struct call *call;
    struct err err = {.text = ""};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    assert_true(file_write(fd, "PAR1 and so on", 14, NULL, &err)); /* position is at the end now */
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        call = files_put_start(ws, PATH, fd, 14, overwrite, &err);
        assert_non_null(call);
        assert_true(call_wait(call, &err));
        assert_int_equal(call_answer(call)->sent, 14);
        assert_int_equal(call_sent_bytes(call), 14);
        assert_int_equal(call_answer(call)->status, 204);
        call_free(call);
        was("PUT",
            overwrite ? "/api/2.0/fs/files" ENCODED "?overwrite=true"
                      : "/api/2.0/fs/files" ENCODED "?overwrite=false",
            "Content-Type: application/octet-stream\r\n" ID "Content-Length: 14\r\n",
            "PAR1 and so on");
    }
    call = files_put_start(ws, PATH, fd, FILES_PUT_MAX + 1, false, &err);
    assert_null(call);
    assert_int_equal(err.kind, ERR_INPUT);
    file_drop(fd);
}

static void files_calls(void **state)
{
    struct err err = {.text = ""};
    bool exists = true;
    int64_t length = -2;
    struct buf out;

    (void)state;
    assert_true(files_head(ws, PATH, &exists, &length, &err));
    assert_false(exists);
    was("HEAD", "/api/2.0/fs/files" ENCODED, ID, "");
    assert_true(files_put(ws, PATH, span_of("0123456789"), false, &err));
    was("PUT", "/api/2.0/fs/files" ENCODED "?overwrite=false",
        "Content-Type: application/octet-stream\r\n" ID "Content-Length: 10\r\n", "0123456789");
    assert_false(files_put(ws, PATH, span_of("other"), false, &err));
    assert_int_equal(err.code, 409);
    assert_true(files_head(ws, PATH, &exists, &length, &err));
    assert_true(exists);
    assert_int_equal(length, 10);

    buf_init(&out, 100);
    assert_true(files_get(ws, PATH, 0, UINT64_MAX, &out, &err));
    was("GET", "/api/2.0/fs/files" ENCODED, ID, "");
    assert_string_equal(buf_text(&out), "0123456789");
    buf_reset(&out);
    assert_true(files_get(ws, PATH, 3, 5, &out, &err));
    was("GET", "/api/2.0/fs/files" ENCODED, "Range: bytes=3-5\r\n" ID, "");
    assert_string_equal(buf_text(&out), "345");
    server_add(
        server, (struct server_rule){.method = "GET", .times = 1, .status = 200, .body = "x"});
    assert_false(files_get(ws, PATH, 3, 5, &out, &err));
    assert_non_null(strstr(err.text, "range"));
    buf_done(&out);
    buf_init(&out, 9); /* one byte too few */
    assert_false(files_get(ws, PATH, 0, UINT64_MAX, &out, &err));
    assert_non_null(strstr(err.text, "too long"));
    buf_done(&out);

    assert_true(files_delete(ws, PATH, &err));
    was("DELETE", "/api/2.0/fs/files" ENCODED, ID, "");
    assert_true(files_delete(ws, PATH, &err)); /* missing is fine */
}

static void directory_calls(void **state)
{
    struct err err = {.text = ""};
    bool exists;

    (void)state;
    assert_true(files_make_directory(ws, "/Volumes/c/s/v/data", &err));
    was("PUT", "/api/2.0/fs/directories/Volumes/c/s/v/data", ID "Content-Length: 0\r\n", "");
    assert_true(files_directory_exists(ws, "/Volumes/c/s/v/data", &exists, &err));
    assert_true(exists);
    was("HEAD", "/api/2.0/fs/directories/Volumes/c/s/v/data", ID, "");
    assert_true(files_delete_directory(ws, "/Volumes/c/s/v/data", &err));
    was("DELETE", "/api/2.0/fs/directories/Volumes/c/s/v/data", ID, "");
    server_add(server, (struct server_rule){.method = "DELETE",
                           .times = 1,
                           .status = 400,
                           .body = "{\"error_code\":\"BAD\",\"message\":\"not empty\"}"});
    assert_false(files_delete_directory(ws, "/Volumes/c/s/v/data", &err));
    assert_non_null(strstr(err.text, "not empty"));
}

static bool join(void *arg, const struct files_entry *entry)
{
    struct buf *out = arg;

    return buf_printf(out, "%s%s%llu@%lld ", entry->name, entry->directory ? "/" : "=",
        (unsigned long long)entry->bytes, (long long)entry->modified_us);
}

static void listing_follows_the_pages(void **state)
{
    static const struct server_rule pages[] = {
        {"GET", "page_token=t%2F1%3D", 1, ANSWER, 200, "", "{\"next_page_token\":\"t2\"}", 0},
        {"GET", "page_token=t2", 1, ANSWER, 200, "",
            "{\"contents\":[{\"name\":\"c\",\"file_size\":1}],\"next_page_token\":\"\"}", 0},
        {"GET", "/missing", 1, ANSWER, 404, "", "", 0},
        {"GET", "/directories", 2, ANSWER, 200, "",
            "{\"contents\":[{\"path\":\"/V/a\",\"name\":\"a\",\"is_directory\":true},7,"
            "{\"path\":\"/V/b.parquet\",\"file_size\":1048576,\"last_modified\":1767225600000}],"
            "\"next_page_token\":\"t/1=\"}",
            0},
    };
    struct err err = {.text = ""};
    struct buf out;
    bool exists = false;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        server_add(server, pages[i]);
    buf_init(&out, 1000);
    assert_true(files_list(ws, "/Volumes/c/s/v", 1000, join, &out, &exists, &err));
    assert_true(exists);
    assert_string_equal(buf_text(&out), "a/0@0 b.parquet=1048576@1767225600000000 c=1@0 ");
    was("GET", "/api/2.0/fs/directories/Volumes/c/s/v?page_token=t2", ID, "");
    assert_int_equal(server->request_count, 3);
    buf_reset(&out);
    assert_true(files_list(ws, "/Volumes/c/s/v", 1, join, &out, &exists, &err));
    assert_string_equal(buf_text(&out), "a/0@0 ");
    was("GET", "/api/2.0/fs/directories/Volumes/c/s/v", ID, "");
    assert_true(files_list(ws, "/missing", 10, join, &out, &exists, &err));
    assert_false(exists);
    buf_done(&out);
}

static void who_am_i(void **state)
{
    struct me me;
    struct err err = {.text = ""};

    (void)state;
    server_add(server,
        (struct server_rule){.method = "GET",
            .times = 1,
            .status = 200,
            .headers = "Content-Type: application/scim+json\r\nx-databricks-org-id: 99\r\n",
            .body =
                "{\"id\":\"12\",\"userName\":\"a@b.c\",\"displayName\":\"A\",\"active\":true}"});
    assert_true(me_get(ws, &me, &err));
    was("GET", "/api/2.0/preview/scim/v2/Me", ID, "");
    assert_string_equal(me.id, "12");
    assert_string_equal(me.user_name, "a@b.c");
    assert_string_equal(me.display_name, "A");
    assert_string_equal(me.workspace_id, "99");
    assert_true(me.active);
    server_add(server, (struct server_rule){.times = 1, .status = 200, .body = "[1]"});
    assert_false(me_get(ws, &me, &err));
    assert_int_equal(err.kind, ERR_RETRY);
}

static void posts_have_their_body(void **state)
{
    struct err err = {.text = ""};
    struct call_request r = {.method = HTTP_POST,
        .prefix = "/api/2.2/jobs/create",
        .body = span_of("{\"name\":\"x\"}"),
        .words = {.what = "create the job"}};
    struct call *call;

    (void)state;
    server_add(server, (struct server_rule){.times = 3, .status = 200, .body = "{\"job_id\":1}"});
    call = call_start(ws, &r, &err);
    assert_non_null(call);
    assert_true(call_wait(call, &err));
    call_free(call);
    was("POST", "/api/2.2/jobs/create",
        "Content-Type: application/json\r\n" ID "Content-Length: 12\r\n", "{\"name\":\"x\"}");
    r.method = HTTP_PATCH;
    call = call_start(ws, &r, &err);
    assert_true(call_wait(call, &err));
    call_free(call);
    was("PATCH", "/api/2.2/jobs/create",
        "Content-Type: application/json\r\n" ID "Content-Length: 12\r\n", "{\"name\":\"x\"}");
    r.method = HTTP_POST;
    r.body = span_of("");
    call = call_start(ws, &r, &err);
    assert_true(call_wait(call, &err));
    call_free(call);
    assert_int_equal(last()->body_len, 0);
    assert_non_null(strstr(last()->headers, "Content-Length: 0\r\n"));
}

static void service_principal_signs_in(void **state)
{
    char host[64];
    struct err err = {.text = ""};
    struct workspace_options o = {.host = host, .client_id = "id-1"};
    struct workspace *other;
    bool exists;
    char want[1024];

    (void)state;
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    o.client_secret = secret_new(span_of("s:CANARY"), &err);
    other = workspace_new(&o, &err);
    assert_non_null(other);
    assert_string_equal(workspace_auth(other), "oauth-m2m");
    assert_true(files_directory_exists(other, "/Volumes/c", &exists, &err));
    assert_true(files_directory_exists(other, "/Volumes/c", &exists, &err));
    assert_int_equal(server->request_count, 5);
    assert_string_equal(server->requests[0].target, "/.well-known/databricks-config");
    assert_null(strstr(server->requests[0].headers, "Authorization"));
    assert_string_equal(server->requests[1].target, "/oidc/.well-known/oauth-authorization-server");
    assert_null(strstr(server->requests[1].headers, "Authorization"));
    /* base64("id-1:s:CANARY") */
    (void)snprintf(want, sizeof(want),
        "\nHost: 127.0.0.1:%d\r\nAuthorization: Basic aWQtMTpzOkNBTkFSWQ==\r\n"
        "User-Agent: volume-uploader/%s os/linux auth/oauth-m2m\r\nAccept: application/json\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 44\r\n",
        server->port, VERSION);
    assert_string_equal(server->requests[2].method, "POST");
    assert_string_equal(server->requests[2].target, "/oidc/v1/token");
    assert_string_equal(server->requests[2].headers, want);
    assert_string_equal(server->requests[2].body, "grant_type=client_credentials&scope=all-apis");
    assert_non_null(
        strstr(server->requests[3].headers, "\r\nAuthorization: Bearer access-CANARY-token.1\r\n"));
    assert_non_null(
        strstr(server->requests[4].headers, "\r\nAuthorization: Bearer access-CANARY-token.1\r\n"));
    workspace_free(other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(upload_of_a_file),
        TEST(files_calls),
        TEST(directory_calls),
        TEST(listing_follows_the_pages),
        TEST(who_am_i),
        TEST(posts_have_their_body),
        TEST(service_principal_signs_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
