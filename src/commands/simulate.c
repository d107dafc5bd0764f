/* commands/simulate.c: `simulate` serves a synthetic Kelvin stream, or a CSV file, until it is
 * stopped. The words on standard output are those of the original publisher where it has some. */
#include "base/clock.h"
#include "commands/options.h"
#include "simulator/simulator.h"
#include "simulator/time_text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TICK_NS 200000000L
#define YEAR_US (366 * CLOCK_DAY_US)

enum opt {
    LISTEN,
    ASSETS,
    ASSET,
    ASSET_PREFIX,
    STREAMS,
    STREAM,
    SOURCE,
    TRACE_IDS,
    RANDOM,
    COUNTER,
    REALISTIC,
    MIN,
    MAX,
    FULL_PRECISION,
    SEED,
    PERIOD,
    RATE,
    BURST,
    COUNT,
    EXIT,
    START_TIME,
    STEP,
    UPLOAD_INTERVAL,
    BATCH_SIZE,
    MANIFEST_EVERY,
    THEN_UPLOAD_INTERVAL,
    THEN_BATCH_SIZE,
    CSV,
    PUBLISH_INTERVAL,
    IGNORE_TIMESTAMPS,
    NOW_OFFSET,
    REPLAY,
    RESUME,
    LATE,
    LATE_BY,
    REPEAT,
    BAD,
    BAD_KINDS,
    TOO_LONG,
    OTHER,
    CRLF,
    SPLIT,
    SPLIT_PAUSE,
    DROP_AFTER,
    DROPS,
    DROP_RESET,
    DROP_CUT,
    SUMMARY,
    QUIET,
    OPTS
};

