/* `inspect`: how fast readings came, and how long the rest of the disk takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "commands/inspect_state.h"
#include "pack_rig.h"

/* The segments of the rig are begun a second a reading apart: one reading a second. */
static struct look look_at(struct pack_rig *p, uint64_t state_bytes_max)
{
    static struct inspect in;
    struct look l = {.in = &in};

    in.state_bytes_max = state_bytes_max;
    in.free_bytes_min = 1;
    assert_true(state_open_readonly(&l.st, p->rig.path, &p->rig.err));
    assert_true(scan_list(&l.st, &l.segments, &p->rig.err));
    l.views = calloc(l.segments.count + 1, sizeof(*l.views));
    assert_non_null(l.views);
    assert_true(look_rate(&l, &p->rig.err));
    return l;
}

static void done(struct look *l)
{
    scan_list_done(&l->segments);
    free(l->views);
    state_close(&l->st);
}

static void the_rate_is_that_of_the_last_minutes(void **state)
{
    struct pack_rig p;
    struct look l;

    (void)state;
    pack_rig_init(&p, 5000, 1);
    rig_make_dirs(&p);
    rig_add_segment(&p, (struct rig_segment){.first_seq = 1, .count = 300});
    rig_add_active(&p, 301);
    l = look_at(&p, 1 << 30);
    assert_true(l.rate > 0.999 && l.rate < 1.001);
    assert_true(l.rate_bytes > 19.9 && l.rate_bytes < 20.1);
    assert_int_equal(l.rate_until_us, PACK_RIG_CREATED + 301 * CLOCK_SECOND_US);
    assert_int_equal(l.limit_bytes, 1 << 30);
    assert_true(l.used_bytes > 300 * 20 && l.left_bytes == l.limit_bytes - l.used_bytes);
    assert_in_range(
        l.lasts_us / CLOCK_SECOND_US, l.left_bytes / 20 - 3000, l.left_bytes / 20 + 3000);
    done(&l);
    pack_rig_done(&p);
}

static void without_two_times_there_is_no_rate(void **state)
{
    struct pack_rig p;
    struct look l;

    (void)state;
    pack_rig_init(&p, 5000, 1);
    rig_make_dirs(&p);
    rig_add_active(&p, 301);
    l = look_at(&p, 1 << 30);
    assert_true(l.rate == 0 && l.rate_bytes == 0);
    assert_int_equal(l.lasts_us, -1);
    done(&l);
    pack_rig_done(&p);
}

/* What it was hours ago does not count, unless there is nothing else. */
static void old_segments_do_not_count(void **state)
{
    struct pack_rig p;
    struct look l;

    (void)state;
    pack_rig_init(&p, 9000, 1);
    rig_make_dirs(&p);
    rig_add_segment(&p, (struct rig_segment){.first_seq = 1, .count = 10});
    rig_add_segment(&p, (struct rig_segment){.first_seq = 4001, .count = 100});
    rig_add_active(&p, 4101);
    l = look_at(&p, 1 << 30);
    assert_true(l.rate > 0.999 && l.rate < 1.001);
    assert_int_equal(l.segments.count, 3);
    done(&l);
    pack_rig_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_that_of_the_last_minutes),
        cmocka_unit_test(without_two_times_there_is_no_rate),
        cmocka_unit_test(old_segments_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
