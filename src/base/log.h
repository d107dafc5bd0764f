/* base/log.h: one line per event on stderr: `level event key=value ...`.
 *
 * Shape    LOG_INFO("stream_connected", LOG_TEXT("host", host), LOG_INT("port", port));
 * Limits   a line of 2 KiB; longer values are cut.
 * Errors   none: a log that cannot be written is lost.
 * Owner    borrows everything for the call.
 * Threads  any: one write(2) per line.
 * Source   style.md 4, durability.md 15 (no secrets: values come from err texts and settings).
 *
 * Only commands/ logs; the other rooms return errors and keep counters.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
    LOG_FORMAT_JOURNAL, /* as text, the level as systemd's <3> to <7> in front: sd-daemon(3) */
};
enum log_kind { LOG_END = 0, LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_UINT, LOG_KIND_DOUBLE };

struct log_field {
    enum log_kind kind;
    const char *key;
    const char *text;
    int64_t number;
    uint64_t count;
    double real;
};

#define LOG_TEXT(k, v) ((struct log_field){.kind = LOG_KIND_TEXT, .key = (k), .text = (v)})
#define LOG_INT(k, v) ((struct log_field){.kind = LOG_KIND_INT, .key = (k), .number = (int64_t)(v)})
#define LOG_UINT(k, v) ((struct log_field){.kind = LOG_KIND_UINT, .key = (k), .count = (v)})
#define LOG_DOUBLE(k, v) ((struct log_field){.kind = LOG_KIND_DOUBLE, .key = (k), .real = (v)})

#define LOG_AT(level, ...) LOG_AT_(level, __VA_ARGS__, ((struct log_field){.kind = LOG_END}))
#define LOG_AT_(level, event, ...) log_event(level, event, (const struct log_field[]){__VA_ARGS__})
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARN(...) LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_INFO(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Before the first thread. `clear_line` (for a live line on a terminal) is written before each
 * line; NULL: nothing. */
void log_configure(enum log_level level, enum log_format format, const char *clear_line);

void log_event(enum log_level level, const char *event, const struct log_field *fields);

#endif
