/* Who may ask: databricks-api.md 1.1, 1.2, 3.1, 6.5. */
#include "emulator_client.h"

#define ME "/api/2.0/preview/scim/v2/Me"
#define TOKEN "/oidc/v1/token"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define GRANT "grant_type=client_credentials&scope=all-apis"

/* base64 of TEST_ID ":" TEST_SECRET, plain and percent-encoded. */
#define BASIC                                                                                      \
    "Authorization: Basic "                                                                        \
    "MTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1Om9wZW4gc2VzYW1lOisl\r\n"
#define BASIC_ENCODED                                                                              \
    "Authorization: Basic "                                                                        \
    "MTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1Om9wZW4rc2VzYW1lJTNBJTJCJTI1\r\n"
#define BASIC_WRONG                                                                                \
    "Authorization: Basic "                                                                        \
    "MTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1Om9wZW4gc2VzYW1l\r\n"

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

static void no_wrong_and_other_credentials_are_told_apart(void **state)
{
    static const struct {
        const char *headers;
        int status;
        const char *body;
    } rows[] = {
        {BEARER, 200, "\"userName\":\"somebody@example.com\""},
        {"authorization: bearer " TEST_TOKEN "\r\n", 200, "userName"},
        {"", 401, "{\"error_code\":401,\"message\":\"Credential was not sent"},
        {"Authorization: " TEST_TOKEN "\r\n", 401, "\"error_code\":401"},
        {"Authorization: Bearer \r\n", 401, "\"error_code\":401"},
        {BASIC, 401, "\"error_code\":401"},
        {"Authorization: Bearer wrong\r\n", 403,
            "{\"error_code\":403,\"message\":\"Invalid access token.\"}"},
        {"Authorization: Bearer " TEST_TOKEN "x\r\n", 403, "\"error_code\":403"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;

        ask(f, &a, "GET", ME, rows[i].headers, NULL, 0);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %d %s", i, a.status, a.body);
        assert_has(&a, rows[i].body);
        if (a.status == 200)
            assert_string_equal(answer_header(&a, "X-Databricks-Org-Id"), "900800700600");
        else
            assert_non_null(answer_header(&a, "X-Databricks-Reason-Phrase"));
        answer_done(&a);
    }
    assert_int_equal(counters(f).denied, 6);
}

static void nothing_of_a_refused_upload_is_kept(void **state)
{
    struct fixture *f = *state;
    char *body = calloc(1, 3 << 20);
    struct answer a;

    assert_non_null(body);
    ask(f, &a, "PUT", FILES VOLUME "/x", "Authorization: Bearer no\r\n", body, 3 << 20);
    assert_int_equal(a.status, 403);
    answer_done(&a);
    free(body);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/x", BEARER, NULL), 404);
    assert_no_uploads_left(f);
    assert_int_equal(counters(f).uploads, 0);
}

/* Who waits for "100 Continue" learns of a refusal without sending the body, or is told to go on. */
static void expect_continue_is_answered_early(void **state)
{
    static const char put[] = "PUT " FILES VOLUME "/e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                              "Expect: 100-continue\r\n";
    struct fixture *f = *state;
    struct answer a;
    char head[64] = {0};
    int fd = client_connect(f);

    assert_true(client_send(fd, put, strlen(put)));
    assert_true(client_send(fd, "Authorization: Bearer no\r\n\r\n", 28));
    client_read(fd, false, &a);
    assert_int_equal(a.status, 403);
    answer_done(&a);
    close(fd);

    fd = client_connect(f);
    assert_true(client_send(fd, put, strlen(put)));
    assert_true(client_send(fd, BEARER "\r\n", strlen(BEARER) + 2));
    assert_true(recv(fd, head, 21, MSG_WAITALL) == 21);
    assert_string_equal(head, "HTTP/1.1 100 Continue");
    assert_true(client_send(fd, "abc", 3));
    assert_true(recv(fd, head, 4, MSG_WAITALL) == 4); /* the end of the 100 */
    client_read(fd, false, &a);
    assert_int_equal(a.status, 204);
    answer_done(&a);
    close(fd);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/e", BEARER, NULL), 200);
}

static void get_token(const struct fixture *f, char out[256])
{
    struct answer a;
    char *token;

    ask(f, &a, "POST", TOKEN, FORM BASIC, GRANT, strlen(GRANT));
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"token_type\":\"Bearer\"");
    assert_has(&a, "\"scope\":\"all-apis\"");
    token = strstr(a.body, "\"access_token\":\"");
    assert_non_null(token);
    token += strlen("\"access_token\":\"");
    (void)snprintf(out, 256, "Authorization: Bearer %.*s\r\n", (int)strcspn(token, "\""), token);
    answer_done(&a);
}

static void a_service_principal_signs_in(void **state)
{
    struct fixture *f = *state;
    char first[256], second[256];
    struct answer a;

    get_token(f, first);
    get_token(f, second);
    assert_string_not_equal(first, second);
    ask(f, &a, "GET", ME, first, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"userName\":\"" TEST_ID "\"");
    answer_done(&a);
    assert_int_equal(ask_status(f, "PUT", FILES VOLUME "/x", second, "x"), 204);
    assert_int_equal(ask_status(f, "POST", TOKEN, FORM BASIC_ENCODED, GRANT), 200);
    assert_int_equal(counters(f).tokens, 3);
    ask(f, &a, "POST", TOKEN, FORM BASIC, GRANT, strlen(GRANT));
    assert_has(&a, "\"expires_in\":3600,");
    answer_done(&a);
}

