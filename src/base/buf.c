#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

static bool grow(struct buf *buf, size_t need)
{
    size_t size = buf->size ? buf->size : 256;
    char *data;

    if (need > buf->max)
        return false;
    while (size < need)
        size = size > buf->max / 2 ? buf->max : size * 2;
    if (size > buf->max)
        size = buf->max;
    data = realloc(buf->data, size);
    if (!data)
        return false;
    buf->data = data;
    buf->size = size;
    return true;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return NULL;
    if (more > SIZE_MAX - buf->len ||
        ((buf->len + more > buf->size || !buf->data) && !grow(buf, buf->len + more))) {
        buf->failed = true;
        return NULL;
    }
    return buf->data + buf->len;
}

bool buf_add(struct buf *buf, const void *data, size_t len)
{
    char *to = buf_reserve(buf, len);

    if (!to)
        return false;
    if (len)
        memcpy(to, data, len);
    buf->len += len;
    return true;
}

bool buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_add_byte(struct buf *buf, uint8_t byte)
{
    return buf_add(buf, &byte, 1);
}

bool buf_vprintf(struct buf *buf, const char *fmt, va_list args)
{
    va_list again;
    char *to;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0 || !(to = buf_reserve(buf, (size_t)n + 1))) {
        buf->failed = true;
        return false;
    }
    (void)vsnprintf(to, (size_t)n + 1, fmt, args);
    buf->len += (size_t)n;
    return true;
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    bool ok;

    va_start(args, fmt);
    ok = buf_vprintf(buf, fmt, args);
    va_end(args);
    return ok;
}

void buf_drop_front(struct buf *buf, size_t n)
{
    if (n >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + n, buf->len - n);
    buf->len -= n;
}

const char *buf_text(struct buf *buf)
{
    char *end = buf_reserve(buf, 1);

    if (!end)
        return "";
    *end = '\0';
    return buf->data;
}

bool buf_check(const struct buf *buf, const char *what, struct err *err)
{
    if (buf->failed)
        return err_set(err, ERR_FULL, 0, "%s does not fit into %zu bytes", what, buf->max);
    return true;
}
