#include "status/counters.h"

#include <string.h>

void counters_init(struct counters *c)
{
    memset(c, 0, sizeof(*c));
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail for a plain mutex on Linux */
}

void counters_set_error(struct counters *c, struct err *slot, const struct err *err)
{
    (void)pthread_mutex_lock(&c->lock);
    if (err)
        *slot = *err;
    else
        err_clear(slot);
    (void)pthread_mutex_unlock(&c->lock);
}

void counters_get_error(struct counters *c, const struct err *slot, struct err *ret)
{
    (void)pthread_mutex_lock(&c->lock);
    *ret = *slot;
    (void)pthread_mutex_unlock(&c->lock);
}
