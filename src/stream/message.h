/* stream/message.h: the parts of a message that count, and what is made of them.
 *
 * Shape    both ways of reading a line (scanner.h, jsonline.h) fill a struct message; one set of
 *          rules, message_judge, says what it is. So the two ways cannot judge differently.
 * Units    microseconds since 1970-01-01 UTC.
 * Limits   names of MESSAGE_NAME_MAX bytes.
 * Owner    spans borrow from the line, or from the parsed tree.
 * Threads  one cache, one thread.
 * Source   kelvin-stream.md 2.1, 2.3, 3.1, 8, 8.1; durability.md 14.
 */
#ifndef STREAM_MESSAGE_H
#define STREAM_MESSAGE_H

#include "stream/decoder.h"
#include "stream/number.h"
#include "stream/timestamp.h"

#define MESSAGE_NAME_MAX 1024

enum value_kind {
    VALUE_ABSENT, /* or null: the same everywhere */
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_OTHER, /* an object or a list */
};

struct value {
    enum value_kind kind;
    struct span text;     /* VALUE_TEXT: unescaped */
    struct number number; /* VALUE_NUMBER */
};

struct message {
    struct value type, resource, timestamp, payload;
    struct value other; /* where the scanner puts the values of all other keys: not to be read */
};

enum verdict { VERDICT_READING, VERDICT_IGNORED, VERDICT_MANIFEST, VERDICT_REJECTED };

struct judgement {
    enum reject_reason reason; /* VERDICT_REJECTED; the rest: VERDICT_READING */
    int64_t timestamp_us;
    double value;
    struct span asset, datastream;
    bool inexact; /* for the counters of these names */
    bool cut_time;
};

/* The order of the checks decides which reason a line with several faults gets: type, resource,
 * names, pt, payload, timestamp. */
enum verdict message_judge(const struct message *m, struct timestamp_cache *cache,
    int64_t arrival_us, struct judgement *ret);

#endif
