/* rejects.c, quarantine.c: what is kept for people, and how much of it. */
#include "state_kit.h"

#include <limits.h>

static void add(struct kit *k, struct rejects *r, const char *reason, struct span line, int64_t us)
{
    kit_ok(k, rejects_add(r, reason, line, line.len, "127.0.0.1:1", 0, us, &k->err));
}

static void a_sample_is_shown(void **state)
{
    static const char line[] = "{\"a\":\"\xff\x01\"}";
    struct kit k;
    struct rejects *r;
    struct buf text;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    r = rejects_open(&k.st, &k.limits, &k.err);
    assert_non_null(r);
    add(&k, r, "not_utf8", (struct span){line, sizeof(line) - 1}, 5);
    kit_ok(&k, rejects_flush(r, &k.err));
    kit_read(&k, "rejected/00000001.jsonl", &text);
    assert_string_equal(buf_text(&text),
        "{\"at\":\"1970-01-01T00:00:00.000000Z\",\"reason\":\"not_utf8\",\"bytes\":10,"
        "\"peer\":\"127.0.0.1:1\",\"line\":\"{\\\"a\\\":\\\"\\\\xff\\\\x01\\\"}\"}\n");
    buf_done(&text);
    rejects_close(r);
    state_close(&k.st);
    kit_free(&k);
}

static void long_lines_are_cut(void **state)
{
    struct kit k;
    struct rejects *r;
    struct buf text;
    char *line = malloc(1 << 20);

    (void)state;
    assert_non_null(line);
    memset(line, '\\', 1 << 20);
    kit_new(&k);
    kit_open(&k);
    r = rejects_open(&k.st, &k.limits, &k.err);
    assert_non_null(r);
    add(&k, r, "long", (struct span){line, 1 << 20}, 5);
    memset(line, 1, 1 << 20);
    add(&k, r, "long", (struct span){line, 1 << 20}, 5);
    rejects_close(r); /* writes what waits */
    kit_read(&k, "rejected/00000001.jsonl", &text);
    assert_non_null(strstr(buf_text(&text), "\"bytes\":1048576"));
    assert_in_range(text.len, 3 * 4096, 14 * 4096);
    assert_int_equal(k.limits.used[LIMITS_OTHER], 13 + text.len);
    buf_done(&text);
    free(line);
    state_close(&k.st);
    kit_free(&k);
}

static size_t count_lines(struct kit *k, uint64_t *ret_bytes, size_t *ret_files)
{
    struct file_list list;
    size_t lines = 0;

    *ret_bytes = 0;
    kit_ok(k, file_list(k->st.rejected, &list, &k->err));
    *ret_files = list.count;
    for (size_t i = 0; i < list.count; i++) {
        struct buf text;

        buf_init(&text, 2 << 20);
        kit_ok(k, file_read_whole(k->st.rejected, list.names[i], &text, &k->err));
        *ret_bytes += text.len;
        assert_true(text.len <= 1 << 20);
        for (size_t at = 0; at < text.len; at++)
            lines += text.data[at] == '\n';
        buf_done(&text);
    }
    file_list_done(&list);
    return lines;
}

static void a_flood_is_only_counted(void **state)
{
    struct kit k;
    struct rejects *r;
    uint64_t bytes;
    size_t files;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    r = rejects_open(&k.st, &k.limits, &k.err);
    assert_non_null(r);
    for (int i = 0; i < 1000; i++) {
        add(&k, r, "one", span_of("x"), CLOCK_SECOND_US);
        add(&k, r, "two", span_of("x"), CLOCK_SECOND_US);
    }
    add(&k, r, "one", span_of("x"), 2 * CLOCK_SECOND_US);
    kit_ok(&k, rejects_flush(r, &k.err));
    assert_int_equal(count_lines(&k, &bytes, &files), 201);
    rejects_close(r);
    state_close(&k.st);
    kit_free(&k);
}

/* 16 MiB, whatever comes, and however often the program starts. */
static void the_ring_is_bounded(void **state)
{
    struct kit k;
    struct rejects *r;
    uint64_t bytes;
    size_t files;
    char line[4000];

    (void)state;
    memset(line, 'x', sizeof(line));
    kit_new(&k);
    kit_open(&k);
    kit_write(&k, "rejected/not ours", "x", 1);
    kit_ok(&k, limits_init(&k.limits, &k.st, UINT64_C(1) << 40, 1, &k.err));
    r = rejects_open(&k.st, &k.limits, &k.err);
    assert_non_null(r);
    for (int64_t i = 0; i < 6000; i++) /* 24 MB */
        add(&k, r, "one", (struct span){line, sizeof(line)}, i * CLOCK_SECOND_US / 50);
    kit_ok(&k, rejects_flush(r, &k.err));
    (void)count_lines(&k, &bytes, &files);
    assert_in_range(bytes, 14 << 20, 16 << 20);
    assert_int_equal(k.limits.used[LIMITS_OTHER], 13 + bytes);
    rejects_close(r);
    for (int i = 0; i < 100; i++) {
        r = rejects_open(&k.st, &k.limits, &k.err);
        assert_non_null(r);
        add(&k, r, "one", span_of("again"), 0);
        rejects_close(r);
    }
    (void)count_lines(&k, &bytes, &files);
    assert_in_range(bytes, 100, 16 << 20);
    assert_in_range(files, 60, 66);
    assert_true(kit_exists(&k, "rejected/not ours"));
    state_close(&k.st);
    kit_free(&k);
}

