/* Steps of the set-up in Unity Catalog: schemas, volume, table, grants. */
#include "ingestion/setup_work.h"

#include "ingestion/quote.h"

#include <stdio.h>

#define COMMENT "files of " INGESTION_MANAGER

static void name_of(struct catalog_path path, char *out, size_t size)
{
    struct buf text;

    buf_init(&text, 2048);
    quote_plain_path(&text, path);
    (void)str_copy(out, size, buf_text(&text));
    buf_done(&text);
}

/* --- schemas --- */

static void one_schema(struct setup_work *w, struct catalog_path path, const char *sql)
{
    struct catalog_schema schema;
    char name[600];
    bool exists = false;
    struct err err;

    path.name = NULL;
    name_of(path, name, sizeof(name));
    setup_begin(w, "schema", name);
    if (!catalog_schema_get(w->ws, path, &schema, &exists, &err)) {
        /* Perhaps it is there; its SQL changes nothing then. */
        setup_statement(w, sql);
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    catalog_schema_done(&schema);
    if (exists)
        setup_end(w, SETUP_OK, "%s", "");
    else
        (void)setup_run_sql(w, sql, SETUP_CREATED);
}

void setup_schemas(struct setup_work *w)
{
    one_schema(w, w->plan->options.volume, w->plan->create_schema);
    if (w->plan->create_table_schema)
        one_schema(w, w->plan->options.table, w->plan->create_table_schema);
}

/* --- volume --- */

static void create_volume(struct setup_work *w)
{
    const struct catalog_path *v = &w->plan->options.volume;
    bool created = false;
    struct err err;

    setup_statement(w, w->plan->create_volume);
    if (w->o->dry_run) {
        buf_reset(&w->sql); /* it would be made by the call */
        setup_call(w, "POST /api/2.1/unity-catalog/volumes %s.%s.%s MANAGED", v->catalog, v->schema,
            v->name);
        w->volume_there = w->volume_planned = true;
        setup_end(w, SETUP_WOULD_CREATE, "%s", "");
    } else if (!catalog_volume_create(w->ws, *v, COMMENT, &created, &err)) {
        setup_end(w, SETUP_FAILED, "%s", err.text);
    } else {
        w->volume_there = true;
        setup_end(w, created ? SETUP_CREATED : SETUP_OK, "%s", "");
    }
}

void setup_volume(struct setup_work *w)
{
    const struct catalog_path *v = &w->plan->options.volume;
    struct catalog_volume volume;
    char name[900];
    bool exists = false;
    struct err err;

    name_of(*v, name, sizeof(name));
    setup_begin(w, "volume", name);
    if (!catalog_volume_get(w->ws, *v, &volume, &exists, &err)) {
        setup_statement(w, w->plan->create_volume);
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    if (exists) {
        w->volume_there = true;
        (void)str_copy(w->volume_owner, sizeof(w->volume_owner), volume.owner);
        setup_end(w, SETUP_OK, "%s", volume.type);
    } else {
        create_volume(w);
    }
    catalog_volume_done(&volume);
}

/* --- table --- */

static void compare_table(struct setup_work *w, const struct catalog_table *table)
{
    struct buf text;

    buf_init(&text, 4096);
    (void)str_copy(w->table_owner, sizeof(w->table_owner), table->owner);
    w->table_wrong = !plan_table_fits(table, &text);
    setup_end(w, w->table_wrong ? SETUP_FAILED : SETUP_OK, "%s", buf_text(&text));
    buf_done(&text);
}

void setup_table(struct setup_work *w)
{
    const struct catalog_path *t = &w->plan->options.table;
    struct catalog_table table;
    char name[900];
    bool exists = false;
    struct err err;

    name_of(*t, name, sizeof(name));
    setup_begin(w, "table", name);
    if (!catalog_table_get(w->ws, *t, &table, &exists, &err)) {
        setup_statement(w, w->plan->create_table);
        setup_end(w, SETUP_FAILED, "%s", err.text);
        return;
    }
    if (exists)
        compare_table(w, &table);
    else
        w->table_planned = setup_run_sql(w, w->plan->create_table, SETUP_CREATED) && w->o->dry_run;
    catalog_table_done(&table);
}

/* --- grants --- */

static bool owns(const struct setup_work *w, const struct plan_grant *grant)
{
    const char *owner = grant->kind == CATALOG_VOLUME  ? w->volume_owner
                        : grant->kind == CATALOG_TABLE ? w->table_owner
                                                       : "";

    return w->principal && *owner && strcmp(owner, w->principal) == 0;
}

/* What is missing, into `ret`; all of it when nobody tells us. */
static size_t missing_of(
    struct setup_work *w, const struct plan_grant *grant, const char *ret[2], bool *ret_known)
{
    struct catalog_privileges have;
    bool known = false;
    struct err err;
    size_t count = 0;

    /* A failure here says nothing about the grant: granting again what is there is fine. */
    if (!catalog_privileges_get(
            w->ws, grant->kind, grant->path, w->principal, true, &have, &known, &err))
        known = false;
    for (size_t i = 0; i < grant->count; i++)
        if (!known || !catalog_privileges_have(&have, w->principal, grant->privileges[i]))
            ret[count++] = grant->privileges[i];
    catalog_privileges_done(&have);
    *ret_known = known;
    return count;
}

static void grant_step(struct setup_work *w, const struct plan_grant *grant, const char *sql)
{
    const char *missing[2] = {NULL, NULL};
    bool planned = (grant->kind == CATALOG_VOLUME && w->volume_planned) ||
                   (grant->kind == CATALOG_TABLE && w->table_planned);
    bool known = true;
    size_t count;
    struct err err;

    if (!w->principal) {
        setup_statement(w, sql);
        setup_end(w, SETUP_FAILED, "nobody to grant to: name somebody with --principal");
        return;
    }
    if (owns(w, grant)) {
        setup_end(w, SETUP_OK, "%s owns it", w->principal);
        return;
    }
    count = planned ? grant->count : missing_of(w, grant, missing, &known);
    if (count == 0) {
        setup_end(w, SETUP_OK, "%s", "");
        return;
    }
    if (w->o->dry_run) {
        char name[900];

        name_of(grant->path, name, sizeof(name));
        setup_call(w, "PATCH /api/2.1/unity-catalog/permissions/%s/%s for %s",
            catalog_kind_name(grant->kind), name, w->principal);
        setup_statement(w, sql);
        setup_end(w, SETUP_WOULD_UPDATE, "%s", grant->why);
        return;
    }
    if (catalog_grant(w->ws, grant->kind, grant->path, w->principal, missing, count, &err)) {
        setup_end(w, SETUP_UPDATED, "%s", grant->why);
        return;
    }
    setup_statement(w, sql);
    setup_end(w, SETUP_FAILED, "%s%s",
        known ? "" : "it may be there (the grants cannot be read), and cannot be given: ",
        err.text);
}

/* "USE SCHEMA ON SCHEMA `main`.`raw`": between GRANT and TO of the statement. */
static void name_grant(const char *sql, char *out, size_t size)
{
    struct span text = span_of(sql);
    const char *to = strstr(sql, " TO `");

    /* Empty when there was no memory for the statement. */
    if (to)
        text.len = (size_t)(to - sql);
    if (span_starts(text, "GRANT ")) {
        text.data += strlen("GRANT ");
        text.len -= strlen("GRANT ");
    }
    (void)snprintf(out, size, "%.*s", (int)text.len, text.data);
}

void setup_grants(struct setup_work *w)
{
    struct plan_grant grants[PLAN_GRANTS_MAX];
    size_t count = plan_grants(w->plan, grants);

    for (size_t i = 0; i < count; i++) {
        char name[400];
        struct buf sql;

        buf_init(&sql, 4096);
        plan_grant_sql(&grants[i], w->principal, &sql);
        name_grant(buf_text(&sql), name, sizeof(name));
        setup_begin(w, "grant", name);
        grant_step(w, &grants[i], buf_text(&sql));
        buf_done(&sql);
    }
}
