#include "commands/inspect.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "commands/parquet_file.h"
#include "outbox/name.h"

#include <stdio.h>

#define COLUMNS 4
#define WINDOW 262144U

struct view {
    struct inspect *in;
    struct parquet_file file;
    struct parquet_info info;
    const char *directory, *base;
    struct file_name name; /* of `base` */
    bool name_known;
    struct buf out;
    struct json_out json;
    char wrong[240]; /* the first damage --check found; "": none */
};

static int64_t i64_at(struct span s)
{
    int64_t value;

    memcpy(&value, s.data, sizeof(value));
    return value;
}

static double f64_at(struct span s)
{
    double value;

    memcpy(&value, s.data, sizeof(value));
    return value;
}

/* The bytes of a minimum or maximum, as people read them. */
static void add_value(struct buf *out, const struct parquet_column_info *c, struct span value)
{
    char text[CLOCK_TEXT_SIZE > JSON_DOUBLE_SIZE ? CLOCK_TEXT_SIZE : JSON_DOUBLE_SIZE];

    if (strcmp(c->physical, "INT64") == 0 && value.len == 8)
        buf_add_text(out, clock_text(text, i64_at(value)));
    else if (strcmp(c->physical, "DOUBLE") == 0 && value.len == 8)
        buf_add(out, text, json_double_text(text, f64_at(value)));
    else
        str_show(out, value, 60);
}

/* --- --check --- */

