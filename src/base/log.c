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
static const int journal_levels[] = {3, 4, 6, 7};

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

/* The value, or its first bytes; a character is not cut in two. */
static struct span shown(const struct log_field *f, size_t most)
{
    struct span text = span_of(f->text ? f->text : "");

    if (text.len <= most)
        return text;
    while (most > 0 && ((unsigned char)text.data[most] & 0xc0) == 0x80)
        most--;
    return (struct span){text.data, most};
}

static void add_text(struct buf *line, const struct log_field *f, size_t most)
{
    buf_printf(line, " %s=", f->key);
    if (f->text && is_plain(f->text))
        buf_add(line, f->text, shown(f, most).len);
    else
        json_quote(line, shown(f, most));
}

static void text_line(struct buf *line, enum log_level level, const char *event,
    const struct log_field *fields, size_t most)
{
    if (shape == LOG_FORMAT_JOURNAL)
        buf_printf(line, "<%d>%s", journal_levels[level], event);
    else
        buf_printf(line, "%s %s", names[level], event);
    for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
        char number[JSON_DOUBLE_SIZE];

        switch (f->kind) {
        case LOG_KIND_TEXT:
            add_text(line, f, most);
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

static void json_line(struct buf *line, enum log_level level, const char *event,
    const struct log_field *fields, size_t most)
{
    char now[CLOCK_TEXT_SIZE];
    struct json_out json;

    json_init(&json, line);
    json_out_object(&json);
    json_key_text(&json, "timestamp", clock_text(now, clock_wall_us()));
    json_key_text(&json, "level", level == LOG_LEVEL_WARN ? "warning" : names[level]);
    json_key_text(&json, "event", event);
    for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
        switch (f->kind) {
        case LOG_KIND_TEXT:
            json_key(&json, f->key);
            json_span(&json, shown(f, most));
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
    json_out_object_end(&json);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf line;

    if (level > least)
        return;
    buf_init(&line, LOG_LINE_MAX);
    /* Values that make the line too long are cut shorter and shorter: the fields behind them and the
     * end of a JSON object must be there. */
    for (size_t most = LOG_LINE_MAX; most > 0; most /= 2) {
        buf_reset(&line);
        if (clear)
            buf_add_text(&line, clear);
        if (shape == LOG_FORMAT_JSON)
            json_line(&line, level, event, fields, most);
        else
            text_line(&line, level, event, fields, most);
        if (buf_add_byte(&line, '\n'))
            break;
    }
    if (line.failed && line.len)
        line.data[line.len - 1] = '\n'; /* names alone fill it: still one line */
    if (line.len) {
        ssize_t ignored = write(STDERR_FILENO, line.data, line.len);

        (void)ignored;
    }
    buf_done(&line);
}
