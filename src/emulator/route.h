/* emulator/route.h: which function answers which request.
 *
 * Shape    one table; the first entry with the method whose pattern fits the path as sent. '*' in a
 *          pattern is any run of characters; the handler finds the path from the slash before it
 *          in req->rest.
 * Threads  any; the table is constant.
 *
 * To add an API family: a file with its handlers, their prototypes here, their rows in route.c.
 */
#ifndef EMULATOR_ROUTE_H
#define EMULATOR_ROUTE_H

#include "base/str.h"

struct request;

enum route_body {
    BODY_NONE,   /* read and thrown away */
    BODY_MEMORY, /* req->body */
    BODY_FILE,   /* req->upload, a file of the store */
};

enum route_guard {
    GUARD_TOKEN, /* a bearer token */
    GUARD_OPEN,  /* anybody */
    GUARD_LOCAL, /* anybody on this machine; faults and counters leave it alone */
};

struct route {
    const char *method;
    const char *pattern;
    enum route_guard guard;
    enum route_body body;
    void (*check)(struct request *req); /* before the body; may answer already. NULL: nothing */
    void (*handle)(struct request *req);
};

const struct route *route_find(const char *method, struct span path);

/* files.c */
void serve_file_put_check(struct request *req);
void serve_file_put(struct request *req);
void serve_file_head(struct request *req);
void serve_file_get(struct request *req);
void serve_file_delete(struct request *req);

/* directories.c */
void directories_put(struct request *req);
void directories_head(struct request *req);
void directories_get(struct request *req);
void directories_delete(struct request *req);

/* tree_routes.c */
void serve_workspace_mkdirs(struct request *req);
void serve_workspace_import(struct request *req);
void serve_workspace_import_file(struct request *req);
void serve_workspace_get_status(struct request *req);
void serve_workspace_list(struct request *req);
void serve_workspace_export(struct request *req);
void serve_workspace_file_get(struct request *req);
void serve_workspace_delete(struct request *req);

/* job_routes.c */
void serve_job_create(struct request *req);
void serve_job_get(struct request *req);
void serve_job_list(struct request *req);
void serve_job_reset(struct request *req);
void serve_job_update(struct request *req);
void serve_job_delete(struct request *req);

/* run_routes.c */
void serve_run_now(struct request *req);
void serve_run_get(struct request *req);
void serve_run_list(struct request *req);
void serve_run_output(struct request *req);
void serve_run_cancel(struct request *req);

/* permission_routes.c */
void serve_job_permissions_get(struct request *req);
void serve_job_permissions_set(struct request *req);

/* catalog_routes.c */
void serve_catalog_get(struct request *req);
void serve_schema_get(struct request *req);
void serve_volume_get(struct request *req);
void serve_catalog_create(struct request *req);
void serve_schema_create(struct request *req);
void serve_volume_create(struct request *req);
void serve_volume_delete(struct request *req);
void serve_catalog_list(struct request *req);
void serve_schema_list(struct request *req);
void serve_volume_list(struct request *req);
void serve_table_get(struct request *req);
void serve_table_list(struct request *req);
void serve_metastore_assignment(struct request *req);

/* grant_routes.c */
void serve_grants_get(struct request *req);
void serve_grants_effective(struct request *req);
void serve_grants_patch(struct request *req);

/* compute.c */
void serve_warehouses_list(struct request *req);
void serve_warehouses_get(struct request *req);
void serve_warehouses_post(struct request *req);
void serve_clusters_get(struct request *req);
void serve_clusters_list(struct request *req);

/* statement_routes.c */
void serve_statement_post(struct request *req);
void serve_statement_get(struct request *req);
void serve_statement_cancel(struct request *req);

/* oidc.c */
void oidc_host(struct request *req);
void oidc_server(struct request *req);
void oidc_token(struct request *req);

/* scim.c */
void scim_me(struct request *req);

/* control.c */
void control_state(struct request *req);
void control_faults_get(struct request *req);
void control_faults_post(struct request *req);
void control_faults_delete(struct request *req);

#endif
