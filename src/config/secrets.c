#include "config/internal.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct secret **config_secret_field(struct config *c, const struct setting *row)
{
    return (struct secret **)(void *)((char *)&c->settings + row->field);
}

/* "databricks_access_token" in the directory systemd's LoadCredential= fills; NULL: not there. */
static const char *credential_path(struct config *c, const char *env_name)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    const char *path;
    char name[64];
    size_t i;

    if (!directory || !*directory)
        return NULL;
    for (i = 0; env_name[i] && i < sizeof(name) - 1; i++)
        name[i] = (char)tolower((unsigned char)env_name[i]);
    name[i] = '\0';
    path = config_keepf(c, "%s/%s", directory, name);
    return access(path, F_OK) == 0 ? path : NULL;
}

static void take_file(struct config *c, size_t i, const char *path, const char *name)
{
    struct secret **field = config_secret_field(c, &setting_table[i]);
    struct value *value = &c->values[i];
    bool exposed = false;
    struct err err = {0};

    *value = (struct value){
        .source = config_keepf(c, "file %s", path), .name = name, .path = path, .rank = RANK_FILE};
    secret_free(*field);
    *field = secret_from_file(path, &exposed, &err);
    if (!*field) {
        value->bad = true;
        config_complain(c, name, path, "%s; correct the file or its name", err.text);
    } else if (exposed) {
        config_warn(c, name, path, "others may read this file; chmod 600 unless it is mounted so");
    }
}

/* The setting that names a file of this secret: "token_file" of "token"; NULL: there is none. */
static const struct value *file_of(struct config *c, const struct setting *row)
{
    char key[64];
    size_t i;

    (void)snprintf(key, sizeof(key), "%s_file", row->key);
    i = setting_find(key);
    return i < setting_count && c->values[i].text && !c->values[i].bad ? &c->values[i] : NULL;
}

static void gather_secret(struct config *c, size_t i)
{
    const struct setting *row = &setting_table[i];
    struct value *value = &c->values[i];
    const struct value *file = file_of(c, row);
    struct secret **field = config_secret_field(c, row);
    const char *path = NULL;
    const char *taken = NULL;

    for (int n = 0; n < SETTING_ENVS && row->env[n] && !path; n++)
        path = credential_path(c, row->env[n]);
    if (value->rank == RANK_FLAG)
        taken = value->source;
    else if (file)
        take_file(c, i, file->text, file->name);
    else if (path)
        take_file(c, i, path, "CREDENTIALS_DIRECTORY");
    /* All names are taken out of the environment, also those whose value is not used. */
    for (int n = 0; n < SETTING_ENVS && row->env[n]; n++) {
        struct err err = {0};
        struct secret *secret = secret_from_env(row->env[n], &err);

        if (!secret && err.kind != ERR_NONE)
            config_complain(c, row->env[n], NULL, "%s", err.text);
        if (secret && value->rank < RANK_ENV) {
            *field = secret;
            *value = (struct value){.source = config_keepf(c, "environment %s", row->env[n]),
                .name = row->env[n],
                .rank = RANK_ENV};
            taken = row->env[n];
            continue;
        }
        if (secret && taken && value->rank == RANK_ENV && !secret_equal(secret, *field))
            config_warn(c, row->env[n], NULL,
                "differs from %s, which is used; set only one of them", taken);
        secret_free(secret);
    }
}

void config_gather_secrets(struct config *c)
{
    for (size_t i = 0; i < setting_count; i++)
        if (setting_table[i].type == SETTING_SECRET &&
            (setting_table[i].commands & (unsigned)c->command))
            gather_secret(c, i);
}

/* The federation token may be in a variable of any name; after the profile, which may name it. */
void config_gather_named_secret(struct config *c)
{
    const struct value *name = config_value(c, "oidc_token_env");
    size_t i = setting_find("oidc_token");
    struct value *value = &c->values[i];
    struct secret **field = config_secret_field(c, &setting_table[i]);
    struct err err = {0};
    struct secret *secret;

    if (!(setting_table[i].commands & (unsigned)c->command) || !name->text || name->bad ||
        strcmp(name->text, setting_table[i].env[0]) == 0)
        return;
    secret = secret_from_env(name->text, &err);
    if (!secret) {
        config_complain(c, name->name, name->text, "%s",
            err.kind == ERR_NONE ? "there is no such variable; set it, or name another one"
                                 : err.text);
        return;
    }
    secret_free(*field);
    *field = secret;
    *value = (struct value){.source = config_keepf(c, "environment %s", name->text),
        .name = name->text,
        .rank = RANK_ENV};
}

/* The secret as its file has it now. NULL with ERR_NONE: it did not come from a file. */
static struct secret *read_again(struct config *c, size_t i, struct err *err)
{
    const struct value *value = &c->values[i];
    struct secret *secret = NULL;
    struct profile profile = {0};
    const char *text;
    bool exposed;

    err_clear(err);
    if (value->path)
        return secret_from_file(value->path, &exposed, err);
    if (value->rank != RANK_PROFILE)
        return NULL;
    if (!config_read_profile(c->profile_path, c->profile_name, &profile, err)) {
        err_wrap(err, "profile file '%s'", c->profile_path);
        return NULL;
    }
    text = profile_get(&profile, setting_table[i].profile_key);
    if (text)
        secret = secret_new(span_of(text), err);
    else
        err_set(err, ERR_INPUT, 0, "profile %s has no %s any more", c->profile_name,
            setting_table[i].profile_key);
    profile_done(&profile);
    return secret;
}

bool config_reload_secrets(struct config *c, bool *ret_changed, struct err *err)
{
    const size_t rows[] = {setting_find("token"), setting_find("client_secret"),
        setting_find("azure_client_secret"), setting_find("oidc_token")};
    struct secret *fresh[sizeof(rows) / sizeof(rows[0])] = {NULL};
    size_t count = sizeof(rows) / sizeof(rows[0]);
    bool changed = false, ok = true;

    for (size_t n = 0; n < count && ok; n++) {
        assert(rows[n] < setting_count);
        if (!*config_secret_field(c, &setting_table[rows[n]]))
            continue;
        fresh[n] = read_again(c, rows[n], err);
        ok = fresh[n] || err->kind == ERR_NONE;
    }
    for (size_t n = 0; n < count; n++) {
        struct secret **field = config_secret_field(c, &setting_table[rows[n]]);

        if (ok && fresh[n] && !secret_equal(fresh[n], *field)) {
            struct secret *old = *field;

            *field = fresh[n];
            fresh[n] = old;
            changed = true;
        }
        secret_free(fresh[n]);
    }
    if (ok)
        *ret_changed = changed;
    return ok;
}

const char *config_file_get(const struct config *c, size_t number)
{
    static const char *const named[] = {
        "ca_file", "proxy_ca_file", "client_cert_file", "client_key_file", "oidc_token_filepath"};

    for (size_t i = 0; i < setting_count; i++)
        if (c->values[i].path && number-- == 0)
            return c->values[i].path;
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        const char *path = c->values[setting_find(named[i])].text;

        if (path && number-- == 0)
            return path;
    }
    return number == 0 ? c->profile_path : NULL;
}
