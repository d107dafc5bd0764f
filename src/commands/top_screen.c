#include "commands/top_screen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_SHOWN 8U
#define FIELDS_MAX 8U
#define PAST_BESIDE 32U /* columns of a line of the past for its name and its highest value */
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define BLUE "\033[34m"
#define PLAIN "\033[0m"

/* One screen being written, line by line. */
struct draw {
    const struct top_screen *screen;
    struct span lines;
    struct buf *out;
    unsigned used; /* lines */
    unsigned column;
};

/* --- the lines --- */

/* The next line of `rest`, split at tabs. False: no more. */
static bool next_line(struct span *rest, struct span fields[FIELDS_MAX], size_t *ret_count)
{
    const char *end;
    struct span line;
    size_t n = 0;

    if (rest->len == 0)
        return false;
    end = memchr(rest->data, '\n', rest->len);
    line = (struct span){rest->data, end ? (size_t)(end - rest->data) : rest->len};
    rest->data += line.len + (end != NULL);
    rest->len -= line.len + (end != NULL);
    while (n < FIELDS_MAX) {
        const char *tab = line.len ? memchr(line.data, '\t', line.len) : NULL;

        fields[n++] = (struct span){line.data, tab ? (size_t)(tab - line.data) : line.len};
        if (!tab)
            break;
        line.len -= (size_t)(tab - line.data) + 1;
        line.data = tab + 1;
    }
    *ret_count = n;
    return true;
}

static struct span field_of(struct span lines, const char *key)
{
    struct span fields[FIELDS_MAX];
    size_t count;

    while (next_line(&lines, fields, &count))
        if (count > 1 && span_is(fields[0], key))
            return fields[1];
    return (struct span){"", 0};
}

static uint64_t count_of(struct span lines, const char *key)
{
    uint64_t count = 0;

    (void)str_u64(field_of(lines, key), &count);
    return count;
}

/* A rate has one digit behind its point. */
static double rate_of(struct span lines, const char *key)
{
    struct span text = field_of(lines, key);
    const char *point = text.len ? memchr(text.data, '.', text.len) : NULL;
    uint64_t whole = 0, tenth = 0;

    if (point) {
        (void)str_u64((struct span){point + 1, text.len - (size_t)(point + 1 - text.data)}, &tenth);
        text.len = (size_t)(point - text.data);
    }
    (void)str_u64(text, &whole);
    return (double)whole + (double)(tenth % 10) / 10;
}

/* --- writing --- */

static bool room(const struct draw *d, unsigned lines)
{
    return d->screen->height == 0 || d->used + lines < d->screen->height;
}

static void tone(struct draw *d, const char *code)
{
    if (d->screen->color && room(d, 1))
        buf_add_text(d->out, code);
}

/* Columns are counted as characters; what does not fit is cut. */
static void put_span(struct draw *d, struct span text)
{
    struct buf shown;

    buf_init(&shown, 16384);
    (void)str_show(&shown, text, 4096);
    for (size_t i = 0; i < shown.len; i++) {
        bool begins = ((unsigned char)shown.data[i] & 0xc0) != 0x80;

        if (!room(d, 1) || (begins && d->column >= d->screen->width))
            break;
        d->column += begins;
        buf_add_byte(d->out, (uint8_t)shown.data[i]);
    }
    buf_done(&shown);
}

