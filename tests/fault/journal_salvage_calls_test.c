/* Looking at a segment and copying it, each call and each allocation failing once: what succeeds has found, and has
 * copied, all that is there; what does not says so.
 *
 * wrap: openat64 pread64 fstat64 fstatat64 write close malloc calloc realloc */
#include "journal_kit.h"

#include "journal/salvage.h"

#include <errno.h>

#define SEGMENT "0000000000000001.seg"
#define READINGS 60U

static struct kit kit;
static int copies = -1;
static char copies_path[160];
static long fail_at; /* 0: none */
static int fail_code;
static bool memory; /* only allocations fail, or only the others */
static bool came;
static int written = -1; /* the file that was written to last */
static bool lost;        /* and closing it failed */

static bool hit(bool is_memory)
{
    if (is_memory != memory || fail_at == 0 || --fail_at > 0)
        return false;
    errno = fail_code;
    came = true;
    return true;
}

int __real_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fstatat64(int dirfd, const char *path, struct stat *st, int flags);
int __wrap_fstatat64(int dirfd, const char *path, struct stat *st, int flags);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_close(int fd);
int __wrap_close(int fd);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode)
{
    return hit(false) ? -1 : __real_openat64(dirfd, path, flags, mode);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    return hit(false) ? -1 : __real_pread64(fd, data, len, at);
}

int __wrap_fstat64(int fd, struct stat *st)
{
    return hit(false) ? -1 : __real_fstat64(fd, st);
}

int __wrap_fstatat64(int dirfd, const char *path, struct stat *st, int flags)
{
    return hit(false) ? -1 : __real_fstatat64(dirfd, path, st, flags);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    written = fd;
    return hit(false) ? -1 : __real_write(fd, data, len);
}

int __wrap_close(int fd)
{
    if (hit(false)) {
        lost = lost || fd == written;
        (void)__real_close(fd);
        errno = fail_code;
        return -1;
    }
    return __real_close(fd);
}

void *__wrap_malloc(size_t size)
{
    return hit(true) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return hit(true) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return hit(true) ? NULL : __real_realloc(old, size);
}

/* One segment with a hole in it: the readings 11 to 20. */
static int make(void **state)
{
    struct kit_frame frames[64];
    struct buf bytes;
    size_t count;

    (void)state;
    kit_new(&kit);
    kit_start(&kit);
    for (unsigned i = 0; i < READINGS / 10; i++) {
        kit_append(&kit, 10);
        kit_commit(&kit);
    }
    kit_read(&kit, "journal/" SEGMENT, &bytes);
    bytes.len = (size_t)kit.j->end;
    count = kit_frames(&bytes, frames, 64);
    for (size_t i = 0; i < count; i++) {
        if (frames[i].frame.type == SEGMENT_ROWS && frames[i].frame.seq == 11)
            bytes.data[frames[i].offset + 60] ^= 1;
    }
    kit_stop(&kit);
    kit_write(&kit, "journal/" SEGMENT, bytes.data, bytes.len);
    kit_write(&kit, "quarantine/" SEGMENT ".0", bytes.data, bytes.len);
    kit_write(&kit, "quarantine/notes.txt.0", "x", 1);
    bytes.data[0] ^= 1; /* the name of another file, whose header is lost */
    kit_write(&kit, "quarantine/" SEGMENT ".1", bytes.data, bytes.len);
    buf_done(&bytes);
    (void)snprintf(copies_path, sizeof(copies_path), "%s/copies", kit.dir);
    assert_int_equal(mkdir(copies_path, 0700), 0);
    kit_ok(&kit, file_dir_open(FILE_CWD, copies_path, &copies, &kit.err));
    assert_true(state_open_readonly(&kit.st, kit.dir, &kit.err));
    return 0;
}

static int drop(void **state)
{
    (void)state;
    file_drop(copies);
    kit_free(&kit);
    return 0;
}

static bool whole(const struct seq_ranges *found, uint64_t first, uint64_t end)
{
    uint64_t hole = first < 21 && end > 11 ? 10 : 0;

    return ranges_total(found) == end - first - hole;
}

