#include "config/value.h"

#include "base/clock.h"

#include <strings.h>

/* --- numbers with a unit --- */

struct unit {
    const char *name;
    uint64_t factor;
};

/* "12", "1.5": the whole part and up to six decimals, then blanks; *rest is what follows. */
static bool split_number(
    struct span text, uint64_t *ret_whole, uint64_t *ret_millionths, struct span *ret_rest)
{
    struct span whole;
    uint64_t millionths = 0;
    size_t i = 0;

    text = span_trim(text);
    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9')
        i++;
    whole = (struct span){text.data, i};
    if (i < text.len && text.data[i] == '.') {
        uint64_t scale = 1000000;
        size_t first = ++i;

        for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
            if (scale == 1)
                return false;
            scale /= 10;
            millionths += (uint64_t)(text.data[i] - '0') * scale;
        }
        if (i == first)
            return false;
    }
    if (!str_u64(whole, ret_whole))
        return false;
    *ret_millionths = millionths;
    *ret_rest = span_trim((struct span){text.data + i, text.len - i});
    return true;
}

static bool find_unit(struct span name, const struct unit *units, uint64_t *ret_factor)
{
    for (; units->name; units++)
        if (strlen(units->name) == name.len && strncasecmp(units->name, name.data, name.len) == 0) {
            *ret_factor = units->factor;
            return true;
        }
    return false;
}

static bool scaled(struct span text, const struct unit *units, uint64_t *ret)
{
    uint64_t whole, millionths, factor, value;
    struct span rest;

    if (!split_number(text, &whole, &millionths, &rest) || !find_unit(rest, units, &factor))
        return false;
    if (__builtin_mul_overflow(whole, factor, &value) ||
        __builtin_add_overflow(value, millionths * factor / 1000000, &value) || value > INT64_MAX)
        return false;
    *ret = value;
    return true;
}

bool config_duration(struct span text, int64_t unit_us, int64_t *ret_us)
{
    const struct unit units[] = {{"", (uint64_t)unit_us}, {"us", 1}, {"ms", 1000}, {"s", 1000000},
        {"sec", 1000000}, {"m", 60000000}, {"min", 60000000}, {"h", UINT64_C(3600000000)},
        {"d", UINT64_C(86400000000)}, {NULL, 0}};
    uint64_t value;

    if (!scaled(text, units, &value))
        return false;
    *ret_us = (int64_t)value;
    return true;
}

bool config_size(struct span text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {{"", 1}, {"B", 1}, {"k", 1 << 10}, {"KiB", 1 << 10},
        {"kB", 1000}, {"M", 1 << 20}, {"MiB", 1 << 20}, {"MB", 1000000}, {"G", 1 << 30},
        {"GiB", 1 << 30}, {"GB", 1000000000}, {"T", UINT64_C(1) << 40}, {"TiB", UINT64_C(1) << 40},
        {"TB", UINT64_C(1000000000000)}, {NULL, 0}};

    return scaled(text, units, ret_bytes);
}

/* --- names of Unity Catalog --- */

static bool name_byte_ok(unsigned char byte)
{
    return byte > ' ' && byte != 0x7f && byte != '.' && byte != '/' && byte != '\\';
}

/* One part, plain or in back-ticks (a doubled one stands for itself); *at moves behind it. */
static const char *take_part(struct span text, size_t *at, char out[256])
{
    bool quoted = *at < text.len && text.data[*at] == '`';
    size_t i = *at + (quoted ? 1 : 0), len = 0;
    bool closed = !quoted;

    for (; i < text.len; i++) {
        char byte = text.data[i];

        if (quoted && byte == '`') {
            if (i + 1 >= text.len || text.data[i + 1] != '`') {
                closed = true;
                i++;
                break;
            }
            i++;
        } else if (byte == '.') {
            if (!quoted)
                break;
            return "a part has a dot in it";
        } else if (!quoted && byte == '`') {
            return "a back-tick stands inside a part";
        }
        if (!name_byte_ok((unsigned char)byte))
            return "a part has a blank, a slash or a control character in it";
        if (len == 255)
            return "a part is longer than 255 bytes";
        out[len++] = byte;
    }
    if (!closed)
        return "a back-tick is not closed";
    if (len == 0)
        return "a part is empty";
    out[len] = '\0';
    *at = i;
    return NULL;
}

bool config_catalog_name(struct span text, char parts[3][256], const char **ret_wrong)
{
    static const char *const form = "it does not have three parts";
    const char *wrong = NULL;
    size_t at = 0;

    if (!str_utf8_valid(text.data, text.len))
        wrong = "it is not UTF-8";
    for (int i = 0; i < 3 && !wrong; i++) {
        if (i > 0 && (at >= text.len || text.data[at] != '.'))
            wrong = form;
        else if (i > 0)
            at++;
        if (!wrong)
            wrong = take_part(text, &at, parts[i]);
    }
    if (!wrong && at != text.len)
        wrong = form;
    if (wrong)
        *ret_wrong = wrong;
    return !wrong;
}

