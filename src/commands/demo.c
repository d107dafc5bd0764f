/* `demo`: the main job between a synthetic Kelvin stream and a local workspace, all in this
 * process. It ends by reading the files back and counting every reading. */
#include "commands/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "commands/options.h"
#include "commands/parquet_file.h"
#include "commands/volume_check.h"
#include "emulator/emulator.h"
#include "simulator/simulator.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ASSETS 20U
#define STREAMS 25U
#define SERIES (ASSETS * STREAMS)
#define STEP_US INT64_C(20000) /* a reading of each series every 20 ms */
#define VOLUME "main.plant.readings"
#define OUTAGE_FIRST_S 6
#define OUTAGE_LAST_S 9
#define ROWS_SHOWN 6U

struct demo {
    char directory[4096];
    char workspace[4200], data[4400], state[4200];
    uint64_t seconds, rate, count;
    int64_t start_us; /* wall clock of the first reading */

    struct emulator *emulator;
    struct simulator *simulator;
    struct config *config;
    struct counters counters;
    pthread_t thread;
    bool running;
    struct run_options run;
    atomic_int exit_code;
    atomic_bool ended;
};

/* ---- making the plant, the workspace and the uploader ---- */

static bool make_directory(struct demo *d, const char *wanted, struct err *err)
{
    const char *temp = getenv("TMPDIR");

    if (wanted) {
        if (!str_copy(d->directory, sizeof(d->directory), wanted))
            return err_set(err, ERR_INPUT, 0, "--dir: the path is too long");
        if (!file_dir_make(FILE_CWD, wanted, true, err))
            return false;
    } else {
        (void)snprintf(d->directory, sizeof(d->directory), "%.3000s/volume-uploader-demo.XXXXXX",
            temp && *temp ? temp : "/tmp");
        if (!mkdtemp(d->directory))
            return err_sys(err, ERR_DENIED, "make a directory like %s", d->directory);
    }
    (void)snprintf(d->workspace, sizeof(d->workspace), "%s/workspace", d->directory);
    (void)snprintf(d->state, sizeof(d->state), "%s/state", d->directory);
    (void)snprintf(d->data, sizeof(d->data), "%s/Volumes/main/plant/readings/data", d->workspace);
    return true;
}

/* A token of the demo's own, made anew each time. */
static struct secret *make_token(struct err *err)
{
    unsigned char bytes[16];
    char text[sizeof(bytes) * 2 + 1];

    if (!rng_secure(bytes, sizeof(bytes), err))
        return NULL;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return secret_new((struct span){text, sizeof(text) - 1}, err);
}

static bool start_workspace(struct demo *d, const struct secret *token, struct err *err)
{
    static const char *const volumes[] = {VOLUME};
    struct emulator_options options = {
        .root = d->workspace, .token = token, .volumes = volumes, .volume_count = 1};

    d->emulator = emulator_start(&options, err);
    return d->emulator || err_wrap(err, "local workspace");
}

static bool start_stream(struct demo *d, struct err *err)
{
    static char names[STREAMS][24];
    static struct simulator_stream streams[STREAMS];
    static const char *const quantities[] = {
        "casing_pressure", "tubing_pressure", "gas_flow_rate", "motor_current", "speed"};
    static const enum simulator_kind kinds[] = {
        SIMULATOR_WALK, SIMULATOR_SINE, SIMULATOR_TOTAL, SIMULATOR_STEP, SIMULATOR_SETPOINT};
    struct simulator_options options;

    for (unsigned i = 0; i < STREAMS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%s_%u", quantities[i % 5], i / 5 + 1);
        streams[i] = (struct simulator_stream){.name = names[i], .kind = kinds[i % 5]};
    }
    simulator_options_init(&options);
    options.host = "127.0.0.1";
    options.port = 0;
    options.asset_prefix = "pump-";
    options.asset_count = ASSETS;
    options.streams = streams;
    options.stream_count = STREAMS;
    options.rate = (double)d->rate;
    options.count = d->count;
    options.fixed_clock = true;
    options.start_us = d->start_us;
    options.step_us = STEP_US;
    options.upload_interval = 2;
    options.batch_size = 1000000;
    options.late_share = 0.01;
    options.late_us = 3 * CLOCK_SECOND_US;
    options.bad_share = 0.001;
    options.bad_mask = SIMULATOR_BAD_ALL;
    d->simulator = simulator_start(&options, err);
    return d->simulator || err_wrap(err, "synthetic stream");
}

static void *run_thread(void *demo)
{
    struct demo *d = demo;

    atomic_store(&d->exit_code, (int)run_main(&d->run));
    atomic_store(&d->ended, true);
    return NULL;
}

