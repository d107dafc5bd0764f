/* The start: what the journal and the outbox hold after any end is brought to the state that pack
 * and ship expect (durability.md 7, steps 3 to 7). Everything is done in an order that lets a crash
 * at any call be followed by the same again:
 *
 *   outbox/ synced -> names checked -> identity -> files that meet a segment verified (a wrong one
 * is counted, then set aside) -> holes counted -> P4 finished for closed segments -> unsealed ones
 *   rewritten -> next number known -> P4 for the newest, and wrong files that reach behind it, after a
 *   newer one exists -> both synced
 *
 * Files of another instance (copied in by hand) are sent like any other, but say nothing about our
 * sequence numbers.
 */
#include "pack/build.h"

#include "journal/carrier.h"
#include "state/quarantine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct range { /* [first, end) */
    uint64_t first, end;
};

struct ranges {
    struct range *items;
    size_t count, size;
};

struct recovery {
    struct state *st;
    struct limits *limits;
    struct gaps *gaps;
    struct outbox box;
    struct outbox_list files;
    size_t wrong_count; /* the first of `files`: counted, and still to be set aside */
    struct segment_list segments;
    struct ranges covered; /* what good files of ours hold */
    struct ranges lost;    /* what has been written to gaps.log */
    uint64_t next_seq;     /* one past the highest number in a name */
    bool carried;          /* a segment says so */
    struct pack_recovery result;
};

/* --- ranges --- */

/* Moves *at behind a range that holds it. */
static bool skip_one(const struct ranges *set, uint64_t *at)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].first <= *at && *at < set->items[i].end) {
            *at = set->items[i].end;
            return true;
        }
    }
    return false;
}

/* The first piece of [*at, end) that is in none of the ranges; *at moves behind it. */
static bool next_uncovered(const struct ranges *set, uint64_t *at, uint64_t end, struct range *ret)
{
    uint64_t stop = end;

    while (*at < end && skip_one(set, at))
        continue;
    if (*at >= end)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].first > *at && set->items[i].first < stop)
            stop = set->items[i].first;
    }
    *ret = (struct range){*at, stop};
    *at = stop;
    return true;
}

static bool add_range(struct ranges *set, uint64_t first, uint64_t end, struct err *err)
{
    if (set->count == set->size) {
        size_t size = set->size ? set->size * 2 : 64;
        struct range *more = realloc(set->items, size * sizeof(*more));

        if (!more)
            return err_set(err, ERR_FULL, ENOMEM, "no memory for %zu ranges", size);
        set->items = more;
        set->size = size;
    }
    set->items[set->count++] = (struct range){first, end};
    return true;
}

static bool is_covered(const struct ranges *set, uint64_t first, uint64_t end)
{
    struct range piece;

    return first < end && !next_uncovered(set, &first, end, &piece);
}

static bool is_touched(const struct ranges *set, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].first < end && first < set->items[i].end)
            return true;
    }
    return false;
}

/* --- gaps --- */

static bool lose(struct recovery *r, uint64_t first, uint64_t end, enum gap_reason reason,
    const char *where, struct err *err)
{
    struct gap gap = {
        .from_seq = first,
        .to_seq = end - 1,
        .readings = end - first,
        .reason = reason,
        .promised = true,
        .where = where,
    };
    uint64_t before = gaps_count(r->gaps);

    if (!gaps_write(r->gaps, &gap, err))
        return false;
    r->result.journal.gaps += gaps_count(r->gaps) - before;
    r->result.journal.promised_gaps += gaps_count(r->gaps) - before;
    return add_range(&r->lost, first, end, err);
}

/* A gap for each piece of [first, end) that `set` does not hold. */
static bool lose_uncovered(struct recovery *r, const struct ranges *set, uint64_t first,
    uint64_t end, enum gap_reason reason, const char *where, struct err *err)
{
    struct range piece;

    while (next_uncovered(set, &first, end, &piece)) {
        if (!lose(r, piece.first, piece.end, reason, where, err))
            return false;
    }
    return true;
}

/* --- names --- */

static bool is_ours(const struct recovery *r, const struct file_name *name)
{
    return memcmp(name->instance, r->st->instance_text, sizeof(name->instance) - 1) == 0;
}

