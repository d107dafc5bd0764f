#include "pack/build.h"

#include "base/crc32c.h"
#include "parquet/reader.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SINK_BYTES (256U * 1024)
#define EVIDENCE_MAX (1024U * 1024) /* of damaged bytes, as quarantine_bytes keeps */

/* The file as it grows: gathered into large writes, with its checksum. */
struct sink {
    int fd;
    char *data;
    size_t len;
    uint64_t bytes; /* on their way to the disk */
    uint32_t crc;
    bool full; /* the disk said ERR_FULL: not to be mixed up with a lack of memory */
};

struct build {
    const struct state *state;
    struct limits *limits;
    struct gaps *gaps;
    const struct pack_options *options;
    struct batch *batch;           /* NULL: at rest */
    struct parquet_writer *writer; /* NULL: at rest */
    struct sink sink;
    uint64_t gap_readings;
    bool disk_full;
};

struct build *build_new(const struct state *st, struct limits *limits, struct gaps *gaps,
    const struct pack_options *options, struct err *err)
{
    struct build *b = calloc(1, sizeof(*b));
    char *data = malloc(SINK_BYTES);

    if (!b || !data) {
        free(b);
        free(data);
        (void)err_set(err, ERR_FULL, ENOMEM, "no memory to pack");
        return NULL;
    }
    *b = (struct build){.state = st, .limits = limits, .gaps = gaps, .options = options};
    b->sink.data = data;
    b->sink.fd = -1;
    return b;
}

void build_rest(struct build *b)
{
    batch_free(b->batch);
    parquet_writer_free(b->writer);
    b->batch = NULL;
    b->writer = NULL;
}

void build_free(struct build *b)
{
    if (!b)
        return;
    build_rest(b);
    free(b->sink.data);
    free(b);
}

bool pack_is_unreadable(const struct err *err)
{
    return err->kind == ERR_INPUT || err->code == EIO || err->code == EBADMSG ||
           err->code == EUCLEAN;
}

bool build_disk_full(const struct build *b)
{
    return b->disk_full;
}

uint64_t build_gap_readings(const struct build *b)
{
    return b->gap_readings;
}

/* --- the sink --- */

static bool sink_put(struct sink *s, const void *data, size_t len, struct err *err)
{
    if (!file_write(s->fd, data, len, NULL, err)) {
        s->full = err->kind == ERR_FULL;
        return err_wrap(err, "'%s'", OUTBOX_TEMP);
    }
    s->crc = crc32c(s->crc, data, len);
    s->bytes += len;
    return true;
}

static bool sink_flush(struct sink *s, struct err *err)
{
    size_t len = s->len;

    s->len = 0;
    return len == 0 || sink_put(s, s->data, len, err);
}

static bool sink_write(void *context, const void *data, size_t len, struct err *err)
{
    struct sink *s = context;

    if (len > SINK_BYTES - s->len && !sink_flush(s, err))
        return false;
    if (len >= SINK_BYTES)
        return sink_put(s, data, len, err);
    memcpy(s->data + s->len, data, len);
    s->len += len;
    return true;
}

static void sink_begin(struct sink *s, int fd)
{
    *s = (struct sink){.fd = fd, .data = s->data};
}

static bool source_read(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct sink *s = context;
    size_t n;

    if (!file_read_at(s->fd, offset, out, len, &n, err))
        return false;
    return n == len || err_set(err, ERR_INPUT, 0, "the file ends early");
}

/* --- damage --- */

/* The damaged bytes are kept for people. A failure costs only them: the damage itself is counted.
 */
static void keep_evidence(struct build *b, const struct batch_gap *gap)
{
    size_t want = gap->bytes < EVIDENCE_MAX ? (size_t)gap->bytes : EVIDENCE_MAX;
    char *copy = want > 0 ? malloc(want) : NULL;
    struct err ignored;
    size_t n = 0;
    int fd;

    if (copy && file_open(b->state->journal, gap->segment, FILE_READ, &fd, &ignored)) {
        if (file_read_at(fd, gap->offset, copy, want, &n, &ignored) && n > 0)
            (void)!quarantine_bytes(
                b->state, b->limits, gap->segment, gap->offset, copy, n, &ignored);
        file_drop(fd);
    }
    free(copy);
}

static bool write_gap(struct build *b, const struct batch_gap *gap, struct err *err)
{
    struct gap line = {
        .from_seq = gap->from_seq,
        .to_seq = gap->to_seq,
        .readings = gap->readings,
        .reason = (enum gap_reason)gap->reason,
        .promised = gap->promised,
        .bytes = gap->bytes,
        .where = gap->segment,
    };
    uint64_t before = gaps_readings(b->gaps);

    if (gap->bytes > 0)
        keep_evidence(b, gap);
    if (!gaps_write(b->gaps, &line, err))
        return false;
    b->gap_readings += gaps_readings(b->gaps) - before;
    return true;
}

/* --- one file --- */

struct run {
    uint64_t rows, superseded;
    bool used; /* the batch holds something since its last reset */
};

