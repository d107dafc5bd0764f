/* Decoding on one core, framing, series lookup and all rules included: `name  n  ns/op  MB/s`, and
 * millions of messages a second. Each line is the median of several rounds, in processor time.
 *
 *      stream_decode_bench [messages] [rounds]
 *
 * The bytes are copied into the framer 256 KiB at a time, as recv would do it; only what follows
 * the copy is measured. "slow" is every line through jansson. */
#include "base/clock.h"
#include "base/rng.h"
#include "stream/decoder.h"
#include "stream/framer.h"

#include <stdio.h>
#include <stdlib.h>

#define SERIES 500
#define ROUNDS_MAX 31

enum payload { TWO_DECIMALS, SEVENTEEN_DIGITS, BAD_LINES };

/* One message of the platform's form, about 253 bytes. */
static void add_message(struct buf *out, struct rng *rng, uint64_t i, enum payload payload)
{
    uint64_t series = rng_below(rng, SERIES), a = rng_next(rng), b = rng_next(rng);
    char value[40];
    char time[CLOCK_TEXT_SIZE];

    if (payload == SEVENTEEN_DIGITS)
        (void)snprintf(value, sizeof(value), "%.17g", rng_unit(rng) * 1000);
    else
        (void)snprintf(value, sizeof(value), "%.2f", rng_unit(rng) * 1000);
    if (payload == BAD_LINES && i % 1000 == 999)
        (void)snprintf(value, sizeof(value), "NaN");
    (void)buf_printf(out,
        "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:test-asset-%03u/casing_pressure_%u\","
        "\"id\":\"%08x-%04x-4%03x-a%03x-%012llx\",\"trace_id\":\"abc-12345678\",\"source\":\"krn:"
        "wl:edge-node-001/opc-bridge-01\","
        "\"timestamp\":\"%s\",\"payload\":%s}\n",
        (unsigned)(series / 5), (unsigned)(series % 5), (unsigned)(a >> 32), (unsigned)a & 0xffff,
        (unsigned)(a >> 16) & 0xfff, (unsigned)b & 0xfff, (unsigned long long)(b >> 16),
        clock_text(time, 1738326896000000 + (int64_t)i * 137), value);
}

struct work {
    struct framer *framer;
    struct decoder *decoder;
    struct series_table *series;
    struct readings readings;
};

/* Processor time of one pass; the readings are thrown away as they fill. */
static int64_t pass(struct work *w, struct span in)
{
    int64_t spent_us = 0;
    size_t at = 0;

    while (at < in.len) {
        size_t room, used;
        char *to = framer_space(w->framer, &room);
        size_t len = in.len - at < room ? in.len - at : room;
        struct decode_event event;
        int64_t start_us;

        memcpy(to, in.data + at, len);
        at += len;
        start_us = clock_thread_cpu_us();
        framer_added(w->framer, len);
        for (;;) {
            enum decode_stop stop = decoder_run(w->decoder, framer_lines(w->framer),
                1738326896000000, w->series, &w->readings, &used, &event);

            framer_take(w->framer, used);
            w->readings.count = 0;
            if (stop == DECODE_END)
                break;
        }
        spent_us += clock_thread_cpu_us() - start_us;
    }
    return spent_us;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print(
    const char *name, struct span in, uint64_t messages, int64_t *spent_us, int rounds)
{
    double us;

    qsort(spent_us, (size_t)rounds, sizeof(spent_us[0]), by_size);
    us = (double)spent_us[rounds / 2];
    printf("%-20s %8llu  %7.1f ns/op  %7.1f MB/s  %6.2f M messages/s (best %.2f), %zu bytes each\n",
        name, (unsigned long long)messages, us * 1e3 / (double)messages, (double)in.len / us,
        (double)messages / us, (double)messages / (double)spent_us[0], in.len / messages);
}

static bool measure(const char *name, struct span in, uint64_t messages, bool slow, int rounds)
{
    int64_t spent_us[ROUNDS_MAX];
    struct work w = {0};
    struct err err;
    bool ok = false;

    w.framer = framer_new(4 << 20, &err);
    w.decoder = decoder_new(&err);
    w.series = series_new(100000, 8 << 20, &err);
    if (!w.framer || !w.decoder || !w.series || !readings_init(&w.readings, 65536, &err))
        goto out;
    decoder_slow_only(w.decoder, slow);
    for (int i = 0; i < rounds; i++)
        spent_us[i] = pass(&w, in);
    print(name, in, messages, spent_us, rounds);
    ok = decoder_counters(w.decoder)->lines == messages * (uint64_t)rounds;
out:
    readings_done(&w.readings);
    series_free(w.series);
    decoder_free(w.decoder);
    framer_free(w.framer);
    return ok;
}

static bool generate(struct buf *out, uint64_t messages, enum payload payload)
{
    struct rng rng;

    rng_seed(&rng, 7);
    buf_reset(out);
    for (uint64_t i = 0; i < messages; i++)
        add_message(out, &rng, i, payload);
    return !out->failed;
}

int main(int argc, char **argv)
{
    uint64_t messages = 1000000, rounds = 5;
    struct buf text;
    bool ok;

    if (argc > 1)
        (void)str_u64(span_of(argv[1]), &messages);
    if (argc > 2)
        (void)str_u64(span_of(argv[2]), &rounds);
    if (messages == 0 || rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    buf_init(&text, messages * 320);
    ok = generate(&text, messages, TWO_DECIMALS) &&
         measure("decode", (struct span){text.data, text.len}, messages, false, (int)rounds) &&
         measure("decode_slow", (struct span){text.data, text.len}, messages, true, 1) &&
         generate(&text, messages, SEVENTEEN_DIGITS) &&
         measure("decode_17_digits", (struct span){text.data, text.len}, messages, false,
             (int)rounds) &&
         generate(&text, messages, BAD_LINES) &&
         measure("decode_bad_in_1000", (struct span){text.data, text.len}, messages, false,
             (int)rounds);
    buf_done(&text);
    if (!ok)
        fprintf(stderr, "not as expected\n");
    return ok ? 0 : 1;
}
