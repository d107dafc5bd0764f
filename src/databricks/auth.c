#include "base/clock.h"
#include "databricks/auth_private.h"
#include "databricks/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define AZURE_DATABRICKS "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d" /* the same for everybody */

/* NULL stays NULL. */
static bool copy_text(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

struct auth *auth_new(struct http *http, const struct auth_options *o, struct err *err)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (a) {
        a->http = http;
        a->method = o->method;
        a->secret = o->secret;
        a->retry_after_us = -1;
    } else {
        secret_free(o->secret);
    }
    if (!a || !copy_text(&a->host, o->host) || !copy_text(&a->client_id, o->client_id) ||
        !copy_text(&a->token_file, o->token_file) || !copy_text(&a->audience, o->audience) ||
        !copy_text(&a->discovery_url, o->discovery_url) ||
        !copy_text(&a->account_id, o->account_id) ||
        !copy_text(&a->azure_tenant, o->azure_tenant) ||
        !copy_text(&a->azure_environment, o->azure_environment) ||
        !copy_text(&a->azure_login, o->azure_login) ||
        !copy_text(&a->azure_resource_id, o->azure_resource_id)) {
        auth_free(a);
        err_set(err, ERR_FULL, 0, "no memory for the sign-in");
        return NULL;
    }
    if (a->method == SIGN_IN_AZURE_CLIENT_SECRET && !auth_azure_of(a->azure_environment, a->host)) {
        err_set(err, ERR_INPUT, 0,
            "ARM_ENVIRONMENT is none of PUBLIC, USGOVERNMENT, CHINA: correct it");
        auth_free(a);
        return NULL;
    }
    return a;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    http_drop(a->call);
    secret_free(a->secret);
    secret_free(a->subject);
    secret_free(a->access);
    secret_free(a->fresh);
    secret_free(a->management);
    free(a->host);
    free(a->client_id);
    free(a->token_file);
    free(a->audience);
    free(a->discovery_url);
    free(a->account_id);
    free(a->azure_tenant);
    free(a->azure_environment);
    free(a->azure_login);
    free(a->azure_resource_id);
    free(a);
}

bool auth_needs_token(const struct auth *a)
{
    return a->method != SIGN_IN_PAT;
}

void auth_forget(struct auth *a)
{
    secret_free(a->access);
    a->access = NULL;
    a->pause_us = 0;
}

void auth_renew(struct auth *a, struct secret *secret)
{
    if (secret) {
        secret_free(a->secret);
        a->secret = secret;
    } else if (!auth_needs_token(a)) {
        return;
    }
    http_drop(a->call); /* it runs with the old one */
    a->call = NULL;
    a->phase = PHASE_REST;
    auth_forget(a);
    a->generation++;
}

/* --- what goes onto the wire --- */

/* libcurl wants a C string; ours is wiped again, libcurl's lives as long as the request. */
static bool with_text(struct span secret, CURL *easy, CURLoption option, struct err *err)
{
    char *text = secret.len ? malloc(secret.len + 1) : NULL;
    bool ok = false;

    if (!text)
        return err_set(err, secret.len ? ERR_FULL : ERR_DENIED, 0, "the token or secret is empty");
    memcpy(text, secret.data, secret.len);
    text[secret.len] = '\0';
    for (size_t i = 0; i < secret.len; i++) {
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f) {
            err_set(err, ERR_DENIED, 0,
                "the token or secret holds a blank or a control character: check how it was "
                "stored");
            goto out;
        }
    }
    ok = curl_easy_setopt(easy, option, text) == CURLE_OK;
    if (!ok)
        err_set(err, ERR_FULL, 0, "no memory for the sign-in");
out:
    explicit_bzero(text, secret.len);
    free(text);
    return ok;
}

/* Azure, when the workspace's resource id is configured: the principal may not be known to the
 * workspace yet, and is let in by its rights on the resource. */
static bool sign_azure(const struct auth *a, struct http_call *call, struct err *err)
{
    static const char name[] = "X-Databricks-Azure-SP-Management-Token: ";
    struct span token = secret_reveal(a->management);
    char *line = malloc(sizeof(name) + token.len);
    struct buf resource;
    bool ok;

    buf_init(&resource, 4096);
    (void)buf_printf(
        &resource, "X-Databricks-Azure-Workspace-Resource-Id: %s", a->azure_resource_id);
    ok = line && !resource.failed;
    if (ok) {
        memcpy(line, name, sizeof(name) - 1);
        memcpy(line + sizeof(name) - 1, token.data, token.len);
        line[sizeof(name) - 1 + token.len] = '\0';
        ok = http_add_header(call, line) && http_add_header(call, buf_text(&resource));
        explicit_bzero(line, sizeof(name) + token.len);
    }
    free(line);
    buf_done(&resource);
    return ok || err_set(err, ERR_FULL, 0, "no memory for the sign-in");
}

bool auth_sign(void *auth, struct http_call *call, void *easy, struct err *err)
{
    const struct auth *a = auth;
    const struct secret *token = auth_needs_token(a) ? a->access : a->secret;

    if (!token)
        return err_set(err, ERR_RETRY, 0, "no access token yet");
    if (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER) != CURLE_OK)
        return err_set(err, ERR_FULL, 0, "no memory for the sign-in");
    if (a->management && a->azure_resource_id && !sign_azure(a, call, err))
        return false;
    return with_text(secret_reveal(token), easy, CURLOPT_XOAUTH2_BEARER, err);
}

