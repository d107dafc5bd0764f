/* emulator/path.h: the path and the query of a request, decoded and made safe.
 *
 * Shape    /Volumes/main/raw/land/a%20b becomes part[] = {"Volumes", "main", "raw", "land", "a b"}.
 *          The raw path is split at its slashes first and each part decoded after, so an encoded
 *          slash never makes a new part.
 * Limits   4,096 bytes, 64 parts, 255 bytes a part.
 * Errors   false with a sentence for the answer: bad percent-encoding, NUL, an encoded slash, "."
 *          and "..", an empty part, bytes that are not UTF-8.
 * Owner    the parts lie in the struct itself; it must not be moved.
 * Threads  any.
 * Source   databricks-api.md 2.1, 2.9; RFC 3986 2.1.
 */
#ifndef EMULATOR_PATH_H
#define EMULATOR_PATH_H

#include "base/str.h"

#define PATH_BYTES_MAX 4096
#define PATH_PARTS_MAX 64

struct path {
    const char *part[PATH_PARTS_MAX]; /* NUL-terminated */
    size_t count;
    bool directory;            /* it ended with a slash */
    char text[PATH_BYTES_MAX]; /* the parts, one after the other */
};

/* The parts of a volume path: "Volumes", catalog, schema, volume, then names inside. */
#define PATH_VOLUME_PARTS 4U

bool path_decode(struct span raw, struct path *ret, const char **ret_why);

/* As path_decode; at least /Volumes/<catalog>/<schema>/<volume>, whose names become lower case, as
 * Unity Catalog stores them. */
bool path_decode_volume(struct span raw, struct path *ret, const char **ret_why);

/* Appends "/a/b/c". */
bool path_print(struct buf *out, const struct path *path);

/* %XX to bytes, appended to out; false: bad encoding, or out is full. `plus`: '+' is a blank. */
bool path_unescape(struct span raw, bool plus, struct buf *out);

/* The decoded value of `key` in "a=1&b=2"; *ret_found: is it there? False: badly encoded, or more
 * than out takes; then nobody may act as if it was not there. */
NODISCARD bool path_query(struct span query, const char *key, struct buf *out, bool *ret_found);

/* '*' in the pattern is any run of bytes, slashes too; all other bytes are themselves. */
bool path_glob(struct span pattern, struct span text);

#endif
