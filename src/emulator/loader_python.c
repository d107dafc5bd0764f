#include "emulator/loader_python.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define TOKENS_MAX 16384U
#define TEXT_MAX (1U << 20)
#define BRACKETS_MAX 64

struct cutter {
    struct span code;
    size_t at;
    int line, indent, brackets;
    bool empty; /* nothing in this logical line yet */
    struct python *out;
};

static bool wrong(const struct cutter *c, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, 0, "line %d: SyntaxError: %s", c->line, what);
}

static bool add(
    struct cutter *c, enum python_kind kind, struct span bytes, size_t offset, struct err *err)
{
    if (c->out->count == TOKENS_MAX)
        return err_set(err, ERR_INPUT, 0, "the script is longer than the emulator reads");
    c->out->tokens[c->out->count++] = (struct python_token){
        .kind = kind, .bytes = bytes, .offset = offset, .line = c->line, .indent = c->indent};
    c->empty = false;
    return true;
}

static int peek(const struct cutter *c, size_t ahead)
{
    return ahead < c->code.len - c->at ? (unsigned char)c->code.data[c->at + ahead] : -1;
}

/* Appends U+XXXX as UTF-8. */
static bool add_scalar(struct buf *out, uint64_t u)
{
    if (u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
        return false;
    if (u < 0x80)
        return buf_add_byte(out, (uint8_t)u);
    if (u < 0x800)
        return buf_add_byte(out, (uint8_t)(0xc0 | u >> 6)) &&
               buf_add_byte(out, (uint8_t)(0x80 | (u & 0x3f)));
    if (u < 0x10000)
        return buf_add_byte(out, (uint8_t)(0xe0 | u >> 12)) &&
               buf_add_byte(out, (uint8_t)(0x80 | (u >> 6 & 0x3f))) &&
               buf_add_byte(out, (uint8_t)(0x80 | (u & 0x3f)));
    return buf_add_byte(out, (uint8_t)(0xf0 | u >> 18)) &&
           buf_add_byte(out, (uint8_t)(0x80 | (u >> 12 & 0x3f))) &&
           buf_add_byte(out, (uint8_t)(0x80 | (u >> 6 & 0x3f))) &&
           buf_add_byte(out, (uint8_t)(0x80 | (u & 0x3f)));
}

/* Behind a backslash. */
static bool escape(struct cutter *c, struct err *err)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    int e = peek(c, 0);
    const char *known = e > 0 ? strchr(from, e) : NULL;
    size_t digits = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
    uint64_t value;

    if (e < 0)
        return wrong(c, "unterminated string literal", err);
    c->at++;
    if (known)
        return buf_add_byte(&c->out->text, (uint8_t)to[known - from]);
    if (e == '\n') {
        c->line++;
        return true;
    }
    if (digits) {
        if (c->code.len - c->at < digits ||
            !str_hex_u64((struct span){c->code.data + c->at, digits}, digits, &value) ||
            !add_scalar(&c->out->text, value))
            return wrong(c, "(unicode error) can't decode bytes", err);
        c->at += digits;
        return true;
    }
    if (e >= '0' && e <= '7') {
        uint64_t octal = (uint64_t)(e - '0');

        for (int i = 0; i < 2 && peek(c, 0) >= '0' && peek(c, 0) <= '7'; i++)
            octal = octal * 8 + (uint64_t)(c->code.data[c->at++] - '0');
        return add_scalar(&c->out->text, octal);
    }
    return buf_add_byte(&c->out->text, '\\') && buf_add_byte(&c->out->text, (uint8_t)e);
}

/* At the opening quote. */
static bool cut_text(struct cutter *c, bool raw, bool format, struct err *err)
{
    int quote = peek(c, 0);
    bool triple = peek(c, 1) == quote && peek(c, 2) == quote, filled = false;
    size_t start = c->out->text.len, quotes = triple ? 3 : 1;

    c->at += quotes;
    for (;;) {
        int b = peek(c, 0);

        if (b < 0 || (b == '\n' && !triple))
            return wrong(c, "unterminated string literal", err);
        if (b == quote && (!triple || (peek(c, 1) == quote && peek(c, 2) == quote)))
            break;
        c->at++;
        c->line += b == '\n';
        filled = filled || b == '{';
        if (b == '\\' && !raw) {
            if (!escape(c, err))
                return false;
            continue;
        }
        (void)buf_add_byte(&c->out->text, (uint8_t)b);
        if (b == '\\' && peek(c, 0) >= 0) /* r"\"": the quote is guarded, both bytes stay */
            (void)buf_add_byte(&c->out->text, (uint8_t)c->code.data[c->at++]);
    }
    c->at += quotes;
    if (!buf_check(&c->out->text, "the texts of a script", err))
        return false;
    return add(c, format && filled ? PYTHON_FORMAT : PYTHON_TEXT,
        (struct span){NULL, c->out->text.len - start}, start, err);
}

