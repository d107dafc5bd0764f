#include "base/sandbox.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- capabilities --- */

#define CAPABILITIES_MAX 64

struct capabilities {
    struct __user_cap_header_struct head;
    struct __user_cap_data_struct data[2]; /* the lower and the upper 32 */
};

static bool capabilities_get(struct capabilities *c)
{
    *c = (struct capabilities){.head = {.version = _LINUX_CAPABILITY_VERSION_3}};
    return syscall(SYS_capget, &c->head, c->data) == 0;
}

static bool capabilities_set(struct capabilities *c, uint64_t effective, uint64_t permitted)
{
    for (unsigned i = 0; i < 2; i++) {
        c->data[i].effective = (uint32_t)(effective >> (32 * i));
        c->data[i].permitted = (uint32_t)(permitted >> (32 * i));
        c->data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &c->head, c->data) == 0;
}

static uint64_t permitted_of(const struct capabilities *c)
{
    return c->data[0].permitted | (uint64_t)c->data[1].permitted << 32;
}

uint64_t sandbox_capabilities(void)
{
    struct capabilities c;

    return capabilities_get(&c) ? permitted_of(&c) : 0;
}

void sandbox_rest_capabilities(void)
{
    struct capabilities c;

    if (capabilities_get(&c))
        (void)capabilities_set(&c, 0, permitted_of(&c));
}

bool sandbox_keep_capabilities(uint64_t keep, struct err *err)
{
    struct capabilities c;
    uint64_t permitted;

    if (!capabilities_get(&c))
        return err_sys(err, ERR_DENIED, "read the capabilities");
    permitted = permitted_of(&c);
    /* Without CAP_SETPCAP the bounding set stays; nothing can be started that would use it. */
    if (permitted >> CAP_SETPCAP & 1 && capabilities_set(&c, permitted, permitted)) {
        for (unsigned i = 0; i < CAPABILITIES_MAX; i++)
            if (!(keep >> i & 1))
                (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!permitted) /* a filter of the service manager may forbid even the call that takes nothing */
        return true;
    if (!capabilities_set(&c, permitted & keep, permitted & keep))
        return err_sys(err, ERR_DENIED, "drop the capabilities");
    return true;
}

/* --- Landlock --- */

/* The same numbers on every architecture since Linux 5.1. */
#define CALL_CREATE_RULESET 444
#define CALL_ADD_RULE 445
#define CALL_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_ANY (UINT64_C(127) << 6) /* devices, directories, files, sockets, FIFOs, links */
#define FS_VERSION_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)             /* version 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)          /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)         /* version 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)          /* version 4 */
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0) /* version 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)          /* version 6 */

#define READ_FILES (FS_READ_FILE | FS_READ_DIR)
/* What is odd is moved aside, whatever it is, and for Landlock that is making it there. seccomp has no
 * call that makes a link or a device. */
#define WRITE_FILES                                                                                \
    (FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_ANY | FS_REFER)
#define OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

/* An older kernel takes the beginning of the struct, when the rest is zero. */
static struct ruleset ruleset_of(int abi)
{
    return (struct ruleset){
        .fs = FS_VERSION_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
              (abi >= 5 ? FS_IOCTL_DEV : 0),
        .net = abi >= 4 ? NET_BIND_TCP : 0,
        .scoped = abi >= 6 ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0,
    };
}

