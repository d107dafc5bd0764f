#include "emulator/loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "emulator/ledger.h"

#define STATE_BYTES_MAX (256U << 20)

/* One run of a stream. */
struct stream {
    const struct loader_job *job;
    const struct loader_stream *wanted;
    struct loader_result *result;
    int sources, offsets, commits; /* directories of the checkpoint */
    char id[LEDGER_UUID_SIZE];
    json_t *seen;                /* path to the number of its batch */
    int64_t last;                /* batch; -1: none */
    char prefix[PATH_BYTES_MAX]; /* of the source, with a slash at the end */
};

/* --- the checkpoint --- */

static bool open_checkpoint(struct stream *s, struct err *err)
{
    struct path *path = calloc(1, sizeof(*path));
    int fd = -1;
    bool ok = path && loader_path(s->wanted->checkpoint, path, err) &&
              loader_open(s->job->store, path, true, &fd, err);

    if (!path)
        err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    ok = ok && file_dir_make(fd, "sources", false, err) &&
         file_dir_make(fd, "sources/0", false, err) && file_dir_make(fd, "offsets", false, err) &&
         file_dir_make(fd, "commits", false, err) &&
         file_dir_open(fd, "sources/0", &s->sources, err) &&
         file_dir_open(fd, "offsets", &s->offsets, err) &&
         file_dir_open(fd, "commits", &s->commits, err);
    if (ok) {
        struct file_info info;
        bool exists = false;
        struct buf text;
        json_t *metadata = NULL;

        buf_init(&text, 4096);
        ok = file_stat(fd, "metadata", &exists, &info, err);
        if (ok && !exists) {
            (void)buf_printf(&text, "{\"id\":\"%s\"}", ledger_uuid(s->id));
            ok = file_write_whole(fd, "metadata", text.data, text.len, err);
        } else if (ok) {
            ok = file_read_whole(fd, "metadata", &text, err);
            metadata = ok ? json_loadb(text.data ? text.data : "", text.len, 0, NULL) : NULL;
            ok = ok && ((str_copy(s->id, sizeof(s->id), json_member(metadata, "id")) && s->id[0]) ||
                           err_set(err, ERR_INPUT, 0, "the checkpoint's metadata has no id"));
        }
        json_decref(metadata);
        buf_done(&text);
    }
    file_drop(fd);
    free(path);
    return ok;
}

/* A line of sources/0/<n>: {"path":"/Volumes/...","timestamp":ms,"batchId":n}. */
static bool take_line(struct stream *s, struct span line, int64_t batch, struct err *err)
{
    json_t *entry = json_loadb(line.data, line.len, 0, NULL);
    const char *path = json_member(entry, "path");
    bool ok = path[0] && json_object_set_new(s->seen, path, json_integer(batch)) == 0;

    json_decref(entry);
    return ok || err_set(err, ERR_INPUT, 0, "sources/0/%lld of the checkpoint is damaged",
                     (long long)batch);
}

static bool read_batch(struct stream *s, const char *name, int64_t batch, struct err *err)
{
    struct buf text;
    bool ok;

    buf_init(&text, STATE_BYTES_MAX);
    ok = file_read_whole(s->sources, name, &text, err);
    if (ok && (text.len < 3 || memcmp(text.data, "v1\n", 3) != 0))
        ok = err_set(err, ERR_INPUT, 0, "sources/0/%s of the checkpoint is damaged", name);
    for (size_t at = 3; ok && at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.data) - at : text.len - at;

        ok = len == 0 || take_line(s, (struct span){text.data + at, len}, batch, err);
        at += len + 1;
    }
    buf_done(&text);
    return ok;
}

static bool read_seen(struct stream *s, struct err *err)
{
    struct file_list list = {0};
    bool ok = file_list(s->sources, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        int64_t batch;

        if (!str_i64(span_of(list.names[i]), &batch) || batch < 0)
            continue; /* the rest of a crash: <n>.tmp */
        ok = read_batch(s, list.names[i], batch, err);
        s->last = batch > s->last ? batch : s->last;
    }
    file_list_done(&list);
    return ok;
}

static bool is_committed(
    struct stream *s, int64_t batch, bool *ret, int64_t *ret_when_us, struct err *err)
{
    struct file_info info = {0};
    char name[32];

    (void)snprintf(name, sizeof(name), "%lld", (long long)batch);
    if (!file_stat(s->commits, name, ret, &info, err))
        return false;
    *ret_when_us = info.modified_us;
    return true;
}

static bool write_note(int dirfd, int64_t batch, const char *text, struct err *err)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%lld", (long long)batch);
    return file_write_whole(dirfd, name, text, strlen(text), err);
}

/* --- a batch --- */

static bool add_file(
    struct stream *s, struct delta_commit *commit, const char *path, struct err *err)
{
    struct path *parts;
    bool ok;

