#include "config/internal.h"

#include <strings.h>

/* The ways to sign in, in the order of preference, and the settings that make each. */
struct way {
    enum auth_type type;
    const char *name;
    const char *keys[8]; /* the first `own` of them make it one that somebody wants */
    size_t own;
};

static const struct way ways[] = {
    {AUTH_TYPE_PAT, "pat", {"token"}, 1},
    {AUTH_TYPE_OAUTH_M2M, "oauth-m2m", {"client_secret", "client_id"}, 2},
    {AUTH_TYPE_FILE_OIDC, "file-oidc", {"oidc_token_filepath", "token_audience", "client_id"}, 1},
    {AUTH_TYPE_ENV_OIDC, "env-oidc",
        {"oidc_token", "oidc_token_env", "token_audience", "client_id"}, 2},
    {AUTH_TYPE_AZURE_CLIENT_SECRET, "azure-client-secret",
        {"azure_client_id", "azure_client_secret", "azure_tenant_id", "azure_environment",
            "azure_login", "azure_resource_id"},
        2},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static const struct way *way_of(enum auth_type type)
{
    for (size_t i = 0; i < WAYS; i++)
        if (ways[i].type == type)
            return &ways[i];
    return NULL;
}

/* The setting by which somebody asked for this way; NULL: nobody did. A client id alone belongs to
 * federation when there is a federation token. DATABRICKS_OIDC_TOKEN alone (some runners set it for
 * every job) is a way only when there is no other: see config_check_sign_in. */
static const char *wanted_by(const struct config *c, const struct way *way)
{
    bool federation = config_has(c, "oidc_token_filepath") || config_has(c, "oidc_token_env") ||
                      config_has(c, "oidc_token");

    for (size_t i = 0; i < way->own; i++) {
        const char *key = way->keys[i];

        if (!config_has(c, key) || (federation && strcmp(key, "client_id") == 0))
            continue;
        if (way->type == AUTH_TYPE_ENV_OIDC && strcmp(key, "oidc_token") == 0 &&
            !config_has(c, "oidc_token_env"))
            continue;
        return key;
    }
    return NULL;
}

/* The first of two that are set at the same time; says so. */
static const struct way *pick(struct config *c)
{
    const struct way *first = NULL;
    const char *first_key = NULL;

    for (size_t i = 0; i < WAYS; i++) {
        const char *key = wanted_by(c, &ways[i]);

        if (key && first) {
            const struct value *one = config_value(c, first_key), *other = config_value(c, key);

            config_complain(c, one->name, NULL,
                "set (%s) beside %s (%s), two ways to sign in; remove one, or set "
                "DATABRICKS_AUTH_TYPE to %s or %s",
                one->source, other->name, other->source, first->name, ways[i].name);
            return NULL;
        }
        if (key) {
            first = &ways[i];
            first_key = key;
        }
    }
    return first;
}

/* --- the chosen way is whole --- */

static void need_beside(
    struct config *c, const char *key, const char *variable, const char *file, const char *beside)
{
    if (config_has(c, key) || !config_has(c, beside))
        return;
    config_complain(c, variable, NULL, "not set, but %s is; a service principal needs both%s%s",
        config_value(c, beside)->name, file ? ": set it or " : "", file ? file : "");
}

static void check_azure(struct config *c)
{
    const struct value *cloud = config_value(c, "azure_environment");

    need_beside(
        c, "azure_client_secret", "ARM_CLIENT_SECRET", "ARM_CLIENT_SECRET_FILE", "azure_client_id");
    need_beside(c, "azure_client_id", "ARM_CLIENT_ID", NULL, "azure_client_secret");
    if (cloud->text && !cloud->bad && strcasecmp(cloud->text, "PUBLIC") != 0 &&
        strcasecmp(cloud->text, "USGOVERNMENT") != 0 && strcasecmp(cloud->text, "CHINA") != 0)
        config_complain(
            c, cloud->name, cloud->text, "no such cloud; use PUBLIC, USGOVERNMENT or CHINA");
}

static void check_whole(struct config *c, enum auth_type type)
{
    if (type == AUTH_TYPE_OAUTH_M2M) {
        need_beside(c, "client_secret", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_CLIENT_SECRET_FILE",
            "client_id");
        need_beside(c, "client_id", "DATABRICKS_CLIENT_ID", NULL, "client_secret");
    } else if (type == AUTH_TYPE_AZURE_CLIENT_SECRET) {
        check_azure(c);
    }
}

/* DATABRICKS_AUTH_TYPE names a way of which nothing is set. */
static void complain_empty(struct config *c, enum auth_type type)
{
    static const char *const texts[] = {
        [AUTH_TYPE_PAT] =
            "there is no token; set DATABRICKS_ACCESS_TOKEN or DATABRICKS_ACCESS_TOKEN_FILE",
        [AUTH_TYPE_OAUTH_M2M] =
            "there is no service principal; set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
        [AUTH_TYPE_ENV_OIDC] =
            "there is no federation token; set DATABRICKS_OIDC_TOKEN or DATABRICKS_OIDC_TOKEN_ENV",
        [AUTH_TYPE_FILE_OIDC] = "there is no federation token; set DATABRICKS_OIDC_TOKEN_FILEPATH",
        [AUTH_TYPE_AZURE_CLIENT_SECRET] =
            "there is no service principal of Entra ID; set ARM_CLIENT_ID and ARM_CLIENT_SECRET",
    };
    const struct value *value = config_value(c, "auth_type");

    config_complain(c, value->name, value->text, "%s", texts[type]);
}

static void complain_none(struct config *c)
{
    config_complain(c, "credentials", NULL,
        "none are set; set DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET(_FILE), or "
        "DATABRICKS_ACCESS_TOKEN(_FILE)%s",
        c->profile_skipped
            ? "; a profile file is not read beside a host without DATABRICKS_CONFIG_PROFILE"
            : "");
}

/* Does the named way have anything of its own? A client id is enough for nothing. */
static bool has_own(const struct config *c, const struct way *way)
{
    if (way->type == AUTH_TYPE_OAUTH_M2M)
        return config_has(c, "client_id") || config_has(c, "client_secret");
    if (way->type == AUTH_TYPE_ENV_OIDC)
        return config_has(c, "oidc_token");
    for (size_t i = 0; i < way->own; i++)
        if (config_has(c, way->keys[i]))
            return true;
    return false;
}

void config_check_sign_in(struct config *c)
{
    size_t before = c->problems.count;
    const struct way *way;

    if (config_value(c, "auth_type")->bad)
        return;
    if (c->settings.auth != AUTH_TYPE_ANY) {
        way = way_of(c->settings.auth);
        if (!has_own(c, way)) {
            complain_empty(c, way->type);
            return;
        }
    } else {
        way = pick(c);
        if (!way && c->problems.count == before && config_has(c, "oidc_token"))
            way = way_of(AUTH_TYPE_ENV_OIDC);
        if (!way && c->problems.count == before)
            complain_none(c);
        if (!way)
            return;
    }
    c->settings.auth = way->type;
    check_whole(c, way->type);
}

/* --- for people --- */

bool config_sign_in(const struct config *c, size_t number, struct config_sign_in_part *ret)
{
    static const char *const common[] = {
        "auth_type", "host", "workspace_id", "account_id", "discovery_url"};
    const struct way *way = way_of(c->settings.auth);
    size_t commons = sizeof(common) / sizeof(common[0]);

    for (size_t i = 0; way && i < commons + sizeof(way->keys) / sizeof(way->keys[0]); i++) {
        const char *key = i < commons ? common[i] : way->keys[i - commons];
        size_t at = key ? setting_find(key) : setting_count;
        bool shown = i == 0 || (key && config_has(c, key));

        if (at == setting_count || !shown || number-- > 0)
            continue;
        *ret = (struct config_sign_in_part){.key = key,
            .value = setting_table[at].type == SETTING_SECRET ? NULL
                     : i == 0                                 ? way->name
                                                              : c->values[at].text,
            .source = c->values[at].source};
        if (ret->value && config_looks_secret(ret->value))
            ret->value = NULL;
        return true;
    }
    return false;
}

const struct secret *config_sign_in_secret(const struct settings *settings)
{
    switch (settings->auth) {
    case AUTH_TYPE_PAT:
        return settings->token;
    case AUTH_TYPE_OAUTH_M2M:
        return settings->client_secret;
    case AUTH_TYPE_ENV_OIDC:
        return settings->oidc_token;
    case AUTH_TYPE_AZURE_CLIENT_SECRET:
        return settings->azure_client_secret;
    case AUTH_TYPE_FILE_OIDC:
    case AUTH_TYPE_ANY:
        break;
    }
    return NULL;
}
