#include "emulator/route.h"

#include "emulator/path.h"

#define FILES "/api/2.0/fs/files/*"
#define DIRECTORIES "/api/2.0/fs/directories/*"
#define WORKSPACE "/api/2.0/workspace/"

#define UC "/api/2.1/unity-catalog/"
#define GET(path, handle)                                                                          \
    {                                                                                              \
        "GET", path, GUARD_TOKEN, BODY_NONE, NULL, handle                                          \
    }
#define POST(path, handle)                                                                         \
    {                                                                                              \
        "POST", path, GUARD_TOKEN, BODY_MEMORY, NULL, handle                                       \
    }
/* Both versions of the Jobs API; 2.0 has other bodies. */
#define JOBS_GET(path, handle)                                                                     \
    GET("/api/2.1/jobs/" path, handle), GET("/api/2.2/jobs/" path, handle)
#define JOBS_POST(path, handle)                                                                    \
    POST("/api/2.1/jobs/" path, handle), POST("/api/2.2/jobs/" path, handle)

/* method, pattern, guard, body, check, handle */
static const struct route routes[] = {
    {"PUT", FILES, GUARD_TOKEN, BODY_FILE, serve_file_put_check, serve_file_put},
    {"HEAD", FILES, GUARD_TOKEN, BODY_NONE, NULL, serve_file_head},
    {"GET", FILES, GUARD_TOKEN, BODY_NONE, NULL, serve_file_get},
    {"DELETE", FILES, GUARD_TOKEN, BODY_NONE, NULL, serve_file_delete},
    {"PUT", DIRECTORIES, GUARD_TOKEN, BODY_NONE, NULL, directories_put},
    {"HEAD", DIRECTORIES, GUARD_TOKEN, BODY_NONE, NULL, directories_head},
    {"GET", DIRECTORIES, GUARD_TOKEN, BODY_NONE, NULL, directories_get},
    {"DELETE", DIRECTORIES, GUARD_TOKEN, BODY_NONE, NULL, directories_delete},
    {"GET", "/api/2.0/preview/scim/v2/Me", GUARD_TOKEN, BODY_NONE, NULL, scim_me},
    POST(WORKSPACE "mkdirs", serve_workspace_mkdirs),
    POST(WORKSPACE "import", serve_workspace_import),
    GET(WORKSPACE "get-status", serve_workspace_get_status),
    GET(WORKSPACE "list", serve_workspace_list),
    GET(WORKSPACE "export", serve_workspace_export),
    POST(WORKSPACE "delete", serve_workspace_delete),
    POST("/api/2.0/workspace-files/import-file/*", serve_workspace_import_file),
    GET("/api/2.0/workspace-files/*", serve_workspace_file_get),
    JOBS_POST("create", serve_job_create),
    JOBS_GET("get", serve_job_get),
    JOBS_GET("list", serve_job_list),
    JOBS_POST("reset", serve_job_reset),
    JOBS_POST("update", serve_job_update),
    JOBS_POST("delete", serve_job_delete),
    JOBS_POST("run-now", serve_run_now),
    JOBS_GET("runs/get", serve_run_get),
    JOBS_GET("runs/list", serve_run_list),
    JOBS_GET("runs/get-output", serve_run_output),
    JOBS_POST("runs/cancel", serve_run_cancel),
    GET("/api/2.0/permissions/jobs/*", serve_job_permissions_get),
    {"PATCH", "/api/2.0/permissions/jobs/*", GUARD_TOKEN, BODY_MEMORY, NULL,
        serve_job_permissions_set},
    {"PUT", "/api/2.0/permissions/jobs/*", GUARD_TOKEN, BODY_MEMORY, NULL,
        serve_job_permissions_set},
    GET(UC "catalogs", serve_catalog_list),
    POST(UC "catalogs", serve_catalog_create),
    GET(UC "catalogs/*", serve_catalog_get),
    GET(UC "schemas", serve_schema_list),
    POST(UC "schemas", serve_schema_create),
    GET(UC "schemas/*", serve_schema_get),
    GET(UC "volumes", serve_volume_list),
    POST(UC "volumes", serve_volume_create),
    GET(UC "volumes/*", serve_volume_get),
    {"DELETE", UC "volumes/*", GUARD_TOKEN, BODY_NONE, NULL, serve_volume_delete},
    GET(UC "tables", serve_table_list),
    GET(UC "tables/*", serve_table_get),
    GET(UC "permissions/*", serve_grants_get),
    {"PATCH", UC "permissions/*", GUARD_TOKEN, BODY_MEMORY, NULL, serve_grants_patch},
    GET(UC "effective-permissions/*", serve_grants_effective),
    GET(UC "current-metastore-assignment", serve_metastore_assignment),
    GET("/api/2.0/sql/warehouses", serve_warehouses_list),
    GET("/api/2.0/sql/warehouses/*", serve_warehouses_get),
    POST("/api/2.0/sql/warehouses/*", serve_warehouses_post),
    POST("/api/2.0/sql/statements", serve_statement_post),
    POST("/api/2.0/sql/statements/", serve_statement_post),
    GET("/api/2.0/sql/statements/*", serve_statement_get),
    POST("/api/2.0/sql/statements/*", serve_statement_cancel),
    GET("/api/2.1/clusters/get", serve_clusters_get),
    GET("/api/2.1/clusters/list", serve_clusters_list),
    {"GET", "/.well-known/databricks-config", GUARD_OPEN, BODY_NONE, NULL, oidc_host},
    {"GET", "/oidc/.well-known/oauth-authorization-server", GUARD_OPEN, BODY_NONE, NULL,
        oidc_server},
    {"GET", "/oidc/accounts/*/.well-known/oauth-authorization-server", GUARD_OPEN, BODY_NONE, NULL,
        oidc_server},
    {"POST", "/oidc/v1/token", GUARD_OPEN, BODY_MEMORY, NULL, oidc_token},
    {"POST", "/oidc/accounts/*/v1/token", GUARD_OPEN, BODY_MEMORY, NULL, oidc_token},
    {"GET", "/emulator/state", GUARD_LOCAL, BODY_NONE, NULL, control_state},
    {"GET", "/emulator/faults", GUARD_LOCAL, BODY_NONE, NULL, control_faults_get},
    {"POST", "/emulator/faults", GUARD_LOCAL, BODY_MEMORY, NULL, control_faults_post},
    {"DELETE", "/emulator/faults", GUARD_LOCAL, BODY_NONE, NULL, control_faults_delete},
};

const struct route *route_find(const char *method, struct span path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].method, method) == 0 && path_glob(span_of(routes[i].pattern), path))
            return &routes[i];
    }
    return NULL;
}
