/* Hosts, percent-encoding, waiting times, redaction and the classes of errors, as tables. */
#include "base/clock.h"
#include "databricks/auth_read.h"
#include "databricks/error.h"
#include "databricks/host.h"
#include "databricks/redact.h"
#include "databricks/retry_after.h"
#include "databricks/url.h"

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void hosts_are_normalised(void **state)
{
    static const struct {
        const char *text, *url, *workspace, *account;
    } rows[] = {
        {"adb-1.7.azuredatabricks.net", "https://adb-1.7.azuredatabricks.net", "", ""},
        {"  https://Dbc-A1.cloud.databricks.com/  ", "https://dbc-a1.cloud.databricks.com", "", ""},
        {"HTTPS://x.gcp.databricks.com:443", "https://x.gcp.databricks.com", "", ""},
        {"https://x.example.org:8443/path", "https://x.example.org:8443", "", ""},
        {"https://x.example.org/?o=123456789#notebook/77", "https://x.example.org", "123456789",
            ""},
        {"x.example.org/browse?foo=1&workspace_id=42&account_id=ab-cd", "https://x.example.org",
            "42", "ab-cd"},
        {"https://x.example.org/?w=abc", "https://x.example.org", "abc", ""},
        {"https://x.example.org/?o=abc", "https://x.example.org", "", ""},
        {"https://x.example.org/?a=11&o=", "https://x.example.org", "", "11"},
        {"https://x.example.org#a?o=1", "https://x.example.org", "", ""},
        {"\"https://x.example.org\"", "https://x.example.org", "", ""},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080", "", ""},
        {"http://localhost", "http://localhost", "", ""},
        {"http://[::1]:99", "http://[::1]:99", "", ""},
        {"localhost:8080", "https://localhost:8080", "", ""},
        {"https://x.example.org?o=7", "https://x.example.org", "7", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct host host;
        struct err err = {.text = ""};

        if (!host_normalise(rows[i].text, &host, &err))
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_string_equal(host.url, rows[i].url);
        assert_string_equal(host.workspace_id, rows[i].workspace);
        assert_string_equal(host.account_id, rows[i].account);
        assert_true(host_url_safe(host.url));
    }
}

static void wrong_hosts_are_explained(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"https://accounts.cloud.databricks.com", "account console"},
        {"accounts-dod.cloud.databricks.us/login", "account console"},
        {"http://x.example.org", "https://"},
        {"http://127.0.0.1.example.org", "https://"},
        {"http://128.0.0.1", "https://"},
        {"ftp://x.example.org", "https://"},
        {"", "host name"},
        {"https://", "host name"},
        {"https:///path", "host name"},
        {"https://a..b", "host name"},
        {"https://a b", "host name"},
        {"https://x.example.org:0", "port"},
        {"https://x.example.org:65536", "port"},
        {"https://x.example.org:12x", "port"},
        {"https://user:CANARY@x.example.org", "user name"},
        {"https://[::1", "host name"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct host host = {.url = "untouched"};
        struct err err;

        assert_false(host_normalise(rows[i].text, &host, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_null(strstr(err.text, "CANARY"));
        assert_string_equal(host.url, "untouched");
    }
    assert_false(host_url_safe("http://x.example.org/"));
    assert_false(host_url_safe("http://127.0.0.1@x.example.org/"));
    assert_false(host_url_safe("http://127.0.0.1:80@x.example.org/"));
    assert_false(host_url_safe("file:///etc/passwd"));
}

static void paths_are_percent_encoded(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_true(url_add_path(&out, span_of("/Volumes/main/raw/land/a b=1/\xc3\xbc.parquet")));
    assert_string_equal(buf_text(&out), "/Volumes/main/raw/land/a%20b%3D1/%C3%BC.parquet");
    buf_reset(&out);
    assert_true(url_add_value(&out, (struct span){"a/b?c&d\0~-_.+%", 14}));
    assert_string_equal(buf_text(&out), "a%2Fb%3Fc%26d%00~-_.%2B%25");
    buf_done(&out);
}

static void waits_are_understood(void **state)
{
    /* Sun, 06 Nov 1994 08:49:37 GMT */
    const int64_t wall = INT64_C(784111777) * CLOCK_SECOND_US;
    static const struct {
        const char *value, *date;
        int64_t seconds; /* -1: not understood */
    } rows[] = {
        {"0", "", 0},
        {"120", "", 120},
        {" 7 ", "", 7},
        {"86400", "", 3600},
        {"99999999999999999999999", "", 3600},
        {"-5", "", -1},
        {"soon", "", -1},
        {"", "", -1},
        {"Sun, 06 Nov 1994 08:50:37 GMT", "", 60},
        {"Sunday, 06-Nov-94 08:50:37 GMT", "", 60},
        {"Sun Nov  6 08:50:37 1994", "", 60},
        {"Sun, 06 Nov 1994 08:48:37 GMT", "", 0},
        {"Sun, 06 Nov 2094 08:48:37 GMT", "", 3600},
        {"Mon, 01 Jan 2035 00:01:00 GMT", "Mon, 01 Jan 2035 00:00:00 GMT", 60},
        {"Sun, 31 Feb 1994 08:50:37 GMT", "", -1},
        {"Sun, 06 Nox 1994 08:50:37 GMT", "", -1},
        {"Sun, 06 Nov 1994 24:50:37 GMT", "", -1},
        {"Sun, 06 Nov 1994 08:50:37 CET", "", -1},
        {"Sun Nov  6 08:50:37 1994 x", "", -1},
    };
    int64_t us;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool ok;

        us = 77;
        ok = retry_after_parse(span_of(rows[i].value), span_of(rows[i].date), wall, &us);
        if (ok != (rows[i].seconds >= 0) || (ok && us != rows[i].seconds * CLOCK_SECOND_US) ||
            (!ok && us != 77))
            fail_msg("%s: %d %lld", rows[i].value, ok, (long long)us);
    }
    assert_true(retry_info_parse(span_of("42.0s"), &us));
    assert_int_equal(us, 42 * CLOCK_SECOND_US);
    assert_true(retry_info_parse(span_of("0.25s"), &us));
    assert_int_equal(us, 250000);
    assert_true(retry_info_parse(span_of("3s"), &us));
    assert_false(retry_info_parse(span_of("3"), &us));
    assert_false(retry_info_parse(span_of("s"), &us));
    assert_false(retry_info_parse(span_of("1.xs"), &us));
    /* A two-digit year belongs to the half century around now. */
    assert_true(http_date_parse(span_of("Sunday, 06-Nov-30 08:49:37 GMT"), wall, &us));
    assert_int_equal(us / CLOCK_DAY_US, clock_days(1930, 11, 6) + (us < 0));
}

static void secrets_are_redacted(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"Bearer abc.def-123 refused", "Bearer *** refused"},
        {"Authorization: Basic dXNlcjpwYXNz!", "Authorization: Basic ***!"},
        {"token dapi0123456789abcdef0123456789abcdef-2 is bad", "token *** is bad"},
        {"x=dose00112233445566778899aabbccddeeff", "***"},
        {"jwt eyJhbGciOi.eyJzdWIi.sig end", "jwt *** end"},
        {"{\"access_token\":\"s3cret-1\"}", "{\"access_token\":\"***\"}"},
        {"client_secret=hunter2 sent", "client_secret=*** sent"},
        {"key AbCdEf0123456789AbCdEf0123456789AbCdEf01 used", "key *** used"},
        {"aB3/xY9+qW8eR7tY6uI5oP4aS3dF2gH1jK0lZ9xC8vB7==", "***"},
        {"a-B3xY9qW8eR7tY6_uI5oP4aS3dF-2gH1jK0lZ9xC8vB7", "***"},
        {"Bearer token is missing", "Bearer token is missing"},
        {"token: invalid", "token: invalid"},
        {"file /Volumes/c/s/v/data/"
         "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet exists",
            "file /Volumes/c/s/v/data/"
            "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet exists"},
        {"request 0f8fad5b-d9cb-469f-a165-70867728950e", "request "
                                                         "0f8fad5b-d9cb-469f-a165-70867728950e"},
        {"PERMISSION_DENIED_FOR_SOMETHING_WITH_A_LONG_NAME",
            "PERMISSION_DENIED_FOR_SOMETHING_WITH_A_LONG_NAME"},
        {"two\r\nlines\tand \x1b[1m", "two  lines and  [1m"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;

        buf_init(&out, 4096);
        assert_true(redact_add(&out, span_of(rows[i].text), REDACT_WORDS_MAX));
        assert_string_equal(buf_text(&out), rows[i].want);
        buf_done(&out);
    }
}

