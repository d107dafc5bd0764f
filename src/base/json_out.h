/* base/json_out.h: writes JSON text into a buffer. (Reading JSON is jansson's work, elsewhere.)
 *
 * Shape    a small writer that knows whether a comma is due; nesting up to 16.
 *          Names that jansson has too begin with json_out_.
 * Errors   sticky in the buffer: check buf_check at the end. Unbalanced calls are our mistake
 *          (assert).
 * Owner    borrows the buffer.
 * Threads  one at a time.
 * Source   RFC 8259. Text is escaped as kelvin-stream.md 2.2 says; broken UTF-8 becomes U+FFFD, so
 *          the output is always valid JSON. NaN and infinities become null.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/str.h"

#define JSON_DEPTH_MAX 16

struct json_out {
    struct buf *buf;
    unsigned depth;
    bool need_comma[JSON_DEPTH_MAX + 1];
    bool after_key;
    bool lines; /* set it for one member a line, indented by two blanks */
};

void json_init(struct json_out *json, struct buf *buf);

void json_out_object(struct json_out *json); /* { */
void json_out_object_end(struct json_out *json);
void json_out_array(struct json_out *json); /* [ */
void json_out_array_end(struct json_out *json);
void json_key(struct json_out *json, const char *key);

void json_span(struct json_out *json, struct span value);
void json_text(struct json_out *json, const char *value); /* NULL: null */
void json_int(struct json_out *json, int64_t value);
void json_uint(struct json_out *json, uint64_t value);
void json_double(struct json_out *json, double value); /* shortest text that reads back the same */
void json_bool(struct json_out *json, bool value);
void json_out_null(struct json_out *json);

/* Key and value in one call. */
void json_key_text(struct json_out *json, const char *key, const char *value);
void json_key_int(struct json_out *json, const char *key, int64_t value);
void json_key_uint(struct json_out *json, const char *key, uint64_t value);
void json_key_double(struct json_out *json, const char *key, double value);
void json_key_bool(struct json_out *json, const char *key, bool value);

/* A quoted, escaped string alone. */
void json_quote(struct buf *out, struct span value);

/* "12.5", "-0.0", "1e300": shortest decimal that reads back to the same finite double; locale-free.
 */
#define JSON_DOUBLE_SIZE 32
size_t json_double_text(char out[JSON_DOUBLE_SIZE], double value);

#endif
