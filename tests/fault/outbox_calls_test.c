/* The outbox with its nth disk call or allocation failing, for every n until none is left: a step says so, or is
 * done; and afterwards the file is where it was, or where it was to go, whole.
 *
 * wrap: openat64 fstat64 fstatat64 fsync renameat unlinkat flock fallocate64 ftruncate64 pread64 malloc calloc realloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/file.h>

#include "outbox_rig.h"

#define TEXT "not really Parquet, but the outbox does not look inside"
#define TEXT_LEN (sizeof(TEXT) - 1)

static long fail_at; /* 0: none */
static int fail_code;

static bool hit(void)
{
    if (fail_at == 0 || --fail_at > 0)
        return false;
    errno = fail_code;
    return true;
}

int __real_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __real_fstatat64(int dirfd, const char *path, struct stat *st, int flags);
int __wrap_fstatat64(int dirfd, const char *path, struct stat *st, int flags);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __real_fallocate64(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t len);
int __real_ftruncate64(int fd, off_t len);
int __wrap_ftruncate64(int fd, off_t len);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode)
{
    return hit() ? -1 : __real_openat64(dirfd, path, flags, mode);
}

int __wrap_fstat64(int fd, struct stat *st)
{
    return hit() ? -1 : __real_fstat64(fd, st);
}

int __wrap_fstatat64(int dirfd, const char *path, struct stat *st, int flags)
{
    return hit() ? -1 : __real_fstatat64(dirfd, path, st, flags);
}

int __wrap_fsync(int fd)
{
    return hit() ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return hit() ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
    return hit() ? -1 : __real_unlinkat(dirfd, path, flags);
}

int __wrap_flock(int fd, int operation)
{
    return hit() ? -1 : __real_flock(fd, operation);
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t len)
{
    return hit() ? -1 : __real_fallocate64(fd, mode, at, len);
}

int __wrap_ftruncate64(int fd, off_t len)
{
    return hit() ? -1 : __real_ftruncate64(fd, len);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
    return hit() ? -1 : __real_pread64(fd, data, len, at);
}

void *__wrap_malloc(size_t size)
{
    return hit() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return hit() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return hit() ? NULL : __real_realloc(old, size);
}

/* --- what is tried: each on a box with two files --- */

static struct outbox_entry first_entry(struct rig *rig)
{
    struct outbox_list list;
    struct outbox_entry entry;

    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 2);
    entry = list.items[0];
    outbox_list_done(&list);
    return entry;
}

static bool put(struct rig *rig, uint64_t seq, struct err *err)
{
    struct file_name name = {
        .first_seq = seq, .last_seq = seq + 9, .crc = crc32c(0, TEXT, TEXT_LEN)};
    bool ok;
    int fd;

    memcpy(name.instance, rig->state.instance_text, 16);
    if (!outbox_begin(&rig->box, false, &fd, err))
        return false;
    ok = file_write(fd, TEXT, TEXT_LEN, NULL, err) && file_sync(fd, err) &&
         outbox_put(&rig->box, &name, TEXT_LEN, err);
    file_drop(fd);
    return ok;
}

static bool look(struct rig *rig, struct err *err)
{
    struct outbox_list list;
    size_t count = 0;

    if (!outbox_scan(&rig->box, false, &list, err))
        return false;
    assert_int_equal(list.count, 2);
    outbox_list_done(&list);
    if (!outbox_scan(&rig->box, true, &list, err))
        return false;
    assert_int_equal(list.count, 0);
    outbox_list_done(&list);
    if (!outbox_count(&rig->box, &count, err))
        return false;
    assert_int_equal(count, 2);
    return true;
}

static bool add(struct rig *rig, struct err *err)
{
    return put(rig, 101, err);
}

static bool check(struct rig *rig, struct err *err)
{
    struct outbox_entry entry;
    long at = fail_at;
    bool good = false;
    int fd;

    fail_at = 0;
    entry = first_entry(rig);
    fail_at = at;
    if (!outbox_verify(&rig->box, &entry, &good, err) || !outbox_open(&rig->box, &entry, &fd, err))
        return false;
    assert_true(good);
    file_drop(fd);
    return true;
}

