#include "commands/inspect_state.h"

#include "base/clock.h"

/* --- for people --- */

/* A heading with what it sums up. */
static void heading(struct look *l, const char *name, size_t count, const char *noun,
    uint64_t readings, uint64_t bytes)
{
    char n[32], r[32], b[32];

    buf_printf(&l->out, "\n%s: ", name);
    if (count == 0) {
        buf_add_text(&l->out, "empty\n");
        return;
    }
    buf_printf(&l->out, "%s %s%s", str_count(n, sizeof(n), count), noun, count == 1 ? "" : "s");
    if (readings)
        buf_printf(&l->out, ", %s readings", str_count(r, sizeof(r), readings));
    if (bytes)
        buf_printf(&l->out, ", %s", str_bytes(b, sizeof(b), bytes));
    buf_add_byte(&l->out, '\n');
}

/* How many of `count` lines are shown; the rest is said by `more`. */
static size_t shown(const struct look *l, size_t count)
{
    return l->in->all || count <= INSPECT_LINES_MAX ? count : INSPECT_LINES_MAX;
}

static void more(struct look *l, size_t count)
{
    if (shown(l, count) < count)
        buf_printf(&l->out, "  and %zu more (--all)\n", count - shown(l, count));
}

static const char *segment_state(const struct segment_view *view)
{
    if (!view->info->header_ok)
        return view->info->newest && !view->readings ? "new" : "no header";
    if (view->lost)
        return "damaged";
    return view->info->sealed ? "sealed" : view->info->newest ? "active" : "closed";
}

static void text_journal(struct look *l)
{
    heading(l, "journal", l->segments.count, "segment", l->journal_readings, l->journal_bytes);
    if (l->segments.count)
        buf_printf(&l->out, "  %-20s  %-9s  %15s  %15s  %12s  %8s  %8s  %9s\n", "segment", "state",
            "first", "last", "readings", "commits", "series", "size");
    for (size_t i = 0; i < shown(l, l->segments.count); i++) {
        const struct segment_view *v = &l->views[i];
        char first[32], last[32], readings[32], commits[32], series[32], bytes[32];
        bool any = v->end_seq > v->info->first_seq;

        if (v->missing)
            buf_printf(&l->out, "  %-20s  %llu readings before the next one are missing\n", "",
                (unsigned long long)v->missing);
        buf_printf(&l->out, "  %-20s  %-9s  %15s  %15s  %12s  %8s  %8s  %9s\n", v->info->name,
            segment_state(v), str_count(first, sizeof(first), v->info->first_seq),
            any ? str_count(last, sizeof(last), v->end_seq - 1) : "-",
            str_count(readings, sizeof(readings), v->readings),
            v->read ? str_count(commits, sizeof(commits), v->commits) : "-",
            v->read ? str_count(series, sizeof(series), v->series) : "-",
            str_bytes(bytes, sizeof(bytes), v->info->bytes));
        if (v->lost)
            buf_printf(&l->out, "  %-20s  %llu durable readings cannot be read, in %llu places\n",
                "", (unsigned long long)v->lost, (unsigned long long)v->holes);
    }
    more(l, l->segments.count);
}

static void text_files(struct look *l, const char *name, const struct outbox_list *list,
    uint64_t readings, uint64_t bytes)
{
    heading(l, name, list->count, "file", readings, bytes);
    for (size_t i = 0; i < shown(l, list->count); i++) {
        const struct outbox_entry *entry = &list->items[i];
        char count[32], size[32], age[32];

        buf_printf(&l->out, "  %s  %12s readings  %9s  %12s old\n", entry->text,
            str_count(count, sizeof(count), look_readings(entry)),
            str_bytes(size, sizeof(size), entry->bytes),
            str_duration(age, sizeof(age), clock_wall_us() - entry->name.created_us));
    }
    more(l, list->count);
    for (size_t i = 0; i < shown(l, list->strange_count); i++) {
        buf_add_text(&l->out, "  not ours: ");
        str_show(&l->out, span_of(list->strange[i]), 200);
        buf_add_byte(&l->out, '\n');
    }
}

