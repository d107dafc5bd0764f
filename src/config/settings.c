#include "config/settings.h"

#include "config/internal.h"

#include <assert.h>
#include <stdlib.h>

static const char *keep_span(void *context, struct span text)
{
    return config_keep(context, text);
}

/* Parses the text a value has now. False: `wrong` says why. */
static bool apply(struct config *c, size_t i, struct buf *wrong)
{
    struct value_keeper keeper = {keep_span, c};

    return value_parse(&setting_table[i], c->values[i].text, &c->settings, &keeper, wrong);
}

struct config *config_new(enum config_command command, struct err *err)
{
    struct config *c = calloc(1, sizeof(*c));
    struct buf wrong;

    if (c)
        c->values = calloc(setting_count, sizeof(*c->values));
    if (!c || !c->values) {
        config_free(c);
        err_set(err, ERR_FULL, 0, "no memory for the settings");
        return NULL;
    }
    c->command = command;
    buf_init(&wrong, 512);
    for (size_t i = 0; i < setting_count; i++) {
        bool ok;

        c->values[i] = (struct value){
            .text = setting_table[i].start, .source = "default", .name = setting_table[i].key};
        ok = !setting_table[i].start || apply(c, i, &wrong);
        assert(ok); /* our own table */
    }
    buf_done(&wrong);
    c->default_interval_us = c->settings.upload_interval_us;
    c->default_batch_size = c->settings.batch_size;
    if (c->no_memory) {
        config_free(c);
        err_set(err, ERR_FULL, 0, "no memory for the settings");
        return NULL;
    }
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    secret_free(c->settings.token);
    secret_free(c->settings.client_secret);
    secret_free(c->settings.oidc_token);
    secret_free(c->settings.azure_client_secret);
    while (c->kept) {
        struct kept *next = c->kept->next;

        /* A proxy's address may hold a password. */
        explicit_bzero(c->kept->text, strlen(c->kept->text));
        free(c->kept);
        c->kept = next;
    }
    free(c->values);
    free(c);
}

bool config_flag_get(const struct config *c, size_t number, struct config_flag *ret)
{
    for (size_t i = 0; i < setting_count; i++) {
        const struct setting *row = &setting_table[i];

        if (!(row->commands & (unsigned)c->command) || number-- > 0)
            continue;
        *ret = (struct config_flag){.key = row->key,
            .flag = row->flag,
            .argument = row->argument ? row->argument : "WORD",
            .is_switch = row->type == SETTING_SWITCH};
        return true;
    }
    return false;
}

void config_set(struct config *c, const char *key, const char *value)
{
    size_t i = setting_find(key);
    const struct setting *row = &setting_table[i];

    assert(i < setting_count && row->type != SETTING_SECRET);
    c->values[i] = (struct value){.text = config_keep(c, span_of(value)),
        .source = config_keepf(c, "flag --%s", row->flag ? row->flag : row->key),
        .name = config_keepf(c, "--%s", row->flag ? row->flag : row->key),
        .rank = RANK_FLAG};
    if (!*value) {
        config_complain(c, c->values[i].name, NULL, "has no value; write one, or leave it out");
        c->values[i].bad = true;
    }
}

void config_set_secret(struct config *c, const char *key, struct secret *secret)
{
    size_t i = setting_find(key);
    struct secret **field;

    assert(i < setting_count && setting_table[i].type == SETTING_SECRET);
    field = config_secret_field(c, &setting_table[i]);
    secret_free(*field);
    *field = secret;
    c->values[i] = (struct value){.source = "the program", .name = key, .rank = RANK_FLAG};
}

static void parse_all(struct config *c)
{
    struct buf wrong;

    buf_init(&wrong, 512);
    for (size_t i = 0; i < setting_count; i++) {
        struct value *value = &c->values[i];

        if (value->rank == RANK_DEFAULT || !value->text || value->bad)
            continue;
        buf_reset(&wrong);
        if (apply(c, i, &wrong))
            continue;
        value->bad = true;
        config_complain(c, value->name, value->text, "%s", buf_text(&wrong));
    }
    buf_done(&wrong);
}

