/* The same segments give the same bytes under the same name: in another directory, with other salts,
 * after a crash. (Other settings or another build may give others: that is what the checksum is for.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pack_rig.h"

struct made {
    char name[OUTBOX_NAME_SIZE];
    struct buf bytes;
};

static void make(struct made *ret, uint64_t seed, const struct pack_options *options, bool again)
{
    enum pack_result result;
    struct pack_done done;
    struct pack_rig data, p;
    struct pack *pack;

    pack_rig_init(&data, 1000, 42); /* the readings: always the same */
    rig_readings(&data, 1, 1000, 100);
    pack_rig_init(&p, 1000, seed); /* salts and the order of names: not */
    memcpy(p.timestamp_us, data.timestamp_us, 1001 * sizeof(*p.timestamp_us));
    memcpy(p.series, data.series, 1001 * sizeof(*p.series));
    p.next_seq = 1001;
    pack_rig_done(&data);
    rig_make_dirs(&p);
    rig_add_segment(&p, (struct rig_segment){.first_seq = 1, .count = 400});
    rig_add_segment(&p, (struct rig_segment){.first_seq = 401, .count = 600});
    rig_add_active(&p, 1001);
    assert_true(pack_rig_start(&p));
    if (again) { /* a first try that a crash cut off */
        rig_write(&p.rig, "outbox", OUTBOX_TEMP, "half a file", 11);
        pack_rig_stop(&p);
        assert_true(pack_rig_start(&p));
    }
    pack = pack_new(&p.rig.state, &p.rig.limits, p.gaps, options, &p.rig.err);
    assert_non_null(pack);
    assert_true(pack_step(pack, true, &result, &done, &p.rig.err));
    assert_int_equal(result, PACK_FILE);
    memcpy(ret->name, done.entry.text, sizeof(ret->name));
    buf_init(&ret->bytes, 1 << 20);
    assert_true(file_read_whole(p.rig.state.outbox, ret->name, &ret->bytes, &p.rig.err));
    pack_free(pack);
    pack_rig_stop(&p);
    pack_rig_done(&p);
}

static void the_same_segments_give_the_same_file(void **unused)
{
    (void)unused;
    for (int order = 0; order < 2; order++) {
        struct pack_options options = pack_rig_options();
        struct made a, b;

        options.order = order ? BATCH_BY_TIME : BATCH_BY_SERIES;
        make(&a, 1, &options, false);
        make(&b, 2, &options, true);
        assert_string_equal(a.name, b.name);
        assert_int_equal(a.bytes.len, b.bytes.len);
        assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.len);
        assert_memory_equal(
            a.name, "20260131T123457Z-5a5a5a5a5a5a5a5a-000000000001-000000001000-", 60);
        buf_done(&a.bytes);
        buf_done(&b.bytes);
    }
}

static void other_settings_give_another_name(void **unused)
{
    struct pack_options options = pack_rig_options();
    struct made a, b;

    (void)unused;
    make(&a, 1, &options, false);
    options.codec = PARQUET_SNAPPY;
    make(&b, 1, &options, false);
    assert_memory_equal(a.name, b.name, 60);
    assert_string_not_equal(a.name, b.name);
    buf_done(&a.bytes);
    buf_done(&b.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_segments_give_the_same_file),
        cmocka_unit_test(other_settings_give_another_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
