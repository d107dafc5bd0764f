/* parquet/footer.h: FileMetaData of one of our files, taken apart and checked.
 *
 * Shape    groups[i].chunks[column]; spans point into the bytes given to footer_parse.
 * Units    bytes, rows; offsets from the first byte of the file.
 * Limits   every group 1 to PARQUET_ROWS_MAX rows; groups at most PARQUET_GROUPS_MAX.
 * Errors   ERR_INPUT: not what our writer makes, with the place; ERR_FULL: no memory.
 * Owner    caller-owned struct; footer_done takes a struct of zeros. The bytes are borrowed.
 * Threads  any; constant after parsing.
 * Source   specs/parquet.md 1.4.
 *
 * What has been checked: our schema; chunks one behind the other from byte 4 on, all of them before
 * the indexes, these before the footer; rows add up.
 */
#ifndef PARQUET_FOOTER_H
#define PARQUET_FOOTER_H

#include "parquet/format.h"

struct file_chunk {
    int32_t codec;
    uint32_t encodings; /* bits 1 << ENCODING_x */
    char encodings_text[64];
    uint64_t values, compressed, uncompressed;
    uint64_t data_page, dictionary_page; /* offsets; 0: no dictionary */
    bool has_nulls_count, has_min, has_max;
    uint64_t nulls, nans;
    struct span min, max;
    uint64_t offset_index, column_index; /* offsets; 0: none */
    uint32_t offset_index_len, column_index_len;
};

struct file_group {
    uint64_t rows;
    struct file_chunk chunks[COLUMNS];
};

struct footer {
    uint64_t rows;
    struct file_group *groups;
    uint32_t group_count;
    char *created_by;
};

/* `file_end`: offset of the footer, where everything else has ended. */
NODISCARD bool footer_parse(
    struct footer *f, const void *data, size_t len, uint64_t file_end, struct err *err);
void footer_done(struct footer *f);

/* Where the chunk's first page begins. */
static inline uint64_t file_chunk_start(const struct file_chunk *c)
{
    return c->dictionary_page ? c->dictionary_page : c->data_page;
}

#endif
