#include "base/clock.h"
#include "databricks/auth_private.h"
#include "databricks/error.h"
#include "databricks/host.h"

#include <curl/curl.h>
#include <stdio.h>

#define AHEAD_US (300 * CLOCK_SECOND_US) /* ask for the next one this early */
#define DEAD_US (40 * CLOCK_SECOND_US)   /* some services refuse the last seconds */
#define PAUSE_US (60 * CLOCK_SECOND_US)  /* after a failed refresh while the old one lives */
#define REJECT_US (60 * CLOCK_SECOND_US) /* a missing grant must not hammer the token endpoint */
#define LOOKUP_US (5 * CLOCK_SECOND_US)
#define TOKEN_US (60 * CLOCK_SECOND_US)
#define ANSWER_MAX ((size_t)256 << 10)
#define BODY_MAX ((size_t)512 << 10)

static const struct auth_azure *azure(const struct auth *a)
{
    return auth_azure_of(a->azure_environment, a->host);
}

static bool is_azure(const struct auth *a)
{
    return a->method == SIGN_IN_AZURE_CLIENT_SECRET;
}

/* "https://login.../<tenant>/oauth2/token" */
static void set_azure_url(struct auth *a, const char *tenant)
{
    const char *login = a->azure_login ? a->azure_login : azure(a)->login;
    size_t len = strlen(login);

    while (len && login[len - 1] == '/')
        len--;
    (void)snprintf(
        a->token_url, sizeof(a->token_url), "%.*s/%s/oauth2/token", (int)len, login, tenant);
    a->sure = true;
}

static enum auth_phase first_phase(struct auth *a)
{
    if (a->found)
        return PHASE_TOKEN;
    if (is_azure(a) && a->azure_tenant) {
        set_azure_url(a, a->azure_tenant);
        return PHASE_TOKEN;
    }
    if (is_azure(a))
        return PHASE_TENANT;
    return a->discovery_url ? PHASE_DISCOVERY : PHASE_METADATA;
}

/* --- the request --- */

static void phase_url(const struct auth *a, enum auth_phase phase, char *out, size_t size)
{
    switch (phase) {
    case PHASE_METADATA:
        (void)snprintf(out, size, "%s/.well-known/databricks-config", a->host);
        break;
    case PHASE_DISCOVERY:
        if (a->discovery_url)
            (void)snprintf(out, size, "%s", a->discovery_url);
        else
            (void)snprintf(out, size, "%s/.well-known/oauth-authorization-server", a->oidc);
        break;
    case PHASE_TENANT:
        (void)snprintf(out, size, "%s/aad/auth", a->host);
        break;
    case PHASE_TOKEN:
    case PHASE_MANAGEMENT:
    case PHASE_REST:
        (void)snprintf(out, size, "%s", a->token_url);
        break;
    }
}

static bool start(struct auth *a, enum auth_phase phase, struct err *err)
{
    char url[AUTH_URL_SIZE + 512];
    struct http_request r = {.method = HTTP_GET,
        .url = url,
        .total_us = LOOKUP_US,
        .answer_max = ANSWER_MAX,
        .headers = {"Accept: application/json"}};
    struct buf body;

    buf_init(&body, BODY_MAX);
    phase_url(a, phase, url, sizeof(url));
    if (phase == PHASE_TOKEN || phase == PHASE_MANAGEMENT) {
        if (!auth_token_body(
                a, phase == PHASE_MANAGEMENT ? azure(a)->management : NULL, &body, err))
            goto out;
        r.method = HTTP_POST;
        r.headers[1] = "Content-Type: application/x-www-form-urlencoded";
        r.body = (struct span){body.data, body.len};
        r.total_us = TOKEN_US;
        r.sign = a->method == SIGN_IN_OAUTH_M2M ? auth_sign_basic : NULL;
        r.sign_arg = a;
    }
    a->call = http_start(a->http, &r, err);
out:
    a->phase = a->call ? phase : PHASE_REST;
    auth_wipe(&body);
    return a->call != NULL;
}

static void failed(struct auth *a, const struct err *err)
{
    a->err = *err;
    a->failures++;
    a->pause_us = clock_boot_us() + PAUSE_US;
    secret_free(a->fresh);
    a->fresh = NULL;
}

/* --- the answers --- */