bool config_load(struct config *c)
{
    config_gather_environment(c);
    config_gather_secrets(c);
    config_gather_profile(c);
    config_gather_named_secret(c);
    parse_all(c);
    config_check_rules(c);
    if (c->no_memory)
        config_complain(c, "settings", NULL, "no memory for them");
    return c->problems.count == 0;
}

const struct settings *config_settings(const struct config *c)
{
    return &c->settings;
}

const char *config_source(const struct config *c, const char *key)
{
    size_t i = setting_find(key);

    assert(i < setting_count);
    return c->values[i].source;
}

bool config_is_set(const struct config *c, const char *key)
{
    size_t i = setting_find(key);

    assert(i < setting_count);
    return c->values[i].rank != RANK_DEFAULT;
}

/* --- what goes wrong --- */

static const char *line_of(const struct lines *lines, size_t number)
{
    return number < lines->count ? lines->items[number] : NULL;
}

const char *config_problem(const struct config *c, size_t number)
{
    return line_of(&c->problems, number);
}

const char *config_warning(const struct config *c, size_t number)
{
    return line_of(&c->warnings, number);
}

/* People paste a token into the wrong variable; a proxy's address has its password before the @. */
bool config_looks_secret(const char *value)
{
    return strncmp(value, "dapi", 4) == 0 || strncmp(value, "dose", 4) == 0 ||
           strncmp(value, "eyJ", 3) == 0 || strchr(value, '@') != NULL;
}

static void add_line(struct config *c, struct lines *lines, const char *name, const char *value,
    const char *fmt, va_list args) PRINTF_LIKE(5, 0);

static void add_line(struct config *c, struct lines *lines, const char *name, const char *value,
    const char *fmt, va_list args)
{
    const char *kept;
    struct buf line;

    if (lines->count == PROBLEMS_MAX)
        return;
    buf_init(&line, 2048);
    buf_add_text(&line, name);
    if (value) {
        buf_add_text(&line, " = ");
        if (config_looks_secret(value))
            buf_add_text(&line, "(not shown)");
        else
            str_show(&line, span_of(value), 80);
    }
    buf_add_text(&line, ": ");
    buf_vprintf(&line, fmt, args);
    kept = config_keep(c, span_of(buf_text(&line)));
    lines->items[lines->count++] = *kept ? kept : "settings: no memory for them";
    buf_done(&line);
}

void config_complain(struct config *c, const char *name, const char *value, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_line(c, &c->problems, name, value, fmt, args);
    va_end(args);
}

void config_warn(struct config *c, const char *name, const char *value, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_line(c, &c->warnings, name, value, fmt, args);
    va_end(args);
}

/* --- small things the other files need --- */

const char *config_keep(struct config *c, struct span text)
{
    struct kept *kept = malloc(sizeof(*kept) + text.len + 1);

    if (!kept) {
        c->no_memory = true;
        return "";
    }
    if (text.len)
        memcpy(kept->text, text.data, text.len);
    kept->text[text.len] = '\0';
    kept->next = c->kept;
    c->kept = kept;
    return kept->text;
}

const char *config_keepf(struct config *c, const char *fmt, ...)
{
    const char *kept;
    struct buf text;
    va_list args;

    buf_init(&text, 8192);
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    kept = config_keep(c, span_of(buf_text(&text)));
    c->no_memory = c->no_memory || text.failed;
    buf_done(&text);
    return kept;
}

struct value *config_value(struct config *c, const char *key)
{
    size_t i = setting_find(key);

    assert(i < setting_count);
    return &c->values[i];
}

bool config_has(const struct config *c, const char *key)
{
    size_t i = setting_find(key);

    assert(i < setting_count);
    return setting_table[i].type == SETTING_SECRET ? c->values[i].rank != RANK_DEFAULT
                                                   : c->values[i].text != NULL;
}
