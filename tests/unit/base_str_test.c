#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SPAN(literal) ((struct span){literal, sizeof(literal) - 1})

static void spans_compare_as_bytes(void **state)
{
    (void)state;
    assert_int_equal(span_compare(SPAN(""), SPAN("")), 0);
    assert_true(span_compare(SPAN("a"), SPAN("")) > 0);
    assert_true(span_compare(SPAN("a"), SPAN("ab")) < 0);
    assert_true(span_compare(SPAN("a\0b"), SPAN("a\0c")) < 0);
    assert_true(span_compare(SPAN("\x80"), SPAN("z")) > 0); /* unsigned */
    assert_true(span_equal(SPAN("a\0b"), SPAN("a\0b")));
    assert_false(span_equal(SPAN("a\0b"), SPAN("a\0c")));
    assert_true(span_is(SPAN("abc"), "abc"));
    assert_false(span_is(SPAN("abcd"), "abc"));
    assert_true(span_starts(SPAN("abcd"), "abc"));
    assert_false(span_starts(SPAN("ab"), "abc"));
    assert_true(span_is(span_trim(SPAN(" \t\r\na b\n ")), "a b"));
    assert_int_equal(span_trim(SPAN(" \n ")).len, 0);
}

static void numbers_are_whole_and_in_range(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t want;
    } rows[] = {{"0", true, 0}, {"00", true, 0}, {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0}, {"99999999999999999999999", false, 0}, {"", false, 0},
        {" 1", false, 0}, {"1 ", false, 0}, {"+1", false, 0}, {"-1", false, 0}, {"0x1", false, 0},
        {"1e3", false, 0}, {"\xd9\xa1", false, 0}};
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } signed_rows[] = {{"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0}, {"-", false, 0}, {"--1", false, 0}, {"-0", true, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t value = 77;

        assert_int_equal(str_u64(span_of(rows[i].text), &value), rows[i].ok);
        assert_int_equal(value, rows[i].ok ? rows[i].want : 77); /* untouched on failure */
    }
    for (size_t i = 0; i < sizeof(signed_rows) / sizeof(*signed_rows); i++) {
        int64_t value = 77;

        assert_int_equal(str_i64(span_of(signed_rows[i].text), &value), signed_rows[i].ok);
        assert_int_equal(value, signed_rows[i].ok ? signed_rows[i].want : 77);
    }
}

static void hex_needs_the_exact_count(void **state)
{
    uint64_t value = 77;

    (void)state;
    assert_true(str_hex_u64(SPAN("00fF"), 4, &value));
    assert_int_equal(value, 255);
    assert_true(str_hex_u64(SPAN("ffffffffffffffff"), 16, &value));
    assert_int_equal(value, UINT64_MAX);
    value = 77;
    assert_false(str_hex_u64(SPAN("fff"), 4, &value));
    assert_false(str_hex_u64(SPAN("00g0"), 4, &value));
    assert_false(str_hex_u64(SPAN(""), 0, &value));
    assert_false(str_hex_u64(SPAN("00000000000000000"), 17, &value));
    assert_int_equal(value, 77);
}

/* RFC 3629 said once more, slowly: the code point of each character, checked by its range. */
static bool valid_by_the_book(const unsigned char *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t more = p[i] < 0x80             ? 0
                      : (p[i] & 0xe0) == 0xc0 ? 1
                      : (p[i] & 0xf0) == 0xe0 ? 2
                      : (p[i] & 0xf8) == 0xf0 ? 3
                                              : 9;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint32_t point;

        if (more == 9 || i + more >= len)
            return false;
        point = more == 0 ? p[i] : p[i] & (0x3fU >> more);
        for (size_t k = 1; k <= more; k++) {
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (p[i + k] & 0x3fU);
        }
        if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        i += more + 1;
    }
    return true;
}

