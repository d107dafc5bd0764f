#include "parquet/thrift.h"

#include <assert.h>

static uint64_t zigzag(int64_t n)
{
    return ((uint64_t)n << 1) ^ (uint64_t)(n >> 63);
}

static int64_t unzigzag(uint64_t u)
{
    return (int64_t)((u >> 1) ^ (~(u & 1) + 1));
}

static void put_varint(struct thrift_out *t, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    buf_add(t->buf, bytes, n);
}

static void put_field(struct thrift_out *t, int16_t id, enum thrift_type type)
{
    int delta = id - t->last[t->depth];

    t->last[t->depth] = id;
    if (delta >= 1 && delta <= 15) {
        buf_add_byte(t->buf, (uint8_t)(delta << 4 | (int)type));
        return;
    }
    buf_add_byte(t->buf, (uint8_t)type);
    put_varint(t, zigzag(id));
}

static void push(struct thrift_out *t)
{
    assert(t->depth + 1 < THRIFT_DEPTH_MAX);
    t->last[++t->depth] = 0;
}

void thrift_begin(struct thrift_out *t, struct buf *buf)
{
    *t = (struct thrift_out){.buf = buf};
    push(t);
}

void thrift_end(struct thrift_out *t)
{
    assert(t->depth > 0);
    t->depth--;
    buf_add_byte(t->buf, THRIFT_STOP);
}

void thrift_i16(struct thrift_out *t, int16_t id, int16_t value)
{
    put_field(t, id, THRIFT_I16);
    put_varint(t, zigzag(value));
}

void thrift_i32(struct thrift_out *t, int16_t id, int32_t value)
{
    put_field(t, id, THRIFT_I32);
    put_varint(t, zigzag(value));
}

void thrift_i64(struct thrift_out *t, int16_t id, int64_t value)
{
    put_field(t, id, THRIFT_I64);
    put_varint(t, zigzag(value));
}

