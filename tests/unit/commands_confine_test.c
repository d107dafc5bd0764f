/* A confined process, in a child: what a run needs works, what an intruder would try does not. */
#include "commands/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* In a child: cmocka's asserts would jump into the parent's frames. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
#define REFUSED(call) CHECK((call) < 0 && errno == EPERM)
#define ABSENT 77
#define PATH_BYTES 128

static char directory[64], state_dir[PATH_BYTES], secrets[PATH_BYTES], token[PATH_BYTES + 64];

static const char *in(const char *folder, const char *name)
{
    static char path[PATH_BYTES + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* As Kubernetes mounts a secret: token -> ..data/token, ..data -> ..1, and a change swaps ..data. */
static int make_places(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/commands_confine_XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
    (void)snprintf(secrets, sizeof(secrets), "%s/secrets", directory);
    (void)snprintf(token, sizeof(token), "%s/token", secrets);
    assert_int_equal(mkdir(state_dir, 0700), 0);
    assert_int_equal(mkdir(in(state_dir, "journal"), 0700), 0);
    assert_int_equal(mkdir(in(state_dir, "outbox"), 0700), 0);
    assert_int_equal(mkdir(secrets, 0700), 0);
    assert_int_equal(mkdir(in(secrets, "..1"), 0700), 0);
    assert_int_equal(mkdir(in(secrets, "..2"), 0700), 0);
    put(in(secrets, "..1/token"), "dapi-one\n");
    put(in(secrets, "..2/token"), "dapi-two\n");
    assert_int_equal(symlink("..1", in(secrets, "..data")), 0);
    assert_int_equal(symlink("..data/token", token), 0);
    put(in(directory, "other"), "not ours");
    return 0;
}

static int drop_places(void **state)
{
    char command[PATH_BYTES];
    pid_t child = fork();

    (void)state;
    (void)snprintf(command, sizeof(command), "%s", directory);
    if (child == 0) {
        (void)execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(1);
    }
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static struct config *load(const char *sandbox)
{
    struct err err;
    struct config *config = config_new(CONFIG_RUN, &err);

    CHECK(config);
    config_set(config, "host", "https://dbc-a1b2c3d4.cloud.databricks.com");
    config_set(config, "volume", "main.plant.readings");
    config_set(config, "token_file", token);
    config_set(config, "sandbox", sandbox);
    CHECK(config_load(config));
    return config;
}

static struct config *begin(const char *sandbox)
{
    struct config *config = load(sandbox);

    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, NULL);
    confine_start();
    confine(config, state_dir);
    return config;
}

/* The filter forbids the question, too. 0: there is none, as with the sanitizers or in qemu-user. */
static bool filtered(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0 && errno == EPERM;
}

static void in_child(void (*body)(void))
{
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == ABSENT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- what must go on working --- */

static void *name_itself(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "confined");
    return arg;
}

static void check_threads(void)
{
    pthread_t thread;
    int token_of_thread = 7;
    void *back = NULL;

    CHECK(pthread_create(&thread, NULL, name_itself, &token_of_thread) == 0);
    CHECK(pthread_join(thread, &back) == 0 && back == &token_of_thread);
}

static void check_resolver(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found = NULL;

    CHECK(getaddrinfo("localhost", "443", &hints, &found) == 0);
    CHECK(found != NULL);
    freeaddrinfo(found);
    /* No such name, whatever the network: it must come back, and not end us. */
    (void)getaddrinfo("nowhere.invalid", "443", &hints, &found);
}

static void check_sockets(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED);
    CHECK(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 || errno == EAFNOSUPPORT);
    CHECK(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0);
    CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0 || errno == EPROTONOSUPPORT);
}

static void check_state(void)
{
    char from[PATH_BYTES + 64];
    int fd = open(in(state_dir, "journal/a"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK(write(fd, "reading", 7) == 7);
    CHECK(fdatasync(fd) == 0 && fsync(fd) == 0 && ftruncate(fd, 3) == 0);
    (void)snprintf(from, sizeof(from), "%s", in(state_dir, "journal/a"));
    CHECK(rename(from, in(state_dir, "outbox/a")) == 0);
    CHECK(unlink(in(state_dir, "outbox/a")) == 0);
    CHECK(mkdir(in(state_dir, "outbox/b"), 0700) == 0 && rmdir(in(state_dir, "outbox/b")) == 0);
}

static void a_run_works(void)
{
    struct config *config = begin("yes");

    check_threads();
    check_resolver();
    check_sockets();
    check_state();
    config_free(config);
}

static void what_a_run_needs_works(void **state)
{
    (void)state;
    in_child(a_run_works);
}

static int swapped[2], confined[2]; /* pipes */

static void read_again(void)
{
    struct config *config = begin("yes");
    bool changed = false;
    char byte = 1;
    struct err err;

    CHECK(write(confined[1], &byte, 1) == 1);
    CHECK(read(swapped[0], &byte, 1) == 1);
    CHECK(config_reload_secrets(config, &changed, &err));
    CHECK(changed);
    config_free(config);
}

/* The platform is another process, which is not confined. */
static void a_rotated_secret_is_read(void **state)
{
    char from[PATH_BYTES + 64], byte = 0;
    int status = -1;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(swapped), 0);
    assert_int_equal(pipe(confined), 0);
    child = fork();
    if (child == 0) {
        read_again();
        _exit(0);
    }
    assert_int_equal(close(confined[1]), 0);
    assert_int_equal(read(confined[0], &byte, 1), 1);
    (void)snprintf(from, sizeof(from), "%s", in(secrets, "..new"));
    assert_int_equal(symlink("..2", from), 0);
    assert_int_equal(rename(from, in(secrets, "..data")), 0);
    assert_int_equal(write(swapped[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(confined[0]);
    (void)close(swapped[0]);
    (void)close(swapped[1]);
}

/* --- what must not --- */

static void check_no_other_program(void)
{
    char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};

    REFUSED(execv(argv[0], argv));
    REFUSED(fork());
    REFUSED(syscall(SYS_clone, CLONE_THREAD | CLONE_NEWUSER, 0, 0, 0, 0));
    CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
    REFUSED(syscall(SYS_unshare, CLONE_NEWUSER));
    REFUSED(syscall(SYS_setns, 0, 0));
    REFUSED(syscall(SYS_memfd_create, "x", 0));
}

static void check_no_other_process(void)
{
    REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    REFUSED(kill(getppid(), 0));
    REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0));
    REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
    REFUSED(syscall(SYS_pidfd_open, getppid(), 0));
}

static void check_no_new_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
              0) == MAP_FAILED &&
          errno == EPERM);
}

