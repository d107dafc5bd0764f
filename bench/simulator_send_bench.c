/* How fast `simulate --rate max` makes and sends lines, to a thread that reads and throws away.
 * Prints lines `name  n  ns/op  MB/s`, by the clock and by the processor time of all but the reader
 * (the simulator's thread: system calls included). Two cores are needed for the first to mean
 * much. */
#include "base/clock.h"
#include "simulator/simulator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES 6000000
#define RUNS 5
#define CHUNK (256 * 1024)

struct reader {
    uint16_t port;
    uint64_t bytes;
    int64_t cpu_us;
    bool ok;
};

static void *read_all(void *context)
{
    struct reader *r = context;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(r->port)};
    char *chunk = malloc(CHUNK);
    int size = 4 << 20;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (chunk != NULL && fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        while ((n = recv(fd, chunk, CHUNK, 0)) > 0)
            r->bytes += (uint64_t)n;
        r->ok = n == 0;
    }
    r->cpu_us = clock_thread_cpu_us();
    if (fd >= 0)
        (void)close(fd);
    free(chunk);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool run(
    const struct simulator_options *o, double *ret_ns, double *ret_cpu_ns, uint64_t *ret_bytes)
{
    struct err err = {0};
    struct simulator *s = simulator_start(o, &err);
    struct simulator_stats stats;
    struct reader reader = {0};
    pthread_t thread;
    int64_t start_us, cpu_us;

    if (s == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    reader.port = simulator_port(s);
    start_us = clock_mono_us();
    cpu_us = clock_process_cpu_us();
    if (pthread_create(&thread, NULL, read_all, &reader) != 0) {
        simulator_stop(s);
        return false;
    }
    pthread_join(thread, NULL);
    start_us = clock_mono_us() - start_us;
    cpu_us = clock_process_cpu_us() - cpu_us - reader.cpu_us;
    (void)simulator_wait(s, 10 * CLOCK_SECOND_US);
    simulator_get_stats(s, &stats);
    *ret_bytes = reader.bytes;
    *ret_ns = (double)start_us * 1e3 / MESSAGES;
    *ret_cpu_ns = (double)cpu_us * 1e3 / MESSAGES;
    simulator_stop(s);
    return reader.ok && reader.bytes == stats.bytes_sent;
}

static bool bench(const char *name, const struct simulator_options *o)
{
    double ns[RUNS], cpu_ns[RUNS];
    uint64_t bytes = 0;

    for (int i = 0; i < RUNS; i++)
        if (!run(o, &ns[i], &cpu_ns[i], &bytes))
            return false;
    qsort(ns, RUNS, sizeof(ns[0]), compare);
    qsort(cpu_ns, RUNS, sizeof(cpu_ns[0]), compare);
    printf("%s_clock  %d  %.1f ns/op  %.0f MB/s  (%.0f bytes a message, %.1f M messages/s)\n", name,
        MESSAGES, ns[RUNS / 2], (double)bytes / MESSAGES / ns[RUNS / 2] * 1e3,
        (double)bytes / MESSAGES, 1e3 / ns[RUNS / 2]);
    printf("%s_cpu  %d  %.1f ns/op  %.0f MB/s  (%.1f M messages per CPU-second)\n", name, MESSAGES,
        cpu_ns[RUNS / 2], (double)bytes / MESSAGES / cpu_ns[RUNS / 2] * 1e3,
        1e3 / cpu_ns[RUNS / 2]);
    return true;
}

int main(void)
{
    struct simulator_options o;
    bool ok;

    simulator_options_init(&o);
    o.port = 0;
    o.asset_count = 20;
    o.asset_prefix = "north-field-well-";
    o.source = "krn:wl:edge-gateway-01/opc-bridge";
    o.rate_unlimited = true;
    o.count = MESSAGES;
    o.exit = true;
    ok = bench("send_uniform", &o);
    o.realistic = true;
    ok = ok && bench("send_realistic", &o);
    o.realistic = false;
    o.full_precision = true;
    ok = ok && bench("send_full_precision", &o);
    o.full_precision = false;
    o.late_share = o.repeat_share = 0.01;
    o.bad_share = 0.001;
    ok = ok && bench("send_oddities", &o);
    o.asset_count = 2000;
    o.late_share = o.repeat_share = o.bad_share = 0;
    ok = ok && bench("send_10000_series", &o);
    return ok ? 0 : 1;
}
