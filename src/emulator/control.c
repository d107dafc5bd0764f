/* What tests and people steer the emulator with; not part of any Databricks API. */
#include "emulator/request.h"

void control_state(struct request *req)
{
    struct emulator_counters count;
    struct json_out json;

    emulator_count(req->emu, &count);
    reply_json(req, 200, &json);
    json_out_object(&json);
    json_key_text(&json, "base_url", req->emu->base_url);
    json_key_uint(&json, "requests", count.requests);
    json_key_uint(&json, "uploads", count.uploads);
    json_key_uint(&json, "upload_bytes", count.upload_bytes);
    json_key_uint(&json, "conflicts", count.conflicts);
    json_key_uint(&json, "broken_uploads", count.broken_uploads);
    json_key_uint(&json, "downloads", count.downloads);
    json_key_uint(&json, "download_bytes", count.download_bytes);
    json_key_uint(&json, "deletes", count.deletes);
    json_key_uint(&json, "tokens", count.tokens);
    json_key_uint(&json, "denied", count.denied);
    json_key_uint(&json, "faults", count.faults);
    json_out_object_end(&json);
}

void control_faults_get(struct request *req)
{
    struct json_out json;

    reply_json(req, 200, &json);
    faults_print(req->emu->faults, &json);
}

void control_faults_post(struct request *req)
{
    struct err err = {0};

    if (faults_add(req->emu->faults, (struct span){req->body.data, req->body.len}, &err))
        control_faults_get(req);
    else
        reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", err.text);
}

void control_faults_delete(struct request *req)
{
    faults_clear(req->emu->faults);
    reply_status(req, 204);
}
