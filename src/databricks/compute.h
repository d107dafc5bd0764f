/* databricks/compute.h: SQL warehouses (API 2.0) and clusters (API 2.1), as far as we look at them.
 *
 * Shape    one function a call; each waits for its answer.
 * Limits   texts are cut to what their fields hold.
 * Errors   as databricks/error.h.
 * Owner    the caller; compute_warehouses_done frees a list.
 * Threads  one at a time.
 * Source   databricks-api.md 6.4 (warehouses), 9.3 (clusters).
 */
#ifndef DATABRICKS_COMPUTE_H
#define DATABRICKS_COMPUTE_H

#include "base/str.h"
#include "databricks/workspace.h"

struct compute_warehouse {
    char id[64], name[128];
    char state[24]; /* "RUNNING", "STOPPED", "STARTING", "STOPPING", "DELETING", "DELETED" */
    char type[24];  /* "PRO", "CLASSIC"; "": not said */
    bool serverless;
};

/* False: it is being deleted. A stopped one starts by itself. */
bool compute_warehouse_usable(const struct compute_warehouse *warehouse);
/* True: it runs SQL files of jobs (pro or serverless; classic ones do not). */
bool compute_warehouse_runs_files(const struct compute_warehouse *warehouse);

struct compute_warehouses {
    struct compute_warehouse *items;
    size_t count;
};

void compute_warehouses_done(struct compute_warehouses *list);

/* Those we may use, in the order of the server. */
NODISCARD bool compute_warehouses_list(
    struct workspace *ws, struct compute_warehouses *ret, struct err *err);
NODISCARD bool compute_warehouse_get(struct workspace *ws, const char *id,
    struct compute_warehouse *ret, bool *ret_exists, struct err *err);

struct compute_cluster {
    char id[64], name[128];
    char state[24];         /* "RUNNING", "TERMINATED", "PENDING", "ERROR", ... */
    char spark_version[64]; /* "16.4.x-scala2.12" */
    char access_mode[48];   /* data_security_mode: "SINGLE_USER", "USER_ISOLATION", ...; "": none */
    char single_user[128];  /* who alone may use it; "": nobody alone */
    char state_message[200];
};

/* True: Unity Catalog volumes and tables can be used on it (single user, or shared). */
bool compute_cluster_has_catalog(const struct compute_cluster *cluster);
/* "16.4.x-scala2.12": 16 and 4. False: a version of another form. */
bool compute_cluster_version(
    const struct compute_cluster *cluster, unsigned *ret_major, unsigned *ret_minor);

NODISCARD bool compute_cluster_get(struct workspace *ws, const char *id,
    struct compute_cluster *ret, bool *ret_exists, struct err *err);

#endif