    if (s->job->cancelled && s->job->cancelled(s->job->arg))
        return err_set(err, ERR_INPUT, 0, "Run cancelled.");
    parts = calloc(1, sizeof(*parts));
    if (!parts)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    /* A checkpoint lies where people write: its paths stay inside the volumes. */
    ok = loader_path(path, parts, err) && delta_add(commit, s->job->root, path + 1, path, err);
    free(parts);
    if (!ok && err->code == ENOENT)
        err_set(err, ERR_INPUT, ENOENT,
            "[FAILED_READ_FILE.FILE_NOT_EXIST] Error while reading file dbfs:%.150s", path);
    else if (!ok)
        err_wrap(err, "[FAILED_READ_FILE.NO_HINT] Error while reading file dbfs:%.120s", path);
    return ok;
}

static bool commit_batch(struct stream *s, struct delta *table, int64_t batch, struct err *err)
{
    struct delta_commit *commit = delta_begin(table, err);
    json_t *parameters, *number;
    const char *path;
    bool ok = commit != NULL;

    json_object_foreach(s->seen, path, number)
    {
        if (ok && json_integer_value(number) == batch)
            ok = add_file(s, commit, path, err);
    }
    if (!ok) {
        delta_abort(commit);
        return false;
    }
    delta_set_txn(commit, s->id, batch);
    s->result->files += delta_commit_files(commit);
    s->result->rows += delta_commit_rows(commit);
    parameters = json_pack("{s:s, s:s, s:o}", "outputMode", "Append", "queryId", s->id, "epochId",
        json_sprintf("%lld", (long long)batch));
    ok = delta_finish(commit, "STREAMING UPDATE", parameters, err);
    json_decref(parameters);
    return ok;
}

/* Rows first, then the note that they are there. After a crash in between the table's txn knows. */
static bool load_batch(struct stream *s, int64_t batch, struct err *err)
{
    struct delta *table = delta_open(s->job->root, s->job->table_path, err);
    bool ok = table != NULL;

    if (ok && delta_txn(table, s->id) < batch)
        ok = commit_batch(s, table, batch, err);
    delta_close(table);
    if (ok)
        s->result->batches++;
    return ok && write_note(s->commits, batch, "v1\n{\"nextBatchWatermarkMs\":0}", err);
}

static bool plan_batch(struct stream *s, const struct loader_file *const *files, size_t count,
    int64_t batch, struct err *err)
{
    char offset[96];
    struct buf text;
    char name[32];
    bool ok = true;

    buf_init(&text, STATE_BYTES_MAX);
    (void)buf_add_text(&text, "v1");
    for (size_t i = 0; ok && i < count; i++) {
        struct json_out json;
        struct buf path;

        buf_init(&path, 2 * (size_t)PATH_BYTES_MAX);
        (void)buf_printf(&path, "%s%s", s->prefix, files[i]->path);
        (void)buf_add_byte(&text, '\n');
        json_init(&json, &text);
        json_out_object(&json);
        json_key_text(&json, "path", buf_text(&path));
        json_key_int(&json, "timestamp", files[i]->modified_us / 1000);
        json_key_int(&json, "batchId", batch);
        json_out_object_end(&json);
        ok = json_object_set_new(s->seen, buf_text(&path), json_integer(batch)) == 0 ||
             err_set(err, ERR_INPUT, 0, "a file's name is not UTF-8");
        buf_done(&path);
    }
    (void)snprintf(name, sizeof(name), "%lld", (long long)batch);
    (void)snprintf(offset, sizeof(offset), "v1\n{\"batchWatermarkMs\":0}\n{\"logOffset\":%lld}",
        (long long)batch);
    ok = ok && buf_check(&text, "a batch", err) &&
         file_write_whole(s->sources, name, text.data, text.len, err) &&
         write_note(s->offsets, batch, offset, err);
    buf_done(&text);
    return ok;
}

/* --- the run --- */

static bool is_seen(const struct stream *s, const char *relative, int64_t *ret_batch)
{
    char path[2 * PATH_BYTES_MAX];
    const json_t *batch;

    (void)snprintf(path, sizeof(path), "%s%s", s->prefix, relative);
    batch = json_object_get(s->seen, path);
    if (batch && ret_batch)
        *ret_batch = (int64_t)json_integer_value(batch);
    return batch != NULL;
}

static bool load_new(struct stream *s, const struct loader_found *found, struct err *err)
{
    const struct loader_file **batch = calloc(found->count + 1, sizeof(*batch));
    size_t count = 0;
    bool ok = true;

    if (!batch)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a batch");
    for (size_t i = 0; ok && i < found->count; i++) {
        if (is_seen(s, found->files[i].path, NULL))
            s->result->skipped++;
        else
            batch[count++] = &found->files[i];
    }
    for (size_t at = 0; ok && at < count;) {
        size_t n =
            count - at < s->wanted->batch_files ? count - at : (size_t)s->wanted->batch_files;

        ok = plan_batch(s, batch + at, n, s->last + 1, err);
        s->last += ok;
        ok = ok && load_batch(s, s->last, err);
        at += n;
    }
    free(batch);
    return ok;
}

/* What the last run planned and did not finish. */
static bool finish_pending(struct stream *s, struct err *err)
{
    bool committed = false;
    int64_t when;

    if (s->last < 0)
        return true;
    return is_committed(s, s->last, &committed, &when, err) &&
           (committed || load_batch(s, s->last, err));
}

