#include "emulator/statement.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/auth.h"
#include "emulator/metastore.h"
#include "emulator/rights.h"

#define NAME_SIZE (3 * STMT_NAME_MAX)

/* One statement on its way. */
struct doing {
    struct emulator *emu;
    const char *principal;
    struct stmt *stmt;
    char name[NAME_SIZE]; /* the full one */
    struct stmt_name parts;
    json_t *columns, *rows;
};

static bool state_error(struct err *err, const char *code, const char *sql_state, const char *fmt,
    ...) PRINTF_LIKE(4, 5);
static bool state_error(
    struct err *err, const char *code, const char *sql_state, const char *fmt, ...)
{
    char text[180];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return err_set(err, ERR_INPUT, 0, "[%s] %s SQLSTATE: %s", code, text, sql_state);
}

/* What the catalog says, as SQL words it. Always false. */
static bool reword(const struct doing *d, struct err *err)
{
    struct err was = *err;
    const char *type = d->stmt->securable;

    if (was.kind == ERR_DENIED) {
        (void)state_error(
            err, "INSUFFICIENT_PERMISSIONS", "42501", "Insufficient privileges: %s", was.text);
        err->kind = ERR_DENIED;
        return false;
    }
    if (was.kind != ERR_INPUT || was.text[0] == '[')
        return false;
    if (was.code == 409 && type[0] == 't')
        return state_error(err, "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
            "Cannot create table or view `%.120s` because it already exists.", d->name);
    if (was.code == 409)
        return state_error(err, type[0] == 's' ? "SCHEMA_ALREADY_EXISTS" : "ALREADY_EXISTS",
            "42P06", "%s.", was.text);
    if (was.code != 404)
        return state_error(err, "INVALID_PARAMETER_VALUE", "22023", "%s", was.text);
    if (strncmp(was.text, "Table", 5) == 0)
        return state_error(err, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
            "The table or view `%.100s` cannot be found. Verify the spelling.", d->name);
    if (strncmp(was.text, "Catalog", 7) == 0)
        return state_error(err, "NO_SUCH_CATALOG_EXCEPTION", "42704", "%s", was.text);
    if (strncmp(was.text, "Schema", 6) == 0)
        return state_error(err, "SCHEMA_NOT_FOUND", "42704", "%s", was.text);
    return state_error(err, "OBJECT_NOT_FOUND", "42704", "%s", was.text);
}

/* --- pieces of results --- */

static void add_column(struct doing *d, const char *name, const char *type)
{
    (void)json_array_append_new(
        d->columns, json_pack("{s:s, s:s, s:s, s:I}", "name", name, "type_name", type, "type_text",
                        strcmp(type, "LONG") == 0 ? "BIGINT" : type, "position",
                        (json_int_t)json_array_size(d->columns)));
}

static void add_count(struct doing *d, json_t *row, const char *name, uint64_t value)
{
    char text[24];

    add_column(d, name, "LONG");
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    (void)json_array_append_new(row, json_string(text));
}

/* --- rights --- */

static bool need(
    struct doing *d, const char *type, const char *name, const char *privilege, struct err *err)
{
    json_t *book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    bool ok = rights_reach(d->emu, book, d->principal, type, name, err) &&
              (metastore_exists(d->emu, book, type, name) || metastore_missing(type, name, err)) &&
              rights_check_open(d->emu, book, d->principal, type, name, privilege, err);

    ledger_close(d->emu->ledger);
    return ok;
}

static bool exists(struct doing *d)
{
    json_t *book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    bool there = metastore_exists(d->emu, book, d->stmt->securable, d->name);

    ledger_close(d->emu->ledger);
    return there;
}

/* --- CREATE, DROP, ALTER --- */

static bool do_create(struct doing *d, struct err *err)
{
    if (d->stmt->external)
        return state_error(err, "EXTERNAL_LOCATION_DOES_NOT_EXIST", "42704",
            "There is no external location here for '%.100s'.", d->stmt->text);
    if (d->stmt->if_not_exists && exists(d))
        return true;
    return metastore_make(
        d->emu, d->principal, d->stmt->securable, d->name, d->stmt->text ? d->stmt->text : "", err);
}

/* The table on disk first: the catalog never names one that is not there. One that a crash left
 * without a record is taken over. */