/* --- storing --- */

static void *field_of(const struct setting *row, struct settings *settings)
{
    return (char *)settings + row->field;
}

static void store_count(const struct setting *row, struct settings *settings, uint64_t value)
{
    void *field = field_of(row, settings);

    if (row->field_bytes == sizeof(uint16_t))
        *(uint16_t *)field = (uint16_t)value;
    else if (row->field_bytes == sizeof(uint32_t))
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = value;
}

static bool out_of_range(const struct setting *row, struct buf *out)
{
    size_t before;

    buf_add_text(out, "out of range; use ");
    before = out->len;
    value_range(row, out);
    if (out->len == before) /* any size but none */
        buf_add_text(out, "at least 1");
    return false;
}

static bool parse_number(
    const struct setting *row, const char *text, struct settings *settings, struct buf *out)
{
    uint64_t value = 0;
    int64_t us = 0;
    bool ok;

    if (row->type == SETTING_DURATION) {
        ok = config_duration(span_of(text), row->unit_us, &us);
        value = (uint64_t)us;
    } else if (row->type == SETTING_SIZE) {
        ok = config_size(span_of(text), &value);
    } else {
        ok = str_u64(span_trim(span_of(text)), &value);
    }
    if (!ok) {
        buf_add_text(out,
            row->type == SETTING_DURATION ? "not a duration; write it like 500ms, 60s, 5m or 1d, "
            : row->type == SETTING_SIZE   ? "not a size; write it like 1048576, 32MiB or 1GiB, "
                                          : "not a whole number; use ");
        value_range(row, out);
        return false;
    }
    if (value > INT64_MAX || (int64_t)value < row->min || (int64_t)value > row->max)
        return out_of_range(row, out);
    store_count(row, settings, value);
    return true;
}

static bool same_word(struct span word, const char *name)
{
    return word.len == strlen(name) && strncasecmp(name, word.data, word.len) == 0;
}

