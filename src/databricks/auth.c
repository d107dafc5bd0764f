#include "databricks/auth.h"

#include "base/clock.h"
#include "databricks/error.h"
#include "databricks/host.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define LIFE_DEFAULT_US (3600 * CLOCK_SECOND_US)
#define LIFE_MAX_US (INT64_C(366) * CLOCK_DAY_US)
#define AHEAD_US (300 * CLOCK_SECOND_US) /* ask for the next one this early */
#define DEAD_US (40 * CLOCK_SECOND_US)   /* some services refuse the last seconds */
#define PAUSE_US (60 * CLOCK_SECOND_US)  /* after a failed refresh while the old one lives */
#define LOOKUP_US (5 * CLOCK_SECOND_US)
#define TOKEN_US (60 * CLOCK_SECOND_US)
#define BODY_MAX ((size_t)256 << 10)
#define URL_SIZE 512

enum phase { PHASE_REST, PHASE_METADATA, PHASE_DISCOVERY, PHASE_TOKEN };

struct auth {
    struct http *http;
    char *host, *client_id;
    struct secret *secret; /* the PAT or the client secret */
    struct secret *access; /* NULL: none */
    uint64_t generation, failures;
    int64_t ahead_us, dead_us, pause_us; /* boot time: refresh, useless, no refresh before */
    enum phase phase;
    struct http_call *call;
    bool found; /* token_url is settled */
    char token_url[URL_SIZE], oidc[URL_SIZE], workspace_id[32];
    struct err err;
    int64_t retry_after_us;
};

struct auth *auth_new(struct http *http, const char *host, const char *client_id,
    struct secret *secret, struct err *err)
{
    struct auth *a = calloc(1, sizeof(*a));

    if (a) {
        a->http = http;
        a->secret = secret;
        a->retry_after_us = -1;
        a->host = strdup(host);
        a->client_id = client_id ? strdup(client_id) : NULL;
    } else {
        secret_free(secret);
    }
    if (!a || !a->host || (client_id && !a->client_id)) {
        auth_free(a);
        err_set(err, ERR_FULL, 0, "no memory for the sign-in");
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
    secret_free(a->access);
    free(a->host);
    free(a->client_id);
    free(a);
}

static void forget(struct auth *a)
{
    secret_free(a->access);
    a->access = NULL;
    a->pause_us = 0;
}

void auth_renew(struct auth *a, struct secret *secret)
{
    secret_free(a->secret);
    a->secret = secret;
    http_drop(a->call); /* it runs with the old one */
    a->call = NULL;
    a->phase = PHASE_REST;
    forget(a);
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

bool auth_sign(void *auth, void *easy, struct err *err)
{
    const struct auth *a = auth;
    const struct secret *token = a->client_id ? a->access : a->secret;

    if (!token)
        return err_set(err, ERR_RETRY, 0, "no access token yet");
    if (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER) != CURLE_OK)
        return err_set(err, ERR_FULL, 0, "no memory for the sign-in");
    return with_text(secret_reveal(token), easy, CURLOPT_XOAUTH2_BEARER, err);
}

static bool sign_basic(void *auth, void *easy, struct err *err)
{
    const struct auth *a = auth;

    if (curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_USERNAME, a->client_id) != CURLE_OK)
        return err_set(err, ERR_FULL, 0, "no memory for the sign-in");
    return with_text(secret_reveal(a->secret), easy, CURLOPT_PASSWORD, err);
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
    hide_one(a->access, data, len);
}

/* --- what comes back --- */

static int64_t life_of(const json_t *value)
{
    uint64_t seconds;

    if (json_is_integer(value) && json_integer_value(value) > 0)
        seconds = (uint64_t)json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) >= 1 && json_real_value(value) < 1e9)
        seconds = (uint64_t)json_real_value(value);
    else if (!json_is_string(value) ||
             !str_u64((struct span){json_string_value(value), json_string_length(value)}, &seconds))
        return LIFE_DEFAULT_US;
    if (seconds == 0)
        return LIFE_DEFAULT_US;
    return seconds < (uint64_t)(LIFE_MAX_US / CLOCK_SECOND_US) ? (int64_t)seconds * CLOCK_SECOND_US
                                                               : LIFE_MAX_US;
}

