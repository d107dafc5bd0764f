/* config/value.h: one value: from text into its place in struct settings. Inside config only.
 *
 * Shape    value_parse checks the text against the row of the table and stores it.
 * Errors   false: `out` has "what is wrong; what to do", without the value.
 * Owner    texts are borrowed: the caller keeps them as long as the settings.
 * Threads  any.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/table.h"

/* For texts that have to be made (the parts of a name): copies one and owns it. NULL: no memory. */
struct value_keeper {
    const char *(*keep)(void *context, struct span text);
    void *context;
};

bool value_parse(const struct setting *row, const char *text, struct settings *settings,
    const struct value_keeper *keeper, struct buf *out);

/* "1 s to 1 d", "safe or delta", "1 to 65,535"; nothing for texts. */
void value_range(const struct setting *row, struct buf *out);

/* "32 MiB" of "32MiB": the default as people read it. */
void value_default(const struct setting *row, struct buf *out);

#endif
