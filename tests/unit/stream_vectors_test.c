/* The conformance vectors of kelvin-stream.md 8 and each row of 8.1: once as written, which is the
 * scanner's way where it takes the line, and once with every line through jansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stream_feed.h"

#define T0 "1738326896789012" /* 2025-01-31T12:34:56.789012Z */
#define ONE "3ff0000000000000"
#define ZERO "0000000000000000"
#define STAMP "\"timestamp\":\"2025-01-31T12:34:56.789012Z\""
#define HEAD "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/b\","
#define WITH(payload) HEAD STAMP ",\"payload\":" payload "}"
#define AT(time) HEAD "\"timestamp\":" time ",\"payload\":1}"
#define TYPED(type, payload)                                                                       \
    "{\"type\":\"" type "\",\"resource\":\"krn:ad:a/b\"," STAMP ",\"payload\":" payload "}"
#define OF(resource)                                                                               \
    "{\"type\":\"data;pt=number\",\"resource\":\"" resource "\"," STAMP ",\"payload\":1}"
#define STORED(names) "S " names " " T0 " " ONE "\n"
#define STORED_AT(us) "S a|b " us " " ONE "\n"

/* want: the log of stream_feed.h; "R reason" stands for the whole reject; NULL: ignored. */
static const struct {
    const char *name, *line, *want;
} rows[] = {
    {"1", WITH("1"), STORED("a|b")},
    {"2", WITH("1.5e3"), "S a|b " T0 " 4097700000000000\n"},
    {"3", WITH("NaN"), "R not_json"},
    {"3 Infinity", WITH("-Infinity"), "R not_json"},
    {"4", WITH("1e400"), "R out_of_range"},
    {"4 minus", WITH("-1e400"), "R out_of_range"},
    {"5", WITH("true"), "R not_numeric"},
    {"6", WITH("\"12\""), "R not_numeric"},
    {"7", WITH("null"), "R no_payload"},
    {"8", HEAD STAMP "}", "R no_payload"},
    {"9", AT("\"2025-01-31T12:34:56.1+02:00\""), STORED_AT("1738319696100000")},
    {"10", AT("\"2025-01-31T12:34:56.123456789Z\""), STORED_AT("1738326896123456")},
    {"11", AT("1738326896.5"), STORED_AT("1738326896500000")},
    {"12", HEAD "\"payload\":1}", STORED_AT("1738326900000000")},
    {"13", AT("\"yesterday\""), "R bad_timestamp"},
    {"14", OF("krn:ad:a/b/c"), STORED("a|b/c")},
    {"15", OF("krn:ad:ab"), "R bad_resource"},
    {"16", OF("krn:am:a/b"), NULL},
    {"17", OF("krn:dqad:q:a/b"), NULL},
    {"18", TYPED("data;pt=boolean", "true"), STORED("a|b")},
    {"19", TYPED("data;pt=string", "\"hello\""), "R not_numeric"},
    {"20", TYPED("data;icd=x.y", "{\"k\":1}"), "R not_numeric"},
    {"21", TYPED("data;pt=integer", "1"), "R bad_type"},
    {"22", TYPED("database;pt=number", "1"), NULL},
    {"23", "{\"type\":\"parameter;pt=number\",\"resource\":\"krn:ap:a/b\"," STAMP ",\"payload\":1}",
        NULL},
    {"24", HEAD STAMP ",\"extra\":{\"deep\":[1]},\"payload\":1}", STORED("a|b")},
    {"25", OF("krn:ad:\\u0061\\/\\u0062"), STORED("a|b")},
    {"26", "", NULL},
    {"26 blanks", " \t\r", NULL},
    {"27", "not json", "R not_json"},
    {"28 list", "[1]", "R not_message"},
    {"28 object", "{}", "R not_message"},
    {"28 type null", "{\"type\":null,\"resource\":\"krn:ad:a/b\",\"payload\":1}", "R not_message"},
    {"31", "{\"type\":\"foo;bar=1\"}", NULL},
    {"33",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"batch_size\":500.0,"
        "\"upload_interval\":\"10\"}}}",
        "M usable 1 10.000000 1 500.000000\n"},
    {"34", "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{}}}",
        "M usable 0 0.000000 0 0.000000\n"},

    {"number only", TYPED("data;pt=number", "false"), "R not_numeric"},
    {"boolean only", TYPED("data;pt=boolean", "1"), "R not_numeric"},
    {"boolean false", TYPED("data;pt=boolean", "false"), "S a|b " T0 " " ZERO "\n"},
    {"numeric text", TYPED("data;pt=string", "\"12.5\""), "R not_numeric"},
    {"pt absent, number", TYPED("data", "1"), STORED("a|b")},
    {"pt absent, true", TYPED("data", "true"), STORED("a|b")},
    {"pt absent, false", TYPED("data", "false"), "S a|b " T0 " " ZERO "\n"},
    {"pt absent, text", TYPED("data", "\"1\""), "R not_numeric"},
    {"pt absent, list", TYPED("data", "[1]"), "R not_numeric"},
    {"pt object, number", TYPED("data;pt=object", "1"), STORED("a|b")},
    {"pt object with icd, true", TYPED("data;icd=x;pt=object", "true"), STORED("a|b")},
    {"icd, number", TYPED("data;icd=None", "1"), STORED("a|b")},
    {"pt behind others", TYPED("data;icd=x;pt=number", "1"), STORED("a|b")},
    {"pt twice: the last", TYPED("data;pt=string;pt=number", "1"), STORED("a|b")},
    {"pt without a value", TYPED("data;pt", "1"), "R bad_type"},
    {"pt empty", TYPED("data;pt=", "1"), "R bad_type"},
    {"a key that begins with pt", TYPED("data;ptx=string", "1"), STORED("a|b")},
    {"case matters", TYPED("Data;pt=number", "1"), NULL},
    {"null payload of an object", TYPED("data", "null"), "R no_payload"},
    {"timestamp null", AT("null"), STORED_AT("1738326900000000")},
    {"timestamp a list", AT("[1]"), "R bad_timestamp"},
    {"timestamp true", AT("true"), "R bad_timestamp"},
    {"resource null", "{\"type\":\"data\",\"resource\":null,\"payload\":1}", NULL},
    {"resource absent", "{\"type\":\"data\",\"payload\":1}", NULL},
    {"resource no KRN", OF("hello"), "R bad_resource"},
    {"resource krn:ad", OF("krn:ad"), "R bad_resource"},
    {"resource a number", "{\"type\":\"data\",\"resource\":1,\"payload\":1}", "R bad_resource"},
    {"no KRN, but no data", "{\"type\":\"control\",\"resource\":\"hello\",\"payload\":1}", NULL},
    {"empty asset", OF("krn:ad:/x"), STORED("|x")},
    {"empty stream", OF("krn:ad:a/"), STORED("a|")},
    {"control characters in a name", OF("krn:ad:a\\u0001/\\tb"), STORED("a\001|\tb")},
    {"manifest without payload", "{\"type\":\"runtime_manifest\"}",
        "M bad 0 0.000000 0 0.000000\n"},
    {"manifest, payload a list", "{\"type\":\"runtime_manifest\",\"payload\":[]}",
        "M bad 0 0.000000 0 0.000000\n"},
    {"manifest, configuration a text",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":\"x\"}}",
        "M bad 0 0.000000 0 0.000000\n"},
    {"manifest, no configuration", "{\"type\":\"runtime_manifest\",\"payload\":{}}",
        "M usable 0 0.000000 0 0.000000\n"},
    {"manifest, configuration null",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":null}}",
        "M usable 0 0.000000 0 0.000000\n"},
    {"manifest, wrong types",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"upload_interval\":true,"
        "\"batch_size\":\"many\"}}}",
        "M usable -1 0.000000 -1 0.000000\n"},
    {"manifest, null is absent",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"upload_interval\":null,"
        "\"batch_size\":\" 2e3 \"}}}",
        "M usable 0 0.000000 1 2000.000000\n"},
    {"manifest, out of range",
        "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"upload_interval\":1e400,"
        "\"batch_size\":-1}}}",
        "M usable -1 0.000000 1 -1.000000\n"},
    {"fault in an unused part", HEAD STAMP ",\"extra\":tru,\"payload\":1}", "R not_json"},
    {"range of an unused number", HEAD STAMP ",\"extra\":1e400,\"payload\":1}", STORED("a|b")},
    {"same key twice", HEAD STAMP ",\"payload\":2,\"payload\":1}", STORED("a|b")},
    {"same key twice, once escaped", HEAD STAMP ",\"payload\":2,\"pa\\u0079load\":1}",
        STORED("a|b")},
    {"same key twice, the last null", HEAD STAMP ",\"payload\":2,\"payload\":null}",
        "R no_payload"},

    {"carriage return", WITH("1") "\r", STORED("a|b")},
    {"other order, blanks",
        " { \"payload\" :\t1 , " STAMP " , \"resource\":\"krn:ad:a/b\" ,"
        "\"type\" : \"data;pt=number\" } ",
        STORED("a|b")},
    {"UTF-8 name", OF("krn:ad:p\xc3\xbcmp/\xf0\x9f\x98\x80"),
        STORED("p\xc3\xbcmp|\xf0\x9f\x98\x80")},
    {"escaped surrogates", OF("krn:ad:a/\\ud83d\\ude00"), STORED("a|\xf0\x9f\x98\x80")},
    {"lone surrogate", OF("krn:ad:a/\\ud83d"), "R not_json"},
    {"overlong UTF-8", OF("krn:ad:a/\xc0\xaf"), "R not_json"},
    {"cut UTF-8", OF("krn:ad:a/\xe2\x82"), "R not_json"},
    {"bad UTF-8 in an unused part", HEAD STAMP ",\"id\":\"\xff\",\"payload\":1}", "R not_json"},
    {"raw tab in a string", OF("krn:ad:a/\t"), "R not_json"},
    {"BOM in front of a later line", "\xef\xbb\xbf" WITH("1"), "R not_json"},
    {"something behind", WITH("1") "x", "R not_json"},
    {"two on a line", WITH("1") WITH("1"), "R not_json"},
    {"open quote", "{\"type\":\"data", "R not_json"},
    {"backslash at the end", "{\"type\":\"data\\", "R not_json"},
    {"comma at the end", HEAD STAMP ",\"payload\":1,}", "R not_json"},
    {"leading zero", WITH("01"), "R not_json"},
    {"plus", WITH("+1"), "R not_json"},
    {"point without digits", WITH("1."), "R not_json"},
    {"two points", WITH("1.2.3"), "R not_json"},
    {"hexadecimal", WITH("0x10"), "R not_json"},
    {"minus zero", WITH("-0.0"), "S a|b " T0 " 8000000000000000\n"},
    {"smallest subnormal", WITH("4.9e-324"), "S a|b " T0 " 0000000000000001\n"},
    {"underflow", WITH("-1e-400"), "S a|b " T0 " 8000000000000000\n"},
    {"NUL escaped in a key", HEAD STAMP ",\"a\\u0000\":1,\"payload\":1}", STORED("a|b")},
};

