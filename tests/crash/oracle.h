/* tests/crash/oracle.h: readings that say which they are, a volume that remembers, and the verdict.
 *
 * Shape    reading n has the value n, and a time and a series that follow from n; every eighth one has
 *          the key of the one before it, and supersedes it when both come into one row group.
 * Errors   what must not be ends in oracle_fail, which the program defines and which does not return.
 * Threads  one.
 * Source   durability.md 17.1.
 */
#ifndef TESTS_CRASH_ORACLE_H
#define TESTS_CRASH_ORACLE_H

#include "base/reading.h"
#include "base/series.h"
#include "outbox/outbox.h"
#include "state/gaps.h"

#include <stdnoreturn.h>

#define ORACLE_READINGS_MAX 8192U
#define ORACLE_FILES_MAX 512U

noreturn void oracle_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How much there is: what comes after it can be forgotten again. */
struct oracle_mark {
    uint32_t readings, files;
};
struct oracle_mark oracle_mark(void);
void oracle_forget(struct oracle_mark mark);

/* `count` new readings, with the numbers of the table; they get sequence numbers from first_seq. */
void oracle_make(
    struct readings *out, uint32_t count, struct series_table *series, uint64_t first_seq);
/* Of the readings from `first` on those up to durable_seq count from now on; the first that does not. */
uint32_t oracle_durable(uint32_t first, uint64_t durable_seq);

/* PUT with overwrite=false, and the HEAD after it. */
void oracle_put(const struct outbox_entry *entry, const void *data, size_t len);

/* All is delivered: where is every reading? */
void oracle_verdict(const struct state *st);

#endif
