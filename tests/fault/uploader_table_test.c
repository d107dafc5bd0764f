/* The decision table of durability.md 10, row by row, against a scripted server. */
#include "unit/databricks_server.h"
#include "unit/uploader_fakes.h"

#include "base/clock.h"
#include "uploader/uploader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FOLDER "/Volumes/c/s/v/data"
#define JSON "Content-Type: application/json\r\n"
#define HTML "Content-Type: text/html\r\n"

static struct server *server;
static struct workspace *ws;
static struct uploader *up;
static struct limits limits = {.state_bytes_max = 1000};
static struct outbox box = {.limits = &limits};
static int seen[7]; /* events by kind */
static struct uploader_event last[7];
static char order[4096]; /* of the events, one letter each */

static int open_uploader(bool service_principal)
{
    char host[64];
    struct err err = {.text = ""};
    struct workspace_options o = {.host = host, .stall_us = 30 * CLOCK_SECOND_US};
    struct uploader_options options = {.parallel = 4,
        .folder = FOLDER "/",
        .seed = 7,
        .refuse_after_us = 60000,
        .retry_first_us = 1000,
        .denied_first_us = 20000};

    box_reset();
    memset(seen, 0, sizeof(seen));
    order[0] = '\0';
    server = server_start();
    server->check_token = service_principal;
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    if (service_principal) {
        o.client_id = "id";
        o.client_secret = secret_new(span_of("client-CANARY-secret"), &err);
    } else {
        o.token = secret_new(span_of("pat-CANARY-token"), &err);
    }
    ws = workspace_new(&o, &err);
    up = uploader_new(&box, ws, NULL, &options, &err);
    return up ? 0 : -1;
}

static int begin(void **state)
{
    (void)state;
    return open_uploader(false);
}

static int begin_m2m(void **state)
{
    (void)state;
    return open_uploader(true);
}

static int end(void **state)
{
    (void)state;
    uploader_free(up);
    workspace_free(ws);
    server_free(server);
    return 0;
}

static void take_events(void)
{
    struct uploader_event event;

    while (uploader_event(up, &event)) {
        size_t len = strlen(order);

        seen[event.kind]++;
        last[event.kind] = event;
        if (len + 1 < sizeof(order)) {
            order[len] = "DRXdIWA"[event.kind];
            order[len + 1] = '\0';
        }
        if (strstr(event.err.text, "CANARY"))
            fail_msg("a secret: %s", event.err.text);
    }
}

/* Until idle or the time is over. */
static void run_ms(int64_t ms)
{
    int64_t until = clock_mono_us() + ms * 1000;
    bool look = true;

    while (clock_mono_us() < until) {
        struct err err = {.text = ""};
        int64_t began = clock_mono_us();

        if (!uploader_step(up, look, 10000, -1, &err))
            fail_msg("%s", err.text);
        if (clock_mono_us() - began > 15000000) /* a call's own limits are longer */
            fail_msg("a step of 10 ms took %lld us", (long long)(clock_mono_us() - began));
        look = false;
        take_events();
        if (uploader_idle(up))
            return;
    }
}

/* A busy machine takes its time. */
#define UNTIL(what)                                                                                \
    for (int turns = 0; turns < 3000 && !(what); turns++)                                          \
    run_ms(20)

static void delivered(void)
{
    run_ms(60000);
    if (!uploader_idle(up))
        fail_msg("not delivered: %s; %s", uploader_error(up)->text, order);
    assert_int_equal(uploader_state(up), UPLOADER_IDLE);
    assert_int_equal(uploader_error(up)->kind, ERR_NONE);
    assert_int_equal(uploader_counters(up)->in_flight, 0);
}

static void rule(const char *method, const char *match, int times, enum server_how how, int status,
    const char *headers, const char *body)
{
    server_add(server, (struct server_rule){method, match, times, how, status, headers, body, 0});
}

/* What is in the volume under the name of the file with this number. */
static void in_volume(uint64_t seq, uint64_t bytes)
{
    char path[256], name[OUTBOX_NAME_SIZE];
    uint64_t word;

    box_add(seq, bytes, false);
    memcpy(name, box_files[--box_count].entry.text, sizeof(name));
    (void)snprintf(path, sizeof(path), FOLDER "/%s", name);
    pthread_mutex_lock(&server->lock);
    {
        int i = server_find(server, path, strlen(path));

        if (i < 0)
            fail_msg("%s is not there", path);
        assert_int_equal(server->files[i].len, bytes);
        for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
            memcpy(&word, server->files[i].data + at, 8);
            assert_int_equal(word, seq);
        }
    }
    pthread_mutex_unlock(&server->lock);
}

