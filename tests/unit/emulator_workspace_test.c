/* The Workspace API: databricks-api.md 5. */
#include "emulator_api.h"

#define W "/api/2.0/workspace/"

static int setup(void **state)
{
    *state = fixture_start(with_worker);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

static void mkdirs_makes_parents_and_is_repeatable(void **state)
{
    struct fixture *f = *state;
    json_t *a;

    do_call(f, "POST", W "mkdirs", "{\"path\":\"/Workspace/Shared/a/b\"}", 200);
    do_call(f, "POST", W "mkdirs", "{\"path\":\"/Shared/a/b\"}", 200);
    a = call(f, "GET", W "get-status?path=/Workspace/Shared/a", NULL, 200);
    assert_string_equal(json_member(a, "object_type"), "DIRECTORY");
    assert_string_equal(json_member(a, "path"), "/Shared/a");
    assert_true(json_member_int(a, "object_id") > INT64_C(1) << 53);
    json_decref(a);
    expect_error(f, "GET", W "get-status?path=/Shared/c", NULL, 404, "RESOURCE_DOES_NOT_EXIST",
        "Path (/Shared/c) doesn't exist.");
    expect_error(f, "POST", W "mkdirs", "{\"path\":\"Shared\"}", 400, "INVALID_PARAMETER_VALUE",
        "doesn't start with '/'");
    expect_error(f, "POST", W "mkdirs", "{\"path\":\"/Shared/../x\"}", 400,
        "INVALID_PARAMETER_VALUE", "not valid");
    expect_error(f, "POST", W "mkdirs", "{}", 400, "INVALID_PARAMETER_VALUE",
        "Missing required field: path");
    expect_error(f, "POST", W "mkdirs", "{", 400, "MALFORMED_REQUEST", "parse");
}

#define IMPORT(path, more, content) "{\"path\":\"" path "\",\"content\":\"" content "\"" more "}"
#define AUTO ",\"format\":\"AUTO\""
#define OVER ",\"format\":\"AUTO\",\"overwrite\":true"

static void import_keeps_the_bytes(void **state)
{
    struct fixture *f = *state;
    struct answer raw;
    json_t *a;

    expect_error(f, "POST", W "import", IMPORT("/Shared/x/a.py", AUTO, "cHJpbnQoMSkK"), 404,
        "RESOURCE_DOES_NOT_EXIST", "The parent folder (/Shared/x) does not exist.");
    do_call(f, "POST", W "mkdirs", "{\"path\":\"/Shared/x\"}", 200);
    do_call(f, "POST", W "import", IMPORT("/Workspace/Shared/x/a.py", AUTO, "cHJpbnQoMSkK"), 200);
    expect_error(f, "POST", W "import", IMPORT("/Shared/x/a.py", AUTO, ""), 400,
        "RESOURCE_ALREADY_EXISTS", "Path (/Shared/x/a.py) already exists.");
    a = call(f, "GET", W "get-status?path=%2FShared%2Fx%2Fa.py", NULL, 200);
    assert_string_equal(json_member(a, "object_type"), "FILE");
    assert_int_equal(json_member_int(a, "size"), 9);
    assert_null(json_object_get(a, "content"));
    json_decref(a);
    a = call(f, "GET", W "export?path=/Shared/x/a.py&format=AUTO", NULL, 200);
    assert_string_equal(json_member(a, "content"), "cHJpbnQoMSkK");
    assert_string_equal(json_member(a, "file_type"), "py");
    json_decref(a);
    do_call(f, "POST", W "import", IMPORT("/Shared/x/a.py", OVER, "Mg=="), 200);
    ask(f, &raw, "GET", W "export?path=/Shared/x/a.py&direct_download=true", BEARER, NULL, 0);
    assert_string_equal(raw.body, "2");
    answer_done(&raw);
    expect_error(f, "POST", W "import", IMPORT("/Shared/x/a.py", OVER, "M!"), 400,
        "INVALID_PARAMETER_VALUE", "base64");
    expect_error(f, "POST", W "import", IMPORT("/Shared/x/b", ",\"format\":\"auto\"", ""), 400,
        "INVALID_PARAMETER_VALUE", "format");
}

static void the_first_line_of_a_notebook_takes_the_extension_away(void **state)
{
    struct fixture *f = *state;
    json_t *a;

    /* "# Databricks notebook source\nx" */
    do_call(f, "POST", W "import",
        IMPORT("/Shared/n.py", AUTO, "IyBEYXRhYnJpY2tzIG5vdGVib29rIHNvdXJjZQp4"), 200);
    expect_error(f, "GET", W "get-status?path=/Shared/n.py", NULL, 404, "RESOURCE_DOES_NOT_EXIST",
        "doesn't exist");
    a = call(f, "GET", W "get-status?path=/Shared/n", NULL, 200);
    assert_string_equal(json_member(a, "object_type"), "NOTEBOOK");
    assert_string_equal(json_member(a, "language"), "PYTHON");
    json_decref(a);
    /* The same line further down is only a comment. */
    do_call(f, "POST", W "import",
        IMPORT("/Shared/m.py", AUTO, "eAojIERhdGFicmlja3Mgbm90ZWJvb2sgc291cmNlCg=="), 200);
    do_call(f, "GET", W "get-status?path=/Shared/m.py", NULL, 200);
    /* SOURCE is a notebook, and needs to know which. */
    expect_error(f, "POST", W "import", IMPORT("/Shared/s", "", "eA=="), 400,
        "INVALID_PARAMETER_VALUE", "language");
    do_call(f, "POST", W "import",
        IMPORT("/Shared/s", ",\"format\":\"SOURCE\",\"language\":\"SQL\"", "eA=="), 200);
    expect_error(f, "POST", W "import", IMPORT("/Shared/s", OVER, "eA=="), 400,
        "INVALID_PARAMETER_VALUE", "type mismatch");
}

static void list_shows_one_level_and_delete_asks_for_recursive(void **state)
{
    struct fixture *f = *state;
    json_t *a;

    do_call(f, "POST", W "mkdirs", "{\"path\":\"/Shared/l/deep\"}", 200);
    a = call(f, "GET", W "list?path=/Shared/l/deep", NULL, 200);
    assert_null(json_object_get(a, "objects"));
    json_decref(a);
    do_call(f, "POST", W "import", IMPORT("/Shared/l/f", AUTO, ""), 200);
    a = call(f, "GET", W "list?path=/Shared/l", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(a, "objects")), 2);
    json_decref(a);
    expect_error(
        f, "POST", W "delete", "{\"path\":\"/Shared/l\"}", 400, "DIRECTORY_NOT_EMPTY", "not empty");
    do_call(f, "POST", W "delete", "{\"path\":\"/Shared/l\",\"recursive\":true}", 200);
    expect_error(f, "POST", W "delete", "{\"path\":\"/Shared/l\"}", 404, "RESOURCE_DOES_NOT_EXIST",
        "doesn't exist");
    expect_error(f, "GET", W "export?path=/Shared/l/f", NULL, 404, "RESOURCE_DOES_NOT_EXIST", "");
}

