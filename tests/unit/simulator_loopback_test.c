/* The simulator on loopback, seen by a small client. Nothing here depends on how long things take:
 * the time-outs only keep a broken test from hanging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "simulator/json_check.h"
#include "simulator/line.h"
#include "simulator/simulator.h"
#include "simulator/time_text.h"

#define LONG_US (30 * CLOCK_SECOND_US)
#define INPUT_MAX (64u << 20)

struct client {
    int fd;
    struct buf in;
    size_t at;
    bool reset;
};

static struct simulator_options options(void)
{
    struct simulator_options o;

    simulator_options_init(&o);
    o.port = 0;
    o.rate_unlimited = true;
    o.fixed_clock = true;
    o.start_us = 1738326896000000;
    return o;
}

static struct simulator *start(const struct simulator_options *o)
{
    struct err err = {0};
    struct simulator *s = simulator_start(o, &err);

    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static struct client join(struct simulator *s)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(simulator_port(s))};
    struct timeval limit = {.tv_sec = 30};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(c.fd >= 0);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    buf_init(&c.in, INPUT_MAX);
    return c;
}

static void leave(struct client *c)
{
    close(c->fd);
    buf_done(&c->in);
}

/* More bytes. False: the end. */
static bool more(struct client *c)
{
    char *room = buf_reserve(&c->in, 65536);
    ssize_t n;

    assert_non_null(room);
    n = recv(c->fd, room, 65536, 0);
    if (n < 0 && errno == ECONNRESET) {
        c->reset = true;
        return false;
    }
    assert_true(n >= 0);
    c->in.len += (size_t)n;
    return n > 0;
}

/* Until the simulator has seen that its client left. */
static void wait_until_gone(struct simulator *s, struct simulator_stats *ret)
{
    int64_t until_us = clock_mono_us() + LONG_US;

    do {
        usleep(500);
        simulator_get_stats(s, ret);
        assert_true(clock_mono_us() < until_us);
    } while (ret->connected || ret->clients == 0);
}

/* The next line without its line end; borrowed until the next call. False: the end. */
static bool line(struct client *c, struct span *ret)
{
    for (;;) {
        const char *start = c->in.data == NULL ? NULL : c->in.data + c->at;
        const char *end = start == NULL ? NULL : memchr(start, '\n', c->in.len - c->at);

        if (end != NULL) {
            *ret = (struct span){start, (size_t)(end - start)};
            c->at += ret->len + 1;
            return true;
        }
        if (!more(c))
            return false;
    }
}

static void to_the_end(struct client *c)
{
    while (more(c)) {
    }
}

