/* commands/run.h: the main job as a function: `run` calls it, and `demo` in its own process.
 *
 * Shape    run_main returns when a signal (or run_request_stop) has stopped it and all is put away.
 * Errors   logged; the return value is the exit code.
 * Threads  starts three loops and joins them. One run per process.
 * Source   durability.md 7, 12.
 */
#ifndef COMMANDS_RUN_H
#define COMMANDS_RUN_H

#include "commands/commands.h"
#include "config/settings.h"
#include "status/counters.h"

#include <stdbool.h>

struct run_options {
    struct config *config;
    int trace_fd;   /* -1: none */
    bool live_line; /* on a terminal */
    bool confine; /* the whole process gives up its rights: only when a run is all there is in it */
    int signal_fd; /* signalfd of SIGTERM, SIGINT (and SIGHUP); readable: see which. -1: an eventfd
                       is  stop_fd alone */
    int stop_fd;   /* eventfd: stop as after SIGTERM; -1: none */
    struct counters *counters; /* initialised by the caller, who may look at them at any time */
};

enum exit_code run_main(const struct run_options *options);

/* Blocks the signals of the program in this thread (and all made later) and gives a descriptor for
 * them. */
bool run_block_signals(int *ret_signal_fd, struct err *err);

#endif
