/* A disk that does not give every sector: the salvage goes on behind it, and says what it cost.
 * wrap: pread64 */
#include "commands/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "pack_rig.h"

#define SECTOR 512

/* --- a medium with holes: reads that touch [bad_from, bad_to) of this file fail --- */

static ino_t bad_inode;
static off_t bad_from, bad_to;

ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    struct stat st;

    if (bad_inode && fstat(fd, &st) == 0 && st.st_ino == bad_inode && at < bad_to &&
        at + (off_t)len > bad_from && at < st.st_size) {
        errno = EIO;
        return -1;
    }
    return __real_pread64(fd, data, len, at);
}

static void make_bad(
    const struct pack_rig *p, const char *part, const char *name, off_t from, off_t to)
{
    char path[512];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", p->rig.path, part, name);
    assert_int_equal(stat(path, &st), 0);
    bad_inode = st.st_ino;
    bad_from = from;
    bad_to = to;
}

/* --- what was saved --- */

static char target[128];

static void remove_target(void)
{
    rig_delete(target);
}

/* The rows of all files in all folders, each once; how many readings those are. */
static uint64_t rows_saved(struct pack_rig *p)
{
    uint64_t rows = 0;

    memset(p->rows, 0, p->cap + 1);
    p->twice = p->altered = 0;
    for (int i = 0; i < SALVAGE_FOLDERS; i++) {
        char path[256];
        struct file_list list;
        struct err err;
        int dir;

        (void)snprintf(path, sizeof(path), "%s/%s", target, salvage_folders[i]);
        if (access(path, F_OK) != 0)
            continue;
        assert_true(file_dir_open(FILE_CWD, path, &dir, &err));
        assert_true(file_list(dir, &list, &err));
        for (size_t n = 0; n < list.count; n++) {
            struct volume_file f = {.rows = 0};
            struct file_info info;
            int fd;

            assert_true(file_name_parse(list.names[n], &f.name));
            assert_true(file_open(dir, list.names[n], FILE_READ, &fd, &err));
            assert_true(file_fstat(fd, &info, &err));
            rig_take_rows(p, &f, fd, info.bytes);
            rows += f.rows;
            file_drop(fd);
        }
        file_list_done(&list);
        file_drop(dir);
    }
    assert_int_equal(p->twice + p->altered, 0);
    return rows;
}

static bool salvage(struct pack_rig *p, bool *ret_damaged, struct err *err)
{
    int null = open("/dev/null", O_WRONLY), kept = dup(STDOUT_FILENO);
    bool ok;

    assert_true(null >= 0 && kept >= 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(null, STDOUT_FILENO), STDOUT_FILENO);
    ok = salvage_run(p->rig.path, target, false, ret_damaged, err);
    (void)fflush(stdout);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(kept);
    (void)close(null);
    return ok;
}

static int begin(void **state)
{
    struct pack_rig *p = calloc(1, sizeof(*p));

    pack_rig_init(p, 5000, 5);
    rig_make_dirs(p);
    (void)snprintf(target, sizeof(target), "%s.saved", p->rig.path);
    *state = p;
    return 0;
}

static int end(void **state)
{
    struct pack_rig *p = *state;

    bad_inode = 0;
    if (p->gaps)
        pack_rig_stop(p);
    remove_target();
    pack_rig_done(p);
    free(p);
    return 0;
}

/* Spread wide: no reading supersedes another, so rows are readings. */
static void segment(struct pack_rig *p, uint64_t first, uint64_t count)
{
    rig_add_segment(
        p, (struct rig_segment){.first_seq = first, .count = count, .spread = 1000000000});
}