/* By groups, in the order of --help. */
static const struct row {
    const char *group; /* NULL: as the row before */
    const char *name, *argument, *text;
} rows[OPTS] = {
    [LISTEN] = {"Where", "listen", "IP:PORT", "default 127.0.0.1:49167; port 0: any free one"},
    [ASSETS] = {"What", "assets", "N", "assets test-asset-1 to test-asset-N (1)"},
    [ASSET] = {NULL, "asset", "NAMES", "these assets instead: A,B,C"},
    [ASSET_PREFIX] = {NULL, "asset-prefix", "TEXT", "another beginning than test-asset-"},
    [STREAMS] = {NULL, "streams", "N", "streams of every asset (5, the original sample's)"},
    [STREAM] = {NULL, "stream", "LIST", "these instead: NAME:KIND,... ; kinds are below"},
    [SOURCE] = {NULL, "source", "KRN", "a \"source\" in every line"},
    [TRACE_IDS] = {NULL, "trace-ids", NULL, "a \"trace_id\" in every line"},
    [RANDOM] = {"Values", "random", NULL, "even noise, two decimals (the default)"},
    [COUNTER] = {NULL, "counter", NULL, "one counter for all streams"},
    [REALISTIC] = {NULL, "realistic", NULL, "walks, waves, steps, set-points, a rising total"},
    [MIN] = {NULL, "min", "X", "least value (0)"},
    [MAX] = {NULL, "max", "X", "greatest value (100)"},
    [FULL_PRECISION] = {NULL, "full-precision", NULL, "16 to 17 digits, as a raw sensor's double"},
    [SEED] = {NULL, "seed", "N", "same seed, same values (1)"},
    [PERIOD] = {"Pace", "period", "SECONDS", "pause between rounds over all series (5)"},
    [RATE] = {NULL, "rate", "N|max", "messages a second, evenly; max: as fast as it goes"},
    [BURST] = {NULL, "burst", "N", "with a rate: N messages at a time (1)"},
    [COUNT] = {NULL, "count", "N", "so many messages, then stay connected"},
    [EXIT] = {NULL, "exit", NULL, "with a count or a CSV file: end when all was sent"},
    [START_TIME] = {NULL, "start-time", "TIME", "fixed clock: the first round's timestamp"},
    [STEP] = {NULL, "step", "SECONDS", "fixed clock: from round to round (1)"},
    [UPLOAD_INTERVAL] = {"Manifest", "upload-interval", "SECONDS", "its upload_interval (60)"},
    [BATCH_SIZE] = {NULL, "batch-size", "N", "its batch_size (1000)"},
    [MANIFEST_EVERY] = {NULL, "manifest-every", "SECONDS", "another manifest so often"},
    [THEN_UPLOAD_INTERVAL] = {NULL, "then-upload-interval", "SECONDS", "what later ones say"},
    [THEN_BATCH_SIZE] = {NULL, "then-batch-size", "N", "what later ones say"},
    [CSV] = {"CSV", "csv", "FILE", "replay a file: timestamp, asset_name, inputs"},
    [PUBLISH_INTERVAL] = {NULL, "publish-interval", "csv|SECONDS", "pause between rows (csv)"},
    [IGNORE_TIMESTAMPS] = {NULL, "ignore-timestamps", NULL, "use the present time"},
    [NOW_OFFSET] = {NULL, "now-offset", NULL, "shift all so that the first row is now"},
    [REPLAY] = {NULL, "replay", NULL, "start over at the end of the file"},
    [RESUME] = {NULL, "resume", NULL, "a new client gets the next row, not the first"},
    [LATE] = {"Oddities (a SHARE is 0 to 1, of the messages)", "late", "SHARE",
        "hold back and send late"},
    [LATE_BY] = {NULL, "late-by", "SECONDS", "how late (60), by the stream's clock"},
    [REPEAT] = {NULL, "repeat", "SHARE", "the same key again, another value"},
    [BAD] = {NULL, "bad", "SHARE", "bad lines in between"},
    [BAD_KINDS] = {NULL, "bad-kinds", "LIST", "only these, kinds are below"},
    [TOO_LONG] = {NULL, "too-long", "BYTES", "length of a too_long line (4194305)"},
    [OTHER] = {NULL, "other", "SHARE", "good lines that are no reading"},
    [CRLF] = {NULL, "crlf", NULL, "lines end in \\r\\n"},
    [SPLIT] = {NULL, "split", "BYTES", "writes of 1 to BYTES bytes"},
    [SPLIT_PAUSE] = {NULL, "split-pause", "SECONDS", "after every such write"},
    [DROP_AFTER] = {NULL, "drop-after", "N", "end every connection after N messages"},
    [DROPS] = {NULL, "drops", "N", "but only N times"},
    [DROP_RESET] = {NULL, "drop-reset", NULL, "by a reset: what is on its way is lost"},
    [DROP_CUT] = {NULL, "drop-cut", NULL, "in the middle of a line"},
    [SUMMARY] = {"Output", "summary", "SECONDS", "a line with the counts so often"},
    [QUIET] = {NULL, "quiet", NULL, "only the first line and the last"},
};

struct simulate {
    const char *value[OPTS];
    bool on[OPTS];
    struct option_spec specs[OPTS + 1];
    struct simulator_options o;
    char host[64];
    const char *assets[SIMULATOR_ASSETS_MAX];
    struct simulator_stream streams[SIMULATOR_STREAMS_MAX];
    struct buf lists; /* the text of lists, cut into pieces by NUL */
    struct buf help;
    int64_t summary_us;
    bool quiet;
};

/* ---- help ---- */

static void add_help(struct buf *help)
{
    buf_add_text(help,
        "Serves the Kelvin stream protocol to one client at a time: made values or a CSV file.\n"
        "SIGINT or SIGTERM ends it; SIGHUP sends another manifest, SIGUSR1 ends the connection.\n");
    for (size_t i = 0; i < OPTS; i++) {
        int wide;

        if (rows[i].group != NULL)
            buf_printf(help, "\n%s:\n", rows[i].group);
        wide = rows[i].argument == NULL ? 0 : (int)strlen(rows[i].argument);
        buf_printf(help, "  --%s %-*s %s\n", rows[i].name, 27 - (int)strlen(rows[i].name),
            wide == 0 ? "" : rows[i].argument, rows[i].text);
    }
    buf_add_text(help, "\nKinds of streams: number");
    for (unsigned i = 0; i < SIMULATOR_KINDS; i++)
        buf_printf(help, ", %s", simulator_kind_name((enum simulator_kind)i));
    buf_add_text(
        help, ".\n  object may name its type: frame:object:camera-image\nKinds of bad lines:");
    for (unsigned i = 0; i < SIMULATOR_BADS; i++)
        buf_printf(help, "%s %s",
            i == 0   ? ""
            : i == 9 ? ",\n "
                     : ",",
            simulator_bad_name((enum simulator_bad)i));
    buf_add_text(help,
        " (too_long only when named).\n"
        "\nExamples:\n"
        "  volume-uploader simulate --period 1 --assets 3 --realistic\n"
        "  volume-uploader simulate --rate max --count 10000000 --start-time 2026-01-01 --exit\n"
        "  volume-uploader simulate --csv data.csv --publish-interval 0 --exit\n"
        "  volume-uploader simulate --rate 1000 --late 0.01 --bad 0.001 --drop-after 5000\n");
}

