/* commands/options.h: the command line of a subcommand: its own options and those of config's
 * table.
 *
 * Shape    a list of struct option_spec says where values go; options_parse fills them and hands
 *          the flags of settings to `config`. --help is always there.
 * Limits   128 options.
 * Errors   usage errors are printed to stderr with a hint; OPTIONS_BAD means exit code 2.
 * Owner    values are borrowed from argv.
 * Threads  main, before others start.
 * Source   getopt_long(3). Names are never abbreviated: --client-secret must not become
 *          --client-secret-file.
 */
#ifndef COMMANDS_OPTIONS_H
#define COMMANDS_OPTIONS_H

#include "commands/commands.h"
#include "config/settings.h"

struct option_spec {
    const char *name;     /* "rows", without dashes */
    const char *argument; /* "N"; NULL: a switch */
    const char *text;     /* for --help; NULL: hidden */
    const char **ret_value;
    bool *ret_on;
};

struct options {
    const char *command;              /* "inspect" */
    const char *arguments;            /* "FILE.parquet | DIRECTORY"; "" */
    const char *text;                 /* what it does: whole sentences, lines end with \n */
    const struct option_spec *own;    /* ends with a NULL name; NULL: none */
    struct config *config;            /* NULL: no settings */
    enum config_command config_flags; /* for --help; used with config */
    unsigned positional_min, positional_max;
    const char *positional[8]; /* out */
    unsigned positional_count; /* out */
};

enum options_result {
    OPTIONS_OK,
    OPTIONS_HELP, /* --help was printed: return EXIT_DONE */
    OPTIONS_BAD,  /* said why: return EXIT_USAGE */
};

enum options_result options_parse(struct options *o, int argc, char **argv);

/* First thing in a command that gets to hold secrets: no core file has them, and no process of the
 * same user reads our memory. */
void options_guard_secrets(void);

/* config_load, with all problems (and warnings) on stderr. False: return EXIT_USAGE. */
bool options_load(struct config *config);

/* A number, duration or size of an own option; NULL value: *ret stays. False: said why. */
bool options_count(const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *ret);
bool options_real(const char *name, const char *value, double min, double max, double *ret);
bool options_duration_us(
    const char *name, const char *value, int64_t min_us, int64_t max_us, int64_t *ret_us);
bool options_size(
    const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *ret_bytes);

/* "error: ..." and where to find help, on stderr. Returns EXIT_USAGE. */
int options_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Writes all of `out` to stdout. False: it could not (a closed pipe). */
bool options_print(struct buf *out);

/* The name in `names` (ends with NULL) that is most like `text`; NULL: none is near. */
const char *options_nearest(const char *text, const char *const *names);

#endif