static bool parse_switch(
    const struct setting *row, const char *text, struct settings *settings, struct buf *out)
{
    static const char *const words[2][4] = {
        {"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
    struct span word = span_trim(span_of(text));

    for (size_t i = 0; i < 8; i++)
        if (same_word(word, words[i / 4][i % 4])) {
            *(bool *)field_of(row, settings) = i >= 4;
            return true;
        }
    buf_add_text(out, "unknown; use yes or no");
    return false;
}

static bool parse_choice(
    const struct setting *row, const char *text, struct settings *settings, struct buf *out)
{
    for (unsigned i = 0; row->choices[i]; i++)
        if (same_word(span_trim(span_of(text)), row->choices[i])) {
            memcpy(field_of(row, settings), &i, sizeof(i)); /* an enum is an unsigned int */
            return true;
        }
    buf_add_text(out, "unknown; use ");
    value_range(row, out);
    return false;
}

static bool parse_catalog(const struct setting *row, const char *text, struct settings *settings,
    const struct value_keeper *keeper, struct buf *out)
{
    struct catalog_name *name = field_of(row, settings);
    char parts[3][256];
    const char *wrong = NULL;

    if (!config_catalog_name(span_trim(span_of(text)), parts, &wrong)) {
        buf_printf(out, "%s; write it as %s", wrong, row->argument);
        return false;
    }
    name->catalog = keeper->keep(keeper->context, span_of(parts[0]));
    name->schema = keeper->keep(keeper->context, span_of(parts[1]));
    name->name = keeper->keep(keeper->context, span_of(parts[2]));
    if (name == &settings->volume)
        settings->volume_text = text;
    else
        settings->table_text = text;
    return true;
}

static bool parse_listen(
    const char *text, struct settings *settings, const struct value_keeper *keeper, struct buf *out)
{
    const char *colon = strrchr(text, ':');
    struct span host = {text, colon ? (size_t)(colon - text) : 0};
    uint64_t port;

    settings->status_listen = settings->status_host = NULL;
    settings->status_port = 0;
    if (strcmp(text, "off") == 0)
        return true;
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = (struct span){host.data + 1, host.len - 2};
    else if (host.len && memchr(host.data, ':', host.len))
        host.len = 0; /* an IPv6 address without brackets: which colon is it? */
    if (!colon || !host.len || !str_u64(span_of(colon + 1), &port) || port > 65535) {
        buf_add_text(out, "not ADDRESS:PORT; write it like 127.0.0.1:9464 or [::1]:9464, or off");
        return false;
    }
    settings->status_listen = text;
    settings->status_host = keeper->keep(keeper->context, host);
    settings->status_port = (uint16_t)port;
    return true;
}

static bool id_ok(const char *text)
{
    static const char *const others = "._+-";

    for (const char *p = text; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                strchr(others, *p)))
            return false;
    return strlen(text) <= 128;
}

static bool text_ok(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return str_utf8_valid(text, strlen(text));
}

bool value_parse(const struct setting *row, const char *text, struct settings *settings,
    const struct value_keeper *keeper, struct buf *out)
{
    switch (row->type) {
    case SETTING_COUNT:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return parse_number(row, text, settings, out);
    case SETTING_SWITCH:
        return parse_switch(row, text, settings, out);
    case SETTING_CHOICE:
        return parse_choice(row, text, settings, out);
    case SETTING_CATALOG:
        return parse_catalog(row, text, settings, keeper, out);
    case SETTING_LISTEN:
        return parse_listen(text, settings, keeper, out);
    case SETTING_ID:
        if (!id_ok(text)) {
            buf_add_text(out, "has other characters than letters, digits and . _ + -, or more than "
                              "128; copy it again");
            return false;
        }
        break;
    case SETTING_TEXT:
        if (!text_ok(text)) {
            buf_add_text(out, "has control characters or is not UTF-8; write it again");
            return false;
        }
        break;
    case SETTING_SECRET: /* never a text */
        return true;
    }
    if (row->field != SETTING_NO_FIELD)
        *(const char **)field_of(row, settings) = text;
    return true;
}

/* --- for people --- */

static void duration_text(struct buf *out, int64_t us)
{
    static const struct unit units[] = {{"d", UINT64_C(86400000000)}, {"h", UINT64_C(3600000000)},
        {"min", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}, {NULL, 0}};
    uint64_t value = (uint64_t)us;

    for (const struct unit *u = units; u->name; u++)
        if (value % u->factor == 0 && value >= u->factor) {
            buf_printf(out, "%llu %s", (unsigned long long)(value / u->factor), u->name);
            return;
        }
    buf_add_text(out, "0");
}

static void number_text(const struct setting *row, struct buf *out, int64_t value)
{
    char text[32];

    if (row->type == SETTING_DURATION && row->unit_us == 1000)
        /* Named after its unit (commit_ms): 10,000 ms rather than 10 s. */
        buf_printf(out, "%s ms", str_count(text, sizeof(text), (uint64_t)value / 1000));
    else if (row->type == SETTING_DURATION)
        duration_text(out, value);
    else if (row->type != SETTING_SIZE)
        buf_add_text(out, row->max > 65535 ? str_count(text, sizeof(text), (uint64_t)value) : "");
    else if (value >> 30 && (value & ((INT64_C(1) << 30) - 1)) == 0)
        buf_printf(out, "%lld GiB", (long long)(value >> 30));
    else if (value >> 20 && (value & ((1 << 20) - 1)) == 0)
        buf_printf(out, "%lld MiB", (long long)(value >> 20));
    else if (value >> 10 && (value & 1023) == 0)
        buf_printf(out, "%lld KiB", (long long)(value >> 10));
    else
        buf_printf(out, "%lld B", (long long)value);
    if (row->type == SETTING_COUNT && row->max <= 65535) /* ports and other small numbers: plain */
        buf_printf(out, "%lld", (long long)value);
}

void value_range(const struct setting *row, struct buf *out)
{
    if (row->type == SETTING_COUNT || row->type == SETTING_SIZE || row->type == SETTING_DURATION) {
        bool open = row->type == SETTING_SIZE && row->max >= INT64_C(1) << 60;

        if (open && row->min <= 1)
            return;
        if (open)
            buf_add_text(out, "at least ");
        number_text(row, out, row->min);
        if (!open) {
            buf_add_text(out, " to ");
            number_text(row, out, row->max);
        }
        return;
    }
    for (unsigned i = 0; row->choices && row->choices[i]; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : row->choices[i + 1] ? ", " : " or ", row->choices[i]);
}

void value_default(const struct setting *row, struct buf *out)
{
    if (row->start_text || !row->start) {
        buf_add_text(out, row->start_text ? row->start_text : "none");
    } else if (row->type == SETTING_COUNT || row->type == SETTING_SIZE ||
               row->type == SETTING_DURATION) {
        uint64_t value = 0;
        int64_t us = 0;

        if (row->type == SETTING_DURATION)
            (void)config_duration(span_of(row->start), row->unit_us, &us);
        else if (row->type == SETTING_SIZE)
            (void)config_size(span_of(row->start), &value);
        else
            (void)str_u64(span_of(row->start), &value);
        number_text(row, out, row->type == SETTING_DURATION ? us : (int64_t)value);
    } else {
        buf_add_text(out, row->start);
    }
}
