#include "commands/emulate_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "commands/options.h"

static const char usage[] =
    "Usage: volume-uploader emulate --root DIR [OPTION]...\n"
    "\n"
    "Serves a local Databricks workspace: sign-in, volumes, workspace files, jobs that run,\n"
    "Unity Catalog with its grants, SQL, and faults on request. Files lie as plain files below\n"
    "DIR/Volumes, tables as Delta tables below DIR/tables. What is in DIR is kept from one\n"
    "start to the next. Ends with SIGTERM or Ctrl-C.\n"
    "\n"
    "  --root DIR                where the files lie; made when missing\n"
    "  --listen ADDRESS:PORT     127.0.0.1:8181 unless given; port 0 takes any free one\n"
    "  --allow-remote            let --listen name an address other machines can reach;\n"
    "                            needs credentials of your own\n"
    "  --volume C.S.V            make this volume at the start; may be repeated. Without it a\n"
    "                            volume is made by the first file put into it\n"
    "  --schema C.S              make this schema at the start; may be repeated\n"
    "  --cert FILE --key FILE    serve https with this certificate and key (PEM)\n"
    "  --client-id ID            the service principal that may sign in\n"
    "  --client-secret-file FILE its secret; or DATABRICKS_CLIENT_SECRET\n"
    "  --token-file FILE         the personal access token; or DATABRICKS_ACCESS_TOKEN\n"
    "  --token-lifetime TIME     how long a token of the service principal lives: 90s, 10m, 1h\n"
    "  --restrict                the service principal may do only what was granted to it; the\n"
    "                            user of the personal access token stays admin\n"
    "  --principal ID=FILE       one more restricted service principal, its secret in FILE;\n"
    "                            may be repeated\n"
    "  --warehouse ID[:KIND]     a SQL warehouse: serverless, pro or classic; may be repeated.\n"
    "                            8ec9edc1db0c40df, serverless, unless given\n"
    "  --cluster ID              a cluster; 0123-456789-cluster0 unless given\n"
    "  --job-poll TIME           how often file-arrival triggers are looked at; 1m unless given\n"
    "  --job-time-scale N        waits and periods of jobs last 1/N as long\n"
    "  --job-files-limit N       files a file-arrival trigger bears; 10000 unless given\n"
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
    "  missing | denied | quota  404 RESOURCE_DOES_NOT_EXIST | 403 PERMISSION_DENIED |\n"
    "                            400 QUOTA_EXCEEDED\n"
    "  limit | html | 401-once   400 REQUEST_LIMIT_EXCEEDED | login page with 200 | expired token\n"
    "  delay=500ms               wait before the answer\n"
    "  cut=before|inside|after   cut the connection before, inside or after the body; "
    "inside:BYTES\n"
    "  lose                      keep the effect, lose the answer (or answer status=N)\n"
    "  head-length=+1            a wrong length on HEAD\n"
    "  string-expiry             expires_in as text\n"
    "  stale                     what a create made is not found by the first look at it\n"
    "  duplicate                 jobs/create makes two jobs\n"
    "  empty-page                a list answers an empty page with a token first\n"
    "  fail | slow=2s            a SQL statement ends FAILED (message=TEXT) | stays PENDING\n"
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
static bool parse_time(const char *option, const char *text, int64_t *ret)
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
        *ret = (int64_t)value * units[i].us;
        return true;
    }
    return refuse("%s %s: a time is needed, as 90s, 10m or 1h", option, text);
}

static bool parse_number(const char *option, const char *text, int64_t *ret)
{
    uint64_t value;

    if (!str_u64(span_of(text), &value) || value == 0 || value > 1000000000)
        return refuse("%s %s: a number from 1 on is needed", option, text);
    *ret = (int64_t)value;
    return true;
}

