/* A manifest's configuration: whatever it holds, what is said of it is consistent, and the readings
 * around it arrive. The data is put in as the payload, its newlines as blanks. */
#include "stream_feed.h"

#include <math.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char before[] = "{\"type\":\"data\",\"resource\":\"krn:ad:a/b\",\"payload\":1}\n"
                             "{\"type\":\"runtime_manifest\",\"payload\":";
static const char after[] = "}\n{\"type\":\"data\",\"resource\":\"krn:ad:a/b\",\"payload\":2}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct decoder_counters *c;
    struct manifest *m;
    struct feed feed;
    struct buf text;

    buf_init(&text, size + 1024);
    (void)buf_add_text(&text, before);
    for (size_t i = 0; i < size; i++)
        (void)buf_add_byte(&text, data[i] == '\n' ? ' ' : data[i]);
    (void)buf_add_text(&text, after);
    FEED_CHECK(!text.failed);

    feed_open(&feed, 1 << 20);
    feed_lines(&feed, (struct span){text.data, text.len});
    (void)feed_rejected(&feed);
    c = decoder_counters(feed.decoder);
    m = &feed.manifest;
    FEED_CHECK(c->readings == 2 && c->lines == 3);
    FEED_CHECK(!(m->has_upload_interval && m->bad_upload_interval));
    FEED_CHECK(!(m->has_batch_size && m->bad_batch_size));
    FEED_CHECK(m->usable || !(m->has_upload_interval || m->bad_upload_interval ||
                                m->has_batch_size || m->bad_batch_size));
    FEED_CHECK(isfinite(m->upload_interval_s) && isfinite(m->batch_size));
    feed_close(&feed);
    buf_done(&text);
    return 0;
}
