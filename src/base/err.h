/* base/err.h: what went wrong, and what the caller can do about it.
 *
 * Shape    one struct err, owned by the caller, filled by the room that sees the fact.
 * Units    code is an errno, an HTTP status or a CURLcode, as the text says; 0: none.
 * Limits   the text is one line of at most 239 bytes; longer texts are cut.
 * Errors   none: these functions cannot fail.
 * Owner    the caller; nothing is allocated.
 * Threads  any; a struct err belongs to one thread.
 * Source   errno(3).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* What a caller can do. Code branches on this only; `code` and `text` are for people. */
enum err_kind {
    ERR_NONE = 0,
    ERR_RETRY,  /* the same call may work later: timeout, 429, 5xx */
    ERR_INPUT,  /* this item is bad and stays bad: set it aside, count it, go on */
    ERR_DENIED, /* a person must change something: 401, 403, certificate, configuration */
    ERR_FULL,   /* a limit was reached (cap, memory, disk): push back */
    ERR_BROKEN, /* our own state cannot be trusted (fsync failed, our checksum wrong): stop */
};

struct err {
    enum err_kind kind;
    int code;
    char text[240]; /* one line, NUL-terminated, no secrets */
};

/* All three return false, for `return err_set(...)`. err_sys appends errno's text, keeps errno as
 * the code and makes ENOSPC, EDQUOT, EFBIG and ENOMEM ERR_FULL whatever the kind given; err_wrap
 * adds
 * "<fmt>: " in front of what is there. Control characters in the result are shown as '?'. */
bool err_set(struct err *err, enum err_kind kind, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);
bool err_sys(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time, and would follow paths on which these return true. */
static inline bool err_false(bool said)
{
    (void)said;
    return false;
}
#define err_set(...) err_false(err_set(__VA_ARGS__))
#define err_sys(...) err_false(err_sys(__VA_ARGS__))
#define err_wrap(...) err_false(err_wrap(__VA_ARGS__))
#endif

void err_clear(struct err *err);

/* "retry", "input", ...: for logs. */
const char *err_kind_name(enum err_kind kind);

#endif
