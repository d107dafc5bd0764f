#include "simulator/server.h"

#include "base/clock.h"
#include "simulator/feed.h"
#include "simulator/json_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_BYTES ((size_t)256 << 10) /* stays in the second-level cache; more is not faster */
#define INPUT_MAX 4194304
#define INPUT_CHUNK 65536
#define LINGER_US (2 * CLOCK_SECOND_US)
#define EXIT_US (10 * CLOCK_SECOND_US)
#define SENDS_A_STEP 64
#define ROWS_A_STEP 1000
#define NEVER INT64_MAX

/* A connection that was ended politely. Its socket is kept until the client has ended its side:
 * closing earlier could reset it, and the client would lose what it has not read. */
struct lame {
    int fd; /* -1: none */
    int64_t until_us;
};

struct server {
    struct simulator_options o; /* pointers in it are dead, except say_context */
    struct feed *feed;
    struct out out;
    int listener, client; /* -1: none */
    uint16_t port;
    struct lame lame;
    struct rng rng; /* manifests, splits */
    struct simulator_stats stats;
    uint64_t lines_sent_before; /* messages sent before this connection */

    /* manifest */
    struct buf head; /* the manifest line on its way */
    size_t head_at;
    bool manifest_wanted;
    int64_t upload_interval, batch_size;
    int64_t manifest_us; /* when the next one is due */

    /* pace, in monotonic time */
    int64_t anchor_us;
    uint64_t anchor_made;
    int64_t round_us; /* when the next round begins, or the next CSV row is due */
    uint64_t round_left;
    int64_t work_us;  /* nothing to make before */
    int64_t pause_us; /* nothing to send before */
    bool blocked;     /* the socket is full */
    bool ending;      /* exit: all is sent, the client is to end its side */
    int64_t ending_us;

    struct buf in; /* lines of the client */
    size_t in_seen;
    struct buf text;
};

static void say(struct server *s, const char *line)
{
    if (s->o.say != NULL)
        s->o.say(s->o.say_context, line);
}

/* ---- opening ---- */

static bool share_ok(double share)
{
    return share >= 0 && share <= 1;
}

static bool check_options(const struct simulator_options *o, struct err *err)
{
    if (o->asset_count < 1 || o->asset_count > SIMULATOR_ASSETS_MAX)
        return err_set(err, ERR_INPUT, 0, "assets: 1 to %d", SIMULATOR_ASSETS_MAX);
    if (o->csv_path == NULL && (o->stream_count < 1 || o->stream_count > SIMULATOR_STREAMS_MAX))
        return err_set(err, ERR_INPUT, 0, "streams: 1 to %d", SIMULATOR_STREAMS_MAX);
    if (!o->rate_unlimited && !(o->rate >= 0 && o->rate <= 1e9))
        return err_set(err, ERR_INPUT, 0, "rate: 0 to 1e9 messages a second");
    if (o->csv_path != NULL && (o->rate_unlimited || o->rate > 0))
        return err_set(err, ERR_INPUT, 0, "a CSV file has a publish interval, not a rate");
    if (o->period_us < 0 || o->late_us < 0 || o->manifest_every_us < 0 || o->split_pause_us < 0 ||
        o->csv_interval_us < 0)
        return err_set(err, ERR_INPUT, 0, "a time must not be below 0");
    if (o->fixed_clock && (o->step_us < 1 || o->start_us < CLOCK_FIRST_US ||
                              o->start_us > CLOCK_LAST_US - 366 * CLOCK_DAY_US))
        return err_set(err, ERR_INPUT, 0, "a fixed clock needs a start in 0001-9998 and a step");
    if (!share_ok(o->late_share) || !share_ok(o->repeat_share) || !share_ok(o->bad_share) ||
        !share_ok(o->other_share))
        return err_set(err, ERR_INPUT, 0, "a share is a number from 0 to 1");
    if (o->too_long_bytes > (uint64_t)64 << 20)
        return err_set(err, ERR_INPUT, 0, "a long line has at most 64 MiB");
    if (o->source != NULL && (strlen(o->source) > 512 || strncmp(o->source, "krn:", 4) != 0))
        return err_set(err, ERR_INPUT, 0, "a source is a KRN (krn:...) of at most 512 bytes");
    return true;
}

