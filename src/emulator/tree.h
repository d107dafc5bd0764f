/* emulator/tree.h: the workspace's own files: folders, plain files, notebooks.
 *
 * Shape    paths as "/Shared/a/b.py": "/Workspace" in front is taken off, so both forms name the
 *          same thing. "/", "/Shared", "/Users", "/Repos" and the home folders of the known
 *          principals are always there. Contents lie in <root>/.emulator/workspace/<name>; the
 *          ledger's book has the rest.
 *          runner.h has tree_read.
 * Limits   10 MiB a file, 1,023 bytes a path.
 * Errors   enum tree_answer; TREE_FAILED with err.
 * Threads  any: the ledger's lock.
 * Source   databricks-api.md 5.
 *
 * Who is not admin reads and writes below /Shared and in the own home only.
 */
#ifndef EMULATOR_TREE_H
#define EMULATOR_TREE_H

#include "emulator/request.h"

#define TREE_PATH_MAX 1024
#define TREE_FILE_MAX (10U << 20)

enum tree_answer {
    TREE_OK,
    TREE_BAD_PATH,
    TREE_MISSING,
    TREE_NO_PARENT,
    TREE_EXISTS,
    TREE_OTHER_TYPE,
    TREE_NOT_EMPTY,
    TREE_DENIED,
    TREE_FAILED,
};

/* "/Workspace/Shared/x/" to "/Shared/x". */
bool tree_path(const char *given, char out[TREE_PATH_MAX]);

enum tree_answer tree_mkdirs(
    struct emulator *emu, const char *principal, const char *path, struct err *err);

/* `type`: "FILE" or "NOTEBOOK"; language "" for none. */
enum tree_answer tree_put(struct emulator *emu, const char *principal, const char *path,
    const char *type, const char *language, struct span content, bool overwrite, struct err *err);

/* The object as get-status shows it; the caller's. */
enum tree_answer tree_look(
    struct emulator *emu, const char *principal, const char *path, json_t **ret);

/* Those right below a folder; a file is a list of itself. */
enum tree_answer tree_list(
    struct emulator *emu, const char *principal, const char *path, json_t **ret);

enum tree_answer tree_content(struct emulator *emu, const char *principal, const char *path,
    struct buf *out, struct err *err);
enum tree_answer tree_delete(
    struct emulator *emu, const char *principal, const char *path, bool recursive, struct err *err);

#endif
