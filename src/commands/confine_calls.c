/* The system calls of a run. Made from what libc, libcurl with its TLS library and resolver, and
 * libmicrohttpd do, seen with strace, and from what they would do in another mood (an older or newer
 * libc, another resolver). One that is missing here answers EPERM; see
 * docs/decisions/2026-11-27-sandbox.md before adding one. */
#include "commands/confine.h"

#include <linux/sockios.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first number that Linux 6.1, and with it Debian 12's C library, does not have. What a newer
 * library tries from there on, it also does without. */
#define UNKNOWN_FROM 451U

#define INT UINT32_MAX
#define IS(number, of, is)                                                                         \
    {                                                                                              \
        .compare = SANDBOX_EQUAL, .argument = (number), .mask = (of), .value = (is)                \
    }
#define IS_NOT(number, of, is)                                                                     \
    {                                                                                              \
        .compare = SANDBOX_DIFFERS, .argument = (number), .mask = (of), .value = (is)              \
    }

/* A thread of this process, in its name spaces. */
#define NEW_SPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
        CLONE_NEWNET)
#define TIOCGETS 0x5401U /* TCGETS of <asm/ioctls.h>, which isatty(3) asks */

/* Whatever the arguments. In the order of how often they come. */
static const uint32_t plain[] = {
    /* waiting and reading */
    SYS_futex,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_read,
    SYS_write,
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_recvmmsg,
    SYS_sendmmsg,
    SYS_accept,
    SYS_accept4,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_epoll_ctl,
    SYS_epoll_create1,
    SYS_epoll_pwait2,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_pipe2,
    SYS_readv,
    SYS_writev,
    SYS_restart_syscall,
    /* files: Landlock says where */
    SYS_pwrite64,
    SYS_pread64,
    SYS_pwritev,
    SYS_preadv,
    SYS_fdatasync,
    SYS_fsync,
    SYS_sync_file_range,
    SYS_fallocate,
    SYS_ftruncate,
    SYS_fadvise64,
    SYS_lseek,
    SYS_openat,
    SYS_close,
    SYS_close_range,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_statfs,
    SYS_getdents64,
    SYS_renameat2,
    SYS_renameat,
    SYS_linkat,
    SYS_unlinkat,
    SYS_mkdirat,
    SYS_flock,
    SYS_fcntl,
    SYS_dup,
    SYS_dup3,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_sendfile,
    /* sockets: which families, see below */
    SYS_connect,
    SYS_bind,
    SYS_getsockname,
    SYS_getpeername,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_shutdown,
    SYS_socketpair,
    /* memory: never writable and executable, see below */
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,

    SYS_membarrier,
    SYS_getrandom,
    /* threads and signals of our own */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_rt_sigpending,
    SYS_sigaltstack,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    /* about ourselves */
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_times,
    SYS_uname,
    SYS_sysinfo,
    SYS_getpriority,
    SYS_capget,
#if defined(__x86_64__) /* the old calls that newer architectures never had */
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_epoll_create,
    SYS_eventfd,
    SYS_pipe,
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_rename,
    SYS_link,
    SYS_unlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_getdents,
    SYS_dup2,
    SYS_time,
#endif
};

/* With these arguments alone. */
static const struct sandbox_call exact[] = {
    {SYS_mmap, {IS_NOT(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC)}},
    {SYS_mprotect, {IS(2, PROT_EXEC, 0)}},
    {SYS_clone, {IS(0, (unsigned)(CLONE_THREAD | NEW_SPACES), CLONE_THREAD)}},
    {SYS_socket, {IS(0, INT, AF_INET)}},
    {SYS_socket, {IS(0, INT, AF_INET6)}},
    {SYS_socket, {IS(0, INT, AF_UNIX)}},
    /* The resolver asks which addresses this machine has (NETLINK_ROUTE). */
    {SYS_socket, {IS(0, INT, AF_NETLINK), IS(2, INT, 0)}},
    {SYS_ioctl, {IS(1, INT, TIOCGETS)}},
    {SYS_ioctl, {IS(1, INT, TIOCGWINSZ)}},
    {SYS_ioctl, {IS(1, INT, FIONBIO)}},
    {SYS_ioctl, {IS(1, INT, FIONREAD)}},
    {SYS_ioctl, {IS(1, INT, SIOCGIFINDEX)}}, /* fe80::1%eth0 */
    {SYS_ioctl, {IS(1, INT, SIOCGIFNAME)}},
    {SYS_prctl, {IS(0, INT, PR_SET_NAME)}},
    {SYS_prctl, {IS(0, INT, PR_GET_NAME)}},
    {SYS_prlimit64, {IS(2, UINT64_MAX, 0)}}, /* looking, not setting */
    {SYS_setpriority, {IS(0, INT, PRIO_PROCESS)}},
#if defined(__x86_64__)
    {SYS_getrlimit, {{0}}},
#endif
};

/* Their arguments lie in memory, where a filter cannot look; the C library knows older ways. */
static const uint32_t absent[] = {SYS_clone3, SYS_openat2, UINT32_MAX};

_Static_assert(
    sizeof(plain) / sizeof(plain[0]) + sizeof(exact) / sizeof(exact[0]) + 1 <= SANDBOX_CALLS_MAX,
    "confine_calls has room for all");

size_t confine_calls(
    struct sandbox_call *out, const uint32_t **ret_absent, uint32_t *ret_unknown_from)
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        out[count++] = (struct sandbox_call){.number = plain[i]};
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
        out[count++] = exact[i];
    /* abort(3) signals its own thread; nobody else is signalled. */
    out[count++] = (struct sandbox_call){SYS_tgkill, {IS(0, INT, (uint32_t)getpid())}};
    *ret_absent = absent;
    *ret_unknown_from = UNKNOWN_FROM;
    return count;
}
