#include "emulator/scim.h"

#include <stdio.h>

#include "emulator/auth.h"

/* Digits made of the name: the same after every start. */
static void id_of(const char *principal, char out[24])
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (const char *p = principal; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
    (void)snprintf(out, 24, "7%015llu", (unsigned long long)(hash % UINT64_C(1000000000000000)));
}

static void add_group(struct json_out *json, const char *name, const char *id)
{
    json_out_object(json);
    json_key_text(json, "display", name);
    json_key_text(json, "value", id);
    json_out_object_end(json);
}

/* GET /api/2.0/preview/scim/v2/Me: databricks-api.md 6.5. */
void scim_me(struct request *req)
{
    struct json_out json;
    char id[24];

    id_of(req->principal, id);
    reply_json(req, 200, &json);
    json_out_object(&json);
    json_key(&json, "schemas");
    json_out_array(&json);
    json_text(&json, "urn:ietf:params:scim:schemas:core:2.0:User");
    json_out_array_end(&json);
    json_key_text(&json, "id", id);
    json_key_text(&json, "userName", req->principal);
    json_key_text(&json, "displayName", req->principal);
    json_key_bool(&json, "active", true);
    json_key(&json, "groups");
    json_out_array(&json);
    add_group(&json, "users", "900000000000001");
    if (auth_is_admin(req->emu, req->principal))
        add_group(&json, "admins", "900000000000002");
    json_out_array_end(&json);
    json_out_object_end(&json);
    reply_header(req, "X-Databricks-Org-Id", SCIM_WORKSPACE_ID);
}
