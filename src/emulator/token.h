/* emulator/token.h: the OAuth tokens we gave out.
 *
 * Shape    a token belongs to a principal. It is "eyJ" and 43 random characters, as opaque to the client as a real one.
 * Limits   1,024 at a time; the oldest makes room.
 * Errors   ERR_RETRY: no random numbers; ERR_FULL: memory.
 * Owner    opaque.
 * Threads  any: one lock.
 */
#ifndef EMULATOR_TOKEN_H
#define EMULATOR_TOKEN_H

#include "base/str.h"

#define TOKEN_SIZE 48
#define TOKEN_PRINCIPAL_MAX 128

enum token_state { TOKEN_UNKNOWN, TOKEN_GOOD, TOKEN_EXPIRED };

struct tokens;

struct tokens *tokens_new(int64_t life_us, struct err *err);
void tokens_free(struct tokens *tokens);

NODISCARD bool tokens_issue(
    struct tokens *tokens, const char *principal, char out[TOKEN_SIZE], struct err *err);
/* TOKEN_GOOD: whose it is. */
enum token_state tokens_check(
    struct tokens *tokens, struct span token, char principal[TOKEN_PRINCIPAL_MAX]);
int64_t tokens_life_us(const struct tokens *tokens);

#endif
