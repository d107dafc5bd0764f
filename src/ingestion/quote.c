#include "ingestion/quote.h"

#include <inttypes.h>

#define TAG_MAX 63
#define FILE_NAME_MAX 100

const char *quote_name_wrong(const char *part)
{
    size_t len = part ? strlen(part) : 0;

    if (len == 0)
        return "a part is empty";
    if (len > 255)
        return "a part is longer than 255 bytes";
    if (!str_utf8_valid(part, len))
        return "it is not UTF-8";
    for (const char *p = part; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '.' || *p == '/')
            return "a part has a blank, a dot, a slash or a control character in it";
    return NULL;
}

bool quote_sql_name(struct buf *out, const char *name)
{
    buf_add_byte(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            buf_add_byte(out, '`');
        buf_add_byte(out, (uint8_t)*name);
    }
    return buf_add_byte(out, '`');
}

static bool is_plain(const char *name)
{
    bool letter = false;

    for (const char *p = name; *p; p++) {
        bool digit = *p >= '0' && *p <= '9';

        letter = letter || !digit;
        if (!digit && !(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && *p != '_')
            return false;
    }
    return letter; /* 12 is a number, not a name */
}

static bool add_path(struct buf *out, struct catalog_path path, bool plain)
{
    const char *const parts[] = {path.catalog, path.schema, path.name};

    for (size_t i = 0; i < 3 && parts[i]; i++) {
        if (i)
            buf_add_byte(out, '.');
        if (plain && is_plain(parts[i]))
            buf_add_text(out, parts[i]);
        else
            quote_sql_name(out, parts[i]);
    }
    return !out->failed;
}

bool quote_sql_path(struct buf *out, struct catalog_path path)
{
    return add_path(out, path, false);
}

bool quote_plain_path(struct buf *out, struct catalog_path path)
{
    return add_path(out, path, true);
}

bool quote_sql_text(struct buf *out, const char *text)
{
    buf_add_byte(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*text);
    }
    return buf_add_byte(out, '\'');
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

bool quote_lower(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_add_byte(out, (uint8_t)lower(*text));
    return !out->failed;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

static bool is_safe(char c)
{
    return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static uint64_t hash_of(const char *text)
{
    return quote_hash(QUOTE_HASH, text, strlen(text));
}

bool quote_tag(struct buf *out, const char *text)
{
    size_t len = strlen(text), safe = 0;

    while (safe < len && is_safe(text[safe]))
        safe++;
    if (safe == len && len >= 1 && len <= TAG_MAX && is_alnum(text[0]) && is_alnum(text[len - 1]))
        return buf_add_text(out, text);
    return buf_printf(out, "h-%016" PRIx64, hash_of(text));
}

bool quote_file_name(struct buf *out, const char *text)
{
    size_t len = strlen(text), i;
    bool changed = len > FILE_NAME_MAX || len == 0 || text[0] == '.';

    for (i = 0; i < len && i < FILE_NAME_MAX; i++) {
        bool safe = is_safe(text[i]) && !(i == 0 && text[i] == '.');

        changed = changed || !safe;
        buf_add_byte(out, safe ? (uint8_t)text[i] : '_');
    }
    if (changed)
        buf_printf(out, "-%08" PRIx32, (uint32_t)(hash_of(text) ^ (hash_of(text) >> 32)));
    return !out->failed;
}

uint64_t quote_hash(uint64_t hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}
