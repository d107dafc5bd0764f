/* A job's script is not run: it is read. Assignments, argparse's arguments, `if args.x:` and the
 * method calls of one stream are followed; what else a script does has no part in what it loads.
 * Where the meaning would depend on something that is not followed, the run fails and says so. */
#include "emulator/loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "emulator/loader_values.h"

#define BLOCKS_MAX 32U
#define BATCH_FILES 1000U /* cloudFiles.maxFilesPerTrigger */
#define RETENTION_US (30 * CLOCK_DAY_US)

/* An indented part that is taken or passed over. */
struct block {
    int indent;
    bool taken;
    bool if_taken; /* some branch of this if was */
};

struct script {
    const struct python *python;
    struct script_names names;
    struct block blocks[BLOCKS_MAX];
    size_t block_count;
    bool parsed; /* parse_args was called */
    bool reading, writing, available_now, awaited;
    char format[64], file_format[64], retention[128];
    struct loader_stream *out;
};

/* --- options --- */

static bool copy_text(char *out, size_t size, const struct script_value *value, struct err *err)
{
    return str_copy(out, size, value->text) ||
           err_set(err, ERR_INPUT, 0, "'%.60s...' is too long for the emulator", value->text);
}

/* Known to Auto Loader and without a part in what is loaded here (databricks-api.md 7.3). */
static bool harmless(const char *key, const char *value)
{
    static const char *const keys[] = {"schemaLocation", "inferColumnTypes", "schemaHints",
        "useManagedFileEvents", "useNotifications", "maxBytesPerTrigger", "backfillInterval",
        "useIncrementalListing", "validateOptions", "cleanSource.waitForCompletion", "region"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return (strcmp(key, "includeExistingFiles") == 0 && strcmp(value, "true") == 0) ||
           (strcmp(key, "allowOverwrites") == 0 && strcmp(value, "false") == 0) ||
           (strcmp(key, "schemaEvolutionMode") == 0 && strcmp(value, "none") == 0);
}

static bool cloud_option(
    struct script *s, const char *key, const struct script_value *value, struct err *err)
{
    struct loader_stream *out = s->out;

    if (strcmp(key, "format") == 0)
        return copy_text(s->file_format, sizeof(s->file_format), value, err);
    if (strcmp(key, "partitionColumns") == 0) {
        out->no_partitions = value->text[0] == '\0';
        return true;
    }
    if (strcmp(key, "maxFilesPerTrigger") == 0)
        return (str_u64(span_of(value->text), &out->batch_files) && out->batch_files > 0) ||
               err_set(err, ERR_INPUT, 0, "cloudFiles.maxFilesPerTrigger is '%.40s'", value->text);
    if (strcmp(key, "cleanSource") == 0) {
        out->move = strcasecmp(value->text, "MOVE") == 0;
        return out->move || strcasecmp(value->text, "OFF") == 0 ||
               err_set(err, ERR_INPUT, 0, "cloudFiles.cleanSource = '%.40s' is not done here",
                   value->text);
    }
    if (strcmp(key, "cleanSource.moveDestination") == 0)
        return copy_text(out->archive, sizeof(out->archive), value, err);
    if (strcmp(key, "cleanSource.retentionDuration") == 0)
        return copy_text(s->retention, sizeof(s->retention), value, err);
    if (harmless(key, value->text))
        return true;
    return err_set(err, ERR_INPUT, 0,
        "[CF_UNKNOWN_OPTION_KEYS_ERROR] Found unknown option keys: cloudFiles.%.60s", key);
}

static bool option(struct script *s, const struct script_call *call, struct err *err)
{
    static const char cloud[] = "cloudFiles.";
    struct script_value key, value;

    if (!script_text_argument(&s->names, call, 0, "key", &key, err) ||
        !script_text_argument(&s->names, call, 1, "value", &value, err))
        return false;
    if (s->writing)
        return strcmp(key.text, "checkpointLocation") != 0 ||
               copy_text(s->out->checkpoint, sizeof(s->out->checkpoint), &value, err);
    if (strncmp(key.text, cloud, strlen(cloud)) == 0)
        return cloud_option(s, key.text + strlen(cloud), &value, err);
    if (strcmp(key.text, "pathGlobFilter") == 0)
        return copy_text(s->out->glob, sizeof(s->out->glob), &value, err);
    return true; /* of the reader: nothing else matters for files of ours */
}

/* --- argparse --- */

static bool declare(struct script *s, const struct script_call *call, struct err *err)
{
    struct script_value flag, value;
    struct script_name *named;
    char name[64];

    if (!script_text_argument(&s->names, call, 0, NULL, &flag, err))
        return false;
    if (!script_argument_name(span_of(flag.text), name, sizeof(name)))
        return script_not_followed(&call->t[call->from], "argument of the command line", err);
    named = script_find_or_add(s->names.arguments, &s->names.argument_count, span_of(name), err);
    if (!named)
        return false;
    named->declared = true;
    if (script_argument(&s->names, call, SIZE_MAX, "required", &value))
        named->required = value.kind == VALUE_TRUE;
    if (named->value.kind == VALUE_UNKNOWN) /* not given */
        named->value.kind = VALUE_NONE;
    if (named->value.kind == VALUE_NONE &&
        script_argument(&s->names, call, SIZE_MAX, "default", &value))
        named->value = value;
    return true;
}

/* parse_args(): as argparse complains. */
static bool check_arguments(struct script *s, struct err *err)
{
    s->parsed = true;
    for (size_t i = 0; i < s->names.argument_count; i++) {
        const struct script_name *argument = &s->names.arguments[i];

        if (!argument->declared)
            return err_set(err, ERR_INPUT, 0, "SystemExit: 2: error: unrecognized arguments: --%s",
                argument->name);
        if (argument->required && argument->value.kind == VALUE_NONE)
            return err_set(err, ERR_INPUT, 0,
                "SystemExit: 2: error: the following arguments are required: --%s", argument->name);
    }
    return true;
}

/* "--name value" and "--name=value". */
static bool take_parameters(struct script *s, const json_t *parameters, struct err *err)
{
    size_t count = json_array_size(parameters);

    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(parameters, i));
        const char *equals = text ? strchr(text, '=') : NULL;
        size_t len = !text ? 0 : equals ? (size_t)(equals - text) : strlen(text);
        struct script_name *named;
        char name[64];

        if (!text || !script_argument_name((struct span){text, len}, name, sizeof(name)) ||
            (!equals && i + 1 == count))
            return err_set(err, ERR_INPUT, 0, "SystemExit: 2: error: unrecognized arguments: %.80s",
                text ? text : "");
        named =
            script_find_or_add(s->names.arguments, &s->names.argument_count, span_of(name), err);
        if (!named)
            return false;
        if (!equals)
            text = json_string_value(json_array_get(parameters, ++i));
        script_set_text(&named->value, span_of(equals ? equals + 1 : text ? text : ""));
    }
    return true;
}

