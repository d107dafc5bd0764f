#include "commands/options.h"

#include "config/forget.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPTIONS_MAX 128
#define HELP_COLUMN 34

/* One line for getopt, and where its value goes. */
struct table {
    struct option items[OPTIONS_MAX + 1];
    const struct option_spec *own[OPTIONS_MAX]; /* NULL: a setting, or --help */
    struct config_flag settings[OPTIONS_MAX];
    unsigned count;
};

int options_usage(const char *command, const char *fmt, ...)
{
    va_list args;

    fputs("error: ", stderr);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry 'volume-uploader %s%s--help'.\n", command, *command ? " " : "");
    return EXIT_USAGE;
}

bool options_print(struct buf *out)
{
    bool ok = !out->failed && (out->len == 0 || fwrite(out->data, out->len, 1, stdout) == 1);

    return fflush(stdout) == 0 && ok;
}

/* --- a name that is not known --- */

/* Edits (insert, delete, change, swap of neighbours) from a to b; names of more than 39 bytes are
 * far from everything. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][40];
    size_t n = strlen(a), m = strlen(b);

    if (n > 39 || m > 39)
        return 99;
    for (unsigned j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *options_nearest(const char *text, const char *const *names)
{
    const char *nearest = NULL;
    unsigned least = (unsigned)(strlen(text) / 3 + 1);

    for (; *names; names++) {
        unsigned d = distance(text, *names);

        /* A beginning is near, too: "sim" is "simulate". */
        if (strlen(text) >= 3 && strncmp(text, *names, strlen(text)) == 0)
            d = 1;
        if (d <= least && (!nearest || d < least)) {
            nearest = *names;
            least = d;
        }
    }
    return nearest;
}

static bool names_a_secret(const char *name)
{
    static const char *const words[] = {
        "token", "secret", "password", "passwd", "credential", "api-key"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static enum options_result unknown(const struct options *o, const struct table *t, const char *name)
{
    const char *names[OPTIONS_MAX + 1];
    const char *nearest;
    unsigned i;

    if (names_a_secret(name)) {
        (void)options_usage(o->command,
            "--%s: secrets are never taken from the command line, where everybody on the machine "
            "can read them; set DATABRICKS_CLIENT_SECRET or DATABRICKS_ACCESS_TOKEN, or name a "
            "file with --client-secret-file or --token-file",
            name);
        return OPTIONS_BAD;
    }
    for (i = 0; i < t->count; i++)
        names[i] = t->items[i].name;
    names[i] = NULL;
    nearest = options_nearest(name, names);
    if (nearest)
        (void)options_usage(o->command, "unknown option --%s; did you mean --%s?", name, nearest);
    else
        (void)options_usage(o->command, "unknown option --%s", name);
    return OPTIONS_BAD;
}

/* --- the table for getopt --- */

static void add_option(struct table *t, const char *name, int has_argument)
{
    if (t->count == OPTIONS_MAX)
        return;
    t->items[t->count] = (struct option){name, has_argument, NULL, (int)t->count + 1};
    t->count++;
}

static void fill_table(const struct options *o, struct table *t)
{
    struct config_flag flag;

    *t = (struct table){.count = 0};
    add_option(t, "help", no_argument);
    for (const struct option_spec *own = o->own; own && own->name; own++) {
        t->own[t->count < OPTIONS_MAX ? t->count : 0] = own;
        add_option(t, own->name, own->argument ? required_argument : no_argument);
    }
    for (size_t i = 0; o->config && config_flag_get(o->config, i, &flag); i++)
        if (flag.flag && t->count < OPTIONS_MAX) {
            t->settings[t->count] = flag;
            add_option(t, flag.flag, flag.is_switch ? optional_argument : required_argument);
        }
}

/* getopt takes beginnings of names (--client-secret for --client-secret-file) and would show the
 * value in its message, so every name is looked at before it. */
static const char *find_unknown(const struct table *t, int argc, char **argv, char out[64])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        struct span name;
        unsigned n = 0;

        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        name = (struct span){argv[i] + 2, strcspn(argv[i] + 2, "=")};
        while (n < t->count && !span_is(name, t->items[n].name))
            n++;
        if (n < t->count) {
            /* The value may begin with dashes: it is getopt's. */
            i += t->items[n].has_arg == required_argument && argv[i][2 + name.len] != '=';
            continue;
        }
        if (name.len > 63)
            name.len = 63;
        memcpy(out, name.data, name.len);
        out[name.len] = '\0';
        return out;
    }
    return NULL;
}

static void take(struct options *o, const struct table *t, unsigned n)
{
    const struct option_spec *own = t->own[n];

    if (own) {
        if (own->ret_value)
            *own->ret_value = optarg;
        if (own->ret_on)
            *own->ret_on = true;
    } else {
        config_set(o->config, t->settings[n].key, optarg ? optarg : "yes");
    }
}

/* --- help --- */

