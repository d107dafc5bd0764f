#include "stream/manifest.h"

/* A number, or a text that is one, blanks around it allowed. */
static bool setting_number(const struct value *value, double *ret)
{
    struct number number = value->number;
    bool inexact;

    if (value->kind == VALUE_TEXT) {
        struct span text = span_trim(value->text);
        const char *end = text.data + text.len;

        if (number_scan(text.data, end, &number) != end)
            return false;
    } else if (value->kind != VALUE_NUMBER) {
        return false;
    }
    return number_value(&number, ret, &inexact);
}

/* Absent and null are the same, as in the envelope. */
static void read_setting(const struct value *value, bool *ret_has, bool *ret_bad, double *ret)
{
    *ret_has = value->kind != VALUE_ABSENT && setting_number(value, ret);
    *ret_bad = value->kind != VALUE_ABSENT && !*ret_has;
}

struct manifest manifest_read(const struct jsonline *j)
{
    const json_t *payload = json_object_get(j->root, "payload");
    const json_t *configuration = json_object_get(payload, "configuration");
    struct manifest m = {0};
    struct value value;

    /* No configuration is an empty one: the SDK's default. */
    m.usable = json_is_object(payload) &&
               (!configuration || json_is_null(configuration) || json_is_object(configuration));
    if (!m.usable)
        return m;
    value = jsonline_value(j, configuration, "upload_interval");
    read_setting(&value, &m.has_upload_interval, &m.bad_upload_interval, &m.upload_interval_s);
    value = jsonline_value(j, configuration, "batch_size");
    read_setting(&value, &m.has_batch_size, &m.bad_batch_size, &m.batch_size);
    return m;
}
