#include "databricks/compute.h"

#include "databricks/rest.h"
#include "databricks/url.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define WAREHOUSES "/api/2.0/sql/warehouses"
#define GRANT_WAREHOUSE "grant CAN USE on the SQL warehouse"
#define GRANT_CLUSTER "grant CAN ATTACH TO on the cluster"

static void read_warehouse(const json_t *root, struct compute_warehouse *ret)
{
    *ret = (struct compute_warehouse){
        .serverless = json_is_true(json_object_get(root, "enable_serverless_compute"))};
    rest_copy(ret->id, sizeof(ret->id), root, "id");
    rest_copy(ret->name, sizeof(ret->name), root, "name");
    rest_copy(ret->state, sizeof(ret->state), root, "state");
    rest_copy(ret->type, sizeof(ret->type), root, "warehouse_type");
}

bool compute_warehouse_usable(const struct compute_warehouse *warehouse)
{
    return strcmp(warehouse->state, "DELETING") != 0 && strcmp(warehouse->state, "DELETED") != 0;
}

bool compute_warehouse_runs_files(const struct compute_warehouse *warehouse)
{
    return warehouse->serverless || strcasecmp(warehouse->type, "CLASSIC") != 0;
}

void compute_warehouses_done(struct compute_warehouses *list)
{
    free(list->items);
    *list = (struct compute_warehouses){NULL, 0};
}

/* The items of one page, behind what is there. */
static bool add_warehouses(const json_t *root, struct compute_warehouses *list)
{
    const json_t *items = json_object_get(root, "warehouses");
    size_t more = json_array_size(items);
    struct compute_warehouse *grown;

    if (more == 0)
        return true;
    grown = realloc(list->items, (list->count + more) * sizeof(*grown));
    if (!grown)
        return false;
    list->items = grown;
    for (size_t i = 0; i < more; i++) {
        read_warehouse(json_array_get(items, i), &list->items[list->count]);
        if (list->items[list->count].id[0])
            list->count++;
    }
    return true;
}

bool compute_warehouses_list(struct workspace *ws, struct compute_warehouses *ret, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = WAREHOUSES,
        .words = {.what = "list the SQL warehouses", .grant = GRANT_WAREHOUSE}};
    struct buf query;
    bool ok = true, more = true;

    *ret = (struct compute_warehouses){NULL, 0};
    buf_init(&query, 8192);
    for (int page = 0; ok && more; page++) {
        json_t *root = NULL;

        if (page == REST_PAGES_MAX) {
            ok = err_set(err, ERR_RETRY, 0, "%s: the list does not end", r.words.what);
            break;
        }
        r.query = query.len ? buf_text(&query) : NULL;
        ok = rest_call(ws, &r, &root, NULL, err);
        more = ok && rest_next_page(&query, 0, root);
        if (ok && !add_warehouses(root, ret))
            ok = rest_no_memory(r.words.what, err);
        if (ok)
            ok = buf_check(&query, "page token", err);
        json_decref(root);
    }
    buf_done(&query);
    if (!ok)
        compute_warehouses_done(ret);
    return ok;
}

bool compute_warehouse_get(struct workspace *ws, const char *id, struct compute_warehouse *ret,
    bool *ret_exists, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = WAREHOUSES "/",
        .words = {"look at the SQL warehouse", GRANT_WAREHOUSE, NULL, "does not exist"}};
    struct buf path;
    json_t *root = NULL;
    bool ok;

    *ret = (struct compute_warehouse){.id = ""};
    buf_init(&path, 1024);
    (void)buf_add_text(&path, WAREHOUSES "/");
    (void)url_add_value(&path, span_of(id));
    r.prefix = buf_text(&path);
    ok = buf_check(&path, r.words.what, err) && rest_find(ws, &r, &root, ret_exists, err);
    if (ok && *ret_exists) {
        read_warehouse(root, ret);
        if (!ret->id[0])
            (void)str_copy(ret->id, sizeof(ret->id), id);
    }
    json_decref(root);
    buf_done(&path);
    return ok;
}

bool compute_cluster_has_catalog(const struct compute_cluster *cluster)
{
    return strcmp(cluster->access_mode, "SINGLE_USER") == 0 ||
           strcmp(cluster->access_mode, "USER_ISOLATION") == 0 ||
           strncmp(cluster->access_mode, "DATA_SECURITY_MODE_", 19) == 0;
}

bool compute_cluster_version(
    const struct compute_cluster *cluster, unsigned *ret_major, unsigned *ret_minor)
{
    unsigned major, minor;

    if (sscanf(cluster->spark_version, "%3u.%3u", &major, &minor) != 2)
        return false;
    *ret_major = major;
    *ret_minor = minor;
    return true;
}

bool compute_cluster_get(struct workspace *ws, const char *id, struct compute_cluster *ret,
    bool *ret_exists, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = "/api/2.1/clusters/get",
        .words = {"look at the cluster", GRANT_CLUSTER, NULL, "does not exist"}};
    struct buf query;
    json_t *root = NULL;
    bool ok;

    *ret = (struct compute_cluster){.id = ""};
    buf_init(&query, 1024);
    (void)buf_add_text(&query, "cluster_id=");
    (void)url_add_value(&query, span_of(id));
    r.query = buf_text(&query);
    ok = buf_check(&query, r.words.what, err) && rest_find(ws, &r, &root, ret_exists, err);
    if (ok && *ret_exists) {
        (void)str_copy(ret->id, sizeof(ret->id), id);
        rest_copy(ret->name, sizeof(ret->name), root, "cluster_name");
        rest_copy(ret->state, sizeof(ret->state), root, "state");
        rest_copy(ret->spark_version, sizeof(ret->spark_version), root, "spark_version");
        rest_copy(ret->access_mode, sizeof(ret->access_mode), root, "data_security_mode");
        rest_copy(ret->single_user, sizeof(ret->single_user), root, "single_user_name");
        rest_copy(ret->state_message, sizeof(ret->state_message), root, "state_message");
    }
    json_decref(root);
    buf_done(&query);
    return ok;
}