static void put_in_volume(uint64_t seq, size_t bytes, char fill)
{
    char path[256], *data = malloc(bytes + 1);

    box_add(seq, bytes, false);
    (void)snprintf(path, sizeof(path), FOLDER "/%s", box_files[--box_count].entry.text);
    memset(data, fill, bytes);
    server_store(server, path, data, bytes);
    free(data);
}

/* --- the good way --- */

static void oldest_first_and_all_confirmed(void **state)
{
    const struct uploader_counters *c = uploader_counters(up);

    (void)state;
    for (uint64_t i = 0; i < 12; i++)
        box_add(1 + 10 * i, 1000 + i, false);
    delivered();
    for (uint64_t i = 0; i < 12; i++)
        in_volume(1 + 10 * i, 1000 + i);
    assert_int_equal(c->delivered_files, 12);
    assert_int_equal(c->delivered_readings, 120);
    assert_int_equal(c->delivered_bytes, 12 * 1000 + 66);
    assert_int_equal(c->sent_bytes, c->delivered_bytes);
    assert_int_equal(c->delivered_seq, 120);
    assert_int_equal(c->attempts, 12);
    assert_int_equal(c->retries, 0);
    assert_int_equal(server_count(server, "PUT", "/fs/directories" FOLDER), 1);
    assert_int_equal(server_count(server, "HEAD", "/fs/files/"), 12);
    assert_int_equal(server_count(server, "PUT", "overwrite=false"), 12);
    assert_string_equal(order, "DDDDDDDDDDDD");
    assert_in_range(server->open_most, 1, 4);
}

static void one_at_a_time_keeps_the_order(void **state)
{
    struct err err;
    struct uploader_options options = {.parallel = 1, .folder = FOLDER, .retry_first_us = 1000};

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    for (uint64_t i = 0; i < 5; i++)
        box_add(1 + 10 * i, 100, false);
    delivered();
    assert_string_equal(box_log, "done 1\ndone 11\ndone 21\ndone 31\ndone 41\n");
    assert_int_equal(server->open_most, 1);
}

static void daily_names_go_into_daily_folders(void **state)
{
    (void)state;
    box_add(1, 100, true);
    box_add(11, 100, true);
    box_add(21, 100, false);
    delivered();
    assert_int_equal(server_count(server, "PUT", "/fs/directories" FOLDER "/2026-01-31"), 1);
    assert_int_equal(server_count(server, "PUT", "/fs/directories"), 2);
    assert_int_equal(server_count(server, "PUT", FOLDER "/2026-01-31/2026-01-31T"), 2);
}

/* --- 2xx and 409 --- */

static void a_lost_answer_is_no_duplicate(void **state)
{
    (void)state;
    /* Twice: after the first cut of a kept connection libcurl itself sends again. */
    rule("PUT", "/fs/files/", 2, CUT_AFTER, 0, NULL, NULL);
    box_add(1, 5000, false);
    delivered();
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 3);
    assert_int_equal(server_count(server, "PUT", "overwrite=true"), 0);
    assert_true(last[UPLOADER_DELIVERED].was_there);
    assert_int_equal(last[UPLOADER_DELIVERED].attempts, 2);
    assert_int_equal(uploader_counters(up)->conflicts, 1);
    assert_int_equal(uploader_counters(up)->retries, 1);
    assert_string_equal(order, "IDW");
    in_volume(1, 5000);
}

static void a_yes_that_kept_nothing_is_sent_again(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 3, LOSE, 0, NULL, NULL);
    box_add(1, 5000, false);
    delivered();
    in_volume(1, 5000);
    assert_int_equal(seen[UPLOADER_ALARM], 1); /* the third in a row */
    assert_non_null(strstr(last[UPLOADER_ALARM].err.text, "not there"));
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 4);
    assert_string_equal(box_log, "done 1\n");
}

static void a_yes_that_kept_half_is_repaired(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 1, TRUNCATE, 0, NULL, NULL);
    box_add(1, 5000, false);
    delivered();
    in_volume(1, 5000);
    assert_true(last[UPLOADER_DELIVERED].repaired);
    assert_int_equal(server_count(server, "PUT", "overwrite=true"), 1);
    assert_int_equal(uploader_counters(up)->repaired, 1);
}

static void conflict_with_the_same_length_is_done(void **state)
{
    (void)state;
    put_in_volume(1, 5000, 'x');
    box_add(1, 5000, false);
    delivered();
    assert_true(last[UPLOADER_DELIVERED].was_there);
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 1);
    assert_string_equal(order, "D");
}

static void conflict_with_another_length_is_repaired(void **state)
{
    (void)state;
    put_in_volume(1, 4999, 'x');
    put_in_volume(11, 0, 'x');
    box_add(1, 5000, false);
    box_add(11, 5000, false);
    delivered();
    in_volume(1, 5000);
    in_volume(11, 5000);
    assert_int_equal(server_count(server, "PUT", "overwrite=true"), 2);
    assert_int_equal(server_count(server, "HEAD", "/fs/files/"), 4);
    assert_int_equal(uploader_counters(up)->repaired, 2);
    assert_int_equal(seen[UPLOADER_ILL], 0);
}

