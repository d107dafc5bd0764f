#include "emulator/loader_values.h"

static struct script_name *find(struct script_name *names, size_t count, struct span name)
{
    for (size_t i = 0; i < count; i++) {
        if (span_is(name, names[i].name))
            return &names[i];
    }
    return NULL;
}

struct script_name *script_find_or_add(
    struct script_name *names, size_t *count, struct span name, struct err *err)
{
    struct script_name *found = find(names, *count, name);

    if (found)
        return found;
    if (*count == SCRIPT_NAMES_MAX || name.len >= sizeof(names->name)) {
        err_set(err, ERR_INPUT, 0, "the script has more names than the emulator follows");
        return NULL;
    }
    found = &names[(*count)++];
    *found = (struct script_name){0};
    memcpy(found->name, name.data, name.len);
    return found;
}

void script_set_text(struct script_value *value, struct span text)
{
    value->kind = text.len < sizeof(value->text) ? VALUE_TEXT : VALUE_UNKNOWN;
    if (value->kind == VALUE_TEXT) {
        memcpy(value->text, text.data, text.len);
        value->text[text.len] = '\0';
    }
}

bool script_argument_name(struct span flag, char *out, size_t size)
{
    if (!span_starts(flag, "--") || flag.len - 2 >= size || flag.len == 2)
        return false;
    for (size_t i = 2; i < flag.len; i++)
        out[i - 2] = flag.data[i] == '-' ? '_' : flag.data[i];
    out[flag.len - 2] = '\0';
    return true;
}

/* --- expressions --- */

/* The next comma or the end, outside brackets. */
static size_t expression_end(const struct python_token *t, size_t from, size_t to)
{
    int depth = 0;

    for (size_t i = from; i < to; i++) {
        if (depth == 0 && python_is(&t[i], ','))
            return i;
        depth += python_is(&t[i], '(') || python_is(&t[i], '[') || python_is(&t[i], '{');
        depth -= python_is(&t[i], ')') || python_is(&t[i], ']') || python_is(&t[i], '}');
    }
    return to;
}

void script_atom(const struct script_names *names, const struct python_token *t, size_t from,
    size_t to, struct script_value *ret, size_t *ret_next)
{
    const struct script_name *found;

    *ret = (struct script_value){.kind = VALUE_UNKNOWN};
    *ret_next = from + 1;
    if (t[from].kind == PYTHON_TEXT || t[from].kind == PYTHON_NUMBER) {
        script_set_text(ret, t[from].bytes);
        return;
    }
    if (t[from].kind != PYTHON_NAME)
        return;
    if (python_named(&t[from], "True") || python_named(&t[from], "False")) {
        ret->kind = python_named(&t[from], "True") ? VALUE_TRUE : VALUE_FALSE;
        return;
    }
    if (python_named(&t[from], "None")) {
        ret->kind = VALUE_NONE;
        return;
    }
    found = find(names->variables, names->variable_count, t[from].bytes);
    if (!found)
        return;
    *ret = found->value;
    if (ret->kind == VALUE_ARGUMENTS && from + 2 < to && python_is(&t[from + 1], '.')) {
        found = find(names->arguments, names->argument_count, t[from + 2].bytes);
        *ret = (struct script_value){.kind = VALUE_UNKNOWN};
        if (found)
            *ret = found->value;
        *ret_next = from + 3;
    }
}

/* Atoms side by side (texts) or with '+'. */
void script_evaluate(const struct script_names *names, const struct python_token *t, size_t from,
    size_t to, struct script_value *ret)
{
    struct script_value next;
    bool plus = true;

    *ret = (struct script_value){.kind = VALUE_UNKNOWN};
    while (to > from + 1 && python_is(&t[from], '(') && python_is(&t[to - 1], ')')) {
        from++;
        to--;
    }
    for (size_t i = from; i < to;) {
        bool text = t[i].kind == PYTHON_TEXT;

        if (i > from && python_is(&t[i], '+')) {
            plus = true;
            i++;
            continue;
        }
        if (!plus && !(text && t[i - 1].kind == PYTHON_TEXT)) {
            ret->kind = VALUE_UNKNOWN;
            return;
        }
        script_atom(names, t, i, to, &next, &i);
        if (ret->kind == VALUE_TEXT && next.kind == VALUE_TEXT &&
            strlen(ret->text) + strlen(next.text) < sizeof(ret->text)) {
            memcpy(ret->text + strlen(ret->text), next.text, strlen(next.text) + 1);
        } else if (ret->kind == VALUE_UNKNOWN && plus && next.kind != VALUE_UNKNOWN) {
            *ret = next;
        } else {
            ret->kind = VALUE_UNKNOWN;
            return;
        }
        plus = false;
    }
}

bool script_not_followed(const struct python_token *at, const char *what, struct err *err)
{
    return err_set(
        err, ERR_INPUT, 0, "line %d: the emulator does not follow this %s", at->line, what);
}

bool script_argument(const struct script_names *names, const struct script_call *call,
    size_t wanted, const char *keyword, struct script_value *ret)
{
    size_t number = 0;

    for (size_t at = call->from; at < call->to;) {
        size_t end = expression_end(call->t, at, call->to);
        bool named = end > at + 1 && call->t[at].kind == PYTHON_NAME &&
                     python_is(&call->t[at + 1], '=') && !python_is(&call->t[at + 2], '=');

        if (named ? keyword && python_named(&call->t[at], keyword) : number == wanted) {
            script_evaluate(names, call->t, named ? at + 2 : at, end, ret);
            return true;
        }
        number += !named;
        at = end + 1;
    }
    return false;
}

bool script_text_argument(const struct script_names *names, const struct script_call *call,
    size_t wanted, const char *keyword, struct script_value *ret, struct err *err)
{
    if (!script_argument(names, call, wanted, keyword, ret) || ret->kind == VALUE_UNKNOWN)
        return script_not_followed(&call->t[call->from], "argument", err);
    if (ret->kind == VALUE_NONE)
        return err_set(err, ERR_INPUT, 0, "line %d: an argument is None", call->t[call->from].line);
    if (ret->kind == VALUE_TRUE || ret->kind == VALUE_FALSE)
        script_set_text(ret, span_of(ret->kind == VALUE_TRUE ? "true" : "false"));
    return true;
}
