/* emulator/delta_inside.h: a table and a commit, for the files delta*.c only.
 *
 * Shape    files: path to its add action, in the order of the log; loaded: every source there ever
 *          was; txns: application to version.
 * Owner    struct delta owns all of it.
 * Threads  as delta.h.
 */
#ifndef EMULATOR_DELTA_INSIDE_H
#define EMULATOR_DELTA_INSIDE_H

#include "emulator/delta.h"

#define DELTA_LOG "_delta_log"
#define DELTA_NAME_SIZE 32 /* "00000000000000000000.json" */
#define DELTA_TEMP ".commit-"
#define DELTA_SOURCE_TAG "source"
#define DELTA_COMMIT_BYTES_MAX (64U << 20)

struct delta {
    int dirfd, logfd;
    int64_t version;
    json_t *protocol, *metadata; /* the actions' values */
    json_t *files, *loaded, *txns;
    const char **paths; /* of files, in order; what delta_file counts by */
    struct delta_column columns[DELTA_COLUMNS_MAX];
    size_t column_count;
};

struct delta_commit {
    struct delta *table;
    struct buf actions;           /* add and txn, a line each */
    json_t *protocol, *metadata;  /* what becomes of the table's; NULL: stays */
    struct delta_column *columns; /* as this commit leaves them */
    size_t column_count;
    size_t files;
    uint64_t rows, bytes;
    struct buf
        made; /* names of the data files, each with its NUL: gone again if nobody needs them */
};

/* The type of a column of our files, as Delta has it: columns_schema (parquet/format.h) in its
 * words. */
const char *delta_file_type(unsigned column);

/* From a metaData action's schemaString. */
NODISCARD bool delta_schema_parse(struct delta *table, struct err *err);

/* {"type":"struct","fields":[...]} as text. */
bool delta_schema_print(const struct delta_column *columns, size_t column_count, struct buf *out);

const char *delta_commit_name(char out[DELTA_NAME_SIZE], int64_t version);

/* {"commitInfo":{"timestamp":..,"operation":.. and its end, for what lies between. */
void delta_info_start(struct json_out *json, struct buf *line, const char *operation);
void delta_info_end(struct json_out *json, struct buf *line);

/* The lines in `text` become version `version` of the log in `logfd`. ERR_RETRY: it is there. */
NODISCARD bool delta_publish(int logfd, int64_t version, const struct buf *text, struct err *err);

#endif
