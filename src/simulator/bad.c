#include "simulator/bad.h"

#include <stdio.h>

#define DEEP 2000
#define VARIANTS 4

static const char *const texts_not_json[VARIANTS] = {
    "not json", "{\"type\":", "{'type':'data;pt=number'}", "{\"type\":\"data;pt=number\",}"};
static const char *const texts_array[VARIANTS] = {"[1]", "{}", "null", "\"data;pt=number\""};
static const char *const texts_payload[VARIANTS] = {"\"12\"", "true", "null", "{\"value\":12}"};
static const char *const texts_nan[VARIANTS] = {"NaN", "Infinity", "-Infinity", "nan"};
static const char *const texts_range[VARIANTS] = {"1e400", "-1e400", "1e309", "2e999999999"};
static const char *const texts_trailing[VARIANTS] = {"}", ",", "{\"a\":1}", "x"};
static const char *const texts_utf8[VARIANTS] = {
    "krn:ad:a\xff/b", "krn:ad:a/\xc3\x28", "krn:ad:a/\xed\xa0\x80", "krn:ad:\xc0\xaf/b"};
static const char *const texts_control[VARIANTS] = {
    "krn:ad:a\x01/b", "krn:ad:a/b\tc", "krn:ad:a/\x1f", "krn:ad:a/b\rc"};
static const char *const texts_resource[VARIANTS] = {
    "krn:ad:no-slash", "no krn at all", "krn:", "ad:a/b"};
static const char *const texts_stamp[VARIANTS] = {
    "yesterday", "2025-02-30T00:00:00.000000Z", "2025-01-31T24:00:01.000000Z", "2025-01-31T12:3"};

size_t bad_line_max(uint32_t mask, uint64_t too_long_bytes)
{
    size_t max = LINE_FORM_MAX + 2 * DEEP + 64;

    if ((mask & UINT32_C(1) << SIMULATOR_BAD_TOO_LONG) != 0 && too_long_bytes > max)
        max = too_long_bytes;
    return max;
}

static size_t put(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return len;
}

/* A line whose envelope is right as far as the form goes. */
static size_t with_payload(char *out, const struct line_form *form, const struct stamp *stamp,
    struct rng *rng, const char *payload)
{
    char *at = line_begin(out, form, stamp, rng);

    at += put(at, payload);
    *at++ = '}';
    return (size_t)(at - out);
}

/* A line with a type, a resource and a timestamp of its own. None holds a quote or a backslash. */
static size_t envelope(char *out, const char *type, const char *resource, const char *stamp,
    struct rng *rng, const char *payload)
{
    char id[LINE_UUID_LEN];
    int n;

    line_uuid(id, rng);
    n = snprintf(out, OTHER_LINE_MAX,
        "{\"type\":\"%s\",\"resource\":\"%s\",\"id\":\"%.36s\",\"timestamp\":\"%s\",\"payload\":%"
        "s}",
        type, resource, id, stamp, payload);
    return n < 0 ? 0 : (size_t)n;
}

static size_t without_payload(
    char *out, const struct line_form *form, const struct stamp *stamp, struct rng *rng)
{
    size_t len = (size_t)(line_begin(out, form, stamp, rng) - out) - strlen(",\"payload\":");

    out[len++] = '}';
    return len;
}

static size_t open_quote(char *out, uint64_t turn, const struct line_form *form,
    const struct stamp *stamp, struct rng *rng)
{
    char *at = line_begin(out, form, stamp, rng);

    if (turn % 2 == 0) /* the quote behind the timestamp is missing */
        return (size_t)(at - out) - strlen("\",\"payload\":");
    at += put(at, "\"12"); /* the payload never ends; the line end would be inside of it */
    *at++ = '}';
    return (size_t)(at - out);
}

static size_t deep(
    char *out, const struct line_form *form, const struct stamp *stamp, struct rng *rng)
{
    char *at = line_begin(out, form, stamp, rng);

    memset(at, '[', DEEP);
    memset(at + DEEP, ']', DEEP);
    at[2 * DEEP] = '}';
    return (size_t)(at - out) + 2 * DEEP + 1;
}

