/* The golden file of specs/parquet.md, appendix A: byte for byte. */
#include "parquet/reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char golden[] =
    "504152311500153c153c15dee189c8091c1506150015061506000002000000060100202110d70d06"
    "0040623010d70d0600a0454710d70d060015041528152815fbf59da5063c15041500120000060000"
    "0070756d702d310600000070756d702d3215001512151215ffb3f5d7051c15061510150615060000"
    "0200000006010103041504151e151e15a4f4bdf40b3c150415001200000400000074656d70030000"
    "0072706d15001512151215ead897be071c150615101506150600000200000006010103021500152c"
    "152c15d0f5f2d10c1c150615001506150600000200000003050000000000803540000000000000d0"
    "bf19110219180800202110d70d0600191808a0454710d70d06001502191600001911021918067075"
    "6d702d3119180670756d702d3215021916000019110219180372706d19180474656d701502191600"
    "00191102191808000000000000d0bf1918080000000000803540150219160239160000191c160815"
    "6a16000000191c16c201154016000019162400191c16c802154016000019161600191c168803155a"
    "160000001502195c4806736368656d6115080015042502180974696d657374616d7025144c8c121c"
    "2c0000000000150c25021805617373657425004c1c000000150c2502180a6461746173747265616d"
    "25004c1c000000150a250218077061796c6f6164001606191c194c26001c15041925060019180974"
    "696d657374616d7015001606166a166a26083c36002808a0454710d70d0600180800202110d70d06"
    "00111100191c150015001502000016c605151416e203153e0026001c150c19350600101918056173"
    "7365741500160616900116900126c20126721c3600280670756d702d32180670756d702d31111100"
    "192c15041500150200150015101502003c1624000016da05151c16a00415360026001c150c193506"
    "001019180a6461746173747265616d1500160616860116860126c8022682021c3600280474656d70"
    "180372706d111100192c15041500150200150015101502003c1616000016f605151c16d604152c00"
    "26001c150a192506001918077061796c6f616415001606165a165a2688033c360228080000000000"
    "8035401808000000000000d0bf1111160000191c1500150015020000169206151616820515440016"
    "da031606260816da03140000281f6578616d706c652076657273696f6e20302e312e302028627569"
    "6c64203029194c1c00001c00001c00001c000000f001000050415231";

static bool collect(void *context, const void *data, size_t len, struct err *err)
{
    (void)err;
    return buf_add(context, data, len);
}

/* Rows of the appendix: (.., pump-1, temp, 21.5), (+1 s, pump-1, rpm, NULL), (+2.5 s, pump-2, temp,
 * -0.25). */
static void write_example(struct buf *out, const char *created_by)
{
    const int64_t start = INT64_C(1704067200000000);
    const int64_t timestamps[] = {start, start + 1000000, start + 2500000};
    const uint32_t asset[] = {0, 0, 1};
    const uint32_t datastream[] = {0, 1, 0};
    const double payload[] = {21.5, 0, -0.25};
    const uint8_t payload_null[] = {0, 1, 0};
    const struct span assets[] = {span_of("pump-1"), span_of("pump-2")};
    const struct span datastreams[] = {span_of("temp"), span_of("rpm")};
    const struct parquet_columns columns = {.rows = 3,
        .timestamp_us = timestamps,
        .asset = asset,
        .datastream = datastream,
        .payload = payload,
        .payload_null = payload_null,
        .assets = assets,
        .datastreams = datastreams,
        .asset_count = 2,
        .datastream_count = 2};
    const struct parquet_options options = {.codec = PARQUET_NONE,
        .profile = PARQUET_SAFE,
        .sorting = PARQUET_UNSORTED,
        .created_by = created_by};
    struct err err = {0};
    struct parquet_writer *w =
        parquet_writer_new(&options, (struct parquet_sink){collect, out}, &err);

    assert_non_null(w);
    assert_true(parquet_write_group(w, &columns, &err));
    assert_true(parquet_finish(w, &err));
    assert_int_equal(parquet_bytes(w), out->len);
    assert_int_equal(parquet_rows(w), 3);
    parquet_writer_free(w);
}

static void the_example_is_written_byte_for_byte(void **state)
{
    struct buf out;
    char hex[3] = "";

    (void)state;
    buf_init(&out, 65536);
    write_example(&out, "example version 0.1.0 (build 0)");
    assert_int_equal(out.len, (sizeof(golden) - 1) / 2);
    for (size_t i = 0; i < out.len; i++) {
        (void)snprintf(hex, sizeof(hex), "%02x", (unsigned char)out.data[i]);
        if (memcmp(hex, golden + 2 * i, 2) != 0)
            fail_msg("byte %zu is %s, not %.2s", i, hex, golden + 2 * i);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_written_byte_for_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
