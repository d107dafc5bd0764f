/* The status server: wires the room status into a run. */
#include "commands/serving.h"

#include "base/log.h"
#include "commands/telling.h"
#include "status/server.h"
#include "stream/decoder.h"

#include <stdio.h>
#include <stdlib.h>

struct serving {
    struct pipeline *pipeline;
    struct status_server *server;
    char stream[320];
};

static const char *reason_text(unsigned reason)
{
    return reject_reason_name((enum reject_reason)reason);
}

static void refresh(void *pipeline)
{
    telling_space(pipeline);
}

static bool serve(struct serving *s, struct err *err)
{
    const struct settings *settings = s->pipeline->settings;
    struct status_http_options options = {
        .counters = s->pipeline->counters,
        .places = {.stream = s->stream,
            .state_dir = s->pipeline->state->path,
            .instance = s->pipeline->state->instance_text,
            .host = settings->host,
            .volume = settings->volume_text,
            .table = settings->table_text},
        .reason_name = reason_text,
        .reasons = REJECT_REASONS,
        .refresh = refresh,
        .refresh_arg = s->pipeline,
    };

    return status_server_start(s->server, &options, err);
}

static void say_off(const struct err *err)
{
    LOG_WARN("status_off", LOG_TEXT("error", err->text),
        LOG_TEXT("do", "the program works without; choose another status_listen"));
}

struct serving *serving_open(struct pipeline *p)
{
    const struct settings *settings = p->settings;
    struct serving *s;
    struct err err;

    if (!settings->status_listen)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return NULL; /* without memory the loops will say more */
    s->pipeline = p;
    (void)snprintf(s->stream, sizeof(s->stream), "%.250s:%u", settings->stream_host,
        (unsigned)settings->stream_port);
    s->server = status_server_open(settings->status_host, settings->status_port, &err);
    if (!s->server) {
        say_off(&err);
        free(s);
        return NULL;
    }
    LOG_INFO("status", LOG_TEXT("listen", settings->status_listen),
        LOG_UINT("port", status_server_port(s->server)));
    if (!status_server_on_loopback(s->server))
        LOG_INFO("status_open", LOG_TEXT("listen", settings->status_listen),
            LOG_TEXT("note", "everybody who reaches this address may look; nobody can change "
                             "anything"));
    return s;
}

void serving_start(struct serving *s)
{
    struct err err;

    if (!s || serve(s, &err))
        return;
    say_off(&err);
    status_server_stop(s->server); /* nobody is to wait at a door behind which nobody is */
    s->server = NULL;
}

void serving_stop(struct serving *s)
{
    if (!s)
        return;
    status_server_stop(s->server);
    free(s);
}
