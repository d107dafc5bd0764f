/* Unity Catalog: catalogs, schemas, volumes, tables. databricks-api.md 6.1, 6.2. */
#include <stdio.h>
#include <stdlib.h>

#include "emulator/auth.h"
#include "emulator/metastore.h"
#include "emulator/rights.h"
#include "emulator/talk.h"

#define NAME_SIZE (3 * STMT_NAME_MAX)

/* The code's first word: for a catalog that is missing below, say so. */
static const char *type_in(const struct err *err, const char *type)
{
    return strncmp(err->text, "Catalog '", 9) == 0  ? "catalog"
           : strncmp(err->text, "Schema '", 8) == 0 ? "schema"
                                                    : type;
}

static void refuse(struct request *req, const char *type, const struct err *err)
{
    metastore_refuse(req, type_in(err, type), err);
}

/* --- one --- */

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

static void add_parents(json_t *out, const char *name)
{
    const char *dot = strchr(name, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;

    if (dot)
        (void)json_object_set_new(out, "catalog_name", json_stringn(name, (size_t)(dot - name)));
    if (second)
        (void)json_object_set_new(
            out, "schema_name", json_stringn(dot + 1, (size_t)(second - dot - 1)));
}

/* As REST shows a catalog, schema or volume. Book open. */
static json_t *shown(json_t *book, const char *type, const char *name)
{
    char key[NAME_SIZE + 16], location[NAME_SIZE + 32];
    json_t *record, *out;
    const char *owner;

    (void)snprintf(key, sizeof(key), "%s:%s", type, name);
    record = json_object_get(json_object_get(book, "securables"), key);
    owner = json_member(record, "owner");
    out = json_pack("{s:s, s:s, s:s, s:I}", "name", last_part(name), "full_name", name, "owner",
        *owner ? owner : AUTH_USER, "created_at",
        (json_int_t)json_member_int(record, "created_at"));
    add_parents(out, name);
    if (*json_member(record, "comment"))
        (void)json_object_set_new(out, "comment", json_string(json_member(record, "comment")));
    if (strcmp(type, "volume") == 0) {
        (void)snprintf(location, sizeof(location), "s3://emulator/%s", name);
        (void)json_object_set_new(out, "volume_type", json_string("MANAGED"));
        (void)json_object_set_new(out, "storage_location", json_string(location));
        (void)json_object_set_new(out, "volume_id", json_string(json_member(record, "id")));
    } else if (strcmp(type, "catalog") == 0) {
        (void)json_object_set_new(out, "catalog_type", json_string("MANAGED_CATALOG"));
    }
    return out;
}

/* Owner, or one of these privileges. */
static bool may_look(
    struct request *req, json_t *book, const char *type, const char *name, struct err *err)
{
    static const char *const enough[][3] = {{"USE_CATALOG", "BROWSE", NULL},
        {"USE_SCHEMA", NULL, NULL}, {"READ_VOLUME", "WRITE_VOLUME", NULL},
        {"SELECT", "MODIFY", NULL}};
    int row = type[0] == 'c' ? 0 : type[0] == 's' ? 1 : type[0] == 'v' ? 2 : 3;
    struct err other = {0};

    if (!rights_reach(req->emu, book, req->principal, type, name, err))
        return false;
    if (!metastore_exists(req->emu, book, type, name))
        return metastore_missing(type, name, err);
    for (int i = 1; i < 3 && enough[row][i]; i++) {
        if (rights_check_open(req->emu, book, req->principal, type, name, enough[row][i], &other))
            return true;
    }
    return rights_check_open(req->emu, book, req->principal, type, name, enough[row][0], err);
}

static bool named(struct request *req, const char *type, char name[NAME_SIZE], const char **after)
{
    char given[NAME_SIZE];
    struct err err = {0};

    if (!talk_part(req, req->rest, given, sizeof(given), after))
        return false;
    if (metastore_name(given, type, name, &err))
        return true;
    refuse(req, type, &err);
    return false;
}

static void get_one(struct request *req, const char *type)
{
    char name[NAME_SIZE];
    struct err err = {0};
    json_t *book, *answer = NULL;

    if (!named(req, type, name, NULL))
        return;
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    if (may_look(req, book, type, name, &err))
        answer = shown(book, type, name);
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
    else
        refuse(req, type, &err);
}

void serve_catalog_get(struct request *req)
{
    get_one(req, "catalog");
}

void serve_schema_get(struct request *req)
{
    get_one(req, "schema");
}

void serve_volume_get(struct request *req)
{
    get_one(req, "volume");
}

/* --- create --- */

static void create_one(struct request *req, const char *type, const char *const *keys)
{
    json_t *body = talk_body(req), *answer = NULL, *book;
    char given[NAME_SIZE], name[NAME_SIZE];
    struct err err = {0};
    size_t len = 0;
    bool ok = body != NULL;

    for (size_t i = 0; ok && keys[i]; i++) {
        const char *part = talk_text(req, body, keys[i]);
        int n =
            part ? snprintf(given + len, sizeof(given) - len, "%s%s", len ? "." : "", part) : -1;

        ok = n > 0 && (size_t)n < sizeof(given) - len && !strchr(part, '.');
        len += ok ? (size_t)n : 0;
    }
    if (!ok && body && !req->reply.status)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "The name is not valid.");
    if (ok) {
        ok = metastore_name(given, type, name, &err) &&
             metastore_make(
                 req->emu, req->principal, type, name, json_member(body, "comment"), &err);
        if (ok) {
            book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
            answer = shown(book, type, name);
            ledger_close(req->emu->ledger);
            talk_reply(req, answer);
        } else {
            refuse(req, type, &err);
        }
    }
    json_decref(body);
}

