/* stream/jsonline.h: the slow way: any line through jansson.
 *
 * Shape    before jansson sees the line, a loop without recursion checks UTF-8, control characters,
 *          strings' ends, numbers and nesting, and copies the line with each number replaced:
 *
 *              {"a":1e400,"b":[2,{"c":3}]}     a number that is the value of a key near the top
 *              {"a":5,"b":[null,{"c":null}]}   becomes its place in the line, any other one null
 *
 *          jansson then judges the structure and unescapes the strings, and never makes a double:
 *          the numbers wanted are read from the line by number.h, as on the fast way.
 * Limits   nesting JSONLINE_DEPTH_MAX; numbers down to JSONLINE_NUMBER_DEPTH can be asked for.
 *          Memory: the tree of an ordinary line is a few KiB, but 4 MiB of "{},{},..." make one of
 *          330 MiB (measured) while that line is judged.
 * Errors   the two reasons below; a lack of memory counts as JSONLINE_NOT_JSON.
 * Owner    a struct jsonline owns its tree and its copy; spans taken from it borrow from it.
 * Threads  one at a time.
 * Source   RFC 8259, RFC 3629; durability.md 14; jansson 2.14 (refuses NUL in keys: such keys get
 *          another name in the copy, for no key we look for has one).
 */
#ifndef STREAM_JSONLINE_H
#define STREAM_JSONLINE_H

#include "stream/message.h"

#include <jansson.h>

#define JSONLINE_DEPTH_MAX 64
#define JSONLINE_NUMBER_DEPTH 3 /* payload.configuration.batch_size */

enum jsonline_result { JSONLINE_OK, JSONLINE_NOT_JSON, JSONLINE_TOO_DEEP };

struct jsonline {
    struct span line;
    json_t *root; /* NULL: none */
    struct buf copy;
};

/* A struct of zeros is ready. line.data[line.len] must be a '\n'. The tree of the line before is
 * freed; the line is borrowed until then. */
enum jsonline_result jsonline_parse(struct jsonline *j, struct span line);
void jsonline_clear(struct jsonline *j); /* the tree; keeps a copy buffer of ordinary size */
void jsonline_done(struct jsonline *j);

/* A member of an object as our own value; VALUE_ABSENT when `object` has none or is no object. */
struct value jsonline_value(const struct jsonline *j, const json_t *object, const char *key);

#endif
