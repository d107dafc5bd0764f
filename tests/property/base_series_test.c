/* wrap: malloc calloc realloc */
#include "base/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "rounds.h"

#define MODEL_MAX 3000

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long fail_at = -1; /* counts down to the allocation that fails */

static bool fails(void)
{
    return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* A list searched from the front: slow and surely right. */
struct model {
    struct {
        char asset[40], datastream[40];
        size_t asset_len, datastream_len;
    } items[MODEL_MAX];
    uint32_t count;
    size_t bytes;
};

static struct model model;

static uint32_t model_find(struct span asset, struct span datastream)
{
    uint32_t i = 0;

    while (i < model.count &&
           !(span_equal((struct span){model.items[i].asset, model.items[i].asset_len}, asset) &&
               span_equal((struct span){model.items[i].datastream, model.items[i].datastream_len},
                   datastream)))
        i++;
    return i;
}

static void model_add(struct span asset, struct span datastream)
{
    memcpy(model.items[model.count].asset, asset.data, asset.len);
    memcpy(model.items[model.count].datastream, datastream.data, datastream.len);
    model.items[model.count].asset_len = asset.len;
    model.items[model.count].datastream_len = datastream.len;
    model.bytes += asset.len + datastream.len;
    model.count++;
}

static void model_shrink(uint32_t count)
{
    while (model.count > count) {
        model.count--;
        model.bytes -= model.items[model.count].asset_len + model.items[model.count].datastream_len;
    }
}

/* Few letters and short names, so that names repeat and prefixes meet; sometimes any bytes. */
static struct span any_name(struct rng *rng, char out[40])
{
    size_t len = rng_below(rng, 10) ? rng_below(rng, 4) : rng_below(rng, 40);
    bool any = rng_below(rng, 20) == 0;

    for (size_t i = 0; i < len; i++)
        out[i] = any ? (char)rng_next(rng) : (char)('a' + rng_below(rng, 4));
    return (struct span){out, len};
}

static void check_all(const struct series_table *t)
{
    assert_int_equal(series_count(t), model.count);
    assert_int_equal(series_names_bytes(t), model.bytes);
    for (uint32_t i = 0; i < model.count; i++) {
        struct span asset, datastream;

        series_names(t, i, &asset, &datastream);
        assert_true(
            span_equal(asset, (struct span){model.items[i].asset, model.items[i].asset_len}));
        assert_true(span_equal(
            datastream, (struct span){model.items[i].datastream, model.items[i].datastream_len}));
    }
}

static void behaves_as_a_list(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= rounds(12); seed++) {
        struct err err = {0};
        struct series_table *t = series_new(1500, 6000, &err);
        struct rng rng;

        print_message("seed %llu\n", (unsigned long long)seed);
        rng_seed(&rng, seed);
        model.count = 0;
        model.bytes = 0;
        assert_non_null(t);
        for (int step = 0; step < 6000; step++) {
            char a[40], d[40];
            struct span asset = any_name(&rng, a), datastream = any_name(&rng, d);
            uint32_t want = model_find(asset, datastream), number = 77;
            bool full = want == model.count &&
                        (model.count >= 1500 || model.bytes + asset.len + datastream.len > 6000);

            if (series_number(t, asset, datastream, &number) == SERIES_FULL) {
                assert_true(full);
                assert_int_equal(number, 77);
            } else {
                assert_false(full);
                assert_int_equal(number, want);
                if (want == model.count)
                    model_add(asset, datastream);
            }
            if (rng_below(&rng, 500) == 0) {
                uint32_t keep = (uint32_t)rng_below(&rng, model.count + 2);

                series_shrink(t, keep);
                model_shrink(keep);
                check_all(t);
            }
            if (rng_below(&rng, 2500) == 0) {
                series_clear(t);
                model_shrink(0);
                check_all(t);
            }
        }
        check_all(t);
        series_free(t);
    }
}

static void empty_names_and_where_the_split_is(void **state)
{
    struct err err = {0};
    struct series_table *t = series_new(10, 100, &err);
    uint32_t n[4];

    (void)state;
    assert_int_equal(series_number(t, span_of("ab"), span_of("c"), &n[0]), SERIES_OK);
    assert_int_equal(series_number(t, span_of("a"), span_of("bc"), &n[1]), SERIES_OK);
    assert_int_equal(series_number(t, span_of(""), span_of("abc"), &n[2]), SERIES_OK);
    assert_int_equal(series_number(t, span_of(""), span_of(""), &n[3]), SERIES_OK);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(n[i], i);
    series_free(t);
    series_free(NULL);
}

static void the_limit_is_exact(void **state)
{
    struct err err = {0};
    struct series_table *t = series_new(100000, 8 << 20, &err);
    uint32_t number = 0;
    char name[32];

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "tag-%u", i);
        assert_int_equal(series_number(t, span_of("well"), span_of(name), &number), SERIES_OK);
        assert_int_equal(number, i);
    }
    assert_int_equal(series_number(t, span_of("x"), span_of("y"), &number), SERIES_FULL);
    assert_int_equal(series_number(t, span_of("well"), span_of("tag-4711"), &number), SERIES_OK);
    assert_int_equal(number, 4711);
    series_clear(t);
    assert_int_equal(series_number(t, span_of("x"), span_of("y"), &number), SERIES_OK);
    assert_int_equal(number, 0);
    series_free(t);
}

/* Without memory the answer is FULL, nothing is added, and the table goes on working. */
static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (long nth = 0; nth < 40; nth++) {
        struct err err = {0};
        struct series_table *t;
        uint32_t number, added = 0;
        char name[32];

        fail_at = nth;
        t = series_new(5000, 1 << 20, &err);
        for (uint32_t i = 0; t && i < 3000; i++) {
            (void)snprintf(name, sizeof(name), "datastream-%u", i);
            if (series_number(t, span_of("asset"), span_of(name), &number) == SERIES_FULL) {
                assert_int_equal(series_count(t), added);
                assert_int_equal(
                    series_number(t, span_of("asset"), span_of(name), &number), SERIES_OK);
            }
            assert_int_equal(number, added);
            added++;
        }
        if (!t)
            assert_int_equal(err.kind, ERR_FULL);
        fail_at = -1;
        series_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_a_list),
        cmocka_unit_test(empty_names_and_where_the_split_is),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(each_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