static bool has(struct span text, const char *part)
{
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The text of a value: behind `key` up to a quote, a comma or a brace. */
static struct span value(struct span text, const char *key)
{
    const char *at = memmem(text.data, text.len, key, strlen(key));
    struct span ret;

    assert_non_null(at);
    ret.data = at + strlen(key);
    ret.len = 0;
    while (ret.data + ret.len < text.data + text.len && strchr("\",}", ret.data[ret.len]) == NULL)
        ret.len++;
    return ret;
}

static int64_t stamp_of(struct span text)
{
    int64_t us = 0;

    assert_true(time_text_parse(value(text, "\"timestamp\":\""), &us));
    return us;
}

static double number_of(struct span text)
{
    double v = 0;

    assert_true(time_text_number(value(text, "\"payload\":"), &v));
    return v;
}

static void manifest(struct client *c)
{
    struct span text;

    assert_true(line(c, &text));
    assert_true(has(text, "{\"type\":\"runtime_manifest\","));
    assert_true(json_check(text, NULL));
}

static void the_manifest_comes_first_and_the_count_is_exact(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client c;
    struct span text;
    uint64_t n = 0;

    (void)state;
    o.count = 12345;
    o.exit = true;
    o.asset_count = 3;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (; line(&c, &text); n++) {
        char want[64];

        assert_true(json_check(text, NULL));
        snprintf(want, sizeof(want), "\"krn:ad:test-asset-%u/", (unsigned)(n / 5 % 3 + 1));
        assert_true(has(text, want));
        /* Every series once a round, a step between rounds: every key is known beforehand. */
        assert_true(stamp_of(text) == o.start_us + (int64_t)(n / 15) * o.step_us);
        assert_true(number_of(text) >= 0 && number_of(text) < 100);
    }
    assert_int_equal(n, o.count);
    assert_int_equal(c.at, c.in.len);
    leave(&c);
    assert_true(simulator_wait(s, LONG_US));
    simulator_get_stats(s, &stats);
    assert_true(stats.finished && stats.sent_all && stats.made_all && !stats.connected);
    assert_int_equal(stats.sent, o.count);
    assert_int_equal(stats.made, o.count);
    assert_int_equal(stats.readings_sent, o.count);
    assert_int_equal(stats.manifests_sent, 1);
    assert_int_equal(stats.clients, 1);
    assert_true(stats.bytes_sent > o.count * 150);
    simulator_stop(s);
}

static void a_second_client_is_closed_without_a_byte(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client first, second;
    struct span text;

    (void)state;
    o.count = 100;
    s = start(&o);
    first = join(s);
    manifest(&first);
    for (int i = 0; i < 3; i++) {
        second = join(s);
        assert_false(more(&second));
        assert_int_equal(second.in.len, 0);
        leave(&second);
    }
    for (int i = 0; i < 100; i++)
        assert_true(line(&first, &text)); /* undisturbed */
    leave(&first);
    wait_until_gone(s, &stats);
    assert_int_equal(stats.clients_refused, 3);
    second = join(s); /* now it is its turn */
    manifest(&second);
    leave(&second);
    simulator_stop(s);
}

/* All bytes of one connection. */
static struct client whole(const struct simulator_options *o)
{
    struct simulator *s = start(o);
    struct client c = join(s);

    to_the_end(&c);
    simulator_stop(s);
    return c;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    struct simulator_options o = options();
    struct client a, b, other;

    (void)state;
    o.count = 20000;
    o.exit = true;
    o.realistic = true;
    o.late_share = o.repeat_share = o.bad_share = o.other_share = 0.05;
    a = whole(&o);
    b = whole(&o);
    o.seed = 2;
    other = whole(&o);
    assert_int_equal(a.in.len, b.in.len);
    assert_memory_equal(a.in.data, b.in.data, a.in.len);
    assert_true(other.in.len != a.in.len || memcmp(other.in.data, a.in.data, a.in.len) != 0);
    leave(&a);
    leave(&b);
    leave(&other);
}

static void split_writes_reassemble(void **state)
{
    struct simulator_options o = options();
    struct client plain, split;

    (void)state;
    o.count = 500;
    o.exit = true;
    plain = whole(&o);
    o.split_max = 7;
    split = whole(&o);
    /* The manifest's id comes from the generator of the splits. */
    assert_int_equal(plain.in.len, split.in.len);
    assert_memory_equal(strchr(plain.in.data, '\n'), strchr(split.in.data, '\n'),
        plain.in.len - (size_t)(strchr(plain.in.data, '\n') - plain.in.data));
    leave(&plain);
    leave(&split);
}

static void oddities_change_no_other_value_and_every_key_comes_once(void **state)
{
    enum { COUNT = 20000 };
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client c;
    struct span text;
    uint64_t lines = 0, keys = 0, repeats = 0, late = 0, rejected = 0;
    int64_t newest = 0;
    static double values[COUNT];
    static uint8_t seen[COUNT];

    (void)state;
    memset(seen, 0, sizeof(seen));
    o.count = COUNT;
    o.exit = true;
    o.stream_count = 1;
    o.late_share = 0.02;
    o.late_us = 100 * CLOCK_SECOND_US;
    o.repeat_share = 0.03;
    o.bad_share = 0.04;
    o.other_share = 0.01;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (; line(&c, &text); lines++) {
        struct span type;
        int64_t at;

        /* Anything that is not a whole good reading of our series: bad or other. */
        if (!json_check(text, &type) || !span_is(type, "data;pt=number") ||
            !has(text, "\"krn:ad:test-asset-1/casing_pressure\"")) {
            rejected++;
            continue;
        }
        at = (stamp_of(text) - o.start_us) / o.step_us;
        assert_true(at >= 0 && at < COUNT);
        if (at < newest) {
            late++;
            assert_true(seen[at] == 0); /* held back: it was not there before */
        }
        if (at > newest)
            newest = at;
        if (seen[at] != 0) {
            repeats++;
            assert_true(number_of(text) != values[at]);
        } else {
            keys++;
        }
        seen[at]++;
        values[at] = number_of(text);
    }
    leave(&c);
    assert_true(simulator_wait(s, LONG_US));
    simulator_get_stats(s, &stats);
    assert_int_equal(keys + repeats, COUNT);
    assert_int_equal(stats.repeats_sent, repeats);
    assert_int_equal(stats.readings_sent, keys);
    assert_int_equal(stats.late_sent, late);
    assert_int_equal(stats.bad_sent + stats.other_sent, rejected);
    assert_int_equal(stats.sent, COUNT);
    assert_true(late > 100 && repeats > 200 && rejected > 500);
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i] > 0, i < keys); /* no gap */
    simulator_stop(s);
}

