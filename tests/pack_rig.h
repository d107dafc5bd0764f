/* tests/pack_rig.h: segments written by hand, and a volume that remembers where every reading ended.
 *
 * The value of a reading is its sequence number, so a row says which reading it is. Names, times and
 * series are kept per number; a row that differs from them is an alteration. Segments are written with
 * stdio: fault tests that make the program's disk calls fail leave the rig alone.
 */
#ifndef TESTS_PACK_RIG_H
#define TESTS_PACK_RIG_H

#include "base/clock.h"
#include "base/rng.h"
#include "journal/segment.h"
#include "outbox_rig.h"
#include "pack/pack.h"
#include "parquet/reader.h"

#include <inttypes.h>

#define PACK_RIG_SERIES 12U
#define PACK_RIG_FILES 4096U
#define PACK_RIG_CREATED (INT64_C(1769862896) * CLOCK_SECOND_US)

static int rig_quiet; /* above 0: the rig itself is at work, faults wait */

struct volume_file {
    char text[OUTBOX_NAME_SIZE];
    struct file_name name;
    uint64_t rows;
};

struct pack_rig {
    struct rig rig;
    struct gaps *gaps;
    struct pack_recovery recovery;
    struct rng rng;

    size_t cap; /* readings 1 .. next_seq - 1 are in use */
    uint64_t next_seq;
    int64_t *timestamp_us;
    uint32_t *series;
    uint8_t *rows; /* how often it has arrived */

    struct volume_file *files;
    size_t file_count;
    uint64_t altered, twice, overlaps; /* must stay 0 */
};

static inline void pack_rig_init(struct pack_rig *p, size_t cap, uint64_t seed)
{
    *p = (struct pack_rig){.cap = cap, .next_seq = 1};
    rig_make_path(&p->rig);
    rng_seed(&p->rng, seed);
    p->timestamp_us = calloc(cap + 1, sizeof(*p->timestamp_us));
    p->series = calloc(cap + 1, sizeof(*p->series));
    p->rows = calloc(cap + 1, 1);
    p->files = calloc(PACK_RIG_FILES, sizeof(*p->files));
    if (!p->timestamp_us || !p->series || !p->rows || !p->files)
        abort();
}

/* --- the program starts and ends --- */

/* As far as recovery; false: err of the rig. */
static inline bool pack_rig_start(struct pack_rig *p)
{
    struct rig *r = &p->rig;

    if (!rig_start(r))
        return false;
    p->gaps = gaps_open(&r->state, &r->limits, &r->err);
    if (p->gaps && pack_recover(&r->state, &r->limits, p->gaps, &p->recovery, &r->err))
        return true;
    gaps_close(p->gaps);
    p->gaps = NULL;
    state_close(&r->state);
    return false;
}

static inline void pack_rig_stop(struct pack_rig *p)
{
    gaps_close(p->gaps);
    p->gaps = NULL;
    state_close(&p->rig.state);
}

static inline void pack_rig_done(struct pack_rig *p)
{
    rig_delete(p->rig.path);
    free(p->timestamp_us);
    free(p->series);
    free(p->rows);
    free(p->files);
}

static inline struct pack_options pack_rig_options(void)
{
    return (struct pack_options){.order = BATCH_BY_SERIES,
        .codec = PARQUET_ZSTD,
        .profile = PARQUET_SAFE,
        .merge_bytes = UINT64_C(256) << 20,
        .segment_bytes = 65536,
        .upload_parallel = 4};
}

/* --- segments --- */

static inline void rig_u16(struct buf *out, unsigned v)
{
    buf_add_byte(out, (uint8_t)v);
    buf_add_byte(out, (uint8_t)(v >> 8));
}

static inline void rig_u32(struct buf *out, uint32_t v)
{
    rig_u16(out, v & 0xffff);
    rig_u16(out, v >> 16);
}

static inline void rig_names_of(uint32_t series, char asset[32], char datastream[32])
{
    (void)snprintf(asset, 32, "pump %u", series / 3);
    (void)snprintf(datastream, 32, "stream-%u", series % 3);
}

