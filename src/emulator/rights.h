/* emulator/rights.h: grants of Unity Catalog, and whether one is enough.
 *
 * Shape    a securable is "type:full.name" in the catalog's book; its record has "owner" and
 *          "grants": {"<principal>": ["WRITE_VOLUME"]}. A grant on a catalog or schema holds for
 *          all below it; the owner may do all with the thing itself, and the owner of a parent may
 *          use it, create in it and grant.
 *          runner.h has rights_check.
 * Errors   ERR_DENIED with the service's sentence, naming the privilege.
 * Threads  any; the functions that take a book want the ledger open.
 * Source   databricks-api.md 6.3.
 *
 * Admins (emulator_options) may do all.
 */
#ifndef EMULATOR_RIGHTS_H
#define EMULATOR_RIGHTS_H

#include "emulator/request.h"

/* rights_check with the catalog's book open. */
NODISCARD bool rights_check_open(struct emulator *emu, json_t *book, const char *principal,
    const char *type, const char *name, const char *privilege, struct err *err);

/* Only USE CATALOG and USE SCHEMA on the parents. */
NODISCARD bool rights_reach(struct emulator *emu, json_t *book, const char *principal,
    const char *type, const char *name, struct err *err);

/* Does it exist as a word, for that type? */
bool rights_is_privilege(const char *type, const char *privilege);

/* The record of a securable, made when missing. */
json_t *rights_record(json_t *book, const char *type, const char *name);

/* Gives or takes; `principal` must be known (else ERR_INPUT). Not saved yet. */
NODISCARD bool rights_change(struct emulator *emu, json_t *record, const char *principal,
    const char *privilege, bool give, struct err *err);

/* Of the target of a files or directories request; 403 when not. True also when the volume does not
 * exist: that is for the store to say. */
bool rights_allow_target(struct request *req, bool write);

#endif