static bool name_byte(int b)
{
    return b == '_' || b >= 0x80 || isalnum(b);
}

/* A name, a number, or the prefix of a string. */
static bool cut_word(struct cutter *c, struct err *err)
{
    struct span word = {c->code.data + c->at, 0};
    bool number = isdigit((unsigned char)*word.data), raw = false, format = false, prefix;

    while (peek(c, word.len) >= 0 &&
           (name_byte(peek(c, word.len)) || (number && peek(c, word.len) == '.')))
        word.len++;
    c->at += word.len;
    prefix = word.len <= 2 && !number && (peek(c, 0) == '"' || peek(c, 0) == '\'');
    for (size_t i = 0; i < word.len && prefix; i++) {
        int letter = tolower((unsigned char)word.data[i]);

        raw = raw || letter == 'r';
        format = format || letter == 'f';
        prefix = strchr("rfbu", letter) != NULL;
    }
    if (prefix)
        return cut_text(c, raw, format, err);
    return add(c, number ? PYTHON_NUMBER : PYTHON_NAME, word, 0, err);
}

static bool cut_sign(struct cutter *c, int b, struct err *err)
{
    c->brackets += (b == '(' || b == '[' || b == '{') - (b == ')' || b == ']' || b == '}');
    if (c->brackets < 0 || c->brackets > BRACKETS_MAX)
        return wrong(c, "unmatched bracket", err);
    c->at++;
    return add(c, PYTHON_SIGN, (struct span){c->code.data + c->at - 1, 1}, 0, err);
}

static bool end_line(struct cutter *c, struct err *err)
{
    if (c->brackets || c->empty)
        return true;
    if (!add(c, PYTHON_LINE, (struct span){"", 0}, 0, err))
        return false;
    c->empty = true;
    return true;
}

static void measure_indent(struct cutter *c)
{
    int indent = 0;

    while (peek(c, 0) == ' ' || peek(c, 0) == '\t') {
        indent = peek(c, 0) == '\t' ? indent / 8 * 8 + 8 : indent + 1;
        c->at++;
    }
    if (c->brackets == 0 && c->empty)
        c->indent = indent;
}

static bool cut(struct cutter *c, struct err *err)
{
    measure_indent(c);
    while (c->at < c->code.len) {
        int b = peek(c, 0);
        bool ok = true;

        if (b == '\n') {
            ok = end_line(c, err);
            c->at++;
            c->line++;
            measure_indent(c);
        } else if (b == '#') {
            while (peek(c, 0) >= 0 && peek(c, 0) != '\n')
                c->at++;
        } else if (b == '\\' &&
                   (peek(c, 1) == '\n' || (peek(c, 1) == '\r' && peek(c, 2) == '\n'))) {
            c->at += peek(c, 1) == '\n' ? 2 : 3;
            c->line++;
        } else if (b == ' ' || b == '\t' || b == '\r' || b == '\f') {
            c->at++;
        } else if (b == '"' || b == '\'') {
            ok = cut_text(c, false, false, err);
        } else {
            ok = name_byte(b) ? cut_word(c, err) : cut_sign(c, b, err);
        }
        if (!ok)
            return false;
    }
    if (c->brackets)
        return wrong(c, "unexpected EOF while parsing", err);
    return end_line(c, err);
}

bool python_read(struct span code, struct python *ret, struct err *err)
{
    struct python python = {0};
    struct cutter cutter = {.code = code, .line = 1, .empty = true, .out = &python};

    buf_init(&python.text, TEXT_MAX);
    python.tokens = calloc(TOKENS_MAX, sizeof(*python.tokens));
    if (!python.tokens) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for a script");
        goto fail;
    }
    if (!cut(&cutter, err))
        goto fail;
    for (size_t i = 0; i < python.count; i++) {
        struct python_token *token = &python.tokens[i];

        if (token->kind == PYTHON_TEXT || token->kind == PYTHON_FORMAT)
            token->bytes.data = token->bytes.len ? python.text.data + token->offset : "";
    }
    *ret = python;
    return true;
fail:
    python_done(&python);
    return false;
}

void python_done(struct python *python)
{
    free(python->tokens);
    buf_done(&python->text);
    *python = (struct python){0};
}

bool python_is(const struct python_token *token, char sign)
{
    return token->kind == PYTHON_SIGN && token->bytes.data[0] == sign;
}

bool python_named(const struct python_token *token, const char *name)
{
    return token->kind == PYTHON_NAME && span_is(token->bytes, name);
}
