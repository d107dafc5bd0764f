#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line: what came from outside must not forge log lines or move the cursor. */
static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

/* A text cut inside a UTF-8 character would not be valid any more: drop the piece. */
static void cut_whole(char *text, size_t size)
{
    size_t len = strlen(text);
    size_t back = 0;

    if (len + 1 < size)
        return;
    while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < len && (unsigned char)text[len - 1 - back] >= 0xc0)
        text[len - 1 - back] = '\0';
}

/* The names in brackets: to the analyzer they are macros. */
bool(err_set)(struct err *err, enum err_kind kind, int code, const char *fmt, ...)
{
    char text[sizeof(err->text)]; /* the arguments may point into err->text */
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cut_whole(text, sizeof(text));
    clean(text);
    memcpy(err->text, text, sizeof(text));
    err->kind = kind;
    err->code = code;
    return false;
}

bool(err_sys)(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    int code = errno;
    char text[sizeof(err->text)];
    char reason[128];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (code == ENOSPC || code == EDQUOT || code == EFBIG || code == ENOMEM)
        kind = ERR_FULL;
    return err_set(err, kind, code, "%s: %s", text, strerror_r(code, reason, sizeof(reason)));
}

bool(err_wrap)(struct err *err, const char *fmt, ...)
{
    char front[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(front, sizeof(front), fmt, args);
    va_end(args);
    return err_set(err, err->kind, err->code, "%s: %s", front, err->text);
}

void err_clear(struct err *err)
{
    err->kind = ERR_NONE;
    err->code = 0;
    err->text[0] = '\0';
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_RETRY:
        return "retry";
    case ERR_INPUT:
        return "input";
    case ERR_DENIED:
        return "denied";
    case ERR_FULL:
        return "full";
    case ERR_BROKEN:
        return "broken";
    }
    return "unknown";
}
