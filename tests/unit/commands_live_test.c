/* The live line of `run`: what a person at the terminal reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "commands/live.h"

static struct counters counters;

static const char *line_of(struct buf *text)
{
    struct live live = {.counters = &counters};

    buf_reset(text);
    live_describe(&live, text);
    return buf_text(text);
}

/* Each of the three places where readings wait, one after the other. */
static void the_oldest_is_told_wherever_it_waits(void **unused)
{
    int64_t hour_ago = clock_mono_us() - 3600 * CLOCK_SECOND_US;
    struct buf text;

    (void)unused;
    buf_init(&text, 4096);
    counters_init(&counters);
    counter_set(&counters.segment_first_seq, 1);
    assert_null(strstr(line_of(&text), "oldest"));
    if (hour_ago <= 0)
        hour_ago = 1; /* a machine that has just started */
    counter_set(&counters.received_seq, 7);
    counter_set(&counters.active_since_us, (uint64_t)hour_ago);
    assert_non_null(strstr(line_of(&text), "waiting 7 (oldest "));
    counter_set(&counters.active_since_us, 0);
    counter_set(&counters.received_seq, 0);
    counter_set(&counters.closed_readings, 8);
    counter_set(&counters.closed_since_us, (uint64_t)hour_ago);
    assert_non_null(strstr(line_of(&text), "waiting 8 (oldest "));
    counter_set(&counters.closed_since_us, 0);
    counter_set(&counters.closed_readings, 0);
    counter_set(&counters.waiting_readings, 9);
    atomic_store(&counters.oldest_wall_us, clock_wall_us() - 3600 * CLOCK_SECOND_US);
    assert_non_null(strstr(line_of(&text), "waiting 9 (oldest "));
    counter_set(&counters.waiting_readings, 0);
    assert_null(strstr(line_of(&text), "oldest"));
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_told_wherever_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