static bool start_run(struct demo *d, struct secret *token, struct err *err)
{
    char port[16];

    d->config = config_new(CONFIG_NOTHING, err);
    if (!d->config) {
        secret_free(token);
        return false;
    }
    (void)snprintf(port, sizeof(port), "%u", simulator_port(d->simulator));
    config_set_secret(d->config, "token", token);
    config_set(d->config, "host", emulator_base_url(d->emulator));
    config_set(d->config, "volume", VOLUME);
    config_set(d->config, "stream_host", "127.0.0.1");
    config_set(d->config, "stream_port", port);
    config_set(d->config, "state_dir", d->state);
    config_set(d->config, "allow_volatile_state", "yes");
    config_set(d->config, "status_listen", "off");
    if (!options_load(d->config))
        return err_set(err, ERR_INPUT, 0, "settings of the demo");
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, NULL); /* the table below says what happens */
    d->run = (struct run_options){.config = d->config,
        .trace_fd = -1,
        .signal_fd = -1,
        .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .counters = &d->counters};
    if (d->run.stop_fd < 0)
        return err_sys(err, ERR_DENIED, "eventfd");
    errno = pthread_create(&d->thread, NULL, run_thread, d);
    if (errno)
        return err_sys(err, ERR_DENIED, "start a thread");
    d->running = true;
    return true;
}

/* ---- what is shown ---- */

static void introduce(struct demo *d)
{
    char rate[32];

    printf("volume-uploader demo: a plant, a Databricks workspace and the uploader between them, "
           "all on this\n"
           "machine. No account, no network, nothing outside the directory named below.\n\n");
    printf(
        "  Kelvin stream  127.0.0.1:%u, %u pumps with %u datastreams each, %s readings a second,\n"
        "                 one in 100 late by 3 s, now and then a broken line\n",
        simulator_port(d->simulator), ASSETS, STREAMS, str_count(rate, sizeof(rate), d->rate));
    printf("  workspace      %s, volume " VOLUME "; it will fail for some seconds, on purpose\n",
        emulator_base_url(d->emulator));
    printf("  directory      %s\n\n", d->directory);
    printf("  %4s  %12s  %12s  %12s  %6s  %10s   %s\n", "s", "sent", "on disk", "delivered",
        "files", "in volume", "what happens");
    (void)fflush(stdout);
}

static const char *what_happens(struct demo *d, uint64_t second, char *out, size_t size)
{
    struct err err;

    counters_get_error(&d->counters, &d->counters.ship_error, &err);
    if (second == OUTAGE_FIRST_S)
        return "the workspace begins to fail: 503, lost answers, cut connections";
    if (second == OUTAGE_LAST_S)
        return "the workspace is well again";
    if (second == 0)
        return "connected; readings go to the local journal first";
    if (err.kind == ERR_NONE)
        return "";
    (void)snprintf(out, size, "waiting: %.70s", err.text);
    return out;
}

static void show_second(struct demo *d, uint64_t second)
{
    struct simulator_stats stream;
    struct emulator_counters cloud;
    char sent[32], disk[32], delivered[32], bytes[32], text[128];

    simulator_get_stats(d->simulator, &stream);
    emulator_count(d->emulator, &cloud);
    printf("  %4llu  %12s  %12s  %12s  %6llu  %10s   %s\n", (unsigned long long)second,
        str_count(sent, sizeof(sent), stream.readings_sent),
        str_count(disk, sizeof(disk), counter_get(&d->counters.durable_seq)),
        str_count(delivered, sizeof(delivered), counter_get(&d->counters.delivered_readings)),
        (unsigned long long)cloud.uploads, str_bytes(bytes, sizeof(bytes), cloud.upload_bytes),
        what_happens(d, second, text, sizeof(text)));
    (void)fflush(stdout);
}

static bool make_outage(struct demo *d, uint64_t second, struct err *err)
{
    static const char rules[] = "PUT /api/2.0/fs/files/* lose count=1\n"
                                "PUT /api/2.0/fs/files/* cut=inside count=1\n"
                                "* /api/2.0/* status=503\n";

    if (second == OUTAGE_FIRST_S)
        return emulator_add_faults(d->emulator, span_of(rules), err);
    if (second == OUTAGE_LAST_S)
        emulator_clear_faults(d->emulator);
    return true;
}

/* False: interrupted, or the uploader ended by itself. */
static bool watch(struct demo *d, int signal_fd, struct err *err)
{
    int64_t start = clock_mono_us();
    uint64_t second = 0;
    struct simulator_stats stream;

    for (;;) {
        struct pollfd fd = {.fd = signal_fd, .events = POLLIN};
        int64_t wait = start + (int64_t)second * CLOCK_SECOND_US - clock_mono_us();

        (void)poll(&fd, 1, wait > 0 ? (int)(wait / 1000) + 1 : 0);
        if (fd.revents)
            return err_set(err, ERR_INPUT, EINTR, "interrupted");
        if (atomic_load(&d->ended))
            return err_set(err, ERR_BROKEN, 0, "the uploader ended by itself");
        if (!make_outage(d, second, err))
            return false;
        show_second(d, second);
        simulator_get_stats(d->simulator, &stream);
        second++;
        if (stream.sent_all && second > OUTAGE_LAST_S + 2)
            return true;
    }
}

