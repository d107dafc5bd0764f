/* commands/volume_check.h: counts the readings of a demo in the files of its volume, or of its table.
 *
 * Shape    every series has the readings start, start + step, ...; each must be in the files
 *          exactly once.
 * Units    microseconds.
 * Limits   memory: one bit a reading.
 * Errors   ERR_DENIED, ERR_INPUT: a file cannot be read; that is an answer too, and no success.
 * Threads  any.
 */
#ifndef COMMANDS_VOLUME_CHECK_H
#define COMMANDS_VOLUME_CHECK_H

#include "base/buf.h"

#include <stdint.h>

struct volume_expected {
    uint32_t series;
    uint64_t readings_per_series;
    int64_t start_us, step_us;
};

struct volume_found {
    uint64_t files, rows, lost, twice;
    uint64_t strange; /* rows that nobody sent */
    char first_file[256];
};

/* `names`: the files, each with its NUL; NULL: all of the directory. */
NODISCARD bool volume_check(const char *directory, const struct buf *names,
    const struct volume_expected *expected, struct volume_found *ret, struct err *err);

#endif
