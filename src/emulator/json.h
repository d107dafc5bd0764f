/* emulator/json.h: jansson beside base/json_out.h.
 *
 * Shape    include this instead of jansson.h. Both have json_object, json_array and json_null;
 *          here these names are base's (the writer), and jansson's are made with json_pack: see
 *          below.
 * Threads  any.
 * Source   jansson 2.14; Debian's libjansson binds its own calls inside, so ours do not get in its
 *          way.
 */
#ifndef EMULATOR_JSON_H
#define EMULATOR_JSON_H

#define json_object jansson_names_it_json_object
#define json_array jansson_names_it_json_array
#define json_null jansson_names_it_json_null
#include <jansson.h>
#undef json_object
#undef json_array
#undef json_null

#include "base/json_out.h"

static inline json_t *json_new_object(void)
{
    return json_pack("{}");
}

static inline json_t *json_new_array(void)
{
    return json_pack("[]");
}

/* The text of a member, or "" when it is missing or something else. Borrowed. */
static inline const char *json_member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The number of a member, or 0. */
static inline int64_t json_member_int(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

#endif