static inline void rig_frame(struct buf *out, enum segment_frame_type type, uint64_t seq,
    const void *payload, size_t len, uint64_t salt)
{
    size_t size = segment_frame_size(len);
    char *at = buf_reserve(out, size);

    if (!at)
        abort();
    memset(at, 0, size);
    memcpy(at + SEGMENT_FRAME_BYTES, payload, len);
    segment_frame_put((uint8_t *)at, type, seq, PACK_RIG_CREATED, (uint32_t)len, salt);
    out->len += size;
}

/* The names stand in another order in every segment: number n is series (n + turn) % count. */
static inline void rig_names_frame(struct buf *out, uint64_t seq, uint32_t turn, uint64_t salt)
{
    struct buf names;

    buf_init(&names, 65536);
    rig_u32(&names, 0);
    rig_u32(&names, PACK_RIG_SERIES);
    for (uint32_t i = 0; i < PACK_RIG_SERIES; i++) {
        char asset[32], datastream[32];

        rig_names_of((i + turn) % PACK_RIG_SERIES, asset, datastream);
        rig_u16(&names, (unsigned)strlen(asset));
        buf_add_text(&names, asset);
        rig_u16(&names, (unsigned)strlen(datastream));
        buf_add_text(&names, datastream);
    }
    rig_frame(out, SEGMENT_NAMES, seq, names.data, names.len, salt);
    buf_done(&names);
}

static inline void rig_group(struct pack_rig *p, struct buf *out, uint64_t first, uint32_t count,
    uint32_t turn, uint64_t salt)
{
    size_t len = SEGMENT_ROWS_BYTES((size_t)count);
    uint8_t *payload = calloc(1, len), commit[SEGMENT_COMMIT_BYTES];
    uint64_t offset = out->len;
    struct readings r;
    struct err err;

    if (!payload || !readings_init(&r, count, &err))
        abort();
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seq = first + i;

        r.timestamp_us[i] = p->timestamp_us[seq];
        r.value[i] = (double)seq;
        r.series[i] = (p->series[seq] + PACK_RIG_SERIES - turn) % PACK_RIG_SERIES;
    }
    r.count = count;
    segment_rows_put(payload, &r, 0, count);
    rig_frame(out, SEGMENT_ROWS, first, payload, len, salt);
    segment_commit_put(commit, &(struct segment_commit){.readings = count, .first_offset = offset});
    rig_frame(out, SEGMENT_COMMIT, first + count, commit, sizeof(commit), salt);
    readings_done(&r);
    free(payload);
}

/* Makes `count` new readings, or takes those of [first, ...) again when they exist. Times and series
 * come from a small range, so that some readings supersede others. */
static inline void rig_readings(struct pack_rig *p, uint64_t first, uint64_t count, uint64_t spread)
{
    for (uint64_t seq = first; seq < first + count; seq++) {
        if (seq < p->next_seq)
            continue;
        if (seq > p->cap)
            abort();
        p->timestamp_us[seq] = PACK_RIG_CREATED + (int64_t)rng_below(&p->rng, spread) * 1000;
        p->series[seq] = (uint32_t)rng_below(&p->rng, PACK_RIG_SERIES);
        p->next_seq = seq + 1;
    }
}

struct rig_segment {
    uint64_t first_seq, count;
    uint64_t spread; /* of times; 0: 50 */
    bool unsealed;
    uint32_t group;   /* readings a commit group; 0: 100 */
    const char *name; /* of the file; NULL: as its number says */
};