static void put(struct draw *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(struct draw *d, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put_span(d, span_of(text));
}

/* Blanks up to a column. */
static void go_to(struct draw *d, unsigned column)
{
    while (room(d, 1) && d->column < column && d->column < d->screen->width) {
        buf_add_byte(d->out, ' ');
        d->column++;
    }
}

/* A line that the terminal has no room for is none: it would push the first ones away. */
static void end_line(struct draw *d)
{
    if (!room(d, 1))
        return;
    if (d->screen->color)
        buf_add_text(d->out, PLAIN "\033[K");
    buf_add_byte(d->out, '\n');
    d->used++;
    d->column = 0;
}

/* Goes on in the next line, below `indent`, at a blank; a word wider than the screen is cut. */
static void put_wrapped(struct draw *d, struct span text, unsigned indent, const char *code)
{
    tone(d, code);
    while (text.len) {
        size_t len = d->screen->width > d->column ? d->screen->width - d->column : 0;
        bool fits = len >= text.len;

        if (fits)
            len = text.len;
        while (!fits && len && text.data[len] != ' ')
            len--;
        while (!fits && len < text.len && text.data[len] != ' ')
            len++;
        put_span(d, (struct span){text.data, len});
        text.data += len;
        text.len -= len;
        if (text.len == 0)
            break;
        text.data++;
        text.len--;
        end_line(d);
        go_to(d, indent);
        tone(d, code);
    }
    end_line(d);
}

/* --- parts --- */

static const char *level_tone(struct span level)
{
    return span_is(level, "bad")       ? RED
           : span_is(level, "warning") ? YELLOW
           : span_is(level, "info")    ? BLUE
                                       : GREEN;
}

static void draw_head(struct draw *d)
{
    char up[32];

    tone(d, BOLD);
    put(d, "volume-uploader ");
    tone(d, PLAIN DIM);
    put_span(d, field_of(d->lines, "version"));
    put(d, "   up %s   ", str_duration(up, sizeof(up), (int64_t)count_of(d->lines, "uptime_us")));
    put_span(d, field_of(d->lines, "state_dir"));
    end_line(d);
    tone(d, BOLD);
    put_wrapped(d, field_of(d->lines, "headline"), 0, level_tone(field_of(d->lines, "level")));
    end_line(d);
}

static void draw_troubles(struct draw *d)
{
    struct span rest = d->lines, fields[FIELDS_MAX];
    size_t count;
    bool any = false;

    while (next_line(&rest, fields, &count)) {
        /* The worst one in any case, the others when the way and the books stay on the screen. */
        if (count < 4 || !span_is(fields[0], "trouble") || !room(d, any ? 14 : 4))
            continue;
        tone(d, level_tone(fields[1]));
        put(d, "! ");
        put_wrapped(d, fields[2], 2, level_tone(fields[1]));
        go_to(d, 2);
        put_wrapped(d, fields[3], 2, PLAIN);
        any = true;
    }
    if (any)
        end_line(d);
}

static void draw_stop(struct draw *d, const char *name, const char *state, const char *number,
    const char *unit, const char *more)
{
    put(d, "  ");
    tone(d, BOLD);
    put(d, "%-8s", name);
    put(d, "%12s ", number);
    tone(d, PLAIN);
    put(d, "%-18s ", unit);
    put(d, "%-11s ", state);
    tone(d, DIM);
    put(d, "%s", more);
    end_line(d);
}

static void draw_way(struct draw *d)
{
    struct span l = d->lines;
    char number[32], bytes[32], text[400], time[32];
    uint64_t refused = count_of(l, "refused_files");

    (void)snprintf(text, sizeof(text), "%.*s, %s/s", (int)field_of(l, "peer").len,
        field_of(l, "peer").data,
        str_bytes(bytes, sizeof(bytes), (uint64_t)rate_of(l, "received_bytes_per_s")));
    (void)snprintf(
        number, sizeof(number), "%.*s", (int)field_of(l, "stream").len, field_of(l, "stream").data);
    draw_stop(d, "Stream", number,
        str_count(bytes, sizeof(bytes), (uint64_t)(rate_of(l, "readings_per_s") + 0.5)),
        "readings/s arrive", text);
    (void)snprintf(text, sizeof(text), "synced up to #%s",
        str_count(bytes, sizeof(bytes), count_of(l, "durable_seq")));
    draw_stop(d, "Journal", "durable",
        str_count(number, sizeof(number), count_of(l, "journal_readings")), "readings", text);
    (void)snprintf(text, sizeof(text), "%s in %s file%s%s%s%s",
        str_bytes(bytes, sizeof(bytes), count_of(l, "outbox_bytes")),
        str_count(number, sizeof(number), count_of(l, "outbox_files")),
        count_of(l, "outbox_files") == 1 ? "" : "s", refused ? ", " : "",
        refused ? str_count(time, sizeof(time), refused) : "", refused ? " refused" : "");
    draw_stop(d, "Outbox", count_of(l, "outbox_files") ? "holding" : "empty",
        str_count(number, sizeof(number), count_of(l, "outbox_readings")), "readings", text);
    (void)snprintf(text, sizeof(text), "%s files, %s, %.*s",
        str_count(number, sizeof(number), count_of(l, "delivered_files")),
        str_bytes(bytes, sizeof(bytes), count_of(l, "delivered_bytes")),
        (int)field_of(l, "volume").len, field_of(l, "volume").data);
    (void)snprintf(
        time, sizeof(time), "%.*s", (int)field_of(l, "upload").len, field_of(l, "upload").data);
    draw_stop(d, "Volume", time, str_count(number, sizeof(number), count_of(l, "delivered")),
        "readings delivered", text);
    (void)snprintf(
        time, sizeof(time), "%.*s", (int)field_of(l, "job").len, field_of(l, "job").data);
    (void)snprintf(
        text, sizeof(text), "%.*s", (int)field_of(l, "table").len, field_of(l, "table").data);
    draw_stop(d, "Table", time, "", "Databricks job", text);
    end_line(d);
}

static void draw_books(struct draw *d)
{
    static const struct {
        const char *key, *name;
    } parts[] = {{"delivered", "delivered"}, {"waiting", "waiting"}, {"superseded", "superseded"},
        {"gaps", "lost"}, {"rejected", "lines rejected"}};
    char number[32], left[32];
    struct buf books;
    uint64_t oldest = count_of(d->lines, "oldest_us"), full = count_of(d->lines, "full_in_us");

    buf_init(&books, 1024);
    buf_printf(&books, "%s received =",
        str_count(number, sizeof(number),
            count_of(d->lines, "carried") + count_of(d->lines, "readings")));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        buf_printf(&books, "%s %s %s",
            i == 4 ? ";"
            : i    ? " +"
                   : "",
            str_count(number, sizeof(number), count_of(d->lines, parts[i].key)), parts[i].name);
    put(d, "  Books    ");
    put_wrapped(d, span_of(buf_text(&books)), 11, "");
    buf_done(&books);
    put(d, "  Age      oldest waiting %s",
        oldest ? str_duration(number, sizeof(number), (int64_t)oldest) : "none");
    put(d, ", last delivery took %s from its first reading",
        str_duration(number, sizeof(number), (int64_t)count_of(d->lines, "lag_us")));
    end_line(d);
    put(d, "  Disk     %s used, room for %s",
        str_bytes(number, sizeof(number), count_of(d->lines, "state_bytes")),
        str_bytes(left, sizeof(left), count_of(d->lines, "left_bytes")));
    put(d, full ? ", full in %s" : ", not growing",
        str_duration(number, sizeof(number), (int64_t)full));
    end_line(d);
    end_line(d);
}

/* Eight heights of a block, the newest at the right. */
static void draw_past(struct draw *d, const char *name, const double *ring)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    unsigned count = d->screen->looks < TOP_PAST ? d->screen->looks : TOP_PAST;
    unsigned wide =
        d->screen->width < TOP_PAST + PAST_BESIDE ? d->screen->width : TOP_PAST + PAST_BESIDE;
    double top = 0;
    char number[32];

    for (unsigned i = 0; i < count; i++)
        top = fmax(top, ring[i]);
    put(d, "  %-9s", name);
    tone(d, BLUE);
    for (unsigned i = wide > PAST_BESIDE ? wide - PAST_BESIDE : 0; i > 0; i--) {
        double value = i <= count ? ring[(d->screen->looks - i) % TOP_PAST] : 0;

        put(d, "%s", blocks[top > 0 && value > 0 ? 1 + (unsigned)(value / top * 7) : 0]);
    }
    tone(d, PLAIN);
    put(d, " highest %s", str_count(number, sizeof(number), (uint64_t)(top + 0.5)));
    end_line(d);
}

