/* Bad lines are bad, each in its own way and in no other; the manifest; the JSON check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "simulator/bad.h"
#include "simulator/json_check.h"
#include "simulator/manifest.h"
#include "simulator/time_text.h"

static void the_json_check_knows_json(void **state)
{
    static const struct {
        const char *text;
        bool want;
        const char *type;
    } rows[] = {{"{}", true, ""}, {"[]", true, ""}, {" [1, -2.5e+3, true,null] ", true, ""},
        {"{\"type\":\"a;b\",\"x\":{\"type\":\"c\"}}", true, "a;b"},
        {"{\"x\":{\"type\":\"c\"},\"type\":\"d\"}", true, "d"}, {"{\"type\":1}", true, ""},
        {"\"\\u00e4\\n\"", true, ""}, {"0", true, ""}, {"-0.0", true, ""}, {"", false, NULL},
        {" ", false, NULL}, {"{", false, NULL}, {"}", false, NULL}, {"{]", false, NULL},
        {"[1,]", false, NULL}, {"{\"a\":1,}", false, NULL}, {"{\"a\"}", false, NULL},
        {"{a:1}", false, NULL}, {"[1 2]", false, NULL}, {"01", false, NULL}, {"1.", false, NULL},
        {".5", false, NULL}, {"+1", false, NULL}, {"1e", false, NULL}, {"NaN", false, NULL},
        {"\"a", false, NULL}, {"\"\\x\"", false, NULL}, {"\"\\u12g4\"", false, NULL},
        {"\"\t\"", false, NULL}, {"1 2", false, NULL}, {"tru", false, NULL},
        {"\"\xc3\x28\"", false, NULL}};
    struct span type;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        type = span_of("unset");
        if (json_check(span_of(rows[i].text), &type) != rows[i].want)
            fail_msg("%s", rows[i].text);
        if (rows[i].want)
            assert_true(span_is(type, rows[i].type));
    }
}

/* The text between `before` and `after`, or "" when there is none. */
static void between(char *out, const char *line, const char *before, const char *after)
{
    const char *at = strstr(line, before);
    const char *end = at == NULL ? NULL : strstr(at + strlen(before), after);

    out[0] = '\0';
    if (end == NULL)
        return;
    at += strlen(before);
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
}

/* What our client's rules (kelvin-stream.md 8, 8.1) find wrong in a line of the SDK's form. */
static const char *fault(const char *line, size_t len)
{
    static char type[8192], resource[8192], stamp[8192], payload[8192];
    double number;
    int64_t us;

    if (len == 0)
        return "empty";
    if (!json_check((struct span){line, len}, NULL))
        return "not json";
    between(type, line, "\"type\":\"", "\"");
    between(resource, line, "\"resource\":\"", "\"");
    between(stamp, line, "\"timestamp\":\"", "\"");
    between(payload, line, "\"payload\":", "}");
    if (type[0] == '\0' || line[0] != '{')
        return "no message";
    if (strcmp(type, "data;pt=number") != 0)
        return "type";
    if (strncmp(resource, "krn:ad:", 7) != 0 || strchr(resource, '/') == NULL)
        return "resource";
    if (!time_text_parse(span_of(stamp), &us))
        return "timestamp";
    if (payload[0] == '\0')
        return "no payload";
    if (strspn(payload, "-+.eE0123456789 ") != strlen(payload))
        return "payload type";
    return time_text_number(span_of(payload), &number) ? "none" : "range";
}

static void every_kind_has_its_fault(void **state)
{
    static const char *const want[SIMULATOR_BADS] = {"not json", "empty", "payload type",
        "no payload", "not json", "not json", "range", "type", "not json", "not json", "timestamp",
        "resource", "not json", "not json", "no message", "not json", "none"};
    const size_t long_bytes = 5000;
    char *out = malloc(bad_line_max(UINT32_MAX, long_bytes) + 1);
    struct line_form form;
    struct stamp stamp;
    struct err err = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    stamp_init(&stamp);
    stamp_set(&stamp, 1738326896789012);
    assert_true(line_form_init(
        &form, "data;pt=number", span_of("a"), span_of("b"), span_of("krn:wl:n/w"), true, &err));
    for (unsigned kind = 0; kind < SIMULATOR_BADS; kind++)
        for (unsigned turn = 0; turn < 8; turn++) {
            size_t len =
                bad_line(out, (enum simulator_bad)kind, turn, long_bytes, &form, &stamp, &rng);

            assert_true(len <= bad_line_max(UINT32_C(1) << kind, long_bytes));
            assert_null(memchr(out, '\n', len)); /* one line, whatever is wrong with it */
            out[len] = '\0';
            if (strcmp(fault(out, len), want[kind]) != 0)
                fail_msg("%s turn %u: %s (%s)", simulator_bad_name((enum simulator_bad)kind), turn,
                    fault(out, len), out);
            if (kind == SIMULATOR_BAD_TOO_LONG)
                assert_int_equal(len, long_bytes);
        }
    line_form_done(&form);
    free(out);
}

