#include "databricks/catalog.h"

#include "base/json_out.h"
#include "databricks/rest.h"
#include "databricks/url.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define CATALOG "/api/2.1/unity-catalog/"
#define USE "grant USE CATALOG on the catalog and USE SCHEMA on the schema"

const char *catalog_kind_name(enum catalog_kind kind)
{
    static const char *const names[] = {"catalog", "schema", "volume", "table"};

    return names[kind];
}

bool catalog_full_name(struct catalog_path path, struct buf *out)
{
    (void)buf_add_text(out, path.catalog);
    if (path.schema)
        (void)buf_printf(out, ".%s", path.schema);
    if (path.name)
        (void)buf_printf(out, ".%s", path.name);
    return !out->failed;
}

/* "/api/2.1/unity-catalog/<what><encoded full name><more>": the whole name is one segment. */
static bool build_path(
    struct buf *out, const char *what, struct catalog_path path, const char *more)
{
    struct buf name;

    buf_init(&name, 1024);
    (void)catalog_full_name(path, &name);
    (void)buf_printf(out, CATALOG "%s", what);
    (void)url_add_value(out, span_of(buf_text(&name)));
    (void)buf_add_text(out, more);
    out->failed = out->failed || name.failed;
    buf_done(&name);
    return !out->failed;
}

static bool find(struct workspace *ws, const char *kind, struct catalog_path path, const char *more,
    const struct error_words *words, json_t **ret_root, bool *ret_exists, struct err *err)
{
    struct call_request r = {.method = HTTP_GET, .words = *words};
    struct buf url;
    bool ok;

    buf_init(&url, 4096);
    (void)build_path(&url, kind, path, more);
    r.prefix = buf_text(&url);
    ok = buf_check(&url, words->what, err) && rest_find(ws, &r, ret_root, ret_exists, err);
    buf_done(&url);
    return ok;
}

/* --- schemas --- */

void catalog_schema_done(struct catalog_schema *schema)
{
    free(schema->full_name);
    free(schema->owner);
    *schema = (struct catalog_schema){NULL, NULL};
}

bool catalog_schema_get(struct workspace *ws, struct catalog_path path, struct catalog_schema *ret,
    bool *ret_exists, struct err *err)
{
    static const struct error_words words = {"look at the schema", USE, NULL, "does not exist"};
    struct catalog_path schema = {path.catalog, path.schema, NULL};
    json_t *root = NULL;
    bool ok = find(ws, "schemas/", schema, "", &words, &root, ret_exists, err);

    *ret = (struct catalog_schema){NULL, NULL};
    if (ok &&
        !(rest_keep(&ret->full_name, root, "full_name") && rest_keep(&ret->owner, root, "owner")))
        ok = rest_no_memory(words.what, err);
    if (!ok || !*ret_exists)
        catalog_schema_done(ret);
    json_decref(root);
    return ok;
}

/* --- volumes --- */

void catalog_volume_done(struct catalog_volume *volume)
{
    free(volume->full_name);
    free(volume->id);
    free(volume->owner);
    free(volume->type);
    free(volume->location);
    *volume = (struct catalog_volume){.full_name = NULL};
}

bool catalog_volume_get(struct workspace *ws, struct catalog_path path, struct catalog_volume *ret,
    bool *ret_exists, struct err *err)
{
    static const struct error_words words = {"look at the volume",
        "grant READ VOLUME on it, and USE CATALOG, USE SCHEMA", NULL, "does not exist"};
    json_t *root = NULL;
    bool ok = find(ws, "volumes/", path, "", &words, &root, ret_exists, err);

    *ret = (struct catalog_volume){.full_name = NULL};
    if (ok &&
        !(rest_keep(&ret->full_name, root, "full_name") && rest_keep(&ret->id, root, "volume_id") &&
            rest_keep(&ret->owner, root, "owner") && rest_keep(&ret->type, root, "volume_type") &&
            rest_keep(&ret->location, root, "storage_location")))
        ok = rest_no_memory(words.what, err);
    if (!ok || !*ret_exists)
        catalog_volume_done(ret);
    json_decref(root);
    return ok;
}

bool catalog_volume_create(struct workspace *ws, struct catalog_path path, const char *comment,
    bool *ret_created, struct err *err)
{
    struct call_request r = {.method = HTTP_POST,
        .prefix = CATALOG "volumes",
        .words = {"create the volume",
            "grant CREATE VOLUME and USE SCHEMA on the schema, USE CATALOG on the catalog",
            "schema or catalog not found: check the volume setting", NULL}};
    struct api_error api = {.class = CLASS_NONE};
    struct json_out json;
    struct buf body;
    bool ok, created;

    buf_init(&body, 64 << 10);
    json_init(&json, &body);
    json_out_object(&json);
    json_key_text(&json, "catalog_name", path.catalog);
    json_key_text(&json, "schema_name", path.schema);
    json_key_text(&json, "name", path.name);
    json_key_text(&json, "volume_type", "MANAGED");
    if (comment)
        json_key_text(&json, "comment", comment);
    json_out_object_end(&json);
    r.body = (struct span){body.data, body.len};
    ok = buf_check(&body, r.words.what, err) && rest_call(ws, &r, NULL, &api, err);
    created = ok;
    /* 409, or a 400 with a code like VOLUME_ALREADY_EXISTS. */
    if (!ok && (api.class == CLASS_EXISTS || strstr(api.code, "ALREADY_EXISTS")))
        ok = true;
    if (ok)
        *ret_created = created;
    buf_done(&body);
    return ok;
}

