/* tests/unit/emulator_client.h: a small HTTP client on a plain socket, and an emulator to talk to.
 *
 * It sends exactly the bytes a test wants, also wrong ones, and shows what came back, also half.
 */
#ifndef TESTS_EMULATOR_CLIENT_H
#define TESTS_EMULATOR_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/file.h"
#include "emulator/emulator.h"
#include "temp_dir.h"

#define TEST_TOKEN "dapi-of-the-test"
#define TEST_ID "11111111-2222-4333-8444-555555555555"
#define TEST_SECRET "open sesame:+%"
#define BEARER "Authorization: Bearer " TEST_TOKEN "\r\n"
#define FILES "/api/2.0/fs/files"
#define DIRECTORIES "/api/2.0/fs/directories"
#define VOLUME "/Volumes/main/raw/land"

struct fixture {
    struct emulator *emu;
    struct secret *token;
    struct secret *client_secret;
    char root[128];
};

/* What a test changes in `options` before the start. */
typedef void change_options(struct emulator_options *options);

static inline struct fixture *fixture_start(change_options *change)
{
    static const char *const volumes[] = {"main.raw.land"};
    struct fixture *f = calloc(1, sizeof(*f));
    struct err err = {0};
    struct emulator_options options = {0};

    assert_non_null(f);
    temp_dir(f->root, sizeof(f->root), "emulator-test");
    f->token = secret_new(span_of(TEST_TOKEN), &err);
    f->client_secret = secret_new(span_of(TEST_SECRET), &err);
    options = (struct emulator_options){
        .root = f->root,
        .token = f->token,
        .client_id = TEST_ID,
        .client_secret = f->client_secret,
        .volumes = volumes,
        .volume_count = 1,
    };
    if (change)
        change(&options);
    f->emu = emulator_start(&options, &err);
    if (!f->emu)
        fail_msg("%s", err.text);
    return f;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void fixture_stop(struct fixture *f)
{
    emulator_stop(f->emu);
    secret_free(f->token);
    secret_free(f->client_secret);
    (void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
}

static inline struct emulator_counters counters(const struct fixture *f)
{
    struct emulator_counters count;

    emulator_count(f->emu, &count);
    return count;
}

/* The server finishes an exchange a moment after the client has seen its end. */
static inline bool eventually(const struct fixture *f, size_t offset, uint64_t want)
{
    for (int i = 0; i < 2000; i++) {
        struct emulator_counters count = counters(f);
        uint64_t value;

        memcpy(&value, (const char *)&count + offset, sizeof(value));
        if (value == want)
            return true;
        usleep(1000);
    }
    return false;
}
#define EVENTUALLY(f, field, want)                                                                 \
    assert_true(eventually((f), offsetof(struct emulator_counters, field), (want)))

struct answer {
    int status; /* 0: the connection ended before the headers did */
    char head[16384];
    char *body; /* NUL-terminated for tests */
    size_t len;
    size_t said; /* Content-Length */
    bool whole;  /* the body is as long as said */
};

static inline void answer_done(struct answer *a)
{
    free(a->body);
    *a = (struct answer){0};
}

static inline int client_connect(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(emulator_port(f->emu))};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* False: the server does not listen any more. */
static inline bool client_send(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

/* The value of a header of the answer, or NULL; valid until the next call. */
static inline const char *answer_header(const struct answer *a, const char *name)
{
    static _Thread_local char value[512];
    size_t len = strlen(name);

    for (const char *line = strstr(a->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *from = line + 3 + len + strspn(line + 3 + len, " ");

            (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(from, "\r"), from);
            return value;
        }
    }
    return NULL;
}

/* One byte at a time up to the blank line: slow, and simple. */
static inline bool read_head(int fd, struct answer *a)
{
    size_t len = 0;

    while (len + 1 < sizeof(a->head)) {
        ssize_t n = recv(fd, a->head + len, 1, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        a->head[++len] = '\0';
        if (len >= 4 && memcmp(a->head + len - 4, "\r\n\r\n", 4) == 0)
            return sscanf(a->head, "HTTP/1.1 %d", &a->status) == 1;
    }
    return false;
}

static inline void client_read(int fd, bool head_only, struct answer *a)
{
    const char *said;

    *a = (struct answer){0};
    do {
        a->status = 0;
        if (!read_head(fd, a)) {
            a->status = 0;
            return;
        }
    } while (a->status == 100);
    said = answer_header(a, "Content-Length");
    a->said = said ? (size_t)strtoull(said, NULL, 10) : 0;
    a->body = calloc(a->said + 1, 1);
    assert_non_null(a->body);
    while (!head_only && a->len < a->said) {
        ssize_t n = recv(fd, a->body + a->len, a->said - a->len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        a->len += (size_t)n;
    }
    a->whole = head_only || a->len == a->said;
}

/* One request on a connection of its own. `headers` are whole lines; body may be NULL. */
static inline void ask(const struct fixture *f, struct answer *a, const char *method,
    const char *target, const char *headers, const void *body, size_t len)
{
    char head[8192];
    int fd = client_connect(f);
    int n = snprintf(head, sizeof(head),
        "%s %s HTTP/1.1\r\nHost: there:1\r\nConnection: close\r\n%s", method, target, headers);

    assert_true(n > 0 && (size_t)n < sizeof(head) - 64);
    if (body)
        n += snprintf(head + n, 64, "Content-Length: %zu\r\n", len);
    (void)snprintf(head + n, 3, "\r\n");
    if (client_send(fd, head, (size_t)n + 2) && body)
        (void)client_send(fd, body, len);
    client_read(fd, strcmp(method, "HEAD") == 0, a);
    close(fd);
}

/* The status alone. */
static inline int ask_status(const struct fixture *f, const char *method, const char *target,
    const char *headers, const char *body)
{
    struct answer a;
    int status;

    ask(f, &a, method, target, headers, body, body ? strlen(body) : 0);
    status = a.status;
    answer_done(&a);
    return status;
}

static inline int put_text(const struct fixture *f, const char *target, const char *body)
{
    return ask_status(f, "PUT", target, BEARER, body);
}

static inline void assert_has(const struct answer *a, const char *text)
{
    if (!a->body || !strstr(a->body, text))
        fail_msg("'%s' is not in: %s", text, a->body ? a->body : "(nothing)");
}

/* Uploads that lie about in <root>/.emulator. */
static inline size_t uploads_left(const struct fixture *f)
{
    struct file_list list;
    struct err err = {0};
    char path[sizeof(f->root) + 16];
    size_t count;
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%s/.emulator", f->root);
    assert_true(file_dir_open(FILE_CWD, path, &fd, &err));
    assert_true(file_list(fd, &list, &err));
    count = 0;
    for (size_t i = 0; i < list.count; i++)
        count += strncmp(list.names[i], "upload-", 7) == 0;
    file_list_done(&list);
    file_drop(fd);
    return count;
}

/* An answer may be there a moment before what the upload left behind is gone. */
static inline void assert_no_uploads_left(const struct fixture *f)
{
    for (int i = 0; i < 10000 && uploads_left(f) != 0; i++)
        usleep(1000);
    assert_int_equal(uploads_left(f), 0);
}

#endif