static void blame(struct view *v, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void blame(struct view *v, const char *fmt, ...)
{
    struct err err;
    va_list args;
    struct buf text;

    if (v->wrong[0])
        return;
    buf_init(&text, 1000);
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    err_set(&err, ERR_INPUT, 0, "%s", buf_text(&text));
    (void)str_copy(v->wrong, sizeof(v->wrong), err.text);
    buf_done(&text);
}

/* The checksum in the name is that of the whole file. */
static bool check_name(struct view *v, struct err *err)
{
    static char window[WINDOW];
    uint32_t crc = 0;

    if (!v->name_known)
        return true;
    for (uint64_t at = 0; at < v->file.bytes;) {
        size_t n = 0;

        if (!file_read_at(v->file.fd, at, window, sizeof(window), &n, err))
            return false;
        if (n == 0)
            break;
        crc = crc32c(crc, window, n);
        at += n;
    }
    if (crc != v->name.crc)
        blame(v, "its checksum is %08x, its name says %08x", crc, v->name.crc);
    return true;
}

static void check_statistics(struct view *v, uint32_t group, const struct parquet_columns *rows)
{
    struct parquet_column_info time, payload;

    parquet_column_info(v->file.reader, group, 0, &time);
    parquet_column_info(v->file.reader, group, 3, &payload);
    for (size_t i = 0; i < rows->rows; i++) {
        if (time.has_min_max && !(rows->timestamp_null && rows->timestamp_null[i]) &&
            (rows->timestamp_us[i] < i64_at(time.min) || rows->timestamp_us[i] > i64_at(time.max)))
            blame(v, "row group %u, row %zu: the timestamp is outside of the statistics", group, i);
        if (payload.has_min_max && !(rows->payload_null && rows->payload_null[i]) &&
            (rows->payload[i] < f64_at(payload.min) || rows->payload[i] > f64_at(payload.max)))
            blame(v, "row group %u, row %zu: the payload is outside of the statistics", group, i);
    }
}

/* False: it cannot be read. Damage is blamed, and ends the check. */
static bool check_all(struct view *v, struct err *err)
{
    uint64_t rows = 0;

    if (!check_name(v, err))
        return false;
    for (uint32_t g = 0; g < v->info.groups && !v->wrong[0]; g++) {
        struct parquet_columns columns;

        if (!parquet_read_group(v->file.reader, g, &columns, err)) {
            if (err->kind != ERR_INPUT)
                return false;
            blame(v, "%s", err->text);
            break;
        }
        if (columns.rows != parquet_group_rows(v->file.reader, g))
            blame(v, "row group %u has %zu rows, its description says %llu", g, columns.rows,
                (unsigned long long)parquet_group_rows(v->file.reader, g));
        check_statistics(v, g, &columns);
        rows += columns.rows;
    }
    if (!v->wrong[0] && rows != v->info.rows)
        blame(v, "it has %llu rows, its footer says %llu", (unsigned long long)rows,
            (unsigned long long)v->info.rows);
    if (v->name_known && !v->wrong[0] && v->info.rows > v->name.last_seq - v->name.first_seq + 1)
        blame(v, "it has more rows than its name has readings");
    v->in->damaged = v->wrong[0] != '\0';
    return true;
}

/* --- for people --- */

static void text_head(struct view *v)
{
    char rows[32], bytes[32], footer[32], first[32], last[32], created[CLOCK_TEXT_SIZE];
    struct buf by;

    str_show(&v->out, span_of(v->base), 255);
    buf_add_byte(&v->out, '\n');
    inspect_line(&v->out, "rows", "%s in %u row group%s",
        str_count(rows, sizeof(rows), v->info.rows), v->info.groups,
        v->info.groups == 1 ? "" : "s");
    inspect_line(&v->out, "size", "%s, %.2f bytes a row; footer %s",
        str_bytes(bytes, sizeof(bytes), v->info.bytes),
        v->info.rows ? (double)v->info.bytes / (double)v->info.rows : 0.0,
        str_bytes(footer, sizeof(footer), v->info.footer_bytes));
    buf_init(&by, 4096);
    if (v->info.created_by)
        str_show(&by, span_of(v->info.created_by), 200);
    inspect_line(&v->out, "written by", "%s", v->info.created_by ? buf_text(&by) : "-");
    buf_done(&by);
    if (!v->name_known)
        return;
    inspect_line(&v->out, "packed", "%.19sZ by instance %s",
        clock_text(created, v->name.created_us), v->name.instance);
    inspect_line(&v->out, "readings", "%s to %s",
        str_count(first, sizeof(first), v->name.first_seq),
        str_count(last, sizeof(last), v->name.last_seq));
}

static void text_column(struct view *v, const struct parquet_column_info *c)
{
    char bytes[32], raw[32], kind[64], nulls[32];

    (void)snprintf(kind, sizeof(kind), "%s%s%s", c->physical, *c->logical ? " " : "", c->logical);
    buf_printf(&v->out, "    %-11s %-32s %-7s %-27s %5u %9s %11s %11s\n", c->name, kind, c->codec,
        c->encodings, c->pages, str_count(nulls, sizeof(nulls), c->nulls),
        str_bytes(bytes, sizeof(bytes), c->compressed_bytes),
        str_bytes(raw, sizeof(raw), c->uncompressed_bytes));
}

static void text_group(struct view *v, uint32_t group)
{
    char rows[32];

    buf_printf(&v->out, "\n  row group %u: %s rows\n", group,
        str_count(rows, sizeof(rows), parquet_group_rows(v->file.reader, group)));
    buf_printf(&v->out, "    %-11s %-32s %-7s %-27s %5s %9s %11s %11s\n", "column", "type", "codec",
        "encodings", "pages", "nulls", "stored", "plain");
    for (uint32_t n = 0; n < COLUMNS; n++) {
        struct parquet_column_info c;

        parquet_column_info(v->file.reader, group, n, &c);
        text_column(v, &c);
    }
    buf_add_byte(&v->out, '\n');
    for (uint32_t n = 0; n < COLUMNS; n++) {
        struct parquet_column_info c;

        parquet_column_info(v->file.reader, group, n, &c);
        buf_printf(&v->out, "    %-11s ", c.name);
        if (c.has_min_max) {
            add_value(&v->out, &c, c.min);
            buf_add_text(&v->out, " to ");
            add_value(&v->out, &c, c.max);
        } else {
            buf_add_text(&v->out, "no minimum and maximum");
        }
        buf_add_byte(&v->out, '\n');
    }
}

static bool show_text(struct view *v, struct err *err)
{
    text_head(v);
    if (v->in->check)
        inspect_line(&v->out, "check", "%s",
            v->wrong[0] ? v->wrong : "everything read, all as it should be");
    for (uint32_t g = 0; g < v->info.groups && (v->in->all || g < INSPECT_LINES_MAX); g++)
        text_group(v, g);
    if (!v->in->all && v->info.groups > INSPECT_LINES_MAX)
        buf_printf(
            &v->out, "\n  and %u more row groups (--all)\n", v->info.groups - INSPECT_LINES_MAX);
    if (v->in->rows)
        buf_add_byte(&v->out, '\n');
    if (!inspect_print(&v->out, err))
        return false;
    return v->in->rows == 0 || v->wrong[0] ||
           parquet_file_show_rows(v->directory, v->base, 0, v->in->rows, err);
}

/* --- for scripts --- */

static void json_value(
    struct json_out *json, const struct parquet_column_info *c, const char *key, struct span value)
{
    struct buf text;

    json_key(json, key);
    if (strcmp(c->physical, "DOUBLE") == 0 && value.len == 8) {
        json_double(json, f64_at(value));
        return;
    }
    buf_init(&text, 8192);
    if (strcmp(c->physical, "INT64") == 0)
        add_value(&text, c, value);
    else
        buf_add(&text, value.data, value.len);
    json_span(json, (struct span){text.data, text.len});
    buf_done(&text);
}

static void json_column(struct json_out *json, const struct parquet_column_info *c)
{
    json_out_object(json);
    json_key_text(json, "name", c->name);
    json_key_text(json, "physical", c->physical);
    json_key_text(json, "logical", c->logical);
    json_key_text(json, "codec", c->codec);
    json_key_text(json, "encodings", c->encodings);
    json_key_uint(json, "pages", c->pages);
    json_key_uint(json, "values", c->values);
    json_key_uint(json, "nulls", c->nulls);
    json_key_uint(json, "compressed_bytes", c->compressed_bytes);
    json_key_uint(json, "uncompressed_bytes", c->uncompressed_bytes);
    if (c->has_min_max) {
        json_value(json, c, "min", c->min);
        json_value(json, c, "max", c->max);
    }
    json_out_object_end(json);
}

static void json_name(
    struct json_out *json, uint32_t code, const uint8_t *null, const struct span *names, size_t row)
{
    if (null && null[row])
        json_out_null(json);
    else
        json_span(json, names[code]);
}

static void json_rows_of(struct view *v, const struct parquet_columns *c, uint64_t count)
{
    struct json_out *json = &v->json;
    char time[CLOCK_TEXT_SIZE];

    for (size_t i = 0; i < count; i++) {
        json_out_array(json);
        if (c->timestamp_null && c->timestamp_null[i])
            json_out_null(json);
        else
            json_text(json, clock_text(time, c->timestamp_us[i]));
        json_name(json, c->asset[i], c->asset_null, c->assets, i);
        json_name(json, c->datastream[i], c->datastream_null, c->datastreams, i);
        if (c->payload_null && c->payload_null[i])
            json_out_null(json);
        else
            json_double(json, c->payload[i]);
        json_out_array_end(json);
    }
}

static bool json_rows(struct view *v, struct err *err)
{
    uint64_t left = v->in->rows;

    json_key(&v->json, "rows_shown");
    json_out_array(&v->json);
    for (uint32_t g = 0; g < v->info.groups && left; g++) {
        struct parquet_columns columns;
        uint64_t count;

        if (!parquet_read_group(v->file.reader, g, &columns, err))
            return false;
        count = columns.rows < left ? columns.rows : left;
        json_rows_of(v, &columns, count);
        left -= count;
    }
    json_out_array_end(&v->json);
    return true;
}

static bool show_json(struct view *v, struct err *err)
{
    struct json_out *json = &v->json;

    json_init(json, &v->out);
    json_out_object(json);
    json_key_text(json, "file", v->base);
    json_key_uint(json, "rows", v->info.rows);
    json_key_uint(json, "bytes", v->info.bytes);
    json_key_uint(json, "footer_bytes", v->info.footer_bytes);
    json_key_text(json, "created_by", v->info.created_by);
    if (v->name_known) {
        json_key_text(json, "instance", v->name.instance);
        json_key_uint(json, "first_seq", v->name.first_seq);
        json_key_uint(json, "last_seq", v->name.last_seq);
    }
    if (v->in->check)
        json_key_text(json, "damage", v->wrong[0] ? v->wrong : NULL);
    json_key(json, "row_groups");
    json_out_array(json);
    for (uint32_t g = 0; g < v->info.groups; g++) {
        json_out_object(json);
        json_key_uint(json, "rows", parquet_group_rows(v->file.reader, g));
        json_key(json, "columns");
        json_out_array(json);
        for (uint32_t n = 0; n < COLUMNS; n++) {
            struct parquet_column_info c;

            parquet_column_info(v->file.reader, g, n, &c);
            json_column(json, &c);
        }
        json_out_array_end(json);
        json_out_object_end(json);
    }
    json_out_array_end(json);
    if (v->in->rows && !v->wrong[0] && !json_rows(v, err))
        return false;
    json_out_object_end(json);
    buf_add_byte(&v->out, '\n');
    return inspect_print(&v->out, err);
}

bool inspect_parquet(struct inspect *in, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct view v = {.in = in, .base = slash + 1};
    struct buf directory;
    int dirfd = -1;
    bool ok = false;

    buf_init(&directory, 8192);
    buf_init(&v.out, INSPECT_OUT_MAX);
    buf_add(&directory, path, slash == path ? 1 : (size_t)(slash - path));
    v.directory = buf_text(&directory);
    v.name_known = file_name_parse(v.base, &v.name);
    if (!file_dir_open(FILE_CWD, v.directory, &dirfd, err) ||
        !parquet_file_open(&v.file, dirfd, v.base, err))
        goto out;
    parquet_info(v.file.reader, &v.info);
    ok = !in->check || check_all(&v, err);
    ok = ok && (in->json ? show_json(&v, err) : show_text(&v, err));
    parquet_file_close(&v.file);
out:
    file_drop(dirfd);
    buf_done(&v.out);
    buf_done(&directory);
    return ok;
}
