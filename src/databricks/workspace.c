#include "databricks/workspace.h"

#include "base/clock.h"
#include "databricks/host.h"
#include "databricks/workspace_private.h"

#include <ctype.h>
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

static bool options_valid(const struct workspace_options *o, struct err *err)
{
    struct host host;

    if (!o->host || !host_normalise(o->host, &host, err))
        return o->host ? false : err_set(err, ERR_INPUT, 0, "no workspace host given");
    if (strcmp(host.url, o->host) != 0)
        return err_set(err, ERR_INPUT, 0, "the host is not normalised: '%s'", host.url);
    if (o->client_id ? !o->client_secret || o->token : !o->token || o->client_secret)
        return err_set(
            err, ERR_INPUT, 0, "give either a token, or a client id with its client secret");
    return true;
}

struct workspace *workspace_new(const struct workspace_options *options, struct err *err)
{
    const struct workspace_options *o = options;
    char agent[160];
    struct http_options http = {.user_agent = agent,
        .ca_file = o->ca_file,
        .proxy = o->proxy,
        .no_proxy = o->no_proxy,
        .connect_us = o->connect_us,
        .stall_us = o->stall_us};
    struct secret *secret = o->client_id ? o->client_secret : o->token;
    struct workspace *ws = NULL;

    if (!options_valid(o, err)) {
        secret_free(o->token);
        secret_free(o->client_secret);
        return NULL;
    }
    user_agent(agent, sizeof(agent), o->client_id ? "oauth-m2m" : "pat", o->partner);
    ws = calloc(1, sizeof(*ws));
    if (!ws || !(ws->host = strdup(o->host)) ||
        (o->workspace_id && *o->workspace_id && !(ws->id = strdup(o->workspace_id)))) {
        secret_free(secret);
        err_set(err, ERR_FULL, 0, "no memory for the workspace");
        goto failed;
    }
    ws->http = http_new(&http, err);
    if (!ws->http) {
        secret_free(secret);
        goto failed;
    }
    ws->auth = auth_new(ws->http, ws->host, o->client_id, secret, err);
    if (ws->auth)
        return ws;
failed:
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