static void draw_files(struct draw *d)
{
    struct span rest = d->lines, fields[FIELDS_MAX];
    size_t count, shown = 0;

    while (next_line(&rest, fields, &count)) {
        uint64_t rows = 0, bytes = 0, age = 0;
        char text[3][32];

        if (count < 6 || !span_is(fields[0], "file") || shown >= FILES_SHOWN || !room(d, 2))
            continue;
        if (shown++ == 0) {
            tone(d, DIM);
            put(d, "  %-10s %12s %10s %8s  %s", "file", "rows", "size", "age", "name");
            end_line(d);
        }
        (void)str_u64(fields[2], &rows);
        (void)str_u64(fields[3], &bytes);
        (void)str_u64(fields[4], &age);
        tone(d, span_is(fields[5], "delivered") ? GREEN
                : span_is(fields[5], "waiting") ? BLUE
                                                : RED);
        put(d, "  %-10.*s", (int)fields[5].len, fields[5].data);
        tone(d, PLAIN);
        put(d, " %12s %10s %8s  ", rows ? str_count(text[0], sizeof(text[0]), rows) : "-",
            str_bytes(text[1], sizeof(text[1]), bytes),
            str_duration(text[2], sizeof(text[2]), (int64_t)age));
        put_span(d, fields[1]);
        end_line(d);
    }
}

void top_screen_draw(struct top_screen *screen, struct span lines, struct buf *out)
{
    struct draw d = {.screen = screen, .lines = lines, .out = out};
    unsigned at = screen->looks++ % TOP_PAST;

    screen->readings[at] = rate_of(lines, "readings_per_s");
    screen->delivered[at] = rate_of(lines, "delivered_per_s");
    screen->waiting[at] = (double)count_of(lines, "waiting");
    draw_head(&d);
    draw_troubles(&d);
    draw_way(&d);
    draw_books(&d);
    if (screen->looks > 1 && room(&d, 5)) {
        draw_past(&d, "arriving", screen->readings);
        draw_past(&d, "delivered", screen->delivered);
        draw_past(&d, "waiting", screen->waiting);
        end_line(&d);
    }
    draw_files(&d);
}

void top_screen_failed(const struct top_screen *screen, const char *why, struct buf *out)
{
    struct draw d = {.screen = screen, .out = out};

    tone(&d, BOLD);
    put(&d, "volume-uploader");
    end_line(&d);
    tone(&d, RED);
    put(&d, "No answer: %s", why);
    end_line(&d);
    put(&d, "Is 'volume-uploader run' running here? Trying again.");
    end_line(&d);
}