static void note_names(struct recovery *r, const struct outbox_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct file_name *name = &list->items[i].name;

        if (is_ours(r, name) && name->last_seq >= r->next_seq)
            r->next_seq = name->last_seq + 1;
    }
}

/* Never deleted because it looks odd. */
static bool set_strange_aside(struct recovery *r, struct err *err)
{
    for (size_t i = 0; i < r->files.strange_count; i++) {
        if (!quarantine_file(
                r->st, r->limits, r->st->outbox, r->files.strange[i], LIMITS_OUTBOX, err))
            return false;
    }
    return true;
}

static bool read_outbox(struct recovery *r, struct err *err)
{
    /* First of all: a name left in memory by a kill between the two halves of P3 must not cost its
     * segment below. And where files were moved to comes before where they came from. */
    return file_sync(r->st->refused, err) && file_sync(r->st->quarantine, err) &&
           file_sync(r->st->outbox, err) && outbox_scan(&r->box, false, &r->files, err) &&
           set_strange_aside(r, err);
}

/* Every readable header must say the same as IDENTITY; a lost IDENTITY is taken from them. Without
 * any, the id is new: numbers of a lost journal may have been used up to any value. */
static bool settle_identity(struct recovery *r, struct err *err)
{
    for (size_t i = 0; i < r->segments.count; i++) {
        const struct segment_info *s = &r->segments.items[i];

        if (s->header_ok && !state_set_instance(r->st, s->header.instance, err))
            return err_wrap(err, "'%s'", s->name);
    }
    if (r->segments.count == 0) /* even when IDENTITY is there: how far its numbers got is not */
        r->st->instance_known = false;
    return state_set_instance(r->st, r->st->instance_known ? r->st->instance : NULL, err);
}

static bool read_names(struct recovery *r, struct err *err)
{
    struct outbox_list refused;

    if (!outbox_scan(&r->box, true, &refused, err))
        return false;
    note_names(r, &r->files);
    note_names(r, &refused);
    outbox_list_done(&refused);
    return true;
}

/* --- what was being dropped --- */

/* first_us as the line has it: pack writes when a segment was made, ship none. */
static bool was_dropped(const struct recovery *r, const char *where, uint64_t first_seq,
    uint64_t end_seq, uint64_t bytes, int64_t first_us)
{
    const struct gap gap = {.from_seq = first_seq,
        .to_seq = end_seq - 1,
        .bytes = bytes,
        .first_us = first_us,
        .last_us = first_us, /* only whether there is one counts */
        .where = where};

    return gaps_was_dropped(r->gaps, &gap);
}

/* First the line, then the deletion: a crash between the two leaves readings that count as dropped and
 * would be delivered all the same. The line stands, so the deletion is made up for. */
static bool finish_dropped_files(struct recovery *r, struct err *err)
{
    size_t kept = 0;
    bool ok = true;

    for (size_t i = 0; i < r->files.count; i++) {
        const struct outbox_entry *e = &r->files.items[i];

        if (ok && was_dropped(r, e->text, e->name.first_seq, e->name.last_seq + 1, e->bytes, 0)) {
            ok = outbox_done(&r->box, e, err);
            r->result.drops_finished++;
        } else {
            r->files.items[kept++] = r->files.items[i];
        }
    }
    r->files.count = kept;
    return ok;
}

/* As if a file held them: P4 deletes them, and their numbers are no hole. */
static bool finish_dropped_segments(struct recovery *r, struct err *err)
{
    for (size_t i = 0; i < r->segments.count; i++) {
        const struct segment_info *s = &r->segments.items[i];

        if (!s->newest && s->header_ok && s->end_seq > s->first_seq &&
            was_dropped(r, s->name, s->first_seq, s->end_seq, s->bytes, s->header.created_us)) {
            if (!add_range(&r->covered, s->first_seq, s->end_seq, err))
                return false;
            r->result.drops_finished++;
        }
    }
    return true;
}

/* --- files against segments --- */

/* The end of a segment for comparisons; the newest one without a seal reaches as far as it likes.
 */
