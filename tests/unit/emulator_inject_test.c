/* Faults through the server: what the client sees, and what is left behind. */
#include "emulator_client.h"

#include <pthread.h>
#include <time.h>

static int setup(void **state)
{
    *state = fixture_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

static void rule(const struct fixture *f, const char *text)
{
    struct err err = {0};

    emulator_clear_faults(f->emu);
    if (!emulator_add_faults(f->emu, span_of(text), &err))
        fail_msg("%s", err.text);
}

static int64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void statuses_come_with_bodies_and_headers(void **state)
{
    static const struct {
        const char *rule;
        int status;
        const char *type, *body;
    } rows[] = {
        {"PUT * status=503", 503, "application/json", "\"error_code\":\"TEMPORARILY_UNAVAILABLE\""},
        {"PUT * status=429 retry-after=7", 429, "application/json",
            "\"error_code\":\"RESOURCE_EXHAUSTED\""},
        {"PUT * limit", 400, "application/json", "\"error_code\":\"REQUEST_LIMIT_EXCEEDED\""},
        {"PUT * status=403 numeric message=\"Source IP address: x is blocked\"", 403,
            "application/json",
            "{\"error_code\":403,\"message\":\"Source IP address: x is blocked\"}"},
        {"PUT * numeric", 403, "application/json",
            "{\"error_code\":403,\"message\":\"Invalid access token.\"}"},
        {"PUT * html", 200, "text/html; charset=utf-8", "<title>Login"},
        {"PUT * status=302 header=\"Location: /login.html\"", 302, "application/json",
            "error_code"},
        {"PUT * status=500 body=\"RATE: slow down\"", 500, "text/plain", "RATE: slow down"},
        {"PUT * status=500 body=\"{\\\"broken\"", 500, "application/json", "{\"broken"},
        {"PUT * status=418 error_code=TEAPOT", 418, "application/json", "\"TEAPOT\""},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;

        rule(f, rows[i].rule);
        ask(f, &a, "PUT", FILES VOLUME "/x", BEARER, "body", 4);
        if (a.status != rows[i].status)
            fail_msg("%s: %d", rows[i].rule, a.status);
        assert_has(&a, rows[i].body);
        assert_string_equal(answer_header(&a, "Content-Type"), rows[i].type);
        if (strstr(rows[i].rule, "retry-after"))
            assert_string_equal(answer_header(&a, "Retry-After"), "7");
        if (strstr(rows[i].rule, "Location"))
            assert_string_equal(answer_header(&a, "Location"), "/login.html");
        answer_done(&a);
        assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/x", BEARER, NULL), 404);
    }
    assert_int_equal(counters(f).faults, 10);
    assert_int_equal(put_text(f, FILES VOLUME "/x", "body"), 418); /* for good, until cleared */
    emulator_clear_faults(f->emu);
    assert_int_equal(put_text(f, FILES VOLUME "/x", "body"), 204);
}

static void a_rule_is_for_the_next_n_requests(void **state)
{
    struct fixture *f = *state;
    int want[] = {204, 503, 503, 204};

    rule(f, "PUT *.parquet status=503 after=1 count=2");
    assert_int_equal(put_text(f, FILES VOLUME "/other", "x"), 204);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(put_text(f, FILES VOLUME "/a.parquet", "x"), want[i]);
}

static void one_401_then_well_again(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    rule(f, "* /api/* 401-once");
    ask(f, &a, "GET", "/api/2.0/preview/scim/v2/Me", BEARER, NULL, 0);
    assert_int_equal(a.status, 401);
    assert_has(&a, "{\"error_code\":401,\"message\":\"Token is expired.\"}");
    answer_done(&a);
    assert_int_equal(ask_status(f, "GET", "/api/2.0/preview/scim/v2/Me", BEARER, NULL), 200);
}

static void a_cut_upload_leaves_nothing(void **state)
{
    static const char *const rules[] = {"PUT * cut=before", "PUT * cut=inside",
        "PUT * cut=inside:1", "PUT * cut=inside:999999999", "PUT * cut=after"};
    struct fixture *f = *state;
    char *body = calloc(1, 1 << 20);

    assert_non_null(body);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct answer a;

        rule(f, rules[i]);
        ask(f, &a, "PUT", FILES VOLUME "/cut", BEARER, body, 1 << 20);
        if (a.status != 0)
            fail_msg("%s: %d", rules[i], a.status);
        answer_done(&a);
        assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/cut", BEARER, NULL), 404);
        EVENTUALLY(f, faults, i + 1);
    }
    EVENTUALLY(f, broken_uploads, 2);
    assert_no_uploads_left(f);
    assert_int_equal(counters(f).uploads, 0);
    free(body);
}

