#include "simulator/out.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KIND_BITS 3
#define KIND_MASK 7u

bool out_init(struct out *out, size_t bytes, struct err *err)
{
    assert(bytes < (size_t)1 << (32 - KIND_BITS));
    *out = (struct out){.size = bytes, .marks_max = bytes / 64 + 1};
    out->data = malloc(bytes);
    out->marks = calloc(out->marks_max, sizeof(*out->marks));
    if (out->data == NULL || out->marks == NULL) {
        out_done(out);
        return err_set(err, ERR_FULL, 0, "no memory for %zu bytes of lines", bytes);
    }
    return true;
}

void out_done(struct out *out)
{
    free(out->data);
    free(out->marks);
    *out = (struct out){0};
}

static size_t mark_end(const struct out *out, size_t i)
{
    return out->marks[i] >> KIND_BITS;
}

static enum out_kind mark_kind(const struct out *out, size_t i)
{
    return (enum out_kind)(out->marks[i] & KIND_MASK);
}

bool out_is_empty(const struct out *out)
{
    return out->next == out->marks_count;
}

size_t out_line_start(const struct out *out)
{
    return out->next == 0 ? 0 : mark_end(out, out->next - 1);
}

/* Moves what is not sent to the front. */
static void compact(struct out *out)
{
    size_t start = out_line_start(out);
    size_t count = out->marks_count - out->next;

    if (start == 0)
        return;
    memmove(out->data, out->data + start, out->len - start);
    for (size_t i = 0; i < count; i++)
        out->marks[i] = out->marks[out->next + i] - ((uint32_t)start << KIND_BITS);
    out->marks_count = count;
    out->next = 0;
    out->len -= start;
    out->pos -= start;
}

bool out_has_room(struct out *out, size_t bytes)
{
    if (out->size - out->len >= bytes && out->marks_count < out->marks_max)
        return true;
    /* Only when half of it is free: moving a few bytes for every line would cost a lot. */
    if (out_line_start(out) < out->size / 2 && !out_is_empty(out))
        return false;
    compact(out);
    return out->size - out->len >= bytes && out->marks_count < out->marks_max;
}

char *out_end(const struct out *out)
{
    return out->data + out->len;
}

void out_add(struct out *out, const char *end, enum out_kind kind)
{
    out->len = (size_t)(end - out->data);
    assert(out->len <= out->size && out->marks_count < out->marks_max);
    out->marks[out->marks_count++] = (uint32_t)out->len << KIND_BITS | (uint32_t)kind;
}

static bool is_message(enum out_kind kind)
{
    return kind != OUT_BAD && kind != OUT_OTHER;
}

size_t out_after_messages(const struct out *out, uint64_t n)
{
    size_t end = out_line_start(out);

    for (size_t i = out->next; i < out->marks_count && n > 0; i++) {
        end = mark_end(out, i);
        if (is_message(mark_kind(out, i)))
            n--;
    }
    return n > 0 ? out->len : end;
}

void out_sent(struct out *out, size_t n)
{
    out->pos += n;
    assert(out->pos <= out->len);
    while (out->next < out->marks_count && mark_end(out, out->next) <= out->pos)
        out->sent[mark_kind(out, out->next++)]++;
    if (out_is_empty(out))
        out->pos = out->len = out->next = out->marks_count = 0;
}

void out_rewind(struct out *out)
{
    out->pos = out_line_start(out);
}

uint64_t out_messages_sent(const struct out *out)
{
    return out->sent[OUT_READING] + out->sent[OUT_LATE] + out->sent[OUT_REPEAT] +
           out->sent[OUT_TEXT];
}
