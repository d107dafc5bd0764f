/* The life of a finished file: made, named, found, checked, delivered or set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outbox_rig.h"

#define TEXT "not really Parquet, but the outbox does not look inside"
#define TEXT_LEN (sizeof(TEXT) - 1)

static int start(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig_make_path(rig);
    assert_true(rig_start(rig));
    assert_true(state_set_instance(&rig->state, NULL, &rig->err));
    *state = rig;
    return 0;
}

static int end(void **state)
{
    struct rig *rig = *state;

    state_close(&rig->state);
    rig_delete(rig->path);
    free(rig);
    return 0;
}

static struct file_name name_of(const struct rig *rig, uint64_t first_seq, uint64_t last_seq)
{
    struct file_name name = {
        .first_seq = first_seq, .last_seq = last_seq, .crc = crc32c(0, TEXT, TEXT_LEN)};

    memcpy(name.instance, rig->state.instance_text, 16);
    return name;
}

/* Written, synced and named; the descriptor is the caller's. */
static int put(struct rig *rig, uint64_t first_seq, uint64_t last_seq)
{
    struct file_name name = name_of(rig, first_seq, last_seq);
    int fd;

    assert_true(outbox_begin(&rig->box, false, &fd, &rig->err));
    assert_true(file_write(fd, TEXT, TEXT_LEN, NULL, &rig->err));
    assert_true(file_sync(fd, &rig->err));
    assert_true(outbox_put(&rig->box, &name, TEXT_LEN, &rig->err));
    return fd;
}

static void put_done(struct rig *rig, uint64_t first_seq, uint64_t last_seq)
{
    file_drop(put(rig, first_seq, last_seq));
}

static void files_come_by_rising_numbers(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    size_t count;

    put_done(rig, 1000000000000000, 1000000000000009); /* its name sorts before the next one's */
    put_done(rig, 11, 20);
    put_done(rig, 1, 10);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.strange_count, 0);
    assert_int_equal(list.items[0].name.first_seq, 1);
    assert_int_equal(list.items[1].name.first_seq, 11);
    assert_true(list.items[2].name.first_seq == 1000000000000000);
    assert_int_equal(list.items[0].bytes, TEXT_LEN);
    outbox_list_done(&list);
    assert_true(outbox_count(&rig->box, &count, &rig->err));
    assert_int_equal(count, 3);
    assert_true(limits_used(&rig->limits) >= 3 * TEXT_LEN);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 3 * TEXT_LEN);
}

static void what_is_no_file_of_ours_is_named_and_left_alone(void **state)
{
    struct rig *rig = *state;
    struct file_name name = name_of(rig, 5, 6);
    char text[OUTBOX_NAME_SIZE], path[512];
    struct outbox_list list;
    size_t count;

    file_name_format(&name, text);
    (void)snprintf(path, sizeof(path), "%s/outbox/%s", rig->path, text);
    assert_int_equal(mkdir(path, 0700), 0); /* a directory of a good name */
    rig_write(rig, "outbox", "notes.txt", "x", 1);
    rig_write(rig, "outbox", "old.parquet", "x", 1);
    rig_write(rig, "outbox", "something.tmp", "x", 1);
    assert_true(outbox_make_reserve(&rig->box, 1000, &rig->err));
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 0);
    assert_int_equal(list.strange_count, 3); /* neither the reserve nor a temp */
    outbox_list_done(&list);
    assert_true(outbox_count(&rig->box, &count, &rig->err));
    assert_int_equal(count, 1); /* only a name was asked for */
}

/* What is not a file cannot give its room to a file. */
static void a_directory_is_no_reserve(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/outbox/%s", rig->path, OUTBOX_RESERVE);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 0);
    assert_int_equal(list.strange_count, 1);
    assert_string_equal(list.strange[0], OUTBOX_RESERVE);
    outbox_list_done(&list);
}

static void a_file_is_not_shown_while_its_segments_go(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    int fd;

    put_done(rig, 1, 10);
    fd = put(rig, 11, 20);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].name.first_seq, 1);
    assert_int_equal(list.strange_count, 0);
    outbox_list_done(&list);
    file_drop(fd);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 2);
    outbox_list_done(&list);
}

