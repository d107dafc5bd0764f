#include "emulator/metastore.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "emulator/auth.h"
#include "emulator/rights.h"

#define NAME_SIZE (3 * STMT_NAME_MAX)

static size_t parts_of(const char *type)
{
    return strcmp(type, "catalog") == 0 ? 1 : strcmp(type, "schema") == 0 ? 2 : 3;
}

bool metastore_name(const char *given, const char *type, char out[NAME_SIZE], struct err *err)
{
    size_t dots = 0, len = strlen(given), start = 0;

    if (len >= NAME_SIZE || !str_utf8_valid(given, len))
        return err_set(err, ERR_INPUT, 400, "The name is too long, or not UTF-8.");
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char)given[i];

        if (c == '.' || c == '\0') {
            if (i == start || i - start > 255)
                return err_set(err, ERR_INPUT, 400, "'%.150s' is not a valid name", given);
            start = i + 1;
            dots += c == '.';
        } else if (c <= ' ' || c == 0x7f || c == '/' || c == '%') {
            return err_set(err, ERR_INPUT, 400,
                "Invalid name '%.150s': it has a character that is not allowed.", given);
        }
        out[i] = (char)(c < 0x80 ? tolower(c) : c);
    }
    return dots + 1 == parts_of(type) ||
           err_set(err, ERR_INPUT, 400, "'%.150s' is not the full name of a %s.", given, type);
}

static bool on_disk(struct emulator *emu, const char *name)
{
    char raw[NAME_SIZE + 16];
    struct path path;
    const char *why;
    struct err err = {0};
    int fd = -1, n = snprintf(raw, sizeof(raw), "/Volumes/%s", name);
    bool found;

    for (char *p = raw; *p; p++)
        *p = *p == '.' ? '/' : *p;
    found = n > 0 && path_decode(span_of(raw), &path, &why) &&
            store_dir(emu->store, &path, &fd, &err) == STORE_OK;
    file_drop(fd);
    return found;
}

bool metastore_exists(struct emulator *emu, const json_t *book, const char *type, const char *name)
{
    char key[NAME_SIZE + 16];

    (void)snprintf(key, sizeof(key), "%s:%s", type, name);
    if (strcmp(type, "table") == 0)
        return json_object_get(
                   json_object_get(json_object_get(book, "securables"), key), "columns") != NULL;
    if (strcmp(type, "volume") != 0 && emu->create_volumes)
        return true;
    return strcmp(key, "catalog:main") == 0 || strcmp(key, "schema:main.default") == 0 ||
           on_disk(emu, name);
}

bool metastore_missing(const char *type, const char *name, struct err *err)
{
    return err_set(err, ERR_INPUT, 404, "%c%s '%.150s' does not exist.",
        toupper((unsigned char)type[0]), type + 1, name);
}

static void parent_of(const char *name, char out[NAME_SIZE])
{
    const char *dot = strrchr(name, '.');

    (void)snprintf(out, NAME_SIZE, "%.*s", dot ? (int)(dot - name) : 0, name);
}

/* The parents must be there, the thing not; the principal may make it. Book open. */
static bool may_make(struct emulator *emu, json_t *book, const char *principal, const char *type,
    const char *name, struct err *err)
{
    size_t parts = parts_of(type);
    const char *parent_type = parts == 2 ? "catalog" : "schema";
    char parent[NAME_SIZE], catalog[NAME_SIZE], privilege[32];

    parent_of(name, parent);
    parent_of(parent, catalog);
    if (parts == 1 && !auth_is_admin(emu, principal))
        return err_set(
            err, ERR_DENIED, 403, "User does not have CREATE CATALOG on Metastore 'emulator'.");
    if (!rights_reach(emu, book, principal, type, name, err))
        return false;
    if (parts == 3 && !metastore_exists(emu, book, "catalog", catalog))
        return metastore_missing("catalog", catalog, err);
    if (parts > 1 && !metastore_exists(emu, book, parent_type, parent))
        return metastore_missing(parent_type, parent, err);
    if (metastore_exists(emu, book, type, name) && (parts == 3 || !emu->create_volumes))
        return err_set(err, ERR_INPUT, 409, "%c%s '%.150s' already exists",
            toupper((unsigned char)type[0]), type + 1, name);
    (void)snprintf(privilege, sizeof(privilege), "CREATE_%s", type);
    for (char *p = privilege; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return parts == 1 ||
           rights_check_open(emu, book, principal, parent_type, parent, privilege, err);
}

static bool make_on_disk(struct emulator *emu, const char *type, const char *name, struct err *err)
{
    char with[NAME_SIZE + 16];

    if (strcmp(type, "volume") == 0)
        return store_add_volume(emu->store, name, err);
    if (strcmp(type, "schema") == 0)
        return store_add_schema(emu->store, name, err);
    /* Every catalog has one schema from the start. */
    (void)snprintf(with, sizeof(with), "%s.default", name);
    return store_add_schema(emu->store, with, err);
}

bool metastore_make(struct emulator *emu, const char *principal, const char *type, const char *name,
    const char *comment, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_CATALOG), *record;
    bool ok = may_make(emu, book, principal, type, name, err) && make_on_disk(emu, type, name, err);

    if (ok) {
        record = rights_record(book, type, name);
        (void)json_object_set_new(record, "owner", json_string(principal));
        if (comment && *comment)
            (void)json_object_set_new(record, "comment", json_string(comment));
        ok = ledger_save(emu->ledger, LEDGER_CATALOG, err);
    }
    ledger_close(emu->ledger);
    return ok;
}

