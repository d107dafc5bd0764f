/* `run`: the main job. Wires rooms, threads and signals; the work itself is in the three loops. */
#include "commands/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "commands/confine.h"
#include "commands/jobkeeping.h"
#include "commands/live.h"
#include "commands/options.h"
#include "commands/pipeline.h"
#include "commands/plan_for.h"
#include "commands/serving.h"
#include "commands/telling.h"
#include "commands/workspace.h"
#include "databricks/host.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Everything of one run; released in run_main's one exit. */
struct run {
    const struct run_options *options;
    struct pipeline pipeline;
    struct state state;
    struct limits limits;
    struct gaps *gaps;
    struct live live;
    struct notify notify;
    pthread_t intake, pack, ship;
    unsigned started; /* loops, in that order */
    bool state_open, pipeline_open;
};

bool run_block_signals(int *ret_signal_fd, struct err *err)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* the file size limit comes as EFBIG, like a full disk */
    errno = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (errno)
        return err_sys(err, ERR_DENIED, "block signals");
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_sys(err, ERR_DENIED, "signalfd");
    *ret_signal_fd = fd;
    return true;
}

static enum exit_code open_state(struct run *r)
{
    const struct settings *s = config_settings(r->options->config);
    struct err err;
    bool busy = false;

    if (!state_open(&r->state, s->state_dir, s->allow_volatile_state, &busy, &err)) {
        LOG_ERROR(busy ? "state_busy" : "state_unusable", LOG_TEXT("directory", s->state_dir),
            LOG_TEXT("error", err.text));
        return busy ? EXIT_BUSY : EXIT_STATE;
    }
    r->state_open = true;
    if (r->state.volatile_warning)
        LOG_WARN("state_volatile", LOG_TEXT("directory", s->state_dir),
            LOG_TEXT("file_system", r->state.space.type),
            LOG_TEXT("do",
                "this file system may lose data; use a local disk (allow_volatile_state is set)"));
    if (!limits_init(&r->limits, &r->state, s->state_bytes_max, s->free_bytes_min, &err) ||
        !(r->gaps = gaps_open(&r->state, &r->limits, &err))) {
        LOG_ERROR(
            "state_unusable", LOG_TEXT("directory", s->state_dir), LOG_TEXT("error", err.text));
        return EXIT_STATE;
    }
    if (config_fit_state(r->options->config, r->limits.state_bytes_max))
        LOG_WARN("settings_fitted", LOG_UINT("state_bytes_max", r->limits.state_bytes_max),
            LOG_UINT("segment_bytes", s->segment_bytes), LOG_UINT("merge_bytes", s->merge_bytes),
            LOG_TEXT(
                "reason", "segment_bytes and merge_bytes may be an eighth of state_bytes_max"));
    return EXIT_DONE;
}

static enum exit_code recover(struct run *r)
{
    struct pack_recovery found;
    struct err err;
    int64_t start_us = clock_mono_us();

    if (!pack_recover(&r->state, &r->limits, r->gaps, &found, &err)) {
        LOG_ERROR(
            "state_unusable", LOG_TEXT("directory", r->state.path), LOG_TEXT("error", err.text));
        return EXIT_STATE;
    }
    r->pipeline.first_seq = found.next_seq;
    LOG_INFO("recovered", LOG_TEXT("directory", r->state.path),
        LOG_TEXT("instance", r->state.instance_text), LOG_UINT("next_seq", found.next_seq),
        LOG_UINT("segments", found.journal.segments), LOG_UINT("files", found.files),
        LOG_UINT("rewritten", found.journal.rewritten),
        LOG_INT("took_ms", (clock_mono_us() - start_us) / 1000));
    if (found.drops_finished)
        LOG_WARN("drops_finished", LOG_UINT("count", found.drops_finished),
            LOG_TEXT("reason", "counted as dropped (when_full=drop_oldest), and still there"));
    if (found.quarantined || found.journal.promised_gaps)
        LOG_ERROR("damage_found", LOG_UINT("files_quarantined", found.quarantined),
            LOG_UINT("gaps", found.journal.promised_gaps),
            LOG_TEXT("do", "see gaps.log and quarantine/ in the state directory; check the disk"));
    return EXIT_DONE;
}

static bool start_loops(struct run *r, struct err *err)
{
    struct {
        pthread_t *thread;
        void *(*loop)(void *);
        const char *name;
    } loops[] = {{&r->intake, intake_loop, "intake"}, {&r->pack, pack_loop, "pack"},
        {&r->ship, ship_loop, "ship"}};

    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        errno = pthread_create(loops[i].thread, NULL, loops[i].loop, &r->pipeline);
        if (errno)
            return err_sys(err, ERR_DENIED, "start the %s thread", loops[i].name);
        r->started++;
    }
    return true;
}