static uint64_t end_of(const struct segment_info *s)
{
    return s->end_seq == 0 && s->newest ? UINT64_MAX : s->end_seq;
}

static bool meets_segment(const struct recovery *r, const struct file_name *name)
{
    for (size_t i = 0; i < r->segments.count; i++) {
        const struct segment_info *s = &r->segments.items[i];

        if (s->first_seq <= name->last_seq && name->first_seq < end_of(s))
            return true;
    }
    return false;
}

static bool set_wrong_aside(struct recovery *r, const struct outbox_entry *entry, struct err *err)
{
    if (!outbox_quarantine(&r->box, entry, err))
        return false;
    r->result.quarantined++;
    return true;
}

/* What the segments still hold of it is packed again; the rest is a loss. Pieces between two segments are
 * left to count_holes, which would meet them again at the next start. How far the newest segment reaches
 * is known later, and the name of a file that reaches behind it may be all that says how far the numbers
 * got: it stays until a segment says so too (finish_wrong). */
static bool handle_wrong(struct recovery *r, const struct outbox_entry *entry, struct err *err)
{
    const struct file_name *name = &entry->name;
    const struct segment_info *oldest = &r->segments.items[0];
    const struct segment_info *newest = &r->segments.items[r->segments.count - 1];

    r->result.files--;
    if (name->first_seq < oldest->first_seq &&
        !lose(r, name->first_seq, oldest->first_seq, GAP_DAMAGED, entry->text, err))
        return false;
    if (name->last_seq < newest->first_seq)
        return set_wrong_aside(r, entry, err);
    r->files.items[r->wrong_count++] = *entry;
    return true;
}

static bool verify(
    const struct recovery *r, const struct outbox_entry *entry, bool *ret_ok, struct err *err)
{
    if (outbox_verify(&r->box, entry, ret_ok, err))
        return true;
    *ret_ok = false;
    return pack_is_unreadable(err);
}

/* Only files that meet a segment are read now; ship checks the others before their first try. */
static bool check_files(struct recovery *r, struct err *err)
{
    for (size_t i = 0; i < r->files.count; i++) {
        const struct outbox_entry *entry = &r->files.items[i];
        bool good = true;

        r->result.files++;
        if (!is_ours(r, &entry->name))
            continue;
        if (meets_segment(r, &entry->name) && !verify(r, entry, &good, err))
            return false;
        if (good) {
            if (!add_range(&r->covered, entry->name.first_seq, entry->name.last_seq + 1, err))
                return false;
            continue;
        }
        if (!handle_wrong(r, entry, err))
            return false;
    }
    return true;
}

/* Pack works strictly oldest first, so no hole between two segments is legitimate, except where a
 * file holds the readings. */
static bool count_holes(struct recovery *r, struct err *err)
{
    for (size_t i = 0; i + 1 < r->segments.count; i++) {
        const struct segment_info *s = &r->segments.items[i];

        if (!lose_uncovered(r, &r->covered, s->end_seq, s[1].first_seq, GAP_MISSING, s->name, err))
            return false;
    }
    return true;
}

/* P4, once more. A segment that a file holds only in part cannot come about (a file is named after
 * the end of its last segment is durable): it is set aside, and what no file holds is counted. */
static bool finish_segment(struct recovery *r, const struct segment_info *s, struct err *err)
{
    if (!is_covered(&r->covered, s->first_seq, s->end_seq)) {
        if (!lose_uncovered(r, &r->covered, s->first_seq, s->end_seq, GAP_DAMAGED, s->name, err))
            return false;
        return quarantine_file(r->st, r->limits, r->st->journal, s->name, LIMITS_JOURNAL, err);
    }
    if (!file_unlink(r->st->journal, s->name, err))
        return false;
    limits_sub(r->limits, LIMITS_JOURNAL, s->bytes);
    r->result.segments_finished++;
    return true;
}

static bool finish_closed(struct recovery *r, struct err *err)
{
    /* The newest one's name first: it carries the numbers. */
    if (!file_sync(r->st->journal, err))
        return false;
    for (size_t i = 0; i < r->segments.count; i++) {
        const struct segment_info *s = &r->segments.items[i];

        if (!s->newest && is_touched(&r->covered, s->first_seq, s->end_seq) &&
            !finish_segment(r, s, err))
            return false;
    }
    return file_sync(r->st->journal, err);
}

