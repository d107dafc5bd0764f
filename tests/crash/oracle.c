#include "crash/oracle.h"

#include "base/crc32c.h"
#include "parquet/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_US INT64_C(1700000000000000)
#define SERIES 7U
#define GAPS_MAX 256U

struct reading {
    uint64_t seq;
    bool durable;
};

struct volume_file {
    struct outbox_entry entry;
    uint32_t crc;
    uint32_t *rows; /* the number of each */
    uint32_t count;
};

struct known_gap {
    uint64_t from_seq, to_seq, readings;
};

static struct reading readings[ORACLE_READINGS_MAX];
static struct volume_file files[ORACLE_FILES_MAX];
static struct oracle_mark now;

struct oracle_mark oracle_mark(void)
{
    return now;
}

void oracle_forget(struct oracle_mark mark)
{
    while (now.files > mark.files)
        free(files[--now.files].rows);
    now.readings = mark.readings;
}

/* --- readings --- */

/* The number whose time and series n has. */
static uint32_t key_of(uint32_t n)
{
    return n % 8 == 4 ? n - 1 : n;
}

static void names_of(uint32_t n, char asset[16], char datastream[16])
{
    (void)snprintf(asset, 16, "asset-%u", key_of(n) % SERIES);
    (void)snprintf(datastream, 16, "stream-%u", key_of(n) % 3);
}

void oracle_make(
    struct readings *out, uint32_t count, struct series_table *series, uint64_t first_seq)
{
    if (now.readings + count > ORACLE_READINGS_MAX || count > out->cap)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = now.readings++;
        char asset[16], datastream[16];

        names_of(n, asset, datastream);
        if (series_number(series, span_of(asset), span_of(datastream), &out->series[i]) !=
            SERIES_OK)
            abort();
        out->timestamp_us[i] = BASE_US + key_of(n);
        out->value[i] = n;
        readings[n] = (struct reading){.seq = first_seq + i};
    }
    out->count = count;
}

uint32_t oracle_durable(uint32_t first, uint64_t durable_seq)
{
    uint32_t n = first;

    while (n < now.readings && readings[n].seq <= durable_seq)
        readings[n++].durable = true;
    return n;
}

/* --- the volume --- */

struct bytes {
    const uint8_t *data;
    size_t len;
};

static bool read_bytes(void *context, uint64_t offset, void *out, size_t len, struct err *err)
{
    const struct bytes *b = context;

    if (offset > b->len || len > b->len - offset)
        return err_set(err, ERR_INPUT, 0, "short");
    memcpy(out, b->data + offset, len);
    return true;
}

static uint32_t number_of_row(const struct parquet_columns *c, size_t i, const char *file)
{
    double value = c->payload[i];
    uint32_t n = value >= 0 && value < now.readings ? (uint32_t)value : UINT32_MAX;
    char asset[16], datastream[16];

    if (n == UINT32_MAX)
        oracle_fail("ghost: a row of value %g in '%s' was never sent", value, file);
    names_of(n, asset, datastream);
    if (value != n || c->timestamp_us[i] != BASE_US + key_of(n) ||
        !span_is(c->assets[c->asset[i]], asset) ||
        !span_is(c->datastreams[c->datastream[i]], datastream))
        oracle_fail("altered: reading %u in '%s'", n, file);
    return n;
}

static void decode(struct volume_file *f, const void *data, size_t len)
{
    struct bytes bytes = {data, len};
    struct parquet_source source = {.read = read_bytes, .context = &bytes, .bytes = len};
    struct parquet_columns columns;
    struct parquet_info info;
    struct err err;
    struct parquet_reader *r = parquet_open(source, &err);

    if (!r)
        oracle_fail("'%s' is no Parquet file: %s", f->entry.text, err.text);
    parquet_info(r, &info);
    f->rows = malloc((size_t)info.rows * sizeof(*f->rows) + 1);
    if (!f->rows)
        abort();
    for (uint32_t g = 0; g < info.groups; g++) {
        if (!parquet_read_group(r, g, &columns, &err))
            oracle_fail("'%s' cannot be read: %s", f->entry.text, err.text);
        for (size_t i = 0; i < columns.rows; i++)
            f->rows[f->count++] = number_of_row(&columns, i, f->entry.text);
    }
    parquet_close(r);
}

void oracle_put(const struct outbox_entry *entry, const void *data, size_t len)
{
    uint32_t crc = crc32c(0, data, len);
    struct volume_file *f = &files[now.files];

    for (uint32_t i = 0; i < now.files; i++) {
        if (strcmp(files[i].entry.text, entry->text) != 0)
            continue;
        if (files[i].entry.bytes != len || files[i].crc != crc)
            oracle_fail("altered: '%s' was sent with other bytes before", entry->text);
        return; /* 409, HEAD equal: done */
    }
    if (now.files == ORACLE_FILES_MAX)
        abort();
    *f = (struct volume_file){.entry = *entry, .crc = crc};
    decode(f, data, len);
    now.files++;
}

/* --- the verdict --- */

static bool same_instance(const struct volume_file *a, const struct volume_file *b)
{
    return strcmp(a->entry.name.instance, b->entry.name.instance) == 0;
}

static bool spans(const struct volume_file *f, uint64_t seq)
{
    return f->entry.name.first_seq <= seq && seq <= f->entry.name.last_seq;
}

static void check_names(void)
{
    for (uint32_t i = 0; i < now.files; i++) {
        for (uint32_t k = i + 1; k < now.files; k++) {
            if (same_instance(&files[i], &files[k]) &&
                (spans(&files[i], files[k].entry.name.first_seq) ||
                    spans(&files[k], files[i].entry.name.first_seq)))
                oracle_fail(
                    "overlapping names: '%s' and '%s'", files[i].entry.text, files[k].entry.text);
        }
    }
}

