#include "stream/jsonline.h"

#include "stream/bytes.h"

#define COPY_KEPT_BYTES (256 * 1024)

/* What jansson 2.14 and malloc take for each, from above: an object with its first eight buckets, a
 * list with its first eight places, a key's pair with its share of the buckets and the key itself
 * while it is read (or a text), a place in a list that has grown by doubling. */
#define OBJECT_COST 272U
#define LIST_COST 176U
#define TEXT_COST 104U
#define VALUE_COST 16U

/* ---- the look before ---- */

struct look {
    const char *p, *end; /* end: the line's '\n' */
    const char *line;
    struct buf *copy;
    size_t cost; /* of the tree */
    unsigned depth;
    char before; /* the last byte outside strings that was no blank */
};

/* The value that begins here may be asked for. */
static bool is_wanted(const struct look *l)
{
    return l->before == ':' && l->depth <= JSONLINE_VALUE_DEPTH;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* NUL is allowed in a name when escaped, but jansson takes none in a key. */
static void rename_nul_key(char *text, size_t len)
{
    for (size_t i = 0; i + 6 <= len; i++) {
        if (text[i] != '\\')
            continue;
        if (memcmp(text + i + 1, "u0000", 5) == 0)
            text[i + 5] = '1';
        i++; /* what follows a backslash begins no escape: \\u0000 */
    }
}

/* At an opening quote. False: a control character, or no end. */
static bool look_at_string(struct look *l)
{
    const char *start = l->p, *q = l->p + 1;
    size_t at = l->copy->len, len;
    bool escapes = false;

    for (;;) {
        q = bytes_plain_end(q, l->end + 1);
        if (*q == '"')
            break;
        if ((unsigned char)*q < 0x20)
            return false;
        if (*q == '\\') {
            escapes = true;
            q++;
            if (q == l->end)
                return false;
        }
        q++;
    }
    l->p = q + 1;
    len = (size_t)(l->p - start);
    for (q++; is_blank(*q);)
        q++;
    if (escapes || *q == ':' || is_wanted(l)) { /* escapes are jansson's to judge */
        l->cost += TEXT_COST + 2 * len;
        (void)buf_add(l->copy, start, len);
    } else {
        (void)buf_add(l->copy, "null", 4);
    }
    if (escapes && *q == ':' && !l->copy->failed)
        rename_nul_key(l->copy->data + at, len);
    l->before = '"';
    return true;
}

static bool look_at_number(struct look *l)
{
    struct number n;
    const char *q = number_scan(l->p, l->end, &n);

    /* The whole token must be the number: of 1.2.3 jansson would see only our replacement. */
    if (!q || !(q == l->end || is_blank(*q) || *q == ',' || *q == '}' || *q == ']'))
        return false;
    if (is_wanted(l))
        (void)buf_printf(l->copy, "%zu", (size_t)(l->p - l->line));
    else
        (void)buf_add(l->copy, "null", 4);
    l->p = q;
    l->before = '0';
    return true;
}

/* A byte between strings and numbers. False: it opens one level too many. */
static bool look_at_sign(struct look *l, char c)
{
    if (c == '{' || c == '[') {
        l->cost += VALUE_COST + (c == '{' ? OBJECT_COST : LIST_COST);
        if (++l->depth > JSONLINE_DEPTH_MAX)
            return false;
    } else if ((c == '}' || c == ']') && l->depth) {
        l->depth--;        /* which one closes which is jansson's to judge */
    } else if (c == ',') { /* each value has one of these in front of it */
        l->cost += VALUE_COST;
    }
    if (!is_blank(c))
        l->before = c;
    (void)buf_add_byte(l->copy, (uint8_t)c);
    l->p++;
    return true;
}

static enum jsonline_result look_at_rest(struct look *l)
{
    while (l->p < l->end) {
        char c = *l->p;

        if (l->cost + l->copy->len > JSONLINE_TREE_MAX)
            return JSONLINE_TOO_COMPLEX;
        if (c == '"') {
            if (!look_at_string(l))
                return JSONLINE_NOT_JSON;
            continue;
        }
        if (c == '-' || (c >= '0' && c <= '9')) {
            if (!look_at_number(l))
                return JSONLINE_NOT_JSON;
            continue;
        }
        if ((unsigned char)c < 0x20 && !is_blank(c))
            return JSONLINE_NOT_JSON;
        if (!look_at_sign(l, c))
            return JSONLINE_TOO_DEEP;
    }
    return l->cost + l->copy->len > JSONLINE_TREE_MAX ? JSONLINE_TOO_COMPLEX : JSONLINE_OK;
}

/* ---- the tree ---- */

enum jsonline_result jsonline_parse(struct jsonline *j, struct span line)
{
    struct look look = {
        .p = line.data, .end = line.data + line.len, .line = line.data, .copy = &j->copy};
    enum jsonline_result result;
    json_error_t error;

    jsonline_clear(j);
    if (!str_utf8_valid(line.data, line.len))
        return JSONLINE_NOT_JSON;
    /* The worst a line can grow: ":1" to ":" and a place of up to ten digits. */
    j->copy.max = line.len * 6 + 64;
    result = look_at_rest(&look);
    if (result != JSONLINE_OK)
        return result;
    if (j->copy.failed)
        return JSONLINE_NOT_JSON;
    j->line = line;
    j->root = json_loadb(
        j->copy.data ? j->copy.data : "", j->copy.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    return j->root ? JSONLINE_OK : JSONLINE_NOT_JSON;
}

void jsonline_clear(struct jsonline *j)
{
    json_decref(j->root);
    j->root = NULL;
    j->line = (struct span){0};
    if (j->copy.size > COPY_KEPT_BYTES)
        buf_done(&j->copy);
    else
        buf_reset(&j->copy);
}

void jsonline_done(struct jsonline *j)
{
    jsonline_clear(j);
    buf_done(&j->copy);
}

struct value jsonline_value(const struct jsonline *j, const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    struct value value = {.kind = VALUE_OTHER};
    size_t at;

    if (!member || json_is_null(member)) {
        value.kind = VALUE_ABSENT;
    } else if (json_is_string(member)) {
        value.kind = VALUE_TEXT;
        value.text = (struct span){json_string_value(member), json_string_length(member)};
    } else if (json_is_integer(member)) {
        at = (size_t)json_integer_value(member);
        if (number_scan(j->line.data + at, j->line.data + j->line.len, &value.number))
            value.kind = VALUE_NUMBER;
    } else if (json_is_boolean(member)) {
        value.kind = json_is_true(member) ? VALUE_TRUE : VALUE_FALSE;
    }
    return value;
}
