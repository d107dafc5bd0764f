/* The parts the uploader is made of, without a server: the queue of waiting files, its waits, its settings.
 *
 * wrap: calloc strndup */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "uploader/health.h"
#include "uploader/queue.h"
#include "uploader/uploader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long fail_at; /* 0: none */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_calloc(size_t count, size_t size)
{
    return fail_at > 0 && --fail_at == 0 ? NULL : __real_calloc(count, size);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fail_at > 0 && --fail_at == 0 ? NULL : __real_strndup(text, len);
}

/* "3a 7b": first_seq and what tells two files with the same one apart. */
static void look(struct queue *q, const char *names)
{
    struct outbox_entry entries[8] = {{.bytes = 1}};
    struct outbox_list list = {.items = entries};
    struct err err;

    for (const char *at = names; *at; at += at[2] ? 3 : 2) {
        struct outbox_entry *e = &entries[list.count++];

        e->name.first_seq = (uint64_t)(at[0] - '0');
        e->name.last_seq = e->name.first_seq;
        (void)snprintf(e->text, sizeof(e->text), "%.2s", at);
    }
    assert_true(queue_merge(q, &list, &err));
}

static void check(const struct queue *q, const char *names)
{
    struct buf text;

    buf_init(&text, 1024);
    for (size_t i = 0; i < q->count; i++)
        (void)buf_printf(&text, "%s%s", i ? " " : "", q->items[i].entry.text);
    assert_string_equal(buf_text(&text), names);
    buf_done(&text);
}

static void the_queue_follows_the_directory(void **state)
{
    struct queue q = {NULL, 0};
    struct outbox_list none = {.count = 0};
    struct err err;

    (void)state;
    look(&q, "1a 5a");
    q.items[1].fails = 7;
    look(&q, "1a 1b 3a 5a 9a"); /* new ones in their places, what is known of the old stays */
    check(&q, "1a 1b 3a 5a 9a");
    assert_int_equal(q.items[3].fails, 7);
    q.items[2].step = ITEM_SENDING;
    q.items[4].step = ITEM_LOOKING;
    look(&q, "1a 6a"); /* gone are those that nobody waits for an answer of */
    check(&q, "1a 3a 6a 9a");
    fail_at = 1;
    assert_false(queue_merge(&q, &none, &err));
    assert_int_equal(err.kind, ERR_FULL);
    check(&q, "1a 3a 6a 9a"); /* as it was */
    q.items[1].step = q.items[3].step = ITEM_GONE;
    queue_sweep(&q);
    check(&q, "1a 6a");
    look(&q, "");
    check(&q, "");
    queue_done(&q);
}

static void a_file_of_its_own_trouble_waits_longer_and_longer(void **state)
{
    int64_t second = CLOCK_SECOND_US;
    struct health h;

    (void)state;
    health_init(&h, 0, 0, 1);
    for (unsigned fails = 1; fails < 70; fails++) {
        int64_t most = fails < 10 ? second << (fails - 1) : 300 * second;
        int64_t denied = fails < 5 ? 60 * second << (fails - 1) : 600 * second;
        int64_t wait = health_own_wait_us(&h, ERR_RETRY, fails, 0);

        assert_true(wait >= 0 && wait <= (most < 300 * second ? most : 300 * second));
        assert_true(health_own_wait_us(&h, ERR_DENIED, fails, 0) ==
                    (denied < 600 * second ? denied : 600 * second));
        assert_true(health_own_wait_us(&h, ERR_RETRY, fails, 1000 * second) == 1000 * second);
    }
}

static void a_change_of_reason_is_told_once(void **state)
{
    struct err err = {.kind = ERR_RETRY, .code = 503};
    struct health h;

    (void)state;
    health_init(&h, 1000, 1000, 1);
    assert_true(health_worse(&h, &err, true, 0, 1));
    assert_false(health_worse(&h, &err, true, 0, 2));
    err.code = 500;
    assert_true(health_worse(&h, &err, false, 0, 3));
    err.kind = ERR_FULL; /* our own trouble, waited out like a server's */
    assert_true(health_worse(&h, &err, false, 0, 4));
    err.kind = ERR_DENIED;
    assert_true(health_worse(&h, &err, false, 5000, 5));
    assert_true(h.probe_us >= 5 + 1000);
    assert_true(h.hold_us == 5005);
    assert_true(health_better(&h));
    assert_false(health_better(&h));
}

static void what_cannot_work_is_refused_at_once(void **state)
{
    static const char *folders[] = {"", "Volumes/a", NULL};
    char deep[1200];
    struct uploader_options options = {.folder = "/Volumes/a/b/c/data///"};
    struct uploader *u;
    struct outbox box = {.state = NULL};
    struct err err;

    (void)state;
    memset(deep, 'a', sizeof(deep) - 1);
    deep[0] = '/';
    deep[sizeof(deep) - 1] = '\0';
    folders[2] = deep;
    for (unsigned parallel = 0; parallel < 200; parallel += 99) {
        options.parallel = parallel;
        u = uploader_new(&box, NULL, NULL, &options, &err);
        assert_non_null(u);
        assert_true(uploader_idle(u));
        uploader_free(u);
    }
    for (long at = 1; at <= 3; at++) {
        fail_at = at;
        assert_null(uploader_new(&box, NULL, NULL, &options, &err));
        assert_int_equal(err.kind, ERR_FULL);
    }
    fail_at = 0;
    for (size_t i = 0; i < 3; i++) {
        options.folder = folders[i];
        assert_null(uploader_new(&box, NULL, NULL, &options, &err));
        assert_int_not_equal(err.kind, ERR_FULL);
    }
    uploader_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_follows_the_directory),
        cmocka_unit_test(a_file_of_its_own_trouble_waits_longer_and_longer),
        cmocka_unit_test(a_change_of_reason_is_told_once),
        cmocka_unit_test(what_cannot_work_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
