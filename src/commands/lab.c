/* demo, simulate and emulate need a plant and a workspace made by ourselves, which a gateway never uses. They are a
 * program of their own beside this one, so that this one stays small; nobody needs to know it. */
#include "commands/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAB "volume-uploader-lab"

/* The directory this program lies in, with its '/'. 0: not known. */
static size_t own_directory(char *out, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", out, size);
    const char *slash;

    if (len <= 0 || (size_t)len >= size)
        return 0;
    slash = memrchr(out, '/', (size_t)len);
    return slash ? (size_t)(slash - out) + 1 : 0;
}

int command_lab(int argc, char **argv)
{
    char path[PATH_MAX + sizeof(LAB)];
    size_t len = own_directory(path, PATH_MAX);
    char **words = calloc((size_t)argc + 2, sizeof(*words));

    memcpy(path + len, LAB, sizeof(LAB));
    if (words) {
        /* The subcommand as argv[1], not [0]: where a program of another machine runs in an emulator, argv[0] may
         * arrive as the program's path. */
        words[0] = path;
        memcpy(words + 1, argv, (size_t)argc * sizeof(*words));
        (void)execv(path, words);
        free(words);
    }
    return options_usage(
        argv[0], "%s is in %s, which cannot be started: %s", argv[0], path, strerror(errno));
}
