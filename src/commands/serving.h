/* commands/serving.h: the status server of a run: health, metrics, the page.
 *
 * Shape    open before rights are given up, start before the loops, stop after them. NULL: there is
 *          none, which is no error.
 * Errors   an address that cannot be listened on is logged as a warning; `run` goes on.
 * Owner    opaque; the pipeline is borrowed.
 * Threads  open, start and stop: main.
 * Source   design.md 2, 5 (status_listen).
 */
#ifndef COMMANDS_SERVING_H
#define COMMANDS_SERVING_H

#include "commands/pipeline.h"

struct serving;

/* Listens; whoever connects now waits for serving_start. */
struct serving *serving_open(struct pipeline *p);
void serving_start(struct serving *s);
void serving_stop(struct serving *s);

#endif
