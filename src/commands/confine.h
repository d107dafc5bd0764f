/* commands/confine.h: what a `run` may still do once its state directory and its listening socket
 * are open. Everything else is given up for good.
 *
 * Shape    confine_start early, before settings are read; confine once, before any thread.
 * Limits   CONFINE_DESCRIPTORS open files: 48 clients of the status page, 32 uploads with as many
 *          sockets of the resolver, the outbox files they read, and two dozen of our own.
 * Errors   none: what a kernel does not have is left out and said in one log line.
 * Threads  main alone; threads made later inherit it.
 * Source   durability.md 16; docs/decisions/2026-11-27-sandbox.md says why each call and path.
 */
#ifndef COMMANDS_CONFINE_H
#define COMMANDS_CONFINE_H

#include "base/sandbox.h"
#include "config/settings.h"

#define CONFINE_DESCRIPTORS 256U

/* No core files, no debugger of the same user, no new privileges, umask 077. */
void confine_start(void);

/* `config` says which files are read while running; `state_dir` is the one place to write. */
void confine(const struct config *config, const char *state_dir);

/* The system calls of a run (confine_calls.c); *ret_absent and *ret_unknown_from: see
 * base/sandbox.h. */
size_t confine_calls(
    struct sandbox_call *out, const uint32_t **ret_absent, uint32_t *ret_unknown_from);

#endif
