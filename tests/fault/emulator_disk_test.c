/* Disk and memory that fail under the emulator: an error for the client, nothing half-made, and
 * the next request is served.
 *
 * wrap: write renameat openat64 malloc calloc realloc strdup
 */
#include "unit/emulator_client.h"

#include <fcntl.h>
#include <stdatomic.h>

/* Which call is to fail, counted down by the server's threads; the test's own calls do not count,
 * because a test asks with `armed` set only while a request is under way. */
static atomic_int fail_write, fail_rename, fail_open, fail_memory, armed;

static bool fails(atomic_int *left)
{
    return atomic_load(&armed) && atomic_load(left) > 0 && atomic_fetch_sub(left, 1) == 1;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (fails(&fail_write)) {
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, data, len);
}

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (fails(&fail_rename)) {
        errno = EIO;
        return -1;
    }
    return __real_renameat(from_dir, from, to_dir, to);
}

int __real_openat64(int dirfd, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *name, int flags, mode_t mode)
{
    if (fails(&fail_open)) {
        errno = EMFILE;
        return -1;
    }
    return __real_openat64(dirfd, name, flags, mode);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails(&fail_memory) ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails(&fail_memory) ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails(&fail_memory) ? NULL : __real_realloc(old, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return fails(&fail_memory) ? NULL : __real_strdup(text);
}

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

/* Sends all of one request, then arms, so that only the server can meet the failure; the answer is
 * read with plain calls. */
static int ask_failing(const struct fixture *f, atomic_int *what, int nth, const char *request)
{
    char head[2048];
    ssize_t n = 0;
    size_t len = 0;
    int status = 0;
    int fd = client_connect(f);

    atomic_store(what, nth);
    atomic_store(&armed, 1);
    assert_true(client_send(fd, request, strlen(request)));
    while (len + 1 < sizeof(head) && (n = recv(fd, head + len, sizeof(head) - 1 - len, 0)) > 0)
        len += (size_t)n;
    atomic_store(&armed, 0);
    head[len] = '\0';
    /* An answer that did come is whole: JSON ends where it should. */
    if (strstr(head, "application/json") && !strstr(head, "Content-Length: 0\r\n"))
        assert_int_equal(head[len - 1], '}');
    (void)sscanf(head, "HTTP/1.1 %d", &status);
    close(fd);
    return status;
}

#define REQUEST(method, target, more)                                                              \
    method " " target " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" BEARER more "\r\n"
#define PUT_X REQUEST("PUT", FILES VOLUME "/dir/x", "Content-Length: 5\r\n") "hello"

static void a_full_disk_is_500_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask_failing(f, &fail_write, 1, PUT_X), 500);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/dir/x", BEARER, NULL), 404);
    assert_int_equal(ask_failing(f, &fail_rename, 1, PUT_X), 500);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/dir/x", BEARER, NULL), 404);
    assert_int_equal(counters(f).uploads, 0);
    assert_int_equal(uploads_left(f), 0);
    assert_int_equal(put_text(f, FILES VOLUME "/dir/x", "hello"), 204);
}

/* The Nth open fails, for every N until none is left. */
static void every_failed_open_is_an_error_and_over(void **state)
{
    static const char *const requests[] = {
        PUT_X,
        REQUEST("GET", FILES VOLUME "/kept", ""),
        REQUEST("HEAD", FILES VOLUME "/kept", ""),
        REQUEST("GET", DIRECTORIES VOLUME, ""),
        REQUEST("PUT", DIRECTORIES VOLUME "/new/dir", ""),
        REQUEST("DELETE", FILES VOLUME "/dir/x", ""),
        REQUEST("DELETE", DIRECTORIES VOLUME "/new/dir", ""),
    };
    struct fixture *f = *state;

    assert_int_equal(put_text(f, FILES VOLUME "/kept", "k"), 204);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int nth = 1, failed = 0;

        for (;; nth++) {
            int status = ask_failing(f, &fail_open, nth, requests[i]);

            if (atomic_exchange(&fail_open, 0) > 0) { /* not met any more */
                assert_in_range(status, 200, 299);
                break;
            }
            assert_int_equal(status, 500);
            failed++;
            assert_int_equal(uploads_left(f), 0);
            assert_true(nth < 50);
        }
        if (failed <= 3)
            fail_msg("%zu: only %d opens failed", i, failed);
    }
}

/* Out of memory: an answer or a closed connection, never the end of the server. */
static void every_failed_allocation_is_survived(void **state)
{
    static const char *const requests[] = {
        PUT_X,
        REQUEST("GET", FILES VOLUME "/kept", "Range: bytes=0-1\r\n"),
        REQUEST("GET", DIRECTORIES VOLUME "?page_size=1&page_token=61", ""),
        REQUEST("GET", "/.well-known/databricks-config", ""),
        REQUEST("POST", "/emulator/faults", "Content-Length: 23\r\n") "PUT /never status=500\r\n",
        REQUEST("GET", "/emulator/state", ""),
        REQUEST("GET", "/api/2.0/nothing", ""),
    };
    struct fixture *f = *state;

    assert_int_equal(put_text(f, FILES VOLUME "/kept", "keep"), 204);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (int nth = 1;; nth++) {
            int status = ask_failing(f, &fail_memory, nth, requests[i]);

            if (atomic_exchange(&fail_memory, 0) > 0)
                break;
            assert_true(status == 0 || (status >= 200 && status < 600));
            assert_true(nth < 200);
        }
        assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/kept", BEARER, NULL), 200);
    }
    assert_int_equal(uploads_left(f), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_full_disk_is_500_and_leaves_nothing),
        T(every_failed_open_is_an_error_and_over),
        T(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
