/* databricks/workspace.h: one workspace: host, sign-in, HTTP client. Every API call takes it.
 *
 * Shape    opaque handle over libcurl (one multi handle, connections reused).
 * Limits   answers of 4 MiB; bodies of files are streamed.
 * Errors   an answer becomes an err as databricks/error.h says; texts hold no secret, and at most
 *          200 characters of the server's words.
 * Owner    opaque; secrets are taken over.
 * Threads  one at a time: each thread opens its own.
 * Source   databricks-api.md 1, 3; durability.md 15.
 */
#ifndef DATABRICKS_WORKSPACE_H
#define DATABRICKS_WORKSPACE_H

#include "base/secret.h"

/* How we sign in. */
enum sign_in {
    SIGN_IN_ANY, /* a token alone: PAT, else OAUTH_M2M */
    SIGN_IN_PAT,
    SIGN_IN_OAUTH_M2M,           /* client_id, client_secret */
    SIGN_IN_ENV_OIDC,            /* federation: oidc_token */
    SIGN_IN_FILE_OIDC,           /* federation: oidc_token_file, read again for every token */
    SIGN_IN_AZURE_CLIENT_SECRET, /* client_id and client_secret of Entra ID, azure_... */
};
const char *sign_in_name(enum sign_in method); /* "pat", "oauth-m2m", "env-oidc", ... */

/* Secrets are taken, also on failure; everything else is copied. NULL: not given. */
struct workspace_options {
    const char *host; /* "https://...", normalised (databricks/host.h); http only for loopback */
    enum sign_in sign_in;
    struct secret *token; /* PAT */
    const char *client_id;
    struct secret *client_secret;
    struct secret *oidc_token;
    const char *oidc_token_file;
    const char *token_audience;    /* federation: what the token must be for; only checked */
    const char *discovery_url;     /* instead of the host's own discovery */
    const char *account_id;        /* for {account_id} when the host does not say it */
    const char *azure_tenant;      /* NULL: the workspace says it */
    const char *azure_environment; /* "PUBLIC", "USGOVERNMENT", "CHINA"; NULL: by the host */
    const char *azure_login;       /* "https://login...", instead of the environment's */
    const char *azure_resource_id; /* "/subscriptions/...": with a management token */
    const char *workspace_id;      /* NULL: unknown; else X-Databricks-Workspace-Id */
    const char *ca_file;           /* NULL: the system's */
    const char *client_cert_file;  /* PEM; for a gateway or proxy that asks for one */
    const char *client_key_file;   /* NULL: in the certificate's file */
    const char *proxy;             /* NULL: none */
    const char *no_proxy;
    const char *proxy_ca_file; /* of an https:// proxy; NULL: ca_file, else the system's */
    const char *partner;       /* NULL: none; user agent partner/<x> */
    int64_t stall_us;          /* 60 s below 1 KiB/s */
    int64_t connect_us;        /* 30 s */
};

struct workspace;

struct workspace *workspace_new(const struct workspace_options *options, struct err *err);
void workspace_free(struct workspace *ws);

/* The secret was changed outside (SIGHUP, or its file while we are refused): a token for a token, a
 * client secret for a client secret; NULL: it is the same. Takes it; forgets the access token. */
void workspace_renew(struct workspace *ws, struct secret *secret);

/* Moves every call on; returns when one is done, after wait_us, or when wake_fd (-1: none) is
 * readable, which is not read from. False: the machinery itself failed (ERR_FULL). */
NODISCARD bool workspace_poll(struct workspace *ws, int64_t wait_us, int wake_fd, struct err *err);

/* Calls that wait (call_wait and all that build on it) end with ERR_RETRY "stopped" once `fd` is
 * readable; -1: never. It is not read from and belongs to the caller. */
void workspace_stop_on(struct workspace *ws, int fd);
bool workspace_stopped(const struct workspace *ws);

const char *workspace_host(const struct workspace *ws);
const char *workspace_auth(const struct workspace *ws); /* sign_in_name of the method in use */

/* What sign-in found out so far, for `check`; "": not known (yet). No secret. */
struct workspace_facts {
    const char *method;       /* "oauth-m2m" */
    const char *token_url;    /* where access tokens come from; "" for a PAT */
    const char *workspace_id; /* configured, or told by the host */
    const char *cloud;        /* "AWS", "AZURE", "GCP" */
    const char *host_type;    /* "workspace", "account", "unified" */
    const char *tenant;       /* of Entra ID */
    char token_says[160];     /* of a federation token: issuer, subject, audience, end */
};
void workspace_facts(const struct workspace *ws, struct workspace_facts *ret);

#endif
