#include "databricks/redact.h"

#include <ctype.h>
#include <strings.h>

#define RUN_MIN 32   /* shorter runs are not taken for a key */
#define PIECE_MIN 20 /* a piece this long that mixes letters and digits is no word */

static bool in_run(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("+/=_-.~", c) != NULL);
}

static bool cuts_piece(char c)
{
    return c == '/' || c == '.' || c == '-' || c == '_';
}

/* How a key differs from a path: capitals, small letters and digits mixed within one piece. */
static bool looks_random(struct span run)
{
    size_t mixed = 0;

    for (size_t i = 0; i < run.len;) {
        size_t start = i;
        bool upper = false, lower = false, digit = false;

        for (; i < run.len && !cuts_piece(run.data[i]); i++) {
            upper = upper || isupper((unsigned char)run.data[i]);
            lower = lower || islower((unsigned char)run.data[i]);
            digit = digit || isdigit((unsigned char)run.data[i]);
        }
        if (digit && (upper || lower) && i - start >= PIECE_MIN)
            return true;
        if (upper && lower && digit && i - start >= 6)
            mixed += i - start;
        while (i < run.len && cuts_piece(run.data[i]))
            i++;
    }
    return mixed >= 12;
}

/* A token's own prefix, wherever it begins. */
static bool holds_prefix(struct span run)
{
    for (size_t i = 0; i + 12 <= run.len; i++) {
        if (strncasecmp(run.data + i, "dapi", 4) == 0 ||
            strncasecmp(run.data + i, "dose", 4) == 0) {
            size_t n = 4;

            while (i + n < run.len && isxdigit((unsigned char)run.data[i + n]))
                n++;
            if (n >= 12)
                return true;
        }
    }
    return run.len >= 6 && strncmp(run.data, "eyJ", 3) == 0; /* a JWT's first bytes */
}

static bool ends_nocase(struct span text, const char *word)
{
    size_t len = strlen(word);

    return text.len >= len && strncasecmp(text.data + text.len - len, word, len) == 0;
}

static bool names_secret(struct span before)
{
    static const char *const words[] = {
        "token", "secret", "password", "passwd", "api_key", "apikey", "authorization"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ends_nocase(before, words[i]))
            return true;
    }
    return false;
}

/* What stands before a run says more than the run: "Bearer x", "token=x", "\"secret\": \"x\"". */
static bool announced(const char *text, size_t at)
{
    struct span before = {text, at};
    bool sign = false;

    while (before.len && strchr(" \t\"'\\:=", before.data[before.len - 1])) {
        sign = sign || before.data[before.len - 1] == ':' || before.data[before.len - 1] == '=';
        before.len--;
    }
    if (before.len == at)
        return false;
    return ends_nocase(before, "bearer") || ends_nocase(before, "basic") ||
           (sign && names_secret(before));
}

/* '=' is part of base64, but "token=abc" is a name and a value. */
static size_t run_length(const char *text, size_t len, size_t at)
{
    size_t n = 0;

    while (at + n < len && in_run(text[at + n])) {
        struct span before = {text, at + n};

        if (text[at + n] == '=' && names_secret(before))
            break;
        n++;
    }
    return n;
}

static bool is_secret(const char *text, size_t at, struct span run)
{
    /* "Bearer token refused", "token: Invalid": short words of small letters stay. */
    bool word = true;

    for (size_t i = 0; i < run.len; i++)
        word = word && (islower((unsigned char)run.data[i]) || strchr(".-_", run.data[i]) ||
                           (i == 0 && isupper((unsigned char)run.data[i])));
    if (announced(text, at) && !(word && run.len < 16))
        return true;
    return holds_prefix(run) || (run.len >= RUN_MIN && looks_random(run));
}

bool redact_add(struct buf *out, struct span text, size_t max)
{
    struct buf clean;
    size_t cut;

    buf_init(&clean, (text.len < 65536 ? text.len : 65536) * 4 + 16);
    if (text.len > 65536)
        text.len = 65536;
    for (size_t i = 0; i < text.len;) {
        struct span run = {text.data + i, run_length(text.data, text.len, i)};

        if (run.len == 0) {
            unsigned char c = (unsigned char)text.data[i++];

            (void)buf_add_byte(&clean, c < 0x20 || c == 0x7f ? ' ' : c);
            continue;
        }
        if (is_secret(text.data, i, run))
            (void)buf_add_text(&clean, "***");
        else
            (void)buf_add(&clean, run.data, run.len);
        i += run.len;
    }
    cut = clean.len < max ? clean.len : max;
    while (cut && cut < clean.len && ((unsigned char)clean.data[cut] & 0xc0) == 0x80)
        cut--; /* never half a character */
    if (cut && !str_utf8_valid(clean.data, cut)) {
        for (size_t i = 0; i < cut; i++)
            clean.data[i] = (unsigned char)clean.data[i] < 0x80 ? clean.data[i] : '?';
    }
    if (clean.failed)
        out->failed = true;
    else
        (void)buf_add(out, clean.data, cut);
    buf_done(&clean);
    return !out->failed;
}