/* --- tables --- */

void catalog_table_done(struct catalog_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        free(table->columns[i].name);
        free(table->columns[i].type);
    }
    free(table->columns);
    free(table->full_name);
    free(table->id);
    free(table->owner);
    free(table->type);
    free(table->format);
    *table = (struct catalog_table){.full_name = NULL};
}

static int by_position(const void *a, const void *b)
{
    int64_t x = ((const struct catalog_column *)a)->position;
    int64_t y = ((const struct catalog_column *)b)->position;

    return (x > y) - (x < y);
}

static bool read_columns(const json_t *items, struct catalog_table *ret)
{
    size_t count = json_array_size(items);

    if (count == 0)
        return true;
    ret->columns = calloc(count, sizeof(*ret->columns));
    if (!ret->columns)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(items, i);
        struct catalog_column *column = &ret->columns[i];
        const char *text = json_string_value(json_object_get(item, "type_text"));

        ret->column_count = i + 1;
        column->position = rest_int(item, "position", (int64_t)i);
        column->nullable = !json_is_false(json_object_get(item, "nullable"));
        if (!rest_keep(&column->name, item, "name") ||
            !rest_keep(&column->type, item, text && *text ? "type_text" : "type_name"))
            return false;
        for (char *c = column->type; *c; c++)
            *c = (char)tolower((unsigned char)*c);
    }
    qsort(ret->columns, count, sizeof(*ret->columns), by_position);
    return true;
}

static bool read_table(const json_t *root, struct catalog_table *ret)
{
    return rest_keep(&ret->full_name, root, "full_name") && rest_keep(&ret->id, root, "table_id") &&
           rest_keep(&ret->owner, root, "owner") && rest_keep(&ret->type, root, "table_type") &&
           rest_keep(&ret->format, root, "data_source_format") &&
           read_columns(json_object_get(root, "columns"), ret);
}

bool catalog_table_get(struct workspace *ws, struct catalog_path path, struct catalog_table *ret,
    bool *ret_exists, struct err *err)
{
    static const struct error_words words = {"look at the table",
        "grant SELECT on it, and USE CATALOG, USE SCHEMA", NULL, "does not exist"};
    json_t *root = NULL;
    bool ok = find(ws, "tables/", path, "", &words, &root, ret_exists, err);

    *ret = (struct catalog_table){.full_name = NULL};
    if (ok && !read_table(root, ret))
        ok = rest_no_memory(words.what, err);
    if (!ok || !*ret_exists)
        catalog_table_done(ret);
    json_decref(root);
    return ok;
}

bool catalog_table_exists(
    struct workspace *ws, struct catalog_path path, bool *ret_exists, struct err *err)
{
    static const struct error_words words = {"look for the table", USE, NULL, "does not exist"};
    json_t *root = NULL;
    bool ok = find(ws, "tables/", path, "/exists", &words, &root, ret_exists, err);

    if (ok && *ret_exists)
        *ret_exists = json_is_true(json_object_get(root, "table_exists"));
    json_decref(root);
    return ok;
}

/* --- grants --- */

static void grant_body(
    struct buf *out, const char *principal, const char *const *privileges, size_t count)
{
    struct json_out json;

    json_init(&json, out);
    json_out_object(&json);
    json_key(&json, "changes");
    json_out_array(&json);
    json_out_object(&json);
    json_key_text(&json, "principal", principal);
    json_key(&json, "add");
    json_out_array(&json);
    for (size_t i = 0; i < count; i++)
        json_text(&json, privileges[i]);
    json_out_array_end(&json);
    json_out_object_end(&json);
    json_out_array_end(&json);
    json_out_object_end(&json);
}

bool catalog_grant(struct workspace *ws, enum catalog_kind kind, struct catalog_path path,
    const char *principal, const char *const *privileges, size_t count, struct err *err)
{
    struct call_request r = {.method = HTTP_PATCH,
        .words = {"grant privileges", "only the owner, or who has MANAGE on it, may grant",
            "it does not exist, or there is no such principal", NULL}};
    struct buf url, body;
    char where[64];
    bool ok;

    (void)snprintf(where, sizeof(where), "permissions/%s/", catalog_kind_name(kind));
    buf_init(&url, 4096);
    buf_init(&body, 64 << 10);
    (void)build_path(&url, where, path, "");
    grant_body(&body, principal, privileges, count);
    r.prefix = buf_text(&url);
    r.body = (struct span){body.data, body.len};
    ok = buf_check(&url, r.words.what, err) && buf_check(&body, r.words.what, err) &&
         rest_call(ws, &r, NULL, NULL, err);
    buf_done(&url);
    buf_done(&body);
    return ok;
}