static void check_no_strange_sockets(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
    REFUSED(socket(AF_NETLINK, SOCK_RAW, 9)); /* audit */
    REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0));
    REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0));
    REFUSED(listen(fd, 1));
}

static void check_no_machine(void)
{
    struct rlimit more = {1024, 1024};

    REFUSED(mount("none", "/mnt", "tmpfs", 0, NULL));
    REFUSED(syscall(SYS_bpf, 0, NULL, 0));
    REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
    REFUSED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    REFUSED(syscall(SYS_setuid, 0));
    REFUSED(setrlimit(RLIMIT_NOFILE, &more));
    REFUSED(chroot("/"));
    REFUSED(ioctl(0, TIOCSTI, "x"));
    REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    CHECK(syscall(600) < 0 && errno == ENOSYS); /* of a kernel to come */
}

static void calls_are_refused(void)
{
    (void)begin("yes");
    if (!filtered())
        _exit(ABSENT);
    check_no_other_program();
    check_no_other_process();
    check_no_new_code();
    check_no_strange_sockets();
    check_no_machine();
}

static void what_an_intruder_would_call_is_refused(void **state)
{
    (void)state;
    in_child(calls_are_refused);
}

static void only_the_state_is_written(void)
{
    int abi = (int)syscall(444, NULL, 0, 1U);

    (void)begin("yes");
    if (abi < 2)
        _exit(ABSENT);
    CHECK(open(in(directory, "other"), O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open(in(directory, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EACCES);
    CHECK(open(token, O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open("/etc/hosts", O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open("/proc/1/environ", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open("/proc/self/mem", O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES);
    CHECK(open(token, O_RDONLY | O_CLOEXEC) >= 0);
}

static void nothing_but_the_state_can_be_written(void **state)
{
    (void)state;
    in_child(only_the_state_is_written);
}

static void nothing_is_left(void)
{
    struct rlimit limit;

    (void)begin("yes");
    CHECK(sandbox_capabilities() == 0);
    CHECK(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max <= CONFINE_DESCRIPTORS);
}

static void capabilities_and_limits_are_gone(void **state)
{
    (void)state;
    in_child(nothing_is_left);
}

/* root, whose state directory and secret belong to somebody else: it keeps what it needs for them. */
static void theirs(void)
{
    if (geteuid() != 0)
        _exit(ABSENT);
    CHECK(
        chown(state_dir, 12345, 12345) == 0 && chown(in(state_dir, "journal"), 12345, 12345) == 0);
    (void)begin("yes");
    CHECK(sandbox_capabilities() == 2); /* CAP_DAC_OVERRIDE */
    CHECK(open(in(state_dir, "journal/a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0);
}

/* Only a secret does: reading is enough. */
static void their_secret(void)
{
    if (geteuid() != 0)
        _exit(ABSENT);
    CHECK(chown(in(secrets, "..1/token"), 12345, 12345) == 0);
    (void)begin("yes");
    CHECK(sandbox_capabilities() == 4); /* CAP_DAC_READ_SEARCH */
    CHECK(open(token, O_RDONLY | O_CLOEXEC) >= 0);
}

static void root_keeps_what_the_owner_of_the_state_makes_needed(void **state)
{
    (void)state;
    in_child(theirs);
}

static void root_keeps_what_the_owner_of_a_secret_makes_needed(void **state)
{
    (void)state;
    in_child(their_secret);
}

/* --- the way out --- */

static void switched_off(void)
{
    (void)begin("no");
    CHECK(!filtered());
    CHECK(open(in(directory, "other"), O_RDONLY | O_CLOEXEC) >= 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1); /* stays on all the same */
}

static void it_can_be_switched_off(void **state)
{
    (void)state;
    in_child(switched_off);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make_places, drop_places)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(what_a_run_needs_works),
        EACH(a_rotated_secret_is_read),
        EACH(what_an_intruder_would_call_is_refused),
        EACH(nothing_but_the_state_can_be_written),
        EACH(capabilities_and_limits_are_gone),
        EACH(root_keeps_what_the_owner_of_the_state_makes_needed),
        EACH(root_keeps_what_the_owner_of_a_secret_makes_needed),
        EACH(it_can_be_switched_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
