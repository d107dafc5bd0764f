#include "commands/options.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

/* What was said on stderr since listen_to_errors(). */
static char said[8192];
static int kept = -1;
static char path[64];

static void listen_to_errors(void)
{
    int fd;

    (void)str_copy(path, sizeof(path), "/tmp/commands_options_XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    kept = dup(STDERR_FILENO);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(fd), 0);
}

static void stop_listening(void)
{
    struct err err = {0};
    struct buf text;

    (void)fflush(stderr);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(kept), 0);
    buf_init(&text, sizeof(said) - 1);
    assert_true(file_read_whole(FILE_CWD, path, &text, &err));
    memcpy(said, buf_text(&text), text.len + 1);
    buf_done(&text);
    assert_int_equal(unlink(path), 0);
}

struct parsed {
    const char *rows;
    bool all;
    struct options options;
    enum options_result result;
    struct config *config;
};

/* The words of `line`, by blanks, behind the name of the command. */
static void parse(struct parsed *p, const char *line)
{
    static char words[512];
    char *argv[16] = {NULL};
    struct option_spec own[] = {{"rows", "N", "rows", &p->rows, NULL},
        {"all", NULL, "all", NULL, &p->all}, {NULL, NULL, NULL, NULL, NULL}};
    struct err err = {0};
    int argc = 0;

    *p = (struct parsed){.config = config_new(CONFIG_RUN, &err)};
    p->options = (struct options){.command = "test",
        .arguments = "FILE",
        .own = own,
        .config = p->config,
        .config_flags = CONFIG_RUN,
        .positional_max = 2};
    (void)str_copy(words, sizeof(words), line);
    for (char *at = words; *at && argc < 15;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
    listen_to_errors();
    p->result = options_parse(&p->options, argc, argv);
    stop_listening();
    p->options.own = NULL; /* it was ours alone */
}

static void own_options_settings_and_the_rest(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, "test a --rows 7 --commit-ms=70 --all --job-serverless b");
    assert_int_equal(p.result, OPTIONS_OK);
    assert_string_equal(p.rows, "7");
    assert_true(p.all);
    assert_int_equal(p.options.positional_count, 2);
    assert_string_equal(p.options.positional[0], "a");
    assert_string_equal(p.options.positional[1], "b");
    assert_true(config_is_set(p.config, "commit_ms"));
    assert_true(config_is_set(p.config, "job_serverless"));
    assert_false(config_is_set(p.config, "batch_size"));
    config_free(p.config);
    /* Dashes in a value, and behind "--". */
    parse(&p, "test --rows --all -- --commit-ms");
    assert_int_equal(p.result, OPTIONS_OK);
    assert_string_equal(p.rows, "--all");
    assert_false(p.all);
    assert_string_equal(p.options.positional[0], "--commit-ms");
    config_free(p.config);
}

static void mistakes_are_explained(void **state)
{
    static const struct {
        const char *line, *want;
    } rows[] = {
        {"test --comit-ms=7", "unknown option --comit-ms; did you mean --commit-ms?"},
        {"test --commit", "unknown option --commit; did you mean --commit-ms?"}, /* no shortening */
        {"test --zzzzzz", "unknown option --zzzzzz\n"},
        {"test --rows", "--rows needs a value"},
        {"test --all=yes", "--all takes no value"},
        {"test -x", "unknown option '-x'"},
        {"test a b c", "unexpected 'c'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct parsed p;

        parse(&p, rows[i].line);
        assert_int_equal(p.result, OPTIONS_BAD);
        if (!strstr(said, rows[i].want) || !strstr(said, "Try 'volume-uploader test --help'."))
            fail_msg("%s: %s", rows[i].line, said);
        config_free(p.config);
    }
}

static void a_secret_is_refused_and_not_repeated(void **state)
{
    static const char *const lines[] = {"test --client-secret=s3cr3t",
        "test --client-secret s3cr3t", "test --token=s3cr3t", "test --access-token s3cr3t",
        "test --password=s3cr3t", "test --databricks-client-secret=s3cr3t"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct parsed p;

        parse(&p, lines[i]);
        assert_int_equal(p.result, OPTIONS_BAD);
        assert_non_null(strstr(said, "never taken from the command line"));
        assert_null(strstr(said, "s3cr3t"));
        config_free(p.config);
    }
}

static void names_near_and_far(void **state)
{
    static const char *const names[] = {"run", "demo", "simulate", "emulate", "inspect", NULL};

    (void)state;
    assert_string_equal(options_nearest("simulte", names), "simulate");
    assert_string_equal(options_nearest("sim", names), "simulate");
    assert_string_equal(options_nearest("rnu", names), "run");
    assert_string_equal(options_nearest("inspekt", names), "inspect");
    assert_null(options_nearest("xyz", names));
    assert_null(options_nearest("", names));
    assert_null(options_nearest("0123456789012345678901234567890123456789012345", names));
}

static void values_have_ranges(void **state)
{
    uint64_t count = 5;
    int64_t us = 5;
    double real = 5;

    (void)state;
    listen_to_errors();
    assert_true(options_count("n", NULL, 1, 9, &count));
    assert_int_equal(count, 5);
    assert_true(options_count("n", "9", 1, 9, &count));
    assert_int_equal(count, 9);
    assert_false(options_count("n", "10", 1, 9, &count));
    assert_false(options_count("n", "", 1, 9, &count));
    assert_int_equal(count, 9);
    assert_true(options_real("r", "1e2", 0, 1000, &real));
    assert_true(real > 99 && real < 101);
    assert_false(options_real("r", "nan", 0, 1000, &real));
    assert_false(options_real("r", " 1", 0, 1000, &real));
    assert_false(options_real("r", "1x", 0, 1000, &real));
    assert_false(options_real("r", "1e999", 0, 1000, &real));
    assert_true(options_duration_us("d", "2s", 0, 5000000, &us));
    assert_int_equal(us, 2000000);
    assert_false(options_duration_us("d", "6s", 0, 5000000, &us));
    assert_true(options_size("s", "1k", 1, 4096, &count));
    assert_int_equal(count, 1024);
    assert_false(options_size("s", "5k", 1, 4096, &count));
    stop_listening();
    assert_non_null(strstr(said, "error: --n = 10: use a whole number from 1 to 9\n"));
    assert_non_null(strstr(said, "error: --s = 5k: use a size"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_options_settings_and_the_rest),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(a_secret_is_refused_and_not_repeated),
        cmocka_unit_test(names_near_and_far),
        cmocka_unit_test(values_have_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