/* Every sector of a segment in turn: what is lost is in the pages it touches, never more. */
static void a_bad_sector_costs_its_page(void **state)
{
    struct pack_rig *p = *state;
    long long bytes;

    segment(p, 1, 300);
    segment(p, 301, 300);
    rig_add_active(p, 601);
    bytes = rig_length(&p->rig, "journal", "000000000000012d.seg");
    for (off_t at = 0; at < bytes; at += SECTOR) {
        bool damaged = false;
        struct err err;
        uint64_t rows;

        make_bad(p, "journal", "000000000000012d.seg", at, at + SECTOR);
        if (!salvage(p, &damaged, &err))
            fail_msg("%s", err.text);
        bad_inode = 0;
        rows = rows_saved(p);
        assert_true(damaged);
        /* A page of 4096 bytes holds some 200 readings, in frames of 100; with it the names may go. */
        assert_in_range(rows, 300, 600);
        if (at >= 2 * 4096)
            assert_in_range(rows, 400, 600);
        remove_target();
    }
}

static void a_file_that_cannot_be_read_is_not_in_the_way(void **state)
{
    struct pack_rig *p = *state;
    struct outbox_list list;
    enum pack_result result;
    struct pack_options options = pack_rig_options();
    struct pack_done done;
    struct pack *pack;
    bool damaged = false;
    struct err err;

    segment(p, 1, 300);
    rig_add_active(p, 301);
    assert_true(pack_rig_start(p));
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &options, &err);
    assert_non_null(pack);
    assert_true(pack_step(pack, true, &result, &done, &err));
    assert_int_equal(result, PACK_FILE);
    pack_free(pack);
    assert_true(outbox_scan(&p->rig.box, false, &list, &err));
    segment(p, 301, 200);
    rig_add_active(p, 501);
    make_bad(p, "outbox", list.items[0].text, 100, 200);
    if (!salvage(p, &damaged, &err))
        fail_msg("%s", err.text);
    assert_true(damaged);
    assert_int_equal(rows_saved(p), 200);
    remove_target();
    bad_inode = 0;
    damaged = true;
    assert_true(salvage(p, &damaged, &err));
    assert_false(damaged);
    assert_int_equal(rows_saved(p), 500);
    outbox_list_done(&list);
}

/* gaps.log, IDENTITY: what they say is missed, nothing else is. */
static void small_files_that_cannot_be_read_are_missed_only(void **state)
{
    static const char *const names[] = {"gaps.log", "IDENTITY"};
    struct pack_rig *p = *state;

    segment(p, 1, 300);
    rig_add_active(p, 301);
    assert_true(pack_rig_start(p));
    pack_rig_stop(p);
    rig_write(&p->rig, ".", "gaps.log", "half a line", 11);
    for (size_t i = 0; i < 2; i++) {
        bool damaged = false;
        struct err err;

        make_bad(p, ".", names[i], 0, 4096);
        if (!salvage(p, &damaged, &err))
            fail_msg("%s", err.text);
        assert_true(damaged);
        assert_int_equal(rows_saved(p), 300);
        remove_target();
    }
}

/* And a start needs nobody to delete them. */
static void a_start_goes_on_without_them(void **state)
{
    static const char *const names[] = {"gaps.log", "IDENTITY"};
    struct pack_rig *p = *state;

    segment(p, 1, 300);
    rig_add_active(p, 301);
    for (size_t i = 0; i < 2; i++) {
        assert_true(pack_rig_start(p));
        pack_rig_stop(p);
        if (i == 0)
            rig_write(&p->rig, ".", "gaps.log", "half a line", 11);
        make_bad(p, ".", names[i], 0, 4096);
        if (!pack_rig_start(p))
            fail_msg("%s: %s", names[i], p->rig.err.text);
        assert_memory_equal(p->rig.state.instance_text, "5a5a5a5a", 8);
        assert_int_equal(p->recovery.next_seq, 301);
        pack_rig_stop(p);
        bad_inode = 0;
    }
    assert_int_equal(rig_length(&p->rig, "quarantine", "IDENTITY.0"), 66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bad_sector_costs_its_page, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_not_in_the_way, begin, end),
        cmocka_unit_test_setup_teardown(
            small_files_that_cannot_be_read_are_missed_only, begin, end),
        cmocka_unit_test_setup_teardown(a_start_goes_on_without_them, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
