#include "config/internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define CLOUD (CONFIG_RUN | CONFIG_SETUP | CONFIG_CHECK)

/* The name people know it by: its first variable. */
static const char *known_as(const char *key)
{
    return setting_table[setting_find(key)].env[0];
}

static void need(struct config *c, const char *key, const char *why)
{
    if (!config_has(c, key))
        config_complain(c, known_as(key), NULL, "not set; %s", why);
}

/* --- Databricks --- */

static void check_loader(struct config *c)
{
    struct settings *s = &c->settings;
    bool cluster = config_has(c, "job_cluster_id"), warehouse = config_has(c, "job_warehouse_id");

    if (cluster && warehouse)
        config_complain(c, config_value(c, "job_warehouse_id")->name,
            config_value(c, "job_warehouse_id")->text,
            "set beside %s, two loaders for one table; remove one of them",
            config_value(c, "job_cluster_id")->name);
    if (s->job_serverless && (cluster || warehouse))
        config_complain(c, config_value(c, "job_serverless")->name,
            config_value(c, "job_serverless")->text,
            "set beside %s, two loaders for one table; remove one of them",
            config_value(c, cluster ? "job_cluster_id" : "job_warehouse_id")->name);
    s->job_loader = warehouse                      ? JOB_LOADER_COPY_INTO
                    : cluster || s->job_serverless ? JOB_LOADER_AUTO_LOADER
                                                   : JOB_LOADER_NONE;
}

/* Only Auto Loader can move files away, and the code's folder becomes part of a path in JSON. */
static void check_job(struct config *c)
{
    const struct value *folder = config_value(c, "job_folder");
    const struct value *clean = config_value(c, "job_clean_source");
    size_t len = folder->text ? strlen(folder->text) : 0;

    if (c->settings.job_clean_source && c->settings.job_loader == JOB_LOADER_COPY_INTO)
        config_complain(c, clean->name, clean->text,
            "COPY INTO cannot move files away; use VOLUME_UPLOADER_JOB_TRIGGER=periodic, which has "
            "no limit of files, or Auto Loader");
    if (folder->bad || folder->rank == RANK_DEFAULT)
        return;
    assert(folder->text); /* set, and good */
    if (strncmp(folder->text, "/Workspace/", 11) != 0 || len < 12 || len > 400 ||
        folder->text[len - 1] == '/' || strstr(folder->text, "//") || strstr(folder->text, "/../"))
        config_complain(c, folder->name, folder->text,
            "not a folder of the workspace; write it like /Workspace/Shared/volume-uploader, "
            "without a slash at the end");
}

static void check_readable(struct config *c, const char *key)
{
    const struct value *file = config_value(c, key);

    if (file->text && !file->bad && access(file->text, R_OK) != 0)
        config_complain(c, file->name, file->text, "cannot be read; correct the path or its mode");
}

static void check_cloud(struct config *c)
{
    const struct value *id = config_value(c, "workspace_id");

    need(c, "host",
        "the address of the workspace is needed, e.g. dbc-a1b2c3d4.cloud.databricks.com");
    need(c, "volume", "the volume that gets the files is needed, as catalog.schema.volume");
    check_loader(c);
    check_job(c);
    if (c->settings.job_loader != JOB_LOADER_NONE)
        need(c, "table", "a job needs the table it loads, as catalog.schema.table");
    else if (c->command != CONFIG_RUN)
        need(c, "table", "this command needs the table, as catalog.schema.table");
    config_check_sign_in(c);
    if (id->text && !id->bad && id->text[strspn(id->text, "0123456789")] != '\0')
        config_complain(c, id->name, id->text,
            "not a number; it is the digits behind ?o= in the "
            "browser's address of the workspace");
    check_readable(c, "ca_file");
    check_readable(c, "proxy_ca_file");
    check_readable(c, "client_cert_file");
    check_readable(c, "client_key_file");
    check_readable(c, "oidc_token_filepath");
    if (config_has(c, "client_key_file") && !config_has(c, "client_cert_file"))
        config_complain(c, config_value(c, "client_key_file")->name, NULL,
            "set without a certificate; set %s too", known_as("client_cert_file"));
}

/* --- sizes --- */

static void check_eighth(struct config *c, const char *key, uint64_t *bytes)
{
    const struct value *value = config_value(c, key);
    uint64_t most = c->settings.state_bytes_max / 8;
    char text[32];

    if (c->settings.state_bytes_max == 0 || *bytes <= most || value->bad)
        return;
    if (value->rank == RANK_DEFAULT)
        *bytes = most;
    else
        config_complain(c, value->name, value->text,
            "more than an eighth of state_bytes_max; use at most %s, or raise state_bytes_max",
            str_bytes(text, sizeof(text), most));
}

