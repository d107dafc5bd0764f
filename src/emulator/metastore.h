/* emulator/metastore.h: catalogs, schemas, volumes and tables.
 *
 * Shape    what lies on disk below <root>/Volumes exists; the catalog's book adds owner, comment,
 *          grants, and the tables with their columns ("table:main.raw.events"). "main" and
 *          "main.default" are always there. With create_volumes every catalog and schema is.
 *          runner.h has metastore_table.
 * Limits   names of 255 bytes without '.', blank, '/', '%' and control characters.
 * Errors   enum store_answer's meaning through err: ERR_INPUT code 404 missing, 409 exists, 400 a
 *          bad name; ERR_DENIED 403.
 * Threads  any: the ledger's lock.
 * Source   databricks-api.md 2.9, 6.1, 6.2.
 */
#ifndef EMULATOR_METASTORE_H
#define EMULATOR_METASTORE_H

#include "emulator/request.h"

/* With the catalog's book open. `type` as in rights.h. */
bool metastore_exists(struct emulator *emu, const json_t *book, const char *type, const char *name);

/* The lower-cased "a.b.c" of `type`, or ERR_INPUT 400. */
NODISCARD bool metastore_name(
    const char *given, const char *type, char out[3 * STMT_NAME_MAX], struct err *err);

/* Makes a catalog, schema or volume; needs the rights of `principal`. */
NODISCARD bool metastore_make(struct emulator *emu, const char *principal, const char *type,
    const char *name, const char *comment, struct err *err);

/* May `principal` make this table? *ret_made false: it is there, and if_not_exists lets it. */
NODISCARD bool metastore_may_make_table(struct emulator *emu, const char *principal,
    const char *name, bool if_not_exists, bool *ret_made, struct err *err);

/* The table's record, once the table is on disk (runner_table_create). */
NODISCARD bool metastore_make_table(struct emulator *emu, const char *principal, const char *name,
    const struct stmt *stmt, struct err *err);

/* Sentence of something missing: "Volume 'a.b.c' does not exist." */
bool metastore_missing(const char *type, const char *name, struct err *err);

/* Answers with what err says. */
void metastore_refuse(struct request *req, const char *type, const struct err *err);

#endif
