/* databricks/me.h: who the credentials belong to; the cheapest check that sign-in works.
 *
 * Limits   names are cut to what the fields hold.
 * Errors   as databricks/error.h.
 * Threads  one at a time.
 * Source   databricks-api.md 6.5 (SCIM Me).
 */
#ifndef DATABRICKS_ME_H
#define DATABRICKS_ME_H

#include "databricks/workspace.h"

struct me {
    char id[32];
    char user_name[128]; /* an e-mail address, or the application id of a service principal */
    char display_name[128];
    char workspace_id[32]; /* of the answer's X-Databricks-Org-Id; "": not said */
    bool active;
};

NODISCARD bool me_get(struct workspace *ws, struct me *ret, struct err *err);

#endif
