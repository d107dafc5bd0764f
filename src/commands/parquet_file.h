/* commands/parquet_file.h: our Parquet files as files on disk: opened, shown, walked.
 *
 * Shape    a source over base/file for parquet/reader.h, and what `inspect` and `demo` share.
 * Errors   as parquet/reader.h, with the file's name in front.
 * Owner    the caller closes what it opened.
 * Threads  any.
 */
#ifndef COMMANDS_PARQUET_FILE_H
#define COMMANDS_PARQUET_FILE_H

#include "base/file.h"
#include "parquet/reader.h"

struct parquet_file {
    int fd;
    uint64_t bytes;
    struct parquet_reader *reader;
};

NODISCARD bool parquet_file_open(
    struct parquet_file *file, int dirfd, const char *name, struct err *err);
void parquet_file_close(struct parquet_file *file);

/* A table of rows on stdout: `count` of them from row `first` on. */
NODISCARD bool parquet_file_show_rows(
    const char *directory, const char *name, uint64_t first, uint64_t count, struct err *err);

#endif
