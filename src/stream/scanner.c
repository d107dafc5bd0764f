#include "stream/scanner.h"

#include "stream/bytes.h"

/* All functions here return the byte behind what they took, or NULL to hand the line over. They
 * stop at the latest at the '\n', which is neither a blank to them nor part of any value. */

static inline const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

/* p is behind the opening quote. */
static inline const char *take_string(const char *p, const char *end, struct span *ret)
{
    const char *q = bytes_plain_end(p, end);
    bool ascii = true;

    while ((unsigned char)*q >= 0x80) { /* the '\n' at the end is none of these */
        ascii = false;
        q = bytes_plain_end(q + 1, end);
    }
    if (*q != '"') /* escaped, a control character, or never closed */
        return NULL;
    *ret = (struct span){p, (size_t)(q - p)};
    if (!ascii && !str_utf8_valid(p, ret->len))
        return NULL;
    return q + 1;
}

static inline const char *take_value(const char *p, const char *end, struct value *ret)
{
    switch (*p) {
    case '"':
        ret->kind = VALUE_TEXT;
        return take_string(p + 1, end, &ret->text);
    case 't':
        ret->kind = VALUE_TRUE;
        return p[1] == 'r' && p[2] == 'u' && p[3] == 'e' ? p + 4 : NULL;
    case 'f':
        ret->kind = VALUE_FALSE;
        return p[1] == 'a' && p[2] == 'l' && p[3] == 's' && p[4] == 'e' ? p + 5 : NULL;
    case 'n':
        ret->kind = VALUE_ABSENT;
        return p[1] == 'u' && p[2] == 'l' && p[3] == 'l' ? p + 4 : NULL;
    default: /* a number, or an object or list, which are no number */
        ret->kind = VALUE_NUMBER;
        return number_scan(p, end, &ret->number);
    }
}

/* What waits for what decides the speed here, not the count of steps: to search a string's end and
 * to go on there makes each search wait for the one before. A comparison with a text or a length
 * expected has no such wait, for the processor goes on as if it came out as it did the last time. So
 * known keys and values of known length are compared, and only the others searched. */

#define UUID_LEN 36
#define TIMESTAMP_LEN 27
#define EXPECT_BYTES 48 /* so many are there: none of the comparisons goes beyond */

#define EXPECT(p, text) (memcmp(p, text, sizeof(text) - 1) == 0)

/* A plain string of exactly `len` bytes, 17 to 47; p is behind its quote. Two or three overlapping
 * looks see them all. */
static inline bool is_plain_of(const char *p, const char *end, size_t len)
{
    return end - p >= EXPECT_BYTES && p[len] == '"' && bytes_plain16(p) &&
           (len <= 32 || bytes_plain16(p + 16)) && bytes_plain16(p + len - 16);
}

static inline const char *take_sized(const char *p, const char *end, size_t len, struct value *ret)
{
    if (*p != '"' || !is_plain_of(p + 1, end, len))
        return take_value(p, end, ret);
    ret->kind = VALUE_TEXT;
    ret->text = (struct span){p + 1, len};
    return p + len + 2;
}

static inline const char *take_type(const char *p, const char *end, struct value *ret)
{
    static const char usual[] = "\"data;pt=number\"";

    if (end - p < EXPECT_BYTES || !EXPECT(p, usual))
        return take_value(p, end, ret);
    ret->kind = VALUE_TEXT;
    ret->text = (struct span){p + 1, sizeof(usual) - 3};
    return p + sizeof(usual) - 1;
}

enum key { KEY_TYPE, KEY_RESOURCE, KEY_TIMESTAMP, KEY_PAYLOAD, KEY_ID, KEY_OTHER };

/* Each name with its closing quote, so that no other name begins with it. The lengths are constants
 * to the compiler: no call of memcmp is left. Returns the length, 0: another key. */
static inline size_t match_key(const char *p, enum key key)
{
    switch (key) {
    case KEY_TYPE:
        return EXPECT(p, "type\"") ? 5 : 0;
    case KEY_RESOURCE:
        return EXPECT(p, "resource\"") ? 9 : 0;
    case KEY_TIMESTAMP:
        return EXPECT(p, "timestamp\"") ? 10 : 0;
    case KEY_PAYLOAD:
        return EXPECT(p, "payload\"") ? 8 : 0;
    case KEY_ID:
        return EXPECT(p, "id\"") ? 3 : 0;
    case KEY_OTHER:
        break;
    }
    return 0;
}

/* The one it may be, by its first bytes. */
static inline enum key likely_key(const char *p)
{
    switch (*p) {
    case 't':
        return p[1] == 'y' ? KEY_TYPE : KEY_TIMESTAMP;
    case 'r':
        return KEY_RESOURCE;
    case 'p':
        return KEY_PAYLOAD;
    case 'i':
        return KEY_ID;
    default:
        return KEY_OTHER;
    }
}

/* The same by a name whose end is known: near the end of the input, where nothing may be looked at
 * behind it, and for unknown keys. */
static inline enum key key_of(struct span name)
{
    switch (name.len) {
    case 2:
        return EXPECT(name.data, "id") ? KEY_ID : KEY_OTHER;
    case 4:
        return EXPECT(name.data, "type") ? KEY_TYPE : KEY_OTHER;
    case 7:
        return EXPECT(name.data, "payload") ? KEY_PAYLOAD : KEY_OTHER;
    case 8:
        return EXPECT(name.data, "resource") ? KEY_RESOURCE : KEY_OTHER;
    case 9:
        return EXPECT(name.data, "timestamp") ? KEY_TIMESTAMP : KEY_OTHER;
    default:
        return KEY_OTHER;
    }
}

/* p is behind the opening quote. */
static inline const char *take_key(const char *p, const char *end, enum key *ret)
{
    size_t len = end - p >= EXPECT_BYTES ? match_key(p, likely_key(p)) : 0;
    struct span name;

    if (len) {
        *ret = likely_key(p);
        return p + len;
    }
    p = take_string(p, end, &name);
    if (p)
        *ret = key_of(name);
    return p;
}

static inline const char *take_member(
    const char *p, const char *end, enum key key, struct message *ret)
{
    switch (key) {
    case KEY_TYPE:
        return take_type(p, end, &ret->type);
    case KEY_RESOURCE:
        return take_value(p, end, &ret->resource);
    case KEY_TIMESTAMP:
        return take_sized(p, end, TIMESTAMP_LEN, &ret->timestamp);
    case KEY_PAYLOAD:
        return take_value(p, end, &ret->payload);
    case KEY_ID:
        return take_sized(p, end, UUID_LEN, &ret->other);
    case KEY_OTHER:
        break;
    }
    return take_value(p, end, &ret->other);
}

bool scanner_line(const char *p, const char *end, struct message *ret, const char **ret_next)
{
    enum key key;

    ret->type.kind = VALUE_ABSENT;
    ret->resource.kind = VALUE_ABSENT;
    ret->timestamp.kind = VALUE_ABSENT;
    ret->payload.kind = VALUE_ABSENT;
    p = skip_blanks(p);
    if (*p != '{')
        return false;
    do {
        p = skip_blanks(p + 1);
        if (*p != '"')
            return false;
        p = take_key(p + 1, end, &key);
        if (!p)
            return false;
        p = skip_blanks(p);
        if (*p != ':')
            return false;
        p = take_member(skip_blanks(p + 1), end, key, ret);
        if (!p)
            return false;
        p = skip_blanks(p);
    } while (*p == ',');
    if (*p != '}')
        return false;
    p = skip_blanks(p + 1);
    *ret_next = p + 1;
    return *p == '\n';
}
