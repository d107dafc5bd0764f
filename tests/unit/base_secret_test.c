#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];
static char path[128];

static int make_directory(void **state)
{
    (void)state;
    (void)str_copy(directory, sizeof(directory), "/tmp/base_secret_XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/secret", directory);
    return 0;
}

static int drop_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void put_file(const void *data, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static bool holds(const struct secret *secret, const char *want)
{
    return span_is(secret_reveal(secret), want);
}

static void copies_are_equal_and_apart(void **state)
{
    struct err err = {0};
    struct secret *a = secret_new(span_of("hunter2"), &err);
    struct secret *b = secret_copy(a, &err);
    struct secret *c = secret_new(span_of("hunter3"), &err);
    struct secret *empty = secret_new(span_of(""), &err);

    (void)state;
    assert_true(secret_equal(a, b));
    assert_false(secret_equal(a, c));
    assert_false(secret_equal(a, empty));
    assert_false(secret_equal(a, NULL));
    assert_false(secret_equal(NULL, NULL));
    secret_free(a);
    assert_true(holds(b, "hunter2"));
    secret_free(b);
    secret_free(c);
    secret_free(empty);
    secret_free(NULL);
}

/* The file shows the memory the process was started with; only a child with a variable of its own
 * can tell, so this program starts itself once more. */
static bool environ_shows(const char *text)
{
    static char block[262144];
    int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, block, sizeof(block));

    if (fd >= 0)
        (void)close(fd);
    return n > 0 && memmem(block, (size_t)n, text, strlen(text)) != NULL;
}

static int child(void)
{
    struct err err = {0};
    bool before = environ_shows("s3cr3t-value");
    struct secret *secret = secret_from_env("BASE_SECRET_TEST", &err);
    bool ok = before && secret && holds(secret, "s3cr3t-value") && !environ_shows("s3cr3t-value") &&
              !getenv("BASE_SECRET_TEST");

    secret_free(secret);
    return ok ? 0 : 1;
}

static void the_environment_is_wiped(void **state)
{
    char self[256];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 20);
    char command[400];

    (void)state;
    assert_true(n > 0);
    self[n] = '\0';
    (void)snprintf(command, sizeof(command), "BASE_SECRET_TEST=s3cr3t-value '%s' child", self);
    assert_int_equal(system(command), 0);
}

static void empty_or_missing_variables_are_not_set(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(setenv("BASE_SECRET_TEST", "", 1), 0);
    err.kind = ERR_INPUT;
    assert_null(secret_from_env("BASE_SECRET_TEST", &err));
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(unsetenv("BASE_SECRET_TEST"), 0);
    assert_null(secret_from_env("BASE_SECRET_TEST", &err));
    assert_int_equal(err.kind, ERR_NONE);
}

static void a_variable_is_taken_once(void **state)
{
    struct err err = {0};
    struct secret *secret;

    (void)state;
    assert_int_equal(setenv("BASE_SECRET_TEST", "value", 1), 0);
    secret = secret_from_env("BASE_SECRET_TEST", &err);
    assert_non_null(secret);
    assert_true(holds(secret, "value"));
    assert_null(getenv("BASE_SECRET_TEST"));
    secret_free(secret);
}

static void files_lose_one_newline(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {{"abc", "abc"}, {"abc\n", "abc"}, {"abc\r\n", "abc"}, {"abc\n\n", "abc\n"},
        {" abc ", " abc "}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct err err = {0};
        bool exposed = true;
        struct secret *secret;

        put_file(rows[i].text, strlen(rows[i].text), 0600);
        secret = secret_from_file(path, &exposed, &err);
        assert_non_null(secret);
        assert_true(holds(secret, rows[i].want));
        assert_false(exposed);
        secret_free(secret);
    }
}

static void refused(const char *name, const char *part)
{
    struct err err = {0};
    bool exposed = false;

    assert_null(secret_from_file(name, &exposed, &err));
    assert_int_not_equal(err.kind, ERR_NONE);
    assert_non_null(strstr(err.text, part));
}

static void bad_files_are_refused(void **state)
{
    static char big[65537];

    (void)state;
    memset(big, 'x', sizeof(big));
    refused("/nonexistent/secret", "open");
    refused("/tmp", "directory");
    put_file("", 0, 0600);
    refused(path, "empty");
    put_file("\n", 1, 0600);
    refused(path, "empty");
    put_file("abc", 3, 0602);
    refused(path, "written by anybody");
    put_file(big, sizeof(big), 0600);
    refused(path, "longer");
}

static void what_others_may_read_is_told(void **state)
{
    static char big[65536];
    struct err err = {0};
    bool exposed = false;
    struct secret *secret;

    (void)state;
    memset(big, 'x', sizeof(big));
    put_file(big, sizeof(big), 0644); /* also the longest one */
    secret = secret_from_file(path, &exposed, &err);
    assert_non_null(secret);
    assert_true(exposed);
    assert_int_equal(secret_reveal(secret).len, sizeof(big));
    secret_free(secret);
}

static void a_link_is_followed(void **state)
{
    struct err err = {0};
    bool exposed = false;
    char link[160];
    struct secret *secret;

    (void)state;
    put_file("linked", 6, 0600);
    (void)snprintf(link, sizeof(link), "%s/link", directory);
    assert_int_equal(symlink(path, link), 0);
    secret = secret_from_file(link, &exposed, &err);
    assert_int_equal(unlink(link), 0);
    assert_non_null(secret);
    assert_true(holds(secret, "linked"));
    secret_free(secret);
}

static void too_long_values_are_refused(void **state)
{
    static char big[65537];
    struct err err = {0};

    (void)state;
    memset(big, 'x', sizeof(big));
    assert_null(secret_new((struct span){big, sizeof(big)}, &err));
    assert_int_equal(err.kind, ERR_FULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_equal_and_apart),
        cmocka_unit_test(the_environment_is_wiped),
        cmocka_unit_test(empty_or_missing_variables_are_not_set),
        cmocka_unit_test(a_variable_is_taken_once),
        cmocka_unit_test(files_lose_one_newline),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(what_others_may_read_is_told),
        cmocka_unit_test(a_link_is_followed),
        cmocka_unit_test(too_long_values_are_refused),
    };

    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return child();
    return cmocka_run_group_tests(tests, make_directory, drop_directory);
}
