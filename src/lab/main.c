#include "commands/commands.h"

#include "commands/options.h"

#include <string.h>

static const struct command commands[] = {
    {"demo", "the whole way on this machine, without an account", command_demo},
    {"simulate", "serve a synthetic Kelvin stream", command_simulate},
    {"emulate", "serve a local Databricks workspace", command_emulate},
    {NULL, NULL, NULL},
};

const struct command *const command_table = commands;

/* Started by volume-uploader, or by hand, with the subcommand as argv[1]. */
int main(int argc, char **argv)
{
    for (const struct command *c = commands; argc > 1 && c->name; c++) {
        if (strcmp(c->name, argv[1]) == 0)
            return c->run(argc - 1, argv + 1);
    }
    return options_usage("", "this is the lab of volume-uploader: demo, simulate, emulate");
}
