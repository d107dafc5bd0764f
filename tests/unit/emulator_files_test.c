/* Files and directories as the service keeps them: databricks-api.md 2.2 to 2.5. */
#include "emulator_client.h"

#include <pthread.h>
#include <utime.h>

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

static void upload_answers_204_makes_parents_and_is_a_plain_file(void **state)
{
    struct fixture *f = *state;
    char path[256], text[16] = {0};
    struct answer a;
    FILE *in;

    ask(f, &a, "PUT", FILES VOLUME "/t1/deep/a.parquet?overwrite=false", BEARER, "hello", 5);
    assert_int_equal(a.status, 204);
    assert_int_equal(a.len, 0);
    answer_done(&a);
    (void)snprintf(path, sizeof(path), "%s" VOLUME "/t1/deep/a.parquet", f->root);
    in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof(text), in), 5);
    (void)fclose(in);
    assert_string_equal(text, "hello");
    assert_int_equal(counters(f).uploads, 1);
    assert_int_equal(counters(f).upload_bytes, 5);
    assert_no_uploads_left(f);
}

static void overwrite_is_true_unless_said_otherwise(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(put_text(f, FILES VOLUME "/x", "one"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/x", "two"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/x?overwrite=true", "three"), 204);
    ask(f, &a, "PUT", FILES VOLUME "/x?overwrite=false", BEARER, "four", 4);
    assert_int_equal(a.status, 409);
    assert_has(&a, "\"error_code\":\"ALREADY_EXISTS\"");
    assert_has(&a, "\"details\":[");
    answer_done(&a);
    assert_int_equal(put_text(f, FILES VOLUME "/x?overwrite=maybe", "five"), 400);
    assert_int_equal(put_text(f, FILES VOLUME "/x?overwrite=%zz", "five"), 400);
    ask(f, &a, "GET", FILES VOLUME "/x", BEARER, NULL, 0);
    assert_string_equal(a.body, "three");
    answer_done(&a);
    assert_int_equal(counters(f).conflicts, 1);
    assert_no_uploads_left(f);
}

static void head_tells_the_length_and_errors_have_no_body(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(put_text(f, FILES VOLUME "/h", "0123456789"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/empty", ""), 204);
    ask(f, &a, "HEAD", FILES VOLUME "/h", BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Length"), "10");
    assert_string_equal(answer_header(&a, "Content-Type"), "application/octet-stream");
    assert_int_equal(strlen(answer_header(&a, "Last-Modified")), 29);
    answer_done(&a);
    ask(f, &a, "HEAD", FILES VOLUME "/empty", BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Length"), "0");
    answer_done(&a);
    ask(f, &a, "HEAD", FILES VOLUME "/nothing", BEARER, NULL, 0);
    assert_int_equal(a.status, 404);
    assert_int_equal(a.said, 0);
    answer_done(&a);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME, BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "HEAD", FILES "/Volumes/main/raw/none/h", BEARER, NULL), 404);
}

static void ranges_are_cut_out(void **state)
{
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } rows[] = {
        {"bytes=0-0", 206, "0", "bytes 0-0/10"},
        {"bytes=2-4", 206, "234", "bytes 2-4/10"},
        {"bytes=7-", 206, "789", "bytes 7-9/10"},
        {"bytes=7-99", 206, "789", "bytes 7-9/10"},
        {"bytes=-3", 206, "789", "bytes 7-9/10"},
        {"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
        {"bytes=10-", 416, NULL, "bytes */10"},
        {"bytes=-0", 416, NULL, "bytes */10"},
        {"bytes=4-2", 200, "0123456789", NULL},
        {"bytes=a-b", 200, "0123456789", NULL},
        {"bytes=0-1,3-4", 200, "0123456789", NULL},
        {"lines=0-1", 200, "0123456789", NULL},
        {"bytes=18446744073709551616-", 200, "0123456789", NULL},
    };
    struct fixture *f = *state;

    assert_int_equal(put_text(f, FILES VOLUME "/r", "0123456789"), 204);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char headers[256];
        struct answer a;

        (void)snprintf(headers, sizeof(headers), BEARER "Range: %s\r\n", rows[i].range);
        ask(f, &a, "GET", FILES VOLUME "/r", headers, NULL, 0);
        if (a.status != rows[i].status)
            fail_msg("%s: %d", rows[i].range, a.status);
        if (rows[i].body)
            assert_string_equal(a.body, rows[i].body);
        if (rows[i].content_range)
            assert_string_equal(answer_header(&a, "Content-Range"), rows[i].content_range);
        else
            assert_null(answer_header(&a, "Content-Range"));
        answer_done(&a);
    }
}

static void if_unmodified_since_guards_a_read(void **state)
{
    struct fixture *f = *state;
    struct utimbuf when = {.actime = 784111777, .modtime = 784111777};
    char path[256];

    assert_int_equal(put_text(f, FILES VOLUME "/u", "x"), 204);
    (void)snprintf(path, sizeof(path), "%s" VOLUME "/u", f->root);
    assert_int_equal(utime(path, &when), 0);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/u",
                         BEARER "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", NULL),
        200);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/u",
                         BEARER "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", NULL),
        412);
    assert_int_equal(
        ask_status(f, "GET", FILES VOLUME "/u", BEARER "If-Unmodified-Since: yesterday\r\n", NULL),
        200);
}