static void shown_words_are_cut_whole(void **state)
{
    struct buf out;
    char long_text[1000];

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i + 1 < sizeof(long_text); i += 2)
        memcpy(long_text + i, "\xc3\xbc", 2);
    assert_true(redact_add(&out, (struct span){long_text, 999}, 199));
    assert_int_equal(out.len, 198);
    assert_true(str_utf8_valid(out.data, out.len));
    buf_reset(&out);
    assert_true(redact_add(&out, (struct span){"a\xff\xfe z", 5}, 200));
    assert_string_equal(buf_text(&out), "a?? z");
    buf_done(&out);
}

struct row {
    int status;
    const char *type, *body;
    enum error_class class;
    enum err_kind kind;
    const char *says;
};

#define JSON "application/json; charset=utf-8"
#define CODE(code) "{\"error_code\":\"" code "\",\"message\":\"the words\"}"

static void judge_row(const struct row *row)
{
    struct http_answer a = {.status = row->status, .length = -1, .reason = "Some Reason"};
    static const struct error_words words = {"upload", "grant it", "check the volume", "f.parquet"};
    struct api_error api;
    struct err err = {.kind = ERR_NONE, .text = ""};
    bool ok;

    buf_init(&a.body, HTTP_ANSWER_MAX);
    (void)str_copy(a.type, sizeof(a.type), row->type);
    if (*row->body)
        assert_true(buf_add_text(&a.body, row->body));
    ok = error_judge(&a, &words, NULL, NULL, &api, &err);
    if (ok != (row->class == CLASS_NONE) || api.class != row->class || err.kind != row->kind ||
        !strstr(err.text, row->says))
        fail_msg("%d %s %s: class %d kind %s: %s", row->status, row->type, row->body, api.class,
            err_kind_name(err.kind), err.text);
    if (!ok)
        assert_int_equal(err.code, row->status);
    buf_done(&a.body);
}