static inline void rig_add_segment(struct pack_rig *p, struct rig_segment s)
{
    uint8_t header[SEGMENT_HEADER_BYTES], seal[SEGMENT_SEAL_BYTES];
    struct segment_header h = {.version = 1,
        .first_seq = s.first_seq,
        .created_us = PACK_RIG_CREATED + (int64_t)s.first_seq * CLOCK_SECOND_US,
        .salt = rng_next(&p->rng)};
    uint32_t turn = (uint32_t)rng_below(&p->rng, PACK_RIG_SERIES), group = s.group ? s.group : 100;
    char name[SEGMENT_NAME_SIZE];
    struct buf out;

    rig_readings(p, s.first_seq, s.count, s.spread ? s.spread : 50);
    memset(h.instance, 0x5a, sizeof(h.instance));
    buf_init(&out, UINT64_C(1) << 31);
    segment_header_put(header, &h);
    buf_add(&out, header, sizeof(header));
    if (s.count > 0)
        rig_names_frame(&out, s.first_seq, turn, h.salt);
    for (uint64_t at = 0; at < s.count; at += group) {
        uint64_t left = s.count - at;

        rig_group(p, &out, s.first_seq + at, left < group ? (uint32_t)left : group, turn, h.salt);
    }
    if (!s.unsealed) {
        segment_seal_put(seal, &(struct segment_seal){.readings = s.count,
                                   .first_seq = s.first_seq,
                                   .last_seq = s.first_seq + s.count - 1,
                                   .bytes = out.len + segment_frame_size(sizeof(seal))});
        rig_frame(&out, SEGMENT_SEAL, s.first_seq + s.count, seal, sizeof(seal), h.salt);
    }
    if (out.failed)
        abort();
    segment_name(name, s.first_seq);
    rig_write(&p->rig, "journal", s.name ? s.name : name, out.data, out.len);
    buf_done(&out);
}

/* The directories, before the first start. */
static inline void rig_make_dirs(struct pack_rig *p)
{
    static const char *const parts[] = {"journal", "outbox"};

    for (size_t i = 0; i < 2; i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s", p->rig.path, parts[i]);
        (void)mkdir(path, 0700);
    }
}

/* As intake does: the active segment, empty, so that all others are closed. */
static inline void rig_add_active(struct pack_rig *p, uint64_t first_seq)
{
    rig_add_segment(p, (struct rig_segment){.first_seq = first_seq, .unsealed = true});
}

/* --- the volume --- */

static inline bool rig_source_read(
    void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    size_t n;

    return file_read_at(*(int *)context, offset, out, len, &n, err) &&
           (n == len || err_set(err, ERR_INPUT, 0, "short"));
}

struct rig_names {
    char asset[32], datastream[32];
};

static inline void rig_take_row(struct pack_rig *p, struct volume_file *f,
    const struct rig_names *names, const struct parquet_columns *c, size_t i)
{
    uint64_t seq = c->payload[i] >= 1 && c->payload[i] < 1e15 ? (uint64_t)c->payload[i] : 0;
    const struct rig_names *want;

    if (seq == 0 || seq >= p->next_seq || seq < f->name.first_seq || seq > f->name.last_seq) {
        p->altered++;
        return;
    }
    want = &names[p->series[seq]];
    if (c->timestamp_us[i] != p->timestamp_us[seq] ||
        !span_is(c->assets[c->asset[i]], want->asset) ||
        !span_is(c->datastreams[c->datastream[i]], want->datastream))
        p->altered++;
    if (p->rows[seq]++ > 0)
        p->twice++;
    f->rows++;
}

static inline void rig_take_rows(struct pack_rig *p, struct volume_file *f, int fd, uint64_t bytes)
{
    struct parquet_source source = {.read = rig_source_read, .context = &fd, .bytes = bytes};
    struct err err;
    struct parquet_reader *reader = parquet_open(source, &err);
    struct rig_names names[PACK_RIG_SERIES];
    struct parquet_info info;

    if (!reader) {
        fprintf(stderr, "%s: %s\n", f->text, err.text);
        abort();
    }
    for (uint32_t i = 0; i < PACK_RIG_SERIES; i++)
        rig_names_of(i, names[i].asset, names[i].datastream);
    parquet_info(reader, &info);
    for (uint32_t g = 0; g < info.groups; g++) {
        struct parquet_columns columns;

        if (!parquet_read_group(reader, g, &columns, &err))
            abort();
        for (size_t i = 0; i < columns.rows; i++)
            rig_take_row(p, f, names, &columns, i);
    }
    parquet_close(reader);
}