static bool do_create_table(struct doing *d, struct err *err)
{
    struct err none = {0};
    uint64_t rows;
    bool made = false;

    if (!metastore_may_make_table(
            d->emu, d->principal, d->name, d->stmt->if_not_exists, &made, err))
        return false;
    if (!made)
        return true;
    if (!runner_table_count(d->emu, &d->parts, &rows, &none) &&
        !runner_table_create(d->emu, &d->parts, d->stmt->columns, d->stmt->column_count, err))
        return false;
    if (d->stmt->pair_count &&
        !runner_table_properties(d->emu, &d->parts, d->stmt->pairs, d->stmt->pair_count, err))
        return false;
    return metastore_make_table(d->emu, d->principal, d->name, d->stmt, err);
}

static bool do_drop(struct doing *d, struct err *err)
{
    char key[NAME_SIZE + 16];
    json_t *book;
    bool ok;

    if (d->stmt->if_not_exists && !exists(d))
        return true;
    if (!need(d, "table", d->name, "MANAGE", err))
        return false;
    (void)snprintf(key, sizeof(key), "table:%s", d->name);
    book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    (void)json_object_del(json_object_get(book, "securables"), key);
    ok = ledger_save(d->emu->ledger, LEDGER_CATALOG, err);
    ledger_close(d->emu->ledger);
    return ok && runner_table_drop(d->emu, &d->parts, err);
}

static bool do_properties(struct doing *d, struct err *err)
{
    json_t *book, *properties;
    bool ok;

    if (!need(d, "table", d->name, "MODIFY", err) ||
        !runner_table_properties(d->emu, &d->parts, d->stmt->pairs, d->stmt->pair_count, err))
        return false;
    book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    properties = ledger_object(rights_record(book, "table", d->name), "properties");
    for (size_t i = 0; i < d->stmt->pair_count; i++)
        (void)json_object_set_new(
            properties, d->stmt->pairs[i].key, json_string(d->stmt->pairs[i].value));
    ok = ledger_save(d->emu->ledger, LEDGER_CATALOG, err);
    ledger_close(d->emu->ledger);
    return ok;
}

/* --- GRANT, REVOKE, SHOW GRANTS --- */

static bool do_grant(struct doing *d, struct err *err)
{
    json_t *book, *record, *before;
    bool ok = true;

    for (size_t i = 0; i < d->stmt->privilege_count; i++) {
        if (!rights_is_privilege(d->stmt->securable, d->stmt->privileges[i]))
            return state_error(err, "INVALID_PARAMETER_VALUE", "22023",
                "Privilege %s is not applicable to this entity [%s].", d->stmt->privileges[i],
                d->stmt->securable);
    }
    if (!need(d, d->stmt->securable, d->name, "MANAGE", err))
        return false;
    book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    record = rights_record(book, d->stmt->securable, d->name);
    before = json_deep_copy(record);
    for (size_t i = 0; i < d->stmt->privilege_count && ok; i++)
        ok = rights_change(d->emu, record, d->stmt->principal, d->stmt->privileges[i],
            d->stmt->kind == STMT_GRANT, err);
    if (!ok) {
        (void)json_object_update(record, before);
        if (err->code == 404)
            (void)state_error(err, "PRINCIPAL_DOES_NOT_EXIST", "42704",
                "Could not find principal "
                "with name %.80s.",
                d->stmt->principal);
    }
    json_decref(before);
    ok = ok && ledger_save(d->emu->ledger, LEDGER_CATALOG, err);
    ledger_close(d->emu->ledger);
    return ok;
}

static void show_one(struct doing *d, json_t *book, const char *type, const char *name)
{
    char key[NAME_SIZE + 16], word[48], upper[16];
    json_t *list, *entry;
    const char *who;
    size_t i;

    (void)snprintf(key, sizeof(key), "%s:%s", type, name);
    (void)str_copy(upper, sizeof(upper), type);
    for (char *p = upper; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    json_object_foreach(
        json_object_get(json_object_get(json_object_get(book, "securables"), key), "grants"), who,
        list)
    {
        if (d->stmt->principal[0] && strcmp(who, d->stmt->principal) != 0)
            continue;
        json_array_foreach(list, i, entry)
        {
            (void)str_copy(word, sizeof(word), json_string_value(entry));
            for (char *p = word; *p; p++)
                *p = *p == '_' ? ' ' : *p;
            (void)json_array_append_new(d->rows, json_pack("[s, s, s, s]", who, word, upper, name));
        }
    }
}

/* The inherited ones too. */
static bool do_show_grants(struct doing *d, struct err *err)
{
    const char *dot = strchr(d->name, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
    bool self = strcmp(d->stmt->principal, d->principal) == 0;
    char parent[NAME_SIZE];
    json_t *book;

    if (!self && !need(d, d->stmt->securable, d->name, "MANAGE", err))
        return false;
    add_column(d, "Principal", "STRING");
    add_column(d, "ActionType", "STRING");
    add_column(d, "ObjectType", "STRING");
    add_column(d, "ObjectKey", "STRING");
    book = ledger_open(d->emu->ledger, LEDGER_CATALOG);
    show_one(d, book, d->stmt->securable, d->name);
    if (second) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(second - d->name), d->name);
        show_one(d, book, "schema", parent);
    }
    if (dot) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(dot - d->name), d->name);
        show_one(d, book, "catalog", parent);
    }
    ledger_close(d->emu->ledger);
    return true;
}