static void a_lost_answer_keeps_the_effect(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    rule(f, "PUT * lose count=1");
    ask(f, &a, "PUT", FILES VOLUME "/lost?overwrite=false", BEARER, "abc", 3);
    assert_int_equal(a.status, 0);
    answer_done(&a);
    assert_int_equal(put_text(f, FILES VOLUME "/lost?overwrite=false", "abc"), 409);
    ask(f, &a, "HEAD", FILES VOLUME "/lost", BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.said, 3);
    answer_done(&a);

    rule(f, "PUT * lose status=504 count=1");
    assert_int_equal(put_text(f, FILES VOLUME "/lost2?overwrite=false", "abc"), 504);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/lost2", BEARER, NULL), 200);

    rule(f, "DELETE * lose count=1");
    assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/lost", BEARER, NULL), 0);
    assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/lost", BEARER, NULL), 404);
}

static void an_answer_can_end_early(void **state)
{
    struct fixture *f = *state;
    char *body = malloc(200000);
    struct answer a;

    assert_non_null(body);
    memset(body, 'z', 200000);
    ask(f, &a, "PUT", FILES VOLUME "/big", BEARER, body, 200000);
    assert_int_equal(a.status, 204);
    answer_done(&a);
    rule(f, "GET * cut=inside count=1");
    ask(f, &a, "GET", FILES VOLUME "/big", BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.said, 200000);
    assert_int_equal(a.len, 100000);
    assert_false(a.whole);
    answer_done(&a);
    rule(f, "GET * cut=inside:10");
    ask(f, &a, "GET", DIRECTORIES VOLUME, BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 10);
    assert_false(a.whole);
    answer_done(&a);
    free(body);
}

static void head_can_lie_about_the_length(void **state)
{
    static const struct {
        const char *rule, *length;
    } rows[] = {
        {"HEAD * head-length=+1", "4"},
        {"HEAD * head-length=-1", "2"},
        {"HEAD * head-length=-9", "0"},
        {"HEAD * head-length=1000000", "1000003"},
    };
    struct fixture *f = *state;

    assert_int_equal(put_text(f, FILES VOLUME "/h", "abc"), 204);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;

        rule(f, rows[i].rule);
        ask(f, &a, "HEAD", FILES VOLUME "/h", BEARER, NULL, 0);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Content-Length"), rows[i].length);
        answer_done(&a);
    }
}

static void a_delay_comes_after_the_effect_and_does_not_hold_up_the_end(void **state)
{
    struct fixture *f = *state;
    int64_t start = now_ms();
    char head[512];
    int n, fd;

    rule(f, "PUT * delay=200ms");
    assert_int_equal(put_text(f, FILES VOLUME "/slow", "x"), 204);
    assert_true(now_ms() - start >= 200);

    rule(f, "PUT * delay=600s");
    fd = client_connect(f);
    n = snprintf(head, sizeof(head),
        "PUT " FILES VOLUME "/slower HTTP/1.1\r\nHost: x\r\n" BEARER "Content-Length: 1\r\n\r\ny");
    assert_true(client_send(fd, head, (size_t)n));
    EVENTUALLY(f, uploads, 2);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/slower", BEARER, NULL), 200);
    start = now_ms();
    emulator_stop(f->emu);
    f->emu = NULL;
    assert_true(now_ms() - start < 10000);
    close(fd);
}

static void expiry_as_text(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    rule(f, "POST /oidc/* string-expiry");
    ask(f, &a, "POST", "/oidc/v1/token",
        "Authorization: Basic "
        "MTExMTExMTEtMjIyMi00MzMzLTg0NDQtNTU1NTU1NTU1NTU1Om9wZW4gc2VzYW1lOisl\r\n",
        "grant_type=client_credentials&scope=all-apis", 44);
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"expires_in\":\"3600\"");
    answer_done(&a);
}