/* Reads connection after connection until the simulator has finished. Messages are told apart by
 * their number, which the fixed clock and the single series make plain. */
static void drops(enum simulator_drop how, bool cut)
{
    enum { COUNT = 1000, AFTER = 130 };
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    uint8_t seen[COUNT] = {0};
    uint64_t connections = 0, got = 0, cuts = 0;

    o.count = COUNT;
    o.exit = true;
    o.stream_count = 1;
    o.drop_after = AFTER;
    o.drop_how = how;
    o.drop_cut = cut;
    s = start(&o);
    do {
        struct client c = join(s);
        struct span text;
        uint64_t here = 0;

        connections++;
        if (line(&c, &text)) { /* a reset may have taken it */
            assert_true(has(text, "runtime_manifest"));
            for (; line(&c, &text); here++) {
                int64_t at = (stamp_of(text) - o.start_us) / o.step_us;

                assert_true(at >= 0 && at < COUNT && json_check(text, NULL));
                seen[at]++;
                got++;
            }
        }
        assert_true(here <= AFTER);
        cuts += c.at < c.in.len;
        leave(&c);
        wait_until_gone(s, &stats);
    } while (stats.sent < COUNT);
    assert_true(simulator_wait(s, LONG_US));
    simulator_get_stats(s, &stats);
    assert_int_equal(stats.sent, COUNT);
    assert_int_equal(stats.drops, COUNT / AFTER);
    assert_true(
        stats.clients == connections || stats.clients + stats.clients_refused == connections);
    assert_true(got <= COUNT);
    if (how == SIMULATOR_DROP_FIN) {
        assert_int_equal(got, COUNT); /* every message once, not one lost */
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 1);
        assert_int_equal(cuts, cut ? COUNT / AFTER : 0);
    }
    simulator_stop(s);
}

static void a_dropped_client_finds_all_again(void **state)
{
    (void)state;
    drops(SIMULATOR_DROP_FIN, false);
}

static void a_cut_line_comes_again_whole(void **state)
{
    (void)state;
    drops(SIMULATOR_DROP_FIN, true);
}

static void a_reset_ends_connections_too(void **state)
{
    (void)state;
    drops(SIMULATOR_DROP_RST, false);
    drops(SIMULATOR_DROP_RST, true);
}

static void what_a_vanished_client_did_not_take_goes_to_the_next(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client c;
    struct span text;
    uint64_t sent, n;

    (void)state;
    o.count = 400000; /* far more than the kernel buffers hold */
    o.stream_count = 1;
    s = start(&o);
    c = join(s);
    manifest(&c);
    leave(&c);
    wait_until_gone(s, &stats);
    sent = stats.sent;
    assert_true(sent < o.count);
    c = join(s);
    manifest(&c);
    assert_true(line(&c, &text));
    /* The first message of the new connection is the one behind the last sent. */
    assert_true(stamp_of(text) == o.start_us + (int64_t)sent * o.step_us);
    for (n = 1; n < 1000; n++) {
        assert_true(line(&c, &text));
        assert_true(stamp_of(text) == o.start_us + (int64_t)(sent + n) * o.step_us);
    }
    leave(&c);
    simulator_stop(s);
}

