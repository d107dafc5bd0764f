#include "emulator/token.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rng.h"

#define TOKENS_MAX 1024U

struct tokens {
    pthread_mutex_t lock;
    int64_t life_us;
    size_t next; /* a ring: the oldest is replaced */
    struct {
        char text[TOKEN_SIZE];
        char principal[TOKEN_PRINCIPAL_MAX];
        int64_t end_us;
    } list[TOKENS_MAX];
};

struct tokens *tokens_new(int64_t life_us, struct err *err)
{
    struct tokens *tokens = calloc(1, sizeof(*tokens));

    if (!tokens) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for tokens");
        return NULL;
    }
    tokens->life_us = life_us;
    (void)pthread_mutex_init(&tokens->lock, NULL);
    return tokens;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    (void)pthread_mutex_destroy(&tokens->lock);
    explicit_bzero(tokens, sizeof(*tokens));
    free(tokens);
}

int64_t tokens_life_us(const struct tokens *tokens)
{
    return tokens->life_us;
}

bool tokens_issue(
    struct tokens *tokens, const char *principal, char out[TOKEN_SIZE], struct err *err)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[TOKEN_SIZE];

    if (!rng_secure(random, sizeof(random), err))
        return false;
    memcpy(out, "eyJ", 3);
    for (size_t i = 3; i < TOKEN_SIZE - 1; i++)
        out[i] = alphabet[random[i] & 63];
    out[TOKEN_SIZE - 1] = '\0';
    (void)pthread_mutex_lock(&tokens->lock);
    memcpy(tokens->list[tokens->next].text, out, TOKEN_SIZE);
    (void)str_copy(
        tokens->list[tokens->next].principal, sizeof(tokens->list[0].principal), principal);
    tokens->list[tokens->next].end_us = clock_boot_us() + tokens->life_us;
    tokens->next = (tokens->next + 1) % TOKENS_MAX;
    (void)pthread_mutex_unlock(&tokens->lock);
    return true;
}

enum token_state tokens_check(
    struct tokens *tokens, struct span token, char principal[TOKEN_PRINCIPAL_MAX])
{
    enum token_state state = TOKEN_UNKNOWN;

    if (token.len != TOKEN_SIZE - 1)
        return TOKEN_UNKNOWN;
    (void)pthread_mutex_lock(&tokens->lock);
    for (size_t i = 0; i < TOKENS_MAX && state == TOKEN_UNKNOWN; i++) {
        if (memcmp(tokens->list[i].text, token.data, token.len) != 0)
            continue;
        state = clock_boot_us() < tokens->list[i].end_us ? TOKEN_GOOD : TOKEN_EXPIRED;
        memcpy(principal, tokens->list[i].principal, TOKEN_PRINCIPAL_MAX);
    }
    (void)pthread_mutex_unlock(&tokens->lock);
    return state;
}
