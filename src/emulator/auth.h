/* emulator/auth.h: are these the right credentials?
 *
 * Shape    auth_bearer before every guarded route; auth_client at the token endpoint.
 * Errors   auth_bearer answers 401 or 403 itself, as the gateway does.
 * Threads  any.
 * Source   databricks-api.md 1.1, 1.2, 3.1.
 */
#ifndef EMULATOR_AUTH_H
#define EMULATOR_AUTH_H

#include "emulator/request.h"

/* Fills req->principal. */
bool auth_bearer(struct request *req);

/* HTTP Basic with the id and the secret of a service principal, percent-encoded or not; fills
 * req->principal. */
bool auth_client(struct request *req);

/* The known identities: who may do all, and who only what was granted. */
bool auth_is_admin(const struct emulator *emu, const char *principal);
bool auth_is_service(const struct emulator *emu, const char *principal);
bool auth_is_known(const struct emulator *emu, const char *principal);

/* Copies them out of the options. */
NODISCARD bool auth_fill(
    struct emulator *emu, const struct emulator_options *options, struct err *err);
void auth_forget_principals(struct emulator *emu);

#endif