/* --- statements --- */

static bool set_format(struct script *s, const struct script_call *call, struct err *err)
{
    struct script_value value;

    if (s->writing)
        return true;
    return script_text_argument(&s->names, call, 0, "source", &value, err) &&
           copy_text(s->format, sizeof(s->format), &value, err);
}

static bool call_method(struct script *s, const struct python_token *name,
    const struct script_call *call, struct err *err)
{
    struct script_value value;

    if (python_named(name, "add_argument"))
        return declare(s, call, err);
    if (python_named(name, "parse_args"))
        return check_arguments(s, err);
    if (python_named(name, "awaitTermination")) {
        s->awaited = true;
        return true;
    }
    if (!s->reading)
        return true;
    if (python_named(name, "option"))
        return option(s, call, err);
    if (python_named(name, "options"))
        return script_not_followed(name, "call of options()", err);
    if (python_named(name, "format"))
        return set_format(s, call, err);
    if (python_named(name, "load"))
        return script_text_argument(&s->names, call, 0, "path", &value, err) &&
               copy_text(s->out->source, sizeof(s->out->source), &value, err);
    if (python_named(name, "toTable"))
        return script_text_argument(&s->names, call, 0, "tableName", &value, err) &&
               copy_text(s->out->table, sizeof(s->out->table), &value, err);
    if (python_named(name, "trigger")) {
        s->available_now = script_argument(&s->names, call, SIZE_MAX, "availableNow", &value) &&
                           value.kind == VALUE_TRUE;
        return s->available_now || err_set(err, ERR_INPUT, 0,
                                       "line %d: only trigger(availableNow=True) ends", name->line);
    }
    return true;
}

static size_t closing(const struct python_token *t, size_t open, size_t to)
{
    int depth = 0;

    for (size_t i = open; i < to; i++) {
        depth += python_is(&t[i], '(');
        depth -= python_is(&t[i], ')');
        if (depth == 0)
            return i;
    }
    return to;
}

