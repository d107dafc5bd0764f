#include "commands/commands.h"

#include "commands/options.h"

static const struct command commands[] = {
    {"run", "receive the stream and deliver it into the volume, until stopped", command_run},
    {"setup", "create volume, table, grants and job; or print the SQL", command_setup},
    {"check", "say whether run is going to work and, if not, what to do", command_check},
    {"demo", "the whole way on this machine, without an account", command_lab},
    {"simulate", "serve a synthetic Kelvin stream", command_lab},
    {"emulate", "serve a local Databricks workspace", command_lab},
    {"inspect", "show a Parquet file or a state directory", command_inspect},
    {"top", "show in the terminal what a run is doing", command_top},
    {"version", "print the version", command_version},
    {"help", "explain a command or the settings", command_help},
    {NULL, NULL, NULL},
};

const struct command *const command_table = commands;

/* The usual spellings of the two commands everybody tries first. */
static const char *spelled(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return "version";
    return name;
}

static int unknown(const char *name)
{
    const char *names[sizeof(commands) / sizeof(*commands)];
    const char *nearest;

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        names[i] = commands[i].name;
    nearest = options_nearest(name, names);
    if (nearest)
        return options_usage("", "no command '%s'; did you mean %s?", name, nearest);
    return options_usage("", "no command '%s'", name);
}

int main(int argc, char **argv)
{
    const char *name;

    if (argc < 2)
        return options_usage("", "a command is missing");
    name = spelled(argv[1]);
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c->run(argc - 1, argv + 1);
    return unknown(name);
}
