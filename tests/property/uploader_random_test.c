/* Whatever the server does for a while: in the end every file is in the volume exactly once, byte
 * for byte, and gone here. With the real outbox; damaged files are a gap and in quarantine. */
#include "unit/databricks_server.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/rng.h"
#include "rounds.h"
#include "state/gaps.h"
#include "temp_dir.h"
#include "uploader/uploader.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FILES 25
#define ROUNDS 6

struct source {
    char text[OUTBOX_NAME_SIZE];
    char *data;
    size_t len;
    bool damaged;
};

static struct rng rng;
static struct state st;
static struct limits limits;
static struct outbox box;
static struct gaps *gaps;
static struct server *server;
static struct source sources[FILES];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void pack(size_t i)
{
    struct source *s = &sources[i];
    struct file_name name = {.created_us = INT64_C(1769862896000000) + (int64_t)i * CLOCK_DAY_US,
        .daily = rng_below(&rng, 2),
        .first_seq = 1 + 10 * i,
        .last_seq = 10 + 10 * i};
    struct err err = {.text = ""};
    int fd;

    memcpy(name.instance, st.instance_text, 16);
    s->len = 1 + (size_t)rng_below(&rng, rng_below(&rng, 4) ? 5000 : 400000);
    s->data = malloc(s->len);
    for (size_t k = 0; k < s->len; k++)
        s->data[k] = (char)rng_next(&rng);
    name.crc = crc32c(0, s->data, s->len);
    file_name_format(&name, s->text);
    s->damaged = rng_below(&rng, 8) == 0;
    if (s->damaged)
        s->data[rng_below(&rng, s->len)] ^= 0x40;
    if (!outbox_begin(&box, false, &fd, &err) || !file_write(fd, s->data, s->len, NULL, &err) ||
        !file_sync(fd, &err) || !outbox_put(&box, &name, s->len, &err))
        fail_msg("%s", err.text);
    file_drop(fd);
}

static void make_trouble(void)
{
    static const enum server_how hows[] = {CUT_BEFORE, CUT_INSIDE, CUT_AFTER, CUT_ANSWER,
        CUT_STATUS, LOSE, TRUNCATE, ANSWER, ANSWER, ANSWER, ANSWER};
    static const int statuses[] = {429, 500, 503, 409, 404, 403, 401, 200, 302, 400};
    static const char *const methods[] = {"PUT", "PUT", "PUT", "HEAD"};

    for (int i = 0; i < 24; i++) {
        struct server_rule r = {.method = methods[rng_below(&rng, 4)],
            .match = rng_below(&rng, 6) ? "/fs/files/" : "/fs/",
            .times = 1 + (int)rng_below(&rng, 2),
            .how = hows[rng_below(&rng, 11)],
            .delay_ms = (int)rng_below(&rng, 10)};

        if (r.how == ANSWER || r.how == CUT_ANSWER) {
            r.status = statuses[rng_below(&rng, 10)];
            r.body = "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"chaos\"}";
        }
        /* 200 from a page; a 200 of the API itself would be a lie that HEAD finds out. */
        r.headers = r.status == 200 && rng_below(&rng, 2) ? "Content-Type: text/html\r\n" : "";
        server_add(server, r);
    }
}

/* Runs, cutting everything off now and then as a stop would. */
static void deliver(struct uploader *u)
{
    int64_t until = clock_mono_us() + 20 * CLOCK_SECOND_US;
    struct uploader_event event;
    struct err err = {.text = ""};

    while (clock_mono_us() < until) {
        if (!uploader_step(u, rng_below(&rng, 4) == 0, (int64_t)rng_below(&rng, 5000), -1, &err))
            fail_msg("%s", err.text);
        if (rng_below(&rng, 40) == 0)
            uploader_cut(u);
        if (rng_below(&rng, 4) == 0)
            uploader_try_now(u);
        while (uploader_event(u, &event))
            assert_int_not_equal(event.kind, UPLOADER_REFUSED);
        if (uploader_idle(u))
            return;
    }
    fail_msg("not delivered: %s", uploader_error(u)->text);
}

static void check(struct uploader *u)
{
    uint64_t damaged = 0;
    struct outbox_list list;
    struct err err = {.text = ""};

    for (size_t i = 0; i < FILES; i++) {
        char path[256], folder[16], text[OUTBOX_NAME_SIZE];
        struct file_name name;
        int at;

        assert_true(file_name_parse(sources[i].text, &name));
        file_name_folder(&name, folder);
        file_name_format(&name, text);
        (void)snprintf(path, sizeof(path), "/Volumes/c/s/v/data/%s%s", folder, text);
        at = server_find(server, path, strlen(path));
        damaged += sources[i].damaged;
        if (sources[i].damaged) {
            assert_int_equal(at, -1);
            continue;
        }
        if (at < 0)
            fail_msg("%s is not there", path);
        assert_int_equal(server->files[at].len, sources[i].len);
        assert_memory_equal(server->files[at].data, sources[i].data, sources[i].len);
    }
    assert_int_equal(server->file_count, FILES - damaged); /* none twice, none that is not ours */
    assert_int_equal(gaps_count(gaps), damaged);
    assert_int_equal(gaps_promised_readings(gaps), 10 * damaged);
    assert_int_equal(uploader_counters(u)->delivered_files, FILES - damaged);
    if (!outbox_scan(&box, false, &list, &err))
        fail_msg("%s", err.text);
    assert_int_equal(list.count, 0);
    outbox_list_done(&list);
}

static void one_round(uint64_t seed)
{
    char dir[256], host[64];
    struct workspace_options o = {.host = host};
    struct uploader_options options = {.folder = "/Volumes/c/s/v/data",
        .seed = seed,
        .refuse_after_us = 3600 * CLOCK_SECOND_US,
        .retry_first_us = 200,
        .denied_first_us = 2000};
    struct workspace *ws;
    struct uploader *u;
    struct err err = {.text = ""};
    bool busy;

    rng_seed(&rng, seed);
    options.parallel = 1 + (unsigned)rng_below(&rng, 5);
    temp_dir(dir, sizeof(dir), "uploader_random");
    if (!state_open(&st, dir, true, &busy, &err) || !state_set_instance(&st, NULL, &err) ||
        !limits_init(&limits, &st, 0, 0, &err) || !(gaps = gaps_open(&st, &limits, &err)))
        fail_msg("%s", err.text);
    outbox_init(&box, &st, &limits);
    for (size_t i = 0; i < FILES; i++)
        pack(i);
    server = server_start();
    (void)snprintf(host, sizeof(host), "http://127.0.0.1:%d", server->port);
    make_trouble();
    o.token = secret_new(span_of("token"), &err);
    ws = workspace_new(&o, &err);
    u = uploader_new(&box, ws, gaps, &options, &err);
    assert_non_null(u);
    deliver(u);
    server_stop(server);
    check(u);
    uploader_free(u);
    workspace_free(ws);
    server_free(server);
    gaps_close(gaps);
    state_close(&st);
    for (size_t i = 0; i < FILES; i++)
        free(sources[i].data);
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void every_file_arrives_once(void **state)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : rng_any_seed() >> 1;

    (void)state;
    for (uint64_t i = 0; i < (given ? 1 : rounds(ROUNDS)); i++) {
        printf("SEED=%llu\n", (unsigned long long)(seed + i));
        one_round(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_file_arrives_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
