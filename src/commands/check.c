/* `check`: is it going to work, and if not, what is at fault? The steps are in check_*.c; here are
 * the command line, the lines of the answer and the settings. */
#include "commands/check.h"

#include "base/json_out.h"
#include "commands/options.h"
#include "config/forget.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT_MAX ((size_t)1 << 20)

static const char *const status_names[CHECK_STATUSES] = {"ok", "warn", "fail", "skip"};

const char *check_status_name(enum check_status status)
{
    return status_names[status];
}

int64_t check_time_us(const struct check *c, int64_t most_us)
{
    int64_t left = c->deadline_us - clock_mono_us();

    if (left <= 0)
        return 0;
    return left < most_us ? left : most_us;
}

/* --- lines --- */

/* One line of what may hold anything: names from outside, words of a server. */
static void one_line(char *out, size_t size, const char *text)
{
    struct buf shown;

    buf_init(&shown, 8192);
    str_show(&shown, span_of(text), size - 1);
    (void)str_copy(out, size, buf_text(&shown));
    buf_done(&shown);
}

static void print_item(struct check *c, const struct check_item *item)
{
    struct buf out;

    buf_init(&out, OUT_MAX);
    buf_printf(&out, "%-5s %-16s %s", status_names[item->status], item->name, item->text);
    if (item->remedy[0])
        buf_printf(&out, "; fix: %s", item->remedy);
    buf_add_byte(&out, '\n');
    c->unwritten = !options_print(&out) || c->unwritten;
    buf_done(&out);
}

void check_say(struct check *c, enum check_status status, const char *name, const char *remedy,
    const char *fmt, ...)
{
    struct check_item *item = &c->items[c->count];
    int64_t now = clock_mono_us();
    char text[sizeof(item->text)];
    va_list args;

    c->counts[status]++;
    if (c->count == CHECK_ITEMS_MAX)
        return; /* counted all the same: a failure is never lost */
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    *item = (struct check_item){.status = status, .name = name, .took_us = now - c->step_us};
    one_line(item->text, sizeof(item->text), text);
    one_line(item->remedy, sizeof(item->remedy), remedy ? remedy : "");
    c->count++;
    c->step_us = now;
    if (!c->json)
        print_item(c, item);
}

static enum exit_code verdict(const struct check *c)
{
    if (c->counts[CHECK_FAIL])
        return EXIT_USAGE;
    if (c->unwritten || (c->strict && c->counts[CHECK_WARN]))
        return EXIT_NO;
    return EXIT_DONE;
}

static void print_json(struct check *c)
{
    struct json_out json;
    struct buf out;

    buf_init(&out, OUT_MAX);
    json_init(&json, &out);
    json.lines = true;
    json_out_object(&json);
    json_key_text(&json, "result",
        status_names[c->counts[CHECK_FAIL]   ? CHECK_FAIL
                     : c->counts[CHECK_WARN] ? CHECK_WARN
                                             : CHECK_OK]);
    for (int i = 0; i < CHECK_STATUSES; i++)
        json_key_uint(&json, status_names[i], c->counts[i]);
    json_key(&json, "checks");
    json_out_array(&json);
    for (size_t i = 0; i < c->count; i++) {
        const struct check_item *item = &c->items[i];

        json_out_object(&json);
        json_key_text(&json, "name", item->name);
        json_key_text(&json, "status", status_names[item->status]);
        json_key_text(&json, "text", item->text);
        json_key_text(&json, "fix", item->remedy[0] ? item->remedy : NULL);
        json_key_int(&json, "took_ms", item->took_us / 1000);
        json_out_object_end(&json);
    }
    json_out_array_end(&json);
    json_out_object_end(&json);
    buf_add_byte(&out, '\n');
    c->unwritten = !options_print(&out) || c->unwritten;
    buf_done(&out);
}

static void print_end(struct check *c)
{
    struct buf out;

    buf_init(&out, 1024);
    buf_printf(&out, "\n%u ok, %u warning%s, %u failure%s, %u skipped\n", c->counts[CHECK_OK],
        c->counts[CHECK_WARN], c->counts[CHECK_WARN] == 1 ? "" : "s", c->counts[CHECK_FAIL],
        c->counts[CHECK_FAIL] == 1 ? "" : "s", c->counts[CHECK_SKIP]);
    c->unwritten = !options_print(&out) || c->unwritten;
    buf_done(&out);
}

/* --- settings --- */

