#include "base/log.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <unistd.h>

#define LOG_LINE_MAX 2048

static enum log_level least = LOG_LEVEL_INFO;
static enum log_format shape = LOG_FORMAT_TEXT;
static const char *clear;

void log_configure(enum log_level level, enum log_format format, const char *clear_line)
{
    least = level;
    shape = format;
    clear = clear_line;
}

static const char *const names[] = {"error", "warn", "info", "debug"};

/* Plain words stand as they are; anything else is quoted, so that key=value stays readable by
 * scripts. */
static bool is_plain(const char *text)
{
    if (!*text)
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p <= 0x20 || *p == '"' || *p == '=' || *p == '\\' || *p >= 0x7f)
            return false;
    }
    return true;
}

static void add_text(struct buf *line, const struct log_field *f)
{
    const char *text = f->text ? f->text : "";

    buf_printf(line, " %s=", f->key);
    if (is_plain(text))
        buf_add_text(line, text);
    else
        json_quote(line, span_of(text));
}

static void text_line(
    struct buf *line, enum log_level level, const char *event, const struct log_field *fields)
{
    buf_printf(line, "%s %s", names[level], event);
    for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
        char number[JSON_DOUBLE_SIZE];

        switch (f->kind) {
        case LOG_KIND_TEXT:
            add_text(line, f);
            break;
        case LOG_KIND_INT:
            buf_printf(line, " %s=%lld", f->key, (long long)f->number);
            break;
        case LOG_KIND_UINT:
            buf_printf(line, " %s=%llu", f->key, (unsigned long long)f->count);
            break;
        case LOG_KIND_DOUBLE:
            (void)json_double_text(number, f->real);
            buf_printf(line, " %s=%s", f->key, number);
            break;
        case LOG_END:
            break;
        }
    }
}

static void json_line(
    struct buf *line, enum log_level level, const char *event, const struct log_field *fields)
{
    char now[CLOCK_TEXT_SIZE];
    struct json_out json;

    json_init(&json, line);
    json_object(&json);
    json_key_text(&json, "timestamp", clock_text(now, clock_wall_us()));
    json_key_text(&json, "level", level == LOG_LEVEL_WARN ? "warning" : names[level]);
    json_key_text(&json, "event", event);
    for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
        switch (f->kind) {
        case LOG_KIND_TEXT:
            json_key_text(&json, f->key, f->text ? f->text : "");
            break;
        case LOG_KIND_INT:
            json_key_int(&json, f->key, f->number);
            break;
        case LOG_KIND_UINT:
            json_key_uint(&json, f->key, f->count);
            break;
        case LOG_KIND_DOUBLE:
            json_key_double(&json, f->key, f->real);
            break;
        case LOG_END:
            break;
        }
    }
    json_object_end(&json);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf line;

    if (level > least)
        return;
    buf_init(&line, LOG_LINE_MAX);
    if (clear)
        buf_add_text(&line, clear);
    if (shape == LOG_FORMAT_JSON)
        json_line(&line, level, event, fields);
    else
        text_line(&line, level, event, fields);
    if (line.len < LOG_LINE_MAX)
        line.failed = false; /* a value too long: what fitted is still worth reading */
    buf_add_byte(&line, '\n');
    if (line.len) {
        ssize_t ignored = write(STDERR_FILENO, line.data, line.len);

        (void)ignored;
    }
    buf_done(&line);
}
