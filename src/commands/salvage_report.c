/* What was saved, from where, and what was not: report.txt and report.json in DIR, one of them on stdout. */
#include "commands/inspect.h"
#include "commands/salvage.h"

#include "base/clock.h"

#include <string.h>

static const char *const folder_texts[SALVAGE_FOLDERS] = {
    "files as they were: load them at any time, their names are those `run` sends",
    "made of what is not packed: load them only when this store never runs again",
    "set aside, and counted as lost in gaps.log: load them at any time",
    "set aside, unfinished or damaged: perhaps delivered already, look before you load them"};

static uint64_t not_saved(const struct salvage *s)
{
    uint64_t total = 0;

    for (size_t i = 0; i < s->gap_count; i++)
        total += s->gaps[i].last_seq - s->gaps[i].first_seq + 1;
    return total;
}

struct folder_sum {
    uint64_t files, bytes;
};

static struct folder_sum sum_of(const struct salvage *s, int folder)
{
    struct folder_sum sum = {0};

    for (size_t i = 0; i < s->file_count; i++) {
        if (s->files[i].gone || (int)s->files[i].to != folder)
            continue;
        sum.files++;
        sum.bytes += s->files[i].bytes;
    }
    return sum;
}

/* --- for people --- */

static void text_head(const struct salvage *s, struct buf *out)
{
    char a[32], b[32], at[CLOCK_TEXT_SIZE];

    buf_add_text(out, "Saved from ");
    str_show(out, span_of(s->st.path), 200);
    buf_add_byte(out, '\n');
    inspect_line(out, "at", "%.19sZ", clock_text(at, clock_wall_us()));
    inspect_line(out, "instance", "%s", s->work.instance_text);
    inspect_line(out, "readings", "%s", str_count(a, sizeof(a), ranges_total(&s->saved)));
    for (int i = 0; i < SALVAGE_FOLDERS; i++) {
        struct folder_sum sum = sum_of(s, i);

        if (sum.files)
            inspect_line(out, salvage_folders[i], "%s file%s, %s; %s",
                str_count(a, sizeof(a), sum.files), sum.files == 1 ? "" : "s",
                str_bytes(b, sizeof(b), sum.bytes), folder_texts[i]);
    }
    if (s->gap_count)
        inspect_line(
            out, "not saved", "%s readings, see below", str_count(a, sizeof(a), not_saved(s)));
    inspect_line(out, "damage", "%s", s->damaged ? "yes, see below" : "none found");
    if (s->cut)
        inspect_line(out, "INCOMPLETE", "%s", s->cut);
}

static void text_gaps(const struct salvage *s, struct buf *out)
{
    if (s->gap_count)
        buf_add_text(out, "\nnot saved:\n");
    for (size_t i = 0; i < s->gap_count; i++) {
        const struct salvage_gap *g = &s->gaps[i];
        char a[32], b[32], n[32];

        buf_printf(out, "  %s to %s, %s readings: %s\n", str_count(a, sizeof(a), g->first_seq),
            str_count(b, sizeof(b), g->last_seq),
            str_count(n, sizeof(n), g->last_seq - g->first_seq + 1), g->why);
    }
}

static void text_holes(const struct salvage_note *n, struct buf *out)
{
    for (size_t i = 0; i < n->hole_count; i++) {
        const struct scan_hole *h = &n->holes[i];
        char a[32], b[32];

        if (h->bytes)
            buf_printf(out, "      bytes %llu to %llu", (unsigned long long)h->offset,
                (unsigned long long)(h->offset + h->bytes - 1));
        else
            buf_add_text(out, "      no bytes");
        if (h->from_seq <= h->to_seq)
            buf_printf(out, ": readings %s to %s", str_count(a, sizeof(a), h->from_seq),
                str_count(b, sizeof(b), h->to_seq));
        buf_add_text(out, h->promised ? ", had been durable\n" : ", a torn tail\n");
    }
    if (n->holes_left_out)
        buf_printf(out, "      and %llu more\n", (unsigned long long)n->holes_left_out);
}

static void text_note(const struct salvage_note *n, struct buf *out)
{
    char a[32], b[32];

    buf_add_text(out, "  ");
    str_show(out, span_of(n->source), 280);
    buf_printf(out, "  %s", n->what);
    if (n->first_seq && n->last_seq >= n->first_seq)
        buf_printf(out, ", %s to %s", str_count(a, sizeof(a), n->first_seq),
            str_count(b, sizeof(b), n->last_seq));
    if (n->saved)
        buf_printf(out, ", %s saved", str_count(a, sizeof(a), n->saved));
    if (n->missing)
        buf_printf(out, ", %s cannot be read", str_count(a, sizeof(a), n->missing));
    if (n->nameless)
        buf_printf(out, ", %s without their names", str_count(a, sizeof(a), n->nameless));
    if (n->why[0]) {
        buf_add_text(out, ": ");
        str_show(out, span_of(n->why), 200);
    }
    buf_add_byte(out, '\n');
    text_holes(n, out);
}

