/* volume-uploader emulate: a local Databricks workspace until SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "commands/emulate_options.h"
#include "commands/options.h"

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

    options_guard_secrets();
    set.emulator.address = set.address;
    set.emulator.port = 8181;
    buf_init(&set.faults, EMULATE_FAULTS_MAX);
    if (emulate_parse(argc, argv, &set, &code))
        code = serve(&set);
    emulate_done(&set);
    return code;
}
