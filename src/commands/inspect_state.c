#include "commands/inspect_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Frames are read without --check while the journal is small enough to wait for it. */
#define SCAN_BYTES_MAX (UINT64_C(1) << 30)
#define LINES_FILE_MAX (64U * 1024U * 1024U)

static void older(struct look *l, int64_t created_us)
{
    if (l->oldest_us == 0 || created_us < l->oldest_us)
        l->oldest_us = created_us;
}

/* --- journal --- */

static bool read_frames(struct look *l, struct segment_view *view, struct err *err)
{
    struct scan *scan = scan_open(l->st.journal, view->info->name, view->info->end_seq, err);
    enum scan_event event = SCAN_END;
    struct scan_item item;
    bool ok = scan != NULL;

    while (ok && (ok = scan_next(scan, &event, &item, err)) && event != SCAN_END) {
        uint32_t number;
        struct span asset, datastream;
        size_t at = 0;

        if (event == SCAN_HOLE) {
            view->holes++;
            if (item.hole.promised && item.hole.from_seq <= item.hole.to_seq)
                view->lost += item.hole.to_seq - item.hole.from_seq + 1;
            continue;
        }
        if (item.frame.type == SEGMENT_COMMIT)
            view->commits++;
        else if (item.frame.type == SEGMENT_NAMES)
            while (scan_names_next(&item.frame, &at, &number, &asset, &datastream))
                view->series++;
        else if (item.frame.type == SEGMENT_ROWS && scan_rows_count(&item.frame)) {
            view->readings += scan_rows_count(&item.frame);
            if (!view->info->end_seq) {
                view->end_seq = item.frame.seq + scan_rows_count(&item.frame);
                view->last_us = item.frame.received_us;
            }
        }
    }
    scan_close(scan);
    view->read = ok;
    /* Packed and deleted while we looked. */
    if (!ok && err->code == ENOENT)
        return true;
    return ok;
}

static bool look_journal(struct look *l, struct err *err)
{
    bool all = l->in->check;

    if (!scan_list(&l->st, &l->segments, err))
        return false;
    l->views = calloc(l->segments.count + 1, sizeof(*l->views));
    if (!l->views)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu segments", l->segments.count);
    for (size_t i = 0; i < l->segments.count; i++)
        l->journal_bytes += l->segments.items[i].bytes;
    all = all || l->journal_bytes <= SCAN_BYTES_MAX;
    for (size_t i = 0; i < l->segments.count; i++) {
        const struct segment_info *info = &l->segments.items[i];
        struct segment_view *view = &l->views[i];

        *view = (struct segment_view){.info = info, .end_seq = info->end_seq};
        if ((all || !info->end_seq) && !read_frames(l, view, err))
            return false;
        if (!view->read && info->end_seq > info->first_seq)
            view->readings = info->end_seq - info->first_seq;
        l->journal_readings += view->readings;
        if (info->header_ok && view->readings)
            older(l, info->header.created_us);
        /* The newest may be at its birth; any other without a header has lost it, and one with readings too. */
        if (view->lost || (!info->header_ok && (!info->newest || view->readings)))
            l->in->damaged = true;
    }
    return true;
}

/* Below that name lies a file. A `run` packs and deletes the oldest first, and makes new ones last. */
static bool is_there(const struct look *l, uint64_t first_seq)
{
    char name[SEGMENT_NAME_SIZE];
    struct file_info info;
    bool exists = false;
    struct err err;

    segment_name(name, first_seq);
    return file_stat(l->st.journal, name, &exists, &info, &err) && exists && S_ISREG(info.mode);
}

/* Numbers between two segments that are in no file of outbox/ either: a segment is missing. */
static void look_between(struct look *l)
{
    for (size_t i = 0; i + 1 < l->segments.count; i++) {
        uint64_t from = l->segments.items[i].end_seq, to = l->segments.items[i + 1].first_seq;

        for (size_t k = 0; k < l->outbox.count; k++) /* by their first number */
            if (l->outbox.items[k].name.first_seq <= from &&
                from <= l->outbox.items[k].name.last_seq)
                from = l->outbox.items[k].name.last_seq + 1;
        if (from >= to || !is_there(l, l->segments.items[i].first_seq) || is_there(l, from))
            continue; /* no hole, or one that came about while we looked */
        l->views[i + 1].missing = to - from;
        l->in->damaged = true;
    }
}

