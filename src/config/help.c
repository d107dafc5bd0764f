#include "config/settings.h"

#include "config/internal.h"

#include <stddef.h>
#include <stdio.h>

#define FLAG_COLUMN 34 /* where the text of help begins */
#define HELP_WIDTH 100

static const char *argument_of(const struct setting *row)
{
    return row->argument ? row->argument : row->type == SETTING_SWITCH ? "" : "WORD";
}

/* Words from column `from` on, wrapped. */
static void add_wrapped(struct buf *out, const char *text, size_t column, size_t from)
{
    while (*text) {
        size_t word = strcspn(text, " ");

        if (column > from && column + 1 + word > HELP_WIDTH) {
            buf_printf(out, "\n%*s", (int)from, "");
            column = from;
        } else if (column > from) {
            buf_add_byte(out, ' ');
            column++;
        }
        buf_add(out, text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
}

static void help_row(struct buf *out, const struct setting *row)
{
    size_t start = out->len;
    struct buf text;

    if (row->flag)
        buf_printf(
            out, "  --%s%s%s", row->flag, row->type == SETTING_SWITCH ? "" : " ", argument_of(row));
    else
        buf_printf(out, "  %s", row->env[0]);
    if (out->len - start + 2 > FLAG_COLUMN)
        buf_printf(out, "\n%*s", FLAG_COLUMN, "");
    else
        buf_printf(out, "%*s", (int)(FLAG_COLUMN - (out->len - start)), "");
    buf_init(&text, 2048);
    buf_add_text(&text, row->text);
    if (row->choices && row->type == SETTING_CHOICE) {
        buf_add_text(&text, ": ");
        value_range(row, &text);
    }
    buf_add_text(&text, " [");
    if (row->type == SETTING_SECRET)
        buf_add_text(&text, "environment or file only");
    else
        value_default(row, &text);
    buf_add_text(&text, "]");
    add_wrapped(out, buf_text(&text), FLAG_COLUMN, FLAG_COLUMN);
    buf_add_byte(out, '\n');
    if (row->flag && row->type != SETTING_SECRET)
        buf_printf(out, "%*s%s\n", FLAG_COLUMN, "", row->env[0]);
    buf_done(&text);
}

void config_print_help(enum config_command command, struct buf *out)
{
    enum setting_group group = GROUP_COUNT;

    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];

        if (!(row->commands & (unsigned)command))
            continue;
        if (row->group != group) {
            group = row->group;
            buf_printf(out, "\n%s:\n", setting_group_name(group));
        }
        help_row(out, row);
    }
}

/* --- docs/settings.md --- */

static void markdown_commands(struct buf *out, unsigned commands)
{
    static const char *const names[] = {
        "run", "setup", "check", "demo", "simulate", "emulate", "inspect", "top"};
    bool first = true;

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (commands & 1U << i) {
            buf_printf(out, "%s`%s`", first ? "" : ", ", names[i]);
            first = false;
        }
}

static void markdown_line(struct buf *out, const char *name, const char *text)
{
    if (*text)
        buf_printf(out, "| %s | %s |\n", name, text);
}

static void markdown_row(struct buf *out, const struct setting *row)
{
    struct buf text;

    buf_init(&text, 2048);
    buf_printf(out, "### `%s`\n\n%c%s.\n\n| | |\n| --- | --- |\n", row->key,
        row->text[0] >= 'a' && row->text[0] <= 'z' ? row->text[0] - 'a' + 'A' : row->text[0],
        row->text + 1);
    if (row->flag)
        buf_printf(&text, "`--%s%s%s`", row->flag, row->type == SETTING_SWITCH ? "" : " ",
            argument_of(row));
    markdown_line(out, "Flag", row->flag ? buf_text(&text) : "none");
    buf_reset(&text);
    for (int n = 0; n < SETTING_ENVS && row->env[n]; n++)
        buf_printf(&text, "%s`%s`", n ? ", then " : "", row->env[n]);
    if (row->env_any_case)
        buf_add_text(&text, " (upper or lower case)");
    markdown_line(out, "Environment", buf_text(&text));
    buf_reset(&text);
    if (row->profile_key)
        buf_printf(&text, "`%s`", row->profile_key);
    if (row->profile_also)
        buf_printf(&text, ", then `%s`", row->profile_also);
    markdown_line(out, "Profile", buf_text(&text));
    if (row->manifest)
        buf_printf(out, "| Manifest | `%s`, may change while running |\n", row->key);
    buf_reset(&text);
    value_range(row, &text);
    markdown_line(out, row->choices ? "Values" : "Range", buf_text(&text));
    buf_reset(&text);
    value_default(row, &text);
    markdown_line(out, "Default", buf_text(&text));
    buf_reset(&text);
    markdown_commands(&text, row->commands);
    markdown_line(out, "Used by", buf_text(&text));
    buf_add_byte(out, '\n');
    buf_done(&text);
}

