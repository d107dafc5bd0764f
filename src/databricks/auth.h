/* databricks/auth.h: who we are: a personal access token, or a service principal (OAuth M2M).
 *
 * Shape    PAT: one secret on every request. OAuth: an access token is asked for in the background
 *          when less than five minutes of the old one remain (half its life for short ones), and
 *          after auth_reject; callers wait with auth_ready and never block.
 * Units    _us microseconds of CLOCK_BOOTTIME (it counts suspended time).
 * Limits   a token request takes at most 60 s, the look-up of its address 5 s a step.
 * Errors   auth_error: ERR_DENIED (client id or secret refused), ERR_RETRY (network, 429, 5xx). No
 *          retry of its own: whoever needs a token backs off and asks again.
 * Owner    opaque; the secrets are taken, the HTTP client is borrowed.
 * Threads  one at a time.
 * Source   databricks-api.md 1.1, 1.2; durability.md 13, 15.
 *
 * auth.c is the only file that sees a secret's bytes; none ever reaches a format string.
 */
#ifndef DATABRICKS_AUTH_H
#define DATABRICKS_AUTH_H

#include "base/secret.h"
#include "databricks/http.h"

struct auth;

enum auth_ready {
    AUTH_READY,  /* auth_sign will work */
    AUTH_BUSY,   /* a token is being fetched */
    AUTH_FAILED, /* auth_error says why; the next auth_ready begins anew */
};

/* `client_id` NULL: `secret` is a PAT, else the client secret. Takes it, also on failure. */
struct auth *auth_new(struct http *http, const char *host, const char *client_id,
    struct secret *secret, struct err *err);
void auth_free(struct auth *a);

/* Another secret of the same kind (rotation); forgets the access token. Takes it. */
void auth_renew(struct auth *a, struct secret *secret);

/* Moves a running fetch on. Call it around http_poll. */
void auth_advance(struct auth *a);

/* `*seen` starts at 0 and belongs to one waiting request: a failure is told to each once. */
enum auth_ready auth_ready(struct auth *a, uint64_t *seen);
const struct err *auth_error(const struct auth *a);
int64_t auth_retry_after_us(const struct auth *a); /* of the failure; -1: not said */

/* The service said 401 to the token of this generation. True: another one is worth asking for. */
bool auth_reject(struct auth *a, uint64_t generation);
uint64_t auth_generation(const struct auth *a);

/* http_sign: the bearer token. */
bool auth_sign(void *auth, void *easy, struct err *err);

/* error_hide: overwrites our secrets wherever they stand. */
void auth_hide(const void *auth, char *data, size_t len);

const char *auth_name(const struct auth *a);         /* "pat", "oauth-m2m" */
const char *auth_workspace_id(const struct auth *a); /* told by the host; "": not */

/* The body of a token answer: the token and how long it lives. */
NODISCARD bool auth_read_token(
    struct span body, struct secret **ret, int64_t *ret_life_us, struct err *err);

/* The token endpoint of a discovery answer, or the oidc_endpoint of host metadata: https, or on
 * the host we know. False: none there. */
bool auth_read_endpoint(
    struct span body, const char *key, const char *host, char *out, size_t size);

#endif