/* ---- values ---- */

static bool count_of(
    const struct simulate *s, enum opt i, uint64_t min, uint64_t max, uint64_t *ret)
{
    return options_count(rows[i].name, s->value[i], min, max, ret);
}

static bool real_of(const struct simulate *s, enum opt i, double min, double max, double *ret)
{
    return options_real(rows[i].name, s->value[i], min, max, ret);
}

/* Plain seconds, fractions too, as the original takes them; also 5s, 100ms, 2min. */
static bool time_of(const struct simulate *s, enum opt i, int64_t *ret_us)
{
    double seconds;

    if (s->value[i] != NULL && time_text_number(span_of(s->value[i]), &seconds)) {
        if (seconds < 0 || seconds > 366.0 * 86400) {
            (void)options_usage("simulate", "--%s = %s: 0 to 366 days", rows[i].name, s->value[i]);
            return false;
        }
        *ret_us = (int64_t)(seconds * 1e6 + 0.5);
        return true;
    }
    return options_duration_us(rows[i].name, s->value[i], 0, YEAR_US, ret_us);
}

static bool int_of(const struct simulate *s, enum opt i, int64_t *ret)
{
    uint64_t value = 0;

    if (s->value[i] == NULL)
        return true;
    if (!count_of(s, i, 0, INT32_MAX, &value))
        return false;
    *ret = (int64_t)value;
    return true;
}

static bool bad_value(const struct simulate *s, enum opt i, const char *want)
{
    (void)options_usage("simulate", "--%s: %s", rows[i].name, want);
    (void)s;
    return false;
}

/* 127.0.0.1:49167, [::1]:49167, a port alone, an address alone. */
static bool set_listen(struct simulate *s)
{
    static const char want[] = "an IP address and a port, such as 127.0.0.1:49167 or [::1]:0";
    struct span text;
    struct span port = {0};
    uint64_t number;

    s->o.host = s->host;
    (void)str_copy(s->host, sizeof(s->host), "127.0.0.1");
    if (s->value[LISTEN] == NULL)
        return true;
    text = span_of(s->value[LISTEN]);
    if (str_u64(text, &number)) {
        port = text;
        text = span_of("127.0.0.1");
    } else if (text.len > 0 && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);

        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return bad_value(s, LISTEN, want);
        if (end[1] == ':')
            port = span_of(end + 2);
        text = (struct span){text.data + 1, (size_t)(end - text.data) - 1};
    } else {
        const char *colon = strrchr(text.data, ':');

        if (colon != NULL) {
            port = span_of(colon + 1);
            text.len = (size_t)(colon - text.data);
        }
    }
    if (port.data != NULL) {
        if (!str_u64(port, &number) || number > UINT16_MAX)
            return bad_value(s, LISTEN, want);
        s->o.port = (uint16_t)number;
    }
    if (text.len >= sizeof(s->host))
        return bad_value(s, LISTEN, want);
    memcpy(s->host, text.len == 0 ? "0.0.0.0" : text.data, text.len == 0 ? 8 : text.len);
    s->host[text.len == 0 ? 7 : text.len] = '\0';
    return true;
}

/* A list's text, to be cut in place. It lives as long as the command. */
static char *copy_list(struct simulate *s, const char *value)
{
    size_t at = s->lists.len;

    /* Space for all lists was reserved at the beginning: pieces of earlier ones stay where they
     * are. */
    if (!buf_add(&s->lists, value, strlen(value) + 1))
        return NULL;
    return s->lists.data + at;
}