static void things_are_set_aside_never_overwritten(void **state)
{
    struct kit k;
    struct buf text;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    for (int i = 0; i < 3; i++) {
        char data[2] = {(char)('a' + i), 0};

        kit_write(&k, "journal/odd", data, 1);
        limits_add(&k.limits, LIMITS_JOURNAL, 1);
        kit_ok(&k, quarantine_file(&k.st, &k.limits, k.st.journal, "odd", LIMITS_JOURNAL, &k.err));
        assert_false(kit_exists(&k, "journal/odd"));
    }
    kit_ok(&k, quarantine_file(&k.st, &k.limits, k.st.journal, "odd", LIMITS_JOURNAL, &k.err));
    kit_read(&k, "quarantine/odd.2", &text);
    assert_string_equal(buf_text(&text), "c");
    buf_done(&text);
    assert_int_equal(k.limits.used[LIMITS_JOURNAL], 0);
    assert_int_equal(k.limits.used[LIMITS_OTHER], 13 + 3);
    state_close(&k.st);
    kit_free(&k);
}

/* Its number has to find room in the name. */
static void the_longest_name_is_set_aside_too(void **state)
{
    struct kit k;
    char name[NAME_MAX + 1] = {0}, path[NAME_MAX + 32];

    (void)state;
    memset(name, 'a', NAME_MAX);
    (void)snprintf(path, sizeof(path), "journal/%s", name);
    kit_new(&k);
    kit_open(&k);
    for (int i = 0; i < 12; i++) {
        kit_write(&k, path, "x", 1);
        kit_ok(&k, quarantine_file(&k.st, &k.limits, k.st.journal, name, LIMITS_JOURNAL, &k.err));
        assert_false(kit_exists(&k, path));
    }
    (void)snprintf(path, sizeof(path), "quarantine/%.*s.11", NAME_MAX - 5, name);
    assert_true(kit_exists(&k, path));
    state_close(&k.st);
    kit_free(&k);
}

static void the_same_bytes_are_kept_once(void **state)
{
    struct kit k;
    struct buf text;
    char *large = calloc(1, 3 << 20);

    (void)state;
    assert_non_null(large);
    kit_new(&k);
    kit_open(&k);
    for (int i = 0; i < 3; i++)
        kit_ok(&k, quarantine_bytes(&k.st, &k.limits, "a.seg", 64, "same", 4, &k.err));
    kit_ok(&k, quarantine_bytes(&k.st, &k.limits, "a.seg", 64, "else", 4, &k.err));
    kit_ok(&k, quarantine_bytes(&k.st, &k.limits, "a.seg", 65, large, 3 << 20, &k.err));
    assert_true(kit_exists(&k, "quarantine/a.seg@64.0"));
    assert_true(kit_exists(&k, "quarantine/a.seg@64.1"));
    assert_false(kit_exists(&k, "quarantine/a.seg@64.2"));
    kit_read(&k, "quarantine/a.seg@65.0", &text);
    assert_int_equal(text.len, 1 << 20);
    buf_done(&text);
    limits_said_full(&k.limits);
    kit_fails(&k, quarantine_bytes(&k.st, &k.limits, "b.seg", 64, "same", 4, &k.err), ERR_FULL);
    kit_ok(&k, quarantine_bytes(&k.st, NULL, "b.seg", 64, "same", 4, &k.err));
    free(large);
    state_close(&k.st);
    kit_free(&k);
}

/* A directory that may hold 16 MiB must not be full of samples. */
static void the_ring_is_smaller_in_a_small_directory(void **state)
{
    struct kit k;
    struct rejects *r;
    uint64_t bytes;
    size_t files;
    char line[4000];

    (void)state;
    memset(line, 'x', sizeof(line));
    kit_new(&k);
    kit_open(&k);
    k.limits.state_bytes_max = 16 << 20;
    r = rejects_open(&k.st, &k.limits, &k.err);
    assert_non_null(r);
    for (int i = 0; i < 2000; i++)
        add(&k, r, "one", (struct span){line, sizeof(line)}, i * CLOCK_SECOND_US);
    kit_ok(&k, rejects_flush(r, &k.err));
    (void)count_lines(&k, &bytes, &files);
    assert_in_range(bytes, 1 << 20, 2 << 20);
    rejects_close(r);
    state_close(&k.st);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_shown),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(a_flood_is_only_counted),
        cmocka_unit_test(the_ring_is_bounded),
        cmocka_unit_test(the_ring_is_smaller_in_a_small_directory),
        cmocka_unit_test(things_are_set_aside_never_overwritten),
        cmocka_unit_test(the_longest_name_is_set_aside_too),
        cmocka_unit_test(the_same_bytes_are_kept_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
