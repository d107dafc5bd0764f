/* The name of a finished file: what is written can be read, and nothing else can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "outbox/name.h"

#include <stdio.h>
#include <string.h>

#define JAN31 (INT64_C(1769862896) * CLOCK_SECOND_US) /* 2026-01-31T12:34:56Z */

static const struct {
    const char *text;
    struct file_name name;
    const char *folder;
} names[] = {
    {"20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet",
        {JAN31, false, "9f3a6c1e0b7d4a25", 4711, 9802, 0x5be0cd19}, ""},
    {"2026-01-31T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet",
        {JAN31, true, "9f3a6c1e0b7d4a25", 4711, 9802, 0x5be0cd19}, "2026-01-31/"},
    {"19700101T000000Z-0000000000000000-000000000001-000000000001-00000000.parquet",
        {0, false, "0000000000000000", 1, 1, 0}, ""},
    {"19691231T235959Z-ffffffffffffffff-123456789012-1234567890123-ffffffff.parquet",
        {-CLOCK_SECOND_US, false, "ffffffffffffffff", 123456789012, 1234567890123, 0xffffffff}, ""},
    {"0001-01-01T000000Z-0123456789abcdef-000000000001-9223372036854775806-00000001.parquet",
        {CLOCK_FIRST_US, true, "0123456789abcdef", 1, INT64_MAX - 1, 1}, "0001-01-01/"},
    {"99991231T235959Z-0123456789abcdef-000000000001-000000000002-00000001.parquet",
        {INT64_C(253402300799) * CLOCK_SECOND_US, false, "0123456789abcdef", 1, 2, 1}, ""},
    {"20000229T000000Z-0123456789abcdef-000000000001-000000000002-00000001.parquet",
        {INT64_C(951782400) * CLOCK_SECOND_US, false, "0123456789abcdef", 1, 2, 1}, ""},
};

static void assert_same(const struct file_name *a, const struct file_name *b)
{
    assert_true(a->created_us == b->created_us);
    assert_int_equal(a->daily, b->daily);
    assert_string_equal(a->instance, b->instance);
    assert_true(a->first_seq == b->first_seq && a->last_seq == b->last_seq);
    assert_int_equal(a->crc, b->crc);
}

static void names_are_written_and_read(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[OUTBOX_NAME_SIZE], folder[16];
        struct file_name name;

        file_name_format(&names[i].name, text);
        assert_string_equal(text, names[i].text);
        assert_true(file_name_parse(text, &name));
        assert_same(&name, &names[i].name);
        file_name_folder(&name, folder);
        assert_string_equal(folder, names[i].folder);
    }
}

static void parts_of_a_second_and_strange_times_are_cut(void **unused)
{
    struct file_name name = names[0].name;
    char text[OUTBOX_NAME_SIZE];

    (void)unused;
    name.created_us += CLOCK_SECOND_US - 1;
    file_name_format(&name, text);
    assert_string_equal(text, names[0].text);
    name.created_us = -1; /* one microsecond before 1970 */
    file_name_format(&name, text);
    assert_memory_equal(text, "19691231T235959Z-", 17);
    name.created_us = INT64_MAX;
    file_name_format(&name, text);
    assert_memory_equal(text, "99991231T235959Z-", 17);
    assert_true(file_name_parse(text, &name));
    name.created_us = INT64_MIN;
    file_name_format(&name, text);
    assert_memory_equal(text, "00010101T000000Z-", 17);
    assert_true(file_name_parse(text, &name));
}

/* The longest name we can write. */
static void every_name_fits(void **unused)
{
    struct file_name name = {
        INT64_MAX, true, "ffffffffffffffff", UINT64_MAX, UINT64_MAX, UINT32_MAX};
    char text[OUTBOX_NAME_SIZE];

    (void)unused;
    file_name_format(&name, text);
    assert_true(strlen(text) < OUTBOX_NAME_SIZE - 1);
    assert_false(file_name_parse(text, &name));
}

