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
#include "commands/salvage.h"

#include "base/clock.h"
#include "base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MERGE_BYTES (UINT64_C(256) << 20) /* of segments, in one file */
#define ROUNDS_MAX 1000

struct source { /* a segment of journal/ */
    char name[SEGMENT_NAME_SIZE];
    uint64_t first_seq, end_seq; /* end 0: the newest */
    size_t note;                 /* index + 1; 0: not looked at yet */
    bool gone, done;
};

struct walk {
    struct salvage *s;
    struct source *sources;
    size_t count;
    struct salvage_batch batch;
    uint64_t batch_end;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_FULL, ENOMEM, "no memory for the list of sources");
}

/* --- a directory of the store --- */

static bool is_temp(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

/* What cannot be listed is noted; the rest goes on. */
static bool list_of(
    struct salvage *s, int dir, const char *folder, struct file_list *ret, struct err *err)
{
    struct salvage_note *note;
    struct err why;

    *ret = (struct file_list){0};
    if (dir < 0 || file_list(dir, ret, &why))
        return true;
    note = salvage_note_new(s, "", folder);
    if (!note)
        return no_memory(err);
    note->what = "unreadable";
    note->damaged = true;
    (void)str_copy(note->why, sizeof(note->why), why.text);
    return true;
}

static bool note_other(struct salvage *s, const char *folder, const char *name, const char *what,
    const char *why, bool damaged, struct err *err)
{
    struct salvage_note *note = salvage_note_new(s, folder, name);

    if (!note)
        return no_memory(err);
    note->what = what;
    note->damaged = damaged;
    (void)str_copy(note->why, sizeof(note->why), why);
    return true;
}

static bool is_regular(int dir, const char *name, bool *ret_there)
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
static bool take_files(
    struct walk *w, int dir, const char *folder, uint64_t below, bool *ret_new, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = list_of(s, dir, folder, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        struct file_name name;
        bool gone = false, there;

        if (is_temp(list.names[i]) || strcmp(list.names[i], OUTBOX_RESERVE) == 0 ||
            copied_before(s, folder, list.names[i]))
            continue;
        if (!file_name_parse(list.names[i], &name) || !is_regular(dir, list.names[i], &there)) {
            ok = note_other(s, folder, list.names[i], "other", "not a file of ours", true, err);
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

static bool end_batch(struct walk *w, struct err *err)
{
    return w->batch.count == 0 || salvage_make_file(w->s, &w->batch, err);
}

static bool add_item(struct salvage_batch *b, const struct segment_info *item, struct err *err)
{
    if (b->count == b->size) {
        size_t size = b->size ? b->size * 2 : 64;
        struct segment_info *more = realloc(b->items, size * sizeof(*more));

        if (!more)
            return no_memory(err);
        b->items = more;
        b->size = size;
    }
    b->items[b->count++] = *item;
    b->bytes += item->bytes;
    return true;
}

/* A segment of another instance, or of none that is known, is not ours to count. */
static bool is_ours(struct salvage *s, const struct salvage_look *look)
{
    static const uint8_t none[16];

    return memcmp(look->header.instance, none, sizeof(none)) == 0 ||
           memcmp(look->header.instance, s->work.instance, sizeof(none)) == 0;
}

/* One piece of a source into the batch; a file spans consecutive numbers only. */
static bool copy_piece(struct walk *w, const struct salvage_source *source,
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
        ok = end_batch(w, err);
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

static void fill_note(struct salvage_note *note, struct salvage_look *look)
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

static bool list_segments(struct walk *w, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = list_of(s, s->st.journal, "journal", &list, err), there;

    w->sources = calloc(list.count + 1, sizeof(*w->sources));
    ok = ok && (w->sources || no_memory(err));
    for (size_t i = 0; ok && i < list.count; i++) { /* names sort as their numbers do */
        struct source *source = &w->sources[w->count];

        if (!segment_name_parse(list.names[i], &source->first_seq) ||
            !is_regular(s->st.journal, list.names[i], &there))
            continue;
        segment_name(source->name, source->first_seq);
        if (w->count > 0)
            source[-1].end_seq = source->first_seq;
        w->count++;
    }
    file_list_done(&list);
    return ok;
}

static struct salvage_note *note_of(struct salvage *s, struct source *source, struct err *err)
{
    if (source->note == 0) {
        if (!salvage_note_new(s, "journal", source->name)) {
            (void)no_memory(err);
            return NULL;
        }
        source->note = s->note_count;
    }
    return &s->notes[source->note - 1];
}

/* What no file holds of it, piece by piece. */
static bool take_pieces(struct walk *w, const struct salvage_source *source,
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
        ok = copy_piece(w, source, look, piece, SALVAGE_JOURNAL, &saved, err);
        at = piece.end; /* it is claimed now */
    }
    s->notes[note].saved = saved;
    s->notes[note].what = any                         ? "made"
                          : look->readings.count == 0 ? (look->readable ? "empty" : "unreadable")
                                                      : "known";
    return ok;
}

/* Of the store, not of DIR: the source is at fault. */
static bool is_source_error(const struct err *err)
{
    return err->kind == ERR_DENIED || err->code == EIO || err->code == ENOENT;
}

static bool take_segment(struct walk *w, struct source *source, struct err *err)
{
    struct salvage *s = w->s;
    struct salvage_source from = {
        s->st.journal, source->name, source->first_seq, source->end_seq, SEGMENT_HEADER_BYTES};
    struct salvage_note *note;
    struct salvage_look look;
    bool is_segment, ok;

    source->done = true;
    if (!salvage_look(&from, &is_segment, &look, err)) {
        if (!is_source_error(err))
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
    if (look.readable && look.header_ok && !is_ours(s, &look)) {
        ok = note_other(s, "journal", source->name, "other",
            "of another instance: two directories are mixed; not taken", true, err);
        salvage_look_done(&look);
        return ok;
    }
    note = note_of(s, source, err);
    ok = note != NULL;
    if (ok) {
        note->counts = true;
        fill_note(note, &look);
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
static bool take_back_doubles(struct walk *w, bool *ret_again, struct err *err)
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
        struct source *source = &w->sources[i];

        source->done = source->gone; /* those still there are asked again; most are claimed */
    }
    return true;
}

static bool take_journal(struct walk *w, struct err *err)
{
    struct salvage *s = w->s;

    for (size_t i = 0; i < w->count; i++) {
        if (!w->sources[i].done && !take_segment(w, &w->sources[i], err))
            return false;
    }
    return end_batch(w, err) && (s->work.dir >= 0);
}

static bool take_both(struct walk *w, struct err *err)
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

/* --- what was set aside, or never finished --- */

/* "<hex>.seg", "<hex>.seg.0", "<hex>.seg@4711.0", "<hex>.seg.tmp" to the number; a piece has no header. */
static bool number_in(const char *name, uint64_t *ret, bool *ret_piece)
{
    char stem[SEGMENT_NAME_SIZE];

    if (strlen(name) < SEGMENT_NAME_SIZE - 1)
        return false;
    memcpy(stem, name, SEGMENT_NAME_SIZE - 1);
    stem[SEGMENT_NAME_SIZE - 1] = '\0';
    *ret_piece =
        name[SEGMENT_NAME_SIZE - 1] == '@' && strncmp(name + SEGMENT_NAME_SIZE - 1, "@0.", 3) != 0;
    return segment_name_parse(stem, ret);
}

/* Numbers that gaps.log counts will never be sent by `run`; of others that is not known. */
static bool take_range(struct walk *w, const struct salvage_source *source,
    const struct salvage_look *look, struct seq_range range, uint64_t *ret_saved, struct err *err)
{
    struct salvage *s = w->s;
    uint64_t at = range.first;
    struct seq_range piece;

    while (ranges_next(&s->saved, false, &at, range.end, &piece)) {
        uint64_t within = piece.first;

        at = piece.end;
        while (within < piece.end) {
            bool lost = ranges_touch(&s->counted_lost, within, within + 1);
            struct seq_range part;

            if (!ranges_next(&s->counted_lost, lost, &within, piece.end, &part))
                break;
            if (!copy_piece(w, source, look, part, lost ? SALVAGE_QUARANTINE : SALVAGE_DOUBTFUL,
                    ret_saved, err))
                return false;
        }
    }
    return true;
}

static bool take_odd_segment(
    struct walk *w, int dir, const char *folder, const char *name, bool aside, struct err *err)
{
    struct salvage *s = w->s;
    struct salvage_source from = {.dir = dir, .name = name, .at = SEGMENT_HEADER_BYTES};
    struct salvage_note *note;
    struct salvage_look look;
    bool is_segment = false, piece = false, ok = true;
    uint64_t saved = 0;

    if (number_in(name, &from.first_seq, &piece) && piece)
        from.at = 0;
    if (!salvage_look(&from, &is_segment, &look, err))
        return is_source_error(err) &&
               note_other(s, folder, name, "unreadable", err->text, true, err);
    if (!is_segment)
        return note_other(s, folder, name, "other", "no segment and no file of ours", aside, err);
    note = salvage_note_new(s, folder, name);
    if (!note) {
        salvage_look_done(&look);
        return no_memory(err);
    }
    fill_note(note, &look);
    note->damaged = aside; /* an unfinished file is no damage, whatever is in it */
    if (look.header_ok && !is_ours(s, &look)) {
        (void)str_copy(note->why, sizeof(note->why), "of another instance: not taken");
        ranges_done(&look.readings);
    }
    for (size_t i = 0; ok && i < look.readings.count; i++)
        ok = take_range(w, &from, &look, look.readings.items[i], &saved, err);
    note = &s->notes[s->note_count - 1];
    note->saved = saved;
    note->what = saved ? "made" : look.readings.count ? "known" : "empty";
    salvage_look_done(&look);
    return ok;
}

/* "<name>.parquet.0" of quarantine/: a file whose content was wrong. */
static bool was_file(const char *name, struct file_name *ret)
{
    const char *end = strstr(name, ".parquet.");
    char text[OUTBOX_NAME_SIZE];

    if (!end || (size_t)(end - name) + 8 >= sizeof(text))
        return false;
    memcpy(text, name, (size_t)(end - name) + 8);
    text[end - name + 8] = '\0';
    return file_name_parse(text, ret);
}

/* Files of outbox/ and refused/ that are not what their names say: after the journal, which may hold the
 * same readings still. */
static bool take_wrong(struct salvage *s, int dir, const char *folder, struct err *err)
{
    size_t len = strlen(folder);

    for (size_t i = 0; i < s->note_count; i++) {
        const char *source = s->notes[i].source;
        struct file_name name;
        char text[sizeof(s->notes[i].source)];

        if (strcmp(s->notes[i].what, "wrong") != 0 || strncmp(source, folder, len) != 0 ||
            source[len] != '/')
            continue;
        (void)str_copy(text, sizeof(text), source + len + 1);
        if (!file_name_parse(text, &name) || !salvage_rescue_file(s, i, dir, text, &name, err))
            return false;
    }
    return true;
}

static bool take_aside(
    struct walk *w, int dir, const char *folder, const char *name, bool aside, struct err *err)
{
    struct file_name parsed;

    if (!was_file(name, &parsed))
        return take_odd_segment(w, dir, folder, name, aside, err);
    if (!salvage_note_new(w->s, folder, name))
        return no_memory(err);
    return salvage_rescue_file(w->s, w->s->note_count - 1, dir, name, &parsed, err);
}

static bool take_odd(struct walk *w, int dir, const char *folder, bool aside, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = list_of(s, dir, folder, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        const char *name = list.names[i];
        uint64_t number;
        bool there;

        if (!aside && (segment_name_parse(name, &number) ? is_regular(dir, name, &there)
                                                         : strcmp(name, "spare.seg") == 0))
            continue; /* taken before, or space not yet used */
        if (!is_regular(dir, name, &there)) {
            ok = !there || note_other(s, folder, name, "other", "not a file", true, err);
            continue;
        }
        ok = take_aside(w, dir, folder, name, aside || !is_temp(name), err);
    }
    file_list_done(&list);
    return ok && end_batch(w, err);
}

/* --- gaps.log, the instance --- */

static bool add_lost(void *context, const struct gap *gap, struct err *err)
{
    struct salvage *s = context;

    return gap->to_seq < gap->from_seq || gap->to_seq == UINT64_MAX ||
           ranges_add(&s->counted_lost, gap->from_seq, gap->to_seq + 1, err);
}

static bool read_gaps(struct salvage *s, struct err *err)
{
    bool whole = true;
    struct err why;

    if (gaps_each(&s->st, &whole, add_lost, s, &why))
        return whole || note_other(s, "", "gaps.log", "other", "some of its lines cannot be read",
                            true, err);
    return note_other(s, "", "gaps.log", "unreadable", why.text, true, err);
}

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
    return note_other(s, "", "IDENTITY", "unreadable",
        known ? "missing or damaged; the instance is that of the segments"
              : "missing or damaged, and no segment says it: the names have a new instance",
        true, err);
}

/* --- all of it --- */

/* What the store stands for, saved or not. */
static bool find_seen(const struct salvage *s, struct seq_ranges *ret, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < s->note_count; i++) {
        const struct salvage_note *n = &s->notes[i];

        ok = !n->counts || ranges_add(ret, n->first_seq, n->last_seq + 1, err);
    }
    for (size_t i = 0; ok && i < s->saved.count; i++)
        ok = ranges_add(ret, s->saved.items[i].first, s->saved.items[i].end, err);
    return ok;
}

/* [*at, end) from *at on, as far as one reason holds. */
static void explain(struct salvage *s, const struct seq_ranges *seen, uint64_t *at, uint64_t end)
{
    bool lost = ranges_touch(&s->counted_lost, *at, *at + 1);
    bool here = ranges_touch(seen, *at, *at + 1);
    struct salvage_gap *gap = &s->gaps[s->gap_count++];
    uint64_t a = *at, b = *at;
    struct seq_range part = {*at, end}, other = {*at, end};

    (void)ranges_next(&s->counted_lost, lost, &a, end, &part);
    (void)ranges_next(seen, here, &b, end, &other);
    gap->first_seq = *at;
    *at = part.end < other.end ? part.end : other.end;
    gap->last_seq = *at - 1;
    (void)str_copy(gap->why, sizeof(gap->why),
        lost   ? "counted as lost in gaps.log"
        : here ? "cannot be read"
               : "not in this store: delivered, or lost with its file");
    s->damaged = s->damaged || (here && !lost);
}

/* Numbers between the first and the last that are in no file of DIR. */
static bool find_gaps(struct salvage *s, struct err *err)
{
    struct seq_ranges seen = {0};
    struct seq_range piece;
    uint64_t at, end;

    if (!find_seen(s, &seen, err)) {
        ranges_done(&seen);
        return false;
    }
    s->gaps = calloc(s->saved.count + seen.count + s->counted_lost.count + 2, 2 * sizeof(*s->gaps));
    at = seen.count ? seen.items[0].first : 0;
    end = seen.count ? seen.items[seen.count - 1].end : 0;
    while (s->gaps && ranges_next(&s->saved, false, &at, end, &piece)) {
        for (uint64_t within = piece.first; within < piece.end;)
            explain(s, &seen, &within, piece.end);
    }
    ranges_done(&seen);
    return s->gaps || no_memory(err);
}

static bool take_all(struct salvage *s, struct err *err)
{
    struct walk w = {.s = s};
    bool ok = find_instance(s, err) && read_gaps(s, err) && take_both(&w, err) &&
              take_wrong(s, s->st.outbox, "outbox", err) &&
              take_wrong(s, s->st.refused, "refused", err) &&
              take_odd(&w, s->st.quarantine, "quarantine", true, err) &&
              take_odd(&w, s->st.journal, "journal", false, err);

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
        ok = take_all(&s, &why) && find_gaps(&s, &why);
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
