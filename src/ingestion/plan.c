#include "ingestion/ingestion.h"

#include "ingestion/code.h"
#include "ingestion/definition.h"
#include "ingestion/quote.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)256 * 1024)
#define FOLDER_MAX 400

/* The text of `buf` as a string of its own; the buffer is empty again. NULL: it had failed. */
static char *take_text(struct buf *buf)
{
    char *text = buf->failed ? NULL : strdup(buf_text(buf));

    if (buf->failed) {
        free(text);
        text = NULL;
    }
    buf_reset(buf);
    return text;
}

/* --- what cannot be used --- */

static bool check_path(const char *what, struct catalog_path path, struct err *err)
{
    const char *const parts[] = {path.catalog, path.schema, path.name};

    for (size_t i = 0; i < 3; i++) {
        const char *wrong = quote_name_wrong(parts[i]);

        if (wrong)
            return err_set(err, ERR_INPUT, 0, "the name of the %s cannot be used: %s", what, wrong);
    }
    return true;
}

/* Spark takes these for patterns, and the service for references to values of a run. */
static bool check_for_job(const struct ingestion_options *o, struct err *err)
{
    const char *const parts[] = {o->volume.catalog, o->volume.schema, o->volume.name};
    const char *const table[] = {o->table.catalog, o->table.schema, o->table.name};

    for (size_t i = 0; i < 3; i++) {
        if (strpbrk(parts[i], "*?[]{}\\"))
            return err_set(err, ERR_INPUT, 0,
                "the volume's name '%s' holds one of * ? [ ] { } \\, which a job's path cannot: "
                "use another volume",
                parts[i]);
        if (strstr(table[i], "{{"))
            return err_set(err, ERR_INPUT, 0,
                "the table's name '%s' holds {{, which a job takes for a reference: use another "
                "table",
                table[i]);
    }
    if (o->loader == INGESTION_COPY_INTO && !o->warehouse_id)
        return err_set(err, ERR_INPUT, 0, "COPY INTO needs a warehouse");
    if (!o->folder || strncmp(o->folder, "/Workspace/", 11) != 0 ||
        strlen(o->folder) > FOLDER_MAX || strstr(o->folder, "{{"))
        return err_set(err, ERR_INPUT, 0, "the folder of the code is no folder of the workspace");
    return true;
}

/* --- the options, copied --- */

static bool copy_text(const char **text, struct err *err)
{
    if (!*text)
        return true;
    *text = strdup(*text);
    return *text || err_set(err, ERR_FULL, 0, "no memory for a plan");
}

/* Every text or, from the first failure on, NULL: plan_free must not free what is not ours. */
static bool copy_options(
    const struct ingestion_options *from, struct ingestion_options *to, struct err *err)
{
    const char **texts[] = {&to->volume.catalog, &to->volume.schema, &to->volume.name,
        &to->table.catalog, &to->table.schema, &to->table.name, &to->cluster_id, &to->warehouse_id,
        &to->folder};
    bool ok = true;

    *to = *from;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        ok = ok && copy_text(texts[i], err);
        if (!ok)
            *texts[i] = NULL;
    }
    return ok;
}

static void free_options(struct ingestion_options *o)
{
    const char *texts[] = {o->volume.catalog, o->volume.schema, o->volume.name, o->table.catalog,
        o->table.schema, o->table.name, o->cluster_id, o->warehouse_id, o->folder};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free((void *)(uintptr_t)texts[i]);
}

/* --- the texts --- */

static char *volume_place(const struct plan *plan, const char *folder, struct buf *text)
{
    const struct catalog_path *v = &plan->options.volume;

    buf_printf(text, "/Volumes/%s/%s/%s/%s", v->catalog, v->schema, v->name, folder);
    return take_text(text);
}

static bool add_places(struct plan *plan, struct buf *text)
{
    plan->data_path = volume_place(plan, "data", text);
    plan->checkpoint_path = volume_place(plan, "checkpoints", text);
    plan->archive_path = volume_place(plan, "archive", text);
    plan->trigger_folder = volume_place(plan, "data/", text);
    return plan->data_path && plan->checkpoint_path && plan->archive_path && plan->trigger_folder;
}

static char *schema_sql(struct catalog_path path, struct buf *text)
{
    buf_add_text(text, "CREATE SCHEMA IF NOT EXISTS ");
    quote_sql_path(text, (struct catalog_path){path.catalog, path.schema, NULL});
    return take_text(text);
}

static bool same_schema(const struct ingestion_options *o)
{
    return strcmp(o->volume.catalog, o->table.catalog) == 0 &&
           strcmp(o->volume.schema, o->table.schema) == 0;
}

