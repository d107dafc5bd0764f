#include "emulator/base64.h"

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_read(struct span text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned held = 0;

    text = span_trim(text);
    while (text.len && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.data[i]);

        if (text.data[i] == '\n' || text.data[i] == '\r')
            continue;
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (!buf_add_byte(out, (uint8_t)(bits >> held & 0xff)))
                return false;
        }
    }
    return held != 6;
}

bool base64_write(struct span data, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t bits = (uint32_t)(unsigned char)data.data[i] << 16;
        char four[4];

        if (left > 1)
            bits |= (uint32_t)(unsigned char)data.data[i + 1] << 8;
        if (left > 2)
            bits |= (unsigned char)data.data[i + 2];
        four[0] = digits[bits >> 18 & 63];
        four[1] = digits[bits >> 12 & 63];
        four[2] = digits[bits >> 6 & 63];
        four[3] = digits[bits & 63];
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        if (!buf_add(out, four, sizeof(four)))
            return false;
    }
    return !out->failed;
}
