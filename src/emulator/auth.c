#include "emulator/auth.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base64.h"

#define CREDENTIALS_MAX 4096U

/* What follows "Bearer " or "Basic "; the scheme's case does not matter (RFC 7235 2.1). */
static bool after_scheme(const char *header, const char *scheme, struct span *ret)
{
    size_t len = strlen(scheme);

    if (!header || strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return false;
    *ret = span_trim(span_of(header + len));
    return ret->len > 0;
}

static bool is_secret(const struct secret *secret, struct span value)
{
    struct err err = {0};
    struct secret *given;
    bool same;

    if (!secret)
        return false;
    given = secret_new(value, &err);
    same = given && secret_equal(secret, given);
    secret_free(given);
    return same;
}

static bool deny(struct request *req, int status, const char *message)
{
    atomic_fetch_add(&req->emu->count.denied, 1);
    reply_gateway(req, status, message);
    return false;
}

/* --- who there is --- */

static bool add_identity(
    struct emulator *emu, const struct emulator_principal *from, bool service, struct err *err)
{
    struct identity *to = &emu->identities[emu->identity_count];

    if (!from->id || !*from->id || !str_copy(to->id, sizeof(to->id), from->id))
        return err_set(err, ERR_INPUT, 0, "a principal's id is missing or too long");
    if (auth_is_known(emu, from->id))
        return err_set(err, ERR_INPUT, 0, "the principal %.100s is given twice", from->id);
    to->admin = from->admin;
    to->service = service;
    emu->identity_count++;
    if (from->token && !(to->token = secret_copy(from->token, err)))
        return false;
    return !from->secret || (to->secret = secret_copy(from->secret, err)) != NULL;
}

bool auth_fill(struct emulator *emu, const struct emulator_options *options, struct err *err)
{
    struct emulator_principal user = {.id = AUTH_USER, .token = options->token, .admin = true};
    struct emulator_principal client = {.id = options->client_id,
        .secret = options->client_secret,
        .admin = !options->restrict_client};

    if (options->principal_count > EMULATOR_PRINCIPALS_MAX)
        return err_set(
            err, ERR_INPUT, 0, "more than %d principals are given", EMULATOR_PRINCIPALS_MAX);
    emu->identities = calloc(EMULATOR_PRINCIPALS_MAX + 2, sizeof(*emu->identities));
    if (!emu->identities)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for principals");
    if (!add_identity(emu, &user, false, err) ||
        (client.id && *client.id && !add_identity(emu, &client, true, err)))
        return false;
    for (size_t i = 0; i < options->principal_count; i++) {
        if (!add_identity(emu, &options->principals[i], true, err))
            return false;
    }
    return true;
}

void auth_forget_principals(struct emulator *emu)
{
    for (size_t i = 0; i < emu->identity_count; i++) {
        secret_free(emu->identities[i].token);
        secret_free(emu->identities[i].secret);
    }
    free(emu->identities);
}

static const struct identity *find(const struct emulator *emu, const char *principal)
{
    for (size_t i = 0; i < emu->identity_count; i++) {
        if (strcmp(emu->identities[i].id, principal) == 0)
            return &emu->identities[i];
    }
    return NULL;
}

bool auth_is_known(const struct emulator *emu, const char *principal)
{
    return find(emu, principal) != NULL;
}

bool auth_is_admin(const struct emulator *emu, const char *principal)
{
    const struct identity *who = find(emu, principal);

    return who && who->admin;
}

bool auth_is_service(const struct emulator *emu, const char *principal)
{
    const struct identity *who = find(emu, principal);

    return who && who->service;
}

/* --- what they show --- */

bool auth_bearer(struct request *req)
{
    struct emulator *emu = req->emu;
    struct span token;

    if (!after_scheme(request_header(req, "Authorization"), "Bearer", &token))
        return deny(
            req, 401, "Credential was not sent or was of an unsupported type for this API.");
    for (size_t i = 0; i < emu->identity_count; i++) {
        if (is_secret(emu->identities[i].token, token))
            return str_copy(req->principal, sizeof(req->principal), emu->identities[i].id);
    }
    switch (tokens_check(emu->tokens, token, req->principal)) {
    case TOKEN_GOOD:
        return true;
    case TOKEN_EXPIRED:
        return deny(req, 401, "Token is expired.");
    case TOKEN_UNKNOWN:
        break;
    }
    return deny(req, 403, "Invalid access token.");
}

/* Go's library percent-encodes both halves before Basic, Python's does not; both are accepted. */
static bool pair_matches(struct request *req, struct span pair, bool decode)
{
    const char *colon = memchr(pair.data, ':', pair.len);
    const struct identity *who;
    struct buf id, secret;
    bool ok = false;

    if (!colon)
        return false;
    buf_init(&id, CREDENTIALS_MAX);
    buf_init(&secret, CREDENTIALS_MAX);
    if (decode)
        ok = path_unescape((struct span){pair.data, (size_t)(colon - pair.data)}, true, &id) &&
             path_unescape((struct span){colon + 1, pair.len - (size_t)(colon - pair.data) - 1},
                 true, &secret);
    else
        ok = buf_add(&id, pair.data, (size_t)(colon - pair.data)) &&
             buf_add(&secret, colon + 1, pair.len - (size_t)(colon - pair.data) - 1);
    who = ok ? find(req->emu, buf_text(&id)) : NULL;
    ok = who && who->service && who->id[id.len] == '\0' &&
         is_secret(who->secret, (struct span){secret.data, secret.len}) &&
         str_copy(req->principal, sizeof(req->principal), who->id);
    if (secret.data)
        explicit_bzero(secret.data, secret.size);
    buf_done(&id);
    buf_done(&secret);
    return ok;
}

bool auth_client(struct request *req)
{
    struct span encoded, pair;
    struct buf plain;
    bool ok = false;

    if (!after_scheme(request_header(req, "Authorization"), "Basic", &encoded))
        return false;
    buf_init(&plain, CREDENTIALS_MAX);
    if (base64_read(encoded, &plain) && plain.len) {
        pair = (struct span){plain.data, plain.len};
        ok = pair_matches(req, pair, false) || pair_matches(req, pair, true);
    }
    if (plain.data)
        explicit_bzero(plain.data, plain.size);
    buf_done(&plain);
    return ok;
}
