/* `inspect --salvage`: from where to where. The sources are taken by how much they can be trusted, and a
 * reading is saved once:
 *
 *   outbox/, refused/   whole files: the very names and bytes that were, or will be, sent
 *   journal/            what no such file holds
 *   quarantine/, *.tmp  what neither has
 *
 * Beside a running `run` segments become files, and files go away, while we look. A segment is looked at
 * before the files that may hold it are looked for again: so nothing is missed, and what was saved from
 * both is taken back from the one of journal/. What came after we began is not waited for.
 */
#include "commands/salvage_walk.h"

#include "base/clock.h"
#include "base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MERGE_BYTES (UINT64_C(256) << 20) /* of segments, in one file */
#define ROUNDS_MAX 1000

bool salvage_no_memory(struct err *err)
{
    return err_set(err, ERR_FULL, ENOMEM, "no memory for the list of sources");
}

/* --- a directory of the store --- */

bool salvage_is_temp(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* What cannot be listed is noted; the rest goes on. */
bool salvage_list(
    struct salvage *s, int dir, const char *folder, struct file_list *ret, struct err *err)
{
    struct salvage_note *note;
    struct err why;

    *ret = (struct file_list){0};
    if (dir < 0 || file_list(dir, ret, &why))
        return true;
    note = salvage_note_new(s, "", folder);
    if (!note)
        return salvage_no_memory(err);
    note->what = "unreadable";
    note->damaged = true;
    (void)str_copy(note->why, sizeof(note->why), why.text);
    return true;
}

bool salvage_note_other(struct salvage *s, const char *folder, const char *name, const char *what,
    const char *why, bool damaged, struct err *err)
{
    struct salvage_note *note = salvage_note_new(s, folder, name);

    if (!note)
        return salvage_no_memory(err);
    note->what = what;
    note->damaged = damaged;
    (void)str_copy(note->why, sizeof(note->why), why);
    return true;
}

bool salvage_is_regular(int dir, const char *name, bool *ret_there)
{
    struct file_info info = {0};
    struct err ignored;

    *ret_there = false;
    return file_stat(dir, name, ret_there, &info, &ignored) && *ret_there && S_ISREG(info.mode);
}

/* --- files that are finished --- */

static bool copied_before(const struct salvage *s, const char *folder, const char *name)
{
    char source[300];

    (void)snprintf(source, sizeof(source), "%s/%s", folder, name);
    for (size_t i = 0; i < s->note_count; i++) {
        if (strcmp(s->notes[i].source, source) == 0)
            return true;
    }
    return false;
}

/* `below`: files that begin there or later were made of what came after we began. */
static bool take_files(struct salvage_walk *w, int dir, const char *folder, uint64_t below,
    bool *ret_new, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = salvage_list(s, dir, folder, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        struct file_name name;
        bool gone = false, there;

        if (salvage_is_temp(list.names[i]) || strcmp(list.names[i], OUTBOX_RESERVE) == 0 ||
            copied_before(s, folder, list.names[i]))
            continue;
        if (!file_name_parse(list.names[i], &name) ||
            !salvage_is_regular(dir, list.names[i], &there)) {
            ok = salvage_note_other(
                s, folder, list.names[i], "other", "not a file of ours", true, err);
            continue;
        }
        if (name.first_seq >= below)
            continue;
        ok = salvage_copy_file(s, dir, folder, list.names[i], &name, &gone, err);
        *ret_new = *ret_new || !gone;
    }
    file_list_done(&list);
    return ok;
}

/* --- clean segments gather to a file --- */

bool salvage_end_batch(struct salvage_walk *w, struct err *err)
{
    return w->batch.count == 0 || salvage_make_file(w->s, &w->batch, err);
}

static bool add_item(struct salvage_batch *b, const struct segment_info *item, struct err *err)
{
    if (b->count == b->size) {
        size_t size = b->size ? b->size * 2 : 64;
        struct segment_info *more = realloc(b->items, size * sizeof(*more));

        if (!more)
            return salvage_no_memory(err);
        b->items = more;
        b->size = size;
    }
    b->items[b->count++] = *item;
    b->bytes += item->bytes;
    return true;
}

/* A segment of another instance, or of none that is known, is not ours to count. */
bool salvage_is_ours(const struct salvage *s, const struct salvage_look *look)
{
    static const uint8_t none[16];

    return memcmp(look->header.instance, none, sizeof(none)) == 0 ||
           memcmp(look->header.instance, s->work.instance, sizeof(none)) == 0;
}

/* One piece of a source into the batch; a file spans consecutive numbers only. */
bool salvage_copy_piece(struct salvage_walk *w, const struct salvage_source *source,
    const struct salvage_look *look, struct seq_range piece, enum salvage_to to,
    uint64_t *ret_saved, struct err *err)
{
    struct salvage *s = w->s;
    struct seq_ranges copied = {0};
    struct segment_header header = look->header;
    struct segment_info item;
    bool ok = true;

    if (w->batch.count && (w->batch_end != piece.first || w->batch.to != to ||
                              w->batch.bytes + look->bytes > MERGE_BYTES))
        ok = salvage_end_batch(w, err);
    memcpy(header.instance, s->work.instance, sizeof(header.instance));
    ok = ok && salvage_copy(source, piece, &header, s->work.journal, &item, &copied, err) &&
         add_item(&w->batch, &item, err);
    if (ok) {
        w->batch.to = to;
        w->batch_end = piece.end;
        *ret_saved += ranges_total(&copied);
        ok = ranges_add(&s->claimed, piece.first, piece.end, err);
    }
    for (size_t i = 0; ok && i < copied.count; i++)
        ok = ranges_add(&s->saved, copied.items[i].first, copied.items[i].end, err);
    ranges_done(&copied);
    return ok;
}

void salvage_fill_note(struct salvage_note *note, struct salvage_look *look)
{
    note->bytes = look->bytes;
    note->first_seq = look->first_seq;
    note->last_seq = look->end_seq > look->first_seq ? look->end_seq - 1 : look->first_seq - 1;
    note->missing = look->missing;
    note->promised = look->promised;
    note->nameless = look->nameless;
    free(note->holes);
    note->holes = look->holes; /* taken */
    note->hole_count = look->hole_count;
    note->holes_left_out = look->holes_left_out;
    look->holes = NULL;
    look->hole_count = 0;
    note->damaged = !look->header_ok || look->promised || look->nameless;
    for (size_t i = 0; i < note->hole_count; i++)
        note->damaged = note->damaged || note->holes[i].promised;
    if (!look->readable)
        (void)str_copy(note->why, sizeof(note->why),
            "no header, and no frames that vouch for each other: its checksums cannot be tried");
    else if (!look->header_ok)
        (void)str_copy(
            note->why, sizeof(note->why), "its header is damaged; its frames vouch for each other");
}

/* --- journal/ --- */

static bool list_segments(struct salvage_walk *w, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = salvage_list(s, s->st.journal, "journal", &list, err), there;

    w->sources = calloc(list.count + 1, sizeof(*w->sources));
    ok = ok && (w->sources || salvage_no_memory(err));
    for (size_t i = 0; ok && i < list.count; i++) { /* names sort as their numbers do */
        struct salvage_segment *source = &w->sources[w->count];

        if (!segment_name_parse(list.names[i], &source->first_seq) ||
            !salvage_is_regular(s->st.journal, list.names[i], &there))
            continue;
        segment_name(source->name, source->first_seq);
        if (w->count > 0)
            source[-1].end_seq = source->first_seq;
        w->count++;
    }
    file_list_done(&list);
    return ok;
}

static struct salvage_note *note_of(
    struct salvage *s, struct salvage_segment *source, struct err *err)
{
    if (source->note == 0) {
        if (!salvage_note_new(s, "journal", source->name)) {
            (void)salvage_no_memory(err);
            return NULL;
        }
        source->note = s->note_count;
    }
    return &s->notes[source->note - 1];
}

/* What no file holds of it, piece by piece. */
static bool take_pieces(struct salvage_walk *w, const struct salvage_source *source,
    const struct salvage_look *look, size_t note, struct err *err)
{
    struct salvage *s = w->s;
    uint64_t at = look->first_seq, saved = 0;
    struct seq_range piece;
    bool ok = true, any = false;

    while (ok && ranges_next(&s->claimed, false, &at, look->end_seq, &piece)) {
        if (!ranges_touch(&look->readings, piece.first, piece.end))
            continue;
        any = true;
        ok = salvage_copy_piece(w, source, look, piece, SALVAGE_JOURNAL, &saved, err);
        at = piece.end; /* it is claimed now */
    }
    s->notes[note].saved = saved;
    s->notes[note].what = any                         ? "made"
                          : look->readings.count == 0 ? (look->readable ? "empty" : "unreadable")
                                                      : "known";
    return ok;
}

/* Of the store, not of DIR: the source is at fault. */
bool salvage_is_source_error(const struct err *err)
{
    return err->kind == ERR_DENIED || err->code == EIO || err->code == ENOENT;
}

static bool take_segment(struct salvage_walk *w, struct salvage_segment *source, struct err *err)
{
    struct salvage *s = w->s;
    struct salvage_source from = {
        s->st.journal, source->name, source->first_seq, source->end_seq, SEGMENT_HEADER_BYTES};
    struct salvage_note *note;
    struct salvage_look look;
    bool is_segment, ok;

    source->done = true;
    if (!salvage_look(&from, &is_segment, &look, err)) {
        if (!salvage_is_source_error(err))
            return false;
        source->gone = err->code == ENOENT;
        note = note_of(s, source, err);
        if (!note)
            return false;
        note->what = source->gone ? "gone" : "unreadable";
        note->damaged = !source->gone;
        note->counts = false;
        (void)str_copy(note->why, sizeof(note->why),
            source->gone ? "packed and deleted while it was looked at" : err->text);
        return true;
    }
    if (look.readable && look.header_ok && !salvage_is_ours(s, &look)) {
        ok = salvage_note_other(s, "journal", source->name, "other",
            "of another instance: two directories are mixed; not taken", true, err);
        salvage_look_done(&look);
        return ok;
    }
    note = note_of(s, source, err);
    ok = note != NULL;
    if (ok) {
        note->counts = true;
        salvage_fill_note(note, &look);
        ok = take_pieces(w, &from, &look, source->note - 1, err);
    }
    if (!ok && err->code == ENOENT) { /* between looking and copying */
        source->gone = ok = true;
        note = &s->notes[source->note - 1];
        note->what = "gone";
        note->counts = note->damaged = false;
    }
    salvage_look_done(&look);
    return ok;
}

/* --- beside a running `run` --- */

/* A copied file holds readings that were made into one of ours: the copy stays, and the segments of the
 * other are looked at again. */
static bool take_back_doubles(struct salvage_walk *w, bool *ret_again, struct err *err)
{
    struct salvage *s = w->s;

    *ret_again = false;
    for (size_t i = 0; i < s->file_count; i++) {
        for (size_t n = 0; n < s->file_count; n++) {
            struct salvage_file *made = &s->files[n], *copy = &s->files[i];

            if (copy->to == SALVAGE_OUTBOX && copy->ours && made->to == SALVAGE_JOURNAL &&
                !made->gone && made->first_seq <= copy->last_seq &&
                copy->first_seq <= made->last_seq) {
                salvage_take_back(s, made);
                *ret_again = true;
            }
        }
    }
    if (!*ret_again)
        return true;
    ranges_done(&s->saved);
    ranges_done(&s->claimed);
    for (size_t i = 0; i < s->file_count; i++) {
        const struct salvage_file *f = &s->files[i];

        if (f->ours && !f->gone && !ranges_add(&s->claimed, f->first_seq, f->last_seq + 1, err))
            return false;
        if (f->ours && !f->gone && f->to == SALVAGE_OUTBOX &&
            !ranges_add(&s->saved, f->first_seq, f->last_seq + 1, err))
            return false;
    }
    for (size_t i = 0; i < w->count; i++) {
        struct salvage_segment *source = &w->sources[i];

        source->done = source->gone; /* those still there are asked again; most are claimed */
    }
    return true;
}

static bool take_journal(struct salvage_walk *w, struct err *err)
{
    struct salvage *s = w->s;

    for (size_t i = 0; i < w->count; i++) {
        if (!w->sources[i].done && !take_segment(w, &w->sources[i], err))
            return false;
    }
    return salvage_end_batch(w, err) && (s->work.dir >= 0);
}

static bool take_both(struct salvage_walk *w, struct err *err)
{
    struct salvage *s = w->s;
    uint64_t below = UINT64_MAX;
    bool again = true, more = false;

    if (!list_segments(w, err) || !take_files(w, s->st.outbox, "outbox", below, &more, err) ||
        !take_files(w, s->st.refused, "refused", below, &more, err) || !take_journal(w, err))
        return false;
    if (w->count)
        below = w->sources[w->count - 1].first_seq + 1;
    for (int i = 0; again && i < ROUNDS_MAX; i++) {
        more = false;
        if (!take_files(w, s->st.outbox, "outbox", below, &more, err) ||
            !take_files(w, s->st.refused, "refused", below, &more, err) ||
            !take_back_doubles(w, &again, err) || (again && !take_journal(w, err)))
            return false;
        again = again || more;
    }
    return true;
}

/* --- all of it --- */

/* IDENTITY's, else that of a segment, else a new one. */
static bool find_instance(struct salvage *s, struct err *err)
{
    struct segment_list list;
    struct err ignored;
    struct state *w = &s->work;
    bool known = s->st.instance_known;

    memcpy(w->instance, s->st.instance, sizeof(w->instance));
    if (!known && scan_list(&s->st, &list, &ignored)) {
        for (size_t i = 0; i < list.count && !known; i++) {
            known = list.items[i].header_ok;
            memcpy(w->instance, list.items[i].header.instance, sizeof(w->instance));
        }
        scan_list_done(&list);
    }
    if (!known && !rng_secure(w->instance, sizeof(w->instance), err))
        return false;
    for (size_t i = 0; i < sizeof(w->instance); i++)
        (void)snprintf(w->instance_text + 2 * i, 3, "%02x", w->instance[i]);
    w->instance_known = true;
    if (s->st.instance_known)
        return true;
    return salvage_note_other(s, "", "IDENTITY", "unreadable",
        known ? "missing or damaged; the instance is that of the segments"
              : "missing or damaged, and no segment says it: the names have a new instance",
        true, err);
}

static bool take_all(struct salvage *s, struct err *err)
{
    struct salvage_walk w = {.s = s};
    bool ok = find_instance(s, err) && salvage_read_gaps(s, err) && take_both(&w, err) &&
              salvage_take_wrong(s, s->st.outbox, "outbox", err) &&
              salvage_take_wrong(s, s->st.refused, "refused", err) &&
              salvage_take_odd(&w, s->st.quarantine, "quarantine", true, err) &&
              salvage_take_odd(&w, s->st.journal, "journal", false, err);

    free(w.sources);
    free(w.batch.items);
    return ok;
}

static void done(struct salvage *s)
{
    salvage_dir_close(s);
    for (size_t i = 0; i < s->note_count; i++)
        free(s->notes[i].holes);
    free(s->notes);
    free(s->files);
    free(s->gaps);
    ranges_done(&s->counted_lost);
    ranges_done(&s->saved);
    ranges_done(&s->claimed);
    state_close(&s->st);
}

bool salvage_run(const char *store, const char *dir, bool json, bool *ret_damaged, struct err *err)
{
    struct salvage s = {.dir = -1, .folder = {-1, -1, -1, -1}};
    bool ok;

    s.work = (struct state){.dir = -1,
        .journal = -1,
        .outbox = -1,
        .refused = -1,
        .rejected = -1,
        .quarantine = -1,
        .lock = -1};
    if (!state_open_readonly(&s.st, store, err))
        return false;
    ok = s.st.journal >= 0 || s.st.outbox >= 0 || s.st.instance_known || s.st.quarantine >= 0 ||
         err_set(err, ERR_DENIED, 0, "'%s' is no state directory", store);
    ok = ok && salvage_dir_open(&s, dir, err);
    if (ok) {
        struct err why;

        /* What was saved before a failure is reported too: DIR is full, say. */
        ok = take_all(&s, &why) && salvage_find_gaps(&s, &why);
        s.cut = ok ? NULL : why.text;
        s.damaged = s.damaged || !ok;
        for (size_t i = 0; i < s.note_count; i++)
            s.damaged = s.damaged || s.notes[i].damaged;
        if (!salvage_report(&s, json, err))
            ok = false;
        if (s.cut)
            *err = why; /* the first failure is the one to tell */
        s.cut = NULL;
    }
    *ret_damaged = s.damaged;
    done(&s);
    return ok;
}
