/* The table's columns and everybody's rights: what the uploader and the job's run need. */
#include "ingestion/ingestion.h"

#include "ingestion/quote.h"

#include <strings.h>

struct wanted {
    const char *name, *type;
};
static const struct wanted wanted[] = {{"timestamp", "timestamp_ntz"}, {"asset", "string"},
    {"datastream", "string"}, {"payload", "double"}};
#define WANTED (sizeof(wanted) / sizeof(*wanted))

static const struct catalog_column *find_column(const struct catalog_table *table, const char *name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcasecmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

static bool is_wanted(const char *name)
{
    for (size_t i = 0; i < WANTED; i++)
        if (strcasecmp(wanted[i].name, name) == 0)
            return true;
    return false;
}

static void show(struct buf *out, const char *name)
{
    str_show(out, span_of(name), 80);
}

static bool fits_wanted(const struct catalog_table *table, const struct wanted *w, struct buf *out)
{
    const struct catalog_column *have = find_column(table, w->name);

    if (!have) {
        buf_printf(out, "column %s %s is missing. ", w->name, w->type);
        return false;
    }
    if (strcasecmp(have->type, w->type) == 0)
        return true;
    buf_printf(out, "column %s is ", w->name);
    show(out, have->type);
    buf_printf(out, ", it has to be %s", w->type);
    if (strcmp(w->type, "timestamp_ntz") == 0 && strcasecmp(have->type, "timestamp") == 0)
        buf_add_text(out, " (UTC without a zone; Delta cannot change it: use a new table)");
    buf_add_text(out, ". ");
    return false;
}

static bool fits_more(const struct catalog_column *have, struct buf *out)
{
    if (is_wanted(have->name))
        return true;
    buf_add_text(out, "column ");
    show(out, have->name);
    if (have->nullable) {
        buf_add_text(out, " is not ours and stays null. ");
        return true;
    }
    buf_add_text(out, " is not ours and may not be null: no row of ours fits. ");
    return false;
}

bool plan_table_fits(const struct catalog_table *table, struct buf *out)
{
    bool fits = true;

    if (table->format[0] && strcasecmp(table->format, "delta") != 0) {
        buf_add_text(out, "it is not a Delta table but ");
        show(out, table->format);
        buf_add_text(out, ". ");
        fits = false;
    }
    if (strcasecmp(table->type, "view") == 0) {
        buf_add_text(out, "it is a view. ");
        fits = false;
    }
    for (size_t i = 0; i < WANTED; i++)
        fits = fits_wanted(table, &wanted[i], out) && fits;
    for (size_t i = 0; i < table->column_count; i++)
        fits = fits_more(&table->columns[i], out) && fits;
    if (out->len && out->data[out->len - 1] == ' ')
        out->len--;
    return fits;
}

/* --- rights --- */

static bool same_part(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void add_grant(struct plan_grant *ret, size_t *count, const struct plan_grant *grant)
{
    for (size_t i = 0; i < *count; i++) {
        const struct catalog_path *a = &ret[i].path, *b = &grant->path;

        if (ret[i].kind == grant->kind && strcmp(a->catalog, b->catalog) == 0 &&
            same_part(a->schema, b->schema) && same_part(a->name, b->name))
            return; /* volume and table in one catalog or schema */
    }
    ret[(*count)++] = *grant;
}

size_t plan_grants(const struct plan *plan, struct plan_grant ret[PLAN_GRANTS_MAX])
{
    const struct catalog_path *v = &plan->options.volume, *t = &plan->options.table;
    const struct plan_grant grants[PLAN_GRANTS_MAX] = {
        {CATALOG_CATALOG, {v->catalog, NULL, NULL}, {"USE_CATALOG"}, 1, "to reach the volume"},
        {CATALOG_SCHEMA, {v->catalog, v->schema, NULL}, {"USE_SCHEMA"}, 1, "to reach the volume"},
        {CATALOG_VOLUME, *v, {"READ_VOLUME", "WRITE_VOLUME"}, 2,
            "to upload files, and to look whether they arrived"},
        {CATALOG_CATALOG, {t->catalog, NULL, NULL}, {"USE_CATALOG"}, 1, "to reach the table"},
        {CATALOG_SCHEMA, {t->catalog, t->schema, NULL}, {"USE_SCHEMA"}, 1, "to reach the table"},
        {CATALOG_TABLE, *t, {"SELECT", "MODIFY"}, 2, "for the job, which adds rows"},
    };
    size_t count = 0, all = plan->options.loader == INGESTION_NONE ? 3 : PLAN_GRANTS_MAX;

    for (size_t i = 0; i < all; i++)
        add_grant(ret, &count, &grants[i]);
    return count;
}

bool plan_grant_sql(const struct plan_grant *grant, const char *principal, struct buf *out)
{
    buf_add_text(out, "GRANT ");
    for (size_t i = 0; i < grant->count; i++) {
        if (i)
            buf_add_text(out, ", ");
        for (const char *p = grant->privileges[i]; *p; p++)
            buf_add_byte(out, (uint8_t)(*p == '_' ? ' ' : *p));
    }
    buf_add_text(out, " ON ");
    for (const char *p = catalog_kind_name(grant->kind); *p; p++)
        buf_add_byte(out, (uint8_t)(*p - 'a' + 'A'));
    buf_add_byte(out, ' ');
    quote_sql_path(out, grant->path);
    buf_add_text(out, " TO ");
    return quote_sql_name(
        out, principal ? principal : "<application id of the uploader's service principal>");
}
