#include "commands/inspect.h"

#include "base/file.h"
#include "commands/options.h"
#include "commands/salvage.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void inspect_line(struct buf *out, const char *name, const char *fmt, ...)
{
    va_list args;

    buf_printf(out, "  %-12s ", name);
    va_start(args, fmt);
    buf_vprintf(out, fmt, args);
    va_end(args);
    buf_add_byte(out, '\n');
}

bool inspect_print(struct buf *out, struct err *err)
{
    if (!buf_check(out, "the output", err))
        return false;
    return options_print(out) || err_sys(err, ERR_DENIED, "write the output");
}

static int look(struct inspect *in, const char *given, const char *salvage_to)
{
    char path[PATH_MAX];
    struct file_info info;
    struct err err = {0};
    bool exists = false, ok;

    /* Links are followed once, here: base/file.h does not. */
    if (salvage_to && (!realpath(given, path) || !file_stat(FILE_CWD, path, &exists, &info, &err) ||
                          !exists || !S_ISDIR(info.mode)))
        return options_usage("inspect", "--salvage wants a state directory, not '%s'", given);
    if (!realpath(given, path) || !file_stat(FILE_CWD, path, &exists, &info, &err) || !exists)
        return options_usage("inspect", "'%s' is not there, or cannot be read", given);
    ok = salvage_to           ? salvage_run(path, salvage_to, in->json, &in->damaged, &err)
         : S_ISDIR(info.mode) ? inspect_state(in, path, &err)
                              : inspect_parquet(in, path, &err);
    if (!ok) {
        fprintf(stderr, "error: %s\n", err.text);
        return err.kind == ERR_INPUT ? EXIT_NO : EXIT_STATE;
    }
    return in->damaged ? EXIT_NO : EXIT_DONE;
}

int command_inspect(int argc, char **argv)
{
    struct inspect in = {0};
    const char *rows = NULL, *salvage_to = NULL;
    const struct option_spec own[] = {
        {"rows", "N", "show the first N rows of a file", &rows, NULL},
        {"check", NULL, "read everything and compare checksums and statistics", NULL, &in.check},
        {"all", NULL, "whole lists, however long", NULL, &in.all},
        {"salvage", "DIR",
            "copy every valid reading of the state directory into DIR (new or empty)", &salvage_to,
            NULL},
        {"json", NULL, "as JSON, for scripts", NULL, &in.json},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct options options = {
        .command = "inspect",
        .arguments = "[FILE.parquet | DIRECTORY]",
        .text =
            "Shows what is in a Parquet file, or in a state directory (without an argument: the\n"
            "one of the settings). Changes nothing; `run` may be at work there.\n"
            "--salvage DIR makes files for the volume of whatever a damaged one still holds, and\n"
            "reports.\n"
            "Exit code 1: something is damaged.\n",
        .own = own,
        .config_flags = CONFIG_INSPECT,
        .positional_max = 1,
    };
    struct err err = {0};
    int code = EXIT_USAGE;

    options.config = config_new(CONFIG_INSPECT, &err);
    if (!options.config)
        return options_usage("inspect", "%s", err.text);
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        break;
    case OPTIONS_BAD:
        break;
    case OPTIONS_OK:
        if (options_count("rows", rows, 0, 1000000, &in.rows) && options_load(options.config)) {
            in.state_bytes_max = config_settings(options.config)->state_bytes_max;
            in.free_bytes_min = config_settings(options.config)->free_bytes_min;
            code = look(&in,
                options.positional_count ? options.positional[0]
                                         : config_settings(options.config)->state_dir,
                salvage_to);
        }
        break;
    }
    config_free(options.config);
    return code;
}