/* The last ones first: the damage of today is what is looked for. */
static void text_gap_lines(struct look *l)
{
    size_t kept = l->gap_count < GAP_VIEWS_MAX ? l->gap_count : GAP_VIEWS_MAX;

    for (size_t i = 0; i < shown(l, kept); i++) {
        const struct gap_view *v = &l->gap_views[(l->gap_count - 1 - i) % GAP_VIEWS_MAX];
        char from[32], to[32], readings[32];

        buf_printf(&l->out, "  %-9s  %15s  %15s  %12s readings  ", gap_reason_name(v->gap.reason),
            str_count(from, sizeof(from), v->gap.from_seq),
            v->gap.to_seq >= v->gap.from_seq ? str_count(to, sizeof(to), v->gap.to_seq) : "-",
            str_count(readings, sizeof(readings), v->gap.readings));
        str_show(&l->out, span_of(v->where), OUTBOX_NAME_SIZE);
        buf_add_byte(&l->out, '\n');
    }
    more(l, kept);
}

static void text_gaps(struct look *l)
{
    char a[32], b[32];

    heading(l, "gaps", (size_t)l->gaps.lines, "line", l->gaps.readings, 0);
    for (size_t i = 0; i < l->gaps.count; i++) {
        const struct reason *r = &l->gaps.items[i];

        buf_printf(&l->out, "  %-12s %8llu  %15s readings, %s of them had been durable\n", r->name,
            (unsigned long long)r->lines, str_count(a, sizeof(a), r->readings),
            str_count(b, sizeof(b), r->promised));
    }
    text_gap_lines(l);
}

/* The line as it was received, not as JSON wrote it. (\u does not come: the sample's control
 * characters were shown as \xHH before.) */
static void show_sample(struct buf *out, const char *sample)
{
    static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    struct buf plain;

    buf_init(&plain, strlen(sample) + 1);
    for (const char *p = sample; *p; p++) {
        const char *escape = p[0] == '\\' && p[1] ? strchr(escapes, p[1]) : NULL;

        buf_add(&plain, escape ? meant + (escape - escapes) : p, 1);
        p += escape != NULL;
    }
    str_show(out, (struct span){plain.data, plain.len}, 160);
    buf_done(&plain);
}

static void text_rejects(struct look *l)
{
    heading(l, "rejected", (size_t)l->rejects.lines, "sample", 0, 0);
    for (size_t i = 0; i < l->rejects.count; i++) {
        const struct reason *r = &l->rejects.items[i];

        buf_printf(&l->out, "  %-14s %8llu  ", r->name, (unsigned long long)r->lines);
        if (r->sample)
            show_sample(&l->out, r->sample);
        buf_add_byte(&l->out, '\n');
    }
}

static void text_quarantine(struct look *l)
{
    heading(l, "quarantine", l->quarantine.count, "file", 0, l->quarantine_bytes);
    for (size_t i = 0; i < shown(l, l->quarantine.count); i++) {
        buf_add_text(&l->out, "  ");
        str_show(&l->out, span_of(l->quarantine.names[i]), 200);
        buf_add_byte(&l->out, '\n');
    }
    more(l, l->quarantine.count);
}

static void text_waiting(struct look *l)
{
    char readings[32], bytes[32], age[32];

    if (l->journal_readings + l->outbox_readings == 0) {
        inspect_line(&l->out, "waiting", "nothing");
        return;
    }
    inspect_line(&l->out, "waiting", "%s readings in %zu segment%s and %zu file%s (%s), since %s",
        str_count(readings, sizeof(readings), l->journal_readings + l->outbox_readings),
        l->segments.count, l->segments.count == 1 ? "" : "s", l->outbox.count,
        l->outbox.count == 1 ? "" : "s",
        str_bytes(bytes, sizeof(bytes), l->journal_bytes + l->outbox_bytes),
        str_duration(age, sizeof(age), clock_wall_us() - l->oldest_us));
}

/* What an operator needs in an outage. */
static void text_rate(struct look *l)
{
    char rate[32], bytes[32], ago[32], left[32], limit[32], lasts[32];

    if (l->rate > 0)
        inspect_line(&l->out, "rate", "%s readings/s until %s ago, %s/h on the disk",
            str_count(rate, sizeof(rate), (uint64_t)(l->rate + 0.5)),
            str_duration(ago, sizeof(ago), clock_wall_us() - l->rate_until_us),
            str_bytes(bytes, sizeof(bytes), (uint64_t)(l->rate_bytes * 3600)));
    inspect_line(&l->out, "room", "%s left of %s%s%s", str_bytes(left, sizeof(left), l->left_bytes),
        str_bytes(limit, sizeof(limit), l->limit_bytes),
        l->lasts_us < 0                              ? ""
        : l->lasts_us > INT64_C(3650) * CLOCK_DAY_US ? ", for years at this rate"
                                                     : ", at this rate for ",
        l->lasts_us < 0 || l->lasts_us > INT64_C(3650) * CLOCK_DAY_US
            ? ""
            : str_duration(lasts, sizeof(lasts), l->lasts_us));
}

