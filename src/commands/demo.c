/* `demo`: set-up and the main job between a synthetic Kelvin stream and a local workspace whose job
 * loads the table, all in this process. It ends by reading the table back and counting every reading.
 */
#include "commands/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "commands/options.h"
#include "commands/parquet_file.h"
#include "commands/plan_for.h"
#include "commands/volume_check.h"
#include "commands/workspace.h"
#include "emulator/emulator.h"
#include "ingestion/setup.h"
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
#define TABLE "main.plant.events"
#define JOB_POLL_US INT64_C(200000)
#define JOB_TIME_SCALE 60 /* a minute of the trigger is a second here */
#define JOB_WAIT_US (60 * CLOCK_SECOND_US)
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
    struct emulator_options options = {.root = d->workspace,
        .token = token,
        .job_poll_us = JOB_POLL_US,
        .job_time_scale = JOB_TIME_SCALE};

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

static bool configure(struct demo *d, struct secret *token, struct err *err)
{
    char port[16];

    d->config = config_new(CONFIG_NOTHING, err);
    if (!d->config) {
        secret_free(token);
        return false;
    }
    (void)snprintf(port, sizeof(port), "%u", simulator_port(d->simulator));
    config_set_secret(d->config, "token", token);
    config_set(d->config, "auth_type", "pat");
    config_set(d->config, "host", emulator_base_url(d->emulator));
    config_set(d->config, "volume", VOLUME);
    config_set(d->config, "table", TABLE);
    config_set(d->config, "job_serverless", "yes");
    config_set(d->config, "stream_host", "127.0.0.1");
    config_set(d->config, "stream_port", port);
    config_set(d->config, "state_dir", d->state);
    config_set(d->config, "allow_volatile_state", "yes");
    config_set(d->config, "status_listen", "off");
    if (!options_load(d->config))
        return err_set(err, ERR_INPUT, 0, "settings of the demo");
    return true;
}

static void show_step(void *arg, const struct setup_step *step)
{
    (void)arg;
    printf("  %-8s %-10s %s\n", setup_result_name(step->result), step->name, step->what);
    if (step->result == SETUP_FAILED)
        printf("           %s\n", step->text);
    (void)fflush(stdout);
}

/* What `volume-uploader setup` does, from an empty workspace on. */
static bool set_up(struct demo *d, struct err *err)
{
    const struct settings *settings = config_settings(d->config);
    struct plan *plan = plan_for(settings, err);
    struct workspace *ws = plan ? workspace_for(settings, err) : NULL;
    struct setup_options options = {.plan = plan};
    struct setup_report report;
    bool ok = ws != NULL;

    setup_report_init(&report);
    ok = ok && setup_run(ws, &options, show_step, NULL, &report, err);
    if (ok && report.failed)
        ok = err_set(err, ERR_DENIED, 0, "%zu steps of the set-up failed", report.failed);
    printf("\n");
    setup_report_done(&report);
    workspace_free(ws);
    plan_free(plan);
    return ok;
}

static bool start_run(struct demo *d, struct err *err)
{
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
    (void)fflush(stdout);
}

static void show_columns(void)
{
    printf("  %4s  %11s  %11s  %11s  %5s  %10s  %11s   %s\n", "s", "sent", "on disk", "delivered",
        "files", "in volume", "in table", "what happens");
}

