/* state.c: one writer, one identity, one local file system. */
#include "state_kit.h"

#include <sys/wait.h>

static void a_new_directory_is_made_whole(void **state)
{
    static const char *const subs[] = {"journal", "outbox", "refused", "rejected", "quarantine"};
    struct kit k;
    struct stat st;

    (void)state;
    kit_new(&k);
    (void)snprintf(k.dir, sizeof(k.dir), "%s/a/b/c", k.top);
    kit_open(&k);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(lstat(kit_path(&k, subs[i]), &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
    }
    assert_true(k.st.journal >= 0 && k.st.outbox >= 0 && k.st.refused >= 0);
    assert_true(k.st.rejected >= 0 && k.st.quarantine >= 0 && k.st.lock >= 0);
    assert_false(k.st.instance_known);
    state_close(&k.st);
    state_close(&k.st); /* again is fine */
    assert_true(kit_exists(&k, "LOCK"));
    kit_free(&k);
}

static void a_second_process_is_turned_away(void **state)
{
    struct kit k;
    pid_t child;
    int status;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct state other;
        struct err err;
        char pid[24];
        bool busy = false, open = state_open(&other, k.dir, true, &busy, &err);

        (void)snprintf(pid, sizeof(pid), "(%ld)", (long)getppid());
        _exit(!open && busy && err.kind == ERR_RETRY && strstr(err.text, pid) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    state_close(&k.st);
    kit_ok(&k, kit_try_open(&k));
    state_close(&k.st);
    kit_free(&k);
}

static void the_identity_stays(void **state)
{
    struct kit k;
    uint8_t first[16], other[16] = {1};

    (void)state;
    kit_new(&k);
    kit_open(&k);
    kit_ok(&k, state_set_instance(&k.st, NULL, &k.err));
    assert_int_equal(strlen(k.st.instance_text), 32);
    memcpy(first, k.st.instance, 16);
    state_close(&k.st);
    kit_open(&k);
    assert_true(k.st.instance_known);
    assert_memory_equal(k.st.instance, first, 16);
    kit_ok(&k, state_set_instance(&k.st, NULL, &k.err));
    kit_ok(&k, state_set_instance(&k.st, first, &k.err));
    kit_fails(&k, state_set_instance(&k.st, other, &k.err), ERR_DENIED);
    assert_memory_equal(k.st.instance, first, 16);
    state_close(&k.st);
    kit_free(&k);
}

static void a_lost_identity_is_adopted(void **state)
{
    struct kit k;
    uint8_t found[16] = {0xde, 0xad, 15, 0xf0};

    (void)state;
    kit_new(&k);
    kit_open(&k);
    kit_ok(&k, state_set_instance(&k.st, NULL, &k.err));
    state_close(&k.st);
    assert_int_equal(unlink(kit_path(&k, "IDENTITY")), 0);
    kit_open(&k);
    assert_false(k.st.instance_known);
    kit_ok(&k, state_set_instance(&k.st, found, &k.err));
    assert_string_equal(k.st.instance_text, "dead0ff0000000000000000000000000");
    state_close(&k.st);
    kit_open(&k);
    assert_memory_equal(k.st.instance, found, 16);
    state_close(&k.st);
    kit_free(&k);
}

/* At every byte: damage counts as missing, and nothing is thrown away. */
static void a_damaged_identity_is_set_aside(void **state)
{
    struct kit k;
    struct buf text;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    kit_ok(&k, state_set_instance(&k.st, NULL, &k.err));
    kit_read(&k, "IDENTITY", &text);
    state_close(&k.st);
    for (size_t at = 0; at <= text.len; at++) {
        char name[64], keep = 0;

        if (at < text.len) {
            keep = text.data[at];
            text.data[at] = (char)(keep ^ 0x40);
        }
        kit_write(&k, "IDENTITY", text.data, at < text.len ? text.len : text.len - 1);
        kit_open(&k);
        assert_false(k.st.instance_known);
        assert_false(kit_exists(&k, "IDENTITY"));
        (void)snprintf(name, sizeof(name), "quarantine/IDENTITY.%zu", at);
        assert_true(kit_exists(&k, name));
        state_close(&k.st);
        if (at < text.len)
            text.data[at] = keep;
    }
    buf_done(&text);
    kit_free(&k);
}

static void a_newer_format_is_refused(void **state)
{
    static const char newer[] = "volume-uploader state 2\nwhatever\n";
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    state_close(&k.st);
    kit_write(&k, "IDENTITY", newer, sizeof(newer) - 1);
    kit_fails(&k, kit_try_open(&k), ERR_DENIED);
    assert_non_null(strstr(k.err.text, "newer"));
    assert_true(kit_exists(&k, "IDENTITY"));
    kit_free(&k);
}

static void only_temporary_files_are_deleted(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    state_close(&k.st);
    kit_write(&k, "journal/next.tmp", "x", 1);
    kit_write(&k, "outbox/pack.tmp", "x", 1);
    kit_write(&k, "IDENTITY.tmp", "x", 1);
    kit_write(&k, "outbox/tmp", "x", 1);
    kit_write(&k, "outbox/reserve", "x", 1);
    assert_int_equal(mkdir(kit_path(&k, "outbox/dir.tmp"), 0700), 0);
    kit_open(&k);
    assert_false(kit_exists(&k, "journal/next.tmp"));
    assert_false(kit_exists(&k, "outbox/pack.tmp"));
    assert_false(kit_exists(&k, "IDENTITY.tmp"));
    assert_true(kit_exists(&k, "outbox/tmp"));
    assert_true(kit_exists(&k, "outbox/reserve"));
    assert_false(kit_exists(&k, "outbox/dir.tmp")); /* it would be in the way of a file */
    assert_true(kit_exists(&k, "quarantine/dir.tmp.0"));
    state_close(&k.st);
    kit_free(&k);
}

/* No damage to the store needs a person. */
static void what_lies_in_the_place_of_a_directory_is_set_aside(void **state)
{
    static const char *const names[] = {"journal", "outbox", "refused", "rejected", "quarantine"};
    struct kit k;

    (void)state;
    kit_new(&k);
    assert_int_equal(mkdir(k.dir, 0700), 0);
    for (size_t i = 0; i < 5; i++)
        kit_write(&k, names[i], "x", 1);
    kit_open(&k);
    for (size_t i = 0; i < 5; i++) {
        char name[32];
        struct buf bytes;

        (void)snprintf(name, sizeof(name), "%s.0", names[i]);
        kit_read(&k, name, &bytes);
        assert_int_equal(bytes.len, 1);
        buf_done(&bytes);
    }
    state_close(&k.st);
    kit_free(&k);
}

/* With something else below its name the lock holds all the same. */
static void lock_that_is(mode_t type)
{
    struct kit k, other;
    bool busy = false;

    kit_new(&k);
    assert_int_equal(mkdir(k.dir, 0700), 0);
    assert_int_equal(type == S_IFDIR ? mkdir(kit_path(&k, "LOCK"), 0700)
                                     : mknod(kit_path(&k, "LOCK"), type | 0600, 0),
        0);
    kit_open(&k);
    other = k;
    assert_false(state_open(&other.st, k.dir, true, &busy, &other.err));
    assert_true(busy);
    state_close(&k.st);
    kit_open(&k);
    state_close(&k.st);
    kit_free(&k);
}

static void a_directory_can_be_the_lock(void **state)
{
    (void)state;
    lock_that_is(S_IFDIR);
}

/* What cannot be locked itself: the state directory is, by all who find it there. */
static void a_socket_in_place_of_the_lock(void **state)
{
    (void)state;
    lock_that_is(S_IFSOCK);
}

static void what_others_may_write_is_refused(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    state_close(&k.st);
    assert_int_equal(chmod(k.dir, 0707), 0);
    kit_fails(&k, kit_try_open(&k), ERR_DENIED);
    assert_int_equal(chmod(k.dir, 0755), 0);
    kit_ok(&k, kit_try_open(&k));
    state_close(&k.st);
    assert_int_equal(chmod(kit_path(&k, "journal"), 0770), 0);
    kit_fails(&k, kit_try_open(&k), ERR_DENIED);
    assert_non_null(strstr(k.err.text, "journal"));
    assert_int_equal(chmod(kit_path(&k, "journal"), 0700), 0);
    kit_free(&k);
}

static void a_link_is_no_part_of_it(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    state_close(&k.st);
    assert_int_equal(rmdir(kit_path(&k, "outbox")), 0);
    assert_int_equal(symlink("/tmp", kit_path(&k, "outbox")), 0);
    kit_fails(&k, kit_try_open(&k), ERR_DENIED);
    assert_int_equal(unlink(kit_path(&k, "outbox")), 0);
    assert_int_equal(unlink(kit_path(&k, "LOCK")), 0);
    assert_int_equal(symlink("/etc/passwd", kit_path(&k, "LOCK")), 0);
    kit_fails(&k, kit_try_open(&k), ERR_DENIED);
    kit_free(&k);
}

static void a_file_system_that_forgets_is_refused(void **state)
{
    struct kit k;
    struct stat st;
    bool busy;

    (void)state;
    if (stat("/dev/shm", &st) != 0)
        skip();
    kit_new(&k);
    (void)snprintf(k.dir, sizeof(k.dir), "%s/s", k.top);
    kit_open(&k);
    if (k.st.space.lasting) { /* not where we thought */
        assert_false(k.st.volatile_warning);
    } else {
        assert_true(k.st.volatile_warning);
        state_close(&k.st);
        kit_fails(&k, state_open(&k.st, k.dir, false, &busy, &k.err), ERR_DENIED);
        assert_non_null(strstr(k.err.text, "allow_volatile_state"));
    }
    state_close(&k.st);
    kit_free(&k);
}

static void looking_changes_nothing(void **state)
{
    struct kit k;
    struct state look;

    (void)state;
    kit_new(&k);
    kit_fails(&k, state_open_readonly(&look, k.dir, &k.err), ERR_DENIED);
    assert_int_equal(mkdir(k.dir, 0700), 0);
    kit_ok(&k, state_open_readonly(&look, k.dir, &k.err));
    assert_int_equal(look.journal, -1);
    assert_int_equal(look.lock, -1);
    state_close(&look);
    assert_int_equal(rmdir(k.dir), 0); /* nothing was made */
    kit_open(&k);
    kit_ok(&k, state_set_instance(&k.st, NULL, &k.err));
    kit_write(&k, "journal/next.tmp", "x", 1);
    kit_ok(&k, state_open_readonly(&look, k.dir, &k.err)); /* beside a running one */
    assert_true(look.journal >= 0 && look.instance_known);
    assert_string_equal(look.instance_text, k.st.instance_text);
    assert_true(kit_exists(&k, "journal/next.tmp"));
    state_close(&look);
    state_close(&k.st);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_directory_is_made_whole),
        cmocka_unit_test(a_second_process_is_turned_away),
        cmocka_unit_test(the_identity_stays),
        cmocka_unit_test(a_lost_identity_is_adopted),
        cmocka_unit_test(a_damaged_identity_is_set_aside),
        cmocka_unit_test(a_newer_format_is_refused),
        cmocka_unit_test(only_temporary_files_are_deleted),
        cmocka_unit_test(what_lies_in_the_place_of_a_directory_is_set_aside),
        cmocka_unit_test(a_directory_can_be_the_lock),
        cmocka_unit_test(a_socket_in_place_of_the_lock),
        cmocka_unit_test(what_others_may_write_is_refused),
        cmocka_unit_test(a_link_is_no_part_of_it),
        cmocka_unit_test(a_file_system_that_forgets_is_refused),
        cmocka_unit_test(looking_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
