#include "config/internal.h"

#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

extern char **environ;

#define VALUE_MAX 4096
#define PROFILE_FILE_MAX (1024 * 1024)
#define OWN_PREFIX "VOLUME_UPLOADER_"

/* --- environment --- */

/* NULL: not set, or empty, which is the same. *ret_name is the name as it is written there. */
static const char *env_get(struct config *c, const char *name, bool any_case, const char **ret_name)
{
    const char *value = getenv(name);
    size_t len = strlen(name);

    *ret_name = name;
    if (value && *value)
        return value;
    for (char **entry = environ; any_case && entry && *entry; entry++)
        if (strncasecmp(*entry, name, len) == 0 && (*entry)[len] == '=' && (*entry)[len + 1]) {
            *ret_name = config_keep(c, (struct span){*entry, len});
            return *entry + len + 1;
        }
    return NULL;
}

static void take_env(struct config *c, size_t i, const char *name, const char *text)
{
    struct value *value = &c->values[i];
    struct span span = span_of(text);

    /* systemd gives a list when a unit has several; the first is ours. */
    if (strcmp(name, "STATE_DIRECTORY") == 0 && memchr(text, ':', span.len))
        span.len = (size_t)((const char *)memchr(text, ':', span.len) - text);
    *value = (struct value){
        .source = config_keepf(c, "environment %s", name), .name = name, .rank = RANK_ENV};
    if (span.len > VALUE_MAX) {
        value->bad = true;
        config_complain(c, name, NULL, "longer than %d bytes; check what was put there", VALUE_MAX);
        return;
    }
    value->text = config_keep(c, span);
}

static void gather_one(struct config *c, size_t i)
{
    const struct setting *row = &setting_table[i];
    const char *first = NULL, *first_name = NULL;

    for (int n = 0; n < SETTING_ENVS && row->env[n]; n++) {
        const char *name, *text = env_get(c, row->env[n], row->env_any_case, &name);

        if (!text)
            continue;
        if (!first) {
            first = text;
            first_name = name;
            if (c->values[i].rank < RANK_ENV)
                take_env(c, i, name, text);
        } else if (strcmp(first, text) != 0 && strncmp(name, "DATABRICKS_", 11) == 0) {
            config_warn(
                c, name, NULL, "differs from %s, which is used; set only one of them", first_name);
        }
    }
}

/* "VOLUME_UPLOADER_COMIT_MS": a typing mistake must not go unnoticed. */
static void warn_unknown(struct config *c)
{
    for (char **entry = environ; entry && *entry; entry++) {
        const char *end = strchr(*entry, '=');
        bool known = false;

        if (!end || strncmp(*entry, OWN_PREFIX, strlen(OWN_PREFIX)) != 0)
            continue;
        for (size_t i = 0; i < setting_count && !known; i++)
            for (int n = 0; n < SETTING_ENVS && setting_table[i].env[n]; n++)
                known = known ||
                        (strlen(setting_table[i].env[n]) == (size_t)(end - *entry) &&
                            strncmp(setting_table[i].env[n], *entry, (size_t)(end - *entry)) == 0);
        if (!known)
            config_warn(c, config_keep(c, (struct span){*entry, (size_t)(end - *entry)}), NULL,
                "no setting has this name; see volume-uploader help settings");
    }
}

void config_gather_environment(struct config *c)
{
    if (c->command == CONFIG_NOTHING)
        return;
    for (size_t i = 0; i < setting_count; i++)
        if ((setting_table[i].commands & (unsigned)c->command) &&
            setting_table[i].type != SETTING_SECRET)
            gather_one(c, i);
    warn_unknown(c);
}

/* --- profile --- */

/* Links are followed: dot files and mounted secrets often are some. */
bool config_read_profile(const char *path, const char *wanted, struct profile *ret, struct err *err)
{
    char real[PATH_MAX];
    struct buf text;
    bool ok;

    if (!realpath(path, real))
        return err_sys(err, ERR_DENIED, "cannot be read");
    buf_init(&text, PROFILE_FILE_MAX);
    ok = file_read_whole(FILE_CWD, real, &text, err);
    if (ok)
        ok = profile_parse((struct span){text.data ? text.data : "", text.len}, wanted, ret, err);
    if (text.data)
        explicit_bzero(text.data, text.size);
    buf_done(&text);
    return ok;
}

