/* Any bytes as a job's Python file: read or refused, and never more than that. */
#include <stdint.h>
#include <stdlib.h>

#include "emulator/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loader_stream stream;
    json_t *parameters = json_pack("[s,s,s,s,s]", "--source", "/Volumes/a/b/c/data/",
        "--table=a.b.c", "--checkpoint", "/Volumes/a/b/c/checkpoints/");
    char *copy = malloc(size + 1); /* so that a look behind the end is seen */
    struct err err = {0};

    if (copy && parameters) {
        if (size)
            memcpy(copy, data, size);
        copy = realloc(copy, size ? size : 1);
        if (!loader_script((struct span){copy, size}, parameters, &stream, &err) &&
            err.text[0] == '\0')
            abort();
    }
    free(copy);
    json_decref(parameters);
    return 0;
}