static void conflict_with_nothing_is_sent_again(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 1, ANSWER, 409, JSON, "{\"error_code\":\"ABORTED\"}");
    box_add(1, 5000, false);
    delivered();
    in_volume(1, 5000);
    assert_int_equal(server_count(server, "PUT", "overwrite=true"), 0);
    assert_int_equal(server_count(server, "PUT", "overwrite=false"), 2);
}

static void head_without_a_length_bears_out_a_yes(void **state)
{
    (void)state;
    rule("HEAD", "/fs/files/", 1, ANSWER, 204, "", "");
    box_add(1, 5000, false);
    delivered();
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 1);
    assert_string_equal(order, "D");
}

static void a_failing_head_does_not_send_the_body_again(void **state)
{
    (void)state;
    rule("HEAD", "/fs/files/", 1, ANSWER, 500, "", "");
    rule("HEAD", "/fs/files/", 1, ANSWER, 400, "", "");
    rule("HEAD", "/fs/files/", 1, CUT_BEFORE, 0, "", "");
    box_add(1, 5000, false);
    delivered();
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 1);
    assert_int_equal(seen[UPLOADER_REFUSED], 0);
}

static void an_early_yes_is_not_believed(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 1, EARLY, 204, "", "");
    box_add(1, 8000000, false);
    delivered();
    in_volume(1, 8000000);
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 2);
    assert_int_equal(server_count(server, "HEAD", "/fs/files/"), 1); /* not worth a look */
    assert_int_equal(seen[UPLOADER_ILL], 1);
}

/* --- RETRY --- */

static void weather_is_waited_out(void **state)
{
    static const struct {
        enum server_how how;
        int status;
        const char *body;
    } rows[] = {
        {CUT_BEFORE, 0, ""},
        {CUT_INSIDE, 0, ""},
        {CUT_STATUS, 0, ""},
        {ANSWER, 408, ""},
        {ANSWER, 429, ""},
        {ANSWER, 500, ""},
        {ANSWER, 502, ""},
        {ANSWER, 503, ""},
        {ANSWER, 504, ""},
        {ANSWER, 418, ""},
        {ANSWER, 499, ""},
        {ANSWER, 400, "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"slow\"}"},
        {ANSWER, 400, "{\"error_code\":\"RESOURCE_EXHAUSTED\",\"message\":\"slow\"}"},
    };
    const int count = (int)(sizeof(rows) / sizeof(rows[0]));

    (void)state;
    for (int i = 0; i < count; i++)
        rule("PUT", "/fs/files/", 1, rows[i].how, rows[i].status, JSON, rows[i].body);
    box_add(1, 50000, false);
    run_ms(120000); /* by full jitter from 1 ms: 13 doublings, 4 s on average */
    assert_true(uploader_idle(up));
    in_volume(1, 50000);
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), count + 1);
    assert_int_equal(seen[UPLOADER_REFUSED], 0);
    assert_int_equal(seen[UPLOADER_WELL], 1);
    /* One of them libcurl repeats by itself: that of a kept connection. */
    assert_int_equal(uploader_counters(up)->retries, count - 1);
    assert_int_equal(last[UPLOADER_DELIVERED].attempts, count);
}

static void while_down_one_file_probes(void **state)
{
    int before, puts;

    (void)state;
    server_add(server, /* slow, so that two probes would overlap */
        (struct server_rule){"PUT", "/fs/files/", 0, ANSWER, 503, "", "", 40});
    for (uint64_t i = 0; i < 20; i++)
        box_add(1 + 10 * i, 100, false);
    UNTIL(seen[UPLOADER_ILL]);
    run_ms(100);
    assert_int_equal(uploader_error(up)->code, 503);
    assert_int_equal(seen[UPLOADER_ILL], 1);
    pthread_mutex_lock(&server->lock);
    before = server->request_count;
    server->open_most = 0;
    pthread_mutex_unlock(&server->lock);
    run_ms(300);
    pthread_mutex_lock(&server->lock);
    puts = server->request_count - before;
    assert_in_range(server->open_most, 0, 1);
    pthread_mutex_unlock(&server->lock);
    assert_in_range(puts, 0, 12);            /* 64 ms and doubling */
    assert_int_equal(seen[UPLOADER_ILL], 1); /* told once */
    assert_string_equal(box_log, "");
    assert_int_equal(uploader_counters(up)->held_files, 0); /* all wait for the server */
    assert_true(uploader_ill(up));
    assert_true(uploader_retry_us(up) >= 0);
    pthread_mutex_lock(&server->lock);
    server->rule_count = 0;
    pthread_mutex_unlock(&server->lock);
    uploader_try_now(up);
    delivered();
    assert_int_equal(seen[UPLOADER_WELL], 1);
    assert_int_equal(uploader_counters(up)->delivered_files, 20);
}

