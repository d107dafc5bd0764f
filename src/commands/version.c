#include "commands/options.h"

#include <stdio.h>

/* What a report of a fault needs: our version, and what the build was made with. */
int command_version(int argc, char **argv)
{
    struct options options = {
        .command = "version",
        .text = "Prints the version of the program.\n",
    };

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        return EXIT_DONE;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    return printf("volume-uploader %s\n", VERSION) > 0 && fflush(stdout) == 0 ? EXIT_DONE : EXIT_NO;
}
