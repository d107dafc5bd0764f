/* `check`, the network: the Kelvin stream, and the way to the workspace step by step (name, TCP,
 * proxy, certificate, clock), without credentials. */
#include "commands/check.h"

#include "databricks/error.h"
#include "databricks/host.h"
#include "databricks/redact.h"
#include "databricks/retry_after.h"
#include "stream/client.h"
#include "stream/decoder.h"
#include "stream/resolve.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define STREAM_US (3 * CLOCK_SECOND_US)
#define DNS_US (3 * CLOCK_SECOND_US)
#define TCP_US (3 * CLOCK_SECOND_US)
#define HTTP_US (4 * CLOCK_SECOND_US)
#define LOOK_MORE_US CLOCK_SECOND_US
#define LOOK_US 2000 /* how often a name look-up is asked */
#define CLOCK_WARN_US (30 * CLOCK_SECOND_US)
#define CLOCK_FAIL_US (300 * CLOCK_SECOND_US)
#define SERIES_MAX 4096
#define READINGS_MAX 4096

/* --- the stream --- */

enum stream_end { STREAM_NO_ANSWER, STREAM_UNREACHABLE, STREAM_CLOSED, STREAM_SILENT, STREAM_GOOD };

struct stream_look {
    struct framer *framer;
    struct decoder *decoder;
    struct series_table *series;
    struct readings readings;
    struct stream_client *client;
    struct manifest manifest;
    uint64_t lines;
    int64_t took_us;
};

/* True: the manifest is among the lines that came. What else comes is not kept: it is `run` that
 * keeps readings, and with one connected we are turned away. */
static bool find_manifest(struct stream_look *l)
{
    for (;;) {
        struct span lines = framer_lines(l->framer);
        struct decode_event event;
        enum decode_stop stop;
        size_t used = 0;

        if (lines.len == 0)
            return false;
        l->readings.count = 0;
        stop =
            decoder_run(l->decoder, lines, clock_wall_us(), l->series, &l->readings, &used, &event);
        if (stop == DECODE_MANIFEST)
            l->manifest = event.manifest;
        l->lines = decoder_counters(l->decoder)->lines;
        if (stop == DECODE_MANIFEST)
            return true;
        framer_take(l->framer, stop == DECODE_SERIES_FULL ? lines.len : used);
    }
}

static enum stream_end follow(struct stream_look *l, int64_t most_us)
{
    int64_t start = clock_mono_us();
    bool connected = false;

    for (;;) {
        int64_t left = start + most_us - clock_mono_us();

        l->took_us = most_us - left;
        if (left <= 0)
            return connected ? STREAM_SILENT : STREAM_NO_ANSWER;
        switch (client_step(l->client, left, true, -1)) {
        case CLIENT_NOTHING:
            break;
        case CLIENT_CONNECTED:
            connected = true;
            break;
        case CLIENT_DATA:
            if (find_manifest(l)) {
                l->took_us = clock_mono_us() - start;
                return STREAM_GOOD;
            }
            break;
        case CLIENT_CLOSED:
            return STREAM_CLOSED;
        case CLIENT_FAILED:
            return STREAM_UNREACHABLE;
        }
    }
}

static void say_good(struct check *c, const struct stream_look *l, const char *peer)
{
    struct config_manifest values = {.has_upload_interval = l->manifest.has_upload_interval,
        .has_batch_size = l->manifest.has_batch_size,
        .bad_upload_interval = l->manifest.bad_upload_interval,
        .bad_batch_size = l->manifest.bad_batch_size,
        .upload_interval_s = l->manifest.upload_interval_s,
        .batch_size = l->manifest.batch_size};
    struct config_manifest_result result = {0};
    char interval[32];

    if (l->manifest.usable)
        config_apply_manifest(c->config, &values, &result);
    check_say(c, l->manifest.usable ? CHECK_OK : CHECK_WARN, "stream",
        l->manifest.usable ? NULL : "look at the configuration of the app in Kelvin",
        "%s, manifest%s after %lld ms: a file every %s or %llu readings", peer,
        l->manifest.usable ? "" : " that cannot be used", (long long)(l->took_us / 1000),
        str_duration(interval, sizeof(interval), c->s->upload_interval_us),
        (unsigned long long)c->s->batch_size);
    for (unsigned i = 0; i < result.warnings; i++)
        check_say(c, CHECK_WARN, "stream", "correct it in the app's configuration in Kelvin", "%s",
            result.warning[i]);
}

