/* The screen of `top` from good lines, broken ones and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "commands/top_screen.h"

static const char lines[] =
    "headline\tAll is well: Readings arrive, deliveries work; 7 wait on disk.\nlevel\tgood\n"
    "version\t1.2.3\npeer\t127.0.0.1:49167\nstream\tconnected\nupload\tidle\nvolume\tmain.a.b\n"
    "readings_per_s\t1234.6\ndelivered_per_s\t99.0\nreadings\t1000\ncarried\t50\ndelivered\t1043\n"
    "waiting\t7\nstate_bytes\t1048576\nleft_bytes\t2097152\nfull_in_us\t7200000000\n"
    "trouble\twarning\tSomething is odd.\tDo this.\n"
    "file\tone.parquet\t500\t2048\t1500000\tdelivered\nfile\ttwo.parquet\t0\t1\t1\trefused\n"
    "unknown_key\twhatever\n";

static const char *draw(struct top_screen *screen, const char *text, size_t len, struct buf *out)
{
    buf_reset(out);
    top_screen_draw(screen, (struct span){text, len}, out);
    assert_false(out->failed);
    return buf_text(out);
}

static void numbers_and_words_are_there(void **state)
{
    struct top_screen screen = {.width = 200};
    struct buf out;
    const char *text;

    (void)state;
    buf_init(&out, 1 << 20);
    text = draw(&screen, lines, strlen(lines), &out);
    assert_non_null(strstr(text, "All is well: Readings arrive"));
    assert_non_null(strstr(text, "1,235 readings/s arrive"));
    assert_non_null(strstr(text, "1,050 received = 1,043 delivered + 7 waiting"));
    assert_non_null(strstr(text, "! Something is odd.\n  Do this.\n"));
    assert_non_null(strstr(text, " used, room for 2.0"));
    assert_non_null(strstr(text, ", full in 2 h"));
    assert_non_null(strstr(text, "one.parquet\n"));
    assert_null(strstr(text, "arriving ")); /* no past yet */
    assert_null(strchr(text, '\033'));      /* no colours asked for */
    text = draw(&screen, lines, strlen(lines), &out);
    assert_non_null(strstr(text, "arriving "));
    assert_non_null(strstr(text, "██ highest 1,235"));
    buf_done(&out);
}

static void nothing_is_wider_or_higher_than_the_terminal(void **state)
{
    struct top_screen screen = {.width = 40, .height = 20};
    struct buf out;
    unsigned height = 0;

    (void)state;
    buf_init(&out, 1 << 20);
    for (const char *at = draw(&screen, lines, strlen(lines), &out); *at; height++) {
        assert_true(strcspn(at, "\n") <= 40);
        at += strcspn(at, "\n") + 1;
    }
    assert_true(height < 20);
    buf_done(&out);
}

/* What is wrong, what to do and what was lost can be read to the end on the usual terminal. */
static void sentences_go_on_in_the_next_line(void **state)
{
    static const char long_lines[] =
        "headline\tReadings arrive, Databricks refuses deliveries; 12,345,678,901,234,567 wait on "
        "disk.\nlevel\tbad\npeer\t127.0.0.1:44751\nstream\tconnecting\n"
        "received_bytes_per_s\t999999.0\nreadings\t123456789012\ndelivered\t123456780000\n"
        "waiting\t9011\ngaps\t1\nrejected\t801\n"
        "trouble\tbad\tDatabricks refuses: upload: 403 PERMISSION_DENIED: grant WRITE VOLUME on "
        "it, "
        "and USE CATALOG, USE SCHEMA [request emulator-0000000a]: 'A fault on "
        "request.'.\tDatabricks "
        "wants something changed: run 'volume-uploader check'; it names the secret, the right or "
        "the place that is wrong. Readings wait on disk meanwhile.\n"
        "trouble\twarning\tThe second.\tDo nothing.\ntrouble\twarning\tThe third.\tDo nothing.\n";
    struct top_screen screen = {.width = 80, .height = 24};
    struct buf out;
    const char *text;
    unsigned height = 0;

    (void)state;
    buf_init(&out, 1 << 20);
    text = draw(&screen, long_lines, strlen(long_lines), &out);
    assert_non_null(strstr(text, "wait on\ndisk.\n"));
    assert_non_null(
        strstr(text, "\n  and USE CATALOG, USE SCHEMA [request emulator-0000000a]: 'A fault"));
    assert_non_null(strstr(text, "Readings wait on disk meanwhile.\n"));
    assert_non_null(strstr(text, "! The second.\n  Do nothing.\n"));
    assert_null(strstr(text, "The third")); /* it would push the books away */
    assert_non_null(strstr(text, "127.0.0.1:44751, 977 KiB/s\n"));
    assert_non_null(strstr(text, "+ 1 lost; 801 lines rejected\n"));
    for (; *text; height++) {
        assert_true(strcspn(text, "\n") <= 80);
        text += strcspn(text, "\n") + 1;
    }
    assert_true(height < 24);
    buf_done(&out);
}

static void hostile_lines_cannot_move_the_cursor(void **state)
{
    static const char hostile[] =
        "headline\t\033[2J\033]0;x\007evil\nversion\t\x9b\x31m\nfile\t\033c\t1\t1\t1\tx\n"
        "trouble\tbad\t\rgone\t\bgone\nreadings_per_s\t999999999999999999999.9";
    struct top_screen screen = {.width = 300};
    struct buf out;
    const char *text;

    (void)state;
    buf_init(&out, 1 << 20);
    text = draw(&screen, hostile, sizeof(hostile) - 1, &out);
    for (; *text; text++)
        assert_true((unsigned char)*text >= 0x20 || *text == '\n');
    assert_non_null(strstr(buf_text(&out), "\\x1b[2J"));
    buf_done(&out);
}

/* Bytes changed, cut off and mixed up at random: a screen all the same. */
static void any_lines_make_a_screen(void **state)
{
    struct top_screen screen = {.width = 80, .height = 24, .color = true};
    struct rng rng;
    struct buf out;

    (void)state;
    rng_seed(&rng, 11);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < 3000; i++) {
        size_t len = rng_below(&rng, sizeof(lines));
        char *copy = malloc(len + 1);

        assert_non_null(copy);
        memcpy(copy, lines, len);
        for (int k = 0; k < 8 && len; k++)
            copy[rng_below(&rng, len)] = (char)rng_below(&rng, 256);
        (void)draw(&screen, copy, len, &out);
        free(copy);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_words_are_there),
        cmocka_unit_test(nothing_is_wider_or_higher_than_the_terminal),
        cmocka_unit_test(sentences_go_on_in_the_next_line),
        cmocka_unit_test(hostile_lines_cannot_move_the_cursor),
        cmocka_unit_test(any_lines_make_a_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
