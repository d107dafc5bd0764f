/* bench/sensor_data.h: rows as a plant makes them, for the benchmarks of batch and parquet.
 *
 * Shape    500 series of 50 assets, 1 s ticks; of ten series of an asset 6 share exact ticks and 4
 * have a jitter of some ms; 5 are walks rounded to two decimals, 1 a walk of three, 1 full
 * precision, 2 counters, 1 a set-point. `busy`: every timestamp to the microsecond, and the walks
 * with full precision: what is hard to compress. Sorted by series and then by time.
 * Owner    sensor_done frees it.
 */
#ifndef BENCH_SENSOR_DATA_H
#define BENCH_SENSOR_DATA_H

#include "base/rng.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SENSOR_ASSETS 50U
#define SENSOR_DATASTREAMS 10U
#define SENSOR_SERIES (SENSOR_ASSETS * SENSOR_DATASTREAMS)

struct sensor_data {
    size_t rows;
    int64_t *time;
    uint32_t *asset, *datastream;
    double *value;
    struct span assets[SENSOR_ASSETS], datastreams[SENSOR_DATASTREAMS];
    char names[SENSOR_ASSETS + SENSOR_DATASTREAMS][24];
};

static inline double sensor_round(double value, double scale)
{
    return round(value * scale) / scale;
}

/* The next value of a series of kind 0 to 9. */
static inline double sensor_value(unsigned kind, double *at, struct rng *rng)
{
    double step = rng_unit(rng) + rng_unit(rng) - 1;

    switch (kind) {
    case 5:
        *at += step / 50;
        return sensor_round(*at, 1000);
    case 6:
        *at += step;
        return *at;
    case 7:
    case 8:
        *at += (double)rng_below(rng, 4);
        return floor(*at);
    case 9:
        *at = rng_below(rng, 400) == 0 ? *at + (double)rng_below(rng, 11) - 5 : *at;
        return floor(*at);
    default:
        *at += step / 5;
        return sensor_round(*at, 100);
    }
}

static inline bool sensor_init(struct sensor_data *d, size_t rows, bool busy)
{
    const int64_t start = INT64_C(1767225600000000);
    struct rng rng;
    size_t i = 0;

    *d = (struct sensor_data){.rows = rows};
    rng_seed(&rng, 1);
    d->time = malloc(rows * sizeof(*d->time));
    d->asset = malloc(rows * sizeof(*d->asset));
    d->datastream = malloc(rows * sizeof(*d->datastream));
    d->value = malloc(rows * sizeof(*d->value));
    if (!d->time || !d->asset || !d->datastream || !d->value)
        return false;
    for (uint32_t n = 0; n < SENSOR_ASSETS + SENSOR_DATASTREAMS; n++) {
        struct span *to = n < SENSOR_ASSETS ? &d->assets[n] : &d->datastreams[n - SENSOR_ASSETS];

        (void)snprintf(d->names[n], sizeof(d->names[n]),
            n < SENSOR_ASSETS ? "asset-%03u" : "datastream-%02u",
            n < SENSOR_ASSETS ? n : n - SENSOR_ASSETS);
        *to = span_of(d->names[n]);
    }
    for (uint32_t s = 0; s < SENSOR_SERIES; s++) {
        uint32_t kind = s % SENSOR_DATASTREAMS;
        size_t end = rows * (s + 1) / SENSOR_SERIES;
        double at = 20 + (double)rng_below(&rng, 200);

        for (size_t tick = 0; i < end; i++, tick++) {
            int64_t jitter = kind % 5 < 2 ? (int64_t)rng_below(&rng, 30) * 1000 : 0;

            if (busy)
                jitter = (int64_t)rng_below(&rng, 900000);
            d->time[i] = start + (int64_t)tick * 1000000 + jitter;
            d->asset[i] = s / SENSOR_DATASTREAMS;
            d->datastream[i] = kind;
            d->value[i] = sensor_value(busy && kind < 5 ? 6 : kind, &at, &rng);
        }
    }
    return true;
}

static inline void sensor_done(struct sensor_data *d)
{
    free(d->time);
    free(d->asset);
    free(d->datastream);
    free(d->value);
}

/* The order of time, asset, datastream: rows of one time keep the order by series. */
struct sensor_key {
    int64_t time;
    uint32_t row;
};

static inline int sensor_compare(const void *a, const void *b)
{
    const struct sensor_key *x = a;
    const struct sensor_key *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static inline bool sensor_by_time(struct sensor_data *d)
{
    struct sensor_key *keys = malloc(d->rows * sizeof(*keys));
    struct sensor_data from = *d;

    if (!keys)
        return false;
    for (size_t i = 0; i < d->rows; i++)
        keys[i] = (struct sensor_key){d->time[i], (uint32_t)i};
    qsort(keys, d->rows, sizeof(*keys), sensor_compare);
    d->time = malloc(d->rows * sizeof(*d->time));
    d->asset = malloc(d->rows * sizeof(*d->asset));
    d->datastream = malloc(d->rows * sizeof(*d->datastream));
    d->value = malloc(d->rows * sizeof(*d->value));
    if (!d->time || !d->asset || !d->datastream || !d->value)
        return false;
    for (size_t i = 0; i < d->rows; i++) {
        d->time[i] = from.time[keys[i].row];
        d->asset[i] = from.asset[keys[i].row];
        d->datastream[i] = from.datastream[keys[i].row];
        d->value[i] = from.value[keys[i].row];
    }
    free(keys);
    sensor_done(&from);
    return true;
}

#endif