bool config_fit_state(struct config *c, uint64_t state_bytes_max)
{
    uint64_t most = state_bytes_max / 8;
    bool by_hand = false;

    if (c->settings.segment_bytes > most) {
        by_hand = config_value(c, "segment_bytes")->rank != RANK_DEFAULT;
        c->settings.segment_bytes = most;
    }
    if (c->settings.merge_bytes > most) {
        by_hand = by_hand || config_value(c, "merge_bytes")->rank != RANK_DEFAULT;
        c->settings.merge_bytes = most;
    }
    return by_hand;
}

/* --- what is allowed, but better known --- */

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcasecmp(host, "localhost") == 0;
}

/* That the stream is not on this machine is said by `run`, each time it starts. */
static void warn_open(struct config *c)
{
    const struct value *status = config_value(c, "status_listen");

    if (status->rank != RANK_DEFAULT && !status->bad && c->settings.status_host &&
        !is_loopback(c->settings.status_host))
        config_warn(c, status->name, status->text,
            "not only this machine: whoever reaches the port can read the status");
}

void config_check_rules(struct config *c)
{
    if ((unsigned)c->command & CLOUD)
        check_cloud(c);
    else
        check_loader(c);
    check_eighth(c, "segment_bytes", &c->settings.segment_bytes);
    check_eighth(c, "merge_bytes", &c->settings.merge_bytes);
    warn_open(c);
}

/* --- the runtime manifest (kelvin-stream.md 4.4) --- */

static void warn_manifest(struct config_manifest_result *ret, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static void warn_manifest(struct config_manifest_result *ret, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(ret->warning[ret->warnings], sizeof(ret->warning[0]), fmt, args);
    va_end(args);
    ret->warnings++;
}

static int64_t interval_of(const struct config_manifest *m, const struct setting *row,
    int64_t start_us, struct config_manifest_result *ret)
{
    double us = m->upload_interval_s * 1e6;

    if (isnan(us)) {
        warn_manifest(ret, "manifest: upload_interval is no number; the default is used");
        return start_us;
    }
    if (us < (double)row->min) {
        warn_manifest(ret, "manifest: upload_interval = %g s is below 1 s; 1 s is used",
            m->upload_interval_s);
        return row->min;
    }
    if (us > (double)row->max) {
        warn_manifest(ret, "manifest: upload_interval = %g s is above a day; one day is used",
            m->upload_interval_s);
        return row->max;
    }
    return (int64_t)us;
}

static uint64_t batch_of(const struct config_manifest *m, const struct setting *row, uint64_t start,
    struct config_manifest_result *ret)
{
    if (isnan(m->batch_size) || m->batch_size < (double)row->min) {
        warn_manifest(ret, "manifest: batch_size = %g is below 1; the default %llu is used",
            m->batch_size, (unsigned long long)start);
        return start;
    }
    if (m->batch_size > (double)row->max) {
        warn_manifest(ret, "manifest: batch_size = %g is above %lld, which is used", m->batch_size,
            (long long)row->max);
        return (uint64_t)row->max;
    }
    return (uint64_t)m->batch_size; /* rounded down */
}

/* A value set by hand stays; else the value now belongs to the manifest or, without one, to us. */
static bool manifest_may(struct value *value, bool has)
{
    if (value->rank > RANK_MANIFEST)
        return false;
    value->rank = has ? RANK_MANIFEST : RANK_DEFAULT;
    value->source = has ? "manifest" : "default";
    return true;
}

void config_apply_manifest(
    struct config *c, const struct config_manifest *manifest, struct config_manifest_result *ret)
{
    const struct setting *interval = &setting_table[setting_find("upload_interval")];
    const struct setting *batch = &setting_table[setting_find("batch_size")];
    struct settings *s = &c->settings;
    int64_t old_us = s->upload_interval_us;
    uint64_t old_size = s->batch_size;

    *ret = (struct config_manifest_result){0};
    if (manifest->bad_upload_interval)
        warn_manifest(ret, "manifest: upload_interval is no number; %lld s stays",
            (long long)(old_us / 1000000));
    else if (manifest_may(config_value(c, "upload_interval"), manifest->has_upload_interval))
        s->upload_interval_us = manifest->has_upload_interval
                                    ? interval_of(manifest, interval, c->default_interval_us, ret)
                                    : c->default_interval_us;
    if (manifest->bad_batch_size)
        warn_manifest(
            ret, "manifest: batch_size is no number; %llu stays", (unsigned long long)old_size);
    else if (manifest_may(config_value(c, "batch_size"), manifest->has_batch_size))
        s->batch_size = manifest->has_batch_size
                            ? batch_of(manifest, batch, c->default_batch_size, ret)
                            : c->default_batch_size;
    ret->changed = s->upload_interval_us != old_us || s->batch_size != old_size;
}
