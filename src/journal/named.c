#include "journal/named.h"

#include "journal/bytes.h"
#include "journal/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_MAX (1U << 22)

bool named_note(struct named *named, const struct segment_frame *f, struct err *err)
{
    struct span asset, datastream;
    uint32_t number;
    size_t at = 0;

    while (scan_names_next(f, &at, &number, &asset, &datastream)) {
        if (number >= SERIES_MAX)
            continue;
        if (number >= named->size) {
            uint32_t size = number < 512 ? 1024 : number * 2;
            uint8_t *more = realloc(named->items, size);

            if (!more)
                return err_set(err, ERR_FULL, ENOMEM, "no memory for %u series", size);
            memset(more + named->size, 0, size - named->size);
            named->items = more;
            named->size = size;
        }
        named->items[number] = 1;
    }
    return true;
}

bool named_row(const struct named *named, const struct segment_frame *f, uint32_t row)
{
    size_t all = get_u32(f->payload);
    uint32_t series = get_u32(f->payload + 8 + 16 * all + 4 * (size_t)row);

    return series >= SERIES_MAX || (series < named->size && named->items[series]);
}

void named_done(struct named *named)
{
    free(named->items);
    *named = (struct named){NULL, 0};
}
