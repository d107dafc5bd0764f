#include "config/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"

static char home[64];
static int home_fd = -1;

static int make_home(void **state)
{
    struct err err;

    (void)state;
    (void)str_copy(home, sizeof(home), "/tmp/config_load_XXXXXX");
    return mkdtemp(home) && file_dir_open(FILE_CWD, home, &home_fd, &err) ? 0 : -1;
}

static int drop_home(void **state)
{
    (void)state;
    file_drop(home_fd);
    return rmdir(home);
}

/* Each test begins with nothing but a home directory without files. */
static int begin(void **state)
{
    (void)state;
    return clearenv() || setenv("HOME", home, 1);
}

static int clean(void **state)
{
    struct file_list list;
    struct err err;

    (void)state;
    if (!file_list(home_fd, &list, &err))
        return -1;
    for (size_t i = 0; i < list.count; i++)
        if (!file_unlink(home_fd, list.names[i], &err))
            return -1;
    file_list_done(&list);
    return 0;
}

static void env(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void put(const char *name, const char *text, mode_t mode)
{
    struct err err;

    assert_true(file_write_whole(home_fd, name, text, strlen(text), &err));
    assert_int_equal(fchmodat(home_fd, name, mode, 0), 0);
}

static const char *in_home(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    (void)snprintf(path, 128, "%s/%s", home, name);
    return path;
}

/* What a good `run` needs. */
static void good(void)
{
    env("DATABRICKS_HOST", "dbc-1.cloud.databricks.com");
    env("DATABRICKS_UC_VOLUME", "main.kelvin.raw");
    env("DATABRICKS_CLIENT_ID", "0000-1111");
    env("DATABRICKS_CLIENT_SECRET", "dose-s3cr3t");
}

static struct config *new_config(enum config_command command)
{
    struct err err = {0};
    struct config *c = config_new(command, &err);

    assert_non_null(c);
    return c;
}

static size_t problems(const struct config *c)
{
    size_t n = 0;

    while (config_problem(c, n))
        n++;
    return n;
}

static bool mentions(const struct config *c, const char *part)
{
    for (size_t i = 0; config_problem(c, i); i++)
        if (strstr(config_problem(c, i), part))
            return true;
    return false;
}

static bool warns(const struct config *c, const char *part)
{
    for (size_t i = 0; config_warning(c, i); i++)
        if (strstr(config_warning(c, i), part))
            return true;
    return false;
}

static void load_well(struct config *c)
{
    if (!config_load(c))
        fail_msg("%s", config_problem(c, 0));
}

static void expect_problem(struct config *c, const char *part)
{
    assert_false(config_load(c));
    if (!mentions(c, part))
        fail_msg("'%s' is not in '%s'", part, config_problem(c, 0));
    if (problems(c) != 1)
        fail_msg("more than one: %s; %s", config_problem(c, 0), config_problem(c, 1));
}

/* Secrets are compared without being looked at. */
static void expect_secret(const struct secret *secret, const char *want)
{
    struct err err;
    struct secret *other = secret_new(span_of(want), &err);

    assert_true(secret_equal(secret, other));
    secret_free(other);
}

static void defaults_are_those_of_the_design(void **state)
{
    struct config *c = new_config(CONFIG_RUN);
    const struct settings *s = config_settings(c);

    (void)state;
    good();
    load_well(c);
    assert_string_equal(s->stream_host, "127.0.0.1");
    assert_int_equal(s->stream_port, 49167);
    assert_int_equal(s->stream_limit_bytes, 4194304);
    assert_int_equal(s->upload_interval_us, 60 * CLOCK_SECOND_US);
    assert_int_equal(s->batch_size, 1000000);
    assert_int_equal(s->segment_bytes, 32 << 20);
    assert_int_equal(s->series_max, 100000);
    assert_int_equal(s->merge_bytes, 256 << 20);
    assert_int_equal(s->commit_us, 50000);
    assert_int_equal(s->commit_bytes, 4 << 20);
    assert_string_equal(s->state_dir, "./state");
    assert_false(s->allow_volatile_state);
    assert_int_equal(s->state_bytes_max, 0);
    assert_int_equal(s->free_bytes_min, 0);
    assert_int_equal(s->when_full, WHEN_FULL_WAIT);
    assert_int_equal(s->stop_us, 20 * CLOCK_SECOND_US);
    assert_int_equal(s->file_layout, FILE_LAYOUT_FLAT);
    assert_int_equal(s->row_order, ROW_ORDER_SERIES);
    assert_int_equal(s->job_trigger, JOB_TRIGGER_FILE_ARRIVAL);
    assert_int_equal(s->job_loader, JOB_LOADER_NONE);
    assert_string_equal(s->status_listen, "127.0.0.1:9464");
    assert_string_equal(s->status_host, "127.0.0.1");
    assert_int_equal(s->status_port, 9464);
    assert_int_equal(s->upload_parallel, 4);
    assert_int_equal(s->parquet_profile, PROFILE_SAFE);
    assert_int_equal(s->compression, COMPRESSION_ZSTD);
    assert_int_equal(s->log_level, LOG_LEVEL_INFO);
    assert_int_equal(s->log_format, LOG_FORMAT_TEXT);
    assert_int_equal(s->auth, AUTH_TYPE_OAUTH_M2M);
    assert_string_equal(s->volume.catalog, "main");
    assert_string_equal(s->volume.schema, "kelvin");
    assert_string_equal(s->volume.name, "raw");
    assert_string_equal(s->volume_text, "main.kelvin.raw");
    assert_null(s->table.catalog);
    assert_null(s->ca_file);
    expect_secret(s->client_secret, "dose-s3cr3t");
    assert_false(config_is_set(c, "batch_size"));
    assert_string_equal(config_source(c, "batch_size"), "default");
    config_free(c);
}

static void flags_win_over_environment_over_profile(void **state)
{
    struct config *c;

    (void)state;
    put(".databrickscfg", "[prod]\nhost = profile-host\nworkspace_id = 12\ntoken = t1\n", 0600);
    env("DATABRICKS_CONFIG_PROFILE", "prod");
    env("DATABRICKS_UC_VOLUME", "a.b.c");
    c = new_config(CONFIG_RUN);
    load_well(c);
    assert_string_equal(config_settings(c)->host, "profile-host");
    assert_int_equal(config_settings(c)->auth, AUTH_TYPE_PAT);
    expect_secret(config_settings(c)->token, "t1");
    assert_non_null(strstr(config_source(c, "host"), "profile prod in "));
    config_free(c);

    env("DATABRICKS_HOST", "env-host");
    env("VOLUME_UPLOADER_COMMIT_MS", "70");
    c = new_config(CONFIG_RUN);
    load_well(c);
    assert_string_equal(config_settings(c)->host, "env-host");
    assert_string_equal(config_settings(c)->workspace_id, "12"); /* only fills in */
    assert_string_equal(config_source(c, "host"), "environment DATABRICKS_HOST");
    assert_int_equal(config_settings(c)->commit_us, 70000);
    config_free(c);

    c = new_config(CONFIG_RUN);
    config_set(c, "host", "flag-host");
    config_set(c, "commit_ms", "0.5s");
    load_well(c);
    assert_string_equal(config_settings(c)->host, "flag-host");
    assert_int_equal(config_settings(c)->commit_us, 500000);
    assert_string_equal(config_source(c, "commit_ms"), "flag --commit-ms");
    config_free(c);
}

static void empty_variables_are_not_set(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("KELVIN_STREAM_PORT", "");
    env("VOLUME_UPLOADER_BATCH_SIZE", "");
    env("DATABRICKS_ACCESS_TOKEN", "");
    env("DATABRICKS_SERVER_HOSTNAME", "");
    load_well(c);
    assert_int_equal(config_settings(c)->stream_port, 49167);
    assert_string_equal(config_source(c, "host"), "environment DATABRICKS_HOST");
    config_free(c);
}

static void kelvin_names_have_any_case(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("kelvin_stream_ip", "10.0.0.1");
    env("Kelvin_Stream_Port", "1234");
    env("KELVIN_STREAM_PORT", "");
    env("databricks_uc_volume", "not.looked.at");
    load_well(c);
    assert_string_equal(config_settings(c)->stream_host, "10.0.0.1");
    assert_int_equal(config_settings(c)->stream_port, 1234);
    assert_string_equal(config_settings(c)->volume.name, "raw");
    config_free(c);
}

static void the_older_names_win_and_a_difference_is_told(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("DATABRICKS_SERVER_HOSTNAME", "first");
    load_well(c);
    assert_string_equal(config_settings(c)->host, "first");
    assert_true(warns(c, "DATABRICKS_HOST: differs from DATABRICKS_SERVER_HOSTNAME"));
    config_free(c);
}

static void each_bad_value_is_told_with_what_to_do(void **state)
{
    static const struct {
        const char *name, *value, *want;
    } rows[] = {
        {"KELVIN_STREAM_PORT", "0", "KELVIN_STREAM_PORT = 0: out of range; use 1 to 65535"},
        {"KELVIN_STREAM_PORT", "65536", "use 1 to 65535"},
        {"KELVIN_STREAM_PORT", "http", "not a whole number"},
        {"KELVIN_STREAM_LIMIT", "100", "use 1 KiB to 64 MiB"},
        {"VOLUME_UPLOADER_FREE_BYTES_MIN", "0", "use at least 1"},
        {"VOLUME_UPLOADER_UPLOAD_INTERVAL", "0", "use 1 s to 1 d"},
        {"VOLUME_UPLOADER_UPLOAD_INTERVAL", "25h", "use 1 s to 1 d"},
        {"VOLUME_UPLOADER_UPLOAD_INTERVAL", "soon", "not a duration"},
        {"VOLUME_UPLOADER_BATCH_SIZE", "1048577", "use 1 to 1,048,576"},
        {"VOLUME_UPLOADER_BATCH_SIZE", "0", "use 1 to 1,048,576"},
        {"VOLUME_UPLOADER_BATCH_SIZE", "1000.0", "not a whole number"},
        {"VOLUME_UPLOADER_SEGMENT_BYTES", "1k", "use 1 MiB to 256 MiB"},
        {"VOLUME_UPLOADER_COMMIT_MS", "11s", "use 1 ms to 10,000 ms"},
        {"VOLUME_UPLOADER_STATE_BYTES_MAX", "1M", "use at least 16 MiB"},
        {"VOLUME_UPLOADER_STATE_BYTES_MAX", "-1", "not a size"},
        {"VOLUME_UPLOADER_ALLOW_VOLATILE_STATE", "maybe", "use yes or no"},
        {"VOLUME_UPLOADER_WHEN_FULL", "drop", "use wait or drop_oldest"},
        {"VOLUME_UPLOADER_COMPRESSION", "gzip", "use zstd, snappy or none"},
        {"VOLUME_UPLOADER_STATUS_LISTEN", "9464", "write it like 127.0.0.1:9464"},
        {"VOLUME_UPLOADER_STATUS_LISTEN", "::1:9464", "write it like"},
        {"VOLUME_UPLOADER_STATUS_LISTEN", "127.0.0.1:99999", "write it like"},
        {"VOLUME_UPLOADER_UPLOAD_PARALLEL", "33", "use 1 to 32"},
        {"VOLUME_UPLOADER_PARTNER", "a b", "other characters"},
        {"DATABRICKS_UC_VOLUME", "main.raw", "three parts; write it as CATALOG.SCHEMA.VOLUME"},
        {"DATABRICKS_DELTA_TABLE", "a b.c.d", "write it as CATALOG.SCHEMA.TABLE"},
        {"DATABRICKS_HOST", "a\nb", "DATABRICKS_HOST = a\\x0ab: has control characters"},
        {"DATABRICKS_WORKSPACE_ID", "abc", "not a number"},
        {"DATABRICKS_JOB_CLUSTER_ID", "a/../b", "other characters"},
        {"DATABRICKS_AUTH_TYPE", "azure-cli",
            "use any, pat, oauth-m2m, env-oidc, file-oidc or azure-client-secret"},
        {"VOLUME_UPLOADER_CA_FILE", "/nonexistent/ca.pem", "cannot be read"},
        {"DATABRICKS_CONFIG_FILE", "/nonexistent/cfg", ""}, /* not looked at beside a host */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config *c = new_config(CONFIG_RUN);

        assert_int_equal(begin(NULL), 0);
        good();
        env(rows[i].name, rows[i].value);
        if (strncmp(rows[i].name, "DATABRICKS_JOB", 14) == 0)
            env("DATABRICKS_DELTA_TABLE", "a.b.c");
        if (*rows[i].want) {
            expect_problem(c, rows[i].want);
            assert_int_equal(strncmp(config_problem(c, 0), rows[i].name, strlen(rows[i].name)), 0);
        } else {
            load_well(c);
        }
        config_free(c);
    }
}

static void all_mistakes_are_told_at_once(void **state)
{
    struct config *c = new_config(CONFIG_SETUP);

    (void)state;
    env("VOLUME_UPLOADER_LOG_LEVEL", "loud");
    env("DATABRICKS_JOB_CLUSTER_ID", "1");
    env("DATABRICKS_JOB_WAREHOUSE_ID", "2");
    config_set(c, "state_dir", "");
    assert_false(config_load(c));
    assert_true(mentions(c, "VOLUME_UPLOADER_LOG_LEVEL = loud"));
    assert_true(mentions(c, "--state-dir: has no value"));
    assert_true(mentions(c, "DATABRICKS_SERVER_HOSTNAME: not set"));
    assert_true(mentions(c, "DATABRICKS_UC_VOLUME: not set"));
    assert_true(mentions(c, "DATABRICKS_DELTA_TABLE: not set"));
    assert_true(mentions(c, "credentials: none are set"));
    assert_true(mentions(c, "two loaders"));
    assert_int_equal(problems(c), 7);
    config_free(c);
}

static void files_move_away_only_with_auto_loader(void **state)
{
    struct config *c = new_config(CONFIG_SETUP);

    (void)state;
    good();
    env("DATABRICKS_DELTA_TABLE", "a.b.t");
    env("DATABRICKS_JOB_WAREHOUSE_ID", "w");
    env("VOLUME_UPLOADER_JOB_CLEAN_SOURCE", "yes");
    expect_problem(c, "COPY INTO cannot move files away");
    config_free(c);
}

static void the_folder_of_the_code_is_a_workspace_folder(void **state)
{
    static const struct {
        const char *folder;
        bool ok;
    } rows[] = {
        {"/Workspace/Shared/volume-uploader", true},
        {"/Workspace/Users/me@example.com/up loader", true},
        {"/Shared/volume-uploader", false},
        {"/Workspace/", false},
        {"/Workspace/Shared/", false},
        {"/Workspace/Shared//x", false},
        {"/Workspace/../x", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config *c = new_config(CONFIG_SETUP);

        good();
        env("DATABRICKS_DELTA_TABLE", "a.b.t");
        env("VOLUME_UPLOADER_JOB_FOLDER", rows[i].folder);
        if (rows[i].ok)
            assert_true(config_load(c));
        else
            expect_problem(c, "not a folder of the workspace");
        config_free(c);
    }
}

static void loaders_exclude_each_other_and_need_a_table(void **state)
{
    static const struct {
        const char *cluster, *warehouse, *serverless, *table, *want;
        enum job_loader loader;
    } rows[] = {
        {"", "", "", "", NULL, JOB_LOADER_NONE},
        {"c", "", "", "a.b.t", NULL, JOB_LOADER_AUTO_LOADER},
        {"", "w", "", "a.b.t", NULL, JOB_LOADER_COPY_INTO},
        {"", "", "yes", "a.b.t", NULL, JOB_LOADER_AUTO_LOADER},
        {"c", "w", "", "a.b.t", "two loaders", JOB_LOADER_NONE},
        {"c", "", "yes", "a.b.t", "two loaders", JOB_LOADER_NONE},
        {"", "w", "yes", "a.b.t", "two loaders", JOB_LOADER_NONE},
        {"c", "", "", "", "DATABRICKS_DELTA_TABLE: not set; a job needs", JOB_LOADER_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config *c = new_config(CONFIG_RUN);

        good();
        env("DATABRICKS_JOB_CLUSTER_ID", rows[i].cluster);
        env("DATABRICKS_JOB_WAREHOUSE_ID", rows[i].warehouse);
        env("DATABRICKS_JOB_SERVERLESS", rows[i].serverless);
        env("DATABRICKS_DELTA_TABLE", rows[i].table);
        if (rows[i].want) {
            expect_problem(c, rows[i].want);
        } else {
            load_well(c);
            assert_int_equal(config_settings(c)->job_loader, rows[i].loader);
        }
        config_free(c);
    }
}

struct ways_row {
    const char *env[10]; /* name, value, ... */
    const char *want;    /* part of a problem; NULL: good, and signs in by `auth` */
    enum auth_type auth;
};

#define FILE_TOKEN "DATABRICKS_OIDC_TOKEN_FILEPATH", "/dev/null"
#define TYPE "DATABRICKS_AUTH_TYPE"

static void every_way_to_sign_in(void **state)
{
    static const struct ways_row rows[] = {
        {{FILE_TOKEN}, NULL, AUTH_TYPE_FILE_OIDC},
        {{FILE_TOKEN, "DATABRICKS_CLIENT_ID", "i"}, NULL, AUTH_TYPE_FILE_OIDC},
        {{"DATABRICKS_OIDC_TOKEN_FILE", "/dev/null"}, NULL, AUTH_TYPE_FILE_OIDC},
        {{"DATABRICKS_OIDC_TOKEN", "j"}, NULL, AUTH_TYPE_ENV_OIDC},
        {{"DATABRICKS_OIDC_TOKEN", "j", "DATABRICKS_CLIENT_ID", "i"}, NULL, AUTH_TYPE_ENV_OIDC},
        {{"DATABRICKS_OIDC_TOKEN_ENV", "MINE", "MINE", "j"}, NULL, AUTH_TYPE_ENV_OIDC},
        {{"DATABRICKS_OIDC_TOKEN_ENV", "MINE"},
            "DATABRICKS_OIDC_TOKEN_ENV = MINE: there is no such variable", AUTH_TYPE_ANY},
        {{"ARM_CLIENT_ID", "i", "ARM_CLIENT_SECRET", "s"}, NULL, AUTH_TYPE_AZURE_CLIENT_SECRET},
        {{"ARM_CLIENT_ID", "i", "ARM_CLIENT_SECRET", "s", "ARM_ENVIRONMENT", "china"}, NULL,
            AUTH_TYPE_AZURE_CLIENT_SECRET},
        {{"ARM_CLIENT_ID", "i", "ARM_CLIENT_SECRET", "s", "ARM_ENVIRONMENT", "MOON"},
            "ARM_ENVIRONMENT = MOON: no such cloud; use PUBLIC", AUTH_TYPE_ANY},
        {{"ARM_CLIENT_ID", "i"},
            "ARM_CLIENT_SECRET: not set, but ARM_CLIENT_ID is; a service principal needs both: set "
            "it or ARM_CLIENT_SECRET_FILE",
            AUTH_TYPE_ANY},
        {{"ARM_CLIENT_SECRET", "s"}, "ARM_CLIENT_ID: not set, but ARM_CLIENT_SECRET is",
            AUTH_TYPE_ANY},
        {{"ARM_TENANT_ID", "t"}, "credentials: none are set", AUTH_TYPE_ANY},
        /* A runner's own federation token does not disturb what somebody set. */
        {{"DATABRICKS_OIDC_TOKEN", "j", "DATABRICKS_TOKEN", "t"}, NULL, AUTH_TYPE_PAT},
        {{"DATABRICKS_OIDC_TOKEN", "j", "DATABRICKS_CLIENT_ID", "i", "DATABRICKS_CLIENT_SECRET",
             "s"},
            NULL, AUTH_TYPE_OAUTH_M2M},
        /* Two families: named, each with its source. */
        {{"DATABRICKS_TOKEN", "t", "ARM_CLIENT_ID", "i"},
            "DATABRICKS_TOKEN: set (environment DATABRICKS_TOKEN) beside ARM_CLIENT_ID "
            "(environment ARM_CLIENT_ID), two ways to sign in; remove one, or set "
            "DATABRICKS_AUTH_TYPE to pat or azure-client-secret",
            AUTH_TYPE_ANY},
        {{"DATABRICKS_CLIENT_ID", "i", "DATABRICKS_CLIENT_SECRET", "s", FILE_TOKEN},
            "DATABRICKS_AUTH_TYPE to oauth-m2m or file-oidc", AUTH_TYPE_ANY},
        {{"DATABRICKS_OIDC_TOKEN_ENV", "MINE", "MINE", "j", FILE_TOKEN},
            "DATABRICKS_AUTH_TYPE to file-oidc or env-oidc", AUTH_TYPE_ANY},
        {{"ARM_CLIENT_SECRET", "s", "DATABRICKS_CLIENT_SECRET", "s"},
            "DATABRICKS_AUTH_TYPE to oauth-m2m or azure-client-secret", AUTH_TYPE_ANY},
        /* The type picks one and ends the quarrel. */
        {{"DATABRICKS_TOKEN", "t", "ARM_CLIENT_ID", "i", TYPE, "pat"}, NULL, AUTH_TYPE_PAT},
        {{"DATABRICKS_CLIENT_ID", "i", "DATABRICKS_CLIENT_SECRET", "s", FILE_TOKEN, TYPE,
             "file-oidc"},
            NULL, AUTH_TYPE_FILE_OIDC},
        {{"DATABRICKS_TOKEN", "t", "DATABRICKS_OIDC_TOKEN", "j", TYPE, "env-oidc"}, NULL,
            AUTH_TYPE_ENV_OIDC},
        {{"DATABRICKS_TOKEN", "t", TYPE, "env-oidc"},
            "there is no federation token; set "
            "DATABRICKS_OIDC_TOKEN",
            AUTH_TYPE_ANY},
        {{"DATABRICKS_TOKEN", "t", TYPE, "file-oidc"}, "set DATABRICKS_OIDC_TOKEN_FILEPATH",
            AUTH_TYPE_ANY},
        {{"DATABRICKS_TOKEN", "t", TYPE, "azure-client-secret"},
            "there is no service principal of Entra ID", AUTH_TYPE_ANY},
        {{"ARM_CLIENT_ID", "i", TYPE, "azure-client-secret"},
            "ARM_CLIENT_SECRET: not set, but ARM_CLIENT_ID is", AUTH_TYPE_ANY},
        {{"DATABRICKS_OIDC_TOKEN_FILEPATH", "/nonexistent/token"}, "cannot be read", AUTH_TYPE_ANY},
        {{"DATABRICKS_TOKEN", "t", "VOLUME_UPLOADER_CLIENT_KEY_FILE", "/dev/null"},
            "set without a certificate; set VOLUME_UPLOADER_CLIENT_CERT_FILE too", AUTH_TYPE_ANY},
        {{"DATABRICKS_TOKEN", "t", "VOLUME_UPLOADER_PROXY_CA_FILE", "/nonexistent/ca"},
            "cannot be read", AUTH_TYPE_ANY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config *c;

        assert_int_equal(begin(NULL), 0);
        env("DATABRICKS_HOST", "h");
        env("DATABRICKS_UC_VOLUME", "a.b.c");
        for (size_t n = 0; n < 10 && rows[i].env[n]; n += 2)
            env(rows[i].env[n], rows[i].env[n + 1]);
        c = new_config(CONFIG_RUN);
        if (rows[i].want) {
            expect_problem(c, rows[i].want);
        } else {
            load_well(c);
            if (config_settings(c)->auth != rows[i].auth)
                fail_msg("row %zu: %d", i, (int)config_settings(c)->auth);
            assert_true((config_sign_in_secret(config_settings(c)) == NULL) ==
                        (rows[i].auth == AUTH_TYPE_FILE_OIDC));
        }
        assert_null(getenv("DATABRICKS_TOKEN")); /* wiped, also when they are not used */
        assert_null(getenv("ARM_CLIENT_SECRET"));
        assert_null(getenv("DATABRICKS_OIDC_TOKEN"));
        config_free(c);
    }
}

static void the_way_and_its_sources_are_shown(void **state)
{
    struct config *c = new_config(CONFIG_CHECK);
    struct config_sign_in_part part;
    struct buf all;

    (void)state;
    put("azure", "CANARY-azure\n", 0600);
    put(".databrickscfg",
        "[fed]\nhost = h\nazure_client_id = ID-1\nazure_tenant_id = T-1\ntoken = CANARY-token\n"
        "auth_type = azure-client-secret\naudience = AUD\n",
        0600);
    env("DATABRICKS_CONFIG_PROFILE", "fed");
    env("DATABRICKS_UC_VOLUME", "a.b.c");
    env("DATABRICKS_DELTA_TABLE", "a.b.t");
    env("ARM_CLIENT_SECRET_FILE", in_home("azure"));
    env("AZURE_AUTHORITY_HOST", "https://user:CANARY-pass@login.example");
    load_well(c);
    expect_secret(config_settings(c)->azure_client_secret, "CANARY-azure");
    assert_string_equal(config_settings(c)->token_audience, "AUD");
    buf_init(&all, 8192);
    for (size_t i = 0; config_sign_in(c, i, &part); i++)
        buf_printf(&all, "%s=%s<%s>\n", part.key, part.value ? part.value : "-", part.source);
    assert_non_null(strstr(buf_text(&all), "auth_type=azure-client-secret<profile fed in "));
    assert_non_null(strstr(buf_text(&all), "azure_client_id=ID-1<profile fed in "));
    assert_non_null(strstr(buf_text(&all), "azure_client_secret=-<file "));
    assert_non_null(strstr(buf_text(&all), "azure_login=-<environment AZURE_AUTHORITY_HOST>"));
    assert_null(strstr(buf_text(&all), "CANARY"));
    assert_null(strstr(buf_text(&all), "\ntoken="));
    buf_done(&all);
    config_free(c);
    assert_int_equal(clean(NULL), 0);
}

static void one_way_to_sign_in(void **state)
{
    static const struct {
        const char *token, *id, *secret, *type, *want;
        enum auth_type auth;
    } rows[] = {
        {"t", "", "", "", NULL, AUTH_TYPE_PAT},
        {"", "i", "s", "", NULL, AUTH_TYPE_OAUTH_M2M},
        {"t", "i", "s", "pat", NULL, AUTH_TYPE_PAT},
        {"t", "i", "s", "oauth-m2m", NULL, AUTH_TYPE_OAUTH_M2M},
        {"t", "i", "s", "", "two ways to sign in", AUTH_TYPE_ANY},
        {"t", "i", "", "", "two ways to sign in", AUTH_TYPE_ANY},
        {"", "i", "", "", "DATABRICKS_CLIENT_SECRET: not set, but DATABRICKS_CLIENT_ID is",
            AUTH_TYPE_ANY},
        {"", "", "s", "", "DATABRICKS_CLIENT_ID: not set, but DATABRICKS_CLIENT_SECRET is",
            AUTH_TYPE_ANY},
        {"", "", "", "", "credentials: none are set", AUTH_TYPE_ANY},
        {"", "i", "s", "pat", "there is no token", AUTH_TYPE_ANY},
        {"t", "", "", "oauth-m2m", "there is no service principal", AUTH_TYPE_ANY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config *c = new_config(CONFIG_RUN);

        env("DATABRICKS_HOST", "h");
        env("DATABRICKS_UC_VOLUME", "a.b.c");
        env("DATABRICKS_TOKEN", rows[i].token);
        env("DATABRICKS_CLIENT_ID", rows[i].id);
        env("DATABRICKS_CLIENT_SECRET", rows[i].secret);
        env("DATABRICKS_AUTH_TYPE", rows[i].type);
        if (rows[i].want) {
            expect_problem(c, rows[i].want);
        } else {
            load_well(c);
            assert_int_equal(config_settings(c)->auth, rows[i].auth);
        }
        config_free(c);
    }
}

static void secrets_leave_the_environment_and_never_show(void **state)
{
    static const char *const words[] = {"t0ps3cr3t", "als0s3cr3t", "proxyp4ss", "dapimisplaced"};
    struct config *c = new_config(CONFIG_RUN);
    struct buf text;

    (void)state;
    env("DATABRICKS_ACCESS_TOKEN", "t0ps3cr3t");
    env("DATABRICKS_TOKEN", "als0s3cr3t");
    env("DATABRICKS_CLIENT_SECRET", "als0s3cr3t");
    env("HTTPS_PROXY", "http://me:proxyp4ss@proxy:3128");
    env("DATABRICKS_CLIENT_ID", "dapimisplaced/1");
    env("DATABRICKS_UC_VOLUME", "dapimisplaced");
    env("VOLUME_UPLOADER_STATUS_LISTEN", "proxyp4ss@x");
    assert_false(config_load(c));
    assert_null(getenv("DATABRICKS_ACCESS_TOKEN"));
    assert_null(getenv("DATABRICKS_TOKEN"));
    assert_null(getenv("DATABRICKS_CLIENT_SECRET"));
    assert_true(warns(c, "DATABRICKS_TOKEN: differs from DATABRICKS_ACCESS_TOKEN"));
    buf_init(&text, 1 << 20);
    for (size_t i = 0; config_problem(c, i); i++)
        buf_printf(&text, "%s\n", config_problem(c, i));
    for (size_t i = 0; config_warning(c, i); i++)
        buf_printf(&text, "%s\n", config_warning(c, i));
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(buf_text(&text), words[i]))
            fail_msg("%s", buf_text(&text));
    buf_reset(&text);
    config_print_values(c, &text);
    assert_non_null(strstr(buf_text(&text), "(set)"));
    assert_non_null(strstr(buf_text(&text), "proxy:3128"));
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(buf_text(&text), words[i]))
            fail_msg("%s", buf_text(&text));
    buf_done(&text);
    config_free(c);
}

static void files_win_over_variables_and_are_read_again(void **state)
{
    struct config *c = new_config(CONFIG_RUN);
    struct err err = {0};
    bool changed = true;

    (void)state;
    good();
    put("secret", "from-file\n", 0600);
    env("DATABRICKS_CLIENT_SECRET_FILE", in_home("secret"));
    load_well(c);
    expect_secret(config_settings(c)->client_secret, "from-file");
    assert_null(getenv("DATABRICKS_CLIENT_SECRET"));
    assert_non_null(strstr(config_source(c, "client_secret"), "file /"));
    assert_true(config_reload_secrets(c, &changed, &err));
    assert_false(changed);
    put("secret", "rotated\n", 0600);
    assert_true(config_reload_secrets(c, &changed, &err));
    assert_true(changed);
    expect_secret(config_settings(c)->client_secret, "rotated");
    put("secret", "", 0600);
    assert_false(config_reload_secrets(c, &changed, &err));
    expect_secret(config_settings(c)->client_secret, "rotated"); /* the old one stays */
    config_free(c);
}

static void systemd_credentials_are_found(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    env("DATABRICKS_HOST", "h");
    env("DATABRICKS_UC_VOLUME", "a.b.c");
    env("CREDENTIALS_DIRECTORY", home);
    put("databricks_token", "cred", 0444);
    load_well(c);
    expect_secret(config_settings(c)->token, "cred");
    assert_true(warns(c, "others may read this file"));
    config_free(c);
}

static void an_unreadable_secret_file_is_a_problem(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("DATABRICKS_CLIENT_SECRET_FILE", in_home("missing"));
    expect_problem(c, "open secret file");
    config_free(c);
    assert_int_equal(begin(NULL), 0);
    good();
    put("secret", "x", 0606);
    c = new_config(CONFIG_RUN);
    config_set(c, "client_secret_file", in_home("secret"));
    expect_problem(c, "--client-secret-file");
    config_free(c);
}

static void the_profile_file_is_left_alone_beside_a_host(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    put(".databrickscfg", "[DEFAULT]\nhost = p\ntoken = t\nthis line is broken\n", 0600);
    env("DATABRICKS_HOST", "h");
    env("DATABRICKS_UC_VOLUME", "a.b.c");
    expect_problem(c, "a profile file is not read beside a host");
    config_free(c);

    unsetenv("DATABRICKS_HOST");
    c = new_config(CONFIG_RUN);
    assert_false(config_load(c)); /* now it is read, and broken */
    assert_true(mentions(c, "line 4 has no ="));
    config_free(c);

    put(".databrickscfg", "[DEFAULT]\nhost = p\ntoken = t\n", 0644);
    c = new_config(CONFIG_RUN);
    load_well(c);
    assert_string_equal(config_settings(c)->host, "p");
    assert_true(warns(c, "others may read the secrets"));
    config_free(c);
}

static void a_profile_asked_for_must_be_there(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("DATABRICKS_CONFIG_PROFILE", "prod");
    expect_problem(c, "DATABRICKS_CONFIG_PROFILE = prod: profile file");
    config_free(c);
    good();
    put("cfg", "[test]\nhost = x\n", 0600);
    env("DATABRICKS_CONFIG_FILE", in_home("cfg"));
    c = new_config(CONFIG_RUN);
    expect_problem(c, "it has no profile [prod]");
    config_free(c);
    good();
    env("DATABRICKS_CONFIG_FILE", "~/cfg"); /* as the other tools write it */
    put("cfg", "[prod]\nworkspace_id = 77\n", 0600);
    c = new_config(CONFIG_RUN);
    load_well(c);
    assert_string_equal(config_settings(c)->workspace_id, "77");
    config_free(c);
}

static void profile_secrets_are_read_again(void **state)
{
    struct config *c = new_config(CONFIG_RUN);
    struct err err = {0};
    bool changed = false;

    (void)state;
    put(".databrickscfg", "[DEFAULT]\nhost = p\ntoken = one\n", 0600);
    env("DATABRICKS_UC_VOLUME", "a.b.c");
    load_well(c);
    put(".databrickscfg", "[DEFAULT]\nhost = p\ntoken = two\n", 0600);
    assert_true(config_reload_secrets(c, &changed, &err));
    assert_true(changed);
    expect_secret(config_settings(c)->token, "two");
    put(".databrickscfg", "[DEFAULT]\nhost = p\n", 0600);
    assert_false(config_reload_secrets(c, &changed, &err));
    assert_non_null(strstr(err.text, "no token any more"));
    config_free(c);
}

static void the_state_directory_follows_systemd(void **state)
{
    struct config *c = new_config(CONFIG_INSPECT);

    (void)state;
    env("STATE_DIRECTORY", "/var/lib/volume-uploader:/var/lib/other");
    load_well(c);
    assert_string_equal(config_settings(c)->state_dir, "/var/lib/volume-uploader");
    config_free(c);
    env("VOLUME_UPLOADER_STATE_DIR", "/data");
    c = new_config(CONFIG_INSPECT);
    load_well(c);
    assert_string_equal(config_settings(c)->state_dir, "/data");
    config_free(c);
}

static void parts_are_at_most_an_eighth_of_the_whole(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("VOLUME_UPLOADER_STATE_BYTES_MAX", "64MiB");
    load_well(c);
    assert_int_equal(config_settings(c)->segment_bytes, 8 << 20);
    assert_int_equal(config_settings(c)->merge_bytes, 8 << 20);
    config_free(c);
    good();
    env("VOLUME_UPLOADER_SEGMENT_BYTES", "16MiB");
    c = new_config(CONFIG_RUN);
    expect_problem(c, "VOLUME_UPLOADER_SEGMENT_BYTES = 16MiB: more than an eighth");
    config_free(c);
    good();
    env("VOLUME_UPLOADER_STATE_BYTES_MAX", "");
    c = new_config(CONFIG_RUN);
    load_well(c);
    assert_false(config_fit_state(c, UINT64_C(1) << 40));
    assert_int_equal(config_settings(c)->segment_bytes, 16 << 20);
    assert_true(config_fit_state(c, 80 << 20)); /* made smaller, and had been set by hand */
    assert_int_equal(config_settings(c)->segment_bytes, 10 << 20);
    assert_int_equal(config_settings(c)->merge_bytes, 10 << 20);
    config_free(c);
}

static void typing_mistakes_in_names_are_told(void **state)
{
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    env("VOLUME_UPLOADER_COMIT_MS", "70");
    env("VOLUME_UPLOADER", "/usr/bin/volume-uploader"); /* not ours */
    load_well(c);
    assert_true(warns(c, "VOLUME_UPLOADER_COMIT_MS: no setting has this name"));
    assert_null(config_warning(c, 1));
    config_free(c);
}

static void the_program_sets_what_it_likes(void **state)
{
    struct config *c = new_config(CONFIG_NOTHING);
    struct err err;

    (void)state;
    env("DATABRICKS_HOST", "not looked at");
    env("VOLUME_UPLOADER_BATCH_SIZE", "7");
    config_set(c, "host", "http://127.0.0.1:80");
    config_set(c, "volume", "a.b.c");
    config_set(c, "status_listen", "off");
    config_set_secret(c, "token", secret_new(span_of("t"), &err));
    load_well(c);
    assert_string_equal(config_settings(c)->host, "http://127.0.0.1:80");
    assert_int_equal(config_settings(c)->batch_size, 1000000);
    assert_null(config_settings(c)->status_listen);
    expect_secret(config_settings(c)->token, "t");
    config_free(c);
}

/* --- the runtime manifest --- */

static void a_manifest_is_clamped_and_told(void **state)
{
    static const struct {
        struct config_manifest m;
        int64_t want_us;
        uint64_t want_rows;
        unsigned warnings;
    } rows[] = {
        {{.has_upload_interval = true,
             .upload_interval_s = 30,
             .has_batch_size = true,
             .batch_size = 1000.0},
            30000000, 1000, 0},
        {{.has_upload_interval = true,
             .upload_interval_s = 2.5,
             .has_batch_size = true,
             .batch_size = 7.9},
            2500000, 7, 0},
        {{.has_upload_interval = true,
             .upload_interval_s = 0,
             .has_batch_size = true,
             .batch_size = 0},
            1000000, 1000000, 2},
        {{.has_upload_interval = true,
             .upload_interval_s = -5,
             .has_batch_size = true,
             .batch_size = 0.5},
            1000000, 1000000, 2},
        {{.has_upload_interval = true,
             .upload_interval_s = 1e9,
             .has_batch_size = true,
             .batch_size = 1e300},
            CLOCK_DAY_US, 1048576, 2},
        {{.has_upload_interval = true,
             .upload_interval_s = 86400,
             .has_batch_size = true,
             .batch_size = 1048576},
            CLOCK_DAY_US, 1048576, 0},
        {{0}, 60000000, 1000000, 0}, /* missing: our defaults come back */
    };
    struct config *c = new_config(CONFIG_RUN);

    (void)state;
    good();
    load_well(c);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct config_manifest_result r;

        config_apply_manifest(c, &rows[i].m, &r);
        assert_int_equal(config_settings(c)->upload_interval_us, rows[i].want_us);
        assert_int_equal(config_settings(c)->batch_size, rows[i].want_rows);
        assert_int_equal(r.warnings, rows[i].warnings);
        config_apply_manifest(c, &rows[i].m, &r);
        assert_false(r.changed); /* the same again */
    }
    config_free(c);
}

static void a_bad_manifest_value_keeps_the_last_good_one(void **state)
{
    struct config_manifest m = {.has_upload_interval = true,
        .upload_interval_s = 30,
        .has_batch_size = true,
        .batch_size = 500};
    struct config *c = new_config(CONFIG_RUN);
    struct config_manifest_result r;

    (void)state;
    good();
    load_well(c);
    config_apply_manifest(c, &m, &r);
    assert_true(r.changed);
    assert_string_equal(config_source(c, "batch_size"), "manifest");
    m = (struct config_manifest){.bad_upload_interval = true, .bad_batch_size = true};
    config_apply_manifest(c, &m, &r);
    assert_false(r.changed);
    assert_int_equal(r.warnings, 2);
    assert_int_equal(config_settings(c)->upload_interval_us, 30000000);
    assert_int_equal(config_settings(c)->batch_size, 500);
    m = (struct config_manifest){.has_upload_interval = true,
        .upload_interval_s = (double)NAN,
        .has_batch_size = true,
        .batch_size = (double)NAN};
    config_apply_manifest(c, &m, &r);
    assert_int_equal(config_settings(c)->upload_interval_us, 60000000);
    assert_int_equal(config_settings(c)->batch_size, 1000000);
    config_free(c);
}

static void what_is_set_by_hand_wins_over_the_manifest(void **state)
{
    const struct config_manifest m = {.has_upload_interval = true,
        .upload_interval_s = 30,
        .has_batch_size = true,
        .batch_size = 500};
    struct config *c = new_config(CONFIG_RUN);
    struct config_manifest_result r;

    (void)state;
    good();
    env("VOLUME_UPLOADER_UPLOAD_INTERVAL", "5m");
    config_set(c, "batch_size", "77");
    load_well(c);
    config_apply_manifest(c, &m, &r);
    assert_false(r.changed);
    assert_int_equal(config_settings(c)->upload_interval_us, 300000000);
    assert_int_equal(config_settings(c)->batch_size, 77);
    config_free(c);
}

/* --- texts --- */

static void help_names_every_setting_of_a_command(void **state)
{
    struct config *c = new_config(CONFIG_RUN);
    struct config_flag flag;
    struct buf help, docs;

    (void)state;
    buf_init(&help, 1 << 20);
    buf_init(&docs, 1 << 20);
    config_print_help(CONFIG_RUN, &help);
    config_print_markdown(&docs);
    for (size_t i = 0; config_flag_get(c, i, &flag); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "  --%s", flag.flag ? flag.flag : "");
        if (flag.flag && !strstr(buf_text(&help), text))
            fail_msg("%s is missing", text);
        (void)snprintf(text, sizeof(text), "### `%s`", flag.key);
        if (!strstr(buf_text(&docs), text))
            fail_msg("%s is missing", text);
    }
    for (const char *line = buf_text(&help); *line;) {
        size_t len = strcspn(line, "\n");

        assert_true(len <= 100);
        line += len + (line[len] == '\n');
    }
    buf_reset(&help);
    config_print_help(CONFIG_INSPECT, &help);
    assert_non_null(strstr(buf_text(&help), "--state-dir"));
    assert_null(strstr(buf_text(&help), "--host"));
    buf_done(&help);
    buf_done(&docs);
    config_free(c);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_design),
        TEST(flags_win_over_environment_over_profile),
        TEST(empty_variables_are_not_set),
        TEST(kelvin_names_have_any_case),
        TEST(the_older_names_win_and_a_difference_is_told),
        TEST(each_bad_value_is_told_with_what_to_do),
        TEST(all_mistakes_are_told_at_once),
        TEST(loaders_exclude_each_other_and_need_a_table),
        TEST(files_move_away_only_with_auto_loader),
        TEST(the_folder_of_the_code_is_a_workspace_folder),
        TEST(one_way_to_sign_in),
        TEST(every_way_to_sign_in),
        TEST(the_way_and_its_sources_are_shown),
        TEST(secrets_leave_the_environment_and_never_show),
        TEST(files_win_over_variables_and_are_read_again),
        TEST(systemd_credentials_are_found),
        TEST(an_unreadable_secret_file_is_a_problem),
        TEST(the_profile_file_is_left_alone_beside_a_host),
        TEST(a_profile_asked_for_must_be_there),
        TEST(profile_secrets_are_read_again),
        TEST(the_state_directory_follows_systemd),
        TEST(parts_are_at_most_an_eighth_of_the_whole),
        TEST(typing_mistakes_in_names_are_told),
        TEST(the_program_sets_what_it_likes),
        TEST(a_manifest_is_clamped_and_told),
        TEST(a_bad_manifest_value_keeps_the_last_good_one),
        TEST(what_is_set_by_hand_wins_over_the_manifest),
        TEST(help_names_every_setting_of_a_command),
    };

    return cmocka_run_group_tests(tests, make_home, drop_home);
}
