/* `setup`: brings volume, table, grants, directories and job into being. */
#include "commands/options.h"

#include "base/json_out.h"
#include "commands/plan_for.h"
#include "commands/workspace.h"
#include "ingestion/setup.h"

#include <stdio.h>

#define OUTPUT_MAX ((size_t)4 << 20)

struct setup {
    const struct settings *settings;
    struct plan *plan;
    const char *principal;
    bool dry_run, sql, json, replace_original;
};

/* --- for people --- */

static void add_indented(struct buf *out, const char *text)
{
    while (text && *text) {
        size_t len = strcspn(text, "\n");

        buf_printf(out, "    %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* One line a step as soon as it is over: creating a table may take a warehouse's minutes. */
static void show_step(void *arg, const struct setup_step *step)
{
    const struct setup *s = arg;
    struct buf out;

    if (s->json)
        return;
    buf_init(&out, OUTPUT_MAX);
    buf_printf(&out, "%-12s %-10s %s\n", setup_result_name(step->result), step->name, step->what);
    add_indented(&out, step->text);
    add_indented(&out, step->calls);
    if (s->dry_run)
        add_indented(&out, step->sql);
    (void)options_print(&out);
    buf_done(&out);
}

/* What is left for a person, one statement a line, in the order of the steps. */
static void add_left_sql(const struct setup_report *report, struct buf *out)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->steps[i].sql &&
            (report->steps[i].result == SETUP_FAILED || report->steps[i].result == SETUP_SKIPPED))
            buf_add_text(out, report->steps[i].sql);
}

static void show_end(const struct setup *s, const struct setup_report *report)
{
    struct buf out, left;

    buf_init(&out, OUTPUT_MAX);
    buf_init(&left, OUTPUT_MAX);
    add_left_sql(report, &left);
    if (left.len)
        buf_printf(&out,
            "\nSQL for what could not be done; somebody with the rights may run it:\n\n%s",
            buf_text(&left));
    if (report->failed)
        buf_printf(&out, "\n%zu of %zu steps are not done\n", report->failed, report->count);
    else
        buf_printf(&out, "\n%s\n",
            s->dry_run ? "nothing was changed; nothing stands in the way" : "all is set up");
    (void)options_print(&out);
    buf_done(&out);
    buf_done(&left);
}

/* --- for scripts --- */

static void show_json(const struct setup *s, const struct setup_report *report)
{
    struct json_out json;
    struct buf out, left;

    buf_init(&out, OUTPUT_MAX);
    buf_init(&left, OUTPUT_MAX);
    json_init(&json, &out);
    json.lines = true;
    json_out_object(&json);
    json_key_bool(&json, "dry_run", s->dry_run);
    json_key_text(&json, "principal", report->principal[0] ? report->principal : NULL);
    json_key_uint(&json, "failed", report->failed);
    json_key(&json, "steps");
    json_out_array(&json);
    for (size_t i = 0; i < report->count; i++) {
        const struct setup_step *step = &report->steps[i];

        json_out_object(&json);
        json_key_text(&json, "name", step->name);
        json_key_text(&json, "what", step->what);
        json_key_text(&json, "result", setup_result_name(step->result));
        json_key_text(&json, "text", step->text);
        json_key_text(&json, "calls", step->calls);
        json_key_text(&json, "sql", step->sql);
        json_out_object_end(&json);
    }
    json_out_array_end(&json);
    add_left_sql(report, &left);
    json_key_text(&json, "sql", left.len ? buf_text(&left) : NULL);
    json_out_object_end(&json);
    buf_add_byte(&out, '\n');
    (void)options_print(&out);
    buf_done(&out);
    buf_done(&left);
}

/* --- the command --- */

/* `--sql` is also for a machine without host and credentials: what it never uses is filled in, so
 * that only the names it needs are asked for. */
static bool without_network(struct config *config)
{
    struct err err;
    struct secret *unused = secret_new(span_of("unused"), &err);

    if (!unused)
        return options_usage("setup", "%s", err.text) == EXIT_DONE;
    config_set(config, "host", "unused.invalid");
    config_set(config, "auth_type", "pat");
    config_set_secret(config, "token", unused);
    return true;
}

static int print_sql(const struct setup *s)
{
    struct buf out;
    bool ok;

    buf_init(&out, OUTPUT_MAX);
    setup_sql(s->plan, s->principal ? s->principal : s->settings->client_id, &out);
    ok = options_print(&out);
    buf_done(&out);
    return ok ? EXIT_DONE : EXIT_NO;
}

static int set_up(struct setup *s)
{
    struct setup_options options = {
        .plan = s->plan,
        .principal = s->principal,
        .client_id = s->settings->client_id,
        .warehouse_id = s->settings->warehouse_id,
        .dry_run = s->dry_run,
        .replace_original = s->replace_original,
    };
    struct setup_report report;
    struct workspace *ws;
    struct err err;
    int code = EXIT_NO;

    setup_report_init(&report);
    ws = workspace_for(s->settings, &err);
    if (!ws)
        return options_usage("setup", "%s", err.text);
    if (!setup_run(ws, &options, show_step, s, &report, &err)) {
        fprintf(stderr, "error: %s\n", err.text);
        goto out;
    }
    if (s->json)
        show_json(s, &report);
    else
        show_end(s, &report);
    code = report.failed ? EXIT_NO : EXIT_DONE;
out:
    setup_report_done(&report);
    workspace_free(ws);
    return code;
}

static int act_on(struct setup *s, struct config *config)
{
    struct err err;
    int code;

    s->settings = config_settings(config);
    s->plan = plan_for(s->settings, &err);
    if (!s->plan)
        return options_usage("setup", "%s", err.text);
    code = s->sql ? print_sql(s) : set_up(s);
    plan_free(s->plan);
    return code;
}

int command_setup(int argc, char **argv)
{
    struct setup s = {0};
    const struct option_spec own[] = {
        {"dry-run", NULL, "show the calls and the SQL, change nothing", NULL, &s.dry_run},
        {"sql", NULL, "print all the SQL for somebody else to run; needs no network", NULL, &s.sql},
        {"principal", "NAME", "who gets the grants [the service principal, else who is signed in]",
            &s.principal, NULL},
        {"replace-original", NULL, "pause the original app's job first", NULL, &s.replace_original},
        {"json", NULL, "as JSON, for scripts", NULL, &s.json},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct options options = {
        .command = "setup",
        .arguments = "",
        .text =
            "Creates what is missing in the workspace: schema, volume, table, grants, directories\n"
            "and the ingestion job. Safe to repeat: what is there and right is left as it is.\n"
            "With --principal for somebody else the job is left to the `run` of that principal.\n"
            "Exit code 1: a step is not done; the end of the output has the SQL that is left.\n",
        .own = own,
        .config_flags = CONFIG_SETUP,
    };
    struct err err = {0};
    int code = EXIT_USAGE;

    options_guard_secrets();
    options.config = config_new(CONFIG_SETUP, &err);
    if (!options.config)
        return options_usage("setup", "%s", err.text);
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        break;
    case OPTIONS_BAD:
        break;
    case OPTIONS_OK:
        if (s.principal && !*s.principal)
            code = options_usage("setup", "--principal is empty");
        else if ((!s.sql || without_network(options.config)) && options_load(options.config))
            code = act_on(&s, options.config);
        break;
    }
    config_free(options.config);
    return code;
}
