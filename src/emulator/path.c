#include "emulator/path.h"

#define PART_BYTES_MAX 255U

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the raw text at *at, decoded; -1: broken. */
static int next_byte(struct span raw, size_t *at)
{
    char c = raw.data[(*at)++];
    int high, low;

    if (c != '%')
        return (unsigned char)c;
    if (raw.len - *at < 2)
        return -1;
    high = hex_digit(raw.data[*at]);
    low = hex_digit(raw.data[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool path_unescape(struct span raw, bool plus, struct buf *out)
{
    size_t at = 0;

    while (at < raw.len) {
        bool blank = plus && raw.data[at] == '+';
        int byte = next_byte(raw, &at);

        if (byte < 0 || !buf_add_byte(out, blank ? ' ' : (uint8_t)byte))
            return false;
    }
    return true;
}

/* One part into ret->text at *used. NULL: fine; else why not. */
static const char *decode_part(struct span raw, struct path *ret, size_t *used)
{
    char *out = ret->text + *used;
    size_t len = 0, at = 0;

    while (at < raw.len) {
        int byte = next_byte(raw, &at);

        if (byte < 0)
            return "The path has a bad percent-encoding.";
        if (byte == 0 || byte == '/')
            return "The path has an encoded slash or NUL.";
        if (len == PART_BYTES_MAX || *used + len + 1 >= sizeof(ret->text))
            return "The path is too long.";
        out[len++] = (char)byte;
    }
    out[len] = '\0';
    if (len == 0 || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
        return "The path has an empty part, '.' or '..'.";
    if (!str_utf8_valid(out, len))
        return "The path is not UTF-8.";
    *used += len + 1;
    return NULL;
}

bool path_decode(struct span raw, struct path *ret, const char **ret_why)
{
    size_t used = 0, at = 0;

    ret->count = 0;
    ret->directory = false;
    *ret_why = "The path must be absolute.";
    if (raw.len == 0 || raw.data[0] != '/')
        return false;
    *ret_why = NULL;
    for (at = 1; at < raw.len && !*ret_why;) {
        const char *slash = memchr(raw.data + at, '/', raw.len - at);
        size_t end = slash ? (size_t)(slash - raw.data) : raw.len;

        if (ret->count == PATH_PARTS_MAX) {
            *ret_why = "The path is too deep.";
            break;
        }
        ret->part[ret->count++] = ret->text + used;
        *ret_why = decode_part((struct span){raw.data + at, end - at}, ret, &used);
        ret->directory = slash != NULL;
        at = end + 1;
    }
    return *ret_why == NULL;
}

bool path_decode_volume(struct span raw, struct path *ret, const char **ret_why)
{
    char *end;

    if (!path_decode(raw, ret, ret_why))
        return false;
    if (ret->count < PATH_VOLUME_PARTS || strcmp(ret->part[0], "Volumes") != 0) {
        *ret_why = "The path must start with /Volumes/<catalog>/<schema>/<volume>.";
        return false;
    }
    end = ret->count > PATH_VOLUME_PARTS
              ? ret->text + (ret->part[PATH_VOLUME_PARTS] - ret->text)
              : ret->text + (ret->part[3] - ret->text) + strlen(ret->part[3]);
    for (char *p = ret->text + (ret->part[1] - ret->text); p < end; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    }
    return true;
}

bool path_print(struct buf *out, const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        buf_add_byte(out, '/');
        buf_add_text(out, path->part[i]);
    }
    return !out->failed;
}

bool path_query(struct span query, const char *key, struct buf *out, bool *ret_found)
{
    size_t at = 0;

    *ret_found = false;
    while (at < query.len) {
        const char *amp = memchr(query.data + at, '&', query.len - at);
        size_t end = amp ? (size_t)(amp - query.data) : query.len;
        struct span pair = {query.data + at, end - at};
        const char *equals = memchr(pair.data, '=', pair.len);
        struct span name = {pair.data, equals ? (size_t)(equals - pair.data) : pair.len};

        at = end + 1;
        if (!span_is(name, key))
            continue;
        *ret_found = true;
        buf_reset(out);
        return !equals ||
               path_unescape((struct span){equals + 1, pair.len - name.len - 1}, true, out);
    }
    return true;
}

/* Greedy with one place to come back to: no recursion, at worst len(pattern) * len(text). */
bool path_glob(struct span pattern, struct span text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.len && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}
