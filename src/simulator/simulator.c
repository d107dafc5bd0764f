/* simulator/simulator.c: the thread around the server, and what others may ask of it. The mutex
 * guards the copy of the counters and the requests, nothing else. */
#include "simulator/simulator.h"

#include "base/clock.h"
#include "simulator/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct simulator {
    struct server *server; /* the thread's alone once it runs */
    pthread_t thread;
    int wake_fd;
    uint16_t port;
    bool exits;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* sent_all or finished became true */
    struct simulator_stats stats;
    bool stop, manifest, drop;
    int64_t upload_interval, batch_size;
    enum simulator_drop drop_how;
};

static const char *const kind_names[SIMULATOR_KINDS] = {[SIMULATOR_UNIFORM] = "uniform",
    [SIMULATOR_COUNTER] = "counter",
    [SIMULATOR_WALK] = "walk",
    [SIMULATOR_STEP] = "step",
    [SIMULATOR_SETPOINT] = "setpoint",
    [SIMULATOR_SINE] = "sine",
    [SIMULATOR_TOTAL] = "total",
    [SIMULATOR_BOOLEAN] = "boolean",
    [SIMULATOR_STRING] = "string",
    [SIMULATOR_OBJECT] = "object"};

static const char *const bad_names[SIMULATOR_BADS] = {[SIMULATOR_BAD_NOT_JSON] = "not_json",
    [SIMULATOR_BAD_EMPTY] = "empty",
    [SIMULATOR_BAD_PAYLOAD_TYPE] = "payload_type",
    [SIMULATOR_BAD_NO_PAYLOAD] = "no_payload",
    [SIMULATOR_BAD_UTF8] = "utf8",
    [SIMULATOR_BAD_NAN] = "nan",
    [SIMULATOR_BAD_RANGE] = "range",
    [SIMULATOR_BAD_PT] = "pt",
    [SIMULATOR_BAD_OPEN_QUOTE] = "open_quote",
    [SIMULATOR_BAD_CUT] = "cut",
    [SIMULATOR_BAD_TIMESTAMP] = "timestamp",
    [SIMULATOR_BAD_RESOURCE] = "resource",
    [SIMULATOR_BAD_CONTROL] = "control",
    [SIMULATOR_BAD_TRAILING] = "trailing",
    [SIMULATOR_BAD_ARRAY] = "array",
    [SIMULATOR_BAD_DEEP] = "deep",
    [SIMULATOR_BAD_TOO_LONG] = "too_long"};

