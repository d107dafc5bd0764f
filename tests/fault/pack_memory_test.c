/* Recovery and packing with the nth allocation failing, for every n until none is left: it is said, and with memory
 * again every reading arrives once.
 *
 * wrap: malloc calloc realloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pack_rig.h"

static long fail_at; /* 0: none */

static bool hit(void)
{
    return fail_at > 0 && --fail_at == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return hit() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return hit() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return hit() ? NULL : __real_realloc(old, size);
}

/* One life: true when nothing was left to pack. */
static bool live(struct pack_rig *p)
{
    struct pack_options options = pack_rig_options();
    enum pack_result result = PACK_FILE;
    struct pack_done done;
    struct pack *pack;

    if (!pack_rig_start(p))
        return false;
    pack = pack_new(&p->rig.state, &p->rig.limits, p->gaps, &options, &p->rig.err);
    for (int i = 0; pack && i < 20 && result != PACK_NOTHING; i++) {
        p->rig.err.kind = ERR_NONE;
        if (!pack_step(pack, true, &result, &done, &p->rig.err)) {
            assert_int_not_equal(p->rig.err.kind, ERR_NONE);
            if (p->rig.err.kind == ERR_BROKEN)
                break;
            if (fail_at == 0) /* no memory may pass for no room: a delivery makes some */
                (void)rig_ship(p);
        }
    }
    /* Only one allocation failed: the next try fits. */
    if (pack && p->rig.err.kind != ERR_BROKEN && result != PACK_NOTHING)
        fail_msg("not packed: %s", p->rig.err.text);
    pack_free(pack);
    pack_rig_stop(p);
    return pack != NULL && result == PACK_NOTHING;
}

/* An unsealed segment is rewritten; one has names that a crash cost it; a strange file is set aside. */
static void make(struct pack_rig *p)
{
    pack_rig_init(p, 1000, 3);
    rig_make_dirs(p);
    rig_add_segment(p, (struct rig_segment){.first_seq = 1, .count = 60});
    rig_add_segment(p, (struct rig_segment){.first_seq = 61, .count = 40, .unsealed = true});
    rig_add_segment(p, (struct rig_segment){.first_seq = 101, .count = 50});
    rig_add_active(p, 151);
    rig_write(&p->rig, "outbox", "strange.parquet", "x", 1);
    rig_write(&p->rig, "journal", "0000000000000001.tmp", "x", 1);
}

/* False: it never came to that allocation. */
static bool one(long at)
{
    struct pack_rig p;
    uint64_t numbers = 0;
    bool came;

    make(&p);
    fail_at = at;
    (void)live(&p);
    came = fail_at == 0;
    fail_at = 0;
    for (int i = 0; i < 2; i++) { /* the second closes what the first made newest */
        if (!live(&p))
            fail_msg("allocation %ld: %s", at, p.rig.err.text);
    }
    if (!pack_rig_start(&p))
        fail_msg("allocation %ld: %s", at, p.rig.err.text);
    (void)rig_ship(&p);
    assert_int_equal(gaps_readings(p.gaps), 0);
    pack_rig_stop(&p);
    for (size_t i = 0; i < p.file_count; i++)
        numbers += p.files[i].name.last_seq - p.files[i].name.first_seq + 1;
    if (numbers != p.next_seq - 1 || p.twice || p.altered || p.overlaps)
        fail_msg("allocation %ld: %" PRIu64 " numbers of %" PRIu64, at, numbers, p.next_seq - 1);
    pack_rig_done(&p);
    return came;
}

static void each_allocation_fails(void **state)
{
    long at = 1;

    (void)state;
    while (one(at))
        at++;
    assert_in_range(at, 20, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
