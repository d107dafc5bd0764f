/* Any text as a file name: refused, or written back byte for byte, with nothing in it that a path
 * or a loader would stumble over. */
#include "outbox/name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char allowed[] = "0123456789abcdefTZ-.parquet";
    char *text = malloc(size + 1); /* exact: a byte read too far is seen */
    char again[OUTBOX_NAME_SIZE], folder[16];
    struct file_name name;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (file_name_parse(text, &name)) {
        file_name_format(&name, again);
        if (strcmp(again, text) != 0 || strspn(text, allowed) != strlen(text) ||
            name.first_seq == 0 || name.last_seq < name.first_seq)
            abort();
        file_name_folder(&name, folder);
        if (folder[0] == '\0' ? name.daily : strncmp(folder, text, 10) != 0)
            abort();
    }
    free(text);
    return 0;
}
