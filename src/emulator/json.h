/* emulator/json.h: jansson, and two looks at members that need no errors.
 *
 * Owner    texts are borrowed from the object.
 * Threads  any.
 * Source   jansson 2.14.
 */
#ifndef EMULATOR_JSON_H
#define EMULATOR_JSON_H

#include "base/json_out.h"

#include <jansson.h>

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
