/* What is written is read back, value for value, for every case, profile and codec; and any changed
 * byte is either noticed or harmless. */
#include "interop/parquet_cases.h"
#include "parquet/reader.h"
#include "rounds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* wrap: page_crc */
uint32_t __real_page_crc(const void *data, size_t len);
uint32_t __wrap_page_crc(const void *data, size_t len);

#define GROUPS_MAX 20

static bool crc_is_zero;

uint32_t __wrap_page_crc(const void *data, size_t len)
{
    return crc_is_zero ? 0 : __real_page_crc(data, len);
}

static bool collect(void *context, const void *data, size_t len, struct err *err)
{
    (void)err;
    return buf_add(context, data, len);
}

static bool read_buf(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct buf *file = context;

    if (offset > file->len || len > file->len - offset)
        return err_set(err, ERR_BROKEN, 0, "read of %zu at %llu of %zu", len,
            (unsigned long long)offset, file->len);
    memcpy(out, file->data + offset, len);
    return true;
}

/* The row groups of a case: made once as long as the same case is asked for. NULL: freed. */
static struct case_data *groups_of(const struct parquet_case *c)
{
    static struct case_data groups[GROUPS_MAX];
    static const struct parquet_case *made;

    if (c == made)
        return groups;
    for (unsigned g = 0; made && g < made->groups; g++)
        case_done(&groups[g]);
    made = c;
    for (unsigned g = 0; c && g < c->groups; g++) {
        assert_in_range(g, 0, GROUPS_MAX - 1);
        assert_true(case_fill(&groups[g], c, g));
    }
    return groups;
}

static void write_case(struct buf *out, const struct parquet_case *c, enum parquet_profile profile,
    enum parquet_codec codec)
{
    const struct parquet_options options = {.codec = codec, .profile = profile};
    struct err err = {0};
    struct parquet_writer *w =
        parquet_writer_new(&options, (struct parquet_sink){collect, out}, &err);
    const struct case_data *groups = groups_of(c);

    assert_non_null(w);
    for (unsigned g = 0; g < c->groups; g++) {
        if (!parquet_write_group(w, &groups[g].columns, &err))
            fail_msg("%s: %s", c->name, err.text);
    }
    assert_true(parquet_finish(w, &err));
    assert_int_equal(parquet_bytes(w), out->len);
    parquet_writer_free(w);
}

static bool is_null(const uint8_t *nulls, size_t i)
{
    return nulls && nulls[i];
}

static void same_numbers(const char *what, const void *a, const uint8_t *a_null, const void *b,
    const uint8_t *b_null, size_t rows)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    for (size_t i = 0; i < rows; i++) {
        if (is_null(a_null, i) != is_null(b_null, i) || (!is_null(a_null, i) && x[i] != y[i]))
            fail_msg("%s: row %zu differs", what, i);
    }
}

static void same_names(const char *what, const uint32_t *a, const struct span *a_names,
    const uint8_t *a_null, const uint32_t *b, const struct span *b_names, const uint8_t *b_null,
    size_t rows)
{
    size_t same = SIZE_MAX; /* a row of the two names that were compared last */

    for (size_t i = 0; i < rows; i++) {
        if (is_null(a_null, i) != is_null(b_null, i))
            fail_msg("%s: row %zu differs", what, i);
        if (is_null(a_null, i) || (same != SIZE_MAX && a[i] == a[same] && b[i] == b[same]))
            continue;
        if (!span_equal(a_names[a[i]], b_names[b[i]]))
            fail_msg("%s: row %zu differs", what, i);
        same = i;
    }
}

static void same_columns(
    const char *name, const struct parquet_columns *a, const struct parquet_columns *b)
{
    assert_int_equal(a->rows, b->rows);
    same_numbers(
        name, a->timestamp_us, a->timestamp_null, b->timestamp_us, b->timestamp_null, a->rows);
    same_numbers(name, a->payload, a->payload_null, b->payload, b->payload_null, a->rows);
    same_names(
        name, a->asset, a->assets, a->asset_null, b->asset, b->assets, b->asset_null, a->rows);
    same_names(name, a->datastream, a->datastreams, a->datastream_null, b->datastream,
        b->datastreams, b->datastream_null, a->rows);
}

static uint64_t nulls_in(const uint8_t *nulls, size_t rows)
{
    uint64_t count = 0;

    for (size_t i = 0; i < rows; i++)
        count += is_null(nulls, i);
    return count;
}

