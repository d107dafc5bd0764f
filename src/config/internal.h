/* config/internal.h: struct config, for the files of this room only.
 *
 * Shape    one struct value per row of the table: the raw text that won, and where it came from.
 * Limits   PROBLEMS_MAX problems and as many warnings; what comes behind them is not kept.
 * Errors   no memory is a problem like others (`no_memory`), so that nothing has to stop half-way.
 * Threads  one at a time.
 */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/profile.h"
#include "config/value.h"

#define PROBLEMS_MAX 64

enum rank { RANK_DEFAULT, RANK_PROFILE, RANK_MANIFEST, RANK_ENV, RANK_FILE, RANK_FLAG };

struct value {
    const char *text;   /* NULL: not set, or a secret */
    const char *source; /* "environment DATABRICKS_HOST" */
    const char *name;   /* "DATABRICKS_HOST", as a problem begins */
    const char *path;   /* of a secret's file */
    enum rank rank;
    bool bad;
};

struct kept {
    struct kept *next;
    char text[];
};

struct lines {
    const char *items[PROBLEMS_MAX];
    size_t count;
};

struct config {
    enum config_command command;
    struct settings settings;
    struct value *values; /* setting_count of them */
    struct kept *kept;
    struct lines problems, warnings;
    const char *profile_path; /* of the profile that was taken; NULL: none */
    const char *profile_name;
    bool profile_skipped; /* there is a file, but a host or a credential was set */
    bool no_memory;
    int64_t default_interval_us; /* what a manifest without the key brings back */
    uint64_t default_batch_size;
};

/* Copies; "" after a failure, which is remembered. */
const char *config_keep(struct config *c, struct span text);
const char *config_keepf(struct config *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* `NAME = value: wrong`. A NULL value is left out; one that looks like a secret is not shown. */
void config_complain(struct config *c, const char *name, const char *value, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void config_warn(struct config *c, const char *name, const char *value, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* A token in the wrong place, or an address with a password: not to be shown whole. */
bool config_looks_secret(const char *value);

struct value *config_value(struct config *c, const char *key);
bool config_has(const struct config *c, const char *key); /* text or secret, from anywhere */

/* gather.c: environment and profile; secrets.c: files and variables that hold secrets. */
void config_gather_environment(struct config *c);
void config_gather_profile(struct config *c);
void config_gather_secrets(struct config *c);
void config_gather_named_secret(struct config *c);
bool config_read_profile(
    const char *path, const char *wanted, struct profile *ret, struct err *err);
struct secret **config_secret_field(struct config *c, const struct setting *row);

/* rules.c: what holds between settings. sign_in.c: those of the credentials. */
void config_check_rules(struct config *c);
void config_check_sign_in(struct config *c);

#endif