static struct span line_of(const char *text, struct buf *storage)
{
    buf_reset(storage);
    assert_true(buf_add_text(storage, text) && buf_add_byte(storage, '\n'));
    return (struct span){storage->data, storage->len};
}

/* The line between two good ones: neither may suffer. */
static void check_row(size_t i, bool slow)
{
    static const char good[] = WITH("1");
    const char *want = rows[i].want;
    struct buf text, expected;
    struct feed f;

    feed_open(&f, 4 << 20);
    decoder_slow_only(f.decoder, slow);
    buf_init(&text, 1 << 16);
    buf_init(&expected, 1 << 16);
    feed_lines(&f, line_of(good, &text));
    feed_lines(&f, line_of(rows[i].line, &text));
    feed_lines(&f, line_of(good, &text));
    (void)buf_add_text(&expected, STORED("a|b"));
    if (want && want[0] == 'R')
        (void)buf_printf(&expected, "%s %zu:%s\n", want, strlen(rows[i].line), rows[i].line);
    else if (want)
        (void)buf_add_text(&expected, want);
    (void)buf_add_text(&expected, STORED("a|b"));
    if (!span_equal(
            (struct span){f.log.data, f.log.len}, (struct span){expected.data, expected.len}))
        fail_msg("%s (%s way)\nwant\n%s\ngot\n%s", rows[i].name, slow ? "slow" : "usual",
            buf_text(&expected), buf_text(&f.log));
    assert_int_equal(decoder_counters(f.decoder)->lines, 3);
    assert_int_equal(feed_rejected(&f), want && want[0] == 'R');
    buf_done(&expected);
    buf_done(&text);
    feed_close(&f);
}

