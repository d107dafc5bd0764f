#include "emulator/stmt_words.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

/* Blanks and comments from *at on. False: a block comment is not closed. */
static bool skip_blank(struct span sql, size_t *at)
{
    while (*at < sql.len) {
        const char *p = sql.data + *at;
        size_t left = sql.len - *at;

        if (isspace((unsigned char)*p)) {
            (*at)++;
        } else if (left > 1 && memcmp(p, "--", 2) == 0) {
            const char *end = memchr(p, '\n', left);

            *at = end ? (size_t)(end - sql.data) : sql.len;
        } else if (left > 1 && memcmp(p, "/*", 2) == 0) {
            int depth = 0;

            do {
                left = sql.len - *at;
                p = sql.data + *at;
                if (left < 2)
                    return false;
                depth += memcmp(p, "/*", 2) == 0 ? 1 : memcmp(p, "*/", 2) == 0 ? -1 : 0;
                *at += memcmp(p, "/*", 2) == 0 || memcmp(p, "*/", 2) == 0 ? 2 : 1;
            } while (depth);
        } else {
            break;
        }
    }
    return true;
}

static void where(const struct words *words, size_t *line, size_t *pos)
{
    *line = 1;
    *pos = 0;
    for (size_t i = 0; i < words->from && i < words->sql.len; i++) {
        *pos += 1;
        if (words->sql.data[i] == '\n') {
            *line += 1;
            *pos = 0;
        }
    }
}

bool words_fail(struct words *words, const char *fmt, ...)
{
    char text[200];
    va_list args;

    if (words->failed)
        return false;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    words->failed = true;
    words->now = WORD_END;
    return err_set(words->err, ERR_INPUT, 42601, "%s", text);
}

bool words_error(struct words *words)
{
    size_t line, pos;

    where(words, &line, &pos);
    if (words->now == WORD_END)
        return words_fail(words,
            "[PARSE_SYNTAX_ERROR] Syntax error at or near end of input. SQLSTATE: 42601 "
            "(line %zu, pos %zu)",
            line, pos);
    return words_fail(words,
        "[PARSE_SYNTAX_ERROR] Syntax error at or near '%.60s'. SQLSTATE: 42601 (line %zu, pos %zu)",
        words->text, line, pos);
}

static bool put(struct words *words, size_t *len, char c)
{
    if (*len + 1 >= sizeof(words->text))
        return words_fail(words, "[PARSE_SYNTAX_ERROR] A name or literal is too long. SQLSTATE: "
                                 "42601");
    words->text[(*len)++] = c;
    return true;
}

/* A code point as UTF-8. */
static bool put_code(struct words *words, size_t *len, uint64_t code)
{
    if (code < 0x80)
        return put(words, len, (char)code);
    if (code < 0x800)
        return put(words, len, (char)(0xc0 | code >> 6)) &&
               put(words, len, (char)(0x80 | (code & 0x3f)));
    return put(words, len, (char)(0xe0 | code >> 12)) &&
           put(words, len, (char)(0x80 | (code >> 6 & 0x3f))) &&
           put(words, len, (char)(0x80 | (code & 0x3f)));
}

/* Behind the backslash at *at. */
static bool escape(struct words *words, size_t *len)
{
    struct span sql = words->sql;
    char c = sql.data[words->at++];
    uint64_t code;

    if (c == 'u' && sql.len - words->at >= 4 &&
        str_hex_u64((struct span){sql.data + words->at, 4}, 4, &code) && code) {
        words->at += 4;
        return put_code(words, len, code);
    }
    switch (c) {
    case 'n':
        return put(words, len, '\n');
    case 't':
        return put(words, len, '\t');
    case 'r':
        return put(words, len, '\r');
    case 'b':
        return put(words, len, '\b');
    case '%':
    case '_':
        return put(words, len, '\\') && put(words, len, c);
    default:
        return put(words, len, c);
    }
}

static void read_text(struct words *words, char quote)
{
    size_t len = 0;

    for (words->at++;;) {
        char c;

        if (words->at >= words->sql.len) {
            words->now = WORD_END;
            words->from = words->sql.len;
            (void)words_error(words);
            return;
        }
        c = words->sql.data[words->at];
        if (c == quote)
            break;
        if (c == '\\' && words->at + 1 < words->sql.len) {
            words->at++;
            if (!escape(words, &len))
                return;
            continue;
        }
        words->at++;
        if (!put(words, &len, c))
            return;
    }
    words->at++;
    words->text[len] = '\0';
    words->now = WORD_TEXT;
}