static void retry_after_wins_when_longer(void **state)
{
    int64_t began = clock_mono_us();

    (void)state;
    rule("PUT", "/fs/files/", 1, ANSWER, 429, "Retry-After: 3\r\n", "");
    box_add(1, 100, false);
    box_add(11, 100, false);
    UNTIL(seen[UPLOADER_ILL]);
    run_ms(300);
    assert_int_equal(uploader_state(up), UPLOADER_WAITING);
    assert_in_range(uploader_retry_us(up), 1, 3 * CLOCK_SECOND_US);
    delivered();
    began = clock_mono_us() - began;
    assert_true(began >= 3 * CLOCK_SECOND_US);
    /* An upload takes as long as the try that went well, not as long as the waits before it. */
    assert_in_range(last[UPLOADER_DELIVERED].took_us, 1, began - 3 * CLOCK_SECOND_US);
}

/* Somebody who mends one thing after the other and asks for a try each time must not wait longer for it. */
static void a_try_that_was_asked_for_begins_anew(void **state)
{
    uint64_t retries;

    (void)state;
    rule("PUT", "/fs/files/", 0, ANSWER, 503, "", "");
    box_add(1, 100, false);
    UNTIL(uploader_counters(up)->retries >= 9); /* the next wait would be up to half a second */
    retries = uploader_counters(up)->retries;
    uploader_try_now(up);
    for (int i = 0; i < 3000 && uploader_counters(up)->retries == retries; i++) {
        struct err err;

        assert_true(uploader_step(up, false, 1000, -1, &err));
    }
    assert_true(uploader_counters(up)->retries > retries);
    assert_in_range(uploader_retry_us(up), 0, 2000);
    server_clear_rules(server);
    delivered();
}

static void another_reason_is_told(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 2, ANSWER, 503, "", "");
    rule("PUT", "/fs/files/", 2, ANSWER, 500, "", "");
    rule("PUT", "/fs/files/", 1, ANSWER, 403, "", "");
    box_add(1, 100, false);
    delivered();
    assert_string_equal(order, "IIIDW");
}

/* --- DENIED --- */