/* The line of config_print_values for this key: its value, without the source behind it. */
static struct span value_of(struct span all, const char *key, const char *source)
{
    size_t key_len = strlen(key), source_len = strlen(source);

    while (all.len) {
        const char *end = memchr(all.data, '\n', all.len);
        struct span line = {all.data, end ? (size_t)(end - all.data) : all.len};

        all.data += line.len + (end != NULL);
        all.len -= line.len + (end != NULL);
        if (!span_starts(line, key) || line.len < key_len + source_len + 1 ||
            line.data[key_len] != ' ')
            continue;
        return span_trim((struct span){line.data + key_len, line.len - key_len - source_len});
    }
    return (struct span){"", 0};
}

/* A line for each that somebody set: where did that value come from? Secrets show as "(set)". */
static void say_values(struct check *c)
{
    struct config_flag flag;
    unsigned defaults = 0;
    struct buf all;

    buf_init(&all, OUT_MAX);
    config_print_values(c->config, &all);
    for (size_t i = 0; config_flag_get(c->config, i, &flag); i++) {
        const char *source = config_source(c->config, flag.key);
        struct span value;

        if (!config_is_set(c->config, flag.key)) {
            defaults++;
            continue;
        }
        value = value_of((struct span){all.data, all.len}, flag.key, source);
        check_say(c, CHECK_OK, "setting", NULL, "%s = %.*s (%s)", flag.key, (int)value.len,
            value.data, source);
    }
    check_say(c, CHECK_OK, "settings", NULL, "complete; %u more are at their defaults", defaults);
    buf_done(&all);
}

static bool check_settings(struct check *c)
{
    bool ok = config_load(c->config);
    const char *text;

    config_forget_secrets();
    for (size_t i = 0; (text = config_warning(c->config, i)) != NULL; i++)
        check_say(c, CHECK_WARN, "settings", NULL, "%s", text);
    for (size_t i = 0; (text = config_problem(c->config, i)) != NULL; i++)
        check_say(c, CHECK_FAIL, "settings", NULL, "%s", text);
    if (ok)
        say_values(c);
    return ok;
}

/* --- the command --- */

static enum exit_code look(struct check *c)
{
    c->step_us = clock_mono_us();
    c->deadline_us = c->step_us + CHECK_TIME_US;
    if (check_settings(c)) {
        c->s = config_settings(c->config);
        check_local(c);
        check_stream(c);
        check_workspace(c, check_network(c));
    } else {
        check_say(c, CHECK_SKIP, "all the rest", NULL, "the settings have mistakes");
    }
    if (c->json)
        print_json(c);
    else
        print_end(c);
    return verdict(c);
}

int command_check(int argc, char **argv)
{
    struct check *c = calloc(1, sizeof(*c));
    bool json = false, strict = false;
    const struct option_spec own[] = {
        {"json", NULL, "as JSON, for scripts", NULL, &json},
        {"strict", NULL, "warnings count too: exit status 1", NULL, &strict},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct options options = {
        .command = "check",
        .arguments = "",
        .text =
            "Says within about ten seconds whether `run` is going to work and, if not, which\n"
            "setting, host, proxy, certificate or grant is at fault and what to do. One line for\n"
            "each thing: ok, warn, fail, or skip where something before it failed.\n\n"
            "Changes nothing; a probe file is written into data/ and checkpoints/ of the volume\n"
            "and removed again. Works beside a running `run`.\n\n"
            "Exit status: 0 it works, 1 there are warnings (with --strict), 2 something fails.\n\n"
            "Examples:\n"
            "  volume-uploader check\n"
            "  volume-uploader check --strict --json > report.json\n"
            "  volume-uploader check --state-dir /var/lib/volume-uploader --stream-host 10.0.0.5\n",
        .own = own,
        .config_flags = CONFIG_CHECK,
    };
    enum exit_code code = EXIT_USAGE;
    struct err err;

    options_guard_secrets();
    (void)signal(SIGPIPE, SIG_IGN);
    if (!c)
        return options_usage("check", "no memory");
    c->timer = -1;
    c->config = options.config = config_new(CONFIG_CHECK, &err);
    if (!c->config) {
        free(c);
        return options_usage("check", "%s", err.text);
    }
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        break;
    case OPTIONS_BAD:
        break;
    case OPTIONS_OK:
        c->json = json;
        c->strict = strict;
        code = look(c);
        break;
    }
    config_free(c->config);
    free(c);
    return (int)code;
}
