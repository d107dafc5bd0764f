#include "emulator/route.h"

#include "emulator/path.h"

#define FILES "/api/2.0/fs/files/*"
#define DIRECTORIES "/api/2.0/fs/directories/*"
#define WORKSPACE "/api/2.0/workspace/"

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
    {"POST", WORKSPACE "mkdirs", GUARD_TOKEN, BODY_MEMORY, NULL, serve_workspace_mkdirs},
    {"POST", WORKSPACE "import", GUARD_TOKEN, BODY_MEMORY, NULL, serve_workspace_import},
    {"GET", WORKSPACE "get-status", GUARD_TOKEN, BODY_NONE, NULL, serve_workspace_get_status},
    {"GET", WORKSPACE "list", GUARD_TOKEN, BODY_NONE, NULL, serve_workspace_list},
    {"GET", WORKSPACE "export", GUARD_TOKEN, BODY_NONE, NULL, serve_workspace_export},
    {"POST", WORKSPACE "delete", GUARD_TOKEN, BODY_MEMORY, NULL, serve_workspace_delete},
    {"POST", "/api/2.0/workspace-files/import-file/*", GUARD_TOKEN, BODY_MEMORY, NULL,
        serve_workspace_import_file},
    {"GET", "/api/2.0/workspace-files/*", GUARD_TOKEN, BODY_NONE, NULL, serve_workspace_file_get},
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
