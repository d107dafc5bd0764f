#include "databricks/auth_read.h"

#include "base/base64.h"
#include "base/clock.h"
#include "databricks/host.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LIFE_DEFAULT_US (3600 * CLOCK_SECOND_US)
#define LIFE_MAX_US (INT64_C(366) * CLOCK_DAY_US)
#define CLAIMS_MAX 65536

static int64_t life_of(const json_t *value)
{
    uint64_t seconds;

    if (json_is_integer(value) && json_integer_value(value) > 0)
        seconds = (uint64_t)json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) >= 1 && json_real_value(value) < 1e9)
        seconds = (uint64_t)json_real_value(value);
    else if (!json_is_string(value) ||
             !str_u64((struct span){json_string_value(value), json_string_length(value)}, &seconds))
        return LIFE_DEFAULT_US;
    if (seconds == 0)
        return LIFE_DEFAULT_US;
    return seconds < (uint64_t)(LIFE_MAX_US / CLOCK_SECOND_US) ? (int64_t)seconds * CLOCK_SECOND_US
                                                               : LIFE_MAX_US;
}

bool auth_read_token(struct span body, struct secret **ret, int64_t *ret_life_us, struct err *err)
{
    json_error_t error; /* its text quotes the body: never shown */
    json_t *root = body.len ? json_loadb(body.data, body.len, JSON_ALLOW_NUL, &error) : NULL;
    const json_t *token = json_object_get(root, "access_token");
    struct secret *secret = NULL;

    if (json_is_string(token) && json_string_length(token) > 0) {
        secret =
            secret_new((struct span){json_string_value(token), json_string_length(token)}, err);
        /* jansson frees its copy without wiping. */
        explicit_bzero((void *)(uintptr_t)json_string_value(token), json_string_length(token));
    } else {
        err_set(err, ERR_RETRY, 0, "the sign-in answer holds no access_token");
    }
    if (secret) {
        *ret_life_us = life_of(json_object_get(root, "expires_in"));
        *ret = secret;
    }
    explicit_bzero(&error, sizeof(error));
    json_decref(root);
    return secret != NULL;
}

static bool same_origin(const char *url, const char *host)
{
    size_t len = strlen(host);

    return strncmp(url, host, len) == 0 && (url[len] == '/' || url[len] == '\0');
}

/* "<before>{account_id}<after>" filled in; -1: it does not fit, or there is no account. */
static int fill_in(char *out, size_t size, const char *url, const char *account)
{
    const char *gap = strstr(url, "{account_id}");

    if (!gap)
        return snprintf(out, size, "%s", url);
    if (!account)
        return -1;
    return snprintf(out, size, "%.*s%s%s", (int)(gap - url), url, account, gap + 12);
}

bool auth_read_endpoint(struct span body, const char *key, const char *host, const char *account,
    char *out, size_t size)
{
    json_error_t error;
    json_t *root = body.len ? json_loadb(body.data, body.len, 0, &error) : NULL;
    const char *url = json_string_value(json_object_get(root, key));
    const char *said = json_string_value(json_object_get(root, "account_id"));
    char text[AUTH_URL_SIZE];
    bool ok = false;
    int n = url ? fill_in(text, sizeof(text), url, said ? said : account) : -1;

    if (n > 0 && (size_t)n < sizeof(text) && (size_t)n < size) {
        while (n > 1 && text[n - 1] == '/')
            text[--n] = '\0';
        ok = strncmp(text, "https://", 8) == 0 || (same_origin(text, host) && host_url_safe(text));
        for (int i = 0; i < n; i++)
            ok = ok && text[i] > 0x20 && text[i] < 0x7f;
    }
    if (ok)
        (void)str_copy(out, size, text);
    json_decref(root);
    return ok;
}

/* Letters and digits only: it goes into headers and texts. */
static void keep_word(char *out, size_t size, const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    size_t len = text ? strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_-")
                      : 0;

    if (text && !text[len] && len < size)
        (void)str_copy(out, size, text);
}