/* The chains of calls in a logical line, from left to right. */
static bool follow_calls(
    struct script *s, const struct python_token *t, size_t from, size_t to, struct err *err)
{
    for (size_t i = from; i + 1 < to; i++) {
        struct script_call call = {.t = t};

        if (!python_is(&t[i], '.') || t[i + 1].kind != PYTHON_NAME)
            continue;
        if (python_named(&t[i + 1], "readStream")) {
            if (s->reading)
                return script_not_followed(&t[i], "second stream", err);
            s->reading = true;
        } else if (python_named(&t[i + 1], "writeStream")) {
            s->writing = true;
        }
        if (i + 2 >= to || !python_is(&t[i + 2], '('))
            continue;
        call.from = i + 3;
        call.to = closing(t, i + 2, to);
        if (!call_method(s, &t[i + 1], &call, err))
            return false;
    }
    return true;
}

static bool assign(
    struct script *s, const struct python_token *t, size_t from, size_t to, struct err *err)
{
    struct script_name *variable =
        script_find_or_add(s->names.variables, &s->names.variable_count, t[from].bytes, err);
    bool arguments = false;

    if (!variable)
        return false;
    for (size_t i = from + 2; i < to; i++)
        arguments = arguments || python_named(&t[i], "parse_args");
    if (arguments)
        variable->value = (struct script_value){.kind = VALUE_ARGUMENTS};
    else
        script_evaluate(&s->names, t, from + 2, to, &variable->value);
    return true;
}

/* if args.x: / if not args.x: / if args.x is [not] None: / if __name__ == "__main__": */
static bool condition(const struct script *s, const struct python_token *t, size_t from, size_t to,
    bool *ret, struct err *err)
{
    bool negated = false, none_asked = false, truth;
    struct script_value value;
    size_t next;

    if (python_named(&t[from], "__name__")) {
        *ret = true;
        return true;
    }
    if (python_named(&t[from], "not")) {
        negated = true;
        from++;
    }
    if (from >= to)
        return script_not_followed(&t[from], "condition", err);
    script_atom(&s->names, t, from, to, &value, &next);
    if (next < to && python_named(&t[next], "is")) {
        none_asked = true;
        next++;
        if (next < to && python_named(&t[next], "not")) {
            negated = !negated;
            next++;
        }
        if (next >= to || !python_named(&t[next], "None"))
            return script_not_followed(&t[from], "condition", err);
        next++;
    }
    if (next != to || value.kind == VALUE_UNKNOWN || value.kind == VALUE_ARGUMENTS)
        return script_not_followed(&t[from], "condition", err);
    truth = none_asked ? value.kind == VALUE_NONE
                       : value.kind == VALUE_TRUE || (value.kind == VALUE_TEXT && value.text[0]);
    *ret = truth != negated;
    return true;
}

static bool inside(const struct script *s)
{
    return s->block_count == 0 || s->blocks[s->block_count - 1].taken;
}

/* A line that ends with ':' opens a block. */
static bool open_block(
    struct script *s, const struct python_token *t, size_t from, size_t to, struct err *err)
{
    const struct block *same =
        s->block_count && s->blocks[s->block_count - 1].indent == t[from].indent
            ? &s->blocks[s->block_count - 1]
            : NULL;
    bool otherwise = python_named(&t[from], "else") || python_named(&t[from], "elif");
    bool if_taken = otherwise && same && same->if_taken, taken, outer;

    if (same)
        s->block_count--;
    outer = inside(s);
    taken = outer && !if_taken;
    if (taken && (python_named(&t[from], "if") || python_named(&t[from], "elif"))) {
        if (!condition(s, t, from + 1, to - 1, &taken, err))
            return false;
    } else if (taken && (python_named(&t[from], "while") || python_named(&t[from], "for"))) {
        return script_not_followed(&t[from], "loop", err);
    }
    if (s->block_count == BLOCKS_MAX)
        return script_not_followed(&t[from], "depth of blocks", err);
    s->blocks[s->block_count++] =
        (struct block){.indent = t[from].indent, .taken = taken, .if_taken = if_taken || taken};
    return true;
}

static bool follow_line(
    struct script *s, const struct python_token *t, size_t from, size_t to, struct err *err)
{
    bool opens = python_is(&t[to - 1], ':');
    bool otherwise = python_named(&t[from], "else") || python_named(&t[from], "elif") ||
                     python_named(&t[from], "except") || python_named(&t[from], "finally");

