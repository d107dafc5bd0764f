#include "journal/carrier.h"

#include "base/clock.h"
#include "base/rng.h"
#include "journal/segment.h"

#include <string.h>

bool carrier_write(
    const struct state *st, struct limits *limits, uint64_t next_seq, struct err *err)
{
    struct segment_header header = {
        .version = 1, .first_seq = next_seq, .created_us = clock_wall_us()};
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    char name[SEGMENT_NAME_SIZE];

    memcpy(header.instance, st->instance, sizeof(header.instance));
    if (!rng_secure(&header.salt, sizeof(header.salt), err))
        return false;
    segment_header_put(bytes, &header);
    segment_name(name, next_seq);
    if (!file_write_whole(st->journal, name, bytes, sizeof(bytes), err))
        return false;
    limits_add(limits, LIMITS_JOURNAL, sizeof(bytes));
    return true;
}