/* --- tables --- */

/* type_name of REST: the word before the bracket; INT is INT, BIGINT is LONG. */
static const char *type_name(const char *sql, char out[64])
{
    static const char *const names[][2] = {{"BIGINT", "LONG"}, {"SMALLINT", "SHORT"},
        {"TINYINT", "BYTE"}, {"INTEGER", "INT"}, {"REAL", "FLOAT"}};

    (void)snprintf(out, 64, "%.*s", (int)strcspn(sql, "(<"), sql);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(out, names[i][0]) == 0)
            return names[i][1];
    }
    return out;
}

static json_t *columns_of(const struct stmt *stmt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < stmt->column_count; i++) {
        const struct stmt_column *c = &stmt->columns[i];
        char word[64], text[64];
        json_t *column;

        (void)str_copy(text, sizeof(text), c->type);
        for (char *p = text; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        column =
            json_pack("{s:s, s:s, s:s, s:b, s:I}", "name", c->name, "type_text", text, "type_name",
                type_name(c->type, word), "nullable", !c->not_null, "position", (json_int_t)i);
        if (c->comment[0])
            (void)json_object_set_new(column, "comment", json_string(c->comment));
        (void)json_array_append_new(list, column);
    }
    return list;
}

bool metastore_may_make_table(struct emulator *emu, const char *principal, const char *name,
    bool if_not_exists, bool *ret_made, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_CATALOG);
    bool there = if_not_exists && metastore_exists(emu, book, "table", name);
    bool ok = there ? rights_reach(emu, book, principal, "table", name, err)
                    : may_make(emu, book, principal, "table", name, err);

    *ret_made = !there;
    ledger_close(emu->ledger);
    return ok;
}

bool metastore_make_table(struct emulator *emu, const char *principal, const char *name,
    const struct stmt *stmt, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_CATALOG);
    json_t *record = rights_record(book, "table", name), *properties;
    bool ok;

    (void)json_object_set_new(record, "owner", json_string(principal));
    (void)json_object_set_new(record, "columns", columns_of(stmt));
    if (stmt->text)
        (void)json_object_set_new(record, "comment", json_string(stmt->text));
    properties = ledger_object(record, "properties");
    for (size_t i = 0; i < stmt->pair_count; i++)
        (void)json_object_set_new(
            properties, stmt->pairs[i].key, json_string(stmt->pairs[i].value));
    ok = ledger_save(emu->ledger, LEDGER_CATALOG, err);
    ledger_close(emu->ledger);
    return ok;
}

json_t *metastore_table(struct emulator *emu, const struct stmt_name *table)
{
    char key[NAME_SIZE + 16];
    json_t *record, *copy;

    (void)snprintf(
        key, sizeof(key), "table:%s.%s.%s", table->part[0], table->part[1], table->part[2]);
    record = json_object_get(
        json_object_get(ledger_open(emu->ledger, LEDGER_CATALOG), "securables"), key);
    copy = json_object_get(record, "columns") ? json_deep_copy(record) : NULL;
    ledger_close(emu->ledger);
    if (!copy)
        return NULL;
    (void)json_object_del(copy, "grants");
    (void)json_object_set_new(copy, "name", json_string(table->part[2]));
    (void)json_object_set_new(copy, "catalog_name", json_string(table->part[0]));
    (void)json_object_set_new(copy, "schema_name", json_string(table->part[1]));
    (void)json_object_set_new(copy, "full_name", json_string(key + 6));
    (void)json_object_set_new(copy, "table_type", json_string("MANAGED"));
    (void)json_object_set_new(copy, "data_source_format", json_string("DELTA"));
    (void)json_object_set(copy, "table_id", json_object_get(copy, "id"));
    (void)json_object_del(copy, "id");
    return copy;
}

void metastore_refuse(struct request *req, const char *type, const struct err *err)
{
    char code[48];

    if (err->kind == ERR_DENIED) {
        reply_error(req, 403, "PERMISSION_DENIED", NULL, "%s", err->text);
        return;
    }
    if (err->kind != ERR_INPUT) {
        reply_error(req, 500, "INTERNAL_ERROR", NULL, "%s", err->text);
        return;
    }
    (void)snprintf(
        code, sizeof(code), "%s_%s", type, err->code == 409 ? "ALREADY_EXISTS" : "DOES_NOT_EXIST");
    for (char *p = code; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    if (err->code == 404 && strncmp(err->text, "Could not find", 14) == 0)
        (void)str_copy(code, sizeof(code), "PRINCIPAL_DOES_NOT_EXIST");
    reply_error(req, err->code ? err->code : 400,
        err->code == 409 || err->code == 404 ? code : "INVALID_PARAMETER_VALUE", NULL, "%s",
        err->text);
}
