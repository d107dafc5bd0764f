/* volume-uploader emulate: a local Databricks workspace until SIGTERM or SIGINT. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "commands/options.h"
#include "emulator/emulator.h"

#define VOLUMES_MAX 64U
#define FAULTS_BYTES_MAX 65536U

/* Known to everybody, so they are good on loopback only: --allow-remote asks for others. */
#define LOCAL_TOKEN "local-token"
#define LOCAL_CLIENT_ID "00000000-0000-4000-8000-000000000001"
#define LOCAL_CLIENT_SECRET "local-secret"

struct emulate {
    struct emulator_options emulator;
    char address[64];
    const char *volumes[VOLUMES_MAX];
    struct buf faults;
    struct secret *token;         /* NULL: the local one */
    struct secret *client_secret; /* NULL: the local one */
    bool verbose;
};

static const char usage[] =
    "Usage: volume-uploader emulate --root DIR [OPTION]...\n"
    "\n"
    "Serves a local Databricks workspace: sign-in, files and directories of volumes, and\n"
    "faults on request. Files lie as plain files below DIR/Volumes. Ends with SIGTERM or\n"
    "Ctrl-C.\n"
    "\n"
    "  --root DIR                where the files lie; made when missing\n"
    "  --listen ADDRESS:PORT     127.0.0.1:8181 unless given; port 0 takes any free one\n"
    "  --allow-remote            let --listen name an address other machines can reach;\n"
    "                            needs credentials of your own\n"
    "  --volume C.S.V            make this volume at the start; may be repeated. Without it a\n"
    "                            volume is made by the first file put into it\n"
    "  --client-id ID            the service principal that may sign in\n"
    "  --client-secret-file FILE its secret; or DATABRICKS_CLIENT_SECRET\n"
    "  --token-file FILE         the personal access token; or DATABRICKS_ACCESS_TOKEN\n"
    "  --token-lifetime TIME     how long a token of the service principal lives: 90s, 10m, 1h\n"
    "  --fault RULE              what goes wrong; may be repeated\n"
    "  --verbose                 one line for each request, on standard error\n"
    "  --help\n"
    "\n"
    "Without credentials of your own it takes well-known ones and prints them, ready to paste.\n"
    "\n"
    "A fault rule is a method, a path ('*' fits anything) and what to do:\n"
    "\n"
    "  PUT *.parquet status=503 retry-after=2 count=3 after=10\n"
    "\n"
    "  status=N                  answer so, without the effect; with body=TEXT, error_code=CODE,\n"
    "                            message=TEXT, numeric, header=\"K: V\", retry-after=N\n"
    "  limit | html | 401-once   400 REQUEST_LIMIT_EXCEEDED | login page with 200 | expired token\n"
    "  delay=500ms               wait before the answer\n"
    "  cut=before|inside|after   cut the connection before, inside or after the body; "
    "inside:BYTES\n"
    "  lose                      keep the effect, lose the answer (or answer status=N)\n"
    "  head-length=+1            a wrong length on HEAD\n"
    "  string-expiry             expires_in as text\n"
    "  count=N|all  after=N  probability=P  seed=N      which requests; all unless given\n"
    "\n"
    "While it runs, from this machine and without credentials:\n"
    "\n"
    "  curl URL/emulator/state\n"
    "  curl URL/emulator/faults\n"
    "  curl URL/emulator/faults --data-binary 'PUT * lose count=1'\n"
    "  curl URL/emulator/faults -X DELETE\n";

static bool refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);
static bool refuse(const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)options_usage("emulate", "%s", text);
    return false;
}

/* --- options --- */

/* "127.0.0.1:8181", "[::1]:8181", "localhost:0". */
static bool parse_listen(const char *text, struct emulate *set)
{
    const char *colon = strrchr(text, ':');
    struct span host;
    uint64_t port;

    if (!colon || !str_u64(span_of(colon + 1), &port) || port > 65535)
        return refuse("--listen %s: an address and a port are needed, as 127.0.0.1:8181", text);
    host = (struct span){text, (size_t)(colon - text)};
    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = (struct span){host.data + 1, host.len - 2};
    if (host.len == 0 || host.len >= sizeof(set->address))
        return refuse("--listen %s: an address and a port are needed, as 127.0.0.1:8181", text);
    memcpy(set->address, host.data, host.len);
    set->address[host.len] = '\0';
    set->emulator.address = set->address;
    set->emulator.port = (uint16_t)port;
    return true;
}

/* "90s", "10m", "1h", "250ms". */
static bool parse_lifetime(const char *text, struct emulate *set)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", INT64_C(3600000000)}};
    size_t digits = strspn(text, "0123456789");
    uint64_t value;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) != 0 ||
            !str_u64((struct span){text, digits}, &value) || value == 0 || value > 100000)
            continue;
        set->emulator.token_life_us = (int64_t)value * units[i].us;
        return true;
    }
    return refuse("--token-lifetime %s: a time is needed, as 90s, 10m or 1h", text);
}

