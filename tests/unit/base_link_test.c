/* file_link: a second name, and never in place of one that is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static void a_name_that_is_taken_stays(void **state)
{
    char path[] = "/tmp/filelink-XXXXXX";
    struct file_info one, two;
    struct err err = {0};
    bool exists = false, taken = true, empty;
    struct buf text;
    int fd = -1;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_true(file_dir_open(FILE_CWD, path, &fd, &err));
    assert_true(file_write_whole(fd, "a", "first", 5, &err));
    assert_true(file_write_whole(fd, "b", "second", 6, &err));

    assert_true(file_link(fd, "a", fd, "c", &taken, &err));
    assert_false(taken);
    assert_true(file_stat(fd, "a", &exists, &one, &err) && exists);
    assert_true(file_stat(fd, "c", &exists, &two, &err) && exists);
    assert_true(one.inode == two.inode);

    assert_true(file_link(fd, "b", fd, "c", &taken, &err));
    assert_true(taken);
    buf_init(&text, 64);
    assert_true(file_read_whole(fd, "c", &text, &err));
    assert_string_equal(buf_text(&text), "first");
    buf_done(&text);

    assert_false(file_link(fd, "nothing", fd, "d", &taken, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(err.code, ENOENT);
    assert_true(file_unlink(fd, "a", &err) && file_unlink(fd, "b", &err));
    assert_true(file_unlink(fd, "c", &err));
    file_drop(fd);
    assert_true(file_dir_remove(FILE_CWD, path, &empty, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_name_that_is_taken_stays)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
