#include "databricks/me.h"

#include "databricks/call.h"

#include <jansson.h>

static void keep(char *out, size_t size, const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));

    (void)str_copy(out, size, text ? text : "");
}

bool me_get(struct workspace *ws, struct me *ret, struct err *err)
{
    struct call_request r = {.method = HTTP_GET,
        .prefix = "/api/2.0/preview/scim/v2/Me",
        .words = {"who am I", "these credentials may not use the workspace",
            "no workspace there: check the host setting", NULL}};
    struct call *call = call_start(ws, &r, err);
    json_t *root = call && call_wait(call, err) ? call_json(call, err) : NULL;
    bool ok = root != NULL;

    if (root) {
        keep(ret->id, sizeof(ret->id), root, "id");
        keep(ret->user_name, sizeof(ret->user_name), root, "userName");
        keep(ret->display_name, sizeof(ret->display_name), root, "displayName");
        (void)str_copy(ret->workspace_id, sizeof(ret->workspace_id), call_answer(call)->org_id);
        ret->active = !json_is_false(json_object_get(root, "active"));
        json_decref(root);
    }
    call_free(call);
    return ok;
}
