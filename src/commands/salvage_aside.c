/* What was set aside, or never finished: quarantine/, *.tmp, files that are not what their names say. */
#include "commands/salvage_walk.h"

#include <string.h>

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
static bool take_range(struct salvage_walk *w, const struct salvage_source *source,
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
            if (!salvage_copy_piece(w, source, look, part,
                    lost ? SALVAGE_QUARANTINE : SALVAGE_DOUBTFUL, ret_saved, err))
                return false;
        }
    }
    return true;
}

static bool take_odd_segment(struct salvage_walk *w, int dir, const char *folder, const char *name,
    bool aside, struct err *err)
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
        return salvage_is_source_error(err) &&
               salvage_note_other(s, folder, name, "unreadable", err->text, true, err);
    if (!is_segment)
        return salvage_note_other(
            s, folder, name, "other", "no segment and no file of ours", aside, err);
    note = salvage_note_new(s, folder, name);
    if (!note) {
        salvage_look_done(&look);
        return salvage_no_memory(err);
    }
    salvage_fill_note(note, &look);
    note->damaged = aside; /* an unfinished file is no damage, whatever is in it */
    if (look.header_ok && !salvage_is_ours(s, &look)) {
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
bool salvage_take_wrong(struct salvage *s, int dir, const char *folder, struct err *err)
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

static bool take_aside(struct salvage_walk *w, int dir, const char *folder, const char *name,
    bool aside, struct err *err)
{
    struct file_name parsed;

    if (!was_file(name, &parsed))
        return take_odd_segment(w, dir, folder, name, aside, err);
    if (!salvage_note_new(w->s, folder, name))
        return salvage_no_memory(err);
    return salvage_rescue_file(w->s, w->s->note_count - 1, dir, name, &parsed, err);
}

bool salvage_take_odd(
    struct salvage_walk *w, int dir, const char *folder, bool aside, struct err *err)
{
    struct salvage *s = w->s;
    struct file_list list;
    bool ok = salvage_list(s, dir, folder, &list, err);

    for (size_t i = 0; ok && i < list.count; i++) {
        const char *name = list.names[i];
        uint64_t number;
        bool there;

        if (!aside && (segment_name_parse(name, &number) ? salvage_is_regular(dir, name, &there)
                                                         : strcmp(name, "spare.seg") == 0))
            continue; /* taken before, or space not yet used */
        if (!salvage_is_regular(dir, name, &there)) {
            ok = !there || salvage_note_other(s, folder, name, "other", "not a file", true, err);
            continue;
        }
        ok = take_aside(w, dir, folder, name, aside || !salvage_is_temp(name), err);
    }
    file_list_done(&list);
    return ok && salvage_end_batch(w, err);
}
