/* emulator/sql.h: the statements we know, parsed exactly.
 *
 * Shape    sql_next cuts a script at its semicolons; sql_parse makes one statement of it. Keywords
 *          in any case; names plain or in back-ticks (doubled inside); literals in ' or " with
 *          backslash escapes; comments -- and nested block comments.
 * Limits   255 bytes a name, 64 columns, 32 privileges or options, 4,096 bytes a literal.
 * Errors   ERR_INPUT with the sentence of the service: [PARSE_SYNTAX_ERROR] Syntax error at or near
 *          'x'. SQLSTATE: 42601 (line 1, pos 7).
 * Owner    the statement owns what it points to: sql_done.
 * Threads  any.
 * Source   databricks-api.md 6, 7.4.
 */
#ifndef EMULATOR_SQL_H
#define EMULATOR_SQL_H

#include "base/str.h"

#define SQL_NAME_MAX 256
#define SQL_TEXT_MAX 4096
#define SQL_COLUMNS_MAX 64
#define SQL_PAIRS_MAX 32

enum sql_kind {
    SQL_CREATE_CATALOG,
    SQL_CREATE_SCHEMA,
    SQL_CREATE_VOLUME,
    SQL_CREATE_TABLE,
    SQL_DROP_TABLE,
    SQL_GRANT,
    SQL_REVOKE,
    SQL_SHOW_GRANTS,
    SQL_DESCRIBE_TABLE,
    SQL_DESCRIBE_VOLUME,
    SQL_COPY_INTO,
    SQL_SELECT_COUNT,
    SQL_SELECT_ROWS,
    SQL_SELECT_ONE, /* SELECT 1: is it alive? */
    SQL_SET_PROPERTIES,
    SQL_SET, /* SET TIME ZONE 'UTC', SET key = value: taken, without effect */
};

/* part[count-1] is the last one; lower case, as Unity Catalog keeps names. */
struct sql_name {
    size_t count;
    char part[3][SQL_NAME_MAX];
};

struct sql_column {
    char name[SQL_NAME_MAX]; /* as written */
    char type[64];           /* upper case: "TIMESTAMP_NTZ", "DECIMAL(18,2)" */
    bool not_null;
    char comment[256];
};

struct sql_pair {
    char key[SQL_NAME_MAX];
    char value[SQL_TEXT_MAX];
};

/* One thing of COPY INTO's select list. */
struct sql_item {
    char column[SQL_NAME_MAX]; /* of the file; "*": all */
    char cast[64];             /* CAST(column AS ...), or "" */
    char alias[SQL_NAME_MAX];  /* or "" */
};

struct sql_statement {
    enum sql_kind kind;
    bool if_not_exists; /* or IF EXISTS */
    bool external, extended;
    char securable[16]; /* "catalog", "schema", "volume", "table": of name, for grants */
    struct sql_name name;
    struct sql_column *columns;
    size_t column_count;
    char (*privileges)[48]; /* as REST writes them: USE_CATALOG */
    size_t privilege_count;
    char principal[SQL_NAME_MAX]; /* "" in SHOW GRANTS: everybody's */
    char *text;                   /* comment, location, or COPY INTO's source path */
    struct sql_item *items;       /* COPY INTO's select list; none: plain path */
    size_t item_count;
    struct sql_pair *pairs; /* properties; COPY INTO: "format.<k>", "copy.<k>", lower case */
    size_t pair_count;
    uint64_t limit;  /* SELECT ... LIMIT; UINT64_MAX: none */
    char format[16]; /* FILEFORMAT, upper case */
    char pattern[SQL_NAME_MAX];
};

/* The next statement of a script without its blanks and comments around; false: no more. */
bool sql_next(struct span *script, struct span *ret);

NODISCARD bool sql_parse(struct span text, struct sql_statement *ret, struct err *err);
void sql_done(struct sql_statement *statement);

/* "main.raw.events", or with `catalog` and `schema` in front where parts are missing. False: too
 * few parts. */
bool sql_full_name(const struct sql_name *name, const char *catalog, const char *schema,
    char out[3 * SQL_NAME_MAX]);

/* Appends `name` in back-ticks, those inside doubled. */
void sql_quote(struct buf *out, const char *name);

#endif