static bool good(const struct http_answer *answer)
{
    return answer->curl == CURLE_OK && answer->status == 200;
}

/* "There is none" is an answer to keep; that of a gateway in an outage is not. */
static bool last_word(const struct http_answer *answer)
{
    return answer->curl == CURLE_OK && answer->status < 500 && answer->status != 429 &&
           answer->status != 408;
}

/* Best effort: whatever goes wrong here, the usual address is asked, and its answer counts. But it
 * is asked for again with the next token: without the metadata a unified host gets no workspace id,
 * and a program that starts in an outage would never send one. */
static void after_metadata(struct auth *a, const struct http_answer *answer)
{
    struct span body = {answer->body.data, answer->body.len};

    (void)snprintf(a->oidc, sizeof(a->oidc), "%s/oidc", a->host);
    (void)snprintf(a->token_url, sizeof(a->token_url), "%s/oidc/v1/token", a->host);
    a->sure = last_word(answer);
    if (!good(answer))
        return;
    (void)auth_read_endpoint(
        body, "oidc_endpoint", a->host, a->account_id, a->oidc, sizeof(a->oidc));
    auth_read_metadata(body, &a->metadata);
}

/* Best effort too, but not when a person gave the address. */
static bool after_discovery(struct auth *a, const struct http_answer *answer, struct err *err)
{
    static const struct error_words words = {.what = "sign-in: DATABRICKS_DISCOVERY_URL",
        .missing = "nothing there: correct it, or leave it out"};
    struct span body = {answer->body.data, answer->body.len};
    bool found = good(answer) && auth_read_endpoint(body, "token_endpoint", a->host, a->account_id,
                                     a->token_url, sizeof(a->token_url));
    struct api_error api;

    a->sure = a->discovery_url ? found : a->sure && last_word(answer);
    if (found || !a->discovery_url)
        return true;
    if (!error_judge(answer, &words, auth_hide, a, &api, err))
        return false;
    return err_set(err, ERR_DENIED, 0,
        "%s: its answer has no token_endpoint: correct it, or leave it out", words.what);
}

static bool after_tenant(struct auth *a, const struct http_answer *answer, struct err *err)
{
    static const struct error_words words = {.what = "sign-in: look for the Azure tenant"};
    struct api_error api;

    if (answer->curl == CURLE_OK && answer->status / 100 == 3 &&
        auth_read_tenant(answer->location, a->tenant, sizeof(a->tenant))) {
        set_azure_url(a, a->tenant);
        return true;
    }
    if (answer->curl != CURLE_OK || answer->status >= 500 || answer->status == 429)
        return error_judge(answer, &words, auth_hide, a, &api, err);
    return err_set(err, ERR_DENIED, answer->status,
        "sign-in: the workspace names no Azure tenant (status %d): set ARM_TENANT_ID, and check "
        "that the host is an Azure workspace",
        answer->status);
}

/* What the credentials were, for a person: in front of the server's words. */
static void blame(const struct auth *a, int status, struct err *err)
{
    char said[sizeof(err->text)];

    memcpy(said, err->text, sizeof(said));
    if (is_azure(a))
        err_set(err, ERR_DENIED, status,
            "Entra ID refuses: check ARM_CLIENT_ID, ARM_CLIENT_SECRET and ARM_TENANT_ID: %s", said);
    else if (a->method == SIGN_IN_OAUTH_M2M)
        err_set(err, ERR_DENIED, status,
            "client id or secret refused: check DATABRICKS_CLIENT_ID and "
            "DATABRICKS_CLIENT_SECRET: %s",
            said);
    else
        err_set(err, ERR_DENIED, status,
            "federation token refused (%s): check the federation policy: %s",
            a->token_says[0] ? a->token_says : "it is no JWT", said);
}

static bool judge_token(struct auth *a, const struct http_answer *answer, struct err *err)
{
    const struct error_words words = {.what = "sign-in",
        .grant = a->token_file || a->method == SIGN_IN_ENV_OIDC
                     ? "the federation token is refused: check the federation policy"
                     : "the client id or secret is refused: check or renew them",
        .missing = "no sign-in there: check the host setting"};
    struct api_error api;

    if (error_judge(answer, &words, auth_hide, a, &api, err))
        return true;
    a->retry_after_us = api.retry_after_us;
    if (api.class == CLASS_BAD || api.class == CLASS_DENIED)
        blame(a, api.status, err);
    return false;
}

