/* file_dir_remove: only empty directories go, and nothing else is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static void only_an_empty_directory_is_removed(void **state)
{
    char path[] = "/tmp/dirremove-XXXXXX";
    struct err err = {0};
    struct file_info info;
    bool exists = true, empty = false;
    int fd = -1;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_true(file_dir_open(FILE_CWD, path, &fd, &err));
    assert_true(file_dir_make(fd, "outer/inner", true, &err));

    assert_true(file_dir_remove(fd, "outer", &empty, &err));
    assert_false(empty);
    assert_true(file_stat(fd, "outer/inner", &exists, &info, &err));
    assert_true(exists);

    assert_true(file_dir_remove(fd, "outer/inner", &empty, &err));
    assert_true(empty);
    assert_true(file_dir_remove(fd, "outer", &empty, &err));
    assert_true(empty);
    assert_true(file_stat(fd, "outer", &exists, &info, &err));
    assert_false(exists);
    file_drop(fd);
    assert_true(file_dir_remove(FILE_CWD, path, &empty, &err));
}

static void a_missing_one_is_fine_and_a_file_is_an_error(void **state)
{
    char path[] = "/tmp/dirremove-XXXXXX";
    struct err err = {0};
    bool empty = false;
    int fd = -1, file = -1;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_true(file_dir_open(FILE_CWD, path, &fd, &err));
    assert_true(file_dir_remove(fd, "nothing", &empty, &err));
    assert_true(empty);
    assert_true(file_open(fd, "file", FILE_CREATE_NEW, &file, &err));
    assert_false(file_dir_remove(fd, "file", &empty, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
    file_drop(file);
    assert_true(file_unlink(fd, "file", &err));
    file_drop(fd);
    assert_true(file_dir_remove(FILE_CWD, path, &empty, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_empty_directory_is_removed),
        cmocka_unit_test(a_missing_one_is_fine_and_a_file_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
