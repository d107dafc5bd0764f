/* base/reading.h: readings in columns, as they are decoded, journalled and sorted.
 *
 * Shape    timestamp_us[i], value[i], series[i] are one reading; the order is that of arrival.
 * Units    microseconds since 1970-01-01 UTC; series: a number in the series table of the same
 *          segment.
 * Limits   cap, fixed at init.
 * Errors   ERR_FULL without memory.
 * Owner    caller-owned struct; readings_done takes a struct of zeros.
 * Threads  one at a time.
 */
#ifndef BASE_READING_H
#define BASE_READING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct readings {
    size_t count;
    size_t cap;
    int64_t *timestamp_us;
    double *value;
    uint32_t *series;
};

NODISCARD bool readings_init(struct readings *r, size_t cap, struct err *err);
void readings_done(struct readings *r);

#endif
