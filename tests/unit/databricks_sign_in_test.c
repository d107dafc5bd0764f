/* Ways to sign in: what is asked, in which order, with which body; discovery and its odd answers;
 * tokens that run out or are refused; and that no secret shows anywhere.
 * wrap: clock_boot_us */
#include "unit/databricks_server.h"

#include "base/clock.h"
#include "databricks/auth_read.h"
#include "databricks/me.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Header {"alg":"none"}, claims, no signature. */
#define JWT_HEAD "eyJhbGciOiJub25lIn0."
/* {"iss":"https://idp","sub":"repo:x","aud":["A1","A2"],"exp":1767225600} */
#define JWT_ONE                                                                                    \
    JWT_HEAD                                                                                       \
    "eyJpc3MiOiJodHRwczovL2lkcCIsInN1YiI6InJlcG86eCIsImF1ZCI6WyJBMSIsIkEyIl0sImV4cCI6MTc2"         \
    "NzIyNTYwMH0.CANARY-1"
#define JWT_TWO JWT_HEAD "e30.CANARY-2" /* {} */

static int64_t waited_us; /* ahead of the real clock */

int64_t __real_clock_boot_us(void);
int64_t __wrap_clock_boot_us(void);
int64_t __wrap_clock_boot_us(void)
{
    static int64_t began;

    if (!began)
        began = __real_clock_boot_us();
    return began + waited_us; /* it stands still: no test depends on how fast it runs */
}

static struct server *server;
static struct workspace *ws;
static char host[64];
static struct err err;
static struct me me;

