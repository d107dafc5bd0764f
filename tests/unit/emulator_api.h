/* tests/unit/emulator_api.h: calls of the JSON APIs, on top of emulator_client.h. */
#ifndef TESTS_EMULATOR_API_H
#define TESTS_EMULATOR_API_H

#include "emulator_client.h"

#include "emulator/json.h"

#define WORKER "22222222-2222-4333-8444-555555555555" /* restricted, by token */
#define WORKER_TOKEN "dapi-of-the-worker"
#define WORKER_BEARER "Authorization: Bearer " WORKER_TOKEN "\r\n"

/* A second principal that may do only what was granted. The secret lives as long as the process:
 * options are copied, and tests stop the fixture before it goes. */
static inline void with_worker(struct emulator_options *options)
{
    static struct emulator_principal worker = {.id = WORKER};
    static struct secret *token;
    struct err err = {0};

    if (!token)
        token = secret_new(span_of(WORKER_TOKEN), &err);
    worker.token = token;
    options->principals = &worker;
    options->principal_count = 1;
}

/* Sends `body` (NULL: none), expects `status`; the answer's object, to be given back. */
static inline json_t *call_as(const struct fixture *f, const char *bearer, const char *method,
    const char *target, const char *body, int status)
{
    json_error_t why;
    struct answer a;
    json_t *json;

    ask(f, &a, method, target, bearer, body, body ? strlen(body) : 0);
    if (a.status != status)
        fail_msg("%s %s: %d instead of %d: %s", method, target, a.status, status, a.body);
    json = json_loads(a.body ? a.body : "", 0, &why);
    if (!json_is_object(json))
        fail_msg("%s %s: no object: %s", method, target, a.body);
    answer_done(&a);
    return json;
}

static inline json_t *call(
    const struct fixture *f, const char *method, const char *target, const char *body, int status)
{
    return call_as(f, BEARER, method, target, body, status);
}

/* For calls whose answer does not matter beyond its status. */
static inline void do_call(
    const struct fixture *f, const char *method, const char *target, const char *body, int status)
{
    json_decref(call(f, method, target, body, status));
}

/* The error's code must be this, and its message must have `part`. */
static inline void expect_error_as(const struct fixture *f, const char *bearer, const char *method,
    const char *target, const char *body, int status, const char *code, const char *part)
{
    json_t *json = call_as(f, bearer, method, target, body, status);

    assert_string_equal(json_member(json, "error_code"), code);
    if (!strstr(json_member(json, "message"), part))
        fail_msg("'%s' is not in: %s", part, json_member(json, "message"));
    json_decref(json);
}

static inline void expect_error(const struct fixture *f, const char *method, const char *target,
    const char *body, int status, const char *code, const char *part)
{
    expect_error_as(f, BEARER, method, target, body, status, code, part);
}

/* The same directory served anew. */
static inline void restart(struct fixture *f, change_options *change)
{
    static const char *const volumes[] = {"main.raw.land"};
    struct err err = {0};
    struct emulator_options options = {
        .root = f->root,
        .token = f->token,
        .client_id = TEST_ID,
        .client_secret = f->client_secret,
        .volumes = volumes,
        .volume_count = 1,
    };

    if (change)
        change(&options);
    emulator_stop(f->emu);
    f->emu = emulator_start(&options, &err);
    if (!f->emu)
        fail_msg("%s", err.text);
}

#endif
