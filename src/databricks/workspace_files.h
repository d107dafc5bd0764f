/* databricks/workspace_files.h: files and folders below /Workspace (Workspace API 2.0).
 *
 * Shape    one function a call; each waits for its answer. Paths are absolute, "/Workspace/...".
 * Units    bytes; _us microseconds since the epoch.
 * Limits   7 MiB of content (the service takes 10 MB, in base64).
 * Errors   as databricks/error.h; ERR_INPUT also for content that is too long, or that the service
 *          would make a notebook of: such a file loses its extension and no job finds it.
 * Owner    the caller.
 * Threads  one at a time.
 * Source   databricks-api.md 5.
 */
#ifndef DATABRICKS_WORKSPACE_FILES_H
#define DATABRICKS_WORKSPACE_FILES_H

#include "base/str.h"
#include "databricks/workspace.h"

#define WORKSPACE_FILES_MAX ((size_t)7 << 20)

/* mkdir -p; fine when it exists. */
NODISCARD bool workspace_files_make_directory(
    struct workspace *ws, const char *path, struct err *err);

/* A plain file (format AUTO), overwritten when it exists. */
NODISCARD bool workspace_files_import(
    struct workspace *ws, const char *path, struct span content, struct err *err);

struct workspace_files_status {
    int64_t object_id;
    char type[24]; /* "FILE", "NOTEBOOK", "DIRECTORY", ... */
    int64_t bytes; /* -1: not said */
    int64_t modified_us;
};

NODISCARD bool workspace_files_get_status(struct workspace *ws, const char *path,
    struct workspace_files_status *ret, bool *ret_exists, struct err *err);

/* The content, behind `out` (its cap holds: longer is ERR_INPUT). */
NODISCARD bool workspace_files_export(
    struct workspace *ws, const char *path, struct buf *out, bool *ret_exists, struct err *err);

/* A file or an empty folder; missing is fine. */
NODISCARD bool workspace_files_delete(struct workspace *ws, const char *path, struct err *err);

#endif