static bool add_to(
    const char *option, const char *value, const char **list, size_t *count, size_t most)
{
    if (*count == most)
        return refuse("%s: more than %zu", option, most);
    list[(*count)++] = value;
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

/* ID=FILE. */
static bool add_principal(const char *text, struct emulate *set)
{
    size_t n = set->emulator.principal_count, len = strcspn(text, "=");

    if (n == EMULATOR_PRINCIPALS_MAX)
        return refuse("--principal: more than %d", EMULATOR_PRINCIPALS_MAX);
    if (len == 0 || !text[len] || len >= sizeof(set->principal_ids[0]))
        return refuse("--principal %s: ID=FILE is needed, the secret in FILE", text);
    memcpy(set->principal_ids[n], text, len);
    set->principal_ids[n][len] = '\0';
    if (!read_secret("--principal", text + len + 1, &set->principal_secrets[n]))
        return false;
    set->principals[n] = (struct emulator_principal){
        .id = set->principal_ids[n], .secret = set->principal_secrets[n]};
    set->emulator.principal_count++;
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
    if (!set->emulator.cert_file != !set->emulator.key_file)
        return refuse("--cert and --key go together");
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
    OPT_SCHEMA,
    OPT_CERT,
    OPT_KEY,
    OPT_RESTRICT,
    OPT_PRINCIPAL,
    OPT_WAREHOUSE,
    OPT_CLUSTER,
    OPT_POLL,
    OPT_SCALE,
    OPT_LIMIT,
    OPT_HELP
};

/* What the workspace has beside volumes. */
static bool take_workspace_option(int option, struct emulate *set)
{
    struct emulator_options *o = &set->emulator;

    switch (option) {
    case OPT_SCHEMA:
        return add_to("--schema", optarg, set->schemas, &o->schema_count, EMULATE_LIST_MAX);
    case OPT_CERT:
        o->cert_file = optarg;
        return true;
    case OPT_KEY:
        o->key_file = optarg;
        return true;
    case OPT_RESTRICT:
        o->restrict_client = true;
        return true;
    case OPT_PRINCIPAL:
        return add_principal(optarg, set);
    case OPT_WAREHOUSE:
        return add_to(
            "--warehouse", optarg, set->warehouses, &o->warehouse_count, EMULATOR_COMPUTE_MAX);
    case OPT_CLUSTER:
        return add_to("--cluster", optarg, set->clusters, &o->cluster_count, EMULATOR_COMPUTE_MAX);
    case OPT_POLL:
        return parse_time("--job-poll", optarg, &o->job_poll_us);
    case OPT_SCALE:
        return parse_number("--job-time-scale", optarg, &o->job_time_scale);
    case OPT_LIMIT:
        return parse_number("--job-files-limit", optarg, &o->job_files_limit);
    default:
        return false;
    }
}

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
        return add_to(
            "--volume", optarg, set->volumes, &set->emulator.volume_count, EMULATE_LIST_MAX);
    case OPT_ID:
        set->emulator.client_id = optarg;
        return true;
    case OPT_SECRET:
        return read_secret("--client-secret-file", optarg, &set->client_secret);
    case OPT_TOKEN:
        return read_secret("--token-file", optarg, &set->token);
    case OPT_LIFE:
        return parse_time("--token-lifetime", optarg, &set->emulator.token_life_us);
    case OPT_FAULT:
        return add_fault(optarg, set);
    case OPT_VERBOSE:
        set->verbose = true;
        return true;
    default:
        return take_workspace_option(option, set);
    }
}

/* getopt takes any clear beginning of a name; here, as in every command, the whole is needed. */
static bool is_short(char **argv, const char *name)
{
    const char *word = optarg && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];

    return strcspn(word + 2, "=") != strlen(name);
}

static void point_at_lists(struct emulate *set)
{
    set->emulator.volumes = set->volumes;
    set->emulator.schemas = set->schemas;
    set->emulator.warehouses = set->warehouses;
    set->emulator.clusters = set->clusters;
    set->emulator.principals = set->principals;
    set->emulator.create_volumes = !set->emulator.volume_count && !set->emulator.schema_count;
}

bool emulate_parse(int argc, char **argv, struct emulate *set, int *ret_exit)
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
        {"schema", required_argument, NULL, OPT_SCHEMA},
        {"cert", required_argument, NULL, OPT_CERT},
        {"key", required_argument, NULL, OPT_KEY},
        {"restrict", no_argument, NULL, OPT_RESTRICT},
        {"principal", required_argument, NULL, OPT_PRINCIPAL},
        {"warehouse", required_argument, NULL, OPT_WAREHOUSE},
        {"cluster", required_argument, NULL, OPT_CLUSTER},
        {"job-poll", required_argument, NULL, OPT_POLL},
        {"job-time-scale", required_argument, NULL, OPT_SCALE},
        {"job-files-limit", required_argument, NULL, OPT_LIMIT},
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
    point_at_lists(set);
    return check_options(set);
}

void emulate_done(struct emulate *set)
{
    for (size_t i = 0; i < EMULATOR_PRINCIPALS_MAX; i++)
        secret_free(set->principal_secrets[i]);
    secret_free(set->token);
    secret_free(set->client_secret);
    buf_done(&set->faults);
}
