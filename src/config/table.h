/* config/table.h: the one table of settings, inside config only.
 *
 * Shape    rows in the order of help and docs; each knows where its value goes in struct settings.
 * Units    limits of a duration in microseconds, of a size in bytes.
 * Threads  constant: any.
 * Source   design.md 5; databricks-api.md 1.5; kelvin-stream.md 1.1.
 */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/settings.h"

enum setting_type {
    SETTING_TEXT,     /* any printable text */
    SETTING_ID,       /* letters, digits, . _ + - */
    SETTING_COUNT,    /* a number; into 2, 4 or 8 bytes */
    SETTING_SIZE,     /* bytes */
    SETTING_DURATION, /* microseconds; `unit_us` for a number without unit */
    SETTING_SWITCH,   /* yes or no */
    SETTING_CHOICE,   /* one of `choices`; its number goes into an enum */
    SETTING_CATALOG,  /* catalog.schema.name */
    SETTING_LISTEN,   /* address:port or off */
    SETTING_SECRET,
};

enum setting_group {
    GROUP_STREAM,
    GROUP_DATABRICKS,
    GROUP_SIGN_IN,
    GROUP_JOB,
    GROUP_FILES,
    GROUP_STORE,
    GROUP_PROGRAM,
    GROUP_COUNT
};

#define SETTING_ENVS 3
#define SETTING_NO_FIELD SIZE_MAX

struct setting {
    const char *key;
    const char *flag;              /* NULL: none */
    const char *env[SETTING_ENVS]; /* the first one that is set counts */
    const char *profile_key;       /* in .databrickscfg; NULL: not there */
    const char *profile_also;      /* another name of it there, of another SDK */
    const char *argument;          /* for help */
    const char *start;             /* the default as one would write it; NULL: not set */
    const char *start_text;        /* the default in words, when `start` does not say it */
    const char *text;              /* what it is for */
    const char *const *choices;    /* ends with NULL */
    int64_t min, max;
    int64_t unit_us;
    size_t field; /* offset in struct settings, or SETTING_NO_FIELD */
    size_t field_bytes;
    unsigned commands; /* enum config_command, or-ed */
    enum setting_type type;
    enum setting_group group;
    bool env_any_case; /* the SDK looks these up without regard to case */
    bool manifest;     /* the runtime manifest has it too */
};

extern const struct setting setting_table[];
extern const size_t setting_count;

const char *setting_group_name(enum setting_group group);

/* Its number in the table; setting_count: there is none. */
size_t setting_find(const char *key);

#endif