static void say_stream(struct check *c, const struct stream_look *l, enum stream_end end)
{
    static const char where[] =
        "check KELVIN_STREAM_IP and KELVIN_STREAM_PORT, and that the publisher runs there";
    const char *error = client_error(l->client)->text, *peer = client_peer(l->client);

    switch (end) {
    case STREAM_GOOD:
        say_good(c, l, peer);
        break;
    case STREAM_CLOSED:
        /* A publisher serves one client and turns away the next. */
        if (c->run_lives)
            check_say(c, CHECK_OK, "stream", NULL, "%s, in use by the `run` at work here", peer);
        else
            check_say(c, CHECK_FAIL, "stream",
                "a publisher serves one client: stop the other one (another uploader?)",
                "%s: taken by another client", error);
        break;
    case STREAM_SILENT:
        if (c->run_lives)
            check_say(
                c, CHECK_OK, "stream", NULL, "%s answers; the `run` at work here uses it", peer);
        else
            check_say(c, CHECK_WARN, "stream", "is this the port of a Kelvin stream?",
                "%s: connected, but no manifest within %lld ms (%llu other lines)", peer,
                (long long)(l->took_us / 1000), (unsigned long long)l->lines);
        break;
    case STREAM_UNREACHABLE:
        check_say(c, CHECK_FAIL, "stream", where, "%s", error);
        break;
    case STREAM_NO_ANSWER:
        check_say(c, CHECK_FAIL, "stream", where, "%s:%u: no answer within %lld ms",
            c->s->stream_host, (unsigned)c->s->stream_port, (long long)(l->took_us / 1000));
        break;
    }
}

void check_stream(struct check *c)
{
    struct stream_look l = {0};
    struct err err = {0};

    c->step_us = clock_mono_us();
    l.framer = framer_new((size_t)c->s->stream_limit_bytes, &err);
    l.decoder = l.framer ? decoder_new(&err) : NULL;
    l.series = l.decoder ? series_new(SERIES_MAX, (size_t)4 << 20, &err) : NULL;
    if (l.series && readings_init(&l.readings, READINGS_MAX, &err))
        l.client = client_new(c->s->stream_host, c->s->stream_port, l.framer, &err);
    if (l.client)
        say_stream(c, &l, follow(&l, check_time_us(c, STREAM_US)));
    else
        check_say(c, CHECK_FAIL, "stream", NULL, "%s", err.text);
    client_free(l.client);
    readings_done(&l.readings);
    series_free(l.series);
    decoder_free(l.decoder);
    framer_free(l.framer);
}

/* --- where to: the host, or the proxy before it --- */

/* Behind the scheme and "user:password@"; the path is left behind. */
static bool split_address(struct span text, uint16_t port, char *name, size_t size, uint16_t *ret)
{
    size_t end = 0, colon;
    uint64_t number = port;

    while (end < text.len && text.data[end] != '/' && text.data[end] != '?')
        end++;
    text.len = end;
    for (size_t i = text.len; i > 0; i--)
        if (text.data[i - 1] == '@') {
            text.data += i;
            text.len -= i;
            break;
        }
    for (colon = text.len; colon > 0 && text.data[colon - 1] != ':'; colon--)
        if (text.data[colon - 1] == ']') {
            colon = 0; /* the colons are those of an IPv6 address */
            break;
        }
    if (colon > 0) {
        if (!str_u64((struct span){text.data + colon, text.len - colon}, &number))
            return false;
        text.len = colon - 1;
    }
    if (text.len == 0 || text.len >= size || number == 0 || number > UINT16_MAX)
        return false;
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    *ret = (uint16_t)number;
    return true;
}