void serve_catalog_create(struct request *req)
{
    static const char *const keys[] = {"name", NULL};

    create_one(req, "catalog", keys);
}

void serve_schema_create(struct request *req)
{
    static const char *const keys[] = {"catalog_name", "name", NULL};

    create_one(req, "schema", keys);
}

void serve_volume_create(struct request *req)
{
    static const char *const keys[] = {"catalog_name", "schema_name", "name", NULL};
    json_t *body = talk_body(req);
    const char *type = json_member(body, "volume_type");
    bool located = *json_member(body, "storage_location") != '\0';

    if (!body)
        return;
    if (strcmp(type, "MANAGED") == 0 && located)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "CreateVolume storage_location can not be provided.");
    else if (strcmp(type, "EXTERNAL") == 0)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "External volumes are not served here: there is no external location.");
    else if (strcmp(type, "MANAGED") != 0)
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL,
            "CreateVolume volume_type must be MANAGED or EXTERNAL.");
    json_decref(body);
    if (!req->reply.status)
        create_one(req, "volume", keys);
}

void serve_volume_delete(struct request *req)
{
    char name[NAME_SIZE], raw[NAME_SIZE + 16], key[NAME_SIZE + 16];
    struct err err = {0};
    struct path path;
    const char *why;
    json_t *book;
    bool ok;

    if (!named(req, "volume", name, NULL))
        return;
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    ok = rights_check_open(req->emu, book, req->principal, "volume", name, "MANAGE", &err);
    if (ok && !metastore_exists(req->emu, book, "volume", name))
        ok = metastore_missing("volume", name, &err);
    (void)snprintf(raw, sizeof(raw), "/Volumes/%s", name);
    (void)snprintf(key, sizeof(key), "volume:%s", name);
    for (char *p = raw; *p; p++)
        *p = *p == '.' ? '/' : *p;
    if (ok && path_decode(span_of(raw), &path, &why)) {
        ok = store_remove_volume(req->emu->store, &path, &err);
        if (ok) {
            (void)json_object_del(json_object_get(book, "securables"), key);
            ok = ledger_save(req->emu->ledger, LEDGER_CATALOG, &err);
        }
    }
    ledger_close(req->emu->ledger);
    if (ok)
        talk_reply(req, json_object());
    else
        refuse(req, "volume", &err);
}

/* --- lists --- */

/* The names of directories below /Volumes/<parent>. */
static bool names_below(struct request *req, const char *parent, struct file_list *list)
{
    char raw[NAME_SIZE + 16];
    struct err err = {0};
    struct path path;
    const char *why;
    int fd = -1;
    bool ok;

    (void)snprintf(raw, sizeof(raw), "/Volumes%s%s", *parent ? "/" : "", parent);
    for (char *p = raw; *p; p++)
        *p = *p == '.' ? '/' : *p;
    ok = path_decode(span_of(raw), &path, &why) &&
         store_dir(req->emu->store, &path, &fd, &err) == STORE_OK && file_list(fd, list, &err);
    file_drop(fd);
    return ok;
}

static void list_below(struct request *req, const char *type, const char *parent, const char *array)
{
    json_t *book, *page = json_array(), *answer = json_object();
    struct file_list list = {0};
    size_t offset = 0, i;
    int64_t most;

    if (!talk_page(req, &offset) || !talk_query_int(req, "max_results", 0, &most) ||
        talk_empty_page(req, array)) {
        json_decref(page);
        json_decref(answer);
        return;
    }
    most = most > 0 ? most : 1000;
    (void)names_below(req, parent, &list);
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    for (i = offset; i < list.count && json_array_size(page) < (size_t)most; i++) {
        char name[NAME_SIZE];
        struct err err = {0};
        int n = snprintf(name, sizeof(name), "%s%s%s", parent, *parent ? "." : "", list.names[i]);

        if (n > 0 && (size_t)n < sizeof(name) && may_look(req, book, type, name, &err))
            (void)json_array_append_new(page, shown(book, type, name));
    }
    ledger_close(req->emu->ledger);
    if (i < list.count)
        talk_page_token(answer, i);
    if (json_array_size(page))
        (void)json_object_set(answer, array, page);
    file_list_done(&list);
    json_decref(page);
    talk_reply(req, answer);
}

