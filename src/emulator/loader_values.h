/* emulator/loader_values.h: the names and values of a job's script.
 *
 * Shape    a value is what an expression comes to, as far as it is followed: texts (numbers are
 *          texts here), True, False, None, the namespace of argparse. Anything else is UNKNOWN, and
 *          who needs to know fails with script_not_followed.
 * Limits   SCRIPT_NAMES_MAX names of 63 bytes; values of LOADER_TEXT_MAX.
 * Errors   ERR_INPUT with the line.
 * Owner    tables of SCRIPT_NAMES_MAX entries, the caller's.
 * Threads  any.
 */
#ifndef EMULATOR_LOADER_VALUES_H
#define EMULATOR_LOADER_VALUES_H

#include "emulator/loader.h"
#include "emulator/loader_python.h"

#define SCRIPT_NAMES_MAX 128U

enum script_kind {
    VALUE_UNKNOWN,
    VALUE_NONE,
    VALUE_TEXT,
    VALUE_TRUE,
    VALUE_FALSE,
    VALUE_ARGUMENTS
};

struct script_value {
    enum script_kind kind;
    char text[LOADER_TEXT_MAX];
};

struct script_name {
    char name[64];
    bool declared, required; /* of an argument */
    struct script_value value;
};

struct script_names {
    struct script_name *variables, *arguments; /* args.x is an argument */
    size_t variable_count, argument_count;
};

/* A call's tokens inside its brackets. */
struct script_call {
    const struct python_token *t;
    size_t from, to;
};

/* NULL: too many. */
struct script_name *script_find_or_add(
    struct script_name *names, size_t *count, struct span name, struct err *err);

void script_set_text(struct script_value *value, struct span text);

/* "--archive-after" is args.archive_after. */
bool script_argument_name(struct span flag, char *out, size_t size);

/* One name, text, number or args.x at `from`; *ret_next behind it. */
void script_atom(const struct script_names *names, const struct python_token *t, size_t from,
    size_t to, struct script_value *ret, size_t *ret_next);

/* The expression in [from, to). */
void script_evaluate(const struct script_names *names, const struct python_token *t, size_t from,
    size_t to, struct script_value *ret);

/* Argument number `wanted`, or the one called `keyword` (NULL: none). False: not there. */
bool script_argument(const struct script_names *names, const struct script_call *call,
    size_t wanted, const char *keyword, struct script_value *ret);

/* The same for one that must be there and come to a text. */
NODISCARD bool script_text_argument(const struct script_names *names,
    const struct script_call *call, size_t wanted, const char *keyword, struct script_value *ret,
    struct err *err);

bool script_not_followed(const struct python_token *at, const char *what, struct err *err);

#endif
