/* base/secret.h: a password or token that must not leak.
 *
 * Shape    opaque; locked in memory, left out of core dumps, wiped before it is freed.
 * Limits   64 KiB.
 * Errors   ERR_FULL when it is longer or memory is short; ERR_DENIED / ERR_INPUT from a file.
 * Owner    the caller; secret_free takes NULL.
 * Threads  one at a time, or constant.
 * Source   durability.md 15.
 *
 * secret_reveal is for databricks/auth.c alone (a test greps for other callers): no other line of
 * the program can put a secret into a format string.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/str.h"

struct secret;

/* Copies. The caller wipes its own copy. */
struct secret *secret_new(struct span value, struct err *err);

/* A copy of its own: for the second client of a process. */
struct secret *secret_copy(const struct secret *secret, struct err *err);

/* Takes the value of the environment variable and wipes it there (durability.md 15). NULL without
 * an error (err->kind ERR_NONE): not set or empty. */
struct secret *secret_from_env(const char *name, struct err *err);

/* Reads a file: one trailing newline is stripped; refused when others may write it; *ret_exposed
 * says that others may read it (a warning, not an error: containers mount secrets like that). */
struct secret *secret_from_file(const char *path, bool *ret_exposed, struct err *err);

void secret_free(struct secret *secret);

/* Same bytes, compared in constant time for equal lengths. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* The bytes. Only databricks/auth.c may call it. */
struct span secret_reveal(const struct secret *secret);

#endif
