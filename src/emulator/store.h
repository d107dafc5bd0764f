/* emulator/store.h: volumes as directories on disk.
 *
 * Shape    <root>/Volumes/<catalog>/<schema>/<volume>/... are the files, plain;
 *          <root>/.emulator/upload-<n> are uploads on their way; <root>/.emulator/LOCK is held.
 *          An upload gets its name when it is complete, so a reader sees whole files only.
 * Limits   those of the disk.
 * Errors   an enum store_answer for what a client did; STORE_FAILED with err for the disk.
 * Owner    opaque; descriptors handed out belong to the caller.
 * Threads  any: publishing, making and removing take one lock, so that "is it there?" and "put it
 *          there" are one step.
 * Source   databricks-api.md 2.2-2.5.
 *
 * Every name is walked from the root, part by part, and symbolic links are not followed: no path
 * leaves the root.
 */
#ifndef EMULATOR_STORE_H
#define EMULATOR_STORE_H

#include "base/file.h"
#include "emulator/path.h"

struct store;

enum store_answer {
    STORE_OK,
    STORE_NO_VOLUME,
    STORE_MISSING,
    STORE_EXISTS,        /* a file, or a directory, has that name */
    STORE_NOT_DIRECTORY, /* a parent is a file */
    STORE_NOT_EMPTY,
    STORE_IS_VOLUME, /* the volume itself cannot be written or removed */
    STORE_FAILED,    /* see err */
};

struct store *store_open(const char *root, bool create_volumes, struct err *err);
void store_close(struct store *store);

/* "catalog.schema.volume"; one that exists is fine. */
NODISCARD bool store_add_volume(struct store *store, const char *name, struct err *err);

/* "catalog.schema", without a volume yet. */
NODISCARD bool store_add_schema(struct store *store, const char *name, struct err *err);

/* An empty volume; ERR_INPUT when it holds something. */
NODISCARD bool store_remove_volume(struct store *store, const struct path *path, struct err *err);

/* STORE_OK or STORE_NO_VOLUME; with create_volumes and `write` always STORE_OK. */
enum store_answer store_volume(
    struct store *store, const struct path *path, bool write, struct err *err);

/* A file to upload into; name: at least 32 bytes. Ends with store_publish or store_discard. */
NODISCARD bool store_temp(
    struct store *store, char *name, size_t size, int *ret_fd, struct err *err);
void store_discard(struct store *store, const char *name);

/* Gives the complete upload its name; parents are made. It is discarded unless STORE_OK. Of two
 * at the same time without overwrite, one gets STORE_EXISTS. */
enum store_answer store_publish(struct store *store, const struct path *path, const char *name,
    bool overwrite, struct err *err);

/* A regular file, opened for reading. */
enum store_answer store_read(struct store *store, const struct path *path, int *ret_fd,
    struct file_info *ret, struct err *err);
enum store_answer store_remove(struct store *store, const struct path *path, struct err *err);

enum store_answer store_make_dir(struct store *store, const struct path *path, struct err *err);
enum store_answer store_remove_dir(struct store *store, const struct path *path, struct err *err);
/* A directory, opened. */
enum store_answer store_dir(
    struct store *store, const struct path *path, int *ret_fd, struct err *err);

#endif
