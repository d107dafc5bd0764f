/* parquet/format.h: numbers of the Parquet format and of our one schema, for the files of this
 * room.
 *
 * Shape    enums as they stand in the file; columns in schema order.
 * Units    bytes, rows.
 * Source   specs/parquet.md 1.3, 1.4, 3.2; parquet.thrift.
 */
#ifndef PARQUET_FORMAT_H
#define PARQUET_FORMAT_H

#include "parquet/writer.h"

/* Values go into pages as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Parquet is little-endian");

#define PAGE_ROWS 65536U
#define PAGE_BYTES_MAX (1U << 20)        /* of a data page, uncompressed */
#define DICTIONARY_BYTES_MAX (64U << 20) /* of names in one dictionary page */
#define FOOTER_BYTES_MAX (64U << 20)
#define PARQUET_GROUPS_MAX 65536U
#define NUMBERS_MAX 262144U    /* distinct values of a dictionary of timestamps or doubles */
#define STATISTIC_BYTES_MAX 64 /* of a string in statistics and indexes */

enum { TYPE_INT64 = 2, TYPE_DOUBLE = 5, TYPE_BYTE_ARRAY = 6 };
enum { REPETITION_OPTIONAL = 1 };
enum { CONVERTED_NONE = -1, CONVERTED_UTF8 = 0, CONVERTED_TIMESTAMP_MICROS = 10 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_DELTA = 5, ENCODING_DICTIONARY = 8 };
enum { CODEC_NONE = 0, CODEC_SNAPPY = 1, CODEC_ZSTD = 6 };
enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum { ORDER_UNORDERED = 0, ORDER_ASCENDING = 1, ORDER_DESCENDING = 2 };

enum { COLUMN_TIMESTAMP, COLUMN_ASSET, COLUMN_DATASTREAM, COLUMN_PAYLOAD, COLUMNS };

struct column_schema {
    const char *name;
    const char *physical; /* for people */
    const char *logical;
    int32_t type;
    int32_t converted;
    uint8_t logical_bytes[8]; /* the union LogicalType, in Thrift compact; ends with a stop */
    uint8_t logical_len;
};

extern const struct column_schema columns_schema[COLUMNS];

/* CRC-32 (IEEE) of a page's stored bytes. */
uint32_t page_crc(const void *data, size_t len);

#endif
