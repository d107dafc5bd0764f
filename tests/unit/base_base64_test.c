#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define OUT_MAX 4096

/* RFC 4648 10. */
static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

static void the_vectors_of_the_rfc(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        buf_reset(&out);
        assert_true(base64_write(span_of(vectors[i][0]), &out));
        assert_string_equal(buf_text(&out), vectors[i][1]);
        buf_reset(&out);
        assert_true(base64_read(span_of(vectors[i][1]), &out));
        assert_string_equal(buf_text(&out), vectors[i][0]);
    }
    buf_done(&out);
}

static void every_byte_comes_back(void **state)
{
    struct buf text, out;
    char bytes[257];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 256);
    buf_init(&text, OUT_MAX);
    buf_init(&out, OUT_MAX);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        buf_reset(&text);
        buf_reset(&out);
        assert_true(base64_write((struct span){bytes, len}, &text));
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_true(base64_read((struct span){text.data, text.len}, &out));
        assert_true(
            span_equal((struct span){out.len ? out.data : "", out.len}, (struct span){bytes, len}));
    }
    buf_done(&text);
    buf_done(&out);
}

static void odd_and_wrong_texts(void **state)
{
    static const struct {
        const char *text, *plain; /* NULL: not base64 */
    } rows[] = {{"Zg", "f"}, {"Zm8", "fo"}, {"Zm9v\r\nYmFy\n", "foobar"}, {"Zg=\n=", "f"},
        {"Z", NULL}, {"Zm9vY", NULL}, {"Zg=", NULL}, {"Zg===", NULL}, {"Zm9v====", NULL},
        {"Zm9v=", NULL}, {"=", NULL}, {"====", NULL}, {"Zg==Zg==", NULL}, {"Zm 9v", NULL},
        {"Zm-_", NULL}, {"Zm9\x80", NULL}};
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        buf_reset(&out);
        assert_int_equal(base64_read(span_of(rows[i].text), &out), rows[i].plain != NULL);
        if (rows[i].plain)
            assert_string_equal(buf_text(&out), rows[i].plain);
    }
    assert_false(base64_read((struct span){"Zm\0v", 4}, &out));
    buf_done(&out);
}

static void the_form_for_addresses(void **state)
{
    static const char *const wrong[] = {"+_8", "-/8", "Zg==", "Zm9v\n", "Z"};
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    assert_true(base64_read_url(span_of("-_8"), &out));
    assert_int_equal(out.len, 2);
    assert_memory_equal(out.data, "\xfb\xff", 2);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(base64_read_url(span_of(wrong[i]), &out));
    buf_done(&out);
}

static void a_full_buffer_is_told(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    assert_false(base64_write(span_of("foobar"), &out));
    assert_true(out.failed);
    buf_done(&out);
    buf_init(&out, 4);
    assert_false(base64_read(span_of("Zm9vYmFy"), &out));
    assert_true(out.failed);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(odd_and_wrong_texts),
        cmocka_unit_test(the_form_for_addresses),
        cmocka_unit_test(a_full_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
