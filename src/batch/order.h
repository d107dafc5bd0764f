/* batch/order.h: stable sorts by time of what belongs to a timestamp.
 *
 * Shape    order_pairs: timestamps with their values, in place; order_index: timestamps with row
 * numbers. Equal timestamps stay in the order they had.
 * Units    rows.
 * Limits   UINT32_MAX rows.
 * Errors   none; scratch memory is the caller's.
 * Threads  any; no state.
 */
#ifndef BATCH_ORDER_H
#define BATCH_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a stretch of rows is from being in order. */
struct order_look {
    bool equal;      /* neighbours of the same time */
    uint32_t breaks; /* places where time steps back */
};
struct order_look order_look(const int64_t *t, size_t n);

/* Merging what is nearly in order is cheaper than sorting it. */
bool order_is_short(size_t n, uint32_t breaks);

/* Merges the rising runs; for order_is_short. The scratch has n rows too. */
void order_pairs(int64_t *t, double *v, size_t n, int64_t *scratch_t, double *scratch_v);

/* Any order. t[0] and index[0] are sorted with t[1] and index[1] as scratch; the result is in
 * [ret]. index[0] need not be filled: it begins as 0, 1, 2 ... */
unsigned order_index(int64_t *t[2], uint32_t *index[2], size_t n);

#endif