static void utf8_is_judged_as_by_the_book(void **state)
{
    unsigned char bytes[16];

    (void)state;
    /* All first and second bytes, with good and bad bytes behind, before and after the place where
     * eight ASCII bytes are taken at once. */
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (unsigned tail = 0; tail < 4; tail++)
                for (size_t front = 0; front <= 9; front += 9) {
                    static const unsigned char ends[4][2] = {
                        {0x80, 0x80}, {0xbf, 0xbf}, {0x80, 'x'}, {'x', 0x80}};

                    memset(bytes, 'a', sizeof(bytes));
                    bytes[front] = (unsigned char)a;
                    bytes[front + 1] = (unsigned char)b;
                    memcpy(bytes + front + 2, ends[tail], 2);
                    for (size_t len = front + 1; len <= front + 5; len++)
                        if (str_utf8_valid((const char *)bytes, len) !=
                            valid_by_the_book(bytes, len))
                            fail_msg("%02x %02x tail %u len %zu", a, b, tail, len);
                }
    assert_true(str_utf8_valid("", 0));
    assert_true(str_utf8_valid("a\0b", 3));
}

static void utf8_reads_nothing_behind_the_end(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    memset(map, 'a', page);
    map[page - 1] = (char)0xf0; /* promises three more bytes */
    for (size_t len = 1; len < 20; len++)
        assert_false(str_utf8_valid(map + page - len, len));
    assert_int_equal(munmap(map, page * 2), 0);
}

static void show_makes_everything_printable(void **state)
{
    static const struct {
        struct span text;
        size_t max;
        const char *want;
    } rows[] = {{{"abc", 3}, 80, "abc"}, {{"a\nb\x1b\x7f", 5}, 80, "a\\x0ab\\x1b\\x7f"},
        {{"\xc3\xa9", 2}, 80, "\xc3\xa9"}, {{"\xc2\x9b", 2}, 80, "\\xc2\\x9b"},
        {{"\xff", 1}, 80, "\\xff"}, {{"abcdef", 6}, 3, "abc..."}, {{"abc", 3}, 3, "abc"},
        {{"a\0b", 3}, 80, "a\\x00b"}, {{"", 0}, 0, ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct buf out;

        buf_init(&out, 1000);
        assert_true(str_show(&out, rows[i].text, rows[i].max));
        assert_string_equal(buf_text(&out), rows[i].want);
        buf_done(&out);
    }
}

static void amounts_read_well(void **state)
{
    static const struct {
        uint64_t value;
        const char *bytes, *count;
    } rows[] = {{0, "0 B", "0"}, {999, "999 B", "999"}, {1000, "1000 B", "1,000"},
        {1024, "1.0 KiB", "1,024"}, {12 * 1048576 + 314573, "12.3 MiB", "12,897,485"},
        {UINT64_C(1) << 40, "1.0 TiB", "1,099,511,627,776"},
        {UINT64_MAX, "16384 PiB", "18,446,744,073,709,551,615"}};
    static const struct {
        int64_t us;
        const char *want;
    } times[] = {{-5, "0.0 s"}, {0, "0.0 s"}, {1500000, "1.5 s"}, {45000000, "45 s"},
        {INT64_C(600000000), "10 min"}, {INT64_C(11520000000), "3 h 12 min"},
        {INT64_C(3) * 86400000000 + INT64_C(7200000000), "3 d 2 h"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_string_equal(str_bytes(text, sizeof(text), rows[i].value), rows[i].bytes);
        assert_string_equal(str_count(text, sizeof(text), rows[i].value), rows[i].count);
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
        assert_string_equal(str_duration(text, sizeof(text), times[i].us), times[i].want);
}

static void copy_never_writes_too_much(void **state)
{
    char out[8];

    (void)state;
    memset(out, '#', sizeof(out));
    assert_true(str_copy(out, 4, "abc"));
    assert_string_equal(out, "abc");
    assert_false(str_copy(out, 4, "abcd"));
    assert_string_equal(out, "abc");
    assert_int_equal(out[4], '#');
    assert_false(str_copy(out, 0, "x"));
    assert_true(str_copy(out, 1, ""));
    assert_false(str_copy(out, 1, "x"));
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare_as_bytes),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(hex_needs_the_exact_count),
        cmocka_unit_test(utf8_is_judged_as_by_the_book),
        cmocka_unit_test(utf8_reads_nothing_behind_the_end),
        cmocka_unit_test(show_makes_everything_printable),
        cmocka_unit_test(amounts_read_well),
        cmocka_unit_test(copy_never_writes_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
