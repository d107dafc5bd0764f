#include "base/json_out.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json_out *json, struct buf *buf)
{
    *json = (struct json_out){.buf = buf};
}

static void line(struct json_out *json)
{
    if (!json->lines)
        return;
    buf_add_byte(json->buf, '\n');
    for (unsigned i = 0; i < json->depth; i++)
        buf_add(json->buf, "  ", 2);
}

static void before_value(struct json_out *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->need_comma[json->depth])
        buf_add_byte(json->buf, ',');
    if (json->depth)
        line(json);
    json->need_comma[json->depth] = true;
}

static void open_with(struct json_out *json, char bracket)
{
    before_value(json);
    assert(json->depth < JSON_DEPTH_MAX);
    buf_add_byte(json->buf, (uint8_t)bracket);
    json->need_comma[++json->depth] = false;
}

static void close_with(struct json_out *json, char bracket)
{
    bool any = json->need_comma[json->depth];

    assert(json->depth > 0 && !json->after_key);
    json->depth--;
    if (any)
        line(json);
    buf_add_byte(json->buf, (uint8_t)bracket);
}

void json_out_object(struct json_out *json)
{
    open_with(json, '{');
}

void json_out_object_end(struct json_out *json)
{
    close_with(json, '}');
}

void json_out_array(struct json_out *json)
{
    open_with(json, '[');
}

void json_out_array_end(struct json_out *json)
{
    close_with(json, ']');
}

static void quote_byte(struct buf *out, unsigned char c)
{
    static const char shorts[] = "btn\0fr"; /* \b \t \n (no \v) \f \r: from 0x08 on */

    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
        buf_printf(out, "\\%c", shorts[c - 0x08]);
    else
        buf_printf(out, "\\u%04x", c);
}

/* ASCII that needs no escape. char has a sign on x86 and none on arm64: compare as unsigned. */
static bool is_plain(char byte)
{
    unsigned char c = (unsigned char)byte;

    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void json_quote(struct buf *out, struct span value)
{
    size_t i = 0;

    buf_add_byte(out, '"');
    while (i < value.len) {
        unsigned char c = (unsigned char)value.data[i];
        size_t n = 1;

        if (c < 0x20 || c == '"' || c == '\\') {
            quote_byte(out, c);
        } else if (c < 0x80) {
            while (i + n < value.len && is_plain(value.data[i + n]))
                n++;
            buf_add(out, value.data + i, n);
        } else {
            while (n < 4 && i + n < value.len && !str_utf8_valid(value.data + i, n))
                n++;
            if (str_utf8_valid(value.data + i, n)) {
                buf_add(out, value.data + i, n);
            } else {
                buf_add_text(out, "\xef\xbf\xbd");
                n = 1;
            }
        }
        i += n;
    }
    buf_add_byte(out, '"');
}

void json_key(struct json_out *json, const char *key)
{
    before_value(json);
    json_quote(json->buf, span_of(key));
    buf_add_byte(json->buf, ':');
    if (json->lines)
        buf_add_byte(json->buf, ' ');
    json->after_key = true;
}

void json_span(struct json_out *json, struct span value)
{
    before_value(json);
    json_quote(json->buf, value);
}

void json_text(struct json_out *json, const char *value)
{
    if (value)
        json_span(json, span_of(value));
    else
        json_out_null(json);
}

void json_int(struct json_out *json, int64_t value)
{
    before_value(json);
    buf_printf(json->buf, "%lld", (long long)value);
}

void json_uint(struct json_out *json, uint64_t value)
{
    before_value(json);
    buf_printf(json->buf, "%llu", (unsigned long long)value);
}

size_t json_double_text(char out[JSON_DOUBLE_SIZE], double value)
{
    int n = 0;
    size_t len;

    /* 15 digits are enough for most, 17 for all. The C locale's point is ours to keep: the program
     * never calls setlocale. */
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(out, JSON_DOUBLE_SIZE, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    len = n > 0 ? (size_t)n : 0;
    if (len && !memchr(out, '.', len) && !memchr(out, 'e', len) && !memchr(out, 'n', len)) {
        out[len++] = '.';
        out[len++] = '0';
        out[len] = '\0';
    }
    return len;
}

void json_double(struct json_out *json, double value)
{
    char text[JSON_DOUBLE_SIZE];

    if (!isfinite(value)) {
        json_out_null(json);
        return;
    }
    before_value(json);
    buf_add(json->buf, text, json_double_text(text, value));
}

void json_bool(struct json_out *json, bool value)
{
    before_value(json);
    buf_add_text(json->buf, value ? "true" : "false");
}

void json_out_null(struct json_out *json)
{
    before_value(json);
    buf_add_text(json->buf, "null");
}

void json_key_text(struct json_out *json, const char *key, const char *value)
{
    json_key(json, key);
    json_text(json, value);
}

void json_key_int(struct json_out *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_key_uint(struct json_out *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_uint(json, value);
}

void json_key_double(struct json_out *json, const char *key, double value)
{
    json_key(json, key);
    json_double(json, value);
}

void json_key_bool(struct json_out *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
