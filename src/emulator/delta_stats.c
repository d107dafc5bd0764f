#include "emulator/delta_stats.h"

#include <math.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "parquet/format.h"

/* A column over all row groups. */
struct column_stats {
    const char *name;
    char kind; /* 't'imestamp, 's'tring, 'd'ouble */
    bool bounded, seen;
    uint64_t nulls;
    int64_t min_us, max_us;
    double min, max;
    struct span min_text, max_text;
};

static char kind_of(const struct parquet_column_info *info)
{
    if (strcmp(info->physical, "INT64") == 0)
        return 't';
    return strcmp(info->physical, "DOUBLE") == 0 ? 'd' : 's';
}

static bool take_time(struct column_stats *s, const struct parquet_column_info *info)
{
    int64_t min, max;

    if (info->min.len != sizeof(min) || info->max.len != sizeof(max))
        return false;
    memcpy(&min, info->min.data, sizeof(min));
    memcpy(&max, info->max.data, sizeof(max));
    s->min_us = s->seen && s->min_us < min ? s->min_us : min;
    s->max_us = s->seen && s->max_us > max ? s->max_us : max;
    return true;
}

static bool take_double(struct column_stats *s, const struct parquet_column_info *info)
{
    double min, max;

    if (info->min.len != sizeof(min) || info->max.len != sizeof(max))
        return false;
    memcpy(&min, info->min.data, sizeof(min));
    memcpy(&max, info->max.data, sizeof(max));
    s->min = s->seen && s->min < min ? s->min : min;
    s->max = s->seen && s->max > max ? s->max : max;
    return isfinite(s->min) && isfinite(s->max);
}

static bool take_text(struct column_stats *s, const struct parquet_column_info *info)
{
    if (!s->seen || span_compare(info->min, s->min_text) < 0)
        s->min_text = info->min;
    if (!s->seen || span_compare(info->max, s->max_text) > 0)
        s->max_text = info->max;
    return str_utf8_valid(info->min.data, info->min.len) &&
           str_utf8_valid(info->max.data, info->max.len);
}

static void take_group(struct column_stats *s, const struct parquet_column_info *info)
{
    bool fits = false;

    s->name = info->name;
    s->kind = kind_of(info);
    s->nulls += info->nulls;
    if (!s->bounded || info->values == info->nulls)
        return; /* nothing but NULL: bounds of other groups still hold */
    if (info->has_min_max && s->kind == 't')
        fits = take_time(s, info);
    else if (info->has_min_max && s->kind == 'd')
        fits = take_double(s, info);
    else if (info->has_min_max)
        fits = take_text(s, info);
    s->bounded = fits;
    s->seen = true;
}

/* Down to the millisecond, also before 1970. */
static int64_t floor_ms(int64_t us)
{
    return us / 1000 - (us % 1000 < 0);
}

/* 2026-01-31T12:34:56.789, without a zone, as Spark writes a TIMESTAMP_NTZ. */
static void print_time(struct json_out *json, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_SIZE];

    (void)clock_text(text, ms * 1000);
    text[23] = '\0'; /* behind the milliseconds */
    json_key_text(json, key, text);
}

static void print_bound(struct json_out *json, const struct column_stats *s, bool max)
{
    if (s->kind == 't') {
        print_time(json, s->name, max ? -floor_ms(-s->max_us) : floor_ms(s->min_us));
    } else if (s->kind == 'd') {
        json_key_double(json, s->name, max ? s->max : s->min);
    } else {
        json_key(json, s->name);
        json_span(json, max ? s->max_text : s->min_text);
    }
}

static bool can_print(const struct column_stats *s)
{
    if (!s->bounded || !s->seen)
        return false;
    return s->kind != 't' ||
           (s->min_us >= CLOCK_FIRST_US && s->max_us <= CLOCK_LAST_US / 1000 * 1000);
}

static void print_bounds(
    struct json_out *json, const char *key, const struct column_stats *stats, bool max)
{
    json_key(json, key);
    json_out_object(json);
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (can_print(&stats[i]))
            print_bound(json, &stats[i], max);
    }
    json_out_object_end(json);
}

void delta_stats_print(const struct parquet_reader *file, struct buf *out)
{
    struct column_stats stats[COLUMNS] = {0};
    struct parquet_info info;
    struct json_out json;

    parquet_info(file, &info);
    for (unsigned i = 0; i < COLUMNS; i++) {
        stats[i].bounded = true;
        for (uint32_t group = 0; group < info.groups; group++) {
            struct parquet_column_info column;

            parquet_column_info(file, group, i, &column);
            take_group(&stats[i], &column);
        }
    }
    json_init(&json, out);
    json_out_object(&json);
    json_key_uint(&json, "numRecords", info.rows);
    if (info.groups) { /* else there are no names */
        print_bounds(&json, "minValues", stats, false);
        print_bounds(&json, "maxValues", stats, true);
        json_key(&json, "nullCount");
        json_out_object(&json);
        for (unsigned i = 0; i < COLUMNS; i++)
            json_key_uint(&json, stats[i].name, stats[i].nulls);
        json_out_object_end(&json);
    }
    json_out_object_end(&json);
}