static void denials_keep_the_file_and_probe_slowly(void **state)
{
    static const struct {
        int status;
        const char *headers, *body, *says;
    } rows[] = {
        {401, "", "", "renew"},
        {403, JSON, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", "WRITE VOLUME"},
        {404, JSON, "{\"error_code\":\"NOT_FOUND\"}", "volume"},
        {200, HTML, "<html><title>Sign in</title>", "check host"},
        {302, "Location: http://127.0.0.1/login.html\r\n", "", "check host"},
        {400, HTML, "<html><title>Proxy</title>", "check host"},
        {400, JSON, "{\"error_code\":\"QUOTA_EXCEEDED\",\"message\":\"no room for x.parquet\"}",
            "raise it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t began;
        int puts;

        server_clear_rules(server);
        rule("PUT", "/fs/files/", 0, ANSWER, rows[i].status, rows[i].headers, rows[i].body);
        box_add(1 + 100 * i, 100, false);
        order[0] = '\0';
        puts = server_count(server, "PUT", "/fs/files/");
        began = clock_mono_us();
        run_ms(150); /* 20 ms, 40, 80 ... */
        UNTIL(server_count(server, "PUT", "/fs/files/") - puts >= 2);
        puts = server_count(server, "PUT", "/fs/files/") - puts;
        assert_in_range(puts, 2, clock_mono_us() - began < 300000 ? 6 : 12);
        assert_int_equal(uploader_state(up), UPLOADER_DENIED);
        assert_int_equal(uploader_error(up)->kind, ERR_DENIED);
        if (!strstr(uploader_error(up)->text, rows[i].says))
            fail_msg("%s", uploader_error(up)->text);
        assert_string_equal(order, "I");
        server_clear_rules(server);
        uploader_try_now(up);
        delivered();
        assert_string_equal(order, "IDW");
    }
    assert_int_equal(uploader_counters(up)->refused_files, 0);
}

static void a_dead_token_is_refreshed(void **state)
{
    (void)state;
    box_add(1, 100000, false);
    delivered();
    pthread_mutex_lock(&server->lock);
    server->tokens++;
    pthread_mutex_unlock(&server->lock);
    box_add(11, 100000, false);
    delivered();
    in_volume(11, 100000);
    assert_int_equal(seen[UPLOADER_ILL], 0);
    assert_int_equal(server_count(server, "POST", "/oidc/v1/token"), 2);
}

static void a_dead_secret_is_told(void **state)
{
    (void)state;
    rule("POST", "/oidc/v1/token", 0, ANSWER, 401, JSON,
        "{\"error\":\"invalid_client\",\"error_description\":\"client-CANARY-secret\"}");
    box_add(1, 100, false);
    UNTIL(uploader_state(up) == UPLOADER_DENIED);
    assert_int_equal(uploader_state(up), UPLOADER_DENIED);
    assert_non_null(strstr(uploader_error(up)->text, "DATABRICKS_CLIENT_SECRET"));
    server_clear_rules(server);
    uploader_try_now(up);
    delivered();
}

/* --- INPUT --- */

static void three_refusals_over_the_time_are_final(void **state)
{
    int64_t began = clock_mono_us();

    (void)state;
    rule("PUT", "000000000001-", 0, ANSWER, 400, JSON,
        "{\"error_code\":\"INVALID_PARAMETER_VALUE\",\"message\":\"bad\"}");
    box_add(1, 100, false);
    box_add(11, 100, false);
    box_add(21, 100, false);
    delivered();
    assert_true(clock_mono_us() - began >= 60000);
    assert_non_null(strstr(box_log, "refuse 1\n"));
    assert_null(strstr(box_log, "done 1\n"));
    assert_non_null(strstr(box_log, "done 11\n"));
    assert_int_equal(seen[UPLOADER_REFUSED], 1);
    assert_int_equal(seen[UPLOADER_ALARM], 1);
    assert_int_equal(seen[UPLOADER_ILL], 0); /* the others were never held up */
    assert_true(server_count(server, "PUT", "000000000001-") >= 3);
    assert_int_equal(uploader_counters(up)->refused_files, 1);
    assert_int_equal(uploader_counters(up)->delivered_files, 2);
}

static void too_large_is_about_the_file(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 0, ANSWER, 413, JSON, "{}");
    box_add(1, 100, false);
    delivered();
    assert_string_equal(box_log, "refuse 1\n");
}

static void three_times_and_the_time_are_both_needed(void **state)
{
    struct err err;
    struct uploader_options options = {.parallel = 1, .folder = FOLDER, .retry_first_us = 1000};

    (void)state;
    rule("PUT", "/fs/files/", 0, ANSWER, 413, JSON, "{}");
    for (int i = 0; i < 2; i++) {
        uploader_free(up);
        options.refuse_after_us = i ? 0 : 60 * CLOCK_SECOND_US;
        up = uploader_new(&box, ws, NULL, &options, &err);
        box_add(1 + 10 * (uint64_t)i, 100, false);
        if (i)
            box_files[0].there = false;
        UNTIL(i ? *box_log : server_count(server, "PUT", "000000000001-") > 3);
        if (i)
            assert_int_equal(server_count(server, "PUT", "000000000011-"), 3);
        else
            assert_true(server_count(server, "PUT", "000000000001-") > 3);
        assert_string_equal(box_log, i ? "refuse 11\n" : "");
    }
}

/* A gateway that says 400 to everybody: nothing is put away, and it is asked less and less. */
static void four_hundred_for_all_refuses_none(void **state)
{
    (void)state;
    rule("PUT", "/fs/files/", 0, ANSWER, 400, JSON, "{\"message\":\"whatever\"}");
    for (uint64_t i = 0; i < 10; i++)
        box_add(1 + 10 * i, 100, false);
    run_ms(300);
    UNTIL(seen[UPLOADER_ILL] && server_count(server, "PUT", "/fs/files/") >= 4);
    assert_string_equal(box_log, "");
    assert_int_equal(seen[UPLOADER_ILL], 1);
    assert_in_range(server_count(server, "PUT", "/fs/files/"), 4, 30);
    server_clear_rules(server);
    uploader_try_now(up);
    delivered();
    assert_int_equal(uploader_counters(up)->delivered_files, 10);
}

/* --- one bad file and the others --- */

static void one_failing_file_blocks_nobody(void **state)
{
    (void)state;
    rule("PUT", "000000000001-", 0, ANSWER, 500, JSON, "{}");
    for (uint64_t i = 0; i < 30; i++)
        box_add(1 + 10 * i, 100, false);
    UNTIL(uploader_counters(up)->delivered_files == 29);
    assert_int_equal(uploader_counters(up)->delivered_files, 29);
    assert_int_equal(uploader_counters(up)->delivered_seq, 0); /* the oldest still waits */
    assert_int_equal(uploader_counters(up)->waiting_files, 1);
    assert_int_equal(uploader_error(up)->code, 500);
    for (int i = 0; i < 400 && uploader_counters(up)->held_files == 0; i++)
        run_ms(20); /* in flight just now */
    assert_int_equal(uploader_counters(up)->held_files, 1);
    assert_false(uploader_ill(up)); /* though it has an error to tell */
    assert_int_equal(uploader_error(up)->code, 500);
    server_clear_rules(server);
    uploader_try_now(up);
    delivered();
    assert_int_equal(uploader_counters(up)->delivered_seq, 300);
}

/* With one request at a time the failing one is the oldest and would always be the probe. */
static void one_failing_file_does_not_keep_the_probe(void **state)
{
    struct err err;
    struct uploader_options options = {.parallel = 1, .folder = FOLDER, .retry_first_us = 1000};

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    rule("PUT", "000000000001-", 0, ANSWER, 500, JSON, "{}");
    for (uint64_t i = 0; i < 10; i++)
        box_add(1 + 10 * i, 100, false);
    UNTIL(uploader_counters(up)->delivered_files == 9);
    assert_int_equal(uploader_counters(up)->delivered_files, 9);
}

/* --- folders --- */

static void a_folder_that_fails_holds_up_only_for_now(void **state)
{
    (void)state;
    rule("PUT", "/fs/directories", 1, ANSWER, 503, "", "");
    rule("PUT", "/fs/directories", 1, ANSWER, 409, JSON, "{\"error_code\":\"ALREADY_EXISTS\"}");
    rule("PUT", "/fs/directories", 1, ANSWER, 400, JSON, "{\"message\":\"odd\"}");
    box_add(1, 100, false);
    box_add(11, 100, false);
    delivered();
    assert_string_equal(order, "IIIDWD");
    assert_int_equal(seen[UPLOADER_REFUSED], 0);
    assert_int_equal(server_count(server, "PUT", "/fs/directories"), 4);
}

static void a_removed_folder_is_made_again(void **state)
{
    (void)state;
    box_add(1, 100, false);
    delivered();
    rule("PUT", "/fs/files/", 1, ANSWER, 404, JSON, "{\"error_code\":\"NOT_FOUND\"}");
    box_add(11, 100, false);
    delivered();
    assert_int_equal(server_count(server, "PUT", "/fs/directories"), 2);
}

/* --- our own disk --- */

static void a_damaged_file_is_a_gap_first(void **state)
{
    (void)state;
    box_add(1, 100, false);
    box_add(11, 100, false);
    box_files[0].damaged = true;
    box_fail_what = "gap"; /* no line, no loss */
    box_fail_kind = ERR_FULL;
    box_fail_times = 1;
    UNTIL(*box_log);
    assert_string_equal(box_log, "done 11\n");
    run_ms(60000);
    assert_true(uploader_idle(up));
    assert_string_equal(box_log, "done 11\ngap-damaged 1\nquarantine 1\n");
    assert_int_equal(seen[UPLOADER_DAMAGED], 1);
    assert_int_equal(server_count(server, "PUT", "000000000001-"), 0);
}

static void disk_trouble_is_local(void **state)
{
    static const char *const whats[] = {"verify", "open", "done", "scan"};

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        box_fail_what = whats[i];
        box_fail_kind = ERR_DENIED;
        box_fail_times = 1;
        box_add(1 + 10 * i, 100, false);
        run_ms(1);
        uploader_try_now(up);
        delivered();
        assert_int_equal(seen[UPLOADER_ILL], 0);
        assert_int_equal(seen[UPLOADER_ALARM], i + 1);
        assert_int_equal(uploader_counters(up)->delivered_files, i + 1);
    }
}