/* Good but for its length: blanks before the payload. */
static size_t too_long(char *out, uint64_t bytes, const struct line_form *form,
    const struct stamp *stamp, struct rng *rng)
{
    size_t head = (size_t)(line_begin(out, form, stamp, rng) - out);

    if (bytes < head + 4)
        bytes = head + 4;
    memset(out + head, ' ', bytes - head);
    memcpy(out + bytes - 4, "1.5}", 4);
    return bytes;
}

size_t bad_line(char *out, enum simulator_bad kind, uint64_t turn, uint64_t too_long_bytes,
    const struct line_form *form, const struct stamp *stamp, struct rng *rng)
{
    const size_t v = turn % VARIANTS;
    static const char number[] = "data;pt=number";
    size_t len;

    switch (kind) {
    case SIMULATOR_BAD_NOT_JSON:
        return put(out, texts_not_json[v]);
    case SIMULATOR_BAD_EMPTY:
        return 0;
    case SIMULATOR_BAD_PAYLOAD_TYPE:
        return with_payload(out, form, stamp, rng, texts_payload[v]);
    case SIMULATOR_BAD_NO_PAYLOAD:
        return without_payload(out, form, stamp, rng);
    case SIMULATOR_BAD_UTF8:
        return envelope(out, number, texts_utf8[v], stamp->text, rng, "1.5");
    case SIMULATOR_BAD_NAN:
        return with_payload(out, form, stamp, rng, texts_nan[v]);
    case SIMULATOR_BAD_RANGE:
        return with_payload(out, form, stamp, rng, texts_range[v]);
    case SIMULATOR_BAD_PT:
        return envelope(out, "data;pt=integer", "krn:ad:a/b", stamp->text, rng, "12");
    case SIMULATOR_BAD_OPEN_QUOTE:
        return open_quote(out, turn, form, stamp, rng);
    case SIMULATOR_BAD_CUT:
        return with_payload(out, form, stamp, rng, "1.5") / 2;
    case SIMULATOR_BAD_TIMESTAMP:
        return envelope(out, number, "krn:ad:a/b", texts_stamp[v], rng, "1.5");
    case SIMULATOR_BAD_RESOURCE:
        return envelope(out, number, texts_resource[v], stamp->text, rng, "1.5");
    case SIMULATOR_BAD_CONTROL:
        return envelope(out, number, texts_control[v], stamp->text, rng, "1.5");
    case SIMULATOR_BAD_TRAILING:
        len = with_payload(out, form, stamp, rng, "1.5");
        return len + put(out + len, texts_trailing[v]);
    case SIMULATOR_BAD_ARRAY:
        return put(out, texts_array[v]);
    case SIMULATOR_BAD_DEEP:
        return deep(out, form, stamp, rng);
    case SIMULATOR_BAD_TOO_LONG:
        return too_long(out, too_long_bytes, form, stamp, rng);
    case SIMULATOR_BADS:
        break;
    }
    return 0;
}

size_t other_line(char *out, uint64_t turn, const struct stamp *stamp, struct rng *rng)
{
    static const struct {
        const char *type, *resource, *payload;
    } lines[] = {
        {"parameter;pt=number", "krn:ap:test-asset-1/threshold", "59.0"},
        {"data;pt=number", "krn:dqad:kelvin_timestamp_anomaly:test-asset-1/speed", "0.98"},
        {"data;pt=number", "krn:dqasset:kelvin_data_availability:test-asset-1", "100.0"},
        {"data;pt=number", "krn:am:test-asset-1/speed", "12.5"},
        {"control-status", "krn:ad:test-asset-1/speed",
            "{\"state\":\"applied\",\"message\":\"ok\"}"},
        {"foo;bar=1", "krn:ad:test-asset-1/speed", "1"},
        {"database;pt=number", "krn:ad:test-asset-1/speed", "1.5"},
    };
    size_t i = turn % (sizeof(lines) / sizeof(lines[0]));

    return envelope(out, lines[i].type, lines[i].resource, stamp->text, rng, lines[i].payload);
}
