#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_write(struct span data, struct buf *out)
{
    const unsigned char *in = (const unsigned char *)data.data;

    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        unsigned word = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                        (left > 2 ? (unsigned)in[i + 2] : 0);
        char four[4] = {letters[word >> 18], letters[word >> 12 & 63],
            left > 1 ? letters[word >> 6 & 63] : '=', left > 2 ? letters[word & 63] : '='};

        (void)buf_add(out, four, sizeof(four));
    }
    return !out->failed;
}

/* -1: no letter. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct decoding {
    unsigned word, bits;
    size_t count; /* letters so far */
};

static void take_letter(struct decoding *r, int value, struct buf *out)
{
    r->word = (r->word << 6 | (unsigned)value) & 0xFFFFFF;
    r->bits += 6;
    r->count++;
    if (r->bits >= 8) {
        r->bits -= 8;
        (void)buf_add_byte(out, (uint8_t)(r->word >> r->bits & 0xFF));
    }
}

bool base64_read(struct span text, struct buf *out)
{
    struct decoding r = {0};
    size_t ends = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int value = value_of(c);

        if (c == '\r' || c == '\n')
            continue;
        if (c == '=') {
            ends++;
            continue;
        }
        if (value < 0 || ends)
            return false;
        take_letter(&r, value, out);
    }
    return r.count % 4 != 1 && (ends == 0 || (ends < 3 && (r.count + ends) % 4 == 0)) &&
           !out->failed;
}

bool base64_read_url(struct span text, struct buf *out)
{
    struct decoding r = {0};

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int value = c == '-' ? 62 : c == '_' ? 63 : c == '+' || c == '/' ? -1 : value_of(c);

        if (value < 0)
            return false;
        take_letter(&r, value, out);
    }
    return r.count % 4 != 1 && !out->failed;
}