static bool move_one(struct stream *s, const char *archive, const char *relative, struct err *err)
{
    char from[2 * PATH_BYTES_MAX], to[2 * PATH_BYTES_MAX], dir[2 * PATH_BYTES_MAX];
    struct file_info info;
    bool exists = false;

    (void)snprintf(from, sizeof(from), "%s%s", s->prefix, relative);
    (void)snprintf(to, sizeof(to), "%s%s", archive, relative);
    (void)str_copy(dir, sizeof(dir), to);
    *strrchr(dir, '/') = '\0';
    if (!file_dir_make(s->job->root, dir + 1, true, err) ||
        !file_stat(s->job->root, to + 1, &exists, &info, err))
        return false;
    if (exists)
        return true; /* best effort: an old name that came back stays where it is */
    s->result->moved++;
    return file_rename(s->job->root, from + 1, s->job->root, to + 1, err);
}

/* cleanSource = MOVE: files loaded long enough ago leave the source. */
static bool clean(
    struct stream *s, const struct loader_found *found, const char *archive, struct err *err)
{
    int64_t keep_us = s->wanted->retention_us / (s->job->time_scale ? s->job->time_scale : 1);
    int64_t now = clock_wall_us(), batch = 0, asked = -1, when = 0;
    bool committed = false;

    for (size_t i = 0; i < found->count; i++) {
        if (!is_seen(s, found->files[i].path, &batch))
            continue;
        if (batch != asked && !is_committed(s, batch, &committed, &when, err))
            return false;
        asked = batch;
        if (committed && now - when >= keep_us && !move_one(s, archive, found->files[i].path, err))
            return false;
    }
    return true;
}

/* "/Volumes/a/b/c/data/" as the catalog spells it. */
static bool full_prefix(const char *text, char *out, struct path *path, struct err *err)
{
    struct buf shown;
    bool ok;

    if (!loader_path(text, path, err))
        return false;
    buf_init(&shown, PATH_BYTES_MAX);
    ok = path_print(&shown, path) && buf_add_byte(&shown, '/') &&
         str_copy(out, PATH_BYTES_MAX, buf_text(&shown));
    buf_done(&shown);
    return ok || err_set(err, ERR_INPUT, 0, "'%.100s' is too long", text);
}

static bool check_archive(
    const struct stream *s, const struct path *source, char *out, struct err *err)
{
    struct path *archive = calloc(1, sizeof(*archive));
    bool ok = archive && full_prefix(s->wanted->archive, out, archive, err);

    if (!archive)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for a path");
    for (size_t i = 1; ok && i < PATH_VOLUME_PARTS; i++) {
        if (strcmp(source->part[i], archive->part[i]) != 0)
            ok = err_set(err, ERR_INPUT, 0,
                "cloudFiles.cleanSource.moveDestination must be in the same volume as the source");
    }
    if (ok && strncmp(out, s->prefix, strlen(s->prefix)) == 0)
        ok = err_set(err, ERR_INPUT, 0,
            "cloudFiles.cleanSource.moveDestination must not be inside of the source directory");
    free(archive);
    return ok;
}

static bool run(struct stream *s, struct path *source, struct err *err)
{
    const char *glob = s->wanted->glob[0] ? s->wanted->glob : NULL;
    struct loader_found found = {0};
    char archive[PATH_BYTES_MAX] = "";
    int fd = -1;
    bool ok = full_prefix(s->wanted->source, s->prefix, source, err) &&
              (!s->wanted->move || check_archive(s, source, archive, err)) &&
              loader_open(s->job->store, source, false, &fd, err) && open_checkpoint(s, err) &&
              read_seen(s, err) && finish_pending(s, err) && loader_find(fd, glob, &found, err);

    if (ok && found.partitioned && !s->wanted->no_partitions)
        ok = err_set(err, ERR_INPUT, 0,
            "[DELTA_METADATA_MISMATCH] A schema mismatch detected when writing to the Delta table: "
            "directories called key=value become columns unless cloudFiles.partitionColumns is "
            "\"\"");
    ok = ok && load_new(s, &found, err) && (!s->wanted->move || clean(s, &found, archive, err));
    loader_found_done(&found);
    file_drop(fd);
    return ok;
}

bool loader_auto(const struct loader_job *job, const struct loader_stream *stream,
    struct loader_result *ret, struct err *err)
{
    struct stream s = {.job = job,
        .wanted = stream,
        .result = ret,
        .sources = -1,
        .offsets = -1,
        .commits = -1,
        .last = -1};
    struct path *source = calloc(1, sizeof(*source));
    bool ok = false;

    *ret = (struct loader_result){0};
    s.seen = json_object();
    if (!source || !s.seen)
        err_set(err, ERR_FULL, ENOMEM, "no memory for a stream");
    else
        ok = run(&s, source, err);
    json_decref(s.seen);
    file_drop(s.sources);
    file_drop(s.offsets);
    file_drop(s.commits);
    free(source);
    return ok;
}
