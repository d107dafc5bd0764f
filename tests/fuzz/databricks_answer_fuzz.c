/* Whatever a server, a proxy or a person sends: heads and bodies of answers, token answers, hosts.
 *
 * The first byte chooses: 'e' an answer (head lines, an empty line, the body), 't' a token answer,
 * 'm' host metadata, 'h' a host setting, 'r' words to redact, 'j' a job and a run, 'c' a JWT, 'l'
 * where a redirect leads.
 */
#include "base/clock.h"
#include "databricks/auth_read.h"
#include "databricks/error.h"
#include "databricks/host.h"
#include "databricks/jobs_read.h"
#include "databricks/redact.h"
#include "databricks/retry_after.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_err(const struct err *err)
{
    must(err->kind != ERR_NONE && memchr(err->text, '\0', sizeof(err->text)) != NULL);
    for (const unsigned char *c = (const unsigned char *)err->text; *c; c++)
        must(*c >= 0x20 && *c != 0x7f);
    must(str_utf8_valid(err->text, strlen(err->text)));
}

static void try_answer(const char *data, size_t size)
{
    static const struct error_words words = {"upload", "grant", "missing", "f.parquet"};
    struct http_answer a = {.length = -1};
    struct api_error api;
    struct err err = {.kind = ERR_NONE};
    size_t at = 0;
    bool ok;

    while (at < size) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) + 1 - at : size - at;

        if (len <= 1)
            break;
        http_read_header(&a, (struct span){data + at, len});
        if (len > 12 && memcmp(data + at, "HTTP/", 5) == 0)
            a.status = (data[at + 9] & 7) * 100 + (data[at + 10] & 15) * 10 + (data[at + 11] & 15);
        at += len;
    }
    buf_init(&a.body, HTTP_ANSWER_MAX);
    must(buf_add(&a.body, data + at, size - at));
    ok = error_judge(&a, &words, NULL, NULL, &api, &err);
    must(ok == (api.class == CLASS_NONE));
    if (!ok)
        check_err(&err);
    must(api.retry_after_us >= -1 && api.retry_after_us <= RETRY_AFTER_MAX_US);
    buf_done(&a.body);
}

static void try_token(struct span body)
{
    struct secret *secret = NULL;
    int64_t life = 0;
    struct err err = {.kind = ERR_NONE};

    if (auth_read_token(body, &secret, &life, &err))
        must(secret && life > 0 && life <= 366 * CLOCK_DAY_US);
    else
        check_err(&err);
    secret_free(secret);
}

static void try_host(struct span text)
{
    char *copy = malloc(text.len + 1);
    struct host host, again;
    struct err err = {.kind = ERR_NONE};

    must(copy != NULL);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (host_normalise(copy, &host, &err)) {
        must(host_url_safe(host.url));
        must(host_normalise(host.url, &again, &err)); /* and stays as it is */
        must(strcmp(host.url, again.url) == 0);
    } else {
        check_err(&err);
    }
    free(copy);
}

static void try_redact(struct span text)
{
    struct buf out;

    buf_init(&out, 4096);
    must(redact_add(&out, text, REDACT_WORDS_MAX));
    must(out.len <= REDACT_WORDS_MAX);
    must(out.len == 0 || str_utf8_valid(out.data, out.len));
    buf_done(&out);
}

static void try_job(struct span text)
{
    json_error_t error;
    json_t *root = json_loadb(text.data, text.len, JSON_ALLOW_NUL, &error);
    struct job job;
    struct jobs_run run;

    must(jobs_read_job(root, &job)); /* whatever it is: what is odd is empty */
    must(job.name && job.creator && job.trigger_url && job_tag(&job, "managed_by"));
    for (size_t i = 0; i < job.task_count; i++)
        must(job.tasks[i].key && job.tasks[i].path && job.tasks[i].warehouse_id);
    must(jobs_read_run(root, &run));
    must(run.message && run.state_text && run.start_us >= 0);
    must(str_utf8_valid(run.message, strlen(run.message)));
    (void)jobs_run_ended(&run);
    job_done(&job);
    jobs_run_done(&run);
    json_decref(root);
}

static void try_claims(struct span token)
{
    struct auth_claims claims;

    if (!auth_read_claims(token, "A", &claims))
        return;
    must(claims.until_us >= 0 && claims.until_us < CLOCK_LAST_US);
    for (const char *c = claims.issuer; *c; c++)
        must(*c > 0x20 && *c < 0x7f);
}

static void try_location(struct span text)
{
    char *copy = malloc(text.len + 1), tenant[64];

    must(copy != NULL);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (auth_read_tenant(copy, tenant, sizeof(tenant)))
        must(tenant[0] && !strpbrk(tenant, "/:@?#% "));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth_metadata metadata;
    struct span rest = {(const char *)data + 1, size - 1};
    char out[512];

    if (size == 0)
        return 0;
    switch (data[0]) {
    case 'e':
        try_answer(rest.data, rest.len);
        break;
    case 't':
        try_token(rest);
        break;
    case 'm':
        if (auth_read_endpoint(rest, "oidc_endpoint", "https://h", "acc", out, sizeof(out)))
            must(host_url_safe(out));
        auth_read_metadata(rest, &metadata);
        must(strlen(metadata.cloud) < sizeof(metadata.cloud));
        break;
    case 'h':
        try_host(rest);
        break;
    case 'j':
        try_job(rest);
        break;
    case 'c':
        try_claims(rest);
        break;
    case 'l':
        try_location(rest);
        break;
    default:
        try_redact(rest);
        break;
    }
    return 0;
}
