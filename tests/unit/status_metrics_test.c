/* /metrics as Prometheus wants it; what a request may ask; JSON and lines from hostile texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "status/metrics.h"
#include "status/report.h"
#include "status/request.h"

static const char *odd_reason(unsigned reason)
{
    static const char *const names[] = {"plain", "qu\"ote", "back\\slash", "line\nend"};

    return names[reason];
}

static bool ends_with(struct span a, const char *end)
{
    size_t len = strlen(end);

    return a.len >= len && memcmp(a.data + a.len - len, end, len) == 0;
}

/* name{label="value"} number; the label values hold no raw line end (lines were split by them). */
static void assert_sample(struct span line, struct span name)
{
    const char *space = memrchr(line.data, ' ', line.len);
    char number[64], *end;

    assert_non_null(space);
    assert_true(line.len > name.len && memcmp(line.data, name.data, name.len) == 0);
    (void)snprintf(
        number, sizeof(number), "%.*s", (int)(line.data + line.len - space - 1), space + 1);
    (void)strtod(number, &end);
    assert_true(*end == '\0' && end != number);
}

static void every_line_is_a_comment_or_a_sample(void **state)
{
    struct picture p = {.full_in_us = PICTURE_NEVER, .lines = UINT64_MAX};
    struct metrics_names names = {odd_reason, 4, "in\"st"};
    struct buf out;
    struct span name = {NULL, 0};
    size_t families = 0, samples = 0;
    const char *at;

    (void)state;
    buf_init(&out, METRICS_BYTES_MAX);
    metrics_print(&p, &names, &out);
    at = buf_text(&out);
    assert_false(out.failed);
    while (*at) {
        const char *end = strchr(at, '\n');
        struct span line;

        assert_non_null(end);
        line = (struct span){at, (size_t)(end - at)};
        if (span_starts(line, "# TYPE ")) {
            const char *space = memrchr(line.data, ' ', line.len);

            name = (struct span){line.data + 7, (size_t)(space - line.data - 7)};
            assert_true(span_starts(name, "volume_uploader_"));
            /* A counter says _total; no other does. */
            assert_int_equal(ends_with(name, "_total"), strncmp(space, " counter", 8) == 0);
            families++;
        } else if (!span_starts(line, "# HELP ")) {
            assert_sample(line, name);
            samples++;
        }
        at = end + 1;
    }
    assert_true(families > 40 && samples > families);
    assert_non_null(strstr(buf_text(&out), "{reason=\"qu\\\"ote\"}"));
    assert_non_null(strstr(buf_text(&out), "{reason=\"back\\\\slash\"}"));
    assert_non_null(strstr(buf_text(&out), "{reason=\"line\\nend\"}"));
    assert_non_null(strstr(buf_text(&out), "lines_total 18446744073709551615\n"));
    assert_non_null(strstr(buf_text(&out), "time_until_full_seconds +Inf\n"));
    assert_null(strstr(buf_text(&out), "\nvolume_uploader_last_delivery_time_seconds "));
    buf_done(&out);
}

static void histogram_is_cumulative(void **state)
{
    struct picture p = {.upload_count = 7, .upload_us = 1500000};
    struct metrics_names names = {NULL, 0, NULL};
    struct buf out;

    (void)state;
    p.upload_bucket[0] = 2;
    p.upload_bucket[4] = 3;
    buf_init(&out, METRICS_BYTES_MAX);
    metrics_print(&p, &names, &out);
    assert_non_null(strstr(buf_text(&out), "_bucket{le=\"0.05\"} 2\n"));
    assert_non_null(strstr(buf_text(&out), "_bucket{le=\"0.5\"} 2\n"));
    assert_non_null(strstr(buf_text(&out), "_bucket{le=\"1.0\"} 5\n"));
    assert_non_null(strstr(buf_text(&out), "_bucket{le=\"300.0\"} 5\n"));
    assert_non_null(strstr(buf_text(&out), "_bucket{le=\"+Inf\"} 7\n"));
    assert_non_null(strstr(buf_text(&out), "_sum 1.500000\n"));
    assert_non_null(strstr(buf_text(&out), "_count 7\n"));
    buf_done(&out);
}

