/* A directory that has no room for one more name: nothing is lost, and the next try goes on.
 *
 * wrap: renameat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "pack_rig.h"

static int full_names; /* so many files get no name */

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (full_names > 0 && strstr(to, ".parquet")) {
        full_names--;
        errno = ENOSPC;
        return -1;
    }
    return __real_renameat(from_dir, from, to_dir, to);
}

static void make(struct pack_rig *p)
{
    pack_rig_init(p, 1000, 7);
    rig_make_dirs(p);
    for (int i = 0; i < 3; i++)
        rig_add_segment(p, (struct rig_segment){.first_seq = p->next_seq, .count = 50});
    rig_add_active(p, p->next_seq);
    if (!pack_rig_start(p))
        fail_msg("%s", p->rig.err.text);
}

static void no_room_for_a_name(bool with_reserve)
{
    struct pack_options options = pack_rig_options();
    struct pack_rig p;
    enum pack_result result;
    struct pack_done done;
    struct pack *pack;
    uint64_t used, readings = 0, rows = 0;

    make(&p);
    pack = pack_new(&p.rig.state, &p.rig.limits, p.gaps, &options, &p.rig.err);
    assert_non_null(pack);
    if (with_reserve)
        assert_true(outbox_make_reserve(&p.rig.box, 65536, &p.rig.err));
    used = limits_used(&p.rig.limits);
    for (full_names = 2; full_names > 0;) {
        assert_false(pack_step(pack, true, &result, &done, &p.rig.err));
        assert_int_equal(p.rig.err.kind, ERR_FULL);
        assert_int_equal(p.rig.err.code, ENOSPC);
        assert_int_equal(rig_length(&p.rig, "outbox", OUTBOX_TEMP), -1);
        assert_int_equal(limits_check(&p.rig.limits, clock_mono_us()), LIMITS_REACHED);
    }
    assert_true(
        limits_used(&p.rig.limits) <= used + 65536 + pack_rig_options().segment_bytes * 9 / 4);
    for (int i = 0; i < 10; i++) { /* full, as said: one at a time */
        if (pack_step(pack, true, &result, &done, &p.rig.err) && result == PACK_FILE)
            readings += done.rows + done.superseded;
        else
            (void)rig_ship(&p);
    }
    pack_free(pack);
    (void)rig_ship(&p);
    assert_int_equal(readings, p.next_seq - 1);
    for (uint64_t n = 1; n < p.next_seq; n++)
        rows += p.rows[n];
    for (size_t i = 0; i < p.file_count; i++) {
        rows -= p.files[i].rows;
        readings -= p.files[i].name.last_seq - p.files[i].name.first_seq + 1;
    }
    assert_int_equal(rows, 0);
    assert_int_equal(readings, 0);
    assert_int_equal(p.twice + p.altered + p.overlaps, 0);
    pack_rig_stop(&p);
    pack_rig_done(&p);
}

static void a_name_that_does_not_fit_is_tried_again(void **state)
{
    (void)state;
    no_room_for_a_name(false);
}

static void with_the_reserve_too(void **state)
{
    (void)state;
    no_room_for_a_name(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_does_not_fit_is_tried_again),
        cmocka_unit_test(with_the_reserve_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