static bool address(const struct simulator_options *o, struct sockaddr_storage *ret,
    socklen_t *ret_len, struct err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, o->host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof(v4));
        *ret_len = sizeof(v4);
    } else if (inet_pton(AF_INET6, o->host, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof(v6));
        *ret_len = sizeof(v6);
    } else {
        return err_set(err, ERR_INPUT, 0, "'%s' is not a numeric IP address", o->host);
    }
    return true;
}

static bool listen_at(struct server *s, struct err *err)
{
    struct sockaddr_storage storage;
    struct sockaddr *name = (struct sockaddr *)&storage;
    socklen_t len = 0;
    int yes = 1;

    if (!address(&s->o, &storage, &len, err))
        return false;
    s->listener = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listener < 0)
        return err_sys(err, ERR_DENIED, "socket");
    (void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(s->listener, name, len) < 0 || listen(s->listener, 16) < 0)
        return err_sys(err, ERR_DENIED, "listen on %s:%u", s->o.host, (unsigned)s->o.port);
    if (getsockname(s->listener, name, &len) < 0)
        return err_sys(err, ERR_DENIED, "getsockname");
    s->port =
        ntohs(name->sa_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&storage)->sin6_port
                                          : ((struct sockaddr_in *)(void *)&storage)->sin_port);
    return true;
}

