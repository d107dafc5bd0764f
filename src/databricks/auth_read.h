/* databricks/auth_read.h: the answers of sign-in, understood.
 *
 * Shape    one function a kind of answer; nothing is kept of it.
 * Units    _us microseconds.
 * Limits   addresses of AUTH_URL_SIZE - 1 bytes; a token lives at most 366 days.
 * Errors   false: not in the answer (or not safe to use); the output is untouched.
 * Threads  any.
 * Source   databricks-api.md 1.2-1.4.
 */
#ifndef DATABRICKS_AUTH_READ_H
#define DATABRICKS_AUTH_READ_H

#include "base/secret.h"

#define AUTH_URL_SIZE 512

/* The body of a token answer: the token and how long it lives. */
NODISCARD bool auth_read_token(
    struct span body, struct secret **ret, int64_t *ret_life_us, struct err *err);

/* The token endpoint of a discovery answer, or the oidc_endpoint of host metadata: https, or on
 * the host we know. `account` (NULL: not known) stands in for {account_id} when the answer does not
 * name it. False: none there. */
bool auth_read_endpoint(struct span body, const char *key, const char *host, const char *account,
    char *out, size_t size);

/* What host metadata says besides; "" where it does not. */
struct auth_metadata {
    char workspace_id[32], cloud[16], host_type[16];
};
void auth_read_metadata(struct span body, struct auth_metadata *ret);

/* The tenant in the Location of GET /aad/auth: the first segment of its path. */
bool auth_read_tenant(const char *location, char *out, size_t size);

/* Where an Azure cloud signs in and is managed. `environment` NULL: by the host's name. NULL: no
 * such environment. */
struct auth_azure {
    const char *name, *login, *management, *suffix;
};
const struct auth_azure *auth_azure_of(const char *environment, const char *host);

/* The open part of a JWT: who made it for whom, and until when. False: no JWT. */
struct auth_claims {
    char issuer[96], subject[96], audience[96];
    int64_t until_us; /* wall clock; 0: not said */
    bool audience_is; /* one of its audiences is the wanted one */
};
bool auth_read_claims(struct span token, const char *audience, struct auth_claims *ret);

#endif