static size_t find(const char *const *names, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

bool simulator_kind_of(const char *name, enum simulator_kind *ret)
{
    size_t i = find(kind_names, SIMULATOR_KINDS, strcmp(name, "number") == 0 ? "uniform" : name);

    if (i == SIMULATOR_KINDS)
        return false;
    *ret = (enum simulator_kind)i;
    return true;
}

bool simulator_bad_of(const char *name, enum simulator_bad *ret)
{
    size_t i = find(bad_names, SIMULATOR_BADS, name);

    if (i == SIMULATOR_BADS)
        return false;
    *ret = (enum simulator_bad)i;
    return true;
}

const char *simulator_kind_name(enum simulator_kind kind)
{
    return kind_names[kind];
}

const char *simulator_bad_name(enum simulator_bad bad)
{
    return bad_names[bad];
}

void simulator_options_init(struct simulator_options *options)
{
    *options = (struct simulator_options){
        .host = "127.0.0.1",
        .port = SIMULATOR_PORT,
        .asset_count = 1,
        .asset_prefix = "test-asset-",
        .stream_count = 5,
        .maximum = 100,
        .seed = 1,
        .period_us = 5 * CLOCK_SECOND_US,
        .step_us = CLOCK_SECOND_US,
        .upload_interval = 60,
        .batch_size = 1000,
        .later_upload_interval = SIMULATOR_SAME,
        .later_batch_size = SIMULATOR_SAME,
        .late_us = 60 * CLOCK_SECOND_US,
        .bad_mask = SIMULATOR_BAD_ALL,
        .too_long_bytes = 4194305,
    };
}

/* Carries out requests, copies the counters. False: the thread is to end. */
static bool meet(struct simulator *s)
{
    struct simulator_stats stats;
    uint64_t ignored;
    bool go_on;

    (void)!read(s->wake_fd, &ignored, sizeof(ignored)); /* back to 0; EAGAIN: nobody called */
    pthread_mutex_lock(&s->mutex);
    if (s->manifest)
        server_want_manifest(s->server, s->upload_interval, s->batch_size);
    if (s->drop)
        server_drop(s->server, s->drop_how);
    s->manifest = s->drop = false;
    server_get_stats(s->server, &stats);
    if (stats.sent_all != s->stats.sent_all || stats.finished != s->stats.finished)
        pthread_cond_broadcast(&s->changed);
    s->stats = stats;
    go_on = !s->stop && !stats.finished;
    pthread_mutex_unlock(&s->mutex);
    return go_on;
}

static void *run(void *context)
{
    struct simulator *s = context;

    for (;;) {
        server_work(s->server);
        if (!meet(s))
            return NULL;
        server_wait(s->server, s->wake_fd);
    }
}

struct simulator *simulator_start(const struct simulator_options *options, struct err *err)
{
    struct simulator *s = calloc(1, sizeof(*s));
    pthread_condattr_t attr;

    if (s == NULL) {
        err_set(err, ERR_FULL, 0, "no memory");
        return NULL;
    }
    s->exits = options->exit;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0) {
        err_sys(err, ERR_FULL, "eventfd");
        free(s);
        return NULL;
    }
    s->server = server_open(options, err);
    if (s->server == NULL) {
        (void)close(s->wake_fd);
        free(s);
        return NULL;
    }
    s->port = server_port(s->server);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno != 0) {
        err_sys(err, ERR_FULL, "thread");
        s->stop = true;
        server_close(s->server);
        (void)close(s->wake_fd);
        free(s);
        return NULL;
    }
    return s;
}

static void wake(struct simulator *s)
{
    uint64_t one = 1;

    (void)!write(s->wake_fd, &one, sizeof(one)); /* full: it is readable anyway */
}

void simulator_stop(struct simulator *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_mutex_unlock(&s->mutex);
    wake(s);
    pthread_join(s->thread, NULL);
    server_close(s->server);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    (void)close(s->wake_fd);
    free(s);
}

uint16_t simulator_port(const struct simulator *s)
{
    return s->port;
}

void simulator_get_stats(struct simulator *s, struct simulator_stats *ret)
{
    pthread_mutex_lock(&s->mutex);
    *ret = s->stats;
    pthread_mutex_unlock(&s->mutex);
}

bool simulator_wait(struct simulator *s, int64_t wait_us)
{
    int64_t until_us = clock_mono_us() + wait_us;
    struct timespec until = {
        .tv_sec = until_us / CLOCK_SECOND_US, .tv_nsec = until_us % CLOCK_SECOND_US * 1000};
    bool done;

    pthread_mutex_lock(&s->mutex);
    for (int rc = 0;;) {
        done = s->exits ? s->stats.finished : s->stats.sent_all;
        if (done || rc != 0)
            break;
        rc = pthread_cond_timedwait(&s->changed, &s->mutex, &until);
    }
    pthread_mutex_unlock(&s->mutex);
    return done;
}

void simulator_send_manifest(struct simulator *s, int64_t upload_interval, int64_t batch_size)
{
    pthread_mutex_lock(&s->mutex);
    s->manifest = true;
    s->upload_interval = upload_interval;
    s->batch_size = batch_size;
    pthread_mutex_unlock(&s->mutex);
    wake(s);
}

void simulator_drop_client(struct simulator *s, enum simulator_drop how)
{
    pthread_mutex_lock(&s->mutex);
    s->drop = true;
    s->drop_how = how;
    pthread_mutex_unlock(&s->mutex);
    wake(s);
}
