/* Files of DIR: copied byte for byte, or made anew by the rooms that make every other file. */
#include "commands/salvage.h"

#include "base/crc32c.h"
#include "commands/parquet_file.h"
#include "pack/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES ((size_t)256 << 10)
#define TEMP "saved.tmp"

/* --- lists --- */

static void *grown(void *items, size_t *size, size_t item)
{
    size_t more = *size ? *size * 2 : 64;
    void *grown = realloc(items, more * item);

    if (grown)
        *size = more;
    return grown;
}

struct salvage_note *salvage_note_new(struct salvage *s, const char *folder, const char *name)
{
    struct salvage_note *note;

    if (s->note_count == s->notes_size) {
        void *more = grown(s->notes, &s->notes_size, sizeof(*s->notes));

        if (!more)
            return NULL;
        s->notes = more;
    }
    note = &s->notes[s->note_count++];
    *note = (struct salvage_note){.what = "other"};
    (void)snprintf(note->source, sizeof(note->source), "%s%s%s", folder, *folder ? "/" : "", name);
    return note;
}

struct salvage_file *salvage_file_new(struct salvage *s, enum salvage_to to, const char *name)
{
    struct salvage_file *file;

    if (s->file_count == s->files_size) {
        void *more = grown(s->files, &s->files_size, sizeof(*s->files));

        if (!more)
            return NULL;
        s->files = more;
    }
    file = &s->files[s->file_count++];
    *file = (struct salvage_file){.to = to, .ours = true};
    (void)str_copy(file->name, sizeof(file->name), name);
    return file;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_FULL, ENOMEM, "no memory for the list of files");
}

void salvage_take_back(struct salvage *s, struct salvage_file *file)
{
    struct err ignored; /* then the report says it is one too many */

    if (file_unlink(s->folder[file->to], file->name, &ignored))
        file->gone = true;
}

/* --- files that are finished --- */

static bool is_ours(const struct salvage *s, const struct file_name *name)
{
    return memcmp(name->instance, s->work.instance_text, sizeof(name->instance) - 1) == 0;
}

/* Content, checksum, a sync, a name. *ret_right false: it is not what its name says, or a part of it
 * cannot be read; nothing is kept. */
static bool copy_bytes(
    int from, int to_dir, uint32_t *ret_crc, uint64_t *ret_bytes, bool *ret_read, struct err *err)
{
    char *piece = malloc(COPY_BYTES);
    struct err read_err;
    size_t n = 1;
    bool ok = piece != NULL;
    int to = -1;

    if (!piece)
        return no_memory(err);
    *ret_crc = 0;
    *ret_bytes = 0;
    *ret_read = true;
    ok = file_open(to_dir, TEMP, FILE_CREATE, &to, err);
    while (ok && n > 0) {
        if (!file_read_at(from, *ret_bytes, piece, COPY_BYTES, &n, &read_err)) {
            *ret_read = false;
            break;
        }
        *ret_crc = crc32c(*ret_crc, piece, n);
        *ret_bytes += n;
        ok = file_write(to, piece, n, NULL, err);
    }
    ok = ok && (!*ret_read || file_sync(to, err));
    file_drop(to);
    free(piece);
    return ok;
}

static bool give_name(struct salvage *s, enum salvage_to to, const char *name, struct err *err)
{
    return file_rename(s->folder[to], TEMP, s->folder[to], name, err) &&
           file_sync(s->folder[to], err);
}

/* --- what is whole in a damaged one --- */

struct sink {
    int fd;
    uint32_t crc;
    uint64_t bytes;
};

static bool sink_write(void *context, const void *data, size_t len, struct err *err)
{
    struct sink *sink = context;

    if (!file_write(sink->fd, data, len, NULL, err))
        return false;
    sink->crc = crc32c(sink->crc, data, len);
    sink->bytes += len;
    return true;
}

struct groups {
    uint32_t all, whole;
    uint64_t rows, rows_all;
};

static bool copy_groups(
    struct parquet_reader *reader, struct sink *sink, struct groups *ret, struct err *err)
{
    const struct parquet_options options = {.codec = PARQUET_ZSTD};
    struct parquet_writer *writer =
        parquet_writer_new(&options, (struct parquet_sink){sink_write, sink}, err);
    struct parquet_info info;
    bool ok = writer != NULL;