static bool add_place(
    int ruleset_fd, const struct sandbox_place *place, uint64_t handled, struct err *err)
{
    struct path_rule rule = {.allowed = READ_FILES | (place->write ? WRITE_FILES : 0)};
    struct stat st;
    bool ok = true;

    rule.parent_fd = open(place->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return true; /* what is not there cannot be read */
    if (fstat(rule.parent_fd, &st) < 0 || !S_ISDIR(st.st_mode))
        rule.allowed &= OF_A_FILE;
    rule.allowed &= handled;
    if (syscall(CALL_ADD_RULE, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) < 0)
        ok = err_sys(err, ERR_DENIED, "Landlock: allow %s", place->path);
    file_drop(rule.parent_fd);
    return ok;
}

enum sandbox_result sandbox_files(
    const struct sandbox_place *places, size_t count, int *ret_abi, struct err *err)
{
    long abi = syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    struct ruleset ruleset;
    bool ok = true;
    int fd;

    *ret_abi = 0;
    if (abi < 0) {
        err_sys(err, ERR_DENIED, "Landlock");
        return err->code == ENOSYS || err->code == EOPNOTSUPP || err->code == EPERM
                   ? SANDBOX_ABSENT
                   : SANDBOX_FAILED;
    }
    *ret_abi = (int)abi;
    if (abi < 2) {
        err_set(
            err, ERR_DENIED, 0, "Landlock of this kernel forbids renames; Linux 5.19 is needed");
        return SANDBOX_ABSENT;
    }
    ruleset = ruleset_of((int)abi);
    /* The size tells the kernel's version of the struct; Debian 12's has the first member alone. */
    fd = (int)syscall(CALL_CREATE_RULESET, &ruleset,
        abi >= 6   ? sizeof(ruleset)
        : abi >= 4 ? 2 * sizeof(uint64_t)
                   : sizeof(uint64_t),
        0);
    if (fd < 0) {
        err_sys(err, ERR_DENIED, "Landlock: make the rules");
        return SANDBOX_FAILED;
    }
    for (size_t i = 0; i < count && ok; i++)
        ok = add_place(fd, &places[i], ruleset.fs, err);
    if (ok && syscall(CALL_RESTRICT_SELF, fd, 0) < 0)
        ok = err_sys(err, ERR_DENIED, "Landlock: apply the rules");
    file_drop(fd);
    return ok ? SANDBOX_ON : SANDBOX_FAILED;
}

/* --- seccomp --- */

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define OWN_ARCHITECTURE 0U /* no filter */
#endif

#define STEPS_MAX 4096U /* BPF_MAXINSNS */
#define AT_NUMBER offsetof(struct seccomp_data, nr)
#define AT_ARCHITECTURE offsetof(struct seccomp_data, arch)
#define AT_LOW(argument) (offsetof(struct seccomp_data, args) + 8 * (size_t)(argument))
#define AT_HIGH(argument) (AT_LOW(argument) + 4)

/* A program in the making. Once it does not fit, it stays full. */
struct filter {
    struct sock_filter *steps;
    size_t count;
    bool full;
};

static void step(struct filter *f, unsigned code, uint32_t k, size_t if_true, size_t if_false)
{
    if (f->count == STEPS_MAX || if_true > UINT8_MAX || if_false > UINT8_MAX) {
        f->full = true;
        return;
    }
    f->steps[f->count++] = (struct sock_filter){
        .code = (uint16_t)code, .jt = (uint8_t)if_true, .jf = (uint8_t)if_false, .k = k};
}

static void load(struct filter *f, size_t offset)
{
    step(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct filter *f, uint32_t action)
{
    step(f, BPF_RET | BPF_K, action, 0, 0);
}

/* Three steps; the last is a jump whose ways are not known yet. */
static void compare(struct filter *f, size_t offset, uint32_t mask, uint32_t value)
{
    load(f, offset);
    step(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    step(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
}

/* The steps of one row behind the comparison of its number; every way that does not allow the call
 * leads to `end`, which is the step behind the row.
 *
 *      EQUAL     low: equal -> go on, else end;  high: the same
 *      DIFFERS   low: differs -> holds;  high: differs -> holds, else end */
static void test_steps(struct filter *f, const struct sandbox_test *t, size_t end)
{
    uint32_t low_mask = (uint32_t)t->mask, high_mask = (uint32_t)(t->mask >> 32);
    size_t low_jump, high_jump;

    compare(f, AT_LOW(t->argument), low_mask, (uint32_t)t->value);
    low_jump = f->count - 1;
    compare(f, AT_HIGH(t->argument), high_mask, (uint32_t)(t->value >> 32));
    high_jump = f->count - 1;
    if (f->full || end - high_jump - 1 > UINT8_MAX) {
        f->full = true;
        return;
    }
    if (t->compare == SANDBOX_EQUAL) {
        f->steps[low_jump].jf = (uint8_t)(end - low_jump - 1);
        f->steps[high_jump].jf = (uint8_t)(end - high_jump - 1);
    } else {
        f->steps[low_jump].jf = (uint8_t)(high_jump - low_jump);
        f->steps[high_jump].jt = (uint8_t)(end - high_jump - 1);
    }
}

static void allow_row(struct filter *f, const struct sandbox_call *call)
{
    size_t tests = 0, start = f->count, end;

    while (tests < SANDBOX_TESTS && call->tests[tests].compare != SANDBOX_ANY)
        tests++;
    if (tests == 0) {
        step(f, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        answer(f, SECCOMP_RET_ALLOW);
        return;
    }
    /* number?, six for each test, allow; then the number is loaded again for the next row. */
    end = start + 1 + 6 * tests + 1;
    step(f, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, end - start);
    for (size_t i = 0; i < tests; i++)
        test_steps(f, &call->tests[i], end);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, AT_NUMBER);
}

static void write_filter(struct filter *f, const struct sandbox_call *calls, size_t count,
    const uint32_t *absent, uint32_t unknown_from)
{
    const uint32_t no_such_call = SECCOMP_RET_ERRNO | ENOSYS;

    load(f, AT_ARCHITECTURE);
    step(f, BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
    answer(f, SECCOMP_RET_KILL_PROCESS);
    load(f, AT_NUMBER);
    for (size_t i = 0; i < count; i++)
        allow_row(f, &calls[i]);
    for (size_t i = 0; absent[i] != UINT32_MAX; i++) {
        step(f, BPF_JMP | BPF_JEQ | BPF_K, absent[i], 0, 1);
        answer(f, no_such_call);
    }
    /* The numbers of x32 are up there too. */
    step(f, BPF_JMP | BPF_JGE | BPF_K, unknown_from, 0, 1);
    answer(f, no_such_call);
    answer(f, SECCOMP_RET_ERRNO | EPERM);
}

enum sandbox_result sandbox_calls(const struct sandbox_call *calls, size_t count,
    const uint32_t *absent, uint32_t unknown_from, struct err *err)
{
    struct filter filter = {0};
    struct sock_fprog program;
    enum sandbox_result result = SANDBOX_FAILED;

    if (OWN_ARCHITECTURE == 0U || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
        err_set(err, ERR_DENIED, 0, "no seccomp on this machine");
        return SANDBOX_ABSENT;
    }
    filter.steps = calloc(STEPS_MAX, sizeof(*filter.steps));
    if (!filter.steps) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the seccomp filter");
        return SANDBOX_FAILED;
    }
    write_filter(&filter, calls, count, absent, unknown_from);
    program = (struct sock_fprog){.len = (unsigned short)filter.count, .filter = filter.steps};
    if (filter.full || count > SANDBOX_CALLS_MAX)
        err_set(err, ERR_BROKEN, 0, "the seccomp filter is too long");
    else if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        result = SANDBOX_ON;
    else {
        err_sys(err, ERR_DENIED, "seccomp");
        /* EINVAL: the kernel was built without filters, or this is qemu-user. */
        result = err->code == EINVAL ? SANDBOX_ABSENT : SANDBOX_FAILED;
    }
    free(filter.steps);
    return result;
}