static void manifests_come_again_on_request(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct client c;
    struct span text;

    (void)state;
    o.rate_unlimited = false;
    o.rate = 1000;
    s = start(&o);
    c = join(s);
    assert_true(line(&c, &text));
    assert_true(has(text, "\"configuration\":{\"upload_interval\":60,\"batch_size\":1000}"));
    for (int i = 0; i < 5; i++)
        assert_true(line(&c, &text));
    simulator_send_manifest(s, 5, SIMULATOR_SAME);
    do {
        assert_true(line(&c, &text));
        assert_true(json_check(text, NULL));
    } while (!has(text, "runtime_manifest"));
    assert_true(has(text, "\"configuration\":{\"upload_interval\":5,\"batch_size\":1000}"));
    assert_true(line(&c, &text)); /* and data goes on */
    assert_true(has(text, "\"data;pt=number\""));
    simulator_drop_client(s, SIMULATOR_DROP_FIN);
    to_the_end(&c);
    leave(&c);
    c = join(s); /* what was asked for last is in force for the next one */
    assert_true(line(&c, &text));
    assert_true(has(text, "\"upload_interval\":5,"));
    leave(&c);
    simulator_stop(s);
}

static void manifests_come_by_the_clock_between_lines(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct client c;
    struct span text;
    int manifests = 0;

    (void)state;
    o.manifest_every_us = 1000;
    o.later_batch_size = 7;
    o.split_max = 50;
    s = start(&o);
    c = join(s);
    while (manifests < 4) {
        assert_true(line(&c, &text));
        assert_true(json_check(text, NULL));
        if (has(text, "runtime_manifest"))
            assert_true(has(text, manifests++ == 0 ? "\"batch_size\":1000}" : "\"batch_size\":7}"));
    }
    leave(&c);
    simulator_stop(s);
}

static void a_rate_is_kept_without_counting_seconds(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct client c;
    struct span text;
    int64_t first = 0, last = 0;

    (void)state;
    o.rate_unlimited = false;
    o.fixed_clock = false;
    o.rate = 2000;
    o.count = 400;
    o.exit = true;
    o.stream_count = 4;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (int i = 0; line(&c, &text); i++) {
        if (i == 0)
            first = last = stamp_of(text);
        /* Stamped when due: evenly, whatever the machine was busy with. */
        assert_true(stamp_of(text) - first >= i * 500 - 1 && stamp_of(text) - first <= i * 500 + 1);
        assert_true(i == 0 || stamp_of(text) > last);
        last = stamp_of(text);
    }
    assert_true(last - first >= 399 * 500 - 1);
    leave(&c);
    simulator_stop(s);
}

static void keys_are_distinct_though_the_clock_is_too_coarse(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct client c;
    struct span text;
    int64_t last[2] = {0, 0};

    (void)state;
    o.fixed_clock = false;
    o.stream_count = 2;
    o.count = 50000;
    o.exit = true;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (int i = 0; line(&c, &text); i++) {
        assert_true(stamp_of(text) > last[i % 2]);
        last[i % 2] = stamp_of(text);
    }
    leave(&c);
    simulator_stop(s);
}

static void rounds_have_every_kind_of_stream(void **state)
{
    static const struct simulator_stream streams[] = {{.name = "n", .kind = SIMULATOR_COUNTER},
        {.name = "b", .kind = SIMULATOR_BOOLEAN}, {.name = "s", .kind = SIMULATOR_STRING},
        {.name = "o", .kind = SIMULATOR_OBJECT},
        {.name = "i", .kind = SIMULATOR_OBJECT, .icd = "camera-image"}};
    static const char *const assets[] = {"left", "right"};
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client c;
    struct span text;

    (void)state;
    o.rate_unlimited = false;
    o.period_us = 1000;
    o.streams = streams;
    o.stream_count = 5;
    o.asset_names = assets;
    o.asset_count = 2;
    o.count = 40;
    o.crlf = true;
    o.exit = true;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (int i = 0; line(&c, &text); i++) {
        static const char *const types[] = {"\"data;pt=number\"", "\"data;pt=boolean\"",
            "\"data;pt=string\"", "\"data;icd=sample-object\"", "\"data;icd=camera-image\""};

        assert_true(has(text, types[i % 5]));
        assert_true(has(text, i / 5 % 2 == 0 ? "krn:ad:left/" : "krn:ad:right/"));
        assert_int_equal(text.data[text.len - 1], '\r');
        assert_true(json_check(text, NULL));
        if (i % 5 == 0)
            assert_true(number_of(text) == i / 5);
        if (i % 5 == 1)
            assert_true(has(text, "\"payload\":true}") || has(text, "\"payload\":false}"));
        if (i % 5 == 2)
            assert_true(has(text, "\"payload\":\"str_"));
        if (i % 5 > 2)
            assert_true(has(text, "\"payload\":{\"key\":"));
    }
    leave(&c);
    assert_true(simulator_wait(s, LONG_US));
    simulator_get_stats(s, &stats);
    assert_int_equal(stats.readings_sent, 16);
    assert_int_equal(stats.texts_sent, 24);
    simulator_stop(s);
}