/* The value is the type. */
void thrift_bool(struct thrift_out *t, int16_t id, bool value)
{
    put_field(t, id, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_binary(struct thrift_out *t, int16_t id, struct span value)
{
    put_field(t, id, THRIFT_BINARY);
    thrift_item_binary(t, value);
}

void thrift_struct(struct thrift_out *t, int16_t id)
{
    put_field(t, id, THRIFT_STRUCT);
    push(t);
}

void thrift_list(struct thrift_out *t, int16_t id, enum thrift_type element, size_t count)
{
    put_field(t, id, THRIFT_LIST);
    if (count <= 14) {
        buf_add_byte(t->buf, (uint8_t)(count << 4 | element));
        return;
    }
    buf_add_byte(t->buf, (uint8_t)(0xf0 | element));
    put_varint(t, count);
}

void thrift_item_int(struct thrift_out *t, int64_t value)
{
    put_varint(t, zigzag(value));
}

void thrift_item_bool(struct thrift_out *t, bool value)
{
    buf_add_byte(t->buf, value ? THRIFT_TRUE : THRIFT_FALSE); /* false is 2, not 0 */
}

void thrift_item_binary(struct thrift_out *t, struct span value)
{
    put_varint(t, value.len);
    buf_add(t->buf, value.data, value.len);
}

void thrift_item_struct(struct thrift_out *t)
{
    push(t);
}

void thrift_raw_struct(struct thrift_out *t, int16_t id, const void *bytes, size_t len)
{
    put_field(t, id, THRIFT_STRUCT);
    buf_add(t->buf, bytes, len);
}

void thrift_fail(struct thrift_in *t)
{
    t->failed = true;
    t->at = t->end;
}

static uint8_t get_byte(struct thrift_in *t)
{
    if (t->at == t->end) {
        thrift_fail(t);
        return 0;
    }
    return *t->at++;
}

static uint64_t get_varint(struct thrift_in *t)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_byte(t);

        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    thrift_fail(t); /* longer than ten bytes */
    return 0;
}

static void enter(struct thrift_in *t)
{
    if (t->depth + 1 >= THRIFT_DEPTH_MAX)
        thrift_fail(t);
    else
        t->last[++t->depth] = 0;
}

void thrift_read(struct thrift_in *t, const void *data, size_t len)
{
    const uint8_t *at = data;

    *t = (struct thrift_in){.at = at, .end = at + len};
    enter(t);
}

bool thrift_next(struct thrift_in *t, struct thrift_field *ret)
{
    uint8_t byte;
    int64_t id;

    if (t->failed || t->depth == 0)
        return false;
    byte = get_byte(t);
    if (byte == THRIFT_STOP) {
        t->depth--;
        return false;
    }
    id = byte >> 4 ? t->last[t->depth] + (byte >> 4) : unzigzag(get_varint(t));
    if (id < INT16_MIN || id > INT16_MAX || (byte & 15) == 0 || (byte & 15) > THRIFT_STRUCT)
        thrift_fail(t);
    if (t->failed)
        return false;
    t->last[t->depth] = (int16_t)id;
    *ret = (struct thrift_field){(int16_t)id, (enum thrift_type)(byte & 15)};
    return true;
}

static bool is(struct thrift_in *t, struct thrift_field f, enum thrift_type type)
{
    if (f.type != type)
        thrift_fail(t);
    return !t->failed;
}

int64_t thrift_get_i64(struct thrift_in *t, struct thrift_field f)
{
    if (f.type == THRIFT_I16 || f.type == THRIFT_I32)
        f.type = THRIFT_I64;
    return is(t, f, THRIFT_I64) ? unzigzag(get_varint(t)) : 0;
}

int32_t thrift_get_i32(struct thrift_in *t, struct thrift_field f)
{
    int64_t value = thrift_get_i64(t, f);

    if (value < INT32_MIN || value > INT32_MAX) {
        thrift_fail(t);
        return 0;
    }
    return (int32_t)value;
}

bool thrift_get_bool(struct thrift_in *t, struct thrift_field f)
{
    if (f.type == THRIFT_FALSE)
        return false;
    return is(t, f, THRIFT_TRUE);
}

struct span thrift_get_binary(struct thrift_in *t, struct thrift_field f)
{
    return is(t, f, THRIFT_BINARY) ? thrift_get_item_binary(t) : (struct span){"", 0};
}

void thrift_enter(struct thrift_in *t, struct thrift_field f)
{
    if (is(t, f, THRIFT_STRUCT))
        enter(t);
}

/* Head of a list or set. Every element takes a byte at least, an empty struct too. */
static size_t get_list_head(struct thrift_in *t, uint8_t *ret_element)
{
    uint8_t byte = get_byte(t);
    uint64_t count = byte >> 4;

    if (count == 15)
        count = get_varint(t);
    if (count > (size_t)(t->end - t->at)) {
        thrift_fail(t);
        return 0;
    }
    *ret_element = byte & 15;
    return (size_t)count;
}

size_t thrift_get_list(struct thrift_in *t, struct thrift_field f, enum thrift_type element)
{
    uint8_t found = 0;
    size_t count;

    if (!is(t, f, THRIFT_LIST))
        return 0;
    count = get_list_head(t, &found);
    if (element == THRIFT_TRUE && found == THRIFT_FALSE)
        found = THRIFT_TRUE; /* both stand for "list of bool" */
    if (count && found != element) {
        thrift_fail(t);
        return 0;
    }
    return count;
}

int64_t thrift_get_item_int(struct thrift_in *t)
{
    return unzigzag(get_varint(t));
}

bool thrift_get_item_bool(struct thrift_in *t)
{
    uint8_t byte = get_byte(t);

    if (byte != THRIFT_TRUE && byte != THRIFT_FALSE)
        thrift_fail(t);
    return byte == THRIFT_TRUE;
}

static const uint8_t *get_bytes(struct thrift_in *t, uint64_t len)
{
    const uint8_t *at = t->at;

    if (len > (size_t)(t->end - at)) {
        thrift_fail(t);
        return NULL;
    }
    t->at += len;
    return at;
}

struct span thrift_get_item_binary(struct thrift_in *t)
{
    uint64_t len = get_varint(t);
    const uint8_t *at = get_bytes(t, len);

    return at ? (struct span){(const char *)at, (size_t)len} : (struct span){"", 0};
}

void thrift_enter_item(struct thrift_in *t)
{
    if (!t->failed)
        enter(t);
}

/* What is still to be skipped: `left` elements of a list or a map (keys and values take turns), or
 * the fields of a struct. */
struct skip {
    bool fields;
    uint64_t left;
    uint8_t element[2];
};

static void skip_push(struct thrift_in *t, struct skip *stack, unsigned *depth, struct skip what)
{
    if (*depth == THRIFT_DEPTH_MAX)
        thrift_fail(t);
    else
        stack[(*depth)++] = what;
}

static void skip_map(struct thrift_in *t, struct skip *stack, unsigned *depth)
{
    uint64_t count = get_varint(t);
    uint8_t types = count ? get_byte(t) : 0;

    if (count > (size_t)(t->end - t->at)) {
        thrift_fail(t);
        return;
    }
    skip_push(t, stack, depth,
        (struct skip){.left = 2 * count, .element = {(uint8_t)(types >> 4), types & 15}});
}

/* A value without parts is skipped at once; one with parts is pushed. */
static void skip_value(
    struct thrift_in *t, uint8_t type, bool item, struct skip *stack, unsigned *depth)
{
    uint8_t element = 0;
    size_t count;

    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (item)
            (void)get_byte(t);
        break;
    case THRIFT_I8:
        (void)get_byte(t);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        (void)get_varint(t);
        break;
    case THRIFT_DOUBLE:
        (void)get_bytes(t, 8);
        break;
    case THRIFT_BINARY:
        (void)get_bytes(t, get_varint(t));
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        count = get_list_head(t, &element);
        skip_push(t, stack, depth, (struct skip){.left = count, .element = {element, element}});
        break;
    case THRIFT_MAP:
        skip_map(t, stack, depth);
        break;
    case THRIFT_STRUCT:
        skip_push(t, stack, depth, (struct skip){.fields = true});
        break;
    default:
        thrift_fail(t);
    }
}

void thrift_skip(struct thrift_in *t, struct thrift_field f)
{
    struct skip stack[THRIFT_DEPTH_MAX];
    unsigned depth = 0;

    skip_value(t, (uint8_t)f.type, false, stack, &depth);
    while (depth > 0 && !t->failed) {
        struct skip *top = &stack[depth - 1];

        if (top->fields) {
            uint8_t byte = get_byte(t);

            if (byte == THRIFT_STOP) {
                depth--;
                continue;
            }
            if (byte >> 4 == 0)
                (void)get_varint(t); /* the id */
            skip_value(t, byte & 15, false, stack, &depth);
        } else if (top->left == 0) {
            depth--;
        } else {
            top->left--;
            skip_value(t, top->element[top->left & 1 ? 0 : 1], true, stack, &depth);
        }
    }
}
