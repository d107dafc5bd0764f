/* parquet/page_read.h: the pages of one chunk back to values, everything checked.
 *
 * Shape    page_read_chunk takes a chunk's bytes and fills the rows of one column.
 * Limits   pages of PAGE_ROWS rows (the last one less) and PAGE_BYTES_MAX; DICTIONARY_BYTES_MAX.
 * Errors   ERR_INPUT: damaged (page CRC) or not ours, with the page; ERR_FULL: no memory.
 * Owner    caller-owned structs; names borrow from column_values.names_bytes.
 * Threads  one at a time.
 * Source   specs/parquet.md 1.5 to 1.8, 2.
 */
#ifndef PARQUET_PAGE_READ_H
#define PARQUET_PAGE_READ_H

#include "parquet/codec.h"
#include "parquet/footer.h"

#define GROUP_PAGES_MAX (PARQUET_ROWS_MAX / PAGE_ROWS)

struct page_seen {
    uint64_t offset; /* in the file */
    uint32_t bytes;  /* header and body */
    uint32_t nulls;
};

/* One column of a row group, and the memory for it. */
struct column_values {
    void *numbers;   /* int64_t or double */
    uint32_t *codes; /* of names */
    uint8_t *nulls;  /* 1: NULL */
    size_t rows_size;
    size_t null_count;
    struct span *names;
    uint32_t name_count;
    struct buf names_bytes;
    struct page_seen pages[GROUP_PAGES_MAX];
    size_t page_count;
};

struct page_reader {
    struct codec codec;
    struct buf body;      /* of a page, uncompressed */
    uint64_t *dictionary; /* of numbers */
    uint32_t dictionary_count;
    uint32_t *codes;   /* PAGE_ROWS */
    uint64_t *numbers; /* PAGE_ROWS */
};

NODISCARD bool page_reader_init(struct page_reader *r, struct err *err);
void page_reader_done(struct page_reader *r);

NODISCARD bool page_read_chunk(struct page_reader *r, unsigned column,
    const struct file_chunk *chunk, const void *data, size_t rows, struct column_values *ret,
    struct err *err);
void column_values_done(struct column_values *v);

#endif
