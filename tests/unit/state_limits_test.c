/* limits.c: what is counted, and when it is full. */
#include "state_kit.h"

#define MB (UINT64_C(1) << 20)

static void what_is_there_counts(void **state)
{
    struct kit k;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    kit_write(&k, "journal/a", "12345", 5);
    kit_write(&k, "outbox/a", "123", 3);
    kit_write(&k, "refused/a", "12", 2);
    kit_write(&k, "rejected/a", "1", 1);
    kit_write(&k, "quarantine/a", "1234567", 7);
    kit_ok(&k, limits_init(&k.limits, &k.st, 0, 0, &k.err));
    assert_int_equal(k.limits.used[LIMITS_JOURNAL], 5);
    assert_int_equal(k.limits.used[LIMITS_OUTBOX], 3);
    assert_int_equal(k.limits.used[LIMITS_REFUSED], 2);
    assert_int_equal(k.limits.used[LIMITS_OTHER], 8 + 13); /* LOCK too */
    assert_true(k.limits.state_bytes_max > 0);
    assert_true(k.limits.free_bytes_min > 0 && k.limits.free_bytes_min <= 256 * MB);
    assert_true(k.limits.free_bytes_min <= k.st.space.total_bytes / 20);
    limits_sub(&k.limits, LIMITS_JOURNAL, 6); /* never below nothing */
    assert_int_equal(k.limits.used[LIMITS_JOURNAL], 0);
    state_close(&k.st);
    kit_free(&k);
}

static void the_levels(void **state)
{
    static const struct {
        uint64_t used, free;
        enum limits_level want;
        uint64_t left;
        int64_t since; /* written, or deleted, since the disk was asked */
    } rows[] = {
        {0, 1000, LIMITS_FINE, 100, 0}, {79, 1000, LIMITS_FINE, 21, 0},
        {80, 1000, LIMITS_HIGH, 20, 0}, {99, 1000, LIMITS_HIGH, 1, 0},
        {100, 1000, LIMITS_REACHED, 0, 0}, {150, 1000, LIMITS_REACHED, 0, 0},
        {50, 200, LIMITS_FINE, 50, 0}, /* 100 free bytes are left to others */
        {50, 112, LIMITS_HIGH, 12, 0}, /* 50 of 62 */
        {50, 115, LIMITS_FINE, 15, 0}, /* 50 of 65 */
        {50, 100, LIMITS_REACHED, 0, 0}, {0, 50, LIMITS_REACHED, 0, 0},
        {60, 130, LIMITS_HIGH, 10, 20}, /* of 30 free bytes 20 are taken */
        {75, 130, LIMITS_REACHED, 0, 35},
        {30, 90, LIMITS_FINE, 20, -20}, /* deleted: room of our own, before the disk says so */
    };
    struct kit k;
    int64_t now = clock_mono_us();

    (void)state;
    kit_new(&k);
    kit_open(&k);
    kit_ok(&k, limits_init(&k.limits, &k.st, 100 * MB, 100 * MB, &k.err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        k.limits.used[LIMITS_OTHER] = 0;
        k.limits.used[LIMITS_JOURNAL] = rows[i].used * MB;
        k.limits.asked_used = (uint64_t)((int64_t)rows[i].used - rows[i].since) * MB;
        k.limits.free_bytes = rows[i].free * MB;
        k.limits.asked_us = now;
        assert_int_equal(limits_check(&k.limits, now), rows[i].want);
        assert_int_equal(limits_left(&k.limits, now), rows[i].left * MB);
    }
    state_close(&k.st);
    kit_free(&k);
}

static void the_disk_is_asked_once_a_second(void **state)
{
    struct kit k;
    int64_t now = clock_mono_us() + 10 * CLOCK_SECOND_US;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    k.limits.free_bytes = 1;
    k.limits.asked_us = now;
    assert_int_equal(limits_check(&k.limits, now + CLOCK_SECOND_US - 1), LIMITS_REACHED);
    assert_int_equal(k.limits.free_bytes, 1);
    assert_int_equal(limits_check(&k.limits, now + CLOCK_SECOND_US), LIMITS_FINE);
    assert_true(k.limits.free_bytes > 1);
    state_close(&k.st);
    kit_free(&k);
}

/* ERR_FULL is believed until something was deleted, or for some seconds of good answers. */
static void said_full_is_remembered(void **state)
{
    struct kit k;
    int64_t now = clock_mono_us() + 10 * CLOCK_SECOND_US;
    int asks = 0;

    (void)state;
    kit_new(&k);
    kit_open(&k);
    limits_said_full(&k.limits);
    assert_int_equal(limits_left(&k.limits, now), 0);
    while (limits_check(&k.limits, now) == LIMITS_REACHED && asks < 100) {
        now += CLOCK_SECOND_US;
        asks++;
    }
    assert_in_range(asks, 5, 15);
    limits_said_full(&k.limits);
    limits_add(&k.limits, LIMITS_OUTBOX, 10);
    limits_sub(&k.limits, LIMITS_OUTBOX, 10);
    assert_int_equal(limits_check(&k.limits, now), LIMITS_REACHED);
    assert_int_equal(limits_check(&k.limits, now + CLOCK_SECOND_US), LIMITS_FINE);
    limits_add(NULL, LIMITS_OUTBOX, 1);
    limits_sub(NULL, LIMITS_OUTBOX, 1);
    limits_said_full(NULL);
    state_close(&k.st);
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_counts),
        cmocka_unit_test(the_levels),
        cmocka_unit_test(the_disk_is_asked_once_a_second),
        cmocka_unit_test(said_full_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
