#include "emulator/scim.h"

#include "emulator/request.h"

/* GET /api/2.0/preview/scim/v2/Me: databricks-api.md 6.5. */
void scim_me(struct request *req)
{
    struct json_out json;

    reply_json(req, 200, &json);
    json_object(&json);
    json_key(&json, "schemas");
    json_array(&json);
    json_text(&json, "urn:ietf:params:scim:schemas:core:2.0:User");
    json_array_end(&json);
    json_key_text(&json, "id", "7155364203186111");
    json_key_text(&json, "userName", req->principal);
    json_key_text(&json, "displayName", req->principal);
    json_key_bool(&json, "active", true);
    json_key(&json, "groups");
    json_array(&json);
    json_object(&json);
    json_key_text(&json, "display", "users");
    json_key_text(&json, "value", "900000000000001");
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    reply_header(req, "X-Databricks-Org-Id", SCIM_WORKSPACE_ID);
}
