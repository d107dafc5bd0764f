/* The rules of faults: what is read, what is refused, which request is hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "emulator/faults.h"

static struct faults *with(const char *rules)
{
    struct err err = {0};
    struct faults *faults = faults_new(&err);

    assert_non_null(faults);
    if (!faults_add(faults, span_of(rules), &err))
        fail_msg("%s: %s", rules, err.text);
    return faults;
}

static void every_word_is_read(void **state)
{
    struct faults *faults =
        with("PUT /a/* status=503 retry-after=2 header=\"X-Y: a \\\"b\\\"\" delay=500ms "
             "error_code=BUSY message=\"try \\\\ later\" lose count=all\n"
             "  \n# a comment\n"
             "* /cut cut=inside:77\n"
             "GET /half cut=inside\n"
             "GET /html html\n"
             "GET /limit limit\n"
             "GET /old 401-once\n"
             "HEAD /h head-length=-3\r\n"
             "POST /t string-expiry\n"
             "GET /body status=200 body=\"a\\nb c\"");
    struct fault_action act;

    (void)state;
    assert_true(faults_hit(faults, "PUT", "/a/b", &act));
    assert_int_equal(act.status, 503);
    assert_int_equal(act.delay_us, 500000);
    assert_true(act.lose);
    assert_string_equal(act.error_code, "BUSY");
    assert_string_equal(act.message, "try \\ later");
    assert_int_equal(act.header_count, 2);
    assert_string_equal(act.header[0], "Retry-After");
    assert_string_equal(act.header[0] + 12, " 2");
    assert_string_equal(act.header[1], "X-Y");
    assert_string_equal(act.header[1] + 4, " a \"b\"");
    assert_true(faults_hit(faults, "ANY", "/cut", &act));
    assert_int_equal(act.cut, FAULT_CUT_INSIDE);
    assert_int_equal(act.cut_bytes, 77);
    assert_true(faults_hit(faults, "GET", "/half", &act));
    assert_true(act.cut_bytes == FAULT_CUT_HALF);
    assert_true(faults_hit(faults, "GET", "/html", &act));
    assert_true(act.html && act.status == 200);
    assert_true(faults_hit(faults, "GET", "/limit", &act));
    assert_int_equal(act.status, 400);
    assert_string_equal(act.error_code, "REQUEST_LIMIT_EXCEEDED");
    assert_true(faults_hit(faults, "GET", "/old", &act));
    assert_true(act.status == 401 && act.numeric);
    assert_false(faults_hit(faults, "GET", "/old", &act));
    assert_true(faults_hit(faults, "HEAD", "/h", &act));
    assert_int_equal(act.head_delta, -3);
    assert_true(faults_hit(faults, "POST", "/t", &act));
    assert_true(act.string_expiry);
    assert_true(faults_hit(faults, "GET", "/body", &act));
    assert_string_equal(act.body, "a\nb c");
    faults_free(faults);
}

static void wrong_rules_are_refused_whole(void **state)
{
    static const char *const bad[] = {
        "PUT",
        "PUT /a",
        "put /a status=500",
        "PUT a status=500",
        "PUT /a status=99",
        "PUT /a status=600",
        "PUT /a status=",
        "PUT /a status=5x0",
        "PUT /a status=-500",
        "PUT /a delay=5",
        "PUT /a delay=5min",
        "PUT /a delay=99999999999999999999s",
        "PUT /a delay=4000s",
        "PUT /a cut=middle",
        "PUT /a cut=inside:",
        "PUT /a cut=inside:x",
        "PUT /a cut",
        "PUT /a cut=after status=500",
        "PUT /a cut=after lose",
        "PUT /a head-length=0",
        "PUT /a head-length=x",
        "PUT /a status=500 count=0",
        "PUT /a status=500 count=-1",
        "PUT /a status=500 probability=1.5",
        "PUT /a status=500 probability=",
        "PUT /a status=500 probability=0.5.5",
        "PUT /a status=500 header=nocolon",
        "PUT /a status=500 header=\": v\"",
        "PUT /a status=500 header=\"A: b\\nC: d\"", /* a second header by the back door */
        "PUT /a status=500 header=A:1 header=B:1 header=C:1 header=D:1 header=E:1",
        "PUT /a status=500 \"unclosed",
        "PUT /a status=500 wat",
        "PUT /a status=500 wat=1",
        "PUT /a body=x",
        "PUT /a error_code=X",
        "PUT /a count=3",
    };
    struct faults *faults = with("GET /good status=500");
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fault_action act;
        char two[512];

        (void)snprintf(two, sizeof(two), "DELETE /x status=500 count=all\n%s\n", bad[i]);
        err_clear(&err);
        if (faults_add(faults, span_of(two), &err))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_false(faults_hit(faults, "DELETE", "/x", &act));
    }
    faults_free(faults);
}

