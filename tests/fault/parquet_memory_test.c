/* Every allocation of writing and reading fails once: an error, no crash, no leak. And a sink that
 * fails keeps the writer failed with the first error. wrap: malloc calloc realloc */
#include "interop/parquet_cases.h"
#include "parquet/reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long left = -1; /* allocations that succeed before one fails; -1: all */

static bool fails(void)
{
    if (left < 0)
        return false;
    return left-- == 0;
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

static bool collect(void *context, const void *data, size_t len, struct err *err)
{
    return buf_add(context, data, len) || err_set(err, ERR_FULL, 0, "no memory");
}

static bool read_buf(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct buf *file = context;

    (void)err;
    memcpy(out, file->data + offset, len);
    return true;
}

static bool write_and_read(const struct parquet_columns *columns, enum parquet_profile profile,
    struct buf *file, struct err *err)
{
    const struct parquet_options options = {.codec = PARQUET_SNAPPY, .profile = profile};
    struct parquet_writer *w =
        parquet_writer_new(&options, (struct parquet_sink){collect, file}, err);
    struct parquet_columns got;
    struct parquet_reader *r = NULL;
    bool ok = w && parquet_write_group(w, columns, err) && parquet_finish(w, err);

    parquet_writer_free(w);
    if (ok)
        r = parquet_open(
            (struct parquet_source){.read = read_buf, .context = file, .bytes = file->len}, err);
    ok = r && parquet_read_group(r, 0, &got, err);
    parquet_close(r);
    return ok;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int profile = PARQUET_SAFE; profile <= PARQUET_DELTA; profile++) {
        unsigned tries = 0;
        bool ok = false;

        for (long n = 0; !ok; n++, tries++) {
            struct case_data d;
            struct err err = {0};
            struct buf file;

            assert_true(tries < 1000);
            assert_true(case_fill(&d, &parquet_cases[3], 0)); /* names that are not sorted */
            buf_init(&file, 1U << 20);
            left = n;
            ok = write_and_read(&d.columns, (enum parquet_profile)profile, &file, &err);
            left = -1;
            if (!ok)
                assert_int_equal(err.kind, ERR_FULL);
            buf_done(&file);
            case_done(&d);
        }
        assert_true(tries > 20);
    }
}

struct tight {
    size_t room;
};

static bool tight_write(void *context, const void *data, size_t len, struct err *err)
{
    struct tight *t = context;

    (void)data;
    if (len > t->room)
        return err_set(err, ERR_FULL, 28, "only %zu bytes left", t->room);
    t->room -= len;
    return true;
}

static void a_failed_writer_stays_failed(void **state)
{
    const struct parquet_options options = {.codec = PARQUET_ZSTD};
    struct case_data d;
    struct err err = {0};
    struct tight tight = {0};
    struct parquet_sink sink = {tight_write, &tight};
    struct parquet_writer *w = parquet_writer_new(&options, sink, &err);

    (void)state;
    assert_non_null(w);
    assert_true(case_fill(&d, &parquet_cases[4], 0));
    for (size_t room = 0; room < 1000; room += 37) {
        bool ok;

        tight.room = room;
        err_clear(&err);
        parquet_writer_reset(w, sink);
        ok = parquet_write_group(w, &d.columns, &err) && parquet_finish(w, &err);
        assert_false(ok);
        assert_int_equal(err.kind, ERR_FULL);
        tight.room = SIZE_MAX; /* there is room now, but the file has a hole */
        err_clear(&err);
        assert_false(parquet_finish(w, &err));
        assert_int_equal(err.kind, ERR_FULL);
        assert_int_equal(err.code, 28);
        assert_false(parquet_write_group(w, &d.columns, &err));
    }
    tight.room = SIZE_MAX;
    parquet_writer_reset(w, sink);
    assert_true(parquet_write_group(w, &d.columns, &err));
    assert_true(parquet_finish(w, &err));
    assert_false(parquet_finish(w, &err)); /* once only */
    parquet_writer_free(w);
    case_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_failed_writer_stays_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
