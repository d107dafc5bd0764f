#include "commands/workspace.h"

#include "base/clock.h"
#include "databricks/host.h"
#include "databricks/url.h"

#define STALL_US (60 * CLOCK_SECOND_US)
#define CONNECT_US (30 * CLOCK_SECOND_US)

static enum sign_in sign_in_of(enum auth_type type)
{
    switch (type) {
    case AUTH_TYPE_ANY:
        break;
    case AUTH_TYPE_PAT:
        return SIGN_IN_PAT;
    case AUTH_TYPE_OAUTH_M2M:
        return SIGN_IN_OAUTH_M2M;
    case AUTH_TYPE_ENV_OIDC:
        return SIGN_IN_ENV_OIDC;
    case AUTH_TYPE_FILE_OIDC:
        return SIGN_IN_FILE_OIDC;
    case AUTH_TYPE_AZURE_CLIENT_SECRET:
        return SIGN_IN_AZURE_CLIENT_SECRET;
    }
    return SIGN_IN_ANY;
}

/* The chosen way's own credentials, and nothing of the others. */
static bool set_credentials(const struct settings *s, struct workspace_options *o, struct err *err)
{
    const struct secret *secret = config_sign_in_secret(s);
    struct secret *copy = secret ? secret_copy(secret, err) : NULL;

    o->sign_in = sign_in_of(s->auth);
    if (secret && !copy)
        return false;
    if (s->auth != AUTH_TYPE_PAT)
        o->client_id = s->auth == AUTH_TYPE_AZURE_CLIENT_SECRET ? s->azure_client_id : s->client_id;
    if (s->auth == AUTH_TYPE_PAT)
        o->token = copy;
    else if (s->auth == AUTH_TYPE_ENV_OIDC)
        o->oidc_token = copy;
    else
        o->client_secret = copy;
    if (o->sign_in != SIGN_IN_ANY)
        return true;
    return err_set(err, ERR_INPUT, 0,
        "no credentials: set DATABRICKS_ACCESS_TOKEN, or DATABRICKS_CLIENT_ID and "
        "DATABRICKS_CLIENT_SECRET");
}

struct workspace *workspace_for(const struct settings *s, struct err *err)
{
    struct workspace_options options = {
        .oidc_token_file = s->oidc_token_filepath,
        .token_audience = s->token_audience,
        .discovery_url = s->discovery_url,
        .account_id = s->account_id,
        .azure_tenant = s->azure_tenant_id,
        .azure_environment = s->azure_environment,
        .azure_login = s->azure_login,
        .azure_resource_id = s->azure_resource_id,
        .workspace_id = s->workspace_id,
        .ca_file = s->ca_file,
        .client_cert_file = s->client_cert_file,
        .client_key_file = s->client_key_file,
        .proxy = s->proxy,
        .no_proxy = s->no_proxy,
        .proxy_ca_file = s->proxy_ca_file,
        .partner = s->partner,
        .stall_us = STALL_US,
        .connect_us = CONNECT_US,
    };
    struct host host;

    if (!s->host) {
        err_set(err, ERR_INPUT, 0, "DATABRICKS_SERVER_HOSTNAME is not set");
        return NULL;
    }
    if (!host_normalise(s->host, &host, err))
        return NULL;
    options.host = host.url;
    if (!options.workspace_id && host.workspace_id[0])
        options.workspace_id = host.workspace_id;
    if (!options.account_id && host.account_id[0])
        options.account_id = host.account_id;
    return set_credentials(s, &options, err) ? workspace_new(&options, err) : NULL;
}

void volume_folder(const struct settings *s, struct buf *out)
{
    buf_printf(out, "/Volumes/%s/%s/%s/data", s->volume.catalog, s->volume.schema, s->volume.name);
}
