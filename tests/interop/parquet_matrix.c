/* parquet_matrix DIR: writes every case of parquet_cases.h in both profiles and all codecs, for other
 * readers to read.
 *
 *   DIR/<case>-<profile>-<codec>.parquet   the file
 *   DIR/<case>.json                        the rows it must hold, the same for all six:
 *     {"name":"rows-7","rows":7,"group_rows":[7],
 *      "timestamp":[1704067200000000,null,...],     microseconds, an integer of 64 bits
 *      "asset":["..."],"datastream":["..."],        text or null
 *      "payload":["4034000000000000",null,...]}     the 64 bits of the double, in hexadecimal
 */
#include "base/file.h"
#include "base/json_out.h"
#include "parquet_cases.h"

static bool collect(void *context, const void *data, size_t len, struct err *err)
{
    return buf_add(context, data, len) || err_set(err, ERR_FULL, 0, "no memory");
}

static bool make_file(struct buf *out, const struct parquet_case *c, enum parquet_profile profile,
    enum parquet_codec codec, struct err *err)
{
    const struct parquet_options options = {.codec = codec, .profile = profile};
    struct parquet_writer *w =
        parquet_writer_new(&options, (struct parquet_sink){collect, out}, err);
    bool ok = w != NULL;

    for (unsigned g = 0; ok && g < c->groups; g++) {
        struct case_data d;

        ok = case_fill(&d, c, g) && parquet_write_group(w, &d.columns, err);
        case_done(&d);
    }
    ok = ok && parquet_finish(w, err);
    parquet_writer_free(w);
    return ok;
}

static void put_value(
    struct json_out *json, const struct parquet_columns *c, unsigned column, size_t i)
{
    const uint8_t *const nulls[] = {
        c->timestamp_null, c->asset_null, c->datastream_null, c->payload_null};
    char hex[17];
    uint64_t bits;

    if (nulls[column] && nulls[column][i]) {
        json_out_null(json);
        return;
    }
    switch (column) {
    case 0:
        json_int(json, c->timestamp_us[i]);
        break;
    case 1:
        json_span(json, c->assets[c->asset[i]]);
        break;
    case 2:
        json_span(json, c->datastreams[c->datastream[i]]);
        break;
    default:
        memcpy(&bits, &c->payload[i], sizeof(bits));
        (void)snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)bits);
        json_text(json, hex);
    }
}

static bool make_json(struct buf *out, const struct parquet_case *c)
{
    static const char *const names[] = {"timestamp", "asset", "datastream", "payload"};
    struct json_out json;
    bool ok = true;

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "name", c->name);
    json_key_uint(&json, "rows", c->rows * c->groups);
    json_key(&json, "group_rows");
    json_out_array(&json);
    for (unsigned g = 0; g < c->groups; g++)
        json_uint(&json, c->rows);
    json_out_array_end(&json);
    for (unsigned column = 0; column < 4; column++) {
        json_key(&json, names[column]);
        json_out_array(&json);
        for (unsigned g = 0; ok && g < c->groups; g++) {
            struct case_data d;

            ok = case_fill(&d, c, g);
            for (size_t i = 0; ok && i < c->rows; i++)
                put_value(&json, &d.columns, column, i);
            case_done(&d);
        }
        json_out_array_end(&json);
    }
    json_out_object_end(&json);
    return ok && !out->failed;
}

static bool write_case(int dir, const struct parquet_case *c, struct buf *out, struct err *err)
{
    static const char *const profiles[] = {"safe", "delta"};
    static const char *const codecs[] = {"none", "snappy", "zstd"};
    char name[128];

    for (int p = PARQUET_SAFE; p <= PARQUET_DELTA; p++) {
        for (int k = PARQUET_NONE; k <= PARQUET_ZSTD; k++) {
            (void)snprintf(name, sizeof(name), "%s-%s-%s.parquet", c->name, profiles[p], codecs[k]);
            buf_reset(out);
            if (!make_file(out, c, (enum parquet_profile)p, (enum parquet_codec)k, err) ||
                !file_write_whole(dir, name, out->data, out->len, err))
                return false;
        }
    }
    (void)snprintf(name, sizeof(name), "%s.json", c->name);
    buf_reset(out);
    if (!make_json(out, c))
        return err_set(err, ERR_FULL, 0, "no memory");
    return file_write_whole(dir, name, out->data, out->len, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct buf out;
    int dir = -1;
    bool ok;

    if (argc != 2) {
        fprintf(stderr, "usage: parquet_matrix DIR\n");
        return 2;
    }
    buf_init(&out, 256U << 20);
    ok = file_dir_make(FILE_CWD, argv[1], true, &err) &&
         file_dir_open(FILE_CWD, argv[1], &dir, &err);
    for (size_t i = 0; ok && i < PARQUET_CASES; i++)
        ok = write_case(dir, &parquet_cases[i], &out, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.text[0] ? err.text : "no memory");
    if (dir >= 0)
        file_drop(dir);
    buf_done(&out);
    return ok ? 0 : 1;
}
