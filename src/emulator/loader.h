/* emulator/loader.h: the two loaders: files of a volume to rows of a Delta table, each file once.
 *
 * Shape    loader_find lists what lies below a directory, as both see it. Auto Loader keeps what it
 *          has seen in its checkpoint, as Structured Streaming does:
 *
 *            <checkpoint>/metadata        {"id":"<uuid>"}: the application in the table's log
 *            <checkpoint>/sources/0/<n>   v1, then a line a file of batch n: fixed before it is loaded
 *            <checkpoint>/offsets/<n>     batch n is planned
 *            <checkpoint>/commits/<n>     batch n is in the table
 *
 *          A batch that is planned and not committed is done again with the same files; the table's
 *          own note (txn) says whether its rows are there already. COPY INTO asks the table's log.
 * Units    _us microseconds, _bytes bytes.
 * Limits   1,000,000 files, 64 directories deep; 1,000 files a batch unless the script says so.
 * Errors   ERR_INPUT with the sentence a run shows: a broken file, a missing directory, an option
 *          that is not known. ERR_RETRY: somebody else wrote the table first.
 * Owner    lists are the caller's: loader_found_done.
 * Threads  one run at a time (runner.c, and its lock over the tables).
 * Source   databricks-api.md 7; Spark's HadoopFSUtils (names), FileStreamSourceLog (checkpoint).
 */
#ifndef EMULATOR_LOADER_H
#define EMULATOR_LOADER_H

#include "emulator/delta.h"
#include "emulator/json.h"
#include "emulator/path.h"
#include "emulator/stmt.h"
#include "emulator/store.h"

struct loader_file {
    char *path; /* relative to the directory */
    uint64_t bytes;
    int64_t modified_us;
};

struct loader_found {
    struct loader_file *files; /* sorted by path */
    size_t count, size;
    uint64_t all;     /* with those whose names hide them */
    bool partitioned; /* a directory is called key=value */
};

/* Spark does not see names with a leading '_' (unless they have a '=') or '.', nor "._COPYING_". */
bool loader_hidden(const char *name);

/* `glob` (of the name alone, as pathGlobFilter) may be NULL. */
NODISCARD bool loader_find(int dirfd, const char *glob, struct loader_found *ret, struct err *err);
void loader_found_done(struct loader_found *found);

/* "/Volumes/main/raw/land/data/" or "dbfs:/Volumes/...", as people write it, to a path. ERR_INPUT. */
NODISCARD bool loader_path(const char *text, struct path *ret, struct err *err);

/* Opens the directory of such a path. ERR_INPUT: it is not there. */
NODISCARD bool loader_open(
    struct store *store, const struct path *path, bool make, int *ret_fd, struct err *err);

/* --- Auto Loader --- */

#define LOADER_TEXT_MAX 2048U

/* What the task's script asks for: loader_script.c. */
struct loader_stream {
    char source[LOADER_TEXT_MAX], checkpoint[LOADER_TEXT_MAX];
    char table[LOADER_TEXT_MAX]; /* as in SQL: back-ticks are taken off later */
    char glob[256];              /* "": all */
    char archive[LOADER_TEXT_MAX];
    bool move;            /* cloudFiles.cleanSource = MOVE */
    int64_t retention_us; /* before a loaded file is moved */
    uint64_t batch_files;
    bool no_partitions; /* cloudFiles.partitionColumns = "" */
};

/* Reads the Python file of a spark_python_task with its parameters. ERR_INPUT in Python's or
 * Spark's words. */
NODISCARD bool loader_script(
    struct span code, const json_t *parameters, struct loader_stream *ret, struct err *err);

struct loader_job {
    struct store *store;
    int root;                     /* of the emulator */
    const char *table_path;       /* relative to root */
    int64_t time_scale;           /* the retention lasts 1/n as long */
    bool (*cancelled)(void *arg); /* asked between files; NULL: never */
    void *arg;
};

struct loader_result {
    uint64_t files, rows, batches, skipped, moved;
};

NODISCARD bool loader_auto(const struct loader_job *job, const struct loader_stream *stream,
    struct loader_result *ret, struct err *err);

/* --- COPY INTO --- */

NODISCARD bool loader_copy(const struct loader_job *job, const struct stmt *copy,
    struct loader_result *ret, struct err *err);

#endif
