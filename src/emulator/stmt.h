/* emulator/stmt.h: the statements we know, parsed exactly.
 *
 * Shape    stmt_next cuts a script at its semicolons; stmt_parse makes one statement of it. Keywords
 *          in any case; names plain or in back-ticks (doubled inside); literals in ' or " with
 *          backslash escapes; comments -- and nested block comments.
 * Limits   255 bytes a name, 64 columns, 32 privileges or options, 4,096 bytes a literal.
 * Errors   ERR_INPUT with the sentence of the service: [PARSE_SYNTAX_ERROR] Syntax error at or near
 *          'x'. SQLSTATE: 42601 (line 1, pos 7).
 * Owner    the statement owns what it points to: stmt_done.
 * Threads  any.
 * Source   databricks-api.md 6, 7.4.
 */
#ifndef EMULATOR_STMT_H
#define EMULATOR_STMT_H

#include "base/str.h"

#define STMT_NAME_MAX 256
#define STMT_TEXT_MAX 4096
#define STMT_COLUMNS_MAX 64
#define STMT_PAIRS_MAX 32

enum stmt_kind {
    STMT_CREATE_CATALOG,
    STMT_CREATE_SCHEMA,
    STMT_CREATE_VOLUME,
    STMT_CREATE_TABLE,
    STMT_DROP_TABLE,
    STMT_GRANT,
    STMT_REVOKE,
    STMT_SHOW_GRANTS,
    STMT_DESCRIBE_TABLE,
    STMT_DESCRIBE_VOLUME,
    STMT_COPY_INTO,
    STMT_SELECT_COUNT,
    STMT_SELECT_ROWS,
    STMT_SELECT_ONE, /* SELECT 1: is it alive? */
    STMT_SET_PROPERTIES,
    STMT_SET, /* SET TIME ZONE 'UTC', SET key = value: taken, without effect */
};

/* part[count-1] is the last one; lower case, as Unity Catalog keeps names. */
struct stmt_name {
    size_t count;
    char part[3][STMT_NAME_MAX];
};

struct stmt_column {
    char name[STMT_NAME_MAX]; /* as written */
    char type[64];            /* upper case: "TIMESTAMP_NTZ", "DECIMAL(18,2)" */
    bool not_null;
    char comment[256];
};

struct stmt_pair {
    char key[STMT_NAME_MAX];
    char value[STMT_TEXT_MAX];
};

/* One thing of COPY INTO's select list. */
struct stmt_item {
    char column[STMT_NAME_MAX]; /* of the file; "*": all */
    char cast[64];              /* CAST(column AS ...), or "" */
    char alias[STMT_NAME_MAX];  /* or "" */
};

struct stmt {
    enum stmt_kind kind;
    bool if_not_exists; /* or IF EXISTS */
    bool external, extended;
    char securable[16]; /* "catalog", "schema", "volume", "table": of name, for grants */
    struct stmt_name name;
    struct stmt_column *columns;
    size_t column_count;
    char (*privileges)[48]; /* as REST writes them: USE_CATALOG */
    size_t privilege_count;
    char principal[STMT_NAME_MAX]; /* "" in SHOW GRANTS: everybody's */
    char *text;                    /* comment, location, or COPY INTO's source path */
    struct stmt_item *items;       /* COPY INTO's select list; none: plain path */
    size_t item_count;
    struct stmt_pair *pairs; /* properties; COPY INTO: "format.<k>", "copy.<k>", lower case */
    size_t pair_count;
    uint64_t limit;              /* SELECT ... LIMIT; UINT64_MAX: none */
    char format[16];             /* FILEFORMAT, upper case */
    char pattern[STMT_NAME_MAX]; /* PATTERN; SELECT count(*): the alias */
};

/* The next statement of a script without its blanks and comments around; false: no more. */
bool stmt_next(struct span *script, struct span *ret);

NODISCARD bool stmt_parse(struct span text, struct stmt *ret, struct err *err);
void stmt_done(struct stmt *statement);

/* "main.raw.events", or with `catalog` and `schema` in front where parts are missing. False: too
 * few parts. */
bool stmt_full_name(const struct stmt_name *name, const char *catalog, const char *schema,
    char out[3 * STMT_NAME_MAX]);

/* Appends `name` in back-ticks, those inside doubled. */
void stmt_quote(struct buf *out, const char *name);

#endif