static void tools_that_only_read_see_a_held_file(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    struct outbox box;
    struct state st;
    int fd = put(rig, 1, 10);

    assert_true(state_open_readonly(&st, rig->path, &rig->err));
    outbox_init(&box, &st, NULL);
    assert_true(outbox_scan(&box, false, &list, &rig->err));
    assert_int_equal(list.count, 1);
    outbox_list_done(&list);
    state_close(&st);
    file_drop(fd);
}

static void a_file_of_another_instance_never_hides_ours(void **state)
{
    struct rig *rig = *state;
    struct file_name name = name_of(rig, 100, 200);
    char text[OUTBOX_NAME_SIZE];
    struct outbox_list list;
    int fd = put(rig, 1, 10);

    memset(name.instance, 'e', 16);
    file_name_format(&name, text);
    rig_write(rig, "outbox", text, TEXT, TEXT_LEN);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].text, text);
    outbox_list_done(&list);
    file_drop(fd);
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    int fd;

    assert_true(outbox_begin(&rig->box, false, &fd, &rig->err));
    assert_true(file_write(fd, TEXT, TEXT_LEN, NULL, &rig->err));
    assert_true(outbox_abort(&rig->box, &rig->err));
    file_drop(fd);
    assert_int_equal(rig_count(rig, "outbox"), 0);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 0);
    /* A temp that could not be deleted is emptied by the next file. */
    rig_write(
        rig, "outbox", OUTBOX_TEMP, "old bytes that are longer than the new ones ...........", 54);
    put_done(rig, 1, 2);
    assert_int_equal(rig_count(rig, "outbox"), 1);
}

static void the_reserve_is_made_once_and_used_once(void **state)
{
    struct rig *rig = *state;
    struct file_name name = name_of(rig, 1, 2);
    char text[OUTBOX_NAME_SIZE];
    int fd;

    assert_false(outbox_has_reserve(&rig->box));
    assert_false(outbox_begin(&rig->box, true, &fd, &rig->err));
    assert_int_equal(rig->err.kind, ERR_FULL);
    assert_true(outbox_make_reserve(&rig->box, 100000, &rig->err));
    assert_true(outbox_make_reserve(&rig->box, 100000, &rig->err));
    assert_true(outbox_has_reserve(&rig->box));
    assert_int_equal(rig_length(rig, "outbox", OUTBOX_RESERVE), 100000);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 100000);
    assert_true(outbox_make_reserve(&rig->box, 200000, &rig->err)); /* a larger segment_bytes */
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 200000);

    assert_true(outbox_begin(&rig->box, true, &fd, &rig->err));
    assert_false(outbox_has_reserve(&rig->box));
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 200000); /* still taken */
    assert_true(file_write(fd, TEXT, TEXT_LEN, NULL, &rig->err));
    assert_true(file_truncate(fd, TEXT_LEN, &rig->err));
    assert_true(file_sync(fd, &rig->err));
    assert_true(outbox_put(&rig->box, &name, TEXT_LEN, &rig->err));
    file_drop(fd);
    file_name_format(&name, text);
    assert_int_equal(rig_length(rig, "outbox", text), TEXT_LEN);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], TEXT_LEN);

    assert_true(outbox_make_reserve(&rig->box, 1000, &rig->err));
    assert_true(outbox_begin(&rig->box, true, &fd, &rig->err));
    assert_true(outbox_abort(&rig->box, &rig->err));
    file_drop(fd);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], TEXT_LEN);
    assert_true(outbox_make_reserve(&rig->box, 1000, &rig->err));
    assert_true(outbox_drop_reserve(&rig->box, &rig->err));
    assert_true(outbox_drop_reserve(&rig->box, &rig->err));
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], TEXT_LEN);
}

static void a_reserve_that_does_not_fit_is_not_made(void **state)
{
    struct rig *rig = *state;

    rig->limits.state_bytes_max = limits_used(&rig->limits) + 999;
    assert_false(outbox_make_reserve(&rig->box, 1000, &rig->err));
    assert_int_equal(rig->err.kind, ERR_FULL);
    assert_int_equal(rig_count(rig, "outbox"), 0);
}

static void change_byte(const struct rig *rig, const char *text, long at)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/outbox/%s", rig->path, text);
    f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fputc('#', f), '#');
    assert_int_equal(fclose(f), 0);
}

