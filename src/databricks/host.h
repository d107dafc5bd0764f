/* databricks/host.h: what people type as the workspace's address, made into one form.
 *
 * Shape    "https://name[:port]", lower case, nothing behind it.
 * Limits   255 bytes of address.
 * Errors   ERR_INPUT with a text that says what to write instead.
 * Owner    caller-owned struct; nothing is allocated.
 * Threads  any.
 * Source   databricks-api.md 1.6; durability.md 15 (http only to a loopback address).
 */
#ifndef DATABRICKS_HOST_H
#define DATABRICKS_HOST_H

#include "base/str.h"

struct host {
    char url[272];         /* scheme, name, port */
    char workspace_id[32]; /* from ?o=, ?workspace_id= or ?w= of a pasted address; "": none */
    char account_id[64];   /* from ?a= or ?account_id=; "": none */
    bool loopback;
};

/* Takes a host name, an address, or what a browser shows. Account consoles are refused. */
NODISCARD bool host_normalise(const char *text, struct host *ret, struct err *err);

/* "https://..." of anything, or "http://..." of this machine: may carry a secret. */
bool host_url_safe(const char *url);

#endif