/* --- reading --- */

static bool do_describe(struct doing *d, struct err *err)
{
    json_t *table, *column;
    size_t i;

    if (!need(d, "table", d->name, "SELECT", err))
        return false;
    table = metastore_table(d->emu, &d->parts);
    add_column(d, "col_name", "STRING");
    add_column(d, "data_type", "STRING");
    add_column(d, "comment", "STRING");
    json_array_foreach(json_object_get(table, "columns"), i, column)(void)
        json_array_append_new(d->rows,
            json_pack("[s, s, s?]", json_member(column, "name"), json_member(column, "type_text"),
                json_string_value(json_object_get(column, "comment"))));
    if (d->stmt->extended) {
        (void)json_array_append_new(d->rows, json_pack("[s, s, s]", "", "", ""));
        (void)json_array_append_new(
            d->rows, json_pack("[s, s, s]", "# Detailed Table Information", "", ""));
        (void)json_array_append_new(
            d->rows, json_pack("[s, s, s]", "Catalog", d->parts.part[0], ""));
        (void)json_array_append_new(
            d->rows, json_pack("[s, s, s]", "Database", d->parts.part[1], ""));
        (void)json_array_append_new(d->rows, json_pack("[s, s, s]", "Table", d->parts.part[2], ""));
        (void)json_array_append_new(d->rows, json_pack("[s, s, s]", "Provider", "delta", ""));
        (void)json_array_append_new(
            d->rows, json_pack("[s, s, s]", "Owner", json_member(table, "owner"), ""));
    }
    json_decref(table);
    return true;
}

static bool do_describe_volume(struct doing *d, struct err *err)
{
    char key[NAME_SIZE + 16], location[NAME_SIZE + 16];
    json_t *record;
    const char *owner;

    if (!need(d, "volume", d->name, "READ_VOLUME", err))
        return false;
    for (size_t i = 0; i < 7; i++) {
        static const char *const names[] = {
            "name", "catalog", "database", "owner", "storageLocation", "volumeType", "comment"};

        add_column(d, names[i], "STRING");
    }
    (void)snprintf(key, sizeof(key), "volume:%s", d->name);
    (void)snprintf(location, sizeof(location), "s3://emulator/%s", d->name);
    record = json_object_get(
        json_object_get(ledger_open(d->emu->ledger, LEDGER_CATALOG), "securables"), key);
    owner = json_member(record, "owner");
    (void)json_array_append_new(d->rows,
        json_pack("[s, s, s, s, s, s, s]", d->parts.part[2], d->parts.part[0], d->parts.part[1],
            *owner ? owner : AUTH_USER, location, "MANAGED", json_member(record, "comment")));
    ledger_close(d->emu->ledger);
    return true;
}

static bool do_count(struct doing *d, struct err *err)
{
    json_t *row;
    uint64_t count = 0;

    if (!need(d, "table", d->name, "SELECT", err) ||
        !runner_table_count(d->emu, &d->parts, &count, err))
        return false;
    row = json_array();
    add_count(d, row, d->stmt->pattern[0] ? d->stmt->pattern : "count(1)", count);
    (void)json_array_append_new(d->rows, row);
    return true;
}

static bool do_rows(struct doing *d, struct err *err)
{
    json_t *table, *column, *rows = NULL;
    size_t i;

    if (!need(d, "table", d->name, "SELECT", err) ||
        !runner_table_rows(d->emu, &d->parts, d->stmt->limit, &rows, err))
        return false;
    table = metastore_table(d->emu, &d->parts);
    json_array_foreach(json_object_get(table, "columns"), i, column)
        add_column(d, json_member(column, "name"), json_member(column, "type_name"));
    json_decref(table);
    json_decref(d->rows);
    d->rows = rows;
    return true;
}