bool auth_sign_basic(void *auth, struct http_call *call, void *easy, struct err *err)
{
    const struct auth *a = auth;

    (void)call;
    if (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_USERNAME, a->client_id) != CURLE_OK)
        return err_set(err, ERR_FULL, 0, "no memory for the sign-in");
    return with_text(secret_reveal(a->secret), easy, CURLOPT_PASSWORD, err);
}

void auth_wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->size);
    buf_done(buf);
}

/* Federation: the token as it is now, and what it says of itself (never the token). */
static const struct secret *subject_token(struct auth *a, struct err *err)
{
    const struct secret *token = a->secret;
    struct auth_claims claims;
    char until[CLOCK_TEXT_SIZE] = "not said";
    bool exposed;

    if (a->method == SIGN_IN_FILE_OIDC) {
        secret_free(a->subject);
        token = a->subject = secret_from_file(a->token_file, &exposed, err);
        if (!token) {
            err->kind = err->kind == ERR_FULL ? ERR_FULL : ERR_DENIED;
            (void)err_wrap(err, "federation token (DATABRICKS_OIDC_TOKEN_FILEPATH)");
            return NULL;
        }
    }
    a->token_says[0] = '\0';
    if (!auth_read_claims(secret_reveal(token), a->audience, &claims))
        return token; /* the service judges what it is */
    if (claims.until_us)
        (void)clock_text(until, claims.until_us);
    (void)snprintf(a->token_says, sizeof(a->token_says),
        "until %.20s, audience %.30s, subject %.30s, issuer %.30s", until, claims.audience,
        claims.subject, claims.issuer);
    if (a->audience && !claims.audience_is) {
        err_set(err, ERR_DENIED, 0,
            "the federation token is not for the audience of DATABRICKS_TOKEN_AUDIENCE (%s)",
            a->token_says);
        return NULL;
    }
    return token;
}

static void add_field(struct buf *out, const char *name, struct span value)
{
    (void)buf_printf(out, "%s%s=", out->len ? "&" : "", name);
    (void)url_add_value(out, value);
}

/* The room is reserved at once: a buffer that grows leaves copies behind. */
static bool reserve(struct buf *out, size_t secret_len, struct err *err)
{
    return buf_reserve(out, secret_len * 3 + 4096) ||
           err_set(err, ERR_FULL, 0, "no memory for the sign-in");
}

static bool azure_body(struct auth *a, const char *resource, struct buf *out, struct err *err)
{
    struct span secret = secret_reveal(a->secret);

    if (!reserve(out, secret.len, err))
        return false;
    add_field(out, "grant_type", span_of("client_credentials"));
    add_field(out, "client_id", span_of(a->client_id));
    add_field(out, "client_secret", secret);
    add_field(out, "resource", span_of(resource ? resource : AZURE_DATABRICKS));
    return buf_check(out, "sign-in", err);
}

static bool exchange_body(struct auth *a, struct buf *out, struct err *err)
{
    const struct secret *token = subject_token(a, err);

    if (!token || !reserve(out, secret_reveal(token).len, err))
        return false;
    add_field(out, "grant_type", span_of("urn:ietf:params:oauth:grant-type:token-exchange"));
    add_field(out, "subject_token_type", span_of("urn:ietf:params:oauth:token-type:jwt"));
    add_field(out, "subject_token", secret_reveal(token));
    add_field(out, "scope", span_of("all-apis"));
    if (a->client_id)
        add_field(out, "client_id", span_of(a->client_id));
    return buf_check(out, "sign-in", err);
}

bool auth_token_body(struct auth *a, const char *resource, struct buf *out, struct err *err)
{
    if (a->method == SIGN_IN_AZURE_CLIENT_SECRET)
        return azure_body(a, resource, out, err);
    if (a->method != SIGN_IN_OAUTH_M2M)
        return exchange_body(a, out, err);
    add_field(out, "grant_type", span_of("client_credentials"));
    add_field(out, "scope", span_of("all-apis"));
    return buf_check(out, "sign-in", err);
}

static void hide_one(const struct secret *secret, char *data, size_t len)
{
    struct span s;
    char *end = data + len;

    if (!secret)
        return;
    s = secret_reveal(secret);
    while (s.len && (size_t)(end - data) >= s.len) {
        char *found = memmem(data, (size_t)(end - data), s.data, s.len);

        if (!found)
            return;
        memset(found, '*', s.len);
        data = found + s.len;
    }
}

void auth_hide(const void *auth, char *data, size_t len)
{
    const struct auth *a = auth;

    hide_one(a->secret, data, len);
    hide_one(a->subject, data, len);
    hide_one(a->access, data, len);
    hide_one(a->fresh, data, len);
    hide_one(a->management, data, len);
}

/* --- what can be shown --- */

const struct err *auth_error(const struct auth *a)
{
    return &a->err;
}

int64_t auth_retry_after_us(const struct auth *a)
{
    return a->retry_after_us;
}

uint64_t auth_generation(const struct auth *a)
{
    return a->generation;
}

const char *auth_name(const struct auth *a)
{
    return sign_in_name(a->method);
}

const char *auth_workspace_id(const struct auth *a)
{
    return a->metadata.workspace_id;
}

void auth_facts(const struct auth *a, struct workspace_facts *ret)
{
    *ret = (struct workspace_facts){.method = auth_name(a),
        .token_url = a->token_url,
        .workspace_id = a->metadata.workspace_id,
        .cloud = a->metadata.cloud,
        .host_type = a->metadata.host_type,
        .tenant = a->azure_tenant ? a->azure_tenant : a->tenant};
    (void)str_copy(ret->token_says, sizeof(ret->token_says), a->token_says);
}
