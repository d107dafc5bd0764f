/* Rights that are gone, each seen in a child of its own: what is given up never comes back. */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In a child: cmocka's asserts would jump into the parent's frames. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
#define ABSENT 77

static char directory[64];
static const char *const odd[] = {"odd-directory", "odd-fifo", "odd-link"};

static int make_directory(void **state)
{
    char inside[96];

    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/base_sandbox_XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"mine", "mine/sub", "read"};

        (void)snprintf(inside, sizeof(inside), "%s/%s", directory, names[i]);
        if (mkdir(inside, 0700) < 0)
            return -1;
    }
    (void)snprintf(inside, sizeof(inside), "%s/read/file", directory);
    if (close(open(inside, O_WRONLY | O_CREAT, 0600)) < 0)
        return -1;
    /* What a store may hold that is none of it, and is set aside. */
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        (void)snprintf(inside, sizeof(inside), "%s/mine/%s", directory, odd[i]);
        if ((i == 0      ? mkdir(inside, 0700)
                : i == 1 ? mkfifo(inside, 0600)
                         : symlink("/", inside)) < 0)
            return -1;
    }
    return 0;
}

static int drop_directory(void **state)
{
    char inside[96];
    static const char *const names[] = {"mine/sub/odd-directory", "mine/sub/odd-fifo",
        "mine/sub/odd-link", "mine/odd-directory", "mine/odd-fifo", "mine/odd-link", "mine/sub/b",
        "mine/a", "read/file", "mine/sub", "mine", "read"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(inside, sizeof(inside), "%s/%s", directory, names[i]);
        (void)remove(inside);
    }
    return rmdir(directory);
}

static void in_child(void (*body)(void))
{
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            _exit(1);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == ABSENT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- capabilities --- */

static void give_up_all_but_one(void)
{
    uint64_t one = sandbox_capabilities(), again;
    struct err err;

    one &= ~one + 1; /* the lowest; 0 for an ordinary user, who has none to lose */
    sandbox_rest_capabilities();
    CHECK(sandbox_keep_capabilities(one, &err));
    CHECK(sandbox_capabilities() == one);
    again = sandbox_capabilities();
    CHECK(sandbox_keep_capabilities(UINT64_MAX, &err)); /* nothing comes back */
    CHECK(sandbox_capabilities() == again);
    for (unsigned i = 0; one && i < 32; i++)
        CHECK(prctl(PR_CAPBSET_READ, i, 0, 0, 0) == (int)(one >> i & 1));
    CHECK(sandbox_keep_capabilities(0, &err));
    CHECK(sandbox_capabilities() == 0);
}

static void capabilities_do_not_come_back(void **state)
{
    (void)state;
    in_child(give_up_all_but_one);
}

/* --- Landlock --- */

static int at(const char *name, int flags)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static void move_inside(void)
{
    char from[96], to[96];

    (void)snprintf(from, sizeof(from), "%s/mine/a", directory);
    (void)snprintf(to, sizeof(to), "%s/mine/sub/b", directory);
    CHECK(rename(from, to) == 0);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        char aside[96];

        (void)snprintf(from, sizeof(from), "%s/mine/%s", directory, odd[i]);
        (void)snprintf(aside, sizeof(aside), "%s/mine/sub/%s", directory, odd[i]);
        CHECK(rename(from, aside) == 0);
    }
    (void)snprintf(from, sizeof(from), "%s/read/b", directory);
    CHECK(rename(to, from) < 0);
    CHECK(errno == EACCES || errno == EXDEV);
}