static void print_help(const struct options *o)
{
    struct buf out;

    buf_init(&out, 256 * 1024);
    buf_printf(&out, "Usage: volume-uploader %s [options]%s%s\n\n%s", o->command,
        o->arguments && *o->arguments ? " " : "", o->arguments ? o->arguments : "",
        o->text ? o->text : "");
    buf_add_text(&out, "\nOptions:\n");
    for (const struct option_spec *own = o->own; own && own->name; own++) {
        size_t start = out.len;

        if (!own->text)
            continue;
        buf_printf(&out, "  --%s%s%s", own->name, own->argument ? " " : "",
            own->argument ? own->argument : "");
        if (out.len - start + 2 > HELP_COLUMN)
            buf_printf(&out, "\n%*s", HELP_COLUMN, "");
        else
            buf_printf(&out, "%*s", (int)(HELP_COLUMN - (out.len - start)), "");
        buf_printf(&out, "%s\n", own->text);
    }
    buf_printf(&out, "  %-*sthis text\n", HELP_COLUMN - 2, "--help");
    if (o->config)
        config_print_help(o->config_flags, &out);
    (void)options_print(&out);
    buf_done(&out);
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
    struct table t;
    char name[64];
    int c;

    fill_table(o, &t);
    o->positional_count = 0;
    if (find_unknown(&t, argc, argv, name))
        return unknown(o, &t, name);
    optind = 0; /* glibc: begin anew, for a second call in the same process */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", t.items, NULL)) != -1) {
        if (c == 'h' || c == 1) {
            print_help(o);
            return OPTIONS_HELP;
        }
        if (c == ':') {
            (void)options_usage(o->command, "%s needs a value", argv[optind - 1]);
            return OPTIONS_BAD;
        }
        if (c == '?') {
            if (optopt > 0 && (unsigned)optopt <= t.count)
                (void)options_usage(o->command, "--%s takes no value", t.items[optopt - 1].name);
            else
                (void)options_usage(o->command, "unknown option '-%c'", optopt);
            return OPTIONS_BAD;
        }
        take(o, &t, (unsigned)c - 1);
    }
    for (; optind < argc; optind++) {
        if (o->positional_count == o->positional_max ||
            o->positional_count == sizeof(o->positional) / sizeof(*o->positional)) {
            (void)options_usage(o->command, "unexpected '%s'", argv[optind]);
            return OPTIONS_BAD;
        }
        o->positional[o->positional_count++] = argv[optind];
    }
    if (o->positional_count < o->positional_min) {
        (void)options_usage(
            o->command, "%s is missing", o->arguments ? o->arguments : "an argument");
        return OPTIONS_BAD;
    }
    if (!o->config)
        config_forget_secrets(); /* a command without settings needs none */
    return OPTIONS_OK;
}

void options_guard_secrets(void)
{
    struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool options_load(struct config *config)
{
    bool ok = config_load(config);
    const struct settings *s = config_settings(config);
    const char *text;

    config_forget_secrets(); /* also those that this command does not use */
    log_configure(s->log_level, s->log_format, NULL);
    for (size_t i = 0; (text = config_warning(config, i)) != NULL; i++)
        LOG_WARN("setting", LOG_TEXT("text", text));
    for (size_t i = 0; (text = config_problem(config, i)) != NULL; i++) {
        if (s->log_format == LOG_FORMAT_JSON)
            LOG_ERROR("setting", LOG_TEXT("text", text));
        else
            fprintf(stderr, "error: %s\n", text);
    }
    return ok;
}

/* --- values of own options --- */

static bool wrong(const char *name, const char *value, const char *what)
{
    struct buf shown;

    buf_init(&shown, 1024);
    str_show(&shown, span_of(value), 80);
    fprintf(stderr, "error: --%s = %s: %s\n", name, buf_text(&shown), what);
    buf_done(&shown);
    return false;
}

bool options_count(const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t count;
    char text[96];

    if (!value)
        return true;
    (void)snprintf(text, sizeof(text), "use a whole number from %llu to %llu",
        (unsigned long long)min, (unsigned long long)max);
    if (!str_u64(span_of(value), &count) || count < min || count > max)
        return wrong(name, value, text);
    *ret = count;
    return true;
}

bool options_real(const char *name, const char *value, double min, double max, double *ret)
{
    char text[96], *end;
    double number;

    if (!value)
        return true;
    (void)snprintf(text, sizeof(text), "use a number from %g to %g", min, max);
    errno = 0;
    number = strtod(value, &end);
    if (isspace((unsigned char)*value) || end == value || *end || errno || !(number >= min) ||
        !(number <= max))
        return wrong(name, value, text);
    *ret = number;
    return true;
}

bool options_duration_us(
    const char *name, const char *value, int64_t min_us, int64_t max_us, int64_t *ret_us)
{
    char text[128];
    int64_t us;

    if (!value)
        return true;
    (void)snprintf(text, sizeof(text), "use a duration like 500ms, 30s or 5m, from %g s to %g s",
        (double)min_us / 1e6, (double)max_us / 1e6);
    if (!config_duration(span_of(value), 1000000, &us) || us < min_us || us > max_us)
        return wrong(name, value, text);
    *ret_us = us;
    return true;
}

bool options_size(
    const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *ret_bytes)
{
    char text[128], low[32], high[32];
    uint64_t bytes;

    if (!value)
        return true;
    (void)snprintf(text, sizeof(text), "use a size like 512KiB or 32MiB, from %s to %s",
        str_bytes(low, sizeof(low), min), str_bytes(high, sizeof(high), max));
    if (!config_size(span_of(value), &bytes) || bytes < min || bytes > max)
        return wrong(name, value, text);
    *ret_bytes = bytes;
    return true;
}
