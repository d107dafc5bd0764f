/* What a single line may cost in memory: lines at the limit of length that are all structure. jansson's
 * tree is measured through its own allocation functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <malloc.h>

#include "stream_feed.h"

#define LINE_BYTES 4194304U
#define GOOD                                                                                       \
    "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/b\","                                    \
    "\"timestamp\":\"2025-01-31T12:34:56.789012Z\",\"payload\":1}\n"
#define GOOD_LOG "S a|b 1738326896789012 3ff0000000000000\n"
#define TREE_BYTES_MAX (24U << 20)

static size_t live, most;

static void *counted_malloc(size_t size)
{
    void *p = malloc(size);

    live += p ? malloc_usable_size(p) : 0;
    most = live > most ? live : most;
    return p;
}

static void counted_free(void *p)
{
    live -= p ? malloc_usable_size(p) : 0;
    free(p);
}

/* `start`, then `part` again and again, then `end`: exactly `size` bytes with blanks in front of the
 * end, and the newline. One '#' in `part` is a number, another one each time. */
static void make_line(
    struct buf *line, const char *start, const char *part, const char *end, size_t size)
{
    size_t tail = strlen(end);

    buf_reset(line);
    (void)buf_add_text(line, start);
    for (unsigned i = 0; line->len + strlen(part) + 5 + tail <= size; i++) {
        const char *number = strchr(part, '#');

        if (number) {
            (void)buf_add(line, part, (size_t)(number - part));
            (void)buf_printf(line, "%06x", i);
            (void)buf_add_text(line, number + 1);
        } else {
            (void)buf_add_text(line, part);
        }
    }
    if (line->len && line->data[line->len - 1] == ',')
        line->len--;
    while (line->len + tail < size)
        (void)buf_add_byte(line, ' ');
    (void)buf_add_text(line, end);
    (void)buf_add_byte(line, '\n');
    assert_int_equal(line->len, size + 1);
}

/* The line between two good ones, both ways; the log without the rejected line itself. */
static void check(const struct buf *line, bool rejected)
{
    for (int slow = 0; slow < 2; slow++) {
        const struct decoder_counters *c;
        struct feed f;

        feed_open(&f, LINE_BYTES);
        decoder_slow_only(f.decoder, slow);
        c = decoder_counters(f.decoder);
        live = most = 0;
        feed_bytes(&f, span_of(GOOD), 1000);
        feed_bytes(&f, (struct span){line->data, line->len}, 100000);
        feed_bytes(&f, span_of(GOOD), 1000);
        assert_in_range(most, 0, TREE_BYTES_MAX);
        assert_int_equal(live, 0);
        assert_int_equal(c->lines, 3);
        assert_int_equal(feed_rejected(&f), rejected);
        assert_int_equal(c->rejected[REJECT_TOO_COMPLEX], rejected);
        assert_int_equal(c->readings + c->manifests, rejected ? 2 : 3);
        assert_true(span_starts((struct span){f.log.data, f.log.len}, GOOD_LOG));
        assert_memory_equal(f.log.data + f.log.len - strlen(GOOD_LOG), GOOD_LOG, strlen(GOOD_LOG));
        feed_close(&f);
    }
}

#define DATA "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a/b\",\"payload\":1,"

static void lines_that_are_all_structure_are_rejected_and_cost_little(void **state)
{
    static const struct {
        const char *start, *part, *end;
    } lines[] = {
        {DATA "\"x\":[", "{},", "]}"}, {DATA "\"x\":[", "[],", "]}"},
        {DATA "\"x\":[", "\"\",", "]}"}, {DATA "\"x\":[", "{\"\":{}},", "]}"},
        {DATA "\"x\":{", "\"#\":{},", "}}"}, {DATA, "\"#\":\"\",", "}"},
        {DATA, "\"#\":1,", "}"},            /* the scanner would take it */
        {"[", "{},", "]"}, {"", "{},", ""}, /* no JSON either */
    };
    struct buf line;

    (void)state;
    buf_init(&line, LINE_BYTES + 16);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        make_line(&line, lines[i].start, lines[i].part, lines[i].end, LINE_BYTES);
        check(&line, true);
    }
    buf_done(&line);
}

/* Long, but cheap: values that nobody asks for are not kept. */
static void long_lines_of_values_pass(void **state)
{
    static const struct {
        const char *start, *part, *end;
    } lines[] = {
        {DATA "\"x\":[", "1234567890,", "]}"},
        {DATA "\"x\":[", "\"a text of some length\",", "]}"},
        {DATA "\"x\":[", "[1,2,3,\"four\",5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20],", "]}"},
        {DATA "\"x\":\"", "long text ", "\"}"},
    };
    struct buf line;

    (void)state;
    buf_init(&line, LINE_BYTES + 16);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        make_line(&line, lines[i].start, lines[i].part, lines[i].end,
            i == 2 ? LINE_BYTES / 2 : LINE_BYTES);
        check(&line, false);
    }
    buf_done(&line);
}

/* As the platform writes it: one asset with very many datastreams. */
static void the_manifest_of_ten_thousand_streams_passes(void **state)
{
    struct buf line;
    char text[256];

    (void)state;
    buf_init(&line, LINE_BYTES + 16);
    (void)buf_add_text(&line, "{\"type\":\"runtime_manifest\",\"payload\":{\"resources\":[{"
                              "\"resource\":\"krn:asset:well-01\",\"datastreams\":{");
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(text, sizeof(text),
            "%s\"pressure_%d\":{\"map_to\":\"pressure_%d\",\"remote\":true,\"configuration\":{},"
            "\"way\":\"input\",\"storage\":\"node-and-cloud\",\"access\":\"RO\",\"owned\":false}",
            i ? "," : "", i, i);
        (void)buf_add_text(&line, text);
    }
    (void)buf_add_text(
        &line, "}}],\"configuration\":{\"upload_interval\":\"10\",\"batch_size\":500}}}\n");
    check(&line, false);
    for (int slow = 0; slow < 2; slow++) {
        struct feed f;

        feed_open(&f, LINE_BYTES);
        feed_bytes(&f, (struct span){line.data, line.len}, 100000);
        assert_string_equal(buf_text(&f.log), "M usable 1 10.000000 1 500.000000\n");
        feed_close(&f);
    }
    buf_done(&line);
}

/* Up to here no line can be too complex, so the scanner need not count. */
static void a_line_of_modest_length_is_never_too_complex(void **state)
{
    static const char *const parts[] = {"{},", "[],", "{\"\":{}},", "\"\","};
    struct buf line;

    (void)state;
    buf_init(&line, LINE_BYTES + 16);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        make_line(&line, DATA "\"x\":[", parts[i], "]}", 192 * 1024);
        check(&line, false);
    }
    make_line(&line, DATA, "\"#\":1,", "}", 192 * 1024);
    check(&line, false);
    buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_all_structure_are_rejected_and_cost_little),
        cmocka_unit_test(long_lines_of_values_pass),
        cmocka_unit_test(the_manifest_of_ten_thousand_streams_passes),
        cmocka_unit_test(a_line_of_modest_length_is_never_too_complex),
    };

    json_set_alloc_funcs(counted_malloc, counted_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