bool auth_read_token(struct span body, struct secret **ret, int64_t *ret_life_us, struct err *err)
{
    json_error_t error; /* its text quotes the body: never shown */
    json_t *root = body.len ? json_loadb(body.data, body.len, JSON_ALLOW_NUL, &error) : NULL;
    const json_t *token = json_object_get(root, "access_token");
    struct secret *secret = NULL;

    if (json_is_string(token) && json_string_length(token) > 0) {
        secret =
            secret_new((struct span){json_string_value(token), json_string_length(token)}, err);
        /* jansson frees its copy without wiping. */
        explicit_bzero((void *)(uintptr_t)json_string_value(token), json_string_length(token));
    } else {
        err_set(err, ERR_RETRY, 0, "the sign-in answer holds no access_token");
    }
    if (secret) {
        *ret_life_us = life_of(json_object_get(root, "expires_in"));
        *ret = secret;
    }
    explicit_bzero(&error, sizeof(error));
    json_decref(root);
    return secret != NULL;
}

static bool same_origin(const char *url, const char *host)
{
    size_t len = strlen(host);

    return strncmp(url, host, len) == 0 && (url[len] == '/' || url[len] == '\0');
}

bool auth_read_endpoint(struct span body, const char *key, const char *host, char *out, size_t size)
{
    json_error_t error;
    json_t *root = body.len ? json_loadb(body.data, body.len, 0, &error) : NULL;
    const char *url = json_string_value(json_object_get(root, key));
    const char *account = json_string_value(json_object_get(root, "account_id"));
    const char *gap = url ? strstr(url, "{account_id}") : NULL;
    char text[URL_SIZE];
    bool ok = false;
    int n = -1;

    if (gap && account)
        n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(gap - url), url, account, gap + 12);
    else if (url && !gap)
        n = snprintf(text, sizeof(text), "%s", url);
    if (n > 0 && (size_t)n < sizeof(text) && (size_t)n < size) {
        while (n > 1 && text[n - 1] == '/')
            text[--n] = '\0';
        ok = strncmp(text, "https://", 8) == 0 || (same_origin(text, host) && host_url_safe(text));
        for (int i = 0; i < n; i++)
            ok = ok && text[i] > 0x20 && text[i] < 0x7f;
    }
    if (ok)
        (void)str_copy(out, size, text);
    json_decref(root);
    return ok;
}

/* --- the fetch: [metadata -> discovery ->] token --- */

static bool start(struct auth *a, enum phase phase, struct err *err)
{
    static const char body[] = "grant_type=client_credentials&scope=all-apis";
    char url[URL_SIZE + 64];
    struct http_request r = {.method = HTTP_GET,
        .url = url,
        .total_us = LOOKUP_US,
        .answer_max = BODY_MAX,
        .headers = {"Accept: application/json"}};

    if (phase == PHASE_METADATA) {
        (void)snprintf(url, sizeof(url), "%s/.well-known/databricks-config", a->host);
    } else if (phase == PHASE_DISCOVERY) {
        (void)snprintf(url, sizeof(url), "%s/.well-known/oauth-authorization-server", a->oidc);
    } else {
        (void)snprintf(url, sizeof(url), "%s", a->token_url);
        r.method = HTTP_POST;
        r.headers[1] = "Content-Type: application/x-www-form-urlencoded";
        r.body = span_of(body);
        r.total_us = TOKEN_US;
        r.sign = sign_basic;
        r.sign_arg = a;
    }
    a->call = http_start(a->http, &r, err);
    a->phase = a->call ? phase : PHASE_REST;
    return a->call != NULL;
}

static void failed(struct auth *a, const struct err *err)
{
    a->err = *err;
    a->failures++;
    a->pause_us = clock_boot_us() + PAUSE_US;
}

/* Best effort: whatever goes wrong here, the usual address is asked, and its answer counts. */
static void after_metadata(struct auth *a, const struct http_answer *answer)
{
    struct span body = {answer->body.data, answer->body.len};
    char id[sizeof(a->workspace_id)];

    (void)snprintf(a->oidc, sizeof(a->oidc), "%s/oidc", a->host);
    (void)snprintf(a->token_url, sizeof(a->token_url), "%s/oidc/v1/token", a->host);
    if (answer->curl != CURLE_OK || answer->status != 200)
        return;
    (void)auth_read_endpoint(body, "oidc_endpoint", a->host, a->oidc, sizeof(a->oidc));
    if (body.len) {
        json_error_t error;
        json_t *root = json_loadb(body.data, body.len, 0, &error);
        const char *text = json_string_value(json_object_get(root, "workspace_id"));
        uint64_t number;

        if (text && str_u64(span_of(text), &number) && str_copy(id, sizeof(id), text))
            memcpy(a->workspace_id, id, sizeof(id));
        json_decref(root);
    }
}

