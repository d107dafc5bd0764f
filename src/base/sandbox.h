/* base/sandbox.h: taking rights away from this process, for good. The means only; what is taken is
 * the caller's policy (commands/confine.c).
 *
 * Shape    one function for each means of the kernel, from the oldest to the newest. What is taken
 *          never comes back; threads made later inherit it, threads there already do not.
 * Units    capabilities as a set of bits, bit n is capability n.
 * Limits   SANDBOX_CALLS_MAX rows of calls.
 * Errors   ERR_DENIED with the reason. Nothing here is needed for working: the caller says what is
 *          missing and goes on.
 * Threads  main, before others start.
 * Source   prctl(2), capabilities(7), landlock(7), seccomp(2); the kernel's uapi headers. Numbers
 *          that Debian 12's headers do not have yet stand in sandbox.c.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum sandbox_result {
    SANDBOX_ON,
    SANDBOX_ABSENT, /* the kernel has no such means, or has it switched off; err says which */
    SANDBOX_FAILED, /* it has it and did not take it */
};

/* --- capabilities --- */

/* Those this process could use. 0 also when nobody can tell. */
uint64_t sandbox_capabilities(void);

/* Lays them down until sandbox_keep_capabilities; they could be taken up again. */
void sandbox_rest_capabilities(void);

/* Keeps `keep` of what there is and gives the rest up: effective, permitted, inheritable, ambient,
 * and the bounding set when there is the right to. */
NODISCARD bool sandbox_keep_capabilities(uint64_t keep, struct err *err);

/* --- files (Landlock) --- */

struct sandbox_place {
    const char *path; /* a file, or a directory with all below it; links are followed */
    bool write;       /* else reading alone */
};

/* Files can be opened below `places` only, no TCP port can be listened on, no other process can be
 * signalled. What is open stays open. A place that is not there is left out. *ret_abi: the kernel's
 * version of Landlock. Needs version 2 (Linux 5.19): 1 forbids renaming between directories. */
enum sandbox_result sandbox_files(
    const struct sandbox_place *places, size_t count, int *ret_abi, struct err *err);

/* --- system calls (seccomp) --- */

#define SANDBOX_CALLS_MAX 400U
#define SANDBOX_TESTS 2

enum sandbox_compare { SANDBOX_ANY, SANDBOX_EQUAL, SANDBOX_DIFFERS };

/* (argument & mask) compared with value. The kernel sees 32 bits of an int: mask UINT32_MAX. */
struct sandbox_test {
    enum sandbox_compare compare;
    unsigned argument; /* 0 to 5 */
    uint64_t mask, value;
};

/* Allowed when all tests hold. A call may have several rows: one is enough. */
struct sandbox_call {
    uint32_t number;
    struct sandbox_test tests[SANDBOX_TESTS];
};

/* A call without a fitting row answers EPERM. `absent` (ends with UINT32_MAX) and all numbers from
 * `unknown_from` on answer ENOSYS instead: "this kernel is too old", which the C library has another
 * way for. The calls of another architecture end the process. */
enum sandbox_result sandbox_calls(const struct sandbox_call *calls, size_t count,
    const uint32_t *absent, uint32_t unknown_from, struct err *err);

#endif