static void each_row_is_judged_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(i, false);
        check_row(i, true);
    }
}

static void ordinary_lines_take_the_fast_way(void **state)
{
    static const char *const lines[] = {WITH("1"), WITH("-12.5e-3"), AT("1738326896.5"),
        AT("\"2025-01-31\""), TYPED("data;pt=boolean", "true"), WITH("null"), OF("krn:am:a/b"),
        OF("krn:ad:\xc3\xa9/x"), " { \"type\" : \"data\" } \r",
        HEAD STAMP ",\"id\":\"x\",\"trace_id\":\"y\",\"n\":-1.5,\"t\":true,\"payload\":1}"};
    struct buf text;
    struct feed f;

    (void)state;
    feed_open(&f, 4 << 20);
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        feed_lines(&f, line_of(lines[i], &text));
    assert_int_equal(decoder_counters(f.decoder)->slow, 0);
    feed_lines(&f, line_of(OF("krn:ad:\\u0061/b"), &text));
    assert_int_equal(decoder_counters(f.decoder)->slow, 1);
    buf_done(&text);
    feed_close(&f);
}

/* 29, 30: the limit counts the line without its newline. */
static void a_line_of_the_limit_passes_and_one_byte_more_does_not(void **state)
{
    const size_t max = 4194304;
    char *line = malloc(max + 2);

    (void)state;
    assert_non_null(line);
    for (size_t more = 0; more < 2; more++) {
        static const char start[] = HEAD STAMP ",\"payload\":1,\"x\":\"";
        struct feed f;

        memset(line, 'x', max + more);
        memcpy(line, start, sizeof(start) - 1);
        memcpy(line + max + more - 2, "\"}", 2);
        line[max + more] = '\n';
        feed_open(&f, max);
        feed_bytes(&f, (struct span){line, max + more + 1}, 100000);
        feed_bytes(&f, span_of(WITH("1") "\n"), 1000);
        assert_int_equal(decoder_counters(f.decoder)->readings, 2 - more);
        assert_int_equal(decoder_counters(f.decoder)->rejected[REJECT_TOO_LONG], more);
        assert_int_equal(feed_rejected(&f), more);
        feed_close(&f);
    }
    free(line);
}