static const struct {
    const char *what, *text;
} hostile[] = {
    {"empty", ""},
    {"suffix alone", ".parquet"},
    {"no suffix", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19"},
    {"other suffix",
        "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquex"},
    {"temp", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet.tmp"},
    {"capital suffix",
        "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.PARQUET"},
    {"capital crc", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5BE0CD19.parquet"},
    {"short crc", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd1.parquet"},
    {"long crc", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd190.parquet"},
    {"no crc", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802.parquet"},
    {"hex mark", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-0x5be0cd.parquet"},
    {"capital instance",
        "20260131T123456Z-9F3A6C1E0B7D4A25-000000004711-000000009802-5be0cd19.parquet"},
    {"short instance",
        "20260131T123456Z-9f3a6c1e0b7d4a2-000000004711-000000009802-5be0cd19.parquet"},
    {"no hex", "20260131T123456Z-9f3a6c1e0b7d4a2g-000000004711-000000009802-5be0cd19.parquet"},
    {"11 digits", "20260131T123456Z-9f3a6c1e0b7d4a25-00000004711-000000009802-5be0cd19.parquet"},
    {"needless zero",
        "20260131T123456Z-9f3a6c1e0b7d4a25-0000000004711-000000009802-5be0cd19.parquet"},
    {"zero", "20260131T123456Z-9f3a6c1e0b7d4a25-000000000000-000000009802-5be0cd19.parquet"},
    {"backwards", "20260131T123456Z-9f3a6c1e0b7d4a25-000000009803-000000009802-5be0cd19.parquet"},
    {"too large",
        "20260131T123456Z-9f3a6c1e0b7d4a25-000000000001-9223372036854775807-5be0cd19.parquet"},
    {"overflow",
        "20260131T123456Z-9f3a6c1e0b7d4a25-000000000001-18446744073709551617-5be0cd19.parquet"},
    {"sign", "20260131T123456Z-9f3a6c1e0b7d4a25-+00000004711-000000009802-5be0cd19.parquet"},
    {"blank", "20260131T123456Z-9f3a6c1e0b7d4a25- 00000004711-000000009802-5be0cd19.parquet"},
    {"month 13", "20261331T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"month 0", "20260031T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"day 0", "20260100T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"30 February", "20260230T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"no leap year",
        "20260229T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"year 0", "00000131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"hour 24", "20260131T243456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"minute 60", "20260131T126056Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"second 60", "20260131T123460Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"no T", "20260131-123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"no Z", "20260131T123456z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"half daily", "202601-31T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"other half", "2026-0131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"slash for dash",
        "2026/01/31T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"hidden", ".20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"underscore", "_20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"extra part",
        "x-20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"path", "../20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"},
    {"double dash",
        "20260131T123456Z-9f3a6c1e0b7d4a25--000000004711-000000009802-5be0cd19.parquet"},
    {"new line", "20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet\n"},
    {"reserve", "reserve"},
    {"dashes", "----.parquet"},
};

static void hostile_names_are_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        struct file_name name = {.first_seq = 77};

        if (file_name_parse(hostile[i].text, &name))
            fail_msg("taken: %s", hostile[i].what);
        assert_int_equal(name.first_seq, 77); /* untouched */
    }
}

static void a_long_name_is_refused(void **unused)
{
    char text[4096];
    struct file_name name;

    (void)unused;
    memset(text, '1', sizeof(text));
    memcpy(text + sizeof(text) - 9, ".parquet", 9);
    assert_false(file_name_parse(text, &name));
}

/* Whatever one byte is changed to, the result is refused or is another name that is written so. */
static void changed_names_are_refused_or_exact(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < strlen(names[0].text); at++) {
        for (int c = 1; c < 256; c++) {
            char text[OUTBOX_NAME_SIZE], again[OUTBOX_NAME_SIZE];
            struct file_name name;

            (void)snprintf(text, sizeof(text), "%s", names[0].text);
            text[at] = (char)c;
            if (!file_name_parse(text, &name))
                continue;
            file_name_format(&name, again);
            assert_string_equal(again, text);
        }
    }
}

static void random_names_survive(void **unused)
{
    uint64_t seed = rng_any_seed();
    struct rng rng;

    (void)unused;
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_seed(&rng, seed);
    for (int i = 0; i < 20000; i++) {
        struct file_name name = {.daily = rng_next(&rng) & 1}, read;
        char text[OUTBOX_NAME_SIZE];

        name.created_us = CLOCK_FIRST_US + (int64_t)rng_below(&rng, 315537897600) * CLOCK_SECOND_US;
        (void)snprintf(
            name.instance, sizeof(name.instance), "%016llx", (unsigned long long)rng_next(&rng));
        name.first_seq = 1 + (rng_next(&rng) >> (2 + rng_below(&rng, 60)));
        name.last_seq = name.first_seq + (rng_next(&rng) >> (2 + rng_below(&rng, 60)));
        name.crc = (uint32_t)rng_next(&rng);
        file_name_format(&name, text);
        assert_true(file_name_parse(text, &read));
        assert_same(&read, &name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_written_and_read),
        cmocka_unit_test(parts_of_a_second_and_strange_times_are_cut),
        cmocka_unit_test(every_name_fits),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(a_long_name_is_refused),
        cmocka_unit_test(changed_names_are_refused_or_exact),
        cmocka_unit_test(random_names_survive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
