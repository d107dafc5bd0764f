/* databricks/files.h: files and directories in a volume (Files API 2.0).
 *
 * Shape    the three calls of an upload are started and polled (databricks/call.h); the others
 *          wait for their answer. Paths are absolute, "/Volumes/<catalog>/<schema>/<volume>/...".
 * Units    bytes.
 * Limits   5 GiB a file (FILES_PUT_MAX); a page of a listing is one answer, at most 4 MiB.
 * Errors   as databricks/error.h.
 * Owner    a started call belongs to the caller; an entry of a listing is borrowed.
 * Threads  one at a time.
 * Source   databricks-api.md 2.
 */
#ifndef DATABRICKS_FILES_H
#define DATABRICKS_FILES_H

#include "databricks/call.h"

#define FILES_PUT_MAX ((uint64_t)5 << 30)

/* Sends `bytes` of `fd` (from its first byte, by offset: its position is not used; the caller
 * keeps it open until the call is freed). */
struct call *files_put_start(struct workspace *ws, const char *path, int fd, uint64_t bytes,
    bool overwrite, struct err *err);
/* call_answer()->length is the length of the file, -1: the server did not say. */
struct call *files_head_start(struct workspace *ws, const char *path, struct err *err);
/* mkdir -p; fine when it exists. */
struct call *files_make_directory_start(struct workspace *ws, const char *path, struct err *err);

NODISCARD bool files_put(
    struct workspace *ws, const char *path, struct span body, bool overwrite, struct err *err);
NODISCARD bool files_head(
    struct workspace *ws, const char *path, bool *ret_exists, int64_t *ret_length, struct err *err);
NODISCARD bool files_make_directory(struct workspace *ws, const char *path, struct err *err);
NODISCARD bool files_directory_exists(
    struct workspace *ws, const char *path, bool *ret_exists, struct err *err);

/* Adds bytes first..last (both in) to `out`; last UINT64_MAX: to the end. A file that is longer
 * than `out` has room for: ERR_RETRY. */
NODISCARD bool files_get(struct workspace *ws, const char *path, uint64_t first, uint64_t last,
    struct buf *out, struct err *err);

/* Missing is fine. */
NODISCARD bool files_delete(struct workspace *ws, const char *path, struct err *err);
NODISCARD bool files_delete_directory(struct workspace *ws, const char *path, struct err *err);

struct files_entry {
    const char *name;
    bool directory;
    uint64_t bytes;
    int64_t modified_us;
};

/* True: go on. The entry is valid during the call only. */
typedef bool files_each(void *arg, const struct files_entry *entry);

/* A directory, not recursive, all pages, in the order of the server. *ret_exists false: no such
 * directory. At most `max` entries are told. */
NODISCARD bool files_list(struct workspace *ws, const char *path, uint64_t max, files_each *each,
    void *arg, bool *ret_exists, struct err *err);

#endif