void catalog_privileges_done(struct catalog_privileges *privileges)
{
    for (size_t i = 0; i < privileges->count; i++) {
        free(privileges->items[i].principal);
        free(privileges->items[i].privilege);
        free(privileges->items[i].inherited_kind);
        free(privileges->items[i].inherited_name);
    }
    free(privileges->items);
    *privileges = (struct catalog_privileges){NULL, 0};
}

bool catalog_privileges_have(
    const struct catalog_privileges *privileges, const char *principal, const char *privilege)
{
    for (size_t i = 0; i < privileges->count; i++) {
        const struct catalog_privilege *p = &privileges->items[i];

        if ((!principal || strcasecmp(p->principal, principal) == 0) &&
            (strcmp(p->privilege, privilege) == 0 || strcmp(p->privilege, "ALL_PRIVILEGES") == 0))
            return true;
    }
    return false;
}

/* A privilege is a text (granted here) or an object (effective). */
static bool read_privilege(const char *principal, const json_t *item, struct catalog_privilege *ret)
{
    bool plain = json_is_string(item);

    ret->principal = strdup(principal ? principal : "");
    ret->privilege = plain ? strdup(json_string_value(item)) : NULL;
    if (!ret->principal || (plain && !ret->privilege))
        return false;
    return (plain || rest_keep(&ret->privilege, item, "privilege")) &&
           rest_keep(&ret->inherited_kind, plain ? NULL : item, "inherited_from_type") &&
           rest_keep(&ret->inherited_name, plain ? NULL : item, "inherited_from_name");
}

static bool add_privileges(const json_t *root, struct catalog_privileges *list)
{
    const json_t *principals = json_object_get(root, "privilege_assignments");

    for (size_t i = 0; i < json_array_size(principals); i++) {
        const json_t *one = json_array_get(principals, i);
        const char *principal = json_string_value(json_object_get(one, "principal"));
        const json_t *items = json_object_get(one, "privileges");
        size_t more = json_array_size(items);
        struct catalog_privilege *grown;

        if (more == 0)
            continue;
        grown = realloc(list->items, (list->count + more) * sizeof(*grown));
        if (!grown)
            return false;
        list->items = grown;
        memset(grown + list->count, 0, more * sizeof(*grown));
        for (size_t k = 0; k < more; k++)
            if (!read_privilege(principal, json_array_get(items, k), &list->items[list->count++]))
                return false;
    }
    return true;
}

static bool read_pages(struct workspace *ws, struct call_request *r, struct buf *query,
    struct catalog_privileges *ret, bool *ret_known, struct err *err)
{
    size_t base = query->len;
    bool ok = true, more = true;

    for (int page = 0; ok && more; page++) {
        struct api_error api;
        json_t *root = NULL;

        if (page == REST_PAGES_MAX)
            return err_set(err, ERR_RETRY, 0, "%s: the list does not end", r->words.what);
        r->query = buf_text(query);
        if (!buf_check(query, r->words.what, err))
            return false;
        ok = rest_call(ws, r, &root, &api, err);
        if (!ok && api.class == CLASS_FORBIDDEN) {
            *ret_known = false;
            return true;
        }
        more = ok && rest_next_page(query, base, root);
        if (ok && !add_privileges(root, ret))
            ok = rest_no_memory(r->words.what, err);
        json_decref(root);
    }
    return ok;
}

bool catalog_privileges_get(struct workspace *ws, enum catalog_kind kind, struct catalog_path path,
    const char *principal, bool effective, struct catalog_privileges *ret, bool *ret_known,
    struct err *err)
{
    struct call_request r = {
        .method = HTTP_GET, .words = {"look at the grants", NULL, "it does not exist", NULL}};
    struct buf url, query;
    char where[64];
    bool ok;

    *ret = (struct catalog_privileges){NULL, 0};
    buf_init(&url, 4096);
    buf_init(&query, 16384);
    (void)snprintf(where, sizeof(where), "%s/%s/",
        effective ? "effective-permissions" : "permissions", catalog_kind_name(kind));
    (void)build_path(&url, where, path, "");
    (void)buf_add_text(&query, "max_results=0");
    if (principal) {
        (void)buf_add_text(&query, "&principal=");
        (void)url_add_value(&query, span_of(principal));
    }
    r.prefix = buf_text(&url);
    *ret_known = true;
    ok = buf_check(&url, r.words.what, err) && read_pages(ws, &r, &query, ret, ret_known, err);
    if (!ok || !*ret_known)
        catalog_privileges_done(ret);
    buf_done(&url);
    buf_done(&query);
    return ok;
}