static bool add_volume(const char *name, struct emulate *set)
{
    if (set->emulator.volume_count == VOLUMES_MAX)
        return refuse("--volume: more than %u", VOLUMES_MAX);
    set->volumes[set->emulator.volume_count++] = name;
    return true;
}

static bool add_fault(const char *rule, struct emulate *set)
{
    if (buf_add_text(&set->faults, rule) && buf_add_byte(&set->faults, '\n'))
        return true;
    return refuse("--fault: too many rules");
}

static bool read_secret(const char *option, const char *path, struct secret **secret)
{
    struct err err = {0};
    bool exposed = false;

    secret_free(*secret);
    *secret = secret_from_file(path, &exposed, &err);
    if (!*secret)
        return refuse("%s: %s", option, err.text);
    if (exposed)
        LOG_WARN("secret_file_readable_by_others", LOG_TEXT("path", path));
    return true;
}

static bool secrets_from_environment(struct emulate *set)
{
    struct err err = {0};

    if (!set->token)
        set->token = secret_from_env("DATABRICKS_ACCESS_TOKEN", &err);
    if (!set->token && err.kind == ERR_NONE)
        set->token = secret_from_env("DATABRICKS_TOKEN", &err);
    if (err.kind == ERR_NONE && !set->client_secret)
        set->client_secret = secret_from_env("DATABRICKS_CLIENT_SECRET", &err);
    if (err.kind != ERR_NONE)
        return refuse("%s", err.text);
    if (!set->emulator.client_id)
        set->emulator.client_id = getenv("DATABRICKS_CLIENT_ID");
    return true;
}

static bool check_options(struct emulate *set)
{
    if (!set->emulator.root)
        return refuse("--root DIR is needed; --help says more");
    if (!secrets_from_environment(set))
        return false;
    if (set->emulator.allow_remote && !set->token && !set->client_secret)
        return refuse("--allow-remote needs --token-file, or --client-id and "
                      "--client-secret-file: everybody knows the local ones");
    if (set->client_secret && (!set->emulator.client_id || !*set->emulator.client_id))
        return refuse("a client secret needs --client-id");
    return true;
}

enum {
    OPT_LISTEN = 256,
    OPT_ROOT,
    OPT_REMOTE,
    OPT_VOLUME,
    OPT_ID,
    OPT_SECRET,
    OPT_TOKEN,
    OPT_LIFE,
    OPT_FAULT,
    OPT_VERBOSE,
    OPT_HELP
};

static bool take_option(int option, struct emulate *set)
{
    switch (option) {
    case OPT_LISTEN:
        return parse_listen(optarg, set);
    case OPT_ROOT:
        set->emulator.root = optarg;
        return true;
    case OPT_REMOTE:
        set->emulator.allow_remote = true;
        return true;
    case OPT_VOLUME:
        return add_volume(optarg, set);
    case OPT_ID:
        set->emulator.client_id = optarg;
        return true;
    case OPT_SECRET:
        return read_secret("--client-secret-file", optarg, &set->client_secret);
    case OPT_TOKEN:
        return read_secret("--token-file", optarg, &set->token);
    case OPT_LIFE:
        return parse_lifetime(optarg, set);
    case OPT_FAULT:
        return add_fault(optarg, set);
    case OPT_VERBOSE:
        set->verbose = true;
        return true;
    default:
        return false;
    }
}

/* getopt takes any clear beginning of a name; here, as in every command, the whole is needed. */
static bool is_short(char **argv, const char *name)
{
    const char *word = optarg && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];

    return strcspn(word + 2, "=") != strlen(name);
}

/* False: *ret_exit says how to end. */
static bool parse_options(int argc, char **argv, struct emulate *set, int *ret_exit)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, OPT_LISTEN},
        {"root", required_argument, NULL, OPT_ROOT},
        {"allow-remote", no_argument, NULL, OPT_REMOTE},
        {"volume", required_argument, NULL, OPT_VOLUME},
        {"client-id", required_argument, NULL, OPT_ID},
        {"client-secret-file", required_argument, NULL, OPT_SECRET},
        {"token-file", required_argument, NULL, OPT_TOKEN},
        {"token-lifetime", required_argument, NULL, OPT_LIFE},
        {"fault", required_argument, NULL, OPT_FAULT},
        {"verbose", no_argument, NULL, OPT_VERBOSE},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    int option, index = 0;

    optind = 0; /* glibc: begin anew, for a second call in the same process */
    opterr = 0;
    *ret_exit = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, ":", options, &index)) != -1) {
        if (option == '?' || option == ':')
            return refuse(option == '?' ? "unknown option '%s', or a value it does not take"
                                        : "%s needs a value",
                argv[optind - 1]);
        if (is_short(argv, options[index].name))
            return refuse("write --%s in full", options[index].name);
        if (option == OPT_HELP) {
            (void)fputs(usage, stdout);
            *ret_exit = EXIT_DONE;
            return false;
        }
        if (!take_option(option, set))
            return false;
    }
    if (optind < argc)
        return refuse("unexpected '%s'; --help says more", argv[optind]);
    return check_options(set);
}