static void show_text(const struct salvage *s, struct buf *out)
{
    text_head(s, out);
    text_gaps(s, out);
    if (s->note_count)
        buf_add_text(out, "\nfound:\n");
    for (size_t i = 0; i < s->note_count; i++)
        text_note(&s->notes[i], out);
}

/* --- for scripts --- */

static void json_holes(struct json_out *json, const struct salvage_note *n)
{
    json_key(json, "holes");
    json_out_array(json);
    for (size_t i = 0; i < n->hole_count; i++) {
        const struct scan_hole *h = &n->holes[i];

        json_out_object(json);
        json_key_uint(json, "offset", h->offset);
        json_key_uint(json, "bytes", h->bytes);
        json_key_uint(json, "from_seq", h->from_seq);
        json_key_uint(json, "to_seq", h->to_seq);
        json_key_bool(json, "promised", h->promised);
        json_out_object_end(json);
    }
    json_out_array_end(json);
}

static void json_found(const struct salvage *s, struct json_out *json)
{
    json_key(json, "found");
    json_out_array(json);
    for (size_t i = 0; i < s->note_count; i++) {
        const struct salvage_note *n = &s->notes[i];
        struct buf name, why;

        /* Names and messages may hold any bytes. */
        buf_init(&name, 4096);
        buf_init(&why, 4096);
        str_show(&name, span_of(n->source), 1000);
        str_show(&why, span_of(n->why), 1000);
        json_out_object(json);
        json_key_text(json, "source", buf_text(&name));
        json_key_text(json, "what", n->what);
        json_key_bool(json, "damaged", n->damaged);
        json_key_uint(json, "bytes", n->bytes);
        json_key_uint(json, "first_seq", n->first_seq);
        json_key_uint(json, "last_seq", n->last_seq);
        json_key_uint(json, "saved_readings", n->saved);
        json_key_uint(json, "missing_readings", n->missing);
        json_key_uint(json, "missing_promised_readings", n->promised);
        json_key_uint(json, "nameless_readings", n->nameless);
        json_holes(json, n);
        json_key_uint(json, "holes_left_out", n->holes_left_out);
        json_key_text(json, "why", n->why[0] ? buf_text(&why) : NULL);
        json_out_object_end(json);
        buf_done(&name);
        buf_done(&why);
    }
    json_out_array_end(json);
}

static void json_files(const struct salvage *s, struct json_out *json)
{
    json_key(json, "files");
    json_out_array(json);
    for (size_t i = 0; i < s->file_count; i++) {
        const struct salvage_file *f = &s->files[i];

        if (f->gone)
            continue;
        json_out_object(json);
        json_key_text(json, "folder", salvage_folders[f->to]);
        json_key_text(json, "name", f->name);
        json_key_uint(json, "first_seq", f->first_seq);
        json_key_uint(json, "last_seq", f->last_seq);
        json_key_uint(json, "bytes", f->bytes);
        if (f->rows) {
            json_key_uint(json, "rows", f->rows);
            json_key_uint(json, "superseded", f->superseded);
        }
        json_out_object_end(json);
    }
    json_out_array_end(json);
}

static void show_json(const struct salvage *s, struct buf *out)
{
    struct json_out json;
    char at[CLOCK_TEXT_SIZE];

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "store", s->st.path);
    json_key_text(&json, "at", clock_text(at, clock_wall_us()));
    json_key_text(&json, "instance", s->work.instance_text);
    json_key_bool(&json, "complete", s->cut == NULL);
    json_key_text(&json, "error", s->cut);
    json_key_bool(&json, "damaged", s->damaged);
    json_key_uint(&json, "saved_readings", ranges_total(&s->saved));
    json_key_uint(&json, "not_saved_readings", not_saved(s));
    json_files(s, &json);
    json_key(&json, "not_saved");
    json_out_array(&json);
    for (size_t i = 0; i < s->gap_count; i++) {
        json_out_object(&json);
        json_key_uint(&json, "from_seq", s->gaps[i].first_seq);
        json_key_uint(&json, "to_seq", s->gaps[i].last_seq);
        json_key_text(&json, "why", s->gaps[i].why);
        json_out_object_end(&json);
    }
    json_out_array_end(&json);
    json_found(s, &json);
    json_out_object_end(&json);
    buf_add_byte(out, '\n');
}

/* --- */

static bool put(const struct salvage *s, const char *name, const struct buf *text, struct err *err)
{
    return buf_check(text, "the report", err) &&
           file_write_whole(s->dir, name, text->data, text->len, err);
}

bool salvage_report(struct salvage *s, bool json, struct err *err)
{
    struct buf text, data;
    bool ok;

    buf_init(&text, INSPECT_OUT_MAX);
    buf_init(&data, INSPECT_OUT_MAX);
    show_text(s, &text);
    show_json(s, &data);
    ok = inspect_print(json ? &data : &text, err); /* before DIR: it may be full */
    ok = put(s, "report.txt", &text, err) && put(s, "report.json", &data, err) && ok;
    buf_done(&text);
    buf_done(&data);
    return ok;
}
