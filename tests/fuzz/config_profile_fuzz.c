/* Any bytes as a profile file: no harm, and what comes out keeps the promises of profile.h. */
#include "config/profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct span text, const char *wanted)
{
    struct profile profile = {0};
    struct err err = {0};

    if (!profile_parse(text, wanted, &profile, &err)) {
        if (err.kind == ERR_NONE || !err.text[0] || profile.count)
            abort();
        return;
    }
    for (size_t i = 0; i < profile.count; i++) {
        const char *value = profile.keys[i].value;

        /* Never a piece that is not in the file. */
        if (!*value || strlen(value) > 198 || !memmem(text.data, text.len, value, strlen(value)))
            abort();
        if (profile_get(&profile, profile.keys[i].name) != value)
            abort();
    }
    profile_done(&profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {size ? (const char *)data : "", size};

    look(text, NULL);
    look(text, "prod");
    look(text, "DEFAULT");
    return 0;
}