static void too_long_lines_have_their_length(void **state)
{
    struct simulator_options o = options();
    struct client c;
    struct span text;
    int n = 0;

    (void)state;
    o.count = 20;
    o.exit = true;
    o.bad_share = 0.2;
    o.bad_mask = UINT32_C(1) << SIMULATOR_BAD_TOO_LONG;
    o.too_long_bytes = 4194305;
    c = whole(&o);
    manifest(&c);
    while (line(&c, &text)) {
        assert_true(text.len == 4194305 || text.len < 1000);
        n += text.len == 4194305;
    }
    assert_true(n > 0);
    leave(&c);
}

struct heard {
    char text[8192]; /* lines; written by the simulator's thread, read after it ended */
};

static void hear(void *context, const char *text)
{
    struct heard *heard = context;
    size_t len = strlen(heard->text);

    (void)snprintf(heard->text + len, sizeof(heard->text) - len, "%s\n", text);
}

static void lines_of_the_client_are_told(void **state)
{
    static const char said[] = "{\"type\":\"control-ack;a=b\",\"payload\":1}\nnot json\n";
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct heard heard = {{0}};
    struct client c;

    (void)state;
    o.count = 1;
    o.say = hear;
    o.say_context = &heard;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (size_t i = 0; i < sizeof(said) - 1; i++) /* in single bytes */
        assert_int_equal(send(c.fd, said + i, 1, MSG_NOSIGNAL), 1);
    do
        simulator_get_stats(s, &stats);
    while (stats.received_lines < 2);
    leave(&c);
    wait_until_gone(s, &stats);
    simulator_stop(s);
    assert_string_equal(heard.text,
        "Connected\n"
        "Received ControlAckMessage: {\"type\":\"control-ack;a=b\",\"payload\":1}\n"
        "error parsing message: not json\n"
        "Disconnected\n");
}

static void a_csv_file_is_replayed(void **state)
{
    static const char text_of_file[] = "timestamp,asset_name,p,run,note\n"
                                       "10,a,1.5,TRUE,\"he said \"\"x\"\"\"\n"
                                       "10.25,zzz,9,,\n"
                                       "oops,a,7,,\n"
                                       "10.5,b,x,0,\n"
                                       "10.75,b,,,ende\n";
    static const struct simulator_stream streams[] = {{.name = "p", .kind = SIMULATOR_UNIFORM},
        {.name = "run", .kind = SIMULATOR_BOOLEAN}, {.name = "note", .kind = SIMULATOR_STRING}};
    static const char *const assets[] = {"a", "b"};
    static const char *const want[] = {"\"krn:ad:a/p\"|1970-01-01T00:00:10.000000Z|1.5}",
        "\"krn:ad:a/run\"|1970-01-01T00:00:10.000000Z|true}",
        "\"krn:ad:a/note\"|1970-01-01T00:00:10.000000Z|\"he said \\\"x\\\"\"}",
        "\"krn:ad:b/run\"|1970-01-01T00:00:10.500000Z|false}",
        "\"krn:ad:b/note\"|1970-01-01T00:00:10.750000Z|\"ende\"}"};
    char path[] = "/tmp/simulator_loopback_XXXXXX";
    struct simulator_options o = options();
    struct simulator *s;
    struct heard heard = {{0}};
    struct client c;
    struct span text;
    size_t n = 0;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text_of_file, sizeof(text_of_file) - 1), sizeof(text_of_file) - 1);
    close(fd);
    o.rate_unlimited = false;
    o.csv_path = path;
    o.csv_interval_given = true;
    o.streams = streams;
    o.stream_count = 3;
    o.asset_names = assets;
    o.asset_count = 2;
    o.exit = true;
    o.say = hear;
    o.say_context = &heard;
    s = start(&o);
    c = join(s);
    manifest(&c);
    for (; line(&c, &text); n++) {
        char resource[64], *bar, *stamp, got[64];

        assert_true(n < 5);
        assert_true(str_copy(resource, sizeof(resource), want[n]));
        bar = strchr(resource, '|');
        *bar = '\0';
        stamp = bar + 1;
        bar = strchr(stamp, '|');
        *bar = '\0';
        assert_true(has(text, resource) && has(text, stamp));
        (void)snprintf(got, sizeof(got), "\"payload\":%s", bar + 1);
        assert_true(has(text, got));
    }
    assert_int_equal(n, 5);
    leave(&c);
    assert_true(simulator_wait(s, LONG_US));
    simulator_stop(s);
    unlink(path);
    assert_string_equal(heard.text,
        "Connected\n"
        "error publishing: asset not allowed to app. asset=zzz\n"
        "csv: skipping row 3: invalid timestamp 'oops'\n"
        "error publishing value: invalid value for resource. resource=krn:ad:b/p value=x\n"
        "CSV ingestion is complete\n"
        "Disconnected\n");
}