static void markdown_has_every_metric(void **state)
{
    struct picture p = {0};
    struct metrics_names names = {NULL, 0, NULL};
    struct buf out, doc;
    const char *at;

    (void)state;
    buf_init(&out, METRICS_BYTES_MAX);
    buf_init(&doc, METRICS_BYTES_MAX);
    metrics_print(&p, &names, &out);
    metrics_print_markdown(&doc);
    for (at = buf_text(&out); (at = strstr(at, "# TYPE volume_uploader_")); at++) {
        char row[128];

        (void)snprintf(row, sizeof(row), "| `%.*s` |", (int)strcspn(at + 23, " "), at + 23);
        assert_non_null(strstr(buf_text(&doc), row));
    }
    buf_done(&out);
    buf_done(&doc);
}

static void requests(void **state)
{
    static const struct {
        const char *method, *path, *host;
        uint64_t bytes;
        bool body, loopback;
        unsigned want;
    } rows[] = {
        {"GET", "/", "127.0.0.1:9464", 100, false, true, 200},
        {"GET", "/metrics", "localhost:9464", 100, false, true, 200},
        {"GET", "/metrics", "LocalHost", 100, false, true, 200},
        {"GET", "/healthz", "[::1]:9464", 100, false, true, 200},
        {"GET", "/readyz", NULL, 100, false, true, 200},
        {"GET", "/api/status.json", "10.0.0.7", 4096, false, true, 200},
        {"GET", "/api/status.json", "10.0.0.7", 4097, false, true, 431},
        {"GET", "/", "evil.example", 100, false, true, 403},
        {"GET", "/", "127.0.0.1.evil.example", 100, false, true, 403},
        {"GET", "/", "localhost.evil.example", 100, false, true, 403},
        {"GET", "/", "", 100, false, true, 403},
        {"GET", "/", "[::1", 100, false, true, 403},
        {"GET", "/", ":9464", 100, false, true, 403},
        {"GET", "/", "gateway.plant", 100, false, false, 200},
        {"GET", "/nothing", "localhost", 100, false, true, 404},
        {"GET", "/../etc/passwd", "localhost", 100, false, true, 404},
        {"GET", "", "localhost", 100, false, true, 404},
        {"GET", "/", "localhost", 100, true, true, 413},
        {"POST", "/", "localhost", 100, false, true, 405},
        {"HEAD", "/", "localhost", 100, false, true, 405},
        {"get", "/", "localhost", 100, false, true, 405},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct status_request r = {rows[i].method, rows[i].path, rows[i].host, rows[i].bytes,
            rows[i].body, rows[i].loopback};
        enum status_page page = PAGE_NONE;

        assert_int_equal(status_request_judge(&r, &page), rows[i].want);
        assert_int_equal(page != PAGE_NONE, rows[i].want == 200);
    }
}

/* Texts that come from outside reach JSON escaped and lines shown. */
static void hostile_texts_are_escaped(void **state)
{
    struct counters *c = malloc(sizeof(*c));
    struct picture p = {.full_in_us = PICTURE_NEVER};
    struct troubles t = {.count = 0};
    struct report r = {.picture = &p,
        .troubles = &t,
        .places = &(struct report_places){.stream = "a\tb\nc", .volume = "</script>\""},
        .reason_name = odd_reason,
        .reasons = 2};
    struct buf out;
    size_t lines = 0;

    (void)state;
    assert_non_null(c);
    counters_init(c);
    r.board = &c->board;
    p.rejected_by[1] = 5;
    board_sample_add(&c->board, "qu\"ote", span_of("<img \"onerror\">\n\xff"), 17, 1, 1);
    buf_init(&out, REPORT_BYTES_MAX);
    report_status_json(&r, &out);
    assert_non_null(strstr(buf_text(&out), "\"sample\":\"<img \\\"onerror\\\">\\\\x0a\\\\xff\""));
    assert_non_null(strstr(buf_text(&out), "\"peer\":\"a\\tb\\nc\""));
    assert_non_null(strstr(buf_text(&out), "\"reason\":\"qu\\\"ote\",\"lines\":5"));
    buf_reset(&out);
    report_status_text(&r, &out);
    assert_non_null(strstr(buf_text(&out), "\npeer\ta\\x09b\\x0ac\n"));
    for (const char *at = buf_text(&out); *at; at = strchr(at, '\n') + 1, lines++)
        assert_true(strcspn(at, "\t") < strcspn(at, "\n")); /* each has its key */
    assert_true(lines > 40);
    assert_false(out.failed);
    buf_done(&out);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_a_comment_or_a_sample),
        cmocka_unit_test(histogram_is_cumulative),
        cmocka_unit_test(markdown_has_every_metric),
        cmocka_unit_test(requests),
        cmocka_unit_test(hostile_texts_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
