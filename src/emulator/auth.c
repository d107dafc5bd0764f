#include "emulator/auth.h"

#define CREDENTIALS_MAX 4096U

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct span text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    while (text.len && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.data[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (!buf_add_byte(out, (uint8_t)(bits >> held & 0xff)))
                return false;
        }
    }
    return true;
}

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

bool auth_bearer(struct request *req)
{
    struct emulator *emu = req->emu;
    struct span token;

    if (!after_scheme(request_header(req, "Authorization"), "Bearer", &token))
        return deny(
            req, 401, "Credential was not sent or was of an unsupported type for this API.");
    if (is_secret(emu->token, token)) {
        (void)str_copy(req->principal, sizeof(req->principal), "somebody@example.com");
        return true;
    }
    switch (tokens_check(emu->tokens, token)) {
    case TOKEN_GOOD:
        (void)str_copy(req->principal, sizeof(req->principal), emu->client_id);
        return true;
    case TOKEN_EXPIRED:
        return deny(req, 401, "Token is expired.");
    case TOKEN_UNKNOWN:
        break;
    }
    return deny(req, 403, "Invalid access token.");
}

/* Go's library percent-encodes both halves before Basic, Python's does not; both are accepted. */
static bool pair_matches(const struct request *req, struct span pair, bool decode)
{
    const char *colon = memchr(pair.data, ':', pair.len);
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
    ok = ok && req->emu->client_id[0] &&
         span_is((struct span){id.data, id.len}, req->emu->client_id) &&
         is_secret(req->emu->client_secret, (struct span){secret.data, secret.len});
    if (secret.data)
        explicit_bzero(secret.data, secret.size);
    buf_done(&id);
    buf_done(&secret);
    return ok;
}

bool auth_client(const struct request *req)
{
    struct span encoded, pair;
    struct buf plain;
    bool ok = false;

    if (!after_scheme(request_header(req, "Authorization"), "Basic", &encoded))
        return false;
    buf_init(&plain, CREDENTIALS_MAX);
    if (base64_decode(encoded, &plain) && plain.len) {
        pair = (struct span){plain.data, plain.len};
        ok = pair_matches(req, pair, false) || pair_matches(req, pair, true);
    }
    if (plain.data)
        explicit_bzero(plain.data, plain.size);
    buf_done(&plain);
    return ok;
}