/* What the batch holds becomes a row group. Losses are on disk before anything else happens. */
static bool end_group(struct build *b, struct run *run, struct err *err)
{
    const struct batch_gap *gaps;
    struct batch_columns columns;
    struct parquet_columns out;
    size_t count;

    if (!batch_finish(b->batch, &columns, err))
        return false;
    count = batch_gaps(b->batch, &gaps);
    for (size_t i = 0; i < count; i++) {
        if (!write_gap(b, &gaps[i], err))
            return false;
    }
    out = (struct parquet_columns){
        .rows = columns.rows,
        .timestamp_us = columns.timestamp_us,
        .asset = columns.asset,
        .datastream = columns.datastream,
        .payload = columns.payload,
        .assets = columns.assets,
        .datastreams = columns.datastreams,
        .asset_count = columns.asset_count,
        .datastream_count = columns.datastream_count,
    };
    if (!parquet_write_group(b->writer, &out, err))
        return false;
    run->rows += columns.rows;
    run->superseded += batch_superseded(b->batch);
    run->used = false;
    batch_reset(b->batch);
    return true;
}

static bool add_segment(struct build *b, struct run *run, const struct segment_info *segment,
    bool *ret_unreadable, struct err *err)
{
    uint64_t at = 0;

    for (;;) {
        uint64_t before = at;
        bool done = false;

        if (!batch_add(b->batch, b->state, segment, &at, &done, err)) {
            *ret_unreadable = pack_is_unreadable(err);
            return false;
        }
        if (done) {
            run->used = true;
            return true;
        }
        if (!run->used && at == before)
            return err_set(err, ERR_BROKEN, 0, "'%s' fits into no row group", segment->name);
        if (!end_group(b, run, err))
            return false;
    }
}

static bool check_file(struct sink *s, uint64_t rows, struct err *err)
{
    struct parquet_source source = {.read = source_read, .context = s, .bytes = s->bytes};
    struct parquet_reader *reader = parquet_open(source, err);
    struct parquet_info info;

    if (!reader)
        return false;
    parquet_info(reader, &info);
    parquet_close(reader);
    return info.rows == rows || err_set(err, ERR_BROKEN, 0, "the footer says %llu rows, not %llu",
                                    (unsigned long long)info.rows, (unsigned long long)rows);
}

/* Footer, check, length, sync. */
static bool finish_file(struct build *b, uint64_t rows, bool from_reserve, struct err *err)
{
    struct sink *s = &b->sink;

    if (!parquet_finish(b->writer, err) || !sink_flush(s, err))
        return false;
    if (!check_file(s, rows, err)) {
        if (err->kind != ERR_FULL)
            err->kind = ERR_BROKEN;
        return err_wrap(err, "'%s' does not read back", OUTBOX_TEMP);
    }
    if (from_reserve && !file_truncate(s->fd, s->bytes, err))
        return false;
    if (!file_sync(s->fd, err)) { /* a delayed ENOSPC comes from here */
        s->full = err->kind == ERR_FULL;
        return err_wrap(err, "'%s'", OUTBOX_TEMP);
    }
    return true;
}

static bool wake_up(struct build *b, struct err *err)
{
    const struct pack_options *o = b->options;
    struct parquet_options options = {
        .codec = o->codec,
        .profile = o->profile,
        .sorting = o->order == BATCH_BY_TIME ? PARQUET_SORTED_TIME : PARQUET_SORTED_SERIES,
    };
    struct parquet_sink sink = {.write = sink_write, .context = &b->sink};

    if (!b->batch)
        b->batch = batch_new(o->order, err);
    if (!b->batch)
        return false;
    batch_reset(b->batch);
    if (b->writer)
        parquet_writer_reset(b->writer, sink);
    else
        b->writer = parquet_writer_new(&options, sink, err);
    return b->writer != NULL;
}

static bool fill(struct build *b, const struct segment_info *segments, size_t count,
    bool from_reserve, enum build_end *ret_end, struct build_result *ret, struct err *err)
{
    struct run run = {0};

    for (size_t i = 0; i < count; i++) {
        bool unreadable = false;

        if (add_segment(b, &run, &segments[i], &unreadable, err))
            continue;
        if (!unreadable)
            return false;
        *ret_end = BUILD_UNREADABLE;
        *ret = (struct build_result){.fd = -1, .stopped_at = i};
        return true;
    }
    if (!end_group(b, &run, err))
        return false;
    *ret = (struct build_result){.fd = -1, .superseded = run.superseded};
    *ret_end = BUILD_EMPTY;
    if (run.rows == 0)
        return true;
    if (!finish_file(b, run.rows, from_reserve, err))
        return false;
    *ret_end = BUILD_FILE;
    ret->fd = b->sink.fd;
    ret->rows = run.rows;
    ret->bytes = b->sink.bytes;
    ret->crc = b->sink.crc;
    return true;
}

bool build_run(struct build *b, struct outbox *box, const struct segment_info *segments,
    size_t count, bool from_reserve, enum build_end *ret_end, struct build_result *ret,
    struct err *err)
{
    enum build_end end = BUILD_EMPTY;
    struct build_result result = {.fd = -1};
    struct err ignored; /* a pack.tmp that stays is emptied by the next run */
    int fd = -1;
    bool ok;

    b->disk_full = false;
    if (!wake_up(b, err))
        return false;
    if (!outbox_begin(box, from_reserve, &fd, err)) {
        b->disk_full = err->kind == ERR_FULL;
        return false;
    }
    sink_begin(&b->sink, fd);
    ok = fill(b, segments, count, from_reserve, &end, &result, err);
    b->disk_full = b->sink.full;
    b->sink.fd = -1;
    if (!ok || end != BUILD_FILE) {
        (void)!outbox_abort(box, &ignored);
        file_drop(fd);
    }
    if (ok) {
        *ret_end = end;
        *ret = result;
    }
    return ok;
}