/* --- running --- */

/* Called by the threads of the connections; a line is one write. */
static void log_exchange(void *arg, const struct emulator_exchange *x)
{
    (void)arg;
    LOG_INFO("request", LOG_TEXT("method", x->method), LOG_TEXT("path", x->path),
        LOG_INT("status", x->status), LOG_UINT("in_bytes", x->received_bytes),
        LOG_UINT("out_bytes", x->sent_bytes), LOG_INT("took_us", x->took_us),
        LOG_TEXT("complete", x->complete ? "yes" : "no"),
        LOG_TEXT("fault", x->fault ? x->fault : ""));
}

/* What is not given is the local one; a secret of the user's own is never printed. */
static void print_settings(
    const struct emulator *emu, const struct emulate *set, bool local_token, bool local_secret)
{
    (void)printf("# A local Databricks workspace. Paste this into the shell of a client:\n"
                 "export DATABRICKS_SERVER_HOSTNAME=%s\n",
        emulator_base_url(emu));
    if (set->emulator.volume_count)
        (void)printf("export DATABRICKS_UC_VOLUME=%s\n", set->volumes[0]);
    if (local_secret)
        (void)printf("export DATABRICKS_CLIENT_ID=%s\n"
                     "export DATABRICKS_CLIENT_SECRET=%s\n",
            set->emulator.client_id, LOCAL_CLIENT_SECRET);
    else if (set->client_secret)
        (void)printf("export DATABRICKS_CLIENT_ID=%s\n"
                     "# export DATABRICKS_CLIENT_SECRET=... the one you gave\n",
            set->emulator.client_id);
    if (local_token)
        (void)printf("# or instead of these two: export DATABRICKS_ACCESS_TOKEN=%s\n", LOCAL_TOKEN);
    else if (set->token)
        (void)printf("# or: export DATABRICKS_ACCESS_TOKEN=... the one you gave\n");
    (void)fflush(stdout);
}

/* The well-known credentials where the user gave none at all. */
static bool fill_credentials(
    struct emulate *set, bool *ret_local_token, bool *ret_local_secret, struct err *err)
{
    bool none = !set->token && !set->client_secret;

    *ret_local_token = *ret_local_secret = none;
    if (none) {
        set->token = secret_new(span_of(LOCAL_TOKEN), err);
        set->client_secret = secret_new(span_of(LOCAL_CLIENT_SECRET), err);
        if (!set->emulator.client_id || !*set->emulator.client_id)
            set->emulator.client_id = LOCAL_CLIENT_ID;
        if (!set->token || !set->client_secret)
            return false;
    }
    set->emulator.token = set->token;
    set->emulator.client_secret = set->client_secret;
    return true;
}

static int serve(struct emulate *set)
{
    bool local_token, local_secret;
    struct emulator *emu = NULL;
    struct err err = {0};
    sigset_t signals;
    int got = 0;

    /* Blocked before any thread exists, so that only the wait below takes them. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);

    set->emulator.volumes = set->volumes;
    set->emulator.create_volumes = set->emulator.volume_count == 0;
    set->emulator.faults = buf_text(&set->faults);
    set->emulator.on_exchange = set->verbose ? log_exchange : NULL;
    if (fill_credentials(set, &local_token, &local_secret, &err))
        emu = emulator_start(&set->emulator, &err);
    if (!emu) {
        (void)fprintf(stderr, "error: %s\n", err.text);
        return err.kind == ERR_INPUT ? EXIT_USAGE : EXIT_NO;
    }
    print_settings(emu, set, local_token, local_secret);
    (void)sigwait(&signals, &got);
    emulator_stop(emu);
    return EXIT_DONE;
}

int command_emulate(int argc, char **argv)
{
    struct emulate set = {.address = "127.0.0.1"};
    int code;

    set.emulator.address = set.address;
    set.emulator.port = 8181;
    buf_init(&set.faults, FAULTS_BYTES_MAX);
    if (parse_options(argc, argv, &set, &code))
        code = serve(&set);
    secret_free(set.token);
    secret_free(set.client_secret);
    buf_done(&set.faults);
    return code;
}