static int begin(void **state)
{
    (void)state;
    server = server_start();
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    err = (struct err){.text = ""};
    ws = NULL;
    waited_us = 0;
    server_add(server, (struct server_rule){.match = "/scim/v2/Me",
                           .status = 200,
                           .headers = "Content-Type: application/json\r\n",
                           .body = "{\"id\":\"7\"}"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    workspace_free(ws);
    server_free(server);
    return 0;
}

static struct secret *secret(const char *text)
{
    struct secret *s = secret_new(span_of(text), &err);

    assert_non_null(s);
    return s;
}

static void open_workspace(struct workspace_options *o)
{
    o->host = host;
    ws = workspace_new(o, &err);
    if (!ws)
        fail_msg("%s", err.text);
}

static void say(const char *match, int times, int status, const char *body)
{
    server_add(server, (struct server_rule){.match = match,
                           .times = times,
                           .status = status,
                           .headers = "Content-Type: application/json\r\n",
                           .body = body});
}

static void ask(void)
{
    if (!me_get(ws, &me, &err))
        fail_msg("%s", err.text);
}

static void refused(enum err_kind kind, const char *part)
{
    err = (struct err){.text = ""};
    assert_false(me_get(ws, &me, &err));
    if (err.kind != kind || !strstr(err.text, part))
        fail_msg("%d: %s", (int)err.kind, err.text);
    assert_null(strstr(err.text, "CANARY"));
}

static const struct server_request *request(int n)
{
    assert_true(n < server->request_count);
    return &server->requests[n];
}

static const struct server_request *last(void)
{
    return request(server->request_count - 1);
}

static bool has(const struct server_request *q, const char *line)
{
    return strstr(q->headers, line) != NULL;
}

/* --- federation --- */

#define EXCHANGE(token, more)                                                                      \
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"                        \
    "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token=" token       \
    "&scope=all-apis" more

static void env_oidc_exchanges_the_token(void **state)
{
    struct workspace_options o = {.sign_in = SIGN_IN_ENV_OIDC,
        .client_id = "id 1",
        .oidc_token = secret(JWT_TWO),
        .partner = "acme"};

    (void)state;
    open_workspace(&o);
    assert_string_equal(workspace_auth(ws), "env-oidc");
    ask();
    assert_int_equal(server->request_count, 4); /* metadata, discovery, token, Me */
    assert_string_equal(request(2)->method, "POST");
    assert_string_equal(request(2)->target, "/oidc/v1/token");
    assert_string_equal(request(2)->body, EXCHANGE(JWT_TWO, "&client_id=id%201"));
    assert_null(strcasestr(request(2)->headers, "authorization"));
    assert_true(has(request(2), "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(has(request(2), "os/linux auth/env-oidc partner/acme\r\n"));
    assert_true(has(last(), "\r\nAuthorization: Bearer access-CANARY-token.1\r\n"));
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void the_token_file_is_read_again(void **state)
{
    char path[] = "/tmp/databricks_sign_in_XXXXXX";
    int fd = mkstemp(path);
    struct workspace_options o = {
        .sign_in = SIGN_IN_FILE_OIDC, .oidc_token_file = path, .token_audience = "A2"};

    (void)state;
    assert_true(fd >= 0);
    server_clear_rules(server);
    put(path, JWT_ONE "\n");
    open_workspace(&o);
    say("/scim/v2/Me", 1, 200, "{\"id\":\"7\"}");
    ask();
    assert_string_equal(request(2)->body, EXCHANGE(JWT_ONE, "")); /* no client id: none sent */

    /* The first token is refused as expired; meanwhile the file holds another one. */
    put(path, JWT_HEAD "eyJhdWQiOiJBMiJ9.CANARY-3");
    say("/scim/v2/Me", 1, 401, "{\"error_code\":401,\"message\":\"expired\"}");
    say("/scim/v2/Me", 1, 200, "{\"id\":\"7\"}");
    ask();
    assert_string_equal(request(server->request_count - 2)->body,
        EXCHANGE(JWT_HEAD "eyJhdWQiOiJBMiJ9.CANARY-3", ""));
    assert_true(has(last(), "Bearer access-CANARY-token.2\r\n"));

    /* Gone: a person must look; nothing is sent. */
    waited_us += 60 * CLOCK_SECOND_US;
    assert_int_equal(unlink(path), 0);
    say("/scim/v2/Me", 1, 401, "{\"error_code\":401,\"message\":\"expired\"}");
    refused(ERR_DENIED, "DATABRICKS_OIDC_TOKEN_FILEPATH");
    assert_int_equal(server->tokens, 2);
    (void)close(fd);
}

static void a_refused_federation_token_says_what_it_is(void **state)
{
    struct workspace_options o = {.sign_in = SIGN_IN_ENV_OIDC, .oidc_token = secret(JWT_ONE)};
    struct workspace_facts facts;

    (void)state;
    say("/oidc/v1/token", 0, 400,
        "{\"error\":\"invalid_request\",\"error_description\":\"no policy for " JWT_ONE "\"}");
    open_workspace(&o);
    refused(ERR_DENIED, "until 2026-01-01T00:00:00");
    assert_non_null(strstr(err.text, "audience A1, subject repo:x, issuer https://idp"));
    workspace_facts(ws, &facts);
    assert_string_equal(facts.method, "env-oidc");
    assert_non_null(strstr(facts.token_says, "audience A1"));
    assert_null(strstr(facts.token_says, "CANARY"));
}

static void a_token_for_somebody_else_is_not_sent(void **state)
{
    struct workspace_options o = {
        .sign_in = SIGN_IN_ENV_OIDC, .oidc_token = secret(JWT_ONE), .token_audience = "B"};

    (void)state;
    open_workspace(&o);
    refused(ERR_DENIED, "DATABRICKS_TOKEN_AUDIENCE");
    assert_int_equal(server_count(server, "POST", "/"), 0);
}

static void a_word_that_is_no_jwt_is_left_to_the_service(void **state)
{
    struct workspace_options o = {.sign_in = SIGN_IN_ENV_OIDC, .oidc_token = secret("CANARY&x=1")};

    (void)state;
    say("/oidc/v1/token", 0, 401, "{\"error\":\"invalid_grant\"}");
    open_workspace(&o);
    refused(ERR_DENIED, "it is no JWT");
    assert_string_equal(last()->body, EXCHANGE("CANARY%26x%3D1", "")); /* encoded */
}

/* --- Azure --- */

static struct workspace_options azure(void)
{
    return (struct workspace_options){.sign_in = SIGN_IN_AZURE_CLIENT_SECRET,
        .client_id = "app-1",
        .client_secret = secret("s+/CANARY="),
        .azure_login = host,
        .azure_tenant = "ten-1"};
}

#define AZURE_BODY(resource)                                                                       \
    "grant_type=client_credentials&client_id=app-1&client_secret=s%2B%2FCANARY%3D&"                \
    "resource=" resource
#define AZURE_APP "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"

static void azure_with_a_tenant(void **state)
{
    struct workspace_options o = azure();

    (void)state;
    say("/ten-1/oauth2/token", 1, 200,
        "{\"access_token\":\"azure-CANARY\",\"token_type\":\"Bearer\",\"expires_in\":\"3599\"}");
    open_workspace(&o);
    ask();
    ask();
    assert_int_equal(server->request_count, 3); /* one token, no discovery */
    assert_string_equal(request(0)->target, "/ten-1/oauth2/token");
    assert_string_equal(request(0)->body, AZURE_BODY(AZURE_APP));
    assert_null(strcasestr(request(0)->headers, "authorization"));
    assert_true(has(last(), "Authorization: Bearer azure-CANARY\r\n"));
    assert_true(has(last(), "auth/azure-client-secret\r\n"));
    assert_null(strstr(last()->headers, "X-Databricks-Azure"));
}

static void azure_asks_the_workspace_for_its_tenant(void **state)
{
    struct workspace_options o = azure();
    struct workspace_facts facts;

    (void)state;
    o.azure_tenant = NULL;
    server_add(server,
        (struct server_rule){.match = "/aad/auth",
            .times = 1,
            .status = 302,
            .headers =
                "Location: https://login.microsoftonline.com/0f-ten/oauth2/authorize?x=1\r\n"});
    say("/0f-ten/oauth2/token", 1, 200, "{\"access_token\":\"t\",\"expires_in\":3599}");
    open_workspace(&o);
    ask();
    assert_string_equal(request(0)->method, "GET");
    assert_null(strcasestr(request(0)->headers, "authorization"));
    assert_int_equal(server->request_count, 3); /* the redirect is not followed */
    workspace_facts(ws, &facts);
    assert_string_equal(facts.tenant, "0f-ten");
    assert_non_null(strstr(facts.token_url, "/0f-ten/oauth2/token"));
}

static void a_workspace_without_tenant(void **state)
{
    struct workspace_options o = azure();

    (void)state;
    o.azure_tenant = NULL;
    say("/aad/auth", 1, 503, "{}");
    say("/aad/auth", 1, 404, "{}");
    open_workspace(&o);
    refused(ERR_RETRY, "Azure tenant");
    refused(ERR_DENIED, "set ARM_TENANT_ID");
}

static void azure_with_a_resource_id(void **state)
{
    struct workspace_options o = azure();

    (void)state;
    o.azure_resource_id = "/subscriptions/1/x";
    o.azure_environment = "usgovernment";
    say("/oauth2/token", 1, 200, "{\"access_token\":\"first-CANARY\",\"expires_in\":\"3599\"}");
    say("/oauth2/token", 1, 200, "{\"access_token\":\"second-CANARY\",\"expires_in\":\"60\"}");
    open_workspace(&o);
    ask();
    assert_string_equal(request(0)->body, AZURE_BODY(AZURE_APP));
    assert_string_equal(
        request(1)->body, AZURE_BODY("https%3A%2F%2Fmanagement.core.usgovcloudapi.net%2F"));
    assert_true(has(last(), "Authorization: Bearer first-CANARY\r\n"));
    assert_true(has(last(), "X-Databricks-Azure-SP-Management-Token: second-CANARY\r\n"));
    assert_true(has(last(), "X-Databricks-Azure-Workspace-Resource-Id: /subscriptions/1/x\r\n"));
}

static void azure_refuses(void **state)
{
    struct workspace_options o = azure();

    (void)state;
    say("/oauth2/token", 1, 401,
        "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: s+/CANARY= bad\"}");
    say("/oauth2/token", 1, 503, "{}");
    open_workspace(&o);
    refused(ERR_DENIED, "ARM_CLIENT_SECRET");
    assert_non_null(strstr(err.text, "AADSTS7000215"));
    refused(ERR_RETRY, "sign-in");
    workspace_renew(ws, secret("new"));
    say("/oauth2/token", 1, 200, "{\"access_token\":\"t\"}");
    ask();
    assert_non_null(strstr(request(server->request_count - 2)->body, "client_secret=new&"));
}

static void clouds_and_their_addresses(void **state)
{
    static const struct {
        const char *environment, *host, *login;
    } rows[] = {
        {NULL, "https://adb-1.2.azuredatabricks.net", "https://login.microsoftonline.com"},
        {NULL, "https://adb-1.2.databricks.azure.us", "https://login.microsoftonline.us"},
        {NULL, "https://adb-1.2.databricks.azure.cn:8443", "https://login.chinacloudapi.cn"},
        {NULL, "https://gateway.example", "https://login.microsoftonline.com"},
        {"China", "https://adb-1.2.azuredatabricks.net", "https://login.chinacloudapi.cn"},
        {"usgovernment", "https://x", "https://login.microsoftonline.us"},
        {"MOON", "https://x", NULL},
    };
    static const struct {
        const char *location, *tenant;
    } tenants[] = {
        {"https://login.microsoftonline.com/0f-a.b/oauth2/authorize", "0f-a.b"},
        {"https://login/0f", "0f"},
        {"/0f/oauth2", "0f"},
        {"https://login", NULL},
        {"https://login/", NULL},
        {"https://login/a%2Fb/x", NULL},
        {"https://login/a:b@c/", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct auth_azure *a = auth_azure_of(rows[i].environment, rows[i].host);

        if (rows[i].login)
            assert_string_equal(a->login, rows[i].login);
        else
            assert_null(a);
    }
    for (size_t i = 0; i < sizeof(tenants) / sizeof(tenants[0]); i++) {
        char out[16] = "";

        assert_int_equal(
            auth_read_tenant(tenants[i].location, out, sizeof(out)), tenants[i].tenant != NULL);
        assert_string_equal(out, tenants[i].tenant ? tenants[i].tenant : "");
    }
}

/* --- discovery --- */

static void the_discovery_address_is_used_exactly(void **state)
{
    char url[96], endpoint[128];
    struct workspace_options o = {
        .client_id = "i", .client_secret = secret("CANARY"), .discovery_url = url};

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/my/discovery?x=1", host);
    (void)snprintf(endpoint, sizeof(endpoint), "{\"token_endpoint\":\"%s/my/token\"}", host);
    say("/my/discovery?x=1", 1, 200, endpoint);
    say("/my/token", 1, 200, "{\"access_token\":\"t\"}");
    open_workspace(&o);
    ask();
    assert_int_equal(server->request_count, 3); /* no metadata */
    assert_string_equal(request(0)->target, "/my/discovery?x=1");
    assert_string_equal(request(1)->target, "/my/token");
    workspace_free(ws);

    /* A wrong one is told, never passed over. */
    o.client_secret = secret("CANARY");
    say("/my/discovery", 1, 404, "{}");
    say("/my/discovery", 1, 200, "{}");
    open_workspace(&o);
    refused(ERR_DENIED, "DATABRICKS_DISCOVERY_URL");
    refused(ERR_DENIED, "no token_endpoint");
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 0);
}

static void a_unified_host_gets_the_workspace_id(void **state)
{
    struct workspace_options o = {
        .client_id = "i", .client_secret = secret("CANARY"), .account_id = "acc-1"};
    char metadata[256], endpoint[128];
    struct workspace_facts facts;

    (void)state;
    (void)snprintf(metadata, sizeof(metadata),
        "{\"oidc_endpoint\":\"%s/oidc/accounts/{account_id}/\",\"workspace_id\":\"99\",\"cloud\":"
        "\"AWS\",\"host_type\":\"unified\"}",
        host);
    (void)snprintf(endpoint, sizeof(endpoint), "{\"token_endpoint\":\"%s/t2\"}", host);
    say("/.well-known/databricks-config", 1, 200, metadata);
    say("/oidc/accounts/acc-1/.well-known/oauth-authorization-server", 1, 200, endpoint);
    say("/t2", 1, 200, "{\"access_token\":\"t\"}");
    open_workspace(&o);
    ask();
    assert_true(has(last(), "X-Databricks-Workspace-Id: 99\r\n"));
    workspace_facts(ws, &facts);
    assert_string_equal(facts.cloud, "AWS");
    assert_string_equal(facts.host_type, "unified");
    assert_string_equal(facts.workspace_id, "99");
    assert_non_null(strstr(facts.token_url, "/t2"));
}

/* A workspace that is not there yet, or a gateway in between: what it says is not kept. */
static void an_outage_at_the_start_is_no_last_word(void **state)
{
    struct workspace_options o = {.client_id = "i", .client_secret = secret("CANARY")};
    char metadata[256], endpoint[128];

    (void)state;
    (void)snprintf(metadata, sizeof(metadata),
        "{\"oidc_endpoint\":\"%s/elsewhere\",\"workspace_id\":\"99\"}", host);
    (void)snprintf(endpoint, sizeof(endpoint), "{\"token_endpoint\":\"%s/t2\"}", host);
    say("/.well-known/databricks-config", 1, 503, "{}");
    say("/oidc/.well-known/oauth-authorization-server", 1, 503, "{}");
    say("/oidc/v1/token", 1, 503, "{}");
    /* Then a token comes from the usual address, but the metadata still does not. */
    say("/.well-known/databricks-config", 1, 429, "{}");
    say("/oidc/.well-known/oauth-authorization-server", 1, 404, "{}");
    say("/oidc/v1/token", 1, 200, "{\"access_token\":\"t\"}");
    say("/.well-known/databricks-config", 1, 200, metadata);
    say("/elsewhere/.well-known/oauth-authorization-server", 1, 200, endpoint);
    say("/t2", 2, 200, "{\"access_token\":\"t\"}");
    open_workspace(&o);
    refused(ERR_RETRY, "sign-in");
    ask();
    workspace_renew(ws, secret("next")); /* the next token */
    ask();
    assert_true(has(last(), "X-Databricks-Workspace-Id: 99\r\n"));
    workspace_renew(ws, secret("third"));
    ask();
    /* This time all was well, and the address is kept. */
    assert_int_equal(server_count(server, "GET", "/.well-known/databricks-config"), 3);
    assert_int_equal(server_count(server, "POST", "/t2"), 2);
}

/* A sign-in page of the network sends us away, too; its path is no tenant for ever. */
static void a_wrong_tenant_is_not_kept(void **state)
{
    struct workspace_options o = azure();

    (void)state;
    o.azure_tenant = NULL;
    server_add(server, (struct server_rule){.match = "/aad/auth",
                           .times = 1,
                           .status = 302,
                           .headers = "Location: https://portal.example.com/login.html\r\n"});
    say("/login.html/oauth2/token", 1, 400, "{\"error\":\"invalid_request\"}");
    server_add(server,
        (struct server_rule){.match = "/aad/auth",
            .times = 1,
            .status = 302,
            .headers = "Location: https://login.microsoftonline.com/0f-ten/oauth2/authorize\r\n"});
    say("/0f-ten/oauth2/token", 1, 200, "{\"access_token\":\"t\"}");
    open_workspace(&o);
    refused(ERR_DENIED, "ARM_TENANT_ID");
    ask();
}

/* --- refused tokens --- */

#define GATEWAY "{\"error_code\":403,\"message\":\"Invalid access token.\"}"

static struct workspace_options service(void)
{
    return (struct workspace_options){.client_id = "i", .client_secret = secret("CANARY")};
}

/* Says what it says to every request but those for a token, until server_clear_rules. */
static void deny_all(int status, const char *body)
{
    server_clear_rules(server);
    say("/scim/v2/Me", 0, status, body);
}

static void work_again(void)
{
    server_clear_rules(server);
    say("/scim/v2/Me", 0, 200, "{\"id\":\"7\"}");
}

/* A workspace that was restarted, or a token that was revoked: the next one is good. */
static void a_token_that_is_not_known_any_more_is_replaced(void **state)
{
    static const struct {
        int status;
        const char *type, *body;
    } rows[] = {
        {401, "application/json", "{\"error_code\":401,\"message\":\"Token is expired.\"}"},
        {403, "application/json", GATEWAY},
        {403, "application/json", "{\"error_code\":\"403\",\"message\":\"Invalid access token.\"}"},
        {403, "text/html", "<html><title>Error 403 Invalid access token.</title></html>"},
        {403, "text/plain", ""}, /* as to a HEAD */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct workspace_options o = service();
        char type[64];
        int before;

        work_again();
        open_workspace(&o);
        ask();
        before = server->tokens;
        (void)snprintf(type, sizeof(type), "Content-Type: %s\r\n", rows[i].type);
        server_clear_rules(server);
        server_add(server, (struct server_rule){.match = "/scim/v2/Me",
                               .times = 1,
                               .status = rows[i].status,
                               .headers = type,
                               .body = rows[i].body});
        say("/scim/v2/Me", 0, 200, "{\"id\":\"7\"}");
        ask();
        assert_int_equal(server->tokens, before + 1);
        (void)snprintf(type, sizeof(type), "Bearer access-CANARY-token.%d\r\n", before + 1);
        assert_true(has(last(), type));
        workspace_free(ws);
        ws = NULL;
    }
}

/* Whatever the cause is: the token endpoint is asked once a minute, not at each attempt. */
static void a_lasting_refusal_asks_for_a_token_once_a_minute(void **state)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {{401, "{\"error_code\":401,\"message\":\"No.\"}"}, {403, GATEWAY}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct workspace_options o = service();
        int before;

        open_workspace(&o);
        deny_all(rows[i].status, rows[i].body);
        before = server->tokens;
        for (int minute = 0; minute < 3; minute++) {
            for (int j = 0; j < 4; j++)
                refused(ERR_DENIED, "who am I: 40");
            assert_int_equal(server->tokens, before + 2 + minute); /* the first, and one each */
            waited_us += 59 * CLOCK_SECOND_US;
            refused(ERR_DENIED, "who am I: 40");
            assert_int_equal(server->tokens, before + 2 + minute);
            waited_us += CLOCK_SECOND_US;
        }
        work_again();
        ask(); /* and nobody has to do anything */
        workspace_free(ws);
        ws = NULL;
    }
}

/* Another token of the same principal has no other rights and comes from no other address. */
static void a_missing_grant_asks_for_no_token(void **state)
{
    static const char *const rows[] = {
        "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"User does not have WRITE VOLUME\"}",
        "{\"error_code\":403,\"message\":\"Source IP address: 1.2.3.4 is blocked by Databricks IP "
        "ACL for workspace: 7\"}",
    };
    struct workspace_options o = service();

    (void)state;
    open_workspace(&o);
    ask();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        deny_all(403, rows[i]);
        refused(ERR_DENIED, "403");
        waited_us += 3600 * CLOCK_SECOND_US / 4;
        refused(ERR_DENIED, "403");
    }
    assert_int_equal(server->tokens, 1);
}

/* SIGHUP: whatever the service thinks of the one we hold, a person wants a fresh start. */
static void the_same_secret_renewed_forgets_the_token(void **state)
{
    struct workspace_options o = service(), pat = {.token = secret("dapi-CANARY")};
    int before;

    (void)state;
    open_workspace(&o);
    ask();
    ask();
    assert_int_equal(server->tokens, 1);
    workspace_renew(ws, NULL);
    ask();
    assert_int_equal(server->tokens, 2);
    assert_true(has(last(), "Bearer access-CANARY-token.2\r\n"));
    workspace_free(ws);

    open_workspace(&pat);
    workspace_renew(ws, NULL);
    ask();
    assert_true(has(last(), "Bearer dapi-CANARY\r\n"));
    deny_all(403, GATEWAY);
    before = server->request_count;
    refused(ERR_DENIED, "check the token");
    assert_int_equal(server->request_count, before + 1); /* there is no other one */
}

static void claims_of_a_jwt(void **state)
{
    struct auth_claims claims;
    static const char *const bad[] = {
        "", ".", "..", "a", "a.b", "a.!!.c", "a..c", "a.W10.c", "a.eyJ.c"};

    (void)state;
    assert_true(auth_read_claims(span_of(JWT_ONE), "A2", &claims));
    assert_string_equal(claims.issuer, "https://idp");
    assert_string_equal(claims.subject, "repo:x");
    assert_string_equal(claims.audience, "A1");
    assert_true(claims.audience_is);
    assert_true(claims.until_us == INT64_C(1767225600) * CLOCK_SECOND_US);
    assert_true(auth_read_claims(span_of(JWT_ONE), NULL, &claims));
    assert_false(claims.audience_is);
    assert_true(auth_read_claims(span_of(JWT_TWO), "A", &claims));
    assert_string_equal(claims.issuer, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(auth_read_claims(span_of(bad[i]), NULL, &claims));
}

static void options_that_are_not_whole(void **state)
{
    struct workspace_options rows[] = {
        {.sign_in = SIGN_IN_PAT},
        {.sign_in = SIGN_IN_PAT, .client_secret = secret("s")},
        {.sign_in = SIGN_IN_OAUTH_M2M, .client_secret = secret("s")},
        {.sign_in = SIGN_IN_OAUTH_M2M, .client_id = "i"},
        {.sign_in = SIGN_IN_ENV_OIDC, .token = secret("s")},
        {.sign_in = SIGN_IN_FILE_OIDC, .oidc_token = secret("s")},
        {.sign_in = SIGN_IN_AZURE_CLIENT_SECRET, .client_id = "i"},
        {.sign_in = SIGN_IN_PAT, .token = secret("s"), .client_key_file = "k"},
        {.sign_in = SIGN_IN_PAT, .token = secret("s"), .discovery_url = "http://h/"},
        {.sign_in = SIGN_IN_PAT, .token = secret("s"), .azure_login = "http://h/"},
        {.sign_in = SIGN_IN_AZURE_CLIENT_SECRET,
            .client_id = "i",
            .client_secret = secret("s"),
            .azure_environment = "MOON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].host = host;
        assert_null(workspace_new(&rows[i], &err)); /* and the secrets are freed: asan looks */
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(env_oidc_exchanges_the_token),
        TEST(the_token_file_is_read_again),
        TEST(a_refused_federation_token_says_what_it_is),
        TEST(a_token_for_somebody_else_is_not_sent),
        TEST(a_word_that_is_no_jwt_is_left_to_the_service),
        TEST(azure_with_a_tenant),
        TEST(azure_asks_the_workspace_for_its_tenant),
        TEST(a_workspace_without_tenant),
        TEST(azure_with_a_resource_id),
        TEST(azure_refuses),
        TEST(clouds_and_their_addresses),
        TEST(the_discovery_address_is_used_exactly),
        TEST(a_unified_host_gets_the_workspace_id),
        TEST(an_outage_at_the_start_is_no_last_word),
        TEST(a_wrong_tenant_is_not_kept),
        TEST(a_token_that_is_not_known_any_more_is_replaced),
        TEST(a_lasting_refusal_asks_for_a_token_once_a_minute),
        TEST(a_missing_grant_asks_for_no_token),
        TEST(the_same_secret_renewed_forgets_the_token),
        TEST(claims_of_a_jwt),
        TEST(options_that_are_not_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
