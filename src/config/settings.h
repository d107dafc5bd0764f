/* config/settings.h: every setting of the program, read, checked and explained.
 *
 * Shape    config_new, then config_flag / config_set for what the command line says, then
 *          config_load once; the result is config_settings. One table (config/table.c) makes the
 *          parsing, --help, docs/settings.md and the texts of mistakes.
 * Units    _us microseconds, _bytes bytes.
 * Limits   4 KiB a value, 64 KiB a secret, 1 MiB a profile file, 64 problems.
 * Errors   config_load says false and has a list of all mistakes, each one line:
 *          `NAME = value: what is wrong; what to do`. Values of secrets are never shown.
 * Owner    config owns every string and secret in struct settings (secret_copy for one's own);
 *          they live until config_free.
 * Threads  one at a time; after config_load constant, except config_apply_manifest (intake only)
 *          and config_reload_secrets.
 * Source   design.md 5; databricks-api.md 1.5; durability.md 12, 15; kelvin-stream.md 1.1, 4.4.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "base/log.h"
#include "base/secret.h"

enum when_full { WHEN_FULL_WAIT, WHEN_FULL_DROP_OLDEST };
enum file_layout { FILE_LAYOUT_FLAT, FILE_LAYOUT_DAILY };
enum row_order { ROW_ORDER_SERIES, ROW_ORDER_TIME };
enum job_trigger { JOB_TRIGGER_FILE_ARRIVAL, JOB_TRIGGER_PERIODIC };
enum job_loader { JOB_LOADER_NONE, JOB_LOADER_AUTO_LOADER, JOB_LOADER_COPY_INTO };
enum profile_kind { PROFILE_SAFE, PROFILE_DELTA };
enum compression { COMPRESSION_ZSTD, COMPRESSION_SNAPPY, COMPRESSION_NONE };
enum auth_type {
    AUTH_TYPE_ANY,
    AUTH_TYPE_PAT,
    AUTH_TYPE_OAUTH_M2M,
    AUTH_TYPE_ENV_OIDC,
    AUTH_TYPE_FILE_OIDC,
    AUTH_TYPE_AZURE_CLIENT_SECRET,
};

/* Three parts of a Unity Catalog name, without the back-ticks they may be written in. */
struct catalog_name {
    const char *catalog, *schema, *name; /* NULL: not set; else all three */
};

/* A text that is not set is NULL, never "". */
struct settings {
    /* Kelvin stream */
    const char *stream_host;
    uint16_t stream_port;
    uint64_t stream_limit_bytes; /* of a line, without its newline */

    /* Databricks: where */
    const char *host;           /* as written: databricks/host.h normalises and judges it */
    const char *workspace_id;   /* digits */
    const char *volume_text;    /* as written: catalog.schema.volume */
    const char *table_text;     /* as written: catalog.schema.table */
    struct catalog_name volume; /* of volume_text */
    struct catalog_name table;  /* of table_text */

    /* Databricks: who. After a good config_load of a command that signs in, auth is one of
     * PAT                  token
     * OAUTH_M2M            client_id, client_secret
     * ENV_OIDC             oidc_token, perhaps client_id
     * FILE_OIDC            oidc_token_filepath, perhaps client_id
     * AZURE_CLIENT_SECRET  azure_client_id, azure_client_secret, perhaps the other azure_...
     * and the credentials of the others, if there are any, are not to be used. */
    enum auth_type auth;
    struct secret *token;
    const char *client_id;
    struct secret *client_secret;
    struct secret *oidc_token;
    const char *oidc_token_filepath;
    const char *token_audience;
    const char *azure_client_id;
    struct secret *azure_client_secret;
    const char *azure_tenant_id, *azure_environment, *azure_login, *azure_resource_id;
    const char *account_id, *discovery_url;
    const char *client_cert_file, *client_key_file;
    const char *proxy_ca_file;
    const char *ca_file;
    const char *proxy; /* may hold a password: never print it */
    const char *no_proxy;
    const char *partner;

    /* Ingestion job */
    enum job_loader job_loader;
    const char *job_cluster_id;   /* NULL with JOB_LOADER_AUTO_LOADER: serverless */
    const char *job_warehouse_id; /* of JOB_LOADER_COPY_INTO */
    bool job_serverless;
    enum job_trigger job_trigger;
    bool job_clean_source; /* with Auto Loader only */
    int64_t job_archive_after_us;
    const char *job_folder;   /* "/Workspace/...", no slash at the end */
    const char *warehouse_id; /* for the SQL of setup; never makes a job */

    /* Files */
    int64_t upload_interval_us;
    uint64_t batch_size; /* readings */
    uint64_t segment_bytes;
    uint32_t series_max;
    uint64_t merge_bytes;
    enum file_layout file_layout;
    enum row_order row_order;
    enum profile_kind parquet_profile;
    enum compression compression;
    unsigned upload_parallel;

    /* Local store */
    const char *state_dir;
    bool allow_volatile_state;
    int64_t commit_us;
    uint64_t commit_bytes;
    uint64_t state_bytes_max; /* 0: not set, state/limits.h takes its default */
    uint64_t free_bytes_min;  /* 0: not set, likewise */
    enum when_full when_full;
    int64_t stop_us;

