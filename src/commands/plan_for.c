#include "commands/plan_for.h"

struct plan *plan_for(const struct settings *s, struct err *err)
{
    static const enum ingestion_loader loaders[] = {[JOB_LOADER_NONE] = INGESTION_NONE,
        [JOB_LOADER_AUTO_LOADER] = INGESTION_AUTO_LOADER,
        [JOB_LOADER_COPY_INTO] = INGESTION_COPY_INTO};
    struct ingestion_options options = {
        .volume = {s->volume.catalog, s->volume.schema, s->volume.name},
        .table = {s->table.catalog, s->table.schema, s->table.name},
        .loader = loaders[s->job_loader],
        .cluster_id = s->job_cluster_id,
        .warehouse_id = s->job_warehouse_id,
        .trigger =
            s->job_trigger == JOB_TRIGGER_PERIODIC ? INGESTION_PERIODIC : INGESTION_FILE_ARRIVAL,
        .clean_source = s->job_clean_source && s->job_loader == JOB_LOADER_AUTO_LOADER,
        .archive_after_us = s->job_archive_after_us,
        .folder = s->job_folder,
    };

    return plan_new(&options, err);
}