static bool look(void)
{
    const struct salvage_source source = {
        kit.st.quarantine, SEGMENT ".0", 0, 0, SEGMENT_HEADER_BYTES};
    struct salvage_look found = {0};
    bool is_segment = false;
    bool ok = salvage_look(&source, &is_segment, &found, &kit.err);

    if (ok && is_segment) {
        fail_at = 0;
        assert_int_equal(found.first_seq, 1);
        assert_int_equal(found.end_seq, READINGS + 1);
        assert_int_equal(found.missing, 10);
        assert_int_equal(found.hole_count, 1);
        assert_true(whole(&found.readings, 1, READINGS + 1));
        salvage_look_done(&found);
    }
    return ok && is_segment; /* a header that cannot be read says no number */
}

static bool copy(void)
{
    const struct salvage_source source = {
        kit.st.journal, SEGMENT, 1, READINGS + 1, SEGMENT_HEADER_BYTES};
    const struct segment_header header = {.instance = {7}, .created_us = 99};
    const struct seq_range range = {5, READINGS - 4};
    struct kit_found found = {.seen = __real_calloc(KIT_SEQ_MAX, 1)};
    struct seq_ranges copied = {0};
    struct segment_info info;
    bool ok;

    lost = false;
    ok = salvage_copy(&source, range, &header, copies, &info, &copied, &kit.err);

    if (ok) {
        long left = fail_at;

        fail_at = 0;
        assert_false(lost);
        assert_true(whole(&copied, range.first, range.end));
        kit_look_at(copies, info.name, range.end, &found);
        for (uint64_t seq = range.first; seq < range.end; seq++)
            assert_int_equal(found.seen[seq], seq < 11 || seq > 20);
        fail_at = left;
    }
    (void)unlinkat(copies, "0000000000000005.seg", 0);
    ranges_done(&copied);
    free(found.seen);
    return ok;
}

/* Until a try ends before the call that was to fail. */
static void each_call_fails(bool (*what)(void), bool is_memory, int code)
{
    long failed = 0;

    memory = is_memory;
    fail_code = code;
    for (long at = 1; at == 1 || came; at++) {
        bool ok;

        kit.err.kind = ERR_NONE;
        came = false;
        fail_at = at;
        ok = what();
        fail_at = 0;
        failed += !ok;
        assert_true(ok || came);
        if (!ok && is_memory)
            assert_int_equal(kit.err.kind, ERR_FULL);
        if (!ok && what == copy)
            assert_true(kit.err.kind != ERR_NONE);
    }
    assert_true(failed > 1);
}

static void a_look_is_whole_or_fails(void **state)
{
    (void)state;
    each_call_fails(look, false, EIO);
    each_call_fails(look, false, EACCES);
    each_call_fails(look, true, ENOMEM);
}

static void a_copy_is_whole_or_fails(void **state)
{
    (void)state;
    each_call_fails(copy, false, EIO);
    each_call_fails(copy, false, ENOSPC);
    each_call_fails(copy, true, ENOMEM);
}

/* What has no number by its name has it by its header, or is no segment. */
static void the_header_says_the_number(void **state)
{
    struct salvage_source source = {kit.st.quarantine, SEGMENT ".0", 0, 0, SEGMENT_HEADER_BYTES};
    struct salvage_look found;
    bool is_segment = false;

    (void)state;
    assert_true(look());
    source.name = SEGMENT ".1";
    kit_ok(&kit, salvage_look(&source, &is_segment, &found, &kit.err));
    assert_false(is_segment);
    source.name = "notes.txt.0";
    is_segment = true;
    kit_ok(&kit, salvage_look(&source, &is_segment, &found, &kit.err));
    assert_false(is_segment);
    source.name = "gone";
    assert_false(salvage_look(&source, &is_segment, &found, &kit.err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_is_whole_or_fails),
        cmocka_unit_test(a_copy_is_whole_or_fails),
        cmocka_unit_test(the_header_says_the_number),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
