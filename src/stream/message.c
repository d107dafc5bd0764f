#include "stream/message.h"

#include "stream/krn.h"

/* The primitive type of a `data` message: data;pt=number. */
enum primitive { PT_NUMBER, PT_BOOLEAN, PT_STRING, PT_OBJECT, PT_UNKNOWN };

static enum verdict reject(struct judgement *ret, enum reject_reason reason)
{
    ret->reason = reason;
    return VERDICT_REJECTED;
}

/* Takes the bytes up to `sign` or the end off the front, and the sign with them. */
static struct span take_until(struct span *text, char sign)
{
    const char *at = text->len ? memchr(text->data, sign, text->len) : NULL;
    struct span front = {text->data, at ? (size_t)(at - text->data) : text->len};
    size_t used = front.len + (at != NULL);

    text->data += used;
    text->len -= used;
    return front;
}

/* The components behind the name; `pt` absent means object, given twice the last one counts. */
static enum primitive primitive_of(struct span components)
{
    static const char *const names[] = {"number", "boolean", "string", "object"};
    enum primitive found = PT_OBJECT;

    while (components.len) {
        struct span value = take_until(&components, ';');
        struct span key = take_until(&value, '=');

        if (!span_is(key, "pt"))
            continue;
        found = PT_UNKNOWN;
        for (unsigned i = 0; i < PT_UNKNOWN; i++) {
            if (span_is(value, names[i]))
                found = (enum primitive)i;
        }
    }
    return found;
}

static enum verdict judge_number(const struct value *payload, struct judgement *ret)
{
    if (!number_value(&payload->number, &ret->value, &ret->inexact))
        return reject(ret, REJECT_OUT_OF_RANGE);
    return VERDICT_READING;
}

static enum verdict judge_payload(
    enum primitive pt, const struct value *payload, struct judgement *ret)
{
    bool number_allowed = pt == PT_NUMBER || pt == PT_OBJECT;
    bool boolean_allowed = pt == PT_BOOLEAN || pt == PT_OBJECT;

    ret->inexact = false;
    if (pt == PT_UNKNOWN)
        return reject(ret, REJECT_BAD_TYPE);
    switch (payload->kind) {
    case VALUE_ABSENT:
        return reject(ret, REJECT_NO_PAYLOAD);
    case VALUE_NUMBER:
        return number_allowed ? judge_number(payload, ret) : reject(ret, REJECT_NOT_NUMERIC);
    case VALUE_FALSE:
    case VALUE_TRUE:
        ret->value = payload->kind == VALUE_TRUE;
        return boolean_allowed ? VERDICT_READING : reject(ret, REJECT_NOT_NUMERIC);
    case VALUE_TEXT:
    case VALUE_OTHER:
        break;
    }
    return reject(ret, REJECT_NOT_NUMERIC);
}

static enum verdict judge_timestamp(const struct value *timestamp, struct timestamp_cache *cache,
    int64_t arrival_us, struct judgement *ret)
{
    bool ok = false;

    ret->cut_time = false;
    if (timestamp->kind == VALUE_TEXT) {
        ok = timestamp_text(cache, timestamp->text, &ret->timestamp_us, &ret->cut_time);
    } else if (timestamp->kind == VALUE_NUMBER) {
        ok = timestamp_number(&timestamp->number, &ret->timestamp_us, &ret->cut_time);
    } else if (timestamp->kind == VALUE_ABSENT) {
        ret->timestamp_us = arrival_us;
        ok = true;
    }
    return ok ? VERDICT_READING : reject(ret, REJECT_BAD_TIMESTAMP);
}

static enum verdict judge_data(const struct message *m, enum primitive pt,
    struct timestamp_cache *cache, int64_t arrival_us, struct judgement *ret)
{
    enum krn_kind kind;
    enum verdict verdict;

    if (m->resource.kind == VALUE_ABSENT)
        return VERDICT_IGNORED;
    if (m->resource.kind != VALUE_TEXT)
        return reject(ret, REJECT_BAD_RESOURCE);
    kind = krn_split(m->resource.text, &ret->asset, &ret->datastream);
    if (kind == KRN_BAD)
        return reject(ret, REJECT_BAD_RESOURCE);
    if (kind == KRN_OTHER)
        return VERDICT_IGNORED;
    if (ret->asset.len > MESSAGE_NAME_MAX || ret->datastream.len > MESSAGE_NAME_MAX)
        return reject(ret, REJECT_NAME_TOO_LONG);
    verdict = judge_payload(pt, &m->payload, ret);
    if (verdict != VERDICT_READING)
        return verdict;
    return judge_timestamp(&m->timestamp, cache, arrival_us, ret);
}

enum verdict message_judge(const struct message *m, struct timestamp_cache *cache,
    int64_t arrival_us, struct judgement *ret)
{
    struct span components = m->type.text, name;

    if (m->type.kind != VALUE_TEXT)
        return reject(ret, REJECT_NOT_MESSAGE);
    if (span_is(components, "data;pt=number")) /* nearly every message */
        return judge_data(m, PT_NUMBER, cache, arrival_us, ret);
    name = take_until(&components, ';');
    if (span_is(name, "data"))
        return judge_data(m, primitive_of(components), cache, arrival_us, ret);
    return span_is(name, "runtime_manifest") ? VERDICT_MANIFEST : VERDICT_IGNORED;
}