static bool reserve_lists(struct simulate *s)
{
    size_t bytes = 1;
    static const enum opt lists[] = {ASSET, STREAM, BAD_KINDS};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (s->value[lists[i]] != NULL)
            bytes += strlen(s->value[lists[i]]) + 1;
    return buf_reserve(&s->lists, bytes) != NULL;
}

static bool set_assets(struct simulate *s)
{
    char *rest = NULL;
    uint64_t count = s->o.asset_count;

    if (!count_of(s, ASSETS, 1, SIMULATOR_ASSETS_MAX, &count))
        return false;
    s->o.asset_count = (size_t)count;
    if (s->value[ASSET_PREFIX] != NULL)
        s->o.asset_prefix = s->value[ASSET_PREFIX];
    if (s->value[ASSET] == NULL)
        return true;
    if (s->value[ASSETS] != NULL)
        return bad_value(s, ASSET, "not together with --assets");
    s->o.asset_count = 0;
    s->o.asset_names = s->assets;
    for (rest = copy_list(s, s->value[ASSET]); rest != NULL;) {
        if (s->o.asset_count == SIMULATOR_ASSETS_MAX)
            return bad_value(s, ASSET, "too many");
        s->assets[s->o.asset_count++] = strsep(&rest, ",");
    }
    return true;
}

/* NAME, NAME:KIND or NAME:object:TYPE. */
static bool set_stream(struct simulate *s, char *item)
{
    struct simulator_stream *stream = &s->streams[s->o.stream_count++];
    const char *kind;

    *stream = (struct simulator_stream){.name = strsep(&item, ":"), .kind = SIMULATOR_UNIFORM};
    kind = strsep(&item, ":");
    if (kind != NULL && !simulator_kind_of(kind, &stream->kind))
        return bad_value(s, STREAM, "a list of NAME:KIND; 'simulate --help' lists the kinds");
    if (item != NULL && stream->kind != SIMULATOR_OBJECT)
        return bad_value(s, STREAM, "only an object has a type behind its kind");
    stream->icd = item;
    return true;
}

static bool set_streams(struct simulate *s)
{
    char *rest = NULL;
    uint64_t count = s->o.stream_count;

    if (!count_of(s, STREAMS, 1, SIMULATOR_STREAMS_MAX, &count))
        return false;
    s->o.stream_count = (size_t)count;
    s->o.source = s->value[SOURCE];
    s->o.trace_ids = s->on[TRACE_IDS];
    if (s->value[STREAM] == NULL)
        return true;
    if (s->value[STREAMS] != NULL)
        return bad_value(s, STREAM, "not together with --streams");
    s->o.stream_count = 0;
    s->o.streams = s->streams;
    for (rest = copy_list(s, s->value[STREAM]); rest != NULL;) {
        if (s->o.stream_count == SIMULATOR_STREAMS_MAX)
            return bad_value(s, STREAM, "too many");
        if (!set_stream(s, strsep(&rest, ",")))
            return false;
    }
    return true;
}

static bool set_values(struct simulate *s)
{
    if (s->on[RANDOM] + s->on[COUNTER] + s->on[REALISTIC] > 1)
        return bad_value(s, RANDOM, "only one of --random, --counter, --realistic");
    if (s->on[COUNTER])
        s->o.kind = SIMULATOR_COUNTER;
    s->o.realistic = s->on[REALISTIC];
    s->o.full_precision = s->on[FULL_PRECISION];
    return real_of(s, MIN, -1e12, 1e12, &s->o.minimum) &&
           real_of(s, MAX, -1e12, 1e12, &s->o.maximum) &&
           count_of(s, SEED, 0, UINT64_MAX, &s->o.seed);
}