void auth_read_metadata(struct span body, struct auth_metadata *ret)
{
    json_error_t error;
    json_t *root = body.len ? json_loadb(body.data, body.len, 0, &error) : NULL;
    const char *id = json_string_value(json_object_get(root, "workspace_id"));
    uint64_t number;

    *ret = (struct auth_metadata){.cloud = ""};
    if (id && strlen(id) < sizeof(ret->workspace_id) && str_u64(span_of(id), &number))
        (void)str_copy(ret->workspace_id, sizeof(ret->workspace_id), id);
    keep_word(ret->cloud, sizeof(ret->cloud), root, "cloud");
    keep_word(ret->host_type, sizeof(ret->host_type), root, "host_type");
    json_decref(root);
}

/* --- Azure --- */

bool auth_read_tenant(const char *location, char *out, size_t size)
{
    const char *path = strstr(location, "://");
    const char *tenant;
    size_t len;

    path = path ? strchr(path + 3, '/') : location[0] == '/' ? location : NULL;
    if (!path)
        return false;
    tenant = path + 1;
    len = strspn(tenant, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");
    if (len == 0 || len >= size || (tenant[len] && tenant[len] != '/'))
        return false;
    memcpy(out, tenant, len);
    out[len] = '\0';
    return true;
}

const struct auth_azure *auth_azure_of(const char *environment, const char *host)
{
    static const struct auth_azure rows[] = {
        {"PUBLIC", "https://login.microsoftonline.com", "https://management.core.windows.net/",
            ".azuredatabricks.net"},
        {"USGOVERNMENT", "https://login.microsoftonline.us",
            "https://management.core.usgovcloudapi.net/", ".databricks.azure.us"},
        {"CHINA", "https://login.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/",
            ".databricks.azure.cn"},
    };
    size_t len = strcspn(host + 8, ":") + 8; /* "https://name[:port]" */

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t end = strlen(rows[i].suffix);

        if (environment ? strcasecmp(environment, rows[i].name) == 0
                        : len > end && strncasecmp(host + len - end, rows[i].suffix, end) == 0)
            return &rows[i];
    }
    return environment ? NULL : &rows[0];
}

/* --- a JWT's open part --- */

/* For texts: printable ASCII, the rest becomes '?'. */
static void keep_claim(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text && text[n] && n + 1 < size; n++)
        out[n] = text[n] > 0x20 && text[n] < 0x7f ? text[n] : '?';
    out[n] = '\0';
}

static void read_audience(const json_t *aud, const char *wanted, struct auth_claims *ret)
{
    size_t count = json_is_array(aud) ? json_array_size(aud) : 1;

    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_is_array(aud) ? json_array_get(aud, i) : aud);

        if (i == 0)
            keep_claim(ret->audience, sizeof(ret->audience), text);
        ret->audience_is = ret->audience_is || (text && wanted && strcmp(text, wanted) == 0);
    }
}

bool auth_read_claims(struct span token, const char *audience, struct auth_claims *ret)
{
    const char *first = token.len ? memchr(token.data, '.', token.len) : NULL;
    size_t left = first ? token.len - (size_t)(first + 1 - token.data) : 0;
    const char *second = left ? memchr(first + 1, '.', left) : NULL;
    json_error_t error;
    json_t *root = NULL;
    struct buf text;

    *ret = (struct auth_claims){.issuer = ""};
    if (!second)
        return false;
    buf_init(&text, CLAIMS_MAX);
    if (base64_read_url((struct span){first + 1, (size_t)(second - first - 1)}, &text) && text.len)
        root = json_loadb(text.data, text.len, 0, &error);
    buf_done(&text);
    if (json_is_object(root)) {
        json_int_t until = json_integer_value(json_object_get(root, "exp"));

        keep_claim(
            ret->issuer, sizeof(ret->issuer), json_string_value(json_object_get(root, "iss")));
        keep_claim(
            ret->subject, sizeof(ret->subject), json_string_value(json_object_get(root, "sub")));
        read_audience(json_object_get(root, "aud"), audience, ret);
        if (until > 0 && until < CLOCK_LAST_US / CLOCK_SECOND_US)
            ret->until_us = until * CLOCK_SECOND_US;
    }
    left = json_is_object(root);
    json_decref(root);
    return left;
}
