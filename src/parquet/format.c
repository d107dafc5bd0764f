#include "parquet/format.h"

#include <zlib.h>

const struct column_schema columns_schema[COLUMNS] = {
    {.name = "timestamp",
        .physical = "INT64",
        .logical = "TIMESTAMP(MICROS, local)",
        .type = TYPE_INT64,
        .converted = CONVERTED_TIMESTAMP_MICROS,
        /* 8: TimestampType {1: false, 2: TimeUnit {2: MicroSeconds {}}} */
        .logical_bytes = {0x8c, 0x12, 0x1c, 0x2c, 0x00, 0x00, 0x00, 0x00},
        .logical_len = 8},
    {.name = "asset",
        .physical = "BYTE_ARRAY",
        .logical = "STRING",
        .type = TYPE_BYTE_ARRAY,
        .converted = CONVERTED_UTF8,
        .logical_bytes = {0x1c, 0x00, 0x00}, /* 1: StringType {} */
        .logical_len = 3},
    {.name = "datastream",
        .physical = "BYTE_ARRAY",
        .logical = "STRING",
        .type = TYPE_BYTE_ARRAY,
        .converted = CONVERTED_UTF8,
        .logical_bytes = {0x1c, 0x00, 0x00},
        .logical_len = 3},
    {.name = "payload",
        .physical = "DOUBLE",
        .logical = "",
        .type = TYPE_DOUBLE,
        .converted = CONVERTED_NONE},
};

uint32_t page_crc(const void *data, size_t len)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, len);
}