static bool set_pace(struct simulate *s)
{
    if (s->value[RATE] != NULL && strcmp(s->value[RATE], "max") == 0)
        s->o.rate_unlimited = true;
    else if (s->value[RATE] != NULL && !real_of(s, RATE, 0.001, 1e9, &s->o.rate))
        return false;
    if (s->value[RATE] != NULL && s->value[PERIOD] != NULL)
        return bad_value(s, RATE, "not together with --period");
    s->o.exit = s->on[EXIT];
    if (s->o.exit && s->value[COUNT] == NULL && s->value[CSV] == NULL)
        return bad_value(s, EXIT, "needs --count or --csv");
    s->o.fixed_clock = s->value[START_TIME] != NULL;
    if (s->o.fixed_clock && !time_text_parse(span_of(s->value[START_TIME]), &s->o.start_us))
        return bad_value(s, START_TIME, "a time such as 2026-01-31T12:00:00Z, or Unix seconds");
    if (s->value[STEP] != NULL && !s->o.fixed_clock)
        return bad_value(s, STEP, "needs --start-time");
    return time_of(s, PERIOD, &s->o.period_us) && count_of(s, BURST, 1, 1000000000, &s->o.burst) &&
           count_of(s, COUNT, 1, INT64_MAX, &s->o.count) && time_of(s, STEP, &s->o.step_us);
}

static bool set_manifest(struct simulate *s)
{
    return int_of(s, UPLOAD_INTERVAL, &s->o.upload_interval) &&
           int_of(s, BATCH_SIZE, &s->o.batch_size) &&
           time_of(s, MANIFEST_EVERY, &s->o.manifest_every_us) &&
           int_of(s, THEN_UPLOAD_INTERVAL, &s->o.later_upload_interval) &&
           int_of(s, THEN_BATCH_SIZE, &s->o.later_batch_size);
}

static bool set_csv(struct simulate *s)
{
    const char *interval = s->value[PUBLISH_INTERVAL];

    s->o.csv_path = s->value[CSV];
    s->o.csv_ignore_timestamps = s->on[IGNORE_TIMESTAMPS];
    s->o.csv_now_offset = s->on[NOW_OFFSET];
    s->o.csv_replay = s->on[REPLAY];
    s->o.csv_resume = s->on[RESUME];
    if (s->o.csv_path == NULL && (interval != NULL || s->on[IGNORE_TIMESTAMPS] ||
                                     s->on[NOW_OFFSET] || s->on[REPLAY] || s->on[RESUME]))
        return bad_value(s, CSV, "needed by the options for CSV files");
    s->o.csv_interval_given = interval != NULL && strcmp(interval, "csv") != 0;
    return !s->o.csv_interval_given || time_of(s, PUBLISH_INTERVAL, &s->o.csv_interval_us);
}

static bool set_bad_kinds(struct simulate *s)
{
    enum simulator_bad bad;
    char *rest = NULL;

    if (s->value[BAD_KINDS] == NULL)
        return true;
    s->o.bad_mask = 0;
    for (rest = copy_list(s, s->value[BAD_KINDS]); rest != NULL;) {
        if (!simulator_bad_of(strsep(&rest, ","), &bad))
            return bad_value(s, BAD_KINDS, "'simulate --help' lists the kinds of bad lines");
        s->o.bad_mask |= UINT32_C(1) << bad;
    }
    return true;
}

static bool set_oddities(struct simulate *s)
{
    s->o.crlf = s->on[CRLF];
    s->o.drop_cut = s->on[DROP_CUT];
    s->o.drop_how = s->on[DROP_RESET] ? SIMULATOR_DROP_RST : SIMULATOR_DROP_FIN;
    return real_of(s, LATE, 0, 1, &s->o.late_share) && time_of(s, LATE_BY, &s->o.late_us) &&
           real_of(s, REPEAT, 0, 1, &s->o.repeat_share) && real_of(s, BAD, 0, 1, &s->o.bad_share) &&
           set_bad_kinds(s) && count_of(s, TOO_LONG, 1, (uint64_t)64 << 20, &s->o.too_long_bytes) &&
           real_of(s, OTHER, 0, 1, &s->o.other_share) &&
           count_of(s, SPLIT, 1, 1 << 30, &s->o.split_max) &&
           time_of(s, SPLIT_PAUSE, &s->o.split_pause_us) &&
           count_of(s, DROP_AFTER, 1, INT64_MAX, &s->o.drop_after) &&
           count_of(s, DROPS, 1, INT64_MAX, &s->o.drops_max);
}

