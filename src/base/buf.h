/* base/buf.h: bytes that grow, up to a limit given at the start.
 *
 * Shape    data[0..len) are the bytes; data may be NULL while len is 0. No terminator, except right
 *          after buf_text.
 * Units    bytes.
 * Limits   max, set by buf_init; there is no unlimited buffer.
 * Errors   a call that fails sets `failed` and every later adding call fails too (sticky): add
 *          many, check once. The bytes added before stay valid.
 * Owner    the caller owns the struct; buf_done frees the bytes and takes a struct of zeros.
 * Threads  one at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t size;
    size_t max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_done(struct buf *buf);

/* Empties it, clears `failed` and keeps the memory. */
void buf_reset(struct buf *buf);

/* Room for `more` bytes behind len, for the caller to write and then to count by `buf->len += n`.
 * NULL when the limit or the memory does not allow it. The old data pointer is dead. */
char *buf_reserve(struct buf *buf, size_t more);

bool buf_add(struct buf *buf, const void *data, size_t len);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_add_byte(struct buf *buf, uint8_t byte);
bool buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *buf, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* Removes the first n bytes. */
void buf_drop_front(struct buf *buf, size_t n);

/* The bytes as a C string (a NUL is put behind them, not counted); "" after a failure to do so.
 * Borrowed, until the next call. */
const char *buf_text(struct buf *buf);

/* False and ERR_FULL with `what` in the text when anything failed since the last reset. */
bool buf_check(const struct buf *buf, const char *what, struct err *err);

#endif
