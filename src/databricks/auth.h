/* databricks/auth.h: who we are, and the access token of it.
 *
 * Shape    PAT: one secret on every request. All others: an access token is asked for in the
 *          background when less than five minutes of the old one remain (half its life for short
 *          ones), and after auth_reject; callers wait with auth_ready and never block.
 *            oauth-m2m            [host metadata ->] [discovery ->] client credentials
 *            env-oidc, file-oidc  the same, but a token of another issuer is exchanged
 *            azure-client-secret  [tenant ->] Entra ID's token [-> management token]
 * Units    _us microseconds of CLOCK_BOOTTIME (it counts suspended time).
 * Limits   a token request takes at most 60 s, the look-up of its address 5 s a step. Refusals ask
 *          for at most one token a minute.
 * Errors   auth_error: ERR_DENIED (credentials refused, a token file unreadable), ERR_RETRY
 *          (network, 429, 5xx). No retry of its own: whoever needs a token backs off and asks again.
 * Owner    opaque; the secret is taken, the HTTP client is borrowed, texts are copied.
 * Threads  one at a time.
 * Source   databricks-api.md 1.1-1.4; durability.md 13, 15.
 *
 * auth.c is the only file that sees a secret's bytes; none ever reaches a format string.
 * auth_fetch.c drives the requests, auth_read.c understands the answers.
 */
#ifndef DATABRICKS_AUTH_H
#define DATABRICKS_AUTH_H

#include "base/secret.h"
#include "databricks/http.h"
#include "databricks/workspace.h"

struct auth;

enum auth_ready {
    AUTH_READY,  /* auth_sign will work */
    AUTH_BUSY,   /* a token is being fetched */
    AUTH_FAILED, /* auth_error says why; the next auth_ready begins anew */
};

/* As in struct workspace_options. */
struct auth_options {
    enum sign_in method; /* not SIGN_IN_ANY */
    const char *host;
    const char *client_id;  /* optional with federation */
    struct secret *secret;  /* PAT, client secret, or the token of env-oidc */
    const char *token_file; /* of file-oidc */
    const char *audience, *discovery_url, *account_id;
    const char *azure_tenant, *azure_environment, *azure_login, *azure_resource_id;
};

/* Takes the secret, also on failure. */
struct auth *auth_new(struct http *http, const struct auth_options *options, struct err *err);
void auth_free(struct auth *a);

/* Another secret of the same kind (rotation), or NULL: the same one. Forgets the access token.
 * Takes it. */
void auth_renew(struct auth *a, struct secret *secret);

/* Moves a running fetch on. Call it around http_poll. */
void auth_advance(struct auth *a);

/* `*seen` starts at 0 and belongs to one waiting request: a failure is told to each once. */
enum auth_ready auth_ready(struct auth *a, uint64_t *seen);
const struct err *auth_error(const struct auth *a);
int64_t auth_retry_after_us(const struct auth *a); /* of the failure; -1: not said */

/* The service refused the token of this generation. True: ask again, with another one. False: no
 * other one to be had, or the last refusal has just asked for this one. */
bool auth_reject(struct auth *a, uint64_t generation);
uint64_t auth_generation(const struct auth *a);

/* http_sign: the bearer token, and what else the method wants. */
bool auth_sign(void *auth, struct http_call *call, void *easy, struct err *err);

/* error_hide: overwrites our secrets wherever they stand. */
void auth_hide(const void *auth, char *data, size_t len);

const char *auth_workspace_id(const struct auth *a); /* told by the host; "": not */
const char *auth_name(const struct auth *a);         /* sign_in_name */
void auth_facts(const struct auth *a, struct workspace_facts *ret);

#endif
