/* simulator/csv.h: records of a CSV file, one after the other.
 *
 * Shape    commas, records end in \n or \r\n, fields may be quoted and then hold commas, line ends
 *          and "" for a quote. Blank lines are no records. A byte order mark is skipped. As
 * Python's reader, it is patient: a quote inside a plain field is a quote, text behind a closing
 *          quote belongs to the field.
 * Limits   a record of 1 MiB, 4,096 fields.
 * Errors   ERR_INPUT beyond the limits; ERR_DENIED when the file cannot be read.
 * Owner    the caller; fields are borrowed until the next call.
 * Threads  one at a time.
 * Source   RFC 4180; Python's csv module, version 3.10, for the patience.
 */
#ifndef SIMULATOR_CSV_H
#define SIMULATOR_CSV_H

#include "base/str.h"

#define CSV_RECORD_MAX (1 << 20)
#define CSV_FIELDS_MAX 4096

struct csv {
    int fd; /* -1: not open */
    uint64_t offset;
    struct buf in;
    size_t in_at;
    bool at_end;
    struct buf text; /* the fields of the record, unquoted */
    struct csv_field {
        size_t at, len;
    } * fields;
    size_t field_count;
    uint64_t record; /* number of the last record, from 1 */
};

NODISCARD bool csv_open(struct csv *csv, const char *path, struct err *err);
void csv_close(struct csv *csv);

/* Begins again at the first record. */
void csv_rewind(struct csv *csv);

/* *ret_end: there is no further record. */
NODISCARD bool csv_next(struct csv *csv, bool *ret_end, struct err *err);

/* Fields beyond the end of a record are empty. */
struct span csv_field(const struct csv *csv, size_t i);

#endif
