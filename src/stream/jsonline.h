/* stream/jsonline.h: the slow way: any line through jansson.
 *
 * Shape    before jansson sees the line, a loop without recursion checks UTF-8, control characters,
 *          strings' ends, numbers and nesting, and copies the line with each number replaced:
 *
 *              {"a":1e400,"b":[2,{"c":3}]}     a number that is the value of a key near the top
 *              {"a":5,"b":[null,{"c":null}]}   becomes its place in the line, any other one null
 *
 *          Plain texts that nobody asks for become null as well. jansson then judges the structure
 *          and unescapes the strings, and never makes a double: the numbers wanted are read from the
 *          line by number.h, as on the fast way.
 * Limits   nesting JSONLINE_DEPTH_MAX; values down to JSONLINE_VALUE_DEPTH can be asked for.
 *          JSONLINE_TREE_MAX for the copy and the tree, estimated from above while copying: 4 MiB of
 *          "{},{},..." would make a tree of 300 MiB. A manifest of 10,000 datastreams passes. A line
 *          of JSONLINE_MODEST_BYTES or less is never too complex, whatever is in it.
 * Errors   the three reasons below; a lack of memory counts as JSONLINE_NOT_JSON.
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
#define JSONLINE_VALUE_DEPTH 3 /* payload.configuration.batch_size */
#define JSONLINE_TREE_MAX ((size_t)24 << 20)
#define JSONLINE_MODEST_BYTES (JSONLINE_TREE_MAX / 128) /* "{}," costs most: 100 a byte */

enum jsonline_result {
    JSONLINE_OK,
    JSONLINE_NOT_JSON,
    JSONLINE_TOO_DEEP,
    JSONLINE_TOO_COMPLEX,
};

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