static bool do_copy(struct doing *d, struct err *err)
{
    struct runner_copied copied = {0};
    char volume[NAME_SIZE];
    struct path path;
    const char *why;
    json_t *row;

    if (!path_decode_volume(span_of(d->stmt->text), &path, &why))
        return state_error(err, "PATH_NOT_FOUND", "42K03",
            "The source '%.80s' is not a path in a volume: %.60s", d->stmt->text, why);
    (void)snprintf(volume, sizeof(volume), "%s.%s.%s", path.part[1], path.part[2], path.part[3]);
    if (!need(d, "table", d->name, "SELECT", err) || !need(d, "table", d->name, "MODIFY", err) ||
        !need(d, "volume", volume, "READ_VOLUME", err))
        return false;
    d->stmt->name = d->parts;
    if (!runner_copy_into(d->emu, d->stmt, &copied, err))
        return false;
    row = json_array();
    add_count(d, row, "num_affected_rows", copied.affected_rows);
    add_count(d, row, "num_inserted_rows", copied.inserted_rows);
    add_count(d, row, "num_skipped_corrupt_files", 0);
    (void)json_array_append_new(d->rows, row);
    return true;
}

/* --- all --- */

static bool dispatch(struct doing *d, struct err *err)
{
    switch (d->stmt->kind) {
    case STMT_CREATE_CATALOG:
    case STMT_CREATE_SCHEMA:
    case STMT_CREATE_VOLUME:
        return do_create(d, err);
    case STMT_CREATE_TABLE:
        return do_create_table(d, err);
    case STMT_DROP_TABLE:
        return do_drop(d, err);
    case STMT_GRANT:
    case STMT_REVOKE:
        return do_grant(d, err);
    case STMT_SHOW_GRANTS:
        return do_show_grants(d, err);
    case STMT_DESCRIBE_TABLE:
        return do_describe(d, err);
    case STMT_DESCRIBE_VOLUME:
        return do_describe_volume(d, err);
    case STMT_COPY_INTO:
        return do_copy(d, err);
    case STMT_SELECT_COUNT:
        return do_count(d, err);
    case STMT_SELECT_ROWS:
        return do_rows(d, err);
    case STMT_SET_PROPERTIES:
        return do_properties(d, err);
    case STMT_SELECT_ONE:
        add_column(d, "1", "INT");
        (void)json_array_append_new(d->rows, json_pack("[s]", "1"));
        return true;
    case STMT_SET:
        return true;
    }
    return err_set(err, ERR_INPUT, 0, "not served here");
}

/* Fills the full name from the short one. */
static bool complete(struct doing *d, const char *catalog, const char *schema, struct err *err)
{
    const char *type = d->stmt->securable;
    char full[NAME_SIZE];
    bool ok;

    if (d->stmt->kind == STMT_SELECT_ONE || d->stmt->kind == STMT_SET)
        return true;
    if (type[0] == 'c')
        ok = stmt_full_name(&d->stmt->name, "", "", full);
    else if (type[0] == 's')
        ok = stmt_full_name(&d->stmt->name, d->stmt->name.count < 2 ? catalog : "", "", full);
    else
        ok = stmt_full_name(&d->stmt->name, catalog, schema, full);
    if (!ok || !metastore_name(full, type, d->name, err))
        return ok ? false : err_set(err, ERR_INPUT, 400, "The name needs its catalog and schema.");
    for (const char *p = d->name; d->parts.count < 3; p++) {
        size_t len = strcspn(p, ".");

        (void)snprintf(d->parts.part[d->parts.count++], STMT_NAME_MAX, "%.*s", (int)len, p);
        p += len;
        if (!*p)
            break;
    }
    return true;
}

bool statement_run(struct emulator *emu, const char *principal, struct span sql,
    const char *catalog, const char *schema, json_t **ret, struct err *err)
{
    struct stmt stmt = {0};
    struct doing d = {.emu = emu, .principal = principal, .stmt = &stmt};
    bool makes, ok = stmt_parse(sql, &stmt, err);

    *ret = NULL;
    if (!ok)
        return false;
    d.columns = json_array();
    d.rows = json_array();
    makes = stmt.kind <= STMT_DROP_TABLE;
    if (makes)
        statements_lock(emu->statements);
    ok = (complete(&d, *catalog ? catalog : "main", *schema ? schema : "default", err) &&
             dispatch(&d, err)) ||
         reword(&d, err);
    if (makes)
        statements_unlock(emu->statements);
    if (ok)
        *ret = json_pack("{s:O, s:O}", "columns", d.columns, "rows", d.rows);
    json_decref(d.columns);
    json_decref(d.rows);
    stmt_done(&stmt);
    return ok && (*ret || err_set(err, ERR_FULL, ENOMEM, "no memory for a result"));
}