/* Where the file is; NULL: nowhere. "~/" is the home directory, as the other tools have it. */
static const char *profile_path(struct config *c)
{
    const struct value *file = config_value(c, "config_file");
    const char *path = file->text ? file->text : "~/.databrickscfg";
    const char *home = getenv("HOME");

    if (strncmp(path, "~/", 2) != 0)
        return path;
    return home && *home ? config_keepf(c, "%s/%s", home, path + 2) : NULL;
}

static void take_profile_key(struct config *c, size_t i, const char *text, const char *source)
{
    const struct setting *row = &setting_table[i];
    struct value *value = &c->values[i];
    struct err err = {0};

    if (value->rank > RANK_PROFILE)
        return;
    *value = (struct value){.source = source,
        .name = config_keepf(c, "%s in %s", row->profile_key, source),
        .rank = RANK_PROFILE};
    if (row->type == SETTING_SECRET) {
        struct secret **field = config_secret_field(c, row);

        secret_free(*field);
        *field = secret_new(span_of(text), &err);
        value->bad = !*field;
        if (value->bad)
            config_complain(c, value->name, NULL, "%s", err.text);
    } else {
        value->text = config_keep(c, span_of(text));
    }
}

static void warn_readable(struct config *c, const char *path)
{
    char real[PATH_MAX];
    struct file_info info;
    struct err err;
    bool exists = false;

    if (realpath(path, real) && file_stat(FILE_CWD, real, &exists, &info, &err) && exists &&
        (info.mode & 0044))
        config_warn(c, path, NULL, "others may read the secrets in it; chmod 600");
}

/* The file is left alone when a host or a credential is set and nobody asked for a profile. */
static bool wants_profile(struct config *c, const char *path, bool asked)
{
    bool alone =
        asked || !(config_has(c, "host") || config_has(c, "token") || config_has(c, "client_id") ||
                     config_has(c, "client_secret") || config_has(c, "oidc_token_filepath") ||
                     config_has(c, "oidc_token_env") || config_has(c, "azure_client_id") ||
                     config_has(c, "azure_client_secret"));

    c->profile_skipped = !alone && path && access(path, F_OK) == 0;
    return alone && (path || asked);
}

static void complain_profile(struct config *c, const char *path, const char *why)
{
    const struct value *wanted = config_value(c, "config_profile");
    const struct value *file = config_value(c, "config_file");

    if (wanted->text)
        config_complain(c, wanted->name, wanted->text,
            "profile file '%s': %s; correct it, or choose another profile or file", path, why);
    else
        config_complain(c, file->text ? file->name : path, file->text,
            "profile file: %s; correct it, or set DATABRICKS_CONFIG_FILE", why);
}

static void take_profile(struct config *c, const struct profile *profile, const char *path)
{
    const char *source = config_keepf(c, "profile %s in %s", profile->name, path);

    c->profile_path = path;
    c->profile_name = config_keep(c, span_of(profile->name));
    for (size_t i = 0; i < setting_count; i++) {
        const char *key = setting_table[i].profile_key;
        const char *text = key ? profile_get(profile, key) : NULL;

        if (!text && setting_table[i].profile_also)
            text = profile_get(profile, setting_table[i].profile_also);
        if (text)
            take_profile_key(c, i, text, source);
    }
    if (profile_get(profile, "token") || profile_get(profile, "client_secret") ||
        profile_get(profile, "azure_client_secret"))
        warn_readable(c, path);
}

/* databricks-api.md 1.5: the file only fills in what is not set. */
void config_gather_profile(struct config *c)
{
    const struct value *wanted = config_value(c, "config_profile");
    const struct value *file = config_value(c, "config_file");
    bool asked = wanted->text && !wanted->bad;
    struct profile profile = {0};
    struct err err = {0};
    const char *path;

    if (!(setting_table[setting_find("host")].commands & (unsigned)c->command))
        return;
    path = profile_path(c);
    if (!wants_profile(c, path, asked))
        return;
    if (!path) {
        config_complain(c, wanted->name, wanted->text,
            "no profile file: HOME is not set; set DATABRICKS_CONFIG_FILE");
    } else if (config_read_profile(path, asked ? wanted->text : NULL, &profile, &err)) {
        take_profile(c, &profile, path);
        profile_done(&profile);
    } else if (err.code != ENOENT || asked || file->text) {
        complain_profile(c, path, err.text);
    }
}
