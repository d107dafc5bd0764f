#include "base/reading.h"

#include <errno.h>
#include <stdlib.h>

bool readings_init(struct readings *r, size_t cap, struct err *err)
{
    *r = (struct readings){
        .cap = cap,
        .timestamp_us = calloc(cap, sizeof(*r->timestamp_us)),
        .value = calloc(cap, sizeof(*r->value)),
        .series = calloc(cap, sizeof(*r->series)),
    };
    if (cap && (!r->timestamp_us || !r->value || !r->series)) {
        readings_done(r);
        return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu readings", cap);
    }
    return true;
}

void readings_done(struct readings *r)
{
    free(r->timestamp_us);
    free(r->value);
    free(r->series);
    *r = (struct readings){0};
}