static void answers_are_classified(void **state)
{
    static const struct row rows[] = {
        /* successes, and what only looks like one */
        {200, JSON, "{}", CLASS_NONE, ERR_NONE, ""},
        {201, "", "", CLASS_NONE, ERR_NONE, ""},
        {204, "", "", CLASS_NONE, ERR_NONE, ""},
        {200, "text/html; charset=utf-8", "<html><title>Sign In</title>", CLASS_ROUTING, ERR_DENIED,
            "Sign In"},
        {204, "TEXT/HTML", "", CLASS_ROUTING, ERR_DENIED, "check host"},
        {301, "", "", CLASS_ROUTING, ERR_DENIED, "check host"},
        {302, JSON, "{}", CLASS_ROUTING, ERR_DENIED, "check host"},
        {303, "", "", CLASS_ROUTING, ERR_DENIED, "check host"},
        /* 3.2: codes at any status */
        {400, JSON, CODE("INVALID_PARAMETER_VALUE"), CLASS_BAD, ERR_INPUT, "the words"},
        {400, JSON, CODE("INVALID_STATE"), CLASS_BAD, ERR_INPUT, "INVALID_STATE"},
        {500, JSON, CODE("INVALID_STATE"), CLASS_SERVER, ERR_RETRY, ""},
        {403, JSON, CODE("INVALID_STATE"), CLASS_FORBIDDEN, ERR_DENIED, ""},
        {400, JSON, CODE("RESOURCE_DOES_NOT_EXIST"), CLASS_MISSING, ERR_DENIED, "check the volume"},
        {400, JSON, CODE("ALREADY_EXISTS"), CLASS_EXISTS, ERR_RETRY, ""},
        {400, JSON, CODE("RESOURCE_ALREADY_EXISTS"), CLASS_EXISTS, ERR_RETRY, ""},
        {409, JSON, CODE("ABORTED"), CLASS_ABORTED, ERR_RETRY, ""},
        {409, JSON, CODE("SOMETHING_NEW"), CLASS_EXISTS, ERR_RETRY, ""},
        {409, JSON, CODE("RESOURCE_DOES_NOT_EXIST"), CLASS_EXISTS, ERR_RETRY, ""},
        {400, JSON, CODE("RESOURCE_EXHAUSTED"), CLASS_LIMIT, ERR_RETRY, "slowing down"},
        {400, JSON, CODE("REQUEST_LIMIT_EXCEEDED"), CLASS_LIMIT, ERR_RETRY, "slowing down"},
        {429, JSON, CODE("REQUEST_LIMIT_EXCEEDED"), CLASS_LIMIT, ERR_RETRY, ""},
        {400, JSON, CODE("QUOTA_EXCEEDED"), CLASS_QUOTA, ERR_DENIED, "raise it"},
        {403, JSON, CODE("QUOTA_EXCEEDED"), CLASS_QUOTA, ERR_DENIED, "raise it"},
        {429, JSON, CODE("QUOTA_EXCEEDED"), CLASS_LIMIT, ERR_RETRY, "slowing down"},
        {500, JSON, CODE("QUOTA_EXCEEDED"), CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON,
            "{\"error_code\":\"INVALID_STATE\",\"message\":\"There were already 1000 jobs created "
            "in "
            "past 3600 seconds\"}",
            CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, CODE("UNKNOWN"), CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, CODE("DATA_LOSS"), CLASS_SERVER, ERR_RETRY, ""},
        /* 3.2: others by status */
        {400, JSON, CODE("BAD_REQUEST"), CLASS_BAD, ERR_INPUT, ""},
        {400, "", "", CLASS_BAD, ERR_INPUT, "400"},
        {413, JSON, "{}", CLASS_BAD, ERR_INPUT, "413"},
        {422, JSON, "{}", CLASS_BAD, ERR_INPUT, "422"},
        {401, JSON, CODE("UNAUTHENTICATED"), CLASS_DENIED, ERR_DENIED, "renew"},
        {403, JSON, CODE("PERMISSION_DENIED"), CLASS_FORBIDDEN, ERR_DENIED, "grant it"},
        {404, JSON, CODE("NOT_FOUND"), CLASS_MISSING, ERR_DENIED, "check the volume"},
        {404, "", "", CLASS_MISSING, ERR_DENIED, "Some Reason"},
        {404, JSON, CODE("VOLUME_DOES_NOT_EXIST"), CLASS_MISSING, ERR_DENIED, "VOLUME_DOES"},
        {408, "", "", CLASS_SERVER, ERR_RETRY, "408"},
        {409, JSON, CODE("ALREADY_EXISTS"), CLASS_EXISTS, ERR_RETRY, ""},
        {429, "", "", CLASS_LIMIT, ERR_RETRY, ""},
        {499, "", "", CLASS_SERVER, ERR_RETRY, ""},
        {500, JSON, CODE("INTERNAL_ERROR"), CLASS_SERVER, ERR_RETRY, "INTERNAL_ERROR"},
        {501, JSON, CODE("NOT_IMPLEMENTED"), CLASS_SERVER, ERR_RETRY, ""},
        {502, "text/html", "<html><pre>bad gateway</pre>", CLASS_SERVER, ERR_RETRY, "bad gateway"},
        {503, JSON, CODE("TEMPORARILY_UNAVAILABLE"), CLASS_SERVER, ERR_RETRY, ""},
        {504, "", "", CLASS_SERVER, ERR_RETRY, ""},
        {402, JSON, "{}", CLASS_SERVER, ERR_RETRY, ""},
        {418, JSON, "{}", CLASS_SERVER, ERR_RETRY, ""},
        {407, "", "", CLASS_ROUTING, ERR_DENIED, ""},
        {400, "text/html", "<title>Bad Request</title>", CLASS_ROUTING, ERR_DENIED, "Bad Request"},
        {413, "text/html", "<title>Too Large</title>", CLASS_ROUTING, ERR_DENIED, "Too Large"},
        {403, "text/html", "<title>Blocked</title>", CLASS_FORBIDDEN, ERR_DENIED, "Blocked"},
        /* 3.1: bodies */
        {403, JSON, "{\"error_code\":403,\"message\":\"Invalid access token.\"}", CLASS_FORBIDDEN,
            ERR_DENIED, "check the token"},
        {403, JSON,
            "{\"error_code\":403,\"message\":\"Source IP address: 1.2.3.4 is blocked by Databricks "
            "IP ACL for workspace: 7\"}",
            CLASS_FORBIDDEN, ERR_DENIED, "IP access list: 'Source IP address: 1.2.3.4"},
        {500, JSON, "{\"error\":\"old words\"}", CLASS_SERVER, ERR_RETRY, "old words"},
        {404, JSON, "{\"schemas\":[],\"detail\":\"scim words\",\"status\":\"404\"}", CLASS_MISSING,
            ERR_DENIED, "scim words"},
        {500, "text/plain", "SOME_CODE: text words", CLASS_SERVER, ERR_RETRY,
            "SOME_CODE: 'text words'"},
        {400, "text/plain", "REQUEST_LIMIT_EXCEEDED: slow", CLASS_LIMIT, ERR_RETRY, "slow"},
        {500, JSON, "{\"error_code\":", CLASS_SERVER, ERR_RETRY, "error_code"},
        {500, JSON, "{\"error_code\":{},\"message\":[1]}", CLASS_SERVER, ERR_RETRY, "500"},
        {401, JSON, "{\"error\":\"invalid_client\",\"error_description\":\"who?\"}", CLASS_DENIED,
            ERR_DENIED, "invalid_client"},
        {401, JSON, "{\"errorCode\":\"E1\",\"errorSummary\":\"sum\"}", CLASS_DENIED, ERR_DENIED,
            "sum"},
        /* 3.3: words that say it is only weather */
        {400, JSON, "{\"message\":\"X does not have any associated worker environments\"}",
            CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"There is no worker environment with id 1\"}", CLASS_SERVER,
            ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"Unknown worker environment\"}", CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"UnknownWorkerEnvironmentException\"}", CLASS_SERVER, ERR_RETRY,
            ""},
        {400, JSON, "{\"message\":\"ClusterNotReadyException\"}", CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"Unexpected error\"}", CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"Please try again later or try a faster operation.\"}",
            CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"RPC token bucket limit has been exceeded\"}", CLASS_SERVER,
            ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"worker env 7 not found\"}", CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"Timed out after 3 s\"}", CLASS_SERVER, ERR_RETRY, ""},
        {400, JSON, "{\"message\":\"deadline exceeded\"}", CLASS_SERVER, ERR_RETRY, ""},
        {403, JSON, "{\"message\":\"deadline exceeded\"}", CLASS_FORBIDDEN, ERR_DENIED, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        judge_row(&rows[i]);
}

static void refusals_that_another_token_may_mend(void **state)
{
    static const struct {
        int status;
        const char *type, *body, *phrase;
        bool about_token;
    } rows[] = {
        {401, JSON, CODE("UNAUTHENTICATED"), "", true},
        {401, "", "", "", true},
        {403, JSON, "{\"error_code\":403,\"message\":\"Invalid access token.\"}", "", true},
        {403, JSON, "{\"error_code\":403,\"message\":\"User not authorized\"}", "", true},
        {403, JSON, "{\"error_code\":403}", "", true},
        {403, JSON, "{\"error_code\":\"403\",\"message\":\"Invalid access token.\"}", "", true},
        {403, JSON,
            "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"Provided OAuth token does not "
            "have required scopes\"}",
            "", true},
        {403, JSON, "{\"message\":\"Token is expired\"}", "", true},
        {403, "text/html", "<html><title>Error 403 Invalid access token.</title>", "", true},
        {403, "", "", "Invalid access token.", true},
        {403, "", "", "", true},
        {403, JSON, CODE("PERMISSION_DENIED"), "", false},
        {403, JSON, "{\"error_code\":\"PERMISSION_DENIED\"}", "", false},
        {403, "", "", "User x does not have WRITE VOLUME", false},
        {403, JSON,
            "{\"error_code\":403,\"message\":\"Source IP address: 1.2.3.4 is blocked by Databricks "
            "IP ACL for workspace: 7\"}",
            "", false},
        {403, "text/html", "<title>Blocked</title>", "", false},
        {404, JSON, "{\"error_code\":404,\"message\":\"no token\"}", "", false},
        {400, JSON, "{\"error_code\":400,\"message\":\"bad token\"}", "", false},
        {503, "", "", "", false},
        {200, "text/html", "<title>Sign in, token</title>", "", false},
    };
    static const struct error_words words = {.what = "upload"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_answer a = {.status = rows[i].status, .length = -1};
        struct api_error api;
        struct err err;

        buf_init(&a.body, HTTP_ANSWER_MAX);
        (void)str_copy(a.type, sizeof(a.type), rows[i].type);
        (void)str_copy(a.phrase, sizeof(a.phrase), rows[i].phrase);
        if (*rows[i].body)
            assert_true(buf_add_text(&a.body, rows[i].body));
        assert_false(error_judge(&a, &words, NULL, NULL, &api, &err));
        if (api.about_token != rows[i].about_token)
            fail_msg("row %zu: %s", i, err.text);
        buf_done(&a.body);
    }
}

static void silence_is_classified(void **state)
{
    static const struct {
        CURLcode code;
        const char *text;
        int connect;
        enum error_class class;
        const char *says;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, "", 0, CLASS_NETWORK, "DNS"},
        {CURLE_COULDNT_RESOLVE_PROXY, "", 0, CLASS_NETWORK, "proxy"},
        {CURLE_COULDNT_CONNECT, "", 0, CLASS_NETWORK, "firewall"},
        {CURLE_OPERATION_TIMEDOUT, "", 0, CLASS_NETWORK, "in time"},
        {CURLE_SEND_ERROR, "", 0, CLASS_NETWORK, "lost"},
        {CURLE_RECV_ERROR, "", 0, CLASS_NETWORK, "lost"},
        {CURLE_PARTIAL_FILE, "", 0, CLASS_NETWORK, "lost"},
        {CURLE_GOT_NOTHING, "", 0, CLASS_NETWORK, "lost"},
        {CURLE_RECV_ERROR, "", 407, CLASS_ROUTING, "proxy"},
        {CURLE_PEER_FAILED_VERIFICATION, "certificate is not yet valid", 0, CLASS_TLS,
            "clock says 20"},
        {CURLE_SSL_CACERT_BADFILE, "", 0, CLASS_TLS, "CA file"},
        {CURLE_SSL_CONNECT_ERROR, "wrong version number", 0, CLASS_TLS, "wrong version"},
        {CURLE_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL", 0, CLASS_NETWORK, ""},
        {CURLE_SSL_CONNECT_ERROR, "Connection reset by peer", 0, CLASS_NETWORK, ""},
    };
    static const struct error_words words = {.what = "upload"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_answer a = {.curl = (int)rows[i].code, .connect_status = rows[i].connect};
        struct api_error api;
        struct err err;

        (void)str_copy(a.curl_text, sizeof(a.curl_text), rows[i].text);
        assert_false(error_judge(&a, &words, NULL, NULL, &api, &err));
        if (api.class != rows[i].class || !strstr(err.text, rows[i].says) ||
            err.kind != (api.class == CLASS_NETWORK ? ERR_RETRY : ERR_DENIED) ||
            err.code != (int)rows[i].code)
            fail_msg("row %zu: class %d: %s", i, api.class, err.text);
    }
}

static void details_are_read(void **state)
{
    static const char body[] =
        "{\"error_code\":\"X\",\"message\":\"file f.parquet is odd\",\"details\":[7,null,{},"
        "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"WHY\"},"
        "{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"request_id\":\"r-1\"},"
        "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retry_delay\":\"42.0s\"}]}";
    static const struct error_words words = {.what = "upload", .item = "f.parquet"};
    struct http_answer a = {.status = 400, .type = JSON, .retry_after = "7"};
    struct api_error api;
    struct err err;

    (void)state;
    buf_init(&a.body, 4096);
    assert_true(buf_add_text(&a.body, body));
    assert_false(error_judge(&a, &words, NULL, NULL, &api, &err));
    assert_string_equal(api.code, "X");
    assert_string_equal(api.reason, "WHY");
    assert_string_equal(api.request_id, "r-1");
    assert_true(api.names_item);
    assert_int_equal(api.retry_after_us, 42 * CLOCK_SECOND_US); /* the longer of the two */
    assert_non_null(strstr(err.text, "[request r-1]"));
    buf_done(&a.body);
}

static void token_answers_are_read(void **state)
{
    static const struct {
        const char *body;
        int64_t seconds; /* 0: refused */
    } rows[] = {
        {"{\"access_token\":\"CANARY\",\"expires_in\":60}", 60},
        {"{\"access_token\":\"CANARY\",\"expires_in\":\"3599\"}", 3599},
        {"{\"access_token\":\"CANARY\",\"expires_in\":12.5}", 12},
        {"{\"access_token\":\"CANARY\"}", 3600},
        {"{\"access_token\":\"CANARY\",\"expires_in\":-1}", 3600},
        {"{\"access_token\":\"CANARY\",\"expires_in\":\"soon\"}", 3600},
        {"{\"access_token\":\"CANARY\",\"expires_in\":0}", 3600},
        {"{\"access_token\":\"CANARY\",\"expires_in\":9223372036854775807}", 366 * 86400},
        {"{\"access_token\":\"\"}", 0},
        {"{\"access_token\":7,\"x\":\"CANARY\"}", 0},
        {"{\"access_token\":\"CANARY\"", 0},
        {"[]", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret *secret = NULL, *want;
        int64_t life = 0;
        struct err err;
        bool ok = auth_read_token(span_of(rows[i].body), &secret, &life, &err);

        assert_int_equal(ok, rows[i].seconds != 0);
        if (!ok) {
            assert_int_equal(err.kind, ERR_RETRY);
            assert_null(strstr(err.text, "CANARY"));
            continue;
        }
        assert_int_equal(life, rows[i].seconds * CLOCK_SECOND_US);
        want = secret_new(span_of("CANARY"), &err);
        assert_true(secret_equal(secret, want));
        secret_free(secret);
        secret_free(want);
    }
}

static void endpoints_are_checked(void **state)
{
    static const struct {
        const char *body, *want; /* NULL: refused */
    } rows[] = {
        {"{\"e\":\"https://h/oidc/\"}", "https://h/oidc"},
        {"{\"e\":\"https://h/{account_id}/x\",\"account_id\":\"a1\"}", "https://h/a1/x"},
        {"{\"e\":\"https://h/{account_id}/x\"}", NULL},
        {"{\"e\":\"http://other/x\"}", NULL},
        {"{\"e\":\"http://127.0.0.1:9/x\"}", "http://127.0.0.1:9/x"},
        {"{\"e\":\"http://127.0.0.1:99/x\"}", NULL},
        {"{\"e\":\"https://h/a b\"}", NULL},
        {"{\"e\":7}", NULL},
        {"nothing", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[512] = "-";

        assert_int_equal(auth_read_endpoint(span_of(rows[i].body), "e", "http://127.0.0.1:9", NULL,
                             out, sizeof(out)),
            rows[i].want != NULL);
        assert_string_equal(out, rows[i].want ? rows[i].want : "-");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_normalised),
        cmocka_unit_test(wrong_hosts_are_explained),
        cmocka_unit_test(paths_are_percent_encoded),
        cmocka_unit_test(waits_are_understood),
        cmocka_unit_test(secrets_are_redacted),
        cmocka_unit_test(shown_words_are_cut_whole),
        cmocka_unit_test(answers_are_classified),
        cmocka_unit_test(refusals_that_another_token_may_mend),
        cmocka_unit_test(silence_is_classified),
        cmocka_unit_test(details_are_read),
        cmocka_unit_test(token_answers_are_read),
        cmocka_unit_test(endpoints_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
