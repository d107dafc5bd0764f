/* simulator/feed.h: makes the lines: whose turn it is, at what time, with which oddity.
 *
 * Shape    feed_fill adds lines to `out`. Rounds over all series, or the cells of one CSV row.
 * Units    _us microseconds of wall time.
 * Limits   SIMULATOR_HELD_MAX late readings at a time; one more is sent in time.
 * Errors   feed_new: ERR_INPUT for options, ERR_FULL without memory.
 * Owner    opaque; feed_free takes NULL. Borrows `say_context`.
 * Threads  one at a time.
 * Source   kelvin-stream.md 6.3; simulator.h for the options.
 *
 * Values, ids and oddities draw from three generators of their own, so that switching on an oddity
 * changes no value. With a fixed clock the lines depend on the options alone.
 */
#ifndef SIMULATOR_FEED_H
#define SIMULATOR_FEED_H

#include "simulator/manifest.h"
#include "simulator/out.h"
#include "simulator/simulator.h"

struct feed;

struct feed *feed_new(const struct simulator_options *options, struct err *err);
void feed_free(struct feed *f);

/* The asset part of the manifest. */
const struct manifest *feed_manifest(const struct feed *f);

/* How large `out` has to be, apart from what makes it fast. */
size_t feed_room(const struct feed *f);

uint32_t feed_series(const struct feed *f); /* messages of a round */
uint64_t feed_made(const struct feed *f);

/* From the next message on: message n from here on is due, and stamped, n / rate later. */
void feed_set_pace(struct feed *f, int64_t wall_us, double rate);

/* Makes at most `steps` messages (repeats and oddities come on top) while `out` has room. Returns
 * how many it made. Late readings that are due go out too. */
uint64_t feed_fill(struct feed *f, struct out *out, uint64_t steps);

/* Nothing more will come; late readings are out too. */
bool feed_at_end(const struct feed *f);

/* CSV only. feed_row_open: cells of the present row are still to be made. feed_row_next loads the
 * next row: *ret_wait_us is the pause that goes before it. False: there is none (the end was said
 * to people). */
bool feed_is_csv(const struct feed *f);
bool feed_row_open(const struct feed *f);
bool feed_row_next(struct feed *f, int64_t *ret_wait_us);
void feed_restart(struct feed *f); /* a new client: the first row again, when that is wanted */

#endif