    parquet_info(reader, &info);
    *ret = (struct groups){.all = info.groups, .rows_all = info.rows};
    for (uint32_t g = 0; ok && g < info.groups; g++) {
        struct parquet_columns columns;
        struct err ignored;

        if (!parquet_read_group(reader, g, &columns, &ignored))
            continue;
        ok = parquet_write_group(writer, &columns, err);
        ret->whole++;
        ret->rows += columns.rows;
    }
    ok = ok && parquet_finish(writer, err);
    parquet_writer_free(writer);
    return ok;
}

/* Every page has a checksum of its own: a row group whose pages are right is right. */
static bool save_groups(struct salvage *s, enum salvage_to folder, int from, const char *text,
    const struct file_name *name, struct salvage_note *note, struct err *err)
{
    struct file_name made = *name;
    struct parquet_file file;
    struct salvage_file *out;
    struct sink sink = {.fd = -1};
    struct groups groups;
    char to[OUTBOX_NAME_SIZE];
    bool ok;

    note->what = "unreadable";
    if (!parquet_file_open(&file, from, text, err)) {
        (void)snprintf(note->why, sizeof(note->why), "%.*s", (int)sizeof(note->why) - 1, err->text);
        return true;
    }
    ok = file_open(s->folder[folder], TEMP, FILE_CREATE, &sink.fd, err) &&
         copy_groups(file.reader, &sink, &groups, err) && file_sync(sink.fd, err);
    parquet_file_close(&file);
    file_drop(sink.fd);
    if (!ok)
        return false;
    (void)snprintf(note->why, sizeof(note->why),
        "its content is not what its name says; %u of %u row groups are whole: %llu of %llu rows",
        groups.whole, groups.all, (unsigned long long)groups.rows,
        (unsigned long long)groups.rows_all);
    if (groups.rows == 0)
        return file_unlink(s->folder[folder], TEMP, err);
    made.crc = sink.crc;
    file_name_format(&made, to);
    out = salvage_file_new(s, folder, to);
    if (!out)
        return no_memory(err);
    out->bytes = sink.bytes;
    out->rows = groups.rows;
    out->first_seq = name->first_seq;
    out->last_seq = name->last_seq;
    out->ours = false; /* which readings these are it does not say: they count as nothing */
    note->what = "made";
    note->saved = groups.rows;
    return give_name(s, folder, to, err);
}

static bool note_copied(struct salvage *s, enum salvage_to to, const struct file_name *name,
    struct salvage_note *note, struct err *err)
{
    char text[OUTBOX_NAME_SIZE];
    struct salvage_file *file;

    file_name_format(name, text);
    file = salvage_file_new(s, to, text);

    if (!file)
        return no_memory(err);
    file->bytes = note->bytes;
    file->first_seq = name->first_seq;
    file->last_seq = name->last_seq;
    file->ours = is_ours(s, name);
    note->what = "copied";
    note->saved = name->last_seq - name->first_seq + 1;
    return !file->ours || (ranges_add(&s->saved, name->first_seq, name->last_seq + 1, err) &&
                              ranges_add(&s->claimed, name->first_seq, name->last_seq + 1, err));
}

bool salvage_copy_file(struct salvage *s, int from, const char *folder, const char *text,
    const struct file_name *name, bool *ret_gone, struct err *err)
{
    struct salvage_note *note;
    struct err open_err = {0};
    bool all_read, ok;
    uint32_t crc;
    int fd;

    *ret_gone = false;
    if (!file_open(from, text, FILE_READ, &fd, &open_err) && open_err.code == ENOENT) {
        *ret_gone = true;
        return true;
    }
    note = salvage_note_new(s, folder, text);
    if (!note)
        return no_memory(err);
    note->first_seq = name->first_seq;
    note->last_seq = name->last_seq;
    if (open_err.kind != ERR_NONE) {
        note->what = "unreadable";
        note->damaged = true;
        (void)str_copy(note->why, sizeof(note->why), open_err.text);
        return true;
    }
    note->counts = is_ours(s, name);
    ok = copy_bytes(fd, s->folder[SALVAGE_OUTBOX], &crc, &note->bytes, &all_read, err);
    file_drop(fd);
    if (ok && all_read && crc == name->crc)
        return give_name(s, SALVAGE_OUTBOX, text, err) &&
               note_copied(s, SALVAGE_OUTBOX, name, note, err);
    note->damaged = true;
    note->what = "wrong";
    return ok && file_unlink(s->folder[SALVAGE_OUTBOX], TEMP, err);
}

