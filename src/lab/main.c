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

/* Started by volume-uploader with the subcommand as argv[0], or by hand with it as argv[1]. */
int main(int argc, char **argv)
{
    for (int first = 0; first < 2 && first < argc; first++) {
        for (const struct command *c = commands; c->name; c++) {
            if (strcmp(c->name, argv[first]) == 0)
                return c->run(argc - first, argv + first);
        }
    }
    return options_usage("", "this is the lab of volume-uploader: demo, simulate, emulate");
}
