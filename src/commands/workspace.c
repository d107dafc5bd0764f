#include "commands/workspace.h"

#include "base/clock.h"
#include "databricks/host.h"
#include "databricks/url.h"

#define STALL_US (60 * CLOCK_SECOND_US)
#define CONNECT_US (30 * CLOCK_SECOND_US)

struct workspace *workspace_for(const struct settings *s, struct err *err)
{
    struct workspace_options options = {
        .client_id = s->client_id,
        .workspace_id = s->workspace_id,
        .ca_file = s->ca_file,
        .proxy = s->proxy,
        .no_proxy = s->no_proxy,
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
    if (s->token && s->auth != AUTH_TYPE_OAUTH_M2M) {
        options.client_id = NULL;
        options.token = secret_copy(s->token, err);
    } else if (s->client_secret) {
        options.client_secret = secret_copy(s->client_secret, err);
    } else {
        err_set(err, ERR_INPUT, 0,
            "no credentials: set DATABRICKS_ACCESS_TOKEN, or DATABRICKS_CLIENT_ID and "
            "DATABRICKS_CLIENT_SECRET");
    }
    if (!options.token && !options.client_secret)
        return NULL;
    return workspace_new(&options, err);
}

void volume_folder(const struct settings *s, struct buf *out)
{
    buf_printf(out, "/Volumes/%s/%s/%s/data", s->volume.catalog, s->volume.schema, s->volume.name);
}