    /* Program */
    const char *status_listen; /* "127.0.0.1:9464"; NULL: off */
    const char *status_host;   /* of status_listen, without [ ] */
    uint16_t status_port;
    enum log_level log_level;
    enum log_format log_format;
    bool sandbox;
};

/* Which settings a command has as flags, reads and shows in its help. */
enum config_command {
    CONFIG_RUN = 1,
    CONFIG_SETUP = 2,
    CONFIG_CHECK = 4,
    CONFIG_DEMO = 8,
    CONFIG_SIMULATE = 16,
    CONFIG_EMULATE = 32,
    CONFIG_INSPECT = 64,
    CONFIG_TOP = 128,
    CONFIG_NOTHING = 256, /* has the defaults and nothing else: for tests and own use */
};

struct config;

/* All settings at their defaults. The environment is not looked at yet. NULL: no memory. */
struct config *config_new(enum config_command command, struct err *err);
void config_free(struct config *c);

/* --- flags: commands/options.h asks for them --- */

struct config_flag {
    const char *key;      /* "commit_ms" */
    const char *flag;     /* "commit-ms", without the dashes; NULL: no flag (secrets) */
    const char *argument; /* "DURATION", for help */
    bool is_switch;       /* yes or no: --flag alone means yes */
};
/* The settings of this command by number 0, 1, ...; false: no more. */
bool config_flag_get(const struct config *c, size_t number, struct config_flag *ret);

/* The value of a flag, or of the program itself (demo): it wins over everything. Copies. A wrong
 * value is a problem that config_load reports. An unknown key is our own mistake (assert). */
void config_set(struct config *c, const char *key, const char *value);

/* Takes a secret (a token made by the program itself): wins over everything. */
void config_set_secret(struct config *c, const char *key, struct secret *secret);

/* Environment, profile, defaults, then the rules between settings. Secrets are wiped from the
 * environment. False: config_problem(c, 0 ...) say why; the program ends with exit code 2. */
NODISCARD bool config_load(struct config *c);

/* NULL: no more. */
const char *config_problem(const struct config *c, size_t number);
const char *config_warning(const struct config *c, size_t number);

const struct settings *config_settings(const struct config *c);

/* Where a value came from, for people: "flag --commit-ms", "environment KELVIN_STREAM_IP",
 * "manifest", "profile prod in /home/x/.databrickscfg", "file /run/secrets/token", "default". */
const char *config_source(const struct config *c, const char *key);
bool config_is_set(const struct config *c, const char *key); /* not the default */

/* The chosen way to sign in, for people: its settings that are set, by number 0, 1, ...; false: no
 * more. `value` is NULL for a secret and for what may hold one. */
struct config_sign_in_part {
    const char *key, *value, *source;
};
bool config_sign_in(const struct config *c, size_t number, struct config_sign_in_part *ret);

/* The secret of the chosen way; NULL: it has none (file-oidc). Borrowed. */
const struct secret *config_sign_in_secret(const struct settings *settings);

/* --- while running --- */

/* A manifest's two settings, as stream/decoder.h has them. */
struct config_manifest {
    bool has_upload_interval, has_batch_size;
    bool bad_upload_interval, bad_batch_size; /* there, but no number */
    double upload_interval_s;
    double batch_size;
};

struct config_manifest_result {
    bool changed; /* upload_interval_us or batch_size of config_settings is another one now */
    unsigned warnings;
    char warning[2][200];
};

/* Clamps to the ranges; a flag or variable set by hand wins; a bad value keeps the last good one; a
 * missing one brings back our default. */
void config_apply_manifest(
    struct config *c, const struct config_manifest *manifest, struct config_manifest_result *ret);

/* Once the real cap of the state directory is known (state/limits.h): makes segment_bytes and
 * merge_bytes at most an eighth of it. True: one of them that was set by hand was made smaller. */
bool config_fit_state(struct config *c, uint64_t state_bytes_max);

/* Secrets that came from a file or a profile are read again (SIGHUP, refusals). *ret_changed: one of
 * them is another one now. False: the old ones stay. */
NODISCARD bool config_reload_secrets(struct config *c, bool *ret_changed, struct err *err);

/* The files that are read while running, by number 0, 1, ...: those of secrets, the profile,
 * certificates, the federation token. NULL: no more. */
const char *config_file_get(const struct config *c, size_t number);

/* --- texts --- */

/* The settings of a command, in groups, for --help. */
void config_print_help(enum config_command command, struct buf *out);

/* docs/settings.md, whole. */
void config_print_markdown(struct buf *out);

/* name, value and source of each setting of this command, one a line; secrets as "(set)". */
void config_print_values(const struct config *c, struct buf *out);

/* The same, one by one by number 0, 1, ...: the value is added behind `value`. False: no more. */
bool config_value_get(const struct config *c, size_t number, const char **ret_key,
    const char **ret_source, struct buf *value);

/* --- values, also for the flags that are not settings --- */

/* "60", "60s", "5m", "1d", "50ms", "1.5 h" to microseconds; a bare number counts in `unit_us`. */
bool config_duration(struct span text, int64_t unit_us, int64_t *ret_us);
/* "1048576", "32MiB", "32 MB", "1.5 GiB", "4k" (1024) to bytes. */
bool config_size(struct span text, uint64_t *ret_bytes);
/* "cat.sch.vol", parts may stand in back-ticks. Copies into `parts`. */
bool config_catalog_name(struct span text, char parts[3][256], const char **ret_wrong);

#endif