/* 35 */
static void the_piece_before_the_end_is_judged_or_cut(void **state)
{
    static const struct {
        const char *piece, *want;
    } pieces[] = {
        {WITH("1"), STORED("a|b")},
        {HEAD STAMP ",\"payload\":1", "R cut"},
        {"{\"type\":\"da", "R cut"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "R cut"},
        {WITH("\"x\""), "R not_numeric"},
        {"", ""},
        {"  ", ""},
        {"{\"type\":\"runtime_manifest\",\"payload\":{}}", "M usable 0 0.000000 0 0.000000\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char want[512];
        struct feed f;

        feed_open(&f, 4096);
        feed_bytes(&f, span_of(pieces[i].piece), 7);
        feed_end(&f);
        (void)snprintf(want, sizeof(want), "%s", pieces[i].want);
        if (want[0] == 'R')
            (void)snprintf(want, sizeof(want), "%s %zu:%s\n", pieces[i].want,
                strlen(pieces[i].piece), pieces[i].piece);
        assert_string_equal(buf_text(&f.log), want);
        assert_int_equal(decoder_counters(f.decoder)->lines, pieces[i].piece[0] != '\0');
        (void)feed_rejected(&f);
        feed_close(&f);
    }
}

static void nesting_of_64_passes_and_65_does_not(void **state)
{
    (void)state;
    for (size_t depth = 64; depth <= 65; depth++) {
        struct buf text;
        struct feed f;

        feed_open(&f, 4096);
        buf_init(&text, 4096);
        (void)buf_add_text(&text, HEAD STAMP ",\"payload\":1,\"x\":");
        for (size_t i = 1; i < depth; i++)
            (void)buf_add_byte(&text, '[');
        for (size_t i = 1; i < depth; i++)
            (void)buf_add_byte(&text, ']');
        (void)buf_add_text(&text, "}\n");
        feed_lines(&f, (struct span){text.data, text.len});
        assert_int_equal(decoder_counters(f.decoder)->readings, depth == 64);
        assert_int_equal(decoder_counters(f.decoder)->rejected[REJECT_TOO_DEEP], depth == 65);
        buf_done(&text);
        feed_close(&f);
    }
}

static void names_of_1024_bytes_pass_and_longer_ones_do_not(void **state)
{
    (void)state;
    for (int place = 0; place < 2; place++) {
        for (size_t len = 1024; len <= 1025; len++) {
            static const char *const ends[2][2] = {
                {HEAD "\"resource\":\"krn:ad:", "/b\",\"payload\":1}\n"},
                {HEAD "\"resource\":\"krn:ad:a/", "\",\"payload\":1}\n"},
            };
            struct buf line;
            struct feed f;

            buf_init(&line, 4096);
            (void)buf_add_text(&line, ends[place][0]);
            for (size_t i = 0; i < len; i++)
                (void)buf_add_byte(&line, 'n');
            (void)buf_add_text(&line, ends[place][1]);
            feed_open(&f, 4096);
            feed_lines(&f, (struct span){line.data, line.len});
            assert_int_equal(decoder_counters(f.decoder)->readings, len == 1024);
            assert_int_equal(
                decoder_counters(f.decoder)->rejected[REJECT_NAME_TOO_LONG], len == 1025);
            buf_done(&line);
            feed_close(&f);
        }
    }
}

/* 5 readings and 3 series fit; a line that was turned away leaves no trace until it is taken. */
static void full_tables_stop_before_the_line(void **state)
{
    static const char text[] = OF("krn:ad:a/1") "\n" OF("krn:ad:a/2") "\n" OF(
        "krn:ad:a/x") "\n" WITH("true") "\n" OF("krn:ad:b/1") "\n" WITH("1") "\n";
    struct decode_event event;
    struct feed f;
    size_t used;
    struct span in = {text, sizeof(text) - 1};

    (void)state;
    feed_open(&f, 4096);
    assert_int_equal(
        decoder_run(f.decoder, in, 0, f.series, &f.readings, &used, &event), DECODE_REJECTED);
    assert_int_equal(f.readings.count, 3);
    in = (struct span){in.data + used, in.len - used};
    assert_int_equal(
        decoder_run(f.decoder, in, 0, f.series, &f.readings, &used, &event), DECODE_SERIES_FULL);
    assert_int_equal(used, 0);
    assert_int_equal(decoder_counters(f.decoder)->lines, 4);
    assert_int_equal(decoder_counters(f.decoder)->readings, 3);
    series_clear(f.series);
    f.readings.count = 4;
    assert_int_equal(
        decoder_run(f.decoder, in, 0, f.series, &f.readings, &used, &event), DECODE_READINGS_FULL);
    assert_int_equal(f.readings.count, 5);
    assert_true(used > 0 && used < in.len);
    assert_int_equal(series_count(f.series), 1);
    feed_close(&f);
}

static void counters_say_what_was_lost(void **state)
{
    struct buf text;
    struct feed f;
    const struct decoder_counters *c;

    (void)state;
    feed_open(&f, 4096);
    buf_init(&text, 1 << 16);
    c = decoder_counters(f.decoder);
    feed_lines(&f, line_of(WITH("9007199254740992"), &text));
    feed_lines(&f, line_of(WITH("100000000000000000000"), &text)); /* 10^20 is exact */
    feed_lines(&f, line_of(WITH("0.1"), &text));
    assert_int_equal(c->inexact, 0);
    feed_lines(&f, line_of(WITH("9007199254740993"), &text));
    feed_lines(&f, line_of(WITH("-100000000000000000001"), &text));
    assert_int_equal(c->inexact, 2);
    feed_lines(&f, line_of(AT("\"2025-01-31T12:34:56.123456000Z\""), &text));
    assert_int_equal(c->cut_times, 0);
    feed_lines(&f, line_of(AT("\"2025-01-31T12:34:56.123456001Z\""), &text));
    assert_int_equal(c->cut_times, 1);
    feed_lines(&f, line_of(AT("\"2025-02-01T12:35:00Z\""), &text)); /* arrival and a day */
    assert_int_equal(c->future, 0);
    feed_lines(&f, line_of(AT("\"2025-02-01T12:35:00.000001Z\""), &text));
    assert_int_equal(c->future, 1);
    assert_int_equal(c->readings, 9);
    buf_done(&text);
    feed_close(&f);
}

/* 34: each manifest is a stop of its own, and replaces the one before. */
static void later_manifests_are_told_too(void **state)
{
    struct feed f;

    (void)state;
    feed_open(&f, 4096);
    feed_lines(&f,
        span_of(
            "{\"type\":\"runtime_manifest\",\"payload\":{\"configuration\":{\"batch_size\":7}}}\n"
            "{\"type\":\"runtime_manifest;v=2\",\"payload\":{\"configuration\":{}}}\n"));
    assert_int_equal(decoder_counters(f.decoder)->manifests, 2);
    assert_int_equal(decoder_counters(f.decoder)->ignored, 2);
    assert_true(f.manifest.usable && !f.manifest.has_batch_size && !f.manifest.bad_batch_size);
    feed_close(&f);
}

static void every_reason_has_its_name(void **state)
{
    (void)state;
    for (int i = 0; i < REJECT_REASONS; i++) {
        const char *name = reject_reason_name((enum reject_reason)i);

        assert_non_null(name);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, reject_reason_name((enum reject_reason)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_judged_as_written),
        cmocka_unit_test(ordinary_lines_take_the_fast_way),
        cmocka_unit_test(a_line_of_the_limit_passes_and_one_byte_more_does_not),
        cmocka_unit_test(the_piece_before_the_end_is_judged_or_cut),
        cmocka_unit_test(nesting_of_64_passes_and_65_does_not),
        cmocka_unit_test(names_of_1024_bytes_pass_and_longer_ones_do_not),
        cmocka_unit_test(full_tables_stop_before_the_line),
        cmocka_unit_test(counters_say_what_was_lost),
        cmocka_unit_test(later_manifests_are_told_too),
        cmocka_unit_test(every_reason_has_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