static void read_ticked(struct words *words)
{
    const struct span sql = words->sql;
    size_t len = 0;

    for (words->at++;; words->at++) {
        if (words->at >= sql.len) {
            words->now = WORD_END;
            (void)words_error(words);
            return;
        }
        if (sql.data[words->at] == '`') {
            if (words->at + 1 >= sql.len || sql.data[words->at + 1] != '`')
                break;
            words->at++;
        }
        if (!put(words, &len, sql.data[words->at]))
            return;
    }
    words->at++;
    words->text[len] = '\0';
    words->now = WORD_TICKED;
    if (len == 0)
        (void)words_fail(words, "[INVALID_IDENTIFIER] The identifier `` is empty. SQLSTATE: 42602");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void read_plain(struct words *words)
{
    size_t len = 0;
    bool digits = true;

    while (words->at < words->sql.len && is_word(words->sql.data[words->at])) {
        char c = words->sql.data[words->at++];

        digits = digits && isdigit((unsigned char)c);
        if (!put(words, &len, c))
            return;
    }
    words->text[len] = '\0';
    words->now = digits ? WORD_NUMBER : WORD_PLAIN;
}

void words_next(struct words *words)
{
    char c;

    words->text[0] = '\0';
    if (words->failed || !skip_blank(words->sql, &words->at)) {
        words->from = words->at = words->sql.len;
        words->now = WORD_END;
        if (!words->failed)
            (void)words_fail(words,
                "[UNCLOSED_BRACKETED_COMMENT] Found an unclosed bracketed comment. "
                "SQLSTATE: 42601");
        return;
    }
    words->from = words->at;
    if (words->at >= words->sql.len) {
        words->now = WORD_END;
        return;
    }
    c = words->sql.data[words->at];
    if (c == '\'' || c == '"') {
        read_text(words, c);
    } else if (c == '`') {
        read_ticked(words);
    } else if (is_word(c)) {
        read_plain(words);
    } else {
        words->text[0] = c;
        words->text[1] = '\0';
        words->now = WORD_SIGN;
        words->at++;
    }
}

void words_init(struct words *words, struct span sql, struct err *err)
{
    words->sql = sql;
    words->at = words->from = 0;
    words->err = err;
    words->failed = false;
    words_next(words);
}

bool words_is(const struct words *words, const char *word)
{
    if (words->now == WORD_SIGN || words->now == WORD_NUMBER)
        return strcmp(words->text, word) == 0;
    return words->now == WORD_PLAIN && strcasecmp(words->text, word) == 0;
}

bool words_take(struct words *words, const char *word)
{
    if (!words_is(words, word))
        return false;
    words_next(words);
    return true;
}

bool words_need(struct words *words, const char *word)
{
    return words_take(words, word) || words_error(words);
}

bool words_take_all(struct words *words, const char *list)
{
    size_t at = words->at, from = words->from;
    char first[64], one[32];

    if (words->now != WORD_PLAIN || strlen(words->text) >= sizeof(first))
        return false;
    (void)str_copy(first, sizeof(first), words->text);
    while (*list) {
        size_t len = strcspn(list, " ");

        (void)snprintf(one, sizeof(one), "%.*s", (int)len, list);
        if (!words_take(words, one)) {
            if (words->failed)
                return false;
            words->at = at;
            words->from = from;
            words->now = WORD_PLAIN;
            (void)str_copy(words->text, sizeof(words->text), first);
            return false;
        }
        list += len + (list[len] == ' ');
    }
    return true;
}

/* --- a script --- */

/* The end of what begins with a quote at `at`. */
static size_t behind_quote(struct span sql, size_t at)
{
    char quote = sql.data[at++];

    for (; at < sql.len && sql.data[at] != quote; at++) {
        if (quote != '`' && sql.data[at] == '\\')
            at++;
    }
    return at < sql.len ? at + 1 : sql.len;
}

bool stmt_next(struct span *script, struct span *ret)
{
    size_t at = 0, start;

    while (at < script->len) {
        (void)skip_blank(*script, &at);
        start = at;
        while (at < script->len && script->data[at] != ';') {
            char c = script->data[at];
            size_t before = at;

            if (c == '\'' || c == '"' || c == '`')
                at = behind_quote(*script, at);
            else if (!skip_blank(*script, &at))
                at = script->len;
            else if (at == before)
                at++;
        }
        *ret = span_trim((struct span){script->data + start, at - start});
        at += at < script->len;
        if (ret->len) {
            *script = (struct span){script->data + at, script->len - at};
            return true;
        }
    }
    *script = (struct span){script->data + script->len, 0};
    return false;
}

void stmt_quote(struct buf *out, const char *name)
{
    (void)buf_add_byte(out, '`');
    for (; *name; name++) {
        if (*name == '`')
            (void)buf_add_byte(out, '`');
        (void)buf_add_byte(out, (uint8_t)*name);
    }
    (void)buf_add_byte(out, '`');
}

bool stmt_full_name(const struct stmt_name *name, const char *catalog, const char *schema,
    char out[3 * STMT_NAME_MAX])
{
    const char *parts[3];
    size_t count = 0;

    if (name->count < 3 && *catalog)
        parts[count++] = catalog;
    if (name->count < 2 && *schema)
        parts[count++] = schema;
    if (name->count == 0 || count + name->count > 3)
        return false;
    for (size_t i = 0; i < name->count; i++)
        parts[count++] = name->part[i];
    out[0] = '\0';
    for (size_t i = 0, len = 0; i < count; i++) {
        int n = snprintf(out + len, 3 * STMT_NAME_MAX - len, "%s%s", i ? "." : "", parts[i]);

        if (n < 0 || (size_t)n >= 3 * STMT_NAME_MAX - len)
            return false;
        len += (size_t)n;
    }
    return count > 0;
}
