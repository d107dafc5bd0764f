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

static inline bool is(struct span key, const char *name, size_t len)
{
    return memcmp(key.data, name, len) == 0;
}

/* Where the value of a key goes; the values of unknown keys are checked and forgotten. */
static inline struct value *place_of(struct message *m, struct span key, struct value *forgotten)
{
    switch (key.len) {
    case 4:
        return is(key, "type", 4) ? &m->type : forgotten;
    case 7:
        return is(key, "payload", 7) ? &m->payload : forgotten;
    case 8:
        return is(key, "resource", 8) ? &m->resource : forgotten;
    case 9:
        return is(key, "timestamp", 9) ? &m->timestamp : forgotten;
    default:
        return forgotten;
    }
}

bool scanner_line(const char *p, const char *end, struct message *ret, const char **ret_next)
{
    struct value forgotten;
    struct span key;

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
        p = take_string(p + 1, end, &key);
        if (!p)
            return false;
        p = skip_blanks(p);
        if (*p != ':')
            return false;
        p = take_value(skip_blanks(p + 1), end, place_of(ret, key, &forgotten));
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