static void import_file_takes_raw_bytes_and_says_409(void **state)
{
    struct fixture *f = *state;
    struct answer a;

    do_call(f, "POST", "/api/2.0/workspace-files/import-file/Shared/r%20w.sql?overwrite=true",
        "SELECT 1", 200);
    assert_int_equal(ask_status(f, "POST", "/api/2.0/workspace-files/import-file/Shared/r%20w.sql",
                         BEARER, "SELECT 2"),
        409);
    ask(f, &a, "GET", "/api/2.0/workspace-files/Shared/r%20w.sql", BEARER, NULL, 0);
    assert_string_equal(a.body, "SELECT 1");
    answer_done(&a);
}

static void a_form_is_an_import_too(void **state)
{
    static const char body[] =
        "--xyz\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/Shared/form.py\r\n"
        "--xyz\r\nContent-Disposition: form-data; name=\"format\"\r\n\r\nAUTO\r\n"
        "--xyz\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n"
        "\r\nprint(2)\r\n\r\n--xyz--\r\n";
    struct fixture *f = *state;
    struct answer a;

    ask(f, &a, "POST", W "import", BEARER "Content-Type: multipart/form-data; boundary=xyz\r\n",
        body, sizeof(body) - 1);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    ask(f, &a, "GET", W "export?path=/Shared/form.py&direct_download=true", BEARER, NULL, 0);
    assert_string_equal(a.body, "print(2)\r\n");
    answer_done(&a);
    for (size_t cut = 0; cut < sizeof(body) - 6; cut += 7) {
        ask(f, &a, "POST", W "import", BEARER "Content-Type: multipart/form-data; boundary=xyz\r\n",
            body, cut);
        assert_int_equal(a.status, 400);
        answer_done(&a);
    }
}

static void others_have_shared_and_their_home(void **state)
{
    struct fixture *f = *state;

    json_decref(call_as(f, WORKER_BEARER, "POST", W "mkdirs", "{\"path\":\"/Shared/w\"}", 200));
    json_decref(call_as(
        f, WORKER_BEARER, "POST", W "import", IMPORT("/Users/" WORKER "/a", AUTO, ""), 200));
    expect_error_as(f, WORKER_BEARER, "POST", W "mkdirs",
        "{\"path\":\"/Users/somebody@example.com/x\"}", 403, "PERMISSION_DENIED", WORKER);
}

static void a_restart_keeps_it_and_a_fault_hides_it_once(void **state)
{
    struct fixture *f = *state;
    json_t *a;

    do_call(f, "POST", W "import", IMPORT("/Shared/keep.py", AUTO, "cHJpbnQoMSkK"), 200);
    restart(f, with_worker);
    a = call(f, "GET", W "export?path=/Shared/keep.py", NULL, 200);
    assert_string_equal(json_member(a, "content"), "cHJpbnQoMSkK");
    json_decref(a);
    assert_int_equal(
        ask_status(f, "POST", "/emulator/faults", "", "POST */import stale count=1"), 200);
    do_call(f, "POST", W "import", IMPORT("/Shared/keep.py", OVER, "Mg=="), 200);
    do_call(f, "GET", W "get-status?path=/Shared/keep.py", NULL, 404);
    do_call(f, "GET", W "get-status?path=/Shared/keep.py", NULL, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mkdirs_makes_parents_and_is_repeatable, setup, teardown),
        cmocka_unit_test_setup_teardown(import_keeps_the_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_first_line_of_a_notebook_takes_the_extension_away, setup, teardown),
        cmocka_unit_test_setup_teardown(
            list_shows_one_level_and_delete_asks_for_recursive, setup, teardown),
        cmocka_unit_test_setup_teardown(import_file_takes_raw_bytes_and_says_409, setup, teardown),
        cmocka_unit_test_setup_teardown(a_form_is_an_import_too, setup, teardown),
        cmocka_unit_test_setup_teardown(others_have_shared_and_their_home, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_restart_keeps_it_and_a_fault_hides_it_once, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