/* As gaps.c reads it: a line that was cut says nothing. */
static bool line_parse(const char *line, const char *end, struct known_gap *ret)
{
    const char *from = strstr(line, "\"from_seq\":"), *reason = strstr(line, "\"reason\":\"");
    const char *promised = strstr(line, "\"promised\":true");

    if (!from || from >= end || !reason || reason >= end || end[-1] != '}' ||
        sscanf(from, "\"from_seq\":%" SCNu64 ",\"to_seq\":%" SCNu64 ",\"readings\":%" SCNu64,
            &ret->from_seq, &ret->to_seq, &ret->readings) != 3)
        return false;
    if (promised && promised < end)
        oracle_fail("a power cut is no damage, but gaps.log says: %.*s", (int)(end - line), line);
    return true;
}

/* What gaps.log says. A loss that had been promised is one too many: no medium is bad here. */
static size_t read_gaps(const struct state *st, struct known_gap gaps[GAPS_MAX])
{
    size_t count = 0;
    struct buf text;
    struct err err;

    buf_init(&text, 1U << 20);
    if (!file_read_whole(st->dir, "gaps.log", &text, &err))
        oracle_fail("%s", err.text);
    for (size_t i = 0; i < text.len; i++) /* a torn line may have zeros in it */
        text.data[i] = text.data[i] ? text.data[i] : ' ';
    buf_add_byte(&text, '\0');
    for (char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1)
        count += line_parse(line, end, &gaps[count]) && count + 1 < GAPS_MAX;
    buf_done(&text);
    return count;
}

/* A gap of rows without a name may have rows with one in its range: it says nothing of a single one. */
static bool is_in_gap(const struct known_gap *gaps, size_t count, uint64_t seq)
{
    for (size_t i = 0; i < count; i++) {
        if (gaps[i].from_seq <= seq && seq <= gaps[i].to_seq &&
            gaps[i].readings == gaps[i].to_seq - gaps[i].from_seq + 1)
            return true;
    }
    return false;
}

/* The file of each reading; DISK_NONE's like: none. */
static void place_rows(uint32_t *place)
{
    memset(place, 0xff, now.readings * sizeof(*place));
    for (uint32_t i = 0; i < now.files; i++) {
        for (uint32_t k = 0; k < files[i].count; k++) {
            uint32_t n = files[i].rows[k];

            if (place[n] != UINT32_MAX)
                oracle_fail("twice: reading %u in '%s' and '%s'", n, files[place[n]].entry.text,
                    files[i].entry.text);
            if (!spans(&files[i], readings[n].seq))
                oracle_fail("reading %u has number %" PRIu64 ", but is in '%s'", n, readings[n].seq,
                    files[i].entry.text);
            place[n] = i;
        }
    }
}

/* A later reading of the same key is in a file that spans both. */
static bool is_superseded(const uint32_t *place, uint32_t n)
{
    return n % 8 == 3 && n + 1 < now.readings && place[n + 1] != UINT32_MAX &&
           spans(&files[place[n + 1]], readings[n].seq) && readings[n].seq < readings[n + 1].seq;
}

static void show_gaps(const struct known_gap *gaps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("  gap %" PRIu64 "-%" PRIu64 ", %" PRIu64 " readings\n", gaps[i].from_seq,
            gaps[i].to_seq, gaps[i].readings);
}

static bool is_near_gap(const struct known_gap *gaps, size_t count, uint64_t seq)
{
    for (size_t i = 0; i < count; i++) {
        if (gaps[i].from_seq <= seq && seq <= gaps[i].to_seq)
            return true;
    }
    return false;
}

/* Every number in a file's name is a row, superseded, or a counted gap. Of a reading in the range of a
 * gap of nameless rows it cannot be said whether it was superseded or nameless: both are fine. */
static void check_sum(const struct volume_file *f, const uint32_t *place,
    const struct known_gap *gaps, size_t gap_count)
{
    uint64_t want = f->entry.name.last_seq - f->entry.name.first_seq + 1;
    uint64_t sum = f->count, unclear = 0;

    for (uint32_t k = 0; k < f->count; k++) {
        uint32_t n = f->rows[k];

        if (n % 8 != 4 || place[n - 1] != UINT32_MAX || !is_superseded(place, n - 1) ||
            is_in_gap(gaps, gap_count, readings[n - 1].seq))
            continue;
        if (is_near_gap(gaps, gap_count, readings[n - 1].seq))
            unclear++;
        else
            sum++;
    }
    for (size_t k = 0; k < gap_count; k++) {
        if (gaps[k].from_seq <= gaps[k].to_seq && spans(f, gaps[k].from_seq))
            sum += gaps[k].readings;
    }
    if (sum <= want && want <= sum + unclear)
        return;
    show_gaps(gaps, gap_count);
    oracle_fail("the sums do not add up: '%s' has %u rows, %" PRIu64 " with what is counted",
        f->entry.text, f->count, sum);
}

void oracle_verdict(const struct state *st)
{
    static uint32_t place[ORACLE_READINGS_MAX];
    static struct known_gap gaps[GAPS_MAX];
    size_t gap_count = read_gaps(st, gaps);

    check_names();
    place_rows(place);
    for (uint32_t n = 0; n < now.readings; n++) {
        if (!readings[n].durable || (place[n] != UINT32_MAX || is_superseded(place, n)))
            continue;
        oracle_fail("lost: reading %u, number %" PRIu64 "%s", n, readings[n].seq,
            is_in_gap(gaps, gap_count, readings[n].seq) ? ", counted as a gap" : "");
    }
    for (uint32_t i = 0; i < now.files; i++)
        check_sum(&files[i], place, gaps, gap_count);
}