    while (s->block_count &&
           (s->blocks[s->block_count - 1].indent > t[from].indent ||
               (s->blocks[s->block_count - 1].indent == t[from].indent && !(opens && otherwise))))
        s->block_count--;
    if (opens)
        return open_block(s, t, from, to, err);
    if (!inside(s))
        return true;
    if (otherwise || python_named(&t[from], "if") || python_named(&t[from], "for") ||
        python_named(&t[from], "while"))
        return script_not_followed(&t[from], "statement on one line", err);
    if (!follow_calls(s, t, from, to, err))
        return false;
    return !(to - from > 2 && t[from].kind == PYTHON_NAME && python_is(&t[from + 1], '=') &&
               !python_is(&t[from + 2], '=')) ||
           assign(s, t, from, to, err);
}

static bool follow(struct script *s, struct err *err)
{
    const struct python_token *t = s->python->tokens;
    size_t from = 0;

    for (size_t i = 0; i < s->python->count; i++) {
        if (t[i].kind != PYTHON_LINE)
            continue;
        if (i > from && !follow_line(s, t, from, i, err))
            return false;
        from = i + 1;
    }
    return true;
}

/* --- the result --- */

/* "1 hour", "14 days", "interval 30 minutes". */
static bool parse_interval(const char *text, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"second", CLOCK_SECOND_US}, {"minute", 60 * CLOCK_SECOND_US},
        {"hour", 3600 * CLOCK_SECOND_US}, {"day", CLOCK_DAY_US}, {"week", 7 * CLOCK_DAY_US}};
    unsigned n = 0;
    char unit[16];
    int end = 0;

    if (strncasecmp(text, "interval ", 9) == 0)
        text += 9;
    if (sscanf(text, "%6u %15[A-Za-z]%n", &n, unit, &end) != 2 || text[end] != '\0')
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t len = strlen(units[i].name);

        if (strncasecmp(unit, units[i].name, len) == 0 &&
            (unit[len] == '\0' || strcasecmp(unit + len, "s") == 0)) {
            *ret = (int64_t)n * units[i].us;
            return true;
        }
    }
    return false;
}

static bool conclude(struct script *s, struct err *err)
{
    struct loader_stream *out = s->out;

    if (!s->reading || strcmp(s->format, "cloudFiles") != 0)
        return err_set(err, ERR_INPUT, 0,
            "the emulator runs scripts with spark.readStream.format(\"cloudFiles\") only");
    if (strcmp(s->file_format, "parquet") != 0)
        return err_set(err, ERR_INPUT, 0, "cloudFiles.format is '%s': only parquet is done here",
            s->file_format);
    if (!out->source[0] || !out->table[0] || !s->writing)
        return err_set(err, ERR_INPUT, 0, "the script has no load(...) or no toTable(...)");
    if (!out->checkpoint[0])
        return err_set(err, ERR_INPUT, 0,
            "AnalysisException: checkpointLocation must be specified either through "
            "option(\"checkpointLocation\", ...) or SparkSession.conf.set");
    if (!s->available_now)
        return err_set(err, ERR_INPUT, 0,
            "[INFINITE_STREAMING_TRIGGER_NOT_SUPPORTED] the stream would never end: "
            "trigger(availableNow=True) is missing");
    if (!s->awaited)
        return err_set(
            err, ERR_INPUT, 0, "the script ends before its stream: awaitTermination() is missing");
    if (s->retention[0] && !parse_interval(s->retention, &out->retention_us))
        return err_set(
            err, ERR_INPUT, 0, "cloudFiles.cleanSource.retentionDuration is '%.60s'", s->retention);
    if (out->move && !out->archive[0])
        return err_set(err, ERR_INPUT, 0,
            "[CF_CLEANSOURCE_MOVE_DESTINATION_MISSING] cloudFiles.cleanSource.moveDestination must "
            "be set when cloudFiles.cleanSource is MOVE");
    return true;
}

bool loader_script(
    struct span code, const json_t *parameters, struct loader_stream *ret, struct err *err)
{
    struct python python = {0};
    struct script script = {.python = &python, .out = ret};
    bool ok = false;

    *ret = (struct loader_stream){.batch_files = BATCH_FILES, .retention_us = RETENTION_US};
    script.names.variables = calloc(SCRIPT_NAMES_MAX, sizeof(*script.names.variables));
    script.names.arguments = calloc(SCRIPT_NAMES_MAX, sizeof(*script.names.arguments));
    if (!script.names.variables || !script.names.arguments)
        err_set(err, ERR_FULL, ENOMEM, "no memory for a script");
    else
        ok = python_read(code, &python, err) && take_parameters(&script, parameters, err) &&
             follow(&script, err) && conclude(&script, err);
    python_done(&python);
    free(script.names.variables);
    free(script.names.arguments);
    return ok;
}