void look_show_text(struct look *l)
{
    char total[32], available[32];

    str_show(&l->out, span_of(l->st.path), 200);
    buf_add_byte(&l->out, '\n');
    inspect_line(
        &l->out, "instance", "%s", l->st.instance_known ? l->st.instance_text : "not known yet");
    inspect_line(&l->out, "file system", "%s, %s free of %s%s", l->st.space.type,
        str_bytes(available, sizeof(available), l->st.space.free_bytes),
        str_bytes(total, sizeof(total), l->st.space.total_bytes),
        l->st.space.lasting ? "" : "; it may lose data");
    text_waiting(l);
    text_rate(l);
    if (l->in->damaged)
        inspect_line(&l->out, "damage", "yes: see below%s",
            l->bad_files ? "; a file in outbox does not match its name" : "");
    else if (l->in->check)
        inspect_line(&l->out, "check", "everything read, all as it should be");
    text_journal(l);
    text_files(l, "outbox", &l->outbox, l->outbox_readings, l->outbox_bytes);
    text_files(l, "refused", &l->refused, l->refused_readings, l->refused_bytes);
    text_rejects(l);
    text_gaps(l);
    text_quarantine(l);
}

/* --- for scripts --- */

static void json_segments(struct look *l)
{
    struct json_out *json = &l->json;

    json_key(json, "segments");
    json_out_array(json);
    for (size_t i = 0; i < l->segments.count; i++) {
        const struct segment_view *v = &l->views[i];

        json_out_object(json);
        json_key_text(json, "name", v->info->name);
        json_key_text(json, "state", segment_state(v));
        json_key_uint(json, "first_seq", v->info->first_seq);
        json_key(json, "last_seq");
        if (v->end_seq > v->info->first_seq)
            json_uint(json, v->end_seq - 1);
        else
            json_out_null(json);
        json_key_uint(json, "readings", v->readings);
        json_key_uint(json, "bytes", v->info->bytes);
        json_key_uint(json, "missing_before", v->missing);
        if (v->read) {
            json_key_uint(json, "commits", v->commits);
            json_key_uint(json, "series", v->series);
            json_key_uint(json, "holes", v->holes);
            json_key_uint(json, "lost_readings", v->lost);
        }
        json_out_object_end(json);
    }
    json_out_array_end(json);
}

static void json_files(struct look *l, const char *key, const struct outbox_list *list)
{
    struct json_out *json = &l->json;
    char created[CLOCK_TEXT_SIZE];

    json_key(json, key);
    json_out_array(json);
    for (size_t i = 0; i < list->count; i++) {
        json_out_object(json);
        json_key_text(json, "name", list->items[i].text);
        json_key_text(json, "created", clock_text(created, list->items[i].name.created_us));
        json_key_uint(json, "first_seq", list->items[i].name.first_seq);
        json_key_uint(json, "last_seq", list->items[i].name.last_seq);
        json_key_uint(json, "readings", look_readings(&list->items[i]));
        json_key_uint(json, "bytes", list->items[i].bytes);
        json_out_object_end(json);
    }
    json_out_array_end(json);
}

static void json_reasons(struct look *l, const char *key, const struct reasons *all, bool gaps)
{
    struct json_out *json = &l->json;

    json_key(json, key);
    json_out_array(json);
    for (size_t i = 0; i < all->count; i++) {
        const struct reason *r = &all->items[i];

        json_out_object(json);
        json_key_text(json, "reason", r->name);
        json_key_uint(json, "lines", r->lines);
        if (gaps) {
            json_key_uint(json, "readings", r->readings);
            json_key_uint(json, "promised_readings", r->promised);
        } else if (r->sample) {
            /* Already escaped: it stood between quotes in a line of JSON. */
            json_key(json, "sample");
            json->after_key = false;
            buf_printf(&l->out, "\"%s\"", r->sample);
        }
        json_out_object_end(json);
    }
    json_out_array_end(json);
}