static bool set_all(struct simulate *s)
{
    simulator_options_init(&s->o);
    s->quiet = s->on[QUIET];
    return reserve_lists(s) && set_listen(s) && set_assets(s) && set_streams(s) && set_values(s) &&
           set_pace(s) && set_manifest(s) && set_csv(s) && set_oddities(s) &&
           time_of(s, SUMMARY, &s->summary_us);
}

/* ---- running ---- */

static void say(void *context, const char *line)
{
    const struct simulate *s = context;

    if (!s->quiet)
        puts(line);
}

static void print_summary(
    const struct simulator_stats *t, const struct simulator_stats *before, int64_t passed_us)
{
    double seconds = (double)passed_us / 1e6;
    char sent[32], bytes[32], rate[32];

    printf("%s messages sent (%s, %s/s), %" PRIu64 " late, %" PRIu64 " repeats, %" PRIu64
           " bad lines, %" PRIu64 " clients\n",
        str_count(sent, sizeof(sent), t->sent), str_bytes(bytes, sizeof(bytes), t->bytes_sent),
        str_count(rate, sizeof(rate),
            seconds > 0 ? (uint64_t)((double)(t->sent - before->sent) / seconds) : 0),
        t->late_sent, t->repeats_sent, t->bad_sent, t->clients);
}

/* Until a signal, or with --exit until the client has everything. */
static void serve(const struct simulate *s, struct simulator *simulator, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};
    struct simulator_stats stats = {0}, last = {0}, none = {0};
    int64_t start_us = clock_mono_us();
    int64_t last_us = start_us;
    bool said = false;

    while (!stats.finished) {
        int got = sigtimedwait(signals, NULL, &tick);

        simulator_get_stats(simulator, &stats);
        if (got == SIGINT || got == SIGTERM)
            break;
        if (got == SIGHUP)
            simulator_send_manifest(simulator, s->o.later_upload_interval, s->o.later_batch_size);
        if (got == SIGUSR1)
            simulator_drop_client(simulator, s->o.drop_how);
        if (s->summary_us > 0 && clock_mono_us() - last_us >= s->summary_us) {
            print_summary(&stats, &last, clock_mono_us() - last_us);
            last = stats;
            last_us = clock_mono_us();
        }
        if (stats.sent_all && !said) {
            said = true;
            if (!s->quiet)
                puts("All messages were sent");
        }
    }
    print_summary(&stats, &none, clock_mono_us() - start_us);
}

static int run(struct simulate *s)
{
    struct simulator *simulator = NULL;
    struct err err = {0};
    sigset_t signals;

    s->o.say = say;
    s->o.say_context = s;
    /* Blocked before the thread starts, so that only sigtimedwait sees them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return options_usage("simulate", "signals: %s", strerror(errno));
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    simulator = simulator_start(&s->o, &err);
    if (simulator == NULL) {
        if (err.kind == ERR_INPUT)
            return options_usage("simulate", "%s", err.text);
        fprintf(stderr, "error: %s\n", err.text);
        return EXIT_NO;
    }
    printf(strchr(s->host, ':') != NULL ? "Publisher started. Listening on [%s]:%u\n"
                                        : "Publisher started. Listening on %s:%u\n",
        s->host, (unsigned)simulator_port(simulator));
    serve(s, simulator, &signals);
    simulator_stop(simulator);
    return EXIT_DONE;
}

int command_simulate(int argc, char **argv)
{
    static struct simulate s; /* half a megabyte of lists */
    struct options options = {.command = "simulate", .own = s.specs};
    int code = EXIT_USAGE;

    s = (struct simulate){0};
    buf_init(&s.lists, (size_t)16 << 20);
    buf_init(&s.help, (size_t)64 << 10);
    /* Hidden from the plain list of options: the groups are in the text. */
    for (size_t i = 0; i < OPTS; i++)
        s.specs[i] = (struct option_spec){.name = rows[i].name,
            .argument = rows[i].argument,
            .ret_value = &s.value[i],
            .ret_on = &s.on[i]};
    add_help(&s.help);
    options.text = buf_text(&s.help);
    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        code = EXIT_DONE;
        break;
    case OPTIONS_BAD:
        break;
    case OPTIONS_OK:
        if (set_all(&s))
            code = run(&s);
        break;
    }
    buf_done(&s.lists);
    buf_done(&s.help);
    return code;
}
