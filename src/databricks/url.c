#include "databricks/url.h"

static bool stays(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static bool add(struct buf *out, struct span text, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (stays(c) || (keep_slash && c == '/')) {
            (void)buf_add_byte(out, c);
        } else {
            char code[3] = {'%', hex[c >> 4], hex[c & 15]};

            (void)buf_add(out, code, sizeof(code));
        }
    }
    return !out->failed;
}

bool url_add_path(struct buf *out, struct span path)
{
    return add(out, path, true);
}

bool url_add_value(struct buf *out, struct span value)
{
    return add(out, value, false);
}