static void after_discovery(struct auth *a, const struct http_answer *answer)
{
    struct span body = {answer->body.data, answer->body.len};

    if (answer->curl == CURLE_OK && answer->status == 200)
        (void)auth_read_endpoint(
            body, "token_endpoint", a->host, a->token_url, sizeof(a->token_url));
    a->found = answer->curl == CURLE_OK;
}

static bool judge_token(struct auth *a, const struct http_answer *answer, struct err *err)
{
    static const struct error_words words = {.what = "sign-in",
        .grant = "the client id or secret is refused: check or renew them",
        .missing = "no sign-in there: check the host setting"};
    struct api_error api;

    if (error_judge(answer, &words, auth_hide, a, &api, err))
        return true;
    a->retry_after_us = api.retry_after_us;
    if (api.class == CLASS_BAD || api.class == CLASS_DENIED) {
        char said[sizeof(err->text)];

        memcpy(said, err->text, sizeof(said));
        err_set(err, ERR_DENIED, api.status,
            "client id or secret refused: check DATABRICKS_CLIENT_ID and "
            "DATABRICKS_CLIENT_SECRET: %s",
            said);
    }
    return false;
}

static void after_token(struct auth *a, struct http_call *call)
{
    const struct http_answer *answer = http_answer(call);
    struct secret *access = NULL;
    int64_t life = 0, now = clock_boot_us();
    struct err err = {.kind = ERR_NONE};

    a->retry_after_us = -1;
    if (judge_token(a, answer, &err) &&
        auth_read_token((struct span){answer->body.data, answer->body.len}, &access, &life, &err)) {
        secret_free(a->access);
        a->access = access;
        a->generation++;
        a->pause_us = 0;
        a->ahead_us = now + life - (life / 2 < AHEAD_US ? life / 2 : AHEAD_US);
        a->dead_us = now + life - (life / 4 < DEAD_US ? life / 4 : DEAD_US);
    } else {
        failed(a, &err);
    }
    if (http_body(call)->data)
        explicit_bzero(http_body(call)->data, http_body(call)->size);
}

void auth_advance(struct auth *a)
{
    struct http_call *call = a->call;
    enum phase phase = a->phase, next = PHASE_TOKEN;
    struct err err;

    if (!call || !http_finished(call))
        return;
    a->call = NULL;
    a->phase = PHASE_REST;
    if (phase == PHASE_METADATA) {
        after_metadata(a, http_answer(call));
        next = http_answer(call)->curl == CURLE_OK ? PHASE_DISCOVERY : PHASE_TOKEN;
    } else if (phase == PHASE_DISCOVERY) {
        after_discovery(a, http_answer(call));
    } else {
        after_token(a, call);
    }
    http_drop(call);
    if (phase != PHASE_TOKEN && !start(a, next, &err))
        failed(a, &err);
}

enum auth_ready auth_ready(struct auth *a, uint64_t *seen)
{
    int64_t now = clock_boot_us();
    bool usable = !a->client_id || (a->access && now < a->dead_us);
    bool due = a->client_id && (!usable || (now >= a->ahead_us && now >= a->pause_us));
    struct err err;

    if (*seen == 0)
        *seen = a->failures + 1; /* failures before this request are none of its own */
    if (!usable && a->failures + 1 != *seen) {
        *seen = 0;
        return AUTH_FAILED;
    }
    if (due && a->phase == PHASE_REST && !start(a, a->found ? PHASE_TOKEN : PHASE_METADATA, &err))
        failed(a, &err);
    if (usable)
        return AUTH_READY;
    if (a->failures + 1 != *seen) {
        *seen = 0;
        return AUTH_FAILED;
    }
    return AUTH_BUSY;
}

const struct err *auth_error(const struct auth *a)
{
    return &a->err;
}

int64_t auth_retry_after_us(const struct auth *a)
{
    return a->retry_after_us;
}

bool auth_reject(struct auth *a, uint64_t generation)
{
    if (!a->client_id)
        return a->generation != generation; /* renewed meanwhile */
    if (a->generation == generation)
        forget(a);
    return true;
}

uint64_t auth_generation(const struct auth *a)
{
    return a->generation;
}

const char *auth_name(const struct auth *a)
{
    return a->client_id ? "oauth-m2m" : "pat";
}

const char *auth_workspace_id(const struct auth *a)
{
    return a->workspace_id;
}