static void begin_stop(struct run *r, const char *why)
{
    struct pipeline *p = &r->pipeline;

    if (!atomic_load(&p->stop_deadline_us)) {
        atomic_store(&p->stop_deadline_us, clock_mono_us() + p->settings->stop_us);
        notify_stopping(&r->notify);
        LOG_INFO("stopping", LOG_TEXT("reason", why),
            LOG_INT("at_most_ms", p->settings->stop_us / 1000));
    }
    atomic_store(&p->stopping, true);
    pipeline_wake(p->wake_intake);
    pipeline_wake(p->wake_pack);
    pipeline_wake(p->wake_ship);
}

static void take_signals(struct run *r)
{
    struct signalfd_siginfo info;

    while (read(r->options->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            atomic_store(&r->pipeline.reload_secrets, true);
            pipeline_wake(r->pipeline.wake_ship);
        } else if (atomic_load(&r->pipeline.stop_deadline_us)) {
            live_end(&r->live, false);
            LOG_WARN("stopped_at_once", LOG_TEXT("reason", "second signal"));
            _exit(EXIT_DONE); /* safe at any moment: the disk is always in a state to start from */
        } else {
            begin_stop(r, info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        }
    }
}

static bool all_ended(struct run *r)
{
    return atomic_load(&r->pipeline.intake_ended) && atomic_load(&r->pipeline.pack_ended) &&
           atomic_load(&r->pipeline.ship_ended);
}

/* For the service manager: the picture of the live line, and that intake still goes round. */
static void tell_manager(struct run *r, int64_t mono_us)
{
    struct buf line;

    if (r->notify.fd < 0)
        return;
    buf_init(&line, 1024);
    live_describe(&r->live, &line);
    notify_status(&r->notify, buf_text(&line));
    buf_done(&line);
    notify_alive(&r->notify, mono_us,
        atomic_load(&r->pipeline.intake_ended) ? mono_us
                                               : atomic_load(&r->pipeline.intake_turn_us));
}

static void watch(struct run *r)
{
    while (!all_ended(r)) {
        struct pollfd fds[] = {
            {.fd = r->options->signal_fd, .events = POLLIN},
            {.fd = r->options->stop_fd, .events = POLLIN},
            {.fd = r->pipeline.wake_main, .events = POLLIN},
        };
        int wait_ms = r->live.terminal || atomic_load(&r->pipeline.stopping) ? 50 : 1000;

        (void)poll(fds, 3, wait_ms);
        (void)pipeline_woken(r->pipeline.wake_main, 0);
        if (fds[0].revents)
            take_signals(r);
        if (fds[1].revents && !atomic_load(&r->pipeline.stop_deadline_us))
            begin_stop(r, "asked to");
        if (atomic_load(&r->pipeline.broken) && !atomic_load(&r->pipeline.stop_deadline_us))
            begin_stop(r, "broken");
        live_show(&r->live, clock_mono_us());
        tell_manager(r, clock_mono_us());
    }
}

static void join_loops(struct run *r)
{
    pthread_t threads[] = {r->intake, r->pack, r->ship};

    assert(r->started <= sizeof(threads) / sizeof(threads[0]));
    for (unsigned i = 0; i < r->started; i++)
        (void)pthread_join(threads[i], NULL);
}

static enum exit_code work(struct run *r)
{
    struct err err;
    enum exit_code code;
    struct serving *serving = serving_open(&r->pipeline);

    /* Now that what needs rights is open, and before anything that others wrote is read. */
    if (r->options->confine)
        confine(r->options->config, r->state.path);
    notify_status(&r->notify, "recovering");
    code = recover(r);
    if (code != EXIT_DONE) {
        serving_stop(serving);
        return code;
    }
    telling_start(&r->pipeline);
    serving_start(serving);
    r->pipeline.jobs = jobkeeping_start(r->pipeline.settings, r->options->counters);
    live_start(&r->live, r->options->counters, r->options->live_line);
    if (!start_loops(r, &err)) {
        pipeline_break(&r->pipeline, "main", &err);
        /* The loops that are not there have ended. */
        atomic_store(&r->pipeline.intake_ended, r->started < 1);
        atomic_store(&r->pipeline.pack_ended, r->started < 2);
        atomic_store(&r->pipeline.ship_ended, true);
    }
    notify_ready(&r->notify);
    watch(r);
    join_loops(r);
    jobkeeping_stop(r->pipeline.jobs);
    serving_stop(serving);
    live_end(&r->live, true);
    return atomic_load(&r->pipeline.broken) ? EXIT_STATE : EXIT_DONE;
}

enum exit_code run_main(const struct run_options *options)
{
    struct run r = {.options = options};
    enum exit_code code;
    struct err err;

    notify_init(&r.notify);
    code = open_state(&r);
    if (code != EXIT_DONE)
        goto out;
    if (!pipeline_init(&r.pipeline, &err)) {
        LOG_ERROR("start_failed", LOG_TEXT("error", err.text));
        code = EXIT_STATE;
        goto out;
    }
    r.pipeline_open = true;
    r.pipeline.config = options->config;
    r.pipeline.settings = config_settings(options->config);
    r.pipeline.state = &r.state;
    r.pipeline.limits = &r.limits;
    r.pipeline.gaps = r.gaps;
    r.pipeline.counters = options->counters;
    r.pipeline.trace_fd = options->trace_fd;
    r.pipeline.live_line = options->live_line && isatty(STDERR_FILENO);
    code = work(&r);
out:
    if (r.pipeline_open)
        pipeline_done(&r.pipeline);
    gaps_close(r.gaps);
    if (r.state_open)
        state_close(&r.state);
    notify_done(&r.notify);
    return code;
}

/* The settings that only databricks/ can judge (host, CA file): before anything starts. */
static bool workspace_is_possible(const struct settings *s)
{
    struct err err;
    struct workspace *ws = workspace_for(s, &err);

    if (!ws)
        (void)options_usage("run", "%s", err.text);
    workspace_free(ws);
    return ws != NULL;
}

/* The same for the names a job would carry. */
static bool job_is_possible(const struct settings *s)
{
    struct err err;
    struct plan *plan = NULL;

    if (s->job_loader == JOB_LOADER_NONE)
        return true;
    plan = plan_for(s, &err);
    if (!plan)
        (void)options_usage("run", "%s", err.text);
    plan_free(plan);
    return plan != NULL;
}

/* Everything that is wrong is said at once: also the host beside a setting that config refused, and the
 * job beside the host. */
static bool is_possible(struct config *config)
{
    const struct settings *s = config_settings(config);
    struct host host;
    struct err err;
    bool ok;

    if (!options_load(config)) {
        if (s->host && !host_normalise(s->host, &host, &err))
            (void)options_usage("run", "%s", err.text);
        return false;
    }
    ok = workspace_is_possible(s);
    return job_is_possible(s) && ok;
}

static bool is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

int command_run(int argc, char **argv)
{
    static struct counters counters;
    const char *trace = NULL;
    bool quiet = false;
    const struct option_spec own[] = {
        {"no-live-line", NULL, "log lines only, also on a terminal", NULL, &quiet},
        {"trace-fd", "N", NULL, &trace, NULL},
        {0},
    };
    struct run_options run = {
        .trace_fd = -1, .confine = true, .stop_fd = -1, .signal_fd = -1, .counters = &counters};
    enum exit_code code = EXIT_USAGE;
    uint64_t trace_fd = 0;
    struct err err;
    struct options options = {
        .command = "run",
        .arguments = "",
        .text = "Receives the Kelvin stream, keeps every reading on disk until it is in the "
                "volume, and\n"
                "writes the volume's Parquet files. Runs until SIGTERM or SIGINT.\n",
        .own = own,
        .config_flags = CONFIG_RUN,
    };

    confine_start();
    /* Three loops, each with buffers of its own: more arenas would only keep freed memory apart. */
    (void)mallopt(M_ARENA_MAX, 2);
    options.config = config_new(CONFIG_RUN, &err);
    if (!options.config)
        return options_usage("run", "%s", err.text);
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        goto out;
    case OPTIONS_BAD:
        goto out;
    case OPTIONS_OK:
        break;
    }
    if (!options_count("trace-fd", trace, 0, 1000000, &trace_fd) || !is_possible(options.config))
        goto out;
    if (!run_block_signals(&run.signal_fd, &err)) {
        (void)options_usage("run", "%s", err.text);
        goto out;
    }
    run.trace_fd = trace ? (int)trace_fd : -1;
    run.config = options.config;
    run.live_line = !quiet;
    counters_init(&counters);
    log_configure(config_settings(run.config)->log_level, config_settings(run.config)->log_format,
        !quiet && isatty(STDERR_FILENO) ? "\r\033[K" : NULL);
    if (!is_local(config_settings(run.config)->stream_host))
        LOG_WARN("stream_not_local", LOG_TEXT("host", config_settings(run.config)->stream_host),
            LOG_TEXT("do",
                "the stream is plain TCP without sign-in; keep it inside a network you trust"));
    code = run_main(&run);
out:
    file_drop(run.signal_fd);
    config_free(options.config);
    return (int)code;
}
