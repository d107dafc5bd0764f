/* simulator/json_check.c: a small automaton over the text; the open brackets are bits in a word. */
#include "simulator/json_check.h"

enum state { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, AFTER_VALUE };

struct scan {
    const char *at;
    const char *end;
    uint64_t objects; /* bit 0: the innermost bracket is an object */
    unsigned depth;
    struct span key; /* of the value that comes */
    struct span type;
};

static void blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool digit(const struct scan *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static bool digits(struct scan *s)
{
    if (!digit(s))
        return false;
    while (digit(s))
        s->at++;
    return true;
}

static bool number(struct scan *s)
{
    if (*s->at == '-')
        s->at++;
    if (s->at < s->end && *s->at == '0')
        s->at++;
    else if (!digits(s))
        return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!digits(s))
            return false;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        return digits(s);
    }
    return true;
}

static bool escape(struct scan *s)
{
    uint64_t ignored;

    if (s->at == s->end)
        return false;
    if (*s->at == 'u') {
        if (s->end - s->at < 5 || !str_hex_u64((struct span){s->at + 1, 4}, 4, &ignored))
            return false;
        s->at += 5;
        return true;
    }
    return *s->at != '\0' && strchr("\"\\/bfnrt", *s->at++) != NULL;
}

/* At the opening quote. */
static bool string(struct scan *s, struct span *ret)
{
    const char *start = ++s->at;

    while (s->at < s->end) {
        char c = *s->at++;

        if (c == '"') {
            *ret = (struct span){start, (size_t)(s->at - 1 - start)};
            return true;
        }
        if ((unsigned char)c < 0x20 || (c == '\\' && !escape(s)))
            return false;
    }
    return false;
}

static bool word(struct scan *s, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, text, len) != 0)
        return false;
    s->at += len;
    return true;
}

static bool opened(struct scan *s, bool object)
{
    if (s->depth == 64)
        return false;
    s->objects = s->objects << 1 | (object ? 1u : 0u);
    s->depth++;
    s->at++;
    return true;
}

static bool value(struct scan *s, enum state *state)
{
    struct span text;

    *state = AFTER_VALUE;
    switch (*s->at) {
    case '{':
        *state = WANT_KEY_OR_END;
        return opened(s, true);
    case '[':
        *state = WANT_VALUE_OR_END;
        return opened(s, false);
    case '"':
        if (!string(s, &text))
            return false;
        if (s->depth == 1 && s->type.data == NULL && span_is(s->key, "type"))
            s->type = text;
        return true;
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    default:
        return number(s);
    }
}

static bool key(struct scan *s, enum state *state)
{
    if (*s->at != '"' || !string(s, &s->key))
        return false;
    blanks(s);
    if (s->at == s->end || *s->at++ != ':')
        return false;
    *state = WANT_VALUE;
    return true;
}

/* A comma or a closing bracket. */
static bool separator(struct scan *s, enum state *state)
{
    bool object = (s->objects & 1) != 0;
    char c = *s->at++;

    if (s->depth == 0)
        return false;
    if (c == ',') {
        *state = object ? WANT_KEY : WANT_VALUE;
        return true;
    }
    if (c != (object ? '}' : ']'))
        return false;
    s->objects >>= 1;
    s->depth--;
    *state = AFTER_VALUE;
    return true;
}

bool json_check(struct span text, struct span *ret_type)
{
    struct scan s = {.at = text.data, .end = text.data + text.len};
    enum state state = WANT_VALUE;

    if (text.len == 0 || !str_utf8_valid(text.data, text.len))
        return false;
    for (blanks(&s); s.at < s.end; blanks(&s)) {
        bool ok = false;

        if (state == AFTER_VALUE || (state == WANT_KEY_OR_END && *s.at == '}') ||
            (state == WANT_VALUE_OR_END && *s.at == ']'))
            ok = separator(&s, &state);
        else if (state == WANT_KEY || state == WANT_KEY_OR_END)
            ok = key(&s, &state);
        else
            ok = value(&s, &state);
        if (!ok)
            return false;
    }
    if (state != AFTER_VALUE || s.depth != 0)
        return false;
    if (ret_type != NULL)
        *ret_type = s.type.data == NULL ? (struct span){"", 0} : s.type;
    return true;
}
