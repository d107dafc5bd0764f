/* databricks/catalog.h: schemas, volumes, tables and grants of Unity Catalog (API 2.1).
 *
 * Shape    one function a call; each waits for its answer. A place is named by its parts, without
 *          back-ticks; they are encoded here.
 * Limits   255 bytes a part; a page of an answer 4 MiB.
 * Errors   as databricks/error.h; texts of a 403 name the privilege that is missing.
 * Owner    the caller; x_done frees and takes an empty struct too: that is what there is after a
 *          failure, and when *ret_exists is false. Texts of what exists are never NULL.
 * Threads  one at a time.
 * Source   databricks-api.md 6.1-6.3.
 */
#ifndef DATABRICKS_CATALOG_H
#define DATABRICKS_CATALOG_H

#include "base/str.h"
#include "databricks/workspace.h"

enum catalog_kind { CATALOG_CATALOG, CATALOG_SCHEMA, CATALOG_VOLUME, CATALOG_TABLE };
const char *catalog_kind_name(enum catalog_kind kind); /* "catalog", ... */

struct catalog_path {
    const char *catalog;
    const char *schema; /* NULL for a catalog */
    const char *name;   /* NULL for a catalog or schema */
};

/* "catalog.schema.name" behind `out`. */
bool catalog_full_name(struct catalog_path path, struct buf *out);

struct catalog_schema {
    char *full_name, *owner;
};

void catalog_schema_done(struct catalog_schema *schema);
NODISCARD bool catalog_schema_get(struct workspace *ws, struct catalog_path path,
    struct catalog_schema *ret, bool *ret_exists, struct err *err);

struct catalog_volume {
    char *full_name, *id, *owner;
    char *type;     /* "MANAGED", "EXTERNAL" */
    char *location; /* where in the cloud; "": not said */
};

void catalog_volume_done(struct catalog_volume *volume);
NODISCARD bool catalog_volume_get(struct workspace *ws, struct catalog_path path,
    struct catalog_volume *ret, bool *ret_exists, struct err *err);
/* A managed one. *ret_created false: it was there already (somebody was faster). */
NODISCARD bool catalog_volume_create(struct workspace *ws, struct catalog_path path,
    const char *comment, bool *ret_created, struct err *err);

struct catalog_column {
    char *name;
    char *type; /* type_text in lower case as SQL has it: "timestamp_ntz", "decimal(10,2)" */
    int64_t position;
    bool nullable;
};

struct catalog_table {
    char *full_name, *id, *owner;
    char *type;                     /* "MANAGED", "EXTERNAL", "VIEW", ... */
    char *format;                   /* "DELTA", ... */
    struct catalog_column *columns; /* by position */
    size_t column_count;
};

void catalog_table_done(struct catalog_table *table);
NODISCARD bool catalog_table_get(struct workspace *ws, struct catalog_path path,
    struct catalog_table *ret, bool *ret_exists, struct err *err);
/* Cheaper, and allowed to more people. A missing catalog or schema: it does not exist. */
NODISCARD bool catalog_table_exists(
    struct workspace *ws, struct catalog_path path, bool *ret_exists, struct err *err);

/* Adds privileges, as REST writes them ("USE_CATALOG"). Fine when they are there already. */
NODISCARD bool catalog_grant(struct workspace *ws, enum catalog_kind kind, struct catalog_path path,
    const char *principal, const char *const *privileges, size_t count, struct err *err);

struct catalog_privilege {
    char *principal;
    char *privilege;      /* "READ_VOLUME" */
    char *inherited_kind; /* "CATALOG", "SCHEMA"; "": given on the thing itself */
    char *inherited_name;
};

struct catalog_privileges {
    struct catalog_privilege *items;
    size_t count;
};

void catalog_privileges_done(struct catalog_privileges *privileges);
/* True also for ALL_PRIVILEGES, and for the owner's own (not listed by the service: ask the
 * table's or volume's owner). */
bool catalog_privileges_have(
    const struct catalog_privileges *privileges, const char *principal, const char *privilege);

/* Given on the thing itself; `effective`: also what comes from above and from groups. `principal`
 * NULL: all. *ret_known false: we may not ask (403), which says nothing about the grants. */
NODISCARD bool catalog_privileges_get(struct workspace *ws, enum catalog_kind kind,
    struct catalog_path path, const char *principal, bool effective, struct catalog_privileges *ret,
    bool *ret_known, struct err *err);

#endif
