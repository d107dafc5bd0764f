/* databricks/auth_private.h: struct auth, for auth.c and auth_fetch.c only.
 *
 * Shape    the configuration, the tokens, and the one request under way.
 * Units    _us microseconds of CLOCK_BOOTTIME.
 * Threads  one at a time.
 */
#ifndef DATABRICKS_AUTH_PRIVATE_H
#define DATABRICKS_AUTH_PRIVATE_H

#include "databricks/auth.h"
#include "databricks/auth_read.h"

enum auth_phase {
    PHASE_REST,
    PHASE_METADATA,
    PHASE_DISCOVERY,
    PHASE_TENANT,
    PHASE_TOKEN,
    PHASE_MANAGEMENT, /* Azure's second token */
};

struct auth {
    struct http *http;
    enum sign_in method;
    char *host, *client_id, *token_file, *audience, *discovery_url, *account_id;
    char *azure_tenant, *azure_environment, *azure_login, *azure_resource_id;
    struct secret *secret;     /* PAT, client secret, token of env-oidc */
    struct secret *subject;    /* the federation token of the request under way (file-oidc) */
    struct secret *access;     /* NULL: none */
    struct secret *fresh;      /* the next access token, while its management token is fetched */
    struct secret *management; /* Azure */
    int64_t fresh_life_us;
    uint64_t generation, failures;
    int64_t ahead_us, dead_us, pause_us; /* boot time: refresh, useless, no refresh before */
    int64_t reject_us;                   /* boot time: a refusal counts again */
    enum auth_phase phase;
    struct http_call *call;
    bool sure;  /* token_url is what the host or a person said, no makeshift of an outage */
    bool found; /* token_url is settled: sure, and a token came from it */
    char token_url[AUTH_URL_SIZE], oidc[AUTH_URL_SIZE], tenant[64];
    struct auth_metadata metadata;
    char token_says[160]; /* of the federation token */
    struct err err;
    int64_t retry_after_us;
};

bool auth_needs_token(const struct auth *a); /* false: a PAT */
void auth_forget(struct auth *a);

/* The body of a token request; it holds secrets: auth_wipe it. `resource` of Azure, else NULL. */
NODISCARD bool auth_token_body(
    struct auth *a, const char *resource, struct buf *out, struct err *err);
void auth_wipe(struct buf *buf);

/* http_sign: client id and secret (oauth-m2m). */
bool auth_sign_basic(void *auth, struct http_call *call, void *easy, struct err *err);

#endif
