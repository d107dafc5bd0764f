#include "databricks/workspace.h"

#include "base/clock.h"
#include "databricks/host.h"
#include "databricks/workspace_private.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* databricks-api.md 1.7: what a value may not hold becomes '-'. */
static void user_agent(char *out, size_t size, const char *auth, const char *partner)
{
    char name[64] = "";

    (void)str_copy(name, sizeof(name), partner ? partner : "");
    for (char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("_.+-", *c))
            *c = '-';
    }
    (void)snprintf(out, size, "volume-uploader/%s os/linux auth/%s%s%s", VERSION, auth,
        name[0] ? " partner/" : "", name);
}

const char *sign_in_name(enum sign_in method)
{
    switch (method) {
    case SIGN_IN_ANY:
        break;
    case SIGN_IN_PAT:
        return "pat";
    case SIGN_IN_OAUTH_M2M:
        return "oauth-m2m";
    case SIGN_IN_ENV_OIDC:
        return "env-oidc";
    case SIGN_IN_FILE_OIDC:
        return "file-oidc";
    case SIGN_IN_AZURE_CLIENT_SECRET:
        return "azure-client-secret";
    }
    return "any";
}

static enum sign_in method_of(const struct workspace_options *o)
{
    if (o->sign_in != SIGN_IN_ANY)
        return o->sign_in;
    return o->token && !o->client_id ? SIGN_IN_PAT : SIGN_IN_OAUTH_M2M;
}

/* One family of credentials, and all of it. */
static bool credentials_valid(const struct workspace_options *o, struct err *err)
{
    bool service = o->client_id && o->client_secret;

    switch (method_of(o)) {
    case SIGN_IN_PAT:
        if (o->token && !o->client_id && !o->client_secret)
            return true;
        break;
    case SIGN_IN_OAUTH_M2M:
        if (service && !o->token)
            return true;
        break;
    case SIGN_IN_ENV_OIDC:
        return o->oidc_token || err_set(err, ERR_INPUT, 0, "env-oidc: no federation token given");
    case SIGN_IN_FILE_OIDC:
        return o->oidc_token_file ||
               err_set(err, ERR_INPUT, 0, "file-oidc: no file of a federation token given");
    case SIGN_IN_AZURE_CLIENT_SECRET:
        return service || err_set(err, ERR_INPUT, 0,
                              "azure-client-secret: give a client id with its client secret");
    case SIGN_IN_ANY:
        break;
    }
    return err_set(err, ERR_INPUT, 0, "give either a token, or a client id with its client secret");
}

static bool options_valid(const struct workspace_options *o, struct err *err)
{
    struct host host;

    if (!o->host || !host_normalise(o->host, &host, err))
        return o->host ? false : err_set(err, ERR_INPUT, 0, "no workspace host given");
    if (strcmp(host.url, o->host) != 0)
        return err_set(err, ERR_INPUT, 0, "the host is not normalised: '%s'", host.url);
    if (o->client_key_file && !o->client_cert_file)
        return err_set(err, ERR_INPUT, 0, "a client key without its certificate");
    if (o->discovery_url && !host_url_safe(o->discovery_url))
        return err_set(err, ERR_INPUT, 0, "the discovery address must begin with https://");
    if (o->azure_login && !host_url_safe(o->azure_login))
        return err_set(err, ERR_INPUT, 0, "the Azure sign-in address must begin with https://");
    return credentials_valid(o, err);
}

/* The one secret of the method; the others are not ours to use. */
static struct secret *take_secret(const struct workspace_options *o)
{
    enum sign_in method = method_of(o);
    struct secret *secret = method == SIGN_IN_PAT        ? o->token
                            : method == SIGN_IN_ENV_OIDC ? o->oidc_token
                            : method == SIGN_IN_OAUTH_M2M || method == SIGN_IN_AZURE_CLIENT_SECRET
                                ? o->client_secret
                                : NULL;

