#include "emulator/compute.h"

#include <stdio.h>

#include "emulator/talk.h"

static const char *const kinds[] = {"serverless", "pro", "classic"};

/* "id" or "id:kind". */
static bool add_warehouse(struct emulator *emu, const char *text, struct err *err)
{
    struct warehouse *to = &emu->warehouses[emu->warehouse_count];
    size_t len = strcspn(text, ":");
    const char *kind = text[len] ? text + len + 1 : kinds[0];

    if (emu->warehouse_count == EMULATOR_COMPUTE_MAX || len == 0 || len >= sizeof(to->id))
        return err_set(err, ERR_INPUT, 0, "warehouse '%.60s': too many, or a bad id", text);
    memcpy(to->id, text, len);
    to->id[len] = '\0';
    for (int i = 0; i < 3; i++) {
        if (strcmp(kind, kinds[i]) != 0)
            continue;
        to->kind = i;
        atomic_init(&to->running, false);
        emu->warehouse_count++;
        return true;
    }
    return err_set(err, ERR_INPUT, 0, "warehouse '%.60s': it is serverless, pro or classic", text);
}

bool compute_fill(struct emulator *emu, const struct emulator_options *options, struct err *err)
{
    for (size_t i = 0; i < options->warehouse_count; i++) {
        if (!add_warehouse(emu, options->warehouses[i], err))
            return false;
    }
    if (!options->warehouse_count && !add_warehouse(emu, "8ec9edc1db0c40df", err))
        return false;
    if (options->cluster_count > EMULATOR_COMPUTE_MAX)
        return err_set(err, ERR_INPUT, 0, "more than %d clusters", EMULATOR_COMPUTE_MAX);
    for (size_t i = 0; i < options->cluster_count; i++) {
        if (!str_copy(emu->clusters[emu->cluster_count++], sizeof(emu->clusters[0]),
                options->clusters[i]))
            return err_set(err, ERR_INPUT, 0, "the cluster's id is too long");
    }
    if (!options->cluster_count)
        (void)str_copy(
            emu->clusters[emu->cluster_count++], sizeof(emu->clusters[0]), "0123-456789-cluster0");
    return true;
}

static const struct warehouse *find(const struct emulator *emu, const char *id)
{
    for (size_t i = 0; i < emu->warehouse_count; i++) {
        if (strcmp(emu->warehouses[i].id, id) == 0)
            return &emu->warehouses[i];
    }
    return NULL;
}

bool compute_has_warehouse(const struct emulator *emu, const char *id)
{
    return find(emu, id) != NULL;
}

bool compute_is_classic(const struct emulator *emu, const char *id)
{
    const struct warehouse *found = find(emu, id);

    return found && found->kind == 2;
}

bool compute_has_cluster(const struct emulator *emu, const char *id)
{
    for (size_t i = 0; i < emu->cluster_count; i++) {
        if (strcmp(emu->clusters[i], id) == 0)
            return true;
    }
    return false;
}

void compute_start(struct emulator *emu, const char *id)
{
    const struct warehouse *found = find(emu, id);

    if (found)
        atomic_store(&emu->warehouses[found - emu->warehouses].running, true);
}

/* --- routes --- */

static json_t *shown(const struct warehouse *warehouse, size_t index)
{
    char name[48];

    (void)snprintf(name, sizeof(name), "%s warehouse %zu", kinds[warehouse->kind], index + 1);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:i, s:{s:s}}", "id", warehouse->id,
        "name", name, "state", atomic_load(&warehouse->running) ? "RUNNING" : "STOPPED", "size",
        "X_SMALL", "enable_serverless_compute", warehouse->kind == 0, "warehouse_type",
        warehouse->kind == 2 ? "CLASSIC" : "PRO", "cluster_size", "2X-Small", "auto_stop_mins", 10,
        "odbc_params", "path", "/sql/1.0/warehouses/");
}

void serve_warehouses_list(struct request *req)
{
    json_t *list = json_array();

    if (talk_empty_page(req, "warehouses")) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; i < req->emu->warehouse_count; i++)
        (void)json_array_append_new(list, shown(&req->emu->warehouses[i], i));
    talk_reply(req, json_pack("{s:o}", "warehouses", list));
}

static const struct warehouse *named_warehouse(struct request *req, const char **ret_after)
{
    const struct warehouse *found;
    char id[128];

    if (!talk_part(req, req->rest, id, sizeof(id), ret_after))
        return NULL;
    found = find(req->emu, id);
    if (!found)
        reply_error(
            req, 404, "RESOURCE_DOES_NOT_EXIST", NULL, "SQL warehouse %.100s does not exist.", id);
    return found;
}

void serve_warehouses_get(struct request *req)
{
    const struct warehouse *found = named_warehouse(req, NULL);

    if (found)
        talk_reply(req, shown(found, (size_t)(found - req->emu->warehouses)));
}

/* POST .../{id}/start and /stop. */
void serve_warehouses_post(struct request *req)
{
    const char *after = "";
    const struct warehouse *found = named_warehouse(req, &after);

    if (!found)
        return;
    if (strcmp(after, "/start") != 0 && strcmp(after, "/stop") != 0) {
        reply_error(req, 404, "ENDPOINT_NOT_FOUND", NULL, "No API found for this path.");
        return;
    }
    atomic_store(
        &req->emu->warehouses[found - req->emu->warehouses].running, strcmp(after, "/start") == 0);
    talk_reply(req, json_object());
}

static json_t *shown_cluster(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "cluster_id", id, "cluster_name", id,
        "state", "TERMINATED", "spark_version", "16.4.x-scala2.12", "data_security_mode",
        "SINGLE_USER", "node_type_id", "i3.xlarge");
}

void serve_clusters_get(struct request *req)
{
    char id[128];

    if (!talk_query(req, "cluster_id", id, sizeof(id), NULL))
        return;
    if (compute_has_cluster(req->emu, id))
        talk_reply(req, shown_cluster(id));
    else
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "Cluster %.100s does not exist", id);
}

void serve_clusters_list(struct request *req)
{
    json_t *list = json_array();

    for (size_t i = 0; i < req->emu->cluster_count; i++)
        (void)json_array_append_new(list, shown_cluster(req->emu->clusters[i]));
    talk_reply(req, json_pack("{s:o}", "clusters", list));
}
