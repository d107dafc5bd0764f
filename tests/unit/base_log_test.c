/* wrap: write */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"

static char line[8192];
static size_t line_len;
static int lines;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (fd != STDERR_FILENO || len >= sizeof(line))
        return __real_write(fd, data, len);
    memcpy(line, data, len);
    line[len] = '\0';
    line_len = len;
    lines++;
    return (ssize_t)len;
}

static void one_line_per_event(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
    lines = 0;
    LOG_INFO("stream_connected", LOG_TEXT("host", "127.0.0.1"), LOG_INT("port", -1),
        LOG_UINT("bytes", UINT64_MAX), LOG_DOUBLE("rate", 0.5));
    assert_int_equal(lines, 1);
    assert_string_equal(
        line, "info stream_connected host=127.0.0.1 port=-1 bytes=18446744073709551615 rate=0.5\n");
    LOG_ERROR("stop");
    assert_string_equal(line, "error stop\n");
}

static void journal_lines_begin_with_their_priority(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_JOURNAL, NULL);
    LOG_ERROR("a", LOG_TEXT("why", "b c"));
    assert_string_equal(line, "<3>a why=\"b c\"\n");
    LOG_WARN("a");
    assert_string_equal(line, "<4>a\n");
    LOG_INFO("a");
    assert_string_equal(line, "<6>a\n");
    LOG_DEBUG("a");
    assert_string_equal(line, "<7>a\n");
}

static void levels_hide_what_is_below(void **state)
{
    (void)state;
    lines = 0;
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_TEXT, NULL);
    LOG_DEBUG("a");
    LOG_INFO("b");
    assert_int_equal(lines, 0);
    LOG_WARN("c");
    LOG_ERROR("d");
    assert_int_equal(lines, 2);
    log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT, NULL);
    LOG_DEBUG("e");
    assert_int_equal(lines, 3);
}

static void values_cannot_forge_lines_or_fields(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
    LOG_INFO("x", LOG_TEXT("a", "b\nerror forged=1"), LOG_TEXT("q", "say \"hi\""),
        LOG_TEXT("e", ""), LOG_TEXT("n", NULL), LOG_TEXT("esc", "\x1b[2J"), LOG_TEXT("eq", "k=v"));
    assert_string_equal(line, "info x a=\"b\\nerror forged=1\" q=\"say \\\"hi\\\"\" e=\"\" n=\"\" "
                              "esc=\"\\u001b[2J\" eq=\"k=v\"\n");
}

static void json_lines_are_objects(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
    LOG_WARN("x", LOG_TEXT("a", "b\"c"), LOG_INT("n", 3));
    assert_memory_equal(line, "{\"timestamp\":\"20", 16);
    assert_non_null(
        strstr(line, "Z\",\"level\":\"warning\",\"event\":\"x\",\"a\":\"b\\\"c\",\"n\":3}\n"));
}

static void a_live_line_is_cleared_first(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "\r\x1b[K");
    LOG_INFO("x");
    assert_string_equal(line, "\r\x1b[Kinfo x\n");
}

/* However long a value is, the line ends where it should: fields behind it are there, JSON closes,
 * no character is cut in two. */
static void long_values_are_cut_not_the_line(void **state)
{
    static char value[6000];

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(value, 'v', sizeof(value) - 1);
        for (size_t i = shift; i + 3 < sizeof(value); i += 3)
            memcpy(value + i, "\xe2\x82\xac", 3);
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, NULL);
        LOG_INFO("x", LOG_TEXT("long", value), LOG_INT("after", 7));
        assert_true(line_len > 500 && line_len <= 2048);
        assert_int_equal(line[line_len - 1], '\n');
        assert_non_null(strstr(line, " after=7\n"));
        assert_true(str_utf8_valid(line, line_len));
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON, NULL);
        LOG_INFO("x", LOG_TEXT("long", value), LOG_TEXT("too", value), LOG_INT("after", 7));
        assert_true(line_len > 500 && line_len <= 2048);
        assert_non_null(strstr(line, ",\"after\":7}\n"));
        assert_true(str_utf8_valid(line, line_len));
    }
    memset(value, 1, sizeof(value) - 1); /* each byte becomes six */
    LOG_INFO("x", LOG_TEXT("long", value), LOG_INT("after", 7));
    assert_true(line_len > 500 && line_len <= 2048);
    assert_non_null(strstr(line, ",\"after\":7}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_per_event),
        cmocka_unit_test(journal_lines_begin_with_their_priority),
        cmocka_unit_test(levels_hide_what_is_below),
        cmocka_unit_test(values_cannot_forge_lines_or_fields),
        cmocka_unit_test(json_lines_are_objects),
        cmocka_unit_test(a_live_line_is_cleared_first),
        cmocka_unit_test(long_values_are_cut_not_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