void serve_catalog_list(struct request *req)
{
    list_below(req, "catalog", "", "catalogs");
}

void serve_schema_list(struct request *req)
{
    char catalog[NAME_SIZE], name[NAME_SIZE];
    struct err err = {0};

    if (!talk_query(req, "catalog_name", catalog, sizeof(catalog), NULL))
        return;
    if (metastore_name(catalog, "catalog", name, &err))
        list_below(req, "schema", name, "schemas");
    else
        refuse(req, "catalog", &err);
}

/* Of both query values "catalog.schema". */
static bool schema_query(struct request *req, char name[NAME_SIZE])
{
    char catalog[STMT_NAME_MAX], schema[STMT_NAME_MAX], both[NAME_SIZE];
    struct err err = {0};

    if (!talk_query(req, "catalog_name", catalog, sizeof(catalog), NULL) ||
        !talk_query(req, "schema_name", schema, sizeof(schema), NULL))
        return false;
    (void)snprintf(both, sizeof(both), "%s.%s", catalog, schema);
    if (metastore_name(both, "schema", name, &err))
        return true;
    refuse(req, "schema", &err);
    return false;
}

void serve_volume_list(struct request *req)
{
    char name[NAME_SIZE];

    if (schema_query(req, name))
        list_below(req, "volume", name, "volumes");
}

/* --- tables --- */

static void split_name(const char *name, struct stmt_name *ret)
{
    ret->count = 0;
    for (const char *p = name; ret->count < 3; p++) {
        size_t len = strcspn(p, ".");

        (void)snprintf(ret->part[ret->count++], sizeof(ret->part[0]), "%.*s", (int)len, p);
        p += len;
        if (!*p)
            break;
    }
}

static void table_exists(struct request *req, const char *name)
{
    struct err err = {0};
    json_t *book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    bool reach = rights_reach(req->emu, book, req->principal, "table", name, &err);
    bool there = reach && metastore_exists(req->emu, book, "table", name);

    ledger_close(req->emu->ledger);
    if (reach)
        talk_reply(req, json_pack("{s:b}", "table_exists", there));
    else
        refuse(req, "table", &err);
}

/* GET .../tables/{full_name} and .../exists. */
void serve_table_get(struct request *req)
{
    char name[NAME_SIZE];
    const char *after = "";
    struct stmt_name table;
    struct err err = {0};
    json_t *book;
    bool ok;

    if (!named(req, "table", name, &after))
        return;
    if (strcmp(after, "/exists") == 0) {
        table_exists(req, name);
        return;
    }
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    ok = may_look(req, book, "table", name, &err);
    ledger_close(req->emu->ledger);
    split_name(name, &table);
    if (*after)
        reply_error(req, 404, "ENDPOINT_NOT_FOUND", NULL, "No API found for this path.");
    else if (ok)
        talk_reply(req, metastore_table(req->emu, &table));
    else
        refuse(req, "table", &err);
}

void serve_table_list(struct request *req)
{
    char schema[NAME_SIZE];
    json_t *list, *names, *book, *record;
    struct stmt_name table;
    const char *key;
    size_t i, len;

    if (!schema_query(req, schema) || talk_empty_page(req, "tables"))
        return;
    len = strlen(schema);
    list = json_array();
    names = json_array();
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    json_object_foreach(json_object_get(book, "securables"), key, record)
    {
        struct err err = {0};

        if (strncmp(key, "table:", 6) == 0 && strncmp(key + 6, schema, len) == 0 &&
            key[6 + len] == '.' && may_look(req, book, "table", key + 6, &err))
            (void)json_array_append_new(names, json_string(key + 6));
    }
    ledger_close(req->emu->ledger);
    json_array_foreach(names, i, record)
    {
        split_name(json_string_value(record), &table);
        (void)json_array_append_new(list, metastore_table(req->emu, &table));
    }
    json_decref(names);
    talk_reply(req, json_pack("{s:o}", "tables", list));
}

void serve_metastore_assignment(struct request *req)
{
    talk_reply(
        req, json_pack("{s:s, s:s, s:I}", "metastore_id", "11111111-2222-4333-8444-900800700600",
                 "default_catalog_name", "main", "workspace_id", (json_int_t)900800700600));
}