/* Minimum and maximum hold for every value, and are there unless a NaN or only NULLs forbid it. */
static void check_payload_statistics(
    const char *name, const struct parquet_columns *c, const struct parquet_column_info *info)
{
    bool has_nan = false;
    bool has_value = false;
    double min, max;

    assert_int_equal(info->nulls, nulls_in(c->payload_null, c->rows));
    for (size_t i = 0; i < c->rows; i++) {
        has_value |= !is_null(c->payload_null, i);
        has_nan |= !is_null(c->payload_null, i) && isnan(c->payload[i]);
    }
    assert_int_equal(info->has_min_max, has_value && !has_nan);
    assert_int_equal(info->has_column_index, !has_nan);
    if (!info->has_min_max)
        return;
    memcpy(&min, info->min.data, sizeof(min));
    memcpy(&max, info->max.data, sizeof(max));
    if ((min == 0 && !signbit(min)) || (max == 0 && signbit(max)))
        fail_msg("%s: sign of zero", name);
    for (size_t i = 0; i < c->rows; i++) {
        if (!is_null(c->payload_null, i) && (c->payload[i] < min || c->payload[i] > max))
            fail_msg("%s: row %zu is outside", name, i);
    }
}

static void check_name_statistics(const char *name, const uint32_t *codes, const struct span *names,
    const uint8_t *nulls, size_t rows, const struct parquet_column_info *info)
{
    struct span shortest = {NULL, 0};
    uint32_t last = UINT32_MAX;

    assert_int_equal(info->nulls, nulls_in(nulls, rows));
    assert_int_equal(info->has_min_max, info->nulls < rows);
    for (size_t i = 0; i < rows; i++) {
        if (is_null(nulls, i) || codes[i] == last) /* the same name as in the row before */
            continue;
        last = codes[i];
        if (span_compare(names[last], info->min) < 0 || span_compare(names[last], info->max) > 0)
            fail_msg("%s: row %zu is outside", name, i);
        if (!shortest.data || span_compare(names[last], shortest) < 0)
            shortest = names[last];
    }
    if (!info->has_min_max)
        return;
    assert_true(str_utf8_valid(info->min.data, info->min.len));
    assert_true(str_utf8_valid(info->max.data, info->max.len));
    assert_true(info->min.len <= 64);
    assert_true(info->min.len >= (shortest.len < 61 ? shortest.len : 61));
}

static void check_case(struct buf *file, const struct parquet_case *c)
{
    struct err err = {0};
    struct parquet_reader *r = parquet_open(
        (struct parquet_source){.read = read_buf, .context = file, .bytes = file->len}, &err);
    const struct case_data *groups = groups_of(c);
    struct parquet_info info;

    if (!r)
        fail_msg("%s: %s", c->name, err.text);
    parquet_info(r, &info);
    assert_int_equal(info.groups, c->groups);
    assert_int_equal(info.rows, c->rows * c->groups);
    for (unsigned g = 0; g < c->groups; g++) {
        struct parquet_columns got;
        struct parquet_column_info column;
        const struct parquet_columns *want = &groups[g].columns;

        if (!parquet_read_group(r, g, &got, &err))
            fail_msg("%s: %s", c->name, err.text);
        same_columns(c->name, want, &got);
        parquet_column_info(r, g, 3, &column);
        check_payload_statistics(c->name, want, &column);
        parquet_column_info(r, g, 1, &column);
        check_name_statistics(c->name, got.asset, got.assets, got.asset_null, got.rows, &column);
        parquet_column_info(r, g, 2, &column);
        check_name_statistics(
            c->name, got.datastream, got.datastreams, got.datastream_null, got.rows, &column);
    }
    parquet_close(r);
}

static void every_case_comes_back(void **state)
{
    struct buf file;

    (void)state;
    buf_init(&file, 64U << 20);
    for (size_t i = 0; i < PARQUET_CASES; i++) {
        for (int profile = PARQUET_SAFE; profile <= PARQUET_DELTA; profile++) {
            for (int codec = PARQUET_NONE; codec <= PARQUET_ZSTD; codec++) {
                buf_reset(&file);
                write_case(&file, &parquet_cases[i], (enum parquet_profile)profile,
                    (enum parquet_codec)codec);
                check_case(&file, &parquet_cases[i]);
            }
        }
    }
    buf_done(&file);
}