static bool add_sql(struct plan *plan, struct buf *text)
{
    const struct ingestion_options *o = &plan->options;

    plan->create_schema = schema_sql(o->volume, text);
    if (!same_schema(o))
        plan->create_table_schema = schema_sql(o->table, text);
    buf_add_text(text, "CREATE VOLUME IF NOT EXISTS ");
    quote_sql_path(text, o->volume);
    plan->create_volume = take_text(text);
    buf_add_text(text, "CREATE TABLE IF NOT EXISTS ");
    quote_sql_path(text, o->table);
    buf_add_text(text, " (timestamp TIMESTAMP_NTZ, asset STRING, datastream STRING, payload "
                       "DOUBLE) USING DELTA");
    plan->create_table = take_text(text);
    return plan->create_schema && (plan->create_table_schema || same_schema(o)) &&
           plan->create_volume && plan->create_table;
}

static char *lower_path(struct catalog_path path, struct buf *text)
{
    const char *const parts[] = {path.catalog, path.schema, path.name};

    for (size_t i = 0; i < 3; i++) {
        if (i)
            buf_add_byte(text, '.');
        quote_lower(text, parts[i]);
    }
    return take_text(text);
}

static char *tag_of(const char *name, struct buf *text)
{
    if (!name)
        return NULL;
    quote_tag(text, name);
    return take_text(text);
}

static char *code_path_of(const struct plan *plan, const char *table, struct buf *text)
{
    buf_printf(text, "%s/", plan->options.folder);
    quote_file_name(text, table);
    buf_add_text(text, plan->options.loader == INGESTION_COPY_INTO ? ".sql" : ".py");
    return take_text(text);
}

static bool add_names(struct plan *plan, struct buf *text)
{
    char *table = lower_path(plan->options.table, text);
    char *volume = lower_path(plan->options.volume, text);
    bool ok = false;

    plan->table_tag = tag_of(table, text);
    plan->volume_tag = tag_of(volume, text);
    if (!plan->table_tag || !plan->volume_tag)
        goto out;
    buf_printf(text, "%s %s", INGESTION_MANAGER, table);
    plan->job_name = take_text(text);
    plan->code_path = code_path_of(plan, table, text);
    ok = plan->job_name && plan->code_path;
out:
    free(table);
    free(volume);
    return ok;
}

static void add_body(const struct plan *plan, struct buf *text)
{
    if (plan->options.loader == INGESTION_COPY_INTO)
        code_copy_into(text, plan);
    else
        code_auto_loader(text);
}

/* The hash covers everything that is sent except itself; the version is in both texts' tags. */
static bool add_hash(struct plan *plan, struct buf *text)
{
    add_body(plan, text);
    buf_add_byte(text, 0);
    definition_add(text, plan, "", false);
    if (text->failed)
        return false;
    (void)snprintf(plan->hash, sizeof(plan->hash), "%016" PRIx64,
        quote_hash(QUOTE_HASH, text->data, text->len));
    buf_reset(text);
    return true;
}

static bool add_job(struct plan *plan, struct buf *text)
{
    bool sql = plan->options.loader == INGESTION_COPY_INTO;

    if (!add_names(plan, text) || !add_hash(plan, text))
        return false;
    code_head(text, sql ? "--" : "#", plan->hash);
    add_body(plan, text);
    plan->code = take_text(text);
    definition_add(text, plan, plan->hash, false);
    plan->job = take_text(text);
    definition_add(text, plan, plan->hash, true);
    plan->job_paused = take_text(text);
    return plan->code && plan->job && plan->job_paused;
}

struct plan *plan_new(const struct ingestion_options *options, struct err *err)
{
    struct plan *plan = NULL;
    bool ok = false, job = options->loader != INGESTION_NONE;
    struct buf text;

    buf_init(&text, TEXT_MAX);
    if (!check_path("volume", options->volume, err) || !check_path("table", options->table, err) ||
        (job && !check_for_job(options, err)))
        goto out;
    plan = calloc(1, sizeof(*plan));
    if (!plan) {
        err_set(err, ERR_FULL, 0, "no memory for a plan");
        goto out;
    }
    if (!copy_options(options, &plan->options, err))
        goto out;
    ok = add_places(plan, &text) && add_sql(plan, &text) && (!job || add_job(plan, &text));
    if (!ok)
        err_set(err, ERR_FULL, 0, "no memory for a plan");
out:
    buf_done(&text);
    if (!ok) {
        plan_free(plan);
        plan = NULL;
    }
    return plan;
}

static void free_texts(struct plan *plan)
{
    char *const texts[] = {plan->data_path, plan->checkpoint_path, plan->archive_path,
        plan->trigger_folder, plan->job_name, plan->table_tag, plan->volume_tag, plan->code_path,
        plan->code, plan->job, plan->job_paused, plan->create_schema, plan->create_table_schema,
        plan->create_volume, plan->create_table};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    free_texts(plan);
    free_options(&plan->options);
    free(plan);
}
