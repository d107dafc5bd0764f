/* The text of a setting, each row of the table in turn: taken, or refused with one line for people. The
 * first byte chooses the row. */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *kept[8];
static size_t kept_count;

static const char *keep(void *context, struct span text)
{
    char *copy = kept_count < sizeof(kept) / sizeof(kept[0]) ? malloc(text.len + 1) : NULL;

    (void)context;
    if (!copy)
        return NULL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    kept[kept_count++] = copy;
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct value_keeper keeper = {keep, NULL};
    static struct settings settings;
    const struct setting *row;
    struct buf out;
    char *text;

    if (size == 0 || memchr(data + 1, '\0', size - 1))
        return 0;
    row = &setting_table[data[0] % setting_count];
    text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    memset(&settings, 0, sizeof(settings));
    buf_init(&out, 4096);
    if (value_parse(row, text, &settings, &keeper, &out) != (out.len == 0))
        abort();
    for (size_t i = 0; i < out.len; i++) /* one line for people, whatever was given */
        if ((unsigned char)out.data[i] < 0x20)
            abort();
    buf_done(&out);
    while (kept_count)
        free((void *)(uintptr_t)kept[--kept_count]);
    free(text);
    return 0;
}