static void rules_come_and_go_over_http(void **state)
{
    static const char two[] = "# twice\nGET /api/* status=500 count=2\nPUT * lose\n";
    struct fixture *f = *state;
    struct answer a;

    ask(f, &a, "POST", "/emulator/faults", "", two, strlen(two));
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"rule\":\"PUT * lose\"");
    answer_done(&a);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME, BEARER, NULL), 500);
    ask(f, &a, "GET", "/emulator/faults", "", NULL, 0);
    assert_has(
        &a, "{\"rule\":\"GET /api/* status=500 count=2\",\"matched\":1,\"hits\":1,\"left\":1}");
    answer_done(&a);
    ask(f, &a, "POST", "/emulator/faults", "", "GET /x wat", 10);
    assert_int_equal(a.status, 400);
    assert_has(&a, "unknown word 'wat'");
    answer_done(&a);
    assert_int_equal(ask_status(f, "DELETE", "/emulator/faults", "", NULL), 204);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME, BEARER, NULL), 200);
    ask(f, &a, "GET", "/emulator/faults", "", NULL, 0);
    assert_string_equal(a.body, "{\"faults\":[]}");
    answer_done(&a);
}

static void the_state_counts_and_faults_leave_it_alone(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(put_text(f, FILES VOLUME "/a?overwrite=false", "12345"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/a?overwrite=false", "12345"), 409);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/a", BEARER, NULL), 200);
    rule(f, "* * status=500 count=all");
    ask(f, &a, "GET", "/emulator/state", "", NULL, 0);
    assert_int_equal(a.status, 200);
    assert_has(&a, "\"requests\":3,\"uploads\":1,\"upload_bytes\":5,\"conflicts\":1,"
                   "\"broken_uploads\":0,\"downloads\":1,\"download_bytes\":5,\"deletes\":0,"
                   "\"tokens\":0,\"denied\":0,\"faults\":0}");
    answer_done(&a);
    assert_int_equal(ask_status(f, "DELETE", "/emulator/faults", "", NULL), 204);
}

static void faults_at_the_start(struct emulator_options *options)
{
    options->faults = "GET /api/* status=502 count=1";
}

static void rules_can_be_there_from_the_start(void **state)
{
    struct fixture *f = fixture_start(faults_at_the_start);

    (void)state;
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME, BEARER, NULL), 502);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME, BEARER, NULL), 200);
    fixture_stop(f);
}

/* --- on_exchange --- */

struct seen {
    pthread_mutex_t lock;
    int count, status;
    bool complete;
    char line[256];
};
static struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(void *arg, const struct emulator_exchange *x)
{
    struct seen *s = arg;

    (void)pthread_mutex_lock(&s->lock);
    (void)snprintf(s->line, sizeof(s->line), "%s %s %d in=%llu out=%llu fault=%s", x->method,
        x->path, x->status, (unsigned long long)x->received_bytes,
        (unsigned long long)x->sent_bytes, x->fault ? x->fault : "-");
    s->complete = x->complete;
    s->count++;
    (void)pthread_mutex_unlock(&s->lock);
}

static void noted(struct emulator_options *options)
{
    options->on_exchange = note;
    options->on_exchange_arg = &seen;
}

static void wait_seen(int count, const char *line, bool complete)
{
    for (int i = 0; i < 5000; i++) {
        bool there;

        (void)pthread_mutex_lock(&seen.lock);
        there = seen.count >= count;
        if (there) {
            assert_string_equal(seen.line, line);
            assert_int_equal(seen.complete, complete);
        }
        (void)pthread_mutex_unlock(&seen.lock);
        if (there)
            return;
        usleep(1000);
    }
    fail_msg("not told: %s", line);
}

static void every_exchange_is_told(void **state)
{
    struct fixture *f = fixture_start(noted);

    (void)state;
    assert_int_equal(put_text(f, FILES VOLUME "/t%20x?overwrite=false", "123"), 204);
    wait_seen(1, "PUT " FILES VOLUME "/t%20x 204 in=3 out=0 fault=-", true);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/t%20x", BEARER, NULL), 200);
    wait_seen(2, "GET " FILES VOLUME "/t%20x 200 in=0 out=3 fault=-", true);
    rule(f, "PUT * lose count=1");
    assert_int_equal(put_text(f, FILES VOLUME "/u", "1234"), 0);
    wait_seen(3, "PUT " FILES VOLUME "/u 0 in=4 out=0 fault=PUT * lose count=1", false);
    fixture_stop(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(statuses_come_with_bodies_and_headers),
        T(a_rule_is_for_the_next_n_requests),
        T(one_401_then_well_again),
        T(a_cut_upload_leaves_nothing),
        T(a_lost_answer_keeps_the_effect),
        T(an_answer_can_end_early),
        T(head_can_lie_about_the_length),
        T(a_delay_comes_after_the_effect_and_does_not_hold_up_the_end),
        T(expiry_as_text),
        T(rules_come_and_go_over_http),
        T(the_state_counts_and_faults_leave_it_alone),
        cmocka_unit_test(rules_can_be_there_from_the_start),
        cmocka_unit_test(every_exchange_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
