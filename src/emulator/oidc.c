#include "emulator/auth.h"
#include "emulator/scim.h"

#include <stdio.h>

/* GET /.well-known/databricks-config: databricks-api.md 1.2, step 1. */
void oidc_host(struct request *req)
{
    struct json_out json;
    struct buf url;

    buf_init(&url, 512);
    request_base(req, &url);
    buf_add_text(&url, "/oidc");
    reply_json(req, 200, &json);
    json_out_object(&json);
    reply_json_buf(&json, "oidc_endpoint", &url);
    json_key_text(&json, "workspace_id", SCIM_WORKSPACE_ID);
    json_key_text(&json, "cloud", "AWS");
    json_key_text(&json, "host_type", "workspace");
    json_out_object_end(&json);
    buf_done(&url);
}

static void add_url(struct json_out *json, struct request *req, const char *key, const char *end)
{
    static const char tail[] = "/.well-known/oauth-authorization-server";
    struct buf url;

    buf_init(&url, 8192);
    request_base(req, &url);
    /* "/oidc" or "/oidc/accounts/<id>": what the client asked below. */
    buf_add(&url, req->path.data, req->path.len - strlen(tail));
    buf_add_text(&url, end);
    reply_json_buf(json, key, &url);
    buf_done(&url);
}

/* GET .../.well-known/oauth-authorization-server: step 2. */
void oidc_server(struct request *req)
{
    struct json_out json;

    reply_json(req, 200, &json);
    json_out_object(&json);
    add_url(&json, req, "authorization_endpoint", "/v1/authorize");
    add_url(&json, req, "token_endpoint", "/v1/token");
    json_out_object_end(&json);
}

/* OAuth has error bodies of its own (RFC 6749 5.2). */
static void oidc_error(struct request *req, int status, const char *error, const char *text)
{
    struct json_out json;

    reply_json(req, status, &json);
    json_out_object(&json);
    json_key_text(&json, "error", error);
    json_key_text(&json, "error_description", text);
    json_out_object_end(&json);
}

static void answer_token(struct request *req, struct span scope)
{
    char token[TOKEN_SIZE];
    struct err err = {0};
    struct json_out json;
    int64_t seconds = tokens_life_us(req->emu->tokens) / 1000000;

    if (!tokens_issue(req->emu->tokens, req->principal, token, &err)) {
        oidc_error(req, 503, "temporarily_unavailable", err.text);
        return;
    }
    atomic_fetch_add(&req->emu->count.tokens, 1);
    reply_json(req, 200, &json);
    json_out_object(&json);
    json_key_text(&json, "access_token", token);
    json_key_text(&json, "token_type", "Bearer");
    if (req->fault && req->fault->string_expiry) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%lld", (long long)seconds);
        json_key_text(&json, "expires_in", text);
    } else {
        json_key_int(&json, "expires_in", seconds);
    }
    json_key(&json, "scope");
    json_span(&json, scope);
    json_out_object_end(&json);
    reply_header(req, "Cache-Control", "no-store");
}

/* POST /oidc/v1/token: step 3. */
void oidc_token(struct request *req)
{
    struct span form = {req->body.data, req->body.len};
    struct buf grant, scope;
    bool found;

    buf_init(&grant, 256);
    buf_init(&scope, 1024);
    if (!path_query(form, "grant_type", &grant, &found) || !found) {
        oidc_error(req, 400, "invalid_request", "grant_type is missing");
    } else if (!span_is((struct span){grant.data, grant.len}, "client_credentials")) {
        oidc_error(req, 400, "unsupported_grant_type", "only client_credentials is served here");
    } else if (!auth_client(req)) {
        atomic_fetch_add(&req->emu->count.denied, 1);
        oidc_error(req, 401, "invalid_client", "Client authentication failed");
    } else if (!path_query(form, "scope", &scope, &found) || !scope.len) {
        oidc_error(req, 400, "invalid_scope", "scope is missing");
    } else {
        answer_token(req, (struct span){scope.data, scope.len});
    }
    buf_done(&grant);
    buf_done(&scope);
}
