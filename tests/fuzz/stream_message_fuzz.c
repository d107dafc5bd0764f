/* Lines of any kind: the fast way and the slow way must say the same of each, bit for bit, and the
 * piece behind the last newline too. */
#include "stream_feed.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *newline = size ? memrchr(data, '\n', size) : NULL;
    const char *text = (const char *)data;
    size_t lines = newline ? (size_t)(newline - text) + 1 : 0;
    struct feed feed[2];

    for (int slow = 0; slow < 2; slow++) {
        struct feed *f = &feed[slow];
        struct decode_event event;
        enum decode_stop stop;

        feed_open(f, 1 << 16);
        decoder_slow_only(f->decoder, slow);
        feed_lines(f, (struct span){text, lines});
        do {
            stop = decoder_run_rest(f->decoder, (struct span){text + lines, size - lines},
                FEED_ARRIVAL_US, f->series, &f->readings, &event);
            feed_stop(f, stop, &event);
        } while (stop == DECODE_SERIES_FULL || stop == DECODE_READINGS_FULL);
    }
    FEED_CHECK(feed_same(&feed[0], &feed[1]));
    feed_close(&feed[0]);
    feed_close(&feed[1]);
    return 0;
}