/* Rows of the table so far, as its log counts them. */
static uint64_t table_rows(struct demo *d)
{
    char directory[4700];
    struct buf names;
    struct err err;
    uint64_t rows = 0;

    buf_init(&names, 64 << 20);
    if (!emulator_table(d->emulator, TABLE, directory, sizeof(directory), &names, &rows, &err))
        rows = 0;
    buf_done(&names);
    return rows;
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
    char sent[32], disk[32], delivered[32], bytes[32], loaded[32], text[128];

    simulator_get_stats(d->simulator, &stream);
    emulator_count(d->emulator, &cloud);
    printf("  %4llu  %11s  %11s  %11s  %5llu  %10s  %11s   %s\n", (unsigned long long)second,
        str_count(sent, sizeof(sent), stream.readings_sent),
        str_count(disk, sizeof(disk), counter_get(&d->counters.durable_seq)),
        str_count(delivered, sizeof(delivered), counter_get(&d->counters.delivered_readings)),
        (unsigned long long)cloud.uploads, str_bytes(bytes, sizeof(bytes), cloud.upload_bytes),
        str_count(loaded, sizeof(loaded), table_rows(d)),
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

/* The job starts by itself: its trigger sees the last file as it saw the others. */
static bool wait_for_job(struct demo *d, uint64_t rows, int signal_fd, struct err *err)
{
    int64_t until = clock_mono_us() + JOB_WAIT_US;

    while (table_rows(d) < rows) {
        struct pollfd fd = {.fd = signal_fd, .events = POLLIN};

        if (clock_mono_us() > until)
            return true; /* what is missing is counted and shown */
        (void)poll(&fd, 1, 100);
        if (fd.revents)
            return err_set(err, ERR_INPUT, EINTR, "interrupted");
    }
    return true;
}

static bool check_table(struct demo *d, const struct volume_expected *expected,
    struct volume_found *ret, struct err *err)
{
    char directory[4700];
    struct buf names;
    bool ok;

    buf_init(&names, 64 << 20);
    ok = emulator_table(d->emulator, TABLE, directory, sizeof(directory), &names, NULL, err) &&
         volume_check(directory, &names, expected, ret, err);
    if (ok)
        printf("\nThe Delta table is in\n  %s\n", directory);
    buf_done(&names);
    return ok;
}

static bool show_files(struct demo *d, const struct volume_found *volume, struct err *err)
{
    printf("its rows came from the Parquet files in\n  %s\n", d->data);
    if (volume->first_file[0]) {
        printf("and the first rows of the first of them are\n\n");
        if (!parquet_file_show_rows(d->data, volume->first_file, 0, ROWS_SHOWN, err))
            return false;
    }
    printf("\nRejected on purpose: %llu broken lines, samples in %s/rejected\n",
        (unsigned long long)counter_get(&d->counters.rejected), d->state);
    printf("Look closer with:    volume-uploader inspect %s/%s\n\n", d->data, volume->first_file);
    return true;
}

static bool show_result(struct demo *d, int signal_fd, bool *ret_good, struct err *err)
{
    struct volume_expected expected = {
        .series = SERIES,
        .readings_per_series = d->count / SERIES,
        .start_us = d->start_us,
        .step_us = STEP_US,
    };
    struct volume_found volume, table;
    struct simulator_stats stream;
    char sent[32], rows[32], loaded[32];

    if (!volume_check(d->data, NULL, &expected, &volume, err) ||
        !wait_for_job(d, volume.rows, signal_fd, err) || !check_table(d, &expected, &table, err) ||
        !show_files(d, &volume, err))
        return false;
    simulator_get_stats(d->simulator, &stream);
    *ret_good = volume.lost == 0 && volume.twice == 0 && volume.strange == 0 && table.lost == 0 &&
                table.twice == 0 && table.strange == 0 && table.rows == stream.readings_sent;
    if (volume.lost || volume.twice)
        printf("in the volume %llu lost, %llu twice\n", (unsigned long long)volume.lost,
            (unsigned long long)volume.twice);
    if (table.strange)
        printf("%llu rows were never sent\n", (unsigned long long)table.strange);
    printf("demo: %s readings sent, %s rows in %llu files in the volume, %s rows in the table, "
           "%llu lost, %llu twice\n",
        str_count(sent, sizeof(sent), stream.readings_sent),
        str_count(rows, sizeof(rows), volume.rows), (unsigned long long)volume.files,
        str_count(loaded, sizeof(loaded), table.rows), (unsigned long long)table.lost,
        (unsigned long long)table.twice);
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
        ok = configure(d, copy, &err); /* takes it */
        copy = NULL;
    }
    if (ok) {
        introduce(d);
        ok = set_up(d, &err) && start_run(d, &err);
    }
    if (ok) {
        show_columns();
        ok = watch(d, signal_fd, &err);
    }
    stop_run(d);
    if (ok && atomic_load(&d->exit_code) != EXIT_DONE)
        ok = err_set(&err, ERR_BROKEN, 0, "the uploader ended with exit code %d",
            atomic_load(&d->exit_code));
    if (ok)
        ok = show_result(d, signal_fd, &good, &err);
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
        .text =
            "Runs the main job between a synthetic Kelvin stream and a local workspace on this "
            "machine,\n"
            "which a job loads into a Delta table; shows what happens, reads the table back and "
            "counts\nevery reading. No account is needed.\n"
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
