/* The intake loop on a disk that fills up at the worst moments: nothing received is lost, nothing is
 * taken twice, and every reading keeps its name.
 * wrap: pwrite64 renameat log_event */
#include "commands/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/scan.h"

#define WAIT_US (10 * CLOCK_SECOND_US)
#define SEEN_MAX 64

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset);

enum fullness { ROOM, NO_ROOM, NO_ROOM_FOR_NEW_FILES, NO_ROOM_FOR_NAMES, DEAD };
static atomic_int fullness;

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    int now = atomic_load(&fullness);

    if (now == DEAD) {
        errno = EIO;
        return -1;
    }
    if (now == NO_ROOM || (now == NO_ROOM_FOR_NEW_FILES && offset == 0)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite64(fd, data, len, offset);
}

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (atomic_load(&fullness) == NO_ROOM_FOR_NAMES && strcmp(from, "next.tmp") == 0) {
        errno = ENOSPC;
        return -1;
    }
    return __real_renameat(from_dir, from, to_dir, to);
}

static atomic_uint broken_lines; /* how often it was logged */
void __real_log_event(enum log_level level, const char *event, const struct log_field *fields);
void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields);

void __wrap_log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    if (strcmp(event, "broken") == 0)
        atomic_fetch_add(&broken_lines, 1);
    __real_log_event(level, event, fields);
}

struct rig {
    char directory[64];
    struct state state;
    struct limits limits;
    struct settings settings;
    struct counters counters;
    struct pipeline pipeline;
    pthread_t thread;
    int listener, peer;
};

static struct rig rig;

/* --- a plant of one connection --- */

static void listen_on_loopback(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    rig.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(rig.listener >= 0);
    assert_int_equal(bind(rig.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(rig.listener, 8), 0);
    assert_int_equal(getsockname(rig.listener, (struct sockaddr *)&at, &len), 0);
    rig.settings.stream_port = ntohs(at.sin_port);
}

/* Reading n belongs to the series a<series>; without `end` the line is cut before its newline. */
static size_t put_line(char *line, size_t size, unsigned n, unsigned series, bool end)
{
    int len = snprintf(line, size,
        "{\"type\":\"data;pt=number\",\"resource\":\"krn:ad:a%u/d\",\"id\":"
        "\"00000000-0000-4000-8000-000000000000\",\"timestamp\":\"2026-01-31T12:34:56.%06uZ\","
        "\"payload\":%u}%s",
        series, n, n * 1000 + series, end ? "\n" : "");

    assert_true(len > 0 && (size_t)len < size);
    return (size_t)len;
}

static void send_all(const char *data, size_t len)
{
    assert_int_equal(send(rig.peer, data, len, MSG_NOSIGNAL), len);
}

static void say(unsigned n, unsigned series, bool end)
{
    char line[400];

    send_all(line, put_line(line, sizeof(line), n, series, end));
}

static void accept_peer(void)
{
    rig.peer = accept(rig.listener, NULL, NULL);
    assert_true(rig.peer >= 0);
}

static void hang_up(void)
{
    (void)close(rig.peer);
    rig.peer = -1;
}

/* --- the loop --- */

static void begin(uint64_t batch_size, int64_t interval_us)
{
    struct err err = {0};

    memset(&rig, 0, sizeof(rig));
    rig.peer = -1;
    (void)snprintf(rig.directory, sizeof(rig.directory), "intake-test.XXXXXX");
    assert_non_null(mkdtemp(rig.directory));
    rig.settings = (struct settings){
        .stream_host = "127.0.0.1",
        .stream_limit_bytes = 65536,
        .commit_us = 20000,
        .commit_bytes = 1 << 20,
        .segment_bytes = 1 << 20,
        .series_max = 1000,
        .batch_size = batch_size,
        .upload_interval_us = interval_us,
    };
    listen_on_loopback();
    assert_true(state_open(&rig.state, rig.directory, true, &(bool){false}, &err));
    assert_true(state_set_instance(&rig.state, NULL, &err));
    assert_true(limits_init(&rig.limits, &rig.state, 1 << 30, 1, &err));
    assert_true(pipeline_init(&rig.pipeline, &err));
    counters_init(&rig.counters);
    rig.pipeline.settings = &rig.settings;
    rig.pipeline.state = &rig.state;
    rig.pipeline.limits = &rig.limits;
    rig.pipeline.counters = &rig.counters;
    rig.pipeline.first_seq = 1;
    rig.pipeline.trace_fd = -1;
}

static void start(void)
{
    assert_int_equal(pthread_create(&rig.thread, NULL, intake_loop, &rig.pipeline), 0);
}

static void stop(void)
{
    atomic_store(&rig.pipeline.stopping, true);
    pipeline_wake(rig.pipeline.wake_intake);
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    assert_false(atomic_load(&rig.pipeline.broken));
}

static void end(void)
{
    char command[128];

    if (rig.peer >= 0)
        (void)close(rig.peer);
    (void)close(rig.listener);
    pipeline_done(&rig.pipeline);
    state_close(&rig.state);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", rig.directory);
    assert_int_equal(system(command), 0);
}

static void wait_for(counter *value, uint64_t least)
{
    int64_t until = clock_mono_us() + WAIT_US;

    while (counter_get(value) < least) {
        assert_true(clock_mono_us() < until);
        (void)usleep(2000);
    }
}

/* Room again, as after a delivery: a deletion is what the limits believe. */
static void make_room(void)
{
    atomic_store(&fullness, ROOM);
    limits_sub(&rig.limits, LIMITS_OTHER, 1);
}

/* --- what is on disk --- */

struct seen {
    unsigned count, wrong;
};

/* The value says which series a reading is of: it must be the one its number names. */
static void see_rows(const struct segment_frame *f, char (*names)[16], struct seen *seen)
{
    int64_t times[SEEN_MAX];
    double values[SEEN_MAX];
    uint32_t series[SEEN_MAX], count = scan_rows_count(f);

    assert_true(count <= SEEN_MAX);
    scan_rows_copy(f, 0, count, times, values, series);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "a%u", (unsigned)values[i] % 1000);
        seen->wrong += series[i] >= SEEN_MAX || strcmp(names[series[i]], name) != 0;
    }
    seen->count += count;
}

