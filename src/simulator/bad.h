/* simulator/bad.h: lines that a client must survive: bad ones, and good ones that are no data.
 *
 * Shape    bad_line writes one line without its line end into `out`, made from the form of a series
 *          where that matters, so that everything but the fault is right.
 * Limits   at most bad_line_max bytes.
 * Threads  one at a time.
 * Source   kelvin-stream.md 8, 8.1.
 */
#ifndef SIMULATOR_BAD_H
#define SIMULATOR_BAD_H

#include "simulator/line.h"
#include "simulator/simulator.h"

size_t bad_line_max(uint32_t mask, uint64_t too_long_bytes);

/* `turn` picks among the variants of a kind. `form` is one of type data;pt=number. Returns the
 * length. */
size_t bad_line(char *out, enum simulator_bad kind, uint64_t turn, uint64_t too_long_bytes,
    const struct line_form *form, const struct stamp *stamp, struct rng *rng);

/* A line that the protocol allows and an exporter ignores. At most OTHER_LINE_MAX bytes. */
#define OTHER_LINE_MAX 512
size_t other_line(char *out, uint64_t turn, const struct stamp *stamp, struct rng *rng);

#endif
