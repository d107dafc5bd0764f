#include "simulator/manifest.h"

#include "base/json_out.h"

#include <inttypes.h>

/* As the SDK writes an asset without streams; an exporter's manifest has no more. */
static const char asset_rest[] = ",\"datastreams\":{},\"properties\":{},\"parameters\":{},"
                                 "\"data_quality\":{},\"type\":\"\",\"name\":\"\"}";

bool manifest_init(struct manifest *m, const struct span *assets, size_t count, struct err *err)
{
    struct buf name;

    buf_init(&m->resources, MANIFEST_MAX - 1024);
    buf_init(&name, LINE_FORM_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_reset(&name);
        buf_add_text(&name, "krn:asset:");
        buf_add(&name, assets[i].data, assets[i].len);
        buf_add_text(&m->resources, i > 0 ? ",{\"resource\":" : "{\"resource\":");
        json_quote(&m->resources, (struct span){name.data, name.len});
        buf_add_text(&m->resources, asset_rest);
    }
    buf_done(&name);
    if (!m->resources.failed)
        return true;
    manifest_done(m);
    return err_set(
        err, ERR_INPUT, 0, "%zu assets with such names do not fit into one manifest line", count);
}

void manifest_done(struct manifest *m)
{
    buf_done(&m->resources);
}

bool manifest_line(const struct manifest *m, struct buf *out, int64_t wall_us,
    int64_t upload_interval, int64_t batch_size, bool crlf, struct rng *rng, struct err *err)
{
    char stamp[CLOCK_TEXT_SIZE];
    char id[LINE_UUID_LEN];

    buf_reset(out);
    line_uuid(id, rng);
    buf_printf(out,
        "{\"type\":\"runtime_manifest\",\"resource\":\"krn:wlappv:test_node/test_workload:"
        "databricks-volume-uploader/1.0.0\",\"id\":\"%.36s\",\"timestamp\":\"%s\",\"payload\":"
        "{\"resources\":[",
        id, clock_text(stamp, wall_us));
    buf_add(out, m->resources.data, m->resources.len);
    buf_add_text(out, "],\"configuration\":{");
    if (upload_interval >= 0)
        buf_printf(out, "\"upload_interval\":%" PRId64, upload_interval);
    if (batch_size >= 0)
        buf_printf(out, "%s\"batch_size\":%" PRId64, upload_interval >= 0 ? "," : "", batch_size);
    buf_add_text(out, "},\"datastreams\":[],\"custom_actions\":[]}}");
    buf_add_text(out, crlf ? "\r\n" : "\n");
    return buf_check(out, "manifest", err);
}