struct server *server_open(const struct simulator_options *options, struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        err_set(err, ERR_FULL, 0, "no memory");
        return NULL;
    }
    s->o = *options;
    s->listener = s->client = s->lame.fd = -1;
    buf_init(&s->head, MANIFEST_MAX + 8);
    buf_init(&s->in, INPUT_MAX + INPUT_CHUNK);
    buf_init(&s->text, 2048);
    rng_seed(&s->rng, options->seed ^ UINT64_C(0x68656164));
    s->upload_interval = options->upload_interval;
    s->batch_size = options->batch_size;
    if (!check_options(options, err) || (s->feed = feed_new(options, err)) == NULL ||
        !out_init(&s->out, OUT_BYTES + feed_room(s->feed), err) || !listen_at(s, err)) {
        server_close(s);
        return NULL;
    }
    s->o.host = NULL;
    s->o.asset_names = NULL;
    s->o.streams = NULL;
    s->o.csv_path = NULL;
    return s;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void server_close(struct server *s)
{
    if (s == NULL)
        return;
    close_fd(&s->client);
    close_fd(&s->listener);
    close_fd(&s->lame.fd);
    feed_free(s->feed);
    out_done(&s->out);
    buf_done(&s->head);
    buf_done(&s->in);
    buf_done(&s->text);
    free(s);
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

/* ---- a connection begins and ends ---- */

static bool all_sent(const struct server *s)
{
    return feed_at_end(s->feed) && out_is_empty(&s->out);
}

static void queue_manifest(struct server *s)
{
    struct err err = {0};
    int64_t wall_us = s->o.fixed_clock ? s->o.start_us : clock_wall_us();

    s->manifest_wanted = false;
    s->head_at = 0;
    if (!manifest_line(feed_manifest(s->feed), &s->head, wall_us, s->upload_interval, s->batch_size,
            s->o.crlf, &s->rng, &err)) {
        buf_reset(&s->head); /* no memory for it: data goes on without */
        say(s, err.text);
    }
}

static void client_begins(struct server *s, int fd)
{
    int64_t now_us = clock_mono_us();
    int yes = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    s->client = fd;
    s->stats.clients++;
    s->lines_sent_before = out_messages_sent(&s->out);
    s->blocked = s->ending = false;
    s->pause_us = 0;
    s->anchor_us = s->round_us = s->work_us = now_us;
    s->round_left = 0;
    s->anchor_made = feed_made(s->feed);
    if (s->o.rate > 0 && !s->o.rate_unlimited)
        feed_set_pace(s->feed, clock_wall_us(), s->o.rate);
    feed_restart(s->feed);
    s->manifest_us = s->o.manifest_every_us > 0 ? now_us + s->o.manifest_every_us : NEVER;
    buf_reset(&s->in);
    s->in_seen = 0;
    say(s, "Connected");
    queue_manifest(s);
}

/* What was cut goes to the next client, whole. */
static void client_ends(struct server *s)
{
    close_fd(&s->client);
    out_rewind(&s->out);
    buf_reset(&s->head);
    s->head_at = 0;
    s->manifest_wanted = false;
    if (s->o.exit && all_sent(s))
        s->stats.finished = true;
    say(s, "Disconnected");
}

void server_drop(struct server *s, enum simulator_drop how)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (s->client < 0)
        return;
    s->stats.drops++;
    if (how == SIMULATOR_DROP_RST) {
        (void)setsockopt(s->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else {
        (void)shutdown(s->client, SHUT_WR);
        close_fd(&s->lame.fd);
        s->lame.fd = s->client;
        s->lame.until_us = clock_mono_us() + LINGER_US;
        s->client = -1;
    }
    client_ends(s);
}

void server_want_manifest(struct server *s, int64_t upload_interval, int64_t batch_size)
{
    if (upload_interval != SIMULATOR_SAME)
        s->upload_interval = upload_interval;
    if (batch_size != SIMULATOR_SAME)
        s->batch_size = batch_size;
    s->manifest_wanted = s->client >= 0;
}

static void accept_client(struct server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return; /* gone already, or no descriptors: poll says it again */
    if (s->client >= 0) {
        s->stats.clients_refused++;
        (void)close(fd);
    } else {
        client_begins(s, fd);
    }
}

/* ---- lines of the client ---- */

/* control-ack;x=y becomes ControlAck. */
static void add_kind(struct buf *out, struct span type)
{
    bool upper = true;

    for (size_t i = 0; i < type.len && type.data[i] != ';'; i++) {
        unsigned char c = (unsigned char)type.data[i];

        if (c == '-' || c == '_') {
            upper = true;
        } else if (isalnum(c)) {
            buf_add_byte(out, (uint8_t)(upper ? toupper(c) : c));
            upper = false;
        }
    }
}

static void client_line(struct server *s, struct span line)
{
    struct span type = {"", 0};

    s->stats.received_lines++;
    if (s->o.say == NULL)
        return;
    line = span_trim(line);
    buf_reset(&s->text);
    if (json_check(line, &type) && type.len > 0) {
        buf_add_text(&s->text, "Received ");
        add_kind(&s->text, type);
        buf_add_text(&s->text, "Message: ");
    } else {
        buf_add_text(&s->text, "error parsing message: ");
    }
    str_show(&s->text, line, 400);
    say(s, buf_text(&s->text));
}

/* Whole lines out of the input. */
static void client_lines(struct server *s)
{
    size_t start = 0;
    char *end;

    while ((end = memchr(s->in.data + s->in_seen, '\n', s->in.len - s->in_seen)) != NULL) {
        size_t at = (size_t)(end - s->in.data);

        client_line(s, (struct span){s->in.data + start, at - start});
        start = s->in_seen = at + 1;
    }
    buf_drop_front(&s->in, start);
    s->in_seen = s->in.len;
}

static void read_client(struct server *s)
{
    char *room = buf_reserve(&s->in, INPUT_CHUNK);
    ssize_t n = room == NULL ? 0 : recv(s->client, room, INPUT_CHUNK, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_ends(s);
        return;
    }
    s->in.len += (size_t)n;
    client_lines(s);
    if (s->in.len > INPUT_MAX) {
        say(s, "error reading message: line too long");
        client_ends(s);
    }
}

/* ---- making ---- */

static void make_rounds(struct server *s, int64_t now_us)
{
    if (s->round_left == 0 && now_us >= s->round_us)
        s->round_left = feed_series(s->feed);
    s->round_left -= feed_fill(s->feed, &s->out, s->round_left);
    if (s->round_left > 0)
        return; /* goes on when there is room */
    if (now_us >= s->round_us)
        s->round_us = clock_mono_us() + s->o.period_us;
    s->work_us = s->round_us;
}

/* Message n of the connection is due n / rate after its beginning. What was due while the socket
 * was full is made as soon as it takes more, with the timestamps of when it was due. */
static void make_paced(struct server *s, int64_t now_us)
{
    double each_us = 1e6 / s->o.rate;
    uint64_t made = feed_made(s->feed) - s->anchor_made;
    uint64_t due = (uint64_t)((double)(now_us - s->anchor_us) / each_us) + 1;
    uint64_t steps = due > made ? due - made : 0;
    uint64_t burst = s->o.burst > 1 ? s->o.burst : 1;

    steps -= steps % burst;
    /* With a burst the first one comes at once, not after burst / rate. */
    if (made == 0 && steps == 0)
        steps = burst;
    if (feed_fill(s->feed, &s->out, steps) < steps)
        return;
    made = feed_made(s->feed) - s->anchor_made;
    s->work_us = s->anchor_us + (int64_t)((double)(made + burst - 1) * each_us) + 1;
}

static void make_rows(struct server *s, int64_t now_us)
{
    /* So many at most before looking at the sockets again: rows may give no line at all. */
    for (int i = 0; i < ROWS_A_STEP; i++) {
        int64_t wait_us = 0;

        if (now_us < s->round_us) {
            s->work_us = s->round_us;
            return;
        }
        feed_fill(s->feed, &s->out, UINT64_MAX);
        if (feed_row_open(s->feed) || feed_at_end(s->feed) || !feed_row_next(s->feed, &wait_us))
            break;
        s->round_us += wait_us;
    }
    if (!feed_at_end(s->feed)) /* late ones, when the last row is over */
        feed_fill(s->feed, &s->out, UINT64_MAX);
    s->work_us = now_us;
}

static void make(struct server *s, int64_t now_us)
{
    if (feed_at_end(s->feed)) {
        s->work_us = NEVER;
        return;
    }
    if (s->o.count > 0 && feed_made(s->feed) >= s->o.count) { /* late ones only */
        feed_fill(s->feed, &s->out, 0);
        s->work_us = feed_at_end(s->feed) ? NEVER : now_us;
        return;
    }
    if (now_us < s->work_us && !feed_is_csv(s->feed))
        return;
    if (feed_is_csv(s->feed)) {
        make_rows(s, now_us);
    } else if (s->o.rate_unlimited) {
        /* Only into an empty buffer: it stays at its beginning and so in the cache. */
        if (out_is_empty(&s->out))
            feed_fill(s->feed, &s->out, UINT64_MAX);
        s->work_us = now_us;
    } else if (s->o.rate > 0) {
        make_paced(s, now_us);
    } else {
        make_rounds(s, now_us);
    }
    if (feed_at_end(s->feed))
        s->work_us = NEVER;
}

/* ---- sending ---- */

struct piece {
    const char *data;
    size_t len;
    bool head; /* of the manifest */
    bool drop; /* the connection is to end behind it */
};

static bool may_drop(const struct server *s)
{
    return s->o.drop_after > 0 && (s->o.drops_max == 0 || s->stats.drops < s->o.drops_max);
}

/* How far the lines may be sent before the connection has to end. */
static size_t drop_at(const struct server *s, bool *ret_drop)
{
    uint64_t sent = out_messages_sent(&s->out) - s->lines_sent_before;
    size_t end = s->out.len;

    *ret_drop = false;
    if (!may_drop(s))
        return end;
    if (sent < s->o.drop_after) {
        end = out_after_messages(&s->out, s->o.drop_after - sent);
        return end;
    }
    end = out_line_start(&s->out);
    if (!out_is_empty(&s->out) && s->o.drop_cut)
        end += (out_after_messages(&s->out, 1) - end) / 2;
    /* With a cut the next line is needed; at the end of all there is none. */
    *ret_drop = !s->o.drop_cut || !out_is_empty(&s->out) || feed_at_end(s->feed);
    return end;
}

static struct piece next_piece(struct server *s)
{
    struct piece piece = {0};
    size_t end;

    if (s->manifest_wanted && s->head_at == s->head.len)
        queue_manifest(s);
    if (s->head_at < s->head.len && s->out.pos == out_line_start(&s->out)) {
        piece.head = true;
        piece.data = s->head.data + s->head_at;
        piece.len = s->head.len - s->head_at;
    } else {
        end = drop_at(s, &piece.drop);
        if (s->head_at < s->head.len) /* only the rest of the line: the manifest waits */
            end = end < out_after_messages(&s->out, 1) ? end : out_after_messages(&s->out, 1);
        piece.data = s->out.data + s->out.pos;
        piece.len = end > s->out.pos ? end - s->out.pos : 0;
    }
    if (s->o.split_max > 0 && piece.len > 0) {
        size_t max = 1 + (size_t)rng_below(&s->rng, s->o.split_max);

        if (max < piece.len) {
            piece.len = max;
            piece.drop = false;
        }
    }
    return piece;
}

static void piece_sent(struct server *s, const struct piece *piece, size_t n)
{
    s->stats.bytes_sent += n;
    if (!piece->head) {
        out_sent(&s->out, n);
        return;
    }
    s->head_at += n;
    if (s->head_at == s->head.len)
        s->stats.manifests_sent++;
}

/* One send(2). False: nothing more can be sent now. */
static bool send_piece(struct server *s)
{
    struct piece piece = next_piece(s);
    ssize_t n = 0;

    if (piece.len == 0) {
        if (piece.drop && !s->manifest_wanted)
            server_drop(s, s->o.drop_how);
        return false;
    }
    n = send(s->client, piece.data, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN) {
        s->blocked = true;
        return false;
    }
    if (n < 0) {
        client_ends(s);
        return false;
    }
    piece_sent(s, &piece, (size_t)n);
    if (piece.drop && (size_t)n == piece.len) {
        server_drop(s, s->o.drop_how);
        return false;
    }
    if (s->o.split_max > 0 && s->o.split_pause_us > 0) {
        s->pause_us = clock_mono_us() + s->o.split_pause_us;
        return false;
    }
    return true;
}

static void transmit(struct server *s, int64_t now_us)
{
    if (s->blocked || now_us < s->pause_us)
        return;
    for (int i = 0; i < SENDS_A_STEP && send_piece(s); i++) {
    }
    if (s->client >= 0 && s->o.exit && !s->ending && all_sent(s) && s->head_at == s->head.len) {
        s->ending = true;
        s->ending_us = clock_mono_us() + EXIT_US;
        (void)shutdown(s->client, SHUT_WR);
    }
}

/* ---- waiting ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When there is something to do without anything happening. */
static int64_t next_time(const struct server *s)
{
    int64_t due_us = s->lame.fd >= 0 ? s->lame.until_us : NEVER;
    bool to_send = !out_is_empty(&s->out) || s->head_at < s->head.len || s->manifest_wanted;

    if (s->client < 0)
        return due_us;
    if (s->ending)
        return earlier(due_us, s->ending_us);
    due_us = earlier(due_us, s->manifest_us);
    if (s->blocked)
        return due_us;
    if (to_send)
        due_us = earlier(due_us, s->pause_us);
    if (!to_send || s->o.split_max == 0)
        due_us = earlier(due_us, s->work_us);
    return due_us;
}

void server_wait(struct server *s, int wake_fd)
{
    struct pollfd polls[4] = {{.fd = wake_fd, .events = POLLIN},
        {.fd = s->listener, .events = POLLIN},
        {.fd = s->client, .events = (short)(POLLIN | (s->blocked ? POLLOUT : 0))},
        {.fd = s->lame.fd, .events = POLLIN}};
    int64_t due_us = next_time(s);
    int64_t wait_us = due_us == NEVER ? 0 : due_us - clock_mono_us();
    struct timespec wait = {0};

    if (wait_us > 0) {
        wait.tv_sec = wait_us / CLOCK_SECOND_US;
        wait.tv_nsec = wait_us % CLOCK_SECOND_US * 1000;
    }
    if (ppoll(polls, 4, due_us == NEVER ? NULL : &wait, NULL) <= 0)
        return;
    if (polls[3].revents != 0) {
        char sink[4096];

        if (recv(s->lame.fd, sink, sizeof(sink), MSG_DONTWAIT) <= 0)
            close_fd(&s->lame.fd);
    }
    if ((polls[2].revents & POLLOUT) != 0)
        s->blocked = false;
    if ((polls[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        read_client(s);
    if (polls[1].revents != 0)
        accept_client(s);
}

void server_work(struct server *s)
{
    int64_t now_us = clock_mono_us();

    if (s->lame.fd >= 0 && now_us >= s->lame.until_us)
        close_fd(&s->lame.fd);
    if (s->client >= 0 && s->ending && now_us >= s->ending_us)
        client_ends(s);
    if (s->client >= 0 && now_us >= s->manifest_us) {
        server_want_manifest(s, s->o.later_upload_interval, s->o.later_batch_size);
        s->manifest_us = now_us + s->o.manifest_every_us;
    }
    if (s->client >= 0 && !s->ending) {
        make(s, now_us);
        transmit(s, now_us);
    }
}

void server_get_stats(const struct server *s, struct simulator_stats *ret)
{
    const uint64_t *sent = s->out.sent;

    *ret = s->stats;
    ret->made = feed_made(s->feed);
    ret->sent = out_messages_sent(&s->out);
    ret->readings_sent = sent[OUT_READING] + sent[OUT_LATE];
    ret->late_sent = sent[OUT_LATE];
    ret->repeats_sent = sent[OUT_REPEAT];
    ret->texts_sent = sent[OUT_TEXT];
    ret->bad_sent = sent[OUT_BAD];
    ret->other_sent = sent[OUT_OTHER];
    ret->connected = s->client >= 0;
    ret->made_all = feed_at_end(s->feed);
    ret->sent_all = all_sent(s);
}