static void stay_in_two_places(void)
{
    char mine[96], read_only[96];
    struct sandbox_place places[] = {{mine, true}, {read_only, false}, {"/nowhere/at/all", true}};
    int abi = 0, open_before = at("read/file", O_RDWR);
    enum sandbox_result result;
    struct err err;

    (void)snprintf(mine, sizeof(mine), "%s/mine", directory);
    (void)snprintf(read_only, sizeof(read_only), "%s/read/file", directory);
    result = sandbox_files(places, 3, &abi, &err);
    if (result == SANDBOX_ABSENT)
        _exit(ABSENT);
    CHECK(result == SANDBOX_ON);
    CHECK(abi >= 2);
    CHECK(at("mine/a", O_RDWR | O_CREAT) >= 0);
    CHECK(at("mine/a", O_RDWR | O_TRUNC) >= 0);
    CHECK(at("read/file", O_RDONLY) >= 0);
    CHECK(at("read/file", O_WRONLY) < 0 && errno == EACCES);
    CHECK(at("read/new", O_WRONLY | O_CREAT) < 0 && errno == EACCES);
    CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open("/dev/null", O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
    move_inside();
    CHECK(write(open_before, "x", 1) == 1); /* what was open stays open */
}

static void files_open_below_the_places_alone(void **state)
{
    (void)state;
    in_child(stay_in_two_places);
}

/* --- seccomp --- */

#define LOW UINT32_MAX
#define BIG (UINT64_C(1) << 40)
#define RARE SYS_getpriority /* fails with EINVAL for arguments that make no sense */
#define ODD 0x7ff0U

/* The one call that looks at what it is given: which way did the filter go? */
static int probe(uint64_t first, uint64_t second)
{
    errno = 0;
    return syscall(RARE, first, second) < 0 ? errno : 0;
}

static void filter_by_arguments(void)
{
    static const struct sandbox_call calls[] = {
        {SYS_write, {{0}}},
        {SYS_exit_group, {{0}}},
        /* what a sanitizer asks for on the way */
        {SYS_futex, {{0}}},
        {SYS_mmap, {{0}}},
        {SYS_munmap, {{0}}},
        {SYS_madvise, {{0}}},
        {SYS_sched_yield, {{0}}},
        {SYS_sigaltstack, {{0}}},
        {RARE, {{SANDBOX_EQUAL, 0, LOW, ODD}}},
        {RARE, {{SANDBOX_EQUAL, 0, UINT64_MAX, BIG | 1}}},
        {RARE, {{SANDBOX_DIFFERS, 0, 6, 6}, {SANDBOX_EQUAL, 1, UINT64_MAX, 5}}},
        {RARE, {{SANDBOX_DIFFERS, 1, UINT64_MAX, BIG}, {SANDBOX_EQUAL, 0, LOW, 7}}},
    };
    static const uint32_t none[] = {SYS_uname, UINT32_MAX};
    static const struct {
        uint64_t first, second;
        bool allowed;
    } rows[] = {
        {ODD, 0, true},           /* equal */
        {ODD | BIG, 0, true},     /* an int: the upper half does not count */
        {ODD + 1, 0, false},      /* not equal */
        {BIG | 1, 0, true},       /* 64 bits */
        {BIG << 1 | 1, 0, false}, /* the lower half alone is not enough */
        {BIG, 0, false},          /* nor the upper */
        {0x102, 5, true},         /* differs in one of two bits, and the second test holds */
        {0x106, 5, false},        /* both bits are set */
        {0x102, 6, false},        /* the second test does not hold */
        {0x102, BIG | 5, false},  /* nor here, in its upper half */
        {7, 0, true},             /* differs in the upper half */
        {7, BIG | 1, true},       /* differs in the lower */
        {7, BIG, false},          /* does not differ */
    };
    struct err err;
    enum sandbox_result result;

    result = sandbox_calls(calls, sizeof(calls) / sizeof(calls[0]), none, 5000, &err);
    if (result == SANDBOX_ABSENT)
        _exit(ABSENT);
    CHECK(result == SANDBOX_ON);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((probe(rows[i].first, rows[i].second) == EPERM) == rows[i].allowed) {
            fprintf(stderr, "row %zu: errno %d\n", i, errno);
            _exit(1);
        }
    CHECK(syscall(SYS_getppid) < 0 && errno == EPERM);
    CHECK(syscall(SYS_uname, NULL) < 0 && errno == ENOSYS);
    CHECK(syscall(5000) < 0 && errno == ENOSYS);
    CHECK(syscall(4999) < 0 && errno == EPERM);
}

static void calls_are_judged_by_their_arguments(void **state)
{
    (void)state;
    in_child(filter_by_arguments);
}

static void too_many(void)
{
    static struct sandbox_call calls[SANDBOX_CALLS_MAX + 1];
    static const uint32_t none[] = {UINT32_MAX};
    struct err err;
    enum sandbox_result result = sandbox_calls(calls, SANDBOX_CALLS_MAX + 1, none, 5000, &err);

    if (result == SANDBOX_ABSENT)
        _exit(ABSENT);
    CHECK(result == SANDBOX_FAILED);
    CHECK(err.kind == ERR_BROKEN);
    CHECK(getppid() > 0); /* nothing was taken */
}

static void a_filter_that_is_too_long_is_not_taken_in_part(void **state)
{
    (void)state;
    in_child(too_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capabilities_do_not_come_back),
        cmocka_unit_test_setup_teardown(
            files_open_below_the_places_alone, make_directory, drop_directory),
        cmocka_unit_test(calls_are_judged_by_their_arguments),
        cmocka_unit_test(a_filter_that_is_too_long_is_not_taken_in_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