/* --- outbox and refused --- */

uint64_t look_readings(const struct outbox_entry *entry)
{
    return entry->name.last_seq - entry->name.first_seq + 1;
}

static bool look_files(struct look *l, struct err *err)
{
    struct outbox box;

    outbox_init(&box, &l->st, NULL); /* only read */
    if (l->st.outbox >= 0 && !outbox_scan(&box, false, &l->outbox, err))
        return false;
    if (l->st.refused >= 0 && !outbox_scan(&box, true, &l->refused, err))
        return false;
    for (size_t i = 0; i < l->outbox.count; i++) {
        bool ok = true;

        older(l, l->outbox.items[i].name.created_us);
        l->outbox_bytes += l->outbox.items[i].bytes;
        l->outbox_readings += look_readings(&l->outbox.items[i]);
        if (l->in->check && !outbox_verify(&box, &l->outbox.items[i], &ok, err)) {
            if (err->code != ENOENT) /* else: delivered while we looked */
                return false;
            err_clear(err);
        }
        l->bad_files += !ok;
    }
    for (size_t i = 0; i < l->refused.count; i++) {
        l->refused_bytes += l->refused.items[i].bytes;
        l->refused_readings += look_readings(&l->refused.items[i]);
    }
    l->in->damaged = l->in->damaged || l->bad_files > 0;
    return true;
}

/* --- gaps.log and rejected/: lines of JSON in the very form state/ writes them --- */

/* What follows `"key":` in a line, up to the end of the number or text (still escaped). The keys
 * looked for stand before any text from outside, except "line", which is the last. */
static bool field(struct span line, const char *key, struct span *ret)
{
    size_t len = strlen(key);
    bool quoted;

    for (size_t i = 0; i + len + 3 < line.len; i++) {
        size_t from = i + len + 3, to;

        if (line.data[i] != '"' || memcmp(line.data + i + 1, key, len) != 0 ||
            line.data[i + len + 1] != '"' || line.data[i + len + 2] != ':')
            continue;
        quoted = line.data[from] == '"';
        from += quoted;
        for (to = from; to < line.len; to++) {
            if (quoted && line.data[to] == '\\')
                to++;
            else if (quoted ? line.data[to] == '"' : line.data[to] == ',' || line.data[to] == '}')
                break;
        }
        if (to >= line.len)
            return false;
        *ret = (struct span){line.data + from, to - from};
        return true;
    }
    return false;
}

static uint64_t number_of(struct span line, const char *key)
{
    struct span text;
    uint64_t value = 0;

    if (field(line, key, &text))
        (void)str_u64(text, &value);
    return value;
}

static struct reason *reason_of(struct reasons *all, struct span name)
{
    struct reason *r;

    for (size_t i = 0; i < all->count; i++)
        if (span_is(name, all->items[i].name))
            return &all->items[i];
    if (all->count == REASONS_MAX || name.len >= sizeof(all->items[0].name))
        return NULL;
    r = &all->items[all->count++];
    *r = (struct reason){.lines = 0};
    memcpy(r->name, name.data, name.len);
    return r;
}

static void count_line(struct reasons *all, struct span line)
{
    struct span name, text;
    struct reason *r;
    uint64_t readings;

    if (!field(line, "reason", &name))
        return; /* cut by a crash */
    r = reason_of(all, name);
    if (!r)
        return;
    readings = number_of(line, "readings");
    r->lines++;
    r->readings += readings;
    all->lines++;
    all->readings += readings;
    if (field(line, "promised", &text) && span_is(text, "true")) {
        r->promised += readings;
        all->promised += readings;
    }
    if (field(line, "line", &text)) {
        char *copy = malloc(text.len + 1);

        if (!copy)
            return;
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        free(r->sample);
        r->sample = copy;
    }
}