/* --- the newest segment --- */

/* Nothing to do for journal_recover: a segment that a file holds, or a hole between two segments whose
 * every reading is in a file or counted by now. */
static bool skip_settled(void *context, uint64_t first_seq, uint64_t end_seq)
{
    const struct recovery *r = context;
    struct range piece;

    while (next_uncovered(&r->covered, &first_seq, end_seq, &piece)) {
        if (!is_covered(&r->lost, piece.first, piece.end))
            return false;
    }
    return true;
}

/* A segment that carries the next number, once. */
static bool carry(struct recovery *r, struct err *err)
{
    if (r->carried)
        return true;
    if (!carrier_write(r->st, r->limits, r->result.next_seq, err)) {
        /* 64 bytes on a full disk: the reserve is there for this too. */
        if (err->kind != ERR_FULL || !outbox_drop_reserve(&r->box, err) ||
            !carrier_write(r->st, r->limits, r->result.next_seq, err))
            return false;
    }
    r->carried = true;
    return true;
}

/* The newest segment can only be in a file when the power failed while its successor's name was not
 * durable yet. It must not go before there is a successor again. */
static bool finish_newest(struct recovery *r, struct err *err)
{
    struct segment_info *s;

    scan_list_done(&r->segments);
    if (!scan_list(r->st, &r->segments, err))
        return false;
    if (r->segments.count == 0)
        return true;
    s = &r->segments.items[r->segments.count - 1];
    if (s->end_seq == 0) /* kept unsealed: journal_recover has found its end */
        s->end_seq = r->result.journal.next_seq;
    if (!is_touched(&r->covered, s->first_seq, s->end_seq))
        return true;
    return carry(r, err) && finish_segment(r, s, err);
}

static bool finish_wrong(struct recovery *r, struct err *err)
{
    uint64_t end = r->result.journal.next_seq;

    for (size_t i = 0; i < r->wrong_count; i++) {
        const struct outbox_entry *entry = &r->files.items[i];
        uint64_t first = entry->name.first_seq > end ? entry->name.first_seq : end;

        if (!lose_uncovered(
                r, &r->covered, first, entry->name.last_seq + 1, GAP_DAMAGED, entry->text, err) ||
            (r->result.next_seq > end && !carry(r, err)) || !set_wrong_aside(r, entry, err))
            return false;
    }
    return true;
}

/* --- all of it --- */

static bool recover(struct recovery *r, struct err *err)
{
    struct pack_recovery *result = &r->result;
    struct journal_recovery journal = {0};
    uint64_t gaps, promised_gaps;

    if (!read_outbox(r, err) || !scan_list(r->st, &r->segments, err) || !settle_identity(r, err) ||
        !read_names(r, err) || !finish_dropped_files(r, err) || !check_files(r, err) ||
        !finish_dropped_segments(r, err) || !count_holes(r, err) || !finish_closed(r, err))
        return false;
    gaps = result->journal.gaps;
    promised_gaps = result->journal.promised_gaps;
    if (!journal_recover(r->st, r->limits, r->gaps, skip_settled, r, &journal, err))
        return false;
    result->journal = journal;
    result->journal.gaps += gaps;
    result->journal.promised_gaps += promised_gaps;
    result->next_seq = journal.next_seq > r->next_seq ? journal.next_seq : r->next_seq;
    return finish_newest(r, err) && finish_wrong(r, err) && file_sync(r->st->outbox, err) &&
           file_sync(r->st->journal, err);
}

bool pack_recover(struct state *st, struct limits *limits, struct gaps *gaps,
    struct pack_recovery *ret, struct err *err)
{
    struct recovery r = {.st = st, .limits = limits, .gaps = gaps, .next_seq = 1};
    bool ok;

    outbox_init(&r.box, st, limits);
    ok = recover(&r, err);
    if (ok)
        *ret = r.result;
    outbox_list_done(&r.files);
    scan_list_done(&r.segments);
    free(r.covered.items);
    free(r.lost.items);
    return ok;
}