/* Takes the tokens into use. */
static void take_into_use(struct auth *a, struct secret *access, int64_t life)
{
    int64_t now = clock_boot_us();

    secret_free(a->access);
    a->access = access;
    a->found = a->sure;
    a->generation++;
    a->pause_us = 0;
    a->ahead_us = now + life - (life / 2 < AHEAD_US ? life / 2 : AHEAD_US);
    a->dead_us = now + life - (life / 4 < DEAD_US ? life / 4 : DEAD_US);
}

/* True: done, or the next phase is PHASE_MANAGEMENT. */
static bool after_token(
    struct auth *a, struct http_call *call, enum auth_phase *next, struct err *err)
{
    const struct http_answer *answer = http_answer(call);
    struct secret *token = NULL;
    int64_t life = 0;
    bool first = a->phase == PHASE_TOKEN, ok;

    a->retry_after_us = -1;
    ok = judge_token(a, answer, err) &&
         auth_read_token((struct span){answer->body.data, answer->body.len}, &token, &life, err);
    if (http_body(call)->data)
        explicit_bzero(http_body(call)->data, http_body(call)->size);
    if (ok && first && is_azure(a) && a->azure_resource_id) {
        secret_free(a->fresh);
        a->fresh = token;
        a->fresh_life_us = life;
        *next = PHASE_MANAGEMENT;
    } else if (ok && first) {
        take_into_use(a, token, life);
    } else if (ok) {
        secret_free(a->management);
        a->management = token;
        take_into_use(a, a->fresh, life < a->fresh_life_us ? life : a->fresh_life_us);
        a->fresh = NULL;
    }
    secret_free(ok ? NULL : token);
    secret_free(a->subject);
    a->subject = NULL;
    return ok;
}

void auth_advance(struct auth *a)
{
    struct http_call *call = a->call;
    enum auth_phase next = PHASE_REST;
    bool ok = true;
    struct err err;

    if (!call || !http_finished(call))
        return;
    a->call = NULL;
    switch (a->phase) {
    case PHASE_METADATA:
        after_metadata(a, http_answer(call));
        next = http_answer(call)->curl == CURLE_OK ? PHASE_DISCOVERY : PHASE_TOKEN;
        break;
    case PHASE_DISCOVERY:
        ok = after_discovery(a, http_answer(call), &err);
        next = PHASE_TOKEN;
        break;
    case PHASE_TENANT:
        ok = after_tenant(a, http_answer(call), &err);
        next = PHASE_TOKEN;
        break;
    case PHASE_TOKEN:
    case PHASE_MANAGEMENT:
        ok = after_token(a, call, &next, &err);
        break;
    case PHASE_REST:
        break;
    }
    a->phase = PHASE_REST;
    http_drop(call);
    if (!ok || (next != PHASE_REST && !start(a, next, &err)))
        failed(a, &err);
}

enum auth_ready auth_ready(struct auth *a, uint64_t *seen)
{
    int64_t now = clock_boot_us();
    bool tokens = auth_needs_token(a);
    bool usable = !tokens || (a->access && now < a->dead_us);
    bool due = tokens && (!usable || (now >= a->ahead_us && now >= a->pause_us));
    struct err err;

    if (*seen == 0)
        *seen = a->failures + 1; /* failures before this request are none of its own */
    if (!usable && a->failures + 1 != *seen) {
        *seen = 0;
        return AUTH_FAILED;
    }
    if (due && a->phase == PHASE_REST && !start(a, first_phase(a), &err))
        failed(a, &err);
    if (usable)
        return AUTH_READY;
    if (a->failures + 1 != *seen) {
        *seen = 0;
        return AUTH_FAILED;
    }
    return AUTH_BUSY;
}

bool auth_reject(struct auth *a, uint64_t generation)
{
    if (!auth_needs_token(a))
        return a->generation != generation; /* renewed meanwhile */
    if (a->generation != generation || !a->access)
        return true; /* there is another one, or it is on its way */
    if (clock_boot_us() < a->reject_us)
        return false;
    auth_forget(a);
    a->reject_us = clock_boot_us() + REJECT_US;
    return true;
}
