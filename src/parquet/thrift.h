/* parquet/thrift.h: the Thrift compact protocol, as far as Parquet metadata needs it.
 *
 * Shape    writer: fields by rising id into a buf; reader: fields one after the other from bytes.
 *          A field is one byte (delta of the id << 4 | type), or type and id when the delta is not
 *          1..15; integers are zigzag varints; a struct ends with a byte 00.
 * Limits   THRIFT_DEPTH_MAX structs inside each other.
 * Errors   writer: sticky in the buf. Reader: sticky `failed`; then thrift_next says "no more" and
 *          getters give zeros, so a parser checks once.
 * Owner    borrows the buf, the bytes.
 * Threads  one at a time.
 * Source   specs/parquet.md 1.2; thrift-compact-protocol.md.
 */
#ifndef PARQUET_THRIFT_H
#define PARQUET_THRIFT_H

#include "base/str.h"

#define THRIFT_DEPTH_MAX 16

enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I8 = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_DOUBLE = 7,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_SET = 10,
    THRIFT_MAP = 11,
    THRIFT_STRUCT = 12,
};

struct thrift_out {
    struct buf *buf;
    unsigned depth;
    int16_t last[THRIFT_DEPTH_MAX]; /* field id before, per open struct */
};

/* Begins the outermost struct; thrift_end closes it as any other. */
void thrift_begin(struct thrift_out *t, struct buf *buf);
void thrift_end(struct thrift_out *t);

void thrift_i16(struct thrift_out *t, int16_t id, int16_t value);
void thrift_i32(struct thrift_out *t, int16_t id, int32_t value); /* enums too */
void thrift_i64(struct thrift_out *t, int16_t id, int64_t value);
void thrift_bool(struct thrift_out *t, int16_t id, bool value);
void thrift_binary(struct thrift_out *t, int16_t id, struct span value);
void thrift_struct(struct thrift_out *t, int16_t id);
void thrift_list(struct thrift_out *t, int16_t id, enum thrift_type element, size_t count);

/* Elements of a list, without a header. A struct element is closed by thrift_end. */
void thrift_item_int(struct thrift_out *t, int64_t value);
void thrift_item_bool(struct thrift_out *t, bool value);
void thrift_item_binary(struct thrift_out *t, struct span value);
void thrift_item_struct(struct thrift_out *t);

/* The bytes of a struct made elsewhere, its stop included, as the value of a field. */
void thrift_raw_struct(struct thrift_out *t, int16_t id, const void *bytes, size_t len);

struct thrift_in {
    const uint8_t *at, *end;
    bool failed;
    unsigned depth;
    int16_t last[THRIFT_DEPTH_MAX];
};

struct thrift_field {
    int16_t id;
    enum thrift_type type;
};

/* Begins with the outermost struct. */
void thrift_read(struct thrift_in *t, const void *data, size_t len);

/* The next field of the open struct. False: the struct has ended (and is left) or it failed. */
bool thrift_next(struct thrift_in *t, struct thrift_field *ret);

/* The value of the field just met; a type that does not fit is a failure. */
int32_t thrift_get_i32(struct thrift_in *t, struct thrift_field f);
int64_t thrift_get_i64(struct thrift_in *t, struct thrift_field f);
bool thrift_get_bool(struct thrift_in *t, struct thrift_field f);
struct span thrift_get_binary(struct thrift_in *t, struct thrift_field f);
void thrift_enter(struct thrift_in *t, struct thrift_field f);
/* Count of elements; never more than bytes are left, so that a caller may allocate by it. */
size_t thrift_get_list(struct thrift_in *t, struct thrift_field f, enum thrift_type element);
int64_t thrift_get_item_int(struct thrift_in *t);
bool thrift_get_item_bool(struct thrift_in *t);
struct span thrift_get_item_binary(struct thrift_in *t);
void thrift_enter_item(struct thrift_in *t);

void thrift_skip(struct thrift_in *t, struct thrift_field f);

/* For what a caller finds wrong by itself. */
void thrift_fail(struct thrift_in *t);

#endif