static void rules_and_their_length_have_a_limit(void **state)
{
    struct faults *faults = with("");
    struct err err = {0};
    char longer[1100];

    (void)state;
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "GET /", 5);
    assert_false(faults_add(faults, (struct span){longer, sizeof(longer)}, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    for (int i = 0; i < 64; i++)
        assert_true(faults_add(faults, span_of("GET /a status=500"), &err));
    assert_false(faults_add(faults, span_of("GET /a status=500"), &err));
    assert_int_equal(err.kind, ERR_FULL);
    faults_clear(faults);
    assert_true(faults_add(faults, span_of("GET /a status=500"), &err));
    faults_free(faults);
}

static void count_and_after_choose_the_requests(void **state)
{
    struct faults *faults = with("GET /a status=500 after=2 count=3\nGET /a status=429 count=1");
    int want[] = {429, 0, 500, 500, 500, 0, 0};
    struct fault_action act;

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        bool hit = faults_hit(faults, "GET", "/a", &act);

        assert_false(faults_hit(faults, "GET", "/b", &act));
        assert_false(faults_hit(faults, "PUT", "/a", &act));
        assert_int_equal(hit, want[i] != 0);
        if (hit)
            assert_int_equal(act.status, want[i]);
    }
    faults_free(faults);
}

static void probability_is_about_right_and_repeatable(void **state)
{
    char first[1000];
    int hits = 0;

    (void)state;
    for (int run = 0; run < 2; run++) {
        struct faults *faults = with("GET /a status=500 probability=0.25 seed=7 count=all");
        struct fault_action act;

        for (int i = 0; i < 1000; i++) {
            char hit = (char)faults_hit(faults, "GET", "/a", &act);

            hits += hit;
            if (run == 0)
                first[i] = hit;
            else
                assert_int_equal(hit, first[i]);
        }
        faults_free(faults);
    }
    assert_in_range(hits, 2 * 190, 2 * 310);
}

static void the_list_says_what_is_left(void **state)
{
    struct faults *faults = with("GET /a status=500 count=5\nGET /b limit count=all");
    struct json_out json;
    struct fault_action act;
    struct buf out;

    (void)state;
    assert_true(faults_hit(faults, "GET", "/a", &act));
    assert_true(faults_hit(faults, "GET", "/b", &act));
    buf_init(&out, 4096);
    json_init(&json, &out);
    faults_print(faults, &json);
    assert_string_equal(buf_text(&out),
        "{\"faults\":[{\"rule\":\"GET /a status=500 count=5\",\"matched\":1,\"hits\":1,\"left\":4},"
        "{\"rule\":\"GET /b limit count=all\",\"matched\":1,\"hits\":1}]}");
    buf_done(&out);
    faults_free(faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_is_read),
        cmocka_unit_test(wrong_rules_are_refused_whole),
        cmocka_unit_test(rules_and_their_length_have_a_limit),
        cmocka_unit_test(count_and_after_choose_the_requests),
        cmocka_unit_test(probability_is_about_right_and_repeatable),
        cmocka_unit_test(the_list_says_what_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