static void delete_removes_files_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_text(f, FILES VOLUME "/d/x", "x"), 204);
    assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/d", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/d/x", BEARER, NULL), 204);
    assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/d/x", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/d/x", BEARER, NULL), 404);
    assert_int_equal(counters(f).deletes, 1);
}

static void a_missing_volume_is_404_everywhere(void **state)
{
    static const char *const methods[] = {"PUT", "GET", "HEAD", "DELETE"};
    struct fixture *f = *state;
    struct answer a;

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            ask_status(f, methods[i], FILES "/Volumes/main/raw/other/x", BEARER, "x"), 404);
        assert_int_equal(
            ask_status(f, methods[i], DIRECTORIES "/Volumes/main/no/land/x", BEARER, NULL), 404);
    }
    ask(f, &a, "PUT", FILES "/Volumes/main/raw/other/x", BEARER, "x", 1);
    assert_has(&a, "NOT_FOUND");
    assert_has(&a, "Volume 'main.raw.other' does not exist.");
    answer_done(&a);
    assert_no_uploads_left(f);
}

static void create_volumes_on(struct emulator_options *options)
{
    options->create_volumes = true;
}

static void volumes_are_made_on_first_use_when_told_so(void **state)
{
    struct fixture *f = fixture_start(create_volumes_on);
    struct err err = {0};

    (void)state;
    assert_int_equal(ask_status(f, "GET", FILES "/Volumes/a/b/c/x", BEARER, NULL), 404);
    assert_int_equal(put_text(f, FILES "/Volumes/a/b/c/x", "x"), 204);
    assert_int_equal(ask_status(f, "GET", FILES "/Volumes/a/b/c/x", BEARER, NULL), 200);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES "/Volumes/a/b/d", BEARER, NULL), 204);
    assert_int_equal(put_text(f, FILES "/Volumes/a/b/c.c/x", "x"), 404);
    assert_true(emulator_add_volume(f->emu, "a.b.e", &err));
    assert_true(emulator_add_volume(f->emu, "a.b.e", &err));
    assert_false(emulator_add_volume(f->emu, "a.b", &err));
    assert_false(emulator_add_volume(f->emu, "a.b.c.d", &err));
    assert_false(emulator_add_volume(f->emu, "a..c", &err));
    assert_false(emulator_add_volume(f->emu, "a.b./", &err));
    assert_int_equal(err.kind, ERR_INPUT);
    fixture_stop(f);
}

static void odd_names_survive(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(put_text(f, FILES VOLUME "/o/a%20b%3D1/%C3%BC%22%5C.parquet", "x"), 204);
    assert_int_equal(
        ask_status(f, "HEAD", FILES VOLUME "/o/a%20b%3d1/%c3%bc%22%5c.parquet", BEARER, NULL), 200);
    ask(f, &a, "GET", DIRECTORIES VOLUME "/o/a%20b=1", BEARER, NULL, 0);
    assert_has(&a, "\"path\":\"" VOLUME "/o/a b=1/\xc3\xbc\\\"\\\\.parquet\"");
    answer_done(&a);
    /* Volumes are found whatever the case of their names; files are not. */
    assert_int_equal(ask_status(f, "GET", FILES "/Volumes/MAIN/Raw/LAND/o", BEARER, NULL), 404);
    assert_int_equal(put_text(f, FILES "/Volumes/MAIN/Raw/LAND/File", "x"), 204);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/File", BEARER, NULL), 200);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/file", BEARER, NULL), 404);
}