static void json_names(struct look *l, const char *key, char **names, size_t count)
{
    json_key(&l->json, key);
    json_out_array(&l->json);
    for (size_t i = 0; i < count; i++)
        json_text(&l->json, names[i]);
    json_out_array_end(&l->json);
}

static void json_time(struct json_out *json, const char *key, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    json_key_text(json, key, wall_us ? clock_text(text, wall_us) : NULL);
}

static void json_gap_lines(struct look *l)
{
    size_t kept = l->gap_count < GAP_VIEWS_MAX ? l->gap_count : GAP_VIEWS_MAX;

    json_key(&l->json, "gap_lines");
    json_out_array(&l->json);
    for (size_t i = l->gap_count - kept; i < l->gap_count; i++) {
        const struct gap_view *v = &l->gap_views[i % GAP_VIEWS_MAX];

        json_out_object(&l->json);
        json_key_uint(&l->json, "from_seq", v->gap.from_seq);
        json_key_uint(&l->json, "to_seq", v->gap.to_seq);
        json_key_uint(&l->json, "readings", v->gap.readings);
        json_key_text(&l->json, "reason", gap_reason_name(v->gap.reason));
        json_key_bool(&l->json, "promised", v->gap.promised);
        json_key_uint(&l->json, "bytes", v->gap.bytes);
        json_key_text(&l->json, "where", v->where);
        json_out_object_end(&l->json);
    }
    json_out_array_end(&l->json);
}

void look_show_json(struct look *l)
{
    struct json_out *json = &l->json;

    json_init(json, &l->out);
    json_out_object(json);
    json_key_text(json, "directory", l->st.path);
    json_key_text(json, "instance", l->st.instance_known ? l->st.instance_text : NULL);
    json_key_text(json, "file_system", l->st.space.type);
    json_key_bool(json, "lasting", l->st.space.lasting);
    json_key_uint(json, "free_bytes", l->st.space.free_bytes);
    json_key_uint(json, "total_bytes", l->st.space.total_bytes);
    json_key_bool(json, "checked", l->in->check);
    json_key_bool(json, "damaged", l->in->damaged);
    json_key_uint(json, "waiting_readings", l->journal_readings + l->outbox_readings);
    json_key_uint(json, "journal_readings", l->journal_readings);
    json_key_uint(json, "journal_bytes", l->journal_bytes);
    json_key_uint(json, "outbox_readings", l->outbox_readings);
    json_key_uint(json, "outbox_bytes", l->outbox_bytes);
    json_key_uint(json, "refused_readings", l->refused_readings);
    json_key_uint(json, "refused_bytes", l->refused_bytes);
    json_key_uint(json, "waiting_bytes", l->journal_bytes + l->outbox_bytes);
    json_key_uint(json, "waiting_files", l->outbox.count);
    json_key_uint(json, "waiting_segments", l->segments.count);
    json_time(json, "oldest", l->oldest_us);
    json_key_double(json, "readings_per_s", l->rate);
    json_key_double(json, "bytes_per_s", l->rate_bytes);
    json_time(json, "rate_until", l->rate_until_us);
    json_key_uint(json, "used_bytes", l->used_bytes);
    json_key_uint(json, "left_bytes", l->left_bytes);
    json_key_uint(json, "state_bytes_max", l->limit_bytes);
    json_key(json, "lasts_s");
    if (l->lasts_us < 0)
        json_out_null(json);
    else
        json_int(json, l->lasts_us / CLOCK_SECOND_US);
    json_key_uint(json, "gap_readings", l->gaps.readings);
    json_key_uint(json, "gap_promised_readings", l->gaps.promised);
    json_key_uint(json, "quarantine_bytes", l->quarantine_bytes);
    json_key_uint(json, "files_that_differ_from_their_name", l->bad_files);
    json_segments(l);
    json_files(l, "outbox", &l->outbox);
    json_names(l, "strange_files", l->outbox.strange, l->outbox.strange_count);
    json_files(l, "refused", &l->refused);
    json_reasons(l, "rejected", &l->rejects, false);
    json_reasons(l, "gaps", &l->gaps, true);
    json_gap_lines(l);
    json_names(l, "quarantine", l->quarantine.names, l->quarantine.count);
    json_out_object_end(json);
    buf_add_byte(&l->out, '\n');
}