static void see_segment(const struct segment_info *info, struct seen *seen)
{
    char names[SEEN_MAX][16] = {{0}};
    enum scan_event event = SCAN_FRAME;
    struct scan_item item;
    struct err err = {0};
    struct scan *scan = scan_open(rig.state.journal, info->name, info->end_seq, &err);

    assert_non_null(scan);
    while (event != SCAN_END) {
        struct span asset, datastream;
        uint32_t number;
        size_t at = 0;

        assert_true(scan_next(scan, &event, &item, &err));
        if (event != SCAN_FRAME)
            continue;
        if (item.frame.type == SEGMENT_ROWS)
            see_rows(&item.frame, names, seen);
        else if (item.frame.type == SEGMENT_NAMES)
            while (scan_names_next(&item.frame, &at, &number, &asset, &datastream)) {
                assert_true(number < SEEN_MAX && asset.len < sizeof(names[0]));
                memcpy(names[number], asset.data, asset.len);
            }
    }
    scan_close(scan);
}

static void expect_on_disk(unsigned readings)
{
    struct segment_list list;
    struct seen seen = {0, 0};
    struct err err = {0};

    assert_true(scan_list(&rig.state, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        see_segment(&list.items[i], &seen);
    scan_list_done(&list);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.count, readings);
    assert_int_equal(counter_get(&rig.counters.readings), readings);
    assert_int_equal(counter_get(&rig.counters.durable_seq), readings);
}

/* --- the cases --- */

static void a_segment_does_not_roll_under_readings_that_wait(void **unused)
{
    (void)unused;
    begin(1000, CLOCK_SECOND_US / 2);
    start();
    accept_peer();
    for (unsigned n = 1; n <= 5; n++)
        say(n, n, true);
    wait_for(&rig.counters.durable_seq, 5);
    atomic_store(&fullness, NO_ROOM);
    for (unsigned n = 6; n <= 10; n++)
        say(n, 20 - n, true);
    wait_for(&rig.counters.paused_since_us, 1);
    (void)usleep(700000); /* the segment is due */
    atomic_store(&fullness, ROOM);
    wait_for(&rig.counters.rolls, 1);
    make_room();
    for (unsigned n = 11; n <= 15; n++)
        say(n, n % 4, true);
    wait_for(&rig.counters.durable_seq, 15);
    stop();
    expect_on_disk(15);
    end();
}

static void the_last_line_of_a_connection_is_taken_once(void **unused)
{
    (void)unused;
    begin(1000, 60 * CLOCK_SECOND_US);
    start();
    accept_peer();
    say(1, 1, true);
    wait_for(&rig.counters.durable_seq, 1);
    atomic_store(&fullness, NO_ROOM);
    say(2, 2, true);
    say(3, 3, false);
    hang_up();
    wait_for(&rig.counters.paused_since_us, 1);
    make_room();
    accept_peer(); /* it is over with the first connection */
    say(4, 4, true);
    wait_for(&rig.counters.durable_seq, 4);
    stop();
    expect_on_disk(4);
    assert_int_equal(counter_get(&rig.counters.lines), 4);
    end();
}

/* Its cut line alone finds no room. */
static void the_rest_alone_is_taken_once(void **unused)
{
    (void)unused;
    begin(1000, 60 * CLOCK_SECOND_US);
    start();
    accept_peer();
    say(1, 1, false);
    wait_for(&rig.counters.received_bytes, 1);
    atomic_store(&fullness, NO_ROOM);
    hang_up();
    wait_for(&rig.counters.paused_since_us, 1);
    make_room();
    wait_for(&rig.counters.durable_seq, 1);
    stop();
    expect_on_disk(1);
    end();
}

/* No room for the next segment, in the middle of what one receive brought. */
static void a_stop_while_paused_takes_what_was_received(void **unused)
{
    char lines[2000];
    size_t len = 0;

    (void)unused;
    begin(2, 60 * CLOCK_SECOND_US);
    start();
    wait_for(&rig.counters.beat_us[LOOP_INTAKE], 1);
    atomic_store(&fullness, NO_ROOM_FOR_NEW_FILES);
    accept_peer();
    for (unsigned n = 1; n <= 5; n++)
        len += put_line(lines + len, sizeof(lines) - len, n, n, true);
    send_all(lines, len);
    wait_for(&rig.counters.paused_since_us, 1);
    atomic_store(&fullness, ROOM); /* the limits have not seen it yet: still paused */
    stop();
    expect_on_disk(5);
    end();
}

/* The disk stays full: what was received goes into the open segment, for which the space is taken. */
static void a_stop_on_a_disk_that_stays_full_keeps_what_was_received(void **unused)
{
    char lines[2000];
    size_t len = 0;

    (void)unused;
    begin(2, 60 * CLOCK_SECOND_US);
    start();
    wait_for(&rig.counters.beat_us[LOOP_INTAKE], 1);
    atomic_store(&fullness, NO_ROOM_FOR_NEW_FILES);
    accept_peer();
    for (unsigned n = 1; n <= 5; n++)
        len += put_line(lines + len, sizeof(lines) - len, n, n, true);
    send_all(lines, len);
    wait_for(&rig.counters.paused_since_us, 1);
    stop();
    atomic_store(&fullness, ROOM);
    expect_on_disk(5);
    end();
}

/* Lines of one length; false: the loop has paused. */
static bool say_until_paused(unsigned n)
{
    char line[400];
    size_t len = put_line(line, sizeof(line), 100000 + n, 10 + n % 50, true), at = 0;

    while (at < len && counter_get(&rig.counters.paused_since_us) == 0) {
        ssize_t sent = send(rig.peer, line + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        at += sent > 0 ? (size_t)sent : 0;
    }
    return at == len;
}

/* The same when the segment is full by its bytes: a megabyte holds some 50,000 readings. What was sent
 * and not received stays in the socket. */
static void a_full_segment_keeps_what_one_more_receive_brought(void **unused)
{
    char line[400];
    size_t len = put_line(line, sizeof(line), 100000, 10, true);
    unsigned n = 0;

    (void)unused;
    begin(1 << 20, 60 * CLOCK_SECOND_US);
    start();
    wait_for(&rig.counters.beat_us[LOOP_INTAKE], 1);
    atomic_store(&fullness, NO_ROOM_FOR_NEW_FILES);
    accept_peer();
    while (n < 400000 && say_until_paused(n))
        n++;
    wait_for(&rig.counters.paused_since_us, 1);
    stop();
    atomic_store(&fullness, ROOM);
    assert_true(counter_get(&rig.counters.readings) > 40000);
    assert_int_equal(
        counter_get(&rig.counters.readings), counter_get(&rig.counters.received_bytes) / len);
    assert_int_equal(counter_get(&rig.counters.durable_seq), counter_get(&rig.counters.readings));
    end();
}

static void a_full_disk_at_the_start_is_waited_out(void **unused)
{
    (void)unused;
    begin(1000, 60 * CLOCK_SECOND_US);
    atomic_store(&fullness, NO_ROOM);
    start();
    wait_for(&rig.counters.paused_since_us, 1);
    assert_false(atomic_load(&rig.pipeline.broken));
    make_room();
    accept_peer();
    say(1, 1, true);
    wait_for(&rig.counters.durable_seq, 1);
    stop();
    expect_on_disk(1);
    end();
}

static void a_stop_on_a_disk_that_was_always_full_is_no_failure(void **unused)
{
    (void)unused;
    begin(1000, 60 * CLOCK_SECOND_US);
    atomic_store(&fullness, NO_ROOM);
    start();
    wait_for(&rig.counters.paused_since_us, 1);
    stop();
    atomic_store(&fullness, ROOM);
    end();
}

/* The segment is sealed and its successor has no name: nothing is read until it has one. */
static void a_roll_without_room_for_a_name_is_waited_out(void **unused)
{
    (void)unused;
    begin(1000, CLOCK_SECOND_US / 5);
    start();
    accept_peer();
    for (unsigned n = 1; n <= 5; n++)
        say(n, n, true);
    wait_for(&rig.counters.durable_seq, 5);
    atomic_store(&fullness, NO_ROOM_FOR_NAMES);
    wait_for(&rig.counters.paused_since_us, 1);
    for (unsigned n = 6; n <= 10; n++)
        say(n, 20 - n, true);
    assert_false(atomic_load(&rig.pipeline.broken));
    assert_int_equal(counter_get(&rig.counters.rolls), 0);
    make_room();
    wait_for(&rig.counters.rolls, 1);
    wait_for(&rig.counters.durable_seq, 10);
    stop();
    expect_on_disk(10);
    end();
}

/* The turn fails, and so does what is tried at the stop. */
static void a_broken_disk_is_told_once(void **unused)
{
    int64_t until = clock_mono_us() + WAIT_US;

    (void)unused;
    begin(1000, 60 * CLOCK_SECOND_US);
    start();
    accept_peer();
    say(1, 1, true);
    wait_for(&rig.counters.durable_seq, 1);
    atomic_store(&broken_lines, 0);
    atomic_store(&fullness, DEAD);
    say(2, 2, true);
    while (!atomic_load(&rig.pipeline.broken)) {
        assert_true(clock_mono_us() < until);
        (void)usleep(2000);
    }
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    atomic_store(&fullness, ROOM);
    assert_int_equal(atomic_load(&broken_lines), 1);
    assert_int_equal(rig.counters.stream_error.kind, ERR_BROKEN);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_does_not_roll_under_readings_that_wait),
        cmocka_unit_test(the_last_line_of_a_connection_is_taken_once),
        cmocka_unit_test(the_rest_alone_is_taken_once),
        cmocka_unit_test(a_stop_while_paused_takes_what_was_received),
        cmocka_unit_test(a_stop_on_a_disk_that_stays_full_keeps_what_was_received),
        cmocka_unit_test(a_full_segment_keeps_what_one_more_receive_brought),
        cmocka_unit_test(a_full_disk_at_the_start_is_waited_out),
        cmocka_unit_test(a_stop_on_a_disk_that_was_always_full_is_no_failure),
        cmocka_unit_test(a_roll_without_room_for_a_name_is_waited_out),
        cmocka_unit_test(a_broken_disk_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
