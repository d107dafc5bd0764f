#include "databricks/error_body.h"

#include "databricks/retry_after.h"

#include <ctype.h>
#include <jansson.h>
#include <strings.h>

#define WORDS_MAX 65536

static struct span text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return (struct span){"", 0};
    return (struct span){json_string_value(value), json_string_length(value)};
}

/* Printable ASCII only: these go into texts as they are. */
static void keep(char *out, size_t size, struct span value)
{
    size_t n = 0;

    for (size_t i = 0; i < value.len && n + 1 < size; i++) {
        unsigned char c = (unsigned char)value.data[i];

        out[n++] = c > 0x20 && c < 0x7f ? (char)c : '_';
    }
    out[n] = '\0';
}

static void read_detail(const json_t *detail, struct error_body *ret)
{
    struct span type = text_of(detail, "@type"), value;
    const char *slash = type.len ? memrchr(type.data, '/', type.len) : NULL;

    if (slash)
        type = (struct span){slash + 1, type.len - (size_t)(slash + 1 - type.data)};
    if (span_is(type, "google.rpc.ErrorInfo")) {
        keep(ret->reason, sizeof(ret->reason), text_of(detail, "reason"));
    } else if (span_is(type, "google.rpc.RequestInfo")) {
        keep(ret->request_id, sizeof(ret->request_id), text_of(detail, "request_id"));
    } else if (span_is(type, "google.rpc.RetryInfo")) {
        value = text_of(detail, "retry_delay");
        (void)retry_info_parse(value, &ret->retry_after_us);
    }
}

static void read_code(const json_t *root, struct error_body *ret)
{
    static const char *const keys[] = {"error_code", "errorCode", "scimType"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !ret->code[0]; i++)
        keep(ret->code, sizeof(ret->code), text_of(root, keys[i]));
    if (json_is_integer(json_object_get(root, "error_code"))) {
        json_int_t number = json_integer_value(json_object_get(root, "error_code"));

        ret->numeric = true;
        if (number >= 0 && number <= 999)
            (void)snprintf(ret->code, sizeof(ret->code), "%d", (int)number);
    }
}

static void read_json(const json_t *root, struct error_body *ret)
{
    static const char *const keys[] = {"message", "error_description", "errorSummary", "detail"};
    const json_t *details = json_object_get(root, "details");
    struct span error = text_of(root, "error");
    struct span words = {"", 0};

    read_code(root, ret);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && words.len == 0; i++)
        words = text_of(root, keys[i]);
    if (words.len == 0)
        words = error; /* {"error":"..."} */
    else if (!ret->code[0])
        keep(ret->code, sizeof(ret->code), error); /* OAuth: a word beside its description */
    (void)buf_add(&ret->words, words.data, words.len);
    for (size_t i = 0; i < json_array_size(details); i++)
        read_detail(json_array_get(details, i), ret);
}

/* The bytes between <tag...> and the next '<'. */
static struct span inside(struct span html, const char *tag)
{
    size_t len = strlen(tag);

    for (size_t i = 0; i + len + 1 < html.len; i++) {
        size_t start = i + len + 1, end;

        if (html.data[i] != '<' || strncasecmp(html.data + i + 1, tag, len) != 0)
            continue;
        while (start < html.len && html.data[start] != '>')
            start++;
        if (start == html.len)
            break;
        for (end = ++start; end < html.len && html.data[end] != '<'; end++)
            ;
        return span_trim((struct span){html.data + start, end - start});
    }
    return (struct span){"", 0};
}

/* "CODE_NAME: message" */
static void read_text(struct span text, struct error_body *ret)
{
    size_t n = 0;

    while (n < text.len && (isupper((unsigned char)text.data[n]) || text.data[n] == '_'))
        n++;
    if (n >= 3 && n + 1 < text.len && text.data[n] == ':' && text.data[n + 1] == ' ') {
        keep(ret->code, sizeof(ret->code), (struct span){text.data, n});
        text.data += n + 2;
        text.len -= n + 2;
    }
    (void)buf_add(&ret->words, text.data, text.len < WORDS_MAX ? text.len : WORDS_MAX);
}

void error_body_read(struct span body, bool html, struct error_body *ret)
{
    struct span text = span_trim(body);

    *ret = (struct error_body){.retry_after_us = -1};
    buf_init(&ret->words, WORDS_MAX);
    if (text.len && text.data[0] == '{') {
        json_error_t error;
        json_t *root = json_loadb(text.data, text.len, JSON_ALLOW_NUL, &error);

        if (root) {
            read_json(root, ret);
            json_decref(root);
            return;
        }
    }
    if (html || (text.len && text.data[0] == '<')) {
        struct span title = inside(text, "pre");

        if (title.len == 0)
            title = inside(text, "title");
        (void)buf_add(&ret->words, title.data, title.len < WORDS_MAX ? title.len : WORDS_MAX);
        return;
    }
    read_text(text, ret);
}

void error_body_done(struct error_body *body)
{
    if (body->words.data)
        explicit_bzero(body->words.data, body->words.size);
    buf_done(&body->words);
}