bool salvage_rescue_file(struct salvage *s, size_t note, int from, const char *text,
    const struct file_name *name, struct err *err)
{
    struct salvage_note *n = &s->notes[note];
    uint64_t end = name->last_seq + 1;
    bool lost = is_ours(s, name) && ranges_hold(&s->counted_lost, name->first_seq, end);
    enum salvage_to to = lost ? SALVAGE_QUARANTINE : SALVAGE_DOUBTFUL;
    bool all_read, ok;
    uint32_t crc;
    int fd;

    n->first_seq = name->first_seq;
    n->last_seq = name->last_seq;
    n->damaged = true;
    n->what = "known";
    if (is_ours(s, name) && ranges_hold(&s->claimed, name->first_seq, end))
        return true;
    n->what = "unreadable";
    if (!file_open(from, text, FILE_READ, &fd, err)) {
        (void)str_copy(n->why, sizeof(n->why), err->text);
        return true;
    }
    ok = copy_bytes(fd, s->folder[to], &crc, &n->bytes, &all_read, err);
    file_drop(fd);
    if (!ok)
        return false;
    if (!all_read || crc != name->crc)
        return file_unlink(s->folder[to], TEMP, err) &&
               save_groups(s, to, from, text, name, n, err);
    return note_copied(s, to, name, n, err) &&
           give_name(s, to, s->files[s->file_count - 1].name, err);
}

/* --- files made of segments --- */

static bool empty_work(struct salvage *s, struct salvage_batch *b, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; i < b->count; i++)
        ok = file_unlink(s->work.journal, b->items[i].name, err) && ok;
    b->count = 0;
    b->bytes = b->readings = 0;
    return ok;
}

static bool name_file(struct salvage *s, const struct salvage_batch *b,
    const struct build_result *built, struct err *err)
{
    const struct segment_info *first = &b->items[0], *last = &b->items[b->count - 1];
    struct file_name name = {.created_us = first->header.created_us,
        .first_seq = first->first_seq,
        .last_seq = last->end_seq - 1,
        .crc = built->crc};
    char text[OUTBOX_NAME_SIZE];
    struct salvage_file *file;

    memcpy(name.instance, s->work.instance_text, sizeof(name.instance) - 1);
    file_name_format(&name, text);
    file = salvage_file_new(s, b->to, text);
    if (!file)
        return no_memory(err);
    file->bytes = built->bytes;
    file->rows = built->rows;
    file->superseded = built->superseded;
    file->first_seq = name.first_seq;
    file->last_seq = name.last_seq;
    return file_rename(s->work.outbox, OUTBOX_TEMP, s->folder[b->to], text, err) &&
           file_sync(s->folder[b->to], err);
}

bool salvage_make_file(struct salvage *s, struct salvage_batch *b, struct err *err)
{
    const struct pack_options options = {.order = BATCH_BY_SERIES, .codec = PARQUET_ZSTD};
    struct gaps *gaps = gaps_open(&s->work, NULL, err); /* its own, thrown away with it */
    struct build *build = gaps ? build_new(&s->work, NULL, gaps, &options, err) : NULL;
    struct build_result built = {.fd = -1};
    enum build_end end = BUILD_EMPTY;
    struct outbox box;
    bool ok;

    outbox_init(&box, &s->work, NULL);
    ok = build &&
         (b->count == 0 || build_run(build, &box, b->items, b->count, false, &end, &built, err));
    if (ok && end == BUILD_UNREADABLE)
        ok = err_set(err, ERR_BROKEN, 0, "what was just written cannot be read back");
    if (ok && end == BUILD_FILE)
        ok = name_file(s, b, &built, err);
    file_drop(built.fd);
    build_free(build);
    gaps_close(gaps);
    return empty_work(s, b, err) && ok;
}