static void directories_are_made_found_and_removed(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME, BEARER, NULL), 200);
    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME "/a/b", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES VOLUME "/a/b", BEARER, NULL), 204);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES VOLUME "/a/b/", BEARER, NULL), 204);
    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME "/a/b", BEARER, NULL), 200);
    assert_int_equal(put_text(f, FILES VOLUME "/a/file", "x"), 204);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES VOLUME "/a/file", BEARER, NULL), 409);
    assert_int_equal(ask_status(f, "PUT", DIRECTORIES VOLUME "/a/file/x", BEARER, NULL), 409);
    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME "/a/file", BEARER, NULL), 404);
    assert_int_equal(put_text(f, FILES VOLUME "/a/file/x", "x"), 400);
    assert_int_equal(put_text(f, FILES VOLUME "/a/b", "x"), 409);
    assert_int_equal(put_text(f, FILES VOLUME, "x"), 400);

    ask(f, &a, "DELETE", DIRECTORIES VOLUME "/a", BEARER, NULL, 0);
    assert_int_equal(a.status, 400);
    assert_has(&a, "\"reason\":\"FILES_API_DIRECTORY_IS_NOT_EMPTY\"");
    answer_done(&a);
    assert_int_equal(ask_status(f, "DELETE", DIRECTORIES VOLUME "/a/b", BEARER, NULL), 204);
    ask(f, &a, "DELETE", DIRECTORIES VOLUME "/a/b", BEARER, NULL, 0);
    assert_int_equal(a.status, 404);
    assert_has(&a, "\"reason\":\"FILES_API_DIRECTORY_IS_NOT_FOUND\"");
    answer_done(&a);
    assert_int_equal(ask_status(f, "DELETE", DIRECTORIES VOLUME "/a/file", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "DELETE", DIRECTORIES VOLUME, BEARER, NULL), 400);
    assert_int_equal(ask_status(f, "HEAD", DIRECTORIES VOLUME, BEARER, NULL), 200);
}

static void a_listing_says_what_lies_there(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    ask(f, &a, "GET", DIRECTORIES VOLUME, BEARER, NULL, 0);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "{}");
    answer_done(&a);
    assert_int_equal(put_text(f, FILES VOLUME "/b.parquet", "12345"), 204);
    assert_int_equal(put_text(f, FILES VOLUME "/a/inner", "1"), 204);
    ask(f, &a, "GET", DIRECTORIES VOLUME, BEARER, NULL, 0);
    assert_has(&a,
        "{\"contents\":[{\"path\":\"" VOLUME "/a\",\"name\":\"a\",\"is_directory\":true},"
        "{\"path\":\"" VOLUME "/b.parquet\",\"name\":\"b.parquet\","
        "\"is_directory\":false,\"file_size\":5,\"last_modified\":");
    assert_null(strstr(a.body, "inner"));
    assert_null(strstr(a.body, "next_page_token"));
    answer_done(&a);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "/none", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "/b.parquet", BEARER, NULL), 404);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "?page_size=x", BEARER, NULL), 400);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "?page_token=zz", BEARER, NULL), 400);
    assert_int_equal(ask_status(f, "GET", DIRECTORIES VOLUME "?page_token=00", BEARER, NULL), 400);
}

/* Names behind what a page showed come exactly once, also when files come and go in between. */
static void pages_add_up_to_the_whole(void **state)
{
    struct fixture *f = *state;
    char target[512] = DIRECTORIES VOLUME "/p?page_size=4";
    bool seen[10] = {false};
    int pages = 0;

    for (int i = 0; i < 10; i++) {
        (void)snprintf(target, sizeof(target), FILES VOLUME "/p/n%d", i);
        assert_int_equal(put_text(f, target, "x"), 204);
    }
    (void)snprintf(target, sizeof(target), DIRECTORIES VOLUME "/p?page_size=4");
    for (;;) {
        struct answer a;
        char *token;
        int here = 0;

        ask(f, &a, "GET", target, BEARER, NULL, 0);
        assert_int_equal(a.status, 200);
        pages++;
        for (int i = 0; i < 10; i++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "\"name\":\"n%d\"", i);
            if (strstr(a.body, name)) {
                assert_false(seen[i]);
                seen[i] = true;
                here++;
            }
        }
        assert_true(here <= 4);
        token = strstr(a.body, "\"next_page_token\":\"");
        if (token) {
            token += strlen("\"next_page_token\":\"");
            (void)snprintf(target, sizeof(target),
                DIRECTORIES VOLUME "/p?page_size=4&page_token=%.*s", (int)strcspn(token, "\""),
                token);
        }
        answer_done(&a);
        if (!token)
            break;
        if (pages == 1) {
            assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/p/n3", BEARER, NULL), 204);
            assert_int_equal(put_text(f, FILES VOLUME "/p/n00", "new"), 204);
        }
    }
    assert_int_equal(pages, 3);
    for (int i = 0; i < 10; i++)
        assert_true(seen[i]);
}

/* --- several clients --- */

struct racer {
    pthread_t thread;
    const struct fixture *f;
    char body[1 << 16];
    int status;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct answer a;

    ask(racer->f, &a, "PUT", FILES VOLUME "/race?overwrite=false", BEARER, racer->body,
        sizeof(racer->body));
    racer->status = a.status;
    answer_done(&a);
    return NULL;
}

