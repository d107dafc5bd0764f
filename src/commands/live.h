/* commands/live.h: what `run` shows while it runs: one live line on a terminal, else a summary each
 * minute.
 *
 * Shape    live_start, live_show as often as you like (it keeps its own pace), live_end.
 * Limits   a line is cut to the terminal's width.
 * Errors   none.
 * Owner    the caller owns the struct.
 * Threads  one (main).
 */
#ifndef COMMANDS_LIVE_H
#define COMMANDS_LIVE_H

#include "base/buf.h"
#include "status/counters.h"

#include <stdbool.h>

struct live {
    struct counters *counters;
    bool terminal; /* stderr is one */
    int64_t next_us, rate_us;
    uint64_t rate_readings;
    double readings_per_s;
    uint64_t summed_readings, summed_files, summed_bytes, summed_rejected; /* at the last summary */
};

void live_start(struct live *live, struct counters *counters, bool want_line);
void live_show(struct live *live, int64_t mono_us);
/* The text of the live line, also where there is no terminal. */
void live_describe(struct live *live, struct buf *line);
/* Removes the live line; `say` logs the totals. */
void live_end(struct live *live, bool say);

#endif
