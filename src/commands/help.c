#include "commands/options.h"
#include "status/metrics.h"

#include <stdio.h>

static void print_overview(struct buf *out)
{
    buf_add_text(out,
        "volume-uploader brings a Kelvin time-series stream durably into a Databricks volume.\n\n"
        "Usage: volume-uploader COMMAND [options]\n\n"
        "Commands:\n");
    for (const struct command *c = command_table; c->name; c++)
        buf_printf(out, "  %-10s %s\n", c->name, c->text);
    buf_add_text(out, "\n'volume-uploader COMMAND --help' shows the options of a command,\n"
                      "'volume-uploader help settings' all settings with their environment names.\n"
                      "Exit codes: 0 done, 1 the answer is no, 2 usage or settings, 3 lock busy, 4 "
                      "state unusable.\n");
}

static int help_about(const char *topic)
{
    const char *names[32];
    const char *nearest;
    char help[] = "--help";
    size_t n = 0;

    for (const struct command *c = command_table; c->name && n < 31; c++) {
        char name[32];

        names[n++] = c->name;
        if (strcmp(c->name, topic) != 0)
            continue;
        (void)str_copy(name, sizeof(name), topic);
        return c->run(2, (char *[]){name, help, NULL});
    }
    names[n] = NULL;
    nearest = options_nearest(topic, names);
    if (nearest)
        return options_usage("help", "no command '%s'; did you mean %s?", topic, nearest);
    return options_usage("help", "no command '%s'", topic);
}

int command_help(int argc, char **argv)
{
    bool markdown = false, metrics = false;
    const struct option_spec own[] = {{.name = "settings-md", .ret_on = &markdown},
        {.name = "metrics-md", .ret_on = &metrics}, {.name = NULL}};
    struct options options = {
        .command = "help",
        .arguments = "[COMMAND | settings]",
        .text = "Explains a command, or lists all settings.\n",
        .own = own,
        .positional_max = 1,
    };
    struct buf out;
    bool ok;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        return EXIT_DONE;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    if (options.positional_count && strcmp(options.positional[0], "settings") != 0)
        return help_about(options.positional[0]);
    buf_init(&out, 256 * 1024);
    if (markdown)
        config_print_markdown(&out);
    else if (metrics)
        metrics_print_markdown(&out);
    else if (options.positional_count)
        config_print_help(CONFIG_RUN, &out);
    else
        print_overview(&out);
    ok = options_print(&out);
    buf_done(&out);
    return ok ? EXIT_DONE : EXIT_NO;
}