void config_print_markdown(struct buf *out)
{
    enum setting_group group = GROUP_COUNT;

    buf_add_text(out,
        "# Settings\n\n"
        "<!-- Made by `volume-uploader help --settings-md`; a test fails when it is stale. -->\n\n"
        "A value is looked for in this order: flag, environment, runtime manifest, profile in\n"
        "`~/.databrickscfg`, default. An empty variable counts as not set. All mistakes are shown\n"
        "at start, each with what to do, and the program ends with exit code 2.\n\n"
        "- Sizes are written `1048576`, `32MiB`, `1.5 GiB` (powers of 1024; `k`, `M`, `G` too) or\n"
        "  `32MB` (powers of 1000).\n"
        "- Durations are written `500ms`, `60s`, `5m`, `2h`, `1d`; a number alone counts seconds,\n"
        "  or milliseconds where the name ends in `_ms`.\n"
        "- Secrets have no flag: everybody on the machine can read a command line. They come from\n"
        "  a file (`..._FILE`, or the systemd credential of the variable's name in lower case),\n"
        "  from the environment, where they are wiped at start, or from the profile.\n"
        "- The profile file is read when a profile is asked for, or when neither a host nor a\n"
        "  credential is set.\n\n");
    for (size_t i = 0; i < setting_count; i++) {
        if (setting_table[i].group != group) {
            group = setting_table[i].group;
            buf_printf(out, "## %s\n\n", setting_group_name(group));
        }
        markdown_row(out, &setting_table[i]);
    }
    while (out->len > 1 && out->data[out->len - 1] == '\n' && out->data[out->len - 2] == '\n')
        out->len--;
}

/* --- values as they are --- */

/* "http://user:password@proxy:3128" without what stands before the @. */
static struct span harmless(const char *text)
{
    const char *at = strrchr(text, '@');

    if (at)
        return span_of(at + 1);
    return span_of(config_looks_secret(text) ? "(not shown)" : text);
}

static const char *value_now(
    const struct config *c, size_t i, const struct value *value, char *out, size_t size)
{
    const struct settings *s = &c->settings;

    if (setting_table[i].type == SETTING_SECRET)
        return value->rank == RANK_DEFAULT ? "-" : "(set)";
    /* These change after parsing: a manifest, a small disk. */
    if (setting_table[i].field == offsetof(struct settings, upload_interval_us))
        (void)snprintf(out, size, "%.6gs", (double)s->upload_interval_us / 1e6);
    else if (setting_table[i].field == offsetof(struct settings, batch_size))
        (void)snprintf(out, size, "%llu", (unsigned long long)s->batch_size);
    else if (setting_table[i].field == offsetof(struct settings, segment_bytes))
        return str_bytes(out, size, s->segment_bytes);
    else if (setting_table[i].field == offsetof(struct settings, merge_bytes))
        return str_bytes(out, size, s->merge_bytes);
    else
        return value->text ? value->text : "-";
    return out;
}

bool config_value_get(const struct config *c, size_t number, const char **ret_key,
    const char **ret_source, struct buf *value)
{
    size_t i = 0;
    char text[64];

    for (;; i++) {
        if (i == setting_count)
            return false;
        if ((setting_table[i].commands & (unsigned)c->command) && number-- == 0)
            break;
    }
    *ret_key = setting_table[i].key;
    *ret_source = c->values[i].source;
    str_show(value, harmless(value_now(c, i, &c->values[i], text, sizeof(text))), 200);
    return true;
}

void config_print_values(const struct config *c, struct buf *out)
{
    const char *key, *source;
    struct buf value;

    buf_init(&value, 1024);
    for (size_t i = 0; config_value_get(c, i, &key, &source, &value); i++) {
        buf_printf(out, "%-21s %-34s %s\n", key, buf_text(&value), source);
        buf_reset(&value);
    }
    buf_done(&value);
}
