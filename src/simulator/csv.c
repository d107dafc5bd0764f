#include "simulator/csv.h"

#include "base/file.h"

#include <stdlib.h>

#define CHUNK 65536

bool csv_open(struct csv *csv, const char *path, struct err *err)
{
    *csv = (struct csv){.fd = -1};
    buf_init(&csv->in, CHUNK);
    buf_init(&csv->text, CSV_RECORD_MAX);
    csv->fields = calloc(CSV_FIELDS_MAX, sizeof(*csv->fields));
    if (csv->fields == NULL)
        return err_set(err, ERR_FULL, 0, "no memory for CSV fields");
    if (!file_open(FILE_CWD, path, FILE_READ, &csv->fd, err)) {
        csv->fd = -1;
        csv_close(csv);
        return false;
    }
    return true;
}

void csv_close(struct csv *csv)
{
    if (csv->fields == NULL)
        return;
    file_drop(csv->fd);
    buf_done(&csv->in);
    buf_done(&csv->text);
    free(csv->fields);
    *csv = (struct csv){.fd = -1};
}

void csv_rewind(struct csv *csv)
{
    csv->offset = 0;
    csv->record = 0;
    csv->in_at = 0;
    csv->at_end = false;
    buf_reset(&csv->in);
}

/* Makes sure that there is a byte to look at; at_end says that there is none. */
static bool refill(struct csv *csv, struct err *err)
{
    char *room;
    size_t got = 0;

    if (csv->in_at < csv->in.len || csv->at_end)
        return true;
    buf_reset(&csv->in);
    csv->in_at = 0;
    room = buf_reserve(&csv->in, CHUNK);
    if (room == NULL)
        return buf_check(&csv->in, "CSV buffer", err);
    if (!file_read_at(csv->fd, csv->offset, room, CHUNK, &got, err))
        return err_wrap(err, "CSV file");
    if (csv->offset == 0 && got >= 3 && memcmp(room, "\xef\xbb\xbf", 3) == 0)
        csv->in_at = 3;
    csv->in.len = got;
    csv->offset += got;
    csv->at_end = csv->in_at >= got;
    return true;
}

/* The next byte, or -1 at the end of the file. */
static bool peek(struct csv *csv, int *ret, struct err *err)
{
    if (!refill(csv, err))
        return false;
    *ret = csv->at_end ? -1 : (unsigned char)csv->in.data[csv->in_at];
    return true;
}

static bool end_field(struct csv *csv, size_t start, struct err *err)
{
    if (csv->text.failed)
        return err_set(err, ERR_INPUT, 0, "csv: record %llu is longer than %d bytes",
            (unsigned long long)csv->record, CSV_RECORD_MAX);
    if (csv->field_count == CSV_FIELDS_MAX)
        return err_set(err, ERR_INPUT, 0, "csv: record %llu has more than %d fields",
            (unsigned long long)csv->record, CSV_FIELDS_MAX);
    csv->fields[csv->field_count++] = (struct csv_field){start, csv->text.len - start};
    return true;
}

/* From behind the opening quote to behind the closing one. */
static bool quoted(struct csv *csv, struct err *err)
{
    int c;

    for (;;) {
        if (!peek(csv, &c, err))
            return false;
        if (c < 0)
            return true;
        csv->in_at++;
        if (c == '"') {
            if (!peek(csv, &c, err))
                return false;
            if (c != '"')
                return true;
            csv->in_at++;
        }
        if (!buf_add_byte(&csv->text, (uint8_t)c))
            return end_field(csv, 0, err);
    }
}

/* One field; *ret_c is the comma, line end or -1 behind it, already taken. */
static bool field(struct csv *csv, int *ret_c, struct err *err)
{
    size_t start = csv->text.len;
    int c;

    if (!peek(csv, &c, err))
        return false;
    if (c == '"') {
        csv->in_at++;
        if (!quoted(csv, err))
            return false;
    }
    for (;;) {
        if (!peek(csv, &c, err))
            return false;
        if (c >= 0)
            csv->in_at++;
        if (c < 0 || c == ',' || c == '\n' || c == '\r')
            break;
        if (!buf_add_byte(&csv->text, (uint8_t)c))
            break; /* end_field says so */
    }
    *ret_c = c;
    return end_field(csv, start, err);
}

bool csv_next(struct csv *csv, bool *ret_end, struct err *err)
{
    int c = '\n';

    while (c == '\n' || c == '\r') { /* blank lines, and the \n of \r\n */
        if (!peek(csv, &c, err))
            return false;
        if (c == '\n' || c == '\r')
            csv->in_at++;
    }
    *ret_end = c < 0;
    if (c < 0)
        return true;
    csv->record++;
    csv->field_count = 0;
    buf_reset(&csv->text);
    do {
        if (!field(csv, &c, err))
            return false;
    } while (c == ',');
    return true;
}

struct span csv_field(const struct csv *csv, size_t i)
{
    if (i >= csv->field_count || csv->fields[i].len == 0)
        return (struct span){"", 0};
    return (struct span){csv->text.data + csv->fields[i].at, csv->fields[i].len};
}