static void of_two_uploads_of_one_name_one_wins(void **state)
{
    enum { RACERS = 6, ROUNDS = 15 };
    struct fixture *f = *state;
    struct racer *racers = calloc(RACERS, sizeof(*racers));

    assert_non_null(racers);
    for (int round = 0; round < ROUNDS; round++) {
        int won = 0, lost = 0, winner = -1;
        struct answer a;

        for (int i = 0; i < RACERS; i++) {
            racers[i].f = f;
            memset(racers[i].body, 'a' + i, sizeof(racers[i].body));
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            winner = racers[i].status == 204 ? i : winner;
            won += racers[i].status == 204;
            lost += racers[i].status == 409;
        }
        assert_int_equal(won, 1);
        assert_int_equal(lost, RACERS - 1);
        ask(f, &a, "GET", FILES VOLUME "/race", BEARER, NULL, 0);
        assert_int_equal(a.len, sizeof(racers[0].body));
        assert_memory_equal(a.body, racers[winner].body, a.len);
        answer_done(&a);
        assert_int_equal(ask_status(f, "DELETE", FILES VOLUME "/race", BEARER, NULL), 204);
    }
    assert_no_uploads_left(f);
    free(racers);
}

struct reader {
    pthread_t thread;
    const struct fixture *f;
    bool stop;
    int reads, torn;
    pthread_mutex_t lock;
};

static bool reader_stopped(struct reader *reader)
{
    bool stop;

    (void)pthread_mutex_lock(&reader->lock);
    stop = reader->stop;
    (void)pthread_mutex_unlock(&reader->lock);
    return stop;
}

/* Every answer is one upload whole: one letter, the full length. */
static void *watch(void *arg)
{
    struct reader *reader = arg;

    while (!reader_stopped(reader)) {
        struct answer a;

        ask(reader->f, &a, "GET", FILES VOLUME "/watched", BEARER, NULL, 0);
        if (a.status == 200) {
            bool same = a.whole && a.len == 300000;

            for (size_t i = 1; same && i < a.len; i++)
                same = a.body[i] == a.body[0];
            reader->torn += !same;
            reader->reads++;
        }
        answer_done(&a);
    }
    return NULL;
}

static void a_reader_never_sees_half_a_file(void **state)
{
    struct fixture *f = *state;
    struct reader reader = {.f = f, .lock = PTHREAD_MUTEX_INITIALIZER};
    char *body = malloc(300000);

    assert_non_null(body);
    assert_int_equal(pthread_create(&reader.thread, NULL, watch, &reader), 0);
    for (int i = 0; i < 60; i++) {
        struct answer a;

        memset(body, 'a' + i % 26, 300000);
        ask(f, &a, "PUT", FILES VOLUME "/watched", BEARER, body, 300000);
        assert_int_equal(a.status, 204);
        answer_done(&a);
    }
    (void)pthread_mutex_lock(&reader.lock);
    reader.stop = true;
    (void)pthread_mutex_unlock(&reader.lock);
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    assert_int_equal(reader.torn, 0);
    assert_true(reader.reads > 0);
    free(body);
}

static void one_root_has_one_emulator(void **state)
{
    struct fixture *f = *state;
    struct emulator_options options = {.root = f->root};
    struct err err = {0};

    assert_null(emulator_start(&options, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.text, "another emulator"));
}

static void what_a_crash_left_is_cleaned_and_files_stay(void **state)
{
    struct fixture *f = *state;
    struct emulator_options options = {.root = f->root, .token = f->token};
    struct err err = {0};
    char path[256];
    FILE *out;

    assert_int_equal(put_text(f, FILES VOLUME "/kept", "x"), 204);
    emulator_stop(f->emu);
    (void)snprintf(path, sizeof(path), "%s/.emulator/upload-9", f->root);
    out = fopen(path, "wb");
    assert_non_null(out);
    (void)fclose(out);
    f->emu = emulator_start(&options, &err);
    assert_non_null(f->emu);
    assert_no_uploads_left(f);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/kept", BEARER, NULL), 200);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(upload_answers_204_makes_parents_and_is_a_plain_file),
        T(overwrite_is_true_unless_said_otherwise),
        T(head_tells_the_length_and_errors_have_no_body),
        T(ranges_are_cut_out),
        T(if_unmodified_since_guards_a_read),
        T(delete_removes_files_once),
        T(a_missing_volume_is_404_everywhere),
        cmocka_unit_test(volumes_are_made_on_first_use_when_told_so),
        T(odd_names_survive),
        T(directories_are_made_found_and_removed),
        T(a_listing_says_what_lies_there),
        T(pages_add_up_to_the_whole),
        T(of_two_uploads_of_one_name_one_wins),
        T(a_reader_never_sees_half_a_file),
        T(one_root_has_one_emulator),
        T(what_a_crash_left_is_cleaned_and_files_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