static void the_same_rows_make_the_same_bytes(void **state)
{
    struct buf a, b;

    (void)state;
    buf_init(&a, 64U << 20);
    buf_init(&b, 64U << 20);
    for (size_t i = 0; i < PARQUET_CASES; i += 3) {
        buf_reset(&a);
        buf_reset(&b);
        write_case(&a, &parquet_cases[i], PARQUET_SAFE, PARQUET_ZSTD);
        (void)groups_of(NULL); /* the same rows from another place in memory */
        write_case(&b, &parquet_cases[i], PARQUET_SAFE, PARQUET_ZSTD);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
    }
    buf_done(&a);
    buf_done(&b);
}

/* Opens and reads it all; false: the reader refused. */
static bool try_read(struct buf *file, enum err_kind *ret_kind)
{
    struct err err = {0};
    struct parquet_reader *r = parquet_open(
        (struct parquet_source){.read = read_buf, .context = file, .bytes = file->len}, &err);
    struct parquet_columns got;
    struct parquet_info info;
    bool ok = r != NULL;

    if (ok)
        parquet_info(r, &info);
    for (uint32_t g = 0; ok && g < info.groups; g++)
        ok = parquet_read_group(r, g, &got, &err);
    *ret_kind = err.kind;
    parquet_close(r);
    return ok;
}

static void a_changed_byte_of_a_page_is_noticed(void **state)
{
    struct buf file;
    enum err_kind kind;
    uint32_t footer;
    size_t noticed = 0;
    size_t tried = 0;

    (void)state;
    buf_init(&file, 1U << 20);
    write_case(&file, &parquet_cases[4], PARQUET_SAFE, PARQUET_ZSTD);
    memcpy(&footer, file.data + file.len - 8, sizeof(footer));
    for (size_t at = 4; at < file.len - 8 - footer; at++) {
        for (unsigned bit = (unsigned)at % 3; bit < 8; bit += 3, tried++) {
            file.data[at] = (char)(file.data[at] ^ 1 << bit);
            if (!try_read(&file, &kind)) {
                assert_int_equal(kind, ERR_INPUT);
                noticed++;
            }
            file.data[at] = (char)(file.data[at] ^ 1 << bit);
        }
    }
    /* What may pass: is_sorted of dictionaries, minima, maxima and counts of strings in indexes. */
    assert_true(noticed * 10 > tried * 7);
    assert_true(try_read(&file, &kind));
    buf_done(&file);
}

/* Four bytes changed per try, from a fresh file each 20 tries; half of them in the footer, which no
 * checksum covers. The checksum of pages is always "right" here (wrap), so that the decoders see the
 * damage. */
static void hostile_bytes_are_refused_or_read(void **state)
{
    static const size_t picks[] = {1, 8, 13, 16, 23, 25}; /* small ones of every kind */
    struct buf file;
    struct rng rng;
    enum err_kind kind;
    unsigned refused = 0;

    (void)state;
    buf_init(&file, 8U << 20);
    rng_seed(&rng, 20260131);
    crc_is_zero = true;
    for (size_t p = 0; p < sizeof(picks) / sizeof(picks[0]); p++) {
        for (uint64_t round = 0; round < rounds(200); round++) {
            if (round % 20 == 0) {
                buf_reset(&file);
                write_case(&file, &parquet_cases[picks[p]], (enum parquet_profile)(round / 20 % 2),
                    (enum parquet_codec)(round / 20 % 3));
            }
            for (unsigned k = 0; k < 1 + round % 4; k++) {
                size_t from = k & 1 ? file.len - file.len / 3 : 0;

                file.data[from + rng_below(&rng, file.len - from)] = (char)rng_next(&rng);
            }
            if (!try_read(&file, &kind)) {
                assert_true(kind == ERR_INPUT || kind == ERR_FULL);
                refused++;
            }
        }
    }
    crc_is_zero = false;
    assert_true(refused > rounds(500));
    buf_done(&file);
}

static void a_cut_file_is_refused(void **state)
{
    struct buf file;
    enum err_kind kind;
    size_t len;

    (void)state;
    buf_init(&file, 1U << 20);
    write_case(&file, &parquet_cases[8], PARQUET_DELTA, PARQUET_NONE);
    len = file.len;
    for (size_t cut = 0; cut < len; cut++) {
        file.len = cut;
        assert_false(try_read(&file, &kind));
        assert_int_equal(kind, ERR_INPUT);
    }
    buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_comes_back),
        cmocka_unit_test(the_same_rows_make_the_same_bytes),
        cmocka_unit_test(a_changed_byte_of_a_page_is_noticed),
        cmocka_unit_test(hostile_bytes_are_refused_or_read),
        cmocka_unit_test(a_cut_file_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    (void)groups_of(NULL);
    return failed;
}
