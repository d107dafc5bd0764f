/* databricks/retry_after.h: how long a server asks us to wait.
 *
 * Shape    Retry-After is whole seconds or an HTTP date; RetryInfo says "42.0s".
 * Units    _us microseconds.
 * Limits   one hour: a longer wish, or a server whose clock is wrong, must not stop us for days.
 * Errors   false: not understood; nothing is written.
 * Threads  any.
 * Source   RFC 9110 5.6.7 (three forms of dates), 10.2.3; databricks-api.md 3.1, 3.4.
 */
#ifndef DATABRICKS_RETRY_AFTER_H
#define DATABRICKS_RETRY_AFTER_H

#include "base/str.h"

#define RETRY_AFTER_MAX_US (INT64_C(3600) * 1000000)

/* `date`: the answer's own Date header, "" when there was none. A date is taken relative to it,
 * because our clock may be wrong; without it, to wall_us. */
bool retry_after_parse(struct span value, struct span date, int64_t wall_us, int64_t *ret_us);

/* "42.0s", "3s". */
bool retry_info_parse(struct span value, int64_t *ret_us);

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". */
bool http_date_parse(struct span value, int64_t wall_us, int64_t *ret_us);

#endif
