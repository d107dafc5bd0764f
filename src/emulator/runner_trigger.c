#include "emulator/runner_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "emulator/ledger.h"

/* What is remembered of a job:
 *   {"url":"/Volumes/...","seen":["a.parquet"],"pending":true,"changed_ms":1,"fired_ms":1,
 *    "since_ms":1,"trigger_state":{"file_arrival":{"using_file_events":false}}}
 * A name is new when it was not there at the look before. The first look at a folder only takes
 * stock: what lay there before the trigger did not arrive. */

struct look {
    struct runner *runner;
    int64_t job_id;
    const json_t *job; /* as the book has it */
    const json_t *trigger;
    json_t *memory; /* own copy, changed here */
    bool changed;
};

static bool remember(struct look *look, const char *key, json_t *value)
{
    const json_t *had = json_object_get(look->memory, key);

    if (had && value && json_equal(had, value)) {
        json_decref(value);
        return true;
    }
    look->changed = true;
    return json_object_set_new(look->memory, key, value) == 0;
}

static void forget(struct look *look, const char *key)
{
    look->changed = json_object_del(look->memory, key) == 0 || look->changed;
}

static void set_state(struct look *look, const char *error)
{
    json_t *state = error ? json_pack("{s:{s:b, s:s}}", "file_arrival", "using_file_events", 0,
                                "error_message", error)
                          : json_pack("{s:{s:b}}", "file_arrival", "using_file_events", 0);

    (void)remember(look, "trigger_state", state);
}

/* Seconds of the definition, on this emulator's clock. */
static int64_t scaled_ms(const struct look *look, int64_t seconds)
{
    return seconds * 1000 / look->runner->options.time_scale;
}

static bool fire(struct look *look, const char *why)
{
    struct err err = {0};
    int64_t run = 0;

    /* First the run, then the note: after a crash in between it runs once more, and finds nothing
     * to load. */
    if (!runbook_add(look->runner->emu, look->job_id, why, &run, &err))
        return false; /* tried again with the next look */
    (void)remember(look, "fired_ms", json_integer(ledger_now_ms()));
    forget(look, "pending");
    return true;
}

/* --- file arrival --- */

/* Members of an array of names, for questions. */
static json_t *as_set(const json_t *names)
{
    json_t *set = json_object();
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        (void)json_object_set_new(set, json_string_value(name), json_true());
    }
    return set;
}

/* Files whose names are hidden are counted towards the limit and do not fire: no loader sees them. */
static void compare(struct look *look, const struct loader_found *found)
{
    json_t *before = as_set(json_object_get(look->memory, "seen"));
    json_t *names = json_array();
    bool first = !json_object_get(look->memory, "seen");
    bool arrived = false;

    for (size_t i = 0; i < found->count; i++) {
        arrived = arrived || !json_object_get(before, found->files[i].path);
        (void)json_array_append_new(names, json_string(found->files[i].path));
    }
    json_decref(before);
    (void)remember(look, "seen", names);
    if (arrived && !first) {
        (void)remember(look, "pending", json_true());
        (void)remember(look, "changed_ms", json_integer(ledger_now_ms()));
    }
}

static bool open_folder(struct look *look, const char *url, int *ret_fd, struct err *err)
{
    struct path *path = calloc(1, sizeof(*path));
    char name[3 * STMT_NAME_MAX];
    bool ok = path && loader_path(url, path, err);

    if (!path)
        return err_set(err, ERR_FULL, 0, "no memory for a path");
    if (ok) {
        (void)snprintf(name, sizeof(name), "%s.%s.%s", path->part[1], path->part[2], path->part[3]);
        ok = rights_check(look->runner->emu, json_member(look->job, "run_as_user_name"), "volume",
                 name, "READ_VOLUME", err) &&
             loader_open(look->runner->emu->store, path, false, ret_fd, err);
    }
    free(path);
    return ok;
}

static void look_at_folder(struct look *look, const char *url)
{
    int64_t limit = look->runner->options.files_limit;
    struct loader_found found = {0};
    struct err err = {0};
    char text[160];
    int fd = -1;

    if (!open_folder(look, url, &fd, &err) || !loader_find(fd, NULL, &found, &err)) {
        set_state(look, err.text);
        file_drop(fd);
        return;
    }
    if (found.all > (uint64_t)limit) {
        (void)snprintf(text, sizeof(text),
            "The trigger's location has more than %lld files. Without file events it does not "
            "fire.",
            (long long)limit);
        set_state(look, text);
    } else {
        set_state(look, NULL);
        compare(look, &found);
    }
    loader_found_done(&found);
    file_drop(fd);
}

static void look_at_arrival(struct look *look, const json_t *definition)
{
    const char *url = json_member(definition, "url");
    int64_t now = ledger_now_ms();
    int64_t between =
        scaled_ms(look, json_member_int(definition, "min_time_between_triggers_seconds"));
    int64_t quiet = scaled_ms(look, json_member_int(definition, "wait_after_last_change_seconds"));

    if (strcmp(json_member(look->memory, "url"), url) != 0) {
        (void)remember(look, "url", json_string(url));
        forget(look, "seen");
        forget(look, "pending");
    }
    look_at_folder(look, url);
    if (json_is_true(json_object_get(look->memory, "pending")) &&
        now - json_member_int(look->memory, "fired_ms") >= between &&
        now - json_member_int(look->memory, "changed_ms") >= quiet)
        (void)fire(look, "FILE_ARRIVAL");
}

/* --- periodic --- */

static void look_at_period(struct look *look, const json_t *definition)
{
    const char *unit = json_member(definition, "unit");
    int64_t seconds = json_member_int(definition, "interval") * 3600;
    int64_t now = ledger_now_ms(), last;

    if (strcmp(unit, "DAYS") == 0)
        seconds *= 24;
    else if (strcmp(unit, "WEEKS") == 0)
        seconds *= 24 * 7;
    if (seconds <= 0)
        return;
    if (!json_object_get(look->memory, "since_ms"))
        (void)remember(look, "since_ms", json_integer(now));
    last = json_member_int(look->memory, "fired_ms");
    if (last == 0)
        last = json_member_int(look->memory, "since_ms");
    if (now - last >= scaled_ms(look, seconds))
        (void)fire(look, "PERIODIC");
}

/* --- all of them --- */

static void look_at_job(struct runner *runner, const json_t *job)
{
    struct look look = {.runner = runner, .job = job};
    const json_t *definition;
    struct err err = {0};

    look.job_id = json_member_int(job, "job_id");
    look.trigger = json_object_get(json_object_get(job, "settings"), "trigger");
    if (!look.trigger || strcmp(json_member(look.trigger, "pause_status"), "PAUSED") == 0)
        return;
    look.memory = json_deep_copy(json_object_get(job, "runner"));
    if (!look.memory)
        look.memory = json_object();
    if ((definition = json_object_get(look.trigger, "file_arrival")) != NULL)
        look_at_arrival(&look, definition);
    else if ((definition = json_object_get(look.trigger, "periodic")) != NULL)
        look_at_period(&look, definition);
    if (!look.changed)
        json_decref(look.memory);
    else if (!jobbook_remember(runner->emu, look.job_id, look.memory, &err))
        err_clear(&err); /* seen again with the next look */
}

void runner_look(struct runner *runner)
{
    json_t *jobs = jobbook_copy(runner->emu), *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        look_at_job(runner, job);
    }
    json_decref(jobs);
}