static void a_broken_outbox_stops_for_good(void **state)
{
    struct err err = {.text = ""};

    (void)state;
    box_fail_what = "done";
    box_fail_kind = ERR_BROKEN;
    box_fail_times = 1;
    box_add(1, 100, false);
    box_add(11, 100, false);
    for (int i = 0; i < 200 && uploader_step(up, i == 0, 10000, -1, &err); i++)
        ;
    assert_int_equal(err.kind, ERR_BROKEN);
    assert_int_equal(uploader_counters(up)->in_flight, 0);
    assert_false(uploader_step(up, true, 0, -1, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
}

/* --- the limit --- */

static void drop_oldest_writes_the_gap_first(void **state)
{
    struct err err;
    struct uploader_options options = {.parallel = 2, .folder = FOLDER, .drop_oldest = true};

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    for (uint64_t i = 0; i < 5; i++)
        box_add(1 + 10 * i, 100, false);
    box_levels[0] = LIMITS_REACHED;
    box_levels[1] = LIMITS_HIGH;
    box_levels[2] = LIMITS_HIGH;
    delivered();
    assert_memory_equal(
        box_log, "gap-dropped 1\ndone 1\ngap-dropped 11\ndone 11\ngap-dropped 21\ndone 21\n", 67);
    assert_int_equal(seen[UPLOADER_DROPPED], 3);
    assert_int_equal(uploader_counters(up)->dropped_files, 3);
    assert_int_equal(uploader_counters(up)->dropped_readings, 30);
    assert_int_equal(uploader_counters(up)->delivered_files, 2);
}

/* No line, no loss: the file is not deleted then, and may be sent. A deletion of which nobody knows how it ended is
 * the end of this run. */
static void without_its_line_nothing_is_dropped(void **state)
{
    struct uploader_options options = {.parallel = 1, .folder = FOLDER, .drop_oldest = true};
    struct err err;

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    box_fail_what = "gap";
    box_fail_kind = ERR_DENIED;
    box_fail_times = 1;
    box_levels[0] = box_levels[1] = LIMITS_REACHED;
    box_add(1, 100, false);
    delivered();
    assert_string_equal(box_log, "done 1\n");
    assert_int_equal(box_fail_times, 0);
    assert_int_equal(uploader_counters(up)->dropped_files, 0);
    box_fail_what = "done";
    box_fail_kind = ERR_BROKEN;
    box_fail_times = 1;
    box_level = 0;
    box_add(11, 100, false);
    assert_false(uploader_step(up, true, 0, -1, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
    assert_string_equal(box_log, "done 1\ngap-dropped 11\n");
    assert_int_equal(uploader_counters(up)->dropped_files, 1); /* its line stands */
}

/* Counted as lost, so it must not arrive as well, whatever its deletion meets. */
static void what_is_counted_as_dropped_is_not_sent(void **state)
{
    struct uploader_options options = {.parallel = 1, .folder = FOLDER, .drop_oldest = true};
    struct err err;

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    box_fail_what = "done"; /* a full disk without room for the deletion */
    box_fail_kind = ERR_FULL;
    box_fail_times = -1;
    box_levels[0] = LIMITS_REACHED;
    box_add(1, 100, false);
    run_ms(200);
    assert_string_equal(box_log, "gap-dropped 1\n");
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 0);
    assert_int_equal(seen[UPLOADER_DROPPED], 1);
    assert_int_equal(seen[UPLOADER_ALARM], 1);
    assert_int_equal(uploader_counters(up)->dropped_readings, 10);
    assert_int_equal(uploader_counters(up)->waiting_readings, 0);
    assert_int_equal(uploader_retry_us(up), 0); /* nothing of it is tried */
    box_fail_times = 0;                         /* room again, and no limit is reached any more */
    box_add(11, 100, false);
    delivered();
    assert_string_equal(box_log, "gap-dropped 1\ndone 1\ndone 11\n");
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 1);
    assert_int_equal(seen[UPLOADER_ALARM], 1);
    assert_int_equal(uploader_counters(up)->dropped_files, 1);
    box_fail_kind =
        ERR_FULL; /* nobody knows any more whether the deletion holds: the end of this run */
    box_fail_times = 1;
    box_level = 0;
    box_add(21, 100, false);
    assert_true(uploader_step(up, true, 0, -1, &err));
    box_fail_kind = ERR_BROKEN;
    box_fail_times = 1;
    assert_false(uploader_step(up, true, 0, -1, &err));
    assert_int_equal(err.kind, ERR_BROKEN);
}

static void what_lacks_only_its_confirmation_is_dropped_last(void **state)
{
    struct err err;
    struct uploader_options options = {
        .parallel = 1, .folder = FOLDER, .drop_oldest = true, .retry_first_us = 3600000000};

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    rule("HEAD", "/fs/files/", 0, ANSWER, 503, "", "");
    box_add(1, 100, false);
    for (int turns = 0; turns < 200 && !seen[UPLOADER_ILL]; turns++)
        run_ms(20);
    assert_int_equal(server_count(server, "HEAD", "/fs/files/"), 1);
    for (uint64_t i = 1; i < 4; i++)
        box_add(1 + 10 * i, 100, false);
    box_levels[0] = LIMITS_REACHED;
    box_levels[1] = LIMITS_HIGH;
    box_level = 0;
    for (int turns = 0; turns < 200 && seen[UPLOADER_DROPPED] < 2; turns++)
        run_ms(20);
    assert_string_equal(box_log, "gap-dropped 11\ndone 11\ngap-dropped 21\ndone 21\n");
    /* It goes when nothing else is left: a full disk must get room. */
    for (size_t i = 0; i < 8; i++)
        box_levels[i] = LIMITS_REACHED;
    for (int turns = 0; turns < 400 && seen[UPLOADER_DROPPED] < 4; turns++)
        run_ms(20);
    assert_string_equal(box_log + strlen("gap-dropped 11\ndone 11\ngap-dropped 21\ndone 21\n"),
        "gap-dropped 31\ndone 31\ngap-dropped 1\ndone 1\n");
    assert_int_equal(uploader_counters(up)->dropped_readings, 40);
}

static void below_the_limit_nothing_is_dropped(void **state)
{
    struct err err;
    struct uploader_options options = {.parallel = 2, .folder = FOLDER, .drop_oldest = true};

    (void)state;
    uploader_free(up);
    up = uploader_new(&box, ws, NULL, &options, &err);
    for (size_t i = 0; i < 8; i++)
        box_levels[i] = LIMITS_HIGH;
    box_add(1, 100, false);
    delivered();
    assert_string_equal(box_log, "done 1\n");
}

static void wait_is_the_default_at_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        box_levels[i] = LIMITS_REACHED;
    box_add(1, 100, false);
    delivered();
    assert_string_equal(box_log, "done 1\n");
}

/* --- steps --- */

static void a_cut_leaves_the_file(void **state)
{
    struct err err;

    (void)state;
    rule("PUT", "/fs/files/", 1, STALL, 0, NULL, NULL);
    box_add(1, 100, false);
    UNTIL(uploader_counters(up)->in_flight == 1);
    assert_int_equal(uploader_counters(up)->in_flight, 1);
    assert_int_equal(uploader_state(up), UPLOADER_SENDING);
    assert_int_equal(uploader_retry_us(up), 0);
    uploader_cut(up);
    assert_int_equal(uploader_counters(up)->in_flight, 0);
    assert_int_equal(uploader_state(up), UPLOADER_WAITING);
    assert_string_equal(box_log, "");
    assert_true(uploader_step(up, false, 0, -1, &err)); /* and can go on */
    delivered();
    in_volume(1, 100);
}

static void a_wake_up_ends_the_step(void **state)
{
    struct err err;
    int64_t began = clock_mono_us();
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(uploader_step(up, true, 60 * CLOCK_SECOND_US, fds[0], &err));
    assert_true(clock_mono_us() - began < 30 * CLOCK_SECOND_US);
    (void)close(fds[0]);
    (void)close(fds[1]);
    began = clock_mono_us();
    assert_true(uploader_step(up, false, 50000, -1, &err));
    assert_true(clock_mono_us() - began >= 45000);
    assert_true(uploader_idle(up));
}

static void new_files_join_those_in_flight(void **state)
{
    struct err err;

    (void)state;
    server_add(server, (struct server_rule){
                           .method = "PUT", .match = "000000000011-", .times = 1, .delay_ms = 200});
    box_add(11, 100, false);
    for (int i = 0; i < 5; i++)
        assert_true(uploader_step(up, i == 0, 10000, -1, &err));
    box_add(1, 100, false); /* older than the one in flight */
    box_add(21, 100, false);
    delivered();
    assert_int_equal(uploader_counters(up)->delivered_files, 3);
    assert_int_equal(uploader_counters(up)->delivered_seq, 30);
    assert_int_equal(server_count(server, "PUT", "/fs/files/"), 3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define TEST_M2M(f) cmocka_unit_test_setup_teardown(f, begin_m2m, end)
    const struct CMUnitTest tests[] = {
        TEST(oldest_first_and_all_confirmed),
        TEST(one_at_a_time_keeps_the_order),
        TEST(daily_names_go_into_daily_folders),
        TEST(a_lost_answer_is_no_duplicate),
        TEST(a_yes_that_kept_nothing_is_sent_again),
        TEST(a_yes_that_kept_half_is_repaired),
        TEST(conflict_with_the_same_length_is_done),
        TEST(conflict_with_another_length_is_repaired),
        TEST(conflict_with_nothing_is_sent_again),
        TEST(head_without_a_length_bears_out_a_yes),
        TEST(a_failing_head_does_not_send_the_body_again),
        TEST(an_early_yes_is_not_believed),
        TEST(weather_is_waited_out),
        TEST(while_down_one_file_probes),
        TEST(retry_after_wins_when_longer),
        TEST(a_try_that_was_asked_for_begins_anew),
        TEST(another_reason_is_told),
        TEST(denials_keep_the_file_and_probe_slowly),
        TEST_M2M(a_dead_token_is_refreshed),
        TEST_M2M(a_dead_secret_is_told),
        TEST(three_refusals_over_the_time_are_final),
        TEST(too_large_is_about_the_file),
        TEST(three_times_and_the_time_are_both_needed),
        TEST(four_hundred_for_all_refuses_none),
        TEST(one_failing_file_blocks_nobody),
        TEST(one_failing_file_does_not_keep_the_probe),
        TEST(a_folder_that_fails_holds_up_only_for_now),
        TEST(a_removed_folder_is_made_again),
        TEST(a_damaged_file_is_a_gap_first),
        TEST(disk_trouble_is_local),
        TEST(a_broken_outbox_stops_for_good),
        TEST(drop_oldest_writes_the_gap_first),
        TEST(without_its_line_nothing_is_dropped),
        TEST(what_is_counted_as_dropped_is_not_sent),
        TEST(what_lacks_only_its_confirmation_is_dropped_last),
        TEST(below_the_limit_nothing_is_dropped),
        TEST(wait_is_the_default_at_the_limit),
        TEST(a_cut_leaves_the_file),
        TEST(a_wake_up_ends_the_step),
        TEST(new_files_join_those_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