static void broken_utf8_is_json_but_for_that(void **state)
{
    char out[8192];
    struct line_form form;
    struct stamp stamp;
    struct err err = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    stamp_init(&stamp);
    stamp_set(&stamp, 0);
    assert_true(line_form_init(
        &form, "data;pt=number", span_of("a"), span_of("b"), span_of(""), false, &err));
    for (unsigned turn = 0; turn < 4; turn++) {
        size_t len = bad_line(out, SIMULATOR_BAD_UTF8, turn, 0, &form, &stamp, &rng);

        assert_false(str_utf8_valid(out, len));
        for (size_t i = 0; i < len; i++)
            if ((unsigned char)out[i] >= 0x80)
                out[i] = 'x';
        assert_true(json_check((struct span){out, len}, NULL));
    }
    line_form_done(&form);
}

static void other_lines_are_good_json_and_no_reading(void **state)
{
    char out[OTHER_LINE_MAX + 1];
    struct stamp stamp;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    stamp_init(&stamp);
    stamp_set(&stamp, 0);
    for (unsigned turn = 0; turn < 14; turn++) {
        size_t len = other_line(out, turn, &stamp, &rng);
        struct span type;

        out[len] = '\0';
        assert_true(json_check((struct span){out, len}, &type));
        assert_true(type.len > 0);
        assert_true(strstr(out, "\"data;") == NULL || strstr(out, "\"krn:ad:") == NULL);
    }
}

static void the_manifest_has_the_form_of_the_publisher(void **state)
{
    static const struct span assets[] = {{"test-asset-1", 12}};
    struct manifest m = {0};
    struct buf out;
    struct err err = {0};
    struct rng rng;
    char *id;

    (void)state;
    rng_seed(&rng, 5);
    buf_init(&out, MANIFEST_MAX + 8);
    assert_true(manifest_init(&m, assets, 1, &err));
    assert_true(manifest_line(&m, &out, 1738326896789012, 60, 1000, false, &rng, &err));
    (void)buf_text(&out);
    id = strstr(out.data, "\"id\":\"");
    assert_non_null(id);
    memset(id + 6, 'I', 36);
    assert_string_equal(out.data,
        "{\"type\":\"runtime_manifest\",\"resource\":\"krn:wlappv:test_node/test_workload:"
        "databricks-volume-uploader/1.0.0\",\"id\":\"IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII\","
        "\"timestamp\":\"2025-01-31T12:34:56.789012Z\",\"payload\":{\"resources\":[{\"resource\":"
        "\"krn:asset:test-asset-1\",\"datastreams\":{},\"properties\":{},\"parameters\":{},"
        "\"data_quality\":{},\"type\":\"\",\"name\":\"\"}],\"configuration\":{\"upload_interval\":"
        "60,"
        "\"batch_size\":1000},\"datastreams\":[],\"custom_actions\":[]}}\n");
    assert_true(manifest_line(&m, &out, 0, -1, 7, true, &rng, &err));
    assert_non_null(strstr(buf_text(&out), "\"configuration\":{\"batch_size\":7}"));
    assert_true(out.len > 2 && memcmp(out.data + out.len - 2, "\r\n", 2) == 0);
    assert_true(manifest_line(&m, &out, 0, -1, -1, false, &rng, &err));
    assert_non_null(strstr(buf_text(&out), "\"configuration\":{}"));
    buf_done(&out);
    manifest_done(&m);
}

static void too_many_assets_are_refused(void **state)
{
    const size_t count = 40000;
    struct span *assets = calloc(count, sizeof(*assets));
    struct manifest m = {0};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < count; i++)
        assets[i] = span_of("an-asset-with-a-long-name");
    assert_false(manifest_init(&m, assets, count, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    manifest_done(&m);
    free(assets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_json_check_knows_json),
        cmocka_unit_test(every_kind_has_its_fault),
        cmocka_unit_test(broken_utf8_is_json_but_for_that),
        cmocka_unit_test(other_lines_are_good_json_and_no_reading),
        cmocka_unit_test(the_manifest_has_the_form_of_the_publisher),
        cmocka_unit_test(too_many_assets_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
