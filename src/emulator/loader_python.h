/* emulator/loader_python.h: a Python file cut into words, as far as a job's script needs it.
 *
 * Shape    tokens in order; a logical line ends with PYTHON_LINE (lines inside brackets are joined).
 *          Comments are gone; the text of a string has its escapes resolved and lies in `text`.
 * Limits   16,384 tokens, 1 MiB of text, nesting of 64 brackets.
 * Errors   ERR_INPUT: "line 3: SyntaxError: ...".
 * Owner    caller-owned; python_done takes a struct of zeros. Names point into the code.
 * Threads  any.
 * Source   Python's language reference, 2 Lexical analysis.
 */
#ifndef EMULATOR_LOADER_PYTHON_H
#define EMULATOR_LOADER_PYTHON_H

#include "base/str.h"

enum python_kind {
    PYTHON_NAME,
    PYTHON_TEXT,
    PYTHON_FORMAT, /* an f-string with something to put in: we cannot */
    PYTHON_NUMBER,
    PYTHON_SIGN, /* one character */
    PYTHON_LINE,
};

struct python_token {
    enum python_kind kind;
    struct span bytes; /* of TEXT: in python.text, by offset until all is read */
    size_t offset;
    int line;
    int indent; /* of the logical line it stands in */
};

struct python {
    struct python_token *tokens;
    size_t count;
    struct buf text;
};

NODISCARD bool python_read(struct span code, struct python *ret, struct err *err);
void python_done(struct python *python);

bool python_is(const struct python_token *token, char sign);
bool python_named(const struct python_token *token, const char *name);

#endif