static void a_changed_byte_or_length_is_noticed(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    struct outbox_entry entry;
    bool ok = false;
    int fd;

    put_done(rig, 1, 10);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    entry = list.items[0];
    outbox_list_done(&list);
    assert_true(outbox_verify(&rig->box, &entry, &ok, &rig->err));
    assert_true(ok);
    assert_true(outbox_open(&rig->box, &entry, &fd, &rig->err));
    file_drop(fd);

    entry.bytes++; /* as if it had been cut since it was listed */
    assert_true(outbox_verify(&rig->box, &entry, &ok, &rig->err));
    assert_false(ok);
    assert_false(outbox_open(&rig->box, &entry, &fd, &rig->err));
    assert_int_equal(rig->err.kind, ERR_INPUT);
    entry.bytes--;

    change_byte(rig, entry.text, 7);
    assert_true(outbox_verify(&rig->box, &entry, &ok, &rig->err));
    assert_false(ok);
    assert_true(outbox_quarantine(&rig->box, &entry, &rig->err));
    assert_int_equal(rig_count(rig, "outbox"), 0);
    assert_int_equal(rig_count(rig, "quarantine"), 1);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 0);
    assert_false(outbox_verify(&rig->box, &entry, &ok, &rig->err));
    assert_int_equal(rig->err.kind, ERR_DENIED);
}

/* More than one step of the reader, and an end in the middle of a step. */
static void large_files_are_checked_whole(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list;
    struct file_name name;
    size_t len = 3 * 262144 + 17;
    char *data = malloc(len);
    char text[OUTBOX_NAME_SIZE];
    bool ok = false;

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 131 >> 3);
    name = name_of(rig, 1, 2);
    name.crc = crc32c(0, data, len);
    file_name_format(&name, text);
    rig_write(rig, "outbox", text, data, len);
    free(data);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_true(outbox_verify(&rig->box, &list.items[0], &ok, &rig->err));
    assert_true(ok);
    change_byte(rig, text, (long)len - 1);
    assert_true(outbox_verify(&rig->box, &list.items[0], &ok, &rig->err));
    assert_false(ok);
    outbox_list_done(&list);
}

static void delivered_and_refused_files_leave(void **state)
{
    struct rig *rig = *state;
    struct outbox_list list, refused;

    put_done(rig, 1, 10);
    put_done(rig, 11, 20);
    assert_true(outbox_scan(&rig->box, false, &list, &rig->err));
    assert_true(outbox_done(&rig->box, &list.items[0], &rig->err));
    assert_true(outbox_done(&rig->box, &list.items[0], &rig->err)); /* gone already is fine */
    assert_true(outbox_refuse(&rig->box, &list.items[1], &rig->err));
    assert_int_equal(rig_count(rig, "outbox"), 0);
    assert_true(outbox_scan(&rig->box, true, &refused, &rig->err));
    assert_int_equal(refused.count, 1);
    assert_string_equal(refused.items[0].text, list.items[1].text);
    assert_int_equal(rig->limits.used[LIMITS_OUTBOX], 0);
    assert_int_equal(rig->limits.used[LIMITS_REFUSED], TEXT_LEN);
    outbox_list_done(&list);
    outbox_list_done(&refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_come_by_rising_numbers, start, end),
        cmocka_unit_test_setup_teardown(
            what_is_no_file_of_ours_is_named_and_left_alone, start, end),
        cmocka_unit_test_setup_teardown(a_directory_is_no_reserve, start, end),
        cmocka_unit_test_setup_teardown(a_file_is_not_shown_while_its_segments_go, start, end),
        cmocka_unit_test_setup_teardown(tools_that_only_read_see_a_held_file, start, end),
        cmocka_unit_test_setup_teardown(a_file_of_another_instance_never_hides_ours, start, end),
        cmocka_unit_test_setup_teardown(an_abandoned_file_leaves_nothing, start, end),
        cmocka_unit_test_setup_teardown(the_reserve_is_made_once_and_used_once, start, end),
        cmocka_unit_test_setup_teardown(a_reserve_that_does_not_fit_is_not_made, start, end),
        cmocka_unit_test_setup_teardown(a_changed_byte_or_length_is_noticed, start, end),
        cmocka_unit_test_setup_teardown(large_files_are_checked_whole, start, end),
        cmocka_unit_test_setup_teardown(delivered_and_refused_files_leave, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
