/* simulator/replay.h: rows of a CSV file as readings: which column is what, when a row is due.
 *
 * Shape    header row; column `timestamp` optional, `asset_name` optional, all others are inputs.
 * Units    _us microseconds.
 * Errors   replay_open: ERR_INPUT with the original's words where it has some.
 * Owner    opaque; replay_free takes NULL.
 * Threads  one at a time.
 * Source   kelvin-stream.md 6.1, 6.3.
 */
#ifndef SIMULATOR_REPLAY_H
#define SIMULATOR_REPLAY_H

#include "base/str.h"
#include "simulator/simulator.h"

struct replay;

/* Reads the header and looks at the first row's timestamp. Borrows nothing of the options. */
struct replay *replay_open(const struct simulator_options *options, struct err *err);
void replay_free(struct replay *r);

/* The input columns, refused ones left out, in the order of the file. */
size_t replay_input_count(const struct replay *r);
struct span replay_input_name(const struct replay *r, size_t input);
enum simulator_kind replay_input_kind(const struct replay *r, size_t input);
const char *replay_input_icd(const struct replay *r, size_t input);

/* Names of columns that no stream of the list has: their values are refused. */
size_t replay_refused_count(const struct replay *r);
struct span replay_refused_name(const struct replay *r, size_t i);
struct span replay_refused_cell(const struct replay *r, size_t i);

enum replay_result {
    REPLAY_ROW,
    REPLAY_SKIPPED, /* a row without a usable timestamp: replay_problem says it */
    REPLAY_END,
    REPLAY_FAILED /* the file cannot be read further: err */
};

/* The next row. At the end of the file begins again when that was asked for. */
enum replay_result replay_next(struct replay *r, int64_t wall_us, struct err *err);
void replay_restart(struct replay *r);

/* Of the present row. */
int64_t replay_timestamp_us(const struct replay *r); /* to be sent; INT64_MIN: the present time */
int64_t replay_wait_us(const struct replay *r);      /* after the row before it */
bool replay_asset(const struct replay *r, struct span *ret); /* false: for all assets */
struct span replay_cell(const struct replay *r, size_t input);
const char *replay_problem(const struct replay *r);

#endif