    if (o->token != secret)
        secret_free(o->token);
    if (o->client_secret != secret)
        secret_free(o->client_secret);
    if (o->oidc_token != secret)
        secret_free(o->oidc_token);
    return secret;
}

static struct auth *make_auth(
    struct http *http, const struct workspace_options *o, struct secret *secret, struct err *err)
{
    struct auth_options options = {.method = method_of(o),
        .host = o->host,
        .client_id = o->client_id,
        .secret = secret,
        .token_file = o->oidc_token_file,
        .audience = o->token_audience,
        .discovery_url = o->discovery_url,
        .account_id = o->account_id,
        .azure_tenant = o->azure_tenant,
        .azure_environment = o->azure_environment,
        .azure_login = o->azure_login,
        .azure_resource_id = o->azure_resource_id};

    return auth_new(http, &options, err);
}

struct workspace *workspace_new(const struct workspace_options *options, struct err *err)
{
    const struct workspace_options *o = options;
    char agent[160];
    struct http_options http = {.user_agent = agent,
        .ca_file = o->ca_file,
        .client_cert_file = o->client_cert_file,
        .client_key_file = o->client_key_file,
        .proxy = o->proxy,
        .no_proxy = o->no_proxy,
        .proxy_ca_file = o->proxy_ca_file,
        .connect_us = o->connect_us,
        .stall_us = o->stall_us};
    bool valid = options_valid(o, err);
    struct secret *secret = take_secret(o);
    struct workspace *ws = NULL;

    if (!valid)
        goto failed;
    user_agent(agent, sizeof(agent), sign_in_name(method_of(o)), o->partner);
    ws = calloc(1, sizeof(*ws));
    if (ws)
        ws->stop_fd = -1;
    if (!ws || !(ws->host = strdup(o->host)) ||
        (o->workspace_id && *o->workspace_id && !(ws->id = strdup(o->workspace_id)))) {
        err_set(err, ERR_FULL, 0, "no memory for the workspace");
        goto failed;
    }
    ws->http = http_new(&http, err);
    if (!ws->http)
        goto failed;
    ws->auth = make_auth(ws->http, o, secret, err);
    secret = NULL; /* taken, also on failure */
    if (ws->auth)
        return ws;
failed:
    secret_free(secret);
    workspace_free(ws);
    return NULL;
}

void workspace_free(struct workspace *ws)
{
    if (!ws)
        return;
    while (ws->calls)
        call_free(ws->calls);
    auth_free(ws->auth);
    http_free(ws->http);
    free(ws->host);
    free(ws->id);
    free(ws);
}

void workspace_renew(struct workspace *ws, struct secret *secret)
{
    auth_renew(ws->auth, secret);
}

bool workspace_poll(struct workspace *ws, int64_t wait_us, int wake_fd, struct err *err)
{
    int64_t until = clock_mono_us() + wait_us;

    /* A finished token request is no end for the caller: only a finished call is. */
    for (;;) {
        bool woken = false;
        int64_t left;

        if (calls_advance(ws))
            return true;
        left = until - clock_mono_us();
        if (!http_poll(ws->http, left > 0 ? left : 0, wake_fd, &woken, err))
            return false;
        if (calls_advance(ws) || woken || clock_mono_us() >= until)
            return true;
    }
}

const char *workspace_host(const struct workspace *ws)
{
    return ws->host;
}

const char *workspace_auth(const struct workspace *ws)
{
    return auth_name(ws->auth);
}

void workspace_stop_on(struct workspace *ws, int fd)
{
    ws->stop_fd = fd;
}

bool workspace_stopped(const struct workspace *ws)
{
    struct pollfd fd = {.fd = ws->stop_fd, .events = POLLIN};

    return ws->stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

void workspace_facts(const struct workspace *ws, struct workspace_facts *ret)
{
    auth_facts(ws->auth, ret);
    if (ws->id)
        ret->workspace_id = ws->id;
}