static void stop_run(struct demo *d)
{
    uint64_t one = 1;

    if (!d->running)
        return;
    if (write(d->run.stop_fd, &one, sizeof(one)) < 0)
        atomic_store(&d->exit_code, (int)EXIT_STATE);
    (void)pthread_join(d->thread, NULL);
    d->running = false;
}

/* ---- the end: every reading is counted in the files ---- */

static bool show_result(struct demo *d, bool *ret_good, struct err *err)
{
    struct volume_expected expected = {
        .series = SERIES,
        .readings_per_series = d->count / SERIES,
        .start_us = d->start_us,
        .step_us = STEP_US,
    };
    struct volume_found found;
    struct simulator_stats stream;
    char sent[32], rows[32];

    if (!volume_check(d->data, &expected, &found, err))
        return false;
    simulator_get_stats(d->simulator, &stream);
    printf("\nThe Parquet files are in\n  %s\n", d->data);
    if (found.first_file[0]) {
        printf("and the first rows of the first of them are\n\n");
        if (!parquet_file_show_rows(d->data, found.first_file, 0, ROWS_SHOWN, err))
            return false;
    }
    printf("\nRejected on purpose: %llu broken lines, samples in %s/rejected\n",
        (unsigned long long)counter_get(&d->counters.rejected), d->state);
    printf("Look closer with:    volume-uploader inspect %s/%s\n\n", d->data, found.first_file);
    *ret_good = found.lost == 0 && found.twice == 0 && found.strange == 0 &&
                found.rows == stream.readings_sent;
    if (found.strange)
        printf("%llu rows were never sent\n", (unsigned long long)found.strange);
    printf("demo: %s readings sent, %s rows in %llu files in the volume, %llu lost, %llu twice\n",
        str_count(sent, sizeof(sent), stream.readings_sent),
        str_count(rows, sizeof(rows), found.rows), (unsigned long long)found.files,
        (unsigned long long)found.lost, (unsigned long long)found.twice);
    return true;
}

static enum exit_code play(struct demo *d, const char *directory, int signal_fd)
{
    struct secret *token, *copy = NULL;
    bool good = false, ok;
    struct err err;

    token = make_token(&err);
    copy = token ? secret_copy(token, &err) : NULL;
    ok = copy && make_directory(d, directory, &err) && start_workspace(d, token, &err) &&
         start_stream(d, &err);
    if (ok) {
        ok = start_run(d, copy, &err); /* takes it */
        copy = NULL;
    }
    if (ok) {
        introduce(d);
        ok = watch(d, signal_fd, &err);
    }
    stop_run(d);
    if (ok && atomic_load(&d->exit_code) != EXIT_DONE)
        ok = err_set(&err, ERR_BROKEN, 0, "the uploader ended with exit code %d",
            atomic_load(&d->exit_code));
    if (ok)
        ok = show_result(d, &good, &err);
    if (!ok)
        (void)fprintf(stderr, "demo: %s\n", err.text);
    secret_free(token);
    secret_free(copy);
    return ok && good ? EXIT_DONE : EXIT_NO;
}

int command_demo(int argc, char **argv)
{
    static struct demo demo;
    const char *directory = NULL, *seconds = NULL, *rate = NULL;
    int signal_fd = -1;
    enum exit_code code;
    struct err err;
    const struct option_spec own[] = {
        {"dir", "DIRECTORY", "where everything goes (default: a new one below $TMPDIR or /tmp)",
            &directory, NULL},
        {"seconds", "N", "how long the plant sends (default 14)", &seconds, NULL},
        {"rate", "N", "readings a second (default 25,000)", &rate, NULL},
        {0},
    };
    struct options options = {
        .command = "demo",
        .arguments = "",
        .text = "Runs the main job between a synthetic Kelvin stream and a local workspace on this "
                "machine,\n"
                "shows what happens, reads the files back and counts every reading. No account is "
                "needed.\n"
                "Exit code 1 when a reading is lost or there twice.\n",
        .own = own,
    };

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        return EXIT_DONE;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    demo.seconds = 14;
    demo.rate = 25000;
    if (!options_count("seconds", seconds, 1, 3600, &demo.seconds) ||
        !options_count("rate", rate, SERIES, 5000000, &demo.rate))
        return EXIT_USAGE;
    demo.count = demo.seconds * demo.rate / SERIES * SERIES;
    demo.start_us = clock_wall_us() / CLOCK_SECOND_US * CLOCK_SECOND_US;
    if (!run_block_signals(&signal_fd, &err)) {
        (void)fprintf(stderr, "demo: %s\n", err.text);
        return EXIT_NO;
    }
    counters_init(&demo.counters);
    code = play(&demo, directory, signal_fd);
    simulator_stop(demo.simulator);
    emulator_stop(demo.emulator);
    config_free(demo.config);
    file_drop(demo.run.stop_fd > 0 ? demo.run.stop_fd : -1);
    file_drop(signal_fd);
    return (int)code;
}
