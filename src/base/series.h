/* base/series.h: the series of one segment: (asset, datastream) to a number, and back.
 *
 * Shape    numbers 0, 1, 2 ... in order of first appearance; each name is stored once.
 * Units    bytes for names.
 * Limits   series_max and names_bytes_max, given at the start (100,000 and 8 MiB in the program);
 *          names of 0-1024 bytes, any bytes, compared as bytes.
 * Errors   SERIES_FULL: a limit is reached and nothing was added: roll the segment, clear, go on.
 * Owner    opaque; memory is taken as the table grows and kept by series_clear.
 * Threads  one at a time.
 * Source   durability.md 4, 14.
 */
#ifndef BASE_SERIES_H
#define BASE_SERIES_H

#include "base/str.h"

enum series_result { SERIES_OK, SERIES_FULL };

struct series_table;

struct series_table *series_new(uint32_t series_max, size_t names_bytes_max, struct err *err);
void series_free(struct series_table *t);

/* Finds the pair, or adds it with the next number. Copies the names. */
NODISCARD enum series_result series_number(
    struct series_table *t, struct span asset, struct span datastream, uint32_t *ret_number);

uint32_t series_count(const struct series_table *t);
size_t series_names_bytes(const struct series_table *t);

/* number < series_count. Borrowed until the next change of the table. */
void series_names(const struct series_table *t, uint32_t number, struct span *ret_asset,
    struct span *ret_datastream);

/* Forgets all. */
void series_clear(struct series_table *t);

/* Forgets the numbers from `count` on: for a group that did not make it to the disk. */
void series_shrink(struct series_table *t, uint32_t count);

#endif