static bool read_lines(int dirfd, const char *name, struct reasons *all, struct err *err)
{
    struct file_info info;
    struct buf text;
    bool exists = false, ok;
    size_t at = 0;

    if (dirfd < 0)
        return true;
    if (!file_stat(dirfd, name, &exists, &info, err))
        return false;
    if (!exists || !S_ISREG(info.mode))
        return true;
    buf_init(&text, LINES_FILE_MAX);
    ok = file_read_whole(dirfd, name, &text, err);
    if (!ok && err->code == ENOENT) /* the ring turned while we looked */
        ok = true;
    while (ok && at < text.len) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.data) - at : text.len - at;

        count_line(all, (struct span){text.data + at, len});
        at += len + 1;
    }
    buf_done(&text);
    return ok;
}

static bool add_gap(void *context, const struct gap *gap, struct err *err)
{
    struct look *l = context;
    struct gap_view *view;

    if (!l->gap_views) /* pages that are not used cost nothing */
        l->gap_views = calloc(GAP_VIEWS_MAX, sizeof(*l->gap_views));
    if (!l->gap_views)
        return err_set(err, ERR_FULL, ENOMEM, "no memory for the lines of gaps.log");
    view = &l->gap_views[l->gap_count++ % GAP_VIEWS_MAX];
    view->gap = *gap;
    (void)str_copy(view->where, sizeof(view->where), gap->where);
    return true;
}

static bool look_lines(struct look *l, struct err *err)
{
    struct file_list list = {0};
    bool whole;
    bool ok = read_lines(l->st.dir, "gaps.log", &l->gaps, err) &&
              gaps_each(&l->st, &whole, add_gap, l, err);

    if (!ok || l->st.rejected < 0)
        return ok;
    if (!file_list(l->st.rejected, &list, err))
        return false;
    for (size_t i = 0; i < list.count && ok; i++)
        ok = read_lines(l->st.rejected, list.names[i], &l->rejects, err);
    file_list_done(&list);
    return ok;
}

static bool look_quarantine(struct look *l, struct err *err)
{
    if (l->st.quarantine < 0)
        return true;
    if (!file_list(l->st.quarantine, &l->quarantine, err))
        return false;
    for (size_t i = 0; i < l->quarantine.count; i++) {
        struct file_info info;
        bool exists = false;

        if (!file_stat(l->st.quarantine, l->quarantine.names[i], &exists, &info, err))
            return false;
        if (exists)
            l->quarantine_bytes += info.bytes;
    }
    return true;
}

static void look_done(struct look *l)
{
    scan_list_done(&l->segments);
    free(l->views);
    outbox_list_done(&l->outbox);
    outbox_list_done(&l->refused);
    for (size_t i = 0; i < l->rejects.count; i++)
        free(l->rejects.items[i].sample);
    for (size_t i = 0; i < l->gaps.count; i++)
        free(l->gaps.items[i].sample);
    free(l->gap_views);
    file_list_done(&l->quarantine);
    buf_done(&l->out);
    state_close(&l->st);
}

bool inspect_state(struct inspect *in, const char *path, struct err *err)
{
    struct look l = {.in = in};
    bool ok;

    buf_init(&l.out, INSPECT_OUT_MAX);
    if (!state_open_readonly(&l.st, path, err)) {
        buf_done(&l.out);
        return false;
    }
    if (l.st.journal < 0 && l.st.outbox < 0 && !l.st.instance_known)
        ok = err_set(err, ERR_DENIED, 0, "'%s' is no state directory", path);
    else
        ok = look_journal(&l, err) && look_files(&l, err) && look_lines(&l, err) &&
             look_quarantine(&l, err) && look_rate(&l, err);
    if (ok)
        look_between(&l);
    if (ok && in->json)
        look_show_json(&l);
    else if (ok)
        look_show_text(&l);
    ok = ok && inspect_print(&l.out, err);
    look_done(&l);
    return ok;
}