/* Nothing happens on the sockets after the last message; the counters have to be there all the same.
 */
static void all_is_known_to_be_sent_while_the_client_stays(void **state)
{
    struct simulator_options o = options();
    struct simulator *s;
    struct simulator_stats stats;
    struct client c;

    (void)state;
    o.count = 10;
    for (int i = 0; i < 20; i++) {
        s = start(&o);
        c = join(s);
        assert_true(simulator_wait(s, LONG_US));
        simulator_get_stats(s, &stats);
        assert_true(stats.connected && stats.sent_all && !stats.finished);
        assert_int_equal(stats.sent, 10);
        leave(&c);
        simulator_stop(s);
    }
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct simulator_options good = options(), bad[12];
    struct err err = {0};
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[n++].host = "localhost.";
    bad[n++].asset_count = 0;
    bad[n++].stream_count = 0;
    bad[n++].step_us = 0;
    bad[n++].late_share = 1.5;
    bad[n++].maximum = -1;
    bad[n++].source = "no krn";
    bad[n].bad_share = 0.1;
    bad[n++].bad_mask = 0;
    bad[n++].csv_path = "/tmp/x.csv"; /* with a rate */
    bad[n++].asset_prefix = "a/b";
    bad[n++].period_us = -1;
    for (size_t i = 0; i < n; i++) {
        err_clear(&err);
        assert_null(simulator_start(&bad[i], &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_true(err.text[0] != '\0');
    }
}

static void a_port_in_use_is_said(void **state)
{
    struct simulator_options o = options();
    struct simulator *s = start(&o);
    struct err err = {0};

    (void)state;
    o.port = simulator_port(s);
    assert_null(simulator_start(&o, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    simulator_stop(s);
    simulator_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_comes_first_and_the_count_is_exact),
        cmocka_unit_test(a_second_client_is_closed_without_a_byte),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(split_writes_reassemble),
        cmocka_unit_test(oddities_change_no_other_value_and_every_key_comes_once),
        cmocka_unit_test(a_dropped_client_finds_all_again),
        cmocka_unit_test(a_cut_line_comes_again_whole),
        cmocka_unit_test(a_reset_ends_connections_too),
        cmocka_unit_test(what_a_vanished_client_did_not_take_goes_to_the_next),
        cmocka_unit_test(manifests_come_again_on_request),
        cmocka_unit_test(manifests_come_by_the_clock_between_lines),
        cmocka_unit_test(a_rate_is_kept_without_counting_seconds),
        cmocka_unit_test(keys_are_distinct_though_the_clock_is_too_coarse),
        cmocka_unit_test(rounds_have_every_kind_of_stream),
        cmocka_unit_test(too_long_lines_have_their_length),
        cmocka_unit_test(lines_of_the_client_are_told),
        cmocka_unit_test(a_csv_file_is_replayed),
        cmocka_unit_test(all_is_known_to_be_sent_while_the_client_stays),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(a_port_in_use_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
