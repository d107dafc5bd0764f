#include "stream/krn.h"

#define PREFIX_LEN 7 /* krn:ad: */

enum krn_kind krn_split(struct span text, struct span *ret_asset, struct span *ret_datastream)
{
    const char *slash;
    struct span rest;

    if (text.len < PREFIX_LEN || memcmp(text.data, "krn:ad:", PREFIX_LEN) != 0) {
        if (!span_starts(text, "krn:") || !memchr(text.data + 4, ':', text.len - 4))
            return KRN_BAD;
        return KRN_OTHER;
    }
    rest = (struct span){text.data + PREFIX_LEN, text.len - PREFIX_LEN};
    slash = memchr(rest.data, '/', rest.len);
    if (!slash)
        return KRN_BAD;
    *ret_asset = (struct span){rest.data, (size_t)(slash - rest.data)};
    *ret_datastream = (struct span){slash + 1, rest.len - ret_asset->len - 1};
    return KRN_DATA;
}