/* What comes a second time under the same name is known: the path is the key. */
static inline void rig_upload(struct pack_rig *p, const struct outbox_entry *entry)
{
    struct volume_file *f = &p->files[p->file_count];
    struct err err;
    bool ok = false;
    int fd;

    for (size_t i = 0; i < p->file_count; i++) {
        if (strcmp(p->files[i].text, entry->text) == 0)
            return;
        if (p->files[i].name.first_seq <= entry->name.last_seq &&
            entry->name.first_seq <= p->files[i].name.last_seq)
            p->overlaps++;
    }
    if (p->file_count == PACK_RIG_FILES || !outbox_verify(&p->rig.box, entry, &ok, &err) || !ok ||
        !outbox_open(&p->rig.box, entry, &fd, &err))
        abort();
    *f = (struct volume_file){.name = entry->name};
    memcpy(f->text, entry->text, sizeof(f->text));
    rig_take_rows(p, f, fd, entry->bytes);
    file_drop(fd);
    p->file_count++;
}

/* Ship, in short: what the outbox shows is uploaded, confirmed and deleted. */
static inline size_t rig_ship(struct pack_rig *p)
{
    struct outbox_list list;
    struct err err;
    size_t count = 0;

    rig_quiet++;
    if (outbox_scan(&p->rig.box, false, &list, &err)) {
        for (size_t i = 0; i < list.count; i++) {
            rig_upload(p, &list.items[i]);
            if (!outbox_done(&p->rig.box, &list.items[i], &err)) {
                fprintf(stderr, "deliver: %s\n", err.text);
                abort();
            }
            count++;
        }
        outbox_list_done(&list);
    }
    rig_quiet--;
    return count;
}

/* --- where is every reading? --- */

struct verdict {
    uint64_t lost;       /* in no row, not superseded, in no gap */
    uint64_t both;       /* arrived, and counted as a gap */
    uint64_t superseded; /* in no row, because a later one of the same key is in the same file */
    uint64_t gaps;       /* of gaps.log */
};

static inline void rig_read_gaps(const struct pack_rig *p, uint8_t *ret_in_gap, uint64_t *ret_count)
{
    char path[512], line[4096];
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/gaps.log", p->rig.path);
    in = fopen(path, "rb");
    while (in && fgets(line, sizeof(line), in)) {
        const char *at = strstr(line, "\"from_seq\":");
        uint64_t from, to;

        if (!strstr(line, "}\n")) /* cut by a crash: its loss did not happen, or is written again */
            continue;
        if (!at || sscanf(at, "\"from_seq\":%" SCNu64 ",\"to_seq\":%" SCNu64, &from, &to) != 2)
            abort();
        for (uint64_t seq = from; seq <= to && seq < p->next_seq; seq++) {
            ret_in_gap[seq]++;
            (*ret_count)++;
        }
    }
    if (in)
        (void)fclose(in);
}

static inline bool rig_is_superseded(const struct pack_rig *p, uint64_t seq)
{
    for (size_t i = 0; i < p->file_count; i++) {
        const struct file_name *name = &p->files[i].name;

        if (seq < name->first_seq || seq > name->last_seq)
            continue;
        for (uint64_t later = seq + 1; later <= name->last_seq; later++) {
            if (p->rows[later] && p->series[later] == p->series[seq] &&
                p->timestamp_us[later] == p->timestamp_us[seq])
                return true;
        }
    }
    return false;
}

static inline struct verdict rig_judge(const struct pack_rig *p)
{
    uint8_t *in_gap = calloc(p->next_seq + 1, 1);
    struct verdict v = {0};

    if (!in_gap)
        abort();
    rig_read_gaps(p, in_gap, &v.gaps);
    for (uint64_t seq = 1; seq < p->next_seq; seq++) {
        if (p->rows[seq])
            v.both += in_gap[seq] > 0;
        else if (in_gap[seq])
            v.both += in_gap[seq] > 1;
        else if (rig_is_superseded(p, seq))
            v.superseded++;
        else
            v.lost++;
    }
    free(in_gap);
    return v;
}

#endif