bool check_proxy_parts(const char *proxy, char *name, size_t size, uint16_t *ret_port)
{
    struct span text = span_of(proxy);

    /* The default ports are libcurl's. */
    if (strncasecmp(proxy, "https://", 8) == 0)
        return split_address((struct span){proxy + 8, text.len - 8}, 443, name, size, ret_port);
    if (strncasecmp(proxy, "http://", 7) == 0)
        return split_address((struct span){proxy + 7, text.len - 7}, 1080, name, size, ret_port);
    return !strstr(proxy, "://") && split_address(text, 1080, name, size, ret_port);
}

/* "10.0.0.0/8" or an address; of an address libcurl takes no end of it for the whole. */
static bool address_avoids(const char *rule, size_t len, int family, const uint8_t *address)
{
    uint8_t other[16] = {0};
    const char *slash = memchr(rule, '/', len);
    size_t digits = slash ? len - (size_t)(slash + 1 - rule) : 0;
    uint64_t all = family == AF_INET ? 32 : 128, bits = 0;
    char text[64];

    if (digits && (!str_u64((struct span){slash + 1, digits}, &bits) || bits > all))
        return false;
    if (bits == 0)
        bits = all; /* as libcurl has it */
    if (slash)
        len = (size_t)(slash - rule);
    if (len == 0 || len >= sizeof(text))
        return false;
    memcpy(text, rule, len);
    text[len] = '\0';
    if (inet_pton(family, text, other) != 1)
        return false;
    for (size_t i = 0; i < bits; i++)
        if ((address[i / 8] ^ other[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

/* The name itself, or one below it. */
static bool name_avoids(const char *rule, size_t len, const char *host)
{
    size_t host_len = strlen(host);

    if (len > 1 && *rule == '.') {
        rule++;
        len--;
    }
    if (len > 1 && rule[len - 1] == '.')
        len--;
    return len && len <= host_len && strncasecmp(rule, host + host_len - len, len) == 0 &&
           (len == host_len || host[host_len - len - 1] == '.');
}

static int address_of(const char *host, uint8_t ret[16])
{
    char text[64];
    size_t len = strlen(host);

    if (inet_pton(AF_INET, host, ret) == 1)
        return AF_INET;
    if (len < 3 || len - 2 >= sizeof(text) || host[0] != '[' || host[len - 1] != ']')
        return AF_UNSPEC;
    memcpy(text, host + 1, len - 2);
    text[len - 2] = '\0';
    return inet_pton(AF_INET6, text, ret) == 1 ? AF_INET6 : AF_UNSPEC;
}

bool check_proxy_avoids(const char *no_proxy, const char *host)
{
    uint8_t address[16] = {0};
    int family = address_of(host, address);

    if (no_proxy && strcmp(no_proxy, "*") == 0)
        return true;
    while (no_proxy && *no_proxy) {
        size_t len;

        no_proxy += strspn(no_proxy, ", \t");
        len = strcspn(no_proxy, ", \t");
        if (family == AF_UNSPEC ? name_avoids(no_proxy, len, host)
                                : address_avoids(no_proxy, len, family, address))
            return true;
        no_proxy += len;
    }
    return false;
}

struct hop {
    char host[256], name[256]; /* of the workspace; of whom we connect to */
    uint16_t port;
    bool proxy;
    struct host url;
};

static bool find_hop(struct check *c, struct hop *hop)
{
    struct err err = {0};
    uint16_t port = 0;

    if (!host_normalise(c->s->host, &hop->url, &err)) {
        check_say(c, CHECK_FAIL, "host", NULL, "%s", err.text);
        return false;
    }
    if (!check_proxy_parts(hop->url.url, hop->host, sizeof(hop->host), &port)) {
        check_say(c, CHECK_FAIL, "host", NULL, "'%s' is no address", hop->url.url);
        return false;
    }
    if (strncmp(hop->url.url, "http://", 7) == 0 && port == 1080)
        port = 80;
    (void)str_copy(hop->name, sizeof(hop->name), hop->host);
    hop->port = port;
    hop->proxy = c->s->proxy && !check_proxy_avoids(c->s->no_proxy, hop->host);
    if (hop->proxy && !check_proxy_parts(c->s->proxy, hop->name, sizeof(hop->name), &hop->port)) {
        check_say(c, CHECK_FAIL, "proxy", "write it as http://name:port",
            "the proxy setting is no address");
        return false;
    }
    return true;
}

/* --- its name --- */

static void name_addresses(const struct resolved *found, struct buf *out)
{
    for (size_t i = 0; i < found->count; i++) {
        char text[64];

        if (i == 4) {
            buf_printf(out, " and %zu more", found->count - i);
            return;
        }
        if (getnameinfo((const struct sockaddr *)(const void *)&found->at[i].address,
                found->at[i].len, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
            buf_printf(out, "%s%s", i ? ", " : "", text);
    }
}

static bool look_up(struct check *c, const struct hop *hop, struct resolved *ret)
{
    static const char remedy[] = "check the spelling of the name and the DNS of this machine";
    int64_t until = clock_mono_us() + check_time_us(c, DNS_US);
    enum resolve_result result = RESOLVE_FAILED;
    struct err err = {0};
    struct resolve *r = resolve_start(hop->name, hop->port, &err);
    struct buf text;

    while (r && (result = resolve_poll(r, ret, &err)) == RESOLVE_BUSY && clock_mono_us() < until)
        (void)poll(NULL, 0, LOOK_US / 1000);
    resolve_free(r);
    if (result == RESOLVE_BUSY)
        err_set(&err, ERR_RETRY, ETIMEDOUT, "resolve '%.120s': no answer in time", hop->name);
    if (result != RESOLVE_DONE || ret->count == 0) {
        check_say(c, CHECK_FAIL, "dns", remedy, "%s%s", hop->proxy ? "proxy: " : "", err.text);
        return false;
    }
    buf_init(&text, 1024);
    name_addresses(ret, &text);
    if (ret->count == 1 && strcmp(buf_text(&text), hop->name) == 0)
        check_say(
            c, CHECK_OK, "dns", NULL, "%s%s is an address", hop->proxy ? "proxy " : "", hop->name);
    else
        check_say(c, CHECK_OK, "dns", NULL, "%s%s is %s", hop->proxy ? "proxy " : "", hop->name,
            buf_text(&text));
    buf_done(&text);
    return true;
}

/* --- a connection --- */

/* 0: connected; else why not (errno). */
static int connect_to(const struct resolved *found, size_t i, int64_t most_us)
{
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&found->at[i].address;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int code = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, address, found->at[i].len) < 0) {
        code = errno;
        if (code == EINPROGRESS) {
            code = ETIMEDOUT;
            if (poll(&wait, 1, (int)(most_us / 1000) + 1) > 0 &&
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
                code = errno;
        }
    }
    (void)close(fd); /* nothing was sent */
    return code;
}

static bool look_tcp(struct check *c, const struct hop *hop, const struct resolved *found)
{
    int64_t start = clock_mono_us(), left;
    char why[128] = "no time left";
    int code;

    for (size_t i = 0; i < found->count && (left = check_time_us(c, TCP_US)) > 0; i++) {
        if (clock_mono_us() - start > TCP_US)
            break;
        /* The last one may take all that is left. */
        code = connect_to(found, i, i + 1 < found->count ? left / 2 : left);
        if (code == 0) {
            check_say(c, CHECK_OK, "tcp", NULL, "connected to %s%s port %u in %lld ms",
                hop->proxy ? "the proxy " : "", hop->name, (unsigned)hop->port,
                (long long)((clock_mono_us() - start) / 1000));
            return true;
        }
        if (code == ETIMEDOUT)
            (void)str_copy(why, sizeof(why), "no answer in time");
        else
            (void)str_copy(why, sizeof(why), strerrordesc_np(code));
    }
    check_say(c, CHECK_FAIL, "tcp",
        hop->proxy ? "check the proxy setting, and that the proxy runs"
                   : "check the host and its port, and firewalls on the way; behind a proxy set "
                     "HTTPS_PROXY",
        "%s%s port %u: %s", hop->proxy ? "proxy " : "", hop->name, (unsigned)hop->port, why);
    return false;
}

/* --- proxy, TLS and HTTP: one request without credentials --- */

bool check_clock_ahead(const char *date, int64_t wall_us, int64_t took_us, int64_t *ret_us)
{
    int64_t server_us;

    if (!http_date_parse(span_of(date), wall_us, &server_us))
        return false;
    /* Its clock stood somewhere between that second and the next, plus the way here. */
    if (wall_us - server_us > CLOCK_SECOND_US + took_us)
        *ret_us = wall_us - server_us - CLOCK_SECOND_US - took_us;
    else
        *ret_us = wall_us < server_us ? wall_us - server_us : 0;
    return true;
}

static void say_clock(struct check *c, const struct http_answer *a, int64_t took_us)
{
    int64_t ahead = 0, apart;
    char text[32];

    if (!a->date[0] || !check_clock_ahead(a->date, clock_wall_us(), took_us, &ahead)) {
        check_say(c, CHECK_SKIP, "clock", NULL, "the answer has no date");
        return;
    }
    apart = ahead < 0 ? -ahead : ahead;
    if (apart < CLOCK_WARN_US) {
        check_say(c, CHECK_OK, "clock", NULL, "ours and the server's agree");
        return;
    }
    check_say(c, apart < CLOCK_FAIL_US ? CHECK_WARN : CHECK_FAIL, "clock",
        "set the clock of this machine (NTP): certificates and tokens depend on it",
        "ours is %s %s the server's", str_duration(text, sizeof(text), apart),
        ahead > 0 ? "ahead of" : "behind");
}

static void say_certificate(struct check *c, const struct http_answer *a, const struct err *err)
{
    const struct http_certificate *cert = &a->certificate;
    const char *says = a->curl_text, *remedy;

    if (strcasestr(says, "expired") || strcasestr(says, "not yet valid"))
        remedy = "compare the dates with the clock of this machine; else the owner of the "
                 "certificate has to renew it";
    else if (strcasestr(says, "does not match") || strcasestr(says, "no alternative"))
        remedy = "use the name the certificate is for in the host setting";
    else
        remedy = "if you trust its issuer (a company's proxy, a private CA), name its "
                 "certificate file with --ca-file (VOLUME_UPLOADER_CA_FILE)";
    if (cert->subject[0])
        check_say(c, CHECK_FAIL, "tls", remedy,
            "certificate of %s, issued by %s, valid %s to %s: %s", cert->subject, cert->issuer,
            cert->from, cert->until, says);
    else
        check_say(c, CHECK_FAIL, "tls", remedy, "%s", err->text);
}

static bool is_https(const struct hop *hop)
{
    return strncmp(hop->url.url, "https://", 8) == 0;
}

static void say_passed(struct check *c, const struct hop *hop)
{
    if (hop->proxy)
        check_say(c, CHECK_OK, "proxy", NULL, "%s port %u lets us through to %s", hop->name,
            (unsigned)hop->port, hop->host);
}

static void say_tls(struct check *c, const struct hop *hop)
{
    if (is_https(hop))
        check_say(c, CHECK_OK, "tls", NULL, "the certificate of %s is good", hop->host);
    else
        check_say(c, CHECK_OK, "tls", NULL, "none: http:// is for this machine only");
}

static void say_failed(struct check *c, const struct hop *hop, const struct http_answer *a,
    const struct api_error *api, const struct err *err)
{
    switch (api->class) {
    case CLASS_TLS:
        say_certificate(c, a, err);
        return;
    case CLASS_ROUTING:
        check_say(c, CHECK_FAIL, hop->proxy ? "proxy" : "http",
            a->connect_status == 407 ? "give the proxy's user and password in HTTPS_PROXY"
                                     : "check the host setting, and that the proxy lets this host "
                                       "through",
            "%s", err->text);
        return;
    default:
        break;
    }
    if (hop->proxy && a->status == 0 && a->connect_status / 100 != 2) {
        check_say(c, CHECK_FAIL, "proxy", "check that the proxy reaches this host and port",
            "no way through the proxy: %s", err->text);
        return;
    }
    say_passed(c, hop);
    if (is_https(hop) && !a->shook_hands) {
        check_say(c, CHECK_FAIL, "tls",
            "check the host and its port; a firewall or a proxy on the way may stop TLS: behind a "
            "proxy set HTTPS_PROXY",
            "connected, but TLS is not answered: %s", err->text);
        return;
    }
    say_tls(c, hop);
    check_say(
        c, CHECK_FAIL, "http", "check the host setting: is this a workspace?", "%s", err->text);
}

/* Waits, and judges what came. True: some HTTP server answered, and its certificate is good. */
static bool judge(struct check *c, const struct hop *hop, struct http_call *call, int64_t took_us)
{
    static const struct error_words words = {"look at the host", NULL, NULL, NULL};
    const struct http_answer *a = http_answer(call);
    struct api_error api = {0};
    struct err err = {0};
    bool good = error_judge(a, &words, NULL, NULL, &api, &err);

    /* Any answer of an HTTP server will do: the page is optional (404), and who we are is the next
     * step. But a proxy's own answer (a status of its CONNECT) is not the host's. */
    if (!good && (a->curl != 0 || a->status == 0)) {
        say_failed(c, hop, a, &api, &err);
        return false;
    }
    say_passed(c, hop);
    say_tls(c, hop);
    say_clock(c, a, took_us);
    return true;
}

static bool look_http(struct check *c, const struct hop *hop)
{
    struct http_options options = {.user_agent = "volume-uploader/" VERSION " os/linux",
        .ca_file = c->s->ca_file,
        .client_cert_file = c->s->client_cert_file,
        .client_key_file = c->s->client_key_file,
        .proxy = c->s->proxy,
        .no_proxy = c->s->no_proxy,
        .proxy_ca_file = c->s->proxy_ca_file,
        .connect_us = check_time_us(c, HTTP_US),
        .stall_us = HTTP_US};
    char url[512];
    struct http_request request = {
        .method = HTTP_GET, .url = url, .total_us = check_time_us(c, HTTP_US)};
    int64_t start = clock_mono_us();
    struct http_call *call = NULL;
    bool woken, ok = false;
    struct err err = {0};
    struct http *http;

    if (request.total_us <= 0) {
        check_say(c, CHECK_SKIP, "tls", NULL, "no time is left");
        return false;
    }
    (void)snprintf(url, sizeof(url), "%s/.well-known/databricks-config", hop->url.url);
    http = http_new(&options, &err);
    if (http)
        call = http_start(http, &request, &err);
    /* A refused certificate is looked at in a second connection, which may take a moment more. */
    while (
        call && !http_finished(call) && clock_mono_us() < start + request.total_us + LOOK_MORE_US)
        if (!http_poll(http, CLOCK_SECOND_US / 4, -1, &woken, &err))
            break;
    if (call && http_finished(call))
        ok = judge(c, hop, call, clock_mono_us() - start);
    else
        check_say(c, CHECK_FAIL, "http", "check the host setting, and firewalls on the way",
            "look at the host: %s", err.kind == ERR_NONE ? "no answer in time" : err.text);
    http_drop(call);
    http_free(http);
    return ok;
}

bool check_network(struct check *c)
{
    static const char *const names[] = {"dns", "tcp", "tls"};
    struct resolved found = {0};
    struct hop hop = {0};
    size_t done = 0;

    c->step_us = clock_mono_us();
    if (find_hop(c, &hop) && look_up(c, &hop, &found) && ++done && look_tcp(c, &hop, &found) &&
        ++done)
        return look_http(c, &hop);
    for (size_t i = done + (hop.port != 0); i < sizeof(names) / sizeof(*names); i++)
        check_say(c, CHECK_SKIP, names[i], NULL, "the step before it failed");
    return false;
}