static bool deliver(struct rig *rig, struct err *err)
{
    struct outbox_entry entry;
    long at = fail_at;

    fail_at = 0;
    entry = first_entry(rig);
    fail_at = at;
    return outbox_done(&rig->box, &entry, err);
}

static bool refuse(struct rig *rig, struct err *err)
{
    struct outbox_entry entry;
    long at = fail_at;

    fail_at = 0;
    entry = first_entry(rig);
    fail_at = at;
    return outbox_refuse(&rig->box, &entry, err);
}

static bool quarantine(struct rig *rig, struct err *err)
{
    struct outbox_entry entry;
    long at = fail_at;

    fail_at = 0;
    entry = first_entry(rig);
    fail_at = at;
    return outbox_quarantine(&rig->box, &entry, err);
}

static bool reserve(struct rig *rig, struct err *err)
{
    int fd;

    if (!outbox_make_reserve(&rig->box, 65536, err))
        return false;
    if (!outbox_has_reserve(&rig->box)) /* cannot be seen: packing waits, as without one */
        return err_set(err, ERR_RETRY, 0, "not seen");
    if (!outbox_begin(&rig->box, true, &fd, err))
        return false;
    file_drop(fd);
    return outbox_abort(&rig->box, err) && outbox_make_reserve(&rig->box, 4096, err) &&
           outbox_make_reserve(&rig->box, 8192, err) && outbox_drop_reserve(&rig->box, err);
}

/* --- the walk --- */

static const struct {
    const char *name;
    bool (*step)(struct rig *rig, struct err *err);
    size_t files; /* of the two, at least so many are there afterwards, whatever failed */
} steps[] = {{"look", look, 2}, {"add", add, 2}, {"check", check, 2}, {"deliver", deliver, 1},
    {"refuse", refuse, 2}, {"quarantine", quarantine, 2}, {"reserve", reserve, 2}};

/* False: it did not come to the call that was to fail. */
static bool one(size_t s, long at, int code)
{
    struct err err = {.kind = ERR_NONE};
    struct rig rig;
    size_t there;
    bool ok, came;

    rig_make_path(&rig);
    assert_true(rig_start(&rig));
    assert_true(state_set_instance(&rig.state, NULL, &rig.err));
    assert_true(put(&rig, 1, &rig.err) && put(&rig, 11, &rig.err));
    fail_code = code;
    fail_at = at;
    ok = steps[s].step(&rig, &err);
    came = fail_at == 0;
    fail_at = 0;
    if (!ok && (err.kind == ERR_NONE || !came))
        fail_msg("%s, call %ld: %s", steps[s].name, at, err.text);
    if (!ok && code == ENOSPC && err.kind != ERR_FULL && err.kind != ERR_BROKEN &&
        err.kind != ERR_DENIED && err.kind != ERR_RETRY)
        fail_msg("%s, call %ld: kind %d", steps[s].name, at, (int)err.kind);
    there = rig_count(&rig, "refused") + rig_count(&rig, "quarantine");
    for (uint64_t seq = 1; seq < 20; seq += 10) {
        struct file_name name = {
            .first_seq = seq, .last_seq = seq + 9, .crc = crc32c(0, TEXT, TEXT_LEN)};
        char text[OUTBOX_NAME_SIZE];

        memcpy(name.instance, rig.state.instance_text, 16);
        file_name_format(&name, text);
        there += rig_length(&rig, "outbox", text) == (long long)TEXT_LEN;
    }
    if (there < steps[s].files || there > 2)
        fail_msg("%s, call %ld: %zu files", steps[s].name, at, there);
    state_close(&rig.state);
    rig_delete(rig.path);
    return came;
}

static void each_call_fails(void **state)
{
    static const int codes[] = {EIO, ENOSPC};

    (void)state;
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
            long at = 1;

            while (one(s, at, codes[c]))
                at++;
            assert_in_range(at, 2, 200);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
