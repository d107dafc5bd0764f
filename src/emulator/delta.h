/* emulator/delta.h: a Delta table on disk, as any Delta reader opens it.
 *
 * Shape    <table>/_delta_log/00000000000000000000.json   a commit: an action a line
 *                            00000000000000000001.json
 *          <table>/part-00000-<uuid>-c000.<codec>.parquet rows; a second name of the landed file
 *
 *          delta_open replays the log. delta_begin, delta_add for each file, delta_finish make the
 *          next version; nothing is in the table before delta_finish, and after it all is. The name
 *          of a commit is given once only: who comes second gets ERR_RETRY.
 * Units    rows, bytes, versions from 0.
 * Limits   64 columns; commits of 64 MiB; 1,000,000 versions. No checkpoint files are written (the
 *          protocol leaves that to the writer) and a log that lacks its beginning is not read.
 * Errors   ERR_INPUT: no such table, a table with features we do not have, a file that is damaged or
 *          does not fit the columns, in the words of the service. ERR_RETRY: another commit was
 *          first. Else what the disk said.
 * Owner    opaque. A commit borrows its table and ends with delta_finish or delta_abort.
 * Threads  one at a time; runner_tables.c has the lock.
 * Source   delta-io/delta PROTOCOL.md: Actions, Table Features, TimestampNtz, Per-file Statistics,
 *          Schema Serialization Format; RFC 2396 for paths.
 *
 * Each `add` has the tag "source": the path the file was loaded from. So what COPY INTO has loaded is
 * part of the same commit as its rows, and a crash can neither lose nor double it.
 */
#ifndef EMULATOR_DELTA_H
#define EMULATOR_DELTA_H

#include "base/file.h"
#include "emulator/json.h"

#define DELTA_COLUMNS_MAX 64U
#define DELTA_PATH_MAX 1024U

struct delta_column {
    char name[256];
    char type[64]; /* as Delta has it: "timestamp_ntz", "string", "decimal(18,2)" */
    bool not_null;
    char comment[256];
};

/* A file of the newest version. Borrowed. */
struct delta_file {
    const char *path;   /* relative to the table, decoded */
    const char *source; /* where it was loaded from; NULL: somebody else added it */
    uint64_t bytes, rows;
};

struct delta;
struct delta_commit;

/* "TIMESTAMP_NTZ" to "timestamp_ntz", "BIGINT" to "long"; false: no type of Delta's. */
bool delta_type(const char *sql, char *out, size_t size);

/* The directory and version 0. ERR_INPUT with EEXIST: there is a table already. */
NODISCARD bool delta_create(int at, const char *path, const struct delta_column *columns,
    size_t column_count, struct err *err);

struct delta *delta_open(int at, const char *path, struct err *err);
void delta_close(struct delta *table); /* takes NULL */

int64_t delta_version(const struct delta *table);
size_t delta_column_count(const struct delta *table);
const struct delta_column *delta_column(const struct delta *table, size_t i);
bool delta_feature(const struct delta *table, const char *name);
size_t delta_file_count(const struct delta *table);
void delta_file(const struct delta *table, size_t i, struct delta_file *ret);
uint64_t delta_rows(const struct delta *table); /* by the statistics */
int delta_directory(const struct delta *table); /* borrowed */

/* Was this path loaded by any commit, also one whose file is gone again? */
bool delta_loaded(const struct delta *table, const char *source);

/* The version an application has reached; -1: none. */
int64_t delta_txn(const struct delta *table, const char *application);

struct delta_commit *delta_begin(struct delta *table, struct err *err);
void delta_abort(struct delta_commit *commit); /* takes NULL */

/* The landed file dirfd/name, known to people as `source`: read whole, checked, linked into the
 * table. */
NODISCARD bool delta_add(
    struct delta_commit *commit, int dirfd, const char *name, const char *source, struct err *err);

void delta_set_txn(struct delta_commit *commit, const char *application, int64_t version);

/* "delta.feature.<f>" = "supported" enables the feature; others are kept in the metadata. */
NODISCARD bool delta_set_property(
    struct delta_commit *commit, const char *key, const char *value, struct err *err);

/* COPY INTO with mergeSchema: the columns of our files that the table lacks. Before delta_add. */
NODISCARD bool delta_merge_columns(struct delta_commit *commit, struct err *err);

uint64_t delta_commit_rows(const struct delta_commit *commit);
size_t delta_commit_files(const struct delta_commit *commit);

/* Writes the version; `parameters` (borrowed): an object of strings, or NULL. The commit is over
 * whatever comes back. The table still shows the version it was opened with. */
NODISCARD bool delta_finish(
    struct delta_commit *commit, const char *operation, const json_t *parameters, struct err *err);

#endif