static void the_token_endpoint_refuses_as_oauth_does(void **state)
{
    static const struct {
        const char *headers, *body;
        int status;
        const char *error;
    } rows[] = {
        {FORM BASIC_WRONG, GRANT, 401, "invalid_client"},
        {FORM, GRANT, 401, "invalid_client"},
        {FORM "Authorization: Basic !!!!\r\n", GRANT, 401, "invalid_client"},
        {FORM "Authorization: Basic OjpvcGVu\r\n", GRANT, 401, "invalid_client"},
        {FORM BEARER, GRANT, 401, "invalid_client"},
        {FORM BASIC, "scope=all-apis", 400, "invalid_request"},
        {FORM BASIC, "grant_type=password&scope=all-apis", 400, "unsupported_grant_type"},
        {FORM BASIC, "grant_type=client_credentials", 400, "invalid_scope"},
        {FORM BASIC, "", 400, "invalid_request"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;
        char want[64];

        ask(f, &a, "POST", TOKEN, rows[i].headers, rows[i].body, strlen(rows[i].body));
        (void)snprintf(
            want, sizeof(want), "{\"error\":\"%s\",\"error_description\":", rows[i].error);
        if (a.status != rows[i].status)
            fail_msg("row %zu: %d %s", i, a.status, a.body);
        assert_has(&a, want);
        answer_done(&a);
    }
    assert_int_equal(counters(f).tokens, 0);
}

static void short_life(struct emulator_options *options)
{
    options->token_life_us = 300000;
}

static void an_expired_token_is_401_and_a_new_one_works(void **state)
{
    struct fixture *f = fixture_start(short_life);
    char token[256];
    struct answer a;

    (void)state;
    get_token(f, token);
    usleep(350000);
    ask(f, &a, "GET", ME, token, NULL, 0);
    assert_int_equal(a.status, 401);
    assert_has(&a, "{\"error_code\":401,\"message\":\"Token is expired.\"}");
    answer_done(&a);
    get_token(f, token);
    assert_int_equal(ask_status(f, "GET", ME, token, NULL), 200);
    fixture_stop(f);
}

static void no_credentials(struct emulator_options *options)
{
    options->token = NULL;
    options->client_id = NULL;
    options->client_secret = NULL;
}

static void credentials_that_were_not_set_open_nothing(void **state)
{
    struct fixture *f = fixture_start(no_credentials);

    (void)state;
    assert_int_equal(ask_status(f, "GET", ME, BEARER, NULL), 403);
    assert_int_equal(ask_status(f, "POST", TOKEN, FORM BASIC, GRANT), 401);
    /* base64 of ":" */
    assert_int_equal(
        ask_status(f, "POST", TOKEN, FORM "Authorization: Basic Og==\r\n", GRANT), 401);
    fixture_stop(f);
}

static void discovery_names_the_endpoints_the_client_can_reach(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    ask(f, &a, "GET", "/.well-known/databricks-config", "", NULL, 0);
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"oidc_endpoint\":\"http://there:1/oidc\"");
    assert_has(&a, "\"workspace_id\":\"900800700600\"");
    assert_has(&a, "\"host_type\":\"workspace\"");
    answer_done(&a);
    ask(f, &a, "GET", "/oidc/.well-known/oauth-authorization-server", "", NULL, 0);
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"token_endpoint\":\"http://there:1/oidc/v1/token\"");
    answer_done(&a);
    ask(f, &a, "GET", "/oidc/accounts/7/.well-known/oauth-authorization-server", "", NULL, 0);
    assert_has(&a, "\"token_endpoint\":\"http://there:1/oidc/accounts/7/v1/token\"");
    answer_done(&a);
    assert_int_equal(ask_status(f, "POST", "/oidc/accounts/7/v1/token", FORM BASIC, GRANT), 200);
}

static void unknown_calls_are_endpoint_not_found(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    ask(f, &a, "GET", "/api/2.0/nothing", BEARER, NULL, 0);
    assert_int_equal(a.status, 404);
    assert_has(&a, "\"error_code\":\"ENDPOINT_NOT_FOUND\"");
    answer_done(&a);
    assert_int_equal(
        ask_status(f, "POST", FILES VOLUME "/x?action=initiate-upload", BEARER, ""), 404);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(no_wrong_and_other_credentials_are_told_apart),
        T(nothing_of_a_refused_upload_is_kept),
        T(expect_continue_is_answered_early),
        T(a_service_principal_signs_in),
        T(the_token_endpoint_refuses_as_oauth_does),
        cmocka_unit_test(an_expired_token_is_401_and_a_new_one_works),
        cmocka_unit_test(credentials_that_were_not_set_open_nothing),
        T(discovery_names_the_endpoints_the_client_can_reach),
        T(unknown_calls_are_endpoint_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
