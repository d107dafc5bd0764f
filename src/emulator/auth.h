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

/* HTTP Basic with the client id and secret, percent-encoded or not. */
bool auth_client(const struct request *req);

#endif
